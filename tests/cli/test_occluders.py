"""`occgen occluders`: listing, drawing, checking and rendering a library."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from occgen_cli.main import main
from PIL import Image


def run(*arguments: object) -> Any:
    """Run the command here."""
    result = CliRunner().invoke(main, ["occluders", *map(str, arguments)])
    assert "Traceback" not in result.stderr
    return result


def test_render_tells_what_it_made(tmp_path: Path) -> None:
    out = tmp_path / "mine"
    words = ["render", "--out", out, "--members", 1, "--size", 24, "--jobs", 1]
    words += ["--categories", "eyeglasses, sunglasses", "--seed", 3]
    first = run(*words)
    assert first.exit_code == 0
    assert f"{out}: 2 occluders of 2 categories, seed 3" in first.stdout
    again = run(*words, "--json")
    facts = json.loads(again.stdout)
    assert facts["members"] == 2
    assert facts["categories"] == {"eyeglasses": 1, "sunglasses": 1}
    assert f"digest {facts['digest']}" in first.stdout
    assert "2 of 2 occluders" in first.stderr
    other = run(*words[:-1], 4)
    assert other.exit_code == 2
    assert other.stderr.startswith("Error: ")
    assert "holds another library; name a new folder" in other.stderr


def test_wrong_usage_is_one_line(tmp_path: Path) -> None:
    unknown = run("render", "--out", tmp_path / "new", "--categories", "hat")
    assert unknown.exit_code == 2
    assert unknown.stderr.count("\n") == 1
    assert "got 'hat'" in unknown.stderr
    (tmp_path / "file").write_text("")
    for out in (tmp_path / "file", tmp_path / "file" / "below"):
        result = run("render", "--out", out, "--members", 1, "--size", 16)
        assert result.exit_code in (1, 2)
        assert result.stderr.count("\n") == 1
        assert str(out) in result.stderr
    assert run("rendr").exit_code == 2


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """Folder of own occluders, two sound ones and a file that is no picture."""
    y, x = np.mgrid[:60, :50]
    inside = np.hypot((2 * x - 49) / 50, (2 * y - 59) / 60) < 1
    for name, shade in (("cup/a_40x48", (10, 90, 30)), ("hat/b", (200, 30, 90))):
        picture = np.dstack([np.full((60, 50, 3), shade), 255 * inside]).astype(np.uint8)
        (tmp_path / "own" / name).parent.mkdir(parents=True)
        Image.fromarray(picture).save(tmp_path / "own" / f"{name}.png")
    (tmp_path / "own" / "splits.json").write_text('{"test": ["hat"]}')
    return tmp_path / "own"


def test_list_says_what_a_library_holds(own: Path) -> None:
    plain = run("list")
    assert plain.exit_code == 0
    assert "9 categories; mean coverage 18." in plain.stdout
    mine = run("list", "--occluders", own, "--members")
    assert "  cup/a_40x48                            40 x 48  no anchors" in mine.stdout
    assert "split test: hat" in mine.stdout
    facts = json.loads(run("list", "--occluders", own, "--split", "test", "--json").stdout)
    assert facts["categories"] == {"hat": 1}
    assert facts["members"][0]["name"] == "hat/b"
    weighed = run("list", "--categories", "face_mask=3,hand")
    assert "drawn: face_mask 75.0%, hand 25.0%" in weighed.stdout
    assert "drawn:" not in plain.stdout
    group = json.loads(run("list", "--group", 3, "--exclude", "scarf", "--json").stdout)
    assert set(group["categories"]) == {"phone", "sunglasses"}


def test_check_fails_where_something_is_wrong(own: Path) -> None:
    good = run("check", "--occluders", own)
    assert (good.exit_code, good.stdout) == (0, "2 members: 0 wrong, 0 to note\n")
    (own / "hat" / "bad.png").write_bytes(b"")
    bad = run("check", "--occluders", own)
    assert bad.exit_code == 1
    assert bad.stdout.startswith("wrong unusable  hat/bad.png: ")
    assert bad.stdout.endswith("2 members: 1 wrong, 0 to note\n")
    report = json.loads(run("check", "--occluders", own, "--json").stdout)
    assert report["failed"] is True
    assert [finding["check"] for finding in report["findings"]] == ["unusable"]
    (own / "hat" / "bad.png").unlink()
    Image.new("RGB", (40, 40), (9, 9, 9)).save(own / "hat" / "flat.png")
    assert run("check", "--occluders", own).exit_code == 0
    assert run("check", "--occluders", own, "--strict").exit_code == 1


def test_preview_draws_a_sheet(own: Path, tmp_path: Path) -> None:
    out = tmp_path / "sheet.png"
    done = run("preview", "--occluders", own, "--out", out)
    assert (done.exit_code, done.stdout) == (0, f"2 occluders of 2 categories: {out}\n")
    assert out.read_bytes().startswith(b"\x89PNG")
    again = tmp_path / "again.png"
    for folder in (own, own / "cup"):
        (folder / "splits.json").unlink(missing_ok=True)
    result = CliRunner().invoke(main, ["preview", str(own), "--out", str(again)])
    assert result.stdout == f"2 occluders of 2 categories: {again}\n"  # told from faces by alpha
    assert run("preview", "--out", tmp_path / "a.jpg").exit_code == 2


@pytest.mark.parametrize("command", ["list", "preview", "check"])
def test_a_wrong_library_is_one_line(tmp_path: Path, command: str) -> None:
    for words in (["--occluders", tmp_path / "none"], ["--split", "x"], ["--include", "hut"]):
        failed = run(command, *words)
        assert failed.exit_code == 2
        assert failed.stderr.startswith("Error: ")
        assert failed.stderr.count("\n") == 1
