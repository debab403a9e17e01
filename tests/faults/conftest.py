"""Commands run to be killed: what a run is, when it ends, and what must stand afterwards.

The short form runs with every other test. The long form takes most of an hour on a busy core:

    pytest -m long tests/faults

`OCCGEN_FAULT_SEED` (default 9) draws other moments; `OCCGEN_FAULT_SECONDS` ends each test after so
long, with the trials it has had; `OCCGEN_FAULT_LOG` names a file that gets one line of JSON a test.
Each test prints its counts at the end of the run.
"""

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

SEED = int(os.environ.get("OCCGEN_FAULT_SEED", "9"))
LIMIT_S = float(os.environ.get("OCCGEN_FAULT_SECONDS", "inf"))
_COUNTS = pytest.StashKey[list[dict[str, Any]]]()


class Ended(NamedTuple):
    """How a run ended."""

    status: int
    """Exit code, or minus the signal that ended it."""
    seconds: float
    cpu_s: float
    """Of its own processor time, workers left out."""
    acts: int | None
    """On files, as `nursery.py` counts them; None where it was killed."""
    said: str


class Nursery:
    """Runs commands in processes that begin with everything imported."""

    def __init__(self, folder: Path, *modules: str) -> None:
        self._log = folder / "said"
        here = Path(__file__).parent
        self._process = subprocess.Popen(
            [sys.executable, str(here / "nursery.py"), *modules],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        )
        assert self._answer() == "ready"

    def run(self, program: str, arguments: list[object], **how: Any) -> Ended:
        """Run a program; `how` says when it is killed or begins to fail."""
        self._log.unlink(missing_ok=True)
        order = {"program": program, "args": [str(a) for a in arguments], "log": str(self._log)}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order | how) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._answer())
        said = self._log.read_text(errors="replace") if self._log.exists() else ""
        return Ended(**answer, said=said)

    def close(self) -> None:
        """End it; it has no children left."""
        self._process.communicate()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


@pytest.fixture(scope="session")
def make_case() -> type["Case"]:
    """Makes a case."""
    return Case


@pytest.fixture(scope="session")
def kill() -> Callable[..., "Kills"]:
    """Function that kills a case again and again."""
    return kill_again_and_again


@pytest.fixture(scope="session")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    """Runs commands of `occgen`."""
    made = Nursery(tmp_path_factory.mktemp("nursery"), "occgen_cli.main", "occgen.engine")
    yield made
    made.close()


@pytest.fixture(scope="session")
def train_nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    """Runs commands that need torch."""
    pytest.importorskip("torch")
    made = Nursery(tmp_path_factory.mktemp("nursery"), "small_run", "occgen_cli.from_train")
    yield made
    made.close()


