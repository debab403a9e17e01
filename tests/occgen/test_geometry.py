"""Boxes against sets of pixels, and their checks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from occgen.errors import InputError
from occgen.geometry import as_boxes, box_area, box_intersection, centred_box, clip_boxes

Box = tuple[int, int, int, int]

SIDE = st.integers(-6, 18)


@st.composite
def boxes(draw: st.DrawFn) -> Box:
    x0, x1 = sorted((draw(SIDE), draw(SIDE)))
    y0, y1 = sorted((draw(SIDE), draw(SIDE)))
    return x0, y0, x1, y1


def pixels(box: Box) -> set[tuple[int, int]]:
    x0, y0, x1, y1 = box
    return {(x, y) for x in range(x0, x1) for y in range(y0, y1)}


@given(boxes())
def test_area_counts_pixels(box: Box) -> None:
    assert box_area(as_boxes(box)).tolist() == [len(pixels(box))]


@given(boxes(), boxes())
def test_intersection_counts_shared_pixels(a: Box, b: Box) -> None:
    shared = len(pixels(a) & pixels(b))
    assert box_intersection(as_boxes(a), as_boxes(b)).tolist() == [[shared]]
    assert box_intersection(as_boxes(b), as_boxes(a)).tolist() == [[shared]]


@given(boxes(), st.integers(1, 12), st.integers(1, 12))
def test_clipping_keeps_the_pixels_inside(box: Box, height: int, width: int) -> None:
    clipped = clip_boxes(as_boxes(box), height, width)[0]
    inside = pixels(box) & pixels((0, 0, width, height))
    assert pixels(tuple(clipped.tolist())) == inside
    if not inside:
        assert clipped.tolist() == [0, 0, 0, 0]


@given(SIDE, SIDE, st.integers(1, 9), st.integers(1, 9))
def test_centred_box_is_the_published_one(x: int, y: int, width: int, height: int) -> None:
    expected = (x - width // 2, y - height // 2, x + (width + 1) // 2, y + (height + 1) // 2)
    assert centred_box(x, y, width, height) == expected


def test_as_boxes_takes_lists_whole_floats_and_one_box() -> None:
    assert as_boxes([1, 2, 3, 4]).tolist() == [[1, 2, 3, 4]]
    assert as_boxes([[1.0, 2.0, 3.0, 4.0]]).dtype == np.int64
    assert as_boxes(np.array([[0, 0, 200, 200]], np.uint8)).tolist() == [[0, 0, 200, 200]]
    assert as_boxes(np.array([[0, 0, 300, 30000]], np.int16)).tolist() == [[0, 0, 300, 30000]]


def test_boxes_of_unsigned_integers_keep_their_sides() -> None:
    box = np.array([0, 1, 2**63 - 1, 2**62], np.uint64)
    assert as_boxes(box).tolist() == [[0, 1, 2**63 - 1, 2**62]]


def test_area_of_narrow_integers_does_not_wrap() -> None:
    assert box_area(as_boxes(np.array([[0, 0, 30000, 30000]], np.int16))).tolist() == [900_000_000]


@pytest.mark.parametrize("empty", [[], np.zeros((0, 4)), np.zeros((0, 4), np.int16)])
def test_no_boxes_are_no_boxes(empty: object) -> None:
    assert as_boxes(empty).shape == (0, 4)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ([1, 2, 3], r"shape \(N, 4\), got \(3,\)"),
        (np.zeros((2, 5)), r"shape \(N, 4\), got \(2, 5\)"),
        (np.zeros((1, 1, 4)), r"shape \(N, 4\)"),
        ([[0, 0, 1.5, 2]], "whole pixels"),
        ([[0, 0, np.nan, 2]], "whole pixels"),
        ([[0, 0, np.inf, 2]], "pixels"),
        ([["a", "b", "c", "d"]], "whole pixels"),
        ([[0, 0, 1e12, 2]], r"within \+-2\*\*31"),
        (np.array([0, 0, 2**63, 2], np.uint64), r"below 2\*\*63 pixels, got 9223372036854775808"),
        ([[0, 0, 1, 1], [5, 0, 4, 1]], r"box 1 ends before it starts: \(5, 0, 4, 1\)"),
        ([[0, 3, 4, 1]], "box 0 ends before it starts"),
    ],
)
def test_wrong_boxes_are_named(wrong: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        as_boxes(wrong)
