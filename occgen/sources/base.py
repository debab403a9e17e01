"""What a data set is to the engine: ordered references, and bytes when asked for."""

from collections.abc import Iterator
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["FaceRef", "Source"]


class FaceRef(NamedTuple):
    """A picture of a source."""

    key: str
    """Unique in the source and stable: names the picture whatever machine it lies on."""
    identity: str
    """Name of the person; empty where none is known."""


class Source(Protocol):
    """A data set, read lazily: nothing is kept but what finding a picture takes."""

    dataset: str
    """Its name on the command line."""
    licence: str
    """What its owners ask, in a sentence."""

    def refs(self) -> Iterator[FaceRef]:
        """Yield every picture once, in an order that only the data set decides."""

    def count(self) -> int:
        """Return how many references `refs` yields."""

    def read(self, key: str) -> bytes:
        """Return a picture's encoded bytes.

        Raises
        ------
        DataError
            When it cannot be read; the message is the reason alone.
        """

    def landmarks(self, key: str, height: int, width: int) -> NDArray[np.float32] | None:
        """Return five points (5, 2) as x, y in pixels of the picture, or None where unknown."""

    def carried(self) -> dict[str, bytes]:
        """Return files that belong with the pictures, such as lists of pairs, by their names."""

    def check(self) -> None:
        """Raise InputError or DataError where the whole data set is not what it should be."""
