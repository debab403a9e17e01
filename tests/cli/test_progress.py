"""Progress: plain lines in a pipe, a bar on a terminal, both on stderr."""

import io
import sys

import pytest
from occgen_cli.progress import build_progress

from occgen.engine import Progress


def step(images: int, elapsed_s: float, reused: int = 0) -> Progress:
    """Return a step of a build of a thousand images."""
    return Progress(images=images, total=1000, shards=1, reused=reused, elapsed_s=elapsed_s)


def test_a_pipe_gets_few_lines_with_rate_and_time_left(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr("occgen_cli.progress.time.monotonic", lambda: now)
    with build_progress() as update:
        update(step(100, 1.0))
        now = 120.0
        update(step(400, 20.0, reused=200))
        update(step(500, 21.0, reused=200))
        now = 131.0
        update(step(1000, 40.0, reused=200))
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        "400 of 1000 images, 10 images/s, 60 s left",
        "1000 of 1000 images, 20 images/s, 0 s left",
    ]


def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with build_progress() as update:
        update(step(400, 20.0))
        update(step(1000, 50.0))
    assert "building" in terminal.getvalue()
    assert "1000/1000" in terminal.getvalue()
    assert "20 images/s" in terminal.getvalue()


@pytest.mark.parametrize("is_terminal", [False, True])
def test_a_stream_that_takes_nothing_stops_no_build(
    is_terminal: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []

    class Full(io.StringIO):
        def isatty(self) -> bool:
            return is_terminal

        def write(self, text: str) -> int:
            tried.append(text)
            raise OSError(28, "No space left on device")

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("occgen_cli.progress._LINE_EVERY_S", 0.0)
    for stream, attempts in ((Full(), 1), (None, 0)):  # once refused, it is not tried again
        tried.clear()
        monkeypatch.setattr(sys, "stderr", stream)
        with build_progress() as update:
            update(step(400, 20.0))
            update(step(1000, 50.0))
        assert len(tried) == attempts
