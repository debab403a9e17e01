"""A hand that holds an upright round thing."""

import numpy as np

from ..shapes import rotation
from ..tracing import Part
from .hand import Placing, hand_parts
from .skeleton import CM, FINGERS, Build, Pose, pose_hand

__all__ = ["grip"]

_AXES = np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
"""Thumb up, palm to the right, fingers to the viewer."""


def grip(
    rng: np.random.Generator, radius: float, height: float
) -> tuple[list[Part], tuple[float, float, float]]:
    """Return a hand that holds a thing on the y axis, and the end of its arm.

    Parameters
    ----------
    rng : numpy.random.Generator
    radius : float
        Of what is held.
    height : float
        Where the middle of the fingers lies.
    """
    build = Build(
        length=rng.uniform(0.92, 1.05), breadth=rng.uniform(0.92, 1.08), arm=rng.uniform(5, 9)
    )
    cm = CM * build.length
    round_ = radius / cm
    hub = np.array([-0.4, 6.4, round_ + 1.25 * build.breadth])
    flex = {}
    for name in FINGERS:
        first, second, third = _LENGTHS[name]
        away = round_ + (0.95 if name != "little" else 0.8) * build.breadth
        half = np.degrees(
            np.arctan(np.array([_PAST[name], first / 2, second / 2, third / 2]) / away)
        )
        a, b, c = (half[:-1] + half[1:] + rng.normal(0, 1.5, 3)).tolist()
        flex[name] = (a, b, c)
    thumb = ((0.75, -0.12, 0.7), (0.3, 0.02, 1.0), (0.12, 0.45, 0.9))
    bones = pose_hand(Pose(flex=flex, thumb=thumb, pad=(0.0, 1.0, 0.1)), build)
    tilt = (
        rotation(roll=rng.uniform(-8, 0))
        @ rotation(yaw=rng.uniform(15, 60))
        @ _AXES
        @ rotation(roll=-rng.uniform(14, 38))
    )
    shift = np.array([0.0, height, 0.0]) - tilt @ (hub * cm)
    if rng.random() < 0.5:
        tilt, shift = np.diag([-1.0, 1.0, 1.0]) @ tilt, shift * (-1.0, 1.0, 1.0)
    place = Placing(tilt, shift)
    end = place.to_scene(np.array([0.0, -build.arm * cm, 0.0]))
    return hand_parts(rng, bones, place), end


_LENGTHS = {
    "index": (4.1, 2.4, 2.0),
    "middle": (4.5, 2.8, 2.1),
    "ring": (4.2, 2.65, 2.05),
    "little": (3.3, 1.95, 1.8),
}
_PAST = {"index": 2.1, "middle": 2.35, "ring": 1.9, "little": 1.05}
"""How far a finger's root lies beyond where the palm touches."""
