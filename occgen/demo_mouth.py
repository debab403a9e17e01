"""The mouth of a drawn face: its shape is a person's, how far it opens and smiles a picture's."""

import numpy as np
from numpy.typing import NDArray

from .demo_canvas import Patch, Window, hill, smooth, step
from .demo_person import Person, Picture

__all__ = ["MouthShape", "draw_mouth"]

Float32 = NDArray[np.float32]

_HOLE = 0.2, 0.12, 0.12
_ENAMEL = np.array([1.0, 0.975, 0.92], np.float32)


class MouthShape:
    """What does not change about a person's mouth: curves along the lips, colours.

    Arrays are of shape (1, R, C) or broadcast to it.

    Parameters
    ----------
    p : Person
    colour, relief : ndarray, shape (ROWS, COLUMNS, 4)
        Of the head, without lips.
    """

    def __init__(self, p: Person, colour: NDArray[np.uint8], relief: NDArray[np.int16]) -> None:
        half, at, skew = p.mouth_half, p.mouth_v, p.lean[2]
        part = Window(skew - half - 3, at - 7, skew + half + 3, at + 12)
        self.person, self.patch = p, Patch(colour, relief, [part.where])
        u = (part.u - np.float32(skew))[None]
        self.v: Float32 = part.v[None]
        t = u * np.float32(1 / half)  # -1 and 1 at the corners
        self.size: Float32 = np.abs(t)
        self.square: Float32 = np.minimum(t * t, 1)
        self.flat: Float32 = 1 - self.square
        self.valid: Float32 = step((1 - self.size) * np.float32(half), 1.2)
        self.within: Float32 = step(0.95 - self.size, 0.1)
        wave = 0.35 * hill(self.size - 0.42, 0.28) - 0.25 * hill(t, 0.3)
        self.seam: Float32 = np.float32(at + 0.25) + np.float32(p.corners) * self.square + wave
        bow = 1 - np.float32(0.20 + 0.10 * p.bow) * hill(t, 0.13)
        taper = 1 - self.square * (0.6 + 0.4 * self.size)
        self.upper: Float32 = np.float32(p.lip_top) * bow * taper
        self.lower: Float32 = np.float32(p.lip_low) * self.flat * (1 + 0.35 * self.square)
        end = np.float32(at + p.corners)
        self.corner: Float32 = hill(self.size - 0.97, 0.09) * hill(self.v - end, 0.9)
        widths = np.abs(u) * np.float32(1 / 2.7)
        gaps = np.abs(widths - np.floor(widths + np.float32(0.5)))
        tone = 0.97 - 0.10 * hill(gaps, 0.10) - 0.22 * self.size
        white = _ENAMEL * np.float32(p.teeth**0.5)
        self.teeth: Float32 = white.reshape(3, 1, 1, 1) * tone
        self.root: Float32 = np.sqrt(np.minimum(p.lips, 1)).reshape(3, 1, 1, 1)


def draw_mouth(
    colour: NDArray[np.uint8], relief: NDArray[np.int16], shape: MouthShape, picture: Picture
) -> None:
    """Draw the mouth on a head.

    Parameters
    ----------
    colour : ndarray of uint8, shape (ROWS, COLUMNS, 4)
    relief : ndarray of int16, shape (ROWS, COLUMNS, 4)
        Both changed in place.
    shape : MouthShape
    picture : Picture
    """
    patch = shape.patch.copy()
    v, flat, valid, seam = shape.v, shape.flat, shape.valid, shape.seam
    gap = np.float32(picture.open) * flat * (1 + 0.4 * shape.square)
    thin = np.float32(1 - 0.2 * picture.smile)
    top = seam - thin * shape.upper - gap * np.float32(0.12) - 0.15 * valid
    floor: Float32 = np.asarray(seam + gap * np.float32(0.9), np.float32)
    low = floor + thin * shape.lower + 0.15 * valid

    lips = np.minimum(step(v - top, 1.1), step(low - v, 1.3)) * valid
    upper = np.minimum(np.maximum((v - top) / np.maximum(seam - top, 0.3), 0), 1)
    lower = np.minimum(np.maximum((v - floor) / np.maximum(low - floor, 0.3), 0), 1)
    on_upper = v < seam + np.float32(0.45) * gap
    tone = np.where(on_upper, 0.88 - 0.08 * upper, 0.95 - 0.08 * lower)
    patch.paint(lips * np.float32(0.92), shape.root * tone)
    rise = np.where(on_upper, 0.2 * upper - 0.55, 0.35 - 1.1 * lower) * flat
    for channel, value in ((1, rise), (3, np.float32(0.45))):
        there = patch.relief[channel]
        there += lips * np.float32(0.7) * (value - there)
    under = hill(v - low - 1.4, 1.4) * flat * valid
    patch.relief[2] *= 1 - under * np.float32(0.22)

    if picture.open > 0.35:
        _fill(patch, shape, picture, floor)
    line = hill(v - seam - gap * np.float32(0.1), 0.7) * valid
    weak = 0.75 - 0.3 * min(picture.open, 1.0)
    patch.paint(line * np.float32(weak), shape.root * np.float32(0.30))
    patch.paint(shape.corner * np.float32(0.45), shape.root * np.float32(0.40))
    patch.put(colour, relief)


def _fill(patch: Patch, shape: MouthShape, picture: Picture, floor: Float32) -> None:
    """Paint what is seen between open lips."""
    v, seam = shape.v, shape.seam
    inside = np.minimum(step(v - seam, 0.9), step(floor - v, 0.9)) * shape.within
    patch.paint(inside * shape.valid, _HOLE)
    patch.relief *= 1 - np.float32(0.5) * inside
    if picture.open < 1.0:
        return
    long = np.float32(0.5 + 0.45 * min(1.0, 0.3 + picture.smile)) * (floor - seam)
    long = np.minimum(long, 3.6 - shape.square)
    teeth = step(seam + long - v, 0.8) * inside * smooth(shape.size, 0.92, 0.62)
    patch.paint(teeth * np.float32(0.95), shape.teeth)
