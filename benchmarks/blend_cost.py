"""What natural blending costs: against alpha blending alone, and over a whole build.

Both are measured in turn in one process, several rounds; what is printed is the ratio of
processor times in each round. Run it on a folder of aligned JPEG crops:

    python benchmarks/blend_cost.py --root ../shared/data/faces/lfw
"""

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

from occgen.codec import decode_image
from occgen.config import BuildConfig
from occgen.engine import build
from occgen.sources.folder import FolderSource
from occgen.synthesis import draw_placements, occlude_with
from occluders import OccluderLibrary, bundled

_BLENDS = ("opaque", "alpha", "natural")


def blending(
    root: Path, library: OccluderLibrary, placement: str, scale: str, faces: int
) -> dict[str, float]:
    """Return seconds of processor time for pasting and masking faces, by blend."""
    source = FolderSource(root)
    keys = [ref.key for _, ref in zip(range(faces), source.refs(), strict=False)]
    images = [decode_image(source.read(key)) for key in keys]
    points = [
        source.landmarks(key, *image.shape[:2]) for key, image in zip(keys, images, strict=True)
    ]
    config = BuildConfig(dataset="folder", scale=scale, placement=placement)
    placed = [
        draw_placements(library, config, key, *image.shape[:2], landmarks)
        for key, image, landmarks in zip(keys, images, points, strict=True)
    ]
    took = {}
    for blend in _BLENDS:
        for final in (False, True):  # the first pass fills the cache of sizes
            began = time.process_time()
            for image, placements in zip(images, placed, strict=True):
                _ = occlude_with(image, placements, blend).mask
            if final:
                took[blend] = time.process_time() - began
    return took


def building(root: Path, folder: Path, placement: str, scale: str) -> dict[str, float]:
    """Return seconds of processor time for a whole build, by blend."""
    took = {}
    for blend in _BLENDS:
        began = sum(os.times()[:4])  # of this process and its workers
        out = folder / f"{placement}-{blend}-{began}"
        build(
            BuildConfig(
                dataset="folder",
                root=str(root),
                out=str(out),
                scale=scale,
                placement=placement,
                blend=blend,
                jobs=1,
            )
        )
        took[blend] = sum(os.times()[:4]) - began
    return took


def show(name: str, ratios: list[float]) -> None:
    """Print one row of the table."""
    low, middle, high = min(ratios), statistics.median(ratios), max(ratios)
    print(f"| {name} | {low:.2f} | {middle:.2f} | {high:.2f} |", flush=True)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scale", default="2.0", help="of random placement")
    parser.add_argument("--faces", type=int, default=1000, help="for blending alone")
    options = parser.parse_args()
    library = bundled()
    print("| ratio | min | median | max |")
    print("| --- | --- | --- | --- |")
    for placement in ("random", "landmarks"):
        alone = [
            blending(options.root, library, placement, options.scale, options.faces)
            for _ in range(options.rounds)
        ]
        with tempfile.TemporaryDirectory() as name:
            whole = [
                building(options.root, Path(name), placement, options.scale)
                for _ in range(options.rounds + 1)
            ][1:]  # the first round fills the page cache
        for title, rounds in (("a build", whole), ("blending alone", alone)):
            show(
                f"{placement}: {title}, natural / alpha",
                [t["natural"] / t["alpha"] for t in rounds],
            )
            show(
                f"{placement}: {title}, alpha / opaque", [t["alpha"] / t["opaque"] for t in rounds]
            )


if __name__ == "__main__":
    main()
