"""open_shards(): a finished set as a sequence of samples, read where they lie.

A shard's pictures are one contiguous run of bytes, so the file is mapped and a sample is a slice of
it; the small columns are loaded when a shard is first touched. Nothing is open or locked between
reads, and a copy sent to another process, forked or spawned, opens its own files.
"""

import bisect
import itertools
import operator
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from .codec import decode_image
from .errors import DataError, InputError, ShardError
from .formats.hdf5 import dataset_names, open_hdf5, read_columns
from .manifest import read_manifest
from .patterns import PatternGrid
from .shard_file import LATER, ShardFile
from .storage import local_copy, set_path

__all__ = ["Sample", "Shards", "open_shards"]

_OTHER_ROWS = ("paste/", "skipped/")  # one row a paste, or a picture that was left out


def open_shards(path: str | Path) -> "Shards":
    """Return a finished set for reading.

    Parameters
    ----------
    path : str or Path
        The folder ``occgen build`` wrote; or a URL such as ``s3://bucket/prefix``: its shards are
        copied to ``$OCCGEN_CACHE`` (by default ``~/.cache/occgen``) as they are touched.

    Returns
    -------
    Shards
        A sequence of `Sample`.

    Raises
    ------
    InputError
        When there is no finished build.
    ShardError
        When the manifest is damaged, or of another format.

    Examples
    --------
    >>> shards = occgen.open_shards("Occ-LFW-2.0")  # doctest: +SKIP
    >>> shards[7].image.shape, shards[7].pattern(5)  # doctest: +SKIP
    ((112, 112, 3), 121)
    """
    return Shards(path)


class Shards(Sequence["Sample"]):
    """A finished set: ``len()``, ``[i]`` and iteration in order.

    Parameters
    ----------
    path : str or Path
        The folder ``occgen build`` wrote.

    Attributes
    ----------
    path : Path
    manifest : dict
    height, width : int
        Of every picture, in pixels.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = set_path(path)
        self.manifest = read_manifest(self.path)
        if self.manifest["config"].get("format") != "hdf5":
            raise ShardError(
                f"{self.path} is of the format {self.manifest['config'].get('format')}; read it as "
                f"a data set, --dataset shards --root {self.path}, or make shards of it: "
                f"occgen convert {self.path} OUT --format hdf5"
            )
        self.height, self.width = int(self.manifest["height"]), int(self.manifest["width"])
        counts = [int(shard["images"]) for shard in self.manifest["shards"]]
        self._starts = [0, *itertools.accumulate(counts)]
        self._names = [str(shard["name"]) for shard in self.manifest["shards"]]
        self._sums = [str(shard["sha256"]) for shard in self.manifest["shards"]]
        self._open: list[ShardFile | None] = [None] * len(counts)
        self._grids: dict[int, PatternGrid] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {"path": str(self.path)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["path"])  # type: ignore[misc]

    def __repr__(self) -> str:
        return f"Shards({str(self.path)!r}, {len(self)} images)"

    def __len__(self) -> int:
        return self._starts[-1]

    @overload
    def __getitem__(self, index: int) -> "Sample": ...
    @overload
    def __getitem__(self, index: slice) -> list["Sample"]: ...
    def __getitem__(self, index: int | slice) -> "Sample | list[Sample]":
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        count = self._starts[-1]
        if not -count <= index < count:
            raise IndexError(f"sample {index} of {count}")
        if index < 0:
            index += count
        number = bisect.bisect_right(self._starts, index) - 1
        return Sample(self, self.shard(number), index - self._starts[number], index)

    def __iter__(self) -> Iterator["Sample"]:
        for number, (start, end) in enumerate(itertools.pairwise(self._starts)):
            was_open = self._open[number] is not None
            shard = self.shard(number)
            for row in range(end - start):
                yield Sample(self, shard, row, start + row)
            if not was_open:
                self.forget(number)

    def shard(self, number: int) -> ShardFile:
        """Return one shard, opened when first asked for."""
        shard = self._open[number]
        if shard is None:
            shard = ShardFile(self.path / self._names[number], self._local(number))
            if shard.count != self._starts[number + 1] - self._starts[number]:
                raise ShardError(f"{shard.path} does not hold as many faces as the manifest says")
            self._open[number] = shard
        return shard

    def forget(self, number: int) -> None:
        """Let go of an opened shard: its columns take about 240 bytes a face.

        Samples of it stay good; it is opened again when next asked for.
        """
        self._open[number] = None

    def _local(self, number: int) -> Path:
        return local_copy(self.path / self._names[number], self._sums[number])

    def column(self, name: str) -> NDArray[Any]:
        """Return a column of the whole set, such as ``box`` or ``identity``.

        Parameters
        ----------
        name : str
            A dataset with one row a face: none of ``paste/``, which has one row a paste.

        Returns
        -------
        ndarray, shape (len(self), ...)

        Raises
        ------
        InputError
            When the set has no such column.
        ShardError
            When it is damaged.
        """
        parts = []
        for number in range(len(self._names)):
            with open_hdf5(self._local(number)) as file:
                stored = dataset_names(file)
                if name not in stored or not _has_a_row_a_face(name):
                    known = ", ".join(filter(_has_a_row_a_face, stored))[:300]
                    raise InputError(
                        f"{self.path} has no column {name!r} with one row a face; it has {known}"
                    )
                parts.append(read_columns(file, [name])[name])
            count = self._starts[number + 1] - self._starts[number]
            if parts[-1].ndim and len(parts[-1]) != count:
                raise ShardError(
                    f"{self.path / self._names[number]}: {name} has {len(parts[-1])} rows for "
                    f"{count} faces; run occgen verify --repair"
                )
        shapes = {(part.shape[1:], part.dtype.kind) for part in parts}
        if len(shapes) > 1 or any(part.ndim < 1 for part in parts):
            raise ShardError(f"{self.path}: {name} has another form in another shard")
        return np.concatenate(parts) if parts else np.zeros(0)

    def patterns(self, k: int | None = None, by: str | None = None) -> NDArray[np.int64]:
        """Return the labels of all faces, those stored where there are any.

        Parameters
        ----------
        k : int, optional
            Cells on each side of the grid; by default that of the build.
        by : {'box', 'mask'}, optional
            By default that of the build.

        Returns
        -------
        ndarray of int64, shape (len(self),)
        """
        parts = [self.labels(self.shard(number), k, by) for number in range(len(self._names))]
        return np.concatenate(parts) if parts else np.zeros(0, np.int64)

    def labels(self, shard: ShardFile, k: int | None, by: str | None) -> NDArray[np.int64]:
        """Return the labels of one shard's faces; as `patterns`."""
        return shard.labels(k, by, self.manifest.get("labels", {}), self.grid)

    def grid(self, k: int) -> PatternGrid:
        """Return the pattern grid of the set's size."""
        if k not in self._grids:
            self._grids[k] = PatternGrid(k, self.height, self.width)
        return self._grids[k]


