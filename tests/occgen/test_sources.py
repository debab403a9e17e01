"""Sources list faces in a stable order and read them lazily; bad pictures are named, not fatal."""

import csv
import dataclasses
import io
import itertools
import json
import os
import struct
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from occgen import BuildConfig, DataError, InputError, build, open_shards
from occgen.codec import decode_image
from occgen.formats import open_format
from occgen.sources import FaceRef, FolderSource, LfwSource, find_root, open_source
from occgen.verify import verify

UInt8 = NDArray[np.uint8]
Draw = Callable[..., UInt8]
Encode = Callable[..., bytes]


def png(kind: int, depth: int, side: int, data: bytes = b"") -> bytes:
    """Return a PNG of a colour kind and bit depth, written chunk by chunk."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        )

    header = struct.pack(">IIBBBBB", side, side, depth, kind, 0, 0, 0)
    packed = zlib.compress(data)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        [chunk(b"IHDR", header), chunk(b"IDAT", packed), chunk(b"IEND", b"")]
    )


def sixteen_bits(picture: UInt8, kind: int) -> bytes:
    """Return a PNG of 16 bits a channel whose upper bytes are the picture's."""
    wide = picture.astype(np.uint16) * 257
    lines = [b"\0" + row.astype(">u2").tobytes() for row in wide]
    return png(kind, 16, picture.shape[0], b"".join(lines))


def saved(picture: Image.Image, file_format: str, **options: Any) -> bytes:
    """Return a picture of Pillow's as a file's bytes."""
    buffer = io.BytesIO()
    picture.save(buffer, file_format, **options)
    return buffer.getvalue()


@pytest.fixture
def convertible(draw_picture: Draw) -> dict[str, tuple[bytes, UInt8]]:
    """Files a person expects to be read, each with the pixels it stands for."""
    face = draw_picture(3)
    grey = face[:, :, 1]
    repeated = np.repeat(grey[:, :, None], 3, axis=2)
    alpha = np.full((112, 112), 255, np.uint8)
    alpha[:40] = 0
    seen = face.copy()
    seen[:40] = 0
    turned = Image.Exif()
    turned[0x0112] = 6  # shown turned by 90 degrees clockwise
    upright = saved(Image.fromarray(np.rot90(face).copy()), "PNG", exif=turned)
    jpeg = saved(Image.fromarray(np.rot90(face).copy()), "JPEG", quality=100, exif=turned)
    lying = np.array(Image.open(io.BytesIO(jpeg)).convert("RGB"))
    cmyk = saved(Image.fromarray(face).convert("CMYK"), "JPEG", quality=95)
    return {
        "colour.png": (saved(Image.fromarray(face), "PNG"), face),
        "grey.png": (saved(Image.fromarray(grey), "PNG"), repeated),
        "rgba.png": (saved(Image.fromarray(np.dstack([face, alpha])), "PNG"), seen),
        "sixteen.png": (sixteen_bits(grey, 0), repeated),
        "sixteen-colour.png": (sixteen_bits(face, 2), face),
        "cmyk.jpg": (cmyk, np.array(Image.open(io.BytesIO(cmyk)).convert("RGB"))),
        "turned.png": (upright, face),
        "turned.jpg": (jpeg, np.rot90(lying, -1)),
        "no-ending": (saved(Image.fromarray(face), "PNG"), face),
    }


