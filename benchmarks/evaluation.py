"""Embedding a data set against the model's bare forward rate, and the time of all metrics.

Both kinds of run take turns, several rounds; the ratio of rates of each round is printed, by the
clock and by processor time, which a busy neighbour disturbs less. On a folder of aligned crops:

    python benchmarks/evaluation.py --root ../shared/data/faces/lfw --limit 1024
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

import frommodel
from frommodel.data import to_nchw
from frommodel.embedding_file import embed_dataset
from frommodel.intervals import PairWeights
from frommodel.metrics import verification_report
from frommodel.models import Embedder
from frommodel.pictures import read_pictures
from occgen.sources import FolderSource


def clocks() -> np.ndarray:
    """Return seconds by the clock and of processor time."""
    return np.array([time.perf_counter(), time.process_time()])


def forward(model: torch.nn.Module, batch: np.ndarray, batches: int) -> np.ndarray:
    """Return seconds of the bare forward passes, batches of uint8 at hand."""
    pixels = torch.from_numpy(batch)
    began = clocks()
    with torch.inference_mode():
        for _ in range(batches):
            model.embed(to_nchw(pixels)).numpy()
    return clocks() - began


def embedded(model: torch.nn.Module, options: argparse.Namespace, out: Path) -> np.ndarray:
    """Return seconds from listing the folder to the file of embeddings."""
    began = clocks()
    embed_dataset(
        Embedder(model),
        "folder",
        options.root,
        out,
        batch_size=options.batch_size,
        workers=options.workers,
        limit=options.limit,
    )
    return clocks() - began


def embedding_rates(options: argparse.Namespace) -> None:
    """Print the ratio for each backbone, round by round."""
    for name in options.backbones:
        generator = torch.Generator().manual_seed(0)
        model = frommodel.FROM(backbone=name, generator=generator).eval()
        source = FolderSource(Path(options.root))
        keys = [ref.key for ref in source.refs()][: options.batch_size]
        batch = np.stack([image for _, image in read_pictures(source, keys, size=(112, 96))])
        batches = options.limit // options.batch_size
        ratios = []
        with tempfile.TemporaryDirectory() as folder:
            forward(model, batch, 1)
            for _ in range(options.rounds):
                bare = forward(model, batch, batches)
                whole = embedded(model, options, Path(folder) / "out.npy")
                again = forward(model, batch, batches)
                ratios.append((bare + again) / 2 / whole)
                rate = batches * options.batch_size / whole[0]
                clock, processor = ratios[-1]
                print(
                    f"{name}: {rate:.0f} images/s, {clock:.3f} of bare by the clock, "
                    f"{processor:.3f} by processor time",
                    flush=True,
                )
        for place, kind in enumerate(("the clock", "processor time")):
            found = [ratio[place] for ratio in ratios]
            print(
                f"{name}, rate over bare forward by {kind}: min {min(found):.3f} "
                f"median {statistics.median(found):.3f} max {max(found):.3f}"
            )


def metric_times(pairs: int, rounds: int) -> None:
    """Print the time of every figure of a list of pairs, exact thresholds included."""
    rng = np.random.default_rng(0)
    same = np.tile(np.repeat([True, False], pairs // 20), 10)
    scores = rng.normal(0.5 * same, 0.15).clip(-1, 1)
    first = rng.integers(0, 5000, len(same))
    second = np.where(same, first, (first + 1 + rng.integers(0, 4998, len(same))) % 5000)
    for _ in range(rounds):
        began = clocks()
        report = verification_report(scores, same)
        figures = clocks() - began
        weights = PairWeights(first, second, same)
        weights.tar_at_far(scores, [point.far for point in report.points])
        weights.mean(scores > 0.25)
        whole = clocks() - began
        print(
            f"{len(same)} pairs: figures {1000 * figures[0]:.1f} ms (processor "
            f"{1000 * figures[1]:.1f} ms), with intervals {whole[0]:.2f} s (processor "
            f"{whole[1]:.2f} s)",
            flush=True,
        )


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", required=True)
    parser.add_argument("--limit", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--backbones", nargs="*", default=["ir10_small", "lresnet50e_ir"])
    parser.add_argument("--pairs", type=int, default=6000)
    options = parser.parse_args()
    metric_times(options.pairs, options.rounds)
    embedding_rates(options)


if __name__ == "__main__":
    main()
