"""Which process this is of a job started by torchrun, or the only one."""

import os
from typing import NamedTuple

import torch
import torch.distributed as dist

from occgen.errors import InputError

__all__ = ["Ranks", "join_ranks"]


class Ranks(NamedTuple):
    """Place of this process in the job.

    Parameters
    ----------
    rank, world_size : int
    device : torch.device
    joined : bool
        Whether `join_ranks` made the process group, and `leave` ends it.
    """

    rank: int
    world_size: int
    device: torch.device
    joined: bool

    @property
    def is_first(self) -> bool:
        """Whether this process writes files and tells of progress."""
        return self.rank == 0

    def mean(self, values: torch.Tensor) -> torch.Tensor:
        """Return values averaged over ranks."""
        if self.world_size > 1:
            dist.all_reduce(values)
            values /= self.world_size
        return values

    def wait(self) -> None:
        """Return when all ranks are here."""
        if self.world_size > 1:
            dist.barrier()

    def leave(self) -> None:
        """End the process group that `join_ranks` made."""
        if self.joined and dist.is_initialized():
            dist.destroy_process_group()


def join_ranks(device: str | None = None, *, group_of_one: bool = False) -> Ranks:
    """Return this process's place, joining the others when torchrun started it.

    Parameters
    ----------
    device : str, optional
        ``cpu``, ``cuda`` or ``cuda:1``; None takes a CUDA device where there is one, by rank.
    group_of_one : bool, optional
        Make a process group for a lone process too: a sharded classifier needs one.

    Returns
    -------
    Ranks

    Raises
    ------
    InputError
        For a device that is not there.
    """
    world_size, rank = int(os.environ.get("WORLD_SIZE", 1)), int(os.environ.get("RANK", 0))
    chosen = _device(device, int(os.environ.get("LOCAL_RANK", 0)))
    if dist.is_available() and dist.is_initialized():
        return Ranks(dist.get_rank(), dist.get_world_size(), chosen, False)
    if world_size > 1:
        dist.init_process_group("nccl" if chosen.type == "cuda" else "gloo")
        return Ranks(rank, world_size, chosen, True)
    if group_of_one:
        dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    return Ranks(0, 1, chosen, group_of_one)


def _device(name: str | None, local_rank: int) -> torch.device:
    if name is None:
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise InputError(f"device must be cpu, cuda or cuda:N, got {name!r}") from error
    if device.type == "cuda":
        if not torch.cuda.is_available():
            raise InputError("device cuda is not there: this torch sees no CUDA device")
        device = torch.device("cuda", device.index if device.index is not None else local_rank)
        torch.cuda.set_device(device)
    return device
