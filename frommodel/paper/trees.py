"""Trees of a part's people: links to folders of crops, or drawn faces; points of all beside them.

Real pictures are not copied: a tree holds links, and ``landmarks.csv`` with the rows of every data
set, so that placement on landmarks works.
"""

import csv
import hashlib
import io
import os
from pathlib import Path

from occgen.atomic import make_folder, replacing_bytes
from occgen.errors import DataError
from occgen.sources import DemoSource

from ..faces import SourceFaces, hold

__all__ = ["draw_tree", "link_tree", "tree_fingerprint"]

_POINTS = tuple(
    f"{point}_{axis}"
    for point in ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")
    for axis in "xy"
)
_DONE = "landmarks.csv"  # written last


def link_tree(tree: Path, people: list[tuple[str, Path]]) -> None:
    """Make a folder of links to people's folders, with the points of their pictures.

    Parameters
    ----------
    tree : Path
        Left as it is where it is complete.
    people : list of (str, Path)
        Name in the tree, and folder; its data set's ``landmarks.csv`` lies beside the folder.

    Raises
    ------
    DataError
        When the tree holds somebody else, or a table of points has other columns.
    """
    make_folder(tree)
    wanted = {name for name, _ in people}
    strangers = [e.name for e in tree.iterdir() if e.is_symlink() and e.name not in wanted]
    if strangers:
        raise DataError(f"{tree} holds {strangers[0]}, who is not of this part; use another --out")
    for name, folder in people:
        link = tree / name
        if not link.is_symlink():
            link.symlink_to(folder.resolve(), target_is_directory=True)
    if (tree / _DONE).is_file():
        return
    by_folder = {folder: name for name, folder in people}
    rows: list[list[str]] = []
    for table in sorted({folder.parent / _DONE for _, folder in people}):
        if table.is_file():
            rows += _points_of(table, by_folder)
    _write_points(tree, ["width", "height"], rows)


def _points_of(table: Path, by_folder: dict[Path, str]) -> list[list[str]]:
    with open(table, newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        lacking = {"crop", "width", "height", *_POINTS} - set(reader.fieldnames or ())
        if lacking:
            raise DataError(f"{table}: has no column {min(lacking)}")
        found = []
        for row in reader:
            person, _, rest = row["crop"].partition("/")
            name = by_folder.get(table.parent / person)
            if name is not None:
                values = [row[column] for column in ("width", "height", *_POINTS)]
                found.append([f"{name}/{rest}", *values])
    return found


def draw_tree(tree: Path, people: str, jobs: int) -> None:
    """Draw people that do not exist into a folder.

    Parameters
    ----------
    tree : Path
        Left as it is where it is complete.
    people : str
        ``IDENTITIESxIMAGES@SEED``.
    jobs : int
        Processes.
    """
    if (tree / _DONE).is_file():
        return
    source = DemoSource.parse(people)
    faces = SourceFaces(source, people)
    held = hold(faces, jobs)
    rows = []
    for index in range(len(held)):
        key = held.key(index)
        make_folder((tree / key).parent)
        replacing_bytes(tree / key, held.read(index))
        points = source.landmarks(key, 112, 112).ravel().tolist()
        rows.append([key, *(f"{value:.3f}" for value in points)])
    _write_points(tree, [], rows)


def _write_points(tree: Path, sizes: list[str], rows: list[list[str]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["crop", *sizes, *_POINTS])
    writer.writerows(rows)
    replacing_bytes(tree / _DONE, text.getvalue().encode("utf-8"))


def tree_fingerprint(*trees: Path) -> str:
    """Return a digest of the names and sizes of all files in some trees."""
    digest = hashlib.sha256()
    for tree in trees:
        for person in sorted(entry.name for entry in os.scandir(tree)):
            if not (tree / person).is_dir():
                continue
            files = sorted((e.name, e.stat().st_size) for e in os.scandir(tree / person))
            digest.update(repr((person, files)).encode("utf-8", "surrogateescape"))
        digest.update(b"\n")
    return digest.hexdigest()
