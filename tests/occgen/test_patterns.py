"""PatternGrid against a plain reference written from the definition, pattern by pattern."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from occgen import PatternGrid
from occgen.errors import InputError

Box = tuple[int, int, int, int]

GOLDEN = Path(__file__).parents[1] / "golden"
SIZES = [(112, 96), (112, 112), (37, 53), (11, 7), (8, 16), (300, 301)]
KS = range(1, 8)


def reference_patterns(k: int, height: int, width: int) -> list[Box]:
    """Return all patterns: clean, then start vertices in row order, then end vertices."""
    x_lines = [int(value) for value in np.linspace(0, width, k + 1)]
    y_lines = [int(value) for value in np.linspace(0, height, k + 1)]
    patterns = [(0, 0, 0, 0)]
    for row0 in range(k + 1):
        for col0 in range(k + 1):
            for row1 in range(row0 + 1, k + 1):
                for col1 in range(col0 + 1, k + 1):
                    patterns.append((x_lines[col0], y_lines[row0], x_lines[col1], y_lines[row1]))
    return patterns


def reference_scores(occluded: np.ndarray, patterns: list[Box]) -> list[float]:
    """Return the score of each pattern for a picture of occluded pixels, by counting them."""
    scores = []
    for x0, y0, x1, y1 in patterns:
        pattern = np.zeros_like(occluded)
        pattern[y0:y1, x0:x1] = True
        shared = int((occluded & pattern).sum())
        union = int((occluded | pattern).sum())
        scores.append(shared / (union + 1e-10))
    return scores


def reference_label(occluded: np.ndarray, patterns: list[Box]) -> int:
    """Return the first of the patterns of largest score; an empty occlusion is clean."""
    if not occluded.any():
        return 0
    scores = reference_scores(occluded, patterns)
    return scores.index(max(scores))


def drawn(box: Box, height: int, width: int) -> np.ndarray:
    """Return a picture of the box's pixels, clipped to the image."""
    occluded = np.zeros((height, width), np.bool_)
    x0, y0, x1, y1 = (max(side, 0) for side in box)
    occluded[y0:y1, x0:x1] = True
    return occluded


@st.composite
def grids(draw: st.DrawFn) -> tuple[int, int, int]:
    height, width = draw(st.sampled_from(SIZES[:5]))
    return draw(st.integers(1, min(7, height, width))), height, width


@st.composite
def grids_and_boxes(draw: st.DrawFn) -> tuple[tuple[int, int, int], Box]:
    k, height, width = draw(grids())
    x0, x1 = sorted(draw(st.integers(-5, width + 5)) for _ in range(2))
    y0, y1 = sorted(draw(st.integers(-5, height + 5)) for _ in range(2))
    return (k, height, width), (x0, y0, x1, y1)


@pytest.mark.parametrize(("k", "count"), [(3, 37), (4, 101), (5, 226), (6, 442)])
def test_number_of_patterns(k: int, count: int) -> None:
    grid = PatternGrid(k=k, height=112, width=96)
    assert grid.num_patterns == count
    assert grid.boxes.shape == (count, 4)


@pytest.mark.parametrize("k", KS)
@pytest.mark.parametrize(("height", "width"), SIZES)
def test_boxes_and_their_order(k: int, height: int, width: int) -> None:
    grid = PatternGrid(k, height, width)
    assert list(map(tuple, grid.boxes.tolist())) == reference_patterns(k, height, width)
    assert grid.boxes[0].tolist() == [0, 0, 0, 0]


def test_boxes_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="read-only"):
        PatternGrid(3).boxes[0] = 1


@given(grids_and_boxes())
def test_label_of_any_box_is_the_references(case: tuple[tuple[int, int, int], Box]) -> None:
    (k, height, width), box = case
    expected = reference_label(drawn(box, height, width), reference_patterns(k, height, width))
    grid = PatternGrid(k, height, width)
    assert grid.label_boxes([box]).tolist() == [expected]
    assert grid.label_box(box) == expected


