"""What each step of a build takes of a face, and what the number of faces in a block changes.

The steps of a real build are timed where they are called, by the clock, one shard of 4,096 faces a
round; the floor of `build_rate.py` runs between them. With `--blocks`, whole shards are made with
blocks of so many faces, in turn in each round, and compared with the floor by processor time.

    OMP_NUM_THREADS=1 python benchmarks/build_steps.py --root ../shared/data/faces/lfw
    OMP_NUM_THREADS=1 python benchmarks/build_steps.py --root ... --blocks 1 32 64 256
"""

import argparse
import statistics
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
from build_rate import GOALS, floor, timed

from occgen import columns, worker, workshop
from occgen.config import BuildConfig
from occgen.sources import open_source
from occgen.tasks import Plan, ShardTask
from occluders import open_library

Order = workshop.WorkOrder


def orders_of(root: Path, folder: Path) -> tuple[dict[str, Order], ShardTask]:
    """Return an order for each blending, and the first shard's task."""
    orders = {}
    for blend in GOALS:
        out = folder / blend
        (out / "scratch").mkdir(parents=True)
        config = BuildConfig(dataset="folder", root=str(root), out=str(out), scale=2.0, blend=blend)
        library = open_library("bundled")
        orders[blend] = workshop.work_order(config, library, (112, 112), scratch=out / "scratch")
    return orders, next(Plan(open_source("folder", str(root)), config).tasks())


def watch(took: Counter[str], holder: Any, name: str, step: str) -> None:
    """Have a function add the time of each call to a step."""
    function: Callable[..., Any] = getattr(holder, name)

    def watched(*args: Any, **kwargs: Any) -> Any:
        began = time.perf_counter()
        try:
            return function(*args, **kwargs)
        finally:
            took[step] += time.perf_counter() - began

    setattr(holder, name, watched)


def watch_all(took: Counter[str], orders: dict[str, Order]) -> None:
    """Watch the steps of both builds."""
    for order in orders.values():
        shop = workshop.open_workshop(order)
        for name in ("read", "landmarks"):
            watch(took, shop.source, name, name)
        watch(took, shop, "encode", "encode")
        watch(took, shop.format, "write", "file, with its SHA-256")
    watch(took, workshop, "decode_image", "decode")
    watch(took, workshop, "draw_placements", "draw the placement")
    watch(took, workshop, "occlude_with", "paste")
    watch(took, columns.ShardColumns, "add", "gather, with mask and CRC-32")
    watch(took, columns.ShardColumns, "finish", "columns")
    watch(took, worker, "report_shard", "report, with SHA-256 of contents")
    watch(took, columns, "pack_masks", "of gathering: packing masks")
    watch(took, columns.PatternGrid, "count_cells", "of gathering: counting masks")
    watch(took, workshop.PatternGrid, "label_boxes", "of columns: labels of boxes")


def steps(options: argparse.Namespace, folder: Path) -> None:
    """Print microseconds a face of each step."""
    orders, task = orders_of(options.root, folder)
    keys, took = list(task.keys), Counter[str]()
    watch_all(took, orders)
    found: dict[str, dict[str, list[float]]] = {name: defaultdict(list) for name in orders}
    for number in range(options.rounds + 1):
        for blend, order in orders.items():
            took.clear()
            began = time.perf_counter()
            worker.make_shard(order, task)
            took["all"] = time.perf_counter() - began
            (Path(order.out) / "shard-00000.h5").unlink()
            began = time.perf_counter()
            floor(options.root, keys, folder / "floor")
            took["floor"] = time.perf_counter() - began
            for step, seconds in took.items() if number else ():
                found[blend][step].append(seconds / len(keys) * 1e6)
    print(f"{len(keys)} faces, {options.rounds} rounds, median of us a face\n")
    print("| step | opaque | alpha |\n| --- | --- | --- |")
    for step in found["alpha"]:
        values = [found[blend].get(step) for blend in orders]
        shown = [f"{statistics.median(value):.1f}" if value else "" for value in values]
        print(f"| {step} | {' | '.join(shown)} |")


def blocks(options: argparse.Namespace, folder: Path) -> None:
    """Print the ratio of rates to the floor for each number of faces in a block."""
    orders, task = orders_of(options.root, folder)
    ratios: dict[tuple[str, int], list[float]] = defaultdict(list)
    for number in range(options.rounds + 1):
        bare, _ = timed(lambda: floor(options.root, list(task.keys), folder / "floor"))
        for blend, order in orders.items():
            for faces in options.blocks:
                workshop._BLOCK = faces
                took, _ = timed(lambda order=order: worker.make_shard(order, task))
                (Path(order.out) / "shard-00000.h5").unlink()
                if number:
                    ratios[blend, faces].append(bare / took)
    print("| build / floor | faces in a block | min | median | max |")
    print("| --- | --- | --- | --- | --- |")
    for (blend, faces), found in ratios.items():
        low, middle, high = min(found), statistics.median(found), max(found)
        print(f"| {blend} | {faces} | {low:.3f} | {middle:.3f} | {high:.3f} |")


def main() -> None:
    """Print one of the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--blocks", type=int, nargs="+")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as name:
        (blocks if options.blocks else steps)(options, Path(name))


if __name__ == "__main__":
    main()
