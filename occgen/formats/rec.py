"""InsightFace training sets: one ``train.rec`` with ``train.idx``, ``train.lst`` and ``property``.

While a set is made, each shard's pictures stand in ``parts/`` back to back; when all are there they
are put into one file, numbered from 1, behind record 0, which says where the identities are listed.
"""

import itertools
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from ..atomic import cannot_be_written, install_bytes
from ..columns import Columns
from ..errors import DataError, ShardError
from ..recordio import RecordFile, frame_record, pack_record, unpack_record
from .hdf5 import open_hdf5, read_attributes, read_columns
from .parts import PartsFormat, part_name

__all__ = ["RecFormat"]

_REC, _IDX, _LST, _PROPERTY = "train.rec", "train.idx", "train.lst", "property"
_WHERE = "parts/records.json"  # offset in train.rec of each shard's first picture
_HEAD_BYTES = 8 + 24 + 8  # of record 0: words, header, two labels
_BUFFER = 1 << 20
_WANTED = ["key", "identity", "image/offset"]


class RecFormat(PartsFormat):
    """``train.rec``, ``train.idx``, ``train.lst``, ``property``, and columns in ``parts/``."""

    files = (r"train\.(rec|idx|lst)", _PROPERTY)
    finished = (_REC, _IDX, _LST, _PROPERTY, _WHERE)

    def pictures_name(self, index: int) -> str:
        """Return the name of the file of a shard's pictures, until all are in one."""
        return f"parts/shard-{index:05d}.pictures"

    def pack(self, index: int, columns: Columns, attributes: Mapping[str, Any]) -> bytes:
        """Return the pictures back to back, as the part's offsets cut them."""
        return columns["image/data"].tobytes()

    def unpack(self, path: Path, data: bytes, columns: Columns) -> list[bytes]:
        """Return the pictures."""
        offsets = columns["image/offset"].tolist()
        return [data[a:b] for a, b in itertools.pairwise(offsets)]

    def has_pictures(self, out: Path, index: int) -> bool:
        """Whether the pictures of a shard stand, alone or in the one file."""
        return super().has_pictures(out, index) or index < len(_offsets(out))

    def read_pictures(self, out: Path, index: int, columns: Columns, sha256: str) -> list[bytes]:
        """Return the pictures of a shard, from their own file or from the one file."""
        if super().has_pictures(out, index):
            return super().read_pictures(out, index, columns, sha256)
        offsets = _offsets(out)
        if index >= len(offsets):
            raise ShardError(f"{out / _REC} does not hold the pictures of {part_name(index)}")
        return list(_records(out / _REC, offsets[index], len(columns["key"])))

    def finish(self, out: Path, scratch: Path, count: int) -> list[str]:
        """Put all pictures into one file; return the names of all that was written."""
        left = [out / self.pictures_name(index) for index in range(count)]
        alone = [path for path in left if path.is_file()]
        stand = all((out / name).is_file() for name in self.finished)
        if alone or not stand or len(_offsets(out)) != count:
            self._merge(out, scratch, count)
            for path in alone:
                path.unlink()
        return list(self.finished)

    def discard(self, out: Path, name: str) -> None:
        """Remove a broken file; of the one file and its offsets, the list instead.

        Those hold the pictures of whole shards, each with its checksum, and are written anew where
        the list is missing.
        """
        (out / (_LST if name in (_REC, _WHERE) else name)).unlink(missing_ok=True)

    def _merge(self, out: Path, scratch: Path, count: int) -> None:
        temporary = {name: scratch / f"merged-{name}" for name in (_REC, _IDX, _LST)}
        try:
            with (
                open(temporary[_REC], "wb", _BUFFER) as records,
                open(temporary[_IDX], "wb", _BUFFER) as index,
                open(temporary[_LST], "wb", _BUFFER) as names,
            ):
                merged = _Merged(records, index, names)
                for shard in range(count):
                    self._add_shard(out, shard, merged)
                merged.finish()
                for file in (records, index, names):
                    file.flush()
                    os.fsync(file.fileno())
            with open_hdf5(out / part_name(0)) as part:
                attributes = read_attributes(part)
            if not _are_offsets(out, merged.firsts):
                (out / _WHERE).unlink(missing_ok=True)  # it is of the file that goes now
            for name, path in temporary.items():
                os.replace(path, out / name)
        except OSError as error:
            raise cannot_be_written(out / _REC, error) from error
        size = f"{attributes['height']},{attributes['width']}"
        install_bytes(out / _PROPERTY, f"{merged.classes},{size}\n".encode(), scratch)
        install_bytes(out / _WHERE, json.dumps(merged.firsts).encode(), scratch)

    def _add_shard(self, out: Path, shard: int, merged: "_Merged") -> None:
        with open_hdf5(out / part_name(shard)) as file:
            columns, attributes = read_columns(file, _WANTED), read_attributes(file)
        sha256 = str(attributes["pictures_sha256"])
        images = self.read_pictures(out, shard, columns, sha256)
        merged.begin_shard()
        keys, identities = columns["key"].tolist(), columns["identity"].tolist()
        for key, identity, image in zip(keys, identities, images, strict=True):
            merged.add(key.decode(), identity, image)


