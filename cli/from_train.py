"""`from-train`: train a recogniser on occluded faces."""

import dataclasses
import json
import os
import shlex
import sys
from pathlib import Path
from typing import Any

import click

from .boundary import command
from .error_stream import ErrorStream
from .options import json_option, split_commas

__all__ = ["main"]

_BACKBONES = (
    *("lresnet18e_ir", "lresnet34e_ir", "lresnet50e_ir", "lresnet100e_ir"),
    *("ir10_compact", "ir10_small", "mobilefacenet"),
)
_RECIPES = ("baseline", "baseline-aug", "baseline-md", "from", "improved")
_ALL_RECIPES = (*_RECIPES, *(f"{name}-compact" for name in _RECIPES))
_MODEL_OPTIONS = (
    *("backbone", "k", "mask", "predictor", "embedding_size", "dropout", "pyramid_channels"),
    "mask_threshold",
)
_DATA_OPTIONS = ("data", "roots", "mix", "validate", "validate_root", "holdout", "cache")
_RUN_OPTIONS = ("workers", "threads", "device", "save_every", "stop_after", "tensorboard")


def _numbers(kind: type) -> Any:
    def parse(ctx: click.Context, parameter: click.Parameter, value: str | None) -> Any:
        if value is None:
            return None
        try:
            return tuple(kind(part) for part in value.replace(":", ",").split(",") if part)
        except ValueError:
            raise click.BadParameter(f"{value!r} is no list of numbers", ctx, parameter) from None

    return parse


def _option(*names: str, **kwargs: Any) -> Any:
    """Return an option that is None, which leaves it to the recipe, unless it is given."""
    return click.option(*names, default=None, **kwargs)


