"""`from-paper`: the paper's tables and figures from the data at hand."""

import json
from pathlib import Path
from typing import Any

import click

from .boundary import command
from .error_stream import ErrorStream
from .options import json_option, occluders_option

__all__ = ["main"]

_PRESETS = ("demo", "real", "full")
_TABLES = "1 to 11, improved, steps, library, library-small, blend, placement, unseen, patterns"


def _folder() -> click.Path:
    return click.Path(exists=True, file_okay=False)


@command("from-paper", "from-paper --preset demo --out PAPER --tables 5 --dry-run")
@click.option(
    "--preset",
    type=click.Choice([*_PRESETS, "tiny"]),
    default="demo",
    show_default=True,
    help="Drawn faces, minutes; real crops at --root, hours; the paper's own sets.",
)
@click.option(
    "--out", required=True, metavar="DIR", help="Everything that is made; run again it goes on."
)
@click.option(
    "--tables",
    metavar="3,5,...",
    help=f"{_TABLES}.  [default: all]",
)
@click.option("--runs", metavar="A,B", help="Only these trainings.  [default: what tables need]")
@click.option(
    "--seeds", type=click.IntRange(1), default=1, show_default=True, help="Trainings of each kind."
)
@click.option("--seed", type=click.IntRange(0), default=100, show_default=True, help="The first.")
@click.option(
    "--root",
    type=_folder(),
    metavar="DIR",
    help="Of real: holds lfw/ with folds.csv and celeba/. Of full: webface/, lfw/, mf1/.",
)
@occluders_option("Own occluders.")
@click.option("--cutouts", type=_folder(), metavar="DIR", help="Real occluders with mattes.")
@click.option("--models", type=_folder(), metavar="DIR", help="Others' models to test as well.")
@click.option(
    "--parallel",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Jobs at a time, one thread each where more than one.",
)
@click.option(
    "--precision",
    type=click.Choice(["float32", "bfloat16"]),
    help="Of the trainings.  [default: the preset's, float32 where bfloat16 is slow here]",
)
@click.option("--dry-run", is_flag=True, help="List runs, what tables need, and the time.")
@json_option
def main(dry_run: bool, as_json: bool, **options: Any) -> None:
    """Remake the paper's tables and figures, from training to a page, beside its own figures."""
    from frommodel.paper.config import PaperConfig

    config = PaperConfig(**options)
    if dry_run:
        from frommodel.paper.reproduction import describe_plan

        plan = describe_plan(config)
        click.echo(json.dumps(plan) if as_json else _plan_text(plan))
        return
    from frommodel.paper.reproduction import reproduce
    from frommodel.paper.writing import text_tables

    record, tables = reproduce(config, ErrorStream().say)
    if as_json:
        click.echo(json.dumps(record))
        return
    click.echo(f"{record['data']}\n{record['about']}\n")
    click.echo(text_tables(tables))
    click.echo(f"\n{Path(config.out) / 'report.html'}: the same with figures and trainings")


def _plan_text(plan: dict[str, Any]) -> str:
    lines = [plan["data"], *(f"missing: {text}" for text in plan["missing"]), ""]
    lines.append(f"{len(plan['runs'])} trainings, in this order:")
    for run in plan["runs"]:
        done = "done" if run["finished"] else f"{_minutes(run['train_s'])} min"
        lines.append(
            f"  {run['run']:20} seed {run['seed']}  {done:>9}, tests {_minutes(run['test_s'])} min "
            f"({run['conditions']} conditions)  {run['title']}"
        )
    lines += ["", "tables:"]
    for table in plan["tables"]:
        lines.append(f"  {table['table']}: {table['title']}")
        if table["runs"]:
            lines.append(f"    runs {', '.join(table['runs'])}")
        for name, what in (("not_run", "not trained"), ("no_data_for", "no data")):
            if table[name]:
                lines.append(f"    {what}: {', '.join(table[name])}")
    total = plan["estimated_s"]
    lines += [
        "",
        f"about {_minutes(total)} min with --parallel {plan['parallel']}, in {plan['precision']}",
    ]
    return "\n".join(lines)


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.1f}" if seconds < 600 else f"{seconds / 60:.0f}"
