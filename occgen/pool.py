"""Worker processes: one function called on each of many tasks, as a stream."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from joblib import Parallel, cpu_count, delayed

from .config import BuildConfig
from .workshop import WorkOrder

__all__ = ["run_tasks"]

_Task = TypeVar("_Task")
_Result = TypeVar("_Result")


def run_tasks(
    make: Callable[[WorkOrder, _Task], _Result],
    config: BuildConfig,
    order: WorkOrder,
    tasks: Iterable[_Task],
) -> Iterator[_Result]:
    """Yield what a function makes of each task, in worker processes, as they are done.

    Parameters
    ----------
    make : callable
        Of a module, so that it can be sent to a worker; with one job it is called here.
    config : BuildConfig
        Gives jobs and backend.
    order : WorkOrder
    tasks : iterable
        Such as `ShardTask`; taken as workers become free.
    """
    jobs = config.jobs or cpu_count()
    if jobs == 1:
        for task in tasks:
            yield make(order, task)
        return
    pool = Parallel(
        n_jobs=jobs, backend=config.backend, return_as="generator_unordered", batch_size=1
    )
    yield from pool(delayed(make)(order, task) for task in tasks)
