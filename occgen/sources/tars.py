"""WebDataset shards of anybody's: tars whose members of one name are one sample."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from ..catalog import CATALOG
from ..errors import DataError, InputError
from ..tar_members import list_members
from .base import FaceRef

__all__ = ["TarSource"]

_PICTURES = (
    *("jpg", "jpeg", "png", "webp", "bmp", "ppm", "pgm", "tif", "tiff", "gif", "jp2"),
    *("avif", "tga"),
)
_LABELS = ("cls", "json", "txt", "label", "id")
_NAMES = ("identity_name", "identity", "label", "class", "person", "id")  # of a record
_MAX_LABEL = 1 << 20
_MAX_NAME = 4096  # bytes of an identity

_Sample = dict[str, tuple[int, int]]  # ending of each member -> offset and size


class TarSource:
    """Samples of tars, in the order of the tars' names and of their members.

    Parameters
    ----------
    root : Path
        A ``.tar``, or a folder that holds some.

    Notes
    -----
    A key is the tar's name without its ending, then the sample's. The identity is the sample's
    ``.cls``, or what its ``.json`` says (`identity_name`, `identity`, `label` and the like).
    Nothing is unpacked: members are read where they lie.
    """

    dataset = "shards"
    licence = CATALOG["shards"].licence

    def __init__(self, root: Path) -> None:
        self.root = root
        self._tars = [root] if root.is_file() else sorted(root.glob("*.tar"))
        if not self._tars:
            raise InputError(f"{root} holds no .tar files")
        self._open = ""
        self._samples: dict[str, _Sample] = {}
        self._file: IO[bytes] | None = None

    def refs(self) -> Iterator[FaceRef]:
        """Yield every sample with a picture once.

        Raises
        ------
        DataError
            Where a tar is damaged, names a link or a path that leads out; names the tar.
        """
        for path in self._tars:
            with _opened(path) as file:
                samples = _samples(path, file)
                for name, sample in samples.items():
                    if _picture(sample) is not None:
                        label = _label(path, name, file, sample)
                        if len(label.encode("utf-8", "surrogatepass")) > _MAX_NAME:
                            raise DataError(
                                f"{path} names an identity with {len(label)} characters"
                            )
                        yield FaceRef(f"{path.stem}/{name}", label)

    def count(self) -> int:
        """Return how many references `refs` yields."""
        total = 0
        for path in self._tars:
            with _opened(path) as file:
                samples = _samples(path, file).values()
                total += sum(_picture(sample) is not None for sample in samples)
        return total

    def read(self, key: str) -> bytes:
        """Return a picture's encoded bytes."""
        tar, _, name = key.partition("/")
        if tar != self._open:
            self._turn_to(tar)
        place = _picture(self._samples.get(name, {}))
        if place is None or self._file is None:
            raise DataError(f"is not in {tar}.tar")
        return _read(self._file, *place)

    def _turn_to(self, tar: str) -> None:
        path = next((path for path in self._tars if path.stem == tar), None)
        if path is None:
            raise DataError(f"{tar}.tar is not there")
        if self._file is not None:
            self._file.close()
        self._open, self._file = tar, _opened(path)
        self._samples = _samples(path, self._file)

    def landmarks(self, key: str, height: int, width: int) -> NDArray[np.float32] | None:
        """Return None: only a finished set's own columns hold points."""
        return None

    def carried(self) -> dict[str, bytes]:
        """Return nothing: all is in the tars."""
        return {}

    def check(self) -> None:
        """Raise DataError where a tar is compressed, or two have one name."""
        for path in self._tars:
            with _opened(path) as file:
                if file.read(2) == b"\x1f\x8b":
                    raise DataError(f"{path} is compressed: gunzip it, so that pictures are found")
        if len({path.stem for path in self._tars}) < len(self._tars):
            raise DataError(f"{self.root} holds two tars of one name")

    def __del__(self) -> None:
        if getattr(self, "_file", None) is not None:
            self._file.close()  # type: ignore[union-attr]

    def __getstate__(self) -> dict[str, Any]:
        return {"root": self.root}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["root"])  # type: ignore[misc]


def _opened(path: Path) -> IO[bytes]:
    try:
        return open(path, "rb")
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror})") from error


def _samples(path: Path, file: IO[bytes]) -> dict[str, _Sample]:
    found: dict[str, _Sample] = {}
    try:
        for name, offset, size in list_members(file):
            folder, slash, base = name.removeprefix("./").rpartition("/")
            stem, dot, ending = base.partition(".")
            if not dot or not stem or folder.startswith("__"):
                continue  # a hidden file, one without an ending, or one about the tar itself
            sample = found.setdefault(f"{folder}{slash}{stem}", {})
            if ending.lower() in sample:
                raise DataError(f"holds {name!r} twice")
            sample[ending.lower()] = offset, size
    except DataError as error:
        raise DataError(f"{path} {error}") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror})") from error
    return found


def _picture(sample: _Sample) -> tuple[int, int] | None:
    return next((sample[ending] for ending in _PICTURES if ending in sample), None)


def _label(path: Path, name: str, file: IO[bytes], sample: _Sample) -> str:
    for ending in _LABELS:
        if ending not in sample:
            continue
        offset, size = sample[ending]
        if size > _MAX_LABEL:
            raise DataError(f"{path} holds {name}.{ending} of {size} bytes, which is no label")
        text = _read(file, offset, size).decode("utf-8", "replace").strip()
        if ending != "json":
            return "" if text == "-1" else text
        try:
            record = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{path} holds {name}.json, which is no JSON ({error})") from error
        if isinstance(record, dict):
            known = (str(record[key]) for key in _NAMES if record.get(key) not in (None, "", -1))
            return next(known, "")
    return ""


def _read(file: IO[bytes], offset: int, size: int) -> bytes:
    try:
        data = os.pread(file.fileno(), size, offset)
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror})") from error
    if len(data) != size:
        raise DataError("is cut off by the end of the tar")
    return data
