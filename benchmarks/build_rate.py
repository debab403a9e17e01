"""Rate of `occgen build` against the bare floor: decode, encode at q95, append to one file.

Floor and builds run in turn, in one process each, several rounds; what is printed is the ratio of
rates in each round. Processor time counts the work; elapsed time counts waiting as well, for the
disk and for others on the machine. Run it on a folder of aligned JPEG crops:

    OMP_NUM_THREADS=1 python benchmarks/build_rate.py --root ../shared/data/faces/lfw
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import simplejpeg

from occgen.config import BuildConfig
from occgen.engine import build
from occgen.sources import open_source
from occgen.sources.folder import FolderSource
from occgen.tasks import Plan
from occgen.worker import make_shard
from occgen.workshop import WorkOrder, work_order
from occluders import open_library

GOALS = {"opaque": ">= 0.85", "alpha": ">= 0.70"}


def floor(root: Path, keys: list[str], out: Path) -> None:
    """Read, decode, encode and append every picture."""
    with open(out, "wb") as file:
        for key in keys:
            with open(f"{root}/{key}", "rb", buffering=0) as source:
                data = source.read()
            image = simplejpeg.decode_jpeg(data, "RGB", fastdct=False, fastupsample=False)
            file.write(
                simplejpeg.encode_jpeg(
                    image, quality=95, colorspace="RGB", colorsubsampling="420", fastdct=False
                )
            )
        file.flush()
        os.fsync(file.fileno())


def occluded(root: Path, out: Path, **changes: str) -> None:
    """Make a whole set, from opening the source to its manifest, in this process."""
    build(BuildConfig(dataset="folder", root=str(root), out=str(out), scale=2.0, jobs=1, **changes))


def shard_by_shard(root: Path, folder: Path, rounds: int) -> dict[str, list[float]]:
    """Return ratios of processor time, floor to build, of each of many shards.

    Occluders are decoded and resized before, as in a long build: what is timed is reading to
    renaming the finished shard.
    """
    source, library = open_source("folder", str(root)), open_library("bundled")
    orders: dict[str, WorkOrder] = {}
    for blend in GOALS:
        out = folder / f"steady-{blend}"
        (out / "scratch").mkdir(parents=True)
        config = BuildConfig(
            dataset="folder", root=str(root), out=str(out), scale=2.0, blend=blend, shard_size=2048
        )
        orders[blend] = work_order(config, library, (112, 112), scratch=out / "scratch")
    tasks = list(Plan(source, config).tasks())
    found: dict[str, list[float]] = {blend: [] for blend in GOALS}
    for number in range(rounds + 1):
        for task in tasks:
            bare, _ = timed(lambda task=task: floor(root, list(task.keys), folder / "floor"))
            for blend, order in orders.items():
                for path in Path(order.out).glob("shard-*"):
                    path.unlink()
                took, _ = timed(lambda order=order, task=task: make_shard(order, task))
                if number:
                    found[blend].append(bare / took)
    return found


def timed(work: Callable[[], None]) -> tuple[float, float]:
    """Return seconds of processor time and elapsed."""
    began, used = time.perf_counter(), time.process_time()
    work()
    return time.process_time() - used, time.perf_counter() - began


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    keys = [ref.key for ref in FolderSource(options.root).refs()]
    ratios: dict[tuple[str, int], list[float]] = {}
    rates: list[float] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        floor(options.root, keys, folder / "warm")  # fills the page cache
        for number in range(options.rounds):
            bare = timed(lambda: floor(options.root, keys, folder / "floor"))
            rates.append(len(keys) / bare[0])
            for blend in GOALS:
                out = folder / f"{blend}-{number}"
                took = timed(lambda out=out, blend=blend: occluded(options.root, out, blend=blend))
                for clock in (0, 1):
                    ratios.setdefault((blend, clock), []).append(bare[clock] / took[clock])
        for blend, found in shard_by_shard(options.root, folder, options.rounds).items():
            ratios[blend, 2] = found
    print(
        f"{len(keys)} pictures, {options.rounds} rounds, floor {statistics.median(rates):.0f}/s\n"
    )
    print("| build / floor | clock | min | median | max | goal |")
    print("| --- | --- | --- | --- | --- | --- |")
    for (blend, clock), found in ratios.items():
        low, middle, high = min(found), statistics.median(found), max(found)
        label = "alpha, masks stored" if blend == "alpha" else blend
        kind = ("processor", "elapsed", "processor, start-up off")[clock]
        print(f"| {label} | {kind} | {low:.2f} | {middle:.2f} | {high:.2f} | {GOALS[blend]} |")


if __name__ == "__main__":
    main()
