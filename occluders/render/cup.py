"""Cups: mugs, paper cups, drinking glasses and travel mugs; some in a hand."""

from collections.abc import Callable

import numpy as np

from ..lighting import Light
from ..rendering import Camera, Rendered, render_scene
from ..shapes import move, rotation
from ..tracing import Part
from .glassware import glassware
from .grip import grip
from .held import held
from .mug import mug
from .skeleton import CM
from .takeaway import paper_cup, travel_mug
from .vessels import Vessel

__all__ = ["CUPS", "cup"]

CUPS: dict[str, tuple[Callable[[np.random.Generator], tuple[list[Part], Vessel]], float]] = {
    "mug": (mug, 0.4),
    "paper_cup": (paper_cup, 0.24),
    "glass": (glassware, 0.2),
    "travel_mug": (travel_mug, 0.16),
}
"""Name to what draws its parts, and its share."""


def cup(rng: np.random.Generator, size: int = 176, kind: str = "") -> Rendered:
    """Return a cup.

    Parameters
    ----------
    rng : numpy.random.Generator
    size : int, optional
        Longest side in pixels.
    kind : str, optional
        One of `CUPS`; drawn by default.
    """
    names = list(CUPS)
    drawn = str(rng.choice(names, p=[share for _, share in CUPS.values()]))
    kind = kind or drawn
    parts, vessel = CUPS[kind][0](rng)
    tall = vessel.top - vessel.bottom
    # the handle at one side, a little to the viewer or away
    spin = rotation(yaw=float(rng.choice([rng.uniform(-50, 30), rng.uniform(150, 230)])))
    light = Light.draw(rng)
    camera = Camera(
        yaw=rng.normal(0, 5),
        pitch=float(np.clip(rng.normal(14, 9), -8, 34)),
        roll=float(np.clip(rng.normal(0, 8), -20, 20)),
        distance=rng.uniform(6, 12),
    )
    origin = (0.0, vessel.bottom, vessel.radius(vessel.bottom))
    if kind == "glass":  # a handle seen through a glass is a riddle
        spin = rotation(yaw=float(rng.choice([0, 180])) + rng.uniform(-25, 25))
    slender = tall > 9.6 * CM and not vessel.stemmed
    if rng.random() < (0.4 if slender else 0.1) * (not vessel.stemmed):
        height = vessel.bottom + rng.uniform(0.3, 0.48) * tall
        hand, origin = grip(rng, vessel.radius(height), height)
        spin = rotation(yaw=180.0 if origin[0] > 0 else 0.0) @ rotation(yaw=rng.uniform(-20, 40))
        parts = [*(_spun(part, spin) for part in parts), *hand]
    else:
        parts = [_spun(part, spin) for part in parts]
    y = vessel.top - rng.uniform(0.08, 0.35) * tall
    cover = (0.0, y, vessel.radius(y))
    anchors = held(camera, cover, origin)
    return render_scene(
        parts,
        camera=camera,
        light=light,
        size=size,
        anchors=anchors,
        extent=2.7,
        step=0.8,
        glass_layers=4 if kind == "glass" else 1,
    )


def _spun(part: Part, turn: np.ndarray) -> Part:
    """Return a part turned about the axis; what is printed on it stays where it is."""
    return part._replace(shape=move(part.shape, (0, 0, 0), turn))
