"""What a trial is: a command run in a process of its own, ended at a moment, run again."""

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

SEED = int(os.environ.get("OCCGEN_FAULT_SEED", "9"))
LIMIT_S = float(os.environ.get("OCCGEN_FAULT_SECONDS", "inf"))


class Ended(NamedTuple):
    """How a run ended."""

    status: int
    """Exit code, or minus the signal that ended it."""
    seconds: float
    cpu_s: float
    """Of its own processor time, workers left out."""
    lost: bool
    """Whether a worker of it was killed."""
    acts: int | None
    """On files, as `nursery.py` counts them; None where it was killed."""
    said: str


class Nursery:
    """Runs commands in processes that begin with everything imported."""

    def __init__(self, folder: Path, *modules: str) -> None:
        self._log = folder / "said"
        self.measured: dict[str, tuple[Any, ...]] = {}
        """What whole runs gave, by the name of the case."""
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


def tree(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file below a folder."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def pages_in(folder: Path) -> int:
    """Return how many pages of 4 KB files and folders take."""
    return sum(-(-path.stat().st_size // 4096) for path in folder.rglob("*") if path.is_file())


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
    pages: int = 0
    """What the whole takes on a disk."""

    def run(self, out: Path, **how: Any) -> Ended:
        """Run it once."""
        return self.nursery.run(self.program, self.arguments(out), **how)

    def measure(self, out: Path) -> None:
        """Run it whole, twice: the second time tells how long it takes with all imported."""
        known = self.nursery.measured
        for _ in range(0 if self.name in known else 2):
            _clear(out)
            out.mkdir(parents=True)
            self.prepare(out)
            self.also |= tree(out)
            ended = self.run(out)
            assert ended.status == 0, ended.said
            assert ended.acts
            numbers = ended.seconds, ended.cpu_s, ended.acts, pages_in(out)
            known[self.name] = self.result(out), dict(self.also), *numbers
        self.whole, self.also, *numbers = known[self.name]
        self.seconds, self.cpu_s, self.acts, self.pages = numbers

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


def kill_at_each(case: Case, folder: Path, first: int, last: int) -> list[str]:
    """Kill a command before each of its first and last acts; return what was lost."""
    case.measure(folder / "whole")
    losses = []
    acts = [*range(1, first + 1), *range(case.acts - last + 1, case.acts + 1)]
    for act in acts:
        out = folder / f"killed-{act}"
        out.mkdir()
        case.prepare(out)
        assert case.run(out, kill_at_act=act).status == -9
        wrong = case.standing(out) or case.loss(out)
        if wrong:
            losses.append(f"{wrong} when killed at act {act} of {case.acts}")
    return losses


@dataclass
class Starved:
    """What became of runs whose writes began to fail."""

    trials: int = 0
    failed: int = 0
    """Runs that ended with an error; others were done with their writes by then."""
    losses: list[str] = field(default_factory=list)


def starve(
    case: Case,
    folder: Path,
    wanted: int,
    fault: Callable[[np.random.Generator, Path], tuple[dict[str, Any], Callable[[], object]]],
    seed: int = SEED,
) -> Starved:
    """Let the writes of a run fail from a random moment on, mend that, and run it to its end.

    Parameters
    ----------
    fault : callable
        Given a generator and the output, says how the command is run and how that is mended.
    """
    rng = np.random.default_rng([seed, *case.name.encode()])
    case.measure(folder / "whole")
    starved, ends = Starved(), time.monotonic() + LIMIT_S
    out = folder / "starved" / "out"
    while starved.trials < wanted and len(starved.losses) < 5 and time.monotonic() < ends:
        _clear(out)
        out.mkdir(parents=True)
        case.prepare(out)
        how, mend = fault(rng, out)
        ended = case.run(out, **how)
        starved.trials += 1
        starved.failed += ended.status != 0
        wrong = case.standing(out)
        if ended.status not in (0, 1, 2):
            wrong = f"it ends with {ended.status}"
        if ended.status and not is_one_error(ended.said):
            wrong = f"it says {ended.said[-400:]!r}"
        left = [name for name in tree(out) if ".tmp" in name or name.endswith(".lock")]
        if left:
            wrong = f"it leaves {', '.join(left)}"
        mend()
        wrong = wrong or case.loss(out)
        if wrong:
            starved.losses.append(f"{wrong} after {how}")
    return starved


def is_one_error(said: str) -> bool:
    """Whether a program ended with one line that names what is wrong, and no traceback."""
    lines = said.splitlines()
    errors = [line for line in lines if line.startswith("Error: ")]
    return len(errors) == 1 and "Traceback" not in said and "a bug of" not in errors[0]


def _clear(out: Path) -> None:
    subprocess.run(["rm", "-rf", str(out)], check=True)
