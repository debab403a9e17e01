"""Contact sheet of an occluder library: every member small, a block for each category."""

import io
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from occluders import Occluder, OccluderLibrary

from .preview import font

__all__ = ["library_sheet", "sheet_bytes"]

_INK, _QUIET, _PAPER = (38, 40, 44), (120, 124, 130), (250, 250, 248)
_CHECKS = (222, 206)  # light and dark squares behind what is transparent
_GAP = 6
_SQUARE = 8
_HEADING = 24

UInt8 = NDArray[np.uint8]


def library_sheet(
    library: OccluderLibrary,
    title: str,
    notes: Sequence[str] = (),
    *,
    size: int = 64,
    columns: int = 16,
    most: int | None = None,
) -> UInt8:
    """Return a sheet of a library's members on a chequered ground, by category.

    Parameters
    ----------
    library : OccluderLibrary
    title : str
    notes : sequence of str, optional
        Lines under the title.
    size : int, optional
        Pixels a member has on the sheet, each way; shapes are kept.
    columns : int, optional
    most : int, optional
        Of a category; spread evenly over its members.

    Returns
    -------
    ndarray of uint8, shape (H, W, 3)
    """
    blocks = {name: _spread(library.members(name), most) for name in library.categories}
    columns = max(1, min(columns, max(len(found) for found in blocks.values())))
    cell = size + _GAP
    top = 48 + 18 * len(notes)
    heights = [_HEADING + cell * -(-len(found) // columns) for found in blocks.values()]
    wide = max(columns * cell + 3 * _GAP, 560)
    sheet = Image.new("RGB", (wide, top + sum(heights) + 2 * _GAP), _PAPER)
    pen = ImageDraw.Draw(sheet)
    pen.text((2 * _GAP, 10), title, _INK, font(22))
    for line, note in enumerate(notes):
        pen.text((2 * _GAP, 40 + 18 * line), note, _QUIET, font(13))
    y = top
    for (name, found), height in zip(blocks.items(), heights, strict=True):
        held = len(library.members(name))
        shown = f"{held}" if held == len(found) else f"{len(found)} of {held}"
        pen.text((2 * _GAP, y + 4), name, _INK, font(14))
        x = 2 * _GAP + pen.textlength(name, font(14)) + 8
        pen.text((x, y + 5), shown, _QUIET, font(13))
        for number, member in enumerate(found):
            row, column = divmod(number, columns)
            corner = (2 * _GAP + column * cell, y + _HEADING + row * cell)
            sheet.paste(Image.fromarray(_tile(member, size)), corner)
        y += height
    return np.asarray(sheet)


def sheet_bytes(sheet: UInt8, suffix: str) -> bytes:
    """Return a sheet as the bytes of a file: ``.png``, or ``.webp``, which is a fifth as large."""
    buffer = io.BytesIO()
    if suffix == ".png":
        Image.fromarray(sheet).save(buffer, "PNG", optimize=True)
    else:
        Image.fromarray(sheet).save(buffer, "WEBP", quality=85, method=6)
    return buffer.getvalue()


def _spread(members: Sequence[Occluder], most: int | None) -> list[Occluder]:
    if most is None or len(members) <= most:
        return list(members)
    return [members[int(i)] for i in np.linspace(0, len(members) - 1, most).astype(int)]


def _tile(member: Occluder, size: int) -> UInt8:
    """Return a member in the middle of a chequered square, (size, size, 3)."""
    height, width = member.rgba.shape[:2]
    factor = size / max(height, width)
    wide, tall = (max(1, min(size, round(side * factor))) for side in (width, height))
    resized = member.resized(wide, tall)
    rows, columns = np.mgrid[:size, :size] // _SQUARE
    ground = np.where((rows + columns) % 2, _CHECKS[1], _CHECKS[0]).astype(np.uint8)
    tile = np.repeat(ground[:, :, None], 3, axis=2)
    y, x = (size - tall) // 2, (size - wide) // 2
    part = tile[y : y + tall, x : x + wide]
    kept = cv2.multiply(np.ascontiguousarray(part), resized.inverse_alpha, scale=1 / 255)
    part[:] = cv2.add(kept, resized.premultiplied)
    return tile
