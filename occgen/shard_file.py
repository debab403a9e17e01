"""One HDF5 shard of a finished set: columns loaded, pictures and masks read through a map."""

import mmap
from array import array
from collections.abc import Callable, Container, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .columns import Columns, unpack_mask
from .errors import InputError, ShardError
from .formats.hdf5 import blob_position, open_hdf5, read_attributes, read_columns
from .patterns import PatternGrid

__all__ = ["LATER", "ShardFile"]

_IMAGE = "image/data"
LATER = (_IMAGE, "mask/data")
"""Read through the map, not loaded."""
_WANTED = (
    *("image/offset", "mask/offset", "box", "paste/offset", "paste/box", "identity"),
    *("identity_name", "key", "category", "occluder", "scale", "coverage", "mask_coverage"),
    "landmarks",
)


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
            self.height, self.width = int(attributes["height"]), int(attributes["width"])
            self.k, self.by = int(attributes["k"]), str(attributes["by"])
            names = [name for name in _WANTED if name in file]
            self.columns: Columns = read_columns(file, names)
            stored = [name for name in file["pattern"]] if "pattern" in file else []
            for name in stored:
                labels = read_columns(file, [f"pattern/{name}"])[f"pattern/{name}"]
                self.columns[f"pattern/{name}"] = labels.astype(np.int64)
            self.image_start, image_length = blob_position(file, _IMAGE)
            self.mask_start, mask_length = (
                blob_position(file, "mask/data") if "mask/data" in file else (0, 0)
            )
            enum = file["category"].id.get_type()
            self.categories = _enum_names(enum)
        self.offsets = _checked_offsets(path, self.columns["image/offset"], image_length)
        self.mask_offsets = (
            _checked_offsets(path, self.columns["mask/offset"], mask_length)
            if "mask/offset" in self.columns
            else []
        )
        self.count = len(self.offsets) - 1
        for name in ("box", "key", "identity", "category", "scale"):
            if len(self.columns[name]) != self.count:
                raise ShardError(f"{path}: {name} does not have {self.count} rows")
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
        k, by = k or self.k, by or self.by
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
                    if labels.shape != (self.count,):
                        raise ShardError(f"{beside}: {dataset} does not have {self.count} rows")
                    return labels
        return self.new_labels(grid(k), by)

    def new_labels(self, grid: PatternGrid, by: str) -> NDArray[np.int64]:
        """Return labels computed from boxes or masks, whatever labels are stored."""
        if by == "box":
            return grid.label_boxes(self.columns["box"])
        counts = np.diff(self.columns["paste/offset"].astype(np.int64))
        if not self.mask_offsets and (counts <= 1).all():  # each mask is the box of its paste
            boxes = np.zeros((self.count, 4), np.int64)
            boxes[counts == 1] = self.columns["paste/box"]
            return grid.label_boxes(boxes)
        masks = np.zeros((self.count, self.height, self.width), np.bool_)
        for row in range(self.count):
            masks[row] = self.mask(row)
        return grid.label_masks(masks)

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
            return unpack_mask(data, self.height, self.width)
        except ValueError as error:
            raise ShardError(f"{self.path}: mask of row {row}: {error}") from error


def _enum_names(enum: Any) -> list[str]:
    names = {enum.get_member_value(i): enum.get_member_name(i) for i in range(enum.get_nmembers())}
    return [names[value].decode() for value in sorted(names)]


def _checked_offsets(path: Path, offsets: NDArray[Any], length: int) -> Sequence[int]:
    if offsets.ndim != 1 or len(offsets) < 1 or offsets.dtype.kind not in "iu":
        raise ShardError(f"{path}: offsets are damaged")
    values = array("Q", offsets.astype(np.uint64).tobytes())  # an eighth of a list
    if values[0] != 0 or values[-1] != length or (np.diff(offsets.astype(np.int64)) < 0).any():
        raise ShardError(f"{path}: offsets do not fill the {length} bytes they cut")
    return values