@command(
    "from-train",
    "from-train --data demo --root 40x8 --recipe from-compact --epochs 2 --out RUN",
)
@_option("--data", multiple=True, metavar="DATA", help="Shards, folder, .rec or name; repeatable.")
@_option("--root", "roots", multiple=True, metavar="DIR", help="Where named data lie, in order.")
@_option("--mix", callback=_numbers(float), metavar="1:2", help="Shares of several --data.")
@_option("--cache/--no-cache", help="Hold encoded pictures in memory.  [default: for demo]")
@_option("--validate", metavar="DATA", help="Other identities, to score pairs of while training.")
@_option("--validate-root", metavar="DIR", help="Where they lie.")
@_option("--holdout", type=float, metavar="SHARE", help="Of identities, to validate with instead.")
@_option("--recipe", type=click.Choice(_ALL_RECIPES), help="Preset.  [default: from]")
@click.option("--out", type=click.Path(path_type=Path), metavar="RUN", help="The run's folder.")
@click.option("--resume", is_flag=True, help="Go on with the run in --out.")
@_option("--init", metavar="MODEL", help="Weights to start from: a run, a file, or demo.")
@_option("--seed", type=click.IntRange(0), help="Of everything drawn.  [default: 100]")
@_option("--epochs", type=click.IntRange(1))
@_option("--batch-size", type=click.IntRange(2), help="Images a step, over all ranks.")
@_option("--learning-rate", type=float)
@_option("--schedule", type=click.Choice(["steps", "cosine"]))
@_option("--milestones", callback=_numbers(int), metavar="10,25", help="Epochs the rate drops at.")
@_option("--warmup-epochs", type=float)
@_option("--weight-decay", type=float)
@_option("--backbone", type=click.Choice(_BACKBONES))
@_option("--size", type=click.Choice(["112x96", "112x112"]), help="Height x width of the crop.")
@_option("--embedding-size", type=click.IntRange(1))
@_option("--k", type=click.IntRange(1, 16), help="Cells on each side of the pattern grid.")
@_option("--lambda", "pattern_weight", type=float, help="Weight of the pattern loss.")
@_option("--mask", type=click.Choice(["3d", "2d", "fc", "none"]), help="Where and what it is.")
@_option("--predictor", type=click.Choice(["classification", "regression", "none"]))
@_option("--box-unit", type=click.Choice(["fraction", "pixel"]), help="Of regressed boxes.")
@_option("--mask-threshold", type=float, help="Binarise masks at inference.")
@_option("--dropout", type=float)
@_option("--pyramid-channels", type=click.IntRange(1))
@_option("--s", type=float, help="Scale of the cosines.")
@_option("--m1", type=float, help="SphereFace's margin.")
@_option("--m2", type=float, help="ArcFace's margin, radians.")
@_option("--m3", type=float, help="CosFace's margin.")
@_option("--occlude", metavar="SCALE", help="2.0, or 1.0:0.5:5.0, drawn anew each epoch; or none.")
@_option("--clean-fraction", type=float, help="Share left clean under --occlude.")
@_option("--placement", type=click.Choice(["random", "regions", "landmarks", "mixed"]))
@_option("--placement-mix", metavar="A=1,B=2", help="Weights of mixed placement.")
@_option("--occluders-per-face", metavar="N", help="1, or 1:2 to draw a number.")
@_option("--blend", type=click.Choice(["alpha", "opaque", "natural"]))
@_option("--occluders", metavar="DIR", help="Own occluders.  [default: bundled]")
@_option(
    "--categories",
    callback=split_commas,
    metavar="A,B=2",
    help="Only these, drawn by weight: face_mask=4,hand.",
)
@_option("--group", type=click.IntRange(1, 3), help="Only occluder group 1, 2 or 3.")
@_option("--split", metavar="NAME", help="Only a split of the occluders, such as train.")
@_option("--include-occluders", callback=split_commas, metavar="A,B", help="Only these: book/*.")
@_option("--exclude-occluders", callback=split_commas, metavar="A,B", help="Not these: book/*.")
@_option("--label-by", type=click.Choice(["box", "mask"]))
@_option("--soft-patterns", type=float, metavar="T", help="Temperature of soft targets by IoU.")
@_option("--balance-patterns", type=float, metavar="POWER", help="Draw rare patterns more often.")
@_option("--teacher", metavar="MODEL", help="Frozen network whose clean embedding is learnt.")
@_option("--teacher-weight", type=float, help="Of 1 - cosine to it.")
@_option("--augment/--no-augment", help="Resize, crop, jitter, flip.")
@_option("--precision", type=click.Choice(["float32", "bfloat16", "float16"]))
@_option("--channels-last/--no-channels-last")
@_option("--compile/--no-compile", "compile")
@_option("--accumulate", type=click.IntRange(1), help="Parts a batch is split into.")
@_option("--clip-norm", type=float, help="Largest gradient norm.")
@_option("--classifier", type=click.Choice(["full", "sharded"]), help="Centres on each rank.")
@_option("--negative-fraction", type=float, help="Identities sampled as negatives.")
@_option("--validate-every", type=click.IntRange(0), help="Epochs; 0 is never.")
@click.option("--workers", type=click.IntRange(0), default=1, show_default=True)
@click.option("--threads", type=click.IntRange(1), help="Of the arithmetic.  [default: torch's]")
@click.option("--device", metavar="NAME", help="cpu or cuda.  [default: cuda where there is one]")
@click.option("--save-every", type=click.IntRange(1), help="Steps.  [default: each epoch]")
@click.option("--stop-after", type=click.IntRange(1), help="End after this many steps.")
@click.option("--tensorboard", is_flag=True, help="Write its events too.")
@click.option("--describe", is_flag=True, help="Print sizes and the configuration; train nothing.")
@json_option
def main(out: Path | None, resume: bool, describe: bool, as_json: bool, **options: Any) -> None:
    """Train a recogniser, by the paper's recipes or compact ones; run with --resume it goes on."""
    if out is None and not describe:
        raise click.UsageError("--out RUN is needed: the folder weights and log are written to")
    if resume and out is not None and (out / "run.json").is_file():
        record = _read_record(out)
        config, data = _config(options, record.get("config")), _data(options, record.get("data"))
    else:
        config, data = _config(options, None), None if describe else _data(options, None)
    if describe or data is None:
        _describe(config, as_json)
        return
    if config.recipe.startswith("improved") and None in (config.init, config.teacher):
        raise click.UsageError(
            "recipe improved goes on from a finished run of from: --init RUN --teacher RUN"
        )
    assert out is not None
    from frommodel.processor import trains_in_bfloat16
    from frommodel.train import RunOptions, train

    from .train_progress import cache_progress, train_progress

    if config.precision == "bfloat16" and not trains_in_bfloat16(options["device"]):
        ErrorStream().say("this processor is several times slower in bfloat16 than in float32")
    run = RunOptions(**{name: options[name] for name in _RUN_OPTIONS})
    mixture, validation = data.open(config.seed, max(run.workers, 1), cache_progress())
    with train_progress() as on_progress:
        report = train(
            config,
            mixture,
            out,
            validation=validation,
            options=run,
            resume=resume,
            record={"data": data.to_dict(), "command": _command_line()},
            on_progress=on_progress,
        )
    if os.environ.get("RANK", "0") == "0":  # under torchrun the first process speaks
        _tell(report, as_json)


