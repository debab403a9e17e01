"""The head of a drawn person with eyes closed and no lips: shape, skin, ears, neck, marks.

It is painted once a person; what changes from picture to picture is laid over it.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from .demo_canvas import (
    COLUMNS,
    ROWS,
    SCALE,
    TOP,
    UNIT,
    Canvas,
    Window,
    axes,
    hill,
    loft,
    noise,
    slopes,
    smooth,
    step,
)
from .demo_eyes import EyeShape
from .demo_hair import lay_beard, lay_brows, lay_hair_behind, lay_hair_front
from .demo_marks import lay_marks
from .demo_mouth import MouthShape
from .demo_person import Person

__all__ = ["Head"]

Float32 = NDArray[np.float32]


class Head:
    """A person's head, ready to be turned and lit.

    Parameters
    ----------
    person : Person

    Attributes
    ----------
    colour : ndarray of uint8, shape (ROWS, COLUMNS, 4)
        Square root of the albedo, and of how much of the background is hidden.
    relief : ndarray of int16, shape (ROWS, COLUMNS, 4)
        Slopes, seen sky and gloss, in `UNIT`.
    height : ndarray of int16, shape (ROWS, COLUMNS)
        What throws shadows, in 1/64 pixel.
    depth : ndarray of float32, shape (ROWS // 2, COLUMNS // 2)
        How far each point is before the axis the head turns about; without steep slopes.
    eyes, mouth : EyeShape, MouthShape
        What is drawn over it in each picture.
    """

    def __init__(self, person: Person) -> None:
        canvas = Canvas()
        lay_hair_behind(canvas, person)
        widths = half_widths(person)
        _lay_neck(canvas, person)
        _lay_ears(canvas, person, widths)
        height = _relief(person, widths)
        face = _face(person, canvas, widths, height)
        lay_marks(canvas, person)
        lay_beard(canvas, person, widths)
        lay_brows(canvas, person)
        raised = lay_hair_front(canvas, person)
        canvas.relief[2] *= _sky(height * face + 0.8 * raised)
        self.person = person
        bright = np.sqrt(np.minimum(canvas.colour, 1)) * 255 + np.float32(0.5)
        self.colour = np.asarray(cv2.merge(list(bright.astype(np.uint8))))
        relief = (canvas.relief * np.float32(UNIT)).astype(np.int16)
        self.relief: NDArray[np.int16] = np.asarray(cv2.merge(list(relief)))
        thrown = (height + raised) * face * 64
        self.height: NDArray[np.int16] = thrown.astype(np.int16)
        self.depth = _depth(person)
        self.eyes = EyeShape(person, self.colour, self.relief)
        self.mouth = MouthShape(person, self.colour, self.relief)


def half_widths(person: Person) -> Float32:
    """Return half of the head's width in every row of the canvas, (ROWS, 1)."""
    p, v = person, axes()[1]
    knots = [
        (-45.0, p.temple - 2.5),
        (-28.0, p.temple),
        (-8.0, (p.temple + p.cheek) / 2 - 0.3),
        (7.0, p.cheek),
        (21.0, 0.5 * p.cheek + 0.5 * p.jaw + 0.6 - 0.45 * p.hollow),
        (p.jaw_v, p.jaw),
        (p.jaw_v + 10.0, 0.5 * p.jaw + 0.5 * p.chin_wide + 1.2),
        (p.chin_v, p.chin_wide - 1.0),
    ]
    widths = loft(v, knots)
    low = np.clip((v - (p.chin_v - 15)) / 15, 0, 1)
    high = np.clip((-26 - v) / (-26 - p.crown_v), 0, 1)
    widths *= np.sqrt(1 - np.square(np.square(low)))
    widths *= np.sqrt(1 - high * high * np.sqrt(high))
    return np.asarray(widths, np.float32)


def _relief(person: Person, widths: Float32) -> Float32:
    """Return the height of the face, (ROWS, COLUMNS)."""
    p = person
    u, v = axes()
    u = u[:, COLUMNS // 2 :]  # the other half is its mirror image
    across = np.minimum(u / np.maximum(widths, 0.5), 1)
    square = across * across
    height = 25 * np.sqrt(np.maximum(1 - square * np.sqrt(across), 0.0004))
    profile = loft(
        v,
        [
            (-50.0, -9.0),
            (-37.0, -2.5 + 0.3 * p.forehead),
            (-22.0, 0.6 + p.forehead),
            (-8.0, 0.8),
            (0.0, -0.8),
            (20.0, 0.4),
            (38.0, p.muzzle),
            (48.0, 0.4 * p.muzzle),
            (p.chin_v - 7.0, p.chin_out),
            (p.chin_v + 1.0, -4.0),
        ],
    )
    height += profile * (1 - square)

    _raise(height, _hills(p))
    whole = np.concatenate([height[:, ::-1], height], axis=1)
    _raise_nose(whole, p)
    return np.asarray(whole, np.float32)


def _hills(p: Person) -> list[tuple[float, ...]]:
    """Return hills and hollows on each side of the face: u, v, width, height, size."""
    return [
        (p.eye_u - 3, p.brow_v + 1.5, 10, 3.6, p.brow_ridge),
        (p.eye_u - 1, 0, 8.6, 6.0, -p.socket),
        (p.eye_u - 8.5, 0, 3.6, 5.0, -0.5 * p.socket),
        (p.eye_u, 0.2, 6.6, 4.0, 2.6),
        (p.eye_u, 7.2, 5.4, 2.0, 1.2 * p.bag),
        (p.eye_u, 10.0, 6.5, 1.8, -0.9 * p.bag),
        (p.cheek - 11, 12, 8, 6.5, p.cheekbone),
        (p.cheek - 9, 27, 7, 9, -0.9 * p.hollow),
        (17, 26, 8, 10, 0.6 + 0.5 * max(p.weight, 0)),
        (p.temple - 4, -16, 5, 9, -1.6),
        (0, -26, 15, 8, 0.9),
        (0, p.mouth_v - 9, 1.3, 4.4, -0.9 * p.philtrum),
        (2.6, p.mouth_v - 9, 1.2, 4.4, 0.4 * p.philtrum),
        (p.mouth_half + 1.0, p.mouth_v, 2.4, 3.0, -0.6),
        (0, p.mouth_v + p.lip_low + 3.2, 9.5, 2.8, -1.6),
        (0, p.chin_v - 7, 0.6 * p.chin_wide, 5.0, 1.6 + 0.4 * p.chin_out),
        (0, p.chin_v - 6, 1.4, 4.5, -1.2 * p.cleft),
    ]


def _raise(height: Float32, hills: list[tuple[float, ...]]) -> None:
    """Add hills to the right half of the face."""
    u, v = axes()
    at, level, across, down, size = np.array(hills, np.float32).T[:, :, None]
    columns = u[:, COLUMNS // 2 :]
    row = hill(columns - at, across) + np.where(at > 0, hill(columns + at, across), 0)
    column = hill(v[:, 0] - level, down) * size
    ends = [
        np.minimum(np.maximum((level + side * 2.83 * down - TOP) * SCALE, 0), ROWS).astype(int)
        for side in (-1, 1)
    ]
    for number, (first, last) in enumerate(zip(*ends, strict=True)):
        rows = slice(int(first[0]), int(last[0]) + 1)
        height[rows] += column[number, rows, None] * row[number]


def _raise_nose(height: Float32, p: Person) -> None:
    part = Window(-18, -14, 18, p.nose_v + 10)
    tip = p.nose_v
    out = loft(
        part.v,
        [
            (-13.0, 0.0),
            (-4.0, 0.72 * p.bridge_out),
            (4.0, p.bridge_out + 1.2 + p.hump),
            (11.0, 0.55 * p.bridge_out + 0.42 * p.nose_out + 1.0 + p.hump),
            (tip - 2.0, p.nose_out),
            (tip + 1.0, 0.92 * p.nose_out),
            (tip + 4.0, 0.40 * p.nose_out),
            (tip + 8.5, 0.0),
        ],
    )
    wide = loft(
        part.v,
        [(-12.0, p.bridge + 2.5), (1.0, p.bridge), (tip - 6, p.bridge + 1.2), (tip, p.tip)],
    )
    middle = p.nose_bend * hill(part.v - 9, 8)
    offset = np.abs(part.u - middle) / wide
    height[part.where] += out * (0.66 * hill(offset) + 0.34 * hill(offset, 2.0))

    def bumps(at: float, level: float, sx: float, sy: float, size: float) -> None:
        row = hill(part.u - at, sx, size) + hill(part.u + at, sx, size)
        height[part.where] += hill(part.v - level, sy) * row

    side = p.nose_wide
    bumps(side - 2.3, tip + 1.2, 2.6, 2.7, 3.4)
    bumps(side + 0.9, tip + 0.4, 1.4, 2.8, -1.2)
    bumps(0.42 * side, tip + 3.9, 1.7, 1.2, -0.8)


def _sky(height: Float32) -> Float32:
    """Return the share of the sky seen from each point: hollows see less."""
    level = ((height + 64) * 256).astype(np.uint16)
    small = cv2.resize(level, None, fx=1 / 3, fy=1 / 3, interpolation=cv2.INTER_AREA)
    near = cv2.GaussianBlur(small, (0, 0), 1.3)
    far = cv2.GaussianBlur(small, (0, 0), 3.6)
    own = small.astype(np.float32)
    hidden = np.maximum(near - own, 0) * np.float32(0.12 / 256)
    hidden += np.maximum(far - own, 0) * np.float32(0.045 / 256)
    seen = np.clip((1 - hidden) * 255, 75, 255).astype(np.uint8)
    full = cv2.resize(seen, height.shape[::-1], interpolation=cv2.INTER_LINEAR_EXACT)
    return np.asarray(full * np.float32(1 / 255), np.float32)


def _lay_neck(canvas: Canvas, p: Person) -> None:
    part = Window(-64, 26, 64, 80)
    half = 0.8 * p.jaw + 2.0 * p.male + smooth(part.v, 52, 74) * 10
    across = np.abs(part.u) / half
    share = step(half - np.abs(part.u), 1.2)
    under = part.v - (p.chin_v - 13 * np.square(np.minimum(np.abs(part.u) / p.jaw, 1.2)))
    seen = 0.22 + 0.6 * smooth(under, 0, 18)
    side = np.clip(-1.1 * np.sign(part.u) * across * across * across, -2, 2)
    bare = Window(-64, p.chin_v - 2, 64, 80)
    canvas.relief[1][bare.where] = 0.5  # clothes are coloured in each picture
    canvas.relief[2][bare.where] = 0.9
    canvas.over(part, share, p.skin * np.float32(0.85), (side, 0.25, seen, 0.2))


def _lay_ears(canvas: Canvas, p: Person, widths: Float32) -> None:
    row = int((4 - TOP) * SCALE)
    at = float(widths[row, 0]) + 0.35 * p.ear_out
    tall, wide = p.ear_size * 0.92, p.ear_out + 1.6
    for side in (-1, 1):
        part = Window(*sorted_pair(side * (at - 7), side * (at + 9), -16, 24))
        s = (part.u * side - at - 0.14 * (4 - part.v)) / wide
        t = (part.v - 4) / (tall + 0.0 * part.u)
        radius = np.sqrt(s * s + t * t)
        share = step((1 - radius) * wide, 0.9)
        inner = smooth(radius, 0.85, 0.3) * smooth(t, 0.8, 0.2)
        colour = p.skin * np.array([1.0, 0.86, 0.84], np.float32)
        lean = np.clip(-side * 1.0 * s - side * 1.4 * (radius - 0.6), -2, 2)
        canvas.over(part, share, colour, (lean, -0.5 * t, 0.85 - 0.45 * inner, 0.3))


def sorted_pair(a: float, b: float, v0: float, v1: float) -> tuple[float, float, float, float]:
    """Return a window's corners whichever side of the face it is on."""
    return min(a, b), v0, max(a, b), v1


def _face(p: Person, canvas: Canvas, widths: Float32, height: Float32) -> Float32:
    """Lay the face over neck and ears, and return its share of each pixel."""
    u = axes()[0]
    slant = np.zeros_like(widths)
    slant[1:-1] = (widths[2:] - widths[:-2]) * np.float32(SCALE / 2)
    share = step((widths - np.abs(u)) / np.sqrt(1 + np.minimum(slant * slant, 9)), 1.1)
    part = Window(-44, -64, 44, 66)
    across, down = (slope[part.where] for slope in slopes(height, 2.4))
    down = np.maximum(down, -1.25)  # what faces the ground is lit by it
    oily = (
        0.8
        * p.oil
        * (
            0.35
            + hill(part.v - 17, 6) * hill(part.u, 6)
            + 0.6 * hill(part.v + 24, 10) * hill(part.u, 18)
        )
    )
    cloud, blob = (noise(kind, p.grain[0], *part.shape) for kind in ("cloud", "blob"))
    shade = 1 + np.float32(0.022 * p.mottle) * (cloud + 0.7 * blob)
    tones = [tone * shade for tone in p.skin]
    canvas.over(part, share[part.where], tones, (across, down, 1.0, oily))
    return share


def _depth(p: Person) -> Float32:
    u, v = (axis[:, ::2] if axis.shape[0] == 1 else axis[::2] for axis in axes())
    a = np.minimum(np.abs(u), 42)
    depth = 30 - a * a * np.float32(0.019) - np.square((v - 4) / 60) * 12
    depth = depth - smooth(v, p.chin_v - 4, p.chin_v + 8) * 10
    out = 1.25 * p.nose_out
    nose = loft(v, [(-12, 0.0), (2, 4.0), (p.nose_v - 2, out), (p.nose_v + 9, 0.0)])
    depth = depth + nose * hill(u, 9.0) - hill(np.abs(u) - p.eye_u, 9) * hill(v, 8) * 2.5
    return np.asarray(depth, np.float32)
