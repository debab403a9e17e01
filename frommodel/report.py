"""An evaluation as one HTML page that needs nothing else; and as Markdown, CSV, JSON; no torch."""

import base64
import dataclasses
import html
import json
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

from occgen.atomic import replacing_bytes
from occgen.codec import encoder
from occgen.errors import InputError

from .figures import (
    cmc_figure,
    coverage_figure,
    det_figure,
    region_figure,
    roc_figure,
    scale_figure,
    score_figure,
)
from .results import Evaluation, Failure, VerificationResult
from .tables import csv_report, markdown_report, result_tables

__all__ = ["REPORT_FORMATS", "check_report_path", "html_report", "write_report"]

REPORT_FORMATS = (".html", ".md", ".csv", ".json")
_PACKAGES = ("occgen", "numpy", "torch", "onnxruntime", "opencv-python", "pillow")
_KINDS = {
    "rejected": "One person, taken for two",
    "accepted": "Two people, taken for one",
    "mistaken": "Probe (left) found as another person (right)",
}
_FEW_PANELS = 6
_PAGE = Path(__file__).with_name("report.css")


def check_report_path(path: Path) -> None:
    """Raise InputError where a report cannot be written, before any work is done."""
    if path.suffix.lower() not in REPORT_FORMATS:
        raise InputError(f"{path}: a report should end in {', '.join(REPORT_FORMATS)}")
    if not path.parent.is_dir():
        raise InputError(f"{path.parent}: no such folder to write a report into")
    if path.is_dir():
        raise InputError(f"{path} is a folder; name a file")


def write_report(evaluation: Evaluation, path: Path) -> None:
    """Write an evaluation in the form the ending names: HTML, Markdown, CSV or JSON.

    Parameters
    ----------
    evaluation : Evaluation
    path : Path
        Replaced in one step when whole.

    Raises
    ------
    InputError
        For another ending, a place that cannot be written, or HTML without matplotlib.
    """
    check_report_path(path)
    ending = path.suffix.lower()
    if ending == ".html":
        text = html_report(evaluation)
    elif ending == ".md":
        text = markdown_report(evaluation)
    elif ending == ".csv":
        text = csv_report(evaluation)
    else:
        text = json.dumps(evaluation.to_record(), indent=1) + "\n"
    replacing_bytes(path, text.encode())


def html_report(evaluation: Evaluation) -> str:
    """Return the page: settings, tables, curves, failures as picture pairs, provenance.

    Notes
    -----
    It links to nothing: style, figures (SVG) and pictures stand in it.
    """
    models = " and ".join(model.name for model in evaluation.models)
    parts = [
        f"<h1>{_text(evaluation.title)}</h1>",
        f'<p class="lead">{_text(models)} on {_text(_data_name(evaluation))}</p>',
        _headline(evaluation),
        _comparisons(evaluation),
        _missing(evaluation),
    ]
    parts += [_table(*table) for table in result_tables(evaluation) if table[0] != "Comparison"]
    parts += [_figures(evaluation), _failures(evaluation), _provenance(evaluation)]
    style = _PAGE.read_text(encoding="utf-8")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_text(evaluation.protocol)}: {_text(models)}</title>\n"
        f"<style>\n{style}</style></head>\n<body><main>\n"
        + "\n".join(part for part in parts if part)
        + "\n</main></body></html>\n"
    )


def _headline(evaluation: Evaluation) -> str:
    """Return a card a task with the figure that counts most, by model."""
    names = list(dict.fromkeys(result.name for result in evaluation.results))
    cards = []
    for name in names[:12]:
        rows = []
        for result in (r for r in evaluation.results if r.name == name):
            if isinstance(result, VerificationResult):
                value, bounds = result.over_seeds("accuracy")[0], result.accuracy_interval
                ends = None if bounds is None else (bounds.low, bounds.high)
            else:
                value = result.rank_over_seeds(1)[0]
                ends = None if result.cmc_low is None else (result.cmc_low[0], result.cmc_high[0])
            small = (
                "" if ends is None else f"<small>{100 * ends[0]:.1f}–{100 * ends[1]:.1f}</small>"
            )
            model = f"<span>{_text(result.model)}</span>" if len(evaluation.models) > 1 else ""
            rows.append(f"<div>{model}<b>{100 * value:.2f} %</b>{small}</div>")
        kind = evaluation.results[0].kind
        what = "accuracy" if kind == "verification" else "rank-1"
        cards.append(f"<section><h3>{_text(name)}</h3>{''.join(rows)}<p>{what}</p></section>")
    return f'<div class="cards">{"".join(cards)}</div>'


