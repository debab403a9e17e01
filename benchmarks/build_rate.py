"""Rate of `occgen build` against the bare floor: decode, encode at q95, append to one file.

Floor and builds run in turn, in one process each, several rounds; what is printed is the ratio of
rates in each round. Run it on a folder of aligned JPEG crops:

    python benchmarks/build_rate.py --root ../shared/data/faces/lfw
"""

import argparse
import os
import statistics
import tempfile
import time
from multiprocessing import get_context
from pathlib import Path

import simplejpeg

from occgen.config import BuildConfig
from occgen.engine import build
from occgen.sources.folder import FolderSource


def floor(root: Path, keys: list[str], out: Path) -> float:
    """Return seconds for reading, decoding, encoding and appending every picture."""
    began = time.perf_counter()
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
    return time.perf_counter() - began


def occluded(root: Path, blend: str, out: Path, jobs: int, variants: int = 1) -> float:
    """Return seconds for a whole build, from opening the source to its manifest."""
    began = time.perf_counter()
    config = BuildConfig(
        dataset="folder",
        root=str(root),
        out=str(out),
        scale=2.0,
        blend=blend,
        jobs=jobs,
        variants=variants,
    )
    build(config)
    return time.perf_counter() - began


def two_floors(root: Path, keys: list[str], folder: Path) -> float:
    """Return seconds for two floor processes, each with half of the pictures."""
    context = get_context("fork")
    halves = (keys[: len(keys) // 2], keys[len(keys) // 2 :])
    began = time.perf_counter()
    processes = [
        context.Process(target=floor, args=(root, half, folder / f"floor-{number}"))
        for number, half in enumerate(halves)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    return time.perf_counter() - began


def show(name: str, ratios: list[float], goal: str) -> None:
    low, middle, high = min(ratios), statistics.median(ratios), max(ratios)
    print(f"| {name} | {low:.2f} | {middle:.2f} | {high:.2f} | {goal} |", flush=True)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--variants", type=int, default=8, help="for the run with two processes")
    options = parser.parse_args()
    keys = [ref.key for ref in FolderSource(options.root).refs()]
    ratios: dict[str, list[float]] = {"opaque": [], "alpha": []}
    gains: list[float] = []
    rates: list[float] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        floor(options.root, keys[:1000], folder / "warm")
        for number in range(options.rounds + 1):
            bare = floor(options.root, keys, folder / "floor")
            for blend, found in ratios.items():
                took = occluded(options.root, blend, folder / f"{blend}-{number}", jobs=1)
                if number:  # the first round fills the page cache
                    found.append(bare / took)
            if number:
                rates.append(len(keys) / bare)
        repeated = keys * options.variants
        for number in range(max(2, options.rounds // 2)):
            one_floor = floor(options.root, repeated, folder / "floor")
            both_floors = two_floors(options.root, repeated, folder)
            one, two = (
                occluded(options.root, "alpha", folder / f"{jobs}-{number}", jobs, options.variants)
                for jobs in (1, 2)
            )
            gains.append((one / two) / (one_floor / both_floors))
    print(
        f"{len(keys)} pictures, {options.rounds} rounds, floor {statistics.median(rates):.0f}/s\n"
    )
    print("| ratio | min | median | max | goal |")
    print("| --- | --- | --- | --- | --- |")
    show("build, opaque / floor", ratios["opaque"], ">= 0.85")
    show("build, alpha with masks / floor", ratios["alpha"], ">= 0.70")
    show("gain of two processes / gain of two floors", gains, ">= 0.93")


if __name__ == "__main__":
    main()
