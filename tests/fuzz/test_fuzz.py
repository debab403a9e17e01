"""Every reader given hostile files: bounded time and memory, errors of ours, nothing run or moved.

``pytest -m long tests/fuzz`` runs thousands of trials; ``OCCGEN_FUZZ_TRIALS`` sets how many a
reader, ``OCCGEN_FUZZ_SEED`` which. A failure names reader and trial:
``python tests/fuzz/campaign.py --only READER --seed SEED --first TRIAL --trials 1`` repeats it.
"""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

HERE = Path(__file__).parent
GROUPS = ("readers_pictures", "readers_sets", "readers_streams", "readers_models")
A_FEW = {"readers_pictures": 8, "readers_sets": 2, "readers_streams": 8, "readers_models": 4}
SEED = int(os.environ.get("OCCGEN_FUZZ_SEED", "7"))
TRIALS = int(os.environ.get("OCCGEN_FUZZ_TRIALS", "1000"))


def program(name: str) -> ModuleType:
    """Return a program of this folder as a module."""
    spec = importlib.util.spec_from_file_location(f"fuzz_{name}", HERE / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
@pytest.mark.parametrize("group", GROUPS)
def test_hostile_files_end_in_a_result_or_an_error_of_ours(group: str, tmp_path: Path) -> None:
    """Run some trials of every reader of a group, in one process."""
    for need in ("pyarrow", "lmdb", "torch", "onnx"):
        pytest.importorskip(need)
    settings = {
        "OMP_NUM_THREADS": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "XDG_CACHE_HOME": str(tmp_path / "trial/cache"),
        "OCCGEN_CACHE": str(tmp_path / "trial/cache"),
    }
    arguments = [group, "all", str(SEED), "0", str(A_FEW[group]), str(tmp_path), "1000000"]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(HERE / "trial.py"), *arguments],
        env={**os.environ, **settings},
        cwd=HERE,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    at = (tmp_path / "at").read_text() if (tmp_path / "at").is_file() else "the start"
    results = {path.stem: json.loads(path.read_text()) for path in tmp_path.glob("*.json")}
    findings = [
        f"{name}: {each}" for name, result in results.items() for each in result["findings"]
    ]
    assert not findings
    assert done.returncode == 0, f"ended at {at} of {sorted(results)}: {done.stderr[-2000:]}"
    assert all(result["done"] == A_FEW[group] for result in results.values())
    assert sum(result["refused"] for result in results.values()) > len(results) // 2


@pytest.mark.long
@pytest.mark.parametrize("group", GROUPS)
def test_hostile_files_for_long(group: str) -> None:
    campaign = program("campaign")
    for name in campaign.names_of(group):
        outcome = campaign.attack(group, name, SEED, TRIALS)
        assert not outcome.findings, outcome.findings
        assert outcome.trials == TRIALS, outcome


def test_the_guard_sees_what_must_not_be(tmp_path: Path) -> None:
    """A reader that writes outside, runs a program, hangs or eats memory is found out."""
    (tmp_path / "bad.py").write_text(
        "import os, pickle, time\n"
        "from trial import Reader\n"
        "def make(root): (root / 'a').write_bytes(b'a')\n"
        "def read(root, changed):\n"
        "    if not changed: return\n"
        "    how = (root / 'a').read_bytes()\n"
        "    if how == b'write': open(root.parent.parent / 'new', 'w').close()\n"
        "    if how == b'canary': os.remove(root.parent / 'canary')\n"
        "    if how == b'run': os.system('true')\n"
        "    if how == b'pickle': pickle.loads(b'cos\\ngetcwd\\n.')\n"
        "    if how == b'memory': bytearray(1 << 32)\n"
        "    if how == b'foreign': raise KeyError('a')\n"
        "def crafted(valid):\n"
        "    for how in ('write', 'canary', 'run', 'pickle', 'memory', 'foreign', 'fine'):\n"
        "        yield {'a': how.encode()}\n"
        "READERS = [Reader('bad', make, read, crafted=crafted)]\n"
    )
    work = tmp_path / "work"
    work.mkdir()
    done = subprocess.run(
        [sys.executable, str(HERE / "trial.py"), "bad", "bad", "1", "0", "7", str(work), "1000"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    findings = json.loads((work / "bad.json").read_text())["findings"]
    assert {each["trial"] for each in findings} == set(range(6))
    words = ("open", "canary", "os.system", "pickle", "MemoryError", "KeyError")
    for each, word in zip(findings, words, strict=True):
        assert word in each["problem"], each
