"""RecordIO files, as MXNet and InsightFace write them, without MXNet: framing, headers, scan.

A record is a magic word, a word of three flag bits and 29 of length, and the data, padded to four
bytes. Data that hold the magic word on a multiple of four bytes are cut there: the flag says
whether a piece is the whole (0), the first (1), one between (2) or the last (3), and the word is
put back between pieces. So a magic word on a multiple of four bytes is always a record's head.
"""

import os
import struct
import sys
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from .errors import DataError, InputError

__all__ = [
    "Head",
    "Record",
    "RecordFile",
    "frame_record",
    "pack_record",
    "unpack_record",
]

_MAGIC = struct.pack("<I", 0xCED7230A)
_WORDS = struct.Struct("<II")
_HEADER = struct.Struct("<IfQQ")  # flag or number of labels, label, id, id2
_LONGEST = (1 << 29) - 1
_MAX_LABELS = 4096
_FIRST_READ = 1 << 14  # most crops come with the first read
_LOOK = 1 << 20  # bytes looked through at a time for the next head
_WHOLE, _FIRST, _MIDDLE, _LAST = range(4)


class Record(NamedTuple):
    """A record's header and picture."""

    labels: tuple[float, ...]
    """One or more; the first is the identity's number."""
    number: int
    """The header's id."""
    second: int
    """The header's id2."""
    data: bytes
    """Encoded picture; empty in records that list identities."""
    has_list: bool = False
    """Whether the labels came as a list, however many."""


class Head(NamedTuple):
    """Where a record stands, and how it begins."""

    offset: int
    """Of its first byte in the file."""
    start: bytes
    """The first bytes of its data: the header and the first labels."""
    length: int
    """Of its data in bytes."""
    end: int
    """Of its last byte in the file, and one."""


def frame_record(data: bytes) -> bytes:
    """Return data as a record: cut at magic words, with heads and padding.

    Raises
    ------
    InputError
        When they are longer than a record can be: 512 MB.
    """
    if len(data) > _LONGEST:
        raise InputError(f"a record holds at most {_LONGEST} bytes, got {len(data)}")
    if _MAGIC not in data:
        return b"".join((_MAGIC, _words(_WHOLE, len(data)), data, bytes(-len(data) % 4)))
    parts, start, found = [], 0, data.find(_MAGIC)
    while found >= 0:
        if found % 4:
            found = data.find(_MAGIC, found + 1)
            continue
        flag = _MIDDLE if start else _FIRST
        parts += [_MAGIC, _words(flag, found - start), data[start:found]]
        start = found + 4
        found = data.find(_MAGIC, start)
    flag = _LAST if start else _WHOLE
    parts += [_MAGIC, _words(flag, len(data) - start), data[start:], bytes(-len(data) % 4)]
    return b"".join(parts)


def _words(flag: int, length: int) -> bytes:
    return struct.pack("<I", flag << 29 | length)


def pack_record(
    labels: Sequence[float] | float, number: int, data: bytes = b"", second: int = 0
) -> bytes:
    """Return a record's data: header, labels, picture.

    Parameters
    ----------
    labels : float or sequence of float
        A number goes into the header, a sequence behind it with its length as the flag.
    number : int
        The header's id.
    data : bytes, optional
        Encoded picture.
    second : int, optional
        The header's id2.
    """
    if isinstance(labels, (int, float)):
        return _HEADER.pack(0, labels, number, second) + data
    listed = array("f", labels)
    if sys.byteorder == "big":
        listed.byteswap()
    return _HEADER.pack(len(labels), 0.0, number, second) + listed.tobytes() + data


def unpack_record(data: bytes) -> Record:
    """Return what `pack_record` packed; also of a record's first bytes, then without the picture.

    Raises
    ------
    DataError
        When there is no whole header.
    """
    if len(data) < _HEADER.size:
        raise DataError(f"has {len(data)} bytes, a header takes {_HEADER.size}")
    count, label, number, second = _HEADER.unpack_from(data)
    if not count:
        return Record((label,), number, second, data[_HEADER.size :])
    end = _HEADER.size + 4 * count
    if count > _MAX_LABELS or end > len(data):
        raise DataError(f"claims {count} labels in {len(data)} bytes")
    labels = struct.unpack_from(f"<{count}f", data, _HEADER.size)
    return Record(labels, number, second, data[end:], True)


