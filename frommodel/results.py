"""What an evaluation found, as dataclasses that turn into plain records; no torch."""

import dataclasses
import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .comparison import PairedComparison
from .eval_config import EvalConfig
from .identification import OpenSetPoint
from .intervals import Interval
from .metrics import VerificationReport
from .pairs import Pairs

__all__ = [
    "Evaluation",
    "Failure",
    "IdentificationResult",
    "ModelRecord",
    "VerificationResult",
]

Float64 = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelRecord:
    """Which model was evaluated.

    Parameters
    ----------
    name : str
    digest : str
        SHA-256 of its file; empty where there is none.
    size : tuple of int or None
        Height and width of its crops.
    """

    name: str
    digest: str
    size: tuple[int, int] | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """A pair that a model got most wrong, as it saw it.

    Parameters
    ----------
    kind : str
        ``rejected`` (one person, scored low), ``accepted`` (two people, scored high) or
        ``mistaken`` (a probe beside the picture of another person it was found as).
    key_a, key_b : str
    score : float
        Cosine.
    image_a, image_b : ndarray of uint8, shape (H, W, 3)
    """

    kind: str
    key_a: str
    key_b: str
    score: float
    image_a: NDArray[np.uint8]
    image_b: NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True, slots=True)
class VerificationResult:
    """One model on one list of pairs, under S occlusion seeds (one, where nothing is occluded).

    Parameters
    ----------
    name, condition : str
    model : str
    settings : dict
        Scale, region, group.
    seeds : tuple of int
        Of the occlusion; empty where there is none.
    reports : tuple of VerificationReport
        One a seed.
    accuracy_interval : Interval or None
        Of the first seed's accuracy, by the bootstrap over people.
    tar_intervals : tuple of Interval or None
        Of the first seed's points.
    pairs : Pairs
        Those scored.
    scores : ndarray of float64, shape (S, N)
    correct : ndarray of bool, shape (S, N)
        Decided rightly at the thresholds of the other folds.
    coverage : ndarray of float64, shape (S, N), or None
        Share of the second image inside the occlusion's box.
    """

    name: str
    condition: str
    model: str
    settings: dict[str, Any]
    seeds: tuple[int, ...]
    reports: tuple[VerificationReport, ...]
    accuracy_interval: Interval | None
    tar_intervals: tuple[Interval | None, ...]
    pairs: Pairs
    scores: Float64
    correct: NDArray[np.bool_]
    coverage: Float64 | None

    kind = "verification"

    @property
    def mean_coverage(self) -> float:
        """Mean box coverage of the second images; NaN where nothing is occluded."""
        return math.nan if self.coverage is None else float(self.coverage.mean())

    def over_seeds(self, name: str) -> tuple[float, float]:
        """Return mean and spread (standard deviation, n - 1) of a figure over the seeds."""
        return _mean_spread([getattr(report, name) for report in self.reports])

    def tar_over_seeds(self, point: int) -> tuple[float, float]:
        """Return mean and spread of the TAR at one of the rates over the seeds."""
        return _mean_spread([report.points[point].tar for report in self.reports])

    def to_record(self) -> dict[str, Any]:
        """Return everything but the single pairs, as plain values."""
        first = self.reports[0]
        record: dict[str, Any] = {
            "kind": self.kind,
            "name": self.name,
            "condition": self.condition,
            "model": self.model,
            "settings": self.settings,
            "seeds": list(self.seeds),
            "pairs": len(self.pairs),
            "genuine": first.num_genuine,
            "impostor": first.num_impostor,
            "mean_coverage": None if self.coverage is None else self.mean_coverage,
        }
        for name in _FIGURES:
            record[name], record[f"{name}_spread"] = self.over_seeds(name)
        record["accuracy_fold_std"] = first.accuracy_std
        record["accuracy_interval"] = _interval(self.accuracy_interval)
        record["points"] = []
        for place, point in enumerate(first.points):
            tar, spread = self.tar_over_seeds(place)
            record["points"].append(
                {
                    **dataclasses.asdict(point),
                    "tar": tar,
                    "tar_spread": spread,
                    "interval": _interval(self.tar_intervals[place])
                    if self.tar_intervals
                    else None,
                }
            )
        record["each_seed"] = [dataclasses.asdict(report) for report in self.reports]
        return record


