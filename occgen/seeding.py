"""Streams of random numbers keyed by seed, key and purpose; the only place one is made.

A stream depends on nothing but its three parts, so a face gets the same occlusion whatever the
order, the subset, the number of jobs, the backend or the machine. Placements are drawn from
uniform floats alone, whose bits are fixed here, so no change of numpy's distributions moves them.
"""

from functools import lru_cache
from hashlib import blake2b
from struct import Struct
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from .errors import InputError

__all__ = ["RandomSource", "Stream", "choose"]


_UNPACK = Struct("<8Q").unpack
_STEP = 2.0**-53


@lru_cache(maxsize=64)
def _keyed(seed: int, purpose: str, block: int) -> blake2b:
    """Return the hash before the key of an image goes in; copied, it is made in half the time."""
    salt = block.to_bytes(8, "little")
    return blake2b(key=seed.to_bytes(8, "little"), person=purpose.encode(), salt=salt)


class RandomSource(Protocol):
    """What placements draw from: a `Stream`, or a ``numpy.random.Generator``."""

    def random(self) -> float:
        """Return a float64 in [0, 1)."""


class Stream:
    """A counter-based stream: block n is the keyed BLAKE2b hash of the key with salt n.

    Parameters
    ----------
    seed : int
        Of the build, 0 <= seed < 2**64.
    key : str
        Of the image.
    purpose : str
        What is drawn, at most 16 bytes; streams of two purposes are independent.
    """

    __slots__ = ("_block", "_data", "_numbers", "_purpose", "_seed")

    def __init__(self, seed: int, key: str, purpose: str) -> None:
        if not 0 <= seed < 2**64:
            raise InputError(f"seed must be in 0 .. 2**64 - 1, got {seed}")
        self._seed, self._purpose = seed, purpose
        self._data = key.encode("utf-8", "surrogatepass")
        self._block = 0
        self._numbers: list[int] = []  # of 64 bits, the next one last

    def _digest(self, block: int) -> bytes:
        keyed = _keyed(self._seed, self._purpose, block).copy()
        keyed.update(self._data)
        return keyed.digest()

    def random(self) -> float:
        """Return the next float64 in [0, 1), of 53 bits."""
        if not self._numbers:
            self._numbers = list(_UNPACK(self._digest(self._block))[::-1])
            self._block += 1
        return (self._numbers.pop() >> 11) * _STEP

    def generator(self) -> np.random.Generator:
        """Return a numpy generator keyed by this stream, for whole arrays of numbers."""
        digest = blake2b(self._digest(0), digest_size=16, person=b"generator").digest()
        key: NDArray[Any] = np.frombuffer(digest, "<u8").astype(np.uint64)
        return np.random.Generator(np.random.Philox(key=key))


def choose(rng: RandomSource, count: int) -> int:
    """Return a uniformly drawn number in 0 .. count - 1, from one float."""
    number = int(rng.random() * count)
    return number if number < count else count - 1
