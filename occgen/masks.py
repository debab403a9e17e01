"""Masks as run lengths, the form shards keep them in; numpy alone packs and unpacks them.

A mask is read row after row. Its bytes are lengths of runs, in turn of what is seen and of what is
hidden, beginning with what is seen (0 where the first pixel is hidden). A run of more than 255 is
255, then 0 of the other kind, then the rest. What is seen after the last hidden pixel is left out,
so a mask of nothing has no bytes. The bytes of a mask are the same everywhere, which a compressor's
are not from one build of it to another.
"""

import numpy as np
from numpy.typing import NDArray

from .errors import DataError

__all__ = ["pack_mask", "pack_masks", "unpack_mask"]

_LONGEST = 255


def pack_mask(mask: NDArray[np.bool_]) -> bytes:
    """Return a mask as run lengths.

    Parameters
    ----------
    mask : ndarray of bool, shape (H, W)
        True where hidden.
    """
    return pack_masks(mask[None])[0].tobytes()


def pack_masks(masks: NDArray[np.bool_]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return masks as run lengths, one after the other.

    Parameters
    ----------
    masks : ndarray of bool, shape (N, H, W)
        True where hidden.

    Returns
    -------
    runs : ndarray of uint8
    sizes : ndarray of int64, shape (N,)
        Bytes of each mask.
    """
    count, height, width = masks.shape
    bits = np.packbits(masks.reshape(count, height * width), axis=1)
    stride = bits.shape[1] + 1  # a byte of nothing ends each mask, and so its last run
    change = np.zeros((count, stride), np.uint8)
    change[:, :-1] = bits ^ (bits >> 1)
    change[:, 1:] ^= bits * np.uint8(128)
    flat = change.reshape(-1)
    some = np.flatnonzero(flat != 0)
    found = np.flatnonzero(np.unpackbits(flat[some]).view(np.bool_))
    places = (some[found >> 3] << 3) + (found & 7)  # where pixels differ from the one before
    starts = np.arange(count) * (stride * 8)
    first = np.searchsorted(places, starts)
    sizes = np.empty(count, np.int64)
    sizes[:-1], sizes[-1:] = first[1:] - first[:-1], len(places) - first[-1:]
    lengths = np.empty_like(places)
    lengths[1:], lengths[:1] = places[1:] - places[:-1], places[:1]
    filled = np.flatnonzero(sizes)
    lengths[first[filled]] = places[first[filled]] - starts[filled]
    return _cut_long(lengths, first, sizes)


def _cut_long(
    lengths: NDArray[np.int64], first: NDArray[np.int64], sizes: NDArray[np.int64]
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return runs in a byte each, the long ones cut, and the bytes of each mask.

    Parameters
    ----------
    lengths : ndarray of int64
        Of all runs.
    first, sizes : ndarray of int64, shape (N,)
        Where each mask's runs begin, and how many there are.
    """
    long = np.flatnonzero(lengths > _LONGEST)
    cuts = 2 * ((lengths[long] - 1) // _LONGEST)  # bytes put before what is left of a run
    lengths[long] -= (cuts >> 1) * _LONGEST
    put = np.repeat(long, cuts)
    put += np.arange(len(put))
    runs = np.zeros(len(lengths) + len(put), np.uint8)
    runs[put[::2]] = _LONGEST
    others = np.ones(len(runs), np.bool_)
    others[put] = False
    runs[others] = lengths
    masks = np.searchsorted(first, long, side="right") - 1
    return runs, sizes + np.bincount(masks, cuts, len(sizes)).astype(np.int64)


def unpack_mask(data: bytes, height: int, width: int) -> NDArray[np.bool_]:
    """Return the mask that `pack_mask` packed.

    Raises
    ------
    DataError
        When the data are damaged or of another size.
    """
    runs = np.frombuffer(data, np.uint8)
    filled = int(np.add.reduce(runs, dtype=np.int64))  # before any pixel is made of them
    if len(runs) & 1 or filled > height * width or (len(runs) and not runs[-1]):
        raise DataError(f"damaged mask (its runs do not fit {height}x{width} pixels)")
    kinds = np.zeros(len(runs), np.bool_)
    kinds[1::2] = True
    mask = np.zeros((height, width), np.bool_)
    mask.reshape(-1)[:filled] = np.repeat(kinds, runs)
    return mask
