"""`occgen check-leaks`: what two sets share."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .boundary import command
from .options import jobs_option, json_option

if TYPE_CHECKING:
    from occgen.leaks import Leaks

__all__ = ["check_leaks_command"]

_KINDS = ("identities", "pictures", "occluders")
_SHOWN = 10


@command("check-leaks", "occgen check-leaks Occ-Demo-2.0 demo")
@click.argument("first", metavar="A")
@click.argument("second", metavar="B")
@click.option(
    "--only",
    type=click.Choice(_KINDS),
    multiple=True,
    help="Compare these alone; may be given more than once.  [default: all three]",
)
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), help="CSV of all that is shared."
)
@jobs_option
@json_option
def check_leaks_command(
    first: str,
    second: str,
    only: tuple[str, ...],
    out: Path | None,
    jobs: int | None,
    as_json: bool,
) -> int:
    """Name identities, pictures and occluders that two sets, folders or NAME:DIR share."""
    from occgen.leaks import check_leaks

    from .progress import build_progress

    kinds = only or _KINDS
    with build_progress() as on_progress:
        found = check_leaks(first, second, kinds=kinds, jobs=jobs, on_progress=on_progress)
    pictures = [f"{p.key_a} = {p.key_b} ({p.how}, {p.likeness:.3f})" for p in found.pictures]
    shared = {
        "identities": found.identities,
        "pictures": pictures,
        "occluders": found.occluders,
    }
    counts = {kind: len(shared[kind]) for kind in kinds}
    if "pictures" in counts:  # a picture may be in the other set more than once
        counts["pictures"] = len({picture.key_a for picture in found.pictures})
    if out is not None:
        _write(out, found)
    if as_json:
        record: dict[str, Any] = counts | {
            "shared": {
                kind: [p._asdict() for p in found.pictures]
                if kind == "pictures"
                else list(shared[kind])
                for kind in kinds
            },
            "sizes": {kind: list(found.sizes[kind]) for kind in kinds},
            "notes": list(found.notes),
        }
        click.echo(json.dumps(record))
    else:
        for kind in kinds:
            mine, theirs = found.sizes[kind]
            click.echo(f"{kind}: {counts[kind]} shared, of {mine} and {theirs}")
            for line in shared[kind][:_SHOWN]:
                click.echo(f"  {line}")
            if len(shared[kind]) > _SHOWN:
                click.echo(f"  and {len(shared[kind]) - _SHOWN} more; --out FILE lists all")
        for note in found.notes:
            click.echo(f"note: {note}")
    return 1 if any(shared[kind] for kind in kinds) else 0


def _write(out: Path, found: "Leaks") -> None:
    import csv
    import io

    from occgen.atomic import replacing_bytes

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["kind", "a", "b", "how", "likeness"])
    writer.writerows(("identity", name, name, "same", 1) for name in found.identities)
    writer.writerows(("picture", *picture) for picture in found.pictures)
    writer.writerows(("occluder", name, name, "same", 1) for name in found.occluders)
    replacing_bytes(out, text.getvalue().encode("utf-8", "backslashreplace"))
