"""Small valid files that the readers under attack are given: pictures, trees, sets."""

import functools
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import occgen
from occluders.library import CATEGORIES

__all__ = ["encode", "make_library", "make_set", "make_tree", "picture", "touch_source"]

KEYS = ("anna/1.jpg", "anna/2.jpg", "bert/1.jpg", "bert/2.jpg")


def picture(seed: int, height: int = 64, width: int = 48) -> NDArray[np.uint8]:
    """Return a smooth picture, uint8 of shape (height, width, 3)."""
    coarse = np.random.default_rng(seed).integers(0, 256, (5, 4, 3), dtype=np.uint8)
    return np.array(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


def encode(image: NDArray[Any], form: str = "JPEG", **options: Any) -> bytes:
    """Return a picture as the bytes of a file."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, form, **options)
    return buffer.getvalue()


@functools.cache
def crops() -> dict[str, bytes]:
    """Return four JPEG crops by key."""
    return {key: encode(picture(number)) for number, key in enumerate(KEYS)}


def make_tree(root: Path, keys: Iterable[str] = KEYS) -> None:
    """Write identity folders."""
    for key in keys:
        path = root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(crops()[key])


def make_library(root: Path) -> None:
    """Write a folder of occluders with everything that may be told of them."""
    for number, category in enumerate(CATEGORIES[:3]):
        folder = root / category
        folder.mkdir(parents=True)
        rgba = np.dstack([picture(number, 40, 30), np.full((40, 30), 200, np.uint8)])
        (folder / "a.png").write_bytes(encode(rgba, "PNG"))
        (folder / "b.jpg").write_bytes(encode(rgba[:, :, :3]))
        (folder / "b_mask.png").write_bytes(encode(rgba[:, :, 3], "PNG"))


def make_set(out: Path, form: str = "hdf5", **options: Any) -> None:
    """Build a set of four faces with landmarks and masks, one shard, the tree beside it."""
    tree, library = out.parent / "faces", out.parent / "occluders"
    if not tree.exists():
        make_tree(tree)
        make_library(library)
        points = "10,25,38,25,24,38,12,50,36,50"
        names = ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")
        header = ",".join(f"{name}_{axis}" for name in names for axis in "xy")
        rows = "".join(f"{key},{points}\n" for key in KEYS)
        (tree / "landmarks.csv").write_text(f"crop,{header}\n{rows}")
        (tree / "pairs.csv").write_text("image_a,image_b,same\nanna/1.jpg,anna/2.jpg,1\n")
    settings: dict[str, Any] = {"scale": 2.0, "k": 3, "jobs": 1, "shard_size": 4, "format": form}
    occgen.build(
        occgen.BuildConfig(
            dataset="folder",
            root=str(tree),
            out=str(out),
            occluders=str(library),
            **settings | options,
        )
    )


def touch_source(source: Any, most: int = 50) -> int:
    """Read everything a source gives; return how many pictures could be decoded."""
    source.check()
    source.carried()
    count = source.count()
    assert count >= 0, count
    decoded = 0
    for number, ref in enumerate(source.refs()):
        if number >= most:
            break
        try:
            image = occgen.codec.decode_image(source.read(ref.key))
        except occgen.errors.DataError:
            continue
        decoded += 1
        source.landmarks(ref.key, *image.shape[:2])
    return decoded
