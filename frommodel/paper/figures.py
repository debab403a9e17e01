"""The paper's figures from the runs and tests at hand; real faces are drawn below --out alone."""

from collections.abc import Callable
from pathlib import Path

from occgen.atomic import make_folder
from occgen.errors import OccgenError

from .curves import cost_of_regions, figure_scales, figure_unseen
from .findings import Findings
from .sheets import example_sheet, pattern_sheet, tsne_figure

__all__ = ["draw_figures"]

_Draw = Callable[[Findings, Path], bool]


def draw_figures(
    findings: Findings, tell: Callable[[str], None]
) -> tuple[dict[str, Path], dict[str, str]]:
    """Draw what can be drawn into ``figures``.

    Parameters
    ----------
    findings : Findings
    tell : callable

    Returns
    -------
    drawn : dict of str to Path
        By title, in the order of the paper.
    missing : dict of str to str
        By title, with the reason.
    """
    folder = findings.plan.config.folder / "figures"
    make_folder(folder)
    drawn: dict[str, Path] = {}
    missing: dict[str, str] = {}
    for title, name, draw in _FIGURES:
        path = folder / name
        try:
            if draw(findings, path):
                drawn[title] = path
            else:
                missing[title] = "its runs or tests are not there"
        except OccgenError as error:
            missing[title] = str(error)
        except ImportError as error:
            missing[title] = f"{error.name} is not installed: pip install 'occgen[report]'"
        if title not in drawn:
            path.unlink(missing_ok=True)  # of an earlier call, with other runs
    for title, reason in missing.items():
        tell(f"not drawn: {title}: {reason}")
    return drawn, missing


def _sheet(run: str, condition: str) -> _Draw:
    return lambda findings, path: pattern_sheet(findings, path, run, condition)


_FIGURES: tuple[tuple[str, str, _Draw], ...] = (
    ("Fig. 1: accuracy with each region hidden", "fig-01-regions.svg", cost_of_regions),
    ("Fig. 5: predicted patterns", "fig-05-patterns.png", _sheet("from", "occ-2.0")),
    ("Fig. 7: faces of the tests", "fig-07-examples.png", example_sheet),
    ("Fig. 8 and 10: over scales", "fig-08-10-scales.svg", figure_scales),
    ("Fig. 9: t-SNE of five people", "fig-09-tsne.svg", tsne_figure),
    (
        "Fig. 11: regressed boxes",
        "fig-11-boxes.png",
        _sheet("regression-fraction", "occ-2.0"),
    ),
    ("Fig. 12: groups never trained on", "fig-12-unseen.svg", figure_unseen),
    (
        "Fig. 13: masks and glasses worn, things held",
        "fig-13-worn.png",
        _sheet("improved", "rendered-worn-held"),
    ),
)
