"""Landmarks of the pictures of a data set, from a CSV: small ones whole, large ones where asked."""

import contextlib
import csv
import itertools
import mmap
from collections.abc import Iterator
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from .errors import DataError
from .landmarks import fit_similarity, template

__all__ = ["LandmarkFile", "LandmarkTable", "Landmarks", "open_landmarks"]

_POINTS = ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")
_COLUMNS = [f"{point}_{axis}" for point in _POINTS for axis in "xy"]
_KEYS = ("crop", "image", "file", "filename", "path", "key")
_ROWS_AT_ONCE = 4096
_LARGE = 1 << 22  # bytes of a table that is not read whole: some 25,000 pictures
_LEAST, _MOST = 1 << 14, 1 << 20  # bytes read at once, more where pictures come in order
_JUMPS = 256  # so often out of order in a row, and the whole table is read after all

Float64 = NDArray[np.float64]


class Landmarks(Protocol):
    """Points of pictures, by key."""

    def find(self, key: str, height: int, width: int) -> NDArray[np.float32] | None:
        """Return the points of a picture in its own pixels.

        Parameters
        ----------
        key : str
        height, width : int
            Of the picture. Where the table measured a picture of another size, the points are
            carried over by the similarity that aligns them to the template.

        Returns
        -------
        ndarray of float32, shape (5, 2), or None

        Raises
        ------
        DataError
            When its row holds no numbers; the message is the reason alone.
        """


def open_landmarks(path: Path) -> Landmarks:
    """Return the points in a CSV file.

    Parameters
    ----------
    path : Path
        With a header: one of `crop`, `image`, `file`, `filename`, `path`, `key`; ``left_eye_x`` to
        ``mouth_right_y``; and `width`, `height` where points are of the unaligned original.

    Raises
    ------
    DataError
        When a column is missing or a number is none; names the file and line. Of a large file, at
        one of the first rows; further ones are found out when their picture is asked for.
    """
    try:
        is_large = path.stat().st_size > _LARGE
    except OSError as error:
        raise _cannot_be_read(path, error) from error
    return LandmarkFile(path) if is_large else LandmarkTable.read(path)


class _Layout(NamedTuple):
    """Where a CSV holds what."""

    key: int
    numbers: tuple[int, ...]
    """Columns of the ten coordinates; width and height after them where the table has both."""

    @classmethod
    def of(cls, header: list[str], path: Path) -> "_Layout":
        key = next((name for name in _KEYS if name in header), None)
        absent = [name for name in _COLUMNS if name not in header]
        if key is None or absent:
            wanted = f"one of {', '.join(_KEYS)}" if key is None else absent[0]
            raise DataError(f"{path}: has no column {wanted}")
        sized = ["width", "height"] if "width" in header and "height" in header else []
        return cls(header.index(key), tuple(header.index(name) for name in _COLUMNS + sized))


