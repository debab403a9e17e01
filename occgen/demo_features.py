"""What of a drawn face changes from picture to picture: eyes, mouth and clothes."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from .demo_canvas import Window, hill, smooth, step
from .demo_head import UNIT, Head
from .demo_person import Person, Picture

__all__ = ["draw_features", "points"]

Float32 = NDArray[np.float32]
UInt8 = NDArray[np.uint8]
Int16 = NDArray[np.int16]


class _Patch:
    """Windows of a head in floats: roots of albedo (3, N, R, C), relief (4, N, R, C)."""

    def __init__(self, colour: Sequence[UInt8], relief: Sequence[Int16]) -> None:
        self._colour, self._relief = colour, relief
        shape = len(colour), *colour[0].shape[:2]
        self.root: Float32 = np.empty((3, *shape), np.float32)
        self.relief: Float32 = np.empty((4, *shape), np.float32)
        for number, window in enumerate(colour):
            self.root[:, number] = window[:, :, :3].transpose(2, 0, 1)
        for number, slopes in enumerate(relief):
            self.relief[:, number] = slopes.transpose(2, 0, 1)
        self.root *= np.float32(1 / 255)
        self.relief *= np.float32(1 / UNIT)

    def paint(self, share: Float32, root: object) -> None:
        """Blend a colour, given as square roots, over what is there."""
        tone = np.asarray(root, np.float32)
        tone = tone.reshape(3, 1, 1, 1) if tone.ndim == 1 else tone
        self.root += share * (tone - self.root)

    def shape(self, share: Float32, across: object, down: object, gloss: float) -> None:
        """Replace slopes and gloss."""
        for channel, value in ((0, across), (1, down), (3, gloss)):
            there = self.relief[channel]
            there += share * (np.asarray(value, np.float32) - there)

    def put_back(self) -> None:
        """Write the windows to the head they were cut from."""
        root = self.root * 255 + np.float32(0.5)
        root = np.minimum(np.maximum(root, 0), 255).astype(np.uint8)
        relief = (self.relief * np.float32(UNIT)).astype(np.int16)
        for number, window in enumerate(self._colour):
            window[:, :, :3] = cv2.merge(list(root[:, number]))
        for number, slopes in enumerate(self._relief):
            slopes[:] = cv2.merge(list(relief[:, number]))


def points(p: Person, picture: Picture) -> NDArray[np.float64]:
    """Return both pupils, the nose's tip and the mouth's corners on the canvas, (5, 2)."""
    (gu, gv), half = picture.gaze, p.mouth_half
    skew = p.lean[2]
    return np.array(
        [
            (-p.eye_u + gu, gv),
            (p.eye_u + gu, gv),
            (p.nose_bend * 0.3, p.nose_v),
            (skew - half, p.mouth_v + p.corners),
            (skew + half, p.mouth_v + p.corners),
        ]
    )


def draw_features(head: Head, picture: Picture) -> tuple[UInt8, Int16]:
    """Return a head's colour and relief with open eyes, a mouth and clothes."""
    colour, relief = head.colour.copy(), head.relief.copy()
    if picture.smile > 0.02:
        part = Window(-44, -2, 44, 58)
        folds = head.creases[part.where] * np.float32(picture.smile)
        relief[part.where][:, :, :2] += folds.astype(np.int16)
    _dress(colour, head.person, picture)
    _draw_eyes(colour, relief, head.person, picture)
    _draw_mouth(colour, relief, head.person, picture)
    return colour, relief


