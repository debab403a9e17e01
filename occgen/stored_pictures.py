"""StoredPictures: what a finished set of any format holds, read by number, a shard at a time."""

import bisect
import itertools
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .columns import Columns
from .errors import DataError, ShardError
from .formats import open_format
from .manifest import read_manifest
from .masks import unpack_mask

__all__ = ["StoredPicture", "StoredPictures"]


class StoredPicture(NamedTuple):
    """An encoded picture of a set, and what is hidden of it."""

    data: bytes
    mask: NDArray[np.bool_]
    """Bool of shape (H, W)."""


class StoredPictures:
    """The pictures of a finished set, ``[i]``, in the order of the set.

    Parameters
    ----------
    path : Path
        The folder ``occgen build`` wrote.

    Notes
    -----
    The shard last read from is held whole, so pictures are best asked for in order.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        manifest = read_manifest(path)
        self._format = open_format(str(manifest["config"]["format"]))
        counts = [int(shard["images"]) for shard in manifest["shards"]]
        self._starts = [0, *itertools.accumulate(counts)]
        self._held = -1
        self._columns: Columns = {}
        self._attributes: dict[str, Any] = {}

    def __len__(self) -> int:
        return self._starts[-1]

    def __getitem__(self, number: int) -> StoredPicture:
        if not 0 <= number < len(self):
            raise IndexError(f"picture {number} of {len(self)}")
        shard = bisect.bisect_right(self._starts, number) - 1
        if shard != self._held:
            self._columns, self._held = {}, -1  # let go before the next one is read
            self._columns, self._attributes = self._format.read(self.path, shard)
            if len(self._columns["key"]) != self._starts[shard + 1] - self._starts[shard]:
                raise ShardError(
                    f"{self.path}: shard {shard} does not hold as many faces as the manifest says; "
                    "run occgen verify --repair"
                )
            self._held = shard
        row = number - self._starts[shard]
        return StoredPicture(self._blob("image", row), self._mask(number, row))

    def _mask(self, number: int, row: int) -> NDArray[np.bool_]:
        height, width = int(self._attributes["height"]), int(self._attributes["width"])
        if "mask/data" in self._columns:
            try:
                return unpack_mask(self._blob("mask", row), height, width)
            except DataError as error:
                raise ShardError(f"{self.path}: mask of picture {number}: {error}") from error
        mask = np.zeros((height, width), np.bool_)
        first, last = self._columns["paste/offset"][row : row + 2].tolist()
        for x0, y0, x1, y1 in self._columns["paste/box"][first:last].tolist():
            mask[y0:y1, x0:x1] = True
        return mask

    def _blob(self, name: str, row: int) -> bytes:
        start, end = self._columns[f"{name}/offset"][row : row + 2].tolist()
        return self._columns[f"{name}/data"][start:end].tobytes()
