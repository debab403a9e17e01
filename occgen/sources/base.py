"""What a data set is to the engine: ordered references, and bytes when asked for."""

import contextlib
import itertools
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

__all__ = ["DatedSource", "FaceRef", "PartedSource", "Source", "group_refs", "written_since"]

_AT_ONCE = 4096  # references looked at together: an identity may have millions


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


@runtime_checkable
class PartedSource(Protocol):
    """A source that lists its pictures by identity, and parts of it apart.

    No object is made for each picture, and several processes can list at once.
    """

    def parts(self) -> Sequence[str]:
        """Return the names of the parts, such as folders, in the order of `refs`."""

    def runs(self, parts: Iterable[str] | None = None) -> Iterator[tuple[str, list[str]]]:
        """Yield an identity and keys of it, of all parts or of some, in the order of `refs`.

        An identity may come again.
        """


@runtime_checkable
class DatedSource(Protocol):
    """A source whose pictures have times of their own."""

    def changed_since(self, keys: Iterable[str], when: float) -> bool:
        """Whether one of some pictures was written after a time, in seconds since 1970."""


def written_since(paths: Iterable[str | Path], when: float) -> bool:
    """Whether one of some files was written after a time; times to come tell nothing."""
    now = time.time()
    for path in paths:
        with contextlib.suppress(OSError):
            if when < os.stat(path).st_mtime <= now:
                return True
    return False


def group_refs(refs: Iterable[FaceRef]) -> Iterator[tuple[str, list[str]]]:
    """Yield references as `PartedSource.runs` does."""
    left = iter(refs)
    while some := list(itertools.islice(left, _AT_ONCE)):
        for name, group in itertools.groupby(some, attrgetter("identity")):
            yield name, [ref.key for ref in group]
