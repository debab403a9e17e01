"""Sets as other loaders read them: the same columns in every format, and the real packages."""

import dataclasses
import io
import json
import os
import shutil
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from occgen import BuildConfig, InputError, ShardError, build, open_shards
from occgen.codec import decode_image
from occgen.formats import open_format
from occgen.recordio import RecordFile, unpack_record
from occgen.repair import repair
from occgen.sources import open_source
from occgen.verify import verify

FORMS = ("webdataset", "rec", "parquet")


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with one set in every format; 23 faces of six people in shards of seven."""
    root = tmp_path_factory.mktemp("sets")
    for form in ("hdf5", *FORMS):
        build(
            BuildConfig(
                dataset="demo",
                out=str(root / form),
                format=form,
                limit=23,
                shard_size=7,
                jobs=1,
                scale=2.0,
                clean_fraction=0.3,
            )
        )
    return root


@pytest.fixture
def copied(sets: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A set that a test may hurt."""
    return shutil.copytree(sets / request.param, tmp_path / request.param)


def manifest(path: Path) -> dict[str, Any]:
    """Return the manifest of a set."""
    found: dict[str, Any] = json.loads((path / "manifest.json").read_bytes())
    return found


def contents(path: Path) -> dict[str, bytes]:
    """Return every file of a set."""
    files = sorted(file for file in path.rglob("*") if file.is_file())
    return {file.relative_to(path).as_posix(): file.read_bytes() for file in files}


@pytest.mark.parametrize("form", FORMS)
def test_columns_are_those_of_hdf5_to_the_byte(sets: Path, form: str) -> None:
    plain, other = open_format("hdf5"), open_format(form)
    assert other.indices(sets / form) == [0, 1, 2, 3]
    for index in range(4):
        expected, attributes = plain.read(sets / "hdf5", index)
        columns, found = other.read(sets / form, index)
        assert set(columns) == set(expected)
        for name, column in expected.items():
            assert columns[name].dtype == column.dtype, name
            np.testing.assert_array_equal(columns[name], column, name)
        configs = [json.loads(a.pop("config")) for a in (attributes, found)]
        assert (configs[0].pop("format"), configs[1].pop("format")) == ("hdf5", form)
        assert configs[0] == configs[1]
        assert attributes == found
    first, second = manifest(sets / "hdf5"), manifest(sets / form)
    assert [s["content_sha256"] for s in first["shards"]] == [
        s["content_sha256"] for s in second["shards"]
    ]


@pytest.mark.parametrize("form", FORMS)
def test_a_whole_set_verifies_and_no_shards_are_promised(sets: Path, form: str) -> None:
    assert verify(sets / form, jobs=1) == []
    with pytest.raises(ShardError, match="--dataset shards --root"):
        open_shards(sets / form)


