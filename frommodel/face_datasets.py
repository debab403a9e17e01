"""Training faces as PyTorch Datasets: occluded and augmented anew each epoch, for own loops.

`datasets` reads finished sets as they are; here are the faces that `from-train` sees, from any
source, by number or as a stream over ranks and workers.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch.utils.data import Dataset, IterableDataset, get_worker_info

from occgen.errors import InputError

from .loader import Batch, BatchMaker

__all__ = ["FaceDataset", "FaceStream", "keep_batch", "split_batch"]

_BLOCK = 32  # images of a stream that are made together


class FaceDataset(Dataset[Any]):
    """Training faces as a map-style Dataset: ``[i]`` is one face, `__getitems__` a whole batch.

    Parameters
    ----------
    maker : BatchMaker
    epoch : int, optional
        Whose occlusion and augmentation are drawn; `set_epoch` changes it.

    Notes
    -----
    With a DataLoader give ``collate_fn=keep_batch``: the batch then comes as one `Batch`, made in
    one go. An item is a dict of ``image`` (H, W, 3) uint8, ``identity``, ``pattern`` and ``box``.
    """

    def __init__(self, maker: BatchMaker, epoch: int = 0) -> None:
        self.maker = maker
        self.numbers = maker.mixture.numbers
        self._epoch = torch.tensor(epoch).share_memory_()  # workers that live on see it change

    def __len__(self) -> int:
        return len(self.numbers)

    def set_epoch(self, epoch: int) -> None:
        """Draw occlusion and augmentation of another epoch from now on, in workers too."""
        self._epoch.fill_(epoch)

    def __getitem__(self, index: int) -> dict[str, Any]:
        if not -len(self) <= index < len(self):
            raise IndexError(f"face {index} of {len(self)}")
        return split_batch(self.__getitems__([index]))[0]

    def __getitems__(self, indices: Sequence[int]) -> Batch:
        """Return the faces of some numbers as one batch."""
        return self.maker.make(self.numbers[list(indices)].tolist(), int(self._epoch))


class FaceStream(IterableDataset[Any]):
    """Training faces as an iterable Dataset: one epoch in shuffled order, each face once.

    Parameters
    ----------
    maker : BatchMaker
    epoch : int, optional
    rank, world_size : int, optional
        This process's part of a job of several; the parts differ by one face at most.

    Notes
    -----
    DataLoader workers share the rank's part among them without repeats. Items are as those of
    `FaceDataset`; decoding goes in blocks.
    """

    def __init__(
        self, maker: BatchMaker, epoch: int = 0, rank: int = 0, world_size: int = 1
    ) -> None:
        if not 0 <= rank < world_size:
            raise InputError(f"rank must be in 0 .. {world_size - 1}, got {rank}")
        self.maker, self.rank, self.world_size = maker, rank, world_size
        self._epoch = torch.tensor(epoch).share_memory_()

    def set_epoch(self, epoch: int) -> None:
        """Give another epoch at the next iteration."""
        self._epoch.fill_(epoch)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        epoch = int(self._epoch)
        order = self.maker.mixture.epoch_order(self.maker.config.seed, epoch)
        info = get_worker_info()
        part, parts = (0, 1) if info is None else (info.id, info.num_workers)
        own = order[self.rank :: self.world_size][part::parts]
        for start in range(0, len(own), _BLOCK):
            yield from split_batch(self.maker.make(own[start : start + _BLOCK].tolist(), epoch))


def keep_batch(batch: Batch) -> Batch:
    """Return a batch as it is: the `collate_fn` for `FaceDataset`."""
    return batch


def split_batch(batch: Batch) -> list[dict[str, Any]]:
    """Return the faces of a batch one by one, as `FaceDataset` gives them."""
    return [
        {
            "image": batch.pixels[row].numpy(),
            "identity": int(batch.identities[row]),
            "pattern": int(batch.patterns[row]),
            "box": batch.boxes[row].numpy(),
        }
        for row in range(len(batch.pixels))
    ]
