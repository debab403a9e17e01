"""What a FROM network sees: predicted patterns, boxes and masks of pictures (Fig. 5, 11, 13)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from occgen.errors import InputError
from occgen.patterns import PatternGrid

from .data import cut_to_size, to_nchw
from .network import FROM

__all__ = ["Explanation", "PatternScores", "explain_images", "pattern_scores"]

Float32 = NDArray[np.float32]
Int64 = NDArray[np.int64]
UInt8 = NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True, slots=True)
class Explanation:
    """What a network predicts of N pictures.

    Parameters
    ----------
    images : ndarray of uint8, shape (N, H, W, 3)
        As the network saw them.
    boxes : ndarray of float32, shape (N, 4)
        Predicted occlusion in pixels, x0, y0, x1, y1: the pattern's rectangle, or the regressed
        box; zeros where none is seen.
    patterns : ndarray of int64, shape (N,) or None
        None for a network that regresses.
    confidence : ndarray of float32, shape (N,) or None
        Probability of the pattern.
    masks : ndarray of float32, shape (N, h, w) or None
        In [0, 1], mean over the chosen channels; None for a mask of the embedding.
    """

    images: UInt8
    boxes: Float32
    patterns: Int64 | None
    confidence: Float32 | None
    masks: Float32 | None


@dataclass(frozen=True, kw_only=True, slots=True)
class PatternScores:
    """How well predicted patterns fit the true ones.

    Parameters
    ----------
    images : int
    accuracy : float
        Share of equal labels.
    iou : float
        Mean IoU of predicted with true pattern; two clean ones agree fully.
    within_tie : float
        Share of predictions whose pattern fits the box of the occlusion at least 0.9 times as well
        as the label does: at K = 5 about one label in six is nearly tied. NaN without boxes.
    clean_accuracy : float
        Of clean pictures, the share seen as clean; NaN without such.
    confusion : ndarray of int64, shape (P, P)
        Rows are true, columns predicted.
    """

    images: int
    accuracy: float
    iou: float
    within_tie: float
    clean_accuracy: float
    confusion: Int64


def explain_images(
    model: FROM,
    images: Iterable[UInt8],
    *,
    channels: Sequence[int] | None = None,
    batch_size: int = 64,
) -> Explanation:
    """Return what a network predicts of pictures.

    Parameters
    ----------
    model : FROM
        With a mask and a pattern predictor; put in evaluation mode for the time of the call.
    images : iterable of ndarray of uint8, shape (H, W, 3)
        RGB aligned crops; for a 112x96 network 112x112 crops are cut.
    channels : sequence of int, optional
        Of the mask, to take the mean of; None takes all.
    batch_size : int, optional

    Returns
    -------
    Explanation

    Raises
    ------
    InputError
        When the network has no predictor, there are no pictures, or a channel is not there.
    """
    config = model.config
    if config.predictor == "none" or model.mask is None:
        raise InputError(
            "the model has no mask and pattern predictor to look at; recipes 'from' train them"
        )
    size = (config.height, config.width)
    pictures = [np.asarray(image)[:, cut_to_size(image.shape, *size)] for image in images]
    if not pictures:
        raise InputError("there are no pictures to explain")
    batch = np.ascontiguousarray(np.stack(pictures))
    training = model.training
    model.eval()
    try:
        parts = [
            _explain(model, batch[start : start + batch_size], channels)
            for start in range(0, len(batch), batch_size)
        ]
    finally:
        model.train(training)
    outputs = np.concatenate([part[0] for part in parts])
    masks = None if parts[0][1] is None else np.concatenate([part[1] for part in parts])
    if config.predictor == "regression":
        boxes = _clip(_in_pixels(outputs, *size, config.box_unit), *size)
        return Explanation(images=batch, boxes=boxes, patterns=None, confidence=None, masks=masks)
    chance = np.exp(outputs - outputs.max(axis=1, keepdims=True))
    chance /= chance.sum(axis=1, keepdims=True)
    patterns = chance.argmax(axis=1).astype(np.int64)
    grid = PatternGrid(config.k, *size)
    return Explanation(
        images=batch,
        boxes=grid.boxes[patterns].astype(np.float32),
        patterns=patterns,
        confidence=chance.max(axis=1).astype(np.float32),
        masks=masks,
    )


def pattern_scores(
    predicted: ArrayLike, true: ArrayLike, grid: PatternGrid, boxes: ArrayLike | None = None
) -> PatternScores:
    """Return how well predicted patterns fit the true ones.

    Parameters
    ----------
    predicted, true : array_like of int, shape (N,)
    grid : PatternGrid
    boxes : array_like of int, shape (N, 4), optional
        Of the occlusions, for `PatternScores.within_tie`.

    Returns
    -------
    PatternScores

    Raises
    ------
    InputError
        For no labels, other shapes, or labels the grid does not have.
    """
    ours, theirs = (np.asarray(labels, np.int64) for labels in (predicted, true))
    count = grid.num_patterns
    if ours.ndim != 1 or ours.shape != theirs.shape or not len(ours):
        raise InputError(
            f"predicted and true must be lists of one length, got {ours.shape}, {theirs.shape}"
        )
    for labels in (ours, theirs):
        if labels.min() < 0 or labels.max() >= count:
            raise InputError(f"labels must be in 0 .. {count - 1} at K = {grid.k}")
    overlap = grid.iou_boxes(grid.boxes)  # (P, P)
    overlap[0] = overlap[:, 0] = 0.0
    overlap[0, 0] = 1.0
    clean = theirs == 0
    near = float("nan")
    if boxes is not None:
        fit = grid.iou_boxes(np.asarray(boxes))  # (N, P)
        rows = np.arange(len(ours))
        good = fit[rows, ours] >= 0.9 * fit[rows, theirs]
        near = float(np.where(clean, ours == 0, good & (ours > 0)).mean())
    confusion = np.zeros((count, count), np.int64)
    np.add.at(confusion, (theirs, ours), 1)
    return PatternScores(
        images=len(ours),
        accuracy=float((ours == theirs).mean()),
        iou=float(overlap[theirs, ours].mean()),
        within_tie=near,
        clean_accuracy=float((ours[clean] == 0).mean()) if clean.any() else float("nan"),
        confusion=confusion,
    )


def _explain(
    model: FROM, pixels: UInt8, channels: Sequence[int] | None
) -> tuple[Float32, Float32 | None]:
    weight = next(model.parameters())
    with torch.inference_mode():
        output = model(to_nchw(torch.from_numpy(pixels).to(weight.device), weight.dtype))
    logits = output.pattern_logits.float().cpu().numpy()
    if model.config.mask == "fc":
        return logits, None
    mask = output.mask.float().cpu().numpy()  # (N, C, h, w)
    if channels is not None:
        if not channels or min(channels) < 0 or max(channels) >= mask.shape[1]:
            raise InputError(f"channels must be in 0 .. {mask.shape[1] - 1}, got {list(channels)}")
        mask = mask[:, list(channels)]
    return logits, mask.mean(axis=1)


def _in_pixels(boxes: Float32, height: int, width: int, unit: str | None) -> Float32:
    """Return regressed boxes in pixels; where their unit is not known, their size tells it."""
    if unit is None and np.percentile(np.abs(boxes), 90) > 2:  # no share is that large
        unit = "pixel"
    if unit == "pixel":
        return boxes
    return boxes * np.array([width, height, width, height], np.float32)


def _clip(boxes: Float32, height: int, width: int) -> Float32:
    limits = np.array([width, height, width, height], np.float32)
    clipped = np.clip(boxes, 0, limits)
    empty = (clipped[:, 2] <= clipped[:, 0]) | (clipped[:, 3] <= clipped[:, 1])
    clipped[empty] = 0
    return np.asarray(clipped, np.float32)