def _draw_eyes(colour: UInt8, relief: Int16, p: Person, picture: Picture) -> None:
    """Draw both eyes at once: the left one is the right one's window, mirrored."""
    at, half = p.eye_u, p.eye_half
    part = Window(at - half - 4, -9.5, at + half + 4, 6.5)
    columns, last = part.where[1], colour.shape[1] - 1
    flipped = part.where[0], slice(last - columns.start, last - columns.stop, -1)
    patch = _Patch([colour[part.where], colour[flipped]], [relief[part.where], relief[flipped]])
    u, v = (part.u - at)[None], part.v[None]
    s = u * np.float32(1 / half)  # -1 at the nose, 1 at the temple
    flat = 1 - s * s
    peak = np.float32(p.eye_peak) * flat
    middle = 0.45 - s * np.float32(p.eye_tilt * half)
    inner = np.minimum(np.square(s - peak), 1)
    arch = 1 - inner * (0.35 + 0.65 * inner)
    bowl = 1 - np.minimum(np.square(s + peak - 0.12 * flat), 1)
    uneven = np.array([0.4, -0.4], np.float32).reshape(2, 1, 1) * np.float32(p.lean[1])
    tall = (np.float32(p.eye_open) + uneven) * np.float32(picture.blink)
    upper = middle - tall * arch
    lower = middle + np.float32(p.eye_low * (0.55 + 0.45 * picture.blink)) * bowl
    width = 1 - np.abs(s)
    ends = step(width + 0.12, 0.2)
    inside = np.minimum(step(v - upper), step(lower - v)) * step(width, 0.06)

    skin = np.sqrt(np.minimum(p.skin, 1))
    lid = np.float32(0.7 + p.lid * (0.75 + 0.25 * picture.blink)) * (0.45 + 0.55 * arch)
    ridge = v - upper + lid
    line = hill(ridge, 1.0) * ends
    patch.paint(line * np.float32(0.22 + 0.45 * p.crease), skin * np.float32(0.40))
    cover = np.minimum(step(ridge, 1.5), step(upper - v, 1.0)) * ends
    if p.liner:
        patch.paint(cover * np.float32(0.3 * p.liner), skin * np.array([0.55, 0.45, 0.5]))
    bulge = hill(v - lower - 1.6, 1.1) * ends
    patch.relief[1] += line * ridge * np.float32(0.5 * p.crease) + cover * np.float32(0.4)
    patch.relief[1] -= bulge * np.float32(0.25)

    _fill_eyes(patch, p, picture, (u, v, s), upper, inside)
    lash = np.sqrt(np.minimum(p.brow * np.float32(0.35), 0.02))
    weight = np.float32(1.05 + 0.4 * p.liner) * (0.75 + 0.35 * s)
    upper_lash = hill(v - upper + 0.2, np.maximum(weight, 0.3)) * ends
    patch.paint(upper_lash * np.float32(0.88 + 0.1 * p.liner), lash)
    patch.paint(hill(v - lower, 0.6) * ends * np.float32(0.30 + 0.3 * p.liner), lash)
    patch.put_back()


def _fill_eyes(
    patch: _Patch,
    p: Person,
    picture: Picture,
    place: tuple[Float32, Float32, Float32],
    upper: Float32,
    inside: Float32,
) -> None:
    u, v, s = place
    side = np.array([1, -1], np.float32).reshape(2, 1, 1)
    fourth = np.square(s * s)
    shade = (0.52 + 0.48 * smooth(v - upper, 0.0, 3.2)) * (1 - 0.30 * fourth)
    white = shade * np.array([0.76, 0.715, 0.695], np.float32).reshape(3, 1, 1, 1)
    du, dv = u - side * np.float32(picture.gaze[0]), v - np.float32(picture.gaze[1])
    radius = np.sqrt(du * du + dv * dv)
    iris = np.sqrt(p.iris).reshape(3, 1, 1, 1)
    ring = smooth(radius, p.iris_size + 0.25, p.iris_size - 0.95)
    glow = 0.85 + np.float32(0.28 / p.iris_size) * dv
    glow = glow * (0.45 + 0.55 * ring) * (0.62 + 0.38 * shade)
    white += step(p.iris_size - radius, 0.8) * (iris * glow - white)
    white *= 1 - np.float32(0.93) * step(1.45 - radius, 0.7)
    lu = side * np.float32(min(max(2.5 * picture.lamp[0], -1.5), 1.5))
    lv = np.float32(min(max(2.5 * picture.lamp[1], -1.7), 0.5))
    spot = hill(du - lu, 0.72) * hill(dv - lv, 0.72)
    white += np.float32(0.9) * spot * (np.float32(1.0) - white)
    patch.paint(inside, white)
    patch.paint(hill(s + 0.97, 0.16) * inside * np.float32(0.6), (0.70, 0.42, 0.40))
    patch.shape(inside, np.float32(-0.09) * side * u, np.float32(-0.10) * v, 0.25)
    patch.relief[2] *= 1 - inside * (1 - shade) * np.float32(0.5)


