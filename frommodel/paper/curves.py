"""Plots of the tests' figures: regions, scales, groups; mean over seeds, bars of their spread."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from occgen.errors import InputError
from occgen.regions import REGIONS, region_share

from ..explain_plots import save_figure
from .experiments import EXPERIMENTS
from .findings import Findings
from .table_spec import Column, Row

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["cost_of_regions", "figure_scales", "figure_unseen"]

_SHOWN = ("baseline", "baseline-aug", "baseline-md", "from", "improved")
_COLOURS = dict(zip(_SHOWN, ("#7f7f7f", "#1f77b4", "#2ca02c", "#d62728", "#9467bd"), strict=True))
_MARKS = dict(zip(_SHOWN, "osD^v", strict=True))
_SCALES = ("1.0", "1.5", "2.0", "3.0", "4.0", "5.0")


def cost_of_regions(findings: Findings, path: Path) -> bool:
    """Draw accuracy with each of the nine regions hidden, the least cost first (Fig. 1)."""
    names = sorted(REGIONS, key=region_share)
    ticks = ["clean", *(f"{name}\n{region_share(name):.2f}" for name in names)]
    conditions = ["clean", *(f"region-{name}" for name in names)]
    figure, axis = _axes(8.5, 3.8)
    drawn = _lines(axis, findings, "accuracy", conditions, range(len(conditions)))
    axis.set_xticks(range(len(ticks)), ticks, fontsize=8)
    axis.set_xlabel("region hidden, and its share of the picture")
    axis.set_ylabel("accuracy of pairs, %")
    return _finish(figure, axis, path, drawn)


def figure_scales(findings: Findings, path: Path) -> bool:
    """Draw accuracy and TAR over the scale of the occluders (Fig. 8 and 10)."""
    figure, axes = _axes(8.5, 3.8, panels=2)
    drawn = 0
    far = findings.plan.config.sizes.far
    titles = {"accuracy": "accuracy of pairs, %", "tar": f"TAR at FAR {far:g}, %"}
    for axis, figure_name in zip(axes, titles, strict=True):
        conditions = ["clean", *(f"occ-{scale}" for scale in _SCALES)]
        places = [0.0, *(float(scale) for scale in _SCALES)]
        drawn = _lines(axis, findings, figure_name, conditions, places)
        axis.set_xlabel("scale of the occluder (0: clean)")
        axis.set_ylabel(titles[figure_name])
    return _finish(figure, axes[0], path, drawn)


def figure_unseen(findings: Findings, path: Path) -> bool:
    """Draw accuracy on groups never trained on beside training on all (Fig. 12)."""
    figure, axis = _axes(6.0, 3.6)
    groups = (1, 2, 3)
    bars = [
        ("Baseline", "0.5", lambda group: findings.plan.known_as("small-baseline")),
        ("trained without the group", "#1f77b4", lambda group: f"unseen-{group}"),
        ("trained on all groups", "#d62728", lambda group: "k4"),
    ]
    drawn = 0
    lowest = 100.0
    for place, (label, colour, run_of) in enumerate(bars):
        means, spreads, at = [], [], []
        for group in groups:
            values = _values(findings, run_of(group), f"group-{group}", "accuracy")
            if values:
                means.append(float(np.mean(values)))
                spreads.append(_spread(values))
                at.append(group + 0.25 * (place - 1))
        if means:
            axis.bar(at, means, 0.23, yerr=spreads, color=colour, label=label, capsize=2)
            lowest = min(lowest, *means)
            drawn += 1
    axis.set_ylim(max(0.0, lowest - 8), 100)
    axis.set_xticks(groups, [f"R{group}" for group in groups])
    axis.set_ylabel("accuracy of pairs, %")
    return _finish(figure, axis, path, drawn)


def _spread(values: tuple[float, ...]) -> float:
    """Return the standard deviation over seeds; NaN, which draws no bar, of one seed."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")


def _values(findings: Findings, run: str, condition: str, figure: str) -> tuple[float, ...]:
    column = Column(heading="", test="pairs", conditions=(condition,), figure=figure)
    return findings.values(Row(label="", run=run), column)


def _lines(axis: Any, findings: Findings, figure: str, conditions: list[str], places: Any) -> int:
    """Draw a line a recipe; return how many have more than one point."""
    drawn = 0
    for run in _SHOWN:
        found = [
            (place, _values(findings, run, condition, figure))
            for place, condition in zip(places, conditions, strict=True)
        ]
        found = [(place, values) for place, values in found if values]
        if len(found) < 2:
            continue
        drawn += 1
        title = EXPERIMENTS[run].title if run != "improved" else "improved (see the tables)"
        axis.errorbar(
            [place for place, _ in found],
            [float(np.mean(values)) for _, values in found],
            [_spread(values) for _, values in found],
            marker=_MARKS[run],
            color=_COLOURS[run],
            markersize=4,
            linewidth=1.2,
            capsize=2,
            label=title,
        )
    axis.grid(alpha=0.25)
    return drawn


def _axes(width: float, height: float, panels: int = 1) -> tuple["Figure", Any]:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise InputError("figures need matplotlib: pip install 'occgen[report]'") from error
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots(1, panels)
    return figure, axes


def _finish(figure: "Figure", axis: Any, path: Path, drawn: int) -> bool:
    if not drawn:
        return False
    handles, labels = axis.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3, frameon=False, fontsize=8)
    save_figure(figure, path)
    return True
