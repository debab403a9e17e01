"""Mugs of glazed clay and enamel, with their prints and what is drunk from them."""

import numpy as np

from ..materials import Material, Noise, Pattern, blend, hsv, mottled, plain, plastic
from ..shapes import Float32, smooth_union, torus
from ..tracing import Part
from .fabric import print_pattern, script
from .hand_skin import Colour
from .skeleton import CM
from .vessels import Vessel, handle, inside_out, profile, wrapped

__all__ = ["drink", "logo", "mug"]


def mug(rng: np.random.Generator) -> tuple[list[Part], Vessel]:
    """Return the parts of a mug, its handle on the right, and its vessel."""
    kind = str(
        rng.choice(
            ["straight", "taper", "barrel", "bowl", "waist", "enamel"],
            p=[0.34, 0.14, 0.16, 0.12, 0.1, 0.14],
        )
    )
    vessel = _vessel(rng, kind)
    small = kind == "bowl"
    high, low = rng.uniform(0.78, 0.88), rng.uniform(0.16, 0.3)
    loop = handle(
        vessel, high, low + (0.1 if small else 0),
        rng.uniform(2.4, 3.4) * CM * (0.8 if small else 1),
        rng.uniform(0.48, 0.72) * CM, rng.uniform(0, 1),
    )  # fmt: skip
    body = smooth_union(0.5 * CM, vessel.body(), loop)
    parts = [Part(body, _glaze(rng, kind, vessel))]
    if kind == "enamel":
        rim = torus((0, vessel.top, 0), float(vessel.side[-1, 0]) - 0.01, 0.16 * CM, axis=1)
        dark = hsv(
            rng.choice([0.6, 0.0, 0.35, 0.62]), rng.uniform(0.2, 0.8), rng.uniform(0.08, 0.4)
        )
        parts.append(Part(rim, plastic(plain(dark), 0.8)))
    parts.append(Part(vessel.filling(rng.uniform(0.7, 0.9)), drink(rng)))
    return parts, vessel


def _vessel(rng: np.random.Generator, kind: str) -> Vessel:
    r = rng.uniform(3.9, 4.5) * CM
    h = rng.uniform(8.8, 10.8) * CM / 2
    if kind == "taper":
        side = [(0.72 * r, -h), (0.78 * r, -0.92 * h), (0.9 * r, 0), (1.04 * r, h)]
    elif kind == "barrel":
        side = [
            (0.72 * r, -h),
            (0.86 * r, -0.85 * h),
            (1.1 * r, -0.1 * h),
            (1.0 * r, 0.6 * h),
            (0.96 * r, h),
        ]
    elif kind == "bowl":
        h *= 0.68
        side = [
            (0.55 * r, -h),
            (0.62 * r, -0.93 * h),
            (0.95 * r, -0.45 * h),
            (1.16 * r, 0.3 * h),
            (1.24 * r, h),
        ]
    elif kind == "waist":
        side = [(0.95 * r, -h), (1.0 * r, -0.9 * h), (0.88 * r, 0), (1.0 * r, h)]
    else:
        side = [(0.9 * r, -h), (0.97 * r, -0.955 * h), (r, -0.85 * h), (r, 0), (r, h)]
    wall = 0.14 * CM if kind == "enamel" else rng.uniform(0.32, 0.5) * CM
    return Vessel(profile(side), wall, 0.7 * CM)