def _draw_mouth(colour: UInt8, relief: Int16, p: Person, picture: Picture) -> None:
    half, at, skew = p.mouth_half, p.mouth_v, p.lean[2]
    part = Window(skew - half - 3, at - 7, skew + half + 3, at + 8 + 1.2 * picture.open)
    patch = _Patch([colour[part.where]], [relief[part.where]])
    u, v = (part.u - np.float32(skew))[None], part.v[None]
    t = u * np.float32(1 / half)
    size = np.abs(t)
    square = np.minimum(t * t, 1)
    valid = step((1 - size) * np.float32(half), 1.2)
    seam = at + np.float32(p.corners) * square - 0.5 * hill(t, 0.3) + 0.25 * hill(t, 0.55)
    gap = np.float32(picture.open) * (1 - square) * (1 + 0.4 * square)
    bow = 1 - np.float32(0.20 + 0.10 * p.bow) * hill(t, 0.13)
    thin = 1 - 0.2 * picture.smile
    top = seam - np.float32(p.lip_top * thin) * bow * (1 - square * (0.6 + 0.4 * size))
    top = top - gap * np.float32(0.12) - 0.15 * valid
    floor = seam + gap * np.float32(0.9)
    low = floor + np.float32(p.lip_low * thin) * (1 - square) * (1 + 0.35 * square) + 0.15 * valid

    lips = np.minimum(step(v - top, 1.1), step(low - v, 1.3)) * valid
    upper = np.minimum(np.maximum((v - top) / np.maximum(seam - top, 0.3), 0), 1)
    lower = np.minimum(np.maximum((v - floor) / np.maximum(low - floor, 0.3), 0), 1)
    on_upper = v < (seam + floor) / 2
    root = np.sqrt(np.minimum(p.lips, 1))
    tone = np.where(on_upper, 0.84 - 0.10 * upper, 1.0 - 0.12 * lower)
    patch.paint(lips * np.float32(0.92), root.reshape(3, 1, 1, 1) * tone)
    rise = np.where(on_upper, 0.2 * upper - 0.65, 0.7 - 1.7 * lower) * (1 - square)
    patch.shape(lips * np.float32(0.7), patch.relief[0], rise, 0.45)
    under = hill(v - low - 1.4, 1.4) * (1 - square) * valid
    patch.relief[2] *= 1 - under * np.float32(0.22)

    if picture.open > 0.35:
        _fill_mouth(patch, p, picture, (u, v, t), (seam, floor), valid)
    line = hill(v - seam - gap * np.float32(0.1), 0.7) * valid
    weak = 0.75 - 0.3 * min(picture.open, 1.0)
    patch.paint(line * np.float32(weak), root * np.float32(0.30))
    corner = hill(size - 1.0, 0.10) * hill(v - at - np.float32(p.corners), 1.0)
    patch.paint(corner * np.float32(0.45), root * np.float32(0.40))
    patch.put_back()


def _fill_mouth(
    patch: _Patch,
    p: Person,
    picture: Picture,
    place: tuple[Float32, Float32, Float32],
    lips: tuple[Float32, Float32],
    valid: Float32,
) -> None:
    u, v, t = place
    seam, floor = lips
    size = np.abs(t)
    inside = np.minimum(step(v - seam, 0.9), step(floor - v, 0.9)) * step(0.95 - size, 0.1)
    patch.paint(inside * valid, (0.2, 0.12, 0.12))
    patch.shape(inside, 0, 0, 0.1)
    patch.relief[2] *= 1 - np.float32(0.45) * inside
    if picture.open < 1.0:
        return
    long = np.float32(0.5 + 0.45 * min(1.0, 0.3 + picture.smile)) * (floor - seam)
    long = np.minimum(long, 3.6 - t * t)
    teeth = step(seam + long - v, 0.8) * inside * smooth(size, 0.92, 0.62)
    widths = np.abs(u) * np.float32(1 / 2.7)
    gaps = np.abs(widths - np.floor(widths + np.float32(0.5)))
    tone = 0.97 - 0.10 * hill(gaps, 0.10) - 0.22 * size
    white = np.array([1.0, 0.975, 0.92], np.float32) * np.float32(p.teeth**0.5)
    patch.paint(teeth * np.float32(0.95), white.reshape(3, 1, 1, 1) * tone)


def _dress(colour: UInt8, p: Person, picture: Picture) -> None:
    """Lay clothes over the canvas's lower end."""
    red, green, blue, open_, collar, dark = picture.cloth
    part = Window(-64, p.chin_v - 2, 64, 80)
    a = np.abs(part.u)
    half = 0.8 * p.jaw
    edge = p.chin_v + 3 + 0.22 * np.maximum(a - half, 0)
    edge = edge + np.maximum(half - a, 0) * np.float32(0.25 + 0.5 * open_)
    there = colour[part.where]
    tone = [round(255 * (0.1 + (0.2 + 0.5 * dark) * share)) for share in (red, green, blue)]
    worn = part.v > edge
    there[worn] = *tone, 255
    if collar > 0.5:
        there[worn & (part.v < edge + 5.5)] = [205 if collar > 0.7 else 30] * 3 + [255]
