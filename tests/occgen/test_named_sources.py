"""Named data sets in the forms their owners ship them, and what is said of each."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lmdb
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from occgen_cli.main import main

from occgen import BuildConfig, DataError, InputError, build, open_shards
from occgen.catalog import CATALOG
from occgen.config import DATASETS
from occgen.recordio import frame_record, pack_record
from occgen.sources import ArSource, ar_shot, open_source

GOLDEN = Path(__file__).parents[1] / "golden"
VALUES = sorted(GOLDEN.glob("pyarrow-*.bin"))


def refs_of(dataset: str, root: Path, **options: Any) -> list[tuple[str, str]]:
    """Return key and identity of all pictures, each of which can be read."""
    source = open_source(dataset, str(root), **options)
    source.check()
    assert source.dataset == dataset
    assert source.licence == CATALOG[dataset].licence
    found = [(ref.key, ref.identity) for ref in source.refs()]
    assert source.count() == len(found)
    assert all(source.read(key) for key, _ in found)
    return found


@pytest.fixture
def put(tmp_path: Path, face_bytes: dict[str, bytes]) -> Callable[..., Path]:
    """Function that puts pictures under names into a folder."""
    pictures = list(face_bytes.values())

    def make(folder: str, *names: str) -> Path:
        for number, name in enumerate(names):
            path = tmp_path / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(pictures[number] if "." in path.name else b"")
        return tmp_path / folder

    return make


def test_every_name_is_described() -> None:
    assert list(CATALOG) == list(DATASETS)
    for known in CATALOG.values():
        assert known.licence.endswith("."), known.name
        assert known.about, known.name
        assert known.layout, known.name


def test_identity_folders_or_the_archive_around_them(put: Callable[..., Path]) -> None:
    expected = [("A_B/A_B_0001.png", "A_B"), ("C_D/C_D_0001.png", "C_D")]
    names = [key for key, _ in expected]
    inside = {
        "webface": "images",
        "facescrub": "facescrub_images",
        "mfr2": "mfr2",
        "lfw-sm": "lfw-sm",
        "olfw": "O_LFW",
    }
    for dataset, folder in inside.items():
        plain = put(f"{dataset}-plain", *names)
        assert refs_of(dataset, plain) == expected
        assert refs_of(dataset, put(dataset, *(f"{folder}/{name}" for name in names))) == expected


def test_lists_of_pairs_go_along(put: Callable[..., Path]) -> None:
    root = put("olfw", "a/1.jpg", "a/2.jpg")
    (root / "pairs_NO.txt").write_text("a/1.jpg\ta/2.jpg\t1\n")
    (root / "pairs_OO.txt").write_text("a/1.jpg\ta/2.jpg\t1\n")
    report = build(
        BuildConfig(dataset="olfw", root=str(root), out=str(root.parent / "out"), jobs=1)
    )
    assert {"pairs_NO.txt", "pairs_OO.txt"} <= set(report.manifest["files"])
    assert report.manifest["source"]["licence"] == CATALOG["olfw"].licence


def test_facescrub_of_the_download_script(put: Callable[..., Path]) -> None:
    root = put("fs", "actors/faces/Al_Pi/1.jpg", "actresses/faces/Bo_De/2.jpg", "actors/images/x")
    assert refs_of("facescrub", root) == [
        ("actors/faces/Al_Pi/1.jpg", "Al_Pi"),
        ("actresses/faces/Bo_De/2.jpg", "Bo_De"),
    ]


def test_trees_of_clean_and_hidden_pictures(put: Callable[..., Path]) -> None:
    root = put("sm", "clean/A_B/A_B_0001.jpg", "masked/A_B/A_B_0001_cloth.jpg")
    expected = [("clean/A_B/A_B_0001.jpg", "A_B"), ("masked/A_B/A_B_0001_cloth.jpg", "A_B")]
    assert refs_of("lfw-sm", root) == expected
    root = put("ol", "clean/A_B/A_B_0001.jpg", "occluded/A_B/A_B_0001.jpg")
    assert [name for _, name in refs_of("olfw", root)] == ["A_B", "A_B"]


def test_ar_tells_person_and_shot_by_name(put: Callable[..., Path]) -> None:
    root = put("ar", "M-001-01.bmp", "session1/W-050-26.bmp", "session1/m-002-8.bmp", "map.bmp")
    assert sorted(refs_of("ar", root)) == [
        ("M-001-01.bmp", "M-001"),
        ("map.bmp", ""),
        ("session1/W-050-26.bmp", "W-050"),
        ("session1/m-002-8.bmp", "M-002"),
    ]
    assert isinstance(open_source("ar", str(root)), ArSource)
    assert [ar_shot(key) for key in ("x/M-001-01.bmp", "w-050-26.raw", "m-002-8.bmp")] == [1, 26, 8]
    assert ar_shot("M-001-27.bmp") is None
    assert ar_shot("map.bmp") is None
    with pytest.raises(InputError, match=r"not named as AR's are, M-001-01\.bmp"):
        open_source("ar", str(put("other", "a/1.jpg"))).check()


def test_webface_packed_by_insightface(tmp_path: Path, face_bytes: dict[str, bytes]) -> None:
    data = next(iter(face_bytes.values()))
    (tmp_path / "train.rec").write_bytes(frame_record(pack_record(7.0, 0, data)))
    (tmp_path / "train.idx").write_text("0\t0\n")
    assert refs_of("webface", tmp_path) == [("7/00000000", "7")]
    assert refs_of("webface", tmp_path / "train.rec") == [("7/00000000", "7")]


def write_lmdb(path: Path, values: list[bytes], **options: Any) -> None:
    """Write values under the keys of the published code."""
    base = lmdb.open(str(path), map_size=1 << 24, **options)
    with base.begin(write=True) as view:
        for number, value in enumerate(values):
            view.put(b"%d" % number, value)
        view.put(b"__keys__", b"whatever")
        view.put(b"__len__", b"whatever")
    base.close()


@pytest.mark.parametrize("value", VALUES, ids=lambda path: path.stem)
def test_the_published_lmdb_is_read_without_what_pyarrow_removed(
    tmp_path: Path, value: Path
) -> None:
    write_lmdb(tmp_path / "train.lmdb", [value.read_bytes()] * 12, subdir=False)
    found = refs_of("webface", tmp_path)
    assert found[:2] == [("00045/00000000", "00045"), ("00045/00000001", "00045")]
    assert [key[-2:] for key, _ in found] == [f"{number:02d}" for number in range(12)]
    report = build(
        BuildConfig(dataset="webface", root=str(tmp_path), out=str(tmp_path / "set"), limit=3)
    )
    assert (report.images, report.manifest["identities"]) == (3, 1)
    assert open_shards(tmp_path / "set")[0].image.shape == (112, 112, 3)


def test_an_lmdb_of_pickles_and_one_in_a_folder(
    tmp_path: Path, face_bytes: dict[str, bytes]
) -> None:
    import pickle

    data = next(iter(face_bytes.values()))
    write_lmdb(tmp_path / "train.lmdb", [pickle.dumps((data, 3))])
    assert refs_of("webface", tmp_path) == [("3/00000000", "3")]
    assert refs_of("webface", tmp_path / "train.lmdb") == [("3/00000000", "3")]


def test_other_lmdbs_are_refused(tmp_path: Path) -> None:
    assert len(VALUES) == 2
    write_lmdb(tmp_path / "a.lmdb", [b"nothing of the kind"], subdir=False)
    with pytest.raises(DataError, match=r"a\.lmdb: key 0 is not a value of pyarrow\.serialize"):
        open_source("webface", str(tmp_path)).check()
    (tmp_path / "a.lmdb").write_bytes(b"no base at all")
    with pytest.raises(InputError, match="cannot be read as LMDB"):
        open_source("webface", str(tmp_path))


@settings(max_examples=40)
@given(st.sampled_from(VALUES), st.data())
def test_changed_values_are_refused_or_harmless(
    scratch: Any, path: Path, data: st.DataObject
) -> None:
    value = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        value[data.draw(st.integers(0, len(value) - 1))] = data.draw(st.integers(0, 255))
    source, base = scratch
    with base.begin(write=True) as view:
        view.put(b"0", bytes(value[: data.draw(st.integers(1, len(value)))]))
    try:
        refs = list(source.refs())
        assert [source.read(ref.key) for ref in refs]
    except DataError:
        pass


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A source of one value, and the base to write another into."""
    from occgen.sources.lmdb import LmdbSource

    path = tmp_path_factory.mktemp("lmdb") / "any.lmdb"
    write_lmdb(path, [b"x"], subdir=False)
    source = LmdbSource(path)
    writer = lmdb.open(str(path) + ".w", subdir=False, map_size=1 << 24)
    source._base = _Written(writer)
    return source, writer


