"""One HDF5 shard of a finished set: columns loaded, pictures and masks read through a map."""

import mmap
import zlib
from array import array
from collections.abc import Callable, Container, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .column_check import check_attributes, check_columns
from .columns import Columns
from .errors import DataError, InputError, ShardError
from .formats.hdf5 import blob_position, dataset_names, open_hdf5, read_attributes, read_columns
from .masks import unpack_mask
from .patterns import PatternGrid

__all__ = ["LATER", "ShardFile"]

_IMAGE = "image/data"
LATER = (_IMAGE, "mask/data")
"""Read through the map, not loaded."""
_WANTED = (
    *("image/offset", "mask/offset", "mask/crc32", "box", "paste/offset", "paste/box", "identity"),
    *("identity_name", "key", "category", "occluder", "scale", "coverage", "mask_coverage"),
    "landmarks",
)
_UNREAD = (*LATER, "image/crc32", "paste/category", "paste/occluder", "paste/scale")
_MASK_PIXELS = 1 << 25  # unpacked at a time


class ShardFile:
    """One mapped shard with its columns.

    Parameters
    ----------
    path : Path
        Its place in the set.
    local : Path
        The file itself: the same, or a copy on this machine.

    Raises
    ------
    ShardError
        When it is damaged.
    """

    def __init__(self, path: Path, local: Path) -> None:
        self.path = path
        with open_hdf5(local) as file:
            attributes = read_attributes(file)
            stored = dataset_names(file)
            self.columns: Columns = read_columns(
                file, [name for name in stored if name in _WANTED or name.startswith("pattern/")]
            )
            self.image_start, image_length = blob_position(file, _IMAGE)
            self.mask_start, mask_length = (
                blob_position(file, "mask/data") if "mask/data" in stored else (0, 0)
            )
        check_columns(self.columns, attributes, path, without=_UNREAD)
        self.categories = check_attributes(attributes, path)
        self.height, self.width = attributes["height"], attributes["width"]
        self.k, self.by = attributes["k"], attributes["by"]
        for name in self.columns:
            if name.startswith("pattern/"):
                self.columns[name] = self.columns[name].astype(np.int64)
        self.offsets = _checked_offsets(path, self.columns["image/offset"], image_length)
        self.mask_offsets = (
            _checked_offsets(path, self.columns["mask/offset"], mask_length)
            if "mask/offset" in self.columns
            else []
        )
        self.count = len(self.offsets) - 1
        with open(local, "rb") as raw:
            self.bytes = mmap.mmap(raw.fileno(), 0, access=mmap.ACCESS_READ)

    def labels(
        self,
        k: int | None,
        by: str | None,
        added: Container[str],
        grid: Callable[[int], PatternGrid],
    ) -> NDArray[np.int64]:
        """Return the label of every face, stored or computed.

        Parameters
        ----------
        k, by : int and str, or None
            None takes that of the build.
        added : container of str
            Files of labels beside the shards that count.
        grid : callable
            Gives the pattern grid of a K.
        """
        k = self.k if k is None else grid(k).k  # refuses what is no number of cells
        by = self.by if by is None else by
        if by not in ("box", "mask"):
            raise InputError(f"by must be box or mask, got {by!r}")
        name = f"pattern/k{k}" if by == "box" else f"pattern/k{k}_mask"
        if name not in self.columns:
            self.columns[name] = self._added_or_new(k, by, added, grid).astype(np.int64)
        return self.columns[name]

    def _added_or_new(
        self, k: int, by: str, added: Container[str], grid: Callable[[int], PatternGrid]
    ) -> NDArray[Any]:
        beside = self.path.parent / f"pattern-k{k}.h5"
        if beside.name in added:
            dataset = f"{self.path.stem}/{by}"
            with open_hdf5(beside) as file:
                if dataset in file:
                    labels = read_columns(file, [dataset])[dataset]
                    if labels.shape != (self.count,) or labels.dtype.kind != "i":
                        raise ShardError(f"{beside}: {dataset} is no {self.count} labels")
                    return labels
        return self.new_labels(grid(k), by)

    def new_labels(self, grid: PatternGrid, by: str) -> NDArray[np.int64]:
        """Return labels computed from boxes or masks, whatever labels are stored."""
        if by == "box":
            return self._label_boxes(grid, self.columns["box"])
        counts = np.diff(self.columns["paste/offset"].astype(np.int64))
        if not self.mask_offsets and (counts <= 1).all():  # each mask is the box of its paste
            boxes = np.zeros((self.count, 4), np.int64)
            boxes[counts == 1] = self.columns["paste/box"]
            return self._label_boxes(grid, boxes)
        some = max(1, _MASK_PIXELS // (self.height * self.width))
        parts = [
            grid.label_masks(np.stack([self.mask(row) for row in range(first, last)]))
            for first in range(0, self.count, some)
            for last in (min(first + some, self.count),)
        ]
        return np.concatenate(parts) if parts else np.zeros(0, np.int64)

    def _label_boxes(self, grid: PatternGrid, boxes: NDArray[Any]) -> NDArray[np.int64]:
        try:
            return grid.label_boxes(boxes)
        except InputError as error:
            raise ShardError(f"{self.path} is damaged: {error}") from error

    def mask(self, row: int) -> NDArray[np.bool_]:
        """Return the mask of a row; where none is stored, its boxes."""
        if not self.mask_offsets:
            mask = np.zeros((self.height, self.width), np.bool_)
            first, last = self.columns["paste/offset"][row : row + 2]
            for x0, y0, x1, y1 in self.columns["paste/box"][int(first) : int(last)].tolist():
                mask[y0:y1, x0:x1] = True
            return mask
        start = self.mask_start + self.mask_offsets[row]
        data = self.bytes[start : self.mask_start + self.mask_offsets[row + 1]]
        try:
            if zlib.crc32(data) != self.columns["mask/crc32"][row]:
                raise DataError("damaged mask (its checksum does not match)")
            return unpack_mask(data, self.height, self.width)
        except DataError as error:
            raise ShardError(f"{self.path}: mask of row {row}: {error}") from error


def _checked_offsets(path: Path, offsets: NDArray[Any], length: int) -> Sequence[int]:
    if offsets.ndim != 1 or len(offsets) < 1 or offsets.dtype.kind not in "iu":
        raise ShardError(f"{path}: offsets are damaged")
    values = array("Q", offsets.astype(np.uint64).tobytes())  # an eighth of a list
    if values[0] != 0 or values[-1] != length or (np.diff(offsets.astype(np.int64)) < 0).any():
        raise ShardError(f"{path}: offsets do not fill the {length} bytes they cut")
    return values
