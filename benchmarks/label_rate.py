"""Labels: boxes and masks a second on one core, a change of K on 500,000 records, a long CSV.

    OMP_NUM_THREADS=1 python benchmarks/label_rate.py --set Occ-LFW-2.0

The records are those of a finished set, its shards linked again and again under new names.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from build_scaling import peaks

from occgen import PatternGrid
from occgen.manifest import MANIFEST, manifest_bytes, read_manifest
from occgen.reader import open_shards


def boxes_of(count: int) -> np.ndarray:
    """Return boxes on a 112 x 96 picture, int64 of shape (count, 4)."""
    rng = np.random.default_rng(0)
    x = np.sort(rng.integers(0, 97, (count, 2)), axis=1)
    y = np.sort(rng.integers(0, 113, (count, 2)), axis=1)
    return np.stack([x[:, 0], y[:, 0], x[:, 1], y[:, 1]], axis=1)


def masks_of(count: int) -> np.ndarray:
    """Return ellipses on a 112 x 96 picture, bool of shape (count, 112, 96)."""
    y, x = np.mgrid[:112, :96]
    masks = np.zeros((count, 112, 96), np.bool_)
    for mask, (x0, y0, x1, y1) in zip(masks, boxes_of(count).tolist(), strict=True):
        across, down = max(x1 - x0, 1), max(y1 - y0, 1)
        mask[:] = ((2 * x - x0 - x1) / across) ** 2 + ((2 * y - y0 - y1) / down) ** 2 <= 1
    return masks


def rates(work: Callable[[], object], count: int, rounds: int) -> list[float]:
    """Return records a second of processor time, in each round."""
    found = []
    for _ in range(rounds):
        began = time.process_time()
        work()
        found.append(count / (time.process_time() - began))
    return found


def enlarged(made: Path, out: Path, count: int) -> int:
    """Link the shards of a set until they hold `count` records; return how many they hold."""
    manifest = read_manifest(made)
    shards = manifest["shards"]
    out.mkdir()
    listed, images = [], 0
    while images < count:
        shard = shards[len(listed) % len(shards)]
        name = f"shard-{len(listed):05d}.h5"
        os.symlink((made / shard["name"]).resolve(), out / name)
        listed.append(shard | {"name": name})
        images += shard["images"]
    manifest |= {"shards": listed, "images": images, "labels": {}, "files": {}}
    (out / MANIFEST).write_bytes(manifest_bytes(manifest))
    return images


def timed(arguments: list[str]) -> tuple[float, float]:
    """Return seconds a command takes, and its peak memory in MB."""
    began = time.perf_counter()
    own, _ = peaks(arguments)
    return time.perf_counter() - began, own


def write_csv(path: Path, count: int) -> None:
    """Write a table of boxes."""
    rows = [",".join(map(str, box)) + "\n" for box in boxes_of(100_000).tolist()]
    with open(path, "w") as file:
        file.write("x0,y0,x1,y1\n")
        for _ in range(count // len(rows)):
            file.writelines(rows)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--set", type=Path, required=True, help="a finished set with masks")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--records", type=int, default=500_000)
    parser.add_argument("--rows", type=int, default=10_000_000)
    options = parser.parse_args()
    grid = PatternGrid(5, 112, 96)
    boxes, masks = boxes_of(1_000_000), masks_of(20_000)
    print("| on one core, K = 5 | min | median | max | goal |\n| --- | --- | --- | --- | --- |")
    for name, work, count, goal in (
        ("boxes/s", lambda: grid.label_boxes(boxes), len(boxes), ">= 900,000"),
        ("masks/s, 112x96", lambda: grid.label_masks(masks), len(masks), ">= 80,000"),
    ):
        found = rates(work, count, options.rounds)
        low, middle, high = min(found), statistics.median(found), max(found)
        print(f"| {name} | {low:,.0f} | {middle:,.0f} | {high:,.0f} | {goal} |", flush=True)
    print("\n| command | records | s | peak, MB |\n| --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for rows in (options.rows // 10, options.rows):
            write_csv(folder / "boxes.csv", rows)
            took, peak = timed(["label-patterns", str(folder / "boxes.csv")])
            print(f"| label-patterns boxes.csv | {rows} | {took:.1f} | {peak:.0f} |", flush=True)
        count = enlarged(options.set, folder / "set", options.records)
        for by in ("box", "mask"):
            took, peak = timed(["label-patterns", str(folder / "set"), "--k", "6", "--by", by])
            command = f"label-patterns SET --k 6 --by {by}"
            print(f"| {command} | {count} | {took:.1f} | {peak:.0f} |", flush=True)
        shards = open_shards(folder / "set")
        fresh = PatternGrid(6, shards.height, shards.width).label_boxes(shards.column("box"))
        same = bool((shards.patterns(6) == fresh).all())
        print(f"\nstored labels equal those of the boxes computed at once: {same}")


if __name__ == "__main__":
    main()
