"""Drinking glasses, seen through, and what is in them."""

import numpy as np

from ..materials import Material, blend, glass, gradient, hsv, plain, plastic
from ..shapes import Shape, box, capsule, move, rotation, smooth_union, union
from ..tracing import Part
from .skeleton import CM
from .vessels import Vessel, handle, profile, turned

__all__ = ["glassware"]


def glassware(rng: np.random.Generator) -> tuple[list[Part], Vessel]:
    """Return the parts of a glass and its vessel."""
    kind = str(rng.choice(["tumbler", "highball", "wine", "beer"], p=[0.34, 0.26, 0.22, 0.18]))
    vessel = _vessel(rng, kind)
    shape: Shape = vessel.body()
    if kind == "wine":
        shape = union(shape, _stem(rng, vessel))
    elif kind == "beer":
        shape = smooth_union(0.5 * CM, shape, handle(vessel, 0.84, 0.22, 3.2 * CM, 0.75 * CM, 0.7))
    pane = glass((0.68, 0.76, 0.77), rng.uniform(0.06, 0.11), specular=0.09)
    parts = [Part(shape, pane)]
    level = rng.uniform(0.35, 0.6) if kind == "wine" else rng.uniform(0.6, 0.88)
    filling, material = vessel.filling(level, 0.006), _drink(rng, kind, vessel, level)
    parts.append(Part(filling, material))
    if kind == "highball" and rng.random() < 0.6:
        lean, y = rng.uniform(-0.25, 0.25), vessel.top
        straw = capsule(
            (-0.6 * lean, vessel.bottom + 0.2, 0.05), (lean, y + 5 * CM, -0.05), 0.3 * CM
        )
        parts.append(
            Part(straw, plastic(plain(hsv(rng.random(), rng.uniform(0.3, 0.9), 0.85)), 0.6))
        )
    if kind in ("tumbler", "highball") and rng.random() < 0.5:
        parts += _ice(rng, vessel, level)
    return parts, vessel


def _vessel(rng: np.random.Generator, kind: str) -> Vessel:
    if kind == "tumbler":
        r, h = rng.uniform(3.7, 4.4) * CM, rng.uniform(8, 10.5) * CM / 2
        side = [(rng.uniform(0.8, 1.0) * r, -h), (0.92 * r, 0.0), (r, h)]
        return Vessel(np.array(side), 0.25 * CM, 1.1 * CM)
    if kind == "highball":
        r, h = rng.uniform(3.0, 3.5) * CM, rng.uniform(13, 16) * CM / 2
        return Vessel(np.array([(0.85 * r, -h), (0.93 * r, 0.0), (r, h)]), 0.22 * CM, 1.0 * CM)
    if kind == "wine":
        r, h = rng.uniform(3.8, 4.6) * CM, rng.uniform(8.5, 10.5) * CM / 2
        side = [
            (0.08 * r, -h),
            (0.5 * r, -0.85 * h),
            (0.95 * r, -0.3 * h),
            (r, 0.1 * h),
            (0.88 * r, 0.65 * h),
            (0.74 * r, h),
        ]
        return Vessel(profile(side), 0.16 * CM, 0.3 * CM, stemmed=True)
    r, h = rng.uniform(4.0, 4.6) * CM, rng.uniform(11, 15) * CM / 2
    return Vessel(
        profile([(0.95 * r, -h), (r, -0.9 * h), (0.96 * r, 0.0), (r, h)]), 0.45 * CM, 1.4 * CM
    )


def _stem(rng: np.random.Generator, vessel: Vessel) -> Shape:
    """Return stem and foot of a wine glass."""
    y, long, foot = vessel.bottom, rng.uniform(5, 8) * CM, rng.uniform(3.0, 3.6) * CM
    low = y - long
    return turned(
        np.array(
            [
                (0.0, low), (foot, low), (foot, low + 0.12 * CM), (0.9 * CM, low + 0.5 * CM),
                (0.42 * CM, low + 1.3 * CM), (0.36 * CM, (y + low) / 2), (0.5 * CM, y),
                (0.9 * CM, y + 0.4 * CM),
                (0.0, y + 0.5 * CM),
            ]
        )
    )  # fmt: skip


def _drink(rng: np.random.Generator, kind: str, vessel: Vessel, level: float) -> Material:
    """Return water, juice, milk, cola, iced tea, beer or wine."""
    if kind == "wine":
        red = rng.random() < 0.6
        tone = (
            hsv(0.96, 0.9, rng.uniform(0.25, 0.4))
            if red
            else hsv(0.13, rng.uniform(0.3, 0.55), 0.85)
        )
        return glass(tone, rng.uniform(0.86, 0.95) if red else rng.uniform(0.4, 0.6), specular=0.03)
    if kind == "beer":
        inner = vessel.inner()
        surface = inner[0, 1] + level * (vessel.top - inner[0, 1])
        foam = surface - rng.uniform(0.8, 2.2) * CM
        amber = hsv(rng.uniform(0.07, 0.13), rng.uniform(0.75, 0.95), rng.uniform(0.35, 0.85))
        albedo = blend(
            plain(amber), plain((0.96, 0.94, 0.88)), lambda p: 60 * (p[:, 1] - np.float32(foam))
        )

        def opacity(p: np.ndarray) -> np.ndarray:
            return np.where(p[:, 1] > foam, 0.99, 0.82).astype(np.float32)

        return glass(albedo, opacity, gloss=0.5, specular=0.02)
    choice = rng.random()
    if choice < 0.25:
        return glass((0.78, 0.86, 0.9), rng.uniform(0.14, 0.24), specular=0.03)
    if choice < 0.5:
        juice = hsv(
            rng.choice([0.1, 0.08, 0.13, 0.99, 0.03]),
            rng.uniform(0.75, 0.95),
            rng.uniform(0.7, 0.95),
        )
        return plastic(gradient(juice, juice, -1, 1), 0.5)
    if choice < 0.62:
        return plastic(plain((0.94, 0.93, 0.9)), 0.5)
    if choice < 0.8:
        return glass(hsv(0.05, 0.8, rng.uniform(0.08, 0.2)), 0.95, specular=0.02)
    return glass(
        hsv(rng.uniform(0.04, 0.08), 0.85, rng.uniform(0.45, 0.7)),
        rng.uniform(0.65, 0.85),
        specular=0.02,
    )


def _ice(rng: np.random.Generator, vessel: Vessel, level: float) -> list[Part]:
    """Return cubes of ice that float in it."""
    inner = vessel.inner()
    surface = inner[0, 1] + level * (vessel.top - inner[0, 1])
    room = vessel.radius(surface) - vessel.wall - 1.5 * CM
    parts = []
    for k in range(int(rng.integers(2, 4))):
        angle = 2.1 * k + rng.uniform(0, 1)
        spot = (room * np.sin(angle), surface - rng.uniform(-0.3, 0.7) * CM, room * np.cos(angle))
        cube = move(
            box((0, 0, 0), (1.0 * CM,) * 3, 0.25 * CM), spot, rotation(*rng.uniform(-40, 40, 3))
        )
        parts.append(Part(cube, glass((0.9, 0.94, 0.96), 0.3, specular=0.08)))
    return parts
