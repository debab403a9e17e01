"""Every failure is one line on stderr and an exit code; the traceback comes with --debug."""

import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from occgen_cli.boundary import BoundaryGroup, command

from occgen.errors import CheckpointError, DataError, InputError, OccgenError, ShardError
from occluders.errors import OccluderDataError, OccluderInputError


def invoke(function: Callable[[], Any], *arguments: str) -> Any:
    """Run a command that calls a function, inside a group."""

    @command("work", "program work")
    @click.option("--number", type=int)
    def work(number: int | None) -> Any:
        """Do the work."""
        return function()

    group = BoundaryGroup("program")
    group.add_command(work)
    return CliRunner().invoke(group, ["work", *arguments])


def failing(error: BaseException) -> Callable[[], None]:
    """Return a function that raises."""

    def fail() -> None:
        raise error

    return fail


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (InputError("k must be >= 1, got 0"), 2, "k must be >= 1, got 0"),
        (OccluderInputError("no such category"), 2, "no such category"),
        (DataError("a.jpg: damaged"), 1, "a.jpg: damaged"),
        (ShardError("shard is\n  damaged"), 1, "shard is damaged"),
        (CheckpointError("no model"), 1, "no model"),
        (OccluderDataError("b.png: damaged"), 1, "b.png: damaged"),
        (OccgenError("x"), 1, "x"),
        (click.UsageError("one of them"), 2, "one of them"),
        (click.ClickException("failed"), 1, "failed"),
        (click.Abort(), 1, "interrupted; what was complete is kept"),
        (KeyboardInterrupt(), 1, "interrupted; what was complete is kept"),
        (
            ModuleNotFoundError("No module named 'torch'", name="torch"),
            1,
            "torch is not installed; pip install 'occgen[model]' brings it",
        ),
        (
            OSError(errno.EROFS, "Read-only file system", "a/b.png"),
            1,
            "a/b.png: Read-only file system (name a place that can be written)",
        ),
        (
            OSError(errno.ENAMETOOLONG, "File name too long", b"a" * 300),
            1,
            f"{'a' * 300}: File name too long (give a shorter name)",
        ),
        (
            FileNotFoundError(errno.ENOENT, "No such file or directory", Path("gone\nhere")),
            1,
            "gone here: No such file or directory (--debug shows where)",
        ),
        (
            OSError(errno.ENOSPC, "No space left on device"),
            1,
            "No space left on device (make room and run the same command again)",
        ),
        (
            OSError("the library is cross"),
            1,
            "OSError: the library is cross (a bug of occgen's: --debug shows where)",
        ),
        (
            OSError(errno.EBADF, "Bad file descriptor"),
            1,
            "OSError: [Errno 9] Bad file descriptor (a bug of occgen's: --debug shows where)",
        ),
        (
            ZeroDivisionError("division\nby zero"),
            1,
            "ZeroDivisionError: division by zero (a bug of occgen's: --debug shows where)",
        ),
        (
            RuntimeError(),
            1,
            "RuntimeError: no message (a bug of occgen's: --debug shows where)",
        ),
    ],
)
def test_a_failure_is_one_line(error: BaseException, code: int, line: str) -> None:
    result = invoke(failing(error))
    assert result.exit_code == code
    assert result.stdout == ""
    assert [text for text in result.stderr.splitlines() if text] == [f"Error: {line}"]


def test_a_missing_system_library_names_the_headless_build() -> None:
    text = "libGL.so.1: cannot open shared object file: No such file or directory"
    result = invoke(failing(ImportError(text)))
    assert result.exit_code == 1
    assert result.stderr.startswith(
        "Error: opencv-python cannot load a system library (libGL.so.1)"
    )
    assert "pip install opencv-python-headless" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_debug_shows_the_traceback() -> None:
    result = invoke(failing(ShardError("damaged")), "--debug")
    assert result.exit_code == 1
    assert "Traceback" in result.stderr
    assert result.stderr.splitlines()[-1] == "Error: damaged"
    assert "Traceback" not in invoke(failing(ShardError("damaged"))).stderr


@pytest.mark.parametrize(("value", "code"), [(None, 0), (0, 0), (1, 1), (3, 3)])
def test_what_a_command_returns_is_its_exit_code(value: int | None, code: int) -> None:
    result = invoke(lambda: value)
    assert (result.exit_code, result.stderr) == (code, "")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--number", "x"], "Error: Invalid value for '--number': 'x' is not a valid integer."),
        (["--number"], "Error: Option '--number' requires an argument."),
        (["--nubmer", "1"], "Error: No such option"),
        (["extra"], "Error: Got unexpected extra argument (extra)"),
    ],
)
def test_wrong_usage_is_one_line(arguments: list[str], line: str) -> None:
    result = invoke(lambda: None, *arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith(line)
    assert len(result.stderr.splitlines()) == 1


def test_commands_are_listed_in_the_order_they_were_added() -> None:
    group = BoundaryGroup("program")
    for name in ("z", "a", "m"):
        group.add_command(command(name, f"program {name}")(lambda: None))
    assert group.list_commands(click.Context(group)) == ["z", "a", "m"]
