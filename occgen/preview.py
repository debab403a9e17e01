"""Contact sheets: faces with their box, mask and label drawn in, as a PNG or an HTML page."""

import base64
import html
import logging
import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from .codec import decode_image, encoder
from .errors import DataError, InputError
from .patterns import PatternGrid

__all__ = [
    "Tile",
    "contact_sheet",
    "font",
    "html_page",
    "tiles_of_faces",
    "tiles_of_set",
    "tiles_of_source",
]

_PAPER = (250, 250, 248)
_INK = (38, 40, 44)
_QUIET = (120, 124, 130)
_BOX = (255, 196, 0)
_PATTERN = (0, 200, 255)
_MASK = (255, 0, 110)
_GAP = 12
_CAPTION_SHARE = 1.25  # of the height of a picture: a caption widens its cell up to this

_log = logging.getLogger(__name__)

UInt8 = NDArray[np.uint8]


class Tile(NamedTuple):
    """One picture of a sheet, with what is drawn into it and written under it."""

    image: UInt8
    """(H, W, 3), RGB."""
    lines: tuple[str, ...]
    """Caption, at most two lines are shown on a sheet."""
    box: tuple[int, int, int, int] | None = None
    """Of what was pasted, in pixels."""
    mask: NDArray[np.bool_] | None = None
    pattern: tuple[int, int, int, int] | None = None
    """Rectangle of the label, in pixels."""


def tiles_of_set(shards: Any, count: int) -> list[Tile]:
    """Return tiles of faces spread evenly over a finished set.

    Parameters
    ----------
    shards : Shards
    count : int
        At most.
    """
    if len(shards) == 0:
        raise InputError(f"{shards.path} holds no pictures")
    picked = np.unique(np.linspace(0, len(shards) - 1, min(count, len(shards))).astype(int))
    tiles = []
    for index in picked.tolist():
        sample = shards[index]
        label = sample.pattern()
        boxes = shards.grid(int(shards.manifest["config"]["k"])).boxes
        scale = "" if np.isnan(sample.scale) else f" x{sample.scale:g}"
        facts = f"label {label}   box {sample.coverage:.0%}   mask {sample.mask_coverage:.0%}"
        tiles.append(
            Tile(
                image=sample.image,
                lines=(sample.category.replace("_", " ") + scale, facts, sample.key),
                box=sample.box if sample.category != "clean" else None,
                mask=sample.mask if sample.category != "clean" else None,
                pattern=tuple(boxes[label].tolist()) if label else None,
            )
        )
    return tiles


def tiles_of_faces(source: Any, count: int) -> list[Tile]:
    """Return tiles of faces spread evenly over a finished set of any format.

    Parameters
    ----------
    source : SetSource
    count : int
        At most.
    """
    keys = [ref.key for ref in source.refs()]
    if not keys:
        raise InputError(f"{source.root} holds no pictures")
    picked = np.unique(np.linspace(0, len(keys) - 1, min(count, len(keys))).astype(int))
    config = source.manifest["config"]
    k, name = int(config["k"]), f"k{config['k']}{'_mask' if config['by'] == 'mask' else ''}"
    boxes = PatternGrid(k, source.manifest["height"], source.manifest["width"]).boxes
    tiles = []
    for key in (keys[index] for index in picked.tolist()):
        face, mask = source.face(key)
        label, is_clean = face["patterns"][name], face["category"] == "clean"
        scale = "" if face["scale"] is None else f" x{face['scale']:g}"
        facts = f"label {label}   box {face['coverage']:.0%}   mask {face['mask_coverage']:.0%}"
        tiles.append(
            Tile(
                image=decode_image(source.read(key)),
                lines=(face["category"].replace("_", " ") + scale, facts, key),
                box=None if is_clean else tuple(face["box"]),
                mask=None if is_clean else mask,
                pattern=tuple(boxes[label].tolist()) if label else None,
            )
        )
    return tiles


