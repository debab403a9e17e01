"""The code of the guides and of two more pages runs as it is printed."""

import os
import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from PIL import Image

import occluders
from occgen import BuildConfig, build, open_shards
from occgen.sources import open_source
from occgen.verification_bin import write_verification_bin

GUIDES = Path(__file__).parents[1] / "docs" / "guides"
FEW = 8  # faces of a set where a page makes more


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
        program, *arguments = shlex.split(re.sub(r"--limit \d+", f"--limit {FEW}", text))
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


@pytest.mark.slow
def test_placement_and_blending(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    demo = open_source("demo", "1x1@5")
    Path("face.jpg").write_bytes(demo.read(next(iter(demo.refs())).key))
    run_guide("placement-and-blending.md")
    assert Path("try.png").is_file()
    (made,) = Path().glob("*-Demo*")
    assert len(open_shards(made)) == FEW


@pytest.mark.slow
def test_own_occluders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for member in list(occluders.bundled())[::20]:
        folder = Path("my-occluders", member.category)
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(member.rgba).save(folder / f"{member.name.replace('/', '-')}_40x55.png")
    run_guide("own-occluders.md")
    assert Path("sheet.png").is_file()
    assert len(open_shards("Occ-Demo-2.0")) == FEW


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ResourceWarning")  # of the webdataset package
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_the_readme_and_the_page_of_formats(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets", reason="the extra 'test' brings it")
    pytest.importorskip("webdataset", reason="the extra 'test' brings it")
    load = partial(datasets.load_dataset, cache_dir=str(tmp_path / "cache"))
    monkeypatch.setattr(datasets, "load_dataset", load)
    monkeypatch.chdir(tmp_path)
    demo = open_source("demo", "4x1@5")
    write_verification_bin("lfw.bin", [demo.read(ref.key) for ref in demo.refs()], [True] * 2)
    blocks = [step for step in steps_of("../formats.md") if step[1] == "python"]
    of_form = {"hdf5": "h5py", "webdataset": "import webdataset", "parquet": "load_dataset"}
    of_form["folder"] = "read_verification_bin"
    assert len(blocks) == len(of_form)
    for form, word in of_form.items():
        config = BuildConfig(dataset="demo", root="4x3", out="Occ-LFW-2.0", shard_size=3)
        config = replace(config, format=form, shard_size=12 if form == "hdf5" else 3, jobs=1)
        build(replace(config, overwrite=True))
        names: dict[str, Any] = {}
        ((line, _, text),) = (step for step in blocks if word in step[2])
        exec(compile(text, f"formats.md:{line}", "exec"), names)
        if form == "hdf5":
            exec(compile(python_of("../../README.md"), "README.md", "exec"), names)
            assert names["jpeg"] == names["sample"].data
            assert names["mask"].any()
            assert (names["mask"] == names["sample"].mask).all()
            assert tuple(names["box"]) == names["sample"].box
