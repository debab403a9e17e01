"""from-paper: the smallest preset from training to page, resumed, and in two processes."""

import dataclasses
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from occgen_cli.from_paper import main

from frommodel.paper import presets
from frommodel.paper.config import PaperConfig
from frommodel.paper.experiments import EXPERIMENTS, training_config
from frommodel.paper.splits import PARTS

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def run(*arguments: str) -> Any:
    """Run the program here."""
    return CliRunner().invoke(main, list(arguments), prog_name="from-paper")


def test_help_has_one_sentence_an_example_and_a_row_in_the_readme() -> None:
    page = run("--help")
    assert page.exit_code == 0
    assert len((main.help or "").strip().splitlines()) == 1
    lines = page.stdout.splitlines()
    assert lines[-2].strip() == "Example:"
    known = {option for parameter in main.params for option in parameter.opts}
    assert all(word in known for word in lines[-1].split() if word.startswith("-"))
    assert re.search(r"^\| `from-paper` \| \S", README, re.M)


def test_a_dry_run_lists_runs_and_time_and_writes_nothing(tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = run("--preset", "demo", "--out", str(out), "--tables", "3,5", "--dry-run")
    assert result.exit_code == 0, result.stderr
    assert re.search(r"^about \d", result.stdout, re.M)
    assert "missing: mfr2" in result.stdout
    assert not out.exists()
    result = run("--out", str(out), "--tables", "3", "--dry-run", "--json")
    plan = json.loads(result.stdout)
    assert [entry["run"] for entry in plan["runs"]] == ["baseline", "from", "k3", "k4", "k6"]


@pytest.mark.parametrize(
    ("fast", "options", "expected"),
    [
        (True, [], "bfloat16"),
        (False, [], "float32"),
        (False, ["--precision", "bfloat16"], "bfloat16"),
        (True, ["--precision", "float32"], "float32"),
    ],
)
def test_bfloat16_is_taken_where_the_processor_has_it(
    fast: bool, options: list[str], expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("frommodel.paper.config.trains_in_bfloat16", lambda: fast)
    small = dataclasses.replace(presets.PRESETS["tiny"], training={"precision": "bfloat16"})
    monkeypatch.setitem(presets.PRESETS, "tiny", small)
    config = PaperConfig(preset="tiny", out="x", precision=options[-1] if options else None)
    for name in ("baseline", "from"):
        assert training_config(EXPERIMENTS[name], config.sizes, 1).precision == expected
    common = ("--preset", "tiny", "--tables", "2", "--out", str(tmp_path / "out"), "--dry-run")
    plan = json.loads(run(*common, *options, "--json").stdout)
    assert plan["precision"] == expected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--tables", "12"], "table must be one of"),
        (["--runs", "other", "--tables", "5"], "run must be one of"),
        (["--preset", "real"], "preset real needs --root"),
        (["--preset", "full"], "finds none of webface, lfw, mf1"),
    ],
)
def test_wrong_questions_are_one_line(
    tmp_path: Path, options: list[str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OCCGEN_DATA", raising=False)
    result = run("--out", str(tmp_path / "out"), *options, "--dry-run")
    assert result.exit_code == 2
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_wrong_inputs_leave_no_output_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OCCGEN_DATA", raising=False)
    empty, out = tmp_path / "empty", tmp_path / "out"
    empty.mkdir()
    for options, message in (
        (["--preset", "real", "--root", str(empty)], "folds.csv does not exist"),
        (["--preset", "full", "--root", str(empty)], "finds none of webface, lfw, mf1"),
        (["--preset", "tiny", "--cutouts", str(empty)], "holds no cut-outs"),
    ):
        result = run("--out", str(out), *options)
        assert result.exit_code == 2, result.stderr
        assert message in result.stderr
        assert not out.exists()


@pytest.mark.slow
def test_from_training_to_page_and_nothing_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OCCGEN_DATA", raising=False)
    out = tmp_path / "out"
    options = ["--preset", "tiny", "--out", str(out), "--tables", "1,4"]
    result = run(*options, "--runs", "baseline,from", "--json")
    assert result.exit_code == 0, result.stderr
    record = json.loads(result.stdout)
    sizes = record["tables"][0]["rows"][0]["cells"]["parameters, M"]
    assert sizes["mean"] == pytest.approx(sizes["published"], rel=0.01)
    cells = record["tables"][1]["rows"][2]["cells"]
    assert 0 <= cells["LFW"]["mean"] <= 100
    assert cells["MF1"]["published"] == 75.27
    assert record["tables"][1]["rows"][1]["cells"]["LFW"]["reason"] == "not trained"
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "<svg" in page or "data:image/svg+xml" in page
    assert "http" not in re.sub(r"data:image/[^']*", "", page)
    for name in ("tables.md", "tables.csv", "results.json"):
        assert (out / name).stat().st_size > 100
    trained = {p: p.stat().st_mtime_ns for p in (out / "runs").glob("*/*.safetensors")}
    tested = {p: p.stat().st_mtime_ns for p in (out / "tests").glob("*/*.json")}
    assert trained
    assert tested
    next(iter(tested)).unlink()  # an interruption before a test was written
    planned = run(*options, "--runs", "baseline,from,baseline-md", "--dry-run", "--json")
    standing = {r["run"]: r for r in json.loads(planned.stdout)["runs"]}
    assert [standing[n]["finished"] for n in ("baseline", "from", "baseline-md")] == [1, 1, 0]
    assert [standing[n]["conditions"] for n in ("baseline", "from")] == [0, 1]
    stale = out / "figures" / "fig-12-unseen.svg"
    stale.write_text("of an earlier call with other runs")
    again = run(*options, "--runs", "baseline,from,baseline-md", "--parallel", "2", "--json")
    assert again.exit_code == 0, again.stderr
    assert not stale.exists()
    for path, time in {**trained, **dict(list(tested.items())[1:])}.items():
        assert path.stat().st_mtime_ns == time
    assert next(iter(tested)).is_file()
    cells_again = json.loads(again.stdout)["tables"][1]["rows"]
    assert cells_again[2]["cells"] == record["tables"][1]["rows"][2]["cells"]
    assert cells_again[0]["cells"]["LFW"]["mean"] is not None
    assert not list((out / "runs").glob("from-s*/state.pt"))
    other = run("--preset", "demo", "--out", str(out), "--tables", "1")
    assert other.exit_code == 2
    assert "another preset" in other.stderr
    (out / "data" / "about.json").write_text("{")
    damaged = run(*options)
    assert (damaged.exit_code, "about.json tells of" in damaged.stderr) == (2, True)
    assert run(*options, "--dry-run").exit_code == 0


@pytest.mark.slow
def test_crops_at_a_root_are_linked_split_and_tested_with_cutouts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OCCGEN_DATA", raising=False)
    drawn = tmp_path / "drawn"
    assert run("--preset", "tiny", "--out", str(drawn), "--tables", "1").exit_code == 0
    root = tmp_path / "faces"
    folds = ["identity,fold,images"]
    for part, fold in zip(PARTS, (1, 6, 7), strict=True):
        for person in sorted(path for path in (drawn / "data" / part).iterdir() if path.is_dir()):
            shutil.copytree(person, root / "lfw" / person.name)
            folds.append(f"{person.name},{fold},1")
    (root / "lfw" / "folds.csv").write_text("\n".join(folds) + "\n")
    small = dataclasses.replace(presets.PRESETS["tiny"], name="real", people=None)
    monkeypatch.setitem(presets.PRESETS, "real", small)
    cutouts = drawn / "libraries" / "rectangles"
    out = tmp_path / "out"
    options = ["--preset", "real", "--root", str(root), "--cutouts", str(cutouts)]
    options += ["--out", str(out), "--tables", "blend", "--runs", "from", "--json"]
    result = run(*options)
    assert result.exit_code == 0, result.stderr
    record = json.loads(result.stdout)
    assert "Nobody is in two parts" in record["data"]
    assert any("CelebA" in text for text in record["missing"])
    cells = record["tables"][0]["rows"][1]["cells"]
    assert cells["real, held"]["mean"] is not None
    assert cells["real, worn"]["reason"] == "no data"
    links = list((out / "data" / "test").iterdir())
    assert sum(link.is_symlink() for link in links) == 12
