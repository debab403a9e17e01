"""Contact sheets show every tile whole, with its box, mask and label where they belong."""

import base64
import dataclasses
import html.parser
import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from occgen import BuildConfig, DataError, InputError, build, open_shards
from occgen.preview import Tile, contact_sheet, html_page, tiles_of_set, tiles_of_source
from occgen.sources import open_source

YELLOW, BLUE, PINK = (255, 196, 0), (0, 200, 255), (255, 0, 110)


@pytest.fixture
def config(face_tree: Path, tmp_path: Path) -> BuildConfig:
    """Build of 18 faces, some of them clean."""
    return BuildConfig(
        dataset="folder",
        root=str(face_tree),
        out=str(tmp_path / "set"),
        scale=2.0,
        categories=("cup",),
        clean_fraction=0.3,
        jobs=1,
    )


def grey(height: int = 112, width: int = 96) -> NDArray[np.uint8]:
    """Return an even picture, on which what is drawn stands out."""
    return np.full((height, width, 3), 128, np.uint8)


def where(sheet: NDArray[np.uint8], colour: tuple[int, int, int]) -> NDArray[np.bool_]:
    """Return the pixels of a colour."""
    return np.asarray((sheet == colour).all(axis=2))


def extent(found: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """Return the box around marked pixels."""
    rows, columns = np.flatnonzero(found.any(1)), np.flatnonzero(found.any(0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def test_a_box_a_mask_and_a_label_are_drawn_where_they_are() -> None:
    mask = np.zeros((112, 96), np.bool_)
    mask[30:60, 20:50] = True
    tile = Tile(grey(), ("cup", "facts"), (16, 24, 64, 80), mask, (0, 0, 38, 44))
    plain = contact_sheet([Tile(grey(), ("cup", "facts"))], "title", draw=False, tile_height=224)
    drawn = contact_sheet([tile], "title", tile_height=224)
    left, top, right, bottom = extent(where(plain, (128, 128, 128)))
    assert (right - left, bottom - top) == (192, 224)
    body = drawn[drawn.shape[0] - plain.shape[0] :][top:bottom, left:right]
    assert extent(where(body, YELLOW)) == (32, 48, 128, 160)
    assert extent(where(body, BLUE)) == (1, 1, 75, 87)
    x0, y0, x1, y1 = extent((body[:, :, 0] > 180) & (body[:, :, 1] < 80))
    assert np.abs(np.array([x0, y0, x1, y1]) - [40, 60, 100, 120]).max() <= 3


@pytest.mark.parametrize(("count", "columns"), [(1, 8), (3, 2), (8, 8), (9, 8), (17, 5)])
def test_every_tile_is_on_the_sheet(count: int, columns: int) -> None:
    shades = np.linspace(20, 220, count).astype(int).tolist()
    tiles = [Tile(np.full((112, 96, 3), shade, np.uint8), ("", "")) for shade in shades]
    sheet = contact_sheet(tiles, "", columns=columns, draw=False)
    assert sheet.dtype == np.uint8
    for shade in shades:
        x0, y0, x1, y1 = extent(where(sheet, (shade, shade, shade)))
        assert (y1 - y0, x1 - x0) == (168, 144)


def test_pictures_of_any_shape_and_long_captions_fit() -> None:
    shapes = [(112, 96), (96, 112), (40, 400), (400, 40), (1, 1)]
    tiles = [Tile(grey(*shape), ("a very long name " * 9, "x" * 300, "third")) for shape in shapes]
    sheet = contact_sheet(tiles, "a title " * 40, ["a note " * 60], columns=5)
    assert sheet.shape[1] < 10_000
    assert (sheet[:, -1] == (250, 250, 248)).all() or sheet.shape[1] > 640


@pytest.mark.parametrize("shape", [(112, 96), (112, 112), (112, 40)])
def test_every_caption_of_a_set_is_whole(
    shape: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The longest facts there are: K = 16 has labels of five digits."""
    written: list[tuple[float, str, float]] = []
    draw_text = ImageDraw.ImageDraw.text

    def note(pen: Any, xy: tuple[float, float], text: str, ink: Any, face: Any) -> None:
        written.append((xy[0], text, pen.textlength(text, face)))
        draw_text(pen, xy, text, ink, face)

    monkeypatch.setattr(ImageDraw.ImageDraw, "text", note)
    facts = "label 18496   box 100%   mask 100%"
    sheet = contact_sheet([Tile(grey(*shape), ("sunglasses x2.25", facts))] * 4, "t", draw=False)
    starts = [x for x, text, _ in written if text == facts]
    ends = [x + length for x, text, length in written if text == facts]
    assert len(starts) == 4
    limits = [*starts[1:], sheet.shape[1]]
    assert all(end + 6 <= limit for end, limit in zip(ends, limits, strict=True))


def test_a_caption_that_cannot_fit_keeps_both_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []

    def note(pen: Any, xy: Any, text: str, *rest: Any) -> None:
        written.append(text)

    monkeypatch.setattr(ImageDraw.ImageDraw, "text", note)
    contact_sheet([Tile(grey(), ("a" * 90 + "/0001.jpg", "short"))], "t", draw=False)
    assert written[0] == "t"
    assert re.fullmatch(r"a+\.\.\.a+/0001\.jpg", written[1])
    assert written[2] == "short"


def test_a_set_is_shown_evenly(config: BuildConfig) -> None:
    build(config)
    shards = open_shards(config.out_path)
    tiles = tiles_of_set(shards, 5)
    keys = [tile.lines[2] for tile in tiles]
    assert keys == [shards[index].key for index in (0, 4, 8, 12, 17)]
    everything = tiles_of_set(shards, 400)
    assert len(everything) == 18
    for tile, sample in zip(everything, shards, strict=True):
        assert np.array_equal(tile.image, sample.image)
        if sample.category == "clean":
            assert (tile.box, tile.mask, tile.pattern) == (None, None, None)
            assert tile.lines[0] == "clean"
        else:
            assert tile.box == sample.box
            assert tile.pattern == tuple(shards.grid(5).boxes[sample.pattern()].tolist())
            assert tile.lines[0] == "cup x2"
            assert f"label {sample.pattern()}" in tile.lines[1]
            assert f"box {sample.coverage:.0%}" in tile.lines[1]


def test_a_data_set_is_shown_with_its_landmarks(face_tree: Path) -> None:
    tiles = tiles_of_source(open_source("demo"), 3)
    assert [tile.lines[0] for tile in tiles] == ["person-00000", "person-00124", "person-00249"]
    for tile in tiles:
        assert where(tile.image, BLUE).sum() >= 5
    plain = tiles_of_source(open_source("folder", str(face_tree)), 40)
    assert len(plain) == 18
    assert plain[0].lines == ("person0", "person0/0.jpg")


def test_pictures_that_cannot_be_read_are_left_out(
    tmp_path: Path, face_bytes: dict[str, bytes], caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(InputError, match="holds no pictures"):
        tiles_of_source(open_source("folder", str(tmp_path)), 3)
    (tmp_path / "a.jpg").write_bytes(b"")
    with pytest.raises(DataError, match=r"none of 1 pictures .*a\.jpg: empty file"):
        tiles_of_source(open_source("folder", str(tmp_path)), 3)
    (tmp_path / "b.jpg").write_bytes(next(iter(face_bytes.values())))
    (tile,) = tiles_of_source(open_source("folder", str(tmp_path)), 3)
    assert tile.lines == ("no identity", "b.jpg")
    assert "a.jpg: empty file (0 bytes); it is left out" in caplog.text


class _Page(html.parser.HTMLParser):
    """Collects what a page refers to and says."""

    def __init__(self) -> None:
        super().__init__()
        self.sources: list[str] = []
        self.alts: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        assert tag not in ("script", "link", "iframe")
        assert not {"href", "onload", "onerror"} & set(found)
        if "src" in found:
            self.sources.append(found["src"] or "")
            self.alts.append(found["alt"] or "")

    def handle_data(self, data: str) -> None:
        self.text += data


def test_a_page_needs_nothing_else(config: BuildConfig) -> None:
    build(config)
    tiles = tiles_of_set(open_shards(config.out_path), 6)
    text = html_page(tiles, "Occ-Folder", ["18 images"])
    page = _Page()
    page.feed(text)
    assert len(page.sources) == 6
    for source in page.sources:
        assert source.startswith("data:image/jpeg;base64,")
        data = base64.b64decode(source.partition(",")[2])
        assert Image.open(io.BytesIO(data)).size == (168, 168)
    assert "http" not in re.sub(r"base64,[^\"]*", "", text)
    assert "18 images" in page.text
    assert "rectangle of the label" in page.text
    assert tiles[0].lines[1] in page.text
    undrawn = html_page(tiles, "Occ-Folder", draw=False)
    assert "rectangle of the label" not in undrawn
    assert undrawn != text


def test_names_on_a_page_are_only_names() -> None:
    bad = "<script>alert('x')</script>\"&"
    page = _Page()
    page.feed(html_page([Tile(grey(), (bad, bad))], bad, [bad]))
    assert page.text.count("alert('x')") >= 4
    assert page.alts == [f"{bad}, {bad}"]


def test_an_empty_set_is_told() -> None:
    class Empty:
        path = Path("some/set")

        def __len__(self) -> int:
            return 0

    with pytest.raises(InputError, match="some/set holds no pictures"):
        tiles_of_set(Empty(), 3)


def test_sheets_repeat(config: BuildConfig) -> None:
    build(dataclasses.replace(config, limit=4))
    shards = open_shards(config.out_path)
    first, second = (contact_sheet(tiles_of_set(shards, 4), "t", ["n"]) for _ in range(2))
    assert np.array_equal(first, second)
