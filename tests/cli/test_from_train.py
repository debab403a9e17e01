"""`from-train` and `from-export` on the command line."""

import json

import pytest
from click.testing import CliRunner
from occgen_cli import from_export, from_train

from frommodel.architectures import BACKBONES
from frommodel.recipes import RECIPES

RUN = ["--data", "demo", "--root", "6x4", "--recipe", "from-compact", "--batch-size", "8"]
RUN += ["--backbone", "ir10_small", "--embedding-size", "16", "--workers", "0", "--threads", "1"]
RUN += ["--device", "cpu", "--epochs", "2"]


def run(command, *arguments):
    return CliRunner().invoke(command, [str(a) for a in arguments])


def test_choices_are_those_of_the_model():
    assert set(from_train._BACKBONES) == set(BACKBONES)
    assert set(from_train._ALL_RECIPES) == set(RECIPES)


def test_a_run_is_trained_gone_on_with_described_and_exported(tmp_path):
    out = tmp_path / "run"
    first = run(from_train.main, *RUN, "--stop-after", 2, "--out", out, "--json")
    assert first.exit_code == 0, first.output
    report = json.loads(first.stdout)
    assert (report["steps"], report["finished"]) == (2, False)
    again = run(from_train.main, *RUN, "--out", out)
    assert (again.exit_code, "holds a run already" in again.stderr) == (2, True)
    other = run(from_train.main, "--resume", "--out", out, "--k", 4, "--workers", 0)
    assert (other.exit_code, "another configuration (model" in other.stderr) == (2, True)
    second = run(from_train.main, "--resume", "--out", out, "--workers", 0, "--threads", 1)
    assert second.exit_code == 0, second.output
    assert "6 steps" in second.stdout
    assert "step 6/6" in second.stderr
    third = run(from_train.main, "--resume", "--out", out, "--workers", 0)
    assert "complete already" in third.stdout
    weights = tmp_path / "run.safetensors"
    exported = run(from_export.main, "--model", out, "--out", weights, "--half", "--json")
    assert json.loads(exported.stdout)["format"] == "safetensors"
    plain = run(from_export.main, "--model", out, "--out", weights)
    assert "within" in plain.stdout
    unknown = run(from_export.main, "--model", out, "--out", tmp_path / "run.bin")
    assert (unknown.exit_code, "--format is needed" in unknown.stderr) == (2, True)


def test_sizes_are_described_without_training():
    result = run(from_train.main, "--describe", "--recipe", "from")
    assert "ours      49.29 M parameters, 11.99 GFLOPs" in result.stdout
    assert "published 52.24 M parameters, 12.27 GFLOPs" in result.stdout
    assert "milestones = (10, 25)" in result.stdout
    changed = run(from_train.main, "--describe", "--json", "--k", 4, "--size", "112x112")
    assert json.loads(changed.stdout)["config"]["model"]["width"] == 112


def test_every_ablation_is_a_flag():
    flags = {
        "k": 3,
        "lambda": 0.5,
        "mask": "2d",
        "predictor": "regression",
        "mask-threshold": 0.5,
        "backbone": "lresnet18e_ir",
        "embedding-size": 128,
        "occlude": "2.0",
        "soft-patterns": 0.05,
        "balance-patterns": 0.5,
        "schedule": "cosine",
        "milestones": "3,7",
        "precision": "bfloat16",
        "placement": "landmarks",
        "blend": "natural",
        "categories": "face_mask=4,hand",
        "split": "train",
        "include-occluders": "hand/*,face_mask",
        "exclude-occluders": "hand/02",
    }
    given = [part for name, value in flags.items() for part in (f"--{name}", value)]
    result = run(from_train.main, "--describe", "--json", *given)
    config = json.loads(result.stdout)["config"]
    assert (config["pattern_weight"], config["milestones"]) == (0.5, [3, 7])
    for name, value in flags.items():
        found = {**config, **config["model"]}.get(name.replace("-", "_"))
        found = ",".join(found) if isinstance(found, list) and name != "milestones" else found
        assert name in ("lambda", "milestones") or found == value, name
    assert config["categories"] == ["face_mask=4", "hand"]
    plain = run(from_train.main, "--describe", "--json", "--mask", "none", "--occlude", "none")
    config = json.loads(plain.stdout)["config"]
    assert (config["model"]["predictor"], config["occlude"]) == ("none", None)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "demo"], "--out RUN is needed"),
        (["--out", "x"], "--data is needed"),
        (["--data", "nowhere/faces", "--out", "x"], "nowhere/faces does not exist"),
        (["--data", "demo", "--root", "6", "--out", "x"], "IDENTITIESxIMAGES"),
        (["--data", "demo", "--root", "4x2", "--out", "x", "--mix", "1:2"], "one number above 0"),
        (["--data", "demo", "--out", "x", "--mix", "a"], "no list of numbers"),
        (["--data", "demo", "--out", "x", "--occlude", "-1"], "scale must be > 0"),
        (["--data", "demo", "--root", "4x2", "--out", "x", "--init", "no.pt"], "no such model"),
        (
            ["--data", "demo", "--root", "4x2", "--validate", "demo", "--out", "x"],
            "4 identities are in the data and in demo both",
        ),
    ],
)
def test_wrong_wishes_are_told_in_one_line(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    extra = [] if "--describe" in arguments else ["--batch-size", "4", "--workers", "0"]
    result = run(from_train.main, "--recipe", "from-compact", *arguments, *extra)
    assert result.exit_code == 2, result.output
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "x").exists() or not (tmp_path / "x" / "state.pt").exists()


def test_a_missing_model_is_named(tmp_path):
    result = run(from_export.main, "--model", tmp_path / "no", "--out", tmp_path / "a.onnx")
    assert (result.exit_code, "no such model" in result.stderr) == (2, True)


def test_the_improved_recipe_is_not_trained_without_its_teacher(tmp_path):
    out = tmp_path / "run"
    result = run(
        *(from_train.main, "--data", "demo", "--root", "6x4"),
        *("--recipe", "improved-compact", "--out", str(out)),
    )
    assert result.exit_code == 2
    assert "--init RUN --teacher RUN" in result.stderr
    assert not out.exists()
    assert run(from_train.main, "--recipe", "improved-compact", "--describe").exit_code == 0


@pytest.mark.parametrize("option", ["--init", "--teacher"])
def test_weights_that_cannot_be_used_do_not_claim_the_folder(option, tmp_path):
    out = tmp_path / "run"
    wrong = run(from_train.main, *RUN, "--epochs", "1", option, tmp_path / "no", "--out", out)
    assert (wrong.exit_code, "no such model" in wrong.stderr) == (2, True)
    assert not out.exists()
    right = run(from_train.main, *RUN, "--epochs", "1", "--out", out)
    assert right.exit_code == 0, right.stderr


@pytest.mark.parametrize("fast", [True, False])
def test_slow_bfloat16_is_said(fast, tmp_path, monkeypatch):
    monkeypatch.setattr("frommodel.processor.trains_in_bfloat16", lambda device: fast)
    options = ("--precision", "bfloat16", "--stop-after", 1, "--out", tmp_path / "run")
    result = run(from_train.main, *RUN, *options)
    assert result.exit_code == 0, result.output
    assert ("slower in bfloat16" in result.stderr) is not fast
