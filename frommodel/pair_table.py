"""Tables of pairs as others write them: names of columns, separators, a header or none."""

import csv
import re
from collections.abc import Callable, Iterator, Sequence

from occgen.errors import DataError

__all__ = ["read_table", "truth"]

Row = tuple[str, str, bool, str]
Parse = Callable[[str, int, list[str]], tuple[str, str, bool]]

_COLUMNS = {
    "image_a": (*("imagea", "image1", "imga", "img1", "filea", "file1", "patha", "path1"), "first"),
    "image_b": (
        *("imageb", "image2", "imgb", "img2", "fileb", "file2", "pathb", "path2"),
        "second",
    ),
    "same": (*("same", "issame", "sameperson", "label", "match", "ismatch", "genuine"),),
    "fold": ("fold",),
}
_YES = ("1", "1.0", "true", "same", "yes", "genuine", "match")
_NO = ("0", "0.0", "-1", "false", "different", "no", "impostor", "mismatch")
_NUMBER = re.compile(r"\s*[0-9]{1,9}\s*")
_WANTED = (
    "the header should be image_a,image_b,same or image_a,image_b,same,fold, or the rows "
    "name,n1,n2 and name1,n1,name2,n2"
)


def read_table(path: str, text: str, parse: Parse) -> Iterator[Row]:
    """Yield both pictures of each pair, whether they show one person, and the fold.

    Parameters
    ----------
    path : str
        For messages.
    text : str
        With columns ``image_a,image_b,same`` and maybe ``fold``, or their usual other names, in any
        order and among others; with those three and no header; or with names and numbers as in
        LFW's lists, ``name,n1,n2`` and ``name1,n1,name2,n2``. Cells stand between commas,
        semicolons or tabs.
    parse : callable
        Reads path, line and words of a row of names and numbers.

    Raises
    ------
    DataError
        For a row or a header of another form; file and line are named.
    """
    lines = text.splitlines()
    separator = max(",;\t", key=next(line for line in lines if line.strip()).count)
    reader = csv.reader(lines, delimiter=separator)
    rows = ((reader.line_num, row) for row in reader if any(cell.strip() for cell in row))
    line, first = next(rows, (1, []))
    if not first:
        raise DataError(f"{path}: lists no pairs; {_WANTED}")
    names = [_column(cell) for cell in first]
    if all(name in names for name in ("image_a", "image_b", "same")):
        places = [names.index(name) for name in ("image_a", "image_b", "same")]
        fold = names.index("fold") if "fold" in names else None
    elif len(first) == 3 and truth(first[2]) is not None and not _NUMBER.fullmatch(first[1]):
        places, fold = [0, 1, 2], None
        yield _row(path, line, first, places, fold)
    elif first[0].strip().lower().startswith("name") or _is_numbered(first):
        if _is_numbered(first):
            yield (*parse(path, line, _words(first)), "")
        for line, row in rows:
            yield (*parse(path, line, _words(row)), "")
        return
    else:
        lacking = [name for name in ("image_a", "image_b", "same") if name not in names]
        raise DataError(f"{path}: line {line} names no column {', '.join(lacking)}; {_WANTED}")
    for line, row in rows:
        yield _row(path, line, row, places, fold)


def truth(value: str | None) -> bool | None:
    """Return what a word says of two pictures, None where it says nothing."""
    word = (value or "").strip().lower()
    return True if word in _YES else False if word in _NO else None


def _row(path: str, line: int, row: Sequence[str], places: list[int], fold: int | None) -> Row:
    cells = [row[place].strip() if place < len(row) else "" for place in places]
    part = row[fold].strip() if fold is not None and fold < len(row) else ""
    same = truth(cells[2])
    if same is None or not all(cells) or (fold is not None and not part):
        raise DataError(
            f"{path}: line {line} should hold two pictures and 1 or 0"
            f"{'' if fold is None else ' and a fold'}, got {list(row)}"
        )
    return cells[0], cells[1], same, part


def _column(cell: str) -> str:
    name = re.sub(r"[^a-z0-9]", "", cell.lower())
    return next((column for column, names in _COLUMNS.items() if name in names), "")


def _words(row: Sequence[str]) -> list[str]:
    return [cell.strip() for cell in row if cell.strip()]


def _is_numbered(row: Sequence[str]) -> bool:
    words = _words(row)
    numbers = words[1:] if len(words) == 3 else words[1::2]
    return len(words) in (3, 4) and all(map(_NUMBER.fullmatch, numbers))
