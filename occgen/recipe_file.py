"""The recipe file: a line of text, a line of JSON, then packed columns, one block a shard.

    occgen recipe 2 SHA256     of everything after this line, in hexadecimal
    {"name": ..., ...}         what the set is, and the length of each block
    block block ...            each compressed by zlib

A block holds the columns of one shard: source keys, runs of one identity, the first 8 bytes of the
SHA-256 of each source picture, what was left out and why, and for each face its box and occluders.
So a worker reads its own block and no more, and nothing in a file is ever run as code.
"""

import hashlib
import json
import math
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .errors import DataError, InputError

__all__ = ["CHECKSUM_BYTES", "Block", "Recipe", "checksum", "pack_block", "recipe_bytes"]

CHECKSUM_BYTES = 8

_MAGIC = b"occgen recipe "
_SCHEMA = 2  # 1 was of sets whose masks were compressed by zlib
_FIRST_LINE = len(_MAGIC) + 2 + 64 + 1
_LONGEST_HEADER = 1 << 28
_MOST_EXPANSION = 1100  # zlib's own limit is 1032
_LONGEST_BLOCK = 1 << 27  # bytes of one shard's columns
_DAMAGE = (
    *(ValueError, TypeError, KeyError, IndexError, RecursionError, OverflowError),
    *(zlib.error, struct.error),
)
_TYPES = ("|u1", "<u2", "<u4", "<i2")


class Block(NamedTuple):
    """The pictures of one shard and what was made of them."""

    keys: tuple[str, ...]
    """Source keys in order, those left out as well."""
    runs: tuple[tuple[str, int], ...]
    """Name of the identity, and how many keys in a row are of it."""
    checksums: NDArray[np.uint8]
    """(len(keys), 8); zeros where a picture was left out."""
    skipped: dict[str, str]
    """Key and reason of each picture left out."""
    boxes: NDArray[np.int16]
    """(faces, 4), half-open pixels; zeros where clean."""
    paste_counts: NDArray[np.uint16]
    """(faces,), occluders on each face."""
    occluders: tuple[str, ...]
    """Name of each occluder pasted, face by face."""


class Recipe:
    """A recipe file, checked whole; blocks are read when asked for.

    Parameters
    ----------
    path : Path

    Attributes
    ----------
    path : Path
    header : dict
        Name, configuration, occluders, source, versions and digest of the set.
    height, width : int
        Of the set's pictures, in pixels.
    pictures : int
        Of the source, those left out as well.

    Raises
    ------
    InputError
        When there is no such file, or it is no recipe.
    DataError
        When it is of another version, or damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with open(path, "rb") as file:
                first = file.readline(_FIRST_LINE)
                digest = self._declared(first)
                if hashlib.file_digest(file, "sha256").hexdigest() != digest:
                    raise DataError(
                        f"{path} is damaged: its checksum does not match; get the file again"
                    )
                file.seek(len(first))
                line = file.readline(_LONGEST_HEADER)
                self._start, self.sha256 = file.tell(), digest
                self._end = file.seek(0, 2)
        except FileNotFoundError as error:
            raise InputError(f"{path} does not exist; name a file of --recipe-only") from error
        except OSError as error:
            raise InputError(f"{path} cannot be read ({error.strerror})") from error
        try:
            self.header: dict[str, Any] = json.loads(line)
            self.height, self.width = int(self.header["height"]), int(self.header["width"])
            self.pictures = int(self.header["source"]["pictures"])
            self._sizes = [(int(size), int(raw)) for size, raw in self.header["blocks"]]
            if self.pictures < 0:
                raise ValueError(f"{self.pictures} pictures")
        except (KeyError, TypeError, ValueError, RecursionError, OverflowError) as error:
            raise DataError(f"{path} is damaged: its header cannot be read ({error})") from error
        total = self._start + sum(size for size, _ in self._sizes)
        if total != self._end or any(
            size < 0 or not 0 <= raw <= min(_MOST_EXPANSION * size, _LONGEST_BLOCK)
            for size, raw in self._sizes
        ):
            raise DataError(f"{path} is damaged: its blocks do not fill it")

    def _declared(self, first: bytes) -> str:
        words = first.split()
        if not first.startswith(_MAGIC) or len(words) != 4:
            raise InputError(f"{self.path} is no recipe of occgen; --recipe-only writes one")
        if words[2] != str(_SCHEMA).encode():
            found = words[2].decode("ascii", "replace")
            raise DataError(
                f"{self.path} is a recipe of version {found}, this occgen reads {_SCHEMA}; "
                "write it again with --recipe-only, or use the version that wrote it"
            )
        return words[3].decode("ascii", "replace")

    def __len__(self) -> int:
        return len(self._sizes)

    def block(self, index: int) -> Block:
        """Return one block.

        Raises
        ------
        DataError
            When there is none of that number, or it is damaged.
        """
        if not 0 <= index < len(self._sizes):
            raise DataError(f"{self.path} has no block {index}: it holds {len(self._sizes)}")
        start = self._start + sum(size for size, _ in self._sizes[:index])
        try:
            with open(self.path, "rb") as file:
                file.seek(start)
                data = file.read(self._sizes[index][0])
        except OSError as error:
            raise DataError(f"{self.path} cannot be read ({error.strerror})") from error
        try:
            return _unpack_block(data, self._sizes[index][1])
        except _DAMAGE as error:
            raise DataError(f"{self.path} is damaged: block {index} ({error})") from error

    def blocks(self) -> Iterator[Block]:
        """Yield the blocks in order."""
        for index in range(len(self)):
            yield self.block(index)


def checksum(data: bytes) -> bytes:
    """Return the first 8 bytes of the SHA-256 of a picture's bytes."""
    return hashlib.sha256(data).digest()[:CHECKSUM_BYTES]


