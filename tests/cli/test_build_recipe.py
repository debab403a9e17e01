"""`occgen build --dry-run`, `--recipe-only` and `--recipe`."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from occgen_cli.main import main

FEW = ("--categories", "cup", "--jobs", "1")  # few occluders to decode


def run(*arguments: object) -> Any:
    """Run the command here; no traceback may be shown."""
    result = CliRunner().invoke(main, ["build", *map(str, arguments)])
    assert "Traceback" not in result.stderr
    return result


def error(result: Any) -> str:
    """Return the one error line."""
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    return line


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run each test in an empty folder."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")


@pytest.fixture
def base(face_tree: Path) -> tuple[object, ...]:
    """Options of a set of 18 faces."""
    return ("--dataset", "folder", "--root", face_tree, "--scale", "2.0", *FEW)


def test_a_dry_run_writes_nothing(base: tuple[object, ...], face_tree: Path) -> None:
    (face_tree / "person1" / "bad.jpg").write_bytes(b"")
    result = run(*base, "--dry-run")
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[0] == (
        "Occ-Folder-2.0 would hold 19 images of 6 identities, 112 x 112 (height x width), in 1 "
        "shard"
    )
    assert lines[1].startswith("about 0.1 MB, ")
    assert lines[1].endswith(" s with --jobs 1")
    assert lines[2].startswith("would be left out: person1/bad.jpg: empty file")
    assert lines[3].startswith("1 of 19 is more than --max-skipped 0.01 allows")
    assert lines[4].endswith("nothing was written")
    assert os.listdir() == []
    record = json.loads(run(*base, "--dry-run", "--json").stdout)
    assert (record["images"], record["identities"], record["shards"]) == (19, 6, 1)
    assert record["bytes"] > 0
    assert record["seconds"] > 0
    assert os.listdir() == []
    assert run(*base, "--max-skipped", "0.1").exit_code == 0
    allowed = run(*base, "--max-skipped", "0.1", "--dry-run")
    assert "holds a finished set already" in allowed.stdout
    refused = run(*base, "--dry-run")
    assert refused.exit_code == 1
    assert "complete but for 1 of 19 pictures" in refused.stderr


def test_a_set_is_remade_from_its_recipe_bit_for_bit(
    base: tuple[object, ...], face_tree: Path, tmp_path: Path
) -> None:
    assert run(*base).exit_code == 0
    result = run(*base, "--recipe-only")
    assert result.exit_code == 0, result.stderr
    size = os.path.getsize("Occ-Folder-2.0.recipe")
    lines = result.stdout.splitlines()
    assert lines[0].startswith(f"Occ-Folder-2.0.recipe: recipe of 18 images, {size / 1e3:.1f} kB")
    assert lines[2] == "remake it: occgen build --recipe Occ-Folder-2.0.recipe --root DIR"
    copy = shutil.copytree(face_tree, tmp_path / "own")
    again = run(
        *("--recipe", "Occ-Folder-2.0.recipe", "--root", copy, "--out", "again", "--jobs", 1)
    )
    assert again.exit_code == 0, again.stderr
    for name in ("shard-00000.h5",):
        assert Path("again", name).read_bytes() == Path("Occ-Folder-2.0", name).read_bytes()
    digests = {
        json.loads(Path(d, "manifest.json").read_bytes())["digest"]
        for d in os.listdir()
        if Path(d).is_dir()
    }
    assert digests == {lines[1].removeprefix("digest ")}


def test_json_says_how_small_it_is(base: tuple[object, ...]) -> None:
    record = json.loads(run(*base, "--recipe-only", "--json").stdout)
    assert record["recipe"] == "Occ-Folder-2.0.recipe"
    assert record["bytes"] == os.path.getsize("Occ-Folder-2.0.recipe")
    assert (record["images"], record["skipped"]) == (18, 0)


def test_pictures_that_differ_are_named(base: tuple[object, ...], face_tree: Path) -> None:
    assert run(*base, "--recipe-only").exit_code == 0
    shutil.copy(face_tree / "person1/0.jpg", face_tree / "person2/1.jpg")
    (face_tree / "person5/2.jpg").unlink()
    result = run("--recipe", "Occ-Folder-2.0.recipe", "--root", face_tree, "--jobs", 1)
    assert result.exit_code == 1
    line = error(result)
    assert "2 of the 18 pictures of Occ-Folder-2.0.recipe are not in" in line
    assert "1 differ, 1 are missing (person2/1.jpg: differs, person5/2.jpg: missing)" in line
    assert sorted(os.listdir()) == ["Occ-Folder-2.0.differing.csv", "Occ-Folder-2.0.recipe"]
    text = Path("Occ-Folder-2.0.differing.csv").read_text(encoding="utf-8")
    assert text == "key,reason\nperson2/1.jpg,differs\nperson5/2.jpg,missing\n"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--recipe", "none"], "Invalid value for '--recipe': File 'none' does not exist"),
        (["--recipe", "mine"], "mine is no recipe of occgen; --recipe-only writes one"),
        (["--recipe", "mine", "--scale", "2.0"], "--scale cannot be given with --recipe"),
        (["--recipe", "mine", "--strict"], "--strict cannot be given with --recipe"),
        (["--recipe", "mine", "--dry-run"], "only one of --dry-run, --recipe-only and --recipe"),
        (["--dataset", "demo", "--dry-run", "--recipe-only"], "only one of --dry-run"),
    ],
)
def test_wrong_usage_is_told(options: list[str], message: str) -> None:
    Path("mine").write_text("mine")
    result = run(*options)
    assert result.exit_code == 2, result.stderr
    assert message in error(result)
    assert os.listdir() == ["mine"]
