"""Draw docs/placements.png and docs/blending.png on drawn faces.

python docs/draw_sheets.py
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from occgen.codec import decode_image
from occgen.config import BuildConfig
from occgen.sources import open_source
from occgen.synthesis import occlude_face
from occluders import OccluderLibrary, bundled, from_directory

COLUMNS = 9
GAP, TITLE = 3, 15
PLACEMENTS = {
    "--placement random --scale 2.0": {"placement": "random", "scale": 2.0},
    "--placement regions": {"placement": "regions"},
    "--placement landmarks": {"placement": "landmarks"},
    "--placement landmarks --occluders-per-face 2": {
        "placement": "landmarks",
        "occluders_per_face": 2,
    },
    "--placement mixed --scale 1.0:0.5:3.0": {"placement": "mixed", "scale": "1.0:0.5:3.0"},
}
BLENDS = {
    "without an occluder": {"clean_fraction": 1.0},
    **{f"--blend {blend}": {"blend": blend} for blend in ("opaque", "alpha", "natural")},
}


def sheet(rows: dict[str, list[np.ndarray]]) -> Image.Image:
    """Return titled rows of pictures of one size."""
    height, width = next(iter(rows.values()))[0].shape[:2]
    step = height + TITLE + GAP
    drawn = Image.new("RGB", (COLUMNS * (width + GAP) - GAP, len(rows) * step - GAP), "white")
    pen = ImageDraw.Draw(drawn)
    for number, (title, pictures) in enumerate(rows.items()):
        pen.text((1, number * step + 1), title, fill="black")
        for column, picture in enumerate(pictures):
            place = column * (width + GAP), number * step + TITLE
            drawn.paste(Image.fromarray(picture), place)
    return drawn


def rows_of(
    settings: dict[str, dict[str, object]], library: OccluderLibrary, seed: int, **common: object
) -> dict[str, list[np.ndarray]]:
    """Return a row of faces for each setting, the same faces in every row."""
    source = open_source("demo", f"{COLUMNS}x1@{seed}")
    faces = []
    for ref in source.refs():
        image = decode_image(source.read(ref.key))
        faces.append((ref.key, image, source.landmarks(ref.key, *image.shape[:2])))
    rows = {}
    for title, setting in settings.items():
        config = BuildConfig(dataset="demo", seed=seed, **{**common, **setting})  # type: ignore[arg-type]
        rows[title] = [
            occlude_face(image, library, config, key, points).image for key, image, points in faces
        ]
    return rows


def main() -> None:
    """Write both sheets beside this script."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--occluders", help="folder of them; by default the bundled ones")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    parser.add_argument("--seed", type=int, default=5)
    options = parser.parse_args()
    library = from_directory(options.occluders) if options.occluders else bundled()
    sheets = {
        "placements": rows_of(PLACEMENTS, library, options.seed, blend="natural"),
        "blending": rows_of(BLENDS, library, options.seed + 1, placement="landmarks"),
    }
    for name, rows in sheets.items():
        picture = sheet(rows).quantize(256, dither=Image.Dither.FLOYDSTEINBERG)
        picture.save(options.out / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main()
