"""A user's own folder of occluders: what is read, what is left out and why."""

import io
import shutil
import struct
import zlib
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, features

from occgen import BuildConfig, build, open_shards
from occgen.verify import verify
from occluders import (
    OccluderDataError,
    OccluderInputError,
    OccluderLibrary,
    bundled,
    from_directory,
    from_spec,
)
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


def test_tga_and_avif_are_read_or_named(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "cup" / "t.tga").write_bytes(saved(disc(60), "TGA"))
    (root / "cup" / "m.jpg").write_bytes(saved(disc(60)[:, :, :3], "JPEG"))
    (root / "cup" / "m_mask.tga").write_bytes(saved(disc(60)[:, :, 3], "TGA"))
    avif = b"\0\0\0\x20ftypavif\0\0\0\0"
    if "avif" in features.get_supported_modules():
        avif = saved(disc(70), "AVIF")
    (root / "cup" / "v.AVIF").write_bytes(avif)
    library = from_directory(root)
    members = {member.name: member for member in library.members("cup")}
    assert ("cup/v" in members) == ("avif" in features.get_supported_modules())
    assert np.array_equal(members["cup/t"].rgba, disc(60))
    assert np.array_equal(members["cup/m"].rgba[:, :, 3], disc(60)[:, :, 3])
    monkeypatch.delitem(Image.OPEN, "AVIF", raising=False)
    library = from_directory(root)
    assert {"cup/t", "cup/m"} < set(library.names)
    [(name, reason)] = library.skipped
    assert name == "cup/v.AVIF"
    assert reason.endswith("v.AVIF is damaged or no picture this machine can read")


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


def test_a_size_at_the_end_of_a_name_is_the_natural_one(root: Path) -> None:
    for name in ("cup/mug_47x53.png", "cup/47.5x20.png", "cup/photo_640x480.png", "cup/a0x9.png"):
        (root / name).write_bytes(saved(disc(1), "PNG"))
    sizes = {member.name: member.natural_size for member in from_directory(root)}
    assert sizes["cup/mug_47x53"] == (47.0, 53.0)
    assert sizes["cup/47.5x20"] == (47.5, 20.0)
    for name in ("cup/photo_640x480", "cup/a0x9"):  # pixels of a photograph; no size
        assert sizes[name] == sizes["cup/one"]


def test_a_matte_may_be_a_file_of_its_own(root: Path) -> None:
    matte = disc(0)[:, :, 3]
    rgb = np.full((60, 50, 3), 90, np.uint8)
    (root / "cup" / "masks").mkdir()
    files = {
        "cup/a.jpg": saved(rgb, "JPEG"),
        "cup/a_mask.png": saved(matte, "PNG"),
        "cup/b.png": saved(rgb, "PNG"),
        "cup/masks/b.png": saved(np.where(matte, 1, 0).astype(np.uint8), "PNG"),  # of 0 and 1
        "cup/c.png": saved(rgb, "PNG"),
        "cup/c_mask.png": saved(disc(200), "PNG"),  # its transparency is the matte
        "cup/gas_mask.png": saved(disc(5), "PNG"),  # a member: there is no cup/gas
        "cup/d.png": saved(rgb, "PNG"),
        "cup/d_mask.png": saved(matte[:50], "PNG"),
        "cup/e.png": saved(rgb, "PNG"),
        "cup/e_mask.png": saved(0 * matte, "PNG"),
        "cup/f.png": saved(rgb, "PNG"),
        "cup/f_mask.png": b"no picture",
    }
    for name, data in files.items():
        (root / name).write_bytes(data)
    library = from_directory(root)
    members = {member.name: member for member in library.members("cup")}
    assert set(members) == {f"cup/{name}" for name in ("a", "b", "c", "gas_mask", "one", "two")}
    for name in "abc":
        assert np.array_equal(members[f"cup/{name}"].rgba[:, :, 3], matte)
    reasons = dict(library.skipped)
    assert reasons["cup/d.png"].endswith("cup/d_mask.png is 50x50 pixels and its picture 50x60")
    assert reasons["cup/e.png"] == "is transparent everywhere"
    assert "cup/f_mask.png is damaged or no picture" in reasons["cup/f.png"]
    unread = from_directory(root)
    (root / "cup" / "a_mask.png").write_bytes(saved(255 - matte, "PNG"))
    assert from_directory(root).digest != library.digest
    with pytest.raises(OccluderDataError, match=r"a\.jpg changed since the library was opened"):
        _ = next(member for member in unread if member.name == "cup/a").rgba


