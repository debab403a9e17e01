"""Draws a library into a folder: pictures as WebP with a lossless matte, and ``index.json``."""

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .calibration import fit_sizes
from .drawing import DRAWINGS
from .errors import OccluderDataError, OccluderInputError

__all__ = ["ANCHORS", "write_library"]

_QUALITY = 88

ANCHORS: dict[str, dict[str, tuple[float, float]]] = {
    "eye_mask": {"left_eye": (0.27, 0.5), "right_eye": (0.73, 0.5)},
    "eyeglasses": {"left_eye": (0.25, 0.5), "right_eye": (0.75, 0.5)},
    "sunglasses": {"left_eye": (0.25, 0.5), "right_eye": (0.75, 0.5)},
    "face_mask": {"nose": (0.5, 0.12), "mouth": (0.5, 0.6), "chin": (0.5, 1.0)},
    "scarf": {"mouth": (0.5, 0.2), "chin": (0.5, 0.55)},
}
"""Points of a picture that belong on points of a face, as fractions of width and height."""


def write_library(folder: Path, members: int = 24, seed: int = 0) -> dict[str, Any]:
    """Draw every category into a folder and calibrate the natural sizes.

    Parameters
    ----------
    folder : Path
        Made when missing; must be empty.
    members : int, optional
        Of each category.
    seed : int, optional
        The same seed draws the same members, the first ones whatever their number.

    Returns
    -------
    dict
        The index, as written to ``index.json``: members with name, category, natural size, anchors,
        file and SHA-256, the seed, and a digest of all files.

    Raises
    ------
    OccluderInputError
        When `members` is below 1 or the folder is not empty.
    OccluderDataError
        When it cannot be written.
    """
    if members < 1:
        raise OccluderInputError(f"members must be >= 1, got {members}")
    if folder.exists() and any(folder.iterdir()):
        raise OccluderInputError(f"{folder} is not empty; name a new folder")
    pictures = {
        category: [_draw(category, number, seed) for number in range(members)]
        for category in DRAWINGS
    }
    sizes = fit_sizes(
        {name: [p.shape[1] / p.shape[0] for p in found] for name, found in pictures.items()}
    )
    records: list[dict[str, Any]] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for category, found in pictures.items():
            for number, picture in enumerate(found):
                data = _webp(picture)
                name = f"{category}_{number:02d}.webp"
                (folder / name).write_bytes(data)
                records.append(
                    {
                        "name": f"{category}/{number:02d}",
                        "category": category,
                        "natural_size": list(sizes[category][number]),
                        "anchors": {k: list(v) for k, v in ANCHORS.get(category, {}).items()},
                        "file": name,
                        "sha256": hashlib.sha256(data).hexdigest(),
                    }
                )
        digest = hashlib.sha256("".join(r["sha256"] for r in records).encode()).hexdigest()
        index = {"seed": seed, "licence": "CC0-1.0", "digest": digest, "members": records}
        (folder / "index.json").write_text(json.dumps(index, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise OccluderDataError(f"{folder} cannot be written ({error.strerror})") from error
    return index


def _draw(category: str, number: int, seed: int) -> NDArray[np.uint8]:
    """Return one member, cut to the pixels it covers."""
    key = hashlib.sha256(f"{seed}/{category}/{number}".encode()).digest()
    picture = DRAWINGS[category](np.random.default_rng(list(key[:16])))
    rows = np.flatnonzero(picture[:, :, 3].max(axis=1))
    columns = np.flatnonzero(picture[:, :, 3].max(axis=0))
    return picture[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _webp(picture: NDArray[np.uint8]) -> bytes:
    """Encode a picture; where it is transparent its colour is the mean of what is seen."""
    filled = picture.copy()
    alpha = picture[:, :, 3:].astype(np.float64)
    mean = (picture[:, :, :3] * alpha).sum((0, 1)) / alpha.sum()
    filled[picture[:, :, 3] == 0, :3] = np.rint(mean)
    buffer = io.BytesIO()
    Image.fromarray(filled).save(
        buffer, "WEBP", quality=_QUALITY, alpha_quality=100, method=6, exact=True
    )
    return buffer.getvalue()