def _comparisons(evaluation: Evaluation) -> str:
    if not evaluation.comparisons:
        return ""
    table = next(t for t in result_tables(evaluation) if t[0] == "Comparison")
    count = len(evaluation.comparisons)
    chance = f" Of {count} comparisons about {count / 20:.1f} would come out by chance alone."
    return (
        _grid(*table[1:], title="Comparison")
        + '<p class="note">Accuracy or rank-1 of the first less the second, in percent, with '
        "a 95 % interval by a bootstrap over people, and McNemar's exact test (mid-p) on the same "
        "pairs. A model is called better only where both leave out zero."
        + (chance if count > 3 else "")
        + "</p>"
    )


def _missing(evaluation: Evaluation) -> str:
    if not evaluation.missing:
        return ""
    rows = [f"<li>{_text(key)}: {_text(reason)}</li>" for key, reason in evaluation.missing.items()]
    left = "; ".join(f"{_text(task)}: {count}" for task, count in evaluation.left_out.items())
    return (
        f'<div class="warning"><b>{len(rows)} pictures are missing or cannot be used</b>; pairs or '
        f"probes left out: {left or 'none'}.<details><summary>Which</summary>"
        f"<ul>{''.join(rows)}</ul></details></div>"
    )


def _table(title: str, header: list[str], rows: list[list[str]]) -> str:
    if title == "Operating points":
        return f"<details><summary>{title}</summary>{_grid(header, rows)}</details>"
    note = (
        '<p class="note">Shares in percent. In brackets: 95 % interval by a bootstrap over people; '
        "±: spread over occlusion seeds; *: the impostor pairs are too few to resolve that rate "
        "well, see operating points.</p>"
    )
    return _grid(header, rows, title=title) + note


