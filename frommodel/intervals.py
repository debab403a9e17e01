"""Confidence intervals by a bootstrap over people, and of plain shares; no torch.

Pairs share people, so they do not vary independently: what is drawn anew is the weight of each
person. A genuine pair weighs what its person weighs, an impostor pair the product of its two.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from occgen.errors import InputError

from .roc import check_pairs, split_pairs

__all__ = ["Interval", "PairWeights", "share_interval"]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]

_CELLS = 4_000_000  # float64 of one block of resamples, 32 MB


@dataclass(frozen=True, slots=True)
class Interval:
    """A range that holds the true value at a level of confidence.

    Parameters
    ----------
    low, high : float
    level : float
        In (0, 1).
    """

    low: float
    high: float
    level: float = 0.95


def share_interval(successes: int, trials: int, level: float = 0.95) -> Interval:
    """Return Wilson's interval of a share of independent trials.

    Parameters
    ----------
    successes, trials : int
        ``0 <= successes <= trials``, at least one trial.
    level : float, optional

    Raises
    ------
    InputError
        For other counts.

    Examples
    --------
    >>> interval = share_interval(8, 10)
    >>> round(interval.low, 3), round(interval.high, 3)
    (0.49, 0.943)
    """
    if not 0 <= successes <= trials or trials < 1:
        raise InputError(f"a share needs 0 <= successes <= trials, got {successes} of {trials}")
    z = NormalDist().inv_cdf(0.5 + level / 2)
    share, scale = successes / trials, 1 + z * z / trials
    centre = (share + z * z / (2 * trials)) / scale
    half = z / scale * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    return Interval(max(0.0, centre - half), min(1.0, centre + half), level)


class PairWeights:
    """Resampling of pairs by people.

    Parameters
    ----------
    first, second : array_like of int, shape (N,)
        Number of the person on each picture of a pair.
    same : array_like of bool, shape (N,)
    resamples : int, optional
        At least 100.
    seed : int, optional
    level : float, optional
        Of the intervals.

    Raises
    ------
    InputError
        For shapes that do not fit, or too few resamples.

    Notes
    -----
    Weights are log-normal with mean one. A genuine pair's weight is its person's, of variance one:
    a smoothed bootstrap of clusters. For impostor pairs plain products of such weights would give
    independent pairs three times their variance. So the variance of a person's weight is chosen,
    for each quantity, such that the weighted sum has the variance which is robust to shared people,
    ``V = sum over people of (sum of their pairs' residuals) ** 2 - sum of residuals ** 2``: the
    first sum holds every pair's own square twice. One set of normal numbers drives both kinds, so
    that a person's effect on both goes together.

    Where everything or nothing is accepted no resample differs; the limit is then that of Wilson's
    interval with the people as trials. TAR rises with FAR, so a lower limit holds for every higher
    rate asked for with it.
    """

    def __init__(
        self,
        first: ArrayLike,
        second: ArrayLike,
        same: ArrayLike,
        *,
        resamples: int = 1000,
        seed: int = 100,
        level: float = 0.95,
    ) -> None:
        people = np.stack([np.asarray(first), np.asarray(second)])
        self.same = np.asarray(same).astype(np.bool_)
        if people.ndim != 2 or people.shape[1:] != self.same.shape or people.dtype.kind not in "iu":
            raise InputError(
                f"first, second and same must be lists of one length, got {people.shape} and "
                f"{self.same.shape}"
            )
        if resamples < 100 or not 0 < level < 1:
            raise InputError(
                f"resamples must be at least 100 and level in (0, 1), got {resamples} and {level}"
            )
        self.level = level
        _, numbered = np.unique(people, return_inverse=True)
        self._first, self._second = numbered.reshape(2, -1)
        count = int(numbered.max()) + 1 if numbered.size else 0
        self._normal = np.random.default_rng(seed).standard_normal((resamples, count))
        self._people = count

    def tar_at_far(self, scores: ArrayLike, fars: Sequence[float]) -> list[Interval | None]:
        """Return the interval of `tar_at_far` at each rate; None where impostors are too few.

        Parameters
        ----------
        scores : array_like of float, shape (N,)
        fars : sequence of float
            Each in [0, 1).

        Raises
        ------
        InputError
            As `tar_at_far`.
        """
        values, genuine = check_pairs(scores, self.same)
        accepted, impostors = split_pairs(values, genuine)
        up, down = np.argsort(accepted), np.argsort(-impostors, kind="stable")
        accepted, impostors = accepted[up], impostors[down]
        owner = self._first[genuine][up]
        left, right = self._first[~genuine][down], self._second[~genuine][down]
        found: dict[float, Interval] = {}
        for far in sorted(set(fars)):
            if len(impostors) * far >= 1:  # else the best impostor says nothing of the next sample
                interval = self._tar_interval(accepted, impostors, owner, left, right, far)
                floor = max((other.low for other in found.values()), default=0.0)
                found[far] = Interval(max(interval.low, floor), interval.high, self.level)
        return [found.get(far) for far in fars]

    def _tar_interval(
        self,
        accepted: Float64,
        impostors: Float64,
        owner: Int64,
        left: Int64,
        right: Int64,
        far: float,
    ) -> Interval:
        index = int(len(impostors) * far)
        residual = (impostors >= impostors[index]).astype(np.float64)
        sigma = self._sigma(residual - residual.mean(), left, right)
        rates = []
        for normal in self._blocks(len(accepted) + len(impostors)):
            weights = _weights(normal, sigma)
            pairs = weights[:, left] * weights[:, right]  # from the highest score
            wanted = pairs.sum(axis=1, keepdims=True) * (index / len(impostors))
            top = min(len(impostors), 4 * index + 100)
            mass = np.cumsum(pairs[:, :top], axis=1)
            if (mass[:, -1:] < wanted).any():  # rare: weights far from even
                mass = np.cumsum(pairs, axis=1)
            # the impostor at index int(n * far): the first whose mass passes that share
            place = (mass <= wanted).sum(axis=1)
            threshold = impostors[np.minimum(place, len(impostors) - 1)]
            own = _weights(normal, 1.0)[:, owner]
            total = np.cumsum(own, axis=1)
            below = np.searchsorted(accepted, threshold)  # genuine pairs under it
            under = np.where(below > 0, total[np.arange(len(total)), np.maximum(below - 1, 0)], 0.0)
            rates.append(1 - under / total[:, -1])
        tar = float((accepted >= impostors[index]).mean())
        return self._interval(np.concatenate(rates), tar, len(np.unique(owner)))

    def mean(self, values: ArrayLike) -> Interval:
        """Return the interval of a mean over pairs.

        Parameters
        ----------
        values : array_like of float or bool, shape (N,)
            Such as whether each pair was decided rightly, or the difference of two models.
        """
        array = np.asarray(values, np.float64)
        if array.shape != self.same.shape or not np.isfinite(array).all():
            raise InputError(f"values must be {len(self.same)} finite numbers, got {array.shape}")
        sums = np.zeros(len(self._normal))
        mass = np.zeros(len(self._normal))
        for kind in (True, False):
            rows = self.same == kind
            if not rows.any():
                continue
            left, right = self._first[rows], self._second[rows]
            part = array[rows]
            sigma = 1.0 if kind else self._sigma(part - part.mean(), left, right)
            start = 0
            for normal in self._blocks(len(part)):
                weights = _weights(normal, sigma)
                pair = weights[:, left] if kind else weights[:, left] * weights[:, right]
                pair *= len(part) / pair.sum(axis=1, keepdims=True)  # the kinds keep their share
                sums[start : start + len(pair)] += pair @ part
                mass[start : start + len(pair)] += len(part)
                start += len(pair)
        return self._interval(sums / mass, float(array.mean()), self._people)

    def _sigma(self, residual: Float64, left: Int64, right: Int64) -> float:
        """Return the variance of a person's weight that gives a weighted sum its robust variance.

        Weighted by products of weights of variance v, a sum has variance ``v S + v v F``.
        """
        squares = float((residual**2).sum())  # F
        if squares == 0:
            return 1.0
        by_person = np.bincount(left, residual, self._people)
        by_person += np.bincount(right, residual, self._people)
        shared = max(float((by_person**2).sum()), 2 * squares)  # S; less is chance
        root = math.sqrt(shared * shared + 4 * squares * (shared - squares))
        return (root - shared) / (2 * squares)

    def _blocks(self, columns: int) -> list[Float64]:
        size = max(1, _CELLS // max(1, columns))
        return [self._normal[i : i + size] for i in range(0, len(self._normal), size)]

    def _interval(self, values: Float64, estimate: float, people: int) -> Interval:
        low, high = np.quantile(values, [0.5 - self.level / 2, 0.5 + self.level / 2])
        if estimate >= 1:
            low = min(low, share_interval(people, people, self.level).low)
        elif estimate <= 0 and not values.any():
            high = max(high, share_interval(0, people, self.level).high)
        return Interval(min(float(low), estimate), max(float(high), estimate), self.level)


def _weights(normal: Float64, variance: float) -> Float64:
    """Return log-normal weights of mean one and a given variance."""
    spread = math.log1p(variance)
    return np.exp(normal * math.sqrt(spread) - spread / 2)
