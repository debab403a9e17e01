"""Two models on the same pairs: whether one is better, or only luckier; no torch."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from occgen.errors import InputError

from .intervals import Interval, PairWeights

__all__ = ["PairedComparison", "compare_paired", "mcnemar"]


@dataclass(frozen=True, kw_only=True, slots=True)
class PairedComparison:
    """What the same pairs say of two models.

    Parameters
    ----------
    only_first, only_second : int
        Pairs that one model alone decided rightly.
    difference : float
        Accuracy of the first less that of the second.
    interval : Interval or None
        Of the difference, by the bootstrap over people.
    p_value : float
        Of `mcnemar`.
    statement : str
        The answer in a sentence.
    """

    only_first: int
    only_second: int
    difference: float
    interval: Interval | None
    p_value: float
    statement: str


def mcnemar(only_first: int, only_second: int) -> float:
    """Return the two-sided p-value of McNemar's exact test, mid-p.

    Parameters
    ----------
    only_first, only_second : int
        Cases that one of two models alone decided rightly.

    Returns
    -------
    float
        In (0, 1]; 1 where there are no such cases.

    Raises
    ------
    InputError
        For counts below zero.

    Examples
    --------
    >>> round(mcnemar(1, 5), 6)
    0.125
    """
    if only_first < 0 or only_second < 0:
        raise InputError(f"counts must be >= 0, got {only_first} and {only_second}")
    total, fewer = only_first + only_second, min(only_first, only_second)
    if total == 0:
        return 1.0
    # ln of a binomial probability at a half; sums of a few thousand terms stay exact enough
    log = [
        math.lgamma(total + 1) - math.lgamma(i + 1) - math.lgamma(total - i + 1)
        for i in range(fewer + 1)
    ]
    terms = [math.exp(value - total * math.log(2)) for value in log]
    return min(1.0, 2 * math.fsum(terms) - terms[-1])


def compare_paired(
    first: ArrayLike,
    second: ArrayLike,
    weights: PairWeights | None = None,
    names: tuple[str, str] = ("the first", "the second"),
) -> PairedComparison:
    """Return whether two models differ on the same pairs.

    Parameters
    ----------
    first, second : array_like of bool, shape (N,)
        Which pairs, or probes, each decided rightly.
    weights : PairWeights, optional
        Gives the interval of the difference.
    names : tuple of str, optional
        Of the models, for the statement.

    Returns
    -------
    PairedComparison

    Raises
    ------
    InputError
        For lists of different lengths, or none.

    Notes
    -----
    McNemar's test takes pairs as independent, which pairs that share a person are not; the interval
    does not. A difference is called one only where both agree.
    """
    one, two = np.asarray(first).astype(np.bool_), np.asarray(second).astype(np.bool_)
    if one.ndim != 1 or one.shape != two.shape or not len(one):
        raise InputError(f"two lists of one length are needed, got {one.shape} and {two.shape}")
    only_first, only_second = int((one & ~two).sum()), int((two & ~one).sum())
    difference = (only_first - only_second) / len(one)
    interval = None
    if weights is not None:
        interval = weights.mean(one.astype(np.float64) - two)
    p_value = mcnemar(only_first, only_second)
    apart = p_value < 0.05 and (interval is None or interval.low > 0 or interval.high < 0)
    better = names[0] if difference > 0 else names[1]
    counts = f"right by {names[0]} alone {only_first}, by {names[1]} alone {only_second}"
    statement = f"{better} is better; {counts}" if apart else f"no difference shown; {counts}"
    return PairedComparison(
        only_first=only_first,
        only_second=only_second,
        difference=difference,
        interval=interval,
        p_value=p_value,
        statement=statement,
    )
