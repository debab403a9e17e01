"""verify() finds every changed byte and says where; repair() brings the first set back."""

import dataclasses
import hashlib
import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from occgen import BuildConfig, InputError, ShardError, build
from occgen.columns import Columns, content_digest
from occgen.formats import open_format
from occgen.formats.hdf5 import shard_bytes
from occgen.labelling import label_build
from occgen.manifest import build_digest, manifest_bytes, read_manifest
from occgen.repair import repair
from occgen.verify import Finding, verify

SHARD = "shard-00001.h5"
# Datasets in which a changed value contradicts the rest of the shard, and the field then named.
NAMED = {
    "image/data": "image",
    "image/crc32": "image",
    "mask/data": "mask",
    "mask/crc32": "mask",
    "box": "box",
    "paste/box": "box",
    "pattern/k5": "pattern/k5",
    "pattern/k5_mask": "pattern/k5_mask",
    "category": "category",
    "occluder": "occluder",
    "scale": "scale",
    "paste/category": "category",
    "paste/occluder": "occluder",
    "paste/scale": "scale",
    "coverage": "coverage",
    "mask_coverage": "mask_coverage",
}


def config_of(root: Path, out: Path, **changes: Any) -> BuildConfig:
    """Return the build of all tests here: three shards, a bad picture in the second."""
    return BuildConfig(
        dataset="folder",
        root=str(root),
        out=str(out),
        scale="1.0:0.5:3.0",
        categories=("cup",),
        clean_fraction=0.2,
        shard_size=7,
        max_skipped=0.1,
        jobs=1,
        **changes,
    )


@pytest.fixture(scope="module")
def made(
    tmp_path_factory: pytest.TempPathFactory, face_bytes: dict[str, bytes]
) -> dict[str, BuildConfig]:
    """Finished sets of both formats, with labels of K = 6 added to the shards."""
    root = tmp_path_factory.mktemp("made") / "faces"
    for key, data in face_bytes.items():
        path = root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (root / "person3" / "bad.jpg").write_bytes(b"no picture")
    (root / "pairs.csv").write_text("image_a,image_b,same\n")
    (root / "landmarks.csv").write_text(landmarks(list(face_bytes)))
    configs = {}
    for form in ("hdf5", "folder"):
        configs[form] = config_of(root, root.parent / form, format=form)
        build(configs[form])
    label_build(configs["hdf5"].out_path, 6)
    return configs


def landmarks(keys: list[str]) -> str:
    """Return a table of the same five points for every picture."""
    names = ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")
    lines = [",".join(["image", *(f"{name}_{axis}" for name in names for axis in "xy")])]
    lines += [",".join([key, *(str(30 + 5 * number) for number in range(10))]) for key in keys]
    return "\n".join(lines)


@pytest.fixture
def copy(made: dict[str, BuildConfig], tmp_path: Path) -> Callable[[str], Path]:
    """Function that gives a copy of a finished set, to be damaged."""

    def copied(form: str = "hdf5") -> Path:
        return shutil.copytree(made[form].out_path, tmp_path / form)

    return copied


def contents(out: Path) -> dict[str, bytes]:
    """Return every file of a set but the manifest, by name."""
    return {
        path.relative_to(out).as_posix(): path.read_bytes()
        for path in sorted(out.rglob("*"))
        if path.is_file() and path.name != "manifest.json"
    }


def flip(path: Path, place: int, bits: int = 0x01) -> None:
    """Change one byte of a file in place."""
    with open(path, "r+b") as file:
        file.seek(place)
        byte = file.read(1)[0]
        file.seek(place)
        file.write(bytes([byte ^ bits]))


def places_of(path: Path) -> Iterator[tuple[str, int, int]]:
    """Yield name, first byte and length of every dataset of a shard."""
    with h5py.File(path) as file:
        names: list[str] = []
        file.visit(names.append)
        for name in names:
            if isinstance(file[name], h5py.Dataset) and file[name].nbytes:
                yield name, file[name].id.get_offset(), file[name].nbytes


def test_a_finished_set_is_whole(made: dict[str, BuildConfig]) -> None:
    steps: list[tuple[int, int]] = []
    for config in made.values():
        assert verify(config.out_path, 1, lambda *step: steps.append(step)) == []
    assert steps == [(1, 3), (2, 3), (3, 3)] * 2


