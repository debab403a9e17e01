"""Write worn.json: what placement by landmarks and mixed placement draw for twenty keys.

Unlike the other golden files this one is made by occgen itself: it pins what is drawn, so that a
change of it is seen. That it is right is tested by where the anchors come to lie. The library is
one of ellipses, a category of its own for each role.
"""

import json
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from occgen.config import BuildConfig
from occgen.synthesis import draw_placements
from occluders import OccluderLibrary, from_directory

KEYS = [f"person{number % 7}/{number:03d}.jpg" for number in range(20)]
POINTS = np.array([[37.5, 50], [72.25, 52.5], [58, 70], [43, 92], [69.75, 94]], np.float32)
SIZES = {
    "book": (90, 120),
    "bottle": (40, 130),
    "cup": (70, 76),
    "eye_mask": (148, 60),
    "eyeglasses": (140, 48),
    "face_mask": (132, 104),
    "fruit": (60, 55),
    "hand": (100, 128),
    "hat": (150, 90),
    "phone": (72, 140),
    "scarf": (160, 96),
}
CONFIGS = {
    "landmarks": BuildConfig(dataset="demo", placement="landmarks", occluders_per_face="1:3"),
    "mixed": BuildConfig(dataset="demo", placement="mixed", mix="random=1,regions=1,landmarks=2"),
}


def make_library(root: Path) -> OccluderLibrary:
    """Write one ellipse a category into a folder and return its library."""
    for category, (width, height) in SIZES.items():
        picture = Image.new("RGBA", (width, height))
        draw = ImageDraw.Draw(picture)
        draw.ellipse((2, 1, width - 3, height - 2), fill=(180, 60, 40, 255))
        (root / category).mkdir()
        picture.save(root / category / "one.png")
    return from_directory(root)


def drawn(library: OccluderLibrary) -> dict[str, dict[str, list[object]]]:
    """Return occluder, box and, where it is turned, map of each placement, by setting and key."""
    return {
        name: {
            key: [
                [p.occluder.name, list(p.box), p.warp and [list(p.warp.size), list(p.warp.back)]]
                for p in draw_placements(library, config, key, 112, 112, POINTS)
            ]
            for key in KEYS
        }
        for name, config in CONFIGS.items()
    }


def main() -> None:
    """Write the file beside this script."""
    with tempfile.TemporaryDirectory() as folder:
        found = drawn(make_library(Path(folder)))
    blocks = [
        f"{json.dumps(name)}: {{\n"
        + ",\n".join(f"  {json.dumps(key)}: {json.dumps(row)}" for key, row in rows.items())
        + "\n}"
        for name, rows in found.items()
    ]
    text = "{\n" + ",\n".join(blocks) + "\n}\n"
    Path(__file__).with_name("worn.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
