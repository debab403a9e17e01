"""Phones: their screen with something on it, or their back with cameras, bare or in a case."""

from collections.abc import Callable

import numpy as np

from ..lighting import Light
from ..materials import (
    Material,
    Pattern,
    blend,
    gradient,
    hsv,
    image,
    metal,
    mottled,
    plain,
    plastic,
)
from ..rendering import Camera, Rendered, render_scene
from ..shapes import Float32, cylinder, extrude, move, rotation, torus
from ..tracing import Part
from .fabric import print_pattern
from .held import CENTIMETRE, held
from .scenery import wallpaper
from .screen import screen

__all__ = ["phone"]

Flat = Callable[[Float32, Float32], Float32]


def phone(rng: np.random.Generator, size: int = 176) -> Rendered:
    """Return a phone held up, seen from its front or its back.

    Parameters
    ----------
    rng : numpy.random.Generator
    size : int, optional
        Longest side in pixels.
    """
    half = np.array([rng.uniform(6.7, 7.8), rng.uniform(13.8, 16.4)]) / 2 * CENTIMETRE
    wide, tall = float(half[0]), float(half[1])
    is_old = rng.random() < 0.18
    corner = rng.uniform(0.05, 0.16) if not is_old else rng.uniform(0.12, 0.17)
    deep = rng.uniform(0.045, 0.06)
    sideways = rng.random() < 0.14
    is_front = sideways or rng.random() < 0.5
    parts = [Part(extrude(_round(wide, tall, corner), deep, 0.025), _frame(rng))]
    if is_front:
        parts += _front(rng, wide, tall, corner, deep, is_old=is_old, sideways=sideways)
    else:
        parts += _back(rng, wide, tall, corner, deep)
    camera = _camera(rng, sideways=sideways)
    low = (0.0, -tall, 0.0) if not sideways else (wide, 0.0, 0.0)
    cover = (0.0, 0.15 * tall, deep)
    return render_scene(
        parts,
        camera=camera,
        light=Light.draw(rng),
        size=size,
        anchors=held(camera, cover, low),
        extent=1.4,
    )


def _camera(rng: np.random.Generator, *, sideways: bool) -> Camera:
    drawn = Camera.draw(rng, yaw=48, pitch=20, roll=16)
    turn = 90.0 if sideways else 0.0
    return Camera(yaw=drawn.yaw, pitch=drawn.pitch, roll=drawn.roll + turn, distance=drawn.distance)


def _round(wide: float, tall: float, corner: float) -> Flat:
    """Return a rectangle of half sides with round corners."""

    def distance(x: Float32, y: Float32) -> Float32:
        a = np.abs(x) - np.float32(wide - corner)
        b = np.abs(y) - np.float32(tall - corner)
        outside = np.hypot(np.maximum(a, 0), np.maximum(b, 0))
        return np.asarray(outside + np.minimum(np.maximum(a, b), 0) - np.float32(corner))

    return distance


def _frame(rng: np.random.Generator) -> Material:
    if rng.random() < 0.7:
        tone = hsv(rng.uniform(0, 1), rng.choice([0.0, 0.12, 0.3]), rng.uniform(0.15, 0.85))
        return metal(tone, 0.6)
    return plastic(plain(hsv(rng.random(), 0.3, rng.choice([0.05, 0.2, 0.9]))), 0.5)


