"""Fixtures of all tests: real crops where they are at hand, small trees and libraries made here."""

import hashlib
import io
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from numpy.typing import NDArray
from PIL import Image

from occluders.library import CATEGORIES, OccluderLibrary
from occluders.member import Record

UInt8 = NDArray[np.uint8]

# The same examples on every machine, however slow it is.
settings.register_profile("occgen", deadline=None, derandomize=True, max_examples=60)
settings.load_profile("occgen")

# Two natural sizes a category, so that a placement of any of them can be told from the others.
_SIZES = {
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


@pytest.fixture(scope="session")
def faces_root() -> Path:
    """Folder of aligned crops of real faces, one folder a data set."""
    beside = Path(__file__).parents[2] / "shared" / "data"
    root = Path(os.environ.get("OCCGEN_TEST_DATA") or beside) / "faces"
    if not root.is_dir():
        pytest.skip(f"no test faces at {root}; set OCCGEN_TEST_DATA to a folder that holds faces/")
    return root


def smooth_picture(seed: int, height: int = 112, width: int = 112) -> UInt8:
    """Return a picture of a few soft colour blobs, uint8 of shape (height, width, 3)."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 5, 3), dtype=np.uint8)
    return np.array(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


@pytest.fixture(scope="session")
def draw_picture() -> Callable[..., UInt8]:
    """Function that returns a smooth picture of a seed and a size."""
    return smooth_picture


def encoded(image: UInt8, file_format: str = "JPEG", **options: object) -> bytes:
    """Return a picture as a file's bytes."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, file_format, **options)
    return buffer.getvalue()


@pytest.fixture(scope="session")
def encode_picture() -> Callable[..., bytes]:
    """Function that returns a picture as the bytes of a file."""
    return encoded


@pytest.fixture(scope="session")
def face_bytes() -> dict[str, bytes]:
    """Six identities with three JPEG pictures of 112x112 each, by key."""
    return {
        f"person{identity}/{picture}.jpg": encoded(smooth_picture(10 * identity + picture))
        for identity in range(6)
        for picture in range(3)
    }


@pytest.fixture
def face_tree(tmp_path: Path, face_bytes: dict[str, bytes]) -> Path:
    """Folder of identity folders with the pictures of `face_bytes`."""
    root = tmp_path / "faces"
    for key, data in face_bytes.items():
        path = root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return root


def soft_ellipse(seed: int, height: int, width: int) -> UInt8:
    """Return a coloured ellipse with a soft edge, uint8 of shape (height, width, 4)."""
    y, x = np.mgrid[:height, :width]
    radius = np.hypot((2 * x + 1 - width) / width, (2 * y + 1 - height) / height)
    alpha = np.clip((1 - radius) * 8, 0, 1) * 255
    return np.dstack([smooth_picture(seed, height, width), alpha.astype(np.uint8)])


@pytest.fixture(scope="session")
def small_library(tmp_path_factory: pytest.TempPathFactory) -> OccluderLibrary:
    """Two occluders a category, with fixed natural sizes and pictures drawn here."""
    root = tmp_path_factory.mktemp("library")
    records = []
    for number, category in enumerate(CATEGORIES):
        for member in range(2):
            width, height = (side + 6 * member for side in _SIZES[category])
            data = encoded(soft_ellipse(number * 2 + member, 2 * height, 2 * width), "PNG")
            name = f"{category}-{member}"
            (root / f"{name}.png").write_bytes(data)
            sha256 = hashlib.sha256(data).hexdigest()
            size = (float(width), float(height))
            records.append(Record(name, category, size, {}, sha256, f"{name}.png"))
    return OccluderLibrary(records, root, {"library": "test"})
