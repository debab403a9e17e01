"""Rate of `occgen align` against the bare floor: read, decode, warp, encode at q95, write a file.

Both run in turn in one process; what is printed is the ratio of rates in each round:

    python benchmarks/align_rate.py --photos ../shared/data/originals
"""

import argparse
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import cv2
import simplejpeg

from occgen.align_config import AlignConfig
from occgen.codec import decode_image
from occgen.crops import align_folder
from occgen.landmark_files import KnownLandmarks, read_landmark_file
from occgen.landmarks import fit_similarity, template
from occgen.sources import FolderSource


def floor(photos: Path, known: KnownLandmarks, out: Path) -> int:
    """Align with nothing around it; return how many pictures were."""
    made = 0
    goal = template(112, 112)
    for ref in FolderSource(photos).refs():
        faces = known.find(ref.key)
        if not faces:
            continue
        image = decode_image((photos / ref.key).read_bytes())
        crop = cv2.warpAffine(image, fit_similarity(faces[0].points, goal), (112, 112))
        data = simplejpeg.encode_jpeg(crop, quality=95, colorspace="RGB", colorsubsampling="420")
        (out / f"{made}.jpg").write_bytes(data)
        made += 1
    return made


def main() -> None:
    """Print the ratio of rates of each round and their median."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--copies", type=int, default=10, help="of the folder, to last longer")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    ratios = []
    with tempfile.TemporaryDirectory() as place:
        photos, points = Path(place) / "photos", Path(place) / "points.csv"
        header, *lines = (options.photos / "landmarks.csv").read_text().splitlines()
        rows = [header]
        for copy in range(options.copies):
            shutil.copytree(options.photos, photos / f"{copy}")
            rows += [f"{copy}/{line}" for line in lines]
        points.write_text("\n".join(rows))
        known = read_landmark_file(points)
        for turn in range(options.rounds):
            out = Path(place) / f"{turn}"
            (out / "bare").mkdir(parents=True)
            began = time.perf_counter()
            made = floor(photos, known, out / "bare")
            middle = time.perf_counter()
            config = AlignConfig(
                src=str(photos), out=str(out / "crops"), landmarks=str(points), jobs=1
            )
            assert align_folder(config).crops == made
            ours = time.perf_counter() - middle
            ratios.append((middle - began) / ours)
            print(f"round {turn}: {ratios[-1]:.2f} of its rate ({made / ours:.0f} pictures/s)")
    low, middle_ratio, high = min(ratios), statistics.median(ratios), max(ratios)
    print(f"align: {middle_ratio:.2f} of the floor's rate (min {low:.2f}, max {high:.2f})")


if __name__ == "__main__":
    main()