class _Written:
    """A base that is written to while it is read."""

    def __init__(self, base: Any) -> None:
        self._base, self.entries = base, 3

    def get(self, key: bytes) -> bytes | None:
        with self._base.begin() as view:
            found: bytes | None = view.get(key)
        return found


def test_mf1_occludes_the_probes_alone(put: Callable[..., Path], tmp_path: Path) -> None:
    root = put(
        "mf1", "facescrub_images/Al/1.png", "facescrub_images/Bo/1.png", "megaface_images/1/2/3.jpg"
    )
    expected = [("Al/1.png", "Al"), ("Bo/1.png", "Bo")]
    assert refs_of("mf1", root) == expected
    probes, gallery = root / "facescrub_images", root / "megaface_images"
    source = open_source("mf1", None, probes=str(probes), gallery=str(gallery))
    source.check()
    assert [ref.key for ref in source.gallery.refs()] == ["1/2/3.jpg"]  # type: ignore[attr-defined]
    arguments = ["build", "--dataset", "mf1", "--probes", str(probes), "--gallery", str(gallery)]
    result = CliRunner().invoke(main, [*arguments, "--out", str(tmp_path / "out"), "--jobs", "1"])
    assert result.exit_code == 0, result.stderr
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_bytes())
    assert manifest["images"] == 2
    assert manifest["source"]["gallery"] == str(gallery)
    assert manifest["source"]["licence"] == CATALOG["mf1"].licence
    (tmp_path / "out" / "shard-00000.h5").unlink()
    repaired = CliRunner().invoke(main, ["verify", "--repair", str(tmp_path / "out")])
    assert repaired.exit_code == 0, repaired.stderr


