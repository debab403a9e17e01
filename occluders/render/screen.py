"""What a phone shows: lock and home screens, conversations, photos, music, calls, maps."""

from typing import Any

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ..materials import hsv
from .scenery import Picture, scenery, wallpaper

__all__ = ["screen"]

_WIDE = 160  # of a screen, pixels
Colour = tuple[float, float, float]
Paint = tuple[int, ...]


def screen(rng: np.random.Generator, tall: float, *, sideways: bool = False) -> Picture:
    """Return what a screen shows.

    Parameters
    ----------
    rng : numpy.random.Generator
    tall : float
        Height over width.
    sideways : bool, optional
        A film seen when the phone lies on its side.
    """
    height = round(_WIDE * tall)
    if sideways:
        return _film(rng, height)
    draw = _KINDS[int(rng.integers(len(_KINDS)))]
    return draw(rng, height)


class _Page:
    """A picture to draw flat figures on; coordinates in pixels of a screen 160 wide."""

    def __init__(self, ground: Picture | Colour, height: int) -> None:
        picture = np.broadcast_to(np.asarray(ground, np.float32), (height, _WIDE, 3))
        self._image = Image.fromarray(np.rint(picture * 255).clip(0, 255).astype(np.uint8))
        self._pen = ImageDraw.Draw(self._image, "RGBA")
        self.height = height

    def card(
        self, box: tuple[float, ...], colour: Colour, alpha: float = 1, radius: float = 8
    ) -> None:
        self._pen.rounded_rectangle(_ordered(box), radius, fill=_paint(colour, alpha))

    def disc(self, x: float, y: float, radius: float, colour: Colour, alpha: float = 1) -> None:
        box = (x - radius, y - radius, x + radius, y + radius)
        self._pen.ellipse(box, fill=_paint(colour, alpha))

    def line(self, points: list[tuple[float, float]], colour: Colour, width: int = 3) -> None:
        self._pen.line(points, fill=_paint(colour), width=width, joint="curve")

    def polygon(self, points: list[tuple[float, float]], colour: Colour) -> None:
        self._pen.polygon(points, fill=_paint(colour))

    def text(self, x: float, y: float, words: str, size: int, colour: Colour) -> None:
        font: Any = ImageFont.load_default(size)
        self._pen.text((x, y), words, fill=_paint(colour), font=font, anchor="mm")

    def rows(
        self, x: float, y: float, widths: list[float], colour: Colour, alpha: float = 1
    ) -> None:
        """Draw bars that stand for lines of small writing."""
        for k, width in enumerate(widths):
            self.card((x, y + 8 * k, x + width, y + 8 * k + 4), colour, alpha, 2)

    def paste(self, picture: Picture, x: int, y: int) -> None:
        data = np.rint(picture * 255).clip(0, 255).astype(np.uint8)
        self._image.paste(Image.fromarray(data), (x, y))

    def finish(self, dark: bool = False) -> Picture:
        """Draw the status bar, and return the picture."""
        ink = (0.05, 0.05, 0.06) if dark else (0.98, 0.98, 0.98)
        self.text(22, 9, "9:41", 10, ink)
        self.card((132, 5, 146, 12), ink, 1, 2)
        for k in range(4):
            self.card((110 + 5 * k, 11 - 2 * k, 113 + 5 * k, 12), ink, 1, 0)
        return np.asarray(self._image, np.float32) / np.float32(255)


def _ordered(box: tuple[float, ...]) -> tuple[float, float, float, float]:
    x0, y0, x1, y1 = box
    return x0, y0, max(x0, x1), max(y0, y1)


def _paint(colour: Colour, alpha: float = 1) -> Paint:
    return tuple(round(255 * float(np.clip(c, 0, 1))) for c in (*colour, alpha))


_WHITE, _INK = (1.0, 1.0, 1.0), (0.1, 0.1, 0.12)


def _ground(rng: np.random.Generator, height: int) -> Picture:
    draw = scenery if rng.random() < 0.5 else wallpaper
    return draw(rng, height, _WIDE)


def _lock(rng: np.random.Generator, height: int) -> Picture:
    page = _Page(_ground(rng, height), height)
    clock = f"{rng.integers(7, 23)}:{rng.integers(10, 60)}"
    page.text(80, 66, clock, 50, _WHITE)
    page.card((48, 30, 112, 35), _WHITE, 0.9, 2)
    for k in range(int(rng.integers(0, 4))):
        y = height - 60 - 44 * k
        page.card((8, y - 36, 152, y), _WHITE, 0.75, 10)
        page.card((14, y - 30, 34, y - 8), hsv(rng.random(), 0.7, 0.85), 1, 5)
        page.rows(42, y - 28, [50, 90], _INK, 0.7)
    page.disc(24, height - 26, 13, _INK, 0.45)
    page.disc(136, height - 26, 13, _INK, 0.45)
    page.card((55, height - 8, 105, height - 5), _WHITE, 0.9, 2)
    return page.finish()


