"""One page that needs no network: tables, figures, trainings, where the faces came from."""

import base64
import html
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from occgen.atomic import replacing_bytes

from .cells import Table
from .writing import cell_text, difference_text, table_title

__all__ = ["write_page"]

_STYLE = """
body{font:15px/1.45 system-ui,sans-serif;margin:2em auto;max-width:76em;padding:0 1em;color:#222}
h1{font-size:1.5em} h2{font-size:1.15em;margin:2em 0 .4em}
.wide{overflow-x:auto}
table{border-collapse:collapse;font-size:.93em;font-variant-numeric:tabular-nums}
th,td{padding:.25em .7em;border-bottom:1px solid #ddd;text-align:right;white-space:nowrap}
th:first-child,td:first-child{text-align:left}
thead th{border-bottom:2px solid #888;white-space:normal;vertical-align:bottom}
td{vertical-align:top}
.paper{color:#777;font-size:.88em;display:block}
summary{cursor:pointer;color:#444;font-size:.9em} .why{color:#a55}
small,li{color:#444;font-size:.9em}
figure{margin:1.5em 0} img{max-width:100%} nav a{margin-right:.8em} .apart{font-weight:600}
"""


def write_page(
    path: Path, record: dict[str, Any], tables: Sequence[Table], figures: dict[str, Path]
) -> None:
    """Write the page of a reproduction.

    Parameters
    ----------
    path : Path
    record : dict
        As `reproduce` gives it.
    tables : sequence of Table
    figures : dict of str to Path
        By title.
    """
    parts = [
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>",
        "<meta name='viewport' content='width=device-width'>",
        f"<title>The paper's tables, preset {_text(record['preset'])}</title>",
        f"<style>{_STYLE}</style></head><body>",
        f"<h1>The paper's tables, preset {_text(record['preset'])}</h1>",
        f"<p>{_text(record['data'])}</p><p>{_text(record['about'])}</p>",
        "<nav>",
        *(f"<a href='#{_text(t.spec.name)}'>{_text(t.spec.name)}</a>" for t in tables),
        "<a href='#figures'>figures</a><a href='#runs'>runs</a></nav>",
    ]
    if record["missing"]:
        parts += ["<h2>Not at hand</h2><ul>", *_items(record["missing"]), "</ul>"]
    for table in tables:
        parts += _table(table)
    parts.append("<h2 id='figures'>Figures</h2>")
    for title, place in figures.items():
        parts.append(f"<figure><figcaption>{_text(title)}</figcaption>{_picture(place)}</figure>")
    parts += ["<ul>", *_items(f"{t}: {why}" for t, why in record["figures_missing"].items())]
    parts += ["</ul>", *_runs(record["runs"]), *_versions(record), "</body></html>"]
    replacing_bytes(path, "\n".join(parts).encode("utf-8"))


def _text(value: object) -> str:
    return html.escape(str(value), quote=True)


def _items(texts: Iterable[str]) -> list[str]:
    return [f"<li>{_text(text)}</li>" for text in texts]


def _table(table: Table) -> list[str]:
    parts = [f"<h2 id='{_text(table.spec.name)}'>{_text(table_title(table))}</h2>"]
    parts.append("<div class='wide'><table><thead><tr><th></th>")
    parts += [f"<th>{_text(heading)}</th>" for heading in table.headings]
    parts.append("</tr></thead><tbody>")
    for label, cells in zip(table.labels, table.cells, strict=True):
        parts.append(f"<tr><td>{_text(label)}</td>")
        for cell in cells:
            ours = _text(cell_text(cell, with_published=False))
            if cell.mean is None:
                ours = f"<span class='why'>{ours}</span>"
            paper = ""
            if cell.published is not None:
                paper = f" <span class='paper'>({cell.published:.2f})</span>"
            parts.append(f"<td>{ours}{paper}</td>")
        parts.append("</tr>")
    parts += ["</tbody></table></div><ul>", *_items(table.notes), "</ul>"]
    if not table.differences:
        return parts
    apart = sum("better" in found.statement for found in table.differences)
    parts.append(f"<details><summary>{len(table.differences)} comparisons on the same pairs, ")
    parts.append(f"{apart} with a difference</summary><ul>")
    for found in table.differences:
        kind = " class='apart'" if "better" in found.statement else ""
        parts.append(f"<li{kind}>{_text(difference_text(found))}</li>")
    return [*parts, "</ul></details>"]


def _runs(runs: Sequence[dict[str, Any]]) -> list[str]:
    parts = ["<h2 id='runs'>Trainings</h2><div class='wide'><table><thead><tr><th>run</th>"]
    heads = ("seed", "seconds", "images/s", "validation clean", "validation 2.0")
    parts += [f"<th>{head}</th>" for head in heads]
    parts.append("</tr></thead><tbody>")
    for run in runs:
        scores = run.get("validation") or {}
        shown = [f"{scores[name]:.2%}" if name in scores else "" for name in ("clean", "2.0")]
        values = [run["seed"], run.get("elapsed_s", ""), run.get("images_per_s", ""), *shown]
        title = run["title"] if "reason" not in run else f"{run['title']}: {run['reason']}"
        parts.append(f"<tr><td title='{_text(run['folder'])}'>{_text(title)}</td>")
        parts += [f"<td>{_text(value)}</td>" for value in values]
        parts.append("</tr>")
    return [*parts, "</tbody></table></div>"]


def _versions(record: dict[str, Any]) -> list[str]:
    text = ", ".join(f"{name} {version}" for name, version in record["versions"].items())
    seeds = ", ".join(str(seed) for seed in record["seeds"])
    return [f"<p><small>{_text(text)}; seeds {_text(seeds)}</small></p>"]


def _picture(path: Path) -> str:
    kind = "svg+xml" if path.suffix == ".svg" else path.suffix.lstrip(".")
    data = base64.b64encode(path.read_bytes()).decode()
    return f"<div><img alt='' src='data:image/{kind};base64,{data}'></div>"