class RecordFile:
    """A ``.rec`` file, read by offset or from its first record to its last.

    Parameters
    ----------
    path : Path

    Raises
    ------
    InputError
        When it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise InputError(f"{path} cannot be read ({error.strerror})") from error
        self.size = os.fstat(self._handle).st_size

    def __enter__(self) -> "RecordFile":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; done again it changes nothing."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def __del__(self) -> None:
        if getattr(self, "_handle", -1) >= 0:
            self.close()

    def read(self, offset: int) -> bytes:
        """Return the data of the record at an offset.

        Raises
        ------
        DataError
            When no whole record stands there; the message is the reason alone, with the offset.
        """
        return self.read_on(offset)[0]

    def read_on(self, offset: int) -> tuple[bytes, int]:
        """Return the data of the record at an offset, and where the next one begins.

        Raises
        ------
        DataError
            As `read` does.
        """
        chunk = self._pread(offset, _FIRST_READ)
        flag, length = self._head(offset, chunk)
        if flag != _WHOLE:
            return self._pieces(offset, flag)
        data = chunk[8 : 8 + length]
        if len(data) < length:
            data += self._pread(offset + 8 + len(data), length - len(data))
        return data, offset + 8 + length + -length % 4

    def head(self, offset: int, wanted: int = 64) -> Head:
        """Return where a record ends and how it begins, without reading it whole.

        Raises
        ------
        DataError
            When no whole record stands there; the message is the reason alone, with the offset.
        """
        chunk = self._pread(offset, 8 + wanted)
        flag, length = self._head(offset, chunk)
        end = offset + 8 + length + -length % 4
        if flag == _WHOLE:
            return Head(offset, chunk[8 : 8 + min(length, wanted)], length, end)
        data, end = self._pieces(offset, flag)
        return Head(offset, data[:wanted], len(data), end)

    def scan(self, lost: list[tuple[int, str]] | None = None) -> Iterator[Head]:
        """Yield the head of every record in the file's order.

        Parameters
        ----------
        lost : list of (int, str), optional
            Where given, damage does not end the scan: its offset and the reason are added here, and
            the scan goes on with the next record that stands.

        Raises
        ------
        DataError
            At the first damage, where `lost` is not given; names the record and the offset.
        """
        offset = number = 0
        while offset < self.size:
            try:
                head = self.head(offset)
            except DataError as error:
                if lost is None:
                    raise DataError(
                        f"{self.path}: record {number} (counted from 0) {error}; "
                        "--on-error skip reads the others"
                    ) from error
                lost.append((offset, str(error)))
                offset = self._next_head(offset + 4)
                continue
            yield head
            offset, number = head.end, number + 1

    def _pread(self, offset: int, count: int) -> bytes:
        try:
            return os.pread(self._handle, count, offset)
        except OSError as error:
            raise DataError(f"at byte {offset} cannot be read ({error.strerror})") from error

    def _head(self, offset: int, chunk: bytes) -> tuple[int, int]:
        """Return flag and length of the piece at an offset, checked to lie inside the file."""
        if offset % 4 or chunk[:4] != _MAGIC:
            if len(chunk) < 4:
                raise DataError(f"at byte {offset} lies beyond the {self.size} bytes of the file")
            raise DataError(f"at byte {offset} does not begin with the magic word")
        if len(chunk) < 8:
            raise DataError(f"at byte {offset} is cut off by the end of the file")
        word = int.from_bytes(chunk[4:8], "little")
        flag, length = word >> 29, word & _LONGEST
        if flag > _LAST:
            raise DataError(f"at byte {offset} has the unknown flag {flag}")
        if offset + 8 + length > self.size:
            raise DataError(
                f"at byte {offset} is cut off: {length} bytes, the file ends after "
                f"{max(0, self.size - offset - 8)}"
            )
        return flag, length

    def _pieces(self, offset: int, flag: int) -> tuple[bytes, int]:
        """Return the data of a record in pieces, and where it ends."""
        if flag != _FIRST:
            raise DataError(f"at byte {offset} is a later piece of another record")
        parts: list[bytes] = []
        at, total = offset, 0
        while True:
            found, length = self._head(at, self._pread(at, 8))
            if parts and found not in (_MIDDLE, _LAST):
                raise DataError(f"at byte {offset} is in pieces, and the last one is missing")
            parts.append(self._pread(at + 8, length))
            at += 8 + length + -length % 4
            total += length + 4
            if total > _LONGEST:
                raise DataError(f"at byte {offset} is longer than a record can be")
            if found == _LAST:
                return _MAGIC.join(parts), at

    def _next_head(self, offset: int) -> int:
        """Return where the next record may begin: at a whole or first piece."""
        at = offset
        while at < self.size:
            block = self._pread(at, _LOOK + 8)
            found = block.find(_MAGIC)
            while 0 <= found < _LOOK:
                if (at + found) % 4 == 0 and found + 8 <= len(block):
                    flag = block[found + 7] >> 5
                    if flag in (_WHOLE, _FIRST):
                        return at + found
                found = block.find(_MAGIC, found + 1)
            at += _LOOK
        return self.size
