"""The rows of one shard, gathered face by face, as named columns; every format writes these."""

import hashlib
import zlib
from collections.abc import Mapping
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from .patterns import PatternGrid
from .synthesis import OccludedFace

__all__ = ["CLEAN", "Columns", "ShardColumns", "content_digest", "pack_mask", "unpack_mask"]

CLEAN = "clean"  # category 0 of a face nothing was pasted on

Columns = dict[str, NDArray[Any]]

_MASKS_A_BATCH = 256


def pack_mask(mask: NDArray[np.bool_]) -> bytes:
    """Return a mask as one bit a pixel, rows one after the other, compressed by zlib.

    Parameters
    ----------
    mask : ndarray of bool, shape (H, W)
    """
    return zlib.compress(np.packbits(mask).tobytes(), 1)


def unpack_mask(data: bytes, height: int, width: int) -> NDArray[np.bool_]:
    """Return the mask that `pack_mask` packed; no data is a mask of nothing.

    Raises
    ------
    ValueError
        When the data are damaged or of another size.
    """
    if not data:
        return np.zeros((height, width), np.bool_)
    packed_size = (height * width + 7) // 8
    unpacker = zlib.decompressobj()
    try:
        bits = unpacker.decompress(data, packed_size + 1)
    except zlib.error as error:
        raise ValueError(f"damaged mask ({error})") from error
    if len(bits) != packed_size or not unpacker.eof or unpacker.unused_data:
        raise ValueError(f"a mask of {packed_size} packed bytes was expected")
    flat = np.unpackbits(np.frombuffer(bits, np.uint8), count=height * width)
    return flat.reshape(height, width).view(np.bool_)


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
    """

    def __init__(self, grid: PatternGrid, categories: tuple[str, ...], keep_masks: bool) -> None:
        self._grid = grid
        self._numbers = {name: number for number, name in enumerate((CLEAN, *categories))}
        self._keep_masks = keep_masks
        self._images: list[bytes] = []
        self._checksums: list[int] = []
        self._masks: list[bytes] = []
        self._pending = np.empty((_MASKS_A_BATCH, grid.height, grid.width), np.bool_)
        self._pending_count = 0
        self._mask_labels: list[NDArray[np.int64]] = []
        self._mask_pixels: list[int] = []
        self._boxes: list[tuple[int, int, int, int]] = []
        self._keys: list[str] = []
        self._identities: list[int] = []
        self._names: list[str] = []
        self._landmarks: list[NDArray[np.float32] | None] = []
        self._paste_boxes: list[tuple[int, int, int, int]] = []
        self._paste_counts: list[int] = []
        self._paste_categories: list[int] = []
        self._paste_occluders: list[str] = []
        self._paste_scales: list[float] = []
        self._skipped: list[tuple[str, str]] = []

    def add(
        self,
        key: str,
        identity: int,
        name: str,
        data: bytes,
        face: OccludedFace,
        box: tuple[int, int, int, int],
        landmarks: NDArray[np.float32] | None,
    ) -> None:
        """Take one face: its encoded picture, what was pasted, and the box its label is for."""
        self._images.append(data)
        self._checksums.append(zlib.crc32(data))
        self._keys.append(key)
        self._identities.append(identity)
        self._names.append(name)
        self._boxes.append(box)
        self._landmarks.append(landmarks)
        for placement, paste_box in zip(face.placements, face.paste_boxes, strict=True):
            self._paste_boxes.append(paste_box)
            self._paste_categories.append(self._numbers[placement.occluder.category])
            self._paste_occluders.append(placement.occluder.name)
            self._paste_scales.append(placement.scale)
        self._paste_counts.append(len(face.placements))
        if self._keep_masks:
            self._masks.append(pack_mask(face.mask) if face.placements else b"")
        self._mask_pixels.append(int(np.count_nonzero(face.mask)) if face.placements else 0)
        self._pending[self._pending_count] = face.mask
        self._pending_count += 1
        if self._pending_count == _MASKS_A_BATCH:
            self._label_pending()

    def skip(self, key: str, reason: str) -> None:
        """Note a picture that was left out."""
        self._skipped.append((key, reason))

    def __len__(self) -> int:
        return len(self._images)

    def _label_pending(self) -> None:
        if self._pending_count:
            masks = self._pending[: self._pending_count]
            self._mask_labels.append(self._grid.label_masks(masks))
            self._pending_count = 0

    def finish(self) -> Columns:
        """Return all columns, in the order they are written."""
        self._label_pending()
        count = len(self)
        area = self._grid.height * self._grid.width
        boxes = np.array(self._boxes, np.int16).reshape(count, 4)
        first = np.zeros(count + 1, np.int64)
        np.cumsum(self._paste_counts, out=first[1:])
        pasted = np.array(self._paste_counts, np.int64) > 0
        k = self._grid.k
        columns: Columns = {
            "image/data": np.frombuffer(b"".join(self._images), np.uint8),
            "image/offset": _offsets(self._images),
            "image/crc32": np.array(self._checksums, np.uint32),
            "box": boxes,
            "paste/offset": first.astype(np.uint64),
            "paste/box": np.array(self._paste_boxes, np.int16).reshape(-1, 4),
            "paste/category": self._enum(self._paste_categories),
            "paste/occluder": _strings(self._paste_occluders),
            "paste/scale": np.array(self._paste_scales, np.float32),
        }
        if self._keep_masks:
            columns["mask/data"] = np.frombuffer(b"".join(self._masks), np.uint8)
            columns["mask/offset"] = _offsets(self._masks)
        columns[f"pattern/k{k}"] = self._grid.label_boxes(boxes).astype(np.int16)
        labels = np.concatenate([np.zeros(0, np.int64), *self._mask_labels])
        columns[f"pattern/k{k}_mask"] = labels.astype(np.int16)
        top = np.zeros(count, np.int64)  # of several pastes the first names the face
        top[pasted] = first[:-1][pasted]
        columns |= {
            "identity": np.array(self._identities, np.int32),
            "identity_name": _strings(self._names),
            "key": _strings(self._keys),
            "category": self._enum(_pick(self._paste_categories, top, pasted, 0)),
            "occluder": _strings(_pick(self._paste_occluders, top, pasted, "")),
            "scale": np.array(_pick(self._paste_scales, top, pasted, np.nan), np.float32),
            "coverage": _box_coverage(boxes, area),
            "mask_coverage": (np.array(self._mask_pixels, np.float64) / area).astype(np.float32),
        }
        if any(points is not None for points in self._landmarks):
            unknown = np.full((5, 2), np.nan, np.float32)
            points = [unknown if found is None else found for found in self._landmarks]
            columns["landmarks"] = np.array(points, np.float32)
        if self._skipped:
            columns["skipped/key"] = _strings([key for key, _ in self._skipped])
            columns["skipped/reason"] = _strings([reason for _, reason in self._skipped])
        return columns

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


def _pick(values: list[Any], rows: NDArray[np.int64], known: NDArray[Any], other: Any) -> list[Any]:
    return [values[row] if has else other for row, has in zip(rows, known, strict=True)]


def _offsets(blobs: list[bytes]) -> NDArray[np.uint64]:
    offsets = np.zeros(len(blobs) + 1, np.uint64)
    np.cumsum([len(blob) for blob in blobs], out=offsets[1:])
    return offsets


def _strings(values: list[str]) -> NDArray[Any]:
    encoded = [value.encode("utf-8") for value in values]
    width = max([1, *map(len, encoded)])
    return np.array(encoded, h5py.string_dtype("utf-8", width))
