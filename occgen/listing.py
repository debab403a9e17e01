"""A source listed by worker processes: a parent that lists it alone keeps few of them busy."""

import itertools
from collections import deque
from functools import lru_cache

from .config import BuildConfig
from .keys import CompressedBlock, Listing, pack_runs
from .pool import run_tasks, usable_jobs
from .sources import PartedSource, Source, configured_source

__all__ = ["list_in_workers"]

_FEW = 128  # parts that are listed sooner than workers start
_MOST = 2048  # parts a worker lists at once
_ROUNDS = 4  # tasks for each worker, so that none waits long for another


def list_in_workers(config: BuildConfig, source: Source) -> Listing | None:
    """Return what a source lists, each worker having listed some of its parts.

    Parameters
    ----------
    config : BuildConfig
        Of the source; its jobs and backend run the workers.
    source : Source

    Returns
    -------
    Listing or None
        None where a stream does as well: one process, few parts, or a limit.

    Raises
    ------
    DataError
        When a part cannot be listed.
    WorkersLostError
        When a worker was killed.
    """
    alone = config.backend == "loky" and usable_jobs(config.jobs) == 1
    if alone or config.limit is not None or not isinstance(source, PartedSource):
        return None
    parts = source.parts()
    if len(parts) < _FEW:
        return None
    size = min(_MOST, -(-len(parts) // (_ROUNDS * usable_jobs(config.jobs))))
    cut = (tuple(parts[start : start + size]) for start in range(0, len(parts), size))
    found = dict(run_tasks(_list_parts, config, config.to_json(), enumerate(cut)))
    blocks = deque(itertools.chain.from_iterable(found[index] for index in sorted(found)))
    return Listing(sum(count for block in blocks for _, count in block.runs), blocks)


def _list_parts(
    config: str, task: tuple[int, tuple[str, ...]]
) -> tuple[int, list[CompressedBlock]]:
    """Return blocks of some parts."""
    source = _open_parted(config)
    index, parts = task
    blocks = pack_runs(source.runs(parts), at_once=1 << 62)
    return index, [block.compressed() for block in blocks]


@lru_cache(maxsize=1)
def _open_parted(config: str) -> PartedSource:
    source = configured_source(BuildConfig.from_json(config))
    assert isinstance(source, PartedSource)
    return source
