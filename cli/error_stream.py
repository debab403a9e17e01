"""Standard error that stops no work: it may be closed, full, or a terminal that is gone."""

import os
import sys
from collections.abc import Callable
from typing import Any

__all__ = ["ErrorStream", "fill_descriptors", "let_go"]


class ErrorStream:
    """What stands as `sys.stderr` now; what cannot be written there is dropped in silence."""

    def __init__(self) -> None:
        self._stream = sys.stderr  # None where the descriptor was closed when Python began

    @property
    def encoding(self) -> str:
        """Of the stream."""
        return getattr(self._stream, "encoding", None) or "utf-8"

    def isatty(self) -> bool:
        """Whether a person looks on."""
        return bool(self._tried("isatty"))

    def write(self, text: str) -> int:
        """Write a text."""
        self._tried("write", text)
        return len(text)

    def flush(self) -> None:
        """Hand on what was written."""
        self._tried("flush")

    def say(self, text: str) -> None:
        """Write a line."""
        self.write(f"{text}\n")
        self.flush()

    def _tried(self, method: str, *arguments: Any) -> Any:
        if self._stream is None:
            return None
        call: Callable[..., Any] = getattr(self._stream, method)
        try:
            return call(*arguments)
        except (OSError, ValueError):  # a ValueError where it was closed
            self._stream = None
            return None


def fill_descriptors() -> None:
    """Open the null device where standard input, output or error is closed.

    Otherwise the next file opened takes its number, and what a library writes to standard error
    ends in a shard; and what starts worker processes flushes both streams without a look.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # the lowest free number
    if sys.stdout is None:
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - lives as long as the process
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115


def let_go() -> None:
    """Drop standard error where it takes nothing, or Python ends with exit code 120."""
    try:
        if sys.stderr is not None:
            sys.stderr.flush()
    except (OSError, ValueError):
        sys.stderr = None
