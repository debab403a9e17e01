"""Streams are keyed, fixed for ever, uniform, and independent of each other."""

import hashlib
import math
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from occgen.errors import InputError
from occgen.seeding import Stream, choose


class Constant:
    """Gives one number for ever."""

    def __init__(self, value: float) -> None:
        self._value = value

    def random(self) -> float:
        return self._value


def first(seed: int, key: str, purpose: str = "placement", count: int = 20) -> list[float]:
    stream = Stream(seed, key, purpose)
    return [stream.random() for _ in range(count)]


def test_numbers_are_pinned() -> None:
    """A change here moves every occlusion of every set ever built."""
    assert first(100, "a/0001.jpg", count=3) == [
        0.5885569440296161,
        0.36403192371031445,
        0.6295877523163627,
    ]


@given(st.integers(0, 2**64 - 1), st.text("aZ0/_- é木🙂", max_size=40))
def test_numbers_are_those_of_the_keyed_hash(seed: int, key: str) -> None:
    expected = []
    for block in range(3):  # eight numbers a block
        digest = hashlib.blake2b(
            key.encode(), key=struct.pack("<Q", seed), person=b"p", salt=struct.pack("<Q", block)
        ).digest()
        expected += [(number >> 11) / 2**53 for number in struct.unpack("<8Q", digest)]
    assert first(seed, key, "p", 24) == expected


def test_streams_repeat_and_differ_by_every_part() -> None:
    assert first(1, "k") == first(1, "k")
    streams = [first(1, "k"), first(2, "k"), first(1, "l"), first(1, "k", "other"), first(1, "")]
    numbers = [number for stream in streams for number in stream]
    assert len(set(numbers)) == len(numbers)


def test_numbers_are_uniform_and_uncorrelated_between_keys() -> None:
    table = np.array([first(100, f"{key}", count=8) for key in range(4000)])
    assert table.min() >= 0
    assert table.max() < 1
    assert (np.abs(table.mean(axis=0) - 0.5) < 4.5 * math.sqrt(1 / 12 / 4000)).all()
    counts = np.stack([np.histogram(column, 16, (0, 1))[0] for column in table.T])
    assert (((counts - 250) ** 2 / 250).sum(axis=1) < 50).all()  # chi-square, 15 df, 1e-5
    correlations = np.corrcoef(np.concatenate([table[:-1], table[1:]], axis=1).T)
    assert np.abs(correlations - np.eye(16)).max() < 5 / math.sqrt(4000)


def test_keys_that_are_no_utf8_have_a_stream_too() -> None:
    assert first(0, "\udcff.jpg") != first(0, "\udcfe.jpg")


def test_generators_repeat_and_differ_by_every_part() -> None:
    def drawn(seed: int, key: str, purpose: str) -> list[float]:
        return Stream(seed, key, purpose).generator().random(4).tolist()

    assert drawn(1, "k", "p") == drawn(1, "k", "p")
    others = [drawn(1, "k", "p"), drawn(2, "k", "p"), drawn(1, "l", "p"), drawn(1, "k", "q")]
    assert len({tuple(other) for other in others}) == 4


def test_the_generator_does_not_depend_on_numbers_taken_before() -> None:
    fresh, used = Stream(1, "k", "p"), Stream(1, "k", "p")
    used.random()
    assert fresh.generator().integers(1 << 60) == used.generator().integers(1 << 60)


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_seeds_out_of_range_are_refused(seed: int) -> None:
    with pytest.raises(InputError, match=rf"seed must be in 0 .. 2\*\*64 - 1, got {seed}"):
        Stream(seed, "k", "p")


@given(st.floats(0, 1, exclude_max=True), st.integers(1, 10**9))
def test_choices_are_in_range(value: float, count: int) -> None:
    assert choose(Constant(value), count) == min(int(value * count), count - 1)
    assert 0 <= choose(Constant(value), count) < count


def test_the_largest_number_chooses_the_last() -> None:
    for count in (1, 3, 96, 2**53, 2**60):
        assert choose(Constant(1 - 2**-53), count) <= count - 1
    assert choose(Constant(1 - 2**-53), 96) == 95