def tiles_of_source(source: Any, count: int) -> list[Tile]:
    """Return tiles of pictures spread evenly over a data set, landmarks drawn in where known.

    Parameters
    ----------
    source : Source
    count : int
        At most; those that cannot be read are left out, with a warning.

    Raises
    ------
    InputError
        When it holds no pictures.
    DataError
        When none of them can be read.
    """
    source.check()
    refs = list(source.refs())
    if not refs:
        raise InputError("the data set holds no pictures")
    picked = np.unique(np.linspace(0, len(refs) - 1, min(count, len(refs))).astype(int))
    tiles: list[Tile] = []
    bad: list[str] = []
    for index in picked.tolist():
        try:
            image = decode_image(source.read(refs[index].key))
        except DataError as error:
            bad.append(f"{refs[index].key}: {error}")
            continue
        points = source.landmarks(refs[index].key, *image.shape[:2])
        for x, y in [] if points is None else points.tolist():
            cv2.circle(image, (round(x), round(y)), 1, _PATTERN, -1, cv2.LINE_AA)
        tiles.append(Tile(image, (refs[index].identity or "no identity", refs[index].key)))
    if not tiles:
        raise DataError(f"none of {len(bad)} pictures can be read (first: {bad[0]})")
    for problem in bad:
        _log.warning("%s; it is left out", problem)
    return tiles


def contact_sheet(
    tiles: Sequence[Tile],
    title: str,
    notes: Sequence[str] = (),
    *,
    columns: int = 8,
    tile_height: int = 168,
    draw: bool = True,
) -> UInt8:
    """Return a sheet of tiles.

    Parameters
    ----------
    tiles : sequence of Tile
        At least one.
    title : str
    notes : sequence of str, optional
        Lines under the title.
    columns : int, optional
    tile_height : int, optional
        Of the picture on the sheet, in pixels; it is enlarged with its shape kept.
    draw : bool, optional
        Whether box, mask and label are drawn in.

    Returns
    -------
    ndarray of uint8, shape (H, W, 3)
    """
    pictures = [_drawn(tile, tile_height, draw) for tile in tiles]
    columns = max(1, min(columns, len(tiles)))
    captions = [_caption_width(tile) for tile in tiles]
    cell_width = _GAP + max(
        *(picture.shape[1] for picture in pictures),
        min(max(captions), round(_CAPTION_SHARE * tile_height)),
    )
    written = min(2, max(len(tile.lines) for tile in tiles))
    cell_height = tile_height + _GAP + 15 * written + 4
    top = 52 + 18 * (len(notes) + draw)
    rows = -(-len(tiles) // columns)
    width = max(columns * cell_width + _GAP, 640)
    sheet = Image.new("RGB", (width, top + rows * cell_height + _GAP), _PAPER)
    pen = ImageDraw.Draw(sheet)
    pen.text((_GAP, 12), title, _INK, font(22))
    for line, note in enumerate(notes):
        pen.text((_GAP, 44 + 18 * line), note, _QUIET, font(13))
    if draw:
        _legend(pen, _GAP, 44 + 18 * len(notes))
    for number, (tile, picture) in enumerate(zip(tiles, pictures, strict=True)):
        x = _GAP + number % columns * cell_width
        y = top + number // columns * cell_height
        sheet.paste(Image.fromarray(picture), (x, y))
        for line, text in enumerate(tile.lines[:2]):
            colour, face = (_QUIET if line else _INK), font(12 - line)
            shown = _cut(text, face, cell_width - _GAP)
            pen.text((x, y + tile_height + 3 + 15 * line), shown, colour, face)
    return np.asarray(sheet)


def html_page(
    tiles: Sequence[Tile], title: str, notes: Sequence[str] = (), *, draw: bool = True
) -> str:
    """Return a page of tiles that needs no other file and no network.

    Parameters
    ----------
    tiles : sequence of Tile
    title : str
    notes : sequence of str, optional
    draw : bool, optional
        Whether box, mask and label are drawn in.

    Returns
    -------
    str
    """
    encode = encoder("jpeg", 90)
    cells = []
    for tile in tiles:
        picture = base64.b64encode(encode(np.ascontiguousarray(_drawn(tile, 168, draw)))).decode()
        lines = "".join(f"<span>{html.escape(line)}</span>" for line in tile.lines)
        alt = html.escape(", ".join(tile.lines), quote=True)
        source = f"data:image/jpeg;base64,{picture}"
        cells.append(
            f'<figure><img alt="{alt}" src="{source}"><figcaption>{lines}</figcaption></figure>'
        )
    paragraphs = "".join(f"<p>{html.escape(note)}</p>" for note in notes)
    name = html.escape(title)
    legend = (
        "<p><i style='background:#ffc400'></i>box of what was pasted"
        "<i style='background:#ff006e'></i>edge of the mask<i style='background:#00c8ff'></i>"
        "rectangle of the label</p>"
    )
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{name}</title>'
        '<meta name="viewport" content="width=device-width,initial-scale=1"><style>'
        "body{font:15px/1.45 system-ui,sans-serif;margin:2rem;background:#fafaf8;color:#26282c}"
        "h1{font-size:1.5rem;margin:0}p{margin:.2rem 0;color:#5d6168}"
        "main{display:grid;gap:1rem;grid-template-columns:repeat(auto-fill,minmax(170px,1fr));"
        "margin-top:1.2rem}figure{margin:0}img{border-radius:4px;display:block;max-width:100%}"
        "span{display:block;font-size:12px;color:#5d6168;overflow-wrap:anywhere}"
        "span:first-child{color:#26282c;font-weight:600}i{display:inline-block;width:.8em;"
        "height:.8em;margin:0 .3em 0 .8em;border-radius:2px}</style>"
        f"<h1>{name}</h1>{paragraphs}{legend * draw}<main>{''.join(cells)}</main></html>\n"
    )


