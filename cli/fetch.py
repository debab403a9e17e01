"""`occgen fetch`: download a data set that may be."""

import json
import sys
from pathlib import Path

import click

from occgen.catalog import CATALOG

from .boundary import command
from .error_stream import ErrorStream
from .options import json_option

__all__ = ["fetch_command"]


@command("fetch", "occgen fetch lfw --out lfw-originals")
@click.argument("name", type=click.Choice(list(CATALOG)))
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Where it goes.  [default: $OCCGEN_DATA/NAME-originals]",
)
@click.option(
    "--mirror", metavar="URL", help="Take the files from here: a URL, a folder, or the file itself."
)
@json_option
def fetch_command(name: str, out: Path | None, mirror: str | None, as_json: bool) -> None:
    """Download a data set that may be, checked by its hash, or say how to get it."""
    from occgen.fetching import fetch

    pictures = fetch(name, out, mirror, _Said() if sys.stderr.isatty() else None)
    if as_json:
        click.echo(json.dumps({"name": name, "pictures": str(pictures)}))
        return
    click.echo(f"{pictures} holds the pictures. {CATALOG[name].licence}")
    click.echo(f"align them next: occgen align {pictures} OUT")


class _Said:
    """Prints each tenth of a file, on stderr."""

    def __init__(self) -> None:
        self._tenth: dict[str, int] = {}

    def __call__(self, name: str, done: int, total: int | None) -> None:
        tenth = 10 * done // total if total else 0
        if tenth > self._tenth.get(name, 0):
            self._tenth[name] = tenth
            ErrorStream().say(f"{name}: {tenth * 10} % of {(total or 0) / 1e6:.1f} MB")
