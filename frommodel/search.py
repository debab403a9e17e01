"""Exact search in a gallery of any size: blocks of a product, and what of it can matter.

Where the processor multiplies bfloat16 natively and torch is installed, large searches take their
products at that precision, twice as fast, only to see which rows can be among the best at all;
those are then scored in float32. The bound on what rounding can do is computed, not assumed, so
the answer is the float32 one.
"""

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from occgen.errors import InputError

from .processor import has_bfloat16

__all__ = ["SearchResult", "search_gallery", "unit_rows"]

Float32 = NDArray[np.float32]
Int64 = NDArray[np.int64]

_GALLERY_ROWS = 8192  # 16.8 MB of 512 float32
_PROBE_ROWS = 1536  # 50 MB of scores against a block of the gallery
_CHECKED_ROWS = 65536
_FIRST_COLUMNS = 2048
_RUN = 64
_WORTH_TORCH = 1 << 34  # multiplications; importing torch takes as long as a tenth of them
_MOST_CANDIDATES = 64  # a probe and block, above which the whole product is taken in float32


class SearchResult(NamedTuple):
    """The best of a gallery for each probe, from high to low.

    Parameters
    ----------
    scores : ndarray of float32, shape (P, K)
        Cosines, or products where the features are not normalised.
    rows : ndarray of int64, shape (P, K)
        Of the gallery; of equal scores the lower row first.
    """

    scores: Float32
    rows: Int64


def search_gallery(
    probes: Float32,
    gallery: Float32,
    k: int = 1,
    *,
    normalise: bool = True,
    on_progress: Callable[[int, int], None] | None = None,
) -> SearchResult:
    """Return the `k` most similar gallery rows of every probe, exactly.

    Parameters
    ----------
    probes : ndarray of float32, shape (P, E)
    gallery : ndarray of float32, shape (G, E)
        May be a `numpy.memmap`: each row is read once.
    k : int, optional
        At most G are given.
    normalise : bool, optional
        Scale rows to length one first (copies of single blocks), so that scores are cosines; a row
        of zeros scores 0.
    on_progress : callable, optional
        Called with gallery rows done and their total.

    Returns
    -------
    SearchResult

    Raises
    ------
    InputError
        For shapes that do not fit, no gallery, k under 1, or numbers that are not finite.

    Notes
    -----
    Blocks of 8,192 gallery rows are multiplied with blocks of 1,536 probes into one reused buffer:
    temporaries stay below 100 MB for 512 columns, whatever the sizes. After the first block few
    scores beat a probe's k-th best, and sets of columns without any are passed over by their
    maximum alone. Rows whose scores differ in the last bits of float32 alone may change places
    with those of another summation.
    """
    _check_features(probes, gallery)
    if k < 1:
        raise InputError(f"k must be at least 1, got {k}")
    probes = np.asarray(probes, np.float32)
    total, k = len(gallery), min(k, len(gallery))
    best = np.full((len(probes), k), -np.inf, np.float32)
    rows = np.zeros((len(probes), k), np.int64)
    shape = min(_PROBE_ROWS, len(probes)), min(_GALLERY_ROWS, total)
    whole = _Whole(shape)
    rounded = _Rounded(shape, whole) if _rounds(len(probes) * total * probes.shape[1]) else None
    for start in range(0, total, _GALLERY_ROWS):
        block = np.asarray(gallery[start : start + _GALLERY_ROWS], np.float32)
        block = unit_rows(block) if normalise else block
        _check_finite(block, "gallery", start)
        if rounded is not None:
            rounded.take(block)
        for first in range(0, len(probes), _PROBE_ROWS):
            part = probes[first : first + _PROBE_ROWS]
            part = unit_rows(part) if normalise else part
            end = first + len(part)
            (rounded or whole).merge(part, block, best[first:end], rows[first:end], start)
        if on_progress is not None:
            on_progress(min(start + _GALLERY_ROWS, total), total)
    return SearchResult(best, rows)


