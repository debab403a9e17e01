"""Operating points of a verifier: ROC, TAR at FAR, equal error rate; no torch.

A score is a similarity, larger for the same identity; `same` says which pairs are genuine.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from occgen.errors import InputError

__all__ = [
    "FalseAcceptPoint",
    "area_under_curve",
    "check_pairs",
    "equal_error_rate",
    "far_resolution_note",
    "roc_curve",
    "split_pairs",
    "tar_at_far",
    "tar_point",
]

Float64 = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class FalseAcceptPoint:
    """One operating point: what is accepted at a wanted false accept rate.

    Parameters
    ----------
    far : float
        The rate asked for.
    tar : float
        Share of genuine pairs accepted there.
    threshold : float
        Pairs at or above it are accepted.
    false_accepts : int
        Impostor pairs accepted; at least one, since the threshold is an impostor's own score.
    achieved_far : float
        `false_accepts` over the number of impostor pairs.
    note : str
        What limits the point where impostors are few, else empty.
    """

    far: float
    tar: float
    threshold: float
    false_accepts: int
    achieved_far: float
    note: str


def tar_at_far(scores: ArrayLike, same: ArrayLike, far: float) -> float:
    """Return the share of genuine pairs accepted at a false accept rate.

    Parameters
    ----------
    scores : array_like of float, shape (N,)
    same : array_like of bool, shape (N,)
    far : float
        In [0, 1).

    Returns
    -------
    float

    Raises
    ------
    InputError
        For shapes that do not fit, a score that is no number, no genuine or no impostor pairs,
        or a rate outside [0, 1).

    Notes
    -----
    As published: the threshold is the impostor score at index ``int(n * far)`` of the impostor
    scores from high to low, and pairs at or above it are accepted. One impostor more than
    ``n * far`` is thus let in, which `tar_point` counts.

    References
    ----------
    Sec. 4.1, Table 8.
    """
    return tar_point(scores, same, far).tar


def tar_point(scores: ArrayLike, same: ArrayLike, far: float) -> FalseAcceptPoint:
    """Return the operating point of `tar_at_far` with threshold and number of false accepts.

    Parameters
    ----------
    scores : array_like of float, shape (N,)
    same : array_like of bool, shape (N,)
    far : float
        In [0, 1).

    Returns
    -------
    FalseAcceptPoint

    Raises
    ------
    InputError
        As `tar_at_far`.
    """
    values, genuine = check_pairs(scores, same)
    accepted, impostors = split_pairs(values, genuine)
    _check_far(far)
    index = int(len(impostors) * far)
    threshold = float(np.partition(impostors, -1 - index)[-1 - index])
    false_accepts = int((impostors >= threshold).sum())
    return FalseAcceptPoint(
        far=float(far),
        tar=float((accepted >= threshold).mean()),
        threshold=threshold,
        false_accepts=false_accepts,
        achieved_far=false_accepts / len(impostors),
        note=far_resolution_note(len(impostors), far),
    )


def far_resolution_note(num_impostor: int, far: float) -> str:
    """Return what to say where impostor pairs are too few for a false accept rate.

    Parameters
    ----------
    num_impostor : int
        At least 1.
    far : float
        In [0, 1).

    Returns
    -------
    str
        Empty where at least ten impostors may be accepted; fewer make the threshold hang on
        single pairs.

    Raises
    ------
    InputError
        For no impostors or a rate outside [0, 1).
    """
    if num_impostor < 1:
        raise InputError(f"a false accept rate needs impostor pairs, got {num_impostor}")
    _check_far(far)
    allowed = num_impostor * far
    if allowed < 1:
        return (
            f"FAR {far:g} cannot be told with {num_impostor} impostor pairs (the least is "
            f"{1 / num_impostor:.2g}): the threshold is the best impostor's score"
        )
    if allowed < 10:
        return f"FAR {far:g} rests on {int(allowed) + 1} of {num_impostor} impostor pairs"
    return ""


def roc_curve(scores: ArrayLike, same: ArrayLike) -> tuple[Float64, Float64, Float64]:
    """Return false accept rates, true accept rates and thresholds of every distinct score.

    Parameters
    ----------
    scores : array_like of float, shape (N,)
    same : array_like of bool, shape (N,)

    Returns
    -------
    tuple of ndarray of float64, each of shape (T + 1,)
        FAR and TAR, both rising from 0 to 1, and the thresholds, falling from infinity; pairs at
        or above a threshold are accepted.

    Raises
    ------
    InputError
        As `tar_at_far`.
    """
    values, genuine = check_pairs(scores, same)
    split_pairs(values, genuine)
    order = np.argsort(-values, kind="stable")
    ranked, hits = values[order], genuine[order]
    last = np.r_[np.flatnonzero(np.diff(ranked)), len(ranked) - 1]  # end of each run of equals
    true = np.cumsum(hits)[last]
    false = last + 1 - true
    tar = np.r_[0.0, true / true[-1]]
    far = np.r_[0.0, false / false[-1]]
    return far, tar, np.r_[np.inf, ranked[last]]


def equal_error_rate(scores: ArrayLike, same: ArrayLike) -> float:
    """Return the rate at which false accepts equal false rejects.

    Parameters
    ----------
    scores : array_like of float, shape (N,)
    same : array_like of bool, shape (N,)

    Returns
    -------
    float
        In [0, 1].

    Raises
    ------
    InputError
        As `tar_at_far`.

    Notes
    -----
    Between the two points of the ROC where the rates cross, both are taken as straight lines.
    """
    far, tar, _ = roc_curve(scores, same)
    gap = far + tar - 1  # FAR - FRR, rising from -1 to 1
    after = int(np.argmax(gap >= 0))
    before = after - 1
    share = -gap[before] / (gap[after] - gap[before])
    return float(far[before] + share * (far[after] - far[before]))


def area_under_curve(scores: ArrayLike, same: ArrayLike) -> float:
    """Return the area under the ROC: how often a genuine pair scores above an impostor pair.

    Parameters
    ----------
    scores : array_like of float, shape (N,)
    same : array_like of bool, shape (N,)

    Returns
    -------
    float
        In [0, 1]; equal scores count half.

    Raises
    ------
    InputError
        As `tar_at_far`.
    """
    far, tar, _ = roc_curve(scores, same)
    return float(np.sum(np.diff(far) * (tar[1:] + tar[:-1])) / 2)


def check_pairs(scores: ArrayLike, same: ArrayLike) -> tuple[Float64, NDArray[np.bool_]]:
    """Return scores as finite float64 (N,) and `same` as bool (N,).

    Raises
    ------
    InputError
        For shapes that do not fit, no pairs, or a score that is no finite number.
    """
    values = np.asarray(scores)
    genuine = np.asarray(same)
    if values.ndim != 1 or values.shape != genuine.shape:
        raise InputError(
            "scores and same must be two lists of one length, got shapes "
            f"{values.shape} and {genuine.shape}"
        )
    if not len(values):
        raise InputError("there are no pairs: scores is empty")
    if values.dtype.kind not in "fiu":
        raise InputError(f"scores must be numbers, got {values.dtype}")
    values = values.astype(np.float64)
    bad = np.flatnonzero(~np.isfinite(values))
    if len(bad):
        raise InputError(
            f"scores must be finite, got {values[bad[0]]} at pair {bad[0]} ({len(bad)} such pairs)"
        )
    if genuine.dtype != np.bool_ and not np.isin(genuine, (0, 1)).all():
        raise InputError("same must be true or false (or 1 and 0) for each pair")
    return values, genuine.astype(np.bool_)


def split_pairs(values: Float64, genuine: NDArray[np.bool_]) -> tuple[Float64, Float64]:
    """Return the genuine and the impostor scores.

    Raises
    ------
    InputError
        When there are none of either kind.
    """
    accepted, impostors = values[genuine], values[~genuine]
    for name, part in (("genuine", accepted), ("impostor", impostors)):
        if not len(part):
            raise InputError(f"there are no {name} pairs among the {len(values)} given")
    return accepted, impostors


def _check_far(far: float) -> None:
    if not 0 <= far < 1:
        raise InputError(f"far must be in [0, 1), got {far}")
