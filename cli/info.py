"""`occgen info`: what is in a finished set."""

import json
from pathlib import Path
from typing import Any

import click

from .boundary import command, one_line
from .options import existing_path, json_option
from .wording import counted

__all__ = ["info_command"]

_BAR = 40


@command("info", "occgen info Occ-Demo-2.0")
@click.argument("path", type=existing_path(file=False, remote=True))
@json_option
def info_command(path: Path, as_json: bool) -> None:
    """Say what is in a finished set: counts, coverage and label histograms, provenance."""
    from occgen.manifest import read_manifest

    manifest = read_manifest(path)
    record = summary(manifest)
    if as_json:
        click.echo(json.dumps(record))
        return
    config, source = manifest["config"], manifest["source"]
    click.echo(
        f"{one_line(manifest['name'])}: {counted(manifest['images'], 'image')}, "
        f"{manifest['height']} x {manifest['width']} (height x width), "
        f"{counted(manifest['identities'], 'identity')}"
    )
    click.echo(
        f"  {counted(len(manifest['shards']), 'shard')}, {manifest['bytes'] / 1e6:.1f} MB, "
        f"{manifest['skipped']} skipped, {manifest['occluded']} occluded"
    )
    click.echo(
        "  "
        + one_line(
            f"source {source['dataset']}, placement {config['placement']}, scale "
            f"{config['scale']}, blend {config['blend']}, seed {config['seed']}"
        )
    )
    click.echo(f"  licence of the source: {one_line(source['licence'])}")
    click.echo(f"  digest {manifest['digest']}")
    click.echo(
        f"mean coverage of occluded images: box {manifest['box_coverage']:.2%}, "
        f"mask {manifest['mask_coverage']:.2%}"
    )
    histogram = manifest["coverage_histogram"]
    most = max([1, *histogram])
    for step, count in enumerate(histogram):
        if count:
            bar = "#" * round(_BAR * count / most)
            click.echo(f"  {step * 5:3d}-{step * 5 + 5:3d} % {count:8d} {bar}")
    for name, counts in record["patterns"].items():
        common = sorted(counts.items(), key=lambda item: (-item[1], int(item[0])))[:8]
        text = ", ".join(f"{label}: {count}" for label, count in common)
        click.echo(f"labels {name}: {len(counts)} different; most common {text}")
    images = max(manifest["images"], 1)
    click.echo(f"label by box and by mask differ on {manifest['labels_differ'] / images:.1%}")
    shown = ", ".join(f"{n} {c}" for n, c in manifest["categories"].items())
    click.echo(f"categories: {one_line(shown)}")


def summary(manifest: dict[str, Any]) -> dict[str, Any]:
    """Return what ``info --json`` prints."""
    names: tuple[str, ...]
    names = ("name", "images", "occluded", "identities", "skipped", "digest", "bytes", "height")
    names += ("width", "box_coverage", "mask_coverage", "patterns", "categories", "labels_differ")
    names += ("coverage_histogram", "config", "source", "versions", "seed")
    record = {name: manifest[name] for name in names}
    for added in manifest["labels"].values():
        record["patterns"] = record["patterns"] | added["patterns"]
    return record | {"shards": len(manifest["shards"]), "labels": sorted(manifest["labels"])}
