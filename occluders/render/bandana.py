"""Bandanas: a square folded to a triangle, tied over nose and mouth, its point on the chest."""

import numpy as np

from ..materials import Noise, Pattern, cloth, hsv, with_bump
from ..shapes import Float32, Outline, Shape, ellipsoid, smooth_union
from ..tracing import Part
from .fabric import Colour, print_pattern

__all__ = ["bandana"]


def bandana(rng: np.random.Generator) -> list[Part]:
    """Return a bandana tied over the lower half of the face."""
    top, low = rng.uniform(-0.5, -0.22), rng.uniform(-2.3, -1.9)
    peak = top + rng.uniform(0.03, 0.12)
    right = [(0.0, peak), (0.3, top - 0.02), (0.7, top - 0.14), (1.05, top - 0.2)]
    right += [(1.05, -0.95), (0.86, -1.2), (0.45, low + 0.42), (0.1, low + 0.04)]
    outline = Outline([*right, (0.0, low), *[(-x, y) for x, y in right[:0:-1]]], cells=200)
    form = smooth_union(
        0.22,
        ellipsoid((0, -0.72, -0.78), (0.96, 1.02, 0.94)),
        ellipsoid((0, -0.5, 0.1), (0.2, 0.3, 0.4)),
        ellipsoid((0, -1.9, -0.55), (0.62, 0.9, 0.86)),
    )
    drift, fine = Noise(rng, (0.5, 0.5, 0.6), 2), Noise(rng, (0.2, 0.1, 0.2), 2)
    count, depth = rng.uniform(8, 13), rng.uniform(0.035, 0.06)

    def relief(p: Float32) -> Float32:
        # folds hang from the ears and meet below the chin
        x, y = np.abs(p[:, 0]) - np.float32(1.1), p[:, 1] - np.float32(top + 0.1)
        fan = np.arctan2(-y, -x) * np.float32(count) + 2.2 * drift(p)
        below = np.clip((np.float32(top - 0.25) - p[:, 1]) / np.float32(0.6), 0.1, 1)
        return np.asarray(np.float32(depth) * np.sin(fan) * below + np.float32(0.012) * fine(p))

    sheet = _sheet(form, outline, relief)
    grain = Noise(rng, 0.1, 2)
    material = with_bump(cloth(_print(rng), rng), lambda p: grain(p) * np.float32(0.004))
    return [Part(sheet, material)]


def _sheet(form: Shape, outline: Outline, relief: Shape) -> Shape:
    def distance(p: Float32) -> Float32:
        base = form(p)
        near = np.flatnonzero(np.abs(base) < 0.25)
        raised = np.asarray(base - np.sign(base) * np.float32(0.1))
        raised[near] = base[near] - relief(p[near])
        skin = np.abs(raised) - np.float32(0.016)
        back = -p[:, 2] - np.float32(0.95)
        return np.asarray(np.maximum(np.maximum(skin, outline(p[:, 0], p[:, 1])), back))

    return distance


def _print(rng: np.random.Generator) -> Pattern:
    if rng.random() < 0.35:
        return print_pattern(rng, 0.3, ("plain", "plaid", "dots", "camouflage", "flowers"))
    ground = hsv(float(rng.choice([0.0, 0.6, 0.0, 0.35, 0.8])), 0.8, rng.uniform(0.35, 0.75))
    if rng.random() < 0.3:
        ground = (0.06, 0.06, 0.07)
    return _paisley(rng, ground, (0.95, 0.94, 0.9))


def _paisley(rng: np.random.Generator, ground: Colour, ink: Colour) -> Pattern:
    """Return drops with rings and dots between, as bandanas have them."""
    period = np.float32(rng.uniform(0.26, 0.36))
    turn = rng.uniform(0, 6.3, (8, 8)).astype(np.float32)
    low, high = np.asarray(ground, np.float32), np.asarray(ink, np.float32)

    def colour(p: Float32, n: Float32) -> Float32:
        v = p[:, 1] / period
        j = np.floor(v).astype(int)
        u = p[:, 0] / period + np.float32(0.5) * (j % 2)
        i = np.floor(u).astype(int)
        x, y = u - i - np.float32(0.5), v - j - np.float32(0.5)
        angle = turn[i % 8, j % 8]
        c, s = np.cos(angle), np.sin(angle)
        x, y = x * c + y * s, y * c - x * s
        x = x + np.float32(0.9) * y * y  # a drop with a bent tip
        away = np.hypot(x * (1.6 + 1.2 * y), y)
        mark = (np.abs(away - 0.3) < 0.055) | (away < 0.12)
        a, b = np.mod(u * 2, 1) - 0.5, np.mod(v * 2, 1) - 0.5
        mark |= (np.hypot(a, b) < 0.14) & (away > 0.42)
        return np.where(mark[:, None], high, low)

    return colour