def _home(rng: np.random.Generator, height: int) -> Picture:
    page = _Page(_ground(rng, height), height)
    rows = max(3, (height - 110) // 44)
    if rng.random() < 0.5:
        page.card((10, 26, 150, 90), _WHITE, 0.8, 12)
        page.text(50, 58, f"{rng.integers(3, 31)}°", 34, _INK)
        page.disc(115, 58, 17, (1.0, 0.8, 0.2))
        first = 2
    else:
        first = 0
    spots = [(26 + 36 * i, 44 + 44 * j) for j in range(first, rows) for i in range(4)]
    page.card((6, height - 50, 154, height - 8), _WHITE, 0.4, 14)
    spots += [(26 + 36 * i, height - 29) for i in range(4)]
    for x, y in spots:
        if y < height - 40 and rng.random() < 0.12:
            continue
        tone = hsv(rng.random(), rng.choice([0.0, 0.6, 0.85]), rng.uniform(0.75, 1))
        page.card((x - 13, y - 13, x + 13, y + 13), tone, 1, 7)
        _glyph(rng, page, x, y, _WHITE if min(tone) < 0.7 else hsv(rng.random(), 0.8, 0.7))
    return page.finish()


def _glyph(rng: np.random.Generator, page: _Page, x: float, y: float, ink: Colour) -> None:
    kind = int(rng.integers(5))
    if kind == 0:
        page.disc(x, y, 7, ink)
    elif kind == 1:
        page.card((x - 7, y - 5, x + 7, y + 5), ink, 1, 2)
    elif kind == 2:
        page.polygon([(x - 5, y - 7), (x + 7, y), (x - 5, y + 7)], ink)
    elif kind == 3:
        page.line([(x - 7, y), (x - 2, y + 5), (x + 7, y - 6)], ink)
    else:
        page.line([(x - 6, y - 4), (x + 6, y - 4)], ink)
        page.line([(x - 6, y + 3), (x + 3, y + 3)], ink)


def _chat(rng: np.random.Generator, height: int) -> Picture:
    dark = rng.random() < 0.35
    ground = (0.06, 0.07, 0.09) if dark else (0.97, 0.96, 0.94)
    page = _Page(ground, height)
    tone = hsv(rng.choice([0.36, 0.6, 0.75, 0.55]), 0.65, 0.85)
    page.card((0, 0, 160, 46), tone if rng.random() < 0.5 else (0.9, 0.9, 0.92), 1, 0)
    page.disc(24, 31, 11, hsv(rng.random(), 0.4, 0.9))
    page.rows(42, 28, [56], _INK)
    y = 58.0
    while y < height - 50:
        lines, wide = int(rng.integers(1, 4)), float(rng.uniform(60, 105))
        mine = rng.random() < 0.5
        x = 152 - wide if mine else 8
        other = (0.2, 0.21, 0.24) if dark else (1.0, 1.0, 1.0)
        page.card((x, y, x + wide, y + 10 + 9 * lines), tone if mine else other, 1, 8)
        ink = _WHITE if mine or dark else (0.35, 0.35, 0.4)
        page.rows(x + 8, y + 7, [(wide - 16) * rng.uniform(0.5, 1) for _ in range(lines)], ink)
        y += 20 + 9 * lines
    page.card((8, height - 32, 124, height - 10), _WHITE, 0.25 if dark else 1, 11)
    page.disc(140, height - 21, 11, tone)
    return page.finish(dark=not dark)


def _photo(rng: np.random.Generator, height: int) -> Picture:
    if rng.random() < 0.5:
        page = _Page(scenery(rng, height, _WIDE), height)
    else:
        page = _Page((0.02, 0.02, 0.02), height)
        wide = int(_WIDE * rng.uniform(0.7, 1.2))
        page.paste(scenery(rng, wide, _WIDE), 0, (height - wide) // 2)
    for k in range(4):
        page.disc(25 + 37 * k, height - 22, 6, _WHITE, 0.9)
    return page.finish()


def _gallery(rng: np.random.Generator, height: int) -> Picture:
    page = _Page((1.0, 1.0, 1.0), height)
    page.rows(10, 26, [60], _INK)
    for j in range(max(1, (height - 70) // 53)):
        for i in range(3):
            page.paste(scenery(rng, 51, 51), 2 + 53 * i, 40 + 53 * j)
    return page.finish(dark=True)


def _feed(rng: np.random.Generator, height: int) -> Picture:
    page = _Page((1.0, 1.0, 1.0), height)
    page.text(42, 30, "moments", 15, _INK)
    y = 46
    while y < height - 20:
        page.disc(18, y + 10, 9, hsv(rng.random(), 0.6, 0.9))
        page.rows(32, y + 5, [50, 30], (0.5, 0.5, 0.55))
        page.paste(scenery(rng, 130, _WIDE), 0, y + 24)
        page.disc(16, y + 166, 7, (0.93, 0.2, 0.3))
        page.rows(8, y + 178, [120, 80], (0.4, 0.4, 0.45))
        y += 198
    return page.finish(dark=True)


def _music(rng: np.random.Generator, height: int) -> Picture:
    hue = rng.random()
    page = _Page(hsv(hue, 0.5, 0.25), height)
    page.paste(wallpaper(rng, 124, 124), 18, 44)
    page.text(80, 190, str(rng.choice(["Low Tide", "Paper Moon", "Nightbus", "Amber"])), 17, _WHITE)
    page.card((18, 212, 142, 215), _WHITE, 0.35, 1)
    page.card((18, 212, 18 + 124 * rng.random(), 215), _WHITE, 1, 1)
    y = min(250, height - 36)
    page.disc(80, y, 19, _WHITE)
    page.polygon([(75, y - 9), (75, y + 9), (90, y)], hsv(hue, 0.5, 0.25))
    for side in (-1, 1):
        x = 80 + 46 * side
        page.polygon([(x - 7 * side, y - 8), (x - 7 * side, y + 8), (x + 7 * side, y)], _WHITE)
    return page.finish()


def _call(rng: np.random.Generator, height: int) -> Picture:
    page = _Page(wallpaper(rng, height, _WIDE) * np.float32(0.45), height)
    page.text(80, 60, str(rng.choice(["Alex", "Mum", "Office", "Robin", "Taxi"])), 26, _WHITE)
    page.disc(80, 140, 40, hsv(rng.random(), 0.35, 0.85))
    page.disc(80, 128, 14, _WHITE, 0.9)
    page.card((54, 146, 106, 170), _WHITE, 0.9, 14)
    for k, tone in enumerate(((0.92, 0.22, 0.2), (0.25, 0.78, 0.35))):
        page.disc(46 + 68 * k, height - 54, 20, tone)
        page.line([(37 + 68 * k, height - 54), (55 + 68 * k, height - 54)], _WHITE, 5)
    return page.finish()


def _map(rng: np.random.Generator, height: int) -> Picture:
    page = _Page((0.93, 0.91, 0.86), height)
    for tone, count in (((0.75, 0.88, 0.68), 5), ((0.65, 0.82, 0.94), 2)):
        for _ in range(count):
            x, y, r = rng.uniform(0, 160), rng.uniform(0, height), rng.uniform(15, 45)
            page.card((x - r, y - r * 0.7, x + r, y + r * 0.7), tone, 1, 12)
    for k in range(10):
        a, b = rng.uniform(-20, height + 20, 2)
        ends = (
            [(0.0, float(a)), (160.0, float(b))]
            if k % 2
            else [(float(a) / 2, 0.0), (float(b) / 2, float(height))]
        )
        page.line(ends, (1.0, 1.0, 1.0) if k > 2 else (0.98, 0.83, 0.45), 6 if k < 6 else 4)
    path = [
        (float(30 + 25 * k), float(height * 0.75 - height * 0.1 * k + rng.normal(0, 12)))
        for k in range(5)
    ]
    page.line(path, (0.2, 0.45, 0.95), 6)
    x, y = path[-1]
    page.disc(x, y - 14, 11, (0.9, 0.2, 0.2))
    page.polygon([(x - 9, y - 9), (x + 9, y - 9), (x, y + 4)], (0.9, 0.2, 0.2))
    page.card((10, 24, 150, 46), _WHITE, 1, 11)
    page.rows(24, 33, [70], (0.5, 0.5, 0.5))
    page.card((0, height - 54, 160, height + 20), _WHITE, 1, 12)
    page.rows(14, height - 42, [80, 50], _INK)
    return page.finish(dark=True)


def _off(rng: np.random.Generator, height: int) -> Picture:
    return np.full((height, _WIDE, 3), 0.012, np.float32)


def _film(rng: np.random.Generator, height: int) -> Picture:
    picture = cv2.rotate(scenery(rng, _WIDE, height), cv2.ROTATE_90_CLOCKWISE)
    return np.asarray(picture, np.float32)


_KINDS = (_lock, _lock, _home, _home, _chat, _photo, _gallery, _feed, _music, _call, _map, _off)
