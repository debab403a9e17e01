"""Perceptual hashes of pictures, and pairs of hashes that are close, without comparing them all."""

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["REGIONS_HASHED", "close_pairs", "hash_picture", "likeness"]

UInt8 = NDArray[np.uint8]
UInt64 = NDArray[np.uint64]

REGIONS_HASHED = 5  # the whole and its four quarters
_SIDE, _KEPT = 32, 8  # DCT of a 32 x 32 picture, of which the lowest 8 x 8 are kept
_SPREAD = np.arange(64) * 5 % 64  # neighbours in frequency go to different bands
_BANDS = ((0, 13), (13, 13), (26, 13), (39, 13), (52, 12))  # first bit, bits
_MOST_AT_ONCE = 1 << 21
_ONES = np.array([number.bit_count() for number in range(1 << 16)], np.uint8)
_COMPARED = 64  # pixels a side two pictures are compared at
_MOVED = 3  # of them, the farthest one picture may lie beside the other
_LEAST_SEEN = 0.2  # share that must be unhidden in both


def hash_picture(
    image: UInt8, mask: NDArray[np.bool_] | None = None
) -> tuple[UInt64, NDArray[np.bool_]]:
    """Return the hashes of a picture and of its quarters, and which of them show it unhidden.

    Parameters
    ----------
    image : ndarray of uint8, shape (H, W, 3)
        RGB, at least 2 x 2.
    mask : ndarray of bool, shape (H, W), optional
        What is hidden; a region more than a fiftieth of which is hidden is not to be compared.

    Returns
    -------
    hashes : ndarray of uint64, shape (5,)
        Whole, upper left, upper right, lower left, lower right.
    usable : ndarray of bool, shape (5,)

    Notes
    -----
    The DCT hash: bit i says whether the i-th of the 64 lowest coefficients of the 32 x 32 grey
    picture lies above their median. Re-encoding and resizing move it by 0 to 4 bits.
    """
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    hashes = np.array([_hash(part) for part in _regions(grey)], np.uint64)
    if mask is None:
        return hashes, np.ones(REGIONS_HASHED, np.bool_)
    hidden = [float(part.mean()) for part in _regions(mask)]
    return hashes, np.array(hidden) <= 0.02


def close_pairs(left: UInt64, right: UInt64, radius: int) -> NDArray[np.int64]:
    """Return every pair of hashes that differ in few bits.

    Parameters
    ----------
    left, right : ndarray of uint64, shape (N,), (M,)
    radius : int
        Largest number of differing bits, 0 to 9.

    Returns
    -------
    ndarray of int64, shape (P, 2)
        Index on the left, index on the right; each pair once, sorted.

    Notes
    -----
    Hashes are cut into five bands. Two that differ in at most 9 bits differ in at most one within
    some band, so only those are compared whose band is equal or one bit away (multi-index hashing,
    Norouzi, Punjani and Fleet, CVPR 2012). Memory is bounded by the pairs found.
    """
    if not 0 <= radius < 2 * len(_BANDS):
        raise ValueError(f"radius must be in 0 .. {2 * len(_BANDS) - 1}, got {radius}")
    found = [np.zeros(0, np.int64)]
    for first, bits in _BANDS:
        for i, j in _candidates(_band(left, first, bits), _band(right, first, bits), bits):
            near = _differing(left[i] ^ right[j]) <= radius
            found.append(np.unique(i[near] * len(right) + j[near]))
    pairs = np.unique(np.concatenate(found))
    return np.stack(np.divmod(pairs, max(len(right), 1)), axis=1)


def likeness(
    left: UInt8,
    right: UInt8,
    left_mask: NDArray[np.bool_] | None = None,
    right_mask: NDArray[np.bool_] | None = None,
) -> float:
    """Return how alike two pictures are where neither is hidden: their correlation, -1 to 1.

    Parameters
    ----------
    left, right : ndarray of uint8, shape (H, W, 3)
        RGB, of any size.
    left_mask, right_mask : ndarray of bool, shape (H, W), optional
        What is hidden.

    Returns
    -------
    float
        Of the grey pictures at 64 x 64, the best over shifts of up to three pixels; 0 where one
        of them is all one colour or little is left to compare.
    """
    a, b = _small(left), _small(right)
    seen = np.ones((_COMPARED, _COMPARED), np.bool_)
    for mask in (left_mask, right_mask):
        if mask is not None:
            seen &= _small_mask(mask)
    inner = slice(_MOVED, _COMPARED - _MOVED)
    weights = seen[inner, inner].astype(np.float32)
    if weights.mean() < _LEAST_SEEN or a[inner, inner][weights > 0].std() < 1 or b[seen].std() < 1:
        return 0.0
    scores = cv2.matchTemplate(b, a[inner, inner], cv2.TM_CCOEFF_NORMED, mask=weights)
    scores = scores[np.isfinite(scores) & (np.abs(scores) <= 1.001)]
    return float(min(scores.max(initial=0.0), 1.0))


def _regions(picture: NDArray[np.generic]) -> tuple[NDArray[np.generic], ...]:
    y, x = picture.shape[0] // 2, picture.shape[1] // 2
    return picture, picture[:y, :x], picture[:y, x:], picture[y:, :x], picture[y:, x:]


def _hash(grey: NDArray[np.generic]) -> np.uint64:
    small = cv2.resize(np.asarray(grey), (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    lowest = cv2.dct(small.astype(np.float32))[:_KEPT, :_KEPT].ravel()
    bits = lowest > np.median(lowest)
    packed: np.uint64 = np.packbits(bits[_SPREAD]).view("<u8")[0]
    return packed


def _small(image: UInt8) -> NDArray[np.float32]:
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (_COMPARED, _COMPARED), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float32)


def _small_mask(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return where nothing is hidden, at the size compared, with a pixel to spare."""
    grown = cv2.dilate(mask.astype(np.uint8), np.ones((5, 5), np.uint8))
    share = cv2.resize(
        grown.astype(np.float32), (_COMPARED, _COMPARED), interpolation=cv2.INTER_AREA
    )
    return np.asarray(share == 0)


def _band(hashes: UInt64, first: int, bits: int) -> NDArray[np.int64]:
    keys = (hashes >> np.uint64(first)) & np.uint64((1 << bits) - 1)
    return keys.astype(np.int64)


def _candidates(
    left: NDArray[np.int64], right: NDArray[np.int64], bits: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Yield indices of pairs whose band is equal or one bit away, a bounded number at a time."""
    order = np.argsort(right, kind="stable")
    starts = np.searchsorted(right[order], np.arange((1 << bits) + 1))
    for flipped in (0, *(1 << bit for bit in range(bits))):
        keys = left ^ flipped
        first, counts = starts[keys], starts[keys + 1] - starts[keys]
        ends = np.cumsum(counts)
        begin = 0
        while begin < len(left):
            base = int(ends[begin - 1]) if begin else 0
            end = max(begin + 1, int(np.searchsorted(ends, base + _MOST_AT_ONCE, "right")))
            some = counts[begin:end]
            i = np.repeat(np.arange(begin, end), some)
            within = np.arange(len(i)) - np.repeat(np.cumsum(some) - some, some)
            yield i, order[np.repeat(first[begin:end], some) + within]
            begin = end


def _differing(xor: UInt64) -> NDArray[np.int64]:
    words = np.ascontiguousarray(xor).view(np.uint16).reshape(len(xor), 4)
    return _ONES[words].sum(axis=1, dtype=np.int64)
