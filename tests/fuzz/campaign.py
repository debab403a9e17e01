"""Attacks on all readers, each in processes of its own; a table of what came of them.

    python tests/fuzz/campaign.py --trials 1000 [--seconds 60] [--seed 1] [--only NAME] [--jobs 1]

A process that dies or hangs is a finding too; the next one goes on behind the trial that did it.
"""

import argparse
import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["GROUPS", "Outcome", "attack", "names_of"]

HERE = Path(__file__).parent
GROUPS = ("readers_pictures", "readers_sets", "readers_streams", "readers_models")
_MOST_DEATHS = 20


class Outcome(NamedTuple):
    """What came of the trials of one reader."""

    reader: str
    trials: int
    crafted: int
    refused: int
    seconds: float
    """Of the processor."""
    peak_mb: int
    findings: list[str]


def names_of(group: str) -> list[str]:
    """Return the names of a group's readers."""
    if str(HERE) not in sys.path:
        sys.path.insert(0, str(HERE))
    return [reader.name for reader in importlib.import_module(group).READERS]


def attack(
    group: str, name: str, seed: int, trials: int, seconds: float = 1e9, first: int = 0
) -> Outcome:
    """Run trials of a reader until they are done or the time is over."""
    done = refused = crafted = peak = deaths = 0
    spent = 0.0
    findings: list[str] = []
    with tempfile.TemporaryDirectory(prefix="occgen-fuzz-") as folder:
        end = first + trials
        began = time.monotonic()
        while first < end and deaths < _MOST_DEATHS and time.monotonic() - began < seconds:
            left = seconds - (time.monotonic() - began)
            before = os.times()
            code, text = _process(group, name, seed, first, end - first, folder, left)
            after = os.times()
            spent += after.children_user - before.children_user
            spent += after.children_system - before.children_system
            result = _result(Path(folder))
            refused += result.get("refused", 0)
            crafted = max(crafted, result.get("crafted", 0))
            peak = max(peak, result.get("peak_mb", 0))
            findings += [f"trial {f['trial']}: {f['problem']}" for f in result.get("findings", ())]
            at = int((Path(folder) / "at").read_text() or first) if result or code < 0 else first
            done += (at - first) + 1
            if code == 0:
                break
            deaths += 1
            how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
            findings.append(f"trial {at}: the process ended with {how}: {text.strip()[-200:]}")
            first = at + 1
    return Outcome(name, done, crafted, refused, spent, peak, findings)


def _process(
    group: str, name: str, seed: int, first: int, count: int, folder: str, seconds: float
) -> tuple[int, str]:
    for leftover in Path(folder).glob("*.json"):
        leftover.unlink()
    (Path(folder) / "at").write_text(str(first))
    settings = {
        "OMP_NUM_THREADS": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "XDG_CACHE_HOME": f"{folder}/trial/cache",
        "OCCGEN_CACHE": f"{folder}/trial/cache",
    }
    arguments = [group, name, *map(str, (seed, first, count)), folder, f"{seconds:.0f}"]
    with open(Path(folder) / "log", "w+", encoding="utf-8", errors="replace") as log:
        process = subprocess.run(
            [sys.executable, "-W", "ignore", str(HERE / "trial.py"), *arguments],
            env={**os.environ, **settings},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=HERE,
            check=False,
        )
        log.seek(0)
        return process.returncode, log.read()


def _result(folder: Path) -> dict[str, Any]:
    for path in folder.glob("*.json"):
        found: dict[str, Any] = json.loads(path.read_text())
        return found
    return {}


def main() -> None:
    """Attack every reader and print a row of a table for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=1e9, help="by the clock, of each reader")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--only", default="")
    parser.add_argument("--jobs", type=int, default=1)
    options = parser.parse_args()
    work = [
        (g, n) for g in GROUPS for n in names_of(g) if options.only.lower() in f"{g} {n}".lower()
    ]
    with ThreadPoolExecutor(options.jobs) as pool:
        outcomes = [
            pool.submit(
                attack, group, name, options.seed, options.trials, options.seconds, options.first
            )
            for group, name in work
        ]
        print("| reader | trials | by hand | refused | CPU s | peak MB | findings |", flush=True)
        print("| --- | --- | --- | --- | --- | --- | --- |")
        for future in outcomes:
            one = future.result()
            print(
                f"| {one.reader} | {one.trials} | {one.crafted} | {one.refused} | "
                f"{one.seconds:.0f} | {one.peak_mb} | {len(one.findings)} |",
                flush=True,
            )
            for finding in one.findings[:30]:
                print("   ", finding[:300].replace("\n", " "), file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