def _has_a_row_a_face(name: str) -> bool:
    return not (name in LATER or name.endswith("/offset") or name.startswith(_OTHER_ROWS))


class Sample:
    """One face of a set; pixels are decoded when asked for.

    Sent to another process it is its set and its number, and is read there.
    """

    __slots__ = ("_index", "_row", "_set", "_shard")

    def __init__(self, shards: Shards, shard: ShardFile, row: int, index: int) -> None:
        self._set, self._shard, self._row, self._index = shards, shard, row, index

    def __reduce__(self) -> tuple[Any, ...]:
        return operator.getitem, (self._set, self._index)

    def __repr__(self) -> str:
        return f"Sample({self.key!r}, {self.category}, box={self.box})"

    @property
    def data(self) -> bytes:
        """The encoded picture, as stored."""
        shard, row = self._shard, self._row
        start = shard.image_start
        return shard.bytes[start + shard.offsets[row] : start + shard.offsets[row + 1]]

    @property
    def image(self) -> NDArray[np.uint8]:
        """The picture, RGB uint8 of shape (H, W, 3)."""
        try:
            return decode_image(self.data)
        except DataError as error:
            raise ShardError(f"{self._shard.path}: image of row {self._row}: {error}") from error

    @property
    def box(self) -> tuple[int, int, int, int]:
        """x0, y0, x1, y1 in pixels, half-open, around all that was pasted; zeros where clean."""
        x0, y0, x1, y1 = self._shard.columns["box"][self._row].tolist()
        return x0, y0, x1, y1

    @property
    def mask(self) -> NDArray[np.bool_]:
        """What is hidden, bool of shape (H, W)."""
        return self._shard.mask(self._row)

    @property
    def identity(self) -> int:
        """Number of the person within the build; -1 where unknown."""
        return int(self._shard.columns["identity"][self._row])

    @property
    def identity_name(self) -> str:
        """Name of the person; empty where unknown."""
        return str(self._shard.columns["identity_name"][self._row].decode())

    @property
    def key(self) -> str:
        """Key in the source; with ``#1`` and so on for further variants."""
        return str(self._shard.columns["key"][self._row].decode())

    @property
    def category(self) -> str:
        """Category of what was pasted first, or 'clean'."""
        return self._shard.categories[int(self._shard.columns["category"][self._row])]

    @property
    def occluder(self) -> str:
        """Name of what was pasted first; empty where clean."""
        return str(self._shard.columns["occluder"][self._row].decode())

    @property
    def scale(self) -> float:
        """Scale of what was pasted first; NaN where none was used."""
        return float(self._shard.columns["scale"][self._row])

    @property
    def coverage(self) -> float:
        """Share of the image inside the box."""
        return float(self._shard.columns["coverage"][self._row])

    @property
    def mask_coverage(self) -> float:
        """Share of the image inside the mask."""
        return float(self._shard.columns["mask_coverage"][self._row])

    @property
    def landmarks(self) -> NDArray[np.float32] | None:
        """Five points x, y in pixels, float32 of shape (5, 2), or None where unknown."""
        table = self._shard.columns.get("landmarks")
        if table is None or np.isnan(table[self._row]).any():
            return None
        return np.array(table[self._row])

    def pattern(self, k: int | None = None, by: str | None = None) -> int:
        """Return the proximate pattern, of any K.

        Parameters
        ----------
        k : int, optional
            Cells on each side of the grid; by default that of the build.
        by : {'box', 'mask'}, optional
            By default that of the build.

        Returns
        -------
        int
            0 where clean.
        """
        return int(self._set.labels(self._shard, k, by)[self._row])
