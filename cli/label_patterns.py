"""`occgen label-patterns`: labels of any K for what is already there."""

import json
from pathlib import Path

import click

from occgen.errors import InputError

from .boundary import command
from .options import existing_path, json_option

__all__ = ["label_patterns_command"]


@command("label-patterns", "occgen label-patterns Occ-Demo-2.0 --k 6")
@click.argument("path", type=existing_path())
@click.option("--k", type=click.IntRange(1, 16), default=5, show_default=True, help="Grid cells.")
@click.option(
    "--by",
    type=click.Choice(["box", "mask"]),
    help="What a label of a set is the best pattern of; of a CSV it is the box, of a folder the "
    "mask.  [default: box]",
)
@click.option(
    "--out", type=click.Path(path_type=Path), help="CSV to write.  [default: PATH-kK.csv]"
)
@click.option(
    "--image-size",
    default="112x96",
    show_default=True,
    metavar="HxW",
    help="Height x width the boxes of a CSV are on.",
)
@json_option
def label_patterns_command(
    path: Path, k: int, by: str | None, out: Path | None, image_size: str, as_json: bool
) -> None:
    """Label a finished set, a CSV of boxes or a folder of mask pictures with K x K patterns."""
    from occgen import labelling
    from occgen.manifest import MANIFEST

    target = out or path.with_name(f"{path.stem}-k{k}.csv")
    if path.is_file():
        if by == "mask":
            raise InputError(
                f"{path} is labelled by its boxes, so leave --by mask out; to label by masks, give "
                "a finished set or the folder of the mask pictures"
            )
        height, width = _size(image_size)
        count = labelling.label_csv(path, target, k, height, width)
    elif (path / MANIFEST).is_file() or any(path.glob("shard-*.h5")):
        labels = labelling.label_build(path, k, by or "box")
        count = len(labels)
        target = path / labelling.label_file_name(k)
        if not target.exists():
            target = path
    else:
        if by == "box":
            raise InputError(
                f"{path} is labelled by its masks, so leave --by box out; to label by boxes, give "
                "a finished set or a CSV of boxes"
            )
        count = labelling.label_folder(path, target, k)
    if as_json:
        click.echo(json.dumps({"labelled": count, "k": k, "out": str(target)}))
    else:
        click.echo(f"{count} labels of K = {k} in {target}")


def _size(text: str) -> tuple[int, int]:
    try:
        height, width = (int(side) for side in text.lower().split("x"))
    except ValueError:
        raise InputError(f"image size must be HxW such as 112x96, got {text!r}") from None
    return height, width
