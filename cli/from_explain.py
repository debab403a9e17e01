"""`from-explain`: what a model sees, as pictures."""

import json
from pathlib import Path
from typing import Any

import click

from .boundary import BoundaryGroup, command
from .options import dataset_option, json_option, model_option, root_option, seed_option

__all__ = ["main"]

_FILLINGS = ("mean", "grey", "black", "noise")


@click.group(
    "from-explain",
    cls=BoundaryGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="\b\nExample:\n  from-explain faces demo --model demo --out faces.png",
)
def main() -> None:
    """Draw what a model sees: patterns, masks, embeddings, the parts it leans on."""


@command("faces", "from-explain faces demo --model demo --occlude 2.0 --out faces.png")
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@model_option()
@click.option("--out", type=click.Path(path_type=Path), required=True, help="A .png or .html.")
@click.option("--occlude", metavar="SCALE", help="Paste occluders first: 2.0, or a range.")
@click.option("--count", type=click.IntRange(1), default=24, show_default=True, help="Of faces.")
@click.option("--channels", metavar="N,N", help="Of the mask.  [default: the mean of all]")
@click.option("--columns", type=click.IntRange(1), default=8, show_default=True, help="Tiles.")
@seed_option
@json_option
def _faces(
    paths: tuple[str, ...], model: str, out: Path, channels: str | None, as_json: bool, **rest: Any
) -> None:
    """Draw predicted patterns and masks on pictures, folders, a set's shards, or 'demo'."""
    from frommodel.explain_faces import explain_faces

    chosen = None
    if channels is not None:
        try:
            chosen = [int(part) for part in channels.split(",")]
        except ValueError:
            raise click.BadParameter(f"{channels!r} is no list of channels such as 0,7") from None
    record = explain_faces(paths, model, out, channels=chosen, **rest)
    if as_json:
        click.echo(json.dumps(record))
        return
    click.echo(f"{out}: {len(record['faces'])} faces")
    if "accuracy" in record:
        click.echo(
            f"patterns of {record['scored']} faces: {record['accuracy']:.1%} right, mean IoU "
            f"{record['iou']:.3f}, {record['within_tie']:.1%} right or nearly tied"
        )


@command("confusion", "from-explain confusion Occ-Demo-2.0 --model demo --out confusion.png")
@click.argument("path", type=click.Path(path_type=Path))
@model_option()
@click.option("--out", type=click.Path(path_type=Path), required=True, help="A .png, .svg or .csv.")
@click.option("--limit", type=click.IntRange(1), help="Only the first N faces.")
@json_option
def _confusion(path: Path, model: str, out: Path, limit: int | None, as_json: bool) -> None:
    """Compare predicted patterns with the labels of a finished set."""
    from frommodel.explain_faces import explain_confusion

    record = explain_confusion(path, model, out, limit)
    if as_json:
        click.echo(json.dumps(record))
        return
    click.echo(
        f"{out}: {record['images']} faces at K = {record['k']}: {record['accuracy']:.1%} right, "
        f"mean IoU {record['iou']:.3f}, {record['within_tie']:.1%} right or nearly tied, clean "
        f"seen as clean {record['clean_accuracy']:.1%}"
    )


@command("tsne", "from-explain tsne --model demo --dataset demo --occlude 2.0 --out tsne.svg")
@model_option(multiple=True)
@dataset_option(default="demo")
@root_option
@click.option("--out", type=click.Path(path_type=Path), required=True, help=".png, .svg or .pdf.")
@click.option("--identities", type=click.IntRange(2), default=5, show_default=True)
@click.option("--images", type=click.IntRange(2), default=20, show_default=True, help="Of each.")
@click.option("--occlude", metavar="SCALE", help="Occlude every second picture.")
@seed_option
def _tsne(out: Path, **options: Any) -> None:
    """Draw t-SNE maps of the same faces by one model or several side by side (Fig. 9)."""
    from frommodel.explain_sets import explain_tsne

    explain_tsne(out=out, models=options.pop("model"), **options)
    click.echo(f"{out}")


@command("pair", "from-explain pair a.jpg b.jpg --model demo --out pair.png")
@click.argument("first", type=click.Path(path_type=Path))
@click.argument("second", type=click.Path(path_type=Path))
@model_option()
@click.option("--out", type=click.Path(path_type=Path), required=True, help=".png, .svg or .pdf.")
@click.option("--k", type=click.IntRange(1, 16), default=5, show_default=True, help="Grid cells.")
@click.option("--filling", type=click.Choice(_FILLINGS), default="mean", show_default=True)
@json_option
def _pair(out: Path, as_json: bool, **options: Any) -> None:
    """Draw how a pair's score changes with each grid cell of the second picture hidden."""
    from frommodel.explain_sets import explain_pair

    record = explain_pair(out=out, **options)
    click.echo(json.dumps(record) if as_json else f"{out}: cosine {record['score']:.3f}")


@command("cells", "from-explain cells --model demo --dataset demo --out cells.png")
@model_option(multiple=True)
@dataset_option(default="demo")
@root_option
@click.option("--pairs", metavar="FILE", help="List of pairs.  [default: pairs.csv or pairs.txt]")
@click.option(
    "--num-pairs", type=click.IntRange(2), default=1000, show_default=True, help="Used at most."
)
@click.option("--out", type=click.Path(path_type=Path), required=True, help=".png, .svg or .pdf.")
@click.option("--k", type=click.IntRange(1, 16), default=5, show_default=True, help="Grid cells.")
@click.option("--filling", type=click.Choice(_FILLINGS), default="mean", show_default=True)
@seed_option
@json_option
def _cells(out: Path, as_json: bool, **options: Any) -> None:
    """Draw verification accuracy with each grid cell of the second picture hidden, any model."""
    from frommodel.explain_sets import explain_cells

    from .progress import count_progress

    with count_progress("cells") as on_progress:
        record = explain_cells(
            out=out, models=options.pop("model"), on_progress=on_progress, **options
        )
    if as_json:
        click.echo(json.dumps(record))
        return
    for found in record["models"]:
        worst = min(found["cells"], key=lambda cell: cell["accuracy"])
        click.echo(
            f"{found['model']}: clean {found['clean']:.2%}; worst with row {worst['row']}, column "
            f"{worst['column']} hidden: {worst['accuracy']:.2%} (drop {worst['low']:+.2%} to "
            f"{worst['high']:+.2%})"
        )
    click.echo(f"{out}")


for _made in (_faces, _confusion, _tsne, _pair, _cells):
    main.add_command(_made)
