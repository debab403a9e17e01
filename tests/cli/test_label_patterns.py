"""`occgen label-patterns`: sets, CSV files and folders of masks."""

import csv
import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from occgen_cli.main import main

from occgen import BuildConfig, PatternGrid, build, open_shards
from occgen.verify import verify


def run(*arguments: object) -> Any:
    """Run the command here."""
    result = CliRunner().invoke(main, ["label-patterns", *map(str, arguments)])
    assert "Traceback" not in result.stderr
    return result


@pytest.fixture
def config(face_tree: Path, tmp_path: Path) -> BuildConfig:
    """Build of 18 faces."""
    return BuildConfig(
        dataset="folder",
        root=str(face_tree),
        out=str(tmp_path / "set"),
        scale=2.0,
        categories=("cup",),
        jobs=1,
    )


def test_a_set_gets_labels_of_another_k(config: BuildConfig) -> None:
    build(config)
    result = run(config.out, "--k", "6")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == f"18 labels of K = 6 in {config.out}/pattern-k6.h5\n"
    record = json.loads(run(config.out, "--k", "4", "--by", "mask", "--json").stdout)
    assert record == {"labelled": 18, "k": 4, "out": f"{config.out}/pattern-k4.h5"}
    own = run(config.out)
    assert own.stdout == f"18 labels of K = 5 in {config.out}\n"
    assert verify(config.out_path, 1) == []
    shards = open_shards(config.out_path)
    grid = PatternGrid(6, 112, 112)
    assert shards.patterns(6).tolist() == grid.label_boxes(shards.column("box")).tolist()


def test_a_csv_gets_a_column(tmp_path: Path) -> None:
    source = tmp_path / "boxes.csv"
    source.write_text("x0,y0,x1,y1\n0,0,96,112\n0,0,0,0\n")
    result = run(source, "--k", "3")
    assert (result.exit_code, result.stderr) == (0, "")
    with open(tmp_path / "boxes-k3.csv", newline="", encoding="utf-8") as file:
        labels = [int(row["pattern_k3"]) for row in csv.DictReader(file)]
    assert PatternGrid(3, 112, 96).boxes[labels].tolist() == [[0, 0, 96, 112], [0, 0, 0, 0]]
    assert result.stdout == f"2 labels of K = 3 in {tmp_path}/boxes-k3.csv\n"
    other = tmp_path / "other.csv"
    assert run(source, "--image-size", "112x112", "--out", other).exit_code == 0
    label = PatternGrid(5, 112, 112).label_boxes(np.array([[0, 0, 96, 112]]))[0]
    assert other.read_text().splitlines()[1] == f"0,0,96,112,{label}"


def test_a_folder_of_masks_gets_a_table(
    tmp_path: Path, encode_picture: Callable[..., bytes]
) -> None:
    masks = tmp_path / "masks"
    masks.mkdir()
    (masks / "a.png").write_bytes(encode_picture(np.full((112, 96), 255, np.uint8), "PNG"))
    result = run(masks)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == f"1 labels of K = 5 in {tmp_path}/masks-k5.csv\n"
    assert (tmp_path / "masks-k5.csv").read_text().splitlines()[1].startswith("a.png,112,96,1.0")


@pytest.mark.parametrize(
    ("text", "options", "code", "message"),
    [
        ("1,2,3,4\n1,2,x,4\n", [], 1, "boxes.csv: line 2 (1,2,x,4) is not four numbers"),
        ("1,2,3,4\n", ["--image-size", "112"], 2, "image size must be HxW such as 112x96"),
        ("1,2,3,4\n", ["--image-size", "0x96"], 2, "height"),
        ("1,2,3,4\n", ["--k", "0"], 2, "Invalid value for '--k'"),
        (
            "1,2,3,4\n",
            ["--by", "mask"],
            2,
            "boxes.csv is labelled by its boxes, so leave --by mask",
        ),
        ("1,2,3,4\n", ["--by", "both"], 2, "Invalid value for '--by'"),
        ("1,2,3,4\n", ["--k", "16", "--image-size", "8x8"], 2, "k"),
    ],
)
def test_bad_values_are_told(
    tmp_path: Path, text: str, options: list[str], code: int, message: str
) -> None:
    source = tmp_path / "boxes.csv"
    source.write_text(text)
    result = run(source, *options)
    assert result.exit_code == code, result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert message in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["boxes.csv"]


def test_masks_are_not_labelled_by_box(
    tmp_path: Path, encode_picture: Callable[..., bytes]
) -> None:
    masks = tmp_path / "masks"
    masks.mkdir()
    (masks / "a.png").write_bytes(encode_picture(np.full((112, 96), 255, np.uint8), "PNG"))
    result = run(masks, "--by", "box")
    assert result.exit_code == 2
    assert "masks is labelled by its masks, so leave --by box out" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["masks"]
    assert run(masks, "--by", "mask").exit_code == 0


def test_missing_data_are_told(tmp_path: Path, config: BuildConfig) -> None:
    (tmp_path / "empty").mkdir()
    for path, message in [
        (tmp_path / "nowhere", "does not exist"),
        (tmp_path / "empty", "empty holds no mask pictures"),
    ]:
        result = run(path)
        assert result.exit_code == 2
        assert len(result.stderr.splitlines()) == 1
        assert message in result.stderr
    build(config)
    (config.out_path / "manifest.json").unlink()
    unfinished = run(config.out)
    assert unfinished.exit_code == 2
    assert "unfinished: run the same build again" in unfinished.stderr


def test_a_set_of_another_format_is_told_what_to_do(config: BuildConfig) -> None:
    build(dataclasses.replace(config, format="rec"))
    result = run(config.out)
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    assert f"occgen convert {config.out} OUT --format hdf5" in result.stderr