def _grid(header: list[str], rows: list[list[str]], title: str = "") -> str:
    head = "".join(f"<th>{_text(cell)}</th>" for cell in header)
    lines = [
        "<tr>" + "".join(f"<td{_class(cell)}>{_text(cell)}</td>" for cell in row) + "</tr>"
        for row in rows
    ]
    return (f"<h2>{title}</h2>" if title else "") + (
        f'<div class="wide"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )


def _figures(evaluation: Evaluation) -> str:
    """Return the figures, what an evaluation is about first; much of a kind is folded away."""
    first: list[tuple[str, str | None]] = [
        ("By region", region_figure(evaluation)),
        ("Over occlusion scales", scale_figure(evaluation)),
        ("Against the share covered", coverage_figure(evaluation)),
        ("Cumulative match characteristic; bands are 95 %", cmc_figure(evaluation)),
    ]
    further: list[tuple[str, str | None]] = []
    verified = [r for r in evaluation.results if isinstance(r, VerificationResult)]
    if verified:
        roc = "ROC: true accepts against false accepts; bands are 95 %", roc_figure(evaluation)
        few = len({result.name for result in verified}) <= _FEW_PANELS
        (first if few else further).append(roc)
        further += [
            ("DET: false rejects against false accepts; bands are 95 %", det_figure(evaluation)),
            ("Scores; dashed: the threshold of highest accuracy", score_figure(evaluation)),
        ]
    shown = [figure for figure in (*first, *further) if figure[1] is not None]
    parts = [
        f"<figure><figcaption>{_text(title)}</figcaption>{_own_ids(str(svg), number)}</figure>"
        for number, (title, svg) in enumerate(shown)
    ]
    if not parts:
        return ""
    split = len(parts) - len(further)
    folded = "".join(parts[split:])
    if folded:
        folded = f"<details><summary>Further curves and scores</summary>{folded}</details>"
    return f"<h2>Curves</h2>{''.join(parts[:split])}{folded}"


def _own_ids(svg: str, number: int) -> str:
    """Return an SVG whose ids are told from those of the page's other figures."""
    return (
        svg.replace('id="', f'id="f{number}-')
        .replace('href="#', f'href="#f{number}-')
        .replace("url(#", f"url(#f{number}-")
    )


def _failures(evaluation: Evaluation) -> str:
    if not evaluation.failures:
        return ""
    parts = []
    for (model, task), failures in evaluation.failures.items():
        columns = []
        for kind, title in _KINDS.items():
            cases = [_case(failure) for failure in failures if failure.kind == kind]
            if cases:
                columns.append(f"<div><h4>{title}</h4>{''.join(cases)}</div>")
        name = f"{model}: {task}" if len(evaluation.models) > 1 else task
        parts.append(f'<h3>{_text(name)}</h3><div class="columns">{"".join(columns)}</div>')
    licences = "; ".join(evaluation.data.get("licence", []))
    return (
        "<h2>Worst failures</h2>"
        f'<p class="note">Pictures as the model saw them. {_text(licences)}</p>{"".join(parts)}'
    )


def _case(failure: Failure) -> str:
    encode = encoder("jpeg", 92)
    pictures = "".join(
        f'<img alt="{_text(key)}" title="{_text(key)}" src="data:image/jpeg;base64,'
        f'{base64.b64encode(encode(image)).decode()}">'
        for key, image in ((failure.key_a, failure.image_a), (failure.key_b, failure.image_b))
    )
    return f'<div class="pair">{pictures}<span>{failure.score:.3f}</span></div>'


def _provenance(evaluation: Evaluation) -> str:
    data = evaluation.data
    rows: list[tuple[str, str]] = [("protocol", f"{evaluation.protocol} {evaluation.reference}")]
    for model in evaluation.models:
        size = "any size" if model.size is None else f"{model.size[0]}x{model.size[1]}"
        digest = model.digest or "no file"
        rows.append((f"model {model.name}", f"{size} (height x width), SHA-256 {digest}"))
    rows += [
        ("data", _data_name(evaluation)),
        ("licence", "; ".join(data.get("licence", []))),
        ("pictures", f"{data.get('pictures', '')}, at size {data.get('image_size', '')}"),
        ("pairs", ", ".join(data.get("pairs", []))),
        ("occluders", ", ".join(f"SHA-256 {digest}" for digest in data.get("occluders", []))),
        ("build digest", ", ".join(data.get("digests", []))),
    ]
    defaults = type(evaluation.config)()
    changed = {
        key: value
        for key, value in dataclasses.asdict(evaluation.config).items()
        if value != getattr(defaults, key)
    }
    rows.append(("settings", json.dumps(changed)))
    rows.append(("all settings", evaluation.config.to_json()))
    rows.append(("software", ", ".join(_versions())))
    cells = "".join(
        f"<tr><th>{_text(name)}</th><td>{_text(value)}</td></tr>" for name, value in rows if value
    )
    return f'<h2>Settings and provenance</h2><table class="plain"><tbody>{cells}</tbody></table>'


def _versions() -> list[str]:
    found = [f"Python {platform.python_version()}"]
    for name in _PACKAGES:
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    return found


def _data_name(evaluation: Evaluation) -> str:
    data = evaluation.data
    root = data.get("root") or ("100x10@1" if data.get("dataset") == "demo" else "")
    return f"{data.get('dataset', '')} {root}".strip()


def _class(cell: str) -> str:
    return ' class="number"' if cell[:1].isdigit() or cell[:1] in "+-" else ""


def _text(value: Any) -> str:
    return html.escape(str(value))
