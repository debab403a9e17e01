"""`from-embed`: embeddings of a data set in a file."""

import json
from pathlib import Path

import click

from .boundary import command
from .options import (
    batch_options,
    dataset_option,
    flip_option,
    json_option,
    max_skipped_option,
    model_option,
    root_option,
)

__all__ = ["main"]


@command("from-embed", "from-embed --model demo --dataset demo --root 20x4@1 --out demo.npy")
@model_option()
@dataset_option(default="folder", text="What to embed.")
@root_option
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    help="File to write: .npy (and OUT.csv with the keys) or .h5.",
)
@flip_option
@click.option("--normalise", is_flag=True, help="Scale each embedding to length one.")
@batch_options
@click.option(
    "--bin-name", default="", metavar="NAME", help="Write OUT/KEY_NAME.bin, MegaFace's form."
)
@click.option("--limit", type=click.IntRange(1), help="Only the first N pictures.")
@max_skipped_option
@json_option
def main(
    model: str,
    dataset: str,
    root: str | None,
    out: Path,
    flip: bool,
    normalise: bool,
    batch_size: int,
    workers: int,
    bin_name: str,
    limit: int | None,
    max_skipped: float,
    as_json: bool,
) -> None:
    """Write the embedding of every picture of a data set, with its key."""
    from frommodel.embedding_file import embed_dataset
    from frommodel.models import open_model

    from .progress import count_progress

    embedder = open_model(model)
    with count_progress("embeddings") as on_progress:
        report = embed_dataset(
            embedder,
            dataset,
            root,
            out,
            flip=flip,
            normalise=normalise,
            batch_size=batch_size,
            workers=workers,
            bin_name=bin_name,
            limit=limit,
            max_skipped=max_skipped,
            on_progress=on_progress,
        )
    rate = report.images / max(report.elapsed_s, 1e-9)
    if as_json:
        record = {
            "out": str(report.path),
            "keys": str(report.keys_path),
            "images": report.images,
            "columns": report.columns,
            "skipped": report.skipped,
            "model": embedder.name,
            "model_sha256": embedder.digest,
            "elapsed_s": round(report.elapsed_s, 3),
        }
        click.echo(json.dumps(record))
        return
    click.echo(
        f"{report.path}: {report.images} embeddings of {report.columns} numbers, "
        f"{len(report.skipped)} pictures skipped; {report.elapsed_s:.1f} s, {rate:.0f} images/s"
    )
    for key, reason in list(report.skipped.items())[:10]:
        click.echo(f"  skipped {key}: {reason}")
    click.echo(f"keys in {report.keys_path}")
