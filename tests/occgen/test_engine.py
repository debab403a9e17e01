"""build(): the same set however it is made, subsets, variants, and outputs that stand already."""

import csv
import dataclasses
import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

from occgen import BuildConfig, DataError, InputError, PatternGrid, ShardError, build, open_shards
from occgen.columns import content_digest
from occgen.engine import Progress
from occgen.formats import open_format
from occgen.manifest import canonical, read_manifest
from occgen.verify import verify

PNG_BOMB = bytes.fromhex(
    "89504e470d0a1a0a0000000d494844520000ea600000ea600802000000"  # 60000 x 60000, RGB
)


@pytest.fixture
def config(face_tree: Path, tmp_path: Path) -> BuildConfig:
    """Build of 18 faces in four shards with few occluders, so that it is fast."""
    return BuildConfig(
        dataset="folder",
        root=str(face_tree),
        out=str(tmp_path / "set"),
        scale="1.0:0.5:3.0",
        categories=("cup", "phone"),
        clean_fraction=0.3,
        shard_size=5,
        jobs=1,
    )


def rows(out: Path) -> list[dict[str, Any]]:
    """Return everything a set holds of each face, as plain values."""
    found = []
    form = open_format("hdf5")
    for index in form.indices(out):
        columns, _ = form.read(out, index)
        pastes = columns["paste/offset"].tolist()
        for row in range(len(columns["key"])):
            record: dict[str, Any] = {}
            for name in ("box", "identity", "key", "category", "occluder", "scale", "coverage"):
                record[name] = columns[name][row].tolist()
            for name in ("pattern/k5", "pattern/k5_mask", "identity_name", "mask_coverage"):
                record[name] = columns[name][row].tolist()
            for kind in ("image", "mask"):
                start, end = columns[f"{kind}/offset"][row : row + 2].tolist()
                record[kind] = columns[f"{kind}/data"][start:end].tobytes()
            for name in ("box", "category", "occluder", "scale"):
                pasted = columns[f"paste/{name}"][pastes[row] : pastes[row + 1]]
                record[f"paste/{name}"] = pasted.tolist()
            found.append(record)
    return found


def same(a: Any, b: Any) -> bool:
    """Whether two records are equal, a scale of NaN being equal to itself."""
    return bool(str(a) == str(b))


def others(config: BuildConfig, **changes: Any) -> BuildConfig:
    """Return a configuration with another output and changes."""
    out = Path(f"{config.out}-{len(list(config.out_path.parent.iterdir()))}")
    return dataclasses.replace(config, out=str(out), **changes)


