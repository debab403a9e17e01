"""What is built for distribution holds the four packages, all of them, and works where it lands."""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = {"occluders": "occluders", "occgen": "occgen", "frommodel": "frommodel"}
PACKAGES |= {"cli": "occgen_cli"}
LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.egg-info", ".*")

pytestmark = pytest.mark.slow


def ran(*command: str, **options: Any) -> str:
    """Return what a program prints, once it has succeeded."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, **options)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a source distribution and of the wheel made from it."""
    pytest.importorskip("build", reason="the extra 'test' brings it")
    pytest.importorskip("setuptools", "77", reason="the build backend")
    place = tmp_path_factory.mktemp("dist")
    tree = place / "tree"
    for folder in (*PACKAGES, "tests"):
        shutil.copytree(ROOT / folder, tree / folder, ignore=LEFT_OUT)
    for path in ROOT.iterdir():
        if path.is_file() and path.name != ".git":
            shutil.copy(path, tree)
    ran(sys.executable, "-m", "build", "--no-isolation", "--outdir", str(place), str(tree))
    return place


@pytest.fixture(scope="module")
def wheel(dist: Path) -> Path:
    """The wheel, which knows no system and no version of Python."""
    (path,) = dist.glob("occgen-*-py3-none-any.whl")
    return path


def test_the_wheel_holds_every_file_of_the_packages_and_nothing_else(wheel: Path) -> None:
    wanted = {}
    for folder, package in PACKAGES.items():
        for path in (ROOT / folder).rglob("*"):
            if path.is_file() and path.parent.name != "__pycache__":
                name = f"{package}/{path.relative_to(ROOT / folder).as_posix()}"
                wanted[name] = path.read_bytes()
    with zipfile.ZipFile(wheel) as file:
        names = [name for name in file.namelist() if ".dist-info/" not in name]
        assert sorted(names) == sorted(wanted)
        for name in names:
            assert file.read(name) == wanted[name], name
    assert {"occluders/assets/index.json", "frommodel/report.css"} <= set(names)
    assert {"frommodel/weights/demo.safetensors", "frommodel/paper/published.json"} <= set(names)


def test_the_source_distribution_brings_its_papers_and_no_tests(dist: Path) -> None:
    (path,) = dist.glob("occgen-*.tar.gz")
    with tarfile.open(path) as file:
        names = {name.partition("/")[2] for name in file.getnames()}
    assert {"README.md", "LICENSE", "CHANGELOG.md", "CITATION.cff", "constraints.txt"} <= names
    assert not [name for name in names if name.startswith(("tests/", "docs/", "benchmarks/"))]


def test_the_installed_wheel_makes_a_set(wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps"]
    ran(*pip, "--target", str(site), str(wheel))
    there: dict[str, Any] = {"env": {**os.environ, "PYTHONPATH": str(site)}, "cwd": tmp_path}
    code = (
        "import occgen, occgen_cli, frommodel, occluders as o; print(occgen.__file__, o.__file__)"
    )
    assert ran(sys.executable, "-c", code, **there).count(str(site)) == 2
    options = ["--dataset", "demo", "--limit", "6", "--jobs", "1", "--out", "made"]
    occgen = str(site / "bin" / "occgen")
    assert "6 images" in ran(occgen, "build", *options, **there)
    ran(occgen, "verify", "made", **there)
    for program in sorted(path.name for path in (site / "bin").iterdir()):
        assert "Usage:" in ran(str(site / "bin" / program), "--help", **there)
