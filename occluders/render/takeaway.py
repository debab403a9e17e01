"""Cups to take away: paper cups with lid and sleeve, and travel mugs of steel and plastic."""

import numpy as np

from ..materials import (
    Bump,
    Material,
    Noise,
    Pattern,
    add_bumps,
    blend,
    gradient,
    hsv,
    metal,
    mottled,
    plain,
    plastic,
)
from ..shapes import Float32, Shape, capsule, cone, smooth_union, torus, union
from ..tracing import Part
from .fabric import print_pattern, script
from .hand_skin import Colour
from .mug import drink, logo
from .skeleton import CM
from .vessels import Vessel, handle, profile, wrapped

__all__ = ["paper_cup", "travel_mug"]


def paper_cup(rng: np.random.Generator) -> tuple[list[Part], Vessel]:
    """Return the parts of a paper cup and its vessel."""
    h = rng.uniform(8.5, 14.5) * CM / 2
    top = rng.uniform(4.0, 4.7) * CM
    low = top * rng.uniform(0.66, 0.76)
    vessel = Vessel(np.array([(low, -h), ((low + top) / 2, 0.0), (top, h)]), 0.12 * CM, 0.5 * CM)
    rim = torus((0, h, 0), top - 0.02, 0.22 * CM, axis=1)
    parts = [Part(union(vessel.body(), rim), _paper(rng, vessel))]
    if rng.random() < 0.75:
        parts += _lid(rng, vessel)
    else:
        parts.append(Part(vessel.filling(rng.uniform(0.75, 0.9)), drink(rng)))
    if rng.random() < 0.6:
        parts.append(_sleeve(rng, vessel))
    return parts, vessel


def _paper(rng: np.random.Generator, vessel: Vessel) -> Material:
    white: Colour = hsv(rng.uniform(0.06, 0.16), rng.uniform(0, 0.1), rng.uniform(0.86, 0.95))
    kraft: Colour = hsv(rng.uniform(0.07, 0.1), rng.uniform(0.38, 0.5), rng.uniform(0.55, 0.75))
    tint = hsv(rng.random(), rng.uniform(0.4, 0.9), rng.uniform(0.2, 0.8))
    ground = (white, kraft, tint)[int(rng.choice(3, p=[0.5, 0.2, 0.3]))]
    ink = tint if ground != tint else white
    radius, start = vessel.radius(0.0), rng.uniform(-0.6, 0.6)
    style = str(
        rng.choice(["plain", "logo", "text", "print", "bands"], p=[0.25, 0.3, 0.13, 0.17, 0.15])
    )
    pattern: Pattern = mottled(plain(ground), rng, 0.03, 0.1)
    if style == "logo":
        pattern = wrapped(
            logo(rng, pattern, ink, rng.uniform(-0.1, 0.25), rng.uniform(1.5, 2.3) * CM),
            radius,
            start,
        )
    elif style == "text":
        pattern = wrapped(script(rng, pattern, ink, 0.1, rng.uniform(0.14, 0.22)), radius, start)
    elif style == "print":
        pattern = wrapped(
            print_pattern(rng, 0.3, ("stripes", "dots", "plaid", "flowers")), radius, start
        )
    elif style == "bands":
        level, wide = rng.uniform(-0.4, 0.4), rng.uniform(0.08, 0.3)
        pattern = blend(
            pattern,
            plain(ink),
            lambda p: 40 * (np.float32(wide) - np.abs(p[:, 1] - np.float32(level))),
        )
    return Material(albedo=pattern, gloss=rng.uniform(0.25, 0.5), specular=0.035)


def _lid(rng: np.random.Generator, vessel: Vessel) -> list[Part]:
    """Return a lid: skirt, raised rim, sunk top with a hole to drink from."""
    r, y = float(vessel.side[-1, 0]), vessel.top
    tall = rng.uniform(0.6, 1.1) * CM
    skirt = cone((0, y + 0.05 * CM, 0), r + 0.32 * CM, r + 0.26 * CM, 0.42 * CM, 0.12 * CM)
    dome = cone(
        (0, y + 0.3 * CM + tall / 2, 0), r + 0.05 * CM, 0.86 * r, 0.3 * CM + tall / 2, 0.12 * CM
    )
    sunk = cone((0, y + 0.75 * CM + tall, 0), 0.72 * r, 0.76 * r, 0.42 * CM, 0.1 * CM)
    slot = capsule(
        (-0.3 * CM, y + 0.55 * CM + tall, 0.8 * r),
        (0.3 * CM, y + 0.55 * CM + tall, 0.8 * r),
        0.22 * CM,
    )

    def shape(p: Float32) -> Float32:
        whole = np.minimum(skirt(p), np.maximum(dome(p), -sunk(p)))
        return np.asarray(np.maximum(whole, -slot(p)), np.float32)

    tone = [(0.94, 0.94, 0.93), (0.06, 0.06, 0.07), (0.32, 0.22, 0.16)][
        int(rng.choice(3, p=[0.55, 0.35, 0.1]))
    ]
    parts = [Part(shape, plastic(plain(tone), 0.6))]
    if rng.random() < 0.12:
        lean = rng.uniform(-0.25, 0.25)
        straw = capsule((0.1, y, 0.1), (0.1 + lean, y + 6.5 * CM, 0.1), 0.32 * CM)
        parts.append(
            Part(straw, plastic(plain(hsv(rng.random(), rng.uniform(0.2, 0.9), 0.8)), 0.6))
        )
    return parts


