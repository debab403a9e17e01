"""Whether the columns of a shard have the names, types and shapes that readers rely on."""

import itertools
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .codec import MAX_PIXELS
from .columns import Columns
from .errors import ColumnError, ShardError

__all__ = ["MOST_CELLS", "check_attributes", "check_columns", "check_texts"]

MOST_CELLS = 18  # a side: labels of more do not fit int16
_LONGEST_SIDE = 1 << 15  # boxes are int16
_MOST_CATEGORIES = 255  # and clean, in a byte

# Kind of type, and shape: N faces, P pastes, M pictures left out, B bytes; + 1 for offsets.
_FORMS: dict[str, tuple[str, tuple[str | int, ...]]] = {
    "image/data": ("u", ("B",)),
    "image/offset": ("iu", ("N+1",)),
    "image/crc32": ("iu", ("N",)),
    "box": ("i", ("N", 4)),
    "paste/offset": ("iu", ("N+1",)),
    "paste/box": ("i", ("P", 4)),
    "paste/category": ("iu", ("P",)),
    "paste/occluder": ("S", ("P",)),
    "paste/scale": ("f", ("P",)),
    "mask/data": ("u", ("B",)),
    "mask/offset": ("iu", ("N+1",)),
    "mask/crc32": ("iu", ("N",)),
    "identity": ("i", ("N",)),
    "identity_name": ("S", ("N",)),
    "key": ("S", ("N",)),
    "category": ("iu", ("N",)),
    "occluder": ("S", ("N",)),
    "scale": ("f", ("N",)),
    "coverage": ("f", ("N",)),
    "mask_coverage": ("f", ("N",)),
    "landmarks": ("f", ("N", 5, 2)),
    "skipped/key": ("S", ("M",)),
    "skipped/reason": ("S", ("M",)),
}
_TOGETHER = (("mask/data", "mask/offset", "mask/crc32"), ("skipped/key", "skipped/reason"))
_OPTIONAL = ("landmarks", *itertools.chain(*_TOGETHER))
_BLOBS = ("image", "mask")
_COUNTED = {"N": "key", "P": "paste/box", "M": "skipped/key"}


def check_attributes(attributes: Mapping[str, Any], where: object) -> tuple[str, ...]:
    """Return the names of the categories; raise ShardError where an attribute is missing or wrong.

    Parameters
    ----------
    attributes : mapping
        Of a shard.
    where : object
        The file, for the message.
    """
    for name, value in attributes.items():
        if not isinstance(value, (str, int, float)):
            raise ShardError(f"{where}: the attribute {name!r:.40} is no single value")
        try:
            f"{name}{value if isinstance(value, str) else ''}".encode()
        except UnicodeEncodeError as error:
            raise ShardError(f"{where}: the attribute {name!r:.40} is no text") from error
    for name, most in (("height", _LONGEST_SIDE), ("width", _LONGEST_SIDE), ("k", MOST_CELLS)):
        value = attributes.get(name)
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
            raise ShardError(f"{where}: {name} should be 1 to {most}, is {value!r:.40}")
    height, width, k = (attributes[name] for name in ("height", "width", "k"))
    if height * width > MAX_PIXELS or k > min(height, width):
        raise ShardError(f"{where}: {height} x {width} at k = {k} is no size of pictures")
    if not isinstance(attributes.get("by"), str) or attributes["by"] not in ("box", "mask"):
        raise ShardError(f"{where}: by should be box or mask, is {attributes.get('by')!r:.40}")
    try:
        categories = json.loads(attributes["categories"])
        json.loads(attributes["config"])
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise ShardError(f"{where}: its categories or configuration are damaged") from error
    if (
        not isinstance(categories, list)
        or not 1 <= len(categories) <= _MOST_CATEGORIES
        or not all(isinstance(name, str) for name in categories)
    ):
        raise ShardError(f"{where}: its categories are no list of names")
    return tuple(categories)


