"""Where the records of a ``.rec`` file stand: its ``.idx``, looked up without loading it.

An index is text, a line ``number<TAB>offset`` a record. Those that InsightFace's programs write
have rising numbers, so a line is found by bisection in the mapped file, and the line after the last
one found is tried first: memory does not grow with the file. One in another order is loaded.
"""

import hashlib
import mmap
import os
import tempfile
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .atomic import temporary_beside
from .errors import DataError, InputError
from .recordio import RecordFile, unpack_record

__all__ = ["RecordIndex", "scanned_index"]

_LONGEST_LINE = 64
_LINES_A_BLOCK = 1 << 16
_READERS = 8  # runs of numbers that may be read in turn, each without a search


class RecordIndex:
    """The lines of an index file.

    Parameters
    ----------
    path : Path

    Raises
    ------
    InputError
        When it cannot be opened, or is empty.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with open(path, "rb") as file:
                self._text = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except ValueError as error:  # nothing can be mapped
            raise InputError(f"{path} is empty; remove it, and the records are scanned") from error
        except OSError as error:
            raise InputError(f"{path} cannot be read ({error.strerror})") from error
        self._following: dict[int, int] = {1: 0}  # where numbers looked up next should stand

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """Yield number and offset of each line, in the file's order.

        Raises
        ------
        DataError
            At the first line that is not two numbers; names it.
        """
        at, size = 0, len(self._text)
        while at < size:
            number, offset, at = self._line(at)
            yield number, offset

    def __len__(self) -> int:
        """Return how many lines it has."""
        size, block = len(self._text), 1 << 20
        ends = sum(self._text[at : at + block].count(b"\n") for at in range(0, size, block))
        return ends + (self._text[size - 1] != ord("\n"))

    @cached_property
    def last(self) -> tuple[int, int]:
        """Number and offset of the last line."""
        start = self._line_start(len(self._text) - 1)
        number, offset, _ = self._line(start)
        return number, offset

    def find(self, number: int) -> int | None:
        """Return the offset of a record, or None where no line has its number."""
        start = self._following.pop(number, None)
        if start is not None and start < len(self._text):
            found, offset, after = self._line(start)
            if found == number:
                return self._found(number, offset, after)
        low, high, first, last, step = 0, len(self._text), 0, self.last[0], 0
        while low < high:
            guess = (low + high) // 2
            if step % 3 != 2 and first < last:  # lines are about as long: guess by proportion
                share = min(max(number - first, 0), last - first) / (last - first)
                guess = min(high - 1, low + int((high - low) * share))
            step += 1
            start = self._line_start(guess)
            found, offset, after = self._line(start)
            if found == number:
                return self._found(number, offset, after)
            if found == 0 and number > 0 and start > 0:  # the list of identities, put anywhere
                if after >= high:
                    high = start
                    continue
                found, offset, after = self._line(after)
                if found == number:
                    return self._found(number, offset, after)
            if found < number:
                low, first = after, found
            else:
                high, last = start, found
        return self._find_loaded(number)

    def _found(self, number: int, offset: int, after: int) -> int:
        """Note where the following number is to be expected; return the offset."""
        if len(self._following) >= _READERS:
            self._following.pop(next(iter(self._following)))
        self._following[number + 1] = after
        return offset

    def _find_loaded(self, number: int) -> int | None:
        numbers, offsets = self._loaded
        place = int(np.searchsorted(numbers, number))
        if place == len(numbers) or numbers[place] != number:
            return None
        return int(offsets[place])

    @cached_property
    def _loaded(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Numbers and offsets of all lines, by rising number: for an index in no order."""
        pairs = np.fromiter((value for line in self for value in line), np.int64).reshape(-1, 2)
        order = np.argsort(pairs[:, 0], kind="stable")
        return pairs[order, 0], pairs[order, 1]

    def _line_start(self, at: int) -> int:
        return self._text.rfind(b"\n", max(0, at - _LONGEST_LINE), at) + 1 or self._far_start(at)

    def _far_start(self, at: int) -> int:
        if at > _LONGEST_LINE:
            raise DataError(f"{self.path}: no line ends near byte {at}; it is no index")
        return 0

    def _line(self, start: int) -> tuple[int, int, int]:
        """Return number, offset and where the next line begins."""
        end = self._text.find(b"\n", start, start + _LONGEST_LINE)
        if end < 0:
            end = min(len(self._text), start + _LONGEST_LINE)
        line = self._text[start:end]
        try:
            number, offset = map(int, line.split())
            if number < 0 or offset < 0 or max(number, offset) >= 1 << 62:
                raise ValueError
        except ValueError as error:
            shown = line[:40].decode("ascii", "replace")
            raise DataError(
                f"{self.path}: at byte {start}: {shown!r} is not a number and an offset; remove "
                "the file, and the records are scanned"
            ) from error
        return number, offset, end + 1


