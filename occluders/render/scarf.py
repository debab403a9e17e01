"""Scarves: wound round the neck and up over the chin, knotted, hanging, and tied bandanas."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from ..lighting import Light
from ..materials import (
    HOLDOUT,
    Material,
    Noise,
    Pattern,
    hsv,
    knit,
    mottled,
    plain,
    stripes,
    weave,
)
from ..rendering import Camera, Rendered, render_scene
from ..shapes import Float32, Shape, cylinder, tube
from ..tracing import Part
from .bandana import bandana
from .fabric import palette, print_pattern
from .face import LANDMARKS, head

__all__ = ["scarf"]

_ANCHORS = ("mouth", "chin", "left_cheek", "right_cheek", "nose", "left_eye", "right_eye")
_NECK = -0.8  # depth of its axis
ToCloth = Callable[[Float32], Float32]
Make = Callable[[ToCloth], Material]


class _Band(NamedTuple):
    """One turn of cloth round the neck."""

    y: float
    half: float
    """Of its height."""
    wide: float
    deep: float
    """Radii of the ring, in x and z."""
    tilt: float
    """How much higher it is on the right side."""
    dip: float
    """How much lower it is in front."""
    thick: float


def scarf(rng: np.random.Generator, size: int = 176) -> Rendered:
    """Return a scarf as it is worn.

    Parameters
    ----------
    rng : numpy.random.Generator
    size : int, optional
        Longest side in pixels.
    """
    camera, light = Camera.draw(rng, yaw=24, pitch=8, roll=3), Light.draw(rng)
    kind = str(
        rng.choice(
            ["wound", "one_end", "two_ends", "knot", "snood", "bandana"],
            p=[0.2, 0.22, 0.16, 0.16, 0.14, 0.12],
        )
    )
    parts = bandana(rng) if kind == "bandana" else _wound(rng, kind)
    neck = Part(cylinder((0, -2.4, _NECK), 0.62, 1.4), HOLDOUT)
    return render_scene(
        [*parts, head(), neck],
        camera=camera,
        light=light,
        size=size,
        anchors={name: LANDMARKS[name] for name in _ANCHORS},
        extent=3.4,
        step=0.6,
    )


def _wound(rng: np.random.Generator, kind: str) -> list[Part]:
    """Return turns of cloth, and what hangs from them."""
    make = _cloth(rng)
    top = rng.uniform(-1.2, -0.62) if kind != "two_ends" else rng.uniform(-1.5, -1.25)
    if rng.random() < 0.3:
        top = rng.uniform(-1.45, -1.2)
    bands = _bands(rng, kind, top)
    parts = [_lining(bands, make), *(_ring(rng, band, make) for band in bands)]
    lowest = bands[-1]
    front = _NECK + lowest.deep + lowest.thick
    y = lowest.y - lowest.dip
    if kind == "one_end":
        x = float(rng.choice([-1, 1])) * rng.uniform(0.15, 0.5)
        parts += _end(rng, make, x, y + 0.1, front - 0.02, rng.uniform(0.28, 0.42))
    elif kind == "two_ends":
        for side in (-1, 1):
            x = side * rng.uniform(0.42, 0.55)
            parts += _end(rng, make, x, y + 0.25, front - 0.12, rng.uniform(0.26, 0.36))
    elif kind == "knot":
        parts.append(_knot(rng, make, y, front))
        for side in (-1, 1):
            x = side * rng.uniform(0.12, 0.26)
            wide, long = rng.uniform(0.2, 0.3), rng.uniform(0.5, 1.1)
            parts += _end(rng, make, x, y - 0.05, front - 0.03 - 0.03 * side, wide, long)
    return parts


def _bands(rng: np.random.Generator, kind: str, top: float) -> list[_Band]:
    """Return the turns from the uppermost down, each looser than the one above."""
    count = 2 if kind in ("knot", "two_ends") else int(rng.integers(2, 4))
    bottom = rng.uniform(-2.35, -2.05)
    height = (top - bottom) / count
    bands = []
    for k in range(count):
        y = top - (k + 0.5) * height
        loose = k / max(count - 1, 1)
        bands.append(
            _Band(
                y=y + 0.1,
                half=height * rng.uniform(0.72, 0.86),
                wide=0.98 + 0.17 * loose + rng.uniform(-0.03, 0.04),
                deep=0.98 + 0.14 * loose + rng.uniform(-0.03, 0.04),
                tilt=rng.normal(0, 0.12),
                dip=rng.uniform(-0.02, 0.1) + 0.12 * loose,
                thick=rng.uniform(0.1, 0.17),
            )
        )
    return bands


def _lining(bands: Sequence[_Band], make: Make) -> Part:
    """Return what is seen between two turns: cloth further in."""
    high, low = bands[0].y - bands[0].dip, bands[-1].y - bands[-1].dip
    middle, half = (high + low) / 2, (high - low) / 2 + 0.06
    wide, deep = np.float32(0.94), np.float32(0.94)

    def distance(p: Float32) -> Float32:
        x, z = p[:, 0] / wide, (p[:, 2] - np.float32(_NECK)) / deep
        wall = np.abs(np.hypot(x, z) - 1) * np.float32(0.9) - np.float32(0.03)
        return np.asarray(np.maximum(wall, np.abs(p[:, 1] - np.float32(middle)) - np.float32(half)))

    def flat(p: Float32) -> Float32:
        angle = np.arctan2(p[:, 0], p[:, 2] - np.float32(_NECK))
        return np.asfortranarray(np.stack([angle, p[:, 1], np.zeros_like(angle)], axis=1))

    return Part(distance, make(flat))


def _ring(rng: np.random.Generator, band: _Band, make: Make) -> Part:
    """Return one turn: a folded ring about the neck."""
    folds = int(rng.integers(2, 5))
    drift, rough = Noise(rng, (0.5, 0.35, 0.5), 2), Noise(rng, (0.3, 0.16, 0.3), 2)
    phase, depth = rng.uniform(0, 6.3), rng.uniform(0.035, 0.065)

    def around(p: Float32) -> tuple[Float32, Float32]:
        """Return the angle from the front, and the height above the middle of the band."""
        x, z = p[:, 0], p[:, 2] - np.float32(_NECK)
        angle = np.arctan2(x / np.float32(band.wide), z / np.float32(band.deep))
        middle = np.float32(band.y) + np.float32(band.tilt) * np.sin(angle)
        middle -= np.float32(band.dip) * np.cos(angle)
        return np.asarray(angle), np.asarray(p[:, 1] - middle)

    def distance(p: Float32) -> Float32:
        x, z = (
            p[:, 0] / np.float32(band.wide),
            (p[:, 2] - np.float32(_NECK)) / np.float32(band.deep),
        )
        near = np.hypot(x, z)
        steep = np.hypot(x / np.float32(band.wide), z / np.float32(band.deep))
        out = near * (near - 1) / np.maximum(steep, np.float32(1e-3))
        _, v = around(p)
        t = v / np.float32(band.half)
        rows = np.flatnonzero((np.abs(out) < 0.4) & (np.abs(t) < 1.6))
        lift = np.zeros(len(p), np.float32)
        q = p[rows]
        wave = np.sin(t[rows] * np.float32(folds * 1.6) + np.float32(phase) + 2.6 * drift(q))
        lift[rows] = np.float32(depth) * wave + np.float32(0.03) * rough(q)
        swell = np.float32(band.thick) * np.sqrt(np.maximum(1 - np.minimum(t * t, 1), 0))
        body = np.abs(out) - swell - lift * np.clip(1.35 - np.abs(t), 0, 1)
        over = (np.abs(v) - np.float32(band.half)) * np.float32(0.9)
        return np.asarray(np.maximum(body * np.float32(0.8), over))

    def flat(p: Float32) -> Float32:
        angle, v = around(p)
        u = angle * np.float32((band.wide + band.deep) / 2)
        w = v * np.float32(1.15) + np.float32(0.06) * drift(p)
        return np.asfortranarray(np.stack([u, w, np.zeros_like(u)], axis=1))

    return Part(distance, make(flat))


def _end(
    rng: np.random.Generator,
    make: Make,
    x: float,
    y: float,
    z: float,
    wide: float,
    long: float | None = None,
) -> list[Part]:
    """Return an end that hangs down over the chest, with or without a fringe."""
    tall = rng.uniform(0.7, 1.25) if long is None else long
    lean, spread = rng.normal(0, 0.09) + 0.1 * np.sign(x), rng.uniform(1.0, 1.35)
    folds, phase = rng.uniform(5, 10), rng.uniform(0, 6.3)
    drift = Noise(rng, (0.4, 0.9, 0.5), 2)
    low = y - tall

    def place(p: Float32) -> tuple[Float32, Float32, Float32]:
        share = np.clip((np.float32(y) - p[:, 1]) / np.float32(tall), 0, 1.2)
        u = p[:, 0] - np.float32(x) - np.float32(lean * tall) * share
        room = np.float32(wide) * (np.float32(0.8) + np.float32(spread - 0.8) * share)
        return np.asarray(u), np.asarray(share), np.asarray(room)

    def distance(p: Float32) -> Float32:
        u, share, room = place(p)
        near = np.flatnonzero(np.abs(p[:, 2] - np.float32(z)) < 0.5)
        wave = np.zeros(len(p), np.float32)
        q = p[near]
        turn = u[near] * np.float32(folds) + np.float32(phase) + 1.5 * drift(q)
        wave[near] = np.float32(0.065) * np.sin(turn) * (0.5 + share[near])
        bow = np.float32(0.1) * np.sin(np.minimum(share, 1) * np.float32(2.4))
        sheet = np.abs(p[:, 2] - np.float32(z) - bow - wave) * np.float32(0.75) - np.float32(0.05)
        sides = np.abs(u) - room
        ends = np.maximum(p[:, 1] - np.float32(y), np.float32(low) - p[:, 1])
        soft = np.float32(0.03)
        out = np.hypot(np.maximum(sides + soft, 0), np.maximum(sheet + soft, 0))
        rim = out + np.minimum(np.maximum(sides, sheet) + soft, 0) - soft
        return np.asarray(np.maximum(rim, ends))

    def flat(p: Float32) -> Float32:
        u, _, _ = place(p)
        return np.asfortranarray(np.stack([p[:, 1], u, np.zeros_like(u)], axis=1))

    material = make(flat)
    parts = [Part(distance, material)]
    if rng.random() < 0.65:
        parts.append(Part(_fringe(rng, x + lean * tall, low, z, wide * spread), material))
    return parts


def _fringe(rng: np.random.Generator, x: float, low: float, z: float, wide: float) -> Shape:
    """Return strands below an end."""
    count = int(rng.integers(7, 12))
    thin = 0.3 * wide / count * 2
    strands = []
    for k in range(count):
        start = x + wide * (2 * (k + 0.5) / count - 1) * 0.94
        sway, long = rng.normal(0, 0.025), rng.uniform(0.2, 0.27)
        bow = z + 0.06 + rng.normal(0, 0.02)
        path = [(start, low + 0.03, bow), (start + sway, low - long, bow - 0.02)]
        strands.append(tube(path, [thin, thin * 0.8]))

    def distance(p: Float32) -> Float32:
        result = np.full(len(p), np.inf, np.float32)
        for strand in strands:
            np.minimum(result, strand(p), out=result)
        return result

    return distance


def _knot(rng: np.random.Generator, make: Make, y: float, z: float) -> Part:
    """Return a knot or loop that the ends come out of."""
    wide, tall = rng.uniform(0.26, 0.36), rng.uniform(0.22, 0.3)
    folds, drift = rng.uniform(9, 14), Noise(rng, 0.25, 2)
    middle = np.array([rng.normal(0, 0.04), y + 0.05, z - 0.03], np.float32)
    size = np.array([wide, tall, 0.2], np.float32)

    def distance(p: Float32) -> Float32:
        q = (p - middle) / size
        near = np.sqrt((q * q).sum(axis=1))
        steep = np.sqrt(((q / size) ** 2).sum(axis=1))
        body = near * (near - 1) / np.maximum(steep, np.float32(1e-3))
        rows = np.flatnonzero(np.abs(body) < 0.15)
        wave = np.sin(q[rows, 0] * np.float32(wide * folds * 2.2) + 2 * drift(p[rows]))
        body[rows] -= np.float32(0.025) * wave
        return np.asarray(np.maximum(body, np.float32(-0.2)) * np.float32(0.85))

    def flat(p: Float32) -> Float32:
        q = p - middle
        return np.asfortranarray(np.stack([q[:, 1], q[:, 0], q[:, 2]], axis=1))

    return Part(distance, make(flat))


def _cloth(rng: np.random.Generator) -> Make:
    """Return what makes the material of a piece: cloth laid along (u, v) of the scarf."""
    is_knit = rng.random() < 0.45
    pattern = _print(rng, is_knit=is_knit)
    tint = mottled(pattern, rng, 0.08, 0.06)
    if is_knit:
        relief = knit(rng.uniform(0.085, 0.14), rng.uniform(0.014, 0.022))
    else:
        relief = weave(0.028, 0.004, 6.0)
    wander = Noise(rng, (0.25, 0.12, 0.2), 2)
    gloss = 0.1 if is_knit or rng.random() < 0.75 else 0.42
    sheen = rng.uniform(0.12, 0.3)

    def make(to_cloth: ToCloth) -> Material:
        def bump(p: Float32) -> Float32:
            q = to_cloth(p)
            turned = np.asfortranarray(q[:, [1, 0, 2]]) if is_knit else q
            return np.asarray(relief(turned) + np.float32(0.006) * wander(q))

        def albedo(p: Float32, n: Float32) -> Float32:
            return tint(to_cloth(p), n)

        return Material(
            albedo=albedo,
            gloss=gloss,
            specular=0.02 if gloss < 0.2 else 0.06,
            sheen=sheen,
            wrap=0.2,
            bump=bump,
        )

    return make


def _print(rng: np.random.Generator, *, is_knit: bool) -> Pattern:
    """Return the colours: plain, stripes across, plaid, prints."""
    kind = str(rng.choice(["plain", "stripes", "print"], p=[0.42, 0.26, 0.32]))
    if kind == "plain":
        value = float(rng.choice([0.12, 0.3, 0.55, 0.85]))
        return plain(hsv(rng.random(), rng.choice([0.08, 0.45, 0.8]), value))
    if kind == "stripes":
        tones = palette(rng, 3)[: int(rng.integers(2, 4))]
        return stripes(tones, rng.uniform(0.3, 0.7), 0.0)
    kinds: Sequence[str] = (
        ("plaid", "melange") if is_knit else ("plaid", "dots", "flowers", "plaid")
    )
    return print_pattern(rng, 0.4, tuple(kinds))
