"""`occgen align`: photographs to aligned crops."""

import json
from pathlib import Path
from typing import Any

import click

from occgen.align_config import DETECTORS, FACE_CHOICES, AlignConfig

from .boundary import command
from .options import existing_path, jobs_option, json_option

__all__ = ["align_command"]

_KNOWN = "landmarks.csv"


@command("align", "occgen align photos crops --landmarks photos/landmarks.csv --size 112x96")
@click.argument("src", type=existing_path(file=False))
@click.argument("out", type=click.Path(path_type=Path))
@click.option(
    "--landmarks",
    type=existing_path(folder=False),
    help="Five points a picture: CSV, JSON, .lst or lines of text.  [default: SRC/landmarks.csv]",
)
@click.option("--detector", type=click.Choice(list(DETECTORS)), help="Find the points.")
@click.option(
    "--weights", type=existing_path(), help="The detector's model file; of mtcnn its folder."
)
@click.option("--cut", is_flag=True, help="SRC holds 112x112 crops: cut them to 112x96, exactly.")
@click.option(
    "--size",
    type=click.Choice(["112x112", "112x96"]),
    default="112x112",
    show_default=True,
    help="Height x width.",
)
@click.option(
    "--face",
    type=click.Choice(FACE_CHOICES),
    default="largest",
    show_default=True,
    help="Which of several; 'only' leaves such pictures out.",
)
@click.option(
    "--min-score",
    type=click.FloatRange(0, 1),
    default=0.9,
    show_default=True,
    help="Least certainty of a face.",
)
@click.option(
    "--min-face",
    type=click.IntRange(1),
    default=20,
    show_default=True,
    help="Least shorter side of its box, pixels.",
)
@click.option(
    "--max-residual",
    type=click.FloatRange(0, min_open=True),
    default=11.0,
    show_default=True,
    help="Largest distance of the points from the template, pixels of the crop.",
)
@click.option(
    "--codec",
    type=click.Choice(["jpeg", "png"]),
    default="jpeg",
    show_default=True,
    help="png loses nothing.",
)
@click.option("--quality", type=click.IntRange(1, 100), default=95, show_default=True)
@click.option("--limit", type=click.IntRange(1), help="Only the first N pictures.")
@click.option("--overwrite", is_flag=True, help="Replace crops of another configuration.")
@jobs_option
@json_option
def align_command(src: Path, out: Path, as_json: bool, **options: Any) -> None:
    """Align photographs by five points; run again, it goes on where it stopped."""
    if not options["landmarks"] and not options["detector"] and not options["cut"]:
        if not (src / _KNOWN).is_file():
            raise click.UsageError(
                f"{src} has no {_KNOWN}: give --landmarks FILE, or --detector NAME --weights PATH"
            )
        options["landmarks"] = src / _KNOWN
    for name in ("landmarks", "weights"):
        options[name] = None if options[name] is None else str(options[name])
    config = AlignConfig(src=str(src), out=str(out), **options)
    from occgen.crops import align_folder

    from .progress import count_progress

    with count_progress("pictures") as on_progress:
        report = align_folder(config, on_progress)
    if as_json:
        summary = {
            "out": str(report.out),
            "pictures": report.pictures,
            "crops": report.crops,
            "several": report.several,
            "skipped": [list(pair) for pair in report.skipped],
            "digest": report.digest,
            "already_complete": report.already_complete,
            "elapsed_s": round(report.elapsed_s, 3),
        }
        click.echo(json.dumps(summary))
        return
    if report.already_complete:
        click.echo(f"{report.out} is complete already and left as it is")
    click.echo(
        f"{report.out}: {report.crops} crops of {report.pictures} pictures; of {report.several} "
        f"with several faces the {config.face} was taken; {len(report.skipped)} left out"
    )
    for key, reason in report.skipped[:5]:
        click.echo(f"  {key}: {reason}")
    if len(report.skipped) > 5:
        click.echo(f"  all are named in {report.out / 'skipped.csv'}")
    click.echo(f"digest {report.digest}")
