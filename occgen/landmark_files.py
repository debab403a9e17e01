"""Five points of unaligned pictures, from the files data sets ship them in.

Read are CSV files with a header (our own, CelebA's, VGGFace2's and detectors' usual columns), the
text list of CelebA, InsightFace's ``.lst`` with boxes and points, JSON, and plain lines of a name
and ten numbers.
"""

import csv
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .detectors import Face
from .errors import DataError

__all__ = ["KnownLandmarks", "read_landmark_file"]

Float64 = NDArray[np.float64]
_Row = tuple[str, list[float], list[float] | None, float]

_NAMES = ("image", "source", "crop", "image_id", "name_id", "file", "filename", "path", "key")
_EYES = ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")
_CELEBA = ("lefteye", "righteye", "nose", "leftmouth", "rightmouth")
_COLUMNS = (  # the ten columns, in order, by the forms they come in
    tuple(f"{point}_{axis}" for point in _EYES for axis in "xy"),
    tuple(f"{point}_{axis}" for point in _CELEBA for axis in "xy"),
    tuple(f"p{point}{axis}" for point in range(1, 6) for axis in "xy"),
    tuple(f"{axis}{point}" for point in range(1, 6) for axis in "xy"),
)
_BOXES = (("x1", "y1", "x2", "y2"), ("x0", "y0", "x1", "y1"))
_SPLIT = re.compile(r"[\s,;]+")


class KnownLandmarks:
    """Points of pictures by their name; what a detector gives, without one.

    Parameters
    ----------
    rows : dict of str to list of Face
        By the name in the file.

    Notes
    -----
    A picture is found by its whole relative path, the path without ending, or, where the file has
    bare names, by its own name.
    """

    def __init__(self, rows: dict[str, list[Face]]) -> None:
        self._rows = rows
        self._bare = not any("/" in name for name in rows)
        self._stems = {_stem(name): name for name in rows}

    def __len__(self) -> int:
        return len(self._rows)

    def find(self, key: str) -> list[Face]:
        """Return the faces of a picture, none where the file does not name it."""
        tried = [key, key.rpartition("/")[2]] if self._bare else [key]
        for name in tried:
            found = self._rows.get(name) or self._rows.get(self._stems.get(_stem(name), ""))
            if found:
                return found
        return []