@pytest.mark.slow
def test_verify_in_two_processes_finds_the_same(copy: Callable[[str], Path]) -> None:
    out = copy("hdf5")
    for name in ("shard-00000.h5", "shard-00002.h5"):
        flip(out / name, 5000)
    assert verify(out, 2) == verify(out, 1) != []


@pytest.mark.slow
def test_a_changed_byte_of_any_dataset_is_found(copy: Callable[[str], Path]) -> None:
    out = copy("hdf5")
    path = out / SHARD
    whole = path.read_bytes()
    places = list(places_of(path))
    names = {name for name, _, _ in places}
    assert set(NAMED) < names
    assert {"skipped/key", "skipped/reason", "landmarks", "key"} < names
    for name, start, length in places:
        for place in sorted({length // 3, length - 1}):
            flip(path, start + place)
            findings = verify(out, 1)
            path.write_bytes(whole)
            assert findings, (name, place)
            assert {finding.file for finding in findings} == {SHARD}
            if name in NAMED:
                rows = [found.row for found in findings if found.field == NAMED[name]]
                assert rows, (name, place, findings)
                assert rows[0] in range(6), (name, place)


@pytest.mark.slow
def test_a_changed_byte_between_the_datasets_is_found(copy: Callable[[str], Path]) -> None:
    out = copy("hdf5")
    path = out / SHARD
    whole = path.read_bytes()
    inside = np.zeros(len(whole), bool)
    for _, start, length in places_of(path):
        inside[start : start + length] = True
    outside = np.flatnonzero(~inside)
    picked = np.unique([*outside[:16], *outside[:: max(1, len(outside) // 30)], outside[-1]])
    for number, place in enumerate(picked.tolist()):
        flip(path, place, 0x80 if number % 2 else 0x01)
        findings = verify(out, 1)
        path.write_bytes(whole)
        assert {finding.file for finding in findings} == {SHARD}, place


@pytest.mark.parametrize("name", ["skipped.csv", "pattern-k6.h5", "pairs.csv", "card.md"])
def test_a_changed_byte_beside_the_shards_is_found(copy: Callable[[str], Path], name: str) -> None:
    out = copy("hdf5")
    size = (out / name).stat().st_size
    for place in sorted({0, size // 2, size - 1, *range(0, size, max(1, size // 6))}):
        flip(out / name, place)
        (finding,) = verify(out, 1)
        assert (finding.file, finding.row) == (name, None)
        flip(out / name, place)
    assert verify(out, 1) == []


def test_a_changed_byte_of_the_manifest_is_found(copy: Callable[[str], Path]) -> None:
    out = copy("hdf5")
    path = out / "manifest.json"
    size = path.stat().st_size
    for bits in (0x01, 0x10, 0x80):
        for place in [*range(0, size, 61), size - 2, size - 1]:
            flip(path, place, bits)
            (finding,) = verify(out, 1)
            assert finding.file == "manifest.json", place
            flip(path, place, bits)
    for cut in (0, 1, size // 2, size - 1):
        whole = path.read_bytes()
        path.write_bytes(whole[:cut])
        assert verify(out, 1)[0].file == "manifest.json"
        path.write_bytes(whole)
    assert verify(out, 1) == []


def mended(out: Path, before: dict[str, bytes], digest: str) -> bool:
    """Repair a set; whether it is what it was, and whole."""
    report = repair(out, jobs=1)
    return report.digest == digest and contents(out) == before and verify(out, 1) == []


@pytest.mark.parametrize(
    ("name", "place"),
    [
        (SHARD, 30),
        (SHARD, -2000),
        ("skipped.csv", 3),
        ("pattern-k6.h5", -20),
        ("card.md", 400),
        ("pairs.csv", 3),
        ("manifest.json", 300),
    ],
)
def test_repair_mends_a_changed_byte(copy: Callable[[str], Path], name: str, place: int) -> None:
    out = copy("hdf5")
    before, digest = contents(out), read_manifest(out)["digest"]
    path = out / name
    others = {
        other: (other.stat().st_ino, other.stat().st_mtime_ns)
        for other in out.glob("shard-*.h5")
        if other != path
    }
    flip(path, place % path.stat().st_size)
    assert verify(out, 1)
    if name == "manifest.json":
        root = str(out.parent / "nowhere")
        with pytest.raises(InputError, match="add --root DIR"):
            repair(out, jobs=1)
        with pytest.raises(InputError, match="nowhere does not exist"):
            repair(out, root, jobs=1)
        assert verify(out, 1)[0].file == "manifest.json"
    else:
        assert mended(out, before, digest)
        for other, stamp in others.items():
            assert (other.stat().st_ino, other.stat().st_mtime_ns) == stamp


@pytest.mark.parametrize("form", ["hdf5", "folder"])
def test_repair_writes_a_damaged_manifest_anew(
    made: dict[str, BuildConfig], copy: Callable[[str], Path], form: str
) -> None:
    out = copy(form)
    before, digest = contents(out), read_manifest(out)["digest"]
    flip(out / "manifest.json", 300)
    report = repair(out, made[form].root, jobs=1)
    assert report.digest == digest
    assert contents(out) == before
    assert verify(out, 1) == []


@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "tail", "swapped", "text", "extra"])
def test_repair_mends_whole_shards(copy: Callable[[str], Path], damage: str) -> None:
    out = copy("hdf5")
    before, digest = contents(out), read_manifest(out)["digest"]
    path = out / SHARD
    whole = path.read_bytes()
    new = {
        "empty": b"",
        "cut": whole[: len(whole) // 2],
        "tail": whole + b"\0",
        "swapped": (out / "shard-00000.h5").read_bytes(),
        "text": b"no shard",
    }
    named = SHARD
    if damage == "missing":
        path.unlink()
    elif damage == "extra":
        named = "shard-00003.h5"
        (out / named).write_bytes(whole)
    else:
        path.write_bytes(new[damage])
    assert {finding.file for finding in verify(out, 1)} == {named}
    assert mended(out, before, digest)


def test_everything_at_once_is_mended(copy: Callable[[str], Path]) -> None:
    out = copy("hdf5")
    before, digest = contents(out), read_manifest(out)["digest"]
    (out / "shard-00000.h5").unlink()
    flip(out / SHARD, 9000)
    for name in ("skipped.csv", "pairs.csv", "pattern-k6.h5"):
        flip(out / name, 10)
    files = {finding.file for finding in verify(out, 1)}
    assert len(files) == 5
    assert mended(out, before, digest)


def test_a_damaged_shard_is_not_taken_for_whole_with_a_damaged_manifest(
    made: dict[str, BuildConfig], copy: Callable[[str], Path]
) -> None:
    out = copy("hdf5")
    before, digest = contents(out), read_manifest(out)["digest"]
    flip(out / "manifest.json", 300)
    start = dict((name, place) for name, place, _ in places_of(out / SHARD))
    flip(out / SHARD, start["image/data"] + 700)
    report = repair(out, made["hdf5"].root, jobs=1)
    assert report.digest == digest
    assert contents(out) == before
    assert verify(out, 1) == []


@pytest.mark.parametrize("name", ["images", "masks", "parts", "labels.csv", "card.md"])
def test_a_folder_set_is_checked_and_mended(copy: Callable[[str], Path], name: str) -> None:
    out = copy("folder")
    before, digest = contents(out), read_manifest(out)["digest"]
    files = [path for path in sorted((out / name).rglob("*")) if path.is_file()]
    path = files[1] if files else out / name
    size = path.stat().st_size
    for place in (0, size // 2, size - 1):
        flip(path, place)
        findings = verify(out, 1)
        assert findings, place
        assert path.name in str(findings[0])
        flip(path, place)
    flip(path, size // 2)
    assert mended(out, before, digest)
    path.unlink()
    assert verify(out, 1)
    assert mended(out, before, digest)


def test_pictures_of_no_part_are_found_and_removed(copy: Callable[[str], Path]) -> None:
    out = copy("folder")
    before = contents(out)
    extra = ["images/person0/99.jpg", "masks/new/0.png", "parts/shard-00003.json", "shard-00009.h5"]
    (out / "masks" / "new").mkdir()
    for name in extra:
        (out / name).write_bytes(b"extra")
    assert {finding.file for finding in verify(out, 1)} == set(extra)
    repair(out, jobs=1)
    assert contents(out) == before


def rewrite(out: Path, change: Callable[[Columns], None]) -> None:
    """Change the columns of a shard and make every checksum follow, as a faulty writer would."""
    form = open_format("hdf5")
    columns, attributes = form.read(out, 1)
    types = h5py_types(out / SHARD)
    change(columns)
    columns = {name: column.astype(types[name]) for name, column in columns.items()}
    data = shard_bytes(columns, attributes)
    (out / SHARD).write_bytes(data)
    manifest = read_manifest(out)
    entry = manifest["shards"][1]
    entry["sha256"] = hashlib.sha256(data).hexdigest()
    entry["content_sha256"] = content_digest(columns)
    digests = [shard["content_sha256"] for shard in manifest["shards"]]
    manifest["digest"] = build_digest(digests, manifest["config"])
    (out / "manifest.json").write_bytes(manifest_bytes(manifest))


def h5py_types(path: Path) -> dict[str, Any]:
    """Return the types of a shard's datasets, enumerations and text included."""
    with h5py.File(path) as file:
        names: list[str] = []
        file.visit(names.append)
        return {name: file[name].dtype for name in names if isinstance(file[name], h5py.Dataset)}


def first_occluded(columns: Columns) -> int:
    """Return the first row something is pasted on."""
    return int(np.flatnonzero(np.diff(columns["paste/offset"].astype(int)))[0])


@pytest.mark.parametrize("name", ["pattern/k5", "pattern/k5_mask", "coverage", "box", "scale"])
def test_a_wrong_value_is_found_even_when_all_checksums_agree(
    copy: Callable[[str], Path], name: str
) -> None:
    out = copy("hdf5")
    rewrite(out, lambda columns: None)
    assert verify(out, 1) == []
    rows: list[int] = []

    def change(columns: Columns) -> None:
        row = first_occluded(columns)
        rows.append(row)
        columns[name] = columns[name].copy()
        columns[name][row] += 1

    rewrite(out, change)
    findings = verify(out, 1)
    assert findings
    assert (findings[0].file, findings[0].row) == (SHARD, rows[0])
    assert name in {finding.field for finding in findings}


def test_two_numbers_of_one_person_are_found(copy: Callable[[str], Path]) -> None:
    out = copy("hdf5")

    def change(columns: Columns) -> None:
        names = columns["identity_name"].tolist()
        assert names[2] == names[3]
        columns["identity"] = columns["identity"].copy()
        columns["identity"][3] = 77

    rewrite(out, change)
    (finding,) = verify(out, 1)
    assert (finding.file, finding.row, finding.field) == (SHARD, 3, "identity")
    assert finding.problem.startswith("is 77, and 'person")


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("mask/offset", 1, "does not cut [0-9]+ from the first to the last"),
        ("paste/offset", 1, "does not cut [0-9]+ from the first to the last"),
        ("key", b"\xff", r"is no UTF-8 \(invalid start byte\)"),
        ("category", 200, "holds numbers of no category"),
    ],
)
def test_a_column_the_reader_refuses_is_the_field(
    copy: Callable[[str], Path], name: str, value: Any, problem: str
) -> None:
    out = copy("hdf5")
    with h5py.File(out / SHARD, "r+") as file:
        file[name][0] = value
    (finding,) = verify(out, 1)
    assert finding[:3] == (SHARD, None, name)
    assert re.fullmatch(problem, finding.problem)


def test_a_finding_names_no_folder_of_the_machine(copy: Callable[[str], Path]) -> None:
    for form, name in (("hdf5", SHARD), ("folder", "parts/shard-00001.json")):
        out = copy(form)
        (out / name).write_bytes(b"no shard")
        (finding,) = verify(out, 1)
        assert finding[:3] == (name, None, "file")
        assert finding.problem.startswith("is damaged")
        assert str(out) not in str(finding)
        assert str(finding).count(name) == 1


def test_findings_of_a_field_are_limited_and_the_rest_are_counted(
    copy: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = copy("hdf5")

    def change(columns: Columns) -> None:
        for name in ("pattern/k5", "pattern/k5_mask", "coverage", "mask_coverage"):
            columns[name] = columns[name] + 1

    rewrite(out, change)
    assert len(verify(out, 1)) == 4 * len(open_format("hdf5").read(out, 1)[0]["key"])
    monkeypatch.setattr("occgen.verify._MOST_OF_A_FIELD", 2)
    findings = verify(out, 1)
    rows = len(open_format("hdf5").read(out, 1)[0]["key"])
    more = [finding for finding in findings if finding.row is None]
    assert len(findings) == 4 * 3
    assert {finding.field for finding in more} == {
        *("pattern/k5", "pattern/k5_mask", "coverage", "mask_coverage"),
    }
    assert {(finding.problem, finding.times) for finding in more} == {
        (f"and {rows - 2} more", rows - 2)
    }


def test_a_manifest_that_does_not_follow_is_found(copy: Callable[[str], Path]) -> None:
    out = copy("hdf5")
    manifest = read_manifest(out)
    for field, value in (("digest", "0" * 64), ("images", 99)):
        (out / "manifest.json").write_bytes(manifest_bytes(manifest | {field: value}))
        assert [(f.file, f.field) for f in verify(out, 1)] == [("manifest.json", field)]
    without = {name: value for name, value in manifest.items() if name != "shards"}
    (out / "manifest.json").write_bytes(manifest_bytes(without))
    assert verify(out, 1)[0].file == "manifest.json"


def test_repair_touches_nothing_where_the_source_is_gone(
    made: dict[str, BuildConfig], copy: Callable[[str], Path], tmp_path: Path
) -> None:
    out = copy("hdf5")
    flip(out / SHARD, 9000)
    before = contents(out)
    with pytest.raises(InputError, match="moved does not exist"):
        repair(out, str(tmp_path / "moved"), jobs=1)
    assert contents(out) == before
    moved = shutil.copytree(Path(str(made["hdf5"].root)), tmp_path / "moved")
    repair(out, str(moved), jobs=1)
    assert verify(out, 1) == []


def test_repair_from_a_changed_source_says_that_it_differs(
    made: dict[str, BuildConfig],
    copy: Callable[[str], Path],
    tmp_path: Path,
    face_bytes: dict[str, bytes],
) -> None:
    out = copy("hdf5")
    moved = shutil.copytree(Path(str(made["hdf5"].root)), tmp_path / "moved")
    (moved / "person3" / "0.jpg").write_bytes(face_bytes["person0/0.jpg"])
    flip(out / SHARD, 9000)
    before, manifest = contents(out), (out / "manifest.json").read_bytes()
    for _ in range(2):
        with pytest.raises(ShardError, match=r"made anew but differs \(digest [0-9a-f]{12}, was"):
            repair(out, str(moved), jobs=1)
        assert contents(out) == before
        assert (out / "manifest.json").read_bytes() == manifest
    assert repair(out, jobs=1).digest == json.loads(manifest)["digest"]
    assert verify(out, 1) == []


def test_what_is_no_set_is_told(tmp_path: Path, made: dict[str, BuildConfig]) -> None:
    with pytest.raises(InputError, match="nowhere does not exist"):
        verify(tmp_path / "nowhere")
    with pytest.raises(InputError, match="it is no build of occgen"):
        verify(tmp_path)
    config = dataclasses.replace(made["hdf5"], out=str(tmp_path / "unfinished"))
    build(config)
    (config.out_path / "manifest.json").unlink()
    with pytest.raises(InputError, match="unfinished: run the same build again"):
        verify(config.out_path)


def test_a_finding_reads_as_a_line() -> None:
    assert str(Finding("shard-00000.h5", 3, "box", "is wrong")) == (
        "shard-00000.h5, row 3: box: is wrong"
    )
    assert str(Finding("skipped.csv", None, "checksum", "x")) == "skipped.csv: checksum: x"


def test_the_manifest_names_its_own_checksum(copy: Callable[[str], Path]) -> None:
    record = json.loads((copy("hdf5") / "manifest.json").read_bytes())
    body = {name: value for name, value in record.items() if name != "sha256"}
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert record["sha256"] == hashlib.sha256(text.encode()).hexdigest()
