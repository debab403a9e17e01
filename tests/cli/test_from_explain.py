"""`from-explain`: every picture is drawn from a small network; what is wrong is one line."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from occgen_cli.from_explain import main
from PIL import Image

from frommodel.checkpoint import save
from frommodel.network import FROM
from occgen import BuildConfig, build


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("model") / "small.safetensors"
    save(FROM(backbone="ir10_small", k=4, embedding_size=16), path)
    return str(path)


def run(*arguments: object, code: int = 0) -> Any:
    done = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert done.exit_code == code, done.output
    assert "Traceback" not in done.output
    return done


def test_faces_of_any_kind(model: str, tmp_path: Path, face_tree: Path) -> None:
    out = tmp_path / "faces.png"
    done = run(
        *("faces", "demo", face_tree, face_tree / "person0" / "0.jpg", "--model", model),
        *("--occlude", "2.0", "--count", "6", "--out", out, "--json"),
    )
    record = json.loads(done.stdout)
    assert len(record["faces"]) == 5  # two of each that has two
    assert {"pattern", "confidence", "box", "true_pattern"} <= set(record["faces"][0])
    assert record["scored"] == 5
    with Image.open(out) as sheet:
        assert min(sheet.size) > 200
    run("faces", face_tree, "--model", model, "--out", tmp_path / "faces.html", "--count", "3")
    assert "<img" in (tmp_path / "faces.html").read_text()


def test_a_set_with_labels(model: str, tmp_path: Path, face_tree: Path) -> None:
    config = BuildConfig(
        dataset="folder", root=str(face_tree), out=str(tmp_path / "set"), clean_fraction=0.3, jobs=1
    )
    build(config)
    out = tmp_path / "confusion.csv"
    record = json.loads(
        run("confusion", tmp_path / "set", "--model", model, "--out", out, "--json").stdout
    )
    assert record["images"] == 18
    assert record["k"] == 4
    rows = out.read_text().splitlines()
    assert rows[0] == "true,predicted,count"
    assert sum(int(row.rpartition(",")[2]) for row in rows[1:]) == 18
    done = run("faces", tmp_path / "set", "--model", model, "--out", tmp_path / "s.png")
    assert "patterns of 18 faces" in done.stdout


def test_maps_pairs_and_cells(model: str, tmp_path: Path, face_tree: Path) -> None:
    run(
        *("tsne", "--model", model, "--model", model, "--identities", "2", "--images", "4"),
        *("--occlude", "2.0", "--out", tmp_path / "tsne.svg"),
    )
    assert (tmp_path / "tsne.svg").stat().st_size > 5000
    first, second = (face_tree / "person0" / f"{number}.jpg" for number in (0, 1))
    out = tmp_path / "pair.png"
    record = json.loads(
        run("pair", first, second, "--model", model, "--k", 2, "--out", out, "--json").stdout
    )
    assert -1 <= record["score"] <= 1
    assert len(record["change"]) == 2
    done = run(
        *("cells", "--model", model, "--root", "20x2@1", "--num-pairs", 20, "--k", 2),
        *("--out", tmp_path / "cells.png", "--json"),
    )
    cells = json.loads(done.stdout)
    assert cells["pairs"] == 20
    assert len(cells["models"][0]["cells"]) == 4


@pytest.mark.parametrize(
    ("arguments", "code", "problem"),
    [
        (["faces", "nowhere", "--out", "a.png"], 2, "no picture, folder or finished set"),
        (["faces", "demo", "--out", "a.txt"], 2, "ends in .png or .html"),
        (["faces", "demo", "--out", "a.png", "--channels", "x"], 2, "no list of channels"),
        (["pair", "a.jpg", "b.jpg", "--out", "a.png"], 2, "a.jpg: cannot be read"),
        (["tsne", "--root", "2x2@1", "--out", "a.png"], 2, "0 people have 20 pictures"),
    ],
)
def test_what_is_wrong_is_one_line(
    model: str, arguments: list[str], code: int, problem: str
) -> None:
    done = run(*arguments, "--model", model, code=code)
    assert problem in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
