"""Tars, Parquet and lists that other programs write: read by the real packages' own output."""

import contextlib
import io
import json
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from occgen import BuildConfig, DataError, InputError, OccgenError, build
from occgen.sources import FaceRef, ParquetSource, TableSource, TarSource, open_source
from occgen.tar_members import list_members, read_members, tar_member
from occgen.verify import verify

Faces = dict[str, bytes]


def read_all(root: Path, dataset: str = "shards") -> list[tuple[str, bytes]]:
    """Return identity and bytes of all pictures."""
    source = open_source(dataset, str(root))
    source.check()
    refs = list(source.refs())
    assert source.count() == len(refs) == len({ref.key for ref in refs})
    assert source.landmarks(refs[0].key, 112, 112) is None
    assert source.carried() == {}
    return [(ref.identity, source.read(ref.key)) for ref in refs]


@pytest.fixture
def expected(face_bytes: Faces) -> list[tuple[str, bytes]]:
    """Identity and bytes of the faces of `face_bytes`."""
    return [(key.split("/")[0], data) for key, data in face_bytes.items()]


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("label", ["cls", "json", "txt"])
def test_what_the_webdataset_package_writes(
    tmp_path: Path, expected: list[tuple[str, bytes]], label: str
) -> None:
    webdataset = pytest.importorskip("webdataset")
    pattern = str(tmp_path / "faces-%03d.tar")
    with webdataset.ShardWriter(pattern, maxcount=7, verbose=0) as writer:
        for number, (name, data) in enumerate(expected):
            value = {"label": name, "other": [1, 2]} if label == "json" else name
            value = number if label == "cls" else value
            long = "x" * (120 if number == 3 else 1)  # beyond a head's 100 characters
            writer.write({"__key__": f"{long}/face{number:05d}", "jpg": data, label: value})
    found = read_all(tmp_path)
    assert [data for _, data in found] == [data for _, data in expected]
    if label == "cls":
        assert [name for name, _ in found] == [str(number) for number in range(18)]
    else:
        assert found == expected
    assert read_all(tmp_path / "faces-000.tar") == found[:7]


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_every_form_of_tar_is_read(form: int, face_bytes: Faces) -> None:
    members = [(f"{'deep/' * 30}{key}", data) for key, data in face_bytes.items()]
    members += [("ünïcode/a.jpg", b"x"), ("empty.txt", b"")]
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as archive:
        archive.addfile(_folder("deep"))
        for name, data in members:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    assert list(read_members(buffer.getvalue())) == members


def _folder(name: str) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type = tarfile.DIRTYPE
    return member


def test_a_head_is_as_the_standard_library_writes_it() -> None:
    member = tarfile.TarInfo("00000-00000.mask.png")
    member.size = 700
    expected = member.tobuf(tarfile.USTAR_FORMAT) + b"x" * 700 + bytes(324)
    assert tar_member("00000-00000.mask.png", b"x" * 700) == expected


def _tar(*members: tuple[str, bytes], end: bool = True) -> bytes:
    return b"".join(tar_member(*member) for member in members) + bytes(1024 * end)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (_tar(("a.jpg", b"x"), end=False), "ends without an end mark; it was cut short"),
        (_tar(("a.jpg", b"x" * 600))[:700], "ends inside 'a.jpg' at byte 512"),
        (b"", "ends without an end mark"),
        (_tar(("a.jpg", b"x"))[:600] + b"garbage" * 200, "has a damaged head"),
        (_tar(("/etc/passwd.jpg", b"x")), "'/etc/passwd.jpg', a name that leads out"),
        (_tar(("a/../../b.jpg", b"x")), "a name that leads out"),
        (_tar(("C:/b.jpg", b"x")), "a name that leads out"),
        (_tar(("a.jpg", b"x"), ("a.jpg", b"y")), "holds 'a.jpg' twice"),
        (b"\x1f\x8b" + bytes(2000), "is compressed: gunzip it"),
    ],
)
def test_damaged_and_hostile_tars_are_named(tmp_path: Path, data: bytes, reason: str) -> None:
    (tmp_path / "a.tar").write_bytes(data)
    source = TarSource(tmp_path)
    with pytest.raises(DataError, match=r"a\.tar") as found:
        _walk(source)
    assert reason in str(found.value)


