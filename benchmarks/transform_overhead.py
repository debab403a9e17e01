"""What RandomOcclusion costs a picture in a training loop, beside decoding that picture.

    OMP_NUM_THREADS=1 python benchmarks/transform_overhead.py

Pictures of 112x112 in one process. Every way runs on the same pictures in turn, round after round;
a ratio is of times within one round. Printed are the median, minimum and maximum over rounds.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

import cv2
import simplejpeg
import torch

from occgen.demo import DemoFaces
from occgen.synthesis import draw_placements, occlude_with
from occgen.transforms import RandomOcclusion

SETTINGS: dict[str, Any] = {"scale": "1.0:0.5:5.0", "clean_fraction": 0.0}


def ways(images: list[Any], jpegs: list[bytes]) -> dict[str, Callable[[int], Any]]:
    """Return each way of treating picture number i, by name."""
    tensors = [torch.from_numpy(image).permute(2, 0, 1).contiguous() for image in images]
    plain = RandomOcclusion(**SETTINGS)
    label = RandomOcclusion(returns=("box", "label"), **SETTINGS)
    everything = RandomOcclusion(returns=("box", "mask", "label"), **SETTINGS)
    natural = RandomOcclusion(blend="natural", **SETTINGS)
    worn = RandomOcclusion(placement="landmarks", clean_fraction=0.0)
    placed = [
        draw_placements(plain.library, plain.config, str(i), 112, 112) for i in range(len(images))
    ]
    found: dict[str, Callable[[int], Any]] = {
        "decode its JPEG (yardstick)": lambda i: simplejpeg.decode_jpeg(jpegs[i], "RGB"),
        "paste a known placement (floor)": lambda i: occlude_with(images[i], placed[i], "alpha"),
        "RandomOcclusion, array": lambda i: plain(images[i]),
        "the same, nothing to resize": lambda i: plain(images[i], key="a"),
        "with box and label": lambda i: label(images[i]),
        "with box, mask and label": lambda i: everything(images[i]),
        "RandomOcclusion, tensor": lambda i: plain(tensors[i]),
        "placement landmarks": lambda i: worn(images[i]),
        "blend natural": lambda i: natural(images[i]),
    }
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
    try:
        import albumentations

        from occgen.albumentation import RandomOcclusion as Step
    except ModuleNotFoundError:
        return found
    ours = albumentations.Compose([Step(**SETTINGS)])
    dropout = albumentations.Compose(
        [albumentations.CoarseDropout((1, 1), (30, 80), (30, 80), p=1.0)]
    )
    found["albumentations: RandomOcclusion"] = lambda i: ours(image=images[i])
    found["albumentations: CoarseDropout (peer)"] = lambda i: dropout(image=images[i])
    return found


def main() -> None:
    """Print times and ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--pictures", type=int, default=200)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    faces = DemoFaces(width=112)
    images = [faces.draw(number // 10, number % 10).image for number in range(options.pictures)]
    jpegs = [simplejpeg.encode_jpeg(image, 95, "RGB", "420") for image in images]
    todo = ways(images, jpegs)
    took: dict[str, list[float]] = {name: [] for name in todo}
    for number in range(options.rounds + 2):  # the first two fill the caches
        for name, treat in todo.items():
            began = time.perf_counter()
            for i in range(len(images)):
                treat(i)
            if number >= 2:
                took[name].append(1e6 * (time.perf_counter() - began) / len(images))
    yardstick = next(iter(took.values()))
    for name, times in took.items():
        ratios = [time_us / base for time_us, base in zip(times, yardstick, strict=True)]
        middle, low, high = (f(ratios) for f in (statistics.median, min, max))
        print(
            f"{name:<38}{statistics.median(times):6.0f} us   "
            f"{middle:5.2f} of the decoding (min {low:.2f}, max {high:.2f})"
        )


if __name__ == "__main__":
    main()
