"""Respirators: moulded cups with a valve, and folded duckbills, on two head bands."""

import numpy as np

from ..materials import Bump, Material, Noise, add_bumps, hsv, metal, mottled, plain, plastic
from ..shapes import (
    Float32,
    Outline,
    Shape,
    box,
    cylinder,
    ellipsoid,
    intersect,
    move,
    plane,
    rotation,
    smooth_union,
    spline,
    tube,
)
from ..tracing import Part
from .face import EAR

__all__ = ["respirator"]


def respirator(rng: np.random.Generator) -> list[Part]:
    """Return the parts of a cup, a vertically folded or a duckbill respirator."""
    kind = str(rng.choice(["cup", "fold", "duckbill"], p=[0.45, 0.25, 0.3]))
    wide, top, low = rng.uniform(0.58, 0.68), rng.uniform(-0.2, -0.12), rng.uniform(-1.5, -1.4)
    right = [
        (0.0, top), (0.13, top - 0.05), (0.36, top - 0.3), (wide, -0.82),
        (wide - 0.04, -1.08), (0.4, low + 0.12), (0.16, low + 0.01),
    ]  # fmt: skip
    outline = Outline(
        spline([*right, (0.0, low), *[(-x, y) for x, y in right[:0:-1]]], 3, closed=True)
    )
    form = {"cup": _cup, "fold": _fold, "duckbill": _duckbill}[kind]()
    lines = _seams(kind, outline)
    grain = Noise(rng, 0.013, 2)
    white = rng.random() < 0.75
    tone = hsv(rng.uniform(0.1, 0.6), 0.03, 0.94) if white else _colour(rng)
    felt = Material(
        albedo=mottled(plain(tone), rng, 0.03, 0.25),
        gloss=0.15,
        specular=0.025,
        sheen=0.12,
        wrap=0.25,
        bump=add_bumps(lines, lambda p: 0.0013 * grain(p)),
    )

    def body(p: Float32) -> Float32:
        base = form(p)
        near = np.flatnonzero(np.abs(base) < 0.15)
        base[near] -= lines(p[near]) * np.float32(0.5)
        skin = np.abs(base) - np.float32(0.022)
        back = -p[:, 2] - np.float32(0.35)
        return np.asarray(np.maximum(np.maximum(skin, outline(p[:, 0], p[:, 1])), back))

    parts = [Part(body, felt), *_bands(rng, wide)]
    if rng.random() < 0.75 and kind != "duckbill":
        parts.append(_clip(form, top))
    if kind != "duckbill" and rng.random() < 0.6:
        parts += _valve(rng, form, kind)
    return parts


def _colour(rng: np.random.Generator) -> tuple[float, float, float]:
    return hsv(*((rng.uniform(0, 1), 0.1, 0.12) if rng.random() < 0.5 else (0.58, 0.35, 0.7)))


def _cup() -> Shape:
    return smooth_union(
        0.12,
        ellipsoid((0, -0.82, -0.02), (0.62, 0.66, 0.62)),
        ellipsoid((0, -0.4, 0.0), (0.26, 0.34, 0.44)),
        ellipsoid((0, -0.8, -0.55), (0.9, 1.0, 0.6)),
    )


def _fold() -> Shape:
    """Return two cheeks that meet in a vertical edge."""
    half = intersect(
        ellipsoid((-0.22, -0.82, -0.05), (0.84, 0.72, 0.78)),
        ellipsoid((0.22, -0.82, -0.05), (0.84, 0.72, 0.78)),
    )
    return smooth_union(0.1, half, ellipsoid((0, -0.8, -0.55), (0.9, 1.0, 0.6)))


def _duckbill() -> Shape:
    """Return a pouch: an upper and a lower panel meet in a level edge in front."""
    wedge = intersect(
        plane((0, 0.6, 0.8), 0.02),
        plane((0, -0.45, 0.89), 0.86),
        ellipsoid((0, -0.82, -0.2), (0.66, 1.0, 1.1)),
    )
    return smooth_union(0.08, wedge, ellipsoid((0, -0.8, -0.6), (0.9, 1.0, 0.62)))


