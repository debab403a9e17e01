"""verify(): every byte, picture and label of a set again."""

import itertools
import math
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from joblib import Parallel, delayed

from .codec import decode_image
from .columns import Columns, content_digest
from .config import FORMATS
from .errors import ColumnError, DataError, OccgenError, SchemaError, ShardError
from .formats import open_format
from .manifest import CARD, MANIFEST, SKIPPED, build_digest, file_sha256, read_manifest
from .masks import unpack_mask
from .patterns import PatternGrid
from .pool import usable_jobs
from .storage import set_path, storage_errors
from .workshop import label_box

__all__ = ["Finding", "verify"]

_MOST_OF_A_FIELD = 20  # findings in one shard; the rest are counted
_MASK_PIXELS = 1 << 25  # unpacked at a time


class Finding(NamedTuple):
    """Something wrong in a set."""

    file: str
    row: int | None
    """Of the face in its shard, from 0; None for the file as a whole."""
    field: str
    problem: str
    times: int = 1
    """Of problems this stands for: beyond 20 of one field in a shard, the rest are one finding."""

    def __str__(self) -> str:
        place = self.file if self.row is None else f"{self.file}, row {self.row}"
        return f"{place}: {self.field}: {self.problem}"


def verify(
    path: Path, jobs: int | None = None, on_shard: Callable[[int, int], None] | None = None
) -> list[Finding]:
    """Check a finished set again: checksums, every picture, mask, box and label.

    Parameters
    ----------
    path : Path
        The folder ``occgen build`` wrote.
    jobs : int, optional
        Worker processes; by default all cores.
    on_shard : callable, optional
        Told how many shards are done, of how many.

    Returns
    -------
    list of Finding
        Empty when all is well. Of more than 20 problems of one field in a shard, the last finding
        says how many more there are. A changed byte anywhere in a shard, in ``skipped.csv``, in the
        data card, in a carried file or in the manifest is found.

    Raises
    ------
    InputError
        When the folder holds no finished build.
    """
    try:
        manifest = read_manifest(path)
    except ShardError as error:
        field = "schema" if isinstance(error, SchemaError) else "checksum"
        return [Finding(MANIFEST, None, field, str(error).removeprefix(f"{path / MANIFEST} "))]
    try:
        findings = list(_check_files(path, manifest))
        entries = list(enumerate(manifest["shards"]))
        settings = manifest["config"]
        checks = (
            delayed(_check_shard)(str(path.absolute()), i, entry, settings) for i, entry in entries
        )
        pool = Parallel(n_jobs=min(usable_jobs(jobs), max(len(entries), 1)), return_as="generator")
        for done, found in enumerate(pool(checks), 1):
            findings += found
            if on_shard is not None:
                on_shard(done, len(entries))
        if not findings:
            findings += _check_totals(manifest)
    except (KeyError, TypeError, AttributeError) as error:
        findings = [Finding(MANIFEST, None, "fields", f"incomplete ({error})")]
    return findings


def _check_files(path: Path, manifest: dict[str, Any]) -> Iterator[Finding]:
    listed = dict(manifest["files"])
    listed |= {name: entry["sha256"] for name, entry in manifest["labels"].items()}
    for name, digest in listed.items():
        try:
            if file_sha256(path / name) != digest:
                yield Finding(name, None, "checksum", "its bytes are not those the manifest names")
        except ShardError:
            yield Finding(name, None, "file", "is missing or cannot be read")
    for name in (SKIPPED, CARD):
        if name not in listed and (path / name).exists():
            yield Finding(name, None, "file", "is not in the manifest")
    for name in _strays(path, manifest):
        if name not in listed:
            yield Finding(name, None, "file", "is not in the manifest")


def _strays(path: Path, manifest: dict[str, Any]) -> Iterator[str]:
    """Yield names of files that loaders would take for the set's, and that no shard has."""
    own = open_format(manifest["config"]["format"])
    others = [open_format(name) for name in FORMATS]
    with storage_errors(path):
        yield from own.strays(path, len(manifest["shards"]))
        for entry in sorted(path.glob("*")):
            checked = own.owns(entry.name) and not entry.name.startswith("pattern-k")
            ours = not checked and any(form.owns(entry.name) for form in others)
            if ours and entry.is_file():
                yield entry.name


def _check_totals(manifest: dict[str, Any]) -> Iterator[Finding]:
    digests = [shard["content_sha256"] for shard in manifest["shards"]]
    if build_digest(digests, manifest["config"]) != manifest["digest"]:
        yield Finding(MANIFEST, None, "digest", "does not follow from the shards")
    if sum(shard["images"] for shard in manifest["shards"]) != manifest["images"]:
        yield Finding(MANIFEST, None, "images", "is not the sum over the shards")


def _check_shard(
    folder: str, index: int, entry: dict[str, Any], config: dict[str, Any]
) -> list[Finding]:
    path, name = set_path(folder), entry["name"]
    shards = open_format(config["format"])
    findings: list[Finding] = []
    try:
        with storage_errors(path):
            stored = shards.find(path, index)
        if stored is None:
            return [Finding(name, None, "file", "is missing")]
        columns, attributes = shards.read(path, index)
        problems = _check_columns(columns, attributes, config)
        findings += _limited(name, problems)
        if stored.sha256 != entry["sha256"]:
            if content_digest(columns) == entry["content_sha256"]:
                problem = "bytes outside the data are not those the manifest names"
                findings.append(Finding(name, None, "checksum", problem))
            elif not findings:
                problem = "its data are not those the manifest names"
                findings.append(Finding(name, None, "checksum", problem))
    except ColumnError as error:
        findings.append(Finding(name, error.row, error.field, error.problem))
    except OccgenError as error:
        findings.append(Finding(name, None, "file", _without_place(error, path, name)))
    except (KeyError, ValueError, IndexError, TypeError, ArithmeticError, MemoryError) as error:
        findings.append(Finding(name, None, "data", f"damaged ({error})"))
    return findings


