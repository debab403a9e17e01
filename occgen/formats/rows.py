"""A face of a shard as one record of plain values, for formats that keep faces one by one."""

import itertools
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..codec import encoder
from ..columns import Columns
from ..masks import unpack_mask

__all__ = ["Rows", "cut_blobs"]


class Rows:
    """The faces of one shard, row by row.

    Parameters
    ----------
    columns : dict of str to ndarray
    attributes : mapping
        Of the shard.
    """

    def __init__(self, columns: Columns, attributes: Mapping[str, Any]) -> None:
        self._columns = columns
        self._size = int(attributes["height"]), int(attributes["width"])
        self._categories: list[str] = json.loads(attributes["categories"])
        self.images = cut_blobs(columns["image/data"], columns["image/offset"])
        self.keys = _texts(columns["key"])
        self.identities: list[int] = columns["identity"].tolist()
        self.identity_names = _texts(columns["identity_name"])
        self._lists = {
            name: columns[name].tolist()
            for name in ("box", "category", "scale", "coverage", "mask_coverage")
        }
        self._occluders = _texts(columns["occluder"])
        self.has_landmarks = "landmarks" in columns
        self._labels = {
            name.removeprefix("pattern/"): columns[name].tolist()
            for name in sorted(columns)
            if name.startswith("pattern/")
        }
        self.labels = tuple(self._labels)
        self._first = columns["paste/offset"].tolist()
        self._pastes = [
            {"box": box, "category": self._categories[number], "occluder": name, "scale": scale}
            for box, number, name, scale in zip(
                columns["paste/box"].tolist(),
                columns["paste/category"].tolist(),
                _texts(columns["paste/occluder"]),
                map(_number, columns["paste/scale"].tolist()),
                strict=True,
            )
        ]
        self.has_masks = "mask/data" in columns
        self._masks = (
            cut_blobs(columns["mask/data"], columns["mask/offset"]) if self.has_masks else []
        )
        self._encode = encoder("png", 100)
        self._blank = self._encode(np.zeros(self._size, np.uint8))

    def __len__(self) -> int:
        return len(self.keys)

    def record(self, row: int) -> dict[str, Any]:
        """Return all that is known of a face but its pixels, ready for JSON."""
        record: dict[str, Any] = {
            "key": self.keys[row],
            "identity": self.identities[row],
            "identity_name": self.identity_names[row],
            "box": self._lists["box"][row],
            "category": self._categories[self._lists["category"][row]],
            "occluder": self._occluders[row],
            "scale": _number(self._lists["scale"][row]),
            "coverage": self._lists["coverage"][row],
            "mask_coverage": self._lists["mask_coverage"][row],
            "patterns": {name: labels[row] for name, labels in self._labels.items()},
            "pastes": self._pastes[self._first[row] : self._first[row + 1]],
        }
        if self.has_landmarks:
            points = self._columns["landmarks"][row]
            record["landmarks"] = None if np.isnan(points).any() else points.tolist()
        return record

    def mask_png(self, row: int) -> bytes:
        """Return the mask of a face as a PNG, 255 where it is hidden."""
        if not self._masks[row]:
            return self._blank
        mask = unpack_mask(self._masks[row], *self._size)
        return self._encode(mask.astype(np.uint8) * 255)


def cut_blobs(data: NDArray[Any], offsets: NDArray[Any]) -> list[bytes]:
    """Return the pieces of bytes that lie back to back."""
    whole, cuts = data.tobytes(), offsets.tolist()
    return [whole[start:end] for start, end in itertools.pairwise(cuts)]


def _texts(column: NDArray[Any]) -> list[str]:
    return [value.decode() for value in column.tolist()]


def _number(value: float) -> float | None:
    return None if value != value else value
