"""Finished sets as PyTorch Datasets for anybody's own training, split over ranks and workers.

`OccludedFaces` is map-style, `OccludedFaceStream` iterable. What a build holds is given as it is:
nothing is pasted or augmented (`frommodel.loader` does that for our own training).
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch.utils.data import Dataset, IterableDataset, Sampler, get_worker_info

from occgen.errors import InputError
from occgen.reader import Sample, Shards
from occgen.seeding import Stream

__all__ = ["FIELDS", "OccludedFaceStream", "OccludedFaces", "RankSampler"]

Int64 = NDArray[np.int64]

_GETTERS: dict[str, Callable[[Sample], Any]] = {
    "image": lambda sample: sample.image,
    "data": lambda sample: sample.data,
    "identity": lambda sample: sample.identity,
    "box": lambda sample: np.array(sample.box, np.int64),
    "mask": lambda sample: sample.mask,
    "landmarks": lambda sample: (
        np.full((5, 2), np.nan, np.float32) if sample.landmarks is None else sample.landmarks
    ),
    "key": lambda sample: sample.key,
    "identity_name": lambda sample: sample.identity_name,
    "category": lambda sample: sample.category,
    "occluder": lambda sample: sample.occluder,
    "scale": lambda sample: sample.scale,
    "coverage": lambda sample: sample.coverage,
    "mask_coverage": lambda sample: sample.mask_coverage,
}
FIELDS = (*_GETTERS, "pattern")
_DEFAULT = ("image", "identity", "pattern", "box")


class _Items:
    """Samples of a set as dicts of the fields asked for."""

    def __init__(
        self,
        path: str | Path,
        fields: Sequence[str],
        k: int | None,
        by: str | None,
        transform: Callable[[Any], Any] | None,
    ) -> None:
        unknown = sorted(set(fields) - set(FIELDS))
        if unknown:
            raise InputError(f"fields must be some of {', '.join(FIELDS)}, got {unknown[0]!r}")
        if transform is not None and "image" not in fields:
            raise InputError("transform is for the field 'image', which is not asked for")
        self.shards = Shards(path)
        self.fields, self.k, self.by, self.transform = tuple(fields), k, by, transform

    def item(self, sample: Sample) -> dict[str, Any]:
        found = {
            name: sample.pattern(self.k, self.by) if name == "pattern" else _GETTERS[name](sample)
            for name in self.fields
        }
        if self.transform is not None:
            found["image"] = self.transform(found["image"])
        return found


class OccludedFaces(Dataset[dict[str, Any]]):
    """A finished set, map-style: ``[i]`` is one face as a dict.

    Parameters
    ----------
    path : str or Path
        What ``occgen build`` wrote (HDF5), on disk or in object storage.
    fields : sequence of str, optional
        Any of `FIELDS`: ``image`` (H, W, 3) uint8 RGB, ``data`` (the encoded picture),
        ``identity`` and ``pattern`` int, ``box`` (4,) int64, ``mask`` (H, W) bool, ``landmarks``
        (5, 2) float32 with NaN where unknown, ``key``, ``identity_name``, ``category``,
        ``occluder``, ``scale``, ``coverage``, ``mask_coverage``. What is not asked for is not read.
    k : int, optional
        Cells on each side of the grid of ``pattern``; by default the build's.
    by : {'box', 'mask'}, optional
        What ``pattern`` is the label of; by default as in the build.
    transform : callable, optional
        Applied to ``image``, such as a pipeline of torchvision's.

    Notes
    -----
    Workers, forked or spawned, open the files themselves. With several ranks use `RankSampler`, or
    torch's DistributedSampler where repeats do no harm. `data.to_nchw` turns a batch of images
    into what the network takes.

    Examples
    --------
    >>> faces = OccludedFaces("Occ-LFW-2.0", fields=("image", "mask"))  # doctest: +SKIP
    >>> loader = DataLoader(faces, batch_size=64, num_workers=8)  # doctest: +SKIP
    """

    def __init__(
        self,
        path: str | Path,
        *,
        fields: Sequence[str] = _DEFAULT,
        k: int | None = None,
        by: str | None = None,
        transform: Callable[[Any], Any] | None = None,
    ) -> None:
        self._items = _Items(path, fields, k, by, transform)

    @property
    def shards(self) -> Shards:
        """The set."""
        return self._items.shards

    def __len__(self) -> int:
        return len(self.shards)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self._items.item(self.shards[index])


class OccludedFaceStream(IterableDataset[dict[str, Any]]):
    """A finished set, iterable: each face once an epoch, over all ranks and workers together.

    Parameters
    ----------
    path, fields, k, by, transform
        As of `OccludedFaces`.
    shuffle : bool, optional
        Whether shards, and faces within a window, come in an order drawn for each epoch.
    seed : int, optional
        Of the order.
    window : int, optional
        Faces that are shuffled together. A part reads its shards one after another, and holds those
        of one window open.
    rank, world_size : int, optional
        By default those of the process group there is, else of one process.
    equal : bool, optional
        Leave out up to ``world_size - 1`` faces, others in each epoch, so that every rank has as
        many: ranks that average gradients need as many batches each.

    Notes
    -----
    The order of an epoch is cut into one run a rank and each of these into one run a worker, so
    that a process touches few shards. What a process gets hangs on seed, epoch and its place alone.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        fields: Sequence[str] = _DEFAULT,
        k: int | None = None,
        by: str | None = None,
        transform: Callable[[Any], Any] | None = None,
        shuffle: bool = True,
        seed: int = 100,
        window: int = 16_384,
        rank: int | None = None,
        world_size: int | None = None,
        equal: bool = False,
    ) -> None:
        self._items = _Items(path, fields, k, by, transform)
        self.rank, self.world_size = _place(rank, world_size)
        if window < 1:
            raise InputError(f"window must be >= 1, got {window}")
        self.shuffle, self.seed, self.window, self.equal = shuffle, seed, window, equal
        self._counts = [int(entry["images"]) for entry in self.shards.manifest["shards"]]
        self._firsts = np.concatenate([[0], np.cumsum(self._counts)]).astype(np.int64)
        self._epoch = torch.tensor(0).share_memory_()  # workers that live on see it change

    @property
    def shards(self) -> Shards:
        """The set."""
        return self._items.shards

    def set_epoch(self, epoch: int) -> None:
        """Draw another order at the next iteration, in workers that live on too."""
        self._epoch.fill_(epoch)

    def __len__(self) -> int:
        """How many faces this rank gets."""
        start, stop = _share(len(self.shards), self.rank, self.world_size, self.equal)
        return stop - start

    def __iter__(self) -> Iterator[dict[str, Any]]:
        info = get_worker_info()
        worker, workers = (0, 1) if info is None else (info.id, info.num_workers)
        first, _ = _share(len(self.shards), self.rank, self.world_size, self.equal)
        start, stop = _share(len(self), worker, workers)
        for window in self._windows(first + start, first + stop, int(self._epoch)):
            for index in window.tolist():
                yield self._items.item(self.shards[index])
            for shard in np.unique(np.searchsorted(self._firsts, window, "right") - 1).tolist():
                self.shards.forget(shard)  # a pass over millions holds one window's shards

    def _windows(self, start: int, stop: int, epoch: int) -> Iterator[Int64]:
        """Yield numbers of faces, from one place of an epoch's order to another, in windows."""
        order = np.arange(len(self._counts))
        if self.shuffle:
            rng = Stream(self.seed, f"epoch {epoch}", "shards").generator()
            order = rng.permutation(order)
        place, waiting, parts = 0, 0, []
        number = 0
        for shard in order.tolist():
            count = self._counts[shard]
            low, high = max(start - place, 0), min(stop - place, count)
            place += count
            while low < high:
                taken = min(high - low, self.window - waiting)
                rows = self._rows(shard, epoch)[low : low + taken]
                parts.append(rows + self._firsts[shard])
                low, waiting = low + taken, waiting + taken
                if waiting == self.window:
                    yield self._mixed(parts, f"{epoch} {start} {number}")
                    waiting, parts, number = 0, [], number + 1
        if parts:
            yield self._mixed(parts, f"{epoch} {start} {number}")

    def _rows(self, shard: int, epoch: int) -> Int64:
        """Return the rows of a shard in the order they are cut at."""
        if not self.shuffle:
            return np.arange(self._counts[shard])
        rng = Stream(self.seed, f"epoch {epoch} shard {shard}", "rows").generator()
        return rng.permutation(self._counts[shard])

    def _mixed(self, parts: list[Int64], name: str) -> Int64:
        numbers = np.concatenate(parts)
        if not self.shuffle:
            return numbers
        return Stream(self.seed, f"window {name}", "order").generator().permutation(numbers)