def _command_line() -> str:
    return shlex.join(["from-train", *sys.argv[1:]])


def _config(options: dict[str, Any], recorded: Any) -> Any:
    """Return the recipe, or the recorded configuration, with the options that were given."""
    from frommodel.config import TrainConfig
    from frommodel.recipes import recipe

    given = {name: value for name, value in options.items() if value is not None}
    base = TrainConfig.from_dict(recorded) if recorded else recipe(given.get("recipe", "from"))
    model = {name: given[name] for name in _MODEL_OPTIONS if name in given}
    if model.get("mask") == "none":
        model.setdefault("predictor", "none")
    if "size" in given:
        model["height"], model["width"] = map(int, given["size"].split("x"))
    known = {field.name for field in dataclasses.fields(TrainConfig)}
    changes = {name: value for name, value in given.items() if name in known}
    if changes.get("occlude") == "none":
        changes["occlude"] = None
    changes["model"] = dataclasses.replace(base.model, **model)
    return dataclasses.replace(base, **changes)


def _data(options: dict[str, Any], recorded: Any) -> Any:
    """Return the data of the options, or those recorded with what was given laid over."""
    from frommodel.training_data import TrainingData

    given = {name: options[name] for name in _DATA_OPTIONS if options[name] not in (None, ())}
    if recorded:
        return TrainingData.from_dict({**recorded, **given})
    if "data" not in given:
        raise click.UsageError("--data is needed; --data demo --root 500x16 needs no files")
    given.setdefault("cache", "demo" in given["data"])
    return TrainingData(**given)


def _read_record(out: Path) -> dict[str, Any]:
    from occgen.errors import CheckpointError

    try:
        record = json.loads((out / "run.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{out / 'run.json'}: damaged ({error})") from error
    return record if isinstance(record, dict) else {}


def _describe(config: Any, as_json: bool) -> None:
    from frommodel.flops import describe

    sizes = describe(config.model)
    if as_json:
        click.echo(json.dumps({**sizes, "config": json.loads(config.to_json())}))
        return
    click.echo(
        f"recipe {config.recipe}: {config.model.backbone}, "
        f"{config.model.height}x{config.model.width}, "
        f"{config.model.embedding_size}-d embedding"
    )
    click.echo(
        f"mask {config.model.mask} {sizes['mask_shape'] or ''}, "
        f"{config.model.predictor} with {sizes['num_outputs']} outputs"
    )
    for layout in ("ours", "published"):
        size = sizes[layout]
        parts = ", ".join(
            f"{name} {flops / 1e9:.3g}" for name, flops in size["flops_by_part"].items()
        )
        click.echo(
            f"{layout:9} {size['parameters'] / 1e6:.2f} M parameters, "
            f"{size['flops'] / 1e9:.2f} GFLOPs ({parts})"
        )
    for field in dataclasses.fields(config):
        if field.name not in ("model", "recipe"):
            click.echo(f"{field.name} = {getattr(config, field.name)}")


def _tell(report: Any, as_json: bool) -> None:
    scores = report.scores
    if as_json:
        summary = {
            "out": str(report.out),
            "steps": report.steps,
            "finished": report.finished,
            "already_complete": report.already_complete,
            "best": report.best,
            "val_clean": None if scores is None else scores.clean,
            "val_occluded": None if scores is None else scores.occluded,
            "images_per_s": round(report.images_per_s, 1),
            "elapsed_s": round(report.elapsed_s, 3),
            "skipped": report.skipped,
        }
        click.echo(json.dumps(summary))
        return
    if report.already_complete:
        click.echo(f"{report.out} is complete already and left as it is")
        return
    click.echo(
        f"{report.out}: {report.steps} steps, {report.elapsed_s:.1f} s, "
        f"{report.images_per_s:.0f} images/s"
        + (f", {report.skipped} pictures left out (skipped.csv)" if report.skipped else "")
    )
    if scores is not None:
        click.echo(f"validation: clean {scores.clean:.2%}, occluded {scores.occluded:.2%}")
    if not report.finished:
        click.echo(f"not finished: from-train --resume --out {report.out} goes on")
    click.echo(f"use it: frommodel.load({str(report.out)!r}), from-eval --model {report.out}")
