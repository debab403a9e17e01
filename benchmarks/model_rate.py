"""Training steps and inference: ratios between networks, layouts and precisions on one core.

    OMP_NUM_THREADS=1 python benchmarks/model_rate.py step
    OMP_NUM_THREADS=1 python benchmarks/model_rate.py options
    OMP_NUM_THREADS=1 python benchmarks/model_rate.py prelu
    OMP_NUM_THREADS=1 python benchmarks/model_rate.py inference

What is compared runs in turn, by the processor's clock; each ratio is of one round.
"""

import argparse
import dataclasses
import statistics
import time
from collections.abc import Callable

import torch
from torch import nn

from frommodel.architectures import BACKBONES
from frommodel.config import ModelConfig, TrainConfig
from frommodel.loader import Batch
from frommodel.network import FROM, FROMOutput
from frommodel.prelu import PReLU
from frommodel.ranks import join_ranks
from frommodel.recipes import recipe
from frommodel.stepping import Stepper

_IDENTITIES = 500


class PublishedFROM(FROM):
    """The published wiring: unused pyramid levels, and the fc layers run on both feature maps."""

    def forward(self, images: torch.Tensor) -> FROMOutput:
        """Return as `FROM`, after a second pass through fc whose result nobody reads."""
        features = self.backbone(images)
        soft = self.mask(self.fpn(features))
        self.fc(features.c5.flatten(1))
        embedding = self.fc((features.c5 * soft).flatten(1))
        return FROMOutput(embedding, soft, self.regress(soft.flatten(1)))


def batch(config: ModelConfig, count: int) -> Batch:
    """Return random images with labels."""
    shape = (count, config.height, config.width, 3)
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
    identities = torch.randint(0, _IDENTITIES, (count,), generator=generator)
    patterns = torch.randint(0, 226, (count,), generator=generator)
    return Batch(pixels, None, identities, patterns, torch.zeros(count, 4).long(), None, ())


def stepper(config: TrainConfig, published: bool = False) -> Stepper:
    """Return what takes steps."""
    made = Stepper(config, _IDENTITIES, join_ranks("cpu"))
    if published:
        made.model.__class__ = PublishedFROM
    return made


def in_turn(tasks: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Return processor seconds of each task in each round, after one that is not counted."""
    times: dict[str, list[float]] = {name: [] for name in tasks}
    for turn in range(rounds + 1):
        for name, task in tasks.items():
            began = time.process_time()
            task()
            if turn:
                times[name].append(time.process_time() - began)
    return times


def show(times: dict[str, list[float]], base: str, count: int) -> None:
    """Print images a second and the ratio of times to those of the base."""
    print("| what | images/s (best) | time over base: least | median | most |")
    print("| --- | --- | --- | --- | --- |")
    for name, found in times.items():
        each = [one / other for one, other in zip(found, times[base], strict=True)]
        row = f"{min(each):.3f} | {statistics.median(each):.3f} | {max(each):.3f}"
        print(f"| {name} | {count / min(found):.1f} | {row} |", flush=True)


def compare_steps(rounds: int, count: int) -> None:
    """Ours against the published layout, the paper's network."""
    config = recipe("from", batch_size=count)
    layout = dataclasses.replace(config.model, published_layout=True)
    other = dataclasses.replace(config, model=layout)
    data = batch(config.model, count)
    ours, published = stepper(config), stepper(other, published=True)
    tasks = {
        "published layout, fc run twice": lambda: published.step([data], 0.01, 0),
        "ours": lambda: ours.step([data], 0.01, 0),
    }
    show(in_turn(tasks, rounds), "published layout, fc run twice", count)


def compare_options(rounds: int, count: int, backbone: str, compiled: bool) -> None:
    """Memory layout, precision and compilation of a compact training step."""
    config = recipe("from-compact")
    config = dataclasses.replace(config, model=dataclasses.replace(config.model, backbone=backbone))
    kinds: dict[str, dict] = {
        "float32": {"channels_last": False},
        "float32, channels_last": {},
        "bfloat16": {"channels_last": False, "precision": "bfloat16"},
        "bfloat16, channels_last": {"precision": "bfloat16"},
    }
    if compiled:
        kinds["float32, channels_last, compiled"] = {"compile": True}
        kinds["bfloat16, channels_last, compiled"] = {"compile": True, "precision": "bfloat16"}
    data = batch(config.model, count)
    steppers = {name: stepper(dataclasses.replace(config, **k)) for name, k in kinds.items()}
    tasks = {name: lambda s=s: s.step([data], 0.01, 0) for name, s in steppers.items()}
    show(in_turn(tasks, rounds), "float32", count)


def compare_prelu(rounds: int, count: int) -> None:
    """Our gradient of PReLU against torch's, in the compact networks of the real crops."""
    for name in ("baseline-compact", "from-compact"):
        config = recipe(name, precision="bfloat16")
        model = dataclasses.replace(config.model, backbone="ir10_compact")
        config = dataclasses.replace(config, model=model)
        ours, theirs = stepper(config), stepper(config)
        for module in theirs.model.modules():
            if isinstance(module, PReLU):
                module.__class__ = nn.PReLU
        data = batch(config.model, count)
        tasks = {
            f"{name}, torch's": lambda s=theirs, d=data: s.step([d], 0.01, 0),
            f"{name}, ours": lambda s=ours, d=data: s.step([d], 0.01, 0),
        }
        show(in_turn(tasks, rounds), f"{name}, torch's", count)


def compare_inference(rounds: int, count: int) -> None:
    """Embeddings with the mask against the plain backbone, every backbone."""
    for backbone in BACKBONES:
        masked = FROM(backbone=backbone).eval().to(memory_format=torch.channels_last)
        plain = FROM(backbone=backbone, mask="none").eval().to(memory_format=torch.channels_last)
        images = torch.rand(count, 3, 112, 96).to(memory_format=torch.channels_last)
        tasks = {
            f"{backbone}, plain": lambda m=plain, x=images: m.embed(x),
            f"{backbone}, masked": lambda m=masked, x=images: m.embed(x),
        }
        with torch.inference_mode():
            show(in_turn(tasks, rounds), f"{backbone}, plain", count)


def main() -> None:
    """Print the tables asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["step", "options", "prelu", "inference"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--backbone", default="ir10_small")
    parser.add_argument("--compiled", action="store_true", help="compile too: minutes at first")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.what == "step":
        compare_steps(options.rounds, options.batch)
    elif options.what == "prelu":
        compare_prelu(options.rounds, options.batch)
    elif options.what == "options":
        compare_options(options.rounds, options.batch, options.backbone, options.compiled)
    else:
        compare_inference(options.rounds, options.batch)


if __name__ == "__main__":
    main()
