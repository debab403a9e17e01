"""Worker processes: one function called on each of many tasks, as a stream."""

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Protocol, TypeVar

from joblib import Parallel, cpu_count, delayed

__all__ = ["Workers", "run_tasks"]

_Order = TypeVar("_Order")
_Task = TypeVar("_Task")
_Result = TypeVar("_Result")

_LOOK_EVERY_S = 0.5


class Workers(Protocol):
    """How many worker processes, and by which joblib backend."""

    @property
    def jobs(self) -> int | None:
        """None for all cores this process may use."""

    @property
    def backend(self) -> str:
        """Name of a joblib backend."""


def run_tasks(
    make: Callable[[_Order, _Task], _Result],
    config: Workers,
    order: _Order,
    tasks: Iterable[_Task],
) -> Iterator[_Result]:
    """Yield what a function makes of each task, in worker processes, as they are done.

    Parameters
    ----------
    make : callable
        Of a module, so that it can be sent to a worker; with one job it is called here.
    config : Workers
        A `BuildConfig`, or another configuration with jobs and backend.
    order : object
        What all tasks have in common; handed to `make` with each.
    tasks : iterable
        Such as `ShardTask`; taken as workers become free.

    Notes
    -----
    Workers end with this process, however it ends: left to themselves they would wait for work
    for minutes, and keep open what it had open, such as a pipe somebody reads.
    """
    jobs = config.jobs or cpu_count()
    if jobs == 1:
        for task in tasks:
            yield make(order, task)
        return
    pool = Parallel(
        n_jobs=jobs, backend=config.backend, return_as="generator_unordered", batch_size=1
    )
    parent = os.getpid()
    yield from pool(delayed(_make_for)(parent, make, order, task) for task in tasks)


def _make_for(
    parent: int, make: Callable[[_Order, _Task], _Result], order: _Order, task: _Task
) -> _Result:
    _end_with(parent)
    return make(order, task)


@lru_cache(maxsize=1)
def _end_with(parent: int) -> None:
    """Start, once, the thread that ends this worker when its parent is gone."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_LOOK_EVERY_S)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
