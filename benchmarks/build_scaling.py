"""What two worker processes gain, what the parent spends, and memory at 5,000 and 50,000 images.

    OMP_NUM_THREADS=1 python benchmarks/build_scaling.py --root ../shared/data/faces/lfw

The pictures are linked again and again until there are as many as asked for. The gain of two
builds is divided by what two processes of the bare floor gain in the same round: a machine whose
two cores share something gives neither twice the rate. What is written goes below ``$TMPDIR``: on a
disk, one process waits for it longer than two, and a build for what the floor before it wrote.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from multiprocessing import get_context
from pathlib import Path

from build_rate import floor

from occgen.config import BuildConfig
from occgen.engine import build
from occgen.sources.folder import FolderSource

OCCGEN = "import sys; from occgen_cli.main import main; main(sys.argv[1:])"


def linked(root: Path, keys: list[str], count: int, out: Path, each: int | None = None) -> Path:
    """Return a folder of `count` pictures, links to those of another; `each` in one folder.

    Where ``landmarks.csv`` lies beside the pictures, one with a row for each link is written.
    """
    points, table = {}, root / "landmarks.csv"
    if table.is_file():
        header, *lines = table.read_text().splitlines()
        points = dict(line.split(",", 1) for line in lines)
    rows = {}
    for number in range(count):
        again, place = divmod(number, len(keys))
        person, _, name = keys[place].rpartition("/")
        folder = out / f"{person or 'nobody'}-{again}"
        if each is not None:
            folder, name = out / f"{number // each:07d}", f"{number % each:04d}.jpg"
        folder.mkdir(parents=True, exist_ok=True)
        os.symlink((root / keys[place]).resolve(), folder / name)
        if keys[place] in points:
            rows[(folder / name).relative_to(out).as_posix()] = points[keys[place]]
    if rows:
        order = (ref.key for ref in FolderSource(out).refs() if ref.key in rows)
        text = "\n".join([header, *(f"{key},{rows[key]}" for key in order)])
        (out / "landmarks.csv").write_text(text + "\n")
    return out


def floors(root: Path, keys: list[str], folder: Path, processes: int) -> float:
    """Return seconds that floor processes take, each with its share of the pictures."""
    context = get_context("fork")
    parts = [keys[number::processes] for number in range(processes)]
    began = time.perf_counter()
    running = [
        context.Process(target=floor, args=(root, part, folder / f"floor-{number}"))
        for number, part in enumerate(parts)
    ]
    for process in running:
        process.start()
    for process in running:
        process.join()
    elapsed = time.perf_counter() - began
    for number in range(processes):
        (folder / f"floor-{number}").unlink()
    return elapsed


def built(root: Path, out: Path, jobs: int) -> tuple[float, float]:
    """Return seconds a build takes, and seconds of processor time of this process alone."""
    config = BuildConfig(dataset="folder", root=str(root), out=str(out), scale=2.0, jobs=jobs)
    began, used = time.perf_counter(), time.process_time()
    build(config)
    elapsed, spent = time.perf_counter() - began, time.process_time() - used
    shutil.rmtree(out)
    return elapsed, spent


def peaks(arguments: list[str]) -> tuple[float, float]:
    """Return the peak memory in MB of a command's own process, and of the largest below it."""
    process = subprocess.Popen(
        [sys.executable, "-c", OCCGEN, *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    own = below = 0.0
    while process.poll() is None:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        try:
            own = max(own, peak_of(process.pid))
            below = max([below, *(peak_of(int(pid)) for pid in children.read_text().split())])
        except OSError:
            pass
        time.sleep(0.1)
    if process.returncode != 0:
        raise SystemExit(f"occgen {' '.join(arguments)} ended with {process.returncode}")
    return own, below


def peak_of(pid: int) -> float:
    """Return the peak of a process's private and shared memory, in MB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0.0


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--images", type=int, default=250_000, help="for the gain")
    parser.add_argument("--each", type=int, help="pictures in one folder  [default: as at --root]")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--only", choices=["gain", "memory"])
    options = parser.parse_args()
    keys = [ref.key for ref in FolderSource(options.root).refs()]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if options.only != "gain":
            print("| images | parent, MB | largest worker, MB |\n| --- | --- | --- |")
            for count in (5_000, 50_000):
                root = linked(options.root, keys, count, folder / f"faces-{count}")
                out = folder / f"set-{count}"
                arguments = ["build", "--dataset", "folder", "--root", str(root)]
                own, below = peaks([*arguments, "--out", str(out), "--jobs", "2"])
                print(f"| {count} | {own:.0f} | {below:.0f} |", flush=True)
            print()
        if options.only == "memory":
            return
        root = linked(options.root, keys, options.images, folder / "faces", options.each)
        many = [ref.key for ref in FolderSource(root).refs()]
        floors(root, many, folder, 2)  # what is read the first time is slow
        gains: list[tuple[float, float, float]] = []
        parent: list[float] = []
        for number in range(options.rounds):
            floor_s, build_s = {}, {}
            for jobs in (1, 2) if number % 2 else (2, 1):
                floor_s[jobs] = floors(root, many, folder, jobs)
                build_s[jobs], spent = built(root, folder / "set", jobs)
                if jobs == 2:
                    parent.append(1e6 * spent / len(many))
            gain, floor_gain = build_s[1] / build_s[2], floor_s[1] / floor_s[2]
            gains.append((gain / floor_gain, gain, floor_gain))
            print(
                f"round {number + 1}: floor {floor_s[1]:.1f} s and {floor_s[2]:.1f} s, "
                f"build {build_s[1]:.1f} s and {build_s[2]:.1f} s",
                file=sys.stderr,
                flush=True,
            )
    print(f"{len(many)} pictures, {options.rounds} rounds\n")
    print("| measure | min | median | max | goal |\n| --- | --- | --- | --- | --- |")
    for name, values, goal in (
        ("gain of two builds", [gain[1] for gain in gains], ""),
        ("gain of two floors", [gain[2] for gain in gains], ""),
        ("ratio of the gains", [gain[0] for gain in gains], ">= 0.93"),
        ("parent, us an image", parent, "<= 2"),
    ):
        low, middle, high = min(values), statistics.median(values), max(values)
        print(f"| {name} | {low:.2f} | {middle:.2f} | {high:.2f} | {goal} |")


if __name__ == "__main__":
    main()
