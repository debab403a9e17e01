"""Weights for drawing training images so that rare occlusion patterns are seen more often."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from occgen.errors import InputError

__all__ = ["balanced_pattern_weights"]


def balanced_pattern_weights(
    labels: ArrayLike, num_patterns: int, power: float = 1.0
) -> NDArray[np.float64]:
    """Return a weight an image, (count of its pattern) ** -power, of mean one.

    Parameters
    ----------
    labels : array_like of int, shape (N,)
        Patterns, in 0 .. num_patterns - 1.
    num_patterns : int
    power : float, optional
        0 draws images evenly, 1 draws patterns evenly, between them a compromise; in [0, 1].

    Returns
    -------
    ndarray of float64, shape (N,)
        For a weighted draw with replacement.

    Raises
    ------
    InputError
        For no labels, labels out of range, or a power outside [0, 1].

    Notes
    -----
    Not in the paper: its recipes draw evenly. Clean images are one pattern among the others, so
    with power 1 they become one in `num_patterns`; keep them apart where their share is set.

    Examples
    --------
    >>> balanced_pattern_weights([0, 0, 0, 7], 10).round(3).tolist()
    [0.667, 0.667, 0.667, 2.0]
    """
    patterns = np.asarray(labels)
    if patterns.ndim != 1 or not len(patterns) or patterns.dtype.kind not in "iu":
        raise InputError(
            f"labels must be a list of whole numbers, got {patterns.dtype} of shape "
            f"{patterns.shape}"
        )
    if patterns.min() < 0 or patterns.max() >= num_patterns:
        raise InputError(
            f"labels must be in 0 .. {num_patterns - 1}, got {patterns.min()} .. {patterns.max()}"
        )
    if not 0 <= power <= 1:
        raise InputError(f"power must be in [0, 1], got {power}")
    counts = np.bincount(patterns, minlength=num_patterns)
    weights = counts[patterns].astype(np.float64) ** -float(power)
    return weights / weights.mean()