@given(grids(), st.integers(0, 2**32), st.floats(0, 1))
def test_label_of_any_mask_is_the_references(
    size: tuple[int, int, int], seed: int, share: float
) -> None:
    k, height, width = size
    rng = np.random.default_rng(seed)
    coarse = rng.random((4, 4)) < share
    rows = np.arange(height) * 4 // height
    mask = coarse[rows][:, np.arange(width) * 4 // width] ^ (rng.random((height, width)) < 0.05)
    expected = reference_label(mask, reference_patterns(k, height, width))
    assert PatternGrid(k, height, width).label_masks(mask[None]).tolist() == [expected]


@given(grids_and_boxes())
def test_scores_are_the_references_and_the_label_has_the_largest(
    case: tuple[tuple[int, int, int], Box],
) -> None:
    (k, height, width), box = case
    grid = PatternGrid(k, height, width)
    scores = grid.iou_boxes([box])
    expected = reference_scores(drawn(box, height, width), reference_patterns(k, height, width))
    assert scores.shape == (1, grid.num_patterns)
    assert scores[0].tolist() == expected
    assert ((scores >= 0) & (scores <= 1)).all()
    assert scores[0, grid.label_boxes([box])[0]] == scores.max()


@given(grids_and_boxes())
def test_a_box_and_its_drawn_mask_have_one_label(case: tuple[tuple[int, int, int], Box]) -> None:
    (k, height, width), box = case
    grid = PatternGrid(k, height, width)
    mask = drawn(box, height, width)
    assert grid.label_masks(mask[None]).tolist() == grid.label_boxes([box]).tolist()


@pytest.mark.parametrize("k", KS)
def test_every_pattern_is_its_own_label(k: int) -> None:
    grid = PatternGrid(k, 112, 96)
    assert grid.label_boxes(grid.boxes).tolist() == list(range(grid.num_patterns))


def test_labels_worked_by_hand() -> None:
    grid = PatternGrid(2, 8, 8)  # cells of 4 x 4; 1 is the upper left, 2 the upper half, 4 all
    assert grid.label_boxes([2, 0, 6, 4]).tolist() == [2]  # 8/24 a cell, 16/32 the half
    assert grid.label_boxes([3, 3, 5, 5]).tolist() == [4]  # 1/19 a cell, 2/34 a half, 4/64 all
    corners = np.zeros((8, 8), np.bool_)
    corners[0, 0] = corners[7, 7] = True  # 1/17 in each of two cells, 2/64 in all: the first
    assert grid.label_masks(corners).tolist() == [1]


@pytest.mark.parametrize(
    ("k", "height", "width", "box", "first", "label"),
    [
        (5, 112, 96, (2, 6, 86, 102), 24, 25),  # 7104/9472 and 8064/10752
        (5, 112, 96, (38, 73, 57, 97), 199, 202),  # 304/570 and 456/855
        (2, 6, 6, (0, 1, 6, 4), 2, 4),  # 12/24 and 18/36
        (3, 9, 9, (0, 1, 3, 4), 1, 4),  # 6/12 and 9/18
    ],
)
def test_the_small_constant_decides_exact_ties_of_the_fraction(
    k: int, height: int, width: int, box: Box, first: int, label: int
) -> None:
    """As in the published code the larger union wins, where the plain fraction has the first."""
    grid = PatternGrid(k, height, width)
    scores = grid.iou_boxes(box)[0]
    assert scores[first] < scores[label] == pytest.approx(scores[first], abs=1e-9)
    assert grid.label_boxes(box).tolist() == [label]
    assert grid.label_masks(drawn(box, height, width)[None]).tolist() == [label]


@pytest.mark.parametrize("k", [2, 3, 5])
def test_labels_of_all_boxes_of_a_small_image(k: int) -> None:
    height, width = 9, 7
    every = [
        (x0, y0, x1, y1)
        for x0 in range(width)
        for y0 in range(height)
        for x1 in range(x0 + 1, width + 1)
        for y1 in range(y0 + 1, height + 1)
    ]
    grid, patterns = PatternGrid(k, height, width), reference_patterns(k, height, width)
    labels = grid.label_boxes(every).tolist()
    assert labels == [grid.label_box(box) for box in every]
    assert labels == grid.iou_boxes(every).argmax(axis=1).tolist()
    for row in range(0, len(every), 31):
        assert labels[row] == reference_label(drawn(every[row], height, width), patterns)


@pytest.mark.parametrize(("height", "width"), [(112, 96), (112, 112), (61, 97)])
@pytest.mark.parametrize("k", [1, 4, 5, 7])
def test_labels_of_many_boxes_have_the_largest_score(k: int, height: int, width: int) -> None:
    """Only some patterns are looked at for a box; the best of all is among them, ties included."""
    sides = np.random.default_rng(k).integers(0, (width + 1, height + 1), (2, 4000, 2))
    boxes = np.concatenate(list(np.sort(sides, axis=0)), axis=1)
    grid = PatternGrid(k, height, width)
    assert (grid.label_boxes(boxes) == grid.iou_boxes(boxes).argmax(axis=1)).all()


def test_a_batch_is_its_rows_one_by_one() -> None:
    rng = np.random.default_rng(1)
    boxes = np.sort(rng.integers(-9, 120, (700, 2, 2)), axis=1).reshape(700, 4)
    masks = rng.random((60, 112, 96)) < rng.random((60, 1, 1))
    grid = PatternGrid()
    assert grid.label_boxes(boxes).tolist() == [int(grid.label_boxes(box)[0]) for box in boxes]
    assert grid.label_masks(masks).tolist() == [int(grid.label_masks(mask)[0]) for mask in masks]


def test_labels_are_int64_and_empty_batches_are_empty() -> None:
    grid = PatternGrid()
    assert grid.label_boxes([[1, 2, 30, 40]]).dtype == np.int64
    assert grid.label_masks(np.ones((2, 112, 96), np.bool_)).dtype == np.int64
    assert grid.label_boxes(np.zeros((0, 4), np.int64)).shape == (0,)
    assert grid.label_masks(np.zeros((0, 112, 96), np.bool_)).shape == (0,)
    assert grid.iou_boxes(np.zeros((0, 4), np.int64)).shape == (0, 226)


@pytest.mark.parametrize("k", KS)
def test_empty_occlusions_are_clean(k: int) -> None:
    grid = PatternGrid(k, 112, 96)
    outside = [[0, 0, 0, 0], [5, 5, 5, 9], [5, 5, 9, 5], [-9, 0, -2, 50], [96, 0, 99, 50]]
    assert grid.label_boxes(outside).tolist() == [0] * 5
    assert grid.label_masks(np.zeros((2, 112, 96), np.bool_)).tolist() == [0, 0]


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_cells_count_the_pixels_of_a_mask(height: int, width: int) -> None:
    """Tall cells too, where a sum does not fit a byte, and widths that are no multiple of 8."""
    k = 3
    masks = np.random.default_rng(2).random((3, height, width)) < 0.7
    masks[1] = True
    cells = PatternGrid(k, height, width).count_cells(masks)
    x_lines = np.linspace(0, width, k + 1).astype(int)
    y_lines = np.linspace(0, height, k + 1).astype(int)
    for number, mask in enumerate(masks):
        expected = [
            int(mask[y_lines[row] : y_lines[row + 1], x_lines[col] : x_lines[col + 1]].sum())
            for row in range(k)
            for col in range(k)
        ]
        assert cells[number].tolist() == expected


def test_cells_of_one_tall_cell_do_not_wrap() -> None:
    grid = PatternGrid(1, 1000, 8)
    assert grid.count_cells(np.ones((1, 1000, 8), np.bool_)).tolist() == [[8000]]


def test_masks_with_strides_are_read_right() -> None:
    mask = np.random.default_rng(3).random((96, 112)) < 0.5
    grid = PatternGrid()
    turned = mask.T[None]
    assert grid.label_masks(turned).tolist() == grid.label_masks(turned.copy()).tolist()


def test_labels_are_the_golden_ones() -> None:
    golden = json.loads((GOLDEN / "labels.json").read_text(encoding="utf-8"))
    for case in golden["cases"]:
        grid = PatternGrid(case["k"], case["height"], case["width"])
        boxes = np.array(case["boxes"])
        assert grid.label_boxes(boxes).tolist() == case["labels"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k": 0}, "k must be a whole number >= 1, got 0"),
        ({"k": 2.5}, "k must be a whole number"),
        ({"k": True}, "k must be a whole number"),
        ({"height": -3}, "height must be a whole number"),
        ({"width": 0}, "width must be a whole number"),
        ({"k": 9, "height": 8, "width": 8}, "at most the shorter side, got 9 for 8x8"),
    ],
)
def test_wrong_grids_are_refused(options: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        PatternGrid(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("masks", "message"),
    [
        (np.zeros((1, 96, 112), np.bool_), r"shape \(N, 112, 96\), got \(1, 96, 112\)"),
        (np.zeros(112, np.bool_), r"shape \(N, 112, 96\), got \(112,\)"),
        (np.zeros((1, 112, 96), np.uint8), "masks must be bool .* got uint8"),
        (np.zeros((1, 112, 96)), "masks must be bool"),
    ],
)
def test_wrong_masks_are_refused(masks: np.ndarray, message: str) -> None:
    with pytest.raises(InputError, match=message):
        PatternGrid().label_masks(masks)


def test_wrong_boxes_and_cells_are_refused() -> None:
    with pytest.raises(InputError, match="shape"):
        PatternGrid().label_boxes([[1, 2, 3]])
    with pytest.raises(InputError, match="ends before it starts"):
        PatternGrid().iou_boxes([[3, 2, 1, 5]])
    with pytest.raises(InputError, match=r"cells must have shape \(N, 25\)"):
        PatternGrid().label_cells(np.zeros((2, 24)))