def test_mf1_takes_any_form_and_says_what_is_missing(
    put: Callable[..., Path], tmp_path: Path, face_bytes: dict[str, bytes]
) -> None:
    probes = put("probes", "a/1.jpg")
    data = next(iter(face_bytes.values()))
    (tmp_path / "far.rec").write_bytes(frame_record(pack_record(7.0, 0, data)))
    (tmp_path / "far.idx").write_text("0\t0\n")
    source = open_source("mf1", None, probes=str(probes), gallery=str(tmp_path / "far.rec"))
    source.check()
    assert source.gallery.count() == 1  # type: ignore[attr-defined]
    with pytest.raises(InputError, match="needs --probes DIR"):
        open_source("mf1", str(put("empty", "notes")))
    with pytest.raises(InputError, match="nowhere does not exist"):
        open_source("mf1", None, probes=str(probes), gallery=str(tmp_path / "nowhere"))
    (tmp_path / "none").mkdir()
    with pytest.raises(InputError, match="none holds no pictures"):
        open_source("mf1", None, probes=str(probes), gallery=str(tmp_path / "none")).check()


@pytest.mark.parametrize("dataset", sorted(set(DATASETS) - {"demo"}))
def test_what_is_not_there_is_told_with_how_to_get_it(
    dataset: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OCCGEN_DATA", str(tmp_path))
    result = CliRunner().invoke(main, ["build", "--dataset", dataset, "--out", "x"])
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert str(tmp_path / dataset) in result.stderr
    if not CATALOG[dataset].source.startswith("yours"):
        assert CATALOG[dataset].source.split(";")[0] in result.stderr


def test_datasets_says_where_each_is_expected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OCCGEN_DATA", str(tmp_path))
    (tmp_path / "ar").mkdir()
    text = CliRunner().invoke(main, ["datasets"]).stdout
    assert f"else {tmp_path / 'ar'}, there" in text
    assert f"else {tmp_path / 'lfw'}, not there" in text
    for known in CATALOG.values():
        assert known.licence in text
    found = json.loads(CliRunner().invoke(main, ["datasets", "ar", "--json"]).stdout)
    assert [(record["name"], record["is_there"]) for record in found] == [("ar", True)]
    shutil.rmtree(tmp_path / "ar")
    assert CliRunner().invoke(main, ["datasets", "nothing"]).exit_code == 2


def test_a_deep_tree_and_long_values_of_an_lmdb_are_read(tmp_path: Path) -> None:
    """Branch pages, values on pages of their own, an older state and a key that is not there."""
    from occgen.lmdb_file import LmdbFile

    values = {b"%d" % n: bytes([n % 251]) * (9000 if n % 400 == 0 else n % 90) for n in range(5000)}
    path = tmp_path / "deep.lmdb"
    with lmdb.open(str(path), subdir=False, map_size=1 << 25) as base:
        for part in range(3):
            with base.begin(write=True) as view:
                for key, value in list(values.items())[part::3]:
                    view.put(key, value)
        assert base.stat()["depth"] >= 2
    file = LmdbFile(path)
    assert file.entries == len(values)
    assert all(file.get(key) == value for key, value in values.items())
    assert [file.get(key) for key in (b"", b"5000", b"a", b"\xff")] == [None] * 4
    path.write_bytes(path.read_bytes()[: 1 << 14])
    cut = LmdbFile(path)
    with pytest.raises(DataError, match="beyond the end"):
        list(map(cut.get, values))