def _seams(kind: str, outline: Outline) -> Bump:
    """Return raised welds: along the border, and across or down the front."""

    def height(p: Float32) -> Float32:
        inward = -outline(p[:, 0], p[:, 1])
        rim = 0.02 * np.clip(1 - np.abs(inward - 0.03) / np.float32(0.03), 0, 1)
        if kind == "cup":
            arc = np.abs(p[:, 1] + np.float32(0.62) + np.float32(0.25) * p[:, 0] ** 2)
            other = np.abs(p[:, 1] + np.float32(1.05) - np.float32(0.25) * p[:, 0] ** 2)
            line = np.minimum(arc, other)
        else:
            line = np.abs(p[:, 0]) if kind == "fold" else np.abs(p[:, 1] + np.float32(0.86))
        weld = 0.018 * np.clip(1 - line / np.float32(0.02), 0, 1)
        along = p[:, 1] if kind == "fold" else p[:, 0]
        marks = 0.75 + 0.25 * np.sin(along * np.float32(95))
        return np.asarray(rim + weld * marks, np.float32)

    return height


def _front(form: Shape, x: float, y: float) -> float:
    """Return the depth of a form's front at a point."""
    z = np.linspace(1.2, -0.8, 400, dtype=np.float32)
    line = np.stack([np.full_like(z, x), np.full_like(z, y), z]).T
    return float(z[np.argmax(form(line) <= 0)])


def _clip(form: Shape, top: float) -> Part:
    """Return the metal strip over the nose."""
    xs = np.linspace(-0.24, 0.24, 9)
    ys = top - 0.1 - 1.5 * xs**2 - 0.1 * np.abs(xs)
    path = [(x, y, _front(form, float(x), float(y)) + 0.02) for x, y in zip(xs, ys, strict=True)]
    return Part(tube(path, 0.026), metal((0.72, 0.73, 0.75), 0.5))


def _valve(rng: np.random.Generator, form: Shape, kind: str) -> list[Part]:
    """Return the exhalation valve: a disc or a square with slots."""
    x = float(rng.choice([-1, 1])) * (0.27 if kind == "fold" else 0.0)
    y = -0.86 if kind == "cup" else -0.9
    turn = rotation(yaw=45 * np.sign(x) if x else 0.0, pitch=-2 if kind == "cup" else 5)
    tone = hsv(rng.uniform(0.5, 0.65), rng.uniform(0, 0.1), rng.choice([0.9, 0.75, 0.3, 0.15]))
    shell = plastic(plain(tone), 0.55)
    dark = plastic(plain(tuple(0.35 * c for c in tone)), 0.4)
    place = (x, y, _front(form, x, y) + 0.02)
    upright = rotation(pitch=90)
    if rng.random() < 0.5:
        disc = move(cylinder((0, 0, 0), 0.16, 0.05, 0.02), turn=upright)
    else:
        disc = box((0, 0, 0), (0.16, 0.13, 0.05), 0.025)
    parts = [Part(move(disc, place, turn), shell)]
    for k in (-0.06, 0.0, 0.06):
        slot = box((0, k, 0.05), (0.1, 0.013, 0.006), 0.004)
        parts.append(Part(move(slot, place, turn), dark))
    return parts


def _bands(rng: np.random.Generator, wide: float) -> list[Part]:
    """Return two flat head bands a side: one over the ear, one below."""
    hue, strong = rng.choice([0.13, 0.6, 0.0, 0.3]), rng.choice([0.0, 0.08, 0.55])
    elastic = Material(
        albedo=mottled(plain(hsv(hue, strong, rng.uniform(0.75, 0.95))), rng, 0.06, 0.04),
        gloss=0.15,
        specular=0.02,
        sheen=0.15,
    )
    parts = []
    for side in (-1, 1):
        for start_y, end_y in ((-0.8, 0.12), (-1.02, -0.72)):
            start = ((wide - 0.03) * side, start_y, 0.0)
            middle = (0.83 * side, (start_y + end_y) / 2, -0.42)
            end = (EAR[0] * side, end_y, EAR[2])
            parts.append(Part(tube(spline([start, middle, end], 4), 0.024), elastic))
    return parts