def _front(
    rng: np.random.Generator,
    wide: float,
    tall: float,
    corner: float,
    deep: float,
    *,
    is_old: bool,
    sideways: bool,
) -> list[Part]:
    """Return the glass with what the screen shows, and what is cut out of it."""
    side = 0.03 if not is_old else 0.05
    top = side if not is_old else rng.uniform(0.16, 0.22)
    across, down = wide - side, tall - top
    shown = screen(rng, down / across, sideways=sideways)
    picture = np.rint(np.clip(shown, 0, 1) * 255).astype(np.uint8)
    inner = _round(across, down, 0.02 if is_old else max(corner - 0.03, 0.02))
    notch = "none" if is_old else str(rng.choice(["island", "notch", "hole", "corner"]))
    holes = {
        "island": (0.0, tall - 0.13, 0.12),
        "notch": (0.0, tall - 0.03, 0.26),
        "hole": (0.0, tall - 0.12, 0.0),
        "corner": (-wide + 0.14, tall - 0.13, 0.0),
    }

    def to_uv(p: Float32) -> tuple[Float32, Float32]:
        u = (p[:, 0] / np.float32(across) + 1) / 2
        return np.asarray(u), np.asarray((1 - p[:, 1] / np.float32(down)) / 2)

    def lit(p: Float32) -> Float32:
        inside = inner(p[:, 0], p[:, 1])
        if notch != "none":
            x, y, reach = holes[notch]
            away = np.hypot(np.maximum(np.abs(p[:, 0] - x) - reach, 0), p[:, 1] - y)
            inside = np.maximum(inside, np.float32(0.045) - away)
        return np.clip(0.5 - inside * 200, 0, 1)

    bezel = (0.94, 0.94, 0.95) if is_old and rng.random() < 0.5 else (0.015, 0.015, 0.018)
    face = blend(plain(bezel), image(picture, to_uv), lit)
    glow = 0.0 if float(shown.max()) < 0.05 else rng.uniform(0.5, 1.1)

    def emits(p: Float32) -> Float32:
        return np.asarray(lit(p) * np.float32(glow))

    pane = Material(albedo=face, gloss=0.93, specular=0.045, glow=emits)
    panel = extrude(_round(wide - 0.012, tall - 0.012, corner - 0.01), 0.012, 0.005, (0, 0, deep))
    parts = [Part(panel, pane)]
    if is_old:
        ring = torus((0, -tall + 0.1, deep + 0.012), 0.055, 0.006)
        parts.append(Part(ring, metal((0.6, 0.6, 0.62), 0.5)))
    slot = extrude(_round(0.12, 0.012, 0.012), 0.004, 0.0, (0, tall - 0.09, deep + 0.012))
    if is_old:
        parts.append(Part(slot, plastic(plain((0.1, 0.1, 0.1)), 0.2)))
    if rng.random() < 0.3:
        parts.append(_case(rng, wide, tall, corner, deep, lip=True))
    return parts


def _case(
    rng: np.random.Generator, wide: float, tall: float, corner: float, deep: float, *, lip: bool
) -> Part:
    """Return a rubber case: seen from the front, a rim; from the back, all of it."""
    thick = rng.uniform(0.025, 0.05)
    outer = _round(wide + thick, tall + thick, corner + thick)
    body = extrude(outer, deep + 0.03, 0.025)
    if lip:
        inner = _round(wide - 0.006, tall - 0.006, corner)

        def rim(p: Float32) -> Float32:
            return np.asarray(np.maximum(body(p), -inner(p[:, 0], p[:, 1])))

        return Part(rim, plastic(plain(hsv(rng.random(), rng.uniform(0.2, 0.8), 0.6)), 0.35))
    return Part(body, plastic(_case_print(rng), rng.uniform(0.2, 0.75)))


def _case_print(rng: np.random.Generator) -> Pattern:
    kind = str(rng.choice(["plain", "print", "art", "marble"], p=[0.35, 0.3, 0.2, 0.15]))
    tone = hsv(rng.random(), rng.uniform(0.3, 0.85), rng.uniform(0.35, 0.9))
    if kind == "print":
        return print_pattern(rng, 0.24, ("stripes", "dots", "plaid", "flowers", "camouflage"))
    if kind == "art":
        picture = np.rint(np.clip(wallpaper(rng, 220, 110), 0, 1) * 255).astype(np.uint8)
        half = np.float32(0.5)
        return image(picture, lambda p: (p[:, 0] + half, half - p[:, 1] * half))
    if kind == "marble":
        return mottled(plain((0.86, 0.85, 0.84)), rng, 0.22, 0.25)
    return plain(tone)


def _back(
    rng: np.random.Generator, wide: float, tall: float, corner: float, deep: float
) -> list[Part]:
    """Return the back: glass or a case, a bump with lenses, a mark."""
    hue, shade = rng.random(), rng.choice([0.1, 0.35, 0.6, 0.88])
    if rng.random() < 0.5:
        panel = _case(rng, wide, tall, corner, deep, lip=False)
        level = deep + 0.03
    else:
        tone, other = hsv(hue, rng.uniform(0, 0.6), shade), hsv(hue + 0.12, 0.5, 0.7)
        albedo = gradient(tone, other, -tall, tall) if rng.random() < 0.35 else plain(tone)
        gloss = rng.choice([0.35, 0.55, 0.9])
        flat = _round(wide - 0.012, tall - 0.012, corner - 0.01)
        panel = Part(extrude(flat, 0.012, 0.006, (0, 0, deep)), plastic(albedo, float(gloss)))
        level = deep + 0.012
        if rng.random() < 0.7:
            spot = _mark(rng, level, hsv(hue, 0.1, 0.9 if shade < 0.5 else 0.4))
            return [panel, *_cameras(rng, wide, tall, level, hsv(hue, 0.3, shade)), spot]
    return [panel, *_cameras(rng, wide, tall, level, hsv(hue, 0.2, shade))]


