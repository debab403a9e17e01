"""Perceptual hashes: what moves them, what does not, and every close pair is found."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from occgen.codec import decode_image, encoder
from occgen.perceptual import close_pairs, hash_picture, likeness

UInt8 = NDArray[np.uint8]


def differing(a: int, b: int) -> int:
    """Return the number of bits that differ."""
    return (a ^ b).bit_count()


def textured(draw_picture: Callable[..., UInt8], seed: int) -> UInt8:
    """Return a picture with detail at several sizes."""
    fine = np.random.default_rng(seed).integers(0, 60, (28, 28, 3), dtype=np.uint8)
    detail = cv2.resize(fine, (112, 112), interpolation=cv2.INTER_CUBIC)
    return np.asarray(cv2.add(draw_picture(seed), detail), np.uint8)


CHANGES: dict[str, Callable[[UInt8], UInt8]] = {
    "encoded": lambda image: decode_image(encoder("jpeg", 50)(image)),
    "smaller": lambda image: np.asarray(cv2.resize(image, (84, 84), interpolation=cv2.INTER_AREA)),
    "brighter": lambda image: np.asarray(cv2.convertScaleAbs(image, alpha=1.1, beta=8)),
    "moved": lambda image: np.pad(image, ((1, 0), (1, 0), (0, 0)), "edge")[:112, :112],
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_near_equal_picture_is_close_and_alike(
    draw_picture: Callable[..., UInt8], change: str
) -> None:
    for seed in range(8):
        image = textured(draw_picture, seed)
        other = CHANGES[change](image)
        before, after = hash_picture(image)[0], hash_picture(other)[0]
        assert change == "moved" or differing(int(before[0]), int(after[0])) <= 8
        assert likeness(image, other) > 0.967


def test_other_pictures_are_far_and_unlike(draw_picture: Callable[..., UInt8]) -> None:
    pictures = [textured(draw_picture, seed) for seed in range(12)]
    hashes = [int(hash_picture(picture)[0][0]) for picture in pictures]
    for i in range(12):
        for j in range(i):
            assert differing(hashes[i], hashes[j]) > 8
            assert likeness(pictures[i], pictures[j]) < 0.9


def test_a_hidden_region_is_not_compared(draw_picture: Callable[..., UInt8]) -> None:
    image = textured(draw_picture, 1)
    mask = np.zeros((112, 112), np.bool_)
    mask[:50, :112] = True
    occluded = np.where(mask[..., None], np.uint8(200), image)
    hashes, usable = hash_picture(occluded, mask)
    assert usable.tolist() == [False, False, False, True, True]
    assert hashes[3:].tolist() == hash_picture(image)[0][3:].tolist()
    assert likeness(occluded, image) < 0.9
    assert likeness(occluded, image, mask) > 0.99
    assert likeness(image, occluded, None, mask) > 0.99
    hidden = np.ones((112, 112), np.bool_)
    assert likeness(image, image, hidden) == 0
    assert likeness(np.full_like(image, 90), np.full_like(image, 90)) == 0


HASHES = st.lists(st.integers(0, 2**64 - 1), max_size=8)


@given(HASHES, HASHES, st.integers(0, 9))
def test_every_close_pair_is_found(left: list[int], right: list[int], radius: int) -> None:
    rng = np.random.default_rng(radius)
    for value in left:  # so that some are close
        for bit in rng.choice(64, rng.integers(0, 12), replace=False).tolist():
            value ^= 1 << bit
        right.append(value)
    found = close_pairs(np.array(left, np.uint64), np.array(right, np.uint64), radius)
    expected = [
        [i, j]
        for i, one in enumerate(left)
        for j, other in enumerate(right)
        if differing(one, other) <= radius
    ]
    assert found.tolist() == expected


def test_many_equal_hashes_are_all_paired(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("occgen.perceptual._MOST_AT_ONCE", 100)
    same = np.full(70, 7, np.uint64)
    assert len(close_pairs(same, same, 4)) == 70 * 70
    none = np.zeros(0, np.uint64)
    assert close_pairs(none, same, 8).shape == close_pairs(same, none, 8).shape == (0, 2)
    with pytest.raises(ValueError, match="radius"):
        close_pairs(same, same, 10)
