"""Exactly the pictures a recipe lists, read through the data set that holds them."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..columns import Columns
from ..errors import DataError, ShardError
from ..recipe_file import Block, Recipe, checksum
from .base import FaceRef, Source

__all__ = ["ListedSource"]


class ListedSource:
    """A source cut down to a recipe's pictures, in the recipe's order.

    Parameters
    ----------
    inner : Source
        Holds the pictures, and any others.
    path : Path
        The recipe.
    """

    def __init__(self, inner: Source, path: Path) -> None:
        self.inner, self.recipe = inner, Recipe(path)
        self.dataset, self.licence = inner.dataset, inner.licence
        self._index = -1
        self._block: Block | None = None
        self._checksums: dict[str, bytes] = {}

    def refs(self) -> Iterator[FaceRef]:
        """Yield every picture of the recipe once, in its order."""
        for block in self.recipe.blocks():
            keys = iter(block.keys)
            for name, count in block.runs:
                for _ in range(count):
                    yield FaceRef(next(keys), name)

    def count(self) -> int:
        """Return how many references `refs` yields."""
        return self.recipe.pictures

    def turn_to(self, index: int) -> Block:
        """Return a block of the recipe, the one whose pictures `read` knows from now on."""
        if self._block is None or index != self._index:
            block = self.recipe.block(index)
            known = block.checksums.tobytes()
            size = block.checksums.shape[1]
            self._checksums = {
                key: known[place * size : (place + 1) * size]
                for place, key in enumerate(block.keys)
            }
            self._index, self._block = index, block
        return self._block

    def read(self, key: str) -> bytes:
        """Return a picture's encoded bytes, checked against the recipe.

        Raises
        ------
        DataError
            For a picture that was left out when the recipe was written, with the reason of then.
        ShardError
            When the bytes are not those the recipe was written from.
        """
        if self._block is None or key not in self._checksums:
            raise DataError(f"is not in {self.recipe.path}")
        reason = self._block.skipped.get(key)
        if reason is not None:
            raise DataError(reason)
        try:
            data = self.inner.read(key)
        except DataError as error:
            raise ShardError(f"{key}: {error}; the recipe needs it") from error
        if checksum(data) != self._checksums[key]:
            raise ShardError(f"{key}: its bytes are not those the recipe was written from")
        return data

    def check_columns(self, index: int, columns: Columns) -> None:
        """Raise ShardError where boxes or occluders of a shard are not those of the recipe."""
        block = self.turn_to(index)
        counts = np.diff(columns["paste/offset"].astype(np.int64))
        names = tuple(name.decode() for name in columns["paste/occluder"].tolist())
        if len(counts) != len(block.paste_counts):
            problem = f"{len(counts)} faces in place of {len(block.paste_counts)}"
        elif not np.array_equal(columns["box"], block.boxes):
            row = int(np.flatnonzero((columns["box"] != block.boxes).any(1))[0])
            found, wanted = columns["box"][row].tolist(), block.boxes[row].tolist()
            problem = f"box {found} on {columns['key'][row].decode()} in place of {wanted}"
        elif names != block.occluders or not np.array_equal(counts, block.paste_counts):
            problem = "other occluders than it names"
        else:
            return
        versions = self.recipe.header.get("versions", {})
        raise ShardError(
            f"{self.recipe.path}: this version makes {problem}; "
            f"use occgen {versions.get('occgen', 'of the version that wrote it')}"
        )

    def landmarks(self, key: str, height: int, width: int) -> NDArray[np.float32] | None:
        """Return the five points the data set knows of a picture, or None."""
        return self.inner.landmarks(key, height, width)

    def carried(self) -> dict[str, bytes]:
        """Return files that belong with the pictures, such as lists of pairs, by their names."""
        return self.inner.carried()

    def check(self) -> None:
        """Raise InputError or DataError where the whole data set is not what it should be."""
        self.inner.check()
