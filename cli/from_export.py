"""`from-export`: a network for other programs."""

import dataclasses
import json
from pathlib import Path

import click

from .boundary import command
from .options import json_option

__all__ = ["main"]


@command("from-export", "from-export --model demo --format onnx --out demo.onnx")
@click.option(
    "--model",
    required=True,
    metavar="MODEL",
    help="A run's folder, a file, the authors' .pth.tar, or demo.",
)
@click.option(
    "--format",
    "format_",
    type=click.Choice(["onnx", "torch", "safetensors"]),
    help="torch is a torch.export program.  [default: by the ending of --out]",
)
@click.option(
    "--out",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="File: .onnx, .pt2 or .safetensors.",
)
@click.option("--embedding-only", is_flag=True, help="Leave mask and pattern out of the outputs.")
@click.option("--half", is_flag=True, help="Half-precision weights (safetensors).")
@click.option(
    "--mask-threshold",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="Binarise masks.",
)
@json_option
def main(
    model: str,
    format_: str | None,
    out: Path,
    embedding_only: bool,
    half: bool,
    mask_threshold: float | None,
    as_json: bool,
) -> None:
    """Write a trained network as ONNX, torch.export or safetensors, and compare the outputs."""
    endings = {".onnx": "onnx", ".pt2": "torch", ".safetensors": "safetensors"}
    chosen = format_ or endings.get(out.suffix)
    if chosen is None:
        raise click.UsageError(
            f"--format is needed: the ending of {out.name!r} is none of {', '.join(endings)}"
        )
    from frommodel.checkpoint import load
    from frommodel.export import export_model

    network = load(model)
    if mask_threshold is not None:
        network.mask_threshold = mask_threshold
    report = export_model(network, out, chosen, embedding_only=embedding_only, half=half)
    if as_json:
        click.echo(json.dumps(dataclasses.asdict(report)))
        return
    checked = (
        "not run here"
        if report.largest_difference is None
        else f"within {report.largest_difference:.1e} of the network's, of each one's largest value"
    )
    click.echo(f"{report.path}: {report.size_bytes / 1e6:.1f} MB, {', '.join(report.outputs)}")
    click.echo(f"outputs {checked}")
