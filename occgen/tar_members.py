"""Members of tar files: written without times and owners, read without ever being unpacked."""

import io
import tarfile
from collections.abc import Iterator
from typing import IO

from .errors import DataError

__all__ = ["check_member_name", "list_members", "read_members", "tar_member"]

_BLOCK = tarfile.BLOCKSIZE
_LONGEST_NAME = 100
_MAX_MEMBER = 1 << 30
_MAX_EXTRA = 1 << 16  # of what stands before a member about its name
_MAX_NAME = 4096  # bytes, as a path may have
_MAX_DIGITS = 18


def tar_member(name: str, data: bytes) -> bytes:
    """Return a member of a tar file: its head, its data, and padding.

    Parameters
    ----------
    name : str
        Of ASCII, at most 100 characters.
    data : bytes
    """
    encoded = name.encode("ascii")
    if len(encoded) > _LONGEST_NAME:
        raise ValueError(f"{name} is longer than {_LONGEST_NAME} characters")
    head = bytearray(_BLOCK)
    head[: len(encoded)] = encoded
    head[100:156] = b"0000644\0000000000\0000000000\0%011o\00000000000000\0        " % len(data)
    head[156:265] = b"0" + bytes(100) + b"ustar\00000"
    head[148:156] = b"%06o\0 " % sum(head)
    return b"".join((head, data, bytes(-len(data) % _BLOCK)))


def read_members(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield name and bytes of each file in a tar; folders are passed over, links refused.

    Raises
    ------
    DataError
        When it is damaged or has no end, when a member is no plain file, or its name leads out of a
        folder; the message is the reason alone, with the offset.
    """
    for name, at, size in list_members(io.BytesIO(data)):
        yield name, data[at : at + size]


def list_members(file: IO[bytes]) -> Iterator[tuple[str, int, int]]:
    """Yield name, offset of the data and size of each file in an open tar, as `read_members` does.

    Notes
    -----
    The standard library takes a damaged head for the end of the file; here it is an error.
    """
    at, extra = 0, _Extra()
    while True:
        file.seek(at)
        head = file.read(_BLOCK)
        if head == bytes(_BLOCK):
            return
        try:
            name, kind, size = _parse_head(head)
        except ValueError as error:
            found = "ends without an end mark" if not head else f"has a damaged head ({error})"
            raise DataError(f"at byte {at} {found}; it was cut short or changed") from error
        start, size = at + _BLOCK, size if extra.size is None else extra.size
        if size > _MAX_MEMBER:
            raise DataError(f"at byte {at} holds {name!r} of {size} bytes")
        at = start + size + -size % _BLOCK
        if kind in _NAMES_BEFORE:
            if size > _MAX_EXTRA and kind != tarfile.XGLTYPE:
                raise DataError(f"at byte {start} names a file with {size} bytes; it is refused")
            if kind == tarfile.XGLTYPE:  # of all that follow: times, owners
                continue
            body = file.read(size)
            if len(body) != size:
                raise DataError(f"ends inside a name at byte {start}")
            extra.take(kind, body)
            continue
        name = name if extra.name is None else extra.name
        extra = _Extra()
        check_member_name(name)
        if kind == tarfile.DIRTYPE or (kind == tarfile.AREGTYPE and name.endswith("/")):
            continue
        if kind not in (tarfile.REGTYPE, tarfile.AREGTYPE):
            raise DataError(f"holds {name!r}, a link or device; it is refused")
        file.seek(max(start + size - 1, start))
        if size and not file.read(1):
            raise DataError(f"ends inside {name!r} at byte {start}: it was cut short")
        yield name, start, size


def _parse_head(head: bytes) -> tuple[str, bytes, int]:
    """Return name, kind and size of a member; ValueError where the head is damaged."""
    if len(head) != _BLOCK:
        raise ValueError("too short")
    said = int(head[148:156].strip(b" \0") or b"-1", 8)
    if said != sum(head) - sum(head[148:156]) + 8 * 0x20:
        raise ValueError("bad checksum")
    if head[124] == 0x80:  # GNU's form of large numbers
        size = int.from_bytes(head[125:136], "big")
    else:
        size = int(head[124:136].strip(b" \0") or b"0", 8)
    name = head[:100].partition(b"\0")[0]
    if head[257:263] == b"ustar\0" and head[345]:
        name = head[345:500].partition(b"\0")[0] + b"/" + name
    if size < 0:
        raise ValueError("negative size")
    return name.decode("utf-8", "surrogateescape"), head[156:157], size


_NAMES_BEFORE = (tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE, tarfile.XGLTYPE)


class _Extra:
    """What stands before a member about its name and size."""

    name: str | None = None
    size: int | None = None

    def take(self, kind: bytes, body: bytes) -> None:
        """Note a long name, or the records of an extended head."""
        if kind == tarfile.GNUTYPE_LONGNAME:
            self.name = body.rstrip(b"\0").decode("utf-8", "surrogateescape")
        elif kind == tarfile.XHDTYPE:
            at = 0
            while at < len(body) and body[at]:
                length = body[at : max(at, body.find(b" ", at, at + _MAX_DIGITS))]
                if not length.isdigit() or not len(length) < int(length) <= len(body) - at:
                    raise DataError("has a damaged extended head; it was changed")
                record = body[at + len(length) + 1 : at + int(length) - 1]
                key, _, value = record.partition(b"=")
                if key == b"path":
                    self.name = value.decode("utf-8", "surrogateescape")
                elif key == b"size":
                    if not value.isdigit() or len(value) > _MAX_DIGITS:
                        raise DataError("has a damaged extended head; it was changed")
                    self.size = int(value)
                elif key.startswith(b"GNU.sparse"):
                    raise DataError("holds a sparse file; it is refused")
                at += int(length)


def check_member_name(name: str) -> None:
    """Raise DataError where a name is absolute or leads out of the folder it is put in."""
    if len(name.encode("utf-8", "surrogatepass")) > _MAX_NAME:
        raise DataError(f"holds a name of more than {_MAX_NAME} bytes; it is refused")
    parts = name.replace("\\", "/").split("/")
    if name.startswith(("/", "\\")) or ".." in parts or "\0" in name or ":" in parts[0]:
        raise DataError(f"holds {name!r}, a name that leads out of a folder; it is refused")