class LandmarkTable:
    """Points of pictures, in memory.

    Parameters
    ----------
    rows : dict of str to int
        Number of each picture's row.
    numbers : ndarray of float64, shape (N, 10) or (N, 12)
        Coordinates; where the table says so, width and height of the picture they were measured on.
    wrong : dict of str to str
        What is wrong with the rows of other pictures.
    """

    def __init__(self, rows: dict[str, int], numbers: Float64, wrong: dict[str, str]) -> None:
        self._rows, self._numbers, self._wrong = rows, numbers, wrong
        self._by_size: dict[tuple[int, int], NDArray[np.float32]] = {}

    @classmethod
    def read(cls, path: Path, *, strict: bool = True) -> "LandmarkTable":
        """Return the table in a CSV file, as `open_landmarks` reads it.

        Raises
        ------
        DataError
            When a column is missing or, if `strict`, a number is none.
        """
        try:
            with open(path, newline="", encoding="utf-8-sig", errors="surrogateescape") as file:
                reader = csv.reader(file)
                layout = _Layout.of(next(reader, []), path)
                return cls._parsed(reader, layout, path if strict else None)
        except csv.Error as error:
            raise DataError(f"{path}: is no CSV ({error})") from error
        except OSError as error:
            raise _cannot_be_read(path, error) from error

    @classmethod
    def _parsed(
        cls, records: Iterator[list[str]], layout: _Layout, strict: Path | None
    ) -> "LandmarkTable":
        wanted, records = itemgetter(layout.key, *layout.numbers), filter(None, records)
        rows: dict[str, int] = {}
        wrong: dict[str, str] = {}
        parts = [np.zeros((0, len(layout.numbers)))]
        count, line = 0, 2
        while some := list(itertools.islice(records, _ROWS_AT_ONCE)):
            try:
                columns = list(zip(*map(wanted, some), strict=True))
                keys = list(columns[0])
                part = np.array([list(map(float, column)) for column in columns[1:]]).T
            except (ValueError, IndexError):
                keys, part = _row_by_row(some, layout, wrong, line, strict)
            rows.update(zip(keys, itertools.count(count), strict=False))
            parts.append(part)
            count, line = count + len(keys), line + len(some)
        return cls(rows, np.concatenate(parts), wrong)

    def __contains__(self, key: str) -> bool:
        return key in self._rows or key in self._wrong

    def __len__(self) -> int:
        return len(self._numbers)

    @property
    def is_plain(self) -> bool:
        """Whether every row is of another picture, and holds numbers."""
        return len(self._rows) == len(self._numbers) and not self._wrong

    def find(self, key: str, height: int, width: int) -> NDArray[np.float32] | None:
        """Return the points of a picture in its own pixels, as in `Landmarks`."""
        row = self._rows.get(key)
        if row is None:
            if key in self._wrong:
                raise DataError(f"its row of the landmarks is not numbers ({self._wrong[key]})")
            return None
        points = self._by_size.get((height, width))
        if points is None:
            points = self._by_size[height, width] = self._in_pixels(height, width)
        return points[row]

    def _in_pixels(self, height: int, width: int) -> NDArray[np.float32]:
        """Return the points of all pictures, as they lie on pictures of one size."""
        points = self._numbers[:, :10].reshape(-1, 5, 2)
        sizes = self._numbers[:, 10:]
        if not sizes.shape[1]:
            return points.astype(np.float32)
        matrix = fit_similarity(points, template(height, width))
        moved = points @ matrix[..., :2].swapaxes(-1, -2) + matrix[..., None, :, 2]
        measured_here = (sizes == (width, height)).all(axis=1)[:, None, None]
        return np.where(measured_here, points, moved).astype(np.float32)


def _row_by_row(
    records: list[list[str]], layout: _Layout, wrong: dict[str, str], line: int, strict: Path | None
) -> tuple[list[str], Float64]:
    """Return keys and numbers of the rows that have them, and note the others."""
    keys, rows = [], []
    for number, record in enumerate(records, line):
        try:
            row = [float(record[column]) for column in layout.numbers]
        except (ValueError, IndexError) as error:
            why = "it ends too soon" if isinstance(error, IndexError) else str(error)
            if strict is not None:
                raise DataError(f"{strict}: line {number} is not numbers ({why})") from error
            if len(record) > layout.key:
                wrong[record[layout.key]] = why
        else:
            keys.append(record[layout.key])
            rows.append(row)
    return keys, np.array(rows).reshape(-1, len(layout.numbers))


