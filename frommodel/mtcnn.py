"""MTCNN: the three-stage face detector the paper aligned with (Sec. 4.2), run on a CPU.

The networks are Zhang et al., "Joint Face Detection and Alignment using Multi-task Cascaded
Convolutional Networks" (2016). Weights are the user's: files ``pnet.pt``, ``rnet.pt`` and
``onet.pt`` with plain state dicts, as facenet-pytorch ships them in its ``data`` folder.
"""

from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from occgen.detectors import Face
from occgen.errors import InputError

from .torch_file import load_torch_file

__all__ = ["MtcnnDetector"]

Float64 = NDArray[np.float64]
UInt8 = NDArray[np.uint8]

_THRESHOLDS = (0.6, 0.7, 0.7)
_FACTOR = 0.709
_CELL, _STRIDE = 12, 2
_LONGEST_SIDE = 1920  # larger pictures are searched at this size


class _Stage(nn.Module):
    """One of the three networks, layers under the names of the published weights."""

    def __init__(
        self,
        convolutions: tuple[tuple[int, int], ...],
        pools: tuple[int, ...],
        dense: tuple[int, int] | None,
        heads: dict[str, int],
    ) -> None:
        super().__init__()
        width = 3
        self._pools, self._heads, self._dense = pools, tuple(heads), dense is not None
        for number, (channels, kernel) in enumerate(convolutions, 1):
            self.add_module(f"conv{number}", nn.Conv2d(width, channels, kernel))
            self.add_module(f"prelu{number}", nn.PReLU(channels))
            width = channels
        self._depth = len(convolutions)
        if dense is not None:
            self.add_module(f"dense{self._depth + 1}", nn.Linear(*dense))
            self.add_module(f"prelu{self._depth + 1}", nn.PReLU(dense[1]))
        for name, outputs in heads.items():
            layer = nn.Conv2d(width, outputs, 1) if dense is None else nn.Linear(dense[1], outputs)
            self.add_module(name, layer)

    def forward(self, x: Tensor) -> list[Tensor]:
        for number in range(1, self._depth + 1):
            x = self.get_submodule(f"prelu{number}")(self.get_submodule(f"conv{number}")(x))
            if number <= len(self._pools) and self._pools[number - 1]:
                size = self._pools[number - 1]
                x = nn.functional.max_pool2d(x, size, 2, ceil_mode=True)
        if self._dense:
            x = x.permute(0, 3, 2, 1).flatten(1)  # (N, C, H, W) -> (N, W * H * C), as published
            last = self._depth + 1
            x = self.get_submodule(f"prelu{last}")(self.get_submodule(f"dense{last}")(x))
        outputs = [self.get_submodule(name)(x) for name in self._heads]
        outputs[0] = outputs[0].softmax(1)
        return outputs


def _stages() -> dict[str, _Stage]:
    return {
        "pnet": _Stage(((10, 3), (16, 3), (32, 3)), (2,), None, {"conv4_1": 2, "conv4_2": 4}),
        "rnet": _Stage(
            ((28, 3), (48, 3), (64, 2)),
            (3, 3),
            (576, 128),
            {"dense5_1": 2, "dense5_2": 4},
        ),
        "onet": _Stage(
            ((32, 3), (64, 3), (64, 3), (128, 2)),
            (3, 3, 2),
            (1152, 256),
            {"dense6_1": 2, "dense6_2": 4, "dense6_3": 10},
        ),
    }


class _Candidates(NamedTuple):
    boxes: Float64
    """(N, 4), x0, y0, x1, y1 in pixels."""
    scores: Float64
    """(N,)."""