def recipe_bytes(header: Mapping[str, Any], blocks: Sequence[tuple[bytes, int]]) -> bytes:
    """Return a whole recipe file.

    Parameters
    ----------
    header : mapping
        Plain JSON values.
    blocks : sequence of (bytes, int)
        Of `pack_block`, in shard order.
    """
    record = dict(header) | {"blocks": [[len(data), raw] for data, raw in blocks]}
    line = json.dumps(record, sort_keys=True, separators=(",", ":")).encode("ascii")
    body = b"".join([line, b"\n", *(data for data, _ in blocks)])
    digest = hashlib.sha256(body).hexdigest()
    return _MAGIC + f"{_SCHEMA} {digest}\n".encode() + body


def pack_block(block: Block) -> tuple[bytes, int]:
    """Return a block compressed, and its length before.

    Raises
    ------
    DataError
        When a key or a name holds a NUL, which no file name does.
    """
    table = sorted(set(block.occluders))
    numbers = {name: number for number, name in enumerate(table)}
    places = {key: place for place, key in enumerate(block.keys)}
    columns: dict[str, NDArray[Any]] = {
        "key": _pack_texts(block.keys),
        "identity": _pack_texts([name for name, _ in block.runs]),
        "identity/count": np.array([count for _, count in block.runs], "<u4"),
        "sha256": block.checksums.astype("|u1"),
        "skipped": np.array([places[key] for key in block.skipped], "<u4"),
        "skipped/reason": _pack_texts(list(block.skipped.values())),
        "box": np.ascontiguousarray(block.boxes.astype("<i2").T),  # like next to like packs best
        "paste/count": block.paste_counts.astype("<u2"),
        "paste/occluder": np.array([numbers[name] for name in block.occluders], "<u2"),
        "occluder": _pack_texts(table),
    }
    listed = [[name, column.dtype.str, list(column.shape)] for name, column in columns.items()]
    head = json.dumps(listed, separators=(",", ":")).encode()
    raw = b"".join([struct.pack("<I", len(head)), head, *(c.tobytes() for c in columns.values())])
    return zlib.compress(raw, 9), len(raw)


def _unpack_block(data: bytes, size: int) -> Block:
    unpacker = zlib.decompressobj()
    raw = unpacker.decompress(data, size + 1)
    if len(raw) != size or not unpacker.eof or unpacker.unused_data:
        raise ValueError("its length is not the one named")
    (length,) = struct.unpack_from("<I", raw)
    columns: dict[str, NDArray[Any]] = {}
    place = 4 + length
    for name, kind, shape in json.loads(raw[4:place]):
        if kind not in _TYPES or any(side < 0 for side in shape):
            raise ValueError(f"column {name} has type {kind}, shape {shape}")
        count = math.prod(shape)
        columns[name] = np.frombuffer(raw, kind, count, place).reshape(shape)
        place += columns[name].nbytes
    keys = tuple(_unpack_texts(columns["key"]))
    names, counts = _unpack_texts(columns["identity"]), columns["identity/count"].tolist()
    reasons, table = _unpack_texts(columns["skipped/reason"]), _unpack_texts(columns["occluder"])
    left_out = [keys[place] for place in columns["skipped"].tolist()]
    block = Block(
        keys=keys,
        runs=tuple(zip(names, counts, strict=True)),
        checksums=columns["sha256"],
        skipped=dict(zip(left_out, reasons, strict=True)),
        boxes=columns["box"].T.astype(np.int16),
        paste_counts=columns["paste/count"],
        occluders=tuple(table[number] for number in columns["paste/occluder"].tolist()),
    )
    _check(block)
    return block


def _check(block: Block) -> None:
    faces = len(block.paste_counts)
    if (
        len(set(block.keys)) != len(block.keys)
        or sum(count for _, count in block.runs) != len(block.keys)
        or block.checksums.shape != (len(block.keys), CHECKSUM_BYTES)
        or block.boxes.shape != (faces, 4)
        or int(block.paste_counts.sum(dtype=np.int64)) != len(block.occluders)
    ):
        raise ValueError("its columns do not go together")
    for key in block.keys:
        if key.startswith("/") or ".." in key.split("/"):
            raise ValueError(f"key {key!r} leads out of the source's folder")


def _pack_texts(texts: Sequence[str]) -> NDArray[np.uint8]:
    encoded = [text.encode("utf-8", "surrogateescape") for text in texts]
    for text in encoded:
        if b"\0" in text:
            raise DataError(f"{text!r} holds a NUL, which a recipe cannot name; rename it")
    return np.frombuffer(b"".join(text + b"\0" for text in encoded), np.uint8)


def _unpack_texts(column: NDArray[Any]) -> list[str]:
    parts = column.tobytes().split(b"\0")
    if parts.pop():
        raise ValueError("a text has no end")
    return [part.decode("utf-8", "surrogateescape") for part in parts]
