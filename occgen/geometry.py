"""Boxes: clip, area and intersection, all in whole pixels.

A box is ``(x0, y0, x1, y1)``, half-open: it holds the pixels ``x0 <= x < x1``, ``y0 <= y < y1``,
so its area is ``(x1 - x0) * (y1 - y0)`` and an empty box is all zeros.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import InputError

__all__ = ["as_boxes", "box_area", "box_intersection", "centred_box", "clip_boxes"]

IntArray = NDArray[np.int64]


def as_boxes(boxes: ArrayLike) -> IntArray:
    """Return boxes as an integer array, checked.

    Parameters
    ----------
    boxes : array_like, shape (N, 4) or (4,)
        Half-open ``x0, y0, x1, y1`` in pixels; floats are taken when they are whole numbers.

    Returns
    -------
    ndarray of int64, shape (N, 4)

    Raises
    ------
    InputError
        For another shape, fractions, NaN, sides out of range, or an end before its start.
    """
    array = np.asarray(boxes)
    if array.ndim == 1 and array.size == 4:
        array = array[None]
    if array.size == 0 and array.ndim <= 2:
        return np.zeros((0, 4), np.int64)
    if array.ndim != 2 or array.shape[1] != 4:
        raise InputError(f"boxes must have shape (N, 4), got {array.shape}")
    if array.dtype.kind not in "iu":
        if array.dtype.kind != "f" or not np.array_equal(array, np.floor(array)):
            raise InputError(f"boxes must be whole pixels, got {array.dtype} with fractions or NaN")
        if np.abs(array).max() > 2**31:
            raise InputError("boxes must lie within +-2**31 pixels")
    elif array.dtype.kind == "u" and array.max() > np.iinfo(np.int64).max:
        raise InputError(f"boxes must lie below 2**63 pixels, got {array.max()}")
    result = array.astype(np.int64)
    reversed_rows = (result[:, 2] < result[:, 0]) | (result[:, 3] < result[:, 1])
    if reversed_rows.any():
        row = int(np.argmax(reversed_rows))
        raise InputError(
            f"box {row} ends before it starts: {tuple(result[row].tolist())}; "
            "boxes are x0, y0, x1, y1 with x0 <= x1 and y0 <= y1"
        )
    return result


def clip_boxes(boxes: IntArray, height: int, width: int) -> IntArray:
    """Return boxes cut to the image; what lies outside becomes all zeros.

    Parameters
    ----------
    boxes : ndarray of int, shape (N, 4)
    height, width : int
        Size of the image in pixels.

    Returns
    -------
    ndarray of int64, shape (N, 4)
    """
    clipped = np.empty(boxes.shape, np.int64)
    np.clip(boxes[:, 0::2], 0, width, out=clipped[:, 0::2])
    np.clip(boxes[:, 1::2], 0, height, out=clipped[:, 1::2])
    clipped[box_area(clipped) == 0] = 0
    return clipped


def box_area(boxes: NDArray[Any]) -> NDArray[Any]:
    """Return the number of pixels in each box.

    Parameters
    ----------
    boxes : ndarray, shape (N, 4)

    Returns
    -------
    ndarray, shape (N,)
    """
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def box_intersection(a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    """Return the pixels each box of `a` shares with each of `b`.

    Parameters
    ----------
    a : ndarray, shape (N, 4)
    b : ndarray, shape (M, 4)

    Returns
    -------
    ndarray, shape (N, M)
    """
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    sides = np.clip(high - low, 0, None)
    return np.asarray(sides[..., 0] * sides[..., 1])


def centred_box(centre_x: int, centre_y: int, width: int, height: int) -> tuple[int, int, int, int]:
    """Return the box of a size around a pixel, not clipped.

    The odd pixel falls on the far side: ``x0 = centre - width // 2`` and ``x1 = x0 + width``,
    as in the published generator.
    """
    x0 = centre_x - width // 2
    y0 = centre_y - height // 2
    return x0, y0, x0 + width, y0 + height