def read_landmark_file(path: Path) -> KnownLandmarks:
    """Return the points a file holds.

    Parameters
    ----------
    path : Path
        ``.json``; or text: with a header line, or lines of a name and ten numbers x1 y1 … x5 y5,
        or InsightFace's tab-separated ``.lst`` (aligned, path, label, box, five x, five y).

    Raises
    ------
    DataError
        When it cannot be read, or a line is not of the form; the line is named.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is not UTF-8 text ({error.reason})") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    found: dict[str, list[Face]] = {}
    rows = _json_rows(path, text) if path.suffix.lower() == ".json" else _text_rows(path, text)
    for name, numbers, box, score in rows:
        points = np.array(numbers, np.float64).reshape(5, 2)
        if not np.isfinite(points).all():
            raise DataError(f"{path}: the points of {name} are not finite numbers")
        face = Face(_frame(points) if box is None else np.array(box), points, score)
        found.setdefault(name.replace("\\", "/").removeprefix("./"), []).append(face)
    if not found:
        raise DataError(f"{path}: holds no points")
    return KnownLandmarks(found)


def _frame(points: Float64) -> Float64:
    """Return about the box a detector would give for five points."""
    low, high = points.min(axis=0), points.max(axis=0)
    around = 0.6 * (high - low).max()
    return np.r_[low - around, high + around]


def _stem(name: str) -> str:
    head, dot, tail = name.rpartition(".")
    return head if dot and "/" not in tail else name


def _text_rows(path: Path, text: str) -> Iterator[_Row]:
    lines = text.splitlines()
    first = next((n for n, line in enumerate(lines) if line.strip()), len(lines))
    if first < len(lines) and lines[first].strip().isdigit():  # CelebA counts its lines first
        first += 1
    header = [cell.strip().lower() for cell in _cells(lines[first])] if first < len(lines) else []
    columns = next((form for form in _COLUMNS if set(form) <= set(header)), None)
    if columns is not None:
        yield from _headed_rows(path, lines, first, header, columns)
        return
    for number, line in enumerate(lines[first:], first + 1):
        if line.strip() and not line.startswith("#"):
            yield _plain_row(path, number, line)


def _headed_rows(
    path: Path, lines: list[str], first: int, header: list[str], columns: tuple[str, ...]
) -> Iterator[_Row]:
    at = [header.index(name) for name in columns]
    named = [header.index(name) for name in _NAMES if name in header]
    shift = 0 if named else 1  # CelebA's list has no title over the names
    name_at = named[0] if named else 0
    boxes = [form for form in _BOXES if set(form) <= set(header) - set(columns)]
    box_at = [header.index(name) for name in boxes[0]] if boxes else []
    score_at = next((header.index(n) for n in ("prob", "score") if n in header), None)
    for number, line in enumerate(lines[first + 1 :], first + 2):
        if not line.strip():
            continue
        cells = _cells(line)
        try:
            points = [float(cells[place + shift]) for place in at]
            box = [float(cells[place + shift]) for place in box_at]
            score = 1.0 if score_at is None else float(cells[score_at + shift])
            yield cells[name_at].strip(), points, box or None, score
        except (ValueError, IndexError, csv.Error) as error:
            raise DataError(f"{path}: line {number} is not a name and numbers ({error})") from error


def _plain_row(path: Path, number: int, line: str) -> _Row:
    tabbed = line.split("\t")
    try:
        if len(tabbed) >= 17 and tabbed[0].strip() in ("0", "1"):
            numbers = [float(cell) for cell in tabbed[3:17]]
            across, down = numbers[4:9], numbers[9:14]
            points = [value for pair in zip(across, down, strict=True) for value in pair]
            return tabbed[1].strip(), points, numbers[:4], 1.0
        cells = [cell for cell in _SPLIT.split(line.strip()) if cell]
        if len(cells) != 11:
            raise ValueError(f"{len(cells)} cells in place of 11")
        return cells[0], [float(cell) for cell in cells[1:]], None, 1.0
    except ValueError as error:
        raise DataError(
            f"{path}: line {number} is not a name and ten numbers x1 y1 … x5 y5 ({error})"
        ) from error


def _cells(line: str) -> list[str]:
    return next(csv.reader([line]), []) if "," in line else line.split()


def _json_rows(path: Path, text: str) -> Iterator[_Row]:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: is not JSON ({error})") from error
    for name, value in _json_items(path, content):
        record = value if isinstance(value, dict) else {"landmarks": value}
        points = next(
            (record[k] for k in ("landmarks", "points", "keypoints") if k in record), None
        )
        try:
            flat = [float(number) for number in np.asarray(points, np.float64).reshape(10)]
            box = record.get("box") or record.get("bbox")
            frame = [*map(float, np.asarray(box, np.float64).reshape(-1)[:4])] if box else None
            score = float(str(record.get("score", record.get("prob", 1.0))))
            if frame is not None and len(frame) < 4:
                raise ValueError(f"a box of {len(frame)} numbers")
        except (TypeError, ValueError, OverflowError) as error:
            raise DataError(f"{path}: {name!r} has no five points [[x, y], …] ({error})") from error
        yield name, flat, frame, score


def _json_items(path: Path, content: Any) -> Iterable[tuple[str, Any]]:
    """Yield name and record: of an object by name, or of a list of objects that name themselves."""
    if isinstance(content, dict):
        for name, value in content.items():
            several = isinstance(value, list) and value and isinstance(value[0], dict)
            yield from ((name, face) for face in (value if several else [value]))
        return
    for number, record in enumerate(content if isinstance(content, list) else [None]):
        names = [n for n in _NAMES if isinstance(record, dict) and isinstance(record.get(n), str)]
        if not names:
            raise DataError(f"{path}: entry {number} names no picture ({', '.join(_NAMES[:3])} …)")
        yield record[names[0]], record
