"""Parquet files with an image column, as Hugging Face `datasets` writes them."""

import json
from collections.abc import Iterator
from functools import cached_property
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..catalog import CATALOG
from ..errors import DataError, InputError
from ..formats.parquet import import_parquet
from .base import FaceRef

__all__ = ["ParquetSource", "find_parquet"]

_ROWS_AT_ONCE = 64
_MOST_BYTES = 1 << 29  # of a column in one row group: pictures are written by the hundred
_PICTURES = ("image", "img", "jpg", "picture", "face", "png", "webp")
_NAMES = ("identity_name", "identity", "label", "class", "person", "labels", "cls", "id")


def find_parquet(root: Path) -> list[Path]:
    """Return the Parquet files a path stands for: itself, or those in it or in its ``data/``."""
    if root.is_file():
        return [root]
    return sorted(root.glob("*.parquet")) or sorted(root.glob("data/*.parquet"))


class ParquetSource:
    """The rows of Parquet files, in the order of the files' names.

    Parameters
    ----------
    root : Path
        A file, or a folder that holds some, directly or in ``data/``.

    Notes
    -----
    A key is the file's name without its ending, and the row: ``train-00000/00000017``. The identity
    is the first of `identity_name`, `identity`, `label` and the like; a class label by its name.
    """

    dataset = "shards"
    licence = CATALOG["shards"].licence

    def __init__(self, root: Path) -> None:
        self.root = root
        self._parquet = import_parquet()
        self._files = {path.stem: path for path in find_parquet(root)}
        if not self._files:
            raise InputError(f"{root} holds no .parquet files")
        self._open = ""
        self._file: Any = None
        self._starts: list[int] = []
        self._group = -1
        self._rows: list[Any] = []

    @cached_property
    def _names(self) -> tuple[str, str | None, list[str] | None]:
        """Names of the picture's and the identity's column, and of the classes where given."""
        path = next(iter(self._files.values()))
        schema = self._opened(path).schema_arrow
        marked = (schema.metadata or {}).get(b"huggingface", b"{}")
        try:
            features = json.loads(marked)["info"]["features"]
        except (ValueError, KeyError, TypeError, RecursionError):
            features = {}
        features = features if isinstance(features, dict) else {}
        features = {name: value for name, value in features.items() if isinstance(value, dict)}
        kinds = {name: features[name].get("_type") for name in features if name in schema.names}
        images = [name for name, kind in kinds.items() if kind == "Image" and name != "mask"]
        images += [name for name in _PICTURES if name in schema.names]
        if not images:
            raise DataError(f"{path} has no column of pictures ({', '.join(schema.names[:8])})")
        label = next((name for name in _NAMES if name in schema.names), None)
        classes = features.get(label, {}).get("names") if label else None
        return images[0], label, classes if isinstance(classes, list) else None

    def _opened(self, path: Path) -> Any:
        try:
            file = self._parquet.ParquetFile(path)
            self._check_rows(path, file)
            return file
        except DataError:
            raise
        except Exception as error:  # given damaged data the library may raise anything
            raise DataError(f"{path} cannot be read as Parquet ({error})") from error

    def refs(self) -> Iterator[FaceRef]:
        """Yield every row once."""
        _, label, classes = self._names
        for stem, path in self._files.items():
            file = self._opened(path)
            row = 0
            for group in range(file.num_row_groups):
                count = file.metadata.row_group(group).num_rows
                for value in _column(path, file, group, label) if label else repeat(None, count):
                    yield FaceRef(f"{stem}/{row:08d}", _name(value, classes))
                    row += 1

    def count(self) -> int:
        """Return how many references `refs` yields."""
        return sum(self._opened(path).metadata.num_rows for path in self._files.values())

    def _check_rows(self, path: Path, file: Any) -> None:
        """Raise DataError where a file claims more than its bytes can hold."""
        metadata = file.metadata
        counts = [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
        if min([0, *counts]) < 0 or metadata.num_rows != sum(counts):
            raise DataError(f"{path} cannot be read as Parquet (its row groups do not add up)")
        if metadata.num_rows > path.stat().st_size:
            raise DataError(f"{path} claims {metadata.num_rows} rows in fewer bytes")

    def read(self, key: str) -> bytes:
        """Return a picture's encoded bytes."""
        stem, _, number = key.rpartition("/")
        if stem not in self._files or not number.isdigit():
            raise DataError(f"no such row: {key!r}")
        if stem != self._open:
            self._file, self._open, self._group = self._opened(self._files[stem]), stem, -1
            metadata = self._file.metadata
            counts = [metadata.row_group(g).num_rows for g in range(metadata.num_row_groups)]
            self._starts = np.cumsum([0, *counts]).tolist()
        row = int(number)
        if row >= self._starts[-1]:
            raise DataError(f"is beyond the {self._starts[-1]} rows of {stem}.parquet")
        group = int(np.searchsorted(self._starts, row, "right")) - 1
        if group != self._group:
            path = self._files[stem]
            self._rows, self._group = _column(path, self._file, group, self._names[0]), group
        value = self._rows[row - self._starts[group]]
        data = value.get("bytes") if isinstance(value, dict) else value
        if not isinstance(data, bytes):
            raise DataError("holds no picture in the file itself")
        return data

    def landmarks(self, key: str, height: int, width: int) -> NDArray[np.float32] | None:
        """Return None: only a finished set's own columns hold points."""
        return None

    def carried(self) -> dict[str, bytes]:
        """Return nothing: all is in the files."""
        return {}

    def check(self) -> None:
        """Raise DataError where the files have no column of pictures."""
        _ = self._names


def _column(path: Path, file: Any, group: int, name: str) -> list[Any]:
    values: list[Any] = []
    size = 0
    try:
        for batch in file.iter_batches(_ROWS_AT_ONCE, row_groups=[group], columns=[name]):
            size += batch.nbytes
            if size > _MOST_BYTES:
                raise DataError(
                    f"{path} holds {name} of more than {_MOST_BYTES >> 20} MiB in one row group"
                )
            values += batch.column(0).to_pylist()
    except DataError:
        raise
    except Exception as error:  # given damaged data the library may raise anything
        raise DataError(f"{path} cannot be read as Parquet ({error})") from error
    return values


def _name(value: Any, classes: list[str] | None) -> str:
    if value is None or value == -1:
        return ""
    if classes is not None and isinstance(value, int) and 0 <= value < len(classes):
        return str(classes[value])
    return str(value)