def test_sixteen_bits_are_cut_to_eight(root: Path) -> None:
    matte = np.arange(60 * 50, dtype=np.uint16).reshape(60, 50) * 21
    (root / "cup" / "deep.png").write_bytes(saved(np.full((60, 50, 3), 90, np.uint8), "PNG"))
    (root / "cup" / "deep_mask.png").write_bytes(saved(matte, "PNG"))
    (root / "cup" / "grey.png").write_bytes(saved(matte, "PNG"))
    members = {member.name: member.rgba for member in from_directory(root).members("cup")}
    assert np.abs(members["cup/deep"][:, :, 3].astype(int) - (matte >> 8)).max() <= 1
    assert np.array_equal(members["cup/grey"][:, :, 1], matte >> 8)


def test_a_table_tells_sizes_anchors_masks_and_categories(root: Path) -> None:
    (root / "cup" / "matte.png").write_bytes(saved(disc(0)[:, :, 3], "PNG"))
    (root / "occluders.csv").write_text(
        "file, natural_width, natural_height, category, mask, cover_x, cover_y, nose, source\n"
        "cup/one.png,30,40,mug,,25,30,,somewhere\n"
        'phone/a phone.JPG,,,,cup/matte.png,,,"10, 15",\n'
        "cup/gone.png,1,1,,,,,,\n",
        encoding="utf-8-sig",
    )
    library = from_directory(root)
    members = {member.name: member for member in library}
    assert members["cup/one"].category == "mug"
    assert members["cup/one"].natural_size == (30.0, 40.0)
    assert members["cup/one"].anchors == {"cover": (0.5, 0.5)}
    assert members["phone/a phone"].anchors == {"nose": (0.2, 0.25)}
    assert members["phone/a phone"].has_matte
    assert "cup/two" in members  # the table needs not name every file
    assert "cup/matte" not in members
    assert library.skipped == (("cup/gone.png", "is named in occluders.csv and missing"),)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("occluders.csv", "", r"occluders\.csv must have a column 'file', has"),
        ("occluders.csv", "name\nx\n", "must have a column 'file', has name"),
        ("occluders.csv", "file,natural_width\ncup/one.png,3\n", "line 2: natural_height must be"),
        (
            "occluders.csv",
            "file,natural_width,natural_height\na,0,3\n",
            "must be a number > 0, got",
        ),
        ("occluders.csv", "file,natural_width,natural_height\na,nan,3\n", "must be a number > 0"),
        ("occluders.csv", "file,natural_width,natural_height\na,3,9999\n", "a face of 96 x 112"),
        ("occluders.csv", "file,nose_x,nose_y\na,3,\n", "line 2: nose must be a number, got ''"),
        ("occluders.csv", "file,nose\na,3\n", "line 2: nose must be 'x, y', got '3'"),
        ("occluders.csv", "file,mask_a\na,3 4\n", "a template has six points, mask_a to mask_f"),
        (
            "occluders.csv",
            "file\n../x.png\n",
            r"file must lie inside the folder, got '\.\./x\.png'",
        ),
        ("occluders.csv", "file\n/x.png\n", "file must lie inside the folder"),
        ("occluders.csv", "file\na\na\n", "line 3: a is named a second time"),
        ("occluders.csv", b"file\n\xff\n", "is not UTF-8 text; save it as UTF-8"),
        ("index.json", "{", r"index\.json is damaged or no index of occluders"),
        ("index.json", '{"members": [{"file": "a"}]}', "is damaged or no index of occluders"),
        (
            "index.json",
            '{"members": [{"file": "a", "name": "a", "category": "c", "natural_size": [0, 1]}]}',
            "member 0: natural_width must be a number > 0, got '0'",
        ),
        ("masks.cfg", "template: a.png", r"masks\.cfg is no list of templates"),
        ("masks.cfg", "[a]\ntemplate: a.png\nmask_a: 1, 2\n", r"\[a\]: a template has six points"),
        ("splits.json", "[]", r'splits\.json must be \{"train": \["book/\*"'),
        ("splits.json", '{"a": "cup"}', "must be"),
        ("splits.json", '{"a": []}', "must be"),
        ("splits.json", '{"a": [1]}', "must be"),
    ],
)
def test_a_wrong_table_is_refused(root: Path, name: str, text: str | bytes, message: str) -> None:
    (root / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(OccluderInputError, match=message):
        from_directory(root)


def test_mask_templates_with_six_points(tmp_path: Path) -> None:
    """Templates as maskers have them: a list of sections, paths from a folder above."""
    points = {"a": (0, 20), "b": (50, 0), "c": (100, 20), "d": (0, 60), "e": (50, 100)}
    lines = [f"mask_{letter}: {x}, {y}" for letter, (x, y) in points.items()] + ["mask_f: 100, 60"]
    (tmp_path / "templates").mkdir()
    text = ""
    for name in ("blue", "blue_left", "gone"):
        text += "\n".join([f"[{name}]", f"template: masks/templates/{name}.png", *lines, "\n"])
    (tmp_path / "masks.cfg").write_text(text + "[empty]\n")
    for name in ("blue", "blue_left", "other"):
        (tmp_path / "templates" / f"{name}.png").write_bytes(saved(disc(9, 100, 100), "PNG"))
    library = from_directory(tmp_path)
    assert library.names == ("face_mask/blue", "face_mask_side/blue_left")
    assert library.skipped == (("gone.png", "is named in masks.cfg and missing"),)
    anchors = {k: (round(x, 3), round(y, 3)) for k, (x, y) in library[0].anchors.items()}
    assert anchors == {
        "nose": (0.5, 0.19),
        "mouth": (0.5, 0.59),
        "chin": (0.5, 1.0),
        "left_cheek": (0.0, 0.348),
        "right_cheek": (1.0, 0.348),
    }


def test_a_folder_with_an_index_is_the_library_it_names(tmp_path: Path) -> None:
    """A rendered library is the same wherever it lies."""
    folder = Path(str(files("occluders"))) / "assets"
    copied = shutil.copytree(folder, tmp_path / "copy")
    assert from_directory(copied).digest == bundled().digest
    changed = sorted(copied.glob("*/*.webp"))[0]
    changed.write_bytes(saved(disc(3), "WEBP"))
    library = from_directory(copied)
    reason = "is not the file its index was written for (SHA-256 differs)"
    assert library.skipped == ((changed.relative_to(copied).as_posix(), reason),)
    assert len(library) == len(bundled()) - 1


def test_splits_are_named_by_the_folder(root: Path) -> None:
    plain = from_directory(root).digest
    (root / "splits.json").write_text('{"train": ["cup", "phone/*"], "test": ["umbrella"]}')
    library = from_directory(root)
    assert library.digest != plain  # what a split is made of is part of a build's identity
    assert library.subset(split="train").categories == ("cup", "phone")
    assert library.subset(split="train").subset(exclude=["phone"]).categories == ("cup",)
    assert library.subset(split="test", include=["*"]).names == ("umbrella/größe",)
    with pytest.raises(OccluderInputError, match="split must be one of test, train, got 'val'"):
        library.subset(split="val")
    with pytest.raises(OccluderInputError, match=r"split must be one of none; its splits\.json"):
        bundled().subset(split="val")


def test_hidden_files_and_a_category_called_clean_are_no_members(root: Path) -> None:
    for name in ("clean/a.png", ".git/a.png", "__MACOSX/a.png", "cup/.a.png", "cup/._one.png"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes(saved(disc(1), "PNG"))
    library = from_directory(root)
    assert library.categories == ("cup", "phone", "umbrella")
    assert [name for name, _ in library.skipped] == ["clean/a.png"]


def test_more_categories_than_a_set_can_name_are_refused(tmp_path: Path) -> None:
    for number in range(255):
        (tmp_path / f"c{number}").mkdir()
        (tmp_path / f"c{number}" / "a_9x9.png").write_bytes(saved(disc(1, 4, 4), "PNG"))
    with pytest.raises(OccluderInputError, match="holds 255 categories, more than 254"):
        from_directory(tmp_path)


@pytest.mark.slow
def test_real_cut_outs_load_and_cover_what_the_paper_reports(faces_root: Path) -> None:
    root = faces_root.parent / "occluders"
    if not root.is_dir():
        pytest.skip(f"no cut-outs at {root}")
    library = from_directory(root)
    assert library.skipped == ()
    assert {"bottle", "fruit", "glove", "hat", "mask", "mask_side"} <= set(library.categories)
    assert all(member.has_matte for member in library)
    sizes = {c: [m.natural_size for m in library.members(c)] for c in library.categories}
    for scale, goal in PUBLISHED_COVERAGE.items():
        assert abs(mean_coverage(sizes, scale) - goal) < 0.01


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
