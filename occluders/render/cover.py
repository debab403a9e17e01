"""Printed matter drawn by code: book covers, and pages of text with pictures."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from ..materials import hsv
from .fabric import Colour, palette
from .scenery import Picture, scenery, wallpaper

__all__ = ["cover_pictures", "page_picture"]

_HIGH = 240  # of a cover, pixels
_FIRST = ("The", "A", "My", "Last", "Silent", "Blue", "Lost", "Small", "Night", "Modern", "Open")
_SECOND = (
    "River", "Garden", "Atlas", "Letters", "Winter", "Algebra", "Kitchen", "Harbour", "Stars",
    "Forest", "Bridge", "History", "Music", "Islands", "Machines", "Light", "House", "Birds",
)  # fmt: skip
_NAMES = (
    "A. MARLOW", "J. VEGA", "LENA ORTH", "T. OKORO", "M. LINDE", "S. HAYASHI", "R. BAUM", "I. COSTA"
)  # fmt: skip
UInt8 = NDArray[np.uint8]


def cover_pictures(
    rng: np.random.Generator, wide: float, tall: float, thick: float
) -> tuple[UInt8, UInt8, UInt8]:
    """Return the front, the back and the spine of a book's cover.

    Parameters
    ----------
    rng : numpy.random.Generator
    wide, tall, thick : float
        Of the book, in any one unit.

    Returns
    -------
    tuple of ndarray of uint8, each (h, w, 3)
        Upright; the spine as seen when the book stands.
    """
    width, back = round(_HIGH * wide / tall), round(_HIGH * thick / tall) + 2
    title = f"{rng.choice(_FIRST)} {rng.choice(_SECOND)}"
    author = str(rng.choice(_NAMES))
    tones = palette(rng, 3)
    kind = str(rng.choice(["picture", "band", "figures", "plain"], p=[0.34, 0.22, 0.28, 0.16]))
    dark = sum(tones[0]) < 1.5
    ink: Colour = (0.96, 0.94, 0.86) if dark else (0.08, 0.08, 0.1)
    if kind == "picture":
        ground = scenery(rng, _HIGH, width)
        ink = (1.0, 1.0, 1.0) if float(ground[: _HIGH // 3].mean()) < 0.62 else (0.07, 0.07, 0.1)
    elif kind == "band":
        ground = _flat(tones[0], _HIGH, width)
        top = int(_HIGH * rng.uniform(0.3, 0.42))
        draw = scenery if rng.random() < 0.6 else wallpaper
        inner = draw(rng, int(_HIGH * rng.uniform(0.36, 0.5)), width)
        ground[top : top + len(inner)] = inner
    elif kind == "figures":
        ground = _figures(rng, tones, _HIGH, width)
    else:
        ground = _flat(tones[0], _HIGH, width)
    image = _image(ground)
    pen = ImageDraw.Draw(image)
    if kind == "plain":
        gold = _paint((0.83, 0.68, 0.35) if dark else ink)
        for gap in (8, 12):
            pen.rectangle((gap, gap, width - gap, _HIGH - gap), outline=gold)
        pen.ellipse(
            (width / 2 - 16, _HIGH * 0.6, width / 2 + 16, _HIGH * 0.6 + 32), outline=gold, width=3
        )
        ink = (0.83, 0.68, 0.35) if dark else ink
    if kind == "figures":
        pen.rectangle((0, 26, width, 108), fill=_paint(tones[0]))
        pen.rectangle((0, _HIGH - 34, width, _HIGH - 10), fill=_paint(tones[0]))
    words = title.upper() if rng.random() < 0.5 else title
    y = 48.0
    for word in words.split():
        _write(pen, width / 2, y, word, width * 0.84, 42, ink)
        y += 38
    low = float(ground[-30:].mean()) if kind == "picture" else 0.0
    name = ((1.0, 1.0, 1.0) if low < 0.55 else (0.07, 0.07, 0.1)) if kind == "picture" else ink
    _write(pen, width / 2, _HIGH - 22, author, width * 0.7, 17, name)
    rear = _image(_flat(tones[0], _HIGH, width))
    pen = ImageDraw.Draw(rear)
    for k in range(11):
        end = width * (0.86 if k % 4 < 3 else rng.uniform(0.4, 0.7))
        pen.rectangle((width * 0.14, 44 + 10 * k, end, 46 + 10 * k), fill=_paint(ink))
    pen.rectangle((width * 0.56, _HIGH - 50, width * 0.88, _HIGH - 20), fill=(255, 255, 255))
    for k in range(12):
        x = width * 0.58 + k * width * 0.024
        pen.rectangle((x, _HIGH - 47, x + int(rng.integers(0, 3)), _HIGH - 25), fill=(10, 10, 10))
    side = Image.new("RGB", (_HIGH, back), _paint(tones[0]))
    pen = ImageDraw.Draw(side)
    _write(pen, _HIGH * 0.45, back / 2, title, _HIGH * 0.6, int(back * 0.6), ink)
    pen.rectangle((_HIGH * 0.88, back * 0.25, _HIGH * 0.93, back * 0.75), fill=_paint(ink))
    spine = cv2.rotate(np.asarray(side, np.uint8), cv2.ROTATE_90_CLOCKWISE)
    return np.asarray(image, np.uint8), np.asarray(rear, np.uint8), np.asarray(spine, np.uint8)


def page_picture(rng: np.random.Generator, wide: float, tall: float) -> UInt8:
    """Return a page: lines of text in one or two columns, headings, now and then a picture.

    Parameters
    ----------
    rng : numpy.random.Generator
    wide, tall : float
        Of the page, in any one unit.
    """
    height = 300
    width = round(height * wide / tall)
    paper = hsv(0.12, rng.uniform(0.02, 0.12), rng.uniform(0.9, 0.97))
    image = _image(_flat(paper, height, width))
    pen = ImageDraw.Draw(image)
    grey = _paint((0.42, 0.41, 0.4))
    left, right = width * 0.12, width * 0.88
    y, pitch = 28.0, 9.0
    if rng.random() < 0.4:
        _write(pen, width / 2, y + 6, str(rng.choice(_SECOND)), width * 0.5, 20, (0.1, 0.1, 0.1))
        y += 30
    picture_at = rng.uniform(y, height * 0.6) if rng.random() < 0.45 else height * 2
    while y < height - 30:
        if y >= picture_at:
            high = int(height * rng.uniform(0.2, 0.34))
            inner = _image(scenery(rng, high, int(right - left)))
            image.paste(inner, (int(left), int(y)))
            y, picture_at = y + high + 8, height * 2
            continue
        last = rng.random() < 0.16
        end = left + (right - left) * (rng.uniform(0.3, 0.8) if last else 1)
        x = left
        while x < end:
            word = rng.uniform(6, 22)
            pen.rectangle((x, y, min(x + word, end), y + 2.5), fill=grey)
            x += word + 3.5
        y += pitch
    pen.rectangle((width / 2 - 4, height - 16, width / 2 + 4, height - 12), fill=grey)
    return np.asarray(image, np.uint8)


def _figures(rng: np.random.Generator, tones: list[Colour], height: int, width: int) -> Picture:
    """Return discs, bars or triangles in a grid."""
    image = _image(_flat(tones[1], height, width))
    pen = ImageDraw.Draw(image)
    kind, side = int(rng.integers(3)), width / int(rng.integers(2, 5))
    for j in range(int(height / side) + 1):
        for i in range(int(width / side) + 1):
            x, y = i * side, j * side
            fill = _paint(tones[int(rng.integers(3))])
            if kind == 0:
                pen.ellipse((x + 2, y + 2, x + side - 2, y + side - 2), fill=fill)
            elif kind == 1:
                pen.rectangle((x, y, x + side * rng.random(), y + side), fill=fill)
            else:
                pen.polygon([(x, y), (x + side, y), (x, y + side)], fill=fill)
    return np.asarray(image, np.float32) / np.float32(255)


def _write(
    pen: ImageDraw.ImageDraw, x: float, y: float, words: str, room: float, size: int, ink: Colour
) -> None:
    """Write words around a point, as large as `size` and the room allow."""
    font: Any = ImageFont.load_default(max(size, 5))
    wide = pen.textlength(words, font)
    if wide > room:
        font = ImageFont.load_default(max(int(size * room / wide), 5))
    pen.text((x, y), words, fill=_paint(ink), font=font, anchor="mm", stroke_width=size // 24)


def _flat(colour: Colour, height: int, width: int) -> Picture:
    return np.tile(np.asarray(colour, np.float32), (height, width, 1))


def _image(picture: Picture) -> Any:
    return Image.fromarray(np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8))


def _paint(colour: Colour) -> tuple[int, int, int]:
    r, g, b = (round(255 * min(max(c, 0.0), 1.0)) for c in colour)
    return r, g, b
