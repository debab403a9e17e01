"""Eyes of a drawn face: their shape is a person's, lids and gaze are a picture's."""

import numpy as np
from numpy.typing import NDArray

from .demo_canvas import COLUMNS, Patch, Window, hill, smooth, step
from .demo_person import Person, Picture

__all__ = ["EyeShape", "draw_eyes"]

Float32 = NDArray[np.float32]

_WHITE = np.array([0.76, 0.715, 0.695], np.float32).reshape(3, 1, 1, 1)
_SIDES = np.array([1, -1], np.float32).reshape(2, 1, 1)


class EyeShape:
    """What does not change about a person's eyes: curves along both lids, colours.

    Both eyes are drawn at once, in windows of the canvas that are mirror images of each other, as
    arrays of shape (2, R, C); u runs from the nose outwards.

    Parameters
    ----------
    p : Person
    colour, relief : ndarray, shape (ROWS, COLUMNS, 4)
        Of the head, with lids closed.
    """

    def __init__(self, p: Person, colour: NDArray[np.uint8], relief: NDArray[np.int16]) -> None:
        half = p.eye_half
        part = Window(p.eye_u - half - 4, -9.5, p.eye_u + half + 4, 6.5)
        self.person = p
        columns, last = part.where[1], COLUMNS - 1
        mirrored = slice(last - columns.start, last - columns.stop, -1)
        windows = part.where, (part.where[0], mirrored)
        self.patch = Patch(colour, relief, windows)
        self.u: Float32 = (part.u - p.eye_u)[None]
        self.v: Float32 = part.v[None]
        s = self.u * np.float32(1 / half)  # -1 at the nose, 1 at the temple
        flat = 1 - s * s
        peak = np.float32(p.eye_peak) * flat
        inner = np.minimum(np.square(s - peak), 1)
        self.middle: Float32 = np.asarray(self.v - 0.45 + s * np.float32(p.eye_tilt * half))
        self.arch: Float32 = np.asarray(1 - inner * (0.35 + 0.65 * inner), np.float32)
        bowl = 1 - np.minimum(np.square(s + peak - 0.12 * flat), 1)
        self.bowl: Float32 = np.asarray(bowl, np.float32)
        width = 1 - np.abs(s)
        self.ends: Float32 = step(width + 0.12, 0.2)
        self.within: Float32 = step(width, 0.06)
        self.corners: Float32 = np.asarray(1 - 0.30 * np.square(s * s), np.float32)
        self.ball = np.float32(-0.09) * _SIDES * self.u, np.float32(-0.10) * self.v
        weight = np.float32(1.05 + 0.4 * p.liner) * (0.75 + 0.35 * s)
        self.lash: Float32 = np.asarray(np.maximum(weight, 0.3), np.float32)
        uneven = np.array([0.4, -0.4], np.float32).reshape(2, 1, 1) * np.float32(p.lean[1])
        self.tall: Float32 = np.float32(p.eye_open) + uneven
        self.skin: Float32 = np.sqrt(np.minimum(p.skin, 1))
        self.dark: Float32 = np.sqrt(np.minimum(p.brow * np.float32(0.35), 0.02))
        self.iris: Float32 = np.sqrt(p.iris).reshape(3, 1, 1, 1)


def draw_eyes(
    colour: NDArray[np.uint8], relief: NDArray[np.int16], shape: EyeShape, picture: Picture
) -> None:
    """Draw both eyes on a head.

    Parameters
    ----------
    colour : ndarray of uint8, shape (ROWS, COLUMNS, 4)
    relief : ndarray of int16, shape (ROWS, COLUMNS, 4)
        Both changed in place.
    shape : EyeShape
    picture : Picture
    """
    p, blink = shape.person, picture.blink
    patch = shape.patch.copy()
    above = shape.middle + shape.tall * np.float32(blink) * shape.arch  # below the upper lid
    below = shape.middle - np.float32(p.eye_low * (0.55 + 0.45 * blink)) * shape.bowl
    inside = np.minimum(step(above), step(-below)) * shape.within

    lid = np.float32(0.7 + p.lid * (0.75 + 0.25 * blink)) * (0.45 + 0.55 * shape.arch)
    ridge = above + lid
    line = hill(ridge) * shape.ends
    patch.paint(line * np.float32(0.22 + 0.45 * p.crease), shape.skin * np.float32(0.40))
    cover = np.minimum(step(ridge, 1.5), step(-above, 1.0)) * shape.ends
    if p.liner:
        patch.paint(cover * np.float32(0.3 * p.liner), shape.skin * np.array([0.55, 0.45, 0.5]))
    bulge = hill(below - 1.6, 1.1) * np.float32(0.25)
    patch.relief[1] += line * ridge * np.float32(0.5 * p.crease) + cover * np.float32(0.4) - bulge

    _fill(patch, shape, picture, above, inside)
    upper = hill((above + 0.2) / shape.lash) * np.float32(0.88 + 0.1 * p.liner)
    lower = hill(below, 0.6) * np.float32(0.30 + 0.3 * p.liner)
    patch.paint(np.maximum(upper, lower) * shape.ends, shape.dark)
    patch.put(colour, relief)


def _fill(patch: Patch, shape: EyeShape, picture: Picture, above: Float32, inside: Float32) -> None:
    """Paint white, iris, pupil and the lamp's reflection between the lids."""
    size = shape.person.iris_size
    shade = (0.52 + 0.48 * smooth(above, 0.0, 3.2)) * shape.corners
    white = shade * _WHITE
    du = shape.u - _SIDES * np.float32(picture.gaze[0])
    dv = shape.v - np.float32(picture.gaze[1])
    radius = np.sqrt(du * du + dv * dv)
    ring = smooth(radius, size + 0.25, size - 0.95)
    glow = (0.85 + np.float32(0.28 / size) * dv) * (0.45 + 0.55 * ring) * (0.62 + 0.38 * shade)
    white += step(size - radius, 0.8) * (shape.iris * glow - white)
    white *= 1 - np.float32(0.93) * step(1.45 - radius)
    lu = _SIDES * np.float32(min(max(2.5 * picture.lamp[0], -1.5), 1.5))
    lv = np.float32(min(max(2.5 * picture.lamp[1], -1.7), 0.5))
    spot = hill(du - lu, 0.72) * (np.float32(0.9) * hill(dv - lv, 0.72))
    white += spot * (1 - white)
    patch.paint(inside, white)
    for slope, ball in zip(patch.relief, shape.ball, strict=False):
        slope += inside * (ball - slope)
