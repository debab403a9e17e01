"""`occgen occluders`: rendering a library."""

import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner
from occgen_cli.main import main


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
