"""`occgen build`: make an occluded set."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from occgen.config import DATASETS, FORMATS, NATURAL_STEPS, BuildConfig
from occgen.notation import DEFAULT_MIX
from occgen.regions import REGIONS

from .boundary import command
from .options import (
    existing_path,
    jobs_option,
    json_option,
    max_skipped_option,
    occlusion_library_options,
    on_error_option,
    seed_option,
    split_commas,
)
from .wording import counted

if TYPE_CHECKING:
    from occgen.engine import BuildReport

__all__ = ["build_command"]

# What may be said beside a recipe: where things lie and how the work is done.
_BESIDE_RECIPE = ("root", "out", "jobs", "occluders", "backend", "address", "overwrite")


def _take_steps(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> tuple[str, ...]:
    """Return the steps of natural blending an option names: all by default, none for 'none'."""
    steps = split_commas(context, parameter, value)
    return NATURAL_STEPS if steps is None else () if steps == ("none",) else steps


@command("build", "occgen build --dataset demo --scale 2.0 --limit 200")
@click.option("--dataset", type=click.Choice(list(DATASETS)), help="What to occlude.")
@click.option(
    "--root",
    metavar="DIR",
    help="Where it lies; of demo, how much: 500x16@1.  [default: $OCCGEN_DATA/NAME]",
)
@click.option("--probes", metavar="DIR", help="Of mf1: the pictures to occlude.")
@click.option("--gallery", metavar="DIR", help="Of mf1: distractors, or a .rec; left as they are.")
@click.option(
    "--out", metavar="DIR|URL", help="The set's own folder, or s3://...  [default: ./Occ-NAME-S]"
)
@click.option(
    "--scale",
    default="1.0",
    show_default=True,
    help="Times the occluder's natural size: 2.0, or 1.0:0.5:5.0 to draw one a face.",
)
@click.option(
    "--placement",
    type=click.Choice(["random", "regions", "landmarks", "mixed"]),
    default="random",
    show_default=True,
    help="Anywhere (Algorithm 1), filling one of nine regions, worn or held, or a mixture.",
)
@click.option(
    "--mix", metavar="A=1,B=2", help=f"Weights of mixed placement.  [default: {DEFAULT_MIX}]"
)
@click.option(
    "--occluders-per-face",
    default="1",
    show_default=True,
    metavar="N",
    help="Occluders on a face: 2, or 1:3 to draw a number for each.",
)
@click.option("--region", type=click.Choice(list(REGIONS)), help="One.  [default: all, drawn]")
@click.option(
    "--region-jitter",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Pixels a region moves.",
)
@click.option(
    "--blend",
    type=click.Choice(["opaque", "alpha", "natural"]),
    default="alpha",
    show_default=True,
    help="Paste the whole rectangle, the matte, or the matte matched to the picture.",
)
@click.option(
    "--natural-steps",
    callback=_take_steps,
    metavar="A,B",
    help=f"Of natural blending, only these, or none.  [default: {','.join(NATURAL_STEPS)}]",
)
@click.option(
    "--by",
    type=click.Choice(["box", "mask"]),
    default="box",
    show_default=True,
    help="What a label is the best pattern of.",
)
@click.option("--k", type=click.IntRange(1, 16), default=5, show_default=True, help="Grid cells.")
@occlusion_library_options
@click.option(
    "--clean-fraction",
    type=click.FloatRange(0, 1),
    default=0.0,
    show_default=True,
    help="Share that stays clean.",
)
@click.option(
    "--variants",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Versions of each face.",
)
@click.option("--area", type=click.FloatRange(0, 1, min_open=True), help="Share to cover.")
@click.option(
    "--max-coverage", type=click.FloatRange(0, 1, min_open=True), help="Largest share covered."
)
@click.option(
    "--image-size",
    type=click.Choice(["source", "112x96", "112x112"]),
    default="source",
    show_default=True,
    help="Height x width; 112x96 cuts 8 columns on each side of 112x112.",
)
@click.option("--codec", type=click.Choice(["jpeg", "png"]), default="jpeg", show_default=True)
@click.option("--quality", type=click.IntRange(1, 100), default=95, show_default=True)
@click.option(
    "--shard-size",
    type=click.IntRange(1),
    default=4096,
    show_default=True,
    help="Faces a shard. One worker makes a shard, so a set of few shards uses few cores: take a "
    "smaller size there. It is part of the set: another gives another digest.",
)
@click.option("--limit", type=click.IntRange(1), help="Only the first N pictures.")
@click.option(
    "--format",
    "format_",
    type=click.Choice(FORMATS),
    default="hdf5",
    show_default=True,
    help="HDF5 shards, pictures in folders with labels.csv, or what other loaders read.",
)
@click.option("--compat", type=click.Choice(["published"]), help="Repeat the published rounding.")
@click.option("--recipe-only", is_flag=True, help="Write OUT.recipe alone, no picture.")
@click.option(
    "--recipe",
    type=existing_path(folder=False),
    help="Remake the set of a recipe from your own copy of its pictures at --root.",
)
@click.option(
    "--backend",
    type=click.Choice(["loky", "ray", "dask"]),
    default="loky",
    show_default=True,
    help="Processes of this machine, or a cluster.",
)
@click.option("--address", help="Of a running cluster.  [default: one of this machine is started]")
@click.option("--strict", is_flag=True, help="Stop at the first bad picture.")
@max_skipped_option
@on_error_option
@click.option("--overwrite", is_flag=True, help="Replace a set of another configuration.")
@click.option("--dry-run", is_flag=True, help="Say what would be made, how large, how long.")
@seed_option
@jobs_option
@json_option
@click.pass_context
def build_command(
    ctx: click.Context,
    dry_run: bool,
    as_json: bool,
    format_: str,
    recipe: Path | None,
    recipe_only: bool,
    **options: Any,
) -> None:
    """Make an occluded set, in parallel; run again, it goes on where it stopped."""
    _check_together(ctx, recipe, recipe_only, dry_run)
    if recipe is not None:
        _remake(recipe, options, as_json)
        return
    if options["dataset"] is None:
        raise click.UsageError("--dataset NAME is needed; --dataset demo needs no files")
    config = BuildConfig(format=format_, **options)
    if dry_run:
        _say_estimate(config, as_json)
    elif recipe_only:
        _write_recipe(config, as_json)
    else:
        from occgen.engine import build

        from .progress import build_progress

        with build_progress() as on_progress:
            report = build(config, on_progress)
        _say_report(report, as_json)


def _check_together(
    ctx: click.Context, recipe: Path | None, recipe_only: bool, dry_run: bool
) -> None:
    """Raise UsageError where options do not go together."""
    if dry_run + recipe_only + (recipe is not None) > 1:
        raise click.UsageError("only one of --dry-run, --recipe-only and --recipe can be given")
    if recipe is None:
        return
    fixed = [
        option.opts[0]
        for option in ctx.command.params
        if option.name not in (*_BESIDE_RECIPE, "recipe", "as_json", "debug")
        and ctx.get_parameter_source(str(option.name)) is click.core.ParameterSource.COMMANDLINE
    ]
    if fixed:
        raise click.UsageError(f"{fixed[0]} cannot be given with --recipe, which fixes it")


def _remake(recipe: Path, options: dict[str, Any], as_json: bool) -> None:
    from occgen.recipe_build import build_from_recipe

    from .progress import build_progress

    taken = {name: options[name] for name in _BESIDE_RECIPE if name in options}
    with build_progress() as on_progress:
        report = build_from_recipe(recipe, **taken, on_progress=on_progress)
    _say_report(report, as_json)


def _write_recipe(config: BuildConfig, as_json: bool) -> None:
    from occgen.recipe import write_recipe
    from occgen.recipe_file import Recipe

    from .progress import build_progress

    with build_progress() as on_progress:
        path = write_recipe(config, on_progress)
    header, size = Recipe(path).header, path.stat().st_size
    share = size / max(header["bytes"], 1)
    if as_json:
        names = ("name", "images", "skipped", "digest")
        record = {"recipe": str(path), "bytes": size, "share": round(share, 6)}
        click.echo(json.dumps(record | {name: header[name] for name in names}))
        return
    click.echo(
        f"{path}: recipe of {header['images']} images, {size / 1e3:.1f} kB, {share:.2%} of the "
        f"set's {header['bytes'] / 1e6:.1f} MB, {header['skipped']} skipped"
    )
    click.echo(f"digest {header['digest']}")
    click.echo(f"remake it: occgen build --recipe {path} --root DIR")


def _say_estimate(config: BuildConfig, as_json: bool) -> None:
    from occgen.estimate import estimate

    found = estimate(config)
    if as_json:
        click.echo(json.dumps(asdict(found)))
        return
    click.echo(
        f"{found.out} would hold {counted(found.images, 'image')} of "
        f"{counted(found.identities, 'identity')}, "
        f"{found.height} x {found.width} (height x width), in {counted(found.shards, 'shard')}"
    )
    room = ""
    if found.free_bytes is not None:
        room = f", {found.free_bytes / 1e9:.1f} GB are free"
        room += "" if found.free_bytes > found.bytes else "; NOT ENOUGH ROOM"
    click.echo(
        f"about {found.bytes / 1e6:.1f} MB{room}; "
        f"about {found.seconds:.0f} s with --jobs {found.jobs}"
    )
    for key, reason in found.unusable:
        click.echo(f"would be left out: {key}: {reason}")
    if len(found.unusable) > config.max_skipped * found.sampled:
        click.echo(
            f"{len(found.unusable)} of {found.sampled} is more than --max-skipped "
            f"{config.max_skipped:g} allows: the build would fail at its end"
        )
    if found.is_complete:
        click.echo(f"{found.out} holds a finished set already")
    elif found.standing_shards:
        click.echo(f"{found.out} holds {counted(found.standing_shards, 'shard')} already")
    click.echo(f"{found.sampled} images were made in memory to tell; nothing was written")


def _say_report(report: "BuildReport", as_json: bool) -> None:
    manifest = report.manifest
    if as_json:
        summary = {
            "out": str(report.out),
            "images": report.images,
            "identities": manifest["identities"],
            "shards": len(manifest["shards"]),
            "skipped": report.skipped,
            "digest": report.digest,
            "box_coverage": manifest["box_coverage"],
            "mask_coverage": manifest["mask_coverage"],
            "already_complete": report.already_complete,
            "elapsed_s": round(report.elapsed_s, 3),
        }
        click.echo(json.dumps(summary))
        return
    if report.already_complete:
        click.echo(f"{report.out} is complete already and left as it is")
    size = manifest["bytes"] / 1e6
    click.echo(
        f"{report.out}: {counted(report.images, 'image')} of "
        f"{counted(manifest['identities'], 'identity')} in "
        f"{counted(len(manifest['shards']), 'shard')}, {size:.1f} MB, {report.skipped} skipped"
    )
    differ = manifest["labels_differ"] / max(report.images, 1)
    click.echo(
        f"mean coverage: box {manifest['box_coverage']:.2%}, mask {manifest['mask_coverage']:.2%}; "
        f"label by box and by mask differ on {differ:.1%}"
    )
    if not report.already_complete:
        rate = report.images / max(report.elapsed_s, 1e-9)
        click.echo(f"{report.elapsed_s:.1f} s, {rate:.0f} images/s")
    click.echo(f"digest {report.digest}")
    click.echo(f"look at it: occgen preview {report.out}")
