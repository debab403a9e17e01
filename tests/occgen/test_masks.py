"""Masks as run lengths: every mask comes back, the bytes are pinned, damage is named."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from occgen.errors import DataError
from occgen.masks import pack_mask, pack_masks, unpack_mask


def runs_of(mask: np.ndarray) -> bytes:
    """Return the runs of a mask, pixel by pixel, as the format's page says."""
    runs, hidden, length = [], False, 0
    for pixel in [*mask.reshape(-1).tolist(), None]:
        if pixel is hidden:
            length += 1
            continue
        if pixel is None and not hidden:
            break  # what is seen at the end is left out
        while length > 255:
            runs += [255, 0]
            length -= 255
        runs.append(length)
        hidden, length = not hidden, 1
    return bytes(runs)


def drawn(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Return a mask of specks, of a box, of nothing or of everything."""
    mask = rng.random((height, width)) < rng.choice([0, 0.02, 0.5, 1])
    y, x = rng.integers(0, height), rng.integers(0, width)
    mask[y : y + rng.integers(0, height), x : x + rng.integers(0, width)] ^= True
    return mask


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 5), st.integers(0, 2**32))
def test_masks_come_back(height: int, width: int, count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    masks = np.stack([drawn(rng, height, width) for _ in range(count)])
    runs, sizes = pack_masks(masks)
    assert runs.tobytes() == b"".join(map(runs_of, masks))
    assert sizes.tolist() == [len(runs_of(mask)) for mask in masks]
    for mask in masks:
        assert (unpack_mask(pack_mask(mask), height, width) == mask).all()


def test_the_bytes_are_those_of_the_format() -> None:
    mask = np.zeros((4, 200), np.bool_)
    mask[1, 190:] = mask[2, :10] = True
    assert pack_mask(mask) == bytes([255, 0, 135, 20])
    mask[:] = True
    assert pack_mask(mask) == bytes([0, *[255, 0] * 3, 35])
    mask[0, 0] = mask[3, 199] = False
    assert pack_mask(mask) == bytes([1, *[255, 0] * 3, 33])
    assert pack_mask(np.zeros((4, 200), np.bool_)) == b""


def test_a_line_of_numpy_reads_them() -> None:
    """The line that stands in docs/formats.md."""
    mask = drawn(np.random.default_rng(0), 30, 40)
    runs = np.frombuffer(pack_mask(mask), np.uint8)
    hidden = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
    assert (np.pad(hidden, (0, 30 * 40 - len(hidden))).reshape(30, 40) == mask).all()


def test_masks_of_no_face() -> None:
    runs, sizes = pack_masks(np.zeros((0, 9, 9), np.bool_))
    assert len(runs) == len(sizes) == 0


def test_no_mask_is_empty_and_damaged_ones_are_named() -> None:
    data = pack_mask(np.ones((9, 9), np.bool_))
    assert not unpack_mask(b"", 9, 9).any()
    wide = pack_mask(np.ones((9, 30), np.bool_))
    for damaged in (data[:-1], data + b"x", b"\0" * 8, wide, b"\xff" * 10_000_000):
        with pytest.raises(DataError, match=r"damaged mask \(its runs do not fit 9x9 pixels\)"):
            unpack_mask(damaged, 9, 9)
