"""Where training faces come from: any data set of occgen's, finished shards, held in memory or not.

A `Faces` gives encoded pictures by number, with what is known of each: whose it is, and what hides
it where it was occluded before. Nothing here loads torch.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray

from occgen.errors import DataError, InputError
from occgen.manifest import MANIFEST, read_manifest
from occgen.pool import usable_jobs
from occgen.reader import Shards
from occgen.sources import Source, open_source
from occgen.storage import is_remote

__all__ = ["Faces", "HeldFaces", "ShardFaces", "SourceFaces", "hold", "open_faces"]

Int64 = NDArray[np.int64]
_HELD_AT_ONCE = 64  # pictures a process reads before it says so


class Faces(Protocol):
    """Pictures by number, ``0 .. len - 1``, with their labels."""

    name: str
    """What it was opened from, for messages."""
    licence: str
    """What the pictures' owners ask, in a sentence."""
    identities: Int64
    """(N,), number of each picture's person in `identity_names`; -1 where unknown."""
    identity_names: tuple[str, ...]

    def __len__(self) -> int: ...

    def key(self, index: int) -> str:
        """Return the picture's own key: its streams of random numbers hang on it."""

    def read(self, index: int) -> bytes:
        """Return the encoded picture.

        Raises
        ------
        DataError
            When it cannot be read; the message is the reason alone.
        """

    def landmarks(self, index: int, height: int, width: int) -> NDArray[np.float32] | None:
        """Return five points (5, 2) as x, y in pixels of the picture, or None where unknown."""

    @property
    def boxes(self) -> Int64 | None:
        """(N, 4) boxes of what hides each picture; None where nothing was pasted on any."""

    def patterns(self, k: int, by: str) -> Int64 | None:
        """Return stored or new labels (N,) of a K x K grid, None where `boxes` is."""

    def mask(self, index: int) -> NDArray[np.bool_]:
        """Return what hides the picture, (H, W)."""


class SourceFaces:
    """Pictures of a data set as its owners ship it.

    Parameters
    ----------
    source : Source
    name : str

    Notes
    -----
    Keys lie in one block of bytes: five million of them cost their letters and eight bytes each,
    and worker processes that share the block do not copy it.
    """

    boxes = None

    def __init__(self, source: Source, name: str) -> None:
        self.name, self.licence = name, source.licence
        self._source = source
        numbers: dict[str, int] = {}
        identities: list[int] = []
        lengths: list[int] = []
        blob = bytearray()
        source.check()
        for ref in source.refs():
            number = numbers.setdefault(ref.identity, len(numbers)) if ref.identity else -1
            identities.append(number)
            encoded = ref.key.encode("utf-8", "surrogateescape")
            lengths.append(len(encoded))
            blob += encoded
        self.identities = np.array(identities, np.int64)
        self.identity_names = tuple(numbers)
        self._keys = bytes(blob)
        self._starts = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]).astype(np.int64)

    def __len__(self) -> int:
        return len(self.identities)

    def key(self, index: int) -> str:
        """Return the picture's key."""
        start, stop = self._starts[index : index + 2]
        return self._keys[start:stop].decode("utf-8", "surrogateescape")

    def read(self, index: int) -> bytes:
        """Return the encoded picture."""
        return self._source.read(self.key(index))

    def landmarks(self, index: int, height: int, width: int) -> NDArray[np.float32] | None:
        """Return the five points the data set has."""
        return self._source.landmarks(self.key(index), height, width)

    def patterns(self, k: int, by: str) -> Int64 | None:
        """Return None: nothing hides these faces."""
        return None

    def mask(self, index: int) -> NDArray[np.bool_]:
        """Raise: nothing hides these faces."""
        raise InputError(f"{self.name} holds no occluded faces")


class ShardFaces:
    """Pictures of a finished build: occluded ones with their boxes, masks and labels of any K.

    Parameters
    ----------
    shards : Shards
    name : str
    """

    def __init__(self, shards: Shards, name: str) -> None:
        self.name, self.licence = name, str(shards.manifest["source"].get("licence", ""))
        self._shards = shards
        numbers = shards.column("identity").astype(np.int64)
        names = shards.column("identity_name")
        values, places = np.unique(numbers, return_index=True)
        firsts = {int(v): int(p) for v, p in zip(values, places, strict=True) if v >= 0}
        ordered = sorted(firsts)
        self.identity_names = tuple(bytes(names[firsts[n]]).decode() for n in ordered)
        self.identities = np.where(numbers >= 0, np.searchsorted(ordered, numbers), -1)
        boxes = shards.column("box").astype(np.int64)
        self._boxes = boxes if (boxes[:, 2] > boxes[:, 0]).any() else None

    def __len__(self) -> int:
        return len(self._shards)

    def key(self, index: int) -> str:
        """Return the picture's key in the build."""
        return self._shards[index].key

    def read(self, index: int) -> bytes:
        """Return the encoded picture."""
        return self._shards[index].data

    def landmarks(self, index: int, height: int, width: int) -> NDArray[np.float32] | None:
        """Return the five points stored, of the set's own size."""
        return self._shards[index].landmarks

    @property
    def boxes(self) -> Int64 | None:
        """Boxes of what was pasted; None where the whole set is clean."""
        return self._boxes

    def patterns(self, k: int, by: str) -> Int64 | None:
        """Return labels of any K: stored, added later, or computed now."""
        return None if self._boxes is None else self._shards.patterns(k, by)

    def mask(self, index: int) -> NDArray[np.bool_]:
        """Return what hides the picture."""
        return self._shards[index].mask


