"""`occgen datasets`: what can be read by name."""

import json
from dataclasses import asdict

import click

from occgen.catalog import CATALOG, expected_at

from .boundary import command
from .options import json_option

__all__ = ["datasets_command"]


@command("datasets", "occgen datasets webface")
@click.argument("name", type=click.Choice(list(CATALOG)), required=False)
@json_option
def datasets_command(name: str | None, as_json: bool) -> None:
    """Say what --dataset understands: layout, licence, where it is expected, how to get it."""
    chosen = [CATALOG[name]] if name else list(CATALOG.values())
    if as_json:
        records = []
        for known in chosen:
            place = expected_at(known.name)
            is_there = place is not None and place.exists()
            records.append(
                asdict(known) | {"expected_at": place and str(place), "is_there": is_there}
            )
        click.echo(json.dumps(records))
        return
    for known in chosen:
        place = expected_at(known.name)
        click.echo(f"{known.name}: {known.about}")
        click.echo(f"  layout   {known.layout}")
        click.echo(f"  licence  {known.licence}")
        click.echo(f"  get it   {known.source}")
        if known.name != "demo":
            there = "" if place is None else ", there" if place.exists() else ", not there"
            shown = f"$OCCGEN_DATA/{known.name}" if place is None else str(place)
            click.echo(f"  looked for at --root, else {shown}{there}")