class MtcnnDetector:
    """Finds faces with their five points.

    Parameters
    ----------
    weights : Path
        Folder of ``pnet.pt``, ``rnet.pt``, ``onet.pt``.
    min_face : int, optional
        Least side of a face in pixels.

    Raises
    ------
    InputError
        When a file is missing or is not the weights of its network.
    """

    def __init__(self, weights: Path, min_face: int = 20) -> None:
        if not weights.is_dir():
            raise InputError(f"{weights} is no folder; MTCNN's holds pnet.pt, rnet.pt and onet.pt")
        self._min_face = min_face
        self._nets = _stages()
        for name, net in self._nets.items():
            _load(net, weights / f"{name}.pt")

    @torch.inference_mode()
    def detect(self, image: UInt8) -> list[Face]:
        """Return the faces of an RGB picture, uint8 of shape (H, W, 3)."""
        shrink = min(1.0, _LONGEST_SIDE / max(image.shape[:2]))
        if shrink < 1:
            image = _resized(image, round(image.shape[0] * shrink), round(image.shape[1] * shrink))
        found = self._propose(image)
        found = self._refine(image, found)
        boxes, scores, points = self._point(image, found)
        return [
            Face(box / shrink, five / shrink, float(score))
            for box, score, five in zip(boxes, scores, points, strict=True)
        ]

    def _propose(self, image: UInt8) -> _Candidates:
        """Return what the first network takes for faces, over a pyramid of sizes."""
        height, width = image.shape[:2]
        scale = _CELL / self._min_face
        parts: list[_Candidates] = []
        while min(height, width) * scale >= _CELL:
            small = _resized(image, int(height * scale + 1), int(width * scale + 1))
            chance, offsets = self._nets["pnet"](_to_tensor(small[None]))
            face = chance[0, 1].numpy().astype(np.float64)
            rows, columns = np.nonzero(face >= _THRESHOLDS[0])
            corner = np.stack([columns, rows], axis=1) * _STRIDE
            boxes = np.floor(np.hstack([corner + 1, corner + _CELL]) / scale)
            score = face[rows, columns]
            kept = _suppress(boxes, score, 0.5)
            moved = _moved(boxes, offsets[0].numpy()[:, rows, columns].T)
            parts.append(_Candidates(moved[kept], score[kept]))
            scale *= _FACTOR
        boxes = np.concatenate([part.boxes for part in parts]) if parts else np.empty((0, 4))
        scores = np.concatenate([part.scores for part in parts]) if parts else np.empty(0)
        kept = _suppress(boxes, scores, 0.7)
        return _Candidates(boxes[kept], scores[kept])

    def _refine(self, image: UInt8, found: _Candidates) -> _Candidates:
        if not len(found.boxes):
            return found
        boxes = _squared(found.boxes)
        chance, offsets = self._nets["rnet"](_to_tensor(_patches(image, boxes, 24)))
        score = chance[:, 1].numpy().astype(np.float64)
        sure = score > _THRESHOLDS[1]
        boxes = _moved(boxes[sure], offsets.numpy()[sure])
        kept = _suppress(boxes, score[sure], 0.7)
        return _Candidates(boxes[kept], score[sure][kept])

    def _point(self, image: UInt8, found: _Candidates) -> tuple[Float64, Float64, Float64]:
        if not len(found.boxes):
            return np.empty((0, 4)), np.empty(0), np.empty((0, 5, 2))
        boxes = _squared(found.boxes)
        chance, offsets, points = self._nets["onet"](_to_tensor(_patches(image, boxes, 48)))
        score = chance[:, 1].numpy().astype(np.float64)
        sure = score > _THRESHOLDS[2]
        boxes, score = boxes[sure], score[sure]
        share = points.numpy()[sure].astype(np.float64).reshape(-1, 2, 5).swapaxes(1, 2)
        sides = (boxes[:, 2:] - boxes[:, :2] + 1)[:, None]
        five = share * sides + boxes[:, None, :2] - 1
        boxes = _moved(boxes, offsets.numpy()[sure])
        kept = _suppress(boxes, score, 0.7, of_smaller=True)
        return boxes[kept], score[kept], five[kept]


def _load(net: _Stage, path: Path) -> None:
    if not path.is_file():
        raise InputError(f"{path}: no such weights; MTCNN needs pnet.pt, rnet.pt and onet.pt")
    try:
        state = load_torch_file(path)
        net.load_state_dict(state)
    except Exception as error:  # a damaged file may raise anything
        reason = (str(error).splitlines() or [type(error).__name__])[0][:120]
        raise InputError(f"{path}: not the weights of MTCNN's {path.stem} ({reason})") from error
    net.eval()


def _resized(image: UInt8, height: int, width: int) -> UInt8:
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def _to_tensor(pixels: UInt8) -> Tensor:
    """Return (N, H, W, 3) uint8 as (N, 3, H, W) float in about [-1, 1]."""
    return (torch.from_numpy(pixels).permute(0, 3, 1, 2).float() - 127.5) * 0.0078125


def _patches(image: UInt8, boxes: Float64, side: int) -> UInt8:
    """Return square cuts of a picture, black outside it, (N, side, side, 3)."""
    cut = np.zeros((len(boxes), side, side, 3), np.uint8)
    height, width = image.shape[:2]
    for row, (x0, y0, x1, y1) in enumerate(np.trunc(boxes).astype(int)):
        x0, y0 = x0 - 1, y0 - 1  # published boxes count pixels from one
        inside = image[max(y0, 0) : min(y1, height), max(x0, 0) : min(x1, width)]
        if not inside.size:
            continue
        whole = np.zeros((y1 - y0, x1 - x0, 3), np.uint8)
        top, left = max(-y0, 0), max(-x0, 0)
        whole[top : top + inside.shape[0], left : left + inside.shape[1]] = inside
        cut[row] = _resized(whole, side, side)
    return cut


def _moved(boxes: Float64, offsets: NDArray[np.floating]) -> Float64:
    """Return boxes shifted by offsets in shares of their sides."""
    sides = boxes[:, 2:] - boxes[:, :2]
    return np.asarray(boxes + np.tile(sides, 2) * np.asarray(offsets, np.float64))


def _squared(boxes: Float64) -> Float64:
    """Return the squares around the middles of boxes, as wide as their longer sides."""
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = (boxes[:, 2:] - boxes[:, :2]).max(axis=1, keepdims=True) / 2
    return np.concatenate([middle - half, middle + half], axis=1)


def _suppress(
    boxes: Float64, scores: Float64, most: float, *, of_smaller: bool = False
) -> NDArray[np.int64]:
    """Return the rows kept: the surest of each group that overlaps by more than `most`."""
    areas = (boxes[:, 2] - boxes[:, 0] + 1) * (boxes[:, 3] - boxes[:, 1] + 1)
    order = np.argsort(-scores, kind="stable")
    kept = []
    while len(order):
        first, rest = order[0], order[1:]
        kept.append(first)
        low = np.maximum(boxes[first, :2], boxes[rest, :2])
        high = np.minimum(boxes[first, 2:], boxes[rest, 2:])
        both = np.maximum(high - low + 1, 0).prod(axis=1)
        if of_smaller:
            share = both / np.minimum(areas[first], areas[rest])
        else:
            share = both / (areas[first] + areas[rest] - both)
        order = rest[share <= most]
    return np.array(kept, np.int64)
