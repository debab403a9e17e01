"""Options reach the function a command calls, with the value given and under the right name."""

import importlib
import inspect
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import click
import pytest
from click.testing import CliRunner
from occgen_cli import main as occgen


class Command(NamedTuple):
    """A command line that would work, the function it ends in, and options to add to it."""

    line: str
    ends_in: str
    options: dict[str, tuple[str, Any]]
    """What is added, as typed: the name it arrives under, and the value."""


COMMANDS = {
    "align": Command(
        "occgen align photos crops --landmarks points.csv",
        "occgen.crops.align_folder",
        {
            "--face only": ("face", "only"),
            "--min-score 0.5": ("min_score", 0.5),
            "--min-face 33": ("min_face", 33),
            "--max-residual 7.5": ("max_residual", 7.5),
            "--codec png": ("codec", "png"),
            "--quality 80": ("quality", 80),
            "--limit 3": ("limit", 3),
            "--overwrite": ("overwrite", True),
        },
    ),
    "build": Command(
        "occgen build --dataset demo",
        "occgen.engine.build",
        {
            "--placement mixed --mix regions=1,random=2": ("mix", "random=2,regions=1"),
            "--occluders-per-face 1:3": ("occluders_per_face", "1:3"),
            "--placement regions --region-jitter 4": ("region_jitter", 4),
            "--split train": ("split", "train"),
            "--include-occluders book/*,cup": ("include_occluders", ("book/*", "cup")),
            "--backend dask": ("backend", "dask"),
            "--backend ray --address auto": ("address", "auto"),
        },
    ),
    "convert": Command(
        "occgen convert . OUT --format folder --dataset folder",
        "occgen.conversion.convert",
        {
            "--shard-size 5": ("shard_size", 5),
            "--jobs 3": ("jobs", 3),
            "--on-error skip": ("on_error", "skip"),
            "--strict": ("strict", True),
            "--max-skipped 0.5": ("max_skipped", 0.5),
            "--overwrite": ("overwrite", True),
        },
    ),
    "fetch": Command(
        "occgen fetch lfw",
        "occgen.fetching.fetch",
        {"--mirror DIR": ("mirror", "DIR")},
    ),
    "occlude": Command(
        "occgen occlude demo out.png",
        "occgen.trial.try_setting",
        {
            "--placement regions --region-jitter 4": ("region_jitter", 4),
            "--include-occluders book/*": ("include_occluders", ("book/*",)),
        },
    ),
    "verify": Command(
        "occgen verify . --repair",
        "occgen.repair.repair",
        {"--root DIR": ("root", "DIR"), "--occluders DIR": ("occluders", "DIR")},
    ),
    "train": Command(
        "from-train --data demo --out RUN --recipe from-compact",
        "frommodel.train.train",
        {
            "--cache": ("cache", True),
            "--no-cache": ("cache", False),
            "--validate demo --validate-root 3x4@9": ("validate_root", "3x4@9"),
            "--holdout 0.25": ("holdout", 0.25),
            "--seed 7": ("seed", 7),
            "--learning-rate 0.03": ("learning_rate", 0.03),
            "--warmup-epochs 0.5": ("warmup_epochs", 0.5),
            "--weight-decay 0.001": ("weight_decay", 0.001),
            "--predictor regression --box-unit pixel": ("box_unit", "pixel"),
            "--dropout 0.1": ("dropout", 0.1),
            "--pyramid-channels 32": ("pyramid_channels", 32),
            "--s 32": ("s", 32.0),
            "--m1 1.5": ("m1", 1.5),
            "--m2 0.3": ("m2", 0.3),
            "--m3 0.2": ("m3", 0.2),
            "--clean-fraction 0.5": ("clean_fraction", 0.5),
            "--placement mixed --placement-mix random=1,landmarks=3": (
                "placement_mix",
                "random=1,landmarks=3",
            ),
            "--occluders-per-face 1:2": ("occluders_per_face", "1:2"),
            "--occluders .": ("occluders", "."),
            "--group 2": ("group", 2),
            "--split train": ("split", "train"),
            "--label-by mask": ("label_by", "mask"),
            "--teacher demo --teacher-weight 0.5": ("teacher_weight", 0.5),
            "--no-augment": ("augment", False),
            "--channels-last": ("channels_last", True),
            "--compile": ("compile", True),
            "--accumulate 2": ("accumulate", 2),
            "--clip-norm 3": ("clip_norm", 3.0),
            "--classifier sharded": ("classifier", "sharded"),
            "--classifier sharded --negative-fraction 0.5": ("negative_fraction", 0.5),
            "--validate-every 4": ("validate_every", 4),
            "--save-every 5": ("save_every", 5),
            "--tensorboard": ("tensorboard", True),
        },
    ),
    "eval": Command(
        "from-eval --model demo",
        "frommodel.evaluation.evaluate",
        {
            "--pairs pairs.csv": ("pairs", "pairs.csv"),
            "--num-pairs 50": ("num_pairs", 50),
            "--condition clean-clean": ("conditions", ("clean-clean",)),
            "--occlusion-seeds 3": ("occlusion_seeds", 3),
            "--placement landmarks": ("placement", "landmarks"),
            "--placement regions --region nose": ("region", "nose"),
            "--placement regions --region-jitter 3": ("region_jitter", 3),
            "--blend natural": ("blend", "natural"),
            "--categories cup=2,hand": ("categories", ("cup=2", "hand")),
            "--group 1": ("group", 1),
            "--exclude-occluders book/*": ("exclude_occluders", ("book/*",)),
            "--occluders .": ("occluders", "."),
            "--max-coverage 0.4": ("max_coverage", 0.4),
            "--compat published": ("compat", "published"),
            "--image-size 112x112": ("image_size", "112x112"),
            "--max-rank 5": ("max_rank", 5),
            "--gallery G": ("gallery", "G"),
            "--probes P": ("probes", "P"),
            "--distractors D": ("distractors", "D"),
            "--probe-noises P.txt": ("probe_noises", "P.txt"),
            "--distractor-noises D.txt": ("distractor_noises", "D.txt"),
            "--gallery-images 2": ("gallery_images", 2),
            "--ar-gallery 1,5": ("ar_gallery", (1, 5)),
            "--batch-size 7": ("batch_size", 7),
            "--workers 3": ("workers", 3),
            "--report r.html --failures 2": ("failures", 2),
            "--seed 9": ("seed", 9),
        },
    ),
    "embed": Command(
        "from-embed --model demo --dataset folder --out a.npy",
        "frommodel.embedding_file.embed_dataset",
        {
            "--normalise": ("normalise", True),
            "--batch-size 7": ("batch_size", 7),
            "--workers 3": ("workers", 3),
            "--bin-name net": ("bin_name", "net"),
            "--limit 4": ("limit", 4),
            "--max-skipped 0.5": ("max_skipped", 0.5),
        },
    ),
    "faces": Command(
        "from-explain faces demo --model demo --out a.png",
        "frommodel.explain_faces.explain_faces",
        {
            "--columns 3": ("columns", 3),
            "--seed 9": ("seed", 9),
            "--channels 0,7": ("channels", [0, 7]),
        },
    ),
    "confusion": Command(
        "from-explain confusion SET --model demo --out a.png",
        "frommodel.explain_faces.explain_confusion",
        {"--limit 4": ("limit", 4)},
    ),
    "tsne": Command(
        "from-explain tsne --model demo --out a.png",
        "frommodel.explain_sets.explain_tsne",
        {"--dataset lfw": ("dataset", "lfw"), "--seed 9": ("seed", 9)},
    ),
    "pair": Command(
        "from-explain pair a.jpg b.jpg --model demo --out a.png",
        "frommodel.explain_sets.explain_pair",
        {"--filling grey": ("filling", "grey")},
    ),
    "cells": Command(
        "from-explain cells --model demo --out a.png",
        "frommodel.explain_sets.explain_cells",
        {
            "--dataset lfw": ("dataset", "lfw"),
            "--pairs pairs.csv": ("pairs", "pairs.csv"),
            "--filling noise": ("filling", "noise"),
            "--seed 9": ("seed", 9),
        },
    ),
    "export": Command(
        "from-export --model demo --out a.onnx",
        "frommodel.export.export_model",
        {
            "--embedding-only": ("embedding_only", True),
            "--mask-threshold 0.5": ("mask_threshold", 0.5),
        },
    ),
    "paper": Command(
        "from-paper --out PAPER --dry-run",
        "frommodel.paper.reproduction.describe_plan",
        {
            "--seeds 3": ("seeds", 3),
            "--seed 9": ("seed", 9),
            "--occluders .": ("occluders", "."),
            "--models .": ("models", "."),
        },
    ),
}
CASES = [
    pytest.param(command, option, id=f"{name} {option}")
    for name, command in COMMANDS.items()
    for option in command.options
]


