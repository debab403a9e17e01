"""The K x K grid's rectangles in fixed order, and the proximate pattern of an occlusion.

Grid lines stand at ``int(linspace(0, side, K + 1))`` on each axis. Pattern 0 is the clean face;
then, for each start vertex in row order, each end vertex in row order with both coordinates
larger: ``(K (K + 1) / 2) ** 2 + 1`` patterns (Sec. 3.4.1-3.4.2 of the paper).
"""

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import InputError
from .geometry import as_boxes, box_area, box_intersection, clip_boxes

__all__ = ["PatternGrid"]

_EPSILON = 1e-10  # of the published score: exact ties of the fraction fall as they do there
_CHUNK_VALUES = 48_000  # scores worked on at a time: the temporaries stay in the second-level cache

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]
_Near = tuple[tuple[int, int], tuple[int, int]]


class PatternGrid:
    """All rectangles of a K x K grid over an image, and labels by best IoU.

    Parameters
    ----------
    k : int, optional
        Cells on each side, at least 1.
    height, width : int, optional
        Size of the image in pixels, each at least `k`.

    Notes
    -----
    The score of a pattern is ``intersection / (union + 1e-10)`` of pixel counts in float64 and the
    label is the first of the largest scores; an empty occlusion is 0. Boxes are clipped to the
    image before they are counted. The labels equal those of the published code.

    Examples
    --------
    >>> grid = PatternGrid(k=5, height=112, width=96)
    >>> grid.num_patterns
    226
    >>> grid.label_boxes([[0, 0, 19, 22], [0, 0, 0, 0]])
    array([1, 0])
    """

    def __init__(self, k: int = 5, height: int = 112, width: int = 96) -> None:
        for name, value in (("k", k), ("height", height), ("width", width)):
            if isinstance(value, bool) or int(value) != value or value < 1:
                raise InputError(f"{name} must be a whole number >= 1, got {value!r}")
        if k > min(height, width):
            raise InputError(f"k must be at most the shorter side, got {k} for {height}x{width}")
        self.k, self.height, self.width = int(k), int(height), int(width)
        self.x_lines = np.linspace(0, self.width, self.k + 1).astype(np.int64)
        self.y_lines = np.linspace(0, self.height, self.k + 1).astype(np.int64)

    def __repr__(self) -> str:
        return f"PatternGrid(k={self.k}, height={self.height}, width={self.width})"

    @property
    def num_patterns(self) -> int:
        """Number of patterns with the clean one: 37, 101, 226, 442 for K = 3..6."""
        return (self.k * (self.k + 1) // 2) ** 2 + 1

    @cached_property
    def _vertices(self) -> Int64:
        """Start column, start row, end column, end row of patterns 1.. as line numbers (P-1, 4)."""
        row0, col0, row1, col1 = np.indices((self.k + 1,) * 4).reshape(4, -1)
        larger = (row1 > row0) & (col1 > col0)
        return np.stack([col0, row0, col1, row1], axis=1)[larger].astype(np.int64)

    @cached_property
    def boxes(self) -> Int64:
        """Every pattern's rectangle, int64 of shape (P, 4), half-open; row 0 is all zeros."""
        lines = self._vertices
        boxes = np.zeros((self.num_patterns, 4), np.int64)
        boxes[1:, 0::2] = self.x_lines[lines[:, 0::2]]
        boxes[1:, 1::2] = self.y_lines[lines[:, 1::2]]
        boxes.flags.writeable = False
        return boxes

    @cached_property
    def _numbers(self) -> Int64:
        """Pattern of a start row, start column, end row, end column; 0 where there is none."""
        numbers = np.zeros((self.k + 1,) * 4, np.int64)
        col0, row0, col1, row1 = self._vertices.T
        numbers[row0, col0, row1, col1] = np.arange(1, self.num_patterns)
        return numbers

    @cached_property
    def _cell_rectangles(self) -> Float64:
        """1 where a cell (row order) lies in a pattern 1.., float64 of shape (K*K, P-1)."""
        row, col = np.indices((self.k, self.k)).reshape(2, -1, 1)
        col0, row0, col1, row1 = self._vertices.T
        inside = (row >= row0) & (row < row1) & (col >= col0) & (col < col1)
        return inside.astype(np.float64)

    @cached_property
    def _areas(self) -> Float64:
        return box_area(self.boxes[1:]).astype(np.float64)

    def iou_boxes(self, boxes: ArrayLike) -> Float64:
        """Return the score of every pattern for each box.

        Parameters
        ----------
        boxes : array_like of int, shape (N, 4)
            Half-open boxes in pixels; what lies outside the image does not count.

        Returns
        -------
        ndarray of float64, shape (N, P)
            Column 0, the clean pattern, is 0.

        Raises
        ------
        InputError
            For another shape, fractions, or an end before its start.
        """
        checked = clip_boxes(as_boxes(boxes), self.height, self.width)
        scores = np.zeros((len(checked), self.num_patterns))
        for rows in self._chunks(len(checked)):
            shared = box_intersection(checked[rows], self.boxes[1:]).astype(np.float64)
            union = _union(self._areas, box_area(checked[rows])[:, None], shared)
            np.divide(shared, union, out=scores[rows, 1:])
        return scores

    def label_boxes(self, boxes: ArrayLike) -> Int64:
        """Return the proximate pattern of each box.

        Parameters
        ----------
        boxes : array_like of int, shape (N, 4)
            Half-open boxes in pixels; an empty one is clean.

        Returns
        -------
        ndarray of int64, shape (N,)
            In 0 .. P-1.

        Raises
        ------
        InputError
            For another shape, fractions, or an end before its start.
        """
        checked = clip_boxes(as_boxes(boxes), self.height, self.width)
        labels = np.zeros(len(checked), np.int64)
        for rows in self._chunks(len(checked), per_row=16):
            labels[rows] = self._label_boxes(checked[rows])
        return labels

    def label_box(self, box: tuple[int, int, int, int]) -> int:
        """Return the proximate pattern of one box: as `label_boxes`, ten times as fast for one.

        Parameters
        ----------
        box : tuple of int
            x0, y0, x1, y1, half-open pixels; what lies outside the image does not count.
        """
        x0, y0, x1, y1 = (int(side) for side in box)
        x0, x1 = min(max(x0, 0), self.width), min(max(x1, 0), self.width)
        y0, y1 = min(max(y0, 0), self.height), min(max(y1, 0), self.height)
        area = (x1 - x0) * (y1 - y0)
        if x1 <= x0 or y1 <= y0:
            return 0
        x_near, y_near = self._near
        across = [_spans(start, x_near[x1], x0, x1) for start in x_near[x0]]
        down = [_spans(start, y_near[y1], y0, y1) for start in y_near[y0]]
        highest, best = -1.0, (0, 0, 0, 0)
        for rows in down:  # in the order start row, start column, end row, end column
            for columns in across:
                for top, bottom, shared_y, length_y in rows:
                    for left, right, shared_x, length_x in columns:
                        shared = shared_x * shared_y
                        score = shared / (float(length_x * length_y + area - shared) + _EPSILON)
                        if score > highest:
                            highest, best = score, (top, left, bottom, right)
        return int(self._numbers[best])

    @cached_property
    def _near(self) -> tuple[list[_Near], list[_Near]]:
        """Grid lines at or below, and at or above, each pixel of the two axes: number, place."""
        return _near(self.x_lines), _near(self.y_lines)

    def _label_boxes(self, boxes: Int64) -> Int64:
        """Return labels of checked boxes, (N, 4) -> (N,), from sixteen candidates each.

        A side of the best rectangle is one of the two grid lines next to the box's own side: a
        line farther out adds union alone, a line farther in gives up more intersection than union.
        The candidates stand in pattern order, so the first of equals is the right one.
        """
        x_lines, shared_x, length_x = _candidate_spans(boxes[:, 0], boxes[:, 2], self.x_lines)
        y_lines, shared_y, length_y = _candidate_spans(boxes[:, 1], boxes[:, 3], self.y_lines)
        # (2, 2, N) each -> (16, N) in the order start row, start column, end row, end column
        shared = (shared_y[:, None, :, None] * shared_x[None, :, None, :]).reshape(16, -1)
        areas = (length_y[:, None, :, None] * length_x[None, :, None, :]).reshape(16, -1)
        union = _union(areas, box_area(boxes), shared)
        best = np.divide(shared, union, out=union).argmax(axis=0)
        rows = np.arange(len(boxes))
        return self._numbers[
            y_lines[best >> 3, rows],
            x_lines[best >> 2 & 1, rows],
            y_lines[2 + (best >> 1 & 1), rows],
            x_lines[2 + (best & 1), rows],
        ]

    def count_cells(self, masks: ArrayLike) -> Int64:
        """Return how many occluded pixels each cell of each mask holds.

        Parameters
        ----------
        masks : array_like of bool, shape (N, H, W)

        Returns
        -------
        ndarray of int64, shape (N, K * K)
            Cells in row order.

        Raises
        ------
        InputError
            When the shape is not (N, height, width) or the values are not boolean.
        """
        array = np.asarray(masks)
        if array.ndim == 2:
            array = array[None]
        if array.ndim != 3 or array.shape[1:] != (self.height, self.width):
            raise InputError(
                f"masks must have shape (N, {self.height}, {self.width}), got {np.shape(masks)}"
            )
        if array.dtype != np.bool_:
            raise InputError(f"masks must be bool (True where occluded), got {array.dtype}")
        columns = np.ascontiguousarray(array).view(np.uint8)
        sums_fit_a_byte = np.diff(self.y_lines).max() <= 255
        if sums_fit_a_byte and self.width % 8 == 0:  # eight columns are added at a time
            packed = np.add.reduceat(columns.view(np.uint64), self.y_lines[:-1], axis=1)
            bands = packed.view(np.uint8)
        else:
            bands = np.add.reduceat(columns, self.y_lines[:-1], axis=1, dtype=np.int64)
        cells = np.add.reduceat(bands, self.x_lines[:-1], axis=2, dtype=np.int64)
        return cells.reshape(len(array), self.k * self.k)

    def label_masks(self, masks: ArrayLike) -> Int64:
        """Return the proximate pattern of each mask.

        Parameters
        ----------
        masks : array_like of bool, shape (N, H, W)
            True where occluded; an all-False mask is clean.

        Returns
        -------
        ndarray of int64, shape (N,)

        Raises
        ------
        InputError
            When the shape is not (N, height, width) or the values are not boolean.
        """
        return self.label_cells(self.count_cells(masks))

    def label_cells(self, cells: ArrayLike) -> Int64:
        """Return the proximate pattern of each mask from its counts of occluded pixels.

        Parameters
        ----------
        cells : array_like of int, shape (N, K * K)
            As `count_cells` gives them.

        Returns
        -------
        ndarray of int64, shape (N,)
        """
        counts = np.asarray(cells, np.float64)
        if counts.ndim != 2 or counts.shape[1] != self.k * self.k:
            raise InputError(f"cells must have shape (N, {self.k * self.k}), got {counts.shape}")
        labels = np.zeros(len(counts), np.int64)
        totals = counts.sum(axis=1)
        for rows in self._chunks(len(counts), per_row=self.num_patterns):
            shared = counts[rows] @ self._cell_rectangles  # whole numbers: exact in float64
            union = _union(self._areas, totals[rows, None], shared)
            labels[rows] = np.divide(shared, union, out=union).argmax(axis=1)
        return np.where(totals > 0, labels + 1, 0)

    def _chunks(self, count: int, per_row: int | None = None) -> list[slice]:
        step = max(1, _CHUNK_VALUES // (per_row or self.num_patterns))
        return [slice(start, start + step) for start in range(0, count, step)]


def _union(areas: NDArray[Any], totals: Any, shared: NDArray[Any]) -> Float64:
    """Return union + 1e-10, the whole numbers added first as the published score does."""
    union = np.subtract(areas + totals, shared, dtype=np.float64)
    union += _EPSILON
    return union


def _near(lines: Int64) -> list[_Near]:
    pixels = np.arange(lines[-1] + 1)
    below = (np.searchsorted(lines, pixels, side="right") - 1).tolist()
    above = np.searchsorted(lines, pixels, side="left").tolist()
    places = lines.tolist()
    return [((a, places[a]), (b, places[b])) for a, b in zip(below, above, strict=True)]


def _spans(start: tuple[int, int], ends: _Near, low: int, high: int) -> list[tuple[int, ...]]:
    """Return start line, end line, pixels shared with low .. high, and length, for two ends."""
    line, place = start
    return [
        (line, other, max(0, min(end, high) - max(place, low)), max(0, end - place))
        for other, end in ends
    ]


def _candidate_spans(start: Int64, end: Int64, lines: Int64) -> tuple[Int64, Int64, Int64]:
    """Return the grid lines next to a box's sides, with what each span shares and measures.

    Returns
    -------
    numbers : ndarray, shape (4, N)
        Of lines: at or below the start, at or above it, at or below the end, at or above it.
    shared, length : ndarray, shape (2, 2, N)
        Pixels from start candidate to end candidate, with the box and in all; 0 if reversed.
    """
    pixels = np.arange(lines[-1] + 1)
    below = np.searchsorted(lines, pixels, side="right") - 1
    above = np.searchsorted(lines, pixels, side="left")
    numbers = np.stack([below[start], above[start], below[end], above[end]])
    low, high = lines[numbers[:2, None]], lines[numbers[None, 2:]]
    shared = np.minimum(high, end) - np.maximum(low, start)
    return numbers, np.maximum(shared, 0), np.maximum(high - low, 0)
