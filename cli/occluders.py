"""`occgen occluders`: the library of occluders, and new members of it."""

import json
from pathlib import Path
from typing import Any

import click

from .boundary import BoundaryGroup, command
from .options import jobs_option, json_option

__all__ = ["occluders_group"]


@click.group(
    "occluders",
    cls=BoundaryGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="\b\nExample:\n  occgen occluders render --out my-occluders --members 100 --seed 7",
)
def occluders_group() -> None:
    """Look at the occluders, check a folder of them, render new ones."""


def _split(ctx: click.Context, parameter: click.Parameter, value: str | None) -> Any:
    return tuple(part.strip() for part in value.split(",")) if value else None


@command("render", "occgen occluders render --out my-occluders --members 100 --seed 7")
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, metavar="DIR", help="A new folder."
)
@click.option(
    "--members", type=click.IntRange(1), default=24, show_default=True, help="Of each category."
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**64 - 1),
    default=0,
    show_default=True,
    help="Of every member; 0 is that of the bundled ones.",
)
@click.option("--categories", callback=_split, metavar="A,B", help="Only these.  [default: all]")
@click.option(
    "--size",
    type=click.IntRange(16, 2048),
    default=176,
    show_default=True,
    help="Longest side of a picture, pixels.",
)
@jobs_option
@json_option
def render_command(out: Path, as_json: bool, **options: Any) -> None:
    """Render new occluders into a folder; run again, it goes on where it stopped."""
    from occluders.bundle import write_library

    from .progress import count_progress

    with count_progress("occluders") as update:
        index = write_library(out, on_progress=update, **options)
    found = index["members"]
    counts = {name: index["members_each"] for name in index["categories"]}
    if as_json:
        summary = {"out": str(out), "members": len(found), "categories": counts}
        click.echo(json.dumps({**summary, "digest": index["digest"]}))
        return
    click.echo(f"{out}: {len(found)} occluders of {len(counts)} categories, seed {index['seed']}")
    click.echo(f"digest {index['digest']}")


occluders_group.add_command(render_command)
