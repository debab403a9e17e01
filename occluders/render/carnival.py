"""Carnival masks: half masks with eye holes, gold trim, gems and feathers."""

from collections.abc import Sequence

import numpy as np

from ..materials import (
    Material,
    Noise,
    Pattern,
    blend,
    gradient,
    hsv,
    metal,
    mottled,
    plain,
    plastic,
)
from ..shapes import Float32, Outline, Shape, ellipsoid, extrude, move, rotation, spline
from ..tracing import Part

__all__ = ["carnival"]

_GOLD = (0.9, 0.68, 0.26)
_SILVER = (0.82, 0.83, 0.86)
Point = tuple[float, float]


def carnival(rng: np.random.Generator) -> list[Part]:
    """Return the parts of a carnival mask."""
    kind = str(rng.choice(["colombina", "cat", "half", "domino"], p=[0.5, 0.16, 0.14, 0.2]))
    outline = _outline(rng, kind)
    holes = _eye_holes(rng)
    sheet = _sheet(outline, holes)
    colour = hsv(rng.random(), rng.uniform(0.4, 0.9), rng.uniform(0.25, 0.8))
    trim = metal(_GOLD if rng.random() < 0.7 else _SILVER, rng.uniform(0.5, 0.7))
    plainer = kind == "domino" and rng.random() < 0.7
    parts = [Part(sheet, _surface(rng, kind, colour))]
    if not plainer:
        parts.append(Part(_border(outline, rng.uniform(0.022, 0.036)), trim))
        parts.append(Part(_border(holes, rng.uniform(0.016, 0.026)), trim))
        parts += _gems(rng, kind)
    if kind in ("colombina", "domino") and rng.random() < 0.6:
        parts += _feathers(rng, colour, 0.02 if kind == "domino" else 0.24)
    elif rng.random() < 0.5:
        parts += _ribbons(rng, colour)
    return parts


def _form(p: Float32) -> Float32:
    """Return the distance from the bent sheet, with a nose, that a stiff mask is pressed from."""
    x, y = p[:, 0], p[:, 1]
    nose = np.float32(0.27) * np.exp(-((x / 0.17) ** 2) - ((y + 0.36) / 0.26) ** 2)
    brow = np.float32(0.06) * np.exp(-((y - 0.2) ** 2) / 0.02 - (np.abs(x) - 0.4) ** 2 / 0.1)
    front = np.float32(0.24) - np.float32(0.3) * x * x + nose + brow
    return np.asarray(
        (p[:, 2] - front) / np.sqrt(1 + np.float32(0.36) * x * x + 4 * nose), np.float32
    )


def _sheet(outline: Outline, holes: Outline) -> Shape:
    def distance(p: Float32) -> Float32:
        flat = np.maximum(outline(p[:, 0], p[:, 1]), -holes(np.abs(p[:, 0]), p[:, 1]))
        along = np.abs(_form(p)) - np.float32(0.018)
        soft = np.float32(0.012)
        outside = np.hypot(np.maximum(flat + soft, 0), np.maximum(along + soft, 0))
        return np.asarray(outside + np.minimum(np.maximum(flat, along) + soft, 0) - soft)

    return distance


def _border(outline: Outline, thick: float) -> Shape:
    """Return a twisted cord along an outline, or along both eye holes."""
    both = float(outline.low[0]) > -0.2

    def distance(p: Float32) -> Float32:
        x = np.abs(p[:, 0]) if both else p[:, 0]
        twist = 1 + 0.22 * np.sin((p[:, 0] + p[:, 1] + p[:, 2]) * np.float32(90))
        lift = _form(p) - np.float32(0.015)
        return np.asarray(np.hypot(outline(x, p[:, 1]), lift) - np.float32(thick) * twist)

    return distance