class HeldFaces:
    """Another `Faces` with its encoded pictures in memory, shared by worker processes that fork.

    Parameters
    ----------
    faces : Faces
    pictures : list of bytes
        In order; empty where one could not be read.
    """

    def __init__(self, faces: Faces, pictures: list[bytes]) -> None:
        self._faces = faces
        self.name, self.licence = faces.name, faces.licence
        self.identities = faces.identities
        self.identity_names = faces.identity_names
        lengths = [len(picture) for picture in pictures]
        self._starts = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]).astype(np.int64)
        self._data = b"".join(pictures)

    def __len__(self) -> int:
        return len(self._faces)

    @property
    def nbytes(self) -> int:
        """Bytes the pictures take."""
        return len(self._data)

    def key(self, index: int) -> str:
        """Return the picture's key."""
        return self._faces.key(index)

    def read(self, index: int) -> bytes:
        """Return the encoded picture from memory."""
        start, stop = self._starts[index : index + 2]
        return self._data[start:stop] if stop > start else self._faces.read(index)

    def landmarks(self, index: int, height: int, width: int) -> NDArray[np.float32] | None:
        """Return the five points where known."""
        return self._faces.landmarks(index, height, width)

    @property
    def boxes(self) -> Int64 | None:
        """Boxes of what hides each picture."""
        return self._faces.boxes

    def patterns(self, k: int, by: str) -> Int64 | None:
        """Return labels of a K x K grid."""
        return self._faces.patterns(k, by)

    def mask(self, index: int) -> NDArray[np.bool_]:
        """Return what hides the picture."""
        return self._faces.mask(index)


def open_faces(data: str | os.PathLike[str], root: str | None = None) -> Faces:
    """Return the faces that a name or a path stands for.

    Parameters
    ----------
    data : str or path
        The folder of a finished build, or its URL in object storage; an InsightFace ``.rec`` file;
        a folder with one folder an identity; or the name of a data set, found at `root`.
    root : str, optional
        Where a named data set lies; for ``demo`` how many people: ``500x16@3``.

    Returns
    -------
    Faces

    Raises
    ------
    InputError
        When there is no such data, or it names no identities.
    DataError, ShardError
        When it is damaged.
    """
    path = Path(data)
    faces: Faces
    if root is None and is_remote(data):
        faces = ShardFaces(Shards(str(data)), str(data))
    elif root is None and (path / MANIFEST).is_file():
        faces = ShardFaces(Shards(path), str(data))
    elif root is None and path.suffix == ".rec" and path.is_file():
        _check_clean(path)
        faces = SourceFaces(open_source("rec", str(path)), str(data))
    elif root is None and path.is_dir():
        faces = SourceFaces(open_source("folder", str(path)), str(data))
    elif root is None and (os.sep in str(data) or path.suffix == ".rec"):
        raise InputError(f"{data} does not exist; name shards, a folder, a .rec or a data set")
    elif str(data) == "shards" and root is not None:
        faces = ShardFaces(Shards(root), root)
    else:
        faces = SourceFaces(open_source(str(data), root), str(data))
    if not len(faces):
        raise InputError(f"{faces.name} holds no pictures")
    if (faces.identities < 0).all():
        raise InputError(
            f"{faces.name} names no identities: put each person's pictures in a folder of its own"
        )
    return faces


def _check_clean(path: Path) -> None:
    """Raise InputError for a record file of a build with occluders: it holds no boxes."""
    if (path.parent / MANIFEST).is_file() and read_manifest(path.parent).get("box_coverage"):
        raise InputError(
            f"{path} holds faces that were occluded in a build, without their boxes; train on "
            f"shards of it: occgen convert {path.parent} OUT --format hdf5"
        )


def hold(
    faces: Faces, processes: int = 1, on_progress: Callable[[int], None] | None = None
) -> HeldFaces:
    """Return faces with all encoded pictures read into memory.

    Parameters
    ----------
    faces : Faces
    processes : int, optional
        That read; more than one where a picture costs work, as drawn ones do.
    on_progress : callable, optional
        Called with the number of pictures read so far.

    Returns
    -------
    HeldFaces
    """
    count = len(faces)
    step = max(_HELD_AT_ONCE, -(-count // (max(processes, 1) * 16)))  # runs: a person in one
    spans = [range(start, min(start + step, count)) for start in range(0, count, step)]
    pictures: list[bytes] = []
    if processes <= 1:
        for span in spans:
            pictures += _read_span(faces, span)
            if on_progress is not None:
                on_progress(len(pictures))
        return HeldFaces(faces, pictures)
    workers = Parallel(n_jobs=usable_jobs(processes), return_as="generator")
    for part in workers(delayed(_read_span)(faces, span) for span in spans):
        pictures += part
        if on_progress is not None:
            on_progress(len(pictures))
    return HeldFaces(faces, pictures)


def _read_span(faces: Faces, span: range) -> list[bytes]:
    pictures = []
    for index in span:
        try:
            pictures.append(faces.read(index))
        except DataError:  # named when the picture is wanted
            pictures.append(b"")
    return pictures