class _Whole:
    """Takes the whole product of a block in float32."""

    def __init__(self, shape: tuple[int, int]) -> None:
        self._shape = shape

    @functools.cached_property
    def _buffer(self) -> Float32:
        return np.empty(self._shape, np.float32)

    def merge(self, part: Float32, block: Float32, best: Float32, rows: Int64, start: int) -> None:
        """Take what beats the best so far out of a block; earlier rows win ties."""
        scores = self._buffer[: len(part), : len(block)]
        np.matmul(part, block.T, out=scores)
        k = best.shape[1]
        if k == 1:
            at = scores.argmax(axis=1)
            top = scores[np.arange(len(at)), at]
            better = top > best[:, 0]
            best[better, 0] = top[better]
            rows[better, 0] = at[better] + start
            return
        begun = 0
        if best[0, -1] == -np.inf:  # nothing to beat yet
            begun = min(scores.shape[1], max(_FIRST_COLUMNS, 4 * k))
            head = scores[:, :begun]
            bound = np.partition(head, max(begun - k, 0), axis=1)[:, max(begun - k, 0)]
            line, at = np.nonzero(head >= bound[:, None])
            _sort_in(best, rows, line, at + start, head[line, at])
        line, at = _at_least(scores[:, begun:], np.nextafter(best[:, -1], np.float32(np.inf)))
        at += begun
        _sort_in(best, rows, line, at + start, scores[line, at])


class _Rounded:
    """Takes the product at bfloat16's precision, and in float32 only what can be among the best.

    For a probe p and a row g, rounded to p' and g', ``p.g`` and ``p'.g'`` differ by at most
    ``|p - p'| |g| + |p'| |g - g'|``, and summing in float32 adds ``E 2**-23 |p'| |g'|``. Rounding
    the product to bfloat16 keeps order, so that what it may hide is told by the rounded bound.
    As 16-bit integers, bfloat16 numbers above zero are in order.
    """

    def __init__(self, shape: tuple[int, int], whole: _Whole) -> None:
        import torch

        self._torch, self._whole = torch, whole
        self._buffer = torch.empty(shape[0] * shape[1], dtype=torch.bfloat16)

    def take(self, block: Float32) -> None:
        """Round the block that parts of the probes are compared with next."""
        self._block, lengths, errors = self._round(block)
        self._longest, self._error = lengths.max(), errors.max()

    def _round(self, rows: Float32) -> tuple[Any, Float32, Float32]:
        """Return rows at bfloat16, and the length of each and of what rounding took from it."""
        exact = self._torch.from_numpy(np.require(rows, requirements=["C", "W"]))
        low = exact.bfloat16()
        return low, _lengths(rows), _lengths(low.float().sub_(exact).numpy())

    def merge(self, part: Float32, block: Float32, best: Float32, rows: Int64, start: int) -> None:
        """Take what beats the best so far out of a block; earlier rows win ties."""
        low, lengths, errors = self._round(part)
        least = best[:, -1]
        begins = least[0] == -np.inf  # nothing to beat yet
        fit = 1e-15 < self._longest < 1e15 and lengths.max(initial=0.0) < 1e15
        if not fit or (begins and best.shape[1] > 1):  # many of the first block are among the best
            self._whole.merge(part, block, best, rows, start)
            return
        both = np.float32(1.02) * lengths * self._longest  # rounding lengthens a row a little
        margin = np.float32(1.02) * (errors * self._longest + lengths * self._error)
        margin += both * np.float32(part.shape[1] * 2.0**-23) + np.float32(1e-25)
        product = self._buffer[: len(part) * len(block)].view(len(part), len(block))
        self._torch.mm(low, self._block.T, out=product)
        scores = product.view(self._torch.int16).numpy()
        if begins:  # the best of the block is at least this
            least = _rounded_below(_from_bits(scores.max(axis=1))) - margin
        bound = _rounded_below(least - margin)
        if not (bound > 0).all():  # numbers below zero are not in order as integers
            self._whole.merge(part, block, best, rows, start)
            return
        line, at = _at_least(scores, (bound.view(np.int32) >> 16).astype(np.int16))
        if len(line) > _MOST_CANDIDATES * len(part):
            self._whole.merge(part, block, best, rows, start)
            return
        found = np.empty(len(line), np.float32)
        for first in range(0, len(line), 4096):
            some = slice(first, first + 4096)
            np.einsum("nd,nd->n", part[line[some]], block[at[some]], out=found[some])
        _sort_in(best, rows, line, at + start, found)


