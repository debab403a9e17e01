"""Sunglasses: dark, graded, tinted and mirrored lenses in heavier frames."""

import numpy as np

from ..lighting import Light
from ..materials import Material, glass, gradient, hsv, mottled, plain, plastic
from ..rendering import Camera, Rendered, render_scene
from ..shapes import Float32
from .eyeglasses import acetate, wire
from .face import eyes, head
from .spectacles import Frame, spectacles

__all__ = ["sunglasses"]


def sunglasses(rng: np.random.Generator, size: int = 176) -> Rendered:
    """Return a pair of sunglasses.

    Parameters
    ----------
    rng : numpy.random.Generator
    size : int, optional
        Longest side in pixels.
    """
    light, camera = Light.draw(rng), Camera.draw(rng, yaw=16, pitch=6, roll=2)
    trim = wire(rng)
    style = str(rng.choice(["thick", "aviator", "browline", "sport"], p=[0.5, 0.24, 0.12, 0.14]))
    brow = None
    if style == "thick":
        frame = _thick_frame(rng)
        front = sides = _plastic(rng)
    elif style == "aviator":
        frame = _wire_frame(rng)
        front = trim
        sides = trim if rng.random() < 0.6 else acetate(rng)
    elif style == "browline":
        frame = Frame(
            outline=str(rng.choice(["wayfarer", "panto"])),
            size=rng.uniform(1.0, 1.1),
            rim=0.026,
            depth=0.03,
            brow=0.03,
            bridge="bar",
            pads=True,
            temple=0.06,
            hinge=0.15,
        )
        front, brow = trim, acetate(rng)
        sides = brow
    else:
        frame = _sport_frame(rng)
        front = sides = _plastic(rng)
    parts = [*spectacles(frame, front, sides, _lens(rng, frame), trim, brow), head()]
    return render_scene(parts, camera=camera, light=light, size=size, anchors=eyes())


def _lens(rng: np.random.Generator, frame: Frame) -> Material:
    """Return a lens that lets a little through."""
    kind = rng.random()
    if kind < 0.42:  # dark, one tint
        tint = hsv(rng.choice([0.08, 0.3, 0.6, 0.0]), rng.uniform(0, 0.5), rng.uniform(0.04, 0.14))
        return glass(tint, rng.uniform(0.84, 0.96), specular=rng.uniform(0.04, 0.12))
    if kind < 0.68:  # graded: light below
        hue, strong = rng.choice([0.07, 0.1, 0.6, 0.93]), rng.uniform(0.1, 0.55)
        dark, pale = hsv(hue, strong, 0.08), hsv(hue, strong, rng.uniform(0.3, 0.5))
        top, bottom = rng.uniform(0.9, 0.96), rng.uniform(0.6, 0.85)

        def opacity(p: Float32) -> Float32:
            rise = np.clip((p[:, 1] + np.float32(0.35)) / np.float32(0.6), 0, 1)
            return np.asarray(bottom + (top - bottom) * rise, np.float32)

        return glass(gradient(pale, dark, -0.35, 0.2), opacity, specular=0.06)
    if kind < 0.88:  # mirror coating
        tint = hsv(rng.random(), rng.uniform(0.3, 0.9), rng.uniform(0.6, 0.95))
        other = hsv(rng.random(), rng.uniform(0.3, 0.9), rng.uniform(0.5, 0.9))
        coat = gradient(tint, other, -0.3, 0.3) if rng.random() < 0.5 else plain(tint)
        return Material(
            albedo=coat,
            gloss=0.93,
            specular=rng.uniform(0.45, 0.75),
            metal=0.85,
            opacity=rng.uniform(0.9, 0.96),
            is_glass=True,
        )
    tint = hsv(
        rng.choice([0.0, 0.1, 0.14, 0.58, 0.8]), rng.uniform(0.5, 0.9), rng.uniform(0.3, 0.6)
    )
    return glass(tint, rng.uniform(0.78, 0.88), specular=0.07)


def _plastic(rng: np.random.Generator) -> Material:
    """Return black twice as often as eyeglasses have it, matt at times, or a bright colour."""
    kind = rng.random()
    if kind < 0.45:
        dark = hsv(rng.random(), rng.uniform(0, 0.3), rng.uniform(0.03, 0.1))
        return plastic(plain(dark), rng.uniform(0.35, 0.85))
    if kind < 0.65:
        bright = hsv(rng.random(), rng.uniform(0.35, 0.8), rng.uniform(0.45, 0.85))
        return plastic(mottled(plain(bright), rng, 0.05, 0.1), 0.75)
    if kind < 0.75:
        white = hsv(rng.random(), rng.uniform(0, 0.1), 0.92)
        return plastic(plain(white), 0.7)
    return acetate(rng)


def _thick_frame(rng: np.random.Generator) -> Frame:
    outline = str(
        rng.choice(["wayfarer", "cat_eye", "butterfly", "round", "square", "rectangle", "panto"])
    )
    return Frame(
        outline=outline,
        gap=rng.uniform(0.07, 0.12),
        size=rng.uniform(0.94, 1.12),
        stretch=rng.uniform(0.92, 1.12),
        rim=rng.uniform(0.05, 0.12),
        brow=rng.uniform(0, 0.05),
        depth=rng.uniform(0.04, 0.06),
        bridge=str(rng.choice(["keyhole", "bar"])),
        temple=rng.uniform(0.07, 0.13),
        hinge=rng.uniform(0.06, 0.17),
        curve=rng.uniform(0.09, 0.15),
    )


def _wire_frame(rng: np.random.Generator) -> Frame:
    outline = str(rng.choice(["aviator", "aviator", "round", "hexagon", "square"]))
    return Frame(
        outline=outline,
        gap=rng.uniform(0.09, 0.13),
        size=rng.uniform(0.98, 1.12),
        stretch=rng.uniform(0.92, 1.06),
        rim=rng.uniform(0.02, 0.032),
        depth=0.02,
        bridge="double" if outline == "aviator" else "arch",
        pads=True,
        temple=rng.uniform(0.02, 0.04),
        hinge=rng.uniform(0.08, 0.15),
        curve=0.12,
    )


def _sport_frame(rng: np.random.Generator) -> Frame:
    half = bool(rng.random() < 0.5)
    return Frame(
        outline="sport",
        gap=0.06,
        size=rng.uniform(0.9, 1.0),
        stretch=rng.uniform(0.95, 1.25),
        rim=rng.uniform(0.035, 0.06),
        half_rim=half,
        depth=0.035,
        bridge="bar",
        temple=rng.uniform(0.06, 0.09),
        hinge=rng.uniform(0.05, 0.1),
        curve=rng.uniform(0.2, 0.3),
    )