def _sleeve(rng: np.random.Generator, vessel: Vessel) -> Part:
    """Return a band of corrugated card around the cup."""
    tall = vessel.top - vessel.bottom
    low, high = vessel.bottom + 0.24 * tall, vessel.bottom + rng.uniform(0.64, 0.76) * tall
    swell = 0.16 * CM
    band = cone(
        (0, (low + high) / 2, 0), vessel.radius(low) + swell,
        vessel.radius(high) + swell,
        (high - low) / 2, 0.05 * CM,
    )  # fmt: skip
    kraft = hsv(rng.uniform(0.07, 0.1), rng.uniform(0.3, 0.5), rng.uniform(0.5, 0.74))
    dark = hsv(rng.random(), rng.uniform(0.1, 0.6), rng.uniform(0.12, 0.4))
    ground = kraft if rng.random() < 0.7 else dark
    pattern: Pattern = mottled(plain(ground), rng, 0.07, 0.05)
    if rng.random() < 0.5:
        ink: Colour = (0.12, 0.1, 0.09) if ground == kraft else (0.9, 0.88, 0.84)
        flat = logo(rng, pattern, ink, (low + high) / 2, 1.4 * CM)
        pattern = wrapped(flat, vessel.radius(0.0), rng.uniform(-0.5, 0.5))
    rate = np.float32(70)
    bump = add_bumps(
        lambda p: np.float32(0.003) * np.sin(rate * np.arctan2(p[:, 0], p[:, 2])), _rough(rng)
    )
    return Part(band, Material(albedo=pattern, gloss=0.12, specular=0.02, bump=bump))


def _rough(rng: np.random.Generator) -> Bump:
    grain = Noise(rng, 0.02, 2)
    return lambda p: grain(p) * np.float32(0.0008)


def travel_mug(rng: np.random.Generator) -> tuple[list[Part], Vessel]:
    """Return the parts of a travel mug or an insulated tumbler, and its vessel."""
    h = rng.uniform(14, 19) * CM / 2
    r = rng.uniform(3.6, 4.3) * CM
    foot = rng.uniform(0.74, 0.96)
    side = profile(
        [(foot * r * 0.94, -h), (foot * r, -0.95 * h), (0.5 * (foot + 1) * r, 0.0), (r, h)]
    )
    vessel = Vessel(side, 0.3 * CM, 0.6 * CM)
    steel = metal((0.78, 0.78, 0.79), rng.uniform(0.5, 0.7))
    body = steel if rng.random() < 0.3 else _paint(rng, vessel)
    shape: Shape = vessel.body()
    if rng.random() < 0.4:
        shape = smooth_union(0.4 * CM, shape, handle(vessel, 0.84, 0.3, 3.3 * CM, 0.6 * CM, 0.8))
    parts = [Part(shape, body)]
    dark = plastic(plain(hsv(rng.random(), rng.uniform(0, 0.25), rng.uniform(0.04, 0.16))), 0.5)
    lid = (
        dark
        if rng.random() < 0.7
        else plastic(plain(hsv(rng.random(), rng.uniform(0, 0.7), rng.uniform(0.4, 0.95))), 0.6)
    )
    high = rng.uniform(0.5, 0.9) * CM
    parts.append(Part(cone((0, h + high, 0), r + 0.12 * CM, 0.94 * r, high, 0.25 * CM), lid))
    knob = rng.random()
    if knob < 0.4:
        parts.append(
            Part(
                cone(
                    (0, h + 2 * high + 0.4 * CM, 0.45 * r), 0.9 * CM, 0.7 * CM, 0.5 * CM, 0.2 * CM
                ),
                lid,
            )
        )
    elif knob < 0.65:
        straw = capsule((0.06, h, 0), (0.06 + rng.uniform(-0.2, 0.2), h + 7 * CM, 0.05), 0.35 * CM)
        parts.append(Part(straw, plastic(plain(hsv(rng.random(), rng.uniform(0, 0.8), 0.8)), 0.7)))
    if rng.random() < 0.5:  # a soft band to hold it by
        y, tall = rng.uniform(-0.3, 0.3) * h, rng.uniform(1.5, 3.0) * CM
        low, up = vessel.radius(y - tall), vessel.radius(y + tall)
        parts.append(Part(cone((0, y, 0), low + 0.1 * CM, up + 0.1 * CM, tall, 0.06 * CM), dark))
    if body is not steel:
        rim = cone((0, -h + 0.35 * CM, 0), foot * r + 0.01, foot * r + 0.015, 0.35 * CM, 0.05 * CM)
        parts.append(Part(rim, steel))
    return parts, vessel


def _paint(rng: np.random.Generator, vessel: Vessel) -> Material:
    tint = hsv(rng.random(), rng.uniform(0.2, 0.85), rng.uniform(0.15, 0.9))
    if rng.random() < 0.25:
        tint = hsv(rng.random(), rng.uniform(0, 0.15), rng.choice([0.06, 0.12, 0.9]))
    pattern: Pattern = plain(tint)
    style = rng.random()
    if style < 0.2:
        other = hsv(rng.random(), rng.uniform(0.3, 0.8), rng.uniform(0.3, 0.9))
        pattern = gradient(tint, other, vessel.bottom, vessel.top)
    elif style < 0.5:
        ink: Colour = (0.93, 0.93, 0.92) if np.mean(tint) < 0.5 else (0.08, 0.08, 0.09)
        flat = logo(rng, pattern, ink, rng.uniform(0, 0.3), rng.uniform(1.2, 1.9) * CM)
        pattern = wrapped(flat, vessel.radius(0.0), rng.uniform(-0.4, 0.4))
    elif style < 0.62:
        pattern = wrapped(
            print_pattern(rng, 0.3, ("stripes", "dots", "flowers", "camouflage")),
            vessel.radius(0.0),
        )
    return Material(albedo=pattern, gloss=rng.uniform(0.35, 0.75), specular=0.05)
