"""Eye masks: padded sleep masks of satin and cloth, and carnival masks."""

import numpy as np

from ..lighting import Light
from ..materials import (
    Material,
    Noise,
    Pattern,
    add_bumps,
    blend,
    cloth,
    hsv,
    mottled,
    plain,
    with_bump,
)
from ..rendering import Camera, Rendered, render_scene
from ..shapes import Float32, Outline, Shape, spline
from ..tracing import Part
from .carnival import carnival
from .fabric import Colour, print_pattern, script
from .face import EAR, LANDMARKS, eyes, head

__all__ = ["eye_mask"]


def eye_mask(rng: np.random.Generator, size: int = 176) -> Rendered:
    """Return a sleep mask or a carnival mask.

    Parameters
    ----------
    rng : numpy.random.Generator
    size : int, optional
        Longest side in pixels.
    """
    parts = _sleep_mask(rng) if rng.random() < 0.55 else carnival(rng)
    light, camera = Light.draw(rng), Camera.draw(rng, yaw=16, pitch=6, roll=3)
    anchors = {**eyes(), "nose": LANDMARKS["nose"]}
    return render_scene(
        [*parts, head()],
        camera=camera,
        light=light,
        size=size,
        anchors=anchors,
        extent=1.7,
        step=0.65,
    )


def _form(p: Float32) -> Float32:
    """Return the distance from the sheet a soft mask lies in: bent around the head."""
    x, y = p[:, 0], p[:, 1]
    front = np.float32(0.2) - np.float32(0.5) * x * x - np.float32(0.12) * y * y
    steep = np.sqrt(1 + x * x + np.float32(0.06) * y * y)
    return np.asarray((p[:, 2] - front) / steep, np.float32)


def _sleep_mask(rng: np.random.Generator) -> list[Part]:
    """Return a pad with piping and an elastic strap."""
    wide, top, low = rng.uniform(0.86, 0.96), rng.uniform(0.3, 0.4), rng.uniform(-0.52, -0.38)
    notch, dip = rng.uniform(-0.3, -0.12), top - rng.uniform(0, 0.07)
    right = [
        (0.0, dip), (0.42, top), (0.78, 0.7 * top), (wide, 0.02), (0.82, low * 0.72),
        (0.5, low), (0.25, low * 0.82), (0.1, notch - 0.06), (0.0, notch),
    ]  # fmt: skip
    outline = Outline(
        spline([*right, *[(-x, y) for x, y in right[-2:0:-1]]], 5, closed=True), cells=200
    )
    thick, quilt = rng.uniform(0.05, 0.1), rng.random() < 0.2
    body = _silk(rng, outline) if rng.random() < 0.6 else cloth(_figures(rng, outline), rng)
    crease = Noise(rng, (0.16, 0.28, 0.3), 2)
    pull = rng.uniform(0.006, 0.016)

    def relief(p: Float32) -> Float32:
        inward = -outline(p[:, 0], p[:, 1])
        gather = 0.012 * np.sin(np.arctan2(p[:, 1] - 0.1, p[:, 0]) * 70) * np.exp(-inward / 0.04)
        cushion = np.zeros(len(p), np.float32)
        if quilt:
            u, v = (p[:, 0] + p[:, 1]) * 14, (p[:, 0] - p[:, 1]) * 14
            cushion = 0.016 * np.sqrt(np.abs(np.sin(u) * np.sin(v)))
        return np.asarray(np.float32(pull) * crease(p) + gather + cushion, np.float32)

    def pad(p: Float32) -> Float32:
        across = outline(p[:, 0], p[:, 1])
        inward = np.clip(-across / np.float32(0.3), 0, 1)
        high = np.float32(thick) * (0.25 + 0.75 * np.sqrt(inward * (2 - inward) + 1e-4))
        along = np.abs(_form(p)) - high
        soft = np.float32(0.02)
        outside = np.hypot(np.maximum(across + soft, 0), np.maximum(along + soft, 0))
        return np.asarray(outside + np.minimum(np.maximum(across, along) + soft, 0) - soft)

    def piping(p: Float32) -> Float32:
        return np.asarray(np.hypot(outline(p[:, 0], p[:, 1]), _form(p)) - np.float32(0.028))

    tone = hsv(rng.random(), rng.uniform(0, 0.5), rng.choice([0.06, 0.25, 0.9]))
    edge = cloth(plain(tone), rng)
    strap = cloth(plain(tone if rng.random() < 0.6 else (0.06, 0.06, 0.07)), rng)
    parts = [Part(pad, with_bump(body, relief)), Part(piping, edge)]
    return [*parts, *(Part(_strap(side, wide), strap) for side in (-1, 1))]


