"""Results as tables: plain text for a terminal, Markdown, CSV; no torch."""

import csv
import io
from typing import Any

from .results import Evaluation, IdentificationResult, VerificationResult

__all__ = ["csv_report", "markdown_report", "result_tables", "text_report"]

Table = tuple[str, list[str], list[list[str]]]


def result_tables(evaluation: Evaluation) -> list[Table]:
    """Return title, header and rows of each table of an evaluation, as text.

    Shares are in percent; behind them, in brackets, the 95 % interval by the bootstrap over people,
    or after ± the spread over occlusion seeds.
    """
    tables: list[Table] = []
    verified = [r for r in evaluation.results if isinstance(r, VerificationResult)]
    found = [r for r in evaluation.results if isinstance(r, IdentificationResult)]
    if verified:
        fars = [point.far for point in verified[0].reports[0].points]
        header = ["model", "pairs", "coverage", "accuracy", "exact", "EER", "AUC"]
        header += [f"TAR@{far:g}" for far in fars]
        tables.append(("Verification", header, [_verified(result) for result in verified]))
        rows = [_point(r, place) for r in verified for place in range(len(fars))]
        header = ["model", "pairs", "FAR", "TAR", "false accepts", "of", "threshold", "note"]
        tables.append(("Operating points", header, rows))
    if found:
        ranks = [rank for rank in (1, 5, 10, 20) if rank <= found[0].cmc.shape[1]]
        header = ["model", "probes", "coverage", "trials", "gallery"]
        header += [f"rank {rank}" for rank in ranks]
        rows = [_found(result, ranks) for result in found]
        tables.append(("Identification", header, rows))
        opened = [r for r in found if r.open_set]
        if opened:
            header = ["model", "probes", "FAR", "DIR", "false alarms", "threshold", "note"]
            rows = [_alarm(r, place) for r in opened for place in range(len(r.open_set[0]))]
            tables.append(("Open-set identification", header, rows))
    if evaluation.comparisons:
        rows = []
        for task, first, second, pair in evaluation.comparisons:
            interval = "" if pair.interval is None else _bounds(*_ends(pair.interval))
            row = [task, first, second, f"{100 * pair.difference:+.2f}", interval]
            rows.append([*row, f"{pair.p_value:.2g}", pair.statement])
        header = ["pairs or probes", "first", "second", "difference", "interval", "p", "finding"]
        tables.append(("Comparison", header, rows))
    return tables


def text_report(evaluation: Evaluation) -> str:
    """Return what a person reads on a terminal."""
    models = ", ".join(model.name for model in evaluation.models)
    data = evaluation.data
    lines = [
        f"{evaluation.title} ({evaluation.protocol})",
        f"models {models}; data {data['dataset']} {data['root']}; {data['pictures']} pictures",
    ]
    for title, header, rows in result_tables(evaluation):
        if title != "Operating points":  # in the other forms; here as notes
            lines += ["", title, *_aligned(header, rows)]
    lines += _notes(evaluation)
    lines += _missing(evaluation)
    lines.append(f"{evaluation.elapsed_s:.1f} s")
    return "\n".join(lines)


def markdown_report(evaluation: Evaluation) -> str:
    """Return the tables as Markdown."""
    lines = [f"# {evaluation.title}", ""]
    for title, header, rows in result_tables(evaluation):
        lines += [f"## {title}", "", f"| {' | '.join(header)} |"]
        lines += ["|" + " --- |" * len(header)]
        lines += [
            "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows
        ]
        lines.append("")
    lines += _missing(evaluation)
    return "\n".join(lines) + "\n"


