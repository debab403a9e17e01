"""One picture's feature in MegaFace's form: four int32 (rows, 1, 4, 5), then rows float32."""

import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from occgen.atomic import make_folder, replacing_bytes
from occgen.errors import DataError, InputError

__all__ = ["read_feature", "write_feature", "write_features"]

Float32 = NDArray[np.float32]

_HEADER = struct.Struct("<4i")  # rows, columns, bytes a row, OpenCV's type
_FLOAT = 5
_LONGEST = 65_536


def read_feature(path: Path) -> Float32:
    """Return the feature of a ``.bin`` or ``.npy`` of one picture, float32 of shape (E,).

    Raises
    ------
    DataError
        When it is no such file: the form is four int32 (rows, 1, 4, 5) and rows float32.
    """
    try:
        if path.suffix == ".npy":
            loaded = np.load(
                path, mmap_mode="r", allow_pickle=False
            )  # a map cannot outgrow the file
            if not isinstance(loaded, np.ndarray) or loaded.dtype.kind not in "fiu":
                raise ValueError("it holds no array of numbers")
            if loaded.size > _LONGEST:
                raise ValueError(f"{loaded.size} numbers are no feature of one picture")
            return np.array(loaded, np.float32).reshape(-1)
        data = path.read_bytes()
    except Exception as error:  # given a damaged header numpy may raise anything
        raise DataError(f"{path}: cannot be read as a feature ({error})") from error
    if len(data) >= _HEADER.size:
        rows, columns, _, kind = _HEADER.unpack_from(data)
        count = rows * columns
        if (
            kind == _FLOAT
            and rows > 0
            and 0 < count <= _LONGEST
            and len(data) == _HEADER.size + 4 * count
        ):
            return np.frombuffer(data, "<f4", offset=_HEADER.size).astype(np.float32)
    raise DataError(
        f"{path}: no MegaFace feature: {len(data)} bytes that are not four int32 (rows, 1, 4, 5) "
        "and as many float32"
    )


def write_feature(path: Path, feature: Float32) -> None:
    """Write one picture's feature (E,) in MegaFace's form."""
    row = np.asarray(feature, "<f4").reshape(-1)
    replacing_bytes(path, _HEADER.pack(len(row), 1, 4, _FLOAT) + row.tobytes())


def write_features(folder: Path, keys: Sequence[str], rows: Float32, name: str) -> None:
    """Write ``folder/KEY_NAME.bin`` for every key, as MegaFace's development kit reads them.

    Parameters
    ----------
    folder : Path
    keys : sequence of str
        Relative paths of pictures.
    rows : ndarray of float32, shape (N, E)
    name : str
        Of the algorithm.

    Raises
    ------
    InputError
        For keys that lead out of the folder.
    """
    for key, row in zip(keys, rows, strict=True):
        if key.startswith("/") or ".." in Path(key).parts:
            raise InputError(f"key {key!r} leads out of {folder}")
        path = folder / f"{key}_{name}.bin"
        make_folder(path.parent)
        write_feature(path, row)
