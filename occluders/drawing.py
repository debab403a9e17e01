"""Draws occluders from parameters: outlines four times too large, shaded, then reduced.

Every picture is a stack of filled shapes on a transparent sheet. Reducing it averages sixteen
samples a pixel, so an edge has its exact share of alpha; colour is averaged premultiplied.
"""

import colorsys
from collections.abc import Callable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["DRAWINGS", "Sheet"]

_FINE = 4

UInt8 = NDArray[np.uint8]
Float32 = NDArray[np.float32]
Point = tuple[float, float]


class Sheet:
    """A transparent sheet in units of 0..1 across its width.

    Parameters
    ----------
    width, height : int
        Of the finished picture in pixels.
    rng : numpy.random.Generator
        Gives grain.
    """

    def __init__(self, width: int, height: int, rng: np.random.Generator) -> None:
        self.width, self.height = width * _FINE, height * _FINE
        self._rng = rng
        self._colour = np.zeros((self.height, self.width, 3), np.float32)
        self._alpha = np.zeros((self.height, self.width), np.float32)
        rows, columns = np.indices((self.height, self.width), np.float32)
        self.x, self.y = columns / self.width, rows / self.width

    def outline(self, points: Sequence[Point], smooth: int = 0) -> Float32:
        """Return the inside of a polygon as 0 or 1; `smooth` rounds its corners."""
        polygon = np.array(points, np.float64)
        for _ in range(smooth):  # Chaikin's corner cutting
            following = np.roll(polygon, -1, axis=0)
            cut = [polygon * 0.75 + following * 0.25, polygon * 0.25 + following * 0.75]
            polygon = np.stack(cut, axis=1).reshape(-1, 2)
        inside = np.zeros((self.height, self.width), np.uint8)
        cv2.fillPoly(inside, [np.rint(polygon * self.width).astype(np.int32)], 1)
        return inside.astype(np.float32)

    def ellipse(self, centre: Point, radius: Point, power: float = 2.0) -> Float32:
        """Return the inside of an ellipse, or of a squarer one at a higher power."""
        across = np.abs((self.x - centre[0]) / radius[0]) ** power
        down = np.abs((self.y - centre[1]) / radius[1]) ** power
        return (across + down <= 1).astype(np.float32)

    def fill(
        self,
        inside: Float32,
        colour: Sequence[float],
        *,
        alpha: float = 1.0,
        bulge: float = 0.35,
        light: Point = (-0.5, -0.7),
        grain: float = 0.02,
    ) -> None:
        """Lay a shape over the sheet, shaded as if it bulged towards the viewer."""
        depth = cv2.distanceTransform(inside.astype(np.uint8), cv2.DIST_L2, 3)
        depth = np.sqrt(np.minimum(depth / max(float(depth.max()), 1e-6), 1)).astype(np.float32)
        depth = cv2.GaussianBlur(depth, (0, 0), self.width * 0.02)
        slope_y, slope_x = np.gradient(depth * self.width * 0.12)
        shade = 1 + bulge * (light[0] * slope_x + light[1] * slope_y)
        noise = self._rng.standard_normal((self.height // _FINE, self.width // _FINE))
        rough = cv2.resize(noise.astype(np.float32), (self.width, self.height))
        tone = (shade + grain * rough)[:, :, None] * np.array(colour, np.float32)
        share = (inside * alpha)[:, :, None]
        self._colour = self._colour * (1 - share) + tone.clip(0, 1) * share
        self._alpha = self._alpha * (1 - share[:, :, 0]) + share[:, :, 0]

    def finish(self) -> UInt8:
        """Return the picture, uint8 of shape (h, w, 4), straight alpha."""
        size = (self.width // _FINE, self.height // _FINE)
        colour = cv2.resize(self._colour, size, interpolation=cv2.INTER_AREA)
        alpha = cv2.resize(self._alpha, size, interpolation=cv2.INTER_AREA)
        straight = colour / np.maximum(alpha, 1 / 512)[:, :, None]
        rgba = np.concatenate([straight, alpha[:, :, None]], axis=2)
        return np.rint(rgba.clip(0, 1) * 255).astype(np.uint8)


def _hue(rng: np.random.Generator, low: float = 0.25, high: float = 0.9) -> tuple[float, ...]:
    return colorsys.hsv_to_rgb(rng.random(), 0.2 + 0.7 * rng.random(), _between(rng, low, high))


def _between(rng: np.random.Generator, low: float, high: float) -> float:
    return low + (high - low) * float(rng.random())


def _box(x0: float, y0: float, x1: float, y1: float) -> list[Point]:
    return [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]


def _book(rng: np.random.Generator) -> UInt8:
    lean = _between(rng, -0.06, 0.06)
    sheet = Sheet(120, 156, rng)
    cover, paper = _hue(rng), (0.93, 0.91, 0.85)
    sheet.fill(sheet.outline([(0.1, 0.04), (0.97, 0.06 + lean), (0.96, 1.26), (0.1, 1.24)]), paper)
    for step in np.linspace(0.9, 0.955, 4):
        edge = sheet.outline(_box(step, 0.08, step + 0.004, 1.24))
        sheet.fill(edge, (0.7, 0.68, 0.62), bulge=0)
    front = [(0.03, 0.03), (0.9, 0.03 + lean), (0.9, 1.27 - lean), (0.03, 1.27)]
    sheet.fill(sheet.outline(front), cover, bulge=0.1)
    sheet.fill(sheet.outline(_box(0.03, 0.03, 0.12, 1.27)), [c * 0.75 for c in cover])
    ink = (0.95, 0.93, 0.85) if sum(cover) < 1.6 else (0.12, 0.12, 0.15)
    for row in range(int(_between(rng, 2, 5))):
        length = _between(rng, 0.3, 0.65)
        y = 0.22 + 0.13 * row
        sheet.fill(sheet.outline(_box(0.2, y, 0.2 + length, y + 0.06)), ink, bulge=0)
    spot = (_between(rng, 0.4, 0.65), 0.95)
    sheet.fill(sheet.ellipse(spot, (0.18, 0.18)), _hue(rng), bulge=0.2)
    return sheet.finish()


def _cup(rng: np.random.Generator) -> UInt8:
    sheet = Sheet(140, 140, rng)
    colour, taper = _hue(rng, 0.5, 0.98), _between(rng, 0.0, 0.12)
    if rng.random() < 0.6:
        ring = sheet.ellipse((0.76, 0.5), (0.2, 0.24)) - sheet.ellipse((0.76, 0.5), (0.12, 0.16))
        sheet.fill(ring, colour)
    body = [(0.06, 0.12), (0.76, 0.12), (0.76 - taper, 0.9), (0.06 + taper, 0.9)]
    middle = sheet.outline(body)
    bottom = sheet.ellipse((0.41, 0.9), (0.35 - taper, 0.07))
    sheet.fill(np.maximum(middle, bottom), colour, bulge=0.7, light=(-0.8, -0.1))
    band = middle * sheet.outline(_box(0, 0.4, 1, _between(rng, 0.55, 0.7)))
    sheet.fill(band, _hue(rng), bulge=0, alpha=0.9)
    shine = middle * sheet.outline(_box(0.15, 0.1, 0.2, 1))
    sheet.fill(shine, (1, 1, 1), alpha=0.3, bulge=0)
    sheet.fill(sheet.ellipse((0.41, 0.12), (0.35, 0.08)), [c * 0.9 for c in colour], bulge=0)
    sheet.fill(sheet.ellipse((0.41, 0.13), (0.31, 0.06)), (0.25, 0.15, 0.08), bulge=0)
    return sheet.finish()


def _phone(rng: np.random.Generator) -> UInt8:
    sheet = Sheet(92, 180, rng)
    case = _hue(rng, 0.1, 0.8) if rng.random() < 0.6 else (0.08, 0.08, 0.09)
    centre = (0.5, 0.978)
    sheet.fill(sheet.ellipse(centre, (0.48, 0.955), 9), case, bulge=0.2)
    if rng.random() < 0.5:
        sheet.fill(sheet.ellipse(centre, (0.43, 0.9), 9), (0.03, 0.03, 0.05), bulge=0)
        screen = sheet.ellipse(centre, (0.41, 0.87), 9)
        sheet.fill(screen, _hue(rng), bulge=0.05)
        for row in range(5):
            for column in range(4):
                spot = (0.22 + 0.19 * column, 0.42 + 0.24 * row)
                sheet.fill(sheet.ellipse(spot, (0.06, 0.06), 5), _hue(rng, 0.5, 1), bulge=0.1)
        sheet.fill(sheet.ellipse((0.5, 0.17), (0.1, 0.025), 5), (0.02, 0.02, 0.02), bulge=0)
    else:
        island = sheet.ellipse((0.3, 0.32), (0.2, 0.22), 6)
        sheet.fill(island, [c * 0.7 for c in case])
        for spot in ((0.22, 0.24), (0.22, 0.41), (0.38, 0.32)):
            sheet.fill(sheet.ellipse(spot, (0.075, 0.075)), (0.05, 0.05, 0.06))
            sheet.fill(sheet.ellipse(spot, (0.03, 0.03)), (0.25, 0.3, 0.45), bulge=0.5)
        sheet.fill(sheet.ellipse((0.5, 1.0), (0.07, 0.08)), [c * 0.8 for c in case], bulge=0)
    return sheet.finish()


def _lens_pair(rng: np.random.Generator, dark: bool) -> UInt8:
    sheet = Sheet(180, 66, rng)
    power = _between(rng, 2.0, 4.5)
    rx, ry = _between(rng, 0.185, 0.21), _between(rng, 0.115, 0.16)
    rim = _between(rng, 0.012, 0.03)
    frame = _hue(rng, 0.1, 0.6) if rng.random() < 0.5 else (0.07, 0.06, 0.06)
    tint = _hue(rng, 0.05, 0.3) if dark else (0.85, 0.92, 0.95)
    lenses = [((0.25, 0.18), (rx, ry)), ((0.75, 0.18), (rx, ry))]
    for centre, radius in lenses:
        strength = _between(rng, 0.82, 0.95) if dark else _between(rng, 0.06, 0.14)
        inside = sheet.ellipse(centre, radius, power)
        sheet.fill(inside, tint, alpha=strength, bulge=0.1, grain=0)
        glare = sheet.outline(
            [
                (centre[0] - 0.1, 0.3),
                (centre[0] - 0.02, 0.06),
                (centre[0] + 0.03, 0.06),
                (centre[0] - 0.05, 0.3),
            ]
        )
        sheet.fill(inside * glare, (1, 1, 1), alpha=0.22, bulge=0, grain=0)
        outer = sheet.ellipse(centre, (radius[0] + rim, radius[1] + rim), power)
        sheet.fill(outer - inside, frame, bulge=0.3)
    bridge = sheet.ellipse((0.5, 0.17), (0.08, 0.06)) - sheet.ellipse((0.5, 0.19), (0.075, 0.05))
    gap = (sheet.y < 0.17) * (np.abs(sheet.x - 0.5) < 0.07)
    sheet.fill(np.clip(bridge, 0, 1) * gap.astype(np.float32), frame)
    for x0, x1 in ((0.0, 0.25 - rx), (0.75 + rx, 1.0)):
        sheet.fill(sheet.outline(_box(x0, 0.1, x1, 0.1 + 1.4 * rim)), frame)
    return sheet.finish()


def _eye_mask(rng: np.random.Generator) -> UInt8:
    sheet = Sheet(170, 76, rng)
    colour = _hue(rng, 0.15, 0.8)
    shape = [(0.02, 0.1), (0.25, 0.02), (0.5, 0.06), (0.75, 0.02), (0.98, 0.1), (0.96, 0.3)]
    shape += [(0.75, 0.43), (0.58, 0.36), (0.5, 0.26), (0.42, 0.36), (0.25, 0.43), (0.04, 0.3)]
    inside = sheet.outline(shape, 4)
    sheet.fill(inside, colour)
    if rng.random() < 0.5:
        for x in (0.27, 0.73):
            sheet.fill(sheet.ellipse((x, 0.22), (0.1, 0.012)), [c * 0.4 for c in colour])
            for step in (-0.07, -0.03, 0.03, 0.07):
                lash = sheet.outline(_box(x + step, 0.22, x + step + 0.008, 0.27))
                sheet.fill(lash, [c * 0.4 for c in colour], bulge=0)
    else:
        for _ in range(26):
            spot = (_between(rng, 0.05, 0.95), _between(rng, 0.05, 0.4))
            gem = sheet.ellipse(spot, (0.014, 0.014)) * inside
            sheet.fill(gem, _hue(rng, 0.7, 1), bulge=0.4)
    return sheet.finish()


def _face_mask(rng: np.random.Generator) -> UInt8:
    sheet = Sheet(150, 118, rng)
    surgical = rng.random() < 0.6
    colour = (0.55, 0.76, 0.85) if surgical else _hue(rng, 0.3, 0.95)
    if surgical and rng.random() < 0.4:
        colour = (0.9, 0.92, 0.94)
    for side in (0.0, 1.0):
        x = abs(side - 0.1)
        loop = sheet.ellipse((x, 0.36), (0.1, 0.2)) - sheet.ellipse((x, 0.36), (0.085, 0.185))
        sheet.fill(loop.clip(0, 1), (0.93, 0.93, 0.93), bulge=0.1)
    shape = [(0.1, 0.16), (0.35, 0.05), (0.5, 0.01), (0.65, 0.05), (0.9, 0.16), (0.93, 0.45)]
    shape += [(0.75, 0.68), (0.5, 0.76), (0.25, 0.68), (0.07, 0.45)]
    inside = sheet.outline(shape, 3)
    sheet.fill(inside, colour, bulge=0.5)
    if surgical:
        for y in (0.25, 0.38, 0.51):
            bow = np.abs(sheet.y - y - 0.04 * np.sin(np.pi * sheet.x)) < 0.006
            sheet.fill(inside * bow, [c * 0.78 for c in colour], bulge=0)
        wire = inside * sheet.outline(
            [(0.3, 0.1), (0.5, 0.05), (0.7, 0.1), (0.7, 0.12), (0.5, 0.07), (0.3, 0.12)]
        )
        sheet.fill(wire, [min(1, c * 1.1) for c in colour])
    else:
        seam = np.abs(sheet.x - 0.5) < 0.006
        sheet.fill(inside * seam, [c * 0.7 for c in colour], bulge=0)
        second = _hue(rng)
        for _ in range(int(_between(rng, 0, 40))):
            spot = (_between(rng, 0.1, 0.9), _between(rng, 0.08, 0.7))
            sheet.fill(sheet.ellipse(spot, (0.025, 0.025)) * inside, second, bulge=0)
    return sheet.finish()


def _hand(rng: np.random.Generator) -> UInt8:
    sheet = Sheet(124, 156, rng)
    tone = _between(rng, 0.0, 1.0)
    dark, pale = np.array((0.32, 0.2, 0.14)), np.array((0.94, 0.76, 0.66))
    skin = (dark + (pale - dark) * tone).tolist()
    spread = _between(rng, 0.6, 1.3)
    sleeve = sheet.outline([(0.2, 1.1), (0.76, 1.1), (0.8, 1.26), (0.16, 1.26)])
    sheet.fill(sheet.outline([(0.26, 0.95), (0.7, 0.95), (0.72, 1.15), (0.24, 1.15)]), skin)
    sheet.fill(sleeve, _hue(rng))
    palm = [(0.2, 0.62), (0.74, 0.58), (0.76, 0.95), (0.66, 1.08), (0.3, 1.08), (0.2, 0.92)]
    thumb = [(0.7, 0.92), (0.93, 0.6 + 0.06 * spread), (0.99, 0.63), (0.9, 0.86), (0.7, 1.04)]
    sheet.fill(sheet.outline(thumb, 3), skin)
    for number, length in enumerate((0.34, 0.46, 0.5, 0.44)):
        base_x = 0.255 + 0.15 * number
        tip_x = base_x + (number - 1.5) * 0.07 * spread - 0.01
        finger = [(base_x - 0.075, 0.75), (tip_x - 0.06, 0.7 - length), (tip_x, 0.62 - length)]
        finger += [(tip_x + 0.06, 0.7 - length), (base_x + 0.075, 0.75)]
        sheet.fill(sheet.outline(finger, 2), skin, bulge=0.5)
        nail = sheet.ellipse((tip_x, 0.7 - length), (0.032, 0.045))
        sheet.fill(nail, [min(1, c * 1.15) for c in skin], bulge=0.2)
    sheet.fill(sheet.outline(palm, 2), skin, bulge=0.3)
    for y in (0.72, 0.86):
        crease = np.abs(sheet.y - y - 0.08 * (sheet.x - 0.5)) < 0.005
        sheet.fill(sheet.outline(palm, 2) * crease, [c * 0.75 for c in skin], bulge=0, alpha=0.6)
    return sheet.finish()


def _scarf(rng: np.random.Generator) -> UInt8:
    sheet = Sheet(160, 120, rng)
    colour, second = _hue(rng, 0.2, 0.9), _hue(rng, 0.3, 0.95)
    shape = [(0.02, 0.1), (0.25, 0.2), (0.5, 0.23), (0.75, 0.2), (0.98, 0.1), (0.97, 0.45)]
    shape += [(0.8, 0.62), (0.5, 0.68), (0.2, 0.62), (0.03, 0.45)]
    end = _between(rng, 0.2, 0.55)
    hanging = [(end, 0.5), (end + 0.24, 0.52), (end + 0.28, 0.74), (end - 0.02, 0.74)]
    for part in (sheet.outline(hanging), sheet.outline(shape, 3)):
        sheet.fill(part, colour, bulge=0.5, grain=0.05)
        if rng.random() < 0.7:
            period = _between(rng, 0.05, 0.14)
            stripes = (sheet.x + 0.3 * sheet.y) % period < period * 0.35
            sheet.fill(part * stripes, second, bulge=0.3, alpha=0.85, grain=0.05)
        for y in (0.28, 0.4, 0.5):
            fold = np.abs(sheet.y - y - 0.16 * np.sin(np.pi * sheet.x) + 0.1) < 0.012
            sheet.fill(part * fold, [c * 0.6 for c in colour], bulge=0, alpha=0.5)
    return sheet.finish()


DRAWINGS: dict[str, Callable[[np.random.Generator], UInt8]] = {
    "book": _book,
    "cup": _cup,
    "eye_mask": _eye_mask,
    "eyeglasses": lambda rng: _lens_pair(rng, dark=False),
    "face_mask": _face_mask,
    "hand": _hand,
    "phone": _phone,
    "scarf": _scarf,
    "sunglasses": lambda rng: _lens_pair(rng, dark=True),
}
"""One function a category: from a generator to a picture with its matte."""
