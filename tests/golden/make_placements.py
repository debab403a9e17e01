"""Write placements.json: what Algorithm 1 draws for twenty keys, without using occgen.

The stream is written out here: block n of a key is the BLAKE2b hash of the key, keyed by the seed
(8 bytes, little-endian), with the purpose as personalisation and n as salt; each of its eight
64-bit numbers gives a float of 53 bits. Occluders are those of the test library: nine categories
with two members each, of the sizes in `SIZES` and six pixels more.
"""

import hashlib
import json
import struct
from collections.abc import Iterator
from pathlib import Path

SEED = 100
KEYS = [f"person{number % 7}/{number:03d}.jpg" for number in range(20)]
SIZES = {
    "book": (46, 60),
    "cup": (38, 44),
    "eye_mask": (74, 30),
    "eyeglasses": (70, 24),
    "face_mask": (66, 52),
    "hand": (50, 64),
    "phone": (36, 70),
    "scarf": (80, 48),
    "sunglasses": (72, 28),
}
REGIONS = {
    "left-eye": (10, 30, 50, 70),
    "right-eye": (50, 30, 90, 70),
    "eyes": (10, 30, 90, 70),
    "nose": (34, 48, 62, 86),
    "mouth": (25, 82, 75, 107),
    "lower": (8, 60, 92, 110),
    "upper": (8, 8, 92, 72),
    "left": (8, 8, 50, 100),
    "right": (50, 8, 92, 100),
}


def floats_of(key: str) -> Iterator[float]:
    """Yield the numbers of a key's stream of placements."""
    block = 0
    while True:
        digest = hashlib.blake2b(
            key.encode(),
            key=struct.pack("<Q", SEED),
            person=b"placement",
            salt=struct.pack("<Q", block),
        ).digest()
        for number in struct.unpack("<8Q", digest):
            yield (number >> 11) / 2**53
        block += 1


def random_placement(key: str, scales: list[float], height: int, width: int) -> dict[str, object]:
    """Return scale, occluder and box of Algorithm 1."""
    numbers = floats_of(key)
    next(numbers)  # decides whether the face stays clean
    scale = scales[int(next(numbers) * len(scales))]
    category = sorted(SIZES)[int(next(numbers) * len(SIZES))]
    member = int(next(numbers) * 2)
    x, y = int(next(numbers) * width), int(next(numbers) * height)
    w, h = (side + 6 * member for side in SIZES[category])
    w = min(width - 1, int(scale * (w * (width / 96))))
    h = min(height - 1, int(scale * (h * (height / 112))))
    box = [x - w // 2, y - h // 2, x + (w + 1) // 2, y + (h + 1) // 2]
    return {"key": key, "occluder": f"{category}-{member}", "scale": scale, "box": box}


def region_placement(key: str) -> dict[str, object]:
    """Return occluder and box where one of the nine regions is filled, jittered by up to five."""
    numbers = floats_of(key)
    next(numbers)
    region = list(REGIONS)[int(next(numbers) * 9)]
    category = sorted(SIZES)[int(next(numbers) * len(SIZES))]
    member = int(next(numbers) * 2)
    offset = int(next(numbers) * 11) - 5
    box = [side + offset for side in REGIONS[region]]
    return {"key": key, "occluder": f"{category}-{member}", "scale": None, "box": box}


def main() -> None:
    """Write the file."""
    mixed = [1 + 0.5 * step for step in range(9)]
    cases = {
        "scale 2.0, 112x96": [random_placement(key, [2.0], 112, 96) for key in KEYS],
        "scale 1.0:0.5:5.0, 112x112": [random_placement(key, mixed, 112, 112) for key in KEYS],
        "regions, 112x96": [region_placement(key) for key in KEYS],
    }
    blocks = []
    for name, rows in cases.items():
        lines = ",\n".join(f"  {json.dumps(row)}" for row in rows)
        blocks.append(f" {json.dumps(name)}: [\n{lines}\n ]")
    text = "{\n" + ",\n".join(blocks) + "\n}\n"
    (Path(__file__).parent / "placements.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
