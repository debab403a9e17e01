"""Which part of a face a recogniser leans on: scores with one grid cell hidden at a time.

For one pair, how the score falls with each of the K x K cells; for a set of pairs, the accuracy
with each cell hidden, for any model: the regions of Fig. 1 made finer and fair, since every cell
hides the same area with the same filling.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from occgen.errors import InputError
from occgen.patterns import PatternGrid
from occgen.seeding import Stream

from .intervals import Interval, PairWeights
from .models import Embedder
from .scoring import pair_scores

__all__ = ["FILLINGS", "CellAccuracy", "cell_accuracy", "hide_cell", "pair_sensitivity"]

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
UInt8 = NDArray[np.uint8]

FILLINGS = ("mean", "grey", "black", "noise")


@dataclass(frozen=True, kw_only=True, slots=True)
class CellAccuracy:
    """Verification accuracy with each cell of the second pictures hidden.

    Parameters
    ----------
    k : int
    filling : str
    clean : float
        Accuracy with nothing hidden.
    accuracy : ndarray of float64, shape (K, K)
        Rows from the top.
    intervals : tuple of tuple of Interval
        95 %, of the drop from clean, over people.
    """

    k: int
    filling: str
    clean: float
    accuracy: Float64
    intervals: tuple[tuple[Interval, ...], ...]


def hide_cell(image: UInt8, row: int, column: int, k: int, filling: str, key: str = "") -> UInt8:
    """Return a picture with one cell of its K x K grid hidden.

    Parameters
    ----------
    image : ndarray of uint8, shape (H, W, 3)
    row, column : int
        Of the cell, from the top left.
    k : int
    filling : str
        'mean' (the picture's own mean colour), 'grey', 'black' or 'noise'.
    key : str, optional
        Names the noise: the same key gives the same.

    Raises
    ------
    InputError
        For a cell or filling there is not.
    """
    if filling not in FILLINGS:
        raise InputError(f"filling must be one of {', '.join(FILLINGS)}, got {filling!r}")
    if not (0 <= row < k and 0 <= column < k):
        raise InputError(f"cell must be in 0 .. {k - 1}, got {row}, {column}")
    height, width = image.shape[:2]
    grid = PatternGrid(k, height, width)
    down, across = grid.y_lines, grid.x_lines
    part = (slice(down[row], down[row + 1]), slice(across[column], across[column + 1]))
    hidden = np.array(image)
    if filling == "noise":
        shape = hidden[part].shape
        random = Stream(0, f"{key}/{row}/{column}", "hidden cell").generator()
        hidden[part] = random.integers(0, 256, shape, dtype=np.uint8)
    else:
        values = {"mean": image.mean(axis=(0, 1)), "grey": 128, "black": 0}
        hidden[part] = np.rint(values[filling])
    return hidden


def pair_sensitivity(
    model: Embedder, first: UInt8, second: UInt8, k: int = 5, filling: str = "mean"
) -> tuple[float, Float64]:
    """Return the score of a pair, and how it changes with each cell of the second hidden.

    Parameters
    ----------
    model : Embedder
    first, second : ndarray of uint8, shape (H, W, 3)
        Aligned crops of one size.
    k : int, optional
    filling : str, optional
        See `hide_cell`.

    Returns
    -------
    float
        Cosine of the two embeddings.
    ndarray of float64, shape (K, K)
        Change of the cosine: below 0 where the cell speaks for the same person.
    """
    hidden = [hide_cell(second, *divmod(cell, k), k, filling, "pair") for cell in range(k * k)]
    found = model.embed([first, second, *hidden])
    scores = pair_scores(np.repeat(found[:1], k * k + 1, axis=0), found[1:])
    return float(scores[0]), (scores[1:] - scores[0]).reshape(k, k)


def cell_accuracy(
    model: Embedder,
    first: Sequence[UInt8],
    second: Sequence[UInt8],
    same: ArrayLike,
    people: tuple[ArrayLike, ArrayLike],
    *,
    k: int = 5,
    filling: str = "mean",
    folds: ArrayLike | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> CellAccuracy:
    """Return verification accuracy with each grid cell of the second pictures hidden.

    Parameters
    ----------
    model : Embedder
        Ours, ONNX, or any function of images.
    first, second : sequence of ndarray of uint8, shape (H, W, 3)
        The pictures of each pair.
    same : array_like of bool, shape (N,)
    people : tuple of array_like of int, shape (N,)
        Who is on the first and the second picture, for the intervals.
    k : int, optional
    filling : str, optional
        See `hide_cell`.
    folds : array_like of int, shape (N,), optional
        As `verification_accuracy` takes them.
    on_progress : callable, optional
        Called with cells done and cells in all.

    Returns
    -------
    CellAccuracy

    Notes
    -----
    The threshold is the clean pairs': a deployed system does not know which cell is hidden. It is
    the best one on the other folds, as in the published protocol, so no pair chooses its own.
    """
    genuine = np.asarray(same, bool)
    anchor = model.embed(first)
    clean = pair_scores(anchor, model.embed(second))
    fold = np.arange(len(genuine)) * 10 // len(genuine) if folds is None else np.asarray(folds)
    limits = _fold_thresholds(clean, genuine, fold)
    right = (clean > limits) == genuine
    weights = PairWeights(*people, genuine)
    accuracy = np.zeros((k, k))
    intervals: list[tuple[Interval, ...]] = []
    for row in range(k):
        line: list[Interval] = []
        for column in range(k):
            hidden = (
                hide_cell(image, row, column, k, filling, str(number))
                for number, image in enumerate(second)
            )
            scores = pair_scores(anchor, model.embed(hidden))
            held = (scores > limits) == genuine
            accuracy[row, column] = held.mean()
            line.append(weights.mean(held.astype(float) - right))
            if on_progress is not None:
                on_progress(row * k + column + 1, k * k)
        intervals.append(tuple(line))
    return CellAccuracy(
        k=k,
        filling=filling,
        clean=float(right.mean()),
        accuracy=accuracy,
        intervals=tuple(intervals),
    )


def _fold_thresholds(scores: Float64, same: NDArray[np.bool_], fold: NDArray[np.int64]) -> Float64:
    """Return for each pair the best threshold of the other folds, (N,)."""
    candidates = np.arange(-1, 1, 0.005)
    decided = (scores[:, None] > candidates) == same[:, None]  # (N, T)
    limits = np.empty(len(scores))
    for name in np.unique(fold):
        correct = decided[fold != name].sum(axis=0)
        limits[fold == name] = candidates[len(correct) - 1 - int(correct[::-1].argmax())]
    return limits
