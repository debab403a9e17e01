"""`from-eval`: one model, or several compared, on a protocol."""

import json
from pathlib import Path
from typing import Any

import click

from occgen.regions import REGIONS

from .boundary import command
from .options import (
    batch_options,
    dataset_option,
    flip_option,
    json_option,
    model_option,
    occlusion_library_options,
    root_option,
    seed_option,
)

__all__ = ["main"]


def _split(ctx: click.Context, parameter: click.Parameter, value: str | None) -> Any:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if value else ()


def _rates(ctx: click.Context, parameter: click.Parameter, value: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in value.split(","))
    except ValueError:
        raise click.BadParameter(f"{value!r} is no list of numbers such as 1e-2,1e-3") from None


def _numbers(ctx: click.Context, parameter: click.Parameter, value: str | None) -> Any:
    try:
        return tuple(int(part) for part in value.split(",")) if value else ()
    except ValueError:
        raise click.BadParameter(f"{value!r} is no list of numbers such as 1,2,3") from None


@command("from-eval", "from-eval --model demo --dataset demo --occlude 2.0")
@model_option(multiple=True, required=False)
@dataset_option(default="demo", text="What to evaluate on; demo draws people never trained on.")
@root_option
@click.option("--protocol", metavar="NAME", help="Of docs/datasets.md.  [default: the data set's]")
@click.option("--pairs", metavar="FILE", help="List of pairs.  [default: pairs.csv or pairs.txt]")
@click.option(
    "--num-pairs", type=click.IntRange(2), default=6000, show_default=True, help="Drawn for demo."
)
@click.option(
    "--occlude",
    "scales",
    callback=_split,
    metavar="S,S",
    help="Scales of Algorithm 1: 2.0, or 1.0,2.0,3.0, or a range 1.0:0.5:5.0.",
)
@click.option(
    "--condition",
    "conditions",
    callback=_split,
    metavar="A,B",
    help="clean-clean, clean-occluded (second image), occluded-occluded.",
)
@click.option(
    "--occlusion-seeds",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Occlusions, averaged.",
)
@click.option(
    "--placement",
    type=click.Choice(["random", "regions", "landmarks", "mixed"]),
    default="random",
    show_default=True,
)
@click.option("--region", type=click.Choice(list(REGIONS)), help="With --placement regions.")
@click.option("--region-jitter", type=click.IntRange(0), help="Pixels a region moves.")
@click.option(
    "--blend", type=click.Choice(["opaque", "alpha", "natural"]), default="alpha", show_default=True
)
@occlusion_library_options
@click.option("--max-coverage", type=click.FloatRange(0, 1, min_open=True), help="Share covered.")
@click.option("--compat", type=click.Choice(["published"]), help="Repeat the published rounding.")
@click.option(
    "--image-size",
    type=click.Choice(["model", "source", "112x96", "112x112"]),
    default="model",
    show_default=True,
    help="Height x width at which pictures are occluded.",
)
@click.option(
    "--far",
    "fars",
    default="1e-1,1e-2,1e-3,1e-4",
    callback=_rates,
    show_default=True,
    help="False accept rates.",
)
@click.option(
    "--folds",
    type=click.IntRange(2),
    default=10,
    show_default=True,
    help="Where the list names none.",
)
@click.option(
    "--resamples",
    type=click.IntRange(0),
    default=1000,
    show_default=True,
    help="Of the bootstrap over people; 0 gives no intervals.",
)
@click.option(
    "--max-rank", type=click.IntRange(1), default=20, show_default=True, help="Of the CMC."
)
@click.option("--gallery", metavar="PATH", help="Folder, .npy or .bin features enrolled.")
@click.option("--probes", metavar="PATH", help="Folder, .npy or .bin features searched for.")
@click.option("--distractors", metavar="PATH", help="Folder, .npy or .bin features of others.")
@click.option("--probe-noises", metavar="FILE", help="Pictures of the probes to leave out.")
@click.option("--distractor-noises", metavar="FILE", help="Distractors to leave out.")
@click.option("--gallery-images", type=click.IntRange(0), default=0, help="Enrolled a person.")
@click.option("--ar-gallery", callback=_numbers, metavar="N,N", help="AR shots enrolled.")
@flip_option
@batch_options
@click.option(
    "--report",
    "reports",
    multiple=True,
    type=click.Path(path_type=Path),
    help="File to write: .html (one page, figures inside), .md, .csv, .json; repeatable.",
)
@click.option(
    "--failures",
    type=click.IntRange(0),
    default=6,
    show_default=True,
    help="Worst pairs of each kind shown in the page; 0 keeps faces out of it.",
)
@click.option("--allow-missing", is_flag=True, help="Leave out what needs a missing picture.")
@seed_option
@json_option
def main(
    model: tuple[str, ...],
    as_json: bool,
    reports: tuple[Path, ...],
    failures: int,
    **options: Any,
) -> None:
    """Evaluate a model on a protocol, clean and occluded, or compare several on the same faces."""
    from frommodel.eval_config import EvalConfig
    from frommodel.protocols import find_protocol

    config = EvalConfig(**options)
    find_protocol(config.protocol, config.dataset)
    from frommodel.report import check_report_path, write_report

    for path in reports:
        check_report_path(path)
    from frommodel.evaluation import evaluate
    from frommodel.tables import text_report

    from .progress import count_progress

    with count_progress("embeddings") as on_progress:
        wanted = failures if any(path.suffix.lower() == ".html" for path in reports) else 0
        evaluation = evaluate(list(model), config, on_progress, failures=wanted)
    for path in reports:
        write_report(evaluation, path)
    if as_json:
        click.echo(json.dumps(evaluation.to_record()))
        return
    click.echo(text_report(evaluation))
    for path in reports:
        click.echo(f"written: {path}")
