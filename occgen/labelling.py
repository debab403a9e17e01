"""Labels for what is already there: a finished set, a CSV of boxes, a folder of masks; any K."""

import csv
import hashlib
import itertools
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from .atomic import discard, install_bytes, locked_output, temporary_beside
from .card import with_card
from .codec import decode_image
from .columns import Columns
from .errors import DataError, InputError
from .formats.hdf5 import shard_bytes
from .manifest import MANIFEST, SCHEMA, manifest_bytes, read_manifest
from .patterns import PatternGrid
from .reader import Shards

__all__ = ["label_build", "label_csv", "label_file_name", "label_folder"]

_ROWS_A_CHUNK = 65_536
_FARTHEST = 2**31  # pixels; what lies beyond is no box on a picture
_BOX_COLUMNS = ("x0", "y0", "x1", "y1")


def label_file_name(k: int) -> str:
    """Return the name of the file of labels added for a K."""
    return f"pattern-k{k}.h5"


def label_build(path: Path, k: int, by: str = "box") -> NDArray[np.int64]:
    """Add labels of another K to a finished set; no picture is read, no shard rewritten.

    Parameters
    ----------
    path : Path
        The folder ``occgen build`` wrote.
    k : int
        Cells on each side of the grid.
    by : {'box', 'mask'}, optional
        What the labels are the best pattern of. Labels by the other, where added before, stay.

    Returns
    -------
    ndarray of int64, shape (N,)
        The labels of the whole set, as a fresh build with this K would store them. They are
        written to ``pattern-k<K>.h5``, one dataset a shard, unless the shards hold them.

    Raises
    ------
    InputError
        When there is no finished build, `k` does not fit its pictures, or `by` is unknown.
    ShardError
        When a shard is damaged or the set cannot be written.
    """
    if by not in ("box", "mask"):
        raise InputError(f"by must be box or mask, got {by!r}")
    manifest = read_manifest(path)
    form = manifest["config"].get("format")
    if form not in ("hdf5", "folder"):
        raise InputError(
            f"{path} is of the format {form}, no shards; make them first: "
            f"occgen convert {path} OUT --format hdf5"
        )
    if form == "folder":
        size = f"--image-size {manifest['height']}x{manifest['width']}"
        raise InputError(
            f"{path} holds pictures in folders, no shards; label its table, {path / 'labels.csv'} "
            f"with {size}, or its masks, {path / 'masks'}"
        )
    shards = Shards(path)
    if k == shards.manifest["config"]["k"]:
        return shards.patterns(k, by)
    names = [str(shard["name"]) for shard in shards.manifest["shards"]]
    columns: Columns = {}
    added = shards.manifest["labels"].get(label_file_name(k), {}).get("by", [])
    histograms, labels = {}, {}
    for one in sorted({by, *added}):  # computed, whatever stands: it may be damaged
        parts = [shards.shard(n).new_labels(shards.grid(k), one) for n in range(len(names))]
        labels[one] = np.concatenate(parts) if parts else np.zeros(0, np.int64)
        histograms[f"k{k}" if one == "box" else f"k{k}_mask"] = _histogram(labels[one])
        for name, part in zip(names, parts, strict=True):
            columns[f"{name.removesuffix('.h5')}/{one}"] = part.astype(np.int16)
    attributes = {"schema": SCHEMA, "k": k, "height": shards.height, "width": shards.width}
    data = shard_bytes(columns, attributes)
    with locked_output(path) as scratch:
        install_bytes(path / label_file_name(k), data, scratch)
        manifest = read_manifest(path)
        manifest["labels"][label_file_name(k)] = {
            "by": sorted({by, *added}),
            "patterns": histograms,
            "sha256": hashlib.sha256(data).hexdigest(),
        }
        manifest = with_card(path, manifest, scratch)
        install_bytes(path / MANIFEST, manifest_bytes(manifest), scratch)
    return labels[by]


def label_csv(
    path: Path,
    out: Path,
    k: int,
    height: int,
    width: int,
    on_rows: Callable[[int], None] | None = None,
) -> int:
    """Label a CSV of boxes, row by row, in bounded memory.

    Parameters
    ----------
    path : Path
        With columns ``x0, y0, x1, y1`` by a header, or exactly four (or a name and four) numbers
        without one; every other column is passed on, blank lines are left out.
    out : Path
        The same table with a column ``pattern_k<K>`` more, or with its values in the one it has;
        replaced when complete.
    k, height, width : int
        The grid.
    on_rows : callable, optional
        Told the number of rows done, after each chunk.

    Returns
    -------
    int
        Rows labelled.

    Raises
    ------
    DataError
        At the first row that is no box; names the file and the line.
    """
    grid = PatternGrid(k, height, width)
    done = 0
    with _open_text(path) as file, _replacing(out) as target:
        reader = csv.reader(file)
        writer = csv.writer(target, lineterminator="\n")
        first = next((row for row in reader if not _is_blank(row)), None)
        if first is None:
            raise DataError(f"{path} is empty; it needs columns {', '.join(_BOX_COLUMNS)}")
        line = reader.line_num
        places, has_header = _box_places(path, first, line)
        rows: Iterator[list[str]] = reader
        header = first if has_header else []
        labelled = [at for at, name in enumerate(header) if name.strip() == f"pattern_k{k}"]
        if has_header:
            writer.writerow(header if labelled else [*header, f"pattern_k{k}"])
        else:
            rows = itertools.chain([first], reader)
            line -= _lines(first)
        while read := list(itertools.islice(rows, _ROWS_A_CHUNK)):
            chunk = [row for row in read if not _is_blank(row)]
            boxes = _parse_boxes(path, read, chunk, places, line + 1)
            line = reader.line_num
            for row, label in zip(chunk, grid.label_boxes(boxes).tolist(), strict=True):
                row += [""] * (len(header) - len(row))
                for at in labelled:
                    row[at] = label
                if not labelled:
                    row.append(label)
            writer.writerows(chunk)
            done += len(chunk)
            if on_rows is not None:
                on_rows(done)
    return done


