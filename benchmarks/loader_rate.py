"""Cost of a training image against the bare decode of its JPEG, on one core.

    OMP_NUM_THREADS=1 python benchmarks/loader_rate.py --root ../shared/data/faces/lfw

Pictures lie in memory for both. Floor and loader run in turn, batch by batch, by the processor's
clock, which other work on the machine does not move much. Occluders are resized before, as they
are in the first epoch of a large set; what that took stands in a comment.
"""

import argparse
import dataclasses
import statistics
import time

import cv2
import numpy as np
import simplejpeg

from frommodel.config import TrainConfig
from frommodel.faces import hold, open_faces
from frommodel.loader import BatchMaker
from frommodel.mixture import Mixture
from frommodel.recipes import recipe
from occgen.synthesis import draw_placements, occlude_with

_BATCH = 64
_WARMING = 12_000


def decode_all(pictures: list[bytes]) -> None:
    """Do what every loader of these pictures must do: the floor."""
    for picture in pictures:
        simplejpeg.decode_jpeg(picture, "RGB", fastdct=False, fastupsample=False)


def ratios(mixture: Mixture, config: TrainConfig, numbers: list[int]) -> list[float]:
    """Return loader time over decode time of each batch, occluders of all sizes at hand."""
    maker = BatchMaker(mixture, config)
    if config.occlude is not None:
        resize_all(maker)
    found = []
    for start in range(0, len(numbers) - _BATCH + 1, _BATCH):
        chosen = numbers[start : start + _BATCH]
        pictures = [part.read(index) for part, index in map(mixture.locate, chosen)]
        began = time.process_time()
        decode_all(pictures)
        middle = time.process_time()
        maker.make(chosen, 0)
        found.append((time.process_time() - middle) / (middle - began))
    return found


def resize_all(maker: BatchMaker) -> None:
    """Let the library resize what placements of many faces ask for, as a first epoch does."""
    build, library = maker.occlusion
    blank = np.zeros((maker.height, maker.width, 3), np.uint8)
    began = time.process_time()
    for number in range(_WARMING):
        placements = draw_placements(library, build, f"{number}", maker.height, maker.width)
        occlude_with(blank, placements, build.effective_blend, in_place=True)
    spent = time.process_time() - began
    print(f"<!-- {_WARMING} placements on one blank face: {spent:.1f} s -->")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="folder")
    parser.add_argument("--root", required=True)
    parser.add_argument("--images", type=int, default=2048)
    parser.add_argument("--occluders", default="bundled")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    mixture = Mixture([hold(open_faces(options.data, options.root))])
    plain = recipe("from-compact", augment=False, occlude=None)
    size = mixture.parts[0].read(0)
    height, width = simplejpeg.decode_jpeg_header(size)[:2]
    model = dataclasses.replace(plain.model, height=height, width=width)
    plain = dataclasses.replace(plain, model=model, occluders=options.occluders)
    scales = "1.0:0.5:5.0"
    kinds = {
        "decode alone": plain,
        "augmented": dataclasses.replace(plain, augment=True),
        "occluded, opaque": dataclasses.replace(plain, occlude=scales, blend="opaque"),
        "occluded, alpha": dataclasses.replace(plain, occlude=scales),
        "augmented, occluded, alpha": dataclasses.replace(plain, occlude=scales, augment=True),
        "occluded, alpha, placed by landmarks": dataclasses.replace(
            plain, occlude=scales, placement="landmarks"
        ),
    }
    print(f"{len(mixture)} pictures of {height}x{width}; time over bare decode, by batch")
    print("| loader | least | median | most |")
    print("| --- | --- | --- | --- |")
    numbers = mixture.epoch_order(0, 0)[: options.images].tolist()
    for name, config in kinds.items():
        found = ratios(mixture, config, numbers)
        low, middle, high = min(found), statistics.median(found), max(found)
        print(f"| {name} | {low:.2f} | {middle:.2f} | {high:.2f} |", flush=True)


if __name__ == "__main__":
    main()
