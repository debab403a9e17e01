"""A finished set of shards, read as a source of pictures."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from occgen.errors import DataError, InputError
from occgen.reader import Sample, Shards, open_shards
from occgen.sources import FaceRef
from occgen.sources.set import carried_lists

__all__ = ["ShardPictures"]


class ShardPictures:
    """The faces of a finished set, by their keys.

    Parameters
    ----------
    root : str or None
        The folder ``occgen build`` wrote.

    Raises
    ------
    InputError, ShardError
        As `occgen.open_shards`; and when no folder is named.
    """

    dataset = "shards"

    def __init__(self, root: str | None) -> None:
        if root is None:
            raise InputError("dataset 'shards' needs --root DIR, the folder of a finished set")
        self.root = Path(root)
        self.shards: Shards = open_shards(root)
        self.licence = str(self.shards.manifest["source"]["licence"])
        self._rows = {sample.key: row for row, sample in enumerate(self.shards)}

    def refs(self) -> Iterator[FaceRef]:
        """Yield every picture once, in the set's order."""
        for sample in self.shards:
            yield FaceRef(sample.key, sample.identity_name)

    def count(self) -> int:
        """Return how many references `refs` yields."""
        return len(self.shards)

    def sample(self, key: str) -> Sample:
        """Return the face of a key, with its labels."""
        if key not in self._rows:
            raise DataError("not in the set")
        return self.shards[self._rows[key]]

    def read(self, key: str) -> bytes:
        """Return a picture's encoded bytes."""
        return self.sample(key).data

    def landmarks(self, key: str, height: int, width: int) -> NDArray[np.float32] | None:
        """Return five points (5, 2), or None where unknown."""
        return self.sample(key).landmarks

    @property
    def manifest(self) -> dict[str, Any]:
        """What the set says of itself, its digest among it."""
        return self.shards.manifest

    def carried(self) -> dict[str, bytes]:
        """Return the lists of pairs that the set carries.

        Raises
        ------
        DataError
            When one cannot be read.
        """
        return carried_lists(self.root, self.manifest)

    def check(self) -> None:
        """Return: the set was checked when opened."""
