"""Curves and plots of an evaluation as SVG text, by matplotlib; no torch."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from occgen.regions import REGIONS, region_share

from .eval_config import EvalConfig
from .intervals import Interval, share_interval
from .results import Evaluation, IdentificationResult, VerificationResult
from .roc import roc_curve
from .scoring import pair_weights
from .svg import COLOURS, Figure, by_powers, colour_cycle, panels, svg_text, whiskers

__all__ = [
    "cmc_figure",
    "coverage_figure",
    "det_figure",
    "region_figure",
    "roc_figure",
    "scale_figure",
    "score_figure",
]

Float64 = NDArray[np.float64]

_BAND_RESAMPLES = 200
_BAND_POINTS = 24
_BINS = 8
_SCORE_COLUMNS = 4
_LEAST_IN_BIN = 30


def roc_figure(evaluation: Evaluation) -> str:
    """Return the ROC, one panel a condition, models told apart by colour; bands are 95 %."""
    return _rate_panels(evaluation, "TAR (%)", lambda tar: 100 * tar, (0, 101))


def det_figure(evaluation: Evaluation) -> str:
    """Return the DET: false rejects against false accepts, both axes by powers of ten."""
    return _rate_panels(evaluation, "FRR (%)", lambda tar: 100 * (1 - tar), None)


def score_figure(evaluation: Evaluation) -> str:
    """Return histograms of genuine and impostor scores, a row a model, a column a condition.

    The first four conditions are shown.
    """
    results = _verified(evaluation)
    names = list(dict.fromkeys(result.name for result in results))
    models = [model.name for model in evaluation.models]
    shown = names[:_SCORE_COLUMNS]
    low = min(result.scores.min() for result in results)
    high = max(result.scores.max() for result in results)
    bins = np.linspace(low, high, 61)

    def draw(plt: Any) -> Figure:
        width = max(3.1 * len(shown), 5.0)
        figure, axes = plt.subplots(
            len(models), len(shown), figsize=(width, 2.3 * len(models)), squeeze=False, sharex=True
        )
        for result in results:
            if result.name not in shown:
                continue
            axis = axes[models.index(result.model)][shown.index(result.name)]
            same = np.tile(result.pairs.same, len(result.scores))
            flat = result.scores.ravel()
            for part, colour, label in (
                (flat[~same], COLOURS[1], "two people"),
                (flat[same], COLOURS[0], "one person"),
            ):
                height, _ = np.histogram(part, bins, density=True)
                axis.stairs(height, bins, fill=True, color=colour, alpha=0.55, label=label)
            threshold = result.reports[0].threshold
            axis.axvline(threshold, color="#333333", lw=1, ls="--")
            axis.set_yticks([])
            axis.grid(visible=False)
            axis.set_title(result.name if len(models) == 1 else f"{result.model}: {result.name}")
        for axis in axes[-1]:
            axis.set_xlabel("score (cosine)")
        axes[0][0].legend(loc="upper left")
        return figure

    return svg_text(draw)


def scale_figure(evaluation: Evaluation, far: float | None = None) -> str | None:
    """Return accuracy and TAR at a FAR over occlusion scales (Fig. 8, 10); None for one scale.

    Parameters
    ----------
    evaluation : Evaluation
    far : float, optional
        One of the evaluation's rates; by default the lowest that the impostor pairs resolve.
    """
    chosen = [r for r in _verified(evaluation) if r.condition == "clean-occluded"]
    chosen = [r for r in chosen if _is_number(r.settings.get("scale"))]
    if len({r.settings["scale"] for r in chosen}) < 2:
        return None
    points = chosen[0].reports[0].points
    resolved = [i for i, point in enumerate(points) if not point.note] or [0]
    place = [point.far for point in points].index(far) if far is not None else resolved[-1]

    def draw(plt: Any) -> Figure:
        figure, axes = plt.subplots(1, 2, figsize=(9.2, 3.4))
        for colour, model in zip(colour_cycle(), evaluation.models, strict=False):
            mine = sorted(
                (r for r in chosen if r.model == model.name),
                key=lambda r: float(r.settings["scale"]),
            )
            scales = [float(r.settings["scale"]) for r in mine]
            accuracy = [r.over_seeds("accuracy")[0] for r in mine]
            whiskers(
                axes[0], scales, accuracy, [r.accuracy_interval for r in mine], colour, model.name
            )
            tars = [r.tar_over_seeds(place)[0] for r in mine]
            bounds = [r.tar_intervals[place] if r.tar_intervals else None for r in mine]
            whiskers(axes[1], scales, tars, bounds, colour, model.name)
        axes[0].set_ylabel("accuracy (%)")
        axes[1].set_ylabel(f"TAR at FAR {points[place].far:g} (%)")
        for axis in axes:
            axis.set_xlabel("occlusion scale S")
        axes[0].legend()
        return figure

    return svg_text(draw)


def coverage_figure(evaluation: Evaluation) -> str | None:
    """Return accuracy against the share of the second image (or probe) covered; None without.

    All occluded conditions and seeds of a model go into bins of equal numbers; intervals are
    Wilson's.
    """
    series: dict[str, list[tuple[Float64, Float64]]] = {}
    for result in evaluation.results:
        if result.coverage is not None and result.settings.get("region") is None:
            right = result.correct.astype(np.float64)
            series.setdefault(result.model, []).append((result.coverage.ravel(), right.ravel()))
    if not series:
        return None
    verified = bool(_verified(evaluation))

    def draw(plt: Any) -> Figure:
        figure, axis = plt.subplots(figsize=(6.4, 3.6))
        for colour, model in zip(colour_cycle(), evaluation.models, strict=False):
            parts = series.get(model.name)
            if not parts:
                continue
            cover = np.concatenate([part[0] for part in parts])
            right = np.concatenate([part[1] for part in parts])
            order = np.argsort(cover, kind="stable")
            number = int(min(_BINS, max(1, len(order) // _LEAST_IN_BIN)))
            groups = np.array_split(order, number)
            middle = [100 * float(cover[group].mean()) for group in groups]
            share = [float(right[group].mean()) for group in groups]
            bounds = [share_interval(int(right[g].sum()), len(g)) for g in groups]
            whiskers(axis, middle, share, bounds, colour, model.name)
            clean = _clean_level(evaluation, model.name)
            if clean is not None:
                axis.axhline(100 * clean, color=colour, lw=1, ls=":")
        axis.set_xlabel("share covered by the occlusion's box (%)")
        axis.set_ylabel("accuracy (%)" if verified else "rank-1 (%)")
        axis.set_title("dotted: clean")
        axis.legend()
        return figure

    return svg_text(draw)


def region_figure(evaluation: Evaluation) -> str | None:
    """Return accuracy by hidden region, largest first (Fig. 1); None without regions."""
    by_region = [r for r in evaluation.results if r.settings.get("region") is not None]
    if not by_region:
        return None
    found = {r.settings["region"] for r in by_region}
    names = sorted((name for name in REGIONS if name in found), key=region_share)
    verified = isinstance(by_region[0], VerificationResult)

    def draw(plt: Any) -> Figure:
        figure, axis = plt.subplots(figsize=(7.2, 0.42 * len(names) + 1.2))
        step = 0.7 / max(1, len(evaluation.models))
        for number, (colour, model) in enumerate(
            zip(colour_cycle(), evaluation.models, strict=False)
        ):
            mine = {r.settings["region"]: r for r in by_region if r.model == model.name}
            shift = (number - (len(evaluation.models) - 1) / 2) * -step
            for row, name in enumerate(names):
                value, bounds = _headline(mine[name])
                if bounds is not None:
                    ends = [100 * bounds.low, 100 * bounds.high]
                    axis.plot(ends, [row + shift] * 2, color=colour, lw=1.6, alpha=0.6)
                label = model.name if row == 0 else None
                axis.plot(100 * value, row + shift, "o", color=colour, ms=6, label=label)
            clean = _clean_level(evaluation, model.name)
            if clean is not None:
                axis.axvline(100 * clean, color=colour, lw=1, ls=":")
        axis.set_yticks(range(len(names)), [f"{n} ({100 * region_share(n):.0f} %)" for n in names])
        axis.set_xlabel("accuracy (%)" if verified else "rank-1 (%)")
        axis.set_title("region hidden, and its share of the 112x96 crop; dotted: clean")
        axis.grid(visible=False, axis="y")
        axis.legend(loc="lower left")
        return figure

    return svg_text(draw)


def cmc_figure(evaluation: Evaluation) -> str | None:
    """Return the cumulative match characteristic with 95 % bands; None without identification."""
    found = [r for r in evaluation.results if isinstance(r, IdentificationResult)]
    if not found:
        return None
    names = list(dict.fromkeys(r.name for r in found))

    def draw(plt: Any) -> Figure:
        figure, axes = panels(plt, len(names))
        for axis, name in zip(axes, names, strict=False):
            for colour, model in zip(colour_cycle(), evaluation.models, strict=False):
                for r in (r for r in found if r.name == name and r.model == model.name):
                    ranks = np.arange(1, r.cmc.shape[1] + 1)
                    axis.plot(ranks, 100 * r.cmc.mean(axis=0), color=colour, label=model.name)
                    if r.cmc_low is not None and r.cmc_high is not None:
                        axis.fill_between(
                            ranks, 100 * r.cmc_low, 100 * r.cmc_high, color=colour, alpha=0.15, lw=0
                        )
            axis.set_title(f"{name}")
            axis.set_xlabel("rank")
            axis.set_xlim(1, None)
        axes[0].set_ylabel("found within rank (%)")
        axes[0].legend(loc="lower right")
        return figure

    return svg_text(draw)


def _rate_panels(
    evaluation: Evaluation,
    label: str,
    shown: Callable[[Float64], Float64],
    limits: tuple[float, float] | None,
) -> str:
    results = _verified(evaluation)
    names = list(dict.fromkeys(result.name for result in results))
    lowest = 50 / max(result.reports[0].num_genuine for result in results)
    leftmost = 100 / max(result.reports[0].num_impostor for result in results)

    def draw(plt: Any) -> Figure:
        figure, axes = panels(plt, len(names))
        for axis, name in zip(axes, names, strict=False):
            for colour, model in zip(colour_cycle(), evaluation.models, strict=False):
                for r in (r for r in results if r.name == name and r.model == model.name):
                    _rate_curve(axis, r, evaluation.config, colour, shown)
            axis.set_title(name)
            by_powers(axis.xaxis, axis.set_xscale)
            axis.set_xlim(leftmost, 100)  # where no error is made, nothing else says
            axis.set_xlabel("FAR (%)")
            if not any(len(line.get_xdata()) for line in axis.get_lines()):
                axis.set_xlim(0.1, 100)  # nothing to take the limits from
                axis.text(0.5, 0.5, "no errors", transform=axis.transAxes, ha="center")
            if limits is None:
                by_powers(axis.yaxis, axis.set_yscale)
                axis.set_ylim(lowest, 100)
            else:
                axis.set_ylim(*limits)
        axes[0].set_ylabel(label)
        axes[0].legend(loc="lower right" if limits else "lower left")
        return figure

    return svg_text(draw)


def _rate_curve(
    axis: Any,
    result: VerificationResult,
    config: EvalConfig,
    colour: str,
    shown: Callable[[Float64], Float64],
) -> None:
    """Draw the first seed's curve with its band, and further seeds thin."""
    for seed in range(len(result.scores) - 1, -1, -1):
        far, tar, _ = roc_curve(result.scores[seed], result.pairs.same)
        kept = (far > 0) & (shown(tar) > 0)
        style = {"lw": 1.7, "label": result.model} if seed == 0 else {"lw": 0.6, "alpha": 0.5}
        axis.plot(100 * far[kept], shown(tar[kept]), color=colour, **style)
    if not config.resamples:
        return
    impostors = result.reports[0].num_impostor
    rates = np.geomspace(1 / impostors, 0.6, _BAND_POINTS)
    quick = dataclasses.replace(config, resamples=min(config.resamples, _BAND_RESAMPLES))
    bounds = pair_weights(result.pairs, quick).tar_at_far(result.scores[0], rates.tolist())
    there = [(rate, b) for rate, b in zip(rates.tolist(), bounds, strict=True) if b is not None]
    low = shown(np.array([b.low for _, b in there]))
    high = shown(np.array([b.high for _, b in there]))
    kept = (low > 0) & (high > 0)
    rate = 100 * np.array([r for r, _ in there])
    axis.fill_between(rate[kept], low[kept], high[kept], color=colour, alpha=0.15, lw=0)


def _headline(result: Any) -> tuple[float, Interval | None]:
    """Return accuracy or rank-1, with its interval."""
    if isinstance(result, VerificationResult):
        return result.over_seeds("accuracy")[0], result.accuracy_interval
    bounds = None
    if result.cmc_low is not None:
        bounds = Interval(float(result.cmc_low[0]), float(result.cmc_high[0]))
    return result.rank_over_seeds(1)[0], bounds


def _clean_level(evaluation: Evaluation, model: str) -> float | None:
    for result in evaluation.results:
        if result.model == model and result.coverage is None:
            return _headline(result)[0]
    return None


def _verified(evaluation: Evaluation) -> list[VerificationResult]:
    return [r for r in evaluation.results if isinstance(r, VerificationResult)]


def _is_number(value: object) -> bool:
    try:
        float(str(value))
    except ValueError:
        return False
    return True