def _drawn(tile: Tile, height: int, draw: bool) -> UInt8:
    factor = height / tile.image.shape[0]
    width = max(1, round(tile.image.shape[1] * factor))
    method = cv2.INTER_CUBIC if factor > 1 else cv2.INTER_AREA
    picture = np.ascontiguousarray(cv2.resize(tile.image, (width, height), interpolation=method))
    if not draw:
        return np.asarray(picture, np.uint8)
    if tile.mask is not None and tile.mask.any():
        levels = tile.mask.astype(np.uint8) * 255
        large = cv2.resize(levels, (width, height), interpolation=cv2.INTER_CUBIC)
        inside = (large >= 128).astype(np.uint8)
        edges, _ = cv2.findContours(inside, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(picture, edges, -1, _MASK, 1, cv2.LINE_AA)
    for rectangle, colour, inset in ((tile.pattern, _PATTERN, 1), (tile.box, _BOX, 0)):
        if rectangle is not None:
            x0, y0, x1, y1 = (round(side * factor) for side in rectangle)
            corner = (min(x1, width) - 1 - inset, min(y1, height) - 1 - inset)
            cv2.rectangle(picture, (x0 + inset, y0 + inset), corner, colour, 1)
    return np.asarray(picture, np.uint8)


def _caption_width(tile: Tile) -> int:
    """Return the pixels the caption of a sheet needs."""
    widths = [font(12 - line).getlength(text) for line, text in enumerate(tile.lines[:2])]
    return math.ceil(max(widths, default=0.0))


def _cut(text: str, face: Any, room: int) -> str:
    """Return a text, where it is too long with three dots for its middle: names differ at ends."""
    if face.getlength(text) <= room:
        return text
    for kept in range(len(text) - 1, 0, -1):
        shown = f"{text[: kept - kept // 2]}...{text[len(text) - kept // 2 :]}"
        if face.getlength(shown) <= room:
            return shown
    return ""


def _legend(pen: ImageDraw.ImageDraw, x: float, y: int) -> None:
    entries = ((_BOX, "box"), (_MASK, "edge of the mask"), (_PATTERN, "rectangle of the label"))
    for colour, text in entries:
        pen.rectangle((x, y + 3, x + 10, y + 13), colour)
        pen.text((x + 15, y), text, _QUIET, font(13))
        x += 15 + pen.textlength(text, font(13)) + 18


@lru_cache(maxsize=8)
def font(size: int) -> Any:
    """Return the typeface of sheets at a size in pixels."""
    return ImageFont.load_default(size)
