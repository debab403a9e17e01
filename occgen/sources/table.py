"""Pictures a list names, beside the list: ``labels.csv``, JSON lines, or InsightFace's ``.lst``."""

import csv
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import DataError, InputError
from ..tar_members import check_member_name
from .base import FaceRef, group_refs
from .folder import FolderSource

__all__ = ["TableSource", "find_table"]

_TABLES = ("labels.csv", "labels.jsonl", "metadata.csv", "metadata.jsonl")
_PICTURES = ("image", "file_name", "filename", "file", "path", "crop")
_NAMES = ("identity_name", "identity", "label", "class", "person", "id", "name")


def find_table(root: Path) -> Path | None:
    """Return the list of pictures in a folder, or None where there is none that names pictures."""
    if root.is_file():
        return root
    for path in (root / name for name in _TABLES):
        if path.is_file() and _columns(path)[0] is not None:
            return path
    return None


class TableSource(FolderSource):
    """Pictures a list names, with their identities, in the list's order.

    Parameters
    ----------
    path : Path
        A CSV with a header, or JSON lines: pictures by `image`, `file_name`, `file`, `path`, from
        the list's folder; identities by `identity_name`, `identity`, `label`, `class`, else the
        first folder of the path. Or a ``.lst``: 1, path and label, with tabs between.
    """

    dataset = "folder"

    def __init__(self, path: Path) -> None:
        super().__init__(path.parent)
        self.table = path

    def refs(self) -> Iterator[FaceRef]:
        """Yield every picture of the list once.

        Raises
        ------
        DataError
            At a line without a picture, or with one that lies outside the list's folder.
        """
        picture, identity = _columns(self.table)
        if picture is None:
            raise DataError(f"{self.table} has no column of pictures ({', '.join(_PICTURES)})")
        for line, record in _records(self.table):
            key = record.get(picture)
            if not isinstance(key, str) or not key:
                raise DataError(f"{self.table}: line {line} names no picture")
            key = self._inside(key, line)
            name = record.get(identity) if identity else key.rpartition("/")[0].partition("/")[0]
            yield FaceRef(key, "" if name in (None, -1, "-1") else str(name))

    def parts(self) -> Sequence[str]:
        """Return one part: the list is read by one process."""
        return ("",)

    def runs(self, parts: Iterable[str] | None = None) -> Iterator[tuple[str, list[str]]]:
        """Yield identities with their keys, in the list's order."""
        return group_refs(self.refs())

    def _inside(self, key: str, line: int) -> str:
        path = Path(key)
        if path.is_absolute() and path.is_relative_to(self.root.absolute()):
            key = path.relative_to(self.root.absolute()).as_posix()
        try:
            os.fsencode(key)
            check_member_name(key)
        except (DataError, UnicodeEncodeError) as error:
            raise DataError(
                f"{self.table}: line {line} names {key!r}, which lies outside {self.root}"
            ) from error
        return key.removeprefix("./")

    def count(self) -> int:
        """Return how many references `refs` yields."""
        return sum(1 for _ in _records(self.table))


def _columns(path: Path) -> tuple[str | None, str | None]:
    """Return the names of the columns of pictures and of identities."""
    first: Mapping[str, Any] = {}
    try:
        first = next((record for _, record in _records(path)), {})
    except DataError:
        if path.name not in _TABLES:
            raise
    picture = next((name for name in _PICTURES if name in first), None)
    return picture, next((name for name in _NAMES if name in first), None)


def _records(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield number and fields of each line.

    Raises
    ------
    InputError
        When the file cannot be opened.
    DataError
        At a line that is none; names it.
    """
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            if path.suffix == ".csv":
                reader = csv.DictReader(file)
                for record in reader:
                    yield reader.line_num, record
            elif path.suffix == ".lst":
                for line, text in enumerate(file, 1):
                    yield line, _listed(path, line, text)
            else:
                for line, text in enumerate(file, 1):
                    if text.strip():
                        yield line, _json(path, line, text)
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} is no text of that form ({error})") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror})") from error


def _listed(path: Path, line: int, text: str) -> Mapping[str, Any]:
    fields = text.rstrip("\r\n").split("\t")
    if len(fields) < 3:
        raise DataError(f"{path}: line {line} is not 1, a path and a label, with tabs between")
    if fields[0] != "1":
        raise DataError(f"{path}: line {line} is of a picture not aligned; align the set first")
    return {"path": fields[1], "label": fields[2]}


def _json(path: Path, line: int, text: str) -> Mapping[str, Any]:
    try:
        record = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: line {line} is no JSON ({error})") from error
    if not isinstance(record, dict):
        raise DataError(f"{path}: line {line} is no JSON object")
    return record
