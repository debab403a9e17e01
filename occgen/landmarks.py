"""Five-point landmarks: the paper's template, and the similarity that brings points to it."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["fit_similarity", "template"]

_TEMPLATE = np.array(  # Sec. 4.2, on 112 x 96; on 112 x 112 each x is 8 more
    [
        [30.2946, 51.6963],
        [65.5318, 51.5014],
        [48.0252, 71.7366],
        [33.5493, 92.3655],
        [62.7299, 92.2041],
    ]
)

Float64 = NDArray[np.float64]


def template(height: int, width: int) -> Float64:
    """Return the five points an aligned crop has (Sec. 4.2).

    Parameters
    ----------
    height, width : int
        112 x 96, a square crop (8 columns more on each side of the 112), or another size, to
        which the points are stretched.

    Returns
    -------
    ndarray of float64, shape (5, 2)
        x, y in pixels: left eye, right eye, nose, left and right mouth corner as seen.
    """
    points = _TEMPLATE + np.array([8.0, 0.0]) if height == width else _TEMPLATE
    reference_width = 112 if height == width else 96
    return np.asarray(points * (width / reference_width, height / 112))


def fit_similarity(points: Float64, target: Float64) -> Float64:
    """Return the similarity that brings points closest to a target, by least squares.

    Parameters
    ----------
    points, target : ndarray of float64, shape (..., 5, 2)

    Returns
    -------
    ndarray of float64, shape (..., 2, 3)
        ``x' = M[:, :2] @ x + M[:, 2]``; rotation, one scale and a shift, no mirroring.

    Notes
    -----
    In complex numbers the map is ``a z + b``; a and b follow from the centred sums.
    """
    source = points[..., 0] + 1j * points[..., 1]
    goal = target[..., 0] + 1j * target[..., 1]
    source_mean = source.mean(axis=-1, keepdims=True)
    goal_mean = goal.mean(axis=-1, keepdims=True)
    centred = source - source_mean
    spread = (np.abs(centred) ** 2).sum(axis=-1)
    turn = (centred.conj() * (goal - goal_mean)).sum(axis=-1) / np.maximum(spread, 1e-12)
    shift = goal_mean[..., 0] - turn * source_mean[..., 0]
    rows = [
        np.stack([turn.real, -turn.imag, shift.real], axis=-1),
        np.stack([turn.imag, turn.real, shift.imag], axis=-1),
    ]
    return np.stack(rows, axis=-2)