class LandmarkFile:
    """Points of pictures in a large CSV, of which only what is near the last picture is held.

    Parameters
    ----------
    path : Path
        Rows in the order in which `FolderSource` lists pictures, as ``occgen align`` writes them,
        are found by bisection. A table in another order, one that quotes, or names a picture
        twice, is read whole when that is found out: at its start, at its end (where people append
        rows), and where a picture is looked for.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            with open(path, "rb") as file:
                is_quoted = any(b'"' in part for part in iter(lambda: file.read(_MOST), b""))
                self._bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:
            raise _cannot_be_read(path, error) from error
        self._end = self._bytes.find(b"\n") + 1  # of what is held
        header = self._bytes[: self._end].decode("utf-8-sig", "replace")
        self._first, self._span, self._jumps = self._end, _LEAST, 0
        self._whole = self._end == 0 or is_quoted
        self._held = LandmarkTable({}, np.zeros((0, 10)), {})
        if not self._whole:
            self._layout = _Layout.of(header.rstrip("\r\n").split(","), path)
            try:
                self._hold(self._end, strict=path)
            except csv.Error as error:
                raise DataError(f"{path}: is no CSV ({error})") from error
            self._whole = not (self._is_sorted(self._first) and self._is_sorted(self._tail()))
        if self._whole:
            self._held = LandmarkTable.read(path, strict=False)

    def __reduce__(self) -> tuple[Any, ...]:
        return LandmarkFile, (self._path,)

    def find(self, key: str, height: int, width: int) -> NDArray[np.float32] | None:
        """Return the points of a picture in its own pixels, as in `Landmarks`."""
        whole, held = self._whole, self._held  # in this order: another thread may read it whole
        if key not in held and not whole:
            held = self._hold_near(key)
        return held.find(key, height, width)

    def _hold_near(self, key: str) -> LandmarkTable:
        start = self._end
        if self._key_at(start) == key:
            self._jumps, self._span = 0, min(2 * self._span, _MOST)
        else:
            self._jumps, self._span = self._jumps + 1, _LEAST
            start = self._seek(key)
        if self._jumps <= _JUMPS:
            with contextlib.suppress(csv.Error):
                held = self._hold(start)
                if key in held and held.is_plain:
                    return held
        self._held = LandmarkTable.read(self._path, strict=False)
        self._whole = True
        return self._held

    def _hold(self, start: int, strict: Path | None = None) -> LandmarkTable:
        """Parse the rows from a place on."""
        self._end = self._line_end(min(start + self._span, len(self._bytes)) - 1)
        lines = self._bytes[start : self._end].decode("utf-8", "surrogateescape").split("\n")
        if hasattr(mmap, "MADV_DONTNEED"):  # pages that were looked at are not this process's
            self._bytes.madvise(mmap.MADV_DONTNEED)
        self._held = LandmarkTable._parsed(csv.reader(lines), self._layout, strict)
        return self._held

    def _tail(self) -> int:
        """Return where a row begins near the end."""
        return max(self._line_end(max(len(self._bytes) - _LEAST, 0)), self._first)

    def _is_sorted(self, start: int) -> bool:
        """Whether some rows from a place on are in the order in which pictures are listed."""
        before: list[tuple[bool, str]] = []
        stop = min(start + _LEAST, len(self._bytes))
        while start < stop:
            key = self._key_at(start)
            if key is None or _order(key) <= before:
                return False
            before, start = _order(key), self._line_end(start)
        return True

    def _seek(self, key: str) -> int:
        """Return where the first row begins that is not before a picture's."""
        wanted = _order(key)
        low, high = self._first, len(self._bytes)
        while low < high:
            start = max(self._bytes.rfind(b"\n", low, (low + high) // 2) + 1, low)
            found = self._key_at(start)
            if found is not None and _order(found) < wanted:
                low = self._line_end(start)
            else:
                high = start
        return low

    def _key_at(self, start: int) -> str | None:
        """Return the picture of the row that begins at a place; None at the end."""
        row = self._bytes[start : self._line_end(start)].decode("utf-8", "surrogateescape")
        fields = row.rstrip("\r\n").split(",", self._layout.key + 1)
        return fields[self._layout.key] if len(fields) > self._layout.key else None

    def _line_end(self, place: int) -> int:
        return self._bytes.find(b"\n", place) + 1 or len(self._bytes)


def _order(key: str) -> list[tuple[bool, str]]:
    """Return what sorts pictures as a folder is listed: its own before those of its folders."""
    *folders, name = key.split("/")
    return [*((True, folder) for folder in folders), (False, name)]


def _cannot_be_read(path: Path, error: Exception) -> DataError:
    reason = getattr(error, "strerror", None) or error
    return DataError(f"{path}: cannot be read ({reason})")
