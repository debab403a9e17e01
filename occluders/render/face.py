"""The face that worn things are made for, in scene units.

The eyes lie at x = ±0.42 on y = 0; the other landmarks keep the proportions of the paper's
template (112 x 96, 5 points). The head itself is never seen: it hides what goes behind it.
"""

from ..materials import HOLDOUT
from ..shapes import ellipsoid
from ..tracing import Part

__all__ = ["EAR", "LANDMARKS", "eyes", "head"]

LANDMARKS: dict[str, tuple[float, float, float]] = {
    "left_eye": (-0.42, 0.0, 0.03),
    "right_eye": (0.42, 0.0, 0.03),
    "nose": (0.0, -0.48, 0.5),
    "mouth": (0.0, -0.97, 0.22),
    "chin": (0.0, -1.48, 0.1),
    "left_cheek": (-0.8, -0.7, -0.35),
    "right_cheek": (0.8, -0.7, -0.35),
}
"""Left is left in the picture."""

EAR = (0.94, -0.05, -1.0)
"""Where a temple or a loop rests, on the right side."""


def eyes() -> dict[str, tuple[float, float, float]]:
    """Return the two anchors of what sits on the eyes."""
    return {name: LANDMARKS[name] for name in ("left_eye", "right_eye")}


def head() -> Part:
    """Return the head as what hides and is not seen."""
    return Part(ellipsoid((0, 0.05, -0.95), (0.9, 1.5, 1.0)), HOLDOUT)
