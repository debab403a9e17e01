"""Anchors of things held before a face."""

import numpy as np

from ..rendering import Camera
from ..shapes import rotation

__all__ = ["CENTIMETRE", "held"]

CENTIMETRE = 0.84 / 6.3
"""In scene units: the eyes are 6.3 cm and 0.84 units apart."""

Point3 = tuple[float, float, float]


def held(camera: Camera, cover: Point3, origin: Point3) -> dict[str, Point3]:
    """Return the anchors of a held thing.

    Parameters
    ----------
    camera : Camera
    cover : tuple of float
        The point of the thing that comes to lie over a face.
    origin : tuple of float
        Where the holding hand comes from.

    Returns
    -------
    dict
        `cover`, `origin`, and `span`: the point one eye distance to the right of `cover` as seen,
        at its depth, which gives the thing its true size.
    """
    turn = rotation(camera.yaw, camera.pitch, camera.roll)
    right = turn.T @ np.array([0.84, 0.0, 0.0])
    x, y, z = (float(a + b) for a, b in zip(cover, right, strict=True))
    return {"cover": cover, "span": (x, y, z), "origin": origin}
