"""Files appear whole or not at all, and one process at a time writes into a folder."""

import errno
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from occgen.atomic import (
    SCRATCH_PREFIX,
    install_bytes,
    locked_output,
    make_folder,
    replacing_bytes,
    sync_folder,
    temporary_beside,
)
from occgen.errors import InputError, ShardError

HOLD = """
import sys, time
from pathlib import Path
from occgen.atomic import locked_output
with locked_output(Path(sys.argv[1])) as scratch:
    (scratch / "half").write_bytes(b"half")
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_file_is_installed_whole(tmp_path: Path) -> None:
    out = tmp_path / "set"
    with locked_output(out) as scratch:
        assert scratch.parent == out
        assert scratch.name.startswith(SCRATCH_PREFIX)
        data = bytes(range(256)) * 40_000
        install_bytes(out / "file", data, scratch)
        install_bytes(out / "empty", b"", scratch)
        assert list(scratch.iterdir()) == []
        sync_folder(out)
    assert (out / "file").read_bytes() == data
    assert (out / "empty").read_bytes() == b""
    assert sorted(os.listdir(out)) == ["empty", "file"]


def test_a_write_that_fails_keeps_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    scratch = tmp_path / ".tmp-run"
    scratch.mkdir()

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ShardError, match=r"file: cannot be written \(No space left on device\)"):
        install_bytes(path, b"new", scratch)
    assert path.read_bytes() == b"old"
    assert list(scratch.iterdir()) == []


def test_a_run_that_was_taken_over_writes_nothing(tmp_path: Path) -> None:
    """The worker a dead run left behind finds its scratch folder gone."""
    with pytest.raises(ShardError, match="cannot be written"):
        install_bytes(tmp_path / "file", b"late", tmp_path / ".tmp-gone")
    assert not (tmp_path / "file").exists()


def test_scratch_folders_of_dead_runs_are_removed(tmp_path: Path) -> None:
    for name in (".tmp-a", ".tmp-b/deep/er"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "half").write_bytes(b"half")
    (tmp_path / ".keep").write_bytes(b"mine")
    with locked_output(tmp_path) as scratch:
        assert sorted(os.listdir(tmp_path)) == [".keep", ".lock", scratch.name]
        assert list(scratch.iterdir()) == []
    assert os.listdir(tmp_path) == [".keep"]


def test_the_lock_is_held_by_a_process_and_dies_with_it(tmp_path: Path) -> None:
    out = tmp_path / "set"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(out)], stdout=subprocess.PIPE, text=True
    ) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "held\n"
            refused = f"{out} is being written by process {holder.pid}"
            with pytest.raises(ShardError, match=refused), locked_output(out):
                pass
            assert (out / ".lock").read_text() == str(holder.pid)
            assert len(list(out.glob(f"{SCRATCH_PREFIX}*/half"))) == 1
        finally:
            holder.kill()
    with locked_output(out) as scratch:
        assert list(out.glob(f"{SCRATCH_PREFIX}*")) == [scratch]
        assert (out / ".lock").read_text() == str(os.getpid())


def test_the_lock_keeps_threads_of_one_process_apart(tmp_path: Path) -> None:
    with locked_output(tmp_path):
        refused = f"written by process {os.getpid()}"
        with pytest.raises(ShardError, match=refused), locked_output(tmp_path):
            pass
        assert (tmp_path / ".lock").exists()
    assert os.listdir(tmp_path) == []


def test_a_child_does_not_inherit_the_lock(tmp_path: Path) -> None:
    with locked_output(tmp_path):
        command = [sys.executable, "-c", "import time; time.sleep(60)"]
        child = subprocess.Popen(command, close_fds=False)
    try:
        with locked_output(tmp_path):
            assert child.poll() is None  # it lives, with whatever it was given
    finally:
        child.kill()
        child.wait()


def test_many_threads_take_turns(tmp_path: Path) -> None:
    """However the lock's file comes and goes, no two hold it at once."""
    inside, most, done = 0, 0, 0
    guard = threading.Lock()

    def work() -> None:
        nonlocal inside, most, done
        for _ in range(40):
            try:
                with locked_output(tmp_path):
                    with guard:
                        inside += 1
                        most = max(most, inside)
                        done += 1
                    with guard:
                        inside -= 1
            except ShardError:
                continue

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
    assert done > 4


def test_a_folder_made_for_nothing_goes_again(tmp_path: Path) -> None:
    out = tmp_path / "new"
    with pytest.raises(ZeroDivisionError), locked_output(out):
        raise ZeroDivisionError
    assert not out.exists()
    out.mkdir()
    with locked_output(out):
        pass
    assert out.exists()  # was there before


def test_a_file_is_no_output(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"mine")
    with pytest.raises(InputError, match="file is a file; name a folder"), locked_output(path):
        pass
    with pytest.raises(InputError, match="cannot be written"), locked_output(path / "below"):
        pass
    with pytest.raises(ShardError, match="cannot be written"):
        make_folder(path / "below")
    assert path.read_bytes() == b"mine"


def test_replacing_a_file_keeps_the_old_one_when_it_fails(tmp_path: Path) -> None:
    path = tmp_path / "sheet.png"
    replacing_bytes(path, b"one")
    replacing_bytes(path, b"two")
    assert path.read_bytes() == b"two"
    assert os.listdir(tmp_path) == ["sheet.png"]
    with pytest.raises(InputError, match=r"gone/sheet\.png cannot be written \(No such file"):
        replacing_bytes(tmp_path / "gone" / "sheet.png", b"three")
    with pytest.raises(InputError, match="cannot be written"):
        replacing_bytes(tmp_path, b"a folder")
    assert os.listdir(tmp_path) == ["sheet.png"]


def test_a_place_that_takes_no_file_is_named_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The removal of what was never written fails as the write did, and says nothing of its own."""
    (tmp_path / "file").write_bytes(b"mine")
    long = "x" * 300
    for path, reason in (
        (tmp_path / "file" / "sheet.png", "Not a directory"),
        (tmp_path / f"{long}.png", "File name too long"),
        (tmp_path / long / "sheet.png", "File name too long"),
    ):
        with pytest.raises(InputError, match=rf"\.png cannot be written \({reason}\)"):
            replacing_bytes(path, b"data")

    def refuse(*arguments: object, **options: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "write_bytes", refuse)
    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(InputError, match=r"cannot be written \(Read-only file system\); mend that"):
        replacing_bytes(tmp_path / "sheet.png", b"data")


def test_what_dead_processes_left_beside_a_file_goes(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as dead:
        pass
    kept = [".sheet.png.1.tmp", ".sheet.png.x.tmp", ".other.png.7.tmp", "sheet.png.2.tmp"]
    for name in [*kept, f".sheet.png.{dead.pid}.tmp"]:
        (tmp_path / name).write_bytes(b"half")
    path = temporary_beside(tmp_path / "sheet.png")
    assert path == tmp_path / f".sheet.png.{os.getpid()}.tmp"
    assert sorted(os.listdir(tmp_path)) == sorted(kept)
