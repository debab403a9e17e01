"""SIGTERM, by which schedulers and containers stop a program, ends a command as Ctrl-C does."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["EXIT_CODE", "Terminated", "Termination", "ending_on_sigterm"]

EXIT_CODE = 128 + signal.SIGTERM
_ONE_STOP_S = 2.0  # a stop often comes twice: to the process, and to its group


class Terminated(SystemExit):
    """Raised in the main thread at the signal, so that whatever is open is closed."""


class Termination:
    """Whether this process was told to end."""

    def __init__(self) -> None:
        self.was_told = False
        self._owner = os.getpid()
        self._told_at = 0.0

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Raise `Terminated`; a forked process, which inherits this, ends as if it did not."""
        if os.getpid() != self._owner:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        now = time.monotonic()
        if self.was_told and now - self._told_at < _ONE_STOP_S:
            return
        self.was_told, self._told_at = True, now
        if callable(signal.getsignal(signal.SIGCHLD)):  # torch's, which raises when workers end
            signal.signal(signal.SIGCHLD, _do_nothing)
        raise Terminated(EXIT_CODE)


def _do_nothing(number: int, frame: FrameType | None) -> None:
    pass


@contextmanager
def ending_on_sigterm() -> Iterator[Termination]:
    """Have SIGTERM raise `Terminated` for the length of a command.

    Notes
    -----
    Worker processes are started anew: a handler is not handed on to a new program, so that they
    end at once. Nothing is changed outside the main thread, or where whoever called has a handler
    or ignores the signal. After a SIGTERM it stays in place: the process is about to end, and a
    second one would cut short what still has to go.
    """
    termination = Termination()
    in_main = threading.current_thread() is threading.main_thread()
    if not in_main or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        yield termination
        return
    signal.signal(signal.SIGTERM, termination.handle)
    try:
        yield termination
    finally:
        if not termination.was_told:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
