"""Where embeddings are written as they come: ``.npy``, ``.h5``, or one small file a picture."""

import io
import os
from pathlib import Path
from typing import Any, Protocol

import h5py
import numpy as np
from numpy.typing import NDArray

from .feature_bin import write_features

__all__ = ["EmbeddingSink", "open_sink"]

Float32 = NDArray[np.float32]


class EmbeddingSink(Protocol):
    """Takes rows as they come, and all keys, people and notes at the end."""

    def __enter__(self) -> "EmbeddingSink": ...
    def __exit__(self, *details: object) -> None: ...

    def add(self, rows: Float32, keys: list[str]) -> None:
        """Write the embeddings (n, E) of the next n keys."""

    def finish(self, keys: list[str], people: list[str], notes: dict[str, Any]) -> None:
        """Write what is known when all rows are in."""


class _NpySink:
    """Rows as they come; the header, of fixed length, is written last."""

    def __init__(self, path: Path) -> None:
        self._file = open(path, "wb")  # noqa: SIM115 - closed on exit
        self._shape = [0, 0]

    def __enter__(self) -> "_NpySink":
        return self

    def __exit__(self, *details: object) -> None:
        self._file.close()

    def add(self, rows: Float32, keys: list[str]) -> None:
        if not self._shape[0]:
            self._shape[1] = rows.shape[1]
            self._file.write(_npy_header(0, rows.shape[1]))
        self._shape[0] += len(rows)
        self._file.write(np.ascontiguousarray(rows, "<f4").data)

    def finish(self, keys: list[str], people: list[str], notes: dict[str, Any]) -> None:
        self._file.seek(0)
        self._file.write(_npy_header(*self._shape))
        self._file.flush()
        os.fsync(self._file.fileno())


class _H5Sink:
    """A growing dataset, and the keys at the end."""

    def __init__(self, path: Path) -> None:
        self._file = h5py.File(path, "w")

    def __enter__(self) -> "_H5Sink":
        return self

    def __exit__(self, *details: object) -> None:
        self._file.close()

    def add(self, rows: Float32, keys: list[str]) -> None:
        if "embedding" not in self._file:
            columns = rows.shape[1]
            self._file.create_dataset(
                "embedding", (0, columns), "<f4", maxshape=(None, columns), chunks=(256, columns)
            )
        data = self._file["embedding"]
        data.resize(len(data) + len(rows), axis=0)
        data[len(data) - len(rows) :] = rows

    def finish(self, keys: list[str], people: list[str], notes: dict[str, Any]) -> None:
        text = h5py.string_dtype("utf-8")
        self._file.create_dataset("key", data=keys, dtype=text)
        self._file.create_dataset("identity_name", data=people, dtype=text)
        self._file.attrs.update(notes)
        self._file.flush()


class _BinSink:
    """One small file a picture."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name = folder, name

    def __enter__(self) -> "_BinSink":
        return self

    def __exit__(self, *details: object) -> None:
        pass

    def add(self, rows: Float32, keys: list[str]) -> None:
        write_features(self._folder, keys, rows, self._name)

    def finish(self, keys: list[str], people: list[str], notes: dict[str, Any]) -> None:
        pass


def open_sink(out: Path, temporary: Path, bin_name: str) -> EmbeddingSink:
    """Return the sink for a name: a folder where `bin_name` is given, else a file at `temporary`.

    Parameters
    ----------
    out : Path
        The final name; its ending says which form is written.
    temporary : Path
        Where a file is written until it is whole.
    bin_name : str
        What each picture's file is called beside its key; empty for one file of all.

    Raises
    ------
    OSError
        When the file cannot be opened.
    """
    if bin_name:
        return _BinSink(out, bin_name)
    return _NpySink(temporary) if out.suffix.lower() == ".npy" else _H5Sink(temporary)


def _npy_header(rows: int, columns: int) -> bytes:
    """Return a header of 128 bytes, whatever the number of rows."""
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        buffer, {"descr": "<f4", "fortran_order": False, "shape": (rows, columns)}
    )
    header = buffer.getvalue()
    text = header[10:].rstrip(b" \n").ljust(117) + b"\n"
    return header[:8] + len(text).to_bytes(2, "little") + text