def _glaze(rng: np.random.Generator, kind: str, vessel: Vessel) -> Material:
    """Return glaze: one colour, dipped, speckled, banded, printed; the inside often white."""
    white: Colour = hsv(rng.uniform(0.05, 0.16), rng.uniform(0, 0.08), rng.uniform(0.86, 0.95))
    tint = hsv(rng.random(), rng.uniform(0.3, 0.85), rng.uniform(0.25, 0.9))
    if rng.random() < 0.25:
        tint = hsv(rng.random(), rng.uniform(0, 0.3), rng.uniform(0.05, 0.16))
    ground = white if rng.random() < 0.4 else tint
    style = str(
        rng.choice(
            ["plain", "logo", "text", "print", "dipped", "speckled", "bands"],
            p=[0.24, 0.17, 0.12, 0.17, 0.12, 0.1, 0.08],
        )
    )
    if kind == "enamel":
        style = "speckled" if rng.random() < 0.4 else "plain"
    radius, middle = vessel.radius(0.0), (vessel.top + vessel.bottom) / 2
    start = rng.uniform(-0.5, 0.5)
    outer = mottled(plain(ground), rng, 0.025, 0.3)
    ink = tint if ground == white else (white if np.mean(ground) < 0.6 else (0.08, 0.08, 0.1))
    if style == "logo":
        outer = wrapped(logo(rng, outer, ink, middle, rng.uniform(1.6, 2.6) * CM), radius, start)
    elif style == "text":
        flat = script(rng, outer, ink, middle + 0.12, rng.uniform(0.12, 0.2))
        flat = (
            script(rng, flat, ink, middle - 0.14, rng.uniform(0.09, 0.16))
            if rng.random() < 0.6
            else flat
        )
        outer = wrapped(flat, radius, start)
    elif style == "print":
        outer = wrapped(
            print_pattern(rng, 0.24, ("stripes", "dots", "plaid", "flowers", "camouflage")),
            radius,
            start,
        )
    elif style == "dipped":
        line, wave = middle + rng.uniform(-0.25, 0.2), Noise(rng, 0.3, 2)
        other = plain(white if ground != white else tint)
        drip = np.float32(rng.choice([0.0, 0.06]))
        outer = blend(outer, other, lambda p: 40 * (p[:, 1] - np.float32(line) + drip * wave(p)))
    elif style == "speckled":
        spot, odd, size = Noise(rng, 0.026), Noise(rng, 0.041), rng.uniform(0.75, 1.05)
        outer = blend(
            outer,
            plain((0.25, 0.18, 0.13) if np.mean(ground) > 0.4 else white),
            lambda p: 6 * (spot(p[:, [2, 0, 1]]) + odd(p) - np.float32(size)),
        )
    elif style == "bands":
        edge = [middle + rng.uniform(-0.4, 0.4) for _ in range(int(rng.integers(1, 4)))]
        wide = rng.uniform(0.02, 0.07)
        outer = blend(
            outer,
            plain(ink),
            lambda p: (
                40
                * (
                    np.float32(wide)
                    - np.min([np.abs(p[:, 1] - np.float32(e)) for e in edge], axis=0)
                )
            ),
        )
    inner = (
        outer
        if style == "plain" and rng.random() < 0.4
        else plain(white if rng.random() < 0.75 else tint)
    )
    gloss = rng.uniform(0.35, 0.5) if rng.random() < 0.25 else rng.uniform(0.72, 0.9)
    return plastic(inside_out(outer, inner, vessel.cavity()), gloss)


def logo(rng: np.random.Generator, ground: Pattern, ink: Colour, y: float, size: float) -> Pattern:
    """Return a pattern with a heart, ring, star, disc or smile in its middle."""
    kind = int(rng.integers(5))
    tone, reach = np.asarray(ink, np.float32), np.float32(size)

    def colour(p: Float32, n: Float32) -> Float32:
        u, v = p[:, 0] / reach, (p[:, 1] - np.float32(y)) / reach
        away, angle = np.hypot(u, v), np.arctan2(u, v)
        if kind == 0:
            w = v + np.float32(0.15) - np.float32(0.75) * np.sqrt(np.abs(u) + 1e-6)
            inked = u * u + w * w < 0.6
        elif kind == 1:
            inked = np.abs(away - 0.75) < 0.2
        elif kind == 2:
            inked = away < 0.62 + 0.34 * np.cos(5 * angle)
        elif kind == 3:
            inked = (away < 0.9) & ~((np.abs(v) < 0.16) & (np.abs(u) < 0.6))
        else:
            eyes = np.hypot((np.abs(u) - 0.32) * 1.3, v - 0.25) < 0.17
            smile = (np.abs(away - 0.55) < 0.1) & (v < -0.12)
            inked = (away < 0.95) & ~eyes & ~smile
        return np.where(inked[:, None], tone, ground(p, n))

    return colour


def drink(rng: np.random.Generator) -> Material:
    """Return coffee, with or without milk or foam, or tea."""
    tone = [
        (0.10, 0.05, 0.03),
        (0.45, 0.28, 0.17),
        (0.72, 0.55, 0.38),
        (0.42, 0.16, 0.05),
        (0.85, 0.78, 0.66),
    ]
    albedo = plain(tone[int(rng.integers(len(tone)))])
    if rng.random() < 0.4:
        foam = Noise(rng, 0.18, 2)
        albedo = blend(albedo, plain((0.88, 0.80, 0.68)), lambda p: 0.4 + 2.5 * foam(p))
    return plastic(albedo, 0.8)