@pytest.fixture
def unusable(encode_picture: Encode, draw_picture: Draw) -> dict[str, tuple[bytes, str]]:
    """Files nobody can use, each with the reason it is left out for."""
    jpeg = encode_picture(draw_picture(4))
    lossless = encode_picture(draw_picture(4), "PNG")
    frame = jpeg.index(b"\xff\xc0") + 5
    huge = jpeg[:frame] + struct.pack(">HH", 60_000, 60_000) + jpeg[frame + 4 :]
    return {
        "text.jpg": (b"<html>404 Not Found</html>", "not a picture"),
        "cut.jpg": (jpeg[: len(jpeg) // 2], "damaged or truncated JPEG"),
        "cut.png": (lossless[: len(lossless) // 2], "damaged or truncated PNG"),
        "empty.jpg": (b"", "empty file (0 bytes)"),
        "bomb.png": (png(2, 8, 60_000), "too large: more than 50,000,000 pixels"),
        "bomb.jpg": (huge, "too large: 60000x60000 is more than 50,000,000 pixels"),
        "small.png": (encode_picture(draw_picture(5, 56, 56), "PNG"), "is 56x56 pixels"),
    }


@pytest.fixture
def config(
    face_tree: Path,
    tmp_path: Path,
    convertible: dict[str, tuple[bytes, UInt8]],
    unusable: dict[str, tuple[bytes, str]],
) -> BuildConfig:
    """Build of 18 usual faces, with odd and bad pictures among them, that changes no pixel."""
    (face_tree / "person2b").mkdir()
    for name, (data, _) in {**convertible, **unusable}.items():
        (face_tree / "person2b" / name).write_bytes(data)
    return BuildConfig(
        dataset="folder",
        root=str(face_tree),
        out=str(tmp_path / "set"),
        clean_fraction=1.0,
        codec="png",
        shard_size=7,
        max_skipped=0.5,
        jobs=1,
    )


def skipped_of(out: Path) -> dict[str, str]:
    """Return reasons of a set's skipped pictures by key."""
    with open(out / "skipped.csv", newline="", encoding="utf-8") as file:
        return {row["key"]: row["reason"] for row in csv.DictReader(file)}


@pytest.mark.parametrize("form", ["hdf5", "folder"])
def test_bad_pictures_are_named_and_odd_ones_converted(
    config: BuildConfig,
    convertible: dict[str, tuple[bytes, UInt8]],
    unusable: dict[str, tuple[bytes, str]],
    form: str,
) -> None:
    report = build(dataclasses.replace(config, format=form))
    assert (report.images, report.skipped) == (18 + len(convertible), len(unusable))
    skipped = skipped_of(config.out_path)
    assert set(skipped) == {f"person2b/{name}" for name in unusable}
    for name, (_, reason) in unusable.items():
        assert reason in skipped[f"person2b/{name}"], name
    found: dict[str, UInt8] = {}
    for index in open_format(form).indices(config.out_path):
        columns, _ = open_format(form).read(config.out_path, index)
        offsets = columns["image/offset"].tolist()
        for key, (start, end) in zip(
            columns["key"].tolist(), itertools.pairwise(offsets), strict=True
        ):
            found[key.decode()] = decode_image(columns["image/data"][start:end].tobytes())
    for name, (_, pixels) in convertible.items():
        difference = np.abs(found[f"person2b/{name}"].astype(int) - pixels)
        assert difference.max() <= (3 if name == "cmyk.jpg" else 0), name
    assert verify(config.out_path, 1) == []


@pytest.mark.parametrize("form", ["hdf5", "folder"])
def test_too_many_bad_pictures_fail_at_the_end_with_everything_kept(
    config: BuildConfig, form: str
) -> None:
    tight = dataclasses.replace(config, format=form, max_skipped=0.1)
    with pytest.raises(DataError, match=r"7 of 34 pictures cannot be used \(first: person2b/b"):
        build(tight)
    assert len(skipped_of(config.out_path)) == 7
    assert len(open_format(form).indices(config.out_path)) == 5
    assert not (config.out_path / "manifest.json").exists()
    report = build(dataclasses.replace(tight, max_skipped=0.5))
    assert (report.reused_shards, report.images) == (5, 27)


def test_the_default_allows_one_in_a_hundred(config: BuildConfig, tmp_path: Path) -> None:
    root = tmp_path / "hundred"
    data = (Path(str(config.root)) / "person0" / "0.jpg").read_bytes()
    root.mkdir()
    for number in range(99):
        (root / f"{number:03d}.jpg").write_bytes(data)
    (root / "bad.jpg").write_bytes(b"")
    plain = BuildConfig(
        dataset="folder", root=str(root), out=str(tmp_path / "x"), clean_fraction=1, jobs=1
    )
    report = build(plain)
    assert (report.images, report.skipped) == (99, 1)
    assert report.manifest["identities"] == 0
    assert {sample.identity for sample in open_shards(report.out)} == {-1}
    (root / "worse.jpg").write_bytes(b"")
    with pytest.raises(DataError, match=r"2 of 101 pictures .*--max-skipped 0\.01 allows"):
        build(dataclasses.replace(plain, out=str(tmp_path / "y")))


@pytest.mark.parametrize("form", ["hdf5", "folder"])
def test_strict_stops_at_the_first(config: BuildConfig, form: str) -> None:
    strict = dataclasses.replace(config, format=form, strict=True)
    with pytest.raises(DataError, match=r"person2b/bomb\.jpg: too large.*--strict stops"):
        build(strict)
    assert open_format(form).indices(config.out_path) == [0]
    assert build(dataclasses.replace(strict, strict=False)).reused_shards == 1


def test_a_first_picture_that_is_bad_stops_a_strict_build(config: BuildConfig) -> None:
    (Path(str(config.root)) / "a.jpg").write_bytes(b"")
    with pytest.raises(DataError, match=r"a\.jpg: empty file"):
        build(dataclasses.replace(config, strict=True))
    assert not config.out_path.exists()


def test_a_picture_mended_meanwhile_is_taken(config: BuildConfig) -> None:
    with pytest.raises(DataError):
        build(dataclasses.replace(config, max_skipped=0))
    root = Path(str(config.root)) / "person2b"
    (root / "empty.jpg").write_bytes((root / "colour.png").read_bytes())
    report = build(config)
    assert (report.images, report.skipped, report.reused_shards) == (28, 6, 4)
    assert "person2b/empty.jpg" not in skipped_of(config.out_path)


def test_names_that_are_no_text_are_named(
    config: BuildConfig, face_bytes: dict[str, bytes]
) -> None:
    data = next(iter(face_bytes.values()))
    folder = os.fsencode(str(config.root))
    try:
        with open(folder + b"/person1/\xff\xfe.jpg", "wb") as file:
            file.write(data)
    except OSError:
        pytest.skip("this file system takes no such name")
    (Path(str(config.root)) / "person1" / "line\nbreak, “é”.jpg").write_bytes(data)
    report = build(config)
    skipped = skipped_of(config.out_path)
    assert skipped["person1/\\udcff\\udcfe.jpg"] == "its name is not valid UTF-8; rename it"
    assert report.skipped == 8
    keys = {sample.key for sample in open_shards(config.out_path)}
    assert "person1/line\nbreak, “é”.jpg" in keys
    assert verify(config.out_path, 1) == []
    assert build(config).already_complete


def test_links_that_lead_nowhere_are_named(config: BuildConfig) -> None:
    root = Path(str(config.root)) / "person0"
    (root / "gone.jpg").symlink_to(root / "nowhere.jpg")
    (root / "folder.jpg").mkdir()
    build(config)
    skipped = skipped_of(config.out_path)
    assert "gone" in skipped["person0/gone.jpg"]
    assert "Is a directory" in skipped["person0/folder.jpg"]


def test_a_folder_is_listed_in_the_order_of_its_names(tmp_path: Path) -> None:
    names = [
        *("z.jpg", "a.PNG", "B/2.jpg", "B/10.jpg", "B/deep/er/1.webp", "a folder/x.jpeg"),
        *("Émile/1.jpg", "B/notes.txt", "pairs.csv", ".hidden.jpg", ".git/x.jpg", "B/.DS_Store"),
        *("landmarks.csv", "B/no-ending"),
    ]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "landmarks.csv").unlink()
    source = FolderSource(tmp_path)
    expected = [
        *(FaceRef(name, "") for name in ("a.PNG", "z.jpg")),
        *(FaceRef(f"B/{name}", "B") for name in ("10.jpg", "2.jpg", "no-ending")),
        FaceRef("B/deep/er/1.webp", "B"),
        FaceRef("a folder/x.jpeg", "a folder"),
        FaceRef("Émile/1.jpg", "Émile"),
    ]
    assert list(source.refs()) == expected
    assert source.count() == len(expected)
    assert list(source.carried()) == ["pairs.csv"]
    assert source.landmarks("z.jpg", 112, 112) is None


def test_a_folder_that_links_to_itself_ends(face_tree: Path) -> None:
    (face_tree / "person0" / "loop").symlink_to(face_tree)
    assert FolderSource(face_tree).count() <= 18 + 1


def test_a_linked_identity_folder_is_read(face_tree: Path, tmp_path: Path) -> None:
    root = tmp_path / "links"
    root.mkdir()
    (root / "anna").symlink_to(face_tree / "person0")
    assert [ref.identity for ref in FolderSource(root).refs()] == ["anna"] * 3


def test_listing_reads_nothing_and_keeps_nothing(tmp_path: Path) -> None:
    for identity in range(4):
        (tmp_path / f"{identity}").mkdir()
        for number in range(500):
            (tmp_path / f"{identity}" / f"{number}.jpg").symlink_to("nowhere")
    source = FolderSource(tmp_path)
    assert source.count() == 2000
    tracemalloc.start()
    for _ in source.refs():
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 400_000  # the names of one folder at a time


@pytest.mark.parametrize("size", [1, 5000, 32767, 32768, 32769, 262144, 700_000])
def test_every_byte_of_a_file_is_read(size: int, tmp_path: Path) -> None:
    data = np.random.default_rng(size).bytes(size)
    (tmp_path / "a.jpg").write_bytes(data)
    assert FolderSource(tmp_path).read("a.jpg") == data


def test_what_is_no_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "zero.jpg").symlink_to("/dev/zero")
    (tmp_path / "null.jpg").symlink_to("/dev/null")
    for name in ("idle.jpg", "fed.jpg", "open.jpg"):
        os.mkfifo(tmp_path / name)
    ends = [os.open(tmp_path / name, os.O_RDWR) for name in ("fed.jpg", "open.jpg")]
    os.write(ends[0], b"some bytes")
    source = FolderSource(tmp_path)
    for name in ("zero.jpg", "null.jpg", "idle.jpg", "fed.jpg", "open.jpg"):
        with pytest.raises(DataError, match="is a pipe or device, no file"):
            source.read(name)
    with pytest.raises(DataError, match="cannot be read"):
        source.read("folder.jpg")
    for end in ends:
        os.close(end)


def test_a_name_without_end_is_named(config: BuildConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("occgen.workshop._LONGEST_NAME", 20)
    folder = Path(str(config.root)) / "person1"
    data = next(folder.glob("*.jpg")).read_bytes()
    for letter in ("a", "\u00e4"):
        (folder / f"{letter * 20}.jpg").write_bytes(data)
    build(dataclasses.replace(config, max_skipped=1.0))
    skipped = skipped_of(config.out_path)
    for letter in ("a", "\u00e4"):
        assert "its name has more than 20 characters" in skipped[f"person1/{letter * 20}.jpg"]


def test_a_picture_that_went_is_named(face_tree: Path) -> None:
    with pytest.raises(DataError, match="gone since the folder was listed"):
        FolderSource(face_tree).read("person0/9.jpg")


def test_landmarks_beside_the_pictures_are_kept(config: BuildConfig) -> None:
    points = [(38.3, 51.7), (73.5, 51.5), (56.0, 71.7), (41.5, 92.4), (70.7, 92.2)]
    names = ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")
    header = ",".join(["image", *(f"{name}_{axis}" for name in names for axis in "xy")])
    line = "person0/0.jpg," + ",".join(f"{x},{y}" for x, y in points)
    table = Path(str(config.root)) / "landmarks.csv"
    table.write_text(f"{header}\n{line}\n")
    build(dataclasses.replace(config, image_size="112x96"))
    samples = {sample.key: sample for sample in open_shards(config.out_path)}
    found = samples["person0/0.jpg"].landmarks
    assert found is not None
    assert np.allclose(found, np.array(points) - [8, 0], atol=1e-4)
    assert samples["person0/1.jpg"].landmarks is None
    table.write_text(f"{header}\n{line}\nperson0/1.jpg,here,there\n")
    with pytest.raises(DataError, match=r"landmarks\.csv: line 3 is not numbers .*rename it"):
        build(dataclasses.replace(config, out=f"{config.out}-2"))
    assert not Path(f"{config.out}-2").exists()


def test_lfw_is_identity_folders_with_pairs(face_tree: Path) -> None:
    (face_tree / "pairs.txt").write_text("10\t300\n")
    source = open_source("lfw", str(face_tree))
    assert isinstance(source, LfwSource)
    source.check()
    assert (source.dataset, source.count()) == ("lfw", 18)
    assert list(source.carried()) == ["pairs.txt"]


def test_lfw_originals_are_to_be_aligned_first(
    face_tree: Path, encode_picture: Encode, draw_picture: Draw, tmp_path: Path
) -> None:
    big = encode_picture(draw_picture(1, 250, 250))
    (face_tree / "person0" / "0.jpg").write_bytes(b"bad")
    for name in ("1.jpg", "2.jpg"):
        (face_tree / "person0" / name).write_bytes(big)
    message = r"250x250 originals \(person0/1\.jpg\); align them first: occgen align SRC OUT"
    with pytest.raises(InputError, match=message):
        build(BuildConfig(dataset="lfw", root=str(face_tree), out=str(tmp_path / "x"), jobs=1))
    assert not (tmp_path / "x").exists()
    open_source("folder", str(face_tree)).check()  # a folder may hold any size


def test_demo_faces_need_no_files() -> None:
    source = open_source("demo")
    refs = list(source.refs())
    assert len(refs) == source.count() == 1000
    assert len({ref.identity for ref in refs}) == 250
    key = refs[5].key
    assert source.read(key) == open_source("demo").read(key)
    assert decode_image(source.read(key)).shape == (112, 112, 3)
    points = source.landmarks(key, 112, 112)
    assert points is not None
    assert points.shape == (5, 2)
    assert points.min() > 20
    with pytest.raises(DataError, match="no such drawn face: 'person-x/0'"):
        source.read("person-x/0")


def test_a_root_is_looked_for_where_it_is_said_to_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OCCGEN_DATA", raising=False)
    with pytest.raises(InputError, match=r"'lfw' needs --root DIR, or OCCGEN_DATA set to"):
        find_root("lfw", None)
    with pytest.raises(InputError, match=r"nowhere does not exist; lfw is looked for there as"):
        find_root("lfw", str(tmp_path / "nowhere"))
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InputError, match="file is not a folder"):
        find_root("lfw", str(tmp_path / "file"))
    monkeypatch.setenv("OCCGEN_DATA", str(tmp_path))
    with pytest.raises(InputError, match=r"lfw \(from \$OCCGEN_DATA\) does not exist"):
        find_root("lfw", None)
    (tmp_path / "lfw").mkdir()
    assert find_root("lfw", None) == tmp_path / "lfw"


def test_an_unknown_name_is_told_with_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"dataset must be one of demo, lfw, .*got 'lwf'"):
        open_source("lwf")


def test_the_source_is_named_in_the_manifest(config: BuildConfig) -> None:
    manifest = build(config).manifest
    assert manifest["source"]["pictures"] == 34
    assert manifest["source"]["root"] == config.root
    assert "rights" in manifest["source"]["licence"]
    assert len(manifest["source"]["fingerprint"]) == 64
    assert json.loads((config.out_path / "manifest.json").read_text()) == manifest
