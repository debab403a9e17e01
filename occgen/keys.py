"""Keys of a source by identity, packed: as Python strings they would take ten times the memory."""

import zlib
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .errors import DataError
from .sources import PartedSource, Source, group_refs

__all__ = ["CompressedBlock", "KeyBlock", "Listing", "pack_runs", "source_runs", "unpack_keys"]


class KeyBlock(NamedTuple):
    """Keys of one or more runs of an identity each, one behind the other."""

    keys: bytes
    """UTF-8, with undecodable bytes as they are; a NUL ends each key."""
    runs: tuple[tuple[str, int], ...]
    """Identity and number of keys of each run."""

    def ends(self) -> NDArray[np.int64]:
        """Return where each key ends, with its NUL."""
        return np.flatnonzero(np.frombuffer(self.keys, np.uint8) == 0) + 1

    def compressed(self) -> "CompressedBlock":
        """Return it at a fifth of its length."""
        return CompressedBlock(zlib.compress(self.keys, 1), self.runs)


class CompressedBlock(NamedTuple):
    """A `KeyBlock` that waits, or travels, compressed."""

    data: bytes
    runs: tuple[tuple[str, int], ...]

    def opened(self) -> KeyBlock:
        """Return the block."""
        return KeyBlock(zlib.decompress(self.data), self.runs)


def pack_runs(runs: Iterable[tuple[str, list[str]]], at_once: int) -> Iterator[KeyBlock]:
    """Yield blocks of at least so many keys, but for the last, of what `PartedSource.runs` yields.

    Raises
    ------
    DataError
        At a key that holds a NUL.
    """
    keys: list[str] = []
    counts: list[tuple[str, int]] = []
    for name, found in runs:
        keys += found
        counts.append((name, len(found)))
        if len(keys) >= at_once:
            yield _block(keys, counts)
            keys, counts = [], []
    if keys:
        yield _block(keys, counts)


def _block(keys: list[str], counts: list[tuple[str, int]]) -> KeyBlock:
    packed = ("\0".join(keys) + "\0").encode("utf-8", "surrogateescape")
    if packed.count(b"\0") != len(keys):
        wrong = next(key for key in keys if "\0" in key)
        raise DataError(f"the source names {wrong!r}, which no file can be called")
    return KeyBlock(packed, tuple(counts))


def unpack_keys(packed: bytes) -> tuple[str, ...]:
    """Return the keys of a block, or of a part of one."""
    return tuple(packed.decode("utf-8", "surrogateescape").split("\0")[:-1])


def source_runs(source: Source) -> Iterator[tuple[str, list[str]]]:
    """Yield identities with their keys, as `PartedSource.runs` does, of any source."""
    return source.runs() if isinstance(source, PartedSource) else group_refs(source.refs())


@dataclass(slots=True)
class Listing:
    """All keys of a source."""

    pictures: int
    _blocks: deque[CompressedBlock]

    def blocks(self) -> Iterator[KeyBlock]:
        """Yield the blocks in order, once: each is let go of."""
        while self._blocks:
            yield self._blocks.popleft().opened()
