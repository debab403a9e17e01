"""The code of the guides runs as it is printed."""

import os
import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from occgen import BuildConfig, build
from occgen.sources import open_source
from occgen.verification_bin import write_verification_bin

GUIDES = Path(__file__).parents[1] / "docs" / "guides"
PAGES = sorted([*GUIDES.glob("*.md"), *GUIDES.parent.glob("*.md")])


def python_of(name: str) -> str:
    """Return the Python blocks of a guide as one program, at the lines they have in it."""
    inside, lines = False, []
    for line in (GUIDES / name).read_text(encoding="utf-8").splitlines():
        if line.startswith("```"):
            inside = line == "```python"
            line = ""
        lines.append(line if inside else "")
    return "\n".join(lines)


def steps_of(name: str) -> Iterator[tuple[int, str, str]]:
    """Yield line, language and text of a guide's blocks, commands one by one."""
    language, first, lines = "", 0, []
    for number, line in enumerate((GUIDES / name).read_text(encoding="utf-8").splitlines(), 1):
        if not line.startswith("```"):
            lines.append(line)
        elif not language:
            language, first, lines = line[3:], number, []
        else:
            if language == "console":
                commands = [line[2:] for line in lines if line.startswith("$ ")]
                yield from ((first, language, command) for command in commands)
            elif language == "python":
                yield first, language, "\n" * first + "\n".join(lines)
            language = ""


def run_guide(name: str) -> dict[str, Any]:
    """Run the commands and the Python of a guide in order; return the names it leaves."""
    from occgen_cli.from_eval import main as from_eval
    from occgen_cli.main import main as occgen

    programs = {"occgen": occgen, "from-eval": from_eval}
    names: dict[str, Any] = {"__name__": "guide"}
    for line, language, text in steps_of(name):
        if language == "python":
            exec(compile(text, str(GUIDES / name), "exec"), names)
            continue
        if "models/other.onnx" in text:
            shutil.copy("models/my.onnx", "models/other.onnx")
        program, *arguments = shlex.split(text)
        done = CliRunner().invoke(programs[program], arguments)
        assert done.exit_code == 0, f"{name}:{line}: {text}\n{done.stderr}"
    return names


@pytest.mark.slow
def test_an_insightface_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    clean: dict[str, Any] = {"clean_fraction": 1.0, "blend": "opaque", "jobs": 1}
    build(BuildConfig(dataset="demo", root="8x2", out="faces_emore", format="rec", **clean))
    for path in Path("faces_emore").iterdir():  # as InsightFace hands it out
        if path.name == "manifest.json":
            path.unlink()
        elif path.is_dir():
            shutil.rmtree(path)
    demo = open_source("demo", "4x2@5")
    write_verification_bin("lfw.bin", [demo.read(ref.key) for ref in demo.refs()], [True] * 4)
    run_guide("insightface-rec.md")
    assert sum(1 for _ in open_source("bin", "lfw_occ.bin").refs()) == 8


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_an_own_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxscript", reason="the extra 'export' brings it")
    monkeypatch.chdir(tmp_path)
    demo = open_source("demo", "20x2@5")
    for ref in demo.refs():
        path = Path("my-faces", ref.key)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(demo.read(ref.key))
    names = run_guide("own-model.md")
    assert Path("report.html").is_file()
    assert len(names["evaluation"].results) == 3


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="its loader needs fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_the_training_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("albumentations", reason="the extra 'augment' brings it")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(os.environ, "NO_ALBUMENTATIONS_UPDATE", "1")
    text = python_of("training-loop.md")
    assert text.count("RandomOcclusion") > 5
    exec(compile(text, str(GUIDES / "training-loop.md"), "exec"), {"__name__": "guide"})


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_between_guides_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8")):
        assert (path.parent / target).is_file(), target