def test_a_sample_of_a_tar_may_be_a_tga_or_an_avif(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(_tar(("a.tga", b"x"), ("b.avif", b"y"), ("b.cls", b"3")))
    assert _walk(TarSource(tmp_path)) == [b"x", b"y"]


def _walk(source: Any) -> list[bytes]:
    source.check()
    return [source.read(ref.key) for ref in source.refs()]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE])
def test_links_and_devices_in_tars_are_refused(tmp_path: Path, kind: bytes) -> None:
    member = tarfile.TarInfo("face.jpg")
    member.type, member.linkname = kind, "/etc/passwd"
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        archive.addfile(member)
    with pytest.raises(DataError, match="a link or device; it is refused"):
        _walk(TarSource(tmp_path))


def test_a_damaged_head_is_no_end(tmp_path: Path) -> None:
    data = bytearray(_tar(("a.jpg", b"x"), ("b.jpg", b"y"), ("c.jpg", b"z")))
    data[1024 + 20] ^= 1
    with tarfile.open(fileobj=io.BytesIO(bytes(data))) as archive:
        assert archive.getnames() == ["a.jpg"]  # what is lost in silence with the library
    with pytest.raises(DataError, match="at byte 1024 has a damaged head"):
        list(list_members(io.BytesIO(bytes(data))))


def test_samples_without_a_picture_and_records_of_a_tar_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(
        _tar(
            ("__meta__/info.json", b"{}"),
            (".hidden.jpg", b"x"),
            ("notes", b"x"),
            ("a.json", b"{}"),
            ("b.seg.png", b"mask"),
            ("b.jpg", b"face"),
            ("b.json", b'{"identity": 5}'),
            ("c.png", b"face"),
            ("c.cls", b"-1"),
        )
    )
    assert read_all(tmp_path) == [("5", b"face"), ("", b"face")]


@pytest.mark.slow
def test_what_the_datasets_package_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, expected: list[tuple[str, bytes]]
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets")
    names = sorted({name for name, _ in expected})
    features = datasets.Features(
        {"face": datasets.Image(), "label": datasets.ClassLabel(names=names)}
    )
    rows = {
        "face": [{"bytes": data, "path": None} for _, data in expected],
        "label": [names.index(name) for name, _ in expected],
    }
    datasets.Dataset.from_dict(rows, features).to_parquet(tmp_path / "faces.parquet", batch_size=5)
    assert read_all(tmp_path) == expected
    assert read_all(tmp_path / "faces.parquet") == expected


