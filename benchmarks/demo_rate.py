"""Rate of drawing demo faces on one core, the head of each person painted once.

    OMP_NUM_THREADS=1 python benchmarks/demo_rate.py

Blocks of pictures are drawn in the order a data set is read in; the best and the middle block
count, as other work on the machine only ever slows one down.
"""

import argparse
import statistics
import time

import cv2
import simplejpeg

from occgen.demo import DemoFaces
from occgen.sources.demo import DemoSource


def drawn(seed: int, people: int, images: int, width: int) -> float:
    """Return pictures a second of processor time, of people not drawn before."""
    faces = DemoFaces(seed=seed, width=width)
    began = time.process_time()
    for person in range(people):
        for image in range(images):
            faces.draw(person, image)
    return people * images / (time.process_time() - began)


def read(seed: int, people: int, images: int) -> float:
    """Return pictures a second that the source reads, encoded as JPEG."""
    source = DemoSource(people, images, seed)
    keys = [ref.key for ref in source.refs()]
    began = time.process_time()
    for key in keys:
        source.read(key)
    return len(keys) / (time.process_time() - began)


def yardstick() -> float:
    """Return microseconds of decoding and encoding one picture, to compare machines by."""
    image = DemoFaces().draw(0, 0).image
    took = []
    for _ in range(200):
        began = time.process_time()
        data = simplejpeg.encode_jpeg(image, quality=95, colorspace="RGB", colorsubsampling="420")
        simplejpeg.decode_jpeg(data, "RGB", fastdct=False, fastupsample=False)
        took.append(time.process_time() - began)
    return 1e6 * statistics.median(took)


def main() -> None:
    """Print the rates."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--blocks", type=int, default=8)
    parser.add_argument("--people", type=int, default=25, help="in a block")
    parser.add_argument("--images", type=int, default=4, help="of each person")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    drawn(99, 2, 2, 96)
    print(f"JPEG decode and encode: {yardstick():.0f} us")
    for name, rate in (
        ("draw 112x96", lambda n: drawn(n, options.people, options.images, 96)),
        ("draw 112x112", lambda n: drawn(n, options.people, options.images, 112)),
        ("read 112x112 as JPEG", lambda n: read(n, options.people, options.images)),
    ):
        rates = [rate(number) for number in range(options.blocks)]
        print(f"{name}: best {max(rates):.0f}/s, middle {statistics.median(rates):.0f}/s")


if __name__ == "__main__":
    main()
