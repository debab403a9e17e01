"""Identification from features: ranks, CMC, MegaFace's trials, open-set rates."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from occgen.errors import InputError

from .search import search_gallery, unit_rows

__all__ = [
    "OpenSetPoint",
    "Ranks",
    "cmc",
    "megaface_ranks",
    "open_set_rates",
    "rank_probes",
]

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Ranks:
    """Where the right person stands for each probe.

    Parameters
    ----------
    ranks : ndarray of int64, shape (P,)
        From 1; 0 where no gallery picture of that person is among the best `max_rank`.
    mated : ndarray of bool, shape (P,)
        Whether the person is in the gallery at all.
    top_scores : ndarray of float32, shape (P,)
        Of the best gallery picture.
    top_rows : ndarray of int64, shape (P,)
        Of the gallery: that picture.
    mate_scores : ndarray of float32, shape (P,)
        Of the best picture of the right person; NaN at rank 0.
    max_rank : int
    """

    ranks: Int64
    mated: NDArray[np.bool_]
    top_scores: Float32
    top_rows: Int64
    mate_scores: Float32
    max_rank: int


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenSetPoint:
    """Detection and identification rate at a false alarm rate.

    Parameters
    ----------
    far : float
        Wanted share of probes without a mate that raise an alarm.
    dir : float
        Share of probes with a mate found at rank 1 and at or above the threshold.
    threshold : float
    false_alarms : int
    achieved_far : float
    note : str
        What limits the point, else empty.
    """

    far: float
    dir: float
    threshold: float
    false_alarms: int
    achieved_far: float
    note: str


def rank_probes(
    probes: Float32,
    gallery: Float32,
    probe_labels: Sequence[str] | ArrayLike,
    gallery_labels: Sequence[str] | ArrayLike,
    *,
    max_rank: int = 20,
    **options: Any,
) -> Ranks:
    """Return the rank of the right person for every probe.

    Parameters
    ----------
    probes : ndarray of float32, shape (P, E)
    gallery : ndarray of float32, shape (G, E)
    probe_labels, gallery_labels : sequence of str or int, of length P and G
    max_rank : int, optional
        Ranks beyond are given as 0.
    **options
        Of `search_gallery`.

    Returns
    -------
    Ranks

    Raises
    ------
    InputError
        As `search_gallery`; and for labels of another length.

    Notes
    -----
    A rank counts gallery pictures: one more than those of other people that score higher than the
    best of the right one (of equal scores the lower row stands first).
    """
    mine, theirs = np.asarray(probe_labels), np.asarray(gallery_labels)
    if mine.shape != (len(probes),) or theirs.shape != (len(gallery),):
        raise InputError(
            f"labels must be one a row: {len(probes)} and {len(gallery)}, got shapes {mine.shape} "
            f"and {theirs.shape}"
        )
    found = search_gallery(probes, gallery, max_rank, **options)
    right = theirs[found.rows] == mine[:, None]  # (P, K)
    at = right.argmax(axis=1)
    hit = right.any(axis=1)
    line = np.arange(len(at))
    return Ranks(
        ranks=np.where(hit, at + 1, 0).astype(np.int64),
        mated=np.isin(mine, theirs),
        top_scores=found.scores[:, 0].copy(),
        top_rows=found.rows[:, 0].copy(),
        mate_scores=np.where(hit, found.scores[line, at], np.float32(np.nan)),
        max_rank=found.rows.shape[1],
    )


def megaface_ranks(
    probes: Float32,
    mates: Float32,
    labels: Sequence[str] | ArrayLike,
    distractors: Float32,
    *,
    max_rank: int = 20,
    normalise: bool = True,
    on_progress: Callable[[int, int], None] | None = None,
) -> tuple[Int64, Int64]:
    """Return the rank of each mate hidden, in turn, among the distractors.

    Parameters
    ----------
    probes : ndarray of float32, shape (P, E)
    mates : ndarray of float32, shape (P, E)
        Of the same pictures in the same order: the probes themselves, or their clean versions.
    labels : sequence of str or int, of length P
    distractors : ndarray of float32, shape (D, E)
        May be a `numpy.memmap`.
    max_rank : int, optional
        Ranks beyond are given as 0.
    normalise : bool, optional
    on_progress : callable, optional
        As for `search_gallery`.

    Returns
    -------
    tuple of ndarray of int64, shape (T,)
        The rank, and the probe, of each trial: for each person with n pictures n (n - 1) trials,
        probe i against mate j other than i.

    Raises
    ------
    InputError
        As `search_gallery`; and where nobody has two pictures.

    Notes
    -----
    The rank is one more than the number of distractors at or above the mate: a tie counts against
    the model. Only a probe's `max_rank` best distractors are needed for that.
    """
    names = np.asarray(labels)
    if names.shape != (len(probes),) or mates.shape != probes.shape:
        raise InputError(
            f"probes, mates and labels must go together, got {probes.shape}, {mates.shape} and "
            f"{names.shape}"
        )
    order = np.argsort(names, kind="stable")
    starts = np.flatnonzero(np.r_[True, names[order][1:] != names[order][:-1], True])
    groups = [order[a:b] for a, b in itertools.pairwise(starts) if b - a > 1]
    if not groups:
        raise InputError("nobody has two pictures: MegaFace's protocol needs pairs of a person")
    found = search_gallery(
        probes, distractors, max_rank, normalise=normalise, on_progress=on_progress
    )
    rising = found.scores[:, ::-1]  # (P, K)
    ranks, owners = [], []
    for rows in groups:
        left, right = probes[rows], mates[rows]
        if normalise:
            left, right = unit_rows(left), unit_rows(right)
        scores = left @ right.T
        for place, row in enumerate(rows.tolist()):
            others = np.delete(scores[place], place)
            above = rising.shape[1] - np.searchsorted(rising[row], others, side="left")
            full = above == rising.shape[1]
            ranks.append(np.where(full & (len(distractors) > above), 0, above + 1))
            owners.append(np.full(len(others), row))
    rank = np.concatenate(ranks)
    return np.where(rank > max_rank, 0, rank).astype(np.int64), np.concatenate(owners)


def cmc(ranks: ArrayLike, max_rank: int) -> Float64:
    """Return the share of trials within each rank: the cumulative match characteristic.

    Parameters
    ----------
    ranks : array_like of int, shape (T,)
        From 1; 0 is beyond.
    max_rank : int

    Returns
    -------
    ndarray of float64, shape (max_rank,)
        Rank 1 first.

    Raises
    ------
    InputError
        For no trials, or ranks outside 0 .. max_rank.

    Examples
    --------
    >>> cmc([1, 3, 0, 1], 3).tolist()
    [0.5, 0.5, 0.75]
    """
    array = np.asarray(ranks)
    if array.ndim != 1 or not len(array):
        raise InputError("there are no trials: ranks is empty")
    if array.dtype.kind not in "iu" or array.min() < 0 or array.max() > max_rank:
        raise InputError(f"ranks must be whole numbers in 0 .. {max_rank}")
    counts = np.bincount(array, minlength=max_rank + 1)[1:]
    return np.cumsum(counts) / len(array)


def open_set_rates(ranks: Ranks, fars: Sequence[float]) -> tuple[OpenSetPoint, ...]:
    """Return the detection and identification rate at false alarm rates.

    Parameters
    ----------
    ranks : Ranks
        With probes that have a mate and some that have none.
    fars : sequence of float
        Each in [0, 1).

    Returns
    -------
    tuple of OpenSetPoint

    Raises
    ------
    InputError
        Where all probes have a mate, or none has, or a rate is outside [0, 1).

    Notes
    -----
    The threshold is the score at index ``int(n * far)`` of the best scores of the probes without a
    mate, from high to low, as for `tar_at_far`; alarms are raised above it, so that no more than
    ``n * far`` are false.
    """
    strangers = np.sort(ranks.top_scores[~ranks.mated])[::-1]
    mated = ranks.mated
    if not len(strangers) or not mated.any():
        missing = "without" if not len(strangers) else "with"
        raise InputError(f"open-set rates need probes {missing} a mate in the gallery, got none")
    points = []
    for far in fars:
        if not 0 <= far < 1:
            raise InputError(f"far must be in [0, 1), got {far}")
        index = int(len(strangers) * far)
        threshold = float(strangers[index])
        found = mated & (ranks.ranks == 1) & (ranks.top_scores > threshold)
        alarms = int((strangers > threshold).sum())
        note = ""
        if len(strangers) * far < 1:
            note = (
                f"FAR {far:g} cannot be told with {len(strangers)} probes without a mate (the "
                f"least is {1 / len(strangers):.2g}): the threshold is the best of their scores"
            )
        elif len(strangers) * far < 10:
            note = f"FAR {far:g} rests on {index} of {len(strangers)} probes without a mate"
        points.append(
            OpenSetPoint(
                far=float(far),
                dir=float(found.sum() / mated.sum()),
                threshold=threshold,
                false_alarms=alarms,
                achieved_far=alarms / len(strangers),
                note=note,
            )
        )
    return tuple(points)