def _outline(rng: np.random.Generator, kind: str) -> Outline:
    tip, wide = rng.uniform(0.36, 0.66), rng.uniform(0.9, 1.05)
    low = rng.uniform(-0.56, -0.42)
    if kind == "cat":
        right = [
            (0.0, 0.34), (0.25, 0.4), (0.46, 0.62), (0.7, 0.98), (0.82, 0.62), (0.93, 0.25),
            (0.8, -0.15), (0.58, -0.36), (0.3, -0.4), (0.13, low + 0.04), (0.0, low),
        ]  # fmt: skip
    elif kind == "domino":
        wide = rng.uniform(0.84, 0.92)
        right = [
            (0.0, 0.17), (0.3, 0.3), (0.62, 0.28), (wide, 0.12), (wide - 0.03, -0.1),
            (0.66, -0.26), (0.36, -0.28), (0.16, -0.2), (0.0, -0.24),
        ]  # fmt: skip
    else:
        right = [
            (0.0, 0.3), (0.24, 0.42), (0.58, 0.4 + 0.15 * tip), (wide, tip),
            (wide - 0.04, 0.5 * tip - 0.06), (0.84, -0.12), (0.6, -0.34), (0.36, -0.4),
            (0.19, -0.36), (0.12, low + 0.06), (0.0, low),
        ]  # fmt: skip
    left: Sequence[Point] = [(-x, y) for x, y in right[-2:0:-1]]
    if kind == "half":  # covers one cheek as well
        deep = [(0.9, -0.2), (0.86, -0.6), (0.74, -0.98), (0.54, -1.16), (0.37, -1.0)]
        right = [*right[:5], *deep, (0.3, -0.7), (0.2, -0.5), *right[-2:]]
        if rng.random() < 0.5:
            return Outline([(-x, y) for x, y in spline([*right, *left], 4, closed=True)], cells=200)
    return Outline(spline([*right, *left], 4, closed=True), cells=200)


def _eye_holes(rng: np.random.Generator) -> Outline:
    """Return the right eye hole, an almond."""
    a, b, slant = rng.uniform(0.19, 0.25), rng.uniform(0.085, 0.14), rng.uniform(0.0, 0.09)
    points = [
        (-a, -0.02), (-0.5 * a, 0.75 * b), (0.1 * a, b), (0.65 * a, 0.8 * b), (a, 0.1 * b),
        (0.5 * a, -0.75 * b), (-0.1 * a, -b), (-0.65 * a, -0.7 * b),
    ]  # fmt: skip
    return Outline(spline([(0.42 + x, y + slant * x / a) for x, y in points], 5, closed=True), 0.3)


def _surface(rng: np.random.Generator, kind: str, colour: tuple[float, float, float]) -> Material:
    """Return lacquer, velvet, glitter, or painted and gilded paper."""
    pale = hsv(rng.random(), rng.uniform(0, 0.25), 0.93)
    gold = _GOLD if rng.random() < 0.7 else _SILVER
    style = str(rng.choice(["lacquer", "velvet", "glitter", "filigree", "harlequin", "graded"]))
    if kind == "half" and rng.random() < 0.6:
        return plastic(mottled(plain(pale), rng, 0.03, 0.3), 0.55)
    if kind in ("domino", "cat") and rng.random() < 0.5:
        colour, style = (0.05, 0.05, 0.06), str(rng.choice(["lacquer", "velvet", "filigree"]))
    if style == "velvet":
        return Material(
            albedo=mottled(plain(colour), rng, 0.14, 0.06), gloss=0.1, specular=0.02, sheen=0.8
        )
    if style == "glitter":
        return _glitter(rng, colour)
    if style == "filigree":
        ground = plain(colour if rng.random() < 0.6 else pale)
        return plastic(_filigree(rng, ground, gold), 0.5)
    if style == "harlequin":
        return plastic(_diamonds(colour, pale if rng.random() < 0.5 else gold, rng), 0.6)
    if style == "graded":
        other = hsv(rng.random(), rng.uniform(0.4, 0.9), rng.uniform(0.4, 0.9))
        return plastic(_filigree(rng, gradient(other, colour, -0.4, 0.5), gold), 0.7)
    return plastic(mottled(plain(colour), rng, 0.05, 0.2), 0.75)


