"""fetch(): get a data set that may be downloaded freely, checked by its known hash."""

import contextlib
import gzip
import http.client
import os
import shutil
import tempfile
import urllib.error
import urllib.parse
import urllib.request
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .atomic import SCRATCH_PREFIX, cannot_be_written, locked_output
from .catalog import CATALOG, DataSet, Download, expected_at
from .errors import DataError, InputError
from .tar_members import list_members

__all__ = ["fetch"]

_ORIGINALS = "originals"
_BLOCK = 1 << 18
_TIMEOUT_S = 60.0


def fetch(
    name: str,
    out: Path | None = None,
    mirror: str | None = None,
    on_bytes: Callable[[str, int, int | None], None] | None = None,
) -> Path:
    """Download a data set, or what is missing of it, and unpack its pictures.

    Parameters
    ----------
    name : str
        A key of `occgen.catalog.CATALOG`.
    out : Path, optional
        By default ``$OCCGEN_DATA/NAME-originals``.
    mirror : str, optional
        Where the files are taken from instead: a URL or a folder that holds them by their names,
        or the one file itself.
    on_bytes : callable, optional
        Told a file's name, how many bytes of it are there, and of how many.

    Returns
    -------
    Path
        Folder of the pictures, with lists of pairs beside them.

    Raises
    ------
    InputError
        When the set may not be downloaded freely; the message says how to get it and where it goes.
    DataError
        When a file cannot be reached (what to put where is said), or is not what its hash says.

    Notes
    -----
    A file that is there whole is not downloaded again; one that was cut off goes on where it
    stopped. Archives are unpacked without links, and nothing outside the folder.
    """
    known = CATALOG.get(name)
    if known is None:
        raise InputError(f"data set must be one of {', '.join(CATALOG)}, got {name!r}")
    if not known.downloads:
        raise InputError(_by_hand(known))
    where = expected_at(f"{name}-{_ORIGINALS}") if out is None else out
    if where is None:
        raise InputError("name a folder with --out DIR, or set OCCGEN_DATA")
    with locked_output(where) as scratch:
        files = [_download(file, where, mirror, on_bytes) for file in known.downloads]
        pictures = where / _ORIGINALS
        for file, path in zip(known.downloads, files, strict=True):
            if file.unpack and not pictures.is_dir():
                _unpack(path, pictures, scratch)
        for file, path in zip(known.downloads, files, strict=True):
            if not file.unpack and not (pictures / file.name).is_file():
                try:
                    shutil.copyfile(path, pictures / file.name)
                except OSError as error:
                    raise cannot_be_written(pictures / file.name, error) from error
    return pictures


def _by_hand(known: DataSet) -> str:
    place = expected_at(known.name)
    put = f"put it at {place}" if place else f"put it at $OCCGEN_DATA/{known.name}, or use --root"
    return (
        f"{known.name} is not for occgen to download: {known.source}; {put} as {known.layout}. "
        f"{known.licence}"
    )


def _download(
    file: Download,
    where: Path,
    mirror: str | None,
    on_bytes: Callable[[str, int, int | None], None] | None,
) -> Path:
    """Return a file, downloaded unless it is there already."""
    try:
        import pooch
    except ImportError as error:
        raise InputError("fetch needs pooch: pip install 'occgen[fetch]'") from error
    pooch.get_logger().setLevel("ERROR")
    transfer = _Transfer(file, where, mirror, on_bytes)
    try:
        found = pooch.retrieve(
            url=file.url,
            known_hash=file.hash,
            fname=file.name,
            path=where,
            downloader=transfer,
        )
    except ValueError as error:  # the hash is another
        raise DataError(
            f"{transfer.origin} is not the known {file.name} ({file.hash}); it was not kept: "
            "try another --mirror"
        ) from error
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise DataError(
            f"{transfer.origin} cannot be had ({reason}); run the same command again to go on, "
            f"take it from another place with --mirror URL, or put {file.name} ({file.hash}) into "
            f"{where}"
        ) from error
    return Path(found)