@dataclass(frozen=True, kw_only=True, slots=True)
class IdentificationResult:
    """One model on one gallery and its probes, under S occlusion seeds.

    Parameters
    ----------
    name, model : str
    settings : dict
    seeds : tuple of int
        Of the occlusion; empty where there is none.
    num_probes, num_mated, num_gallery, num_trials : int
        Trials are probes with a mate; for MegaFace's protocol each with each mate.
    cmc : ndarray of float64, shape (S, K)
        Share of trials within each rank.
    cmc_low, cmc_high : ndarray of float64, shape (K,), or None
        Interval of the first seed's, by the bootstrap over people.
    open_set : tuple of tuple of OpenSetPoint
        One a seed; empty where every probe has a mate.
    keys : tuple of str
        Probe of each trial.
    people : ndarray of int64, shape (T,)
        Number of the person of each trial.
    correct : ndarray of bool, shape (S, T)
        Found at rank 1.
    coverage : ndarray of float64, shape (S, T), or None
        Share of the probe inside the occlusion's box.
    mistaken : tuple of (str, str, float)
        Of the first seed: probe, picture of another person found in place of its own, score; the
        highest first. Empty for MegaFace's protocol.
    """

    name: str
    model: str
    settings: dict[str, Any]
    seeds: tuple[int, ...]
    num_probes: int
    num_mated: int
    num_gallery: int
    num_trials: int
    cmc: Float64
    cmc_low: Float64 | None
    cmc_high: Float64 | None
    open_set: tuple[tuple[OpenSetPoint, ...], ...]
    keys: tuple[str, ...]
    people: NDArray[np.int64]
    correct: NDArray[np.bool_]
    coverage: Float64 | None
    mistaken: tuple[tuple[str, str, float], ...] = ()

    kind = "identification"

    @property
    def mean_coverage(self) -> float:
        """Mean box coverage of the probes; NaN where nothing is occluded."""
        return math.nan if self.coverage is None else float(self.coverage.mean())

    def rank_over_seeds(self, rank: int) -> tuple[float, float]:
        """Return mean and spread of the share within a rank, from 1, over the seeds."""
        return _mean_spread(self.cmc[:, min(rank, self.cmc.shape[1]) - 1].tolist())

    def dir_over_seeds(self, point: int) -> tuple[float, float]:
        """Return mean and spread of the detection and identification rate at one of the rates."""
        return _mean_spread([points[point].dir for points in self.open_set])

    def to_record(self) -> dict[str, Any]:
        """Return everything but the single trials, as plain values."""
        rank_1, spread = self.rank_over_seeds(1)
        bounds = None
        if self.cmc_low is not None and self.cmc_high is not None:
            bounds = [float(self.cmc_low[0]), float(self.cmc_high[0])]
        return {
            "kind": self.kind,
            "name": self.name,
            "model": self.model,
            "settings": self.settings,
            "seeds": list(self.seeds),
            "probes": self.num_probes,
            "mated": self.num_mated,
            "gallery": self.num_gallery,
            "trials": self.num_trials,
            "mean_coverage": None if self.coverage is None else self.mean_coverage,
            "rank_1": rank_1,
            "rank_1_spread": spread,
            "rank_1_interval": bounds,
            "cmc": self.cmc.mean(axis=0).tolist(),
            "open_set": [
                {
                    **dataclasses.asdict(point),
                    "dir": self.dir_over_seeds(place)[0],
                    "dir_spread": self.dir_over_seeds(place)[1],
                }
                for place, point in enumerate(self.open_set[0] if self.open_set else ())
            ],
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Evaluation:
    """All that one run of a protocol found.

    Parameters
    ----------
    config : EvalConfig
    protocol, title, reference : str
    models : tuple of ModelRecord
    results : tuple
        `VerificationResult` and `IdentificationResult`, the first model's first.
    comparisons : tuple of (str, str, str, PairedComparison)
        Task, first model, second model.
    failures : dict of (str, str) to tuple of Failure
        By model and task, where asked for.
    missing : dict of str to str
        Pictures left out, and why.
    left_out : dict of str to int
        Pairs or probes that fell with them, by task.
    data : dict
        Provenance: data set, root, licence, counts, digests.
    elapsed_s : float
    """

    config: EvalConfig
    protocol: str
    title: str
    reference: str
    models: tuple[ModelRecord, ...]
    results: tuple[Any, ...]
    comparisons: tuple[tuple[str, str, str, PairedComparison], ...] = ()
    failures: dict[tuple[str, str], tuple[Failure, ...]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    elapsed_s: float = 0.0

    def to_record(self) -> dict[str, Any]:
        """Return the whole as plain values, for JSON; numbers that are not finite become None."""
        record = {
            "schema": 1,
            "protocol": self.protocol,
            "title": self.title,
            "reference": self.reference,
            "models": [dataclasses.asdict(model) for model in self.models],
            "results": [result.to_record() for result in self.results],
            "comparisons": [
                {"task": task, "first": first, "second": second, **dataclasses.asdict(found)}
                for task, first, second, found in self.comparisons
            ],
            "missing": self.missing,
            "left_out": self.left_out,
            "data": self.data,
            "config": dataclasses.asdict(self.config),
            "elapsed_s": round(self.elapsed_s, 3),
        }
        plain: dict[str, Any] = _plain(record)
        return plain


_FIGURES = ("accuracy", "exact_accuracy", "equal_error_rate", "area_under_curve", "threshold")


def _mean_spread(values: list[float]) -> tuple[float, float]:
    array = np.array(values, np.float64)
    return float(array.mean()), float(array.std(ddof=1)) if len(array) > 1 else 0.0


def _interval(interval: Interval | None) -> list[float] | None:
    return None if interval is None else [interval.low, interval.high]


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