def _glitter(rng: np.random.Generator, colour: tuple[float, float, float]) -> Material:
    spark, tone = Noise(rng, 0.012), Noise(rng, 0.01)

    def albedo(p: Float32, n: Float32) -> Float32:
        bright = 0.75 + 0.5 * tone(p) + 2.5 * np.clip(spark(p) - 0.62, 0, 0.3)
        return np.asarray(np.clip(np.asarray(colour, np.float32) * bright[:, None], 0, 1))

    return Material(
        albedo=albedo, gloss=0.6, specular=0.3, bump=lambda p: spark(p) * np.float32(0.004)
    )


def _filigree(rng: np.random.Generator, ground: Pattern, gold: Sequence[float]) -> Pattern:
    """Return gilded curls on a ground, the same on both sides."""
    curl, place = Noise(rng, 0.2), Noise(rng, 0.4)

    def share(p: Float32) -> Float32:
        q = p.copy(order="K")
        np.abs(q[:, 0], out=q[:, 0])
        line = np.abs(np.mod(curl(q) * np.float32(1.2), 1) - np.float32(0.5))
        return np.asarray((0.1 - line) * 16 * (place(q) > -0.35))

    return blend(ground, plain(gold), share)


def _diamonds(first: Sequence[float], second: Sequence[float], rng: np.random.Generator) -> Pattern:
    wide, tall = rng.uniform(0.1, 0.16), rng.uniform(0.16, 0.26)
    low, high = np.asarray(first, np.float32), np.asarray(second, np.float32)

    def colour(p: Float32, n: Float32) -> Float32:
        u, v = p[:, 0] / np.float32(wide), p[:, 1] / np.float32(tall)
        odd = (np.floor(u + v) + np.floor(u - v)) % 2 == 1
        return np.where(odd[:, None], high, low)

    return colour


def _gems(rng: np.random.Generator, kind: str) -> list[Part]:
    """Return stones on the brow and around the eyes, each in its setting."""
    stone = Material(
        albedo=plain(hsv(rng.random(), rng.uniform(0.5, 1), rng.uniform(0.3, 0.8))),
        gloss=0.95,
        specular=0.18,
    )
    spots: list[tuple[float, float, float]] = []
    if rng.random() < 0.75:
        spots.append((0.0, 0.14, rng.uniform(0.05, 0.085)))
    if rng.random() < 0.5:
        spots += [(s * 0.75, 0.17, 0.04) for s in (-1, 1)]
    if rng.random() < 0.4:
        spots += [(s * x, 0.2 + 0.1 * x, 0.022) for s in (-1, 1) for x in (0.2, 0.34, 0.48, 0.62)]
    parts = []
    for x, y, r in spots:
        line = np.array([[x, y, z] for z in np.linspace(0.9, -0.3, 240)], np.float32)
        z = float(line[np.argmin(np.abs(_form(line))), 2])
        parts.append(Part(ellipsoid((x, y, z + 0.02), (r, 1.25 * r, 0.7 * r)), stone))
        parts.append(
            Part(ellipsoid((x, y, z + 0.01), (1.25 * r, 1.5 * r, 0.3 * r)), metal(_GOLD, 0.6))
        )
    return parts


