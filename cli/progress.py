"""What a person sees while work goes on: a bar on a terminal, plain lines in a pipe; on stderr."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, cast

from occgen.engine import Progress

from .error_stream import ErrorStream

__all__ = ["build_progress", "count_progress"]

_LINE_EVERY_S = 10.0
_Show = Callable[[int, int, float, int], None]


@contextmanager
def build_progress() -> Iterator[Callable[[Progress], None]]:
    """Give the engine's callback for the length of a build."""
    with _shown("building", "images") as show:
        yield lambda p: show(p.images, p.total, p.elapsed_s, p.reused)


@contextmanager
def count_progress(unit: str) -> Iterator[Callable[[int, int], None]]:
    """Give a callback that takes how many are done and how many there are in all.

    Parameters
    ----------
    unit : str
        What is counted: 'pictures'.
    """
    began = time.monotonic()
    with _shown(unit, unit) as show:
        yield lambda done, total: show(done, total, time.monotonic() - began, 0)


@contextmanager
def _shown(verb: str, noun: str) -> Iterator[_Show]:
    stream = ErrorStream()
    if stream.isatty():
        with _bar(stream, verb, noun) as show:
            yield show
    else:
        yield _plain_lines(stream, noun)


@contextmanager
def _bar(stream: ErrorStream, verb: str, noun: str) -> Iterator[_Show]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as RichProgress

    columns = (
        TextColumn(verb),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    console = Console(file=cast(IO[str], stream))
    with RichProgress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(verb, total=None, rate="")

        def show(done: int, total: int, elapsed_s: float, reused: int) -> None:
            rate = _rate(done - reused, elapsed_s, noun)
            bar.update(task, completed=done, total=total, rate=rate)

        yield show


def _plain_lines(stream: ErrorStream, noun: str) -> _Show:
    last = time.monotonic() - _LINE_EVERY_S / 2

    def show(done: int, total: int, elapsed_s: float, reused: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last < _LINE_EVERY_S and done < total:
            return
        last = now
        left = (total - done) * elapsed_s / max(done - reused, 1)
        rate = _rate(done - reused, elapsed_s, noun)
        stream.say(f"{done} of {total} {noun}, {rate}, {left:.0f} s left")

    return show


def _rate(made: int, elapsed_s: float, noun: str) -> str:
    return f"{made / max(elapsed_s, 1e-9):.0f} {noun}/s"