def test_plain_parquet_is_read(tmp_path: Path, expected: list[tuple[str, bytes]]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as parquet

    names, pictures = zip(*expected, strict=True)
    (tmp_path / "data").mkdir()
    table = pa.table({"jpg": pa.array(pictures, pa.binary()), "identity": list(names)})
    parquet.write_table(table, tmp_path / "data" / "a.parquet", row_group_size=4)
    parquet.write_table(table.select(["jpg"]), tmp_path / "b.parquet")
    assert read_all(tmp_path / "data") == expected
    assert read_all(tmp_path / "b.parquet") == [("", data) for data in pictures]
    parquet.write_table(table.select(["identity"]), tmp_path / "c.parquet")
    with pytest.raises(DataError, match=r"has no column of pictures \(identity\)"):
        ParquetSource(tmp_path / "c.parquet").check()
    outside = pa.table({"image": [{"bytes": None, "path": "/etc/passwd"}]})
    parquet.write_table(outside, tmp_path / "d.parquet")
    with pytest.raises(DataError, match="no picture in the file itself"):
        _walk(ParquetSource(tmp_path / "d.parquet"))


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("labels.csv", "image,label\n../x.jpg,a\n", r"line 2 names '\.\./x\.jpg', which lies outs"),
        ("labels.csv", "image,label\n/etc/passwd,a\n", "which lies outside"),
        ("labels.csv", "image,label\n,a\n", "line 2 names no picture"),
        ("metadata.jsonl", '{"file_name": "a.jpg"}\n[1]\n', "line 2 is no JSON object"),
        ("metadata.jsonl", '{"file_name": "a.jpg"}\nx\n', "line 2 is no JSON "),
        ("metadata.jsonl", '{"file_name": "a.jpg"}\n{"file_name": 5}\n', "names no picture"),
        ("faces.lst", "0\ta.jpg\t0\t1\t2\n", "line 1 is of a picture not aligned"),
        ("faces.lst", "a.jpg 0\n", "line 1 is not 1, a path and a label"),
        ("faces.csv", "who,when\na,b\n", "has no column of pictures"),
    ],
)
def test_lists_with_wrong_lines_are_named(
    tmp_path: Path, name: str, text: str, reason: str
) -> None:
    (tmp_path / name).write_text(text)
    root = tmp_path / name if name.startswith("faces") else tmp_path
    with pytest.raises(DataError, match=reason):
        list(open_source("folder", str(root)).refs())


def test_a_list_that_names_no_pictures_is_no_list(face_tree: Path) -> None:
    (face_tree / "labels.csv").write_text("who,when\na,b\n")
    (face_tree / "metadata.jsonl").write_text("notes\n")
    assert len(list(open_source("folder", str(face_tree)).refs())) == 18


def test_a_list_without_identities_takes_the_folders(face_tree: Path) -> None:
    (face_tree / "metadata.csv").write_text("file_name,text\nperson1/0.jpg,x\nperson0/1.jpg,y\n")
    refs = list(open_source("folder", str(face_tree)).refs())
    assert refs == [("person1/0.jpg", "person1"), ("person0/1.jpg", "person0")]


def test_a_missing_picture_of_a_list_is_skipped_and_named(face_tree: Path, tmp_path: Path) -> None:
    lines = ["image,label", "person0/0.jpg,a", "person0/none.jpg,a", "person1/0.jpg,b"]
    (face_tree / "labels.csv").write_text("\n".join(lines) + "\n")
    report = build(
        BuildConfig(
            dataset="folder",
            root=str(face_tree),
            out=str(tmp_path / "out"),
            jobs=1,
            max_skipped=0.5,
        )
    )
    assert (report.images, report.skipped, report.manifest["identities"]) == (2, 1, 2)
    assert "person0/none.jpg,gone" in (tmp_path / "out" / "skipped.csv").read_text()


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder whose files are written anew in every example."""
    return tmp_path_factory.mktemp("foreign")


def _change(data: st.DataObject, whole: bytes) -> bytes:
    """Return bytes with a few changed, and perhaps the end cut off."""
    changed = bytearray(whole)
    for _ in range(data.draw(st.integers(0, 4))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    return bytes(changed[: data.draw(st.integers(0, len(changed)))])


_SMALL = _tar(("a.jpg", b"one"), ("a.cls", b"1"), ("b.jpg", b"two"), ("b.json", b'{"label": 2}'))


@given(st.data())
def test_changed_tars_are_refused_or_lose_nothing(scratch: Path, data: st.DataObject) -> None:
    path = scratch / "a.tar"
    path.write_bytes(_change(data, _SMALL))
    with contextlib.suppress(OccgenError):
        assert len(_walk(TarSource(path))) == 2


@given(st.binary(max_size=600))
def test_any_bytes_are_a_tar_or_refused(data: bytes) -> None:
    with contextlib.suppress(DataError):
        assert sum(len(content) for _, content in read_members(data)) <= len(data)


@settings(max_examples=40)
@given(st.data())
def test_changed_parquet_is_refused_or_read(scratch: Path, data: st.DataObject) -> None:
    import pyarrow as pa
    import pyarrow.parquet as parquet

    buffer = io.BytesIO()
    table = pa.table({"image": [b"one", b"two"], "label": ["a", "b"]})
    parquet.write_table(table, buffer)
    path = scratch / "a.parquet"
    path.write_bytes(_change(data, buffer.getvalue()))
    with contextlib.suppress(OccgenError):
        assert all(isinstance(image, bytes) for image in _walk(ParquetSource(path)))


_CSV = b"image,label\na.jpg,x\nb.jpg,y\n"
_LINES = b'{"file_name": "a.jpg", "label": 1}\n{"file_name": "b.jpg"}\n'


@given(st.sampled_from([(".csv", _CSV), (".jsonl", _LINES), (".lst", b"1\ta\t0\n")]), st.data())
def test_changed_lists_are_refused_or_read(
    scratch: Path, form: tuple[str, bytes], data: st.DataObject
) -> None:
    path = scratch / f"list{form[0]}"
    path.write_bytes(_change(data, form[1]))
    with contextlib.suppress(OccgenError):
        for ref in TableSource(path).refs():
            assert isinstance(ref, FaceRef)
            assert (scratch / ref.key).resolve().is_relative_to(scratch.resolve())


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with a small set in every format."""
    root = tmp_path_factory.mktemp("finished")
    for form in ("folder", "webdataset", "rec", "parquet"):
        config = BuildConfig(dataset="demo", out=str(root / form), limit=3, jobs=1, format=form)
        build(config)
    return root


