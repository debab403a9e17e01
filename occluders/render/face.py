"""The face that worn things are made for, in scene units.

The eyes lie at x = ±0.42 on y = 0; the other landmarks keep the proportions of the paper's
template (112 x 96, 5 points). The head itself is never seen: it hides what goes behind it.
"""

import numpy as np

from ..materials import HOLDOUT
from ..shapes import Float32, Shape, ellipsoid, smooth_union
from ..tracing import Part

__all__ = ["EAR", "LANDMARKS", "eyes", "face_depth", "face_surface", "head"]

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

EAR = (0.97, -0.05, -1.0)
"""Where a temple or a loop rests, on the right side."""


def eyes() -> dict[str, tuple[float, float, float]]:
    """Return the two anchors of what sits on the eyes."""
    return {name: LANDMARKS[name] for name in ("left_eye", "right_eye")}


def head() -> Part:
    """Return the head as what hides and is not seen."""
    return Part(ellipsoid((0, 0.05, -0.95), (0.93, 1.5, 1.0)), HOLDOUT)


def face_surface() -> Shape:
    """Return skull, jaw and nose as one soft solid."""
    return smooth_union(
        0.35,
        ellipsoid((0, 0.15, -0.9), (0.95, 1.35, 1.0)),
        ellipsoid((0, -0.75, -0.55), (0.78, 0.85, 0.82)),
        ellipsoid((0, -0.38, 0.15), (0.16, 0.38, 0.3)),
    )


def face_depth(x: Float32, y: Float32) -> Float32:
    """Return about how far the face stands out (z) at points of its front, each (N,)."""
    cheek = 1 - (x / 1.02) ** 2 - ((y + 0.45) / 1.75) ** 2
    nose = 0.34 * np.exp(-((x / 0.17) ** 2) - ((y + 0.4) / 0.3) ** 2)
    return np.asarray(-0.85 + 1.03 * np.sqrt(np.maximum(cheek, 0.02)) + nose, np.float32)
