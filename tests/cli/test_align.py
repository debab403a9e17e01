"""`occgen align`: success, wrong usage and bad data, each in one line."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from occgen_cli.main import main

from occgen.landmarks import template


@pytest.fixture
def photos(tmp_path: Path, draw_picture: Any, encode_picture: Any) -> Path:
    root = tmp_path / "photos"
    (root / "a").mkdir(parents=True)
    lines = []
    flat = " ".join(f"{value:.2f}" for value in (template(112, 112) + 20).ravel())
    for number in range(3):
        picture = encode_picture(draw_picture(number, 160, 180))
        (root / "a" / f"{number}.jpg").write_bytes(picture)
        lines.append(f"a/{number}.jpg {flat}")
    (root / "landmarks.csv").write_text("\n".join(lines[:2]))
    return root


def test_photographs_are_aligned(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "crops"
    done = CliRunner().invoke(main, ["align", str(photos), str(out), "--jobs", "1"])
    assert done.exit_code == 0, done.output
    assert "2 crops of 3 pictures" in done.stdout
    assert "a/2.jpg: the landmark file has no points of it" in done.stdout
    again = CliRunner().invoke(main, ["align", str(photos), str(out), "--jobs", "1", "--json"])
    summary = json.loads(again.stdout)
    assert summary["already_complete"]
    assert (summary["crops"], summary["pictures"]) == (2, 3)


@pytest.mark.parametrize(
    ("options", "code", "problem"),
    [
        (["--size", "96x96"], 2, "'96x96' is not one of"),
        (["--detector", "mtcnn"], 2, "needs --weights PATH"),
        (["--detector", "yunet", "--weights", "gone"], 2, "does not exist"),
        (["--cut"], 2, "add --size 112x96"),
        (["--cut", "--size", "112x96"], 1, "none of 3 pictures could be aligned (first: a/0.jpg"),
        (["--landmarks", "a/0.jpg"], 2, "does not exist"),
    ],
)
def test_what_is_wrong_is_one_line(
    photos: Path, tmp_path: Path, options: list[str], code: int, problem: str
) -> None:
    arguments = ["align", str(photos), str(tmp_path / "crops"), "--jobs", "1", *options]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == code
    assert problem in done.stderr
    errors = [line for line in done.stderr.splitlines() if not line.endswith("s left")]
    assert len(errors) == 1
    assert "Traceback" not in done.output


def test_without_points_it_says_what_to_give(photos: Path, tmp_path: Path) -> None:
    (photos / "landmarks.csv").unlink()
    done = CliRunner().invoke(main, ["align", str(photos), str(tmp_path / "crops")])
    assert done.exit_code == 2
    assert "give --landmarks FILE, or --detector NAME --weights PATH" in done.stderr
