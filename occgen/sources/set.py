"""A finished set of occgen's, in any of its formats, read as faces."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..codec import decode_image
from ..columns import Columns
from ..errors import DataError, ShardError
from ..formats import open_format
from ..formats.rows import Rows
from ..manifest import read_manifest
from .base import FaceRef

__all__ = ["SetSource", "carried_lists"]

_LISTS = ("pairs.csv", "pairs.txt")


def carried_lists(root: Path, manifest: Mapping[str, Any]) -> dict[str, bytes]:
    """Return the lists of pairs that a finished set carries, by name.

    Raises
    ------
    DataError
        When one cannot be read.
    """
    found = {}
    for name in _LISTS:
        if name in manifest["files"]:
            try:
                found[name] = (root / name).read_bytes()
            except OSError as error:
                raise DataError(f"{root / name} cannot be read ({error})") from error
    return found


class SetSource:
    """The pictures of a finished set, occluded or not, as they are stored.

    Parameters
    ----------
    root : Path
        The folder ``occgen build`` or ``occgen convert`` wrote.

    Notes
    -----
    One shard is held at a time; a key is looked for in it, then in the next one, then in all.
    """

    dataset = "shards"

    def __init__(self, root: Path) -> None:
        self.root = root
        self.manifest = read_manifest(root)
        self.licence = str(self.manifest["source"]["licence"])
        self._format = open_format(str(self.manifest["config"]["format"]))
        self._count = len(self.manifest["shards"])
        self._index = -1
        self._rows: dict[str, int] = {}
        self._columns: Columns = {}
        self._offsets: list[int] = []
        self._attributes: dict[str, Any] = {}
        self._faces: Rows | None = None

    def refs(self) -> Iterator[FaceRef]:
        """Yield every picture once, in the order of the set."""
        for index in range(self._count):
            columns = self._format.read_some(self.root, index, ["key", "identity_name"])
            keys, names = columns["key"].tolist(), columns["identity_name"].tolist()
            if len(keys) != len(names):
                raise DataError(
                    f"{self.root}: shard {index} has {len(keys)} keys, {len(names)} names"
                )
            for key, name in zip(keys, names, strict=True):
                yield FaceRef(key.decode(), name.decode())

    def count(self) -> int:
        """Return how many references `refs` yields."""
        return int(self.manifest["images"])

    def read(self, key: str) -> bytes:
        """Return a picture's encoded bytes."""
        row = self._find(key)
        start, end = self._offsets[row : row + 2]
        return self._columns["image/data"][start:end].tobytes()

    def _find(self, key: str) -> int:
        if key not in self._rows:
            self._turn_to(self._holder(key))
        return self._rows[key]

    def _holder(self, key: str) -> int:
        following = range(self._index + 1, self._count)
        for index in (*following, *range(self._index + 1)):
            try:
                keys = self._format.read_some(self.root, index, ["key"])["key"]
            except ShardError as error:
                raise DataError(str(error)) from error
            if (keys == key.encode()).any():
                return index
        raise DataError("is not in the set")

    def _turn_to(self, index: int) -> None:
        try:
            columns, self._attributes = self._format.read(self.root, index)
        except ShardError as error:
            raise DataError(str(error)) from error
        self._columns, self._index, self._faces = columns, index, None
        self._offsets = columns["image/offset"].tolist()
        self._rows = {key.decode(): row for row, key in enumerate(columns["key"].tolist())}

    def face(self, key: str) -> tuple[dict[str, Any], NDArray[np.bool_] | None]:
        """Return all that is known of a face, and its mask where masks are kept.

        Returns
        -------
        dict
            As the JSON beside a picture in a tar has it: box, category, scale, patterns and so on.
        ndarray of bool, shape (H, W), or None
        """
        row = self._find(key)
        if self._faces is None:
            self._faces = Rows(self._columns, self._attributes)
        record = self._faces.record(row)
        if not self._faces.has_masks:
            return record, None
        try:
            mask = decode_image(self._faces.mask_png(row))[:, :, 0] > 0
        except DataError as error:
            raise DataError(f"{self.root}: mask of {key}: {error}") from error
        return record, mask

    def landmarks(self, key: str, height: int, width: int) -> NDArray[np.float32] | None:
        """Return the five points the set knows of a picture, float32 of shape (5, 2), or None."""
        row = self._find(key)
        table = self._columns.get("landmarks")
        if table is None or np.isnan(table[row]).any():
            return None
        return np.array(table[row], np.float32)

    def carried(self) -> dict[str, bytes]:
        """Return the lists of pairs that the set carries."""
        return carried_lists(self.root, self.manifest)

    def check(self) -> None:
        """Raise DataError where a shard is missing; its content is checked when it is read."""
        standing = set(self._format.indices(self.root))
        missing = [index for index in range(self._count) if index not in standing]
        if missing:
            name = self.manifest["shards"][missing[0]]["name"]
            raise DataError(f"{self.root / name} is missing; run occgen verify --repair")
