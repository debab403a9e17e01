"""SIGTERM ends a command cleanly: one line, exit code 143, nothing left over."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from occgen_cli.termination import EXIT_CODE, Terminated, ending_on_sigterm

BUILD = [
    *(sys.executable, "-c", "from occgen_cli.main import main; main()", "build"),
    *("--dataset", "demo", "--root", "3000x4", "--shard-size", "20"),
]


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Keep the handlers of this process."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGCHLD)}
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


def test_a_stop_that_comes_twice_ends_once() -> None:
    with ending_on_sigterm() as termination:
        with pytest.raises(Terminated) as raised:
            os.kill(os.getpid(), signal.SIGTERM)
        assert raised.value.code == EXIT_CODE == 143
        os.kill(os.getpid(), signal.SIGTERM)
        assert termination.was_told
    assert signal.getsignal(signal.SIGTERM) != signal.SIG_DFL  # until the process has ended


def test_a_command_that_ends_by_itself_leaves_no_handler() -> None:
    with ending_on_sigterm() as termination:
        pass
    assert not termination.was_told
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_who_ignores_the_signal_goes_on_ignoring_it() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with ending_on_sigterm():
        os.kill(os.getpid(), signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_IGN


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_is_killed_by_it() -> None:
    context = multiprocessing.get_context("fork")
    is_up = context.Event()

    def work() -> None:
        is_up.set()
        time.sleep(60)

    with ending_on_sigterm() as termination:
        worker = context.Process(target=work)
        worker.start()
        assert is_up.wait(30)
        worker.terminate()
        worker.join(10)
    assert worker.exitcode == -signal.SIGTERM
    assert not termination.was_told


@pytest.mark.slow
@pytest.mark.parametrize("jobs", ["1", "2"])
@pytest.mark.parametrize("whole_group", [False, True])
def test_a_terminated_build_leaves_nothing_over(
    tmp_path: Path, jobs: str, whole_group: bool
) -> None:
    out = tmp_path / "set"
    process = subprocess.Popen(
        [*BUILD, "--out", str(out), "--jobs", jobs],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        while process.poll() is None and not list(out.glob("shard-*.h5")):
            time.sleep(0.01)
        (os.killpg if whole_group else os.kill)(process.pid, signal.SIGTERM)
        stdout, stderr = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 143
    assert stderr.splitlines()[-1] == "Error: interrupted; what was complete is kept"
    assert "leaked" not in stderr
    assert "Traceback" not in stderr
    assert stdout == ""
    assert [name for name in os.listdir(out) if not name.startswith("shard-")] == []
