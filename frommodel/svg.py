"""Plots as SVG text, the same for the same data, by matplotlib: style, panels and axes."""

import io
from collections.abc import Callable, Sequence
from typing import Any

from occgen.errors import InputError

from .intervals import Interval

__all__ = ["COLOURS", "Figure", "by_powers", "colour_cycle", "panels", "svg_text", "whiskers"]

Figure = Any

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#8c5a2b", "#555555")
"""Told apart with any colour vision (Okabe and Ito); the last two are added."""

_STYLE: Any = {
    "font.family": "sans-serif",
    "font.sans-serif": ["Helvetica", "Arial", "DejaVu Sans", "sans-serif"],
    "font.size": 10,
    "text.parse_math": False,  # names of others may hold dollar signs
    "axes.titlesize": 10.5,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#888888",
    "axes.labelcolor": "#333333",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.8,
    "xtick.color": "#555555",
    "ytick.color": "#555555",
    "lines.linewidth": 1.7,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "svg.fonttype": "none",
    "svg.hashsalt": "frommodel",
    "figure.constrained_layout.use": True,
}


def svg_text(draw: Callable[[Any], Figure]) -> str:
    """Return what a function draws with pyplot as SVG text, the same for the same data.

    Raises
    ------
    InputError
        When matplotlib is not installed.
    """
    try:
        import matplotlib as mpl
        from matplotlib.backends.backend_svg import FigureCanvasSVG
        from matplotlib.figure import Figure as PlainFigure
    except ImportError as error:
        raise InputError("plots need matplotlib: pip install 'occgen[report]'") from error
    with mpl.rc_context(_STYLE):
        figure = draw(_Plotter(PlainFigure, FigureCanvasSVG))
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]


class _Plotter:
    """`subplots` without pyplot, whose figures live in a global list."""

    def __init__(self, figure: Any, canvas: Any) -> None:
        self._figure, self._canvas = figure, canvas

    def subplots(self, rows: int = 1, columns: int = 1, figsize: Any = None, **options: Any) -> Any:
        figure = self._figure(figsize=figsize)
        self._canvas(figure)
        return figure, figure.subplots(rows, columns, **options)


def panels(plt: Any, count: int) -> tuple[Figure, list[Any]]:
    """Return a figure with a panel a condition, three a row."""
    columns = 2 if count in (2, 4) else min(3, count)
    rows = -(-count // columns)
    figure, axes = plt.subplots(
        rows,
        columns,
        figsize=({1: 6.0, 2: 4.6}.get(columns, 3.6) * columns, 3.3 * rows),
        squeeze=False,
        sharey=True,
    )
    flat = [axis for line in axes for axis in line]
    for axis in flat[count:]:
        axis.set_visible(False)
    return figure, flat[:count]


def whiskers(
    axis: Any,
    x: Sequence[float],
    y: Sequence[float],
    bounds: Sequence[Interval | None],
    colour: str,
    label: str,
) -> None:
    """Draw a line of shares in percent, each point with its interval where there is one."""
    axis.plot(x, [100 * value for value in y], "o-", color=colour, ms=4.5, label=label)
    for at, bound in zip(x, bounds, strict=True):
        if bound is not None:
            axis.plot([at, at], [100 * bound.low, 100 * bound.high], color=colour, lw=1, alpha=0.7)


def by_powers(axis: Any, set_scale: Callable[[str], None]) -> None:
    """Give an axis of percents by powers of ten plain numbers."""
    from matplotlib.ticker import NullLocator

    set_scale("log")
    axis.set_major_formatter(lambda value, _: f"{value:g}")
    axis.set_minor_locator(NullLocator())


def colour_cycle() -> list[str]:
    """Return the colours, over and over, for more lines than there are colours."""
    return list(COLOURS) * 4
