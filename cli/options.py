"""Option decorators used by more than one command."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

__all__ = ["existing_path", "jobs_option", "json_option", "seed_option"]

_Function = TypeVar("_Function", bound=Callable[..., Any])


def existing_path(*, folder: bool = True, file: bool = True) -> click.Path:
    """Return the type of a path that must exist; wrong ones exit with 2."""
    return click.Path(exists=True, file_okay=file, dir_okay=folder, path_type=Path)


def seed_option(function: _Function) -> _Function:
    """Add ``--seed``, 100 unless said otherwise."""
    return click.option(
        "--seed",
        type=click.IntRange(0, 2**64 - 1),
        default=100,
        show_default=True,
        help="Of every random stream.",
    )(function)


def jobs_option(function: _Function) -> _Function:
    """Add ``--jobs``, by default all cores this process may use."""
    return click.option(
        "--jobs",
        type=click.IntRange(1),
        default=None,
        help="Worker processes.  [default: all cores this process may use]",
    )(function)


def json_option(function: _Function) -> _Function:
    """Add ``--json``, one object on standard output for programs to read."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")(function)
