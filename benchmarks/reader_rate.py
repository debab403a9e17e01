"""What `occgen.open_shards` costs beside decoding: random access and reading in order.

    OMP_NUM_THREADS=1 python benchmarks/reader_rate.py --set Occ-LFW-2.0

In each round the same pictures are decoded from bytes held in memory, in the same order.
"""

import argparse
import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from occgen.codec import decode_image
from occgen.reader import open_shards

_LIMITED = ("random access beside decode", "random access, encoded bytes")


def microseconds(work: Callable[[], object], count: int) -> float:
    """Return processor time an image."""
    began = time.process_time()
    work()
    return 1e6 * (time.process_time() - began) / count


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--set", type=Path, required=True)
    parser.add_argument("--images", type=int, default=8_000)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    shards = open_shards(options.set)
    indices = [random.Random(0).randrange(len(shards)) for _ in range(options.images)]
    held = [bytes(shards[index].data) for index in indices]
    found: dict[str, list[float]] = {}
    for _ in range(options.rounds):
        took = {
            "decode alone": microseconds(lambda: [decode_image(d) for d in held], len(held)),
            "random access and decode": microseconds(
                lambda: [shards[index].image for index in indices], len(indices)
            ),
            "random access, encoded bytes": microseconds(
                lambda: [shards[index].data for index in indices], len(indices)
            ),
            "random access, box and label": microseconds(
                lambda: [(shards[i].box, shards[i].pattern()) for i in indices], len(indices)
            ),
            "in order, encoded bytes": microseconds(
                lambda: [sample.data for sample in shards], len(shards)
            ),
        }
        took["random access beside decode"] = (
            took["random access and decode"] - took["decode alone"]
        )
        for name, value in took.items():
            found.setdefault(name, []).append(value)
    print("| us an image | min | median | max | goal |\n| --- | --- | --- | --- | --- |")
    for name, values in found.items():
        low, middle, high = min(values), statistics.median(values), max(values)
        goal = (
            "<= 2"
            if name in ("random access beside decode", "random access, encoded bytes")
            else ""
        )
        print(f"| {name} | {low:.2f} | {middle:.2f} | {high:.2f} | {goal} |")


if __name__ == "__main__":
    main()