def _feathers(rng: np.random.Generator, colour: Sequence[float], foot: float) -> list[Part]:
    """Return a fan of feathers behind the top of the mask: in the middle, or at one side."""
    aside = float(rng.choice([0.0, 0.0, -0.66, 0.66]))
    count = int(rng.integers(8, 14))
    spread = rng.uniform(38, 66) if aside == 0 else rng.uniform(25, 40)
    other = hsv(rng.random(), rng.uniform(0.3, 0.9), rng.uniform(0.3, 0.95))
    leaves = [_leaf(rng) for _ in range(2)]
    parts = []
    for k in range(count):
        angle = spread * (2 * k / (count - 1) - 1) + rng.normal(0, 3) - 22 * np.sign(aside)
        tone = (colour, other)[k % 2] if rng.random() < 0.8 else (0.95, 0.93, 0.9)
        tall = rng.uniform(0.62, 0.88) * (1 - 0.25 * abs(angle) / 90)
        turn = rotation(roll=float(angle), pitch=float(rng.uniform(-6, 10)))
        base = (aside + 0.006 * -angle, foot, 0.1 - 0.012 * k + 0.05 * np.cos(k))
        parts.append(
            Part(move(_grown(leaves[k % 2], tall), base, turn), _down(rng, tone, base, turn))
        )
    return parts


def _leaf(rng: np.random.Generator) -> Outline:
    """Return the outline of a feather of length one, with a frayed edge."""
    t = np.linspace(0, 1, 26)
    wide = 0.17 * np.sin(np.pi * t**0.8) ** 0.7 + 0.012
    fray = rng.uniform(0.9, 1.0, (2, len(t)))
    fray[:, rng.integers(5, 20, 2)] *= 0.75
    right = np.stack([wide * fray[0], t], axis=1)
    left = np.stack([-wide * fray[1], t], axis=1)[::-1]
    return Outline(np.concatenate([right, left]), margin=0.1, cells=70)


def _grown(leaf: Outline, tall: float) -> Shape:
    size = np.float32(tall)
    flat = extrude(leaf, 0.014, 0.008)

    def distance(p: Float32) -> Float32:
        q = p / size
        q[:, 2] += np.float32(0.25) * q[:, 1] ** 2 + np.float32(0.5) * q[:, 0] ** 2
        return np.asarray(flat(np.asfortranarray(q)) * size)

    return distance


def _down(
    rng: np.random.Generator, tone: Sequence[float], base: Sequence[float], turn: np.ndarray
) -> Material:
    """Return the barbs of a feather: lines that slant away from its quill."""
    matrix, start = turn.astype(np.float32), np.asarray(base, np.float32)
    fade = rng.uniform(0.5, 1.0)

    def local(p: Float32) -> Float32:
        return np.asarray((p - start) @ matrix)

    def albedo(p: Float32, n: Float32) -> Float32:
        q = local(p)
        barb = np.sin((q[:, 1] - 0.7 * np.abs(q[:, 0])) * np.float32(190))
        bright = (0.92 + 0.07 * barb) * (fade + (1 - fade) * np.clip(q[:, 1] * 1.6, 0, 1))
        quill = (np.abs(q[:, 0]) < 0.009)[:, None]
        result = np.asarray(tone, np.float32) * bright[:, None]
        return np.where(quill, result * 0.5 + 0.4, np.clip(result, 0, 1)).astype(np.float32)

    def relief(p: Float32) -> Float32:
        q = local(p)
        return np.asarray(0.0022 * np.sin((q[:, 1] - 0.7 * np.abs(q[:, 0])) * np.float32(120)))

    return Material(albedo=albedo, gloss=0.2, specular=0.03, sheen=0.35, wrap=0.4, bump=relief)


def _ribbons(rng: np.random.Generator, colour: Sequence[float]) -> list[Part]:
    """Return the ends of the ribbons that tie the mask, beside the temples."""
    satin = Material(albedo=plain(colour), gloss=0.5, specular=0.1, sheen=0.2)
    parts = []
    for side in (-1, 1):
        strip = extrude(
            Outline([(0, -0.05), (0, 0.05), (0.5, 0.08), (0.5, -0.02)], 0.1, 50), 0.012, 0.006
        )
        turn = rotation(yaw=70.0 if side > 0 else 110.0)
        parts.append(Part(move(strip, (0.84 * side, 0.08, 0.0), turn), satin))
    return parts