def _without_place(error: OccgenError, path: Path, name: str) -> str:
    """Return what an error says, without the set's folder and the file the finding names."""
    text = str(error).replace(f"{path}/", "")
    return text.removeprefix(name).removeprefix(":").lstrip()


def _limited(name: str, problems: Iterator[tuple[int | None, str, str]]) -> Iterator[Finding]:
    """Yield the first findings of each field of a shard, then how many more there are."""
    counts: Counter[str] = Counter()
    for row, field, problem in problems:
        counts[field] += 1
        if counts[field] <= _MOST_OF_A_FIELD:
            yield Finding(name, row, field, problem)
    for field, count in counts.items():
        more = count - _MOST_OF_A_FIELD
        if more > 0:
            yield Finding(name, None, field, f"and {more} more", more)


def _check_columns(
    columns: Columns, attributes: dict[str, Any], config: dict[str, Any]
) -> Iterator[tuple[int | None, str, str]]:
    """Yield row, field and problem of all that does not follow from the rest of a shard."""
    height, width = int(attributes["height"]), int(attributes["width"])
    count = len(columns["key"])
    images = _blobs(columns, "image")
    pastes = columns["paste/offset"].astype(np.int64)
    boxes = columns["box"].astype(np.int64)
    paste_boxes = columns["paste/box"].astype(np.int64)
    block = np.zeros(
        (max(1, min(count, _MASK_PIXELS // (height * width))), height, width), np.bool_
    )
    grid = PatternGrid(int(attributes["k"]), height, width)
    mask_labels, mask_pixels = np.zeros((2, count), np.int64)
    packed = _blobs(columns, "mask") if "mask/data" in columns else None
    for row in range(count):
        place = row % len(block)
        mask = block[place]
        mask[:] = False
        if zlib.crc32(images[row]) != columns["image/crc32"][row]:
            yield row, "image", "its bytes changed"
        try:
            if decode_image(images[row]).shape != (height, width, 3):
                yield row, "image", f"is not {height}x{width}"
        except DataError as error:
            yield row, "image", str(error)
        own = paste_boxes[pastes[row] : pastes[row + 1]]
        if packed is not None:
            if zlib.crc32(packed[row]) != columns["mask/crc32"][row]:
                yield row, "mask", "its bytes changed"
            try:
                mask[:] = unpack_mask(packed[row], height, width)
            except DataError as error:
                yield row, "mask", str(error)
        else:
            for x0, y0, x1, y1 in own:
                mask[y0:y1, x0:x1] = True
        if place == len(block) - 1 or row == count - 1:
            first = row - place
            mask_labels[first : row + 1] = grid.label_masks(block[: place + 1])
            mask_pixels[first : row + 1] = block[: place + 1].sum((1, 2))
        filled = own[own[:, 2] > own[:, 0]]
        enclosing = (*filled[:, :2].min(0), *filled[:, 2:].max(0)) if len(filled) else (0,) * 4
        x0, y0, x1, y1 = map(int, enclosing)
        expected = label_box((x0, y0, x1, y1), config["compat"], height, width)
        if tuple(boxes[row].tolist()) != expected:
            yield row, "box", f"is {tuple(boxes[row].tolist())}, its pastes make {expected}"
    yield from _check_numbers(columns, boxes, mask_labels, mask_pixels, grid)
    yield from _check_names(columns, pastes)


def _check_numbers(
    columns: Columns, boxes: Any, mask_labels: Any, mask_pixels: Any, grid: PatternGrid
) -> Iterator[tuple[int | None, str, str]]:
    k, area = grid.k, grid.height * grid.width
    pixels = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    expected = {
        f"pattern/k{k}": grid.label_boxes(boxes),
        f"pattern/k{k}_mask": mask_labels,
        "coverage": (pixels / area).astype(np.float32),
        "mask_coverage": (mask_pixels / area).astype(np.float32),
    }
    for field, values in expected.items():
        for row in np.flatnonzero(columns[field] != values).tolist():
            yield row, field, f"is {columns[field][row]}, should be {values[row]}"


def _check_names(columns: Columns, pastes: Any) -> Iterator[tuple[int | None, str, str]]:
    """Yield where a face is not named after its first paste, or a person has two numbers."""
    pasted, first = (np.diff(pastes) > 0).tolist(), pastes[:-1].tolist()
    for field, clean in (("category", 0), ("occluder", b""), ("scale", math.nan)):
        own = columns[f"paste/{field}"].tolist()
        for row, value in enumerate(columns[field].tolist()):
            expected = own[first[row]] if pasted[row] else clean
            without = value != value and expected != expected  # no scale was used
            if value != expected and not without:
                yield row, field, f"is {value!r}, its first paste makes {expected!r}"
    numbers: dict[bytes, int] = {b"": -1}
    names = columns["identity_name"].tolist()
    for row, (name, number) in enumerate(zip(names, columns["identity"].tolist(), strict=True)):
        known = numbers.setdefault(name, number)
        if known != number or (number == -1) != (name == b""):
            shown = name.decode("utf-8", "replace")
            yield row, "identity", f"is {number}, and {shown!r} is {known}"


def _blobs(columns: Columns, kind: str) -> list[bytes]:
    data, offsets = columns[f"{kind}/data"].tobytes(), columns[f"{kind}/offset"].tolist()
    if offsets[0] != 0 or offsets[-1] != len(data) or sorted(offsets) != offsets:
        raise ShardError(f"{kind}/offset does not cut {len(data)} bytes")
    return [data[a:b] for a, b in itertools.pairwise(offsets)]
