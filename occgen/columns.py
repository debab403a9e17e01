"""The rows of one shard, gathered face by face, as named columns; every format writes these."""

import hashlib
import itertools
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from .masks import pack_masks
from .patterns import PatternGrid
from .synthesis import OccludedFace

__all__ = ["CLEAN", "Columns", "ShardColumns", "content_digest"]

CLEAN = "clean"  # category 0 of a face nothing was pasted on

Columns = dict[str, NDArray[Any]]
Box = tuple[int, int, int, int]

_MASKS_A_BATCH = 64  # that stay in the processor's cache until they are packed
_BATCH_PIXELS = 1 << 20  # of large ones fewer


class ShardColumns:
    """Gathers the faces of one shard.

    Parameters
    ----------
    grid : PatternGrid
        Of the images' size; labels every face by it.
    categories : tuple of str
        All categories of the library; numbers of the enum, from 1.
    keep_masks : bool
        Whether masks are stored: not where a mask is the box itself.

    Notes
    -----
    What is kept of a face are numbers, names and bytes in lists of their own: tuples and objects
    kept one a face cost more than what they hold, as Python's garbage collector looks through
    them again and again.
    """

    def __init__(self, grid: PatternGrid, categories: tuple[str, ...], keep_masks: bool) -> None:
        self._grid = grid
        self._numbers = {name: number for number, name in enumerate((CLEAN, *categories))}
        self._keep_masks = keep_masks
        self._keys: list[str] = []
        self._identities: list[int] = []
        self._names: list[str] = []
        self._images: list[bytes] = []
        self._checksums: list[int] = []
        self._boxes: list[int] = []  # four a face
        self._counts: list[int] = []  # of what was pasted
        self._paste_boxes: list[int] = []  # four a paste, as of the lists below one
        self._paste_categories: list[int] = []
        self._paste_occluders: list[str] = []
        self._paste_scales: list[float] = []
        self._points: dict[int, NDArray[np.float32]] = {}
        self._masks: list[NDArray[np.uint8]] = []  # packed, a batch each
        self._mask_sizes: list[NDArray[np.int64]] = []
        batch = max(1, min(_MASKS_A_BATCH, _BATCH_PIXELS // (grid.height * grid.width)))
        self._pending = np.zeros((batch, grid.height, grid.width), np.bool_)
        self._pending_rows: list[int] = []
        self._counted: list[int] = []  # rows whose masks were drawn
        self._mask_cells: list[NDArray[np.int64]] = []
        self._skipped: list[tuple[str, str]] = []

    def add(
        self,
        key: str,
        identity: int,
        name: str,
        data: bytes,
        face: OccludedFace,
        box: Box,
        landmarks: NDArray[np.float32] | None,
    ) -> None:
        """Take one face: its encoded picture, what was pasted, and the box its label is for."""
        row, placements = len(self._keys), face.placements
        self._keys.append(key)
        self._identities.append(identity)
        self._names.append(name)
        self._images.append(data)
        self._checksums.append(zlib.crc32(data))
        self._boxes += box
        self._counts.append(len(placements))
        for placement, clipped in zip(placements, face.paste_boxes, strict=True):
            self._paste_boxes += clipped
            occluder = placement.occluder
            self._paste_categories.append(self._numbers[occluder.category])
            self._paste_occluders.append(occluder.name)
            self._paste_scales.append(placement.scale)
        if landmarks is not None:
            self._points[row] = landmarks
        if not self._keep_masks and len(placements) <= 1:
            return  # its mask is the box: labelled with the boxes, and no pixel drawn
        face.draw_mask(self._pending[len(self._pending_rows)])
        self._pending_rows.append(row)
        if len(self._pending_rows) == len(self._pending):
            self._take_pending()

    def skip(self, key: str, reason: str) -> None:
        """Note a picture that was left out."""
        self._skipped.append((key, reason))

    def __len__(self) -> int:
        return len(self._keys)

    def _take_pending(self) -> None:
        """Count and pack the masks that were drawn, and make room for others."""
        rows = self._pending_rows
        masks = self._pending[: len(rows)]
        self._counted += rows
        self._mask_cells.append(self._grid.count_cells(masks))
        if self._keep_masks:
            packed, sizes = pack_masks(masks)
            self._masks.append(packed)
            self._mask_sizes.append(sizes)
        masks[:] = False
        rows.clear()

    def finish(self) -> Columns:
        """Return all columns, in the order they are written."""
        if self._pending_rows:
            self._take_pending()
        k, area = self._grid.k, self._grid.height * self._grid.width
        boxes = np.array(self._boxes, np.int16).reshape(-1, 4)
        categories, occluders = self._paste_categories, self._paste_occluders
        counts = np.array(self._counts, np.int64)
        first = np.zeros(len(counts) + 1, np.int64)
        np.cumsum(counts, out=first[1:])
        columns: Columns = {
            "image/data": np.frombuffer(b"".join(self._images), np.uint8),
            "image/offset": _offsets(list(map(len, self._images))),
            "image/crc32": np.array(self._checksums, np.uint32),
            "box": boxes,
            "paste/offset": first.astype(np.uint64),
            "paste/box": np.array(self._paste_boxes, np.int16).reshape(-1, 4),
            "paste/category": self._enum(categories),
            "paste/occluder": _strings(occluders),
            "paste/scale": np.array(self._paste_scales, np.float32),
        }
        if self._keep_masks:
            masks = np.concatenate([np.zeros(0, np.uint8), *self._masks])
            offsets = _offsets(np.concatenate([np.zeros(0, np.int64), *self._mask_sizes]))
            columns |= {
                "mask/data": masks,
                "mask/offset": offsets,
                "mask/crc32": _checksums(masks.tobytes(), offsets.tolist()),
            }
        top = first[:-1].tolist()  # of several pastes the first names the face
        pasted = (counts > 0).tolist()
        mask_labels, mask_pixels = self._label_masks(columns["paste/box"], counts, first)
        columns |= {
            f"pattern/k{k}": self._grid.label_boxes(boxes).astype(np.int16),
            f"pattern/k{k}_mask": mask_labels.astype(np.int16),
            "identity": np.array(self._identities, np.int32),
            "identity_name": _strings(self._names),
            "key": _strings(self._keys),
            "category": self._enum(_pick(categories, top, pasted, 0)),
            "occluder": _strings(_pick(occluders, top, pasted, "")),
            "scale": np.array(_pick(self._paste_scales, top, pasted, np.nan), np.float32),
            "coverage": _box_coverage(boxes, area),
            "mask_coverage": (mask_pixels / area).astype(np.float32),
        }
        if self._points:
            points = np.full((len(counts), 5, 2), np.nan, np.float32)
            points[list(self._points)] = list(self._points.values())
            columns["landmarks"] = points
        if self._skipped:
            columns["skipped/key"] = _strings([key for key, _ in self._skipped])
            columns["skipped/reason"] = _strings([reason for _, reason in self._skipped])
        return columns

    def _label_masks(
        self, paste_boxes: NDArray[Any], counts: NDArray[np.int64], first: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return label and pixels of each face's mask, of those that are a box by the box."""
        labels, pixels = np.zeros((2, len(counts)), np.int64)
        boxed = np.ones(len(counts), np.bool_)
        boxed[self._counted] = False
        boxed &= counts == 1
        if boxed.any():
            boxes = paste_boxes[first[:-1][boxed]].astype(np.int64)
            labels[boxed] = self._grid.label_boxes(boxes)
            pixels[boxed] = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
        if self._counted:
            cells = np.concatenate(self._mask_cells)
            labels[self._counted] = self._grid.label_cells(cells)
            pixels[self._counted] = cells.sum(axis=1)
        return labels, pixels

    def _enum(self, numbers: list[Any]) -> NDArray[Any]:
        return np.array(numbers, h5py.enum_dtype(self._numbers, basetype="u1"))


def content_digest(columns: Mapping[str, NDArray[Any]]) -> str:
    """Return the SHA-256 over each column's name, type, shape and bytes, in name order.

    Parameters
    ----------
    columns : mapping of str to ndarray
    """
    total = hashlib.sha256()
    for name in sorted(columns):
        column = columns[name]
        total.update(f"{name}|{column.dtype.str}|{column.shape}|".encode())
        total.update(column_bytes(column))
    return total.hexdigest()


def column_bytes(column: NDArray[Any]) -> memoryview:
    """Return the bytes of a column without a copy."""
    flat: Any = np.ascontiguousarray(column).view(np.uint8).reshape(-1)
    return memoryview(flat)


def _box_coverage(boxes: NDArray[np.int16], area: int) -> NDArray[np.float32]:
    sides = boxes.astype(np.int64)
    pixels = (sides[:, 2] - sides[:, 0]) * (sides[:, 3] - sides[:, 1])
    return (pixels / area).astype(np.float32)


def _pick(values: list[Any], rows: list[int], known: list[bool], other: Any) -> list[Any]:
    return [values[row] if has else other for row, has in zip(rows, known, strict=True)]


def _offsets(sizes: Sequence[int] | NDArray[np.int64]) -> NDArray[np.uint64]:
    offsets = np.zeros(len(sizes) + 1, np.uint64)
    np.cumsum(sizes, out=offsets[1:])
    return offsets


def _checksums(data: bytes, offsets: list[int]) -> NDArray[np.uint32]:
    parts = itertools.pairwise(offsets)
    return np.array([zlib.crc32(data[start:end]) for start, end in parts], np.uint32)


def _strings(values: list[str]) -> NDArray[Any]:
    encoded = [value.encode("utf-8") for value in values]
    width = max([1, *map(len, encoded)])
    return np.array(encoded, h5py.string_dtype("utf-8", width))