def tree(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file below a folder."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def is_hidden(name: str) -> bool:
    """Whether a name is one a run writes to before it has the final one."""
    return any(part.startswith(".") for part in name.split("/"))


@dataclass
class Case:
    """A command, run again and again with the same arguments until it is done."""

    name: str
    nursery: Nursery
    program: str
    arguments: Callable[[Path], list[object]]
    prepare: Callable[[Path], object] = lambda out: None
    """Puts there what the command finds."""
    also: dict[str, str] = field(default_factory=dict)
    """SHA-256 of files that stand for a while and are gone in the end, by name."""
    result: Callable[[Path], dict[str, Any]] = tree
    """What must be equal in the end, by name."""
    wrong_file: Callable[[Path], str | None] | None = None
    """What is wrong with a file under a final name; None where its bytes must be known."""
    whole: dict[str, Any] = field(default_factory=dict)
    moments: tuple[str, str] = ("kill_after_cpu_s", "kill_at_act")
    """By which it is killed; with workers the time that counts is not its own."""
    seconds: float = 0.0
    cpu_s: float = 0.0
    acts: int = 0

    def run(self, out: Path, **how: Any) -> Ended:
        """Run it once."""
        return self.nursery.run(self.program, self.arguments(out), **how)

    def measure(self, out: Path) -> None:
        """Run it whole, twice: the second time tells how long it takes with all imported."""
        for _ in range(2):
            _clear(out)
            out.mkdir(parents=True)
            self.prepare(out)
            self.also |= tree(out)
            ended = self.run(out)
            assert ended.status == 0, ended.said
            assert ended.acts
            self.whole = self.result(out)
            self.seconds, self.cpu_s, self.acts = ended.seconds, ended.cpu_s, ended.acts

    def moment(self, rng: np.random.Generator) -> dict[str, Any]:
        """Draw when a run is killed: anywhere in it, from its start to its last act."""
        name = self.moments[int(rng.integers(2))]
        if name == "kill_at_act":
            return {name: int(rng.integers(1, self.acts + 1))}
        return {name: rng.uniform(0, self.cpu_s if name == "kill_after_cpu_s" else self.seconds)}

    def standing(self, out: Path) -> str | None:
        """Return what is wrong with the files under final names while it is undone, or None."""
        for name, digest in tree(out).items():
            if is_hidden(name):
                continue
            if self.wrong_file is not None:
                wrong = self.wrong_file(out / name)
            else:
                is_known = digest in (self.whole.get(name), self.also.get(name))
                wrong = None if is_known else "other bytes than before or after"
            if wrong:
                return f"{name} is half-written: {wrong}"
        return None

    def loss(self, out: Path) -> str | None:
        """Run it to its end; return what is lost or left over, or None."""
        ended = self.run(out)
        if ended.status:
            return f"it ends with {ended.status}: {ended.said[-400:]}"
        found = self.result(out)
        if found != self.whole:
            names = sorted(n for n in found | self.whole if found.get(n) != self.whole.get(n))
            return f"other than without an interruption: {', '.join(names[:6])}"
        return None


@dataclass
class Kills:
    """What became of the trials of one case."""

    by_clock: int = 0
    by_act: int = 0
    chains: int = 0
    losses: list[str] = field(default_factory=list)


def kill_again_and_again(case: Case, folder: Path, wanted: int, seed: int = SEED) -> Kills:
    """Kill a command's process group at random moments until `wanted` kills have hit.

    A chain is one output: the command is killed, run again on what is left, killed in that run
    too, up to five times, and then run to its end. Kills that come after the end do not count.
    """
    rng = np.random.default_rng([seed, *case.name.encode()])
    case.measure(folder / "whole")
    kills, ends = Kills(), time.monotonic() + LIMIT_S
    out = folder / "killed" / "out"
    while kills.by_clock + kills.by_act < wanted and len(kills.losses) < 5:
        if kills.chains and time.monotonic() > ends:
            break
        _clear(out)
        out.mkdir(parents=True)
        case.prepare(out)
        kills.chains += 1
        moments, wrong = [], None
        for _ in range(int(rng.integers(1, 6))):
            how = case.moment(rng)
            ended = case.run(out, **how)
            if ended.status == 0:
                break
            moments.append(how)
            if ended.status != -9:
                wrong = f"it ends with {ended.status}: {ended.said[-400:]}"
                break
            kills.by_clock += "kill_at_act" not in how
            kills.by_act += "kill_at_act" in how
            wrong = case.standing(out)
            if wrong or kills.by_clock + kills.by_act == wanted:
                break
        wrong = wrong or case.loss(out)
        if wrong:
            kills.losses.append(f"{wrong} after {moments}")
    return kills


def _clear(out: Path) -> None:
    subprocess.run(["rm", "-rf", str(out)], check=True)


@pytest.fixture
def count(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Function that keeps counts of a test, to print at the end and to log."""

    def keep(name: str, **counts: Any) -> None:
        record = {"what": name, "seed": SEED, **counts}
        request.config.stash.setdefault(_COUNTS, []).append(record)
        if log := os.environ.get("OCCGEN_FAULT_LOG"):
            with open(log, "a", encoding="utf-8") as file:
                file.write(json.dumps(record) + "\n")

    return keep


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Print the counts."""
    for record in config.stash.get(_COUNTS, []):
        terminalreporter.write_line(", ".join(f"{k} {v}" for k, v in record.items()))