@settings(max_examples=25)
@given(st.sampled_from(["folder", "webdataset", "rec", "parquet"]), st.data())
def test_a_changed_set_is_found_damaged_and_its_faces_refused_or_right(
    finished: Path, scratch: Path, form: str, data: st.DataObject
) -> None:
    copy = scratch / "copy"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(finished / form, copy)
    files = sorted(path for path in copy.rglob("*") if path.is_file())
    path = data.draw(st.sampled_from(files))
    whole = path.read_bytes()
    place = data.draw(st.integers(0, len(whole) - 1))
    path.write_bytes(whole[:place] + bytes([whole[place] ^ data.draw(st.integers(1, 255))])
                     + whole[place + 1:])  # fmt: skip
    assert verify(copy, jobs=1)
    expected = _walk(open_source("shards", str(finished / form)))
    with contextlib.suppress(OccgenError):
        assert _walk(open_source("shards", str(copy))) == expected


def test_nothing_is_written_outside_whatever_identities_are_called(
    tmp_path: Path, draw_picture: Callable[..., Any], encode_picture: Callable[..., bytes]
) -> None:
    names = ["../../up", "/abs", "a/b", "..", "C:\\x", "con\n", "-1 ", "x" * 300]
    names += ["a\0b", "CON", "dots..."]
    root = tmp_path / "listed"
    root.mkdir()
    lines = []
    for number, name in enumerate(names):
        (root / f"{number}.jpg").write_bytes(encode_picture(draw_picture(number)))
        lines.append(json.dumps({"file_name": f"{number}.jpg", "identity_name": name}))
    (root / "labels.jsonl").write_text("\n".join(lines))
    inside = tmp_path / "deep" / "er"
    for form in ("hdf5", "folder", "webdataset", "rec", "parquet"):
        config = BuildConfig(
            dataset="folder", root=str(root), out=str(inside / form), jobs=1, format=form
        )
        build(config)
        source = open_source("shards", str(inside / form))
        assert [ref.identity for ref in source.refs()] == names
    assert {path.name for path in tmp_path.iterdir()} == {"listed", "deep"}
    assert {path.name for path in (tmp_path / "deep").iterdir()} == {"er"}
    with pytest.raises(InputError, match="holds no"):
        open_source("shards", str(tmp_path))
