"""`occgen occluders`: the library of occluders, and new members of it."""

import json
from pathlib import Path
from typing import Any

import click

from .boundary import BoundaryGroup, command
from .options import jobs_option, json_option, library_options, split_commas

__all__ = ["occluders_group", "write_library_sheet"]


@click.group(
    "occluders",
    cls=BoundaryGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="\b\nExample:\n  occgen occluders render --out my-occluders --members 100 --seed 7",
)
def occluders_group() -> None:
    """Look at the occluders, check a folder of them, render new ones."""


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
@click.option(
    "--categories", callback=split_commas, metavar="A,B", help="Only these.  [default: all]"
)
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


@command("list", "occgen occluders list --group 1")
@library_options
@click.option("--members", is_flag=True, help="Each member, with its natural size.")
@json_option
def list_command(occluders: str, members: bool, as_json: bool, **narrowing: Any) -> None:
    """Say what a library holds: categories, members, sizes, how much of a face they cover."""
    from occluders.calibration import mean_coverage

    library, found = _open(occluders, narrowing)
    sizes = {name: [m.natural_size for m in found.members(name)] for name in found.categories}
    if as_json:
        rows = [
            {
                "name": m.name,
                "category": m.category,
                "natural_size": list(m.natural_size),
                "anchors": {name: list(point) for name, point in m.anchors.items()},
                "sha256": m.sha256,
            }
            for m in found
        ]
        coverage = {
            f"{scale:g}": round(mean_coverage(sizes, scale, weights=found.weights), 4)
            for scale in (1.0, 2.0, 3.0)
        }
        summary = {
            "members": rows,
            "categories": {name: len(found.members(name)) for name in found.categories},
            "weights": found.weights,
            "splits": {name: list(patterns) for name, patterns in library.splits.items()},
            "coverage": coverage,
            "skipped": dict(library.skipped),
            "digest": found.digest,
        }
        click.echo(json.dumps(summary))
        return
    click.echo(
        f"{'category':<16}{'members':>8}{'mean size on 96x112':>22}{'coverage at scale 1':>21}"
    )
    for name, each in sizes.items():
        wide, tall = (sum(size[i] for size in each) / len(each) for i in (0, 1))
        share = mean_coverage({name: each}, 1.0)
        click.echo(f"{name:<16}{len(each):>8}{f'{wide:.0f} x {tall:.0f}':>22}{share:>21.1%}")
        for member in found.members(name) if members else ():
            wide, tall = member.natural_size
            points = ", ".join(member.anchors) or "no anchors"
            click.echo(f"  {member.name:<30}{f'{wide:g} x {tall:g}':>16}  {points}")
    shares = ", ".join(
        f"{mean_coverage(sizes, s, weights=found.weights):.1%} at {s:g}" for s in (1.0, 2.0, 3.0)
    )
    click.echo(f"{len(found)} members of {len(sizes)} categories; mean coverage {shares}")
    if len(set(found.weights.values())) > 1:
        total = sum(found.weights.values())
        drawn = ", ".join(f"{name} {w / total:.1%}" for name, w in found.weights.items())
        click.echo(f"drawn: {drawn}")
    for name, patterns in sorted(library.splits.items()):
        click.echo(f"split {name}: {', '.join(patterns)}")
    click.echo(f"digest {found.digest}")


@command("preview", "occgen occluders preview --out library.png")
@library_options
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="PNG or WebP.  [default: occluders-preview.png]",
)
@click.option("--size", type=click.IntRange(8, 512), default=64, show_default=True, help="Pixels.")
@click.option("--columns", type=click.IntRange(1, 100), default=16, show_default=True)
@click.option("--count", type=click.IntRange(1), help="Most of a category.  [default: all]")
def preview_command(
    occluders: str, out: Path | None, size: int, columns: int, count: int | None, **narrowing: Any
) -> None:
    """Draw a contact sheet of a library by category, as a PNG or a WebP."""
    _, found = _open(occluders, narrowing)
    target = out or Path("occluders-preview.png")
    title = "Bundled occluders" if occluders == "bundled" else Path(occluders).resolve().name
    write_library_sheet(target, found, title, size=size, columns=columns, most=count)


@command("check", "occgen occluders check --occluders my-occluders")
@library_options
@click.option("--strict", is_flag=True, help="Fail for what is only worth knowing as well.")
@json_option
def check_command(occluders: str, strict: bool, as_json: bool, **narrowing: Any) -> int:
    """Look for bad files, sizes, mattes, halos, empty borders, twins and rare categories."""
    from occgen.inspection import check_library

    _, found = _open(occluders, narrowing)
    findings = check_library(found)
    failed = any(finding.is_wrong or strict for finding in findings)
    if as_json:
        rows = [finding._asdict() for finding in findings]
        click.echo(json.dumps({"members": len(found), "findings": rows, "failed": failed}))
        return int(failed)
    for finding in findings:
        level = "wrong" if finding.is_wrong else "note"
        click.echo(f"{level:<6}{finding.check:<10}{finding.name}: {finding.detail}")
    wrong = sum(finding.is_wrong for finding in findings)
    click.echo(f"{len(found)} members: {wrong} wrong, {len(findings) - wrong} to note")
    return int(failed)


def write_library_sheet(target: Path, library: Any, title: str, **layout: Any) -> None:
    """Write the contact sheet of a library and say so."""
    from occgen.atomic import replacing_bytes
    from occgen.errors import InputError
    from occgen.gallery import library_sheet, sheet_bytes

    if target.suffix.lower() not in (".png", ".webp"):
        raise InputError(f"--out must end in .png or .webp, got {target}")
    notes = [f"{len(library)} members of {len(library.categories)} categories"]
    sheet = library_sheet(library, title, notes, **layout)
    replacing_bytes(target, sheet_bytes(sheet, target.suffix.lower()))
    click.echo(f"{len(library)} occluders of {len(library.categories)} categories: {target}")


def _open(occluders: str, narrowing: dict[str, Any]) -> tuple[Any, Any]:
    """Return a library, and the part of it that is asked for."""
    from occluders import open_library

    library = open_library(occluders)
    found = library.subset(**narrowing)
    return library, found


for _command in (list_command, preview_command, check_command, render_command):
    occluders_group.add_command(_command)