def label_folder(path: Path, out: Path, k: int) -> int:
    """Label a folder of mask pictures into a CSV.

    Parameters
    ----------
    path : Path
        Masks at any depth; a pixel of at least 128 is occluded. Each is labelled on the grid of
        its own size.
    out : Path
        Gets the columns ``mask``, ``height``, ``width``, ``mask_coverage``, ``pattern_k<K>``.
    k : int
        Cells on each side of the grid.

    Returns
    -------
    int
        Masks labelled.

    Raises
    ------
    InputError
        When the folder holds no picture.
    DataError
        At the first file that is no picture; names it.
    """
    names = sorted(
        str(found.relative_to(path))
        for found in path.rglob("*")
        if found.suffix.lower() in (".png", ".bmp", ".webp", ".jpg", ".jpeg", ".gif", ".pgm")
    )
    if not names:
        raise InputError(f"{path} holds no mask pictures (PNG)")
    grids: dict[tuple[int, int], PatternGrid] = {}
    with _replacing(out) as target:
        writer = csv.writer(target, lineterminator="\n")
        writer.writerow(["mask", "height", "width", "mask_coverage", f"pattern_k{k}"])
        for name in names:
            try:
                mask = decode_image((path / name).read_bytes())[:, :, 0] >= 128
            except (DataError, OSError) as error:
                raise DataError(f"{path / name}: {error}") from error
            size = (int(mask.shape[0]), int(mask.shape[1]))
            grid = grids.setdefault(size, PatternGrid(k, *size))
            label = int(grid.label_masks(mask[None])[0])
            writer.writerow([name, *size, f"{mask.mean():.6f}", label])
    return len(names)


def _histogram(labels: NDArray[np.int64]) -> dict[str, int]:
    values, counts = np.unique(labels, return_counts=True)
    return {str(v): c for v, c in zip(values.tolist(), counts.tolist(), strict=True)}


def _is_blank(row: list[str]) -> bool:
    return not row or (len(row) == 1 and not row[0].strip())


def _lines(row: list[str]) -> int:
    """Return how many lines of its file a row takes."""
    return 1 + sum(value.count("\n") for value in row)


def _box_places(path: Path, first: list[str], line: int) -> tuple[list[int], bool]:
    lowered = [name.strip().lower() for name in first]
    if all(name in lowered for name in _BOX_COLUMNS):
        return [lowered.index(name) for name in _BOX_COLUMNS], True
    if len(first) in (4, 5) and all(re.fullmatch(r"\s*-?\d+(\.0*)?\s*", v) for v in first[-4:]):
        return list(range(len(first)))[-4:], False
    raise DataError(f"{path}: line {line} has no columns {', '.join(_BOX_COLUMNS)}")


def _parse_boxes(
    path: Path,
    read: list[list[str]],
    rows: list[list[str]],
    places: list[int],
    first_line: int,
) -> NDArray[np.int64]:
    """Return the boxes of `rows`, which are those of `read` that are not blank."""
    try:
        values = [[row[place] for place in places] for row in rows]
        boxes = np.array(values, np.float64).reshape(-1, 4)
        is_whole = np.array_equal(boxes, np.floor(boxes)) and (np.abs(boxes) <= _FARTHEST).all()
        if is_whole and (boxes[:, 2:] >= boxes[:, :2]).all():
            return boxes.astype(np.int64)
    except (ValueError, IndexError):
        pass
    line = first_line
    for row in read:
        if _is_blank(row):
            line += _lines(row)
            continue
        try:
            x0, y0, x1, y1 = (float(row[place]) for place in places)
            sides = (x0, y0, x1, y1)
            if x0 <= x1 and y0 <= y1 and all(v == int(v) and abs(v) <= _FARTHEST for v in sides):
                line += _lines(row)
                continue
            problem = "is not whole pixels x0 <= x1, y0 <= y1"
        except (ValueError, IndexError, OverflowError):
            problem = "is not four numbers"
        raise DataError(f"{path}: line {line} ({','.join(row)[:60]}) {problem}")
    raise DataError(f"{path}: boxes near line {first_line} cannot be read")


@contextmanager
def _open_text(path: Path) -> Iterator[TextIO]:
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            yield file
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} cannot be read ({error})") from error


@contextmanager
def _replacing(path: Path) -> Iterator[Any]:
    """Give a text file beside `path` that takes its name when all went well."""
    temporary = temporary_beside(path)
    try:
        with open(temporary, "w", newline="", encoding="utf-8") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise DataError(f"{path} cannot be written ({error.strerror})") from error
    finally:
        discard(temporary)