def check_columns(
    columns: Columns,
    attributes: Mapping[str, Any],
    where: object,
    without: tuple[str, ...] = (),
) -> None:
    """Raise ShardError where columns are not of the form a shard has.

    Parameters
    ----------
    columns : dict of str to ndarray
    attributes : mapping
        Of the shard.
    where : object
        The file, for messages.
    without : tuple of str, optional
        Columns that need not be there.

    Notes
    -----
    Types, shapes, offsets, texts and the range of categories are looked at, not whether labels
    follow from boxes: that is for `verify`.
    """
    categories = check_attributes(attributes, where)
    for name in _FORMS:
        if name not in columns and name not in (*_OPTIONAL, *without):
            raise ShardError(f"{where} has no dataset {name}")
    for names in _TOGETHER:
        wanted = [name for name in names if name not in without]
        if len({name in columns for name in wanted}) > 1:
            raise ShardError(f"{where} has not all of {', '.join(wanted)}")
    sizes = {
        letter: len(columns[name]) if name in columns and columns[name].ndim else 0
        for letter, name in _COUNTED.items()
    }
    for name, column in columns.items():
        if not name.isprintable():
            raise ShardError(f"{where} has a dataset of the name {name!r:.40}")
        _check_form(name, column, sizes, where)
    _check_values(columns, len(categories), where)


def _check_form(name: str, column: NDArray[Any], sizes: dict[str, int], where: object) -> None:
    if name.startswith("pattern/"):
        kinds, shape = "i", ("N",)
    elif name in _FORMS:
        kinds, shape = _FORMS[name]  # type: ignore[assignment]
    else:
        return
    expected = [
        {"N+1": sizes["N"] + 1, "B": column.size}.get(str(side), sizes.get(str(side), side))
        for side in shape
    ]
    if list(column.shape) != expected:
        shown = " x ".join(map(str, column.shape)) or "a single value"
        wanted = " x ".join(map(str, expected))
        raise ColumnError(where, name, f"is {shown}, should be {wanted}")
    if column.dtype.kind not in kinds or (shape == ("B",) and column.dtype != np.uint8):
        raise ColumnError(where, name, f"has type {column.dtype}, which no shard has")


def _check_values(columns: Columns, categories: int, where: object) -> None:
    for kind in _BLOBS:
        if f"{kind}/data" in columns and f"{kind}/offset" in columns:
            length = columns[f"{kind}/data"].size
            _check_offsets(f"{kind}/offset", columns, length, where)
    if "paste/offset" in columns and "paste/box" in columns:
        pastes = len(columns["paste/box"])
        _check_offsets("paste/offset", columns, pastes, where)
    for name in ("category", "paste/category"):
        numbers = columns.get(name)
        if (
            numbers is not None
            and numbers.size
            and not 0 <= numbers.min() <= numbers.max() < (categories)
        ):
            raise ColumnError(where, name, "holds numbers of no category")
    check_texts(columns, where)


def _check_offsets(name: str, columns: Columns, length: int, where: object) -> None:
    """Raise ColumnError where offsets do not rise from 0 to a length."""
    values = columns[name].astype(np.uint64)
    if values[0] != 0 or values[-1] != length or (values[1:] < values[:-1]).any():
        raise ColumnError(where, name, f"does not cut {length} from the first to the last")


def check_texts(columns: Mapping[str, NDArray[Any]], where: object) -> None:
    """Raise ShardError where a column of texts is none of UTF-8."""
    for name, column in columns.items():
        if _FORMS.get(name, "?")[0] != "S":
            continue
        if column.dtype.kind != "S" or column.ndim != 1:
            raise ColumnError(where, name, f"has type {column.dtype}, which no shard has")
        try:
            b"\n".join(column.tolist()).decode()
        except UnicodeDecodeError as error:
            raise ColumnError(where, name, f"is no UTF-8 ({error.reason})") from error