def csv_report(evaluation: Evaluation) -> str:
    """Return one line a figure: model, task, condition, figure, value, spread, low, high, seeds."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        ["model", "task", "settings", "figure", "value", "spread", "low", "high", "seeds"]
    )
    for result in evaluation.results:
        settings = ";".join(f"{key}={value}" for key, value in result.settings.items())
        seeds = " ".join(str(seed) for seed in result.seeds)
        for figure, value, spread, bounds in _figures(result):
            low, high = bounds or ("", "")
            row = [result.model, result.name, settings, figure, value, spread, low, high, seeds]
            writer.writerow(row)
    return text.getvalue()


def _figures(result: Any) -> list[tuple[str, float, float, list[float] | None]]:
    record = result.to_record()
    if isinstance(result, VerificationResult):
        names = ("accuracy", "exact_accuracy", "equal_error_rate", "area_under_curve", "threshold")
        rows = [
            (name, record[name], record[f"{name}_spread"], record.get(f"{name}_interval"))
            for name in names
        ]
        for point in record["points"]:
            far = f"{point['far']:g}"
            rows.append((f"tar@{far}", point["tar"], point["tar_spread"], point["interval"]))
            rows.append((f"false_accepts@{far}", point["false_accepts"], 0.0, None))
        return rows
    rows = [("rank_1", record["rank_1"], record["rank_1_spread"], record["rank_1_interval"])]
    rows += [(f"rank_{i}", value, 0.0, None) for i, value in enumerate(record["cmc"], 1) if i > 1]
    rows += [(f"dir@{p['far']:g}", p["dir"], p["dir_spread"], None) for p in record["open_set"]]
    return rows


def _verified(result: VerificationResult) -> list[str]:
    accuracy, spread = result.over_seeds("accuracy")
    seeds = len(result.reports)
    row = [result.model, result.name, _coverage(result)]
    row.append(_share(accuracy, spread, seeds, result.accuracy_interval))
    row += [
        _share(*result.over_seeds(name), seeds, None)
        for name in ("exact_accuracy", "equal_error_rate", "area_under_curve")
    ]
    for place, point in enumerate(result.reports[0].points):
        tar, spread = result.tar_over_seeds(place)
        mark = "*" if point.note else ""
        interval = result.tar_intervals[place] if result.tar_intervals else None
        row.append(_share(tar, spread, seeds, interval) + mark)
    return row


def _point(result: VerificationResult, place: int) -> list[str]:
    point = result.reports[0].points[place]
    tar, spread = result.tar_over_seeds(place)
    interval = result.tar_intervals[place] if result.tar_intervals else None
    return [
        result.model,
        result.name,
        f"{point.far:g}",
        _share(tar, spread, len(result.reports), interval),
        f"{point.false_accepts}",
        f"{result.reports[0].num_impostor}",
        f"{point.threshold:.4f}",
        point.note,
    ]


def _found(result: IdentificationResult, ranks: list[int]) -> list[str]:
    seeds = len(result.cmc)
    row = [result.model, result.name, _coverage(result)]
    row += [f"{result.num_trials}", f"{result.num_gallery}"]
    for rank in ranks:
        share, spread = result.rank_over_seeds(rank)
        text = _share(share, spread, seeds, None)
        if result.cmc_low is not None and result.cmc_high is not None:
            text += " " + _bounds(result.cmc_low[rank - 1], result.cmc_high[rank - 1])
        row.append(text)
    return row


def _alarm(result: IdentificationResult, place: int) -> list[str]:
    point = result.open_set[0][place]
    share, spread = result.dir_over_seeds(place)
    return [
        result.model,
        result.name,
        f"{point.far:g}",
        _share(share, spread, len(result.open_set), None),
        f"{point.false_alarms}",
        f"{point.threshold:.4f}",
        point.note,
    ]


def _coverage(result: Any) -> str:
    return "" if result.coverage is None else f"{100 * result.mean_coverage:.1f}"


def _share(value: float, spread: float, seeds: int, interval: Any) -> str:
    text = f"{100 * value:.2f}"
    if seeds > 1:
        text += f" ± {100 * spread:.2f}"
    return text if interval is None else f"{text} {_bounds(*_ends(interval))}"


def _ends(interval: Any) -> tuple[float, float]:
    return interval.low, interval.high


def _bounds(low: float, high: float) -> str:
    return f"[{100 * low:.1f}, {100 * high:.1f}]"


def _notes(evaluation: Evaluation) -> list[str]:
    """Return what limits the points marked with a star, each once."""
    notes = [
        point.note
        for result in evaluation.results
        if isinstance(result, VerificationResult)
        for point in result.reports[0].points
        if point.note
    ]
    notes += evaluation.data.get("crop_warnings", [])
    return ["", *(f"* {note}" for note in dict.fromkeys(notes))] if notes else []


def _missing(evaluation: Evaluation) -> list[str]:
    lines = []
    if evaluation.missing:
        shown = list(evaluation.missing.items())[:10]
        lines += ["", f"{len(evaluation.missing)} pictures are missing or cannot be used:"]
        lines += [f"  {key}: {reason}" for key, reason in shown]
        if len(evaluation.missing) > len(shown):
            lines.append(f"  and {len(evaluation.missing) - len(shown)} more")
        for task, count in evaluation.left_out.items():
            lines.append(f"  {task}: {count} pairs or probes left out")
    return lines


def _aligned(header: list[str], rows: list[list[str]]) -> list[str]:
    widths = [max(len(cell) for cell in column) for column in zip(header, *rows, strict=True)]
    lines = []
    for row in (header, *rows):
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        lines.append("  ".join(cells).rstrip())
    return lines
