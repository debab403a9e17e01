"""Tasks on machines of a Ray or Dask cluster, through joblib's own backends.

The cluster's machines see the same folders under the same paths and have the package installed.
"""

import contextlib
import itertools
import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from joblib import Parallel, delayed, parallel_config

from .errors import InputError, ShardError

__all__ = ["run_on_cluster"]

_Task = TypeVar("_Task")
_Result = TypeVar("_Result")

_ROUND = 16  # tasks a worker between two looks at what Ray has finished


def run_on_cluster(
    work: Callable[[_Task], _Result],
    backend: str,
    address: str | None,
    jobs: int | None,
    tasks: Iterable[_Task],
    lost: type[Exception],
) -> Iterator[_Result]:
    """Yield what a function makes of each task on a cluster.

    Parameters
    ----------
    work : callable
        Can be pickled.
    backend : {'ray', 'dask'}
    address : str, optional
        Of a running cluster; without one a cluster of this machine is started for the time.
    jobs : int, optional
        Tasks at once; None for all the cluster's cores.
    tasks : iterable
        Taken as workers become free.
    lost : type
        Exception raised when workers were lost.

    Raises
    ------
    InputError
        When the backend is not installed, or no cluster answers at the address.

    Notes
    -----
    Dask gives results as they come. joblib's Ray backend returns a list, so tasks go to it in
    rounds of 16 a worker, and results come at the end of each.
    """
    connect = {"ray": _ray, "dask": _dask}[backend]
    with connect(address, jobs) as (settings, cores, failures):
        stream = iter(tasks)
        pool: Any
        try:
            with parallel_config(backend=backend, **settings):
                if backend == "dask":
                    pool = Parallel(n_jobs=cores, return_as="generator_unordered")
                    yield from pool(delayed(work)(task) for task in stream)
                    return
                pool = Parallel(n_jobs=cores, batch_size=1)
                while part := list(itertools.islice(stream, _ROUND * cores)):
                    yield from pool(delayed(work)(task) for task in part)
        except failures as error:
            if _is_own(error):
                raise
            raise lost(f"{backend} lost workers ({_first_line(error)})") from error


_Connection = tuple[dict[str, Any], int, tuple[type[BaseException], ...]]


@contextlib.contextmanager
def _ray(address: str | None, jobs: int | None) -> Iterator[_Connection]:
    try:
        import ray
        from ray.exceptions import RayError
        from ray.util.joblib import register_ray
    except ImportError as error:
        raise InputError("backend ray is not installed: pip install 'occgen[ray]'") from error
    register_ray()
    started = not ray.is_initialized()
    if started:
        try:
            own: dict[str, Any] = {} if address else {"num_cpus": jobs, "include_dashboard": False}
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **own)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise _unreachable("ray", address, error) from error
    try:
        cores = jobs or max(1, int(ray.cluster_resources().get("CPU", 1)))
        yield {}, cores, (RayError,)
    finally:
        if started:
            ray.shutdown()


@contextlib.contextmanager
def _dask(address: str | None, jobs: int | None) -> Iterator[_Connection]:
    try:
        from dask.distributed import Client
        from distributed import KilledWorker
        from distributed.comm import CommClosedError
    except ImportError as error:
        raise InputError("backend dask is not installed: pip install 'occgen[dask]'") from error
    try:
        if address is None:
            client = Client(
                n_workers=jobs, threads_per_worker=1, dashboard_address=None, set_as_default=False
            )
        else:
            client = Client(address, timeout="10s", set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise _unreachable("dask", address, error) from error
    with client:
        yield {"client": client}, jobs or -1, (KilledWorker, CommClosedError)


def _unreachable(backend: str, address: str | None, error: Exception) -> InputError:
    where = f"at {address}" if address else "of this machine"
    return InputError(f"no {backend} cluster answers {where} ({_first_line(error)})")


def _is_own(error: BaseException) -> bool:
    """Whether an error of a task itself is wrapped, which another try would not mend."""
    return type(error).__name__.startswith("RayTaskError") or isinstance(error, ShardError)


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