class RankSampler(Sampler[int]):
    """Numbers of a map-style dataset for one rank: over all ranks each comes once an epoch.

    Parameters
    ----------
    count : int
        Length of the dataset.
    shuffle, seed, rank, world_size, equal
        As of `OccludedFaceStream`.

    Notes
    -----
    torch's DistributedSampler repeats some faces to make ranks equal, which counts them twice in an
    evaluation.
    """

    def __init__(
        self,
        count: int,
        *,
        shuffle: bool = True,
        seed: int = 100,
        rank: int | None = None,
        world_size: int | None = None,
        equal: bool = False,
    ) -> None:
        self.count, self.shuffle, self.seed, self.equal = count, shuffle, seed, equal
        self.rank, self.world_size = _place(rank, world_size)
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Draw another order at the next iteration."""
        self.epoch = epoch

    def __len__(self) -> int:
        start, stop = _share(self.count, self.rank, self.world_size, self.equal)
        return stop - start

    def __iter__(self) -> Iterator[int]:
        order = np.arange(self.count)
        if self.shuffle:
            rng = Stream(self.seed, f"epoch {self.epoch}", "order").generator()
            order = rng.permutation(order)
        start, stop = _share(self.count, self.rank, self.world_size, self.equal)
        yield from order[start:stop].tolist()


def _share(count: int, part: int, parts: int, equal: bool = False) -> tuple[int, int]:
    """Return where a part of a run begins and ends; parts differ by one at most."""
    if equal:
        count = count // parts * parts
    return count * part // parts, count * (part + 1) // parts


def _place(rank: int | None, world_size: int | None) -> tuple[int, int]:
    if (rank is None) != (world_size is None):
        raise InputError("rank and world_size go together")
    if rank is None or world_size is None:
        if dist.is_available() and dist.is_initialized():
            return dist.get_rank(), dist.get_world_size()
        return 0, 1
    if not 0 <= rank < world_size:
        raise InputError(f"rank must be in 0 .. {world_size - 1}, got {rank}")
    return rank, world_size
