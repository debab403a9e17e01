"""Plan, and gather, a build of millions of keys: seconds and peak memory, in one process.

    python benchmarks/plan_scale.py --keys 1000000,10000000

Nothing is read or written: keys come from a synthetic source (50 pictures an identity, keys of the
form of a .rec's), every task is pickled as it would be for a worker, and the report of a full shard
stands for what the worker gives back. What grows is what a parent process must hold.
"""

import argparse
import pickle
import resource
import subprocess
import sys
import time
from collections.abc import Iterator

import numpy as np

from occgen.config import BuildConfig
from occgen.manifest import manifest_bytes
from occgen.sources import FaceRef
from occgen.summary import Totals, manifest_record
from occgen.tasks import Plan
from occgen.worker import ShardReport
from occluders import bundled


class Synthetic:
    """As many references as asked for, made on the fly."""

    dataset, licence = "rec", "none"

    def __init__(self, keys: int, pictures_an_identity: int) -> None:
        self.keys, self.each = keys, pictures_an_identity

    def refs(self) -> Iterator[FaceRef]:
        """Yield references that look like those of a ``.rec``."""
        for number in range(self.keys):
            name = str(number // self.each)
            yield FaceRef(f"{name}/{number + 1:08d}", name)


def report_of(index: int, images: int, skipped: int) -> ShardReport:
    """Return a report as large as a real one: every pattern and category occurs."""
    rng = np.random.default_rng(index)
    labels = dict(enumerate(rng.integers(1, 40, 226).tolist()))
    return ShardReport(
        index=index,
        name=f"shard-{index:05d}.h5",
        sha256=rng.bytes(32).hex(),
        content_sha256=rng.bytes(32).hex(),
        images=images - skipped,
        occluded=images - skipped,
        bytes=30_000_000 + index,
        coverage_sum=0.4 * images,
        mask_coverage_sum=0.3 * images,
        labels_differ=images // 10,
        patterns={"pattern/k5": labels, "pattern/k5_mask": dict(labels)},
        categories={str(number): 100 for number in range(1, 10)},
        coverage_histogram=tuple([images // 20] * 20),
        skipped=tuple((f"{index}/{n:08d}", "cannot be decoded") for n in range(skipped)),
    )


def measure(keys: int, each: int, skipped: int) -> None:
    """Plan and gather; print one row."""
    library = bundled()
    base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    config = BuildConfig(dataset="rec", root="none", out="none")
    plan = Plan(Synthetic(keys, each), config)
    began, sent, totals, planning = time.perf_counter(), 0, Totals(), 0.0
    for task in plan.tasks():
        sent += len(pickle.dumps(task))
        planning += time.perf_counter() - began
        totals.add(report_of(task.index, len(task.keys), skipped))
        began = time.perf_counter()
    planned = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    record = manifest_record(
        config, {}, totals, plan, library=library, licence="", size=(112, 112), files={}
    )
    size = len(manifest_bytes(record))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(
        f"| {keys:,} | {plan.shards:,} | {len(plan.identities):,} | {planning:.1f} | "
        f"{planning / keys * 1e6:.2f} | {sent / 1e6:.0f} | {(planned - base) / 1024:.0f} | "
        f"{(peak - base) / 1024:.0f} | {size / 1e6:.2f} |"
    )


def main() -> None:
    """Measure each number of keys in a fresh process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keys", default="100000,1000000,10000000")
    parser.add_argument("--each", type=int, default=50, help="pictures an identity")
    parser.add_argument("--skipped", type=int, default=0, help="pictures left out a shard")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    counts = [int(part) for part in options.keys.split(",")]
    if options.one:
        measure(counts[0], options.each, options.skipped)
        return
    print(
        "| keys | shards | identities | planning s | us a key | tasks sent MB | "
        "planned, gathered MB | with manifest MB | manifest MB |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |", flush=True)
    more = ["--each", str(options.each), "--skipped", str(options.skipped), "--one"]
    for count in counts:
        subprocess.run([sys.executable, __file__, "--keys", str(count), *more], check=True)


if __name__ == "__main__":
    main()
