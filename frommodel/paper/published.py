"""The paper's own figures, to stand beside ours; every number is kept in ``published.json``."""

import json
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["published_figure", "published_rows"]


@cache
def _read() -> dict[str, Any]:
    text = Path(__file__).with_name("published.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def published_rows(table: str) -> tuple[str, ...]:
    """Return the rows that the paper gives in a table."""
    return tuple(_read().get(table, {}))


def published_figure(table: str, row: str, column: str) -> float | None:
    """Return a figure of the paper, in percent unless the column says otherwise; None if not given.

    Parameters
    ----------
    table : str
        ``1`` to ``11``.
    row, column : str
    """
    value = _read().get(table, {}).get(row, {}).get(column)
    return None if value is None else float(value)
