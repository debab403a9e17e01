"""Sets in object storage: paths over fsspec, whole objects, and a lease in place of a lock.

An object appears whole or not at all, so nothing is written beside its place and renamed. What a
file system's lock does on disk, a lease does here: an object that names its holder and is written
anew every few seconds. A build looks at the lease before each object it writes.
"""

import contextlib
import hashlib
import json
import os
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

from .errors import InputError, OccgenError, ShardError

__all__ = [
    "LEASE",
    "REMOTE_FORMATS",
    "check_reachable",
    "is_remote",
    "leased_output",
    "local_copy",
    "put_object",
    "read_object",
    "set_path",
    "storage_errors",
]

LEASE = ".lock"
REMOTE_FORMATS = ("hdf5", "webdataset", "parquet")
_RENEW_S = 10.0
_STALE_S = 60.0  # a lease that was not renewed for so long is nobody's
_LOOK_S = 1.0
_STORES = (
    *("botocore", "aiobotocore", "s3fs", "aiohttp", "fsspec", "gcsfs", "google", "adlfs", "azure"),
)


def is_remote(path: str | os.PathLike[str]) -> bool:
    """Whether a path is a URL such as ``s3://bucket/prefix`` (``file://`` is not)."""
    text = str(path)
    return "://" in text and not text.startswith("file://")


def set_path(path: str | os.PathLike[str]) -> Path:
    """Return a path of this machine, or one with the same interface in object storage.

    Parameters
    ----------
    path : str or path
        A folder, or a URL of any file system that fsspec knows: ``s3://bucket/prefix``.

    Raises
    ------
    InputError
        When the file system is unknown, or its package is not installed.
    """
    text = str(path)
    if not is_remote(text):
        return Path(text.removeprefix("file://"))
    try:
        from upath import UPath

        made = UPath(text, use_listings_cache=False)
        _ = made.fs
    except (ImportError, ValueError) as error:
        raise InputError(
            f"{text} cannot be opened ({_first_line(error)}); pip install 'occgen[cloud]' brings "
            "s3://, other file systems of fsspec need their own package"
        ) from error
    except Exception as error:
        if not _is_of_store(error):
            raise
        raise InputError(f"{text}: {_reason(error)}") from error
    return cast(Path, made)


@contextlib.contextmanager
def storage_errors(path: Path, error_type: type[OccgenError] = ShardError) -> Iterator[None]:
    """Turn what a store raises into one clear error; a path of this machine is left alone."""
    try:
        yield
    except OccgenError:
        raise
    except Exception as error:  # each store has errors of its own
        if not is_remote(path) or not _is_of_store(error):
            raise
        raise error_type(f"{path}: {_reason(error)}") from error


def _is_of_store(error: Exception) -> bool:
    package = type(error).__module__.partition(".")[0]
    return isinstance(error, OSError) or package in _STORES


def check_reachable(folder: Path) -> None:
    """Raise InputError where a set cannot be in object storage: key, bucket, permission, network.

    Parameters
    ----------
    folder : Path
        Of this machine: nothing is checked.
    """
    if not is_remote(folder):
        return
    store: Any = folder
    bucket = store.path.partition("/")[0]
    if not store.path.partition("/")[2].strip("/"):
        raise InputError(f"{folder} is a whole bucket; name a prefix in it: {folder}/Occ-NAME")
    with storage_errors(folder, InputError):
        try:
            store.fs.ls(store.path, detail=False)
        except FileNotFoundError:  # nothing stands there yet, or the bucket is missing
            if not _has_bucket(store.fs, bucket):
                raise InputError(f"{folder}: there is no bucket {bucket}; make it first") from None


def _has_bucket(fs: Any, bucket: str) -> bool:
    try:
        fs.ls(bucket, detail=False)
    except FileNotFoundError:
        return "memory" in fs.protocol
    except PermissionError:
        return True  # it may be written below a prefix all the same
    return True


def read_object(path: Path) -> bytes:
    """Return a whole object; the last one is kept, so that it is checked and read at one cost.

    Raises
    ------
    ShardError
        When it is missing or cannot be read.
    """
    store: Any = path
    with storage_errors(path):
        try:
            info = store.fs.info(store.path)
        except FileNotFoundError:
            raise ShardError(f"{path} is missing") from None
        version = str(info.get("ETag") or (info.get("size"), info.get("LastModified")))
        return _object(str(path), version)


@lru_cache(maxsize=1)
def _object(url: str, version: str) -> bytes:
    store: Any = set_path(url)
    return cast(bytes, store.fs.cat_file(store.path))


def local_copy(path: Path, sha256: str) -> Path:
    """Return a file of this machine with an object's bytes, fetched once and kept.

    Parameters
    ----------
    path : Path
        Of this machine: given back as it is.
    sha256 : str
        Of the object. Copies lie under this name in ``$OCCGEN_CACHE``, by default
        ``~/.cache/occgen``, and may be removed at any time.

    Raises
    ------
    ShardError
        When the object is missing, is not the one meant, or cannot be kept.
    """
    if not is_remote(path):
        return path
    cache = Path(os.environ.get("OCCGEN_CACHE") or Path.home() / ".cache" / "occgen")
    kept = cache / f"{sha256}{path.suffix}"
    if kept.is_file():
        return kept
    data = read_object(path)
    if hashlib.sha256(data).hexdigest() != sha256:
        raise ShardError(f"{path} is damaged: its checksum is not the one the manifest names")
    temporary = cache / f".{kept.name}.{os.getpid()}.{threading.get_ident()}"
    try:
        cache.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(data)
        os.replace(temporary, kept)
    except OSError as error:
        raise ShardError(
            f"{cache} cannot be written ({error.strerror}); OCCGEN_CACHE names another folder"
        ) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
    return kept