def scanned_index(file: RecordFile, lost: list[tuple[int, str]] | None = None) -> RecordIndex:
    """Return the index of a file that came without one, made by a scan and kept in the cache.

    Parameters
    ----------
    file : RecordFile
    lost : list of (int, str), optional
        Where given, damaged records are passed over and named here.

    Raises
    ------
    DataError
        At the first damaged record, where `lost` is not given.

    Notes
    -----
    Kept in ``$XDG_CACHE_HOME/occgen`` (``~/.cache/occgen``), else in the temporary folder, under a
    name made of the file's path, size and time, so that other processes need not scan again.
    Records go by the number in their header, and by their place where numbers repeat. An index made
    over damage has a mark in its name and the damage beside it.
    """
    for folder in _cache_folders():
        whole = folder / f"{_cache_name(file.path)}.idx"
        mended = whole.with_suffix(".skip.idx")
        for path in [whole] if lost is None else [whole, mended]:
            if path.is_file() and path.stat().st_size and path.stat().st_uid == os.getuid():
                if path == mended and lost is not None:
                    lost += _read_lost(mended)
                return RecordIndex(path)
    found: list[tuple[int, str]] = []
    lines = _scan(file, None if lost is None else found)
    for folder in _cache_folders():
        path = folder / f"{_cache_name(file.path)}{'.skip' * bool(found)}.idx"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if found:
                _replace(_lost_path(path), "".join(f"{at}\t{why}\n" for at, why in found).encode())
            _replace(path, lines)
        except OSError:
            continue
        if lost is not None:
            lost += found
        return RecordIndex(path)
    raise InputError(f"{file.path} has no index, and none can be kept: set XDG_CACHE_HOME")


def _scan(file: RecordFile, lost: list[tuple[int, str]] | None) -> bytes:
    numbers = np.zeros(1024, np.int64)
    offsets = np.zeros(1024, np.int64)
    count = 0
    for head in file.scan(lost):
        try:
            number = unpack_record(head.start).number
        except DataError as error:
            if "labels" in str(error) and len(head.start) < head.length:
                number = int.from_bytes(head.start[8:16], "little")  # more labels than were read
            elif lost is None:
                raise DataError(f"{file.path}: record at byte {head.offset} {error}") from error
            else:
                lost.append((head.offset, str(error)))
                continue
        if count == len(numbers):
            numbers, offsets = (np.resize(table, 2 * count) for table in (numbers, offsets))
        numbers[count], offsets[count] = min(number, (1 << 62) - 1), head.offset
        count += 1
    if not count:
        raise InputError(f"{file.path} holds no records")
    numbers, offsets = numbers[:count], offsets[:count]
    if len(np.unique(numbers)) != count:
        numbers = np.arange(count)
    order = np.argsort(numbers, kind="stable")
    lines = bytearray()
    for first in range(0, count, _LINES_A_BLOCK):
        places = order[first : first + _LINES_A_BLOCK]
        pairs = zip(numbers[places].tolist(), offsets[places].tolist(), strict=True)
        lines += "".join(f"{number}\t{offset}\n" for number, offset in pairs).encode()
    return bytes(lines)


def _cache_folders() -> list[Path]:
    base = os.environ.get("XDG_CACHE_HOME")
    home = Path(base) if base else Path(os.environ.get("HOME", "/nonexistent")) / ".cache"
    return [home / "occgen", Path(tempfile.gettempdir()) / f"occgen-{os.getuid()}"]


def _cache_name(path: Path) -> str:
    status = path.stat()
    name = f"{path.resolve()}|{status.st_size}|{status.st_mtime_ns}"
    return f"rec-{hashlib.sha256(name.encode('utf-8', 'surrogateescape')).hexdigest()[:24]}"


def _lost_path(index: Path) -> Path:
    return index.with_suffix(".lost")


def _read_lost(index: Path) -> list[tuple[int, str]]:
    lines = _lost_path(index).read_text("utf-8").splitlines()
    pairs = (line.partition("\t") for line in lines)
    return [(int(offset), reason) for offset, _, reason in pairs]


def _replace(path: Path, data: bytes) -> None:
    temporary = temporary_beside(path)
    try:
        temporary.write_bytes(data)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
