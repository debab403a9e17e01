"""occgen beside its floors and its peers, in one run: a table of ratios.

    OMP_NUM_THREADS=1 python benchmarks/side_by_side.py --root ../shared/data/faces/lfw
    OMP_NUM_THREADS=1 python benchmarks/side_by_side.py --root ... --only loader labels

What is compared runs in turn, round after round, in one process; a ratio is of one round, its
minimum, median and maximum over rounds. Times are the processor's, which other work on a machine
moves least, but for scaling, where they are the clock's. The peers stand in `peers.py`.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import peers
from build_rate import floor

from occgen import PatternGrid
from occgen.config import BuildConfig
from occgen.sources import open_source
from occgen.tasks import Plan
from occgen.worker import make_shard
from occgen.workshop import work_order
from occluders import open_library

Row = tuple[str, list[float], str]
Task = Callable[[], object]


def in_turn(tasks: dict[str, Task], rounds: int) -> dict[str, list[float]]:
    """Return processor seconds of each task in each round, after one that is not counted."""
    took: dict[str, list[float]] = {name: [] for name in tasks}
    for number in range(rounds + 1):
        for name, task in tasks.items():
            began = time.process_time()
            task()
            if number:
                took[name].append(time.process_time() - began)
    return took


def ratios(took: dict[str, list[float]], slow: str, fast: str, times: float = 1.0) -> list[float]:
    """Return how often `fast` goes into `slow`, round by round."""
    return [times * a / b for a, b in zip(took[slow], took[fast], strict=True)]


def build(options: argparse.Namespace) -> Iterator[Row]:
    """Make a shard of the usual 4,096 faces, the floor of it, and what people would write."""
    library, grid = open_library("bundled"), PatternGrid(5, 112, 112)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tasks: dict[str, Task] = {}
        for blend in ("opaque", "alpha"):
            out = folder / blend
            (out / "scratch").mkdir(parents=True)
            config = BuildConfig(
                dataset="folder",
                root=str(options.root),
                out=str(out),
                scale=peers.SCALE,
                blend=blend,
            )
            order = work_order(config, library, (112, 112), scratch=out / "scratch")
            plan = next(Plan(open_source("folder", str(options.root)), config).tasks())

            def shard(order=order, out=out, plan=plan) -> None:
                (out / "shard-00000.h5").unlink(missing_ok=True)
                make_shard(order, plan)

            tasks[blend] = shard
        keys = list(plan.keys)
        members, root = list(library), options.root
        some = keys[:: len(keys) // 128][:128]  # a peer takes a face a thousand times as long
        tasks["floor"] = lambda: floor(root, keys, folder / "floor")
        tasks["pillow"] = lambda: peers.with_pillow(root, keys, members, folder / "p", None)
        tasks["iou"] = lambda: peers.with_pillow(root, some, members, folder / "i", grid)
        tasks["album"] = lambda: peers.with_albumentations(root, keys, members, folder / "a")
        took = in_turn(tasks, options.rounds)
    yield "build, opaque / bare floor, rates", ratios(took, "floor", "opaque"), ">= 0.85"
    yield (
        "build, alpha, masks stored / bare floor, rates",
        ratios(took, "floor", "alpha"),
        ">= 0.70",
    )
    yield "build, alpha / Pillow generator, rates", ratios(took, "pillow", "alpha"), "> 1"
    each = len(keys) / len(some)
    yield (
        "build, alpha / Pillow generator with published labels, rates",
        ratios(took, "iou", "alpha", each),
        "> 1",
    )
    yield "build, alpha / albumentations generator, rates", ratios(took, "album", "alpha"), "> 1"


def labels(options: argparse.Namespace) -> Iterator[Row]:
    """Label boxes and masks, and compare with every pattern as published."""
    from label_rate import boxes_of, masks_of

    grid = PatternGrid(5, 112, 96)
    patterns, boxes, masks = peers.pattern_masks(grid), boxes_of(100_000), masks_of(4_000)
    some, counts = masks[:100], {"boxes": 100_000, "masks": 4_000, "published": 100}
    tasks: dict[str, Task] = {
        "boxes": lambda: grid.label_boxes(boxes),
        "masks": lambda: grid.label_masks(masks),
        "published": lambda: [peers.published_label(mask, patterns) for mask in some],
    }
    took = in_turn(tasks, options.rounds)
    for name, goal in (("boxes", 900_000), ("masks", 80_000)):
        times = counts[name] / counts["published"]
        found = ratios(took, "published", name, times)
        yield f"label_{name} / published pixel IoU, rates", found, "> 1"
        rate = [counts[name] / seconds / goal for seconds in took[name]]
        yield f"label_{name} / {goal:,} a second", rate, ">= 1"
    right = [peers.published_label(mask, patterns) for mask in some]
    assert grid.label_masks(some).tolist() == right, "labels differ"


def loader(options: argparse.Namespace) -> Iterator[Row]:
    """Decode batches of 64 and hide a part of each face."""
    import simplejpeg
    import torch

    torch.set_num_threads(1)
    source = open_source("folder", str(options.root))
    jpegs = [source.read(ref.key) for ref, _ in zip(source.refs(), range(512), strict=False)]
    batches = [jpegs[start : start + 64] for start in range(0, len(jpegs), 64)]

    def run(treat: Callable) -> None:
        for batch in batches:
            treat([simplejpeg.decode_jpeg(jpeg, "RGB") for jpeg in batch])

    ways = peers.loaders(112, 112)
    took = in_turn({name: lambda t=treat: run(t) for name, treat in ways.items()}, options.rounds)
    for name in list(ways)[2:]:
        for ours in list(ways)[:2]:
            yield f"loader: {ours} / {name}, rates", ratios(took, name, ours), "> 1"


def scaling(options: argparse.Namespace) -> Iterator[Row]:
    """Time builds and floors of one and two processes, by the clock."""
    from build_scaling import built, floors, linked

    source = open_source("folder", str(options.root))
    keys = [ref.key for ref in source.refs()]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        root = linked(options.root, keys, options.images, folder / "faces")
        many = [ref.key for ref in open_source("folder", str(root)).refs()]
        found = []
        for number in range(max(2, options.rounds // 2)):
            bare = [floors(root, many, folder, jobs) for jobs in (1, 2)]
            ours = [built(root, folder / f"set-{jobs}-{number}", jobs)[0] for jobs in (1, 2)]
            found.append((ours[0] / ours[1]) / (bare[0] / bare[1]))
    yield f"gain of a second process / the floor's, {options.images:,} images", found, ">= 0.93"


def memory(options: argparse.Namespace) -> Iterator[Row]:
    """Watch the largest process of builds, of ten times the images."""
    from build_scaling import linked, peaks

    keys = [ref.key for ref in open_source("folder", str(options.root)).refs()]
    small, large = max(options.images // 5, 4_096), max(2 * options.images, 40_960)
    with tempfile.TemporaryDirectory() as name:
        found = []
        for count in (small, large):
            root = linked(options.root, keys, count, Path(name) / f"faces-{count}")
            out = str(Path(name) / f"set-{count}")
            command = ["build", "--dataset", "folder", "--root", str(root), "--shard-size", "2048"]
            found.append(max(peaks([*command, "--out", out, "--jobs", "2"])))
    yield f"peak memory, {large:,} / {small:,} images", [found[1] / found[0]], "1"


def training(options: argparse.Namespace) -> Iterator[Row]:
    """Take training steps of the paper's network, and of the compact one beside torch's PReLU."""
    import dataclasses

    import torch
    from model_rate import batch, stepper
    from torch import nn

    from frommodel.prelu import PReLU
    from frommodel.recipes import recipe

    torch.set_num_threads(1)
    config = recipe("from", batch_size=4)
    layout = dataclasses.replace(config.model, published_layout=True)
    data = batch(config.model, 4)
    ours = stepper(config)
    published = stepper(dataclasses.replace(config, model=layout), published=True)
    tasks = {
        "published": lambda: published.step([data], 0.01, 0),
        "ours": lambda: ours.step([data], 0.01, 0),
    }
    rounds = max(3, options.rounds // 2)
    took = in_turn(tasks, rounds)
    yield "training step / published layout, rates", ratios(took, "published", "ours"), ">= 1"
    config = recipe("from-compact", precision="bfloat16")
    data, ours, theirs = batch(config.model, 64), stepper(config), stepper(config)
    for module in theirs.model.modules():
        if isinstance(module, PReLU):
            module.__class__ = nn.PReLU
    tasks = {
        "torch": lambda: theirs.step([data], 0.01, 0),
        "ours": lambda: ours.step([data], 0.01, 0),
    }
    took = in_turn(tasks, rounds)
    yield "compact training step / with torch's PReLU, rates", ratios(took, "torch", "ours"), ">= 1"


def inference(options: argparse.Namespace) -> Iterator[Row]:
    """Embed by the paper's network with its mask, against its backbone alone."""
    import torch

    from frommodel.network import FROM

    torch.set_num_threads(1)
    images = torch.rand(4, 3, 112, 96).to(memory_format=torch.channels_last)
    nets = {
        mask: FROM(backbone="lresnet50e_ir", mask=mask).eval().to(memory_format=torch.channels_last)
        for mask in ("none", "3d")
    }
    with torch.inference_mode():
        tasks = {name: lambda m=net: m.embed(images) for name, net in nets.items()}
        took = in_turn(tasks, max(3, options.rounds // 2))
    yield "inference with the mask / backbone alone, rates", ratios(took, "none", "3d"), ""


def identification(options: argparse.Namespace) -> Iterator[Row]:
    """Search 100,000 rows of 512 exactly, beside faiss IndexFlatIP."""
    import faiss
    import torch

    from frommodel.search import search_gallery, unit_rows

    cores = len(os.sched_getaffinity(0)) if options.threads is None else options.threads
    torch.set_num_threads(cores)
    faiss.omp_set_num_threads(cores)
    rng = np.random.default_rng(1)
    probes = unit_rows(rng.standard_normal((options.probes, 512), np.float32))
    gallery = unit_rows(rng.standard_normal((100_000, 512), np.float32))
    index = faiss.IndexFlatIP(512)
    index.add(gallery)
    for k in (1, 20):
        tasks = {
            "faiss": lambda k=k: index.search(probes, k),
            "ours": lambda k=k: search_gallery(probes, gallery, k),
        }
        took = in_turn(tasks, max(2, options.rounds // 2))
        assert (
            search_gallery(probes[:500], gallery, k).rows == index.search(probes[:500], k)[1]
        ).all()
        yield (
            f"search, the best {k} / faiss IndexFlatIP, rates",
            ratios(took, "faiss", "ours"),
            "> 1",
        )


ROWS: dict[str, Callable[[argparse.Namespace], Iterator[Row]]] = {
    row.__name__: row
    for row in (build, labels, loader, scaling, memory, training, inference, identification)
}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, required=True, help="folder of aligned JPEG crops")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--images", type=int, default=25_000, help="for scaling and memory")
    parser.add_argument("--probes", type=int, default=10_000, help="for identification")
    parser.add_argument("--threads", type=int, help="for identification; all cores by default")
    parser.add_argument("--only", nargs="*", choices=list(ROWS), default=list(ROWS))
    options = parser.parse_args()
    cv2.setNumThreads(1)
    print("| what | min | median | max | goal |\n| --- | --- | --- | --- | --- |")
    for name in options.only:
        for label, found, goal in ROWS[name](options):
            low, middle, high = min(found), statistics.median(found), max(found)
            print(f"| {label} | {low:.2f} | {middle:.2f} | {high:.2f} | {goal} |", flush=True)


if __name__ == "__main__":
    main()
