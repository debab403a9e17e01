"""The LMDB of pictures that the published code trains from, read without what pyarrow removed.

A value is a picture, its label and its path, put together by ``pyarrow.serialize``, which pyarrow
no longer has: counts of further parts, then an Arrow stream of one row, which it still reads.
"""

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..catalog import CATALOG
from ..errors import DataError, InputError
from ..lmdb_file import LmdbFile
from ..unpickling import load_plain
from .base import FaceRef

__all__ = ["LmdbSource"]

_STARTS = (16, 8, 4, 12, 0)  # of the stream in a value, by version of pyarrow
_SPECIAL = (b"__keys__", b"__len__")


class LmdbSource:
    """The pictures of an LMDB with the keys 0, 1, 2 and so on.

    Parameters
    ----------
    root : Path
        The file, or the folder of LMDB's own that holds ``data.mdb``.

    Raises
    ------
    InputError
        When pyarrow is not installed, or the path is no LMDB.

    Notes
    -----
    A key is the folder of the picture's path (the person, else the label) and its number.
    """

    dataset = "webface"
    licence = CATALOG["webface"].licence

    def __init__(self, root: Path) -> None:
        self.root = root
        self._ipc = _imported("pyarrow.ipc")
        self._base = LmdbFile(root / "data.mdb" if root.is_dir() else root)

    def refs(self) -> Iterator[FaceRef]:
        """Yield every picture once, by number.

        Raises
        ------
        DataError
            At a value that is no picture with a label; names it.
        """
        for number in range(self.count()):
            try:
                _, label, path = self._value(number)
            except DataError as error:
                raise DataError(f"{self.root}: {error}") from error
            folder = path.rpartition("/")[0].rpartition("/")[2]
            name = folder or str(label)
            yield FaceRef(f"{name}/{number:08d}", name)

    def count(self) -> int:
        """Return how many references `refs` yields."""
        try:
            special = sum(self._base.get(key) is not None for key in _SPECIAL)
        except DataError as error:
            raise DataError(f"{self.root}: a key {error}") from error
        return max(0, self._base.entries - special)

    def read(self, key: str) -> bytes:
        """Return a picture's encoded bytes."""
        number = key.rpartition("/")[2]
        if not number.isdigit():
            raise DataError(f"no such picture: {key!r}")
        return self._value(int(number))[0]

    def _value(self, number: int) -> tuple[bytes, int, str]:
        """Return picture, label and path (empty where there is none) of a number."""
        try:
            data = self._base.get(b"%d" % number)
        except DataError as error:
            raise DataError(f"key {number} {error}") from error
        if data is None:
            raise DataError(f"key {number} is not there")
        try:
            value = load_plain(data) if data[:1] == b"\x80" else self._arrow(data)
        except DataError as error:
            raise DataError(f"key {number} {error}") from error
        if not isinstance(value, (list, tuple)) or not 2 <= len(value) <= 3:
            raise DataError(f"key {number} is no picture with a label")
        image, label, *path = value
        if not isinstance(image, bytes) or not isinstance(label, int):
            raise DataError(f"key {number} is no encoded picture with a label")
        return image, label, str(path[0]) if path else ""

    def _arrow(self, data: bytes) -> Any:
        for start in _STARTS:
            try:
                batch = self._ipc.open_stream(memoryview(data)[start:]).read_next_batch()
                batch.validate(full=True)
                return batch.column(0).to_pylist()[0]
            except Exception:  # of another version, or damaged: the library may raise anything
                continue
        raise DataError("is not a value of pyarrow.serialize")

    def landmarks(self, key: str, height: int, width: int) -> NDArray[np.float32] | None:
        """Return None: the file holds no points."""
        return None

    def carried(self) -> dict[str, bytes]:
        """Return nothing: all is in the file."""
        return {}

    def check(self) -> None:
        """Raise InputError where it holds no pictures, DataError where the first is none."""
        if self.count() < 1:
            raise InputError(f"{self.root} holds no pictures")
        next(self.refs())


def _imported(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise InputError(f"an LMDB needs pyarrow: pip install 'occgen[lmdb]' ({error})") from error