def put_object(path: Path, data: bytes, folder: Path, token: str) -> None:
    """Write an object whole, as long as the output is this run's.

    Parameters
    ----------
    path : Path
    data : bytes
    folder : Path
        The output.
    token : str
        As `leased_output` gave it.

    Raises
    ------
    ShardError
        When it cannot be written, or another run has taken the output over.
    """
    with storage_errors(path):
        _check_ours(folder, token)
        store: Any = path
        store.fs.pipe_file(store.path, data)


@contextlib.contextmanager
def leased_output(folder: Path) -> Iterator[str]:
    """Hold an output in object storage for this process.

    Yields
    ------
    str
        A token that `put_object` looks for in the lease.

    Raises
    ------
    ShardError
        When another process writes there.

    Notes
    -----
    The lease of a process that died on this machine is taken over at once, one of another machine
    when it was not renewed for a minute: no clocks are compared, this process watches it. Where
    two runs take over one lease in the same moment, the later one has it, and the other stops
    before its next object.
    """
    lease: Any = folder / LEASE
    token = secrets.token_hex(8)
    with storage_errors(lease):
        _acquire(lease, token)
    ended = threading.Event()
    renewer = threading.Thread(target=_renew, args=(lease, token, ended), daemon=True)
    renewer.start()
    try:
        yield token
    finally:
        ended.set()
        renewer.join()
        with contextlib.suppress(Exception):  # left behind, it is taken over later
            if (_holder(lease) or {}).get("token") == token:
                lease.fs.rm_file(lease.path)


def _acquire(lease: Any, token: str) -> None:
    seen, since = None, 0.0
    while not _create(lease, token):
        holder = _holder(lease)
        if holder is None:
            continue
        if holder != seen:
            if seen is not None and seen.get("token") == holder.get("token"):
                raise ShardError(
                    f"{lease.parent} is being written by process {holder.get('pid')} of "
                    f"{holder.get('host')}; wait for it or stop it"
                )
            seen, since = holder, time.monotonic()
        if _is_dead(holder) or time.monotonic() - since > _STALE_S:
            with contextlib.suppress(FileNotFoundError):
                lease.fs.rm_file(lease.path)
            seen = None
            continue
        time.sleep(_LOOK_S)


def _create(lease: Any, token: str) -> bool:
    """Write the lease if there is none; False if there is."""
    try:
        lease.fs.pipe_file(lease.path, _record(token, 0), mode="create")
    except FileExistsError:
        return False
    return (_holder(lease) or {}).get("token") == token  # where "create" is not known


def _renew(lease: Any, token: str, ended: threading.Event) -> None:
    count = 0
    while not ended.wait(_RENEW_S):
        with contextlib.suppress(Exception):  # the network may be back next time
            if (_holder(lease) or {}).get("token") != token:
                return
            count += 1
            lease.fs.pipe_file(lease.path, _record(token, count))


def _record(token: str, renewals: int) -> bytes:
    record = {
        "token": token,
        "renewals": renewals,
        "host": socket.gethostname(),
        "machine": _machine(),
        "pid": os.getpid(),
    }
    return json.dumps(record).encode()


def _holder(lease: Any) -> dict[str, Any] | None:
    try:
        record = json.loads(lease.fs.cat_file(lease.path))
    except FileNotFoundError:
        return None
    except ValueError:
        record = None
    return record if isinstance(record, dict) else {}


def _check_ours(folder: Path, token: str) -> None:
    if (_holder(folder / LEASE) or {}).get("token") != token:
        raise ShardError(
            f"{folder} was taken over by another run; nothing more is written by this one"
        )


def _is_dead(holder: dict[str, Any]) -> bool:
    """Whether the holder ran here, in this boot and container, and is gone."""
    if holder.get("machine") != _machine() or not isinstance(holder.get("pid"), int):
        return False
    return Path("/proc/1").exists() and not Path(f"/proc/{holder['pid']}").exists()


def _machine() -> str:
    parts = [socket.gethostname()]
    with contextlib.suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
        parts.append(os.readlink("/proc/self/ns/pid"))
    return " ".join(parts)


def _reason(error: Exception) -> str:
    name = type(error).__name__
    if "Credentials" in name or "DefaultCredentialsError" in name:
        return (
            "there are no credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a "
            "profile, or what your store takes"
        )
    if isinstance(error, PermissionError):
        return f"access is denied ({_first_line(error)}); check the keys and what they allow"
    if "Connect" in name or "Endpoint" in name or isinstance(error, TimeoutError):
        return f"the store cannot be reached ({_first_line(error)})"
    return f"{_first_line(error)}; what was complete is kept"


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
