"""Eyeglasses: lenses one sees through, in frames of acetate, metal, both, or none."""

import numpy as np

from ..lighting import Light
from ..materials import Material, glass, hsv, metal, mottled, plain, plastic, tortoise
from ..rendering import Camera, Rendered, render_scene
from .face import eyes, head
from .spectacles import Frame, spectacles

__all__ = ["acetate", "eyeglasses", "wire"]

_METALS = {
    "gold": (0.88, 0.7, 0.38),
    "silver": (0.8, 0.81, 0.83),
    "gun": (0.33, 0.33, 0.36),
    "rose": (0.85, 0.6, 0.5),
    "black": (0.07, 0.07, 0.08),
}


def eyeglasses(rng: np.random.Generator, size: int = 176) -> Rendered:
    """Return a pair of eyeglasses.

    Parameters
    ----------
    rng : numpy.random.Generator
    size : int, optional
        Longest side in pixels.
    """
    style = str(rng.choice(["acetate", "metal", "browline", "half", "rimless"], p=_SHARES))
    light, camera = Light.draw(rng), Camera.draw(rng, yaw=18, pitch=6, roll=2)
    trim = wire(rng)
    front = sides = trim
    brow = None
    if style == "acetate":
        frame = _acetate_frame(rng)
        front = acetate(rng)
        sides = front if rng.random() < 0.7 else acetate(rng)
    elif style == "metal":
        frame = _metal_frame(rng)
        sides = trim if rng.random() < 0.6 else acetate(rng)
    elif style == "browline":
        frame = Frame(
            outline="wayfarer", size=rng.uniform(0.88, 1.0), rim=0.024, depth=0.03, brow=0.02,
            bridge="bar", pads=True, temple=rng.uniform(0.04, 0.06), hinge=0.14,
        )  # fmt: skip
        brow = sides = acetate(rng)
    else:
        frame = _light_frame(rng, rimless=style == "rimless")
        if style == "half" and rng.random() < 0.5:
            front = acetate(rng)
    coat = hsv(rng.choice([0.33, 0.6, 0.75, 0.55]), rng.uniform(0, 0.25), 0.9)
    lens = glass(coat, rng.uniform(0.03, 0.11), specular=rng.uniform(0.04, 0.09))
    parts = [*spectacles(frame, front, sides, lens, trim, brow), head()]
    return render_scene(parts, camera=camera, light=light, size=size, anchors=eyes())


_SHARES = [0.44, 0.26, 0.12, 0.11, 0.07]


def acetate(rng: np.random.Generator) -> Material:
    """Return the material of a plastic frame: black, tortoise, coloured or clear-ish."""
    kind = rng.random()
    if kind < 0.34:
        return plastic(plain(hsv(rng.random(), rng.uniform(0, 0.3), rng.uniform(0.04, 0.14))), 0.8)
    if kind < 0.62:
        light = hsv(rng.uniform(0.05, 0.11), rng.uniform(0.6, 0.85), rng.uniform(0.45, 0.75))
        dark = hsv(rng.uniform(0.02, 0.07), 0.7, rng.uniform(0.08, 0.2))
        return plastic(tortoise(rng, light, dark, rng.uniform(0.06, 0.14)), 0.8)
    if kind < 0.9:
        tone = hsv(rng.random(), rng.uniform(0.35, 0.9), rng.uniform(0.2, 0.75))
        return plastic(mottled(plain(tone), rng, 0.08, 0.1), rng.uniform(0.55, 0.85))
    tone = hsv(rng.uniform(0.02, 0.12), rng.uniform(0.05, 0.25), rng.uniform(0.8, 0.95))
    return plastic(mottled(plain(tone), rng, 0.05, 0.1), 0.8)


def wire(rng: np.random.Generator) -> Material:
    """Return the material of a metal frame."""
    name = str(rng.choice(list(_METALS)))
    if name == "black":
        return plastic(plain(_METALS[name]), 0.6)
    return metal(_METALS[name], rng.uniform(0.55, 0.8))


def _acetate_frame(rng: np.random.Generator) -> Frame:
    outline = str(
        rng.choice(
            ["round", "oval", "rectangle", "square", "wayfarer", "cat_eye", "panto", "hexagon"]
        )
    )
    heavy = rng.random() < 0.4
    return Frame(
        outline=outline,
        gap=rng.uniform(0.09, 0.13),
        size=rng.uniform(0.86, 1.04),
        stretch=rng.uniform(0.9, 1.1),
        rim=rng.uniform(0.07, 0.11) if heavy else rng.uniform(0.035, 0.065),
        brow=rng.uniform(0, 0.04),
        depth=rng.uniform(0.03, 0.05),
        bridge=str(rng.choice(["keyhole", "arch"])),
        temple=rng.uniform(0.055, 0.1),
        hinge=rng.uniform(0.06, 0.16),
    )


def _metal_frame(rng: np.random.Generator) -> Frame:
    outline = str(
        rng.choice(["round", "oval", "rectangle", "aviator", "panto", "hexagon", "narrow"])
    )
    double = outline == "aviator" or rng.random() < 0.12
    return Frame(
        outline=outline,
        gap=rng.uniform(0.1, 0.14),
        size=rng.uniform(0.84, 1.02),
        stretch=rng.uniform(0.9, 1.08),
        rim=rng.uniform(0.018, 0.03),
        depth=0.018,
        bridge="double" if double else str(rng.choice(["arch", "bar"])),
        pads=True,
        temple=rng.uniform(0.018, 0.04),
        hinge=rng.uniform(0.04, 0.14),
    )


def _light_frame(rng: np.random.Generator, *, rimless: bool) -> Frame:
    return Frame(
        outline=str(rng.choice(["rectangle", "oval", "narrow", "panto"])),
        size=rng.uniform(0.9, 1.05),
        stretch=rng.uniform(0.95, 1.15),
        rim=0.0 if rimless else rng.uniform(0.022, 0.045),
        half_rim=not rimless,
        depth=0.02,
        bridge=str(rng.choice(["arch", "bar"])),
        pads=True,
        temple=rng.uniform(0.018, 0.04),
        hinge=rng.uniform(0.0, 0.08) if rimless else rng.uniform(0.06, 0.1),
    )