class _Merged:
    """Writes records, index and list as pictures come."""

    def __init__(self, records: BinaryIO, index: BinaryIO, names: BinaryIO) -> None:
        self._records, self._index, self._names = records, index, names
        self._at, self._number, self._label = _HEAD_BYTES, 0, -2
        self._runs: list[_Run] = []
        self.firsts: list[int] = []
        self.classes = 0
        self._records.write(bytes(_HEAD_BYTES))  # record 0 comes last
        self._index.write(b"0\t0\n")

    def begin_shard(self) -> None:
        """Note where the next shard's first record stands."""
        self.firsts.append(self._at)

    def add(self, key: str, label: int, image: bytes) -> None:
        """Write one picture."""
        self._number += 1
        self._write(pack_record(float(label), self._number, image))
        shown = key.replace("\t", " ").replace("\n", " ")
        self._names.write(f"1\t{shown}\t{label}\n".encode())
        if label != self._label:
            self._runs.append(_Run(self._number, self._number))
            self._label = label
        self._runs[-1] = _Run(self._runs[-1].first, self._number + 1)
        self.classes = max(self.classes, label + 1)

    def finish(self) -> None:
        """Write the list of identities, and record 0, which says where it is."""
        first = self._number + 1
        for run in self._runs:
            self._number += 1
            self._write(pack_record([float(run.first), float(run.end)], self._number))
        head = frame_record(pack_record([float(first), float(self._number + 1)], 0))
        self._records.seek(0)
        self._records.write(head)

    def _write(self, data: bytes) -> None:
        record = frame_record(data)
        self._index.write(b"%d\t%d\n" % (self._number, self._at))
        self._records.write(record)
        self._at += len(record)


class _Run(NamedTuple):
    """Numbers of pictures of one label in a row."""

    first: int
    end: int


def _offsets(out: Path) -> list[int]:
    """Return where each shard's first picture stands in the one file; nothing without it."""
    path = out / _WHERE
    if not path.is_file() or not (out / _REC).is_file():
        return []
    try:
        offsets = json.loads(path.read_bytes())
        if not isinstance(offsets, list) or not all(
            isinstance(at, int) and 0 <= at < 1 << 62 for at in offsets
        ):
            raise ValueError("no list of numbers")
    except (OSError, ValueError, RecursionError) as error:
        raise ShardError(f"{path} is damaged ({error})") from error
    return offsets


def _are_offsets(out: Path, firsts: list[int]) -> bool:
    """Whether shards begin where the one file that stands has them, so that each stays readable."""
    try:
        return _offsets(out) == firsts
    except ShardError:
        return False


def _records(path: Path, offset: int, count: int) -> Iterator[bytes]:
    try:
        with RecordFile(path) as file:
            for _ in range(count):
                data, offset = file.read_on(offset)
                yield unpack_record(data).data
    except DataError as error:
        raise ShardError(f"{path}: record {error}") from error