def _mark(rng: np.random.Generator, level: float, tone: tuple[float, float, float]) -> Part:
    """Return a maker's mark: a ring, a drop or a word-like bar."""
    kind = int(rng.integers(3))
    if kind == 0:
        return Part(torus((0, 0.05, level), 0.075, 0.012), metal(tone, 0.7))
    if kind == 1:
        disc = move(cylinder((0, 0, 0), 0.085, 0.004), (0, 0.1, level), rotation(pitch=90))
        return Part(disc, metal(tone, 0.8))
    return Part(extrude(_round(0.18, 0.025, 0.02), 0.004, 0, (0, -0.55, level)), metal(tone, 0.6))


def _cameras(
    rng: np.random.Generator,
    wide: float,
    tall: float,
    level: float,
    tone: tuple[float, float, float],
) -> list[Part]:
    """Return the island of lenses: a square, a strip, a bar, a disc, or lenses alone."""
    kind = str(rng.choice(["square", "strip", "bar", "disc", "alone"]))
    r = rng.uniform(0.075, 0.095)
    x, y = -wide + 0.1, tall - 0.1
    if kind == "square":
        side = 0.235
        middle, half, soft = (x + side, y - side), (side, side), 0.1
        count = int(rng.integers(2, 4))
        spots = [(-0.11, 0.11), (-0.11, -0.11), (0.11, 0.0)][:count]
        flash = (0.12, 0.13) if count == 3 else (0.11, 0.0)
    elif kind == "strip":
        middle, half, soft = (x + 0.13, y - 0.33), (0.13, 0.33), 0.11
        spots, flash = [(0.0, 0.21), (0.0, 0.0), (0.0, -0.18)], (0.0, -0.275)
    elif kind == "bar":
        middle, half, soft = (0.0, y - 0.14), (wide - 0.01, 0.12), 0.1
        spots, flash = [(-0.22, 0.0), (0.0, 0.0)], (0.2, 0.0)
    elif kind == "disc":
        middle, half, soft = (0.0, y - 0.32), (0.3, 0.3), 0.3
        spots, flash = [(-0.12, 0.1), (0.12, 0.1), (0.0, -0.13)], (0.0, 0.21)
    else:
        middle, half, soft = (x + 0.1, y - 0.3), (0.1, 0.3), 0.1
        spots, flash = [(0.0, 0.2), (0.0, -0.04), (0.0, -0.26)], (0.17, 0.2)
    parts = []
    if kind != "alone":
        island = extrude(_round(*half, soft), 0.028, 0.012, (*middle, level))
        shade = tone if rng.random() < 0.5 else (0.03, 0.03, 0.035)
        parts.append(Part(island, plastic(plain(shade), 0.7)))
    top = level + (0.028 if kind != "alone" else 0.0)
    upright = rotation(pitch=90)
    black, pupil = (
        plastic(plain((0.012, 0.012, 0.016)), 0.95),
        plastic(plain((0.05, 0.06, 0.14)), 0.9),
    )
    rim = metal(hsv(0.6, 0.05, rng.uniform(0.3, 0.8)), 0.7)
    for dx, dy in spots:
        place = (middle[0] + dx, middle[1] + dy)
        ring = cylinder((0, 0, 0), r, 0.03, 0.008)
        parts.append(Part(move(ring, (*place, top), upright), rim))
        lens = cylinder((0, 0, 0), 0.82 * r, 0.034, 0.004)
        parts.append(Part(move(lens, (*place, top), upright), black))
        core = cylinder((0, 0, 0), 0.38 * r, 0.037, 0.004)
        parts.append(Part(move(core, (*place, top), upright), pupil))
    bulb = cylinder((0, 0, 0), 0.036, 0.008, 0.004)
    glow = plastic(plain((0.98, 0.92, 0.75)), 0.5)
    spot = (middle[0] + flash[0], middle[1] + flash[1], top)
    parts.append(Part(move(bulb, spot, upright), glow))
    return parts
