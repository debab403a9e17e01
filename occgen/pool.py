"""Worker processes: one function called on each of many tasks, as a stream."""

import logging
import os
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache, partial
from multiprocessing import get_context
from typing import Any, Protocol, TypeVar

from joblib import Parallel, cpu_count, delayed
from joblib.externals.loky.process_executor import TerminatedWorkerError

from .errors import ShardError

__all__ = [
    "Workers",
    "WorkersLostError",
    "can_start_workers",
    "run_tasks",
    "until_kept_alive",
    "usable_jobs",
]

_log = logging.getLogger(__name__)

_Order = TypeVar("_Order")
_Task = TypeVar("_Task")
_Result = TypeVar("_Result")

_LOOK_EVERY_S = 0.5
_LOOK_AGAIN_S = 0.1  # for a failure; that a task is done is told
_LOOKS = 50
_ATTEMPTS = 3  # so often workers may be lost before one more task is done


class WorkersLostError(Exception):
    """Workers ended before their tasks: killed by the system, or with their machine."""


@lru_cache(maxsize=1)
def can_start_workers() -> bool:
    """Whether worker processes can be had: they need semaphores, on Linux a writable /dev/shm."""
    try:
        get_context("fork").Lock()
    except (ImportError, OSError) as error:
        _log.warning("no semaphores (%s), so no worker processes: this one does the work", error)
        return False
    return True


def usable_jobs(jobs: int | None = None) -> int:
    """Return the number of processes to work with.

    Parameters
    ----------
    jobs : int, optional
        None for all cores this process may use: its affinity, its cgroup's quota and
        ``$LOKY_MAX_CPU_COUNT`` bound them.

    Returns
    -------
    int
        1 where no worker can be started.
    """
    jobs = jobs or cpu_count()
    return jobs if jobs == 1 or can_start_workers() else 1


class Workers(Protocol):
    """How many worker processes, by which joblib backend, and on which cluster."""

    @property
    def jobs(self) -> int | None:
        """None for all cores this process may use."""

    @property
    def backend(self) -> str:
        """'loky' (processes of this machine), 'ray' or 'dask'."""

    @property
    def address(self) -> str | None:
        """Of a running cluster; None where there is none."""


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
        A `BuildConfig`, or another configuration with jobs, backend and address.
    order : object
        What all tasks have in common; handed to `make` with each.
    tasks : iterable
        Such as `ShardTask`; taken as workers become free.

    Raises
    ------
    WorkersLostError
        When a worker was killed; tasks that were done need not be done again.

    Notes
    -----
    Workers end with this process, however it ends: left to themselves they would wait for work
    for minutes, and keep open what it had open, such as a pipe somebody reads.
    """
    if config.backend != "loky":
        from .cluster import run_on_cluster

        work = partial(make, order)
        yield from run_on_cluster(
            work, config.backend, config.address, config.jobs, tasks, WorkersLostError
        )
        return
    jobs = usable_jobs(config.jobs)
    if jobs == 1:
        for task in tasks:
            yield make(order, task)
        return
    parent, folder = os.getpid(), os.getcwd()
    calls = (delayed(_make_for)(parent, folder, make, order, task) for task in tasks)
    try:
        yield from _Pool(jobs).results(calls)
    except TerminatedWorkerError as error:
        raise WorkersLostError(str(error)) from error


class _Pool(Parallel):
    """Worker processes whose results are waited for: joblib looks a hundred times a second."""

    def __init__(self, jobs: int) -> None:
        super().__init__(n_jobs=jobs, backend="loky", return_as="generator_unordered", batch_size=1)
        self._done = threading.Semaphore(0)

    def print_progress(self) -> None:
        """Wake who waits: called by joblib for each task that is done."""
        self._done.release()

    def results(self, calls: Iterable[Any]) -> Iterator[Any]:
        """Yield what the calls return, as they are done."""
        given = had = 0

        def counted() -> Iterator[Any]:
            nonlocal given
            for call in calls:
                given += 1
                yield call

        results = self(counted())
        try:
            while True:
                if had < given:
                    self._wait()
                try:
                    result = next(results)
                except StopIteration:
                    return
                had += 1
                yield result
        finally:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # advice on tasks that were cut off
                results.close()

    def _wait(self) -> bool:
        """Return True when a task is done; False soon after one failed, and after a while."""
        for _ in range(_LOOKS):
            if self._done.acquire(timeout=_LOOK_AGAIN_S):
                return True
            if getattr(self, "_aborting", True):
                break
        return False


def until_kept_alive(attempt: Callable[[], _Result], standing: Callable[[], int]) -> _Result:
    """Return what an attempt at all tasks gives; one that loses workers is made again.

    Parameters
    ----------
    attempt : callable
        Runs the tasks, and takes over what earlier attempts have done.
    standing : callable
        Says how many tasks are done: as long as there are more each time, it goes on.

    Raises
    ------
    ShardError
        When workers are killed again and again and nothing more is done.
    """
    vain, stood = 0, -1
    while True:
        try:
            return attempt()
        except WorkersLostError as error:
            before, stood = stood, standing()
            vain = 1 if stood > before else vain + 1
            if vain == _ATTEMPTS:
                raise ShardError(
                    "workers are killed again and again (out of memory?); what was "
                    "complete is kept: run the same command with fewer --jobs"
                ) from error
            _log.warning("a worker was lost (%s); what it had begun is made again", error)


def _make_for(
    parent: int,
    folder: str,
    make: Callable[[_Order, _Task], _Result],
    order: _Order,
    task: _Task,
) -> _Result:
    _end_with(parent)
    os.chdir(folder)  # workers that live on from an earlier run may be elsewhere
    return make(order, task)


@lru_cache(maxsize=1)
def _end_with(parent: int) -> None:
    """Start, once, the thread that ends this worker when its parent is gone."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_LOOK_EVERY_S)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