@pytest.mark.parametrize("copied", FORMS, indirect=True)
def test_a_changed_byte_of_any_file_is_found(copied: Path) -> None:
    for path in sorted(copied.rglob("*")):
        others = ("00000", "00001", "00002", "manifest")
        if path.is_dir() or any(other in path.name for other in others):
            continue
        data = path.read_bytes()
        for place in (len(data) // 3, len(data) - 1):
            hurt = bytearray(data)
            hurt[place] ^= 0x10
            path.write_bytes(hurt)
            assert verify(copied, jobs=1), (path, place)
        path.write_bytes(data)
    assert verify(copied, jobs=1) == []


@pytest.mark.parametrize("copied", FORMS, indirect=True)
def test_what_is_missing_or_damaged_is_made_again(copied: Path) -> None:
    before = manifest(copied)
    config = BuildConfig(**{
        key: value for key, value in before["config"].items() if key != "occluders_digest"
    } | {"out": str(copied), "jobs": 1})  # fmt: skip
    (copied / "manifest.json").unlink()
    part = copied / "parts" / "shard-00001.h5"
    part.write_bytes(part.read_bytes()[:-9])
    (copied / "parts" / "shard-00003.h5").unlink()
    report = build(config)
    assert report.reused_shards == 2
    assert report.digest == before["digest"]
    assert manifest(copied)["files"] == before["files"]
    assert verify(copied, jobs=1) == []
    assert build(config).already_complete
    other = dataclasses.replace(config, format="hdf5", overwrite=True)
    build(other)
    assert {path.name for path in copied.iterdir()} == {"card.md", "manifest.json"} | {
        f"shard-{index:05d}.h5" for index in range(4)
    }


@pytest.mark.parametrize("copied", ["rec"], indirect=True)
def test_a_merge_that_was_cut_off_is_done_again(
    copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = manifest(copied)
    whole = (copied / "train.rec").read_bytes()
    config = BuildConfig(
        dataset="demo", out=str(copied), format="rec", limit=23, shard_size=7, jobs=1,
        scale=2.0, clean_fraction=0.3,
    )  # fmt: skip
    (copied / "manifest.json").unlink()
    (copied / "parts" / "shard-00002.h5").unlink()

    class Killed(Exception):
        pass

    def at(name: str, call: Any) -> Any:
        def dying(path: Any, *rest: Any, **options: Any) -> Any:
            if name in (Path(path).name, *(Path(other).name for other in rest)):
                raise Killed
            return call(path, *rest, **options)

        return dying

    for owner, call, name in (
        (os, "replace", "train.rec"),
        (os, "replace", "train.lst"),
        (Path, "unlink", "shard-00002.pictures"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(owner, call, at(name, getattr(owner, call)))
            with pytest.raises(Killed):
                build(config)
    report = build(config)
    assert report.digest == before["digest"]
    assert (copied / "train.rec").read_bytes() == whole
    assert not list((copied / "parts").glob("*.pictures"))


EXTRA = {
    "webdataset": ("shard-00099.tar", "shard-00004.tar", "parts/shard-00099.h5", "train.lst"),
    "rec": ("parts/shard-00004.h5", "parts/shard-00004.pictures", "shard-00099.h5"),
    "parquet": ("data/train-00099.parquet", "parts/shard-00004.h5", "labels.csv"),
}


@pytest.mark.parametrize("copied", FORMS, indirect=True)
def test_files_of_no_shard_are_found_and_removed(copied: Path) -> None:
    whole = contents(copied)
    for name in EXTRA[copied.name]:
        shutil.copy(copied / "parts" / "shard-00001.h5", copied / name)
    found = {(finding.file, finding.problem) for finding in verify(copied, jobs=1)}
    assert found == {(name, "is not in the manifest") for name in EXTRA[copied.name]}
    repair(copied, jobs=1)
    assert contents(copied) == whole


REC_FILES = ("train.rec", "train.idx", "train.lst", "property", "parts/records.json")


@pytest.mark.parametrize("copied", ["rec"], indirect=True)
@pytest.mark.parametrize("name", [*REC_FILES, "parts/shard-00001.h5"])
def test_a_damaged_file_of_a_rec_is_repaired_to_the_byte(copied: Path, name: str) -> None:
    whole, path = contents(copied), copied / name
    data = path.read_bytes()
    flipped = []
    for place in (2, len(data) // 2, len(data) - 2):
        hurt = bytearray(data)
        hurt[place] ^= 1
        flipped.append(bytes(hurt))
    for hurt_bytes in (*flipped, data[: len(data) // 2], b"", None):
        path.unlink()
        if hurt_bytes is not None:
            path.write_bytes(hurt_bytes)
        assert verify(copied, jobs=1)
        repair(copied, jobs=1)
        assert contents(copied) == whole


@pytest.mark.parametrize("copied", ["rec"], indirect=True)
def test_the_pictures_of_whole_shards_are_kept_where_the_rec_is_damaged(copied: Path) -> None:
    whole, path = contents(copied), copied / "train.rec"
    hurt = bytearray(path.read_bytes())
    hurt[len(hurt) // 2] ^= 1
    path.write_bytes(hurt)
    findings = [finding for finding in verify(copied, jobs=1) if finding.row is not None]
    assert [(f.file[:12], f.field, f.problem) for f in findings] == [
        ("parts/shard-", "image", "is damaged")
    ]
    assert repair(copied, jobs=1).reused_shards == 3
    assert contents(copied) == whole


@pytest.mark.parametrize("copied", ["rec"], indirect=True)
@pytest.mark.parametrize("name", REC_FILES)
def test_a_rec_damaged_with_its_manifest_is_repaired(copied: Path, name: str) -> None:
    whole = contents(copied)
    for path in (copied / "manifest.json", copied / name):
        data = path.read_bytes()
        path.write_bytes(data[:9] + bytes([data[9] ^ 1]) + data[10:])
    repair(copied, jobs=1)
    assert contents(copied) == whole


@pytest.mark.parametrize("copied", ["rec"], indirect=True)
@pytest.mark.parametrize("name", ["train.idx", "train.lst", "property"])
def test_a_build_makes_a_missing_file_of_a_rec(copied: Path, name: str) -> None:
    whole = contents(copied)
    (copied / "manifest.json").unlink()
    (copied / name).unlink()
    config = BuildConfig(
        dataset="demo", out=str(copied), format="rec", limit=23, shard_size=7, jobs=1,
        scale=2.0, clean_fraction=0.3,
    )  # fmt: skip
    assert build(config).reused_shards == 4
    assert contents(copied) == whole


def test_a_rec_is_read_as_insightface_reads_it(sets: Path) -> None:
    lines = (sets / "rec" / "train.idx").read_text().splitlines()
    offsets = dict(map(int, line.split("\t")) for line in lines)
    samples = list(open_shards(sets / "hdf5"))
    with RecordFile(sets / "rec" / "train.rec") as file:
        records = {number: unpack_record(file.read(at)) for number, at in offsets.items()}
        assert [head.offset for head in file.scan()] == list(offsets.values())
    first, last = map(int, records[0].labels)  # what InsightFace's MXFaceDataset does
    assert (first, last, sorted(records)) == (24, 30, list(range(30)))
    for number, sample in enumerate(samples, 1):
        assert records[number].labels == (float(sample.identity),)
        assert not records[number].has_list
        assert records[number].data == sample.data
        assert records[number].number == number
    covered: list[int] = []
    for number in range(first, last):
        start, end = map(int, records[number].labels)
        assert len({records[n].labels for n in range(start, end)}) == 1
        covered += range(start, end)
    assert covered == list(range(1, 24))
    assert (sets / "rec" / "property").read_text() == "6,112,112\n"
    names = (sets / "rec" / "train.lst").read_text().splitlines()
    assert names[5] == f"1\t{samples[5].key}\t{samples[5].identity}"


def test_a_rec_is_a_source_again(sets: Path) -> None:
    source = open_source("rec", str(sets / "rec"))
    samples = list(open_shards(sets / "hdf5"))
    refs = list(source.refs())
    assert [ref.identity for ref in refs] == [str(sample.identity) for sample in samples]
    assert [source.read(ref.key) for ref in refs] == [sample.data for sample in samples]


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_the_webdataset_package_reads_the_tars(sets: Path) -> None:
    webdataset = pytest.importorskip("webdataset")
    urls = [str(path) for path in sorted((sets / "webdataset").glob("*.tar"))]
    raw = list(webdataset.WebDataset(urls, shardshuffle=False))
    decoded = list(webdataset.WebDataset(urls, shardshuffle=False).decode("rgb8"))
    samples = list(open_shards(sets / "hdf5"))
    assert len(raw) == len(decoded) == len(samples)
    for sample, plain, face in zip(samples, raw, decoded, strict=True):
        assert plain["jpg"] == sample.data
        assert face["jpg"].shape == (112, 112, 3)
        np.testing.assert_array_equal(face["mask.png"][:, :, 0] > 0, sample.mask)
        assert face["cls"] == sample.identity
        record = face["json"]
        assert (record["key"], tuple(record["box"])) == (sample.key, sample.box)
        assert (record["category"], record["occluder"]) == (sample.category, sample.occluder)
        assert record["patterns"] == {"k5": sample.pattern(5), "k5_mask": sample.pattern(5, "mask")}
        assert record["landmarks"] == np.asarray(sample.landmarks).tolist()


def test_the_standard_library_reads_the_tars(sets: Path) -> None:
    with tarfile.open(sets / "webdataset" / "shard-00000.tar") as archive:
        names = archive.getnames()
    assert names[:4] == [f"00000-00000.{kind}" for kind in ("jpg", "cls", "json", "mask.png")]
    assert len(names) == 28


@pytest.mark.slow
@pytest.mark.parametrize("form", ["parquet", "webdataset"])
def test_the_datasets_package_reads_the_folder(
    sets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets")
    table = datasets.load_dataset(str(sets / form), split="train", cache_dir=str(tmp_path))
    picture = "image" if form == "parquet" else "jpg"
    assert str(table.features[picture]).startswith("Image(")
    samples = list(open_shards(sets / "hdf5"))
    assert len(table) == len(samples)
    for sample, row in zip(samples, table, strict=True):
        assert isinstance(row[picture], Image.Image)
        np.testing.assert_array_equal(np.asarray(row[picture]), np.asarray(
            Image.open(io.BytesIO(sample.data))))  # fmt: skip
        record = row if form == "parquet" else row["json"]
        assert (record["key"], tuple(record["box"])) == (sample.key, sample.box)
        assert record["identity_name"] == sample.identity_name
        assert record["patterns"]["k5"] == sample.pattern(5)
        mask = row["mask"] if form == "parquet" else row["mask.png"]
        np.testing.assert_array_equal(np.asarray(mask) > 0, sample.mask)


def test_pyarrow_reads_the_pictures_as_they_are(sets: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    rows = parquet.read_table(sets / "parquet" / "data").to_pylist()
    for sample, row in zip(open_shards(sets / "hdf5"), rows, strict=True):
        assert row["image"]["bytes"] == sample.data
        assert decode_image(row["mask"]["bytes"]).shape == (112, 112, 3)
        assert row["scale"] == (None if np.isnan(sample.scale) else sample.scale)


def test_an_unknown_format_is_told_with_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"one of hdf5, folder, webdataset, rec, parquet, got 'x'"):
        open_format("x")