def test_a_report_says_what_was_made(config: BuildConfig) -> None:
    report = build(config)
    assert (report.images, report.skipped, report.already_complete) == (18, 0, False)
    assert report.out == config.out_path
    assert report.reused_shards == 0
    manifest = report.manifest
    assert manifest == read_manifest(config.out_path)
    assert [shard["images"] for shard in manifest["shards"]] == [5, 5, 5, 3]
    assert manifest["identities"] == 6
    assert manifest["seed"] == 100
    card = (config.out_path / "card.md").read_bytes()
    assert manifest["files"] == {"card.md": hashlib.sha256(card).hexdigest()}
    assert sorted(os.listdir(config.out_path)) == [
        "card.md",
        "manifest.json",
        *(f"shard-{number:05d}.h5" for number in range(4)),
    ]
    for shard in manifest["shards"]:
        data = (config.out_path / shard["name"]).read_bytes()
        assert (shard["bytes"], shard["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())


def test_the_manifest_counts_what_the_shards_hold(config: BuildConfig) -> None:
    manifest = build(config).manifest
    found = rows(config.out_path)
    occluded = [row for row in found if row["paste/box"]]
    clean = [row for row in found if not row["paste/box"]]
    assert 0 < len(clean) < 18
    assert manifest["occluded"] == len(occluded)
    for name, column in (("box_coverage", "coverage"), ("mask_coverage", "mask_coverage")):
        mean = float(np.mean([row[column] for row in occluded]))
        assert manifest[name] == pytest.approx(mean, abs=1e-6)
    assert sum(manifest["coverage_histogram"]) == len(occluded)
    assert sum(manifest["categories"].values()) == 18
    assert manifest["categories"]["clean"] == len(clean)
    for name in ("k5", "k5_mask"):
        labels = [row[f"pattern/{name}"] for row in found]
        expected = {str(label): labels.count(label) for label in set(labels)}
        assert manifest["patterns"][name] == expected
    differ = sum(row["pattern/k5"] != row["pattern/k5_mask"] for row in found)
    assert manifest["labels_differ"] == differ
    for row in clean:
        assert row["box"] == [0, 0, 0, 0]
        assert (row["category"], row["occluder"], row["pattern/k5"]) == (0, b"", 0)
        assert np.isnan(row["scale"])


def test_the_digest_is_over_contents_and_settings(config: BuildConfig) -> None:
    """As the design writes it: each dataset's name, type, shape and bytes, and the settings."""
    report = build(config)
    total = hashlib.sha256()
    for shard in report.manifest["shards"]:
        with h5py.File(config.out_path / shard["name"]) as file:
            names: list[str] = []
            file.visit(names.append)
            columns = {n: file[n][()] for n in names if isinstance(file[n], h5py.Dataset)}
        inner = hashlib.sha256()
        for name in sorted(columns):
            column = columns[name]
            inner.update(f"{name}|{column.dtype.str}|{column.shape}|".encode())
            inner.update(column.tobytes())
        assert content_digest(columns) == inner.hexdigest()
        total.update(inner.digest())
    settings = config.content() | {"occluders_digest": report.manifest["occluders"]["digest"]}
    total.update(json.dumps(settings, sort_keys=True, separators=(",", ":")).encode())
    assert report.digest == total.hexdigest()
    assert canonical(settings) == canonical(report.manifest["config"])


@pytest.mark.slow
@pytest.mark.parametrize("form", ["hdf5", "folder"])
def test_one_job_and_two_make_the_same(config: BuildConfig, form: str) -> None:
    (Path(str(config.root)) / "person3" / "9.jpg").write_bytes(b"no picture")
    config = dataclasses.replace(config, format=form, variants=2, max_skipped=0.2)
    one = build(config)
    two = build(others(config, jobs=2))
    assert one.digest == two.digest
    files = [shard["name"] for shard in one.manifest["shards"]]
    files += ["skipped.csv", "card.md"]
    assert len(files) > 8
    for name in files:
        assert (one.out / name).read_bytes() == (two.out / name).read_bytes()


def test_where_it_lies_changes_nothing(config: BuildConfig, tmp_path: Path) -> None:
    report = build(config)
    moved = shutil.copytree(Path(str(config.root)), tmp_path / "somewhere else é")
    assert build(others(config, root=str(moved))).digest == report.digest
    assert str(tmp_path) not in json.dumps(report.manifest["config"])


@pytest.mark.parametrize("change", [{"seed": 101}, {"scale": 2.0}, {"k": 4}, {"quality": 94}])
def test_another_setting_makes_another_digest(config: BuildConfig, change: dict[str, Any]) -> None:
    assert build(config).digest != build(others(config, **change)).digest


@pytest.mark.parametrize("limit", [1, 5, 7, 18, 400])
def test_a_limit_makes_the_first_records(config: BuildConfig, limit: int) -> None:
    build(config)
    part = others(config, limit=limit)
    assert build(part).images == min(limit, 18)
    whole = rows(config.out_path)
    for full, cut in zip(whole, rows(part.out_path), strict=False):
        assert same(full, cut)


def test_a_record_hangs_on_its_key_alone(config: BuildConfig) -> None:
    """Other pictures, another order and other shards leave a face as it is."""
    build(config)
    known = {row["key"]: row for row in rows(config.out_path)}
    root = Path(str(config.root))
    shutil.copytree(root / "person1", root / "a first person")
    shutil.rmtree(root / "person0")
    other = others(config, shard_size=3)
    build(other)
    found = {row["key"]: row for row in rows(other.out_path)}
    assert len(set(known) & set(found)) == 15
    for key in set(known) & set(found):
        numbers = {"identity": 0}
        assert same(known[key] | numbers, found[key] | numbers)


def test_variants_are_versions_of_one_face(config: BuildConfig) -> None:
    build(config)
    several = others(config, variants=3)
    assert build(several).images == 54
    found = rows(several.out_path)
    keys = [row["key"].decode() for row in found]
    plain = [key for key in keys if "#" not in key]
    assert keys == [key + end for key in plain for end in ("", "#1", "#2")]
    for alone, row in zip(rows(config.out_path), found[::3], strict=True):
        assert same(alone, row)
    for start in range(0, 54, 3):
        assert len({row["identity"] for row in found[start : start + 3]}) == 1
    assert len({str(row["paste/box"]) for row in found}) > 30
    counts = [shard["images"] for shard in read_manifest(several.out_path)["shards"]]
    assert max(counts) <= config.shard_size


def test_labels_and_pixels_are_those_of_the_box(config: BuildConfig, face_tree: Path) -> None:
    """Outside the mask a lossless set shows the source's own pixels."""
    from occgen.codec import decode_image

    build(dataclasses.replace(config, codec="png", clean_fraction=0.0))
    grid = PatternGrid(5, 112, 112)
    for sample in open_shards(config.out_path):
        source = decode_image((face_tree / sample.key).read_bytes())
        box = np.array([sample.box])
        assert sample.pattern() == grid.label_boxes(box)[0]
        assert sample.pattern(by="mask") == grid.label_masks(sample.mask[None])[0]
        changed = (sample.image != source).any(axis=2)
        x0, y0, x1, y1 = sample.box
        inside = np.zeros_like(changed)
        inside[y0:y1, x0:x1] = True
        assert not (changed & ~inside).any()
        assert not (sample.mask & ~inside).any()
        assert changed[sample.mask].mean() > 0.9


def stamps(out: Path) -> dict[str, tuple[int, int]]:
    """Return inode and time of change of all files of an output."""
    return {
        str(path): (path.stat().st_ino, path.stat().st_mtime_ns)
        for path in out.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("form", ["hdf5", "folder"])
def test_a_complete_set_is_left_alone(config: BuildConfig, form: str) -> None:
    config = dataclasses.replace(config, format=form)
    first = build(config)
    before = stamps(config.out_path)
    for again in (config, dataclasses.replace(config, jobs=2, strict=True, overwrite=True)):
        report = build(again)
        assert report.already_complete
        assert report.digest == first.digest
        assert stamps(config.out_path) == before


def test_another_configuration_is_refused(config: BuildConfig) -> None:
    build(config)
    before = stamps(config.out_path)
    with pytest.raises(InputError, match=r"another configuration \(seed 100 not 7\); use --over"):
        build(dataclasses.replace(config, seed=7))
    with pytest.raises(InputError, match=r"k 5 not 4, quality 95 not 90, seed 100 not 7, \.\.\."):
        build(dataclasses.replace(config, seed=7, k=4, quality=90, variants=2))
    with pytest.raises(InputError, match="format 'hdf5' not 'folder'"):
        build(dataclasses.replace(config, format="folder"))
    assert stamps(config.out_path) == before
    replaced = build(dataclasses.replace(config, seed=7, format="folder", overwrite=True))
    assert replaced.manifest["seed"] == 7
    assert sorted(os.listdir(config.out_path)) == [
        *("card.md", "images", "labels.csv", "manifest.json", "masks", "parts")
    ]
    back = build(dataclasses.replace(config, overwrite=True))
    assert not (config.out_path / "images").exists()
    assert not back.already_complete
    assert verify(config.out_path, 1) == []


def test_a_complete_set_of_another_source_is_refused(config: BuildConfig) -> None:
    build(config)
    root = Path(str(config.root))
    shutil.copy(root / "person1" / "0.jpg", root / "person1" / "7.jpg")
    with pytest.raises(InputError, match=r"made from 18 pictures and the source now lists 19"):
        build(config)
    assert build(dataclasses.replace(config, overwrite=True)).images == 19
    assert verify(config.out_path, 1) == []


def test_a_missing_shard_is_an_error_not_a_note(config: BuildConfig) -> None:
    build(config)
    (config.out_path / "shard-00002.h5").unlink()
    with pytest.raises(ShardError, match=r"shard-00002\.h5 is missing .*verify --repair"):
        build(config)


def test_foreign_files_are_never_touched(config: BuildConfig, tmp_path: Path) -> None:
    config.out_path.mkdir()
    (config.out_path / "thesis.tex").write_text("mine")
    for overwrite in (False, True):
        with pytest.raises(InputError, match=r"holds thesis\.tex, which no build made"):
            build(dataclasses.replace(config, overwrite=overwrite))
    assert os.listdir(config.out_path) == ["thesis.tex"]
    with pytest.raises(InputError, match=r"thesis\.tex is a file; name a folder"):
        build(dataclasses.replace(config, out=str(config.out_path / "thesis.tex")))


def test_pictures_are_not_written_among_the_sources(config: BuildConfig) -> None:
    inside = str(Path(str(config.root)) / "set")
    with pytest.raises(InputError, match=r"lies inside the source"):
        build(dataclasses.replace(config, format="folder", out=inside))


def test_shards_beside_the_pictures_are_no_pictures(config: BuildConfig) -> None:
    inside = dataclasses.replace(config, out=str(Path(str(config.root)) / "set"))
    first = build(inside)
    again = build(inside)
    assert again.already_complete
    assert first.images == 18


def test_pairs_are_carried_along(config: BuildConfig) -> None:
    pairs = b"image_a,image_b,same\nperson1/0.jpg,person1/1.jpg,1\n"
    (Path(str(config.root)) / "pairs.csv").write_bytes(pairs)
    report = build(config)
    assert (config.out_path / "pairs.csv").read_bytes() == pairs
    assert report.manifest["files"]["pairs.csv"] == hashlib.sha256(pairs).hexdigest()
    assert set(report.manifest["files"]) == {"card.md", "pairs.csv"}
    assert build(config).already_complete
    with open(config.out_path / "pairs.csv", "ab") as file:
        file.write(b"x")
    assert [finding.file for finding in verify(config.out_path, 1)] == ["pairs.csv"]


def test_progress_counts_to_the_total(config: BuildConfig) -> None:
    seen: list[Progress] = []
    build(config, seen.append)
    assert [step.images for step in seen] == [5, 10, 15, 18]
    assert [step.shards for step in seen] == [1, 2, 3, 4]
    assert {step.total for step in seen} == {18}
    assert {step.reused for step in seen} == {0}
    (config.out_path / "manifest.json").unlink()
    (config.out_path / "shard-00001.h5").unlink()
    seen.clear()
    build(dataclasses.replace(config), seen.append)
    assert seen[-1].reused == 13
    seen.clear()
    build(others(config, limit=7, variants=2), seen.append)
    assert (seen[-1].images, seen[-1].total) == (14, 14)


def test_pictures_of_another_size_are_named(
    config: BuildConfig, draw_picture: Callable[..., NDArray[np.uint8]], encode_picture: Any
) -> None:
    root = Path(str(config.root))
    (root / "person2" / "1.jpg").write_bytes(encode_picture(draw_picture(1, 112, 96)))
    report = build(dataclasses.replace(config, max_skipped=0.1))
    assert report.images == 17
    (skipped,) = skipped_of(config.out_path).items()
    assert skipped[0] == "person2/1.jpg"
    assert skipped[1] == "is 112x96 pixels (height x width) where the set has 112x112"


def test_a_small_first_picture_is_named(
    config: BuildConfig, draw_picture: Callable[..., NDArray[np.uint8]], encode_picture: Any
) -> None:
    first = Path(str(config.root)) / "a.png"
    first.write_bytes(encode_picture(draw_picture(1, 4, 4), "PNG"))
    with pytest.raises(DataError, match=r"a\.png, whose size .* is 4x4 .* set --image-size"):
        build(config)
    first.write_bytes(encode_picture(draw_picture(1, 60, 60), "PNG"))
    with pytest.raises(DataError, match=r"18 of 19 .* size of its first picture, --image-size"):
        build(config)
    report = build(others(config, image_size="112x112", max_skipped=0.1))
    assert (report.images, len(skipped_of(report.out))) == (18, 1)


def test_a_name_like_a_variants_is_named(config: BuildConfig) -> None:
    root = Path(str(config.root))
    shutil.copy(root / "person1" / "1.jpg", root / "person1" / "1.jpg#1")
    assert build(others(config)).images == 19
    report = build(others(config, variants=2, max_skipped=0.1))
    assert report.images == 36
    assert skipped_of(report.out) == {
        "person1/1.jpg#1": "its name ends as a variant's does; rename it, or make one variant"
    }


def test_a_cut_to_96_columns_takes_both_sizes(
    config: BuildConfig, draw_picture: Callable[..., NDArray[np.uint8]], encode_picture: Any
) -> None:
    root = Path(str(config.root))
    narrow = draw_picture(1, 112, 96)
    (root / "person2" / "1.png").write_bytes(encode_picture(narrow, "PNG"))
    wide = np.pad(narrow, ((0, 0), (8, 8), (0, 0)))
    (root / "person2" / "2.png").write_bytes(encode_picture(wide, "PNG"))
    report = build(
        dataclasses.replace(config, image_size="112x96", codec="png", clean_fraction=1.0)
    )
    assert (report.images, report.manifest["width"]) == (20, 96)
    pictures = {sample.key: sample.image for sample in open_shards(config.out_path)}
    assert np.array_equal(pictures["person2/1.png"], narrow)
    assert np.array_equal(pictures["person2/2.png"], narrow)


def skipped_of(out: Path) -> dict[str, str]:
    """Return reasons of a set's skipped pictures by key."""
    with open(out / "skipped.csv", newline="", encoding="utf-8") as file:
        return {row["key"]: row["reason"] for row in csv.DictReader(file)}


def test_a_picture_with_a_side_too_long_is_left_out_and_sets_no_size(
    config: BuildConfig, encode_picture: Any
) -> None:
    long = {
        "person0/!a.png": encode_picture(np.zeros((40_000, 40, 3), np.uint8), "PNG"),
        "person0/!b.jpg": encode_picture(np.zeros((10, 65_000, 3), np.uint8)),
        "person0/!c.png": encode_picture(np.zeros((70_000, 10, 3), np.uint8), "PNG"),
    }
    for key, data in long.items():
        Path(str(config.root), key).write_bytes(data)
    report = build(dataclasses.replace(config, max_skipped=0.5))
    assert (report.images, report.skipped, report.manifest["height"]) == (18, 3, 112)
    skipped = skipped_of(config.out_path)
    assert set(skipped) == set(long)
    assert skipped["person0/!a.png"] == (
        "too large: 40x40000 has a side of more than 32,767 pixels"
    )


def test_a_source_of_nothing_is_told(config: BuildConfig, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="empty holds no pictures"):
        build(dataclasses.replace(config, root=str(tmp_path / "empty")))
    (tmp_path / "empty" / "a.jpg").write_bytes(b"x")
    (tmp_path / "empty" / "b.jpg").write_bytes(PNG_BOMB)
    with pytest.raises(DataError, match=r"none of 2 pictures can be read \(first: a\.jpg: not a"):
        build(dataclasses.replace(config, root=str(tmp_path / "empty")))
    assert not config.out_path.exists()


def test_an_empty_choice_of_occluders_fails_before_any_work(config: BuildConfig) -> None:
    from occluders import OccluderInputError

    with pytest.raises(OccluderInputError, match="no occluder is left"):
        build(dataclasses.replace(config, categories=("cup",), group=3))
    with pytest.raises(OccluderInputError, match="category must be one of"):
        build(dataclasses.replace(config, categories=("hat",)))
    assert not config.out_path.exists()
