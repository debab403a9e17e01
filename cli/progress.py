"""What a person sees while the engine works: a bar on a terminal, plain lines in a pipe."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

from occgen.engine import Progress

__all__ = ["build_progress", "count_progress"]

_LINE_EVERY_S = 10.0


@contextmanager
def build_progress() -> Iterator[Callable[[Progress], None]]:
    """Give the engine's callback for the length of a build, on stderr."""
    if sys.stderr.isatty():
        with _bar() as update:
            yield update
    else:
        yield _plain_lines()


@contextmanager
def count_progress(unit: str) -> Iterator[Callable[[int, int], None]]:
    """Give a callback of (done, in all) for the length of some work, on stderr."""
    if not sys.stderr.isatty():
        last = time.monotonic()

        def tell(done: int, total: int) -> None:
            nonlocal last
            if time.monotonic() - last >= _LINE_EVERY_S or done == total:
                last = time.monotonic()
                click.echo(f"{done} of {total} {unit}", err=True)

        yield tell
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as RichProgress

    columns = (TextColumn(unit), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with RichProgress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(unit, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextmanager
def _bar() -> Iterator[Callable[[Progress], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as RichProgress

    columns = (
        TextColumn("building"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with RichProgress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("build", total=None, rate="")

        def update(progress: Progress) -> None:
            bar.update(task, completed=progress.images, total=progress.total, rate=_rate(progress))

        yield update


def _plain_lines() -> Callable[[Progress], None]:
    last = time.monotonic() - _LINE_EVERY_S / 2

    def update(progress: Progress) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last < _LINE_EVERY_S and progress.images < progress.total:
            return
        last = now
        made = progress.images - progress.reused
        left = (progress.total - progress.images) * progress.elapsed_s / max(made, 1)
        click.echo(
            f"{progress.images} of {progress.total} images, {_rate(progress)}, {left:.0f} s left",
            err=True,
        )

    return update


def _rate(progress: Progress) -> str:
    made = progress.images - progress.reused
    return f"{made / max(progress.elapsed_s, 1e-9):.0f} images/s"
