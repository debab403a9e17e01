"""From a question to its answer: data made, runs trained and tested, tables and page written."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from occgen.atomic import locked_output, make_folder, replacing_bytes

from .cells import Table
from .config import PaperConfig
from .data import open_data
from .estimate import estimate
from .findings import Findings
from .plan import Plan
from .scheduling import work
from .writing import csv_tables, markdown_tables, table_record

__all__ = ["describe_plan", "reproduce"]

_ABOUT = (
    "Ours over the seeds ± their spread, and in brackets the paper's, on its own data: other "
    "people, other sizes, other networks. Differences are on the same pairs, with a 95 % interval "
    "by a bootstrap over people."
)
_SLOW_BFLOAT16 = (
    "trainings are in float32: this processor is slower in bfloat16, the preset's precision "
    "(--precision bfloat16 takes it all the same)"
)


def describe_plan(config: PaperConfig) -> dict[str, Any]:
    """Return what `reproduce` would do; nothing is written."""
    return estimate(Plan(config=config, data=open_data(config)))


def reproduce(
    config: PaperConfig, tell: Callable[[str], None]
) -> tuple[dict[str, Any], list[Table]]:
    """Train, test and report what the data at hand allow.

    Parameters
    ----------
    config : PaperConfig
    tell : callable
        Given a line for people to read.

    Returns
    -------
    record : dict
        Everything found, as plain values; also in ``results.json``.
    tables : list of Table

    Raises
    ------
    OccgenError
        What was complete is kept, and the same command goes on.
    """
    from .figures import draw_figures
    from .page import write_page

    began = time.monotonic()
    out = config.folder
    data = open_data(config)  # before anything is written
    make_folder(out)
    with locked_output(out):
        tell(data.statement)
        for text in data.missing:
            tell(f"missing: {text}")
        if config.is_slowed:
            tell(_SLOW_BFLOAT16)
        data.make()
        plan = Plan(config=config, data=data)
        for name in sorted(path.name for path in (out / "data").iterdir() if path.is_dir()):
            tell(f"{out / 'data' / name}: {data.counts.get(name, 0)} pictures")
        work(plan, tell)
        findings = Findings(plan=plan)
        tables = findings.tables
        figures, skipped = draw_figures(findings, tell)
        record = {
            "schema": 1,
            "preset": config.preset,
            "seeds": list(config.all_seeds),
            "data": data.statement,
            "missing": list(data.missing),
            "about": _ABOUT,
            "precision": config.training_precision,
            "tables": [table_record(table) for table in tables],
            "runs": findings.finished(),
            "figures": {name: str(path.relative_to(out)) for name, path in figures.items()},
            "figures_missing": skipped,
            "versions": _versions(),
            "elapsed_s": round(time.monotonic() - began, 1),
        }
        _write(out / "results.json", json.dumps(record, indent=1, ensure_ascii=False) + "\n")
        _write(out / "tables.csv", csv_tables(tables))
        _write(out / "tables.md", _markdown(record, tables))
        write_page(out / "report.html", record, tables, figures)
    return record, tables


def _markdown(record: dict[str, Any], tables: list[Table]) -> str:
    lines = ["# The paper's tables on the data at hand", "", record["data"], "", record["about"]]
    lines += ["", *(f"- missing: {text}" for text in record["missing"]), ""]
    return "\n".join(lines) + "\n" + markdown_tables(tables)


def _versions() -> dict[str, str]:
    import numpy as np
    import torch

    from occgen import __version__

    return {"occgen": __version__, "torch": torch.__version__, "numpy": np.__version__}


def _write(path: Path, text: str) -> None:
    replacing_bytes(path, text.encode("utf-8"))