def run(line: str) -> Any:
    program, *arguments = shlex.split(line)
    module = (
        occgen
        if program == "occgen"
        else importlib.import_module(f"occgen_cli.{program.replace('-', '_')}")
    )
    return CliRunner().invoke(module.main, arguments)


def values_in(arguments: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield names with their values: the arguments, then the fields of what was handed over."""
    yield arguments
    if "record" in arguments:
        yield arguments["record"]["data"]
    for value in arguments.values():
        inner = [value, getattr(value, "model", None)]
        yield from ({n: getattr(v, n) for n in dir(v) if n[0] != "_"} for v in inner)


@pytest.mark.parametrize(("command", "option"), CASES)
def test_an_option_reaches_what_it_is_for(
    command: Command, option: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    module, _, name = command.ends_in.rpartition(".")
    real = getattr(importlib.import_module(module), name)
    calls: list[dict[str, Any]] = []

    def take(*args: Any, **kwargs: Any) -> Any:
        bound = inspect.signature(real).bind(*args, **kwargs)
        calls.append(dict(bound.arguments))
        raise SystemExit(0)

    monkeypatch.chdir(tmp_path)
    Path("photos").mkdir()
    Path("points.csv").touch()
    monkeypatch.setattr("occgen.verify.verify", lambda *_: ["broken"])
    monkeypatch.setattr(command.ends_in, take)
    monkeypatch.setattr("frommodel.training_data.TrainingData.open", lambda *_: (None, None))
    result = run(f"{command.line} {option}")
    assert result.exit_code == 0, result.output
    field, expected = command.options[option]
    found = next(values[field] for values in values_in(calls[0]) if field in values)
    assert found == expected


def test_fetch_says_where_the_pictures_are_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("occgen.fetching.fetch", lambda *_: Path("lfw-originals"))
    result = run("occgen fetch lfw --json")
    assert result.stdout == '{"name": "lfw", "pictures": "lfw-originals"}\n'


def test_datasets_are_listed_as_json() -> None:
    result = run("occgen datasets --json")
    names = [record["name"] for record in json.loads(result.stdout)]
    assert {"demo", "lfw", "shards"} <= set(names)


PROGRAMS = ("occgen", "from-train", "from-eval", "from-embed", "from-explain", "from-export")


def commands_of(made: click.Command) -> Iterator[click.Command]:
    if isinstance(made, click.Group):
        for inner in made.commands.values():
            yield from commands_of(inner)
    else:
        yield made


@pytest.mark.parametrize("program", [*PROGRAMS, "from-paper"])
def test_every_option_is_named_by_a_test(program: str) -> None:
    texts = [path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("*.py")]
    module = "main" if program == "occgen" else program.replace("-", "_")
    for made in commands_of(importlib.import_module(f"occgen_cli.{module}").main):
        about = [text for text in texts if str(made.name) in text]
        for parameter in made.params:
            names = [*parameter.opts, *parameter.secondary_opts]
            if isinstance(parameter, click.Option) and "--debug" not in names:
                found = [
                    re.search(rf'["\' ](--)?{name[2:]}["\' ]', text)
                    for name in names
                    for text in about
                ]
                assert any(found), f"no test in tests/cli gives {made.name} {names[0]}"
