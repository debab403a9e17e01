"""Files that appear whole or not at all, and the lock that keeps two builds apart."""

import contextlib
import fcntl
import glob
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from .errors import InputError, ShardError
from .storage import is_remote, leased_output, put_object

__all__ = [
    "SCRATCH_PREFIX",
    "cannot_be_written",
    "discard",
    "install_bytes",
    "locked_output",
    "make_folder",
    "replacing_bytes",
    "sync_folder",
    "temporary_beside",
    "tidy_output",
]

SCRATCH_PREFIX = ".tmp-"
_LOCK = ".lock"


def install_bytes(path: Path, data: bytes, scratch: Path) -> None:
    """Write a file beside its place, sync it, and give it its name in one step.

    Parameters
    ----------
    path : Path
        The final name.
    data : bytes
    scratch : Path
        A folder on the same file system, of this run alone. When it is gone, a later run has taken
        the output over and nothing is written.

    Raises
    ------
    ShardError
        When the disk is full or the folder cannot be written; nothing stands under the name.

    Notes
    -----
    In object storage the object is put whole, if the lease is still that of `scratch`.
    """
    if is_remote(path):
        put_object(path, data, scratch.parent, scratch.name.removeprefix(SCRATCH_PREFIX))
        return
    temporary = scratch / path.name
    try:
        with open(temporary, "wb", buffering=0) as file:
            view = memoryview(data)
            while view:
                view = view[file.write(view) :]
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        discard(temporary)
        raise cannot_be_written(path, error) from error


def cannot_be_written(path: Path, error: OSError) -> ShardError:
    """Return the error that says what failed and what to do."""
    return ShardError(
        f"{path}: cannot be written ({error.strerror}); what was complete is kept: "
        "mend that and run the same command again"
    )


def make_folder(path: Path) -> None:
    """Make a folder, with those above it, unless it is there; object storage needs none.

    Raises
    ------
    ShardError
        When it cannot be made.
    """
    if is_remote(path):
        return
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_be_written(path, error) from error


def sync_folder(folder: Path) -> None:
    """Make the names in a folder last through a power cut."""
    if is_remote(folder):
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def locked_output(folder: Path) -> Iterator[Path]:
    """Hold an output folder for this process, and give a scratch folder inside it.

    The system holds the lock: it ends with the process however that ends, and worker processes,
    which are started anew, do not inherit it. Scratch folders of runs that died are removed, so
    that a worker such a run left behind can no longer put a file under a final name.

    Parameters
    ----------
    folder : Path
        Made when missing.

    Yields
    ------
    Path
        The scratch folder, removed at the end, as is the lock. In object storage there is none:
        its name carries the token of the lease.

    Raises
    ------
    ShardError
        When another process, or another thread of this one, writes there.
    InputError
        When it is no folder, or cannot be written.
    """
    if is_remote(folder):
        with leased_output(folder) as token:
            yield folder / f"{SCRATCH_PREFIX}{token}"
        return
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file; name a folder to write into")
    made = not folder.exists()
    path = folder / _LOCK
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = _acquire(path)
    except OSError as error:
        raise InputError(f"{folder} cannot be written ({error.strerror})") from error
    try:
        with contextlib.suppress(OSError):  # on a full disk the lock holds without its number
            os.ftruncate(handle, 0)
            os.pwrite(handle, str(os.getpid()).encode(), 0)
        try:
            yield _fresh_scratch(folder)
        finally:
            _remove_scratch(folder)
            discard(path)
    finally:
        os.close(handle)
        if made:
            with contextlib.suppress(OSError):
                folder.rmdir()  # only goes when nothing was made


def _acquire(path: Path) -> int:
    """Return a handle that holds the lock on the file which bears the name now."""
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(handle), os.stat(path)):
                return handle
        except BlockingIOError:
            holder = os.pread(handle, 32, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(handle)
            raise ShardError(
                f"{path.parent} is being written by process {holder}; wait for it or stop it"
            ) from None
        except FileNotFoundError:
            pass  # the holder finished and took the file away: lock the next one
        os.close(handle)


def _fresh_scratch(folder: Path) -> Path:
    _remove_scratch(folder)
    try:
        return Path(tempfile.mkdtemp(prefix=SCRATCH_PREFIX, dir=folder))
    except OSError as error:
        raise InputError(f"{folder} cannot be written ({error.strerror})") from error


def _remove_scratch(folder: Path) -> None:
    for entry in folder.glob(f"{SCRATCH_PREFIX}*"):
        shutil.rmtree(entry, ignore_errors=True)


def tidy_output(folder: Path) -> None:
    """Remove what a run that died after its last file left in a finished output.

    Nothing is done where another run writes there, or where this one may not.
    """
    if is_remote(folder):
        return  # a lease alone, which the next writer takes over
    if (folder / _LOCK).exists() or any(folder.glob(f"{SCRATCH_PREFIX}*")):
        with contextlib.suppress(InputError, ShardError), locked_output(folder):
            pass


def temporary_beside(path: Path) -> Path:
    """Return a name beside a file for this process to write to; what dead ones left there goes."""
    with contextlib.suppress(OSError):  # a folder that cannot be listed fails where it is written
        for found in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
            number = found.name.rsplit(".", 2)[1]  # of a process
            lives = not Path("/proc/1").exists() or Path(f"/proc/{number}").exists()
            if number.isdigit() and not lives:
                discard(found)
    return path.with_name(f".{path.name}.{os.getpid()}.tmp")


def discard(path: Path) -> None:
    """Remove a file that is of no more use, where it is there and can be removed.

    On a read-only file system, below a file, or under too long a name even that fails: the error
    of the write it is left from is the one to tell.
    """
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)


def replacing_bytes(path: Path, data: bytes) -> None:
    """Write a file a person asked for: whole, or the old one stays.

    Raises
    ------
    InputError
        When it cannot be written there.
    """
    temporary = temporary_beside(path)
    try:
        temporary.write_bytes(data)
        os.replace(temporary, path)
    except OSError as error:
        raise InputError(
            f"{path} cannot be written ({error.strerror}); mend that or name another place"
        ) from error
    finally:
        discard(temporary)
