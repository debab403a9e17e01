"""Tables as text, Markdown, CSV and plain records."""

import csv
import io
from collections.abc import Sequence
from typing import Any

from .cells import Cell, Difference, Table

__all__ = [
    "cell_text",
    "csv_tables",
    "difference_text",
    "markdown_tables",
    "table_record",
    "table_title",
    "text_tables",
]


def cell_text(cell: Cell, *, with_published: bool = True) -> str:
    """Return '84.12 ±0.31 (94.70)': ours over the seeds, and the paper's in brackets."""
    text = cell.reason or "-"
    if cell.mean is not None:
        text = f"{cell.mean:.2f}" + ("" if cell.spread is None else f" ±{cell.spread:.2f}")
    if cell.published is None or not with_published:
        return text
    return f"{text} ({cell.published:.2f})"


def table_title(table: Table) -> str:
    """Return a table's number and title."""
    kind = "Table " if table.spec.name.isdigit() else ""
    return f"{kind}{table.spec.name}: {table.spec.title}"


def _rows(table: Table) -> list[list[str]]:
    return [
        [label, *(cell_text(cell) for cell in cells)]
        for label, cells in zip(table.labels, table.cells, strict=True)
    ]


def difference_text(found: Difference) -> str:
    """Return a comparison in a line."""
    spread = "" if found.spread is None else f" ±{found.spread:.2f} over {found.seeds} seeds"
    chance = "" if found.p_value is None else f", p = {found.p_value:.2g}"
    return (
        f"{found.column}: {found.row} {found.mean:+.2f}{spread} against {found.against} "
        f"[{found.low:+.2f}, {found.high:+.2f}]{chance}: {found.statement}"
    )


def text_tables(tables: Sequence[Table]) -> str:
    """Return the tables for a terminal."""
    lines: list[str] = []
    for table in tables:
        rows = [["", *table.headings], *_rows(table)]
        widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
        lines += ["", table_title(table)]
        for row in rows:
            first, rest = row[0].ljust(widths[0]), zip(row[1:], widths[1:], strict=True)
            lines.append("  ".join([first, *(cell.rjust(width) for cell, width in rest)]).rstrip())
        lines += [f"  {note}" for note in table.notes]
        lines += [f"  {difference_text(found)}" for found in table.differences]
    return "\n".join(lines[1:])


def markdown_tables(tables: Sequence[Table]) -> str:
    """Return the tables as Markdown."""
    lines: list[str] = []
    for table in tables:
        lines += [f"## {table_title(table)}", "", f"| | {' | '.join(table.headings)} |"]
        lines.append("| --- |" + " ---: |" * len(table.headings))
        lines += [
            "| " + " | ".join(c.replace("|", "\\|") for c in row) + " |" for row in _rows(table)
        ]
        lines.append("")
        lines += [f"- {note}" for note in table.notes]
        lines += [f"- {difference_text(found)}" for found in table.differences]
        if table.notes or table.differences:
            lines.append("")
    return "\n".join(lines)


def csv_tables(tables: Sequence[Table]) -> str:
    """Return one line a figure: table, row, column, mean, spread, seeds, published, reason."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        ["table", "row", "column", "mean", "spread", "seeds", "values", "published", "reason"]
    )
    for table in tables:
        for label, cells in zip(table.labels, table.cells, strict=True):
            for heading, cell in zip(table.headings, cells, strict=True):
                numbers = [
                    "" if value is None else f"{value:.4f}" for value in (cell.mean, cell.spread)
                ]
                values = " ".join(f"{value:.4f}" for value in cell.values)
                published = "" if cell.published is None else f"{cell.published:g}"
                row = [table.spec.name, label, heading, *numbers, len(cell.values), values]
                writer.writerow([*row, published, cell.reason])
    return text.getvalue()


def table_record(table: Table) -> dict[str, Any]:
    """Return a table as plain values for JSON."""
    return {
        "table": table.spec.name,
        "title": table.spec.title,
        "rows": [
            {
                "row": label,
                "cells": {
                    heading: {
                        "mean": cell.mean,
                        "spread": cell.spread,
                        "values": list(cell.values),
                        "published": cell.published,
                        "reason": cell.reason,
                    }
                    for heading, cell in zip(table.headings, cells, strict=True)
                },
            }
            for label, cells in zip(table.labels, table.cells, strict=True)
        ],
        "notes": list(table.notes),
        "comparisons": [
            {
                "row": found.row,
                "against": found.against,
                "column": found.column,
                "difference": found.mean,
                "spread": found.spread,
                "interval": [found.low, found.high],
                "p_value": found.p_value,
                "seeds": found.seeds,
                "statement": found.statement,
            }
            for found in table.differences
        ],
    }
