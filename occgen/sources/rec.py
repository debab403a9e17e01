"""InsightFace training sets: ``train.rec`` with ``train.idx`` and ``property``, never unpacked."""

import logging
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..catalog import CATALOG
from ..errors import DataError, InputError
from ..record_index import RecordIndex, scanned_index
from ..recordio import Record, RecordFile, unpack_record
from .base import FaceRef, written_since

__all__ = ["RecSource", "find_rec"]

_log = logging.getLogger(__name__)
_LOST = "damaged/byte-"
_ROUNDING = 64  # numbers are float32 in the list: so far off at most, up to 2^30 records
_NO_LABEL = "no-label"


def find_rec(path: Path) -> Path:
    """Return the ``.rec`` file a path stands for: itself, ``train.rec`` in it, or the only one.

    Raises
    ------
    InputError
        When there is none, or several without a ``train.rec``.
    """
    if path.is_file():
        return path
    if (path / "train.rec").is_file():
        return path / "train.rec"
    found = sorted(path.glob("*.rec"))
    if len(found) == 1:
        return found[0]
    names = ", ".join(file.name for file in found[:3]) or "no .rec file"
    raise InputError(f"{path} holds {names}; name one: --root FILE.rec")


class RecSource:
    """The pictures of a ``.rec`` file, in the order of their numbers.

    Parameters
    ----------
    root : Path
        The file, or its folder. The ``.idx`` beside it is used; where there is none, the file is
        scanned once.
    on_error : {'stop', 'skip'}, optional
        What is done about damage met while the records are listed.

    Notes
    -----
    A key is the identity's label and the record's number: ``17/00000305``. Where record 0 lists the
    identities (header flag 2), their ranges are read in place of every picture's header, once it is
    sure that they cover all pictures.
    """

    dataset = "rec"
    licence = CATALOG["rec"].licence

    def __init__(self, root: Path, on_error: str = "stop") -> None:
        self.root = find_rec(root)
        self.on_error = on_error
        self._file = RecordFile(self.root)
        self._lost: list[tuple[int, str]] = []

    @cached_property
    def _index(self) -> RecordIndex:
        beside = self.root.with_suffix(".idx")
        if beside.is_file():
            return RecordIndex(beside)
        return scanned_index(self._file, self._lost if self.on_error == "skip" else None)

    @cached_property
    def _listing(self) -> tuple[int, int] | None:
        """Number of the first identity record and of the last, plus one; None without a list."""
        try:
            record = self._record(0)
        except DataError:
            return None
        if record.data or len(record.labels) < 2:
            return None
        first, last = record.labels[:2]
        if not (1 <= first <= last < 1 << 53 and first == int(first) and last == int(last)):
            return None
        lines = len(self._index)
        if last > lines + _ROUNDING:
            problem = (
                f"{self.root}: record 0 lists records up to {int(last) - 1}, and the index has "
                f"{lines} lines: it was cut short, or record 0 is damaged"
            )
            if self.on_error != "skip":
                raise DataError(f"{problem}; --on-error skip reads what the index names")
            _log.warning("%s; what the index names is read", problem)
            return None
        return self._exact(int(first)), int(last)

    def _exact(self, first: int) -> int:
        """Return the number of the first identity record: float32 rounds it beyond 2^24."""
        if first < 1 << 24:
            return first
        for _ in range(_ROUNDING):
            if self._label_or_list(first - 1) is not None:
                break
            first -= 1
        for _ in range(_ROUNDING):
            if self._label_or_list(first) is None:
                break
            first += 1
        return first

    def _label_or_list(self, number: int) -> str | None:
        try:
            return self._label(number)
        except DataError:
            return _NO_LABEL if self._index.find(number) is not None else None

    @cached_property
    def _are_ranges_whole(self) -> bool:
        """Whether the identity records cut all pictures into runs of one label."""
        if self._listing is None or self._listing[0] == self._listing[1]:
            return False
        expected = 1
        try:
            for start, end in self._ranges():
                if start != expected or end <= start:
                    return False
                name = self._label(start)
                if name is None or name != self._label(end - 1):
                    return False
                expected = end
        except DataError:
            return False
        return expected == self._listing[0]

    def _ranges(self) -> Iterator[tuple[int, int]]:
        assert self._listing is not None
        for number in range(*self._listing):
            labels = self._record(number).labels
            if len(labels) < 2 or not np.isfinite(labels[:2]).all():
                raise DataError(f"record {number} does not list an identity")
            yield int(labels[0]), int(labels[1])

    def refs(self) -> Iterator[FaceRef]:
        """Yield every picture once, by rising number where identities are listed.

        Raises
        ------
        DataError
            At a record whose header cannot be read, unless `on_error` is 'skip'.
        """
        if self._are_ranges_whole:
            for start, end in self._ranges():
                name = self._label(start) or ""
                for number in range(start, end):
                    yield FaceRef(f"{name}/{number:08d}", name)
        else:
            yield from self._refs_by_header()
        for offset, _ in self._lost:
            yield FaceRef(f"{_LOST}{offset}", "")

    def _refs_by_header(self) -> Iterator[FaceRef]:
        if self._listing is None:
            numbers: Iterator[int] = (number for number, _ in self._index)
        else:
            numbers = iter(range(1, self._listing[0]))
        for number in numbers:
            try:
                name = self._label(number)
            except DataError as error:
                if self.on_error != "skip":
                    raise DataError(
                        f"{self.root}: {error}; --on-error skip reads the others"
                    ) from error
                yield FaceRef(f"{_NO_LABEL}/{number:08d}", "")
                continue
            if name is not None:
                yield FaceRef(f"{name}/{number:08d}", name)
            elif self._listing is not None:  # a picture by its number, and empty
                yield FaceRef(f"{_NO_LABEL}/{number:08d}", "")

    def count(self) -> int:
        """Return how many references `refs` yields."""
        if self._listing is not None:
            return self._listing[0] - 1 + len(self._lost)
        return len(self._index) + len(self._lost)

    def read(self, key: str) -> bytes:
        """Return a picture's encoded bytes, as they stand in the file."""
        if key.startswith(_LOST):
            offset = key.removeprefix(_LOST)
            self._file.read(int(offset) if offset.isdigit() else self._file.size)
            raise DataError(f"at byte {offset} is not in the index")
        _, _, number = key.rpartition("/")
        if not number.isdigit():
            raise DataError(f"no such record: {key!r}")
        return self._record(int(number)).data

    def _record(self, number: int) -> Record:
        try:
            return unpack_record(self._file.read(self._offset(number)))
        except DataError as error:
            raise DataError(f"record {number} {error}") from error

    def _label(self, number: int) -> str | None:
        """Return the identity of a record; None for one that lists an identity."""
        offset = self._offset(number)
        try:
            head = self._file.head(offset)
            try:
                record = unpack_record(head.start)
            except DataError:  # more labels than the first bytes hold
                record = unpack_record(self._file.read(offset))
        except DataError as error:
            raise DataError(f"record {number} {error}") from error
        label = record.labels[0]
        labels = 4 * len(record.labels) if record.has_list else 0
        if record.has_list and head.length == 24 + labels:
            return None
        if not np.isfinite(label):
            raise DataError(f"record {number} at byte {offset} has the label {label}")
        return f"{int(label)}" if label == int(label) else f"{label!r}"

    def _offset(self, number: int) -> int:
        offset = self._index.find(number)
        if offset is None:
            raise DataError(f"is not in {self._index.path.name}")
        return offset

    def landmarks(self, key: str, height: int, width: int) -> NDArray[np.float32] | None:
        """Return None: a ``.rec`` file holds no points."""
        return None

    def changed_since(self, keys: Iterable[str], when: float) -> bool:
        """Whether the file was written after a time, in seconds since 1970."""
        return written_since([self.root], when)

    def carried(self) -> dict[str, bytes]:
        """Return nothing: all is in the file."""
        return {}

    def check(self) -> None:
        """Raise DataError where file, index and list of identities do not go together."""
        _ = self._listing
        number, offset = self._index.last
        if offset >= self._file.size and self.on_error != "skip":
            raise DataError(
                f"{self.root} ends after {self._file.size} bytes, and record {number} of its index "
                f"begins at byte {offset}: it was cut short, or the .idx is another file's; "
                "--on-error skip reads what is there"
            )