def _rounds(multiplications: int) -> bool:
    """Whether a search is large enough, and the processor able, to round first."""
    return multiplications >= _WORTH_TORCH and has_bfloat16()


def _rounded_below(values: Float32) -> Float32:
    """Return numbers of bfloat16, as float32, that are smaller by one step at least."""
    bits = values.view(np.int32) & np.int32(-65536)
    low = bits.view(np.float32)
    return np.asarray(low - np.abs(low) * np.float32(2**-7), np.float32)


def _from_bits(bits: NDArray[np.int16]) -> Float32:
    return (bits.astype(np.int32) << 16).view(np.float32)


def _at_least(scores: NDArray[Any], bound: NDArray[Any]) -> tuple[Int64, Int64]:
    """Return row and column of every score at or above its row's bound.

    Sets of columns, each so many apart, are passed over by their maximum: few hold any.
    """
    apart = scores.shape[1] // _RUN
    runs = scores[:, : apart * _RUN].reshape(len(scores), _RUN, apart)
    line, run = np.nonzero(runs.max(axis=1) >= bound[:, None]) if apart else _NONE
    some, step = np.nonzero(runs[line, :, run] >= bound[line, None])
    last, rest = np.nonzero(scores[:, apart * _RUN :] >= bound[:, None])
    return (
        np.concatenate([line[some], last]),
        np.concatenate([run[some] + step * apart, rest + apart * _RUN]),
    )


_NONE = np.zeros((2, 0), np.int64)


def _sort_in(best: Float32, rows: Int64, line: Int64, row: Int64, score: Float32) -> None:
    """Merge candidates (probe, gallery row, score) into the best so far; lower rows win ties."""
    if not len(line):
        return
    k = best.shape[1]
    probes = np.unique(line)
    probe = np.concatenate([np.repeat(probes, k), line])
    value = np.concatenate([best[probes].ravel(), score])
    found = np.concatenate([rows[probes].ravel(), row])
    order = np.lexsort((found, -value, probe))
    starts = np.searchsorted(probe[order], probes)
    kept = order[starts[:, None] + np.arange(k)]
    best[probes], rows[probes] = value[kept], found[kept]


def unit_rows(features: NDArray[Any]) -> Float32:
    """Return a copy with rows of length one.

    Parameters
    ----------
    features : ndarray of float, shape (N, E)

    Returns
    -------
    ndarray of float32, shape (N, E)
        A row of zeros stays one.
    """
    rows = np.asarray(features, np.float32)
    return np.asarray(rows / np.maximum(_lengths(rows), np.float32(1e-30))[:, None], np.float32)


def _lengths(rows: Float32) -> Float32:
    return np.asarray(np.sqrt(np.einsum("nd,nd->n", rows, rows)), np.float32)


def _check_features(probes: NDArray[Any], gallery: NDArray[Any]) -> None:
    for name, part in (("probes", probes), ("gallery", gallery)):
        if part.ndim != 2 or part.dtype.kind != "f":
            raise InputError(
                f"{name} must be floats of shape (N, E), got {part.dtype} of shape {part.shape}"
            )
    if not len(gallery):
        raise InputError("the gallery is empty")
    if probes.shape[1] != gallery.shape[1]:
        raise InputError(
            f"probes have {probes.shape[1]} columns and the gallery {gallery.shape[1]}: "
            "they are of different models"
        )
    for start in range(0, len(probes), _CHECKED_ROWS):
        _check_finite(probes[start : start + _CHECKED_ROWS], "probes", start)


def _check_finite(rows: NDArray[Any], name: str, start: int) -> None:
    if not math.isfinite(float(np.sum(rows, dtype=np.float64))):
        bad = np.flatnonzero(~np.isfinite(rows).all(axis=1))
        if len(bad):
            raise InputError(f"{name} must be finite; row {start + bad[0]} is not")
