"""What a person sees while a network trains: a bar on a terminal, plain lines in a pipe."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, cast

from .error_stream import ErrorStream

if TYPE_CHECKING:
    from frommodel.train import TrainProgress

__all__ = ["cache_progress", "describe_step", "train_progress"]

_LINE_EVERY_S = 10.0


@contextmanager
def train_progress() -> Iterator[Callable[["TrainProgress"], None]]:
    """Give the trainer's callback for the length of a run, on stderr."""
    stream = ErrorStream()
    if stream.isatty():
        with _bar(stream) as update:
            yield update
    else:
        yield _plain_lines(stream)


def cache_progress() -> Callable[[str, int, int], None]:
    """Return the callback that says how far a cache is filled, a line now and then."""
    stream, last = ErrorStream(), time.monotonic()

    def update(name: str, done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= _LINE_EVERY_S or (done >= total and total > 1000):
            last = now
            stream.say(f"{name}: {done} of {total} pictures read")

    return update


def describe_step(progress: "TrainProgress") -> str:
    """Return losses, rate and pattern accuracy of a step in a line."""
    result = progress.result
    text = f"loss {result.loss:.3f} (identity {result.identity_loss:.3f}"
    if result.pattern_loss:
        text += f", pattern {result.pattern_loss:.3f}, accuracy {result.pattern_accuracy:.1%}"
    if result.teacher_loss:
        text += f", teacher {result.teacher_loss:.3f}"
    text += f"), rate {progress.learning_rate:.4g}"
    if progress.scores is not None:
        clean, occluded = progress.scores
        text += f", validation clean {clean:.2%}, occluded {occluded:.2%}"
    return text


@contextmanager
def _bar(stream: ErrorStream) -> Iterator[Callable[["TrainProgress"], None]]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("epoch {task.fields[epoch]}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[text]}"),
    )
    console = Console(file=cast(IO[str], stream))
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("train", total=None, rate="", epoch="", text="")

        def update(progress: "TrainProgress") -> None:
            bar.update(
                task,
                completed=progress.step,
                total=progress.steps,
                rate=f"{progress.images_per_s:.0f} images/s",
                epoch=f"{progress.epoch}/{progress.epochs}",
                text=describe_step(progress),
            )
            if progress.scores is not None:
                bar.console.print(f"epoch {progress.epoch}: {describe_step(progress)}")

        yield update


def _plain_lines(stream: ErrorStream) -> Callable[["TrainProgress"], None]:
    last = time.monotonic() - _LINE_EVERY_S / 2

    def update(progress: "TrainProgress") -> None:
        nonlocal last
        now = time.monotonic()
        quiet = progress.scores is None and progress.step < progress.steps
        if quiet and now - last < _LINE_EVERY_S:
            return
        last = now
        stream.say(
            f"epoch {progress.epoch}/{progress.epochs} step {progress.step}/{progress.steps}, "
            f"{progress.images_per_s:.0f} images/s, {progress.left_s:.0f} s left: "
            f"{describe_step(progress)}"
        )

    return update
