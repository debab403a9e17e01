"""Standard error that is closed, full or gone changes no work and no exit code."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from occgen_cli.error_stream import ErrorStream, let_go

BUILD = (
    "from occgen_cli.main import main; "
    "main(['build', '--dataset', 'demo', '--root', '4x4', '--shard-size', '4', '--out', 'set', "
    "'--jobs', {jobs!r}])"
)


class Full(io.StringIO):
    """A stream on a full disk."""

    def write(self, text: str) -> int:
        raise OSError(28, "No space left on device")

    def flush(self) -> None:
        self.write("")


@pytest.mark.parametrize("stream", [None, Full()])
def test_what_cannot_be_written_is_dropped(
    stream: io.StringIO | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", stream)
    error_stream = ErrorStream()
    assert not error_stream.isatty()
    error_stream.say("a line")
    assert error_stream.write("another") == 7
    assert error_stream.encoding == "utf-8"


def test_a_stream_that_works_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    ErrorStream().say("a line")
    assert capsys.readouterr().err == "a line\n"


def test_a_stream_that_takes_nothing_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    let_go()
    assert sys.stderr is stream
    monkeypatch.setattr(sys, "stderr", Full())
    let_go()
    assert sys.stderr is None


@pytest.mark.slow
@pytest.mark.parametrize("jobs", ["1", "2"])
@pytest.mark.parametrize("redirected", ["2>&-", "2>/dev/full", "<&- >&- 2>&-"])
def test_a_build_needs_no_standard_error(tmp_path: Path, jobs: str, redirected: str) -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full here")
    command = f'"$0" -c "$1" {redirected}'
    script = BUILD.format(jobs=jobs)
    done = subprocess.run(["/bin/sh", "-c", command, sys.executable, script], cwd=tmp_path)
    assert done.returncode == 0
    assert (tmp_path / "set" / "manifest.json").is_file()


@pytest.mark.parametrize("redirected", ["2>&-", "2>/dev/full"])
def test_an_error_nobody_sees_keeps_its_exit_code(tmp_path: Path, redirected: str) -> None:
    command = f'"$0" -c "$1" {redirected}'
    script = "from occgen_cli.main import main; main(['preview', 'gone'])"
    done = subprocess.run(["/bin/sh", "-c", command, sys.executable, script], cwd=tmp_path)
    assert done.returncode == 2
