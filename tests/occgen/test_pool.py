"""Worker processes: how many, under any start method, and where none can be had."""

import io
import multiprocessing
import operator
import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
from joblib.externals.loky.backend import context as loky_context

from occgen import pool
from occgen.config import BuildConfig
from occgen.pool import can_start_workers, run_tasks, usable_jobs

BUILD = """
import multiprocessing, sys
from pathlib import Path
import occgen
from occgen.verify import verify

if __name__ == "__main__":
    out, method, jobs = sys.argv[1:]
    if method:
        multiprocessing.set_start_method(method)
    report = occgen.build(
        occgen.BuildConfig(dataset="demo", root="2x2", out=out, shard_size=2, jobs=int(jobs))
    )
    print(report.digest, verify(Path(out), jobs=2) == [])
"""
# A name space of its own whose /dev/shm refuses every file, as on machines that have none.
WITHOUT_SHM = ("unshare", "--mount", "sh", "-c")
MOUNT = 'mount -t tmpfs -o ro tmpfs /dev/shm && exec "$@"'
needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="cgroups, affinity, mounts")


def ran(*command: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a program to its end and return what it printed."""
    return subprocess.run(command, capture_output=True, text=True, timeout=120, **options)


def built(tmp_path: Path, method: str, jobs: int, *before: str) -> str:
    """Return digest and verdict of a small set made by a program of its own."""
    program = tmp_path / "program.py"
    program.write_text(BUILD)
    out = str(tmp_path / f"set-{method}-{jobs}-{len(before)}")
    done = ran(*before, sys.executable, str(program), out, method, str(jobs))
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_a_build_does_not_hang_on_the_start_method(tmp_path: Path) -> None:
    alone = built(tmp_path, "", 1)
    assert alone.endswith("True\n")
    for method in multiprocessing.get_all_start_methods():
        assert built(tmp_path, method, 2) == alone, method


@needs_linux
@pytest.mark.slow
def test_a_build_without_shared_memory_is_the_same(tmp_path: Path) -> None:
    if shutil.which("unshare") is None or ran(*WITHOUT_SHM, MOUNT, "sh", "true").returncode:
        pytest.skip("mounts in a name space of its own are not permitted here")
    alone = built(tmp_path, "", 1)
    assert built(tmp_path, "", 2, *WITHOUT_SHM, MOUNT, "sh") == alone
    code = "from occgen.pool import usable_jobs; print(usable_jobs(8))"
    done = ran(*WITHOUT_SHM, MOUNT, "sh", sys.executable, "-c", code)
    assert done.stdout == "1\n"
    assert "no semaphores" in done.stderr


@needs_linux
def test_who_waits_is_woken_by_each_task(monkeypatch: pytest.MonkeyPatch) -> None:
    wait, woken = pool._Pool._wait, []
    monkeypatch.setattr(pool._Pool, "_wait", lambda self: woken.append(wait(self)))
    config = BuildConfig(dataset="demo", out="none", jobs=2)
    found = list(run_tasks(operator.mul, config, 3, range(20)))
    assert sorted(found) == list(range(0, 60, 3))
    assert woken
    assert all(woken)


def delays(*pairs: tuple[float, int]) -> list[dict[str, Any]]:
    """Return tasks for `LATER`: seconds, and the number to divide by."""
    return [{"seconds": seconds, "number": number} for seconds, number in pairs]


LATER = "__import__('time').sleep(seconds) or 1 / number"


def test_tasks_that_are_cut_off_are_not_spoken_of() -> None:
    config = BuildConfig(dataset="demo", out="none", jobs=2)
    found = run_tasks(eval, config, LATER, delays((0.5, 1), (9, 1), (9, 1), (9, 1)))
    assert next(found) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found.close()


def test_a_task_that_fails_ends_the_wait() -> None:
    config = BuildConfig(dataset="demo", out="none", jobs=2)
    with pytest.raises(ZeroDivisionError):
        list(run_tasks(eval, config, LATER, delays((0.5, 0), (9, 1), (9, 1), (9, 1))))
    assert list(run_tasks(eval, config, LATER, delays((0, 2)))) == [0.5]


def test_jobs_are_the_cores_this_process_may_use() -> None:
    code = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        "from occgen.pool import usable_jobs; print(usable_jobs(), usable_jobs(3))"
    )
    assert ran(sys.executable, "-c", code).stdout == "1 3\n"


@needs_linux
@pytest.mark.parametrize(
    ("files", "jobs"),
    [
        ({"cpu.max": "200000 100000"}, 2),
        ({"cpu.max": "150000 100000"}, 2),
        ({"cpu.max": "max 100000"}, 8),
        ({"cpu/cpu.cfs_quota_us": "300000", "cpu/cpu.cfs_period_us": "100000"}, 3),
        ({}, 8),
    ],
)
def test_jobs_fit_the_quota_of_the_cgroup(
    files: dict[str, str], jobs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = {f"/sys/fs/cgroup/{name}": text for name, text in files.items()}
    monkeypatch.setattr(loky_context.os, "cpu_count", lambda: 8)
    monkeypatch.setattr(loky_context.os, "sched_getaffinity", lambda _: set(range(8)))
    monkeypatch.setattr(loky_context.os.path, "exists", there.__contains__)
    monkeypatch.setattr(loky_context, "open", lambda path: io.StringIO(there[path]), raising=False)
    assert usable_jobs() == jobs


def test_without_semaphores_one_process_does_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    class NoContext:
        def Lock(self) -> None:
            raise OSError(38, os.strerror(38))

    monkeypatch.setattr("occgen.pool.get_context", lambda method: NoContext())
    can_start_workers.cache_clear()
    try:
        assert usable_jobs(4) == 1
    finally:
        can_start_workers.cache_clear()