def _strap(side: int, wide: float) -> Shape:
    """Return a flat elastic band from a corner of the mask to behind the ear."""
    start = np.array([(wide - 0.05) * side, 0.2 - 0.5 * (wide - 0.05) ** 2])
    end = np.array([(EAR[0] + 0.03) * side, EAR[2]])
    along = (end - start).astype(np.float32)
    length = np.float32(along @ along)

    def distance(p: Float32) -> Float32:
        x, z = p[:, 0] - np.float32(start[0]), p[:, 2] - np.float32(start[1])
        share = np.clip((x * along[0] + z * along[1]) / length, 0, 1)
        bow = np.float32(0.06 * side) * share * (1 - share)
        gap = np.hypot(x - share * along[0] - bow, z - share * along[1]) - np.float32(0.01)
        tall = np.abs(p[:, 1] - np.float32(0.02) - np.float32(0.06) * share) - np.float32(0.065)
        return np.asarray(np.maximum(gap, tall))

    return distance


def _silk(rng: np.random.Generator, outline: Outline) -> Material:
    """Return satin: broad highlights, fine creases."""
    sheen = Noise(rng, (0.05, 0.3, 0.3), 2)
    return Material(
        albedo=mottled(_figures(rng, outline), rng, 0.03, 0.1),
        gloss=rng.uniform(0.42, 0.55),
        specular=rng.uniform(0.08, 0.16),
        sheen=0.3,
        bump=add_bumps(lambda p: sheen(p) * np.float32(0.003)),
    )


def _figures(rng: np.random.Generator, outline: Outline) -> Pattern:
    """Return the print of a sleep mask."""
    kind = str(
        rng.choice(
            ["plain", "lashes", "print", "stars", "leopard", "script", "two"],
            p=[0.3, 0.2, 0.2, 0.1, 0.06, 0.09, 0.05],
        )
    )
    hue = rng.random()
    dark = hsv(hue, rng.uniform(0.1, 0.8), rng.uniform(0.06, 0.35))
    pale = hsv(hue + rng.normal(0, 0.1), rng.uniform(0.1, 0.5), rng.uniform(0.7, 0.95))
    ground, ink = (dark, pale) if rng.random() < 0.6 else (pale, dark)
    if kind == "print":
        return print_pattern(rng, 0.2)
    if kind == "lashes":
        return _lashes(plain(ground), ink)
    if kind == "stars":
        return _stars(rng, ground, ink)
    if kind == "leopard":
        spot, ring = Noise(rng, 0.06), Noise(rng, 0.06)
        sand, rust, black = (0.78, 0.58, 0.34), (0.5, 0.3, 0.13), (0.08, 0.05, 0.04)
        inner = blend(plain(sand), plain(rust), lambda p: 14 * spot(p) - 5)
        return blend(
            inner, plain(black), lambda p: 3 - 14 * np.abs(spot(p) - 0.35) + 3 * (ring(p) - 0.3)
        )
    if kind == "script":
        return script(rng, plain(ground), ink, -0.02, rng.uniform(0.12, 0.2))
    if kind == "two":
        rim = [0.55 * channel for channel in ground]
        return blend(
            plain(rim), plain(ground), lambda p: (-outline(p[:, 0], p[:, 1]) - 0.07) * 90 + 0.5
        )
    return plain(ground)


def _lashes(ground: Pattern, ink: Colour) -> Pattern:
    """Return two closed eyes with lashes."""
    tone = np.asarray(ink, np.float32)

    def colour(p: Float32, n: Float32) -> Float32:
        x, y = np.abs(p[:, 0]) - np.float32(0.43), p[:, 1] - np.float32(0.16)
        away, angle = np.hypot(x, y), np.arctan2(-y, x)
        lid = (np.abs(away - 0.25) < 0.02) & (angle > 0.4) & (angle < 2.75)
        phase = (angle - 0.4) / np.float32(2.35) * 6
        tick = np.abs(phase - np.rint(phase)) * away * np.float32(0.39) < 0.014
        lash = tick & (away > 0.25) & (away < 0.37) & (angle > 0.3) & (angle < 2.85)
        return np.where((lid | lash)[:, None], tone, ground(p, n))

    return colour


def _stars(rng: np.random.Generator, ground: Colour, ink: Colour) -> Pattern:
    """Return five-pointed stars scattered on a grid."""
    period, side = np.float32(rng.uniform(0.16, 0.26)), 8
    turn = rng.uniform(0, 1.3, (side, side)).astype(np.float32)
    reach = rng.uniform(0.2, 0.42, (side, side)).astype(np.float32)
    low, high = np.asarray(ground, np.float32), np.asarray(ink, np.float32)

    def colour(p: Float32, n: Float32) -> Float32:
        v = p[:, 1] / period
        j = np.floor(v).astype(int)
        u = p[:, 0] / period + np.float32(0.5) * (j % 2)
        i = np.floor(u).astype(int)
        x, y = u - i - np.float32(0.5), v - j - np.float32(0.5)
        angle = np.arctan2(y, x) + turn[i % side, j % side]
        fifth = np.abs(np.mod(angle / np.float32(2 * np.pi / 5), 1) - 0.5) * 2
        edge = reach[i % side, j % side] * (1 - 0.58 * fifth / (0.42 + 0.58 * fifth))
        return np.where((np.hypot(x, y) < edge)[:, None], high, low)

    return colour
