"""A user's own folder of occluders: what is read, what is left out and why."""

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from occgen import BuildConfig, build, open_shards
from occgen.verify import verify
from occluders import OccluderInputError, OccluderLibrary, from_directory, from_spec
from occluders.calibration import PUBLISHED_COVERAGE, mean_coverage

UInt8 = NDArray[np.uint8]


def disc(shade: int, height: int = 60, width: int = 50) -> UInt8:
    """Return a disc of one shade with a transparent surrounding."""
    y, x = np.mgrid[:height, :width]
    inside = np.hypot((2 * x + 1 - width) / width, (2 * y + 1 - height) / height) < 1
    picture = np.full((height, width, 4), shade, np.uint8)
    picture[:, :, 3] = np.where(inside, 255, 0)
    return picture


def saved(picture: UInt8, file_format: str, **options: Any) -> bytes:
    """Return a picture as a file's bytes."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, file_format, **options)
    return buffer.getvalue()


def bomb(side: int = 60_000) -> bytes:
    """Return a PNG whose header alone is large."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        )

    header = struct.pack(">IIBBBBB", side, side, 8, 6, 0, 0, 0)
    data = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + data


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Folder of own occluders: two categories of the paper's and one of one's own."""
    files = {
        "cup/one.png": saved(disc(10), "PNG"),
        "cup/two.webp": saved(disc(20), "WEBP", lossless=True, exact=True),
        "phone/a phone.JPG": saved(disc(30)[:, :, :3], "JPEG"),
        "umbrella/größe.png": saved(disc(40, 30, 90), "PNG"),
        "umbrella/notes.txt": b"mine",
        "umbrella/deep/er.png": saved(disc(50), "PNG"),
    }
    for name, data in files.items():
        path = tmp_path / "own" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return tmp_path / "own"


def test_a_folder_a_category(root: Path) -> None:
    library = from_directory(root)
    assert isinstance(library, OccluderLibrary)
    assert library.categories == ("cup", "phone", "umbrella")
    assert library.names == ("cup/one", "cup/two", "phone/a phone", "umbrella/größe")
    assert library.skipped == ()
    pictures = {member.name: member.rgba for member in library}
    assert np.array_equal(pictures["cup/one"], disc(10))
    assert np.array_equal(pictures["cup/two"][:, :, 3], disc(20)[:, :, 3])
    assert [member.has_matte for member in library] == [True, True, False, True]


def test_natural_sizes_keep_shapes_and_the_published_coverage(root: Path) -> None:
    library = from_directory(root)
    sizes = {c: [m.natural_size for m in library.members(c)] for c in library.categories}
    for scale, goal in PUBLISHED_COVERAGE.items():
        assert abs(mean_coverage(sizes, scale) - goal) < 0.03
    width, height = library.members("umbrella")[0].natural_size
    assert 2 < width / height < 4.5


def test_another_process_opens_the_same(root: Path) -> None:
    library = from_directory(root)
    again = from_spec(library.spec)
    assert again.digest == library.digest
    (root / "cup" / "one.png").write_bytes(saved(disc(11), "PNG"))
    assert from_spec(library.spec).digest != library.digest


def test_where_it_lies_changes_no_digest(root: Path) -> None:
    digest = from_directory(root).digest
    assert from_directory(root.rename(root.parent / "moved")).digest == digest


def test_two_files_of_one_name_are_two_members(root: Path) -> None:
    (root / "cup" / "one.webp").write_bytes(saved(disc(99), "WEBP", lossless=True))
    library = from_directory(root)
    assert library.names[:3] == ("cup/one.png", "cup/one.webp", "cup/two")
    shades = [int(member.rgba[30, 25, 0]) for member in library.members("cup")]
    assert shades == [10, 99, 20]


def test_what_cannot_be_used_is_named_with_its_reason(root: Path) -> None:
    bad = {
        "cup/bad.png": b"no picture",
        "cup/cut.png": saved(disc(10), "PNG")[:90],
        "cup/empty.png": b"",
        "cup/huge.png": bomb(),
        "cup/large.png": bomb(8_000),
        "cup/nothing.png": saved(np.zeros((9, 9, 4), np.uint8), "PNG"),
        "stray.png": saved(disc(10), "PNG"),
    }
    for name, data in bad.items():
        (root / name).write_bytes(data)
    (root / "cup" / "folder.png").mkdir()
    library = from_directory(root)
    assert library.names == ("cup/one", "cup/two", "phone/a phone", "umbrella/größe")
    reasons = dict(library.skipped)
    assert set(reasons) == set(bad)
    for name in ("cup/bad.png", "cup/cut.png", "cup/empty.png"):
        assert "is damaged or no picture" in reasons[name]
    for name in ("cup/huge.png", "cup/large.png"):
        assert "is too large: more than 50,000,000 pixels" in reasons[name]
    assert reasons["cup/nothing.png"] == "is transparent everywhere"
    assert reasons["stray.png"] == "lies in no folder of a category"


def test_a_picture_taken_sideways_is_upright(root: Path) -> None:
    turned = Image.Exif()
    turned[0x0112] = 6
    lying = np.rot90(disc(30, 80, 40)[:, :, :3]).copy()
    (root / "phone" / "side.jpg").write_bytes(saved(lying, "JPEG", exif=turned))
    member = next(m for m in from_directory(root) if m.name == "phone/side")
    assert member.rgba.shape == (80, 40, 4)


@pytest.mark.parametrize("kind", ["P", "LA", "L", "1"])
def test_other_kinds_of_pictures_are_read(root: Path, kind: str) -> None:
    picture = Image.fromarray(disc(77)).convert(kind)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    (root / "cup" / "kind.png").write_bytes(buffer.getvalue())
    member = next(m for m in from_directory(root) if m.name == "cup/kind")
    assert member.rgba.shape == (60, 50, 4)
    assert member.has_matte == (kind in ("P", "LA"))


def test_a_folder_of_nothing_is_told(tmp_path: Path) -> None:
    with pytest.raises(OccluderInputError, match="nowhere is no folder of occluders"):
        from_directory(tmp_path / "nowhere")
    with pytest.raises(OccluderInputError, match=r"holds no usable occluders; one folder a categ"):
        from_directory(tmp_path)
    (tmp_path / "cup").mkdir()
    (tmp_path / "cup" / "bad.png").write_bytes(b"")
    message = r"holds no usable occluders \(first: cup/bad\.png: .*is damaged"
    with pytest.raises(OccluderInputError, match=message):
        from_directory(tmp_path)


def test_a_set_is_built_with_them(
    root: Path,
    face_tree: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    draw_picture: Callable[..., UInt8],
) -> None:
    (root / "cup" / "bad.png").write_bytes(b"")
    config = BuildConfig(
        dataset="folder",
        root=str(face_tree),
        out=str(tmp_path / "set"),
        occluders=str(root),
        shard_size=7,
        scale=2.0,
        jobs=1,
    )
    report = build(config)
    assert "occluder cup/bad.png is left out" in caplog.text
    samples = list(open_shards(report.out))
    assert {sample.category for sample in samples} == {"cup", "phone", "umbrella"}
    assert {sample.occluder for sample in samples} <= set(from_directory(root).names)
    assert report.manifest["occluders"]["digest"] == from_directory(root).digest
    assert verify(report.out, 1) == []
    assert build(config).already_complete
