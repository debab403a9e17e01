"""from-eval and from-embed: success, bad values, missing data."""

import json
import re
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
import torch
from click.testing import CliRunner
from occgen_cli.from_embed import main as from_embed
from occgen_cli.from_eval import main as from_eval
from PIL import Image

import frommodel

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
PROGRAMS = {"from-eval": from_eval, "from-embed": from_embed}


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Path of a small untrained network."""
    path = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    generator = torch.Generator().manual_seed(0)
    frommodel.save(
        frommodel.FROM(backbone="ir10_small", embedding_size=8, k=3, generator=generator), path
    )
    return str(path)


def run(program: click.Command, *arguments: str) -> Any:
    """Run a program here."""
    return CliRunner().invoke(program, list(arguments), prog_name=program.name)


@pytest.mark.parametrize("name", PROGRAMS)
def test_help_has_one_sentence_and_an_example(name: str) -> None:
    program = PROGRAMS[name]
    page = run(program, "--help")
    assert page.exit_code == 0
    assert program.help
    assert len(program.help.strip().splitlines()) == 1
    lines = page.stdout.splitlines()
    assert lines[-2].strip() == "Example:"
    known = {option for parameter in program.params for option in parameter.opts}
    words = lines[-1].split()
    assert words[0] == name
    assert all(word in known for word in words if word.startswith("-"))
    for parameter in program.params:
        if isinstance(parameter, click.Option):
            assert parameter.help or isinstance(parameter.type, click.Choice), parameter.opts
    assert re.search(rf"^\| `{name}` \| \S", README, re.M)


def test_a_model_is_evaluated_on_drawn_people(weights: str) -> None:
    options = ["--root", "4x2@3", "--folds", "2", "--occlude", "2.0", "--far", "0.1"]
    result = run(from_eval, "--model", weights, *options, "--resamples", "100")
    assert result.exit_code == 0, result.stderr
    assert "clean-occluded, scale 2.0" in result.stdout
    assert "TAR@0.1" in result.stdout
    result = run(from_eval, "--model", weights, "--model", weights, *options, "--json")
    record = json.loads(result.stdout)
    assert [model["name"] for model in record["models"]] == [
        "tiny.safetensors",
        "tiny.safetensors (2)",
    ]
    assert record["comparisons"][0]["p_value"] == 1


def test_embeddings_are_written(weights: str, face_tree: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.npy"
    options = ["--model", weights, "--root", str(face_tree), "--out", str(out)]
    result = run(from_embed, *options, "--flip")
    assert result.exit_code == 0, result.stderr
    assert f"{out}: 18 embeddings of 8 numbers, 0 pictures skipped" in result.stdout
    assert np.load(out).shape == (18, 8)
    record = json.loads(run(from_embed, *options, "--json").stdout)
    assert (record["images"], record["columns"]) == (18, 8)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "a model is needed"),
        (["--model", "none.safetensors"], 2, "no such model"),
        (["--model", "M", "--dataset", "lfw", "--root", "none"], 2, "does not exist"),
        (["--model", "M", "--dataset", "folder", "--root", "FACES"], 2, "neither pairs.csv"),
        (["--model", "M", "--protocol", "none"], 2, "protocol must be one of"),
        (["--model", "M", "--occlude", "big"], 2, "scale must be"),
        (["--model", "M", "--occlude", "2", "--split", "test"], 2, "split must be one of none"),
        (["--model", "M", "--occlude", "2", "--include-occluders", "hat"], 2, "'hat' is no occlu"),
        (["--model", "M", "--far", "x"], 2, "no list of numbers"),
        (["--model", "BROKEN"], 1, "broken.safetensors"),
    ],
)
def test_failures_are_one_line(
    arguments: list[str], code: int, message: str, weights: str, face_tree: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"damaged")
    stands_for = {"M": weights, "FACES": str(face_tree), "BROKEN": str(broken)}
    result = run(from_eval, *(stands_for.get(word, word) for word in arguments))
    assert result.exit_code == code
    assert message in result.stderr
    assert result.stderr.startswith("Error: ")
    assert len(result.stderr.splitlines()) == 1


def test_a_missing_picture_fails_unless_allowed(weights: str, face_tree: Path) -> None:
    (face_tree / "pairs.csv").write_text(
        "image_a,image_b,same\n"
        + "person0/0.jpg,person0/1.jpg,1\nperson0/0.jpg,person1/0.jpg,0\n" * 2
        + "person0/0.jpg,person0/7.jpg,1\n"
    )
    options = ["--model", weights, "--dataset", "folder", "--root", str(face_tree)]
    options += ["--folds", "2", "--resamples", "0"]
    result = run(from_eval, *options)
    assert result.exit_code == 1
    assert "1 of 4 pictures are missing: person0/7.jpg" in result.stderr
    result = run(from_eval, *options, "--allow-missing")
    assert result.exit_code == 0
    assert "clean-clean: 1 pairs or probes left out" in result.stdout


def test_any_folder_of_pictures_with_pairs_is_a_protocol(weights: str, tmp_path: Path) -> None:
    """Other names of columns, other sizes and endings, paths of another machine."""
    rng = np.random.default_rng(0)
    lines = ["Img1;Img2;Label;remark"]
    for number in range(4):
        folder = tmp_path / "photos" / "masked people" / f"No {number}"
        folder.mkdir(parents=True)
        for name, size in (("plain 1.png", 48), ("worn 1.WEBP", 48)):
            pixels = rng.integers(0, 255, (size, size, 3), np.uint8)
            Image.fromarray(pixels).save(folder / name)
        other = (number + 1) % 4
        one = f"masked people\\No {number}\\plain 1.png"
        lines.append(f"{one};photos/masked people/No {number}/worn 1.webp;1;")
        lines.append(f"{one};./masked people/No {other}/worn 1.jpg;0;a;b")
    (tmp_path / "photos" / "pairs.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    options = ["--dataset", "folder", "--root", str(tmp_path / "photos"), "--folds", "2"]
    result = run(from_eval, "--model", weights, *options, "--resamples", "100", "--json")
    assert result.exit_code == 0, result.stderr
    record = json.loads(result.stdout)
    (warning,) = record["data"]["crop_warnings"]
    assert warning.startswith("pictures are 48x48 and were resized whole to fit")
    assert record["results"][0]["pairs"] == 8


@pytest.mark.parametrize(
    ("out", "message"), [("a.txt", "should end in .npy or .h5"), ("none/a.npy", "no such folder")]
)
def test_wrong_places_are_refused(
    out: str, message: str, weights: str, face_tree: Path, tmp_path: Path
) -> None:
    options = ["--root", str(face_tree), "--out", str(tmp_path / out)]
    result = run(from_embed, "--model", weights, *options)
    assert result.exit_code == 2
    assert message in result.stderr


def test_a_report_is_written(weights: str, tmp_path: Path) -> None:
    options = ["--model", weights, "--root", "4x2@3", "--folds", "2", "--resamples", "0"]
    page, table = tmp_path / "r.html", tmp_path / "r.csv"
    result = run(from_eval, *options, "--report", str(page), "--report", str(table))
    assert result.exit_code == 0, result.stderr
    assert f"written: {page}" in result.stdout
    assert page.read_text().startswith("<!doctype html>")
    assert table.read_text().startswith("model,task")
    result = run(from_eval, *options, "--report", str(tmp_path / "r.pdf"))
    assert result.exit_code == 2
    assert "should end in" in result.stderr
