"""Verification metrics: scores of pairs in, numbers out (Sec. 4.1); no torch.

A score is a similarity, larger for the same identity; `same` says which pairs are genuine.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from occgen.errors import InputError

from .roc import (
    FalseAcceptPoint,
    area_under_curve,
    check_pairs,
    equal_error_rate,
    far_resolution_note,
    roc_curve,
    split_pairs,
    tar_at_far,
    tar_point,
)

__all__ = [
    "FalseAcceptPoint",
    "VerificationReport",
    "accuracy_threshold",
    "area_under_curve",
    "contiguous_folds",
    "equal_error_rate",
    "far_resolution_note",
    "fold_decisions",
    "roc_curve",
    "tar_at_far",
    "tar_point",
    "verification_accuracy",
    "verification_report",
]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True)
class VerificationReport:
    """Every verification figure of one set of pairs.

    Parameters
    ----------
    num_genuine, num_impostor : int
    accuracy, accuracy_std : float
        `verification_accuracy` with the published thresholds.
    exact_accuracy, exact_accuracy_std : float
        The same with every score as a candidate.
    threshold : float
        Best of the published thresholds on all pairs.
    equal_error_rate, area_under_curve : float
    points : tuple of FalseAcceptPoint
        One a wanted false accept rate.
    """

    num_genuine: int
    num_impostor: int
    accuracy: float
    accuracy_std: float
    exact_accuracy: float
    exact_accuracy_std: float
    threshold: float
    equal_error_rate: float
    area_under_curve: float
    points: tuple[FalseAcceptPoint, ...]


def contiguous_folds(count: int, folds: int = 10) -> Int64:
    """Return the fold of each of `count` pairs: runs of equal length in order.

    Parameters
    ----------
    count : int
        Pairs, at least `folds`.
    folds : int, optional
        At least 2. Fold `i` holds pairs ``i * count // folds`` up to ``(i + 1) * count // folds``.

    Returns
    -------
    ndarray of int64, shape (count,)

    Raises
    ------
    InputError
        For fewer than two folds, or fewer pairs than folds.

    Examples
    --------
    >>> contiguous_folds(5, 2)
    array([0, 0, 1, 1, 1])
    """
    if folds != int(folds) or folds < 2:
        raise InputError(f"folds must be a whole number >= 2, got {folds!r}")
    if count < folds:
        raise InputError(f"{folds} folds need at least {folds} pairs, got {count}")
    bounds = np.arange(folds + 1) * count // folds
    return np.repeat(np.arange(folds), np.diff(bounds)).astype(np.int64)


def verification_accuracy(
    scores: ArrayLike,
    same: ArrayLike,
    folds: int = 10,
    *,
    fold_indices: ArrayLike | None = None,
    exact: bool = False,
) -> tuple[float, float]:
    """Return mean and standard deviation of the accuracy over folds.

    Parameters
    ----------
    scores : array_like of float, shape (N,)
        Similarities; cosines in the published protocol.
    same : array_like of bool, shape (N,)
    folds : int, optional
        Runs of equal length in order; see `contiguous_folds`.
    fold_indices : array_like of int, shape (N,), optional
        The fold of each pair instead, where a protocol gives them.
    exact : bool, optional
        Take every score as a candidate threshold instead of the published steps of 0.005.

    Returns
    -------
    tuple of float
        Mean and (population) standard deviation of the folds' accuracies.

    Raises
    ------
    InputError
        For shapes that do not fit, a score that is no number, no pairs, or fewer than two folds.

    Notes
    -----
    As published: a pair is accepted where its score is above the threshold; thresholds are
    ``numpy.arange(-1, 1, 0.005)``; a fold's is the best on the other folds, the last of equals.
    Scores are compared in float64. With `exact`, a threshold below every score is a candidate
    too, so that no split of the pairs is left out.

    References
    ----------
    Sec. 4.1.
    """
    right, _, fold = fold_decisions(scores, same, folds, fold_indices=fold_indices, exact=exact)
    accuracy = np.bincount(fold, right) / np.bincount(fold)
    return float(accuracy.mean()), float(accuracy.std())


def fold_decisions(
    scores: ArrayLike,
    same: ArrayLike,
    folds: int = 10,
    *,
    fold_indices: ArrayLike | None = None,
    exact: bool = False,
) -> tuple[NDArray[np.bool_], Float64, Int64]:
    """Return which pairs `verification_accuracy` decides rightly, and how.

    Parameters
    ----------
    scores, same, folds, fold_indices, exact
        As for `verification_accuracy`.

    Returns
    -------
    tuple of ndarray
        Whether each pair is decided rightly, (N,); the threshold of each fold, (folds,); the fold
        of each pair, (N,), numbered from 0.

    Raises
    ------
    InputError
        As `verification_accuracy`.
    """
    values, genuine = check_pairs(scores, same)
    fold = _check_folds(fold_indices, len(values), folds)
    thresholds = _candidates(values, exact)
    number = int(fold.max()) + 1
    correct = np.stack(
        [_count_correct(values[fold == i], genuine[fold == i], thresholds) for i in range(number)]
    )  # (folds, T)
    others = correct.sum(axis=0) - correct  # (folds, T)
    best = others.shape[1] - 1 - others[:, ::-1].argmax(axis=1)  # the last of equals
    chosen = thresholds[best]
    return (values > chosen[fold]) == genuine, chosen, fold


def accuracy_threshold(
    scores: ArrayLike, same: ArrayLike, *, exact: bool = False
) -> tuple[float, float]:
    """Return the threshold of highest accuracy on all pairs, and that accuracy.

    Parameters
    ----------
    scores : array_like of float, shape (N,)
    same : array_like of bool, shape (N,)
    exact : bool, optional
        As for `verification_accuracy`.

    Returns
    -------
    tuple of float
        The threshold (pairs above it are accepted; the last of equals) and the accuracy.

    Raises
    ------
    InputError
        As `verification_accuracy`.
    """
    values, genuine = check_pairs(scores, same)
    thresholds = _candidates(values, exact)
    correct = _count_correct(values, genuine, thresholds)
    best = len(correct) - 1 - int(correct[::-1].argmax())
    return float(thresholds[best]), float(correct[best] / len(values))


def verification_report(
    scores: ArrayLike,
    same: ArrayLike,
    *,
    fars: Sequence[float] = (1e-1, 1e-2, 1e-3, 1e-4),
    folds: int = 10,
    fold_indices: ArrayLike | None = None,
) -> VerificationReport:
    """Return every verification figure of one set of pairs.

    Parameters
    ----------
    scores : array_like of float, shape (N,)
    same : array_like of bool, shape (N,)
    fars : sequence of float, optional
        False accept rates wanted, each in [0, 1).
    folds, fold_indices
        As for `verification_accuracy`.

    Returns
    -------
    VerificationReport

    Raises
    ------
    InputError
        As `verification_accuracy` and `tar_at_far`.
    """
    values, genuine = check_pairs(scores, same)
    accepted, impostors = split_pairs(values, genuine)
    chosen: dict[str, Any] = {"folds": folds, "fold_indices": fold_indices}
    accuracy, accuracy_std = verification_accuracy(values, genuine, **chosen)
    exact, exact_std = verification_accuracy(values, genuine, exact=True, **chosen)
    return VerificationReport(
        num_genuine=len(accepted),
        num_impostor=len(impostors),
        accuracy=accuracy,
        accuracy_std=accuracy_std,
        exact_accuracy=exact,
        exact_accuracy_std=exact_std,
        threshold=accuracy_threshold(values, genuine)[0],
        equal_error_rate=equal_error_rate(values, genuine),
        area_under_curve=area_under_curve(values, genuine),
        points=tuple(tar_point(values, genuine, far) for far in fars),
    )


def _check_folds(fold_indices: ArrayLike | None, count: int, folds: int) -> Int64:
    if fold_indices is None:
        return contiguous_folds(count, folds)
    fold = np.asarray(fold_indices)
    if fold.shape != (count,) or fold.dtype.kind not in "iu":
        raise InputError(
            f"fold_indices must be {count} whole numbers, got {fold.dtype} of shape {fold.shape}"
        )
    _, numbered = np.unique(fold, return_inverse=True)
    if numbered.max() < 1:
        raise InputError("fold_indices must name at least two folds, got one")
    return numbered.astype(np.int64)


def _candidates(values: Float64, exact: bool) -> Float64:
    """Return rising thresholds (T,); a pair is accepted where its score is above."""
    if exact:
        return np.r_[-np.inf, np.unique(values)]
    return np.arange(-1, 1, 0.005)


def _count_correct(values: Float64, genuine: NDArray[np.bool_], thresholds: Float64) -> Int64:
    """Return how many pairs each threshold decides rightly, (T,)."""
    accepted, impostors = np.sort(values[genuine]), np.sort(values[~genuine])
    true = len(accepted) - np.searchsorted(accepted, thresholds, side="right")
    return (true + np.searchsorted(impostors, thresholds, side="right")).astype(np.int64)
