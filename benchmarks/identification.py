"""Exact rank-1 search against faiss IndexFlatIP, and its growth and memory up to a million rows.

Both search the same gallery in turn, several rounds; what is printed is the ratio of times in each
round. faiss is slowed by two settings of OpenBLAS some machines carry, so run it without:

    env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE python benchmarks/identification.py
"""

import argparse
import resource
import statistics
import tempfile
import time
import tracemalloc
from pathlib import Path

import numpy as np

from frommodel.search import search_gallery


def unit(rng: np.random.Generator, rows: int, columns: int) -> np.ndarray:
    """Return random float32 rows of length one."""
    features = rng.standard_normal((rows, columns), np.float32)
    return features / np.linalg.norm(features, axis=1, keepdims=True)


def timed(run) -> tuple[np.ndarray, np.ndarray]:
    """Return seconds, by the clock and of processor time, and what came back."""
    began = np.array([time.perf_counter(), time.process_time()])
    result = run()
    return np.array([time.perf_counter(), time.process_time()]) - began, result


def against_faiss(probes: np.ndarray, gallery: np.ndarray, k: int, rounds: int) -> None:
    """Print the ratio of times, round by round."""
    import faiss

    index = faiss.IndexFlatIP(gallery.shape[1])
    index.add(np.ascontiguousarray(gallery))
    ratios = []
    for number in range(rounds):
        ours, found = timed(lambda: search_gallery(probes, gallery, k))
        theirs, (scores, rows) = timed(lambda: index.search(probes, k))
        same = (found.rows == rows).mean()
        gap = np.abs(found.scores - scores).max()
        ratios.append(ours / theirs)
        print(
            f"round {number}: ours {ours[0]:.2f} s, faiss {theirs[0]:.2f} s, ratio "
            f"{ratios[-1][0]:.3f}, by processor time {ratios[-1][1]:.3f}, rows equal {same:.5f}, "
            f"largest difference of a score {gap:.1e}",
            flush=True,
        )
    for place, kind in enumerate(("the clock", "processor time")):
        found = [ratio[place] for ratio in ratios]
        print(
            f"top {k}, over faiss by {kind}: min {min(found):.3f} "
            f"median {statistics.median(found):.3f} max {max(found):.3f}"
        )


def growth(probes: np.ndarray, sizes: list[int], folder: Path) -> None:
    """Print time and temporaries for mapped galleries of several sizes."""
    rng = np.random.default_rng(2)
    for rows in sizes:
        path = folder / "gallery.npy"
        shape = (rows, probes.shape[1])
        written = np.lib.format.open_memmap(path, "w+", np.float32, shape)
        for start in range(0, rows, 50_000):
            written[start : start + 50_000] = unit(rng, min(50_000, rows - start), shape[1])
        written.flush()
        del written
        gallery = np.load(path, mmap_mode="r")
        tracemalloc.start()
        took, _ = timed(lambda gallery=gallery: search_gallery(probes, gallery, 1))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        rate = len(probes) * rows * probes.shape[1] * 2 / took[1] / 1e9
        print(
            f"gallery {rows}: {took[0]:.1f} s, of processor time {took[1]:.1f} s, "
            f"{rate:.0f} GFLOP/s, temporaries {peak / 1e6:.0f} MB",
            flush=True,
        )
        path.unlink()
    usage = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    print(f"largest resident size of the process, mapped pages counted: {usage:.0f} MB")


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--probes", type=int, default=10_000)
    parser.add_argument("--gallery", type=int, default=100_000)
    parser.add_argument("--columns", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--k", type=int, nargs="*", default=[1, 20])
    parser.add_argument("--growth", type=int, nargs="*", default=[100_000, 300_000, 1_000_000])
    parser.add_argument("--growth-probes", type=int, default=3_530)
    options = parser.parse_args()
    rng = np.random.default_rng(1)
    probes = unit(rng, options.probes, options.columns)
    if options.rounds:
        gallery = unit(rng, options.gallery, options.columns)
        for k in options.k:
            against_faiss(probes, gallery, k, options.rounds)
        del gallery
    if options.growth:
        with tempfile.TemporaryDirectory() as folder:
            growth(probes[: options.growth_probes], options.growth, Path(folder))


if __name__ == "__main__":
    main()
