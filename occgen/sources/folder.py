"""One folder an identity; pictures directly in the root have none."""

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..catalog import CATALOG
from ..errors import DataError
from ..landmark_table import Landmarks, open_landmarks
from .base import FaceRef, written_since

__all__ = ["FolderSource"]

_PICTURES = {
    *("jpg", "jpeg", "jpe", "jfif", "png", "webp", "bmp", "tif", "tiff", "gif"),
    *("pgm", "ppm", "pnm", "jp2"),
}
_BESIDE = {  # files that lie beside pictures and were never meant as one
    *("txt", "csv", "tsv", "json", "jsonl", "md", "html", "xml", "yaml", "yml", "npy", "npz"),
    *("mat", "pts", "db", "ini", "lst", "log", "idx", "rec", "bin", "h5", "hdf5", "zip", "tar"),
    *("gz", "py"),
}
_USUAL = 1 << 15  # bytes a picture rarely has more of
_JPEG_END = b"\xff\xd9"
_MOST_AT_ONCE = 1 << 18
_READING = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK  # a pipe that nobody fills holds nobody up
_PAIRS = ("pairs.csv", "pairs.txt")


class FolderSource:
    """Identity folders, read in the order of their names.

    Parameters
    ----------
    root : Path
        Holds a folder for each identity, with pictures at any depth; pictures directly in it are
        read without an identity. Hidden files and files such as lists and notes are passed over;
        any other file counts as a picture.
    """

    dataset = "folder"
    licence = CATALOG["folder"].licence

    def __init__(self, root: Path) -> None:
        self.root = root
        self._prefix = f"{root}/"

    def refs(self) -> Iterator[FaceRef]:
        """Yield every picture once, in the order of `runs`."""
        for identity, keys in self.runs():
            for key in keys:
                yield FaceRef(key, identity)

    def runs(self, parts: Iterable[str] | None = None) -> Iterator[tuple[str, list[str]]]:
        """Yield identities with their keys: the root's own first, then folder by folder."""
        for identity in self.parts() if parts is None else parts:
            yield identity, self._walk(identity) if identity else self._listed("")[1]

    def parts(self) -> Sequence[str]:
        """Return the identity folders, before them '' where pictures lie in the root itself."""
        return self._parts

    @cached_property
    def _parts(self) -> tuple[str, ...]:
        folders, pictures = self._listed("")
        return (*([""] if pictures else []), *folders)

    def count(self) -> int:
        """Return how many references `refs` yields."""
        return sum(len(keys) for _, keys in self.runs())

    def _walk(self, folder: str) -> list[str]:
        """Return the keys of all pictures below a folder."""
        folders, pictures = self._listed(folder)
        keys = [f"{folder}/{name}" for name in pictures]
        for name in folders:
            keys += self._walk(f"{folder}/{name}")
        return keys

    def _listed(self, folder: str) -> tuple[list[str], list[str]]:
        """Return names of folders and of pictures in a folder, sorted; a link is not followed down.

        Names are told apart by their ending where it is a picture's, which spares a look at each.
        """
        folders, pictures = [], []
        try:
            with os.scandir(f"{self.root}/{folder}" if folder else self.root) as entries:
                for entry in entries:
                    name = entry.name
                    before, dot, ending = name.rpartition(".")
                    if dot and (not before or name[0] == "."):
                        continue
                    kind = ending.lower() if dot else ""
                    if kind in _PICTURES:
                        pictures.append(name)
                    elif entry.is_dir(follow_symlinks=not folder):
                        folders.append(name)
                    elif kind not in _BESIDE:
                        pictures.append(name)
        except OSError as error:
            raise DataError(
                f"{self.root}/{folder}: cannot be listed ({error.strerror}); make it readable"
            ) from error
        folders.sort()
        pictures.sort()
        return folders, pictures

    def read(self, key: str) -> bytes:
        """Return a picture's encoded bytes."""
        try:
            handle = os.open(f"{self._prefix}{key}", _READING)
            try:
                try:  # most fit one read; to ask for the size first takes half as long again
                    data = os.read(handle, _USUAL)
                    if len(data) < _USUAL and data.endswith(_JPEG_END):
                        return data
                    is_whole = os.lseek(handle, 0, os.SEEK_END) == len(data) > 0
                except OSError:  # a folder, a pipe, a fault: told apart by the other way
                    is_whole = False
                return data if is_whole else _read_any(handle)
            finally:
                os.close(handle)
        except FileNotFoundError as error:
            raise DataError("gone since the folder was listed") from error
        except OSError as error:
            raise DataError(f"cannot be read ({error.strerror})") from error

    def changed_since(self, keys: Iterable[str], when: float) -> bool:
        """Whether one of some pictures was written after a time, in seconds since 1970."""
        return written_since((f"{self._prefix}{key}" for key in keys), when)

    @cached_property
    def _landmarks(self) -> Landmarks | None:
        path = self.root / "landmarks.csv"
        return open_landmarks(path) if path.is_file() else None

    def landmarks(self, key: str, height: int, width: int) -> NDArray[np.float32] | None:
        """Return the five points of ``landmarks.csv`` in the root, float32 of shape (5, 2)."""
        table = self._landmarks
        return None if table is None else table.find(key, height, width)

    def carried(self) -> dict[str, bytes]:
        """Return ``pairs.csv`` and ``pairs.txt`` of the root, where present."""
        found = {}
        for path in (self.root / name for name in _PAIRS):
            try:
                if path.is_file():
                    found[path.name] = path.read_bytes()
            except OSError as error:
                raise DataError(f"{path} cannot be read ({error.strerror})") from error
        return found

    def check(self) -> None:
        """Raise DataError where ``landmarks.csv`` cannot be used: it holds for every picture."""
        try:
            _ = self._landmarks
        except DataError as error:
            raise DataError(f"{error}; mend it, or rename it to go without landmarks") from error


def _read_any(handle: int) -> bytes:
    """Return all bytes of an open file of any size, from its start."""
    mode = os.fstat(handle).st_mode
    if stat.S_ISFIFO(mode) or stat.S_ISCHR(mode):
        raise DataError("is a pipe or device, no file")
    os.lseek(handle, 0, os.SEEK_SET)
    parts = []
    while part := os.read(handle, _MOST_AT_ONCE):
        parts.append(part)
    return b"".join(parts)
