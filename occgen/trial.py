"""One picture occluded as a build would, to try a setting before a whole set is made."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .codec import decode_image
from .config import BuildConfig
from .engine import open_library
from .errors import DataError, InputError
from .patterns import PatternGrid
from .preview import Tile
from .sources import DemoSource, FolderSource
from .synthesis import OccludedFace, occlude_face
from .tasks import variant_key
from .workshop import label_box, narrow_library

__all__ = ["Trial", "side_by_side", "try_setting"]

UInt8 = NDArray[np.uint8]

_GAP = 4


class Trial:
    """A face occluded by a setting, with its labels.

    Attributes
    ----------
    face : OccludedFace
    labels : dict of str to int
        Proximate pattern by 'box' and by 'mask'.
    """

    def __init__(self, face: OccludedFace, config: BuildConfig) -> None:
        self.face, self._config = face, config
        height, width = face.image.shape[:2]
        self._grid = PatternGrid(config.k, height, width)
        box = label_box(face.box, config.compat, height, width)
        self.labels = {
            "box": int(self._grid.label_boxes(np.array([box]))[0]),
            "mask": int(self._grid.label_masks(face.mask[None])[0]),
        }

    @property
    def occluders(self) -> tuple[str, ...]:
        """Names of what was pasted, in order; empty where the face stayed clean."""
        return tuple(placement.occluder.name for placement in self.face.placements)

    def tile(self) -> Tile:
        """Return it as a tile of a contact sheet."""
        label = self.labels[self._config.by]
        rectangle = tuple(self._grid.boxes[label].tolist()) if label else None
        facts = f"label {label}   box {self.face.coverage:.0%}   mask {self.face.mask_coverage:.0%}"
        return Tile(
            image=self.face.image,
            lines=(", ".join(self.occluders) or "clean", facts),
            box=self.face.box if self.occluders else None,
            mask=self.face.mask if self.occluders else None,
            pattern=rectangle,
        )


def try_setting(image: str, config: BuildConfig) -> list[Trial]:
    """Return a picture occluded as a build of its folder would, in each of its variants.

    Parameters
    ----------
    image : str
        Path of a picture, or 'demo' for a drawn face. Landmarks are those of ``landmarks.csv`` in
        its folder or the one above.
    config : BuildConfig
        What is pasted how; the picture's name and the seed decide what is drawn.

    Returns
    -------
    list of Trial
        One a variant.

    Raises
    ------
    InputError
        When there is no such file, or no occluder is left to choose from.
    DataError
        When it is no picture.
    """
    library = narrow_library(open_library(config.occluders), config)
    key, picture, landmarks = _opened(image)
    return [
        Trial(occlude_face(picture, library, config, variant_key(key, number), landmarks), config)
        for number in range(config.variants)
    ]


def side_by_side(images: list[UInt8], columns: int = 8) -> UInt8:
    """Return pictures of one size in rows, white between them.

    Parameters
    ----------
    images : list of ndarray of uint8, shape (H, W, 3)
        At least one.
    columns : int, optional
        In a row, at most.
    """
    height, width = images[0].shape[:2]
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    size = (rows * (height + _GAP) - _GAP, columns * (width + _GAP) - _GAP, 3)
    sheet: UInt8 = np.full(size, 255, np.uint8)
    for number, image in enumerate(images):
        y, x = number // columns * (height + _GAP), number % columns * (width + _GAP)
        sheet[y : y + height, x : x + width] = image
    return sheet


def _opened(image: str) -> tuple[str, UInt8, NDArray[np.float32] | None]:
    """Return key, pixels and landmarks of a picture."""
    path = Path(image)
    if image == "demo" and not path.exists():
        source = DemoSource()
        key = next(source.refs()).key
        picture = decode_image(source.read(key))
        return key, picture, source.landmarks(key, *picture.shape[:2])
    if not path.is_file():
        found = "is a folder" if path.is_dir() else "does not exist"
        raise InputError(f"{image} {found}; name a picture, or demo for a drawn face")
    try:
        picture = decode_image(path.read_bytes())
    except (DataError, OSError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise DataError(f"{image}: {reason}") from error
    whole = path.absolute()
    for root, key in (
        (whole.parent.parent, f"{whole.parent.name}/{path.name}"),
        (whole.parent, path.name),
    ):
        landmarks = FolderSource(root).landmarks(key, *picture.shape[:2])
        if landmarks is not None:
            return key, picture, landmarks
    return path.name, picture, None