class _Transfer:
    """What `pooch` calls to get a file: goes on where an earlier try stopped."""

    def __init__(
        self,
        file: Download,
        where: Path,
        mirror: str | None,
        on_bytes: Callable[[str, int, int | None], None] | None,
    ) -> None:
        self._file, self._on_bytes = file, on_bytes
        self._part = where / f".{file.name}.part"
        self.origin = file.url if mirror is None else _at_mirror(mirror, file)

    def __call__(self, url: str, output_file: Any, pooch: Any) -> None:
        """Bring the file to `output_file`, whole; `pooch` checks its hash."""
        if "://" in self.origin:
            self._from_web()
            shutil.move(self._part, output_file)
        else:
            shutil.copyfile(self.origin, output_file)

    def _from_web(self) -> None:
        have = self._part.stat().st_size if self._part.is_file() else 0
        request = urllib.request.Request(self.origin)
        if have:
            request.add_header("Range", f"bytes={have}-")
        try:
            answer = urllib.request.urlopen(request, timeout=_TIMEOUT_S)
        except urllib.error.HTTPError as error:
            with error:
                if error.code != http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
                    raise OSError(f"HTTP {error.code} {error.reason}") from error
            self._part.unlink()  # it was whole, or longer than the file is
            answer = urllib.request.urlopen(self.origin, timeout=_TIMEOUT_S)
        with answer:
            goes_on = answer.status == http.client.PARTIAL_CONTENT
            done = have if goes_on else 0
            left = answer.headers.get("Content-Length", "")
            total = done + int(left) if left.isdigit() else None
            with open(self._part, "ab" if goes_on else "wb") as file:
                while block := answer.read(_BLOCK):
                    file.write(block)
                    done += len(block)
                    if self._on_bytes is not None:
                        self._on_bytes(self._file.name, done, total)
        if total is not None and done < total:
            raise OSError(f"it ended after {done} of {total} bytes")


def _at_mirror(mirror: str, file: Download) -> str:
    """Return where a file is taken from: a URL or a path."""
    name = file.name
    if "://" in mirror:
        if urllib.parse.urlsplit(mirror).scheme not in ("http", "https"):
            raise InputError(f"--mirror takes http, https, a folder or a file, got {mirror!r}")
        return f"{mirror.rstrip('/')}/{name}"
    path = Path(mirror)
    found = path / name if path.is_dir() else path
    if path.is_file() and path.name != name and not file.unpack:
        found = path.with_name(name)  # the archive was named: lists may lie beside it
        if not found.is_file():
            return file.url
    if not found.is_file():
        raise InputError(f"{found} does not exist; --mirror holds {name}, or is that file")
    return str(found)


def _unpack(archive: Path, target: Path, scratch: Path) -> None:
    """Unpack the files of a tar, compressed or not, without the one folder they all lie in."""
    made = Path(tempfile.mkdtemp(prefix=SCRATCH_PREFIX, dir=scratch))
    plain = scratch / "archive.tar"
    try:
        with _opened(archive) as packed, open(plain, "wb") as file:
            shutil.copyfileobj(packed, file, _BLOCK)
        with open(plain, "rb") as file:
            members = list(list_members(file))
            tops = {name.removeprefix("./").partition("/")[0] for name, _, _ in members}
            for name, offset, size in members:
                parts = [part for part in name.split("/") if part not in ("", ".")]
                inside = parts[1:] if len(tops) == 1 and len(parts) > 1 else parts
                path = made.joinpath(*inside)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(os.pread(file.fileno(), size, offset))
        os.replace(made, target)
    except DataError as error:
        raise DataError(f"{archive} {error}") from error
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{archive} is a damaged archive ({error})") from error
    except OSError as error:
        raise cannot_be_written(target, error) from error
    finally:
        plain.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            shutil.rmtree(made)


def _opened(archive: Path) -> Any:
    with open(archive, "rb") as file:
        is_packed = file.read(2) == b"\x1f\x8b"
    return gzip.open(archive) if is_packed else open(archive, "rb")
