"""`occgen convert`: the same pictures in another format."""

import json
from pathlib import Path
from typing import Any

import click

from occgen.config import DATASETS, FORMATS

from .boundary import command
from .options import existing_path, jobs_option, json_option, max_skipped_option, on_error_option
from .wording import counted

__all__ = ["convert_command"]


@command("convert", "occgen convert Occ-Demo-2.0 Occ-Demo-2.0-tars --format webdataset")
@click.argument("path", type=existing_path(remote=True))
@click.argument("out")
@click.option("--format", "form", type=click.Choice(FORMATS), required=True, help="What to write.")
@click.option(
    "--dataset", type=click.Choice(list(DATASETS)), help="What PATH is.  [default: by its files]"
)
@click.option(
    "--shard-size",
    type=click.IntRange(1),
    default=4096,
    show_default=True,
    help="Faces a shard, of a data set; a finished set keeps its shards.",
)
@click.option("--limit", type=click.IntRange(1), help="Only the first N pictures of a data set.")
@on_error_option
@click.option("--strict", is_flag=True, help="Stop at the first bad picture.")
@max_skipped_option
@click.option("--overwrite", is_flag=True, help="Replace another set.")
@jobs_option
@json_option
def convert_command(path: Path, out: str, form: str, as_json: bool, **options: Any) -> None:
    """Write a data set or finished set in another format; pictures keep their bytes."""
    from occgen.conversion import convert, plain_config

    from .progress import build_progress

    config = plain_config(path, out, form, **options)
    with build_progress() as on_progress:
        report = convert(path, config, on_progress)
    manifest = report.manifest
    record = {
        "out": str(report.out),
        "format": form,
        "images": report.images,
        "identities": manifest["identities"],
        "shards": len(manifest["shards"]),
        "skipped": report.skipped,
        "digest": report.digest,
        "already_complete": report.already_complete,
        "elapsed_s": round(report.elapsed_s, 3),
    }
    if as_json:
        click.echo(json.dumps(record))
        return
    if report.already_complete:
        click.echo(f"{report.out} is complete already and left as it is")
    click.echo(
        f"{report.out}: {counted(report.images, 'image')} of "
        f"{counted(manifest['identities'], 'identity')} as {form}, "
        f"{manifest['bytes'] / 1e6:.1f} MB, {report.skipped} skipped"
    )
    click.echo(f"digest {report.digest}")
