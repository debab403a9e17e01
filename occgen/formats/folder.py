"""Pictures in folders with ``labels.csv``: for people and programs that want plain files.

``images/`` and ``masks/`` hold one file a face, ``parts/`` one JSON file a shard with every column
but the pixels, and ``labels.csv`` all of it as a table. A part is written after its pictures, so a
part that stands is whole.
"""

import base64
import csv
import hashlib
import io
import itertools
import json
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..atomic import cannot_be_written, install_bytes, make_folder
from ..codec import encoder, picture_ending
from ..column_check import check_columns, check_texts
from ..columns import Columns
from ..errors import ShardError
from ..manifest import file_sha256
from ..masks import unpack_mask
from .base import StoredShard

__all__ = ["FolderFormat", "safe_path"]

_LABELS = "labels.csv"
_PART = re.compile(r"shard-(\d{5,})\.json")
_BLOBS = {"image": "images", "mask": "masks"}
_TYPE = re.compile(
    r"[<>|=]?(S[1-9]\d{0,3}|[iuf][1248])"
)  # of numbers, or of texts up to 9999 bytes
_MOST_TEXT = 1 << 28  # bytes of one column of texts
_DAMAGE = (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError)
_LONGEST_NAME, _LONGEST_CUT = 180, 150  # bytes; longer names are cut and told apart by a mark
_LONGEST_ENDING = 8
_VARIANT = re.compile(r"#\d+$")
_PICTURES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif"),
    *(".pgm", ".ppm", ".pnm", ".jp2"),
)


class FolderFormat:
    """``images/<key>``, ``masks/<key>.png``, ``parts/shard-00000.json``, ``labels.csv``."""

    finished = (_LABELS,)

    def write(
        self, out: Path, scratch: Path, index: int, columns: Columns, attributes: Mapping[str, Any]
    ) -> StoredShard:
        """Write pictures and masks, each beside its place and renamed, then the part."""
        keys = [key.decode() for key in columns["key"].tolist()]
        images = _cut(columns["image/data"], columns["image/offset"])
        endings = [picture_ending(image) for image in images]
        names = [safe_path(key, ending) for key, ending in zip(keys, endings, strict=True)]
        work = scratch / f"files-{index:05d}"
        make_folder(work)
        make_folder(out / "parts")
        files: dict[str, list[list[Any]]] = {}
        for kind, folder in _BLOBS.items():
            if f"{kind}/data" not in columns:
                continue
            blobs = images
            if kind == "mask":
                blobs = _cut(columns["mask/data"], columns["mask/offset"])
                height, width = attributes["height"], attributes["width"]
                blobs = [_mask_png(blob, height, width) if blob else b"" for blob in blobs]
                names = [f"{name.rpartition('.')[0]}.png" for name in names]
            files[kind] = [
                [_place(out / folder, name, blob, work), hashlib.sha256(blob).hexdigest()]
                if blob
                else ["", ""]
                for name, blob in zip(names, blobs, strict=True)
            ]
        part = {
            "attributes": dict(attributes),
            "files": files,
            "columns": {
                name: _to_json(column)
                for name, column in columns.items()
                if name not in ("image/data", "image/offset")
            },
        }
        data = json.dumps(part, ensure_ascii=False, allow_nan=True).encode("utf-8")
        install_bytes(out / _part_name(index), data, scratch)
        pixels = int(columns["image/offset"][-1])
        return StoredShard(_part_name(index), hashlib.sha256(data).hexdigest(), len(data) + pixels)

    def find(self, out: Path, index: int) -> StoredShard | None:
        """Return the shard of a number if its part stands, or None."""
        path = out / _part_name(index)
        if not path.is_file():
            return None
        pixels = sum(
            (out / "images" / name).stat().st_size
            for name, _ in self._part(path)["files"]["image"]
            if (out / "images" / name).is_file()
        )
        return StoredShard(_part_name(index), file_sha256(path), path.stat().st_size + pixels)

    def read(self, out: Path, index: int) -> tuple[Columns, dict[str, Any]]:
        """Return columns and attributes of a shard; every picture is checked by its SHA-256."""
        path = out / _part_name(index)
        part = self._part(path)
        try:
            stored = {name: _from_json(value) for name, value in part["columns"].items()}
            files = part["files"]
            attributes: dict[str, Any] = part["attributes"]
        except _DAMAGE as error:
            raise ShardError(f"{path} is damaged ({error})") from error
        blobs = [_checked_file(out / "images", name, digest) for name, digest in files["image"]]
        for name, digest in files.get("mask", []):
            if name:
                _checked_file(out / "masks", name, digest)
        offsets = np.zeros(len(blobs) + 1, np.uint64)
        np.cumsum([len(blob) for blob in blobs], out=offsets[1:])
        columns: Columns = {
            "image/data": np.frombuffer(b"".join(blobs), np.uint8),
            "image/offset": offsets,
        }
        check_columns(columns | stored, attributes, path)
        return columns | stored, attributes

    def read_some(self, out: Path, index: int, names: list[str]) -> Columns:
        """Return some columns of a shard that stands, none of them the pictures."""
        path = out / _part_name(index)
        try:
            columns = self._part(path)["columns"]
            found = {name: _from_json(columns[name]) for name in names}
        except _DAMAGE as error:
            raise ShardError(f"{path} is damaged ({error})") from error
        check_texts(found, path)
        return found

    def indices(self, out: Path) -> list[int]:
        """Return the numbers of all parts that stand, sorted."""
        matches = (_PART.fullmatch(path.name) for path in (out / "parts").glob("shard-*.json"))
        return sorted(int(match[1]) for match in matches if match)

    def strays(self, out: Path, count: int) -> list[str]:
        """Return names of parts beyond so many, and of pictures and masks no part names."""
        known = {_part_name(index) for index in range(count)}
        places = {path: f"parts/{path.name}" for path in (out / "parts").glob("*")}
        try:
            for index in range(count):
                for kind, entries in self._part(out / _part_name(index))["files"].items():
                    known.update(f"{_BLOBS.get(kind)}/{name}" for name, _ in entries)
            for folder in _BLOBS.values():
                paths = (out / folder).rglob("*")
                places |= {path: path.relative_to(out).as_posix() for path in paths}
        except ShardError:
            pass  # what a damaged part names is not known
        return sorted(name for path, name in places.items() if name not in known and path.is_file())

    def clear(self, out: Path) -> None:
        """Remove the pictures, masks, parts and the table."""
        (out / _LABELS).unlink(missing_ok=True)
        for folder in ("parts", *_BLOBS.values()):
            shutil.rmtree(out / folder, ignore_errors=True)

    def discard(self, out: Path, name: str) -> None:
        """Remove a broken file, so that a build makes it again."""
        (out / name).unlink(missing_ok=True)

    def owns(self, name: str) -> bool:
        """Whether a name directly in the output folder is one this format writes."""
        return name in (_LABELS, "parts", *_BLOBS.values())

    def finish(self, out: Path, scratch: Path, count: int) -> list[str]:
        """Write ``labels.csv`` from the parts."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        for index in range(count):
            rows = _table(self._part(out / _part_name(index)))
            writer.writerows(rows if index == 0 else rows[1:])
        install_bytes(out / _LABELS, text.getvalue().encode("utf-8"), scratch)
        return [_LABELS]

    def _part(self, path: Path) -> dict[str, Any]:
        try:
            part = json.loads(path.read_bytes())
            if not isinstance(part, dict) or not _are_files(part.get("files")):
                raise ValueError("no part of a set")
            if not isinstance(part.get("attributes"), dict):
                raise ValueError("no attributes")
            return part
        except (OSError, ValueError, RecursionError) as error:
            raise ShardError(f"{path} is damaged ({error})") from error


def _are_files(value: Any) -> bool:
    """Whether a value names pictures, and maybe masks, each with its checksum."""
    return (
        isinstance(value, dict)
        and "image" in value
        and all(
            isinstance(entries, list)
            and all(
                isinstance(entry, list)
                and len(entry) == 2
                and all(isinstance(text, str) and "\0" not in text for text in entry)
                for entry in entries
            )
            for entries in value.values()
        )
    )


def safe_path(key: str, ending: str) -> str:
    """Return a relative path for a key that stays inside any folder it is joined to.

    Parameters
    ----------
    key : str
        Of a source; may hold anything.
    ending : str
        Of the file, with its dot.

    Notes
    -----
    Two keys have two paths: what had to be changed carries a mark made of the whole name.
    """
    found = _VARIANT.search(key)
    variant = found[0] if found else ""
    *folders, name = key.removesuffix(variant).split("/")
    stem = name.removesuffix(ending)
    # a.jpg stays, a.png becomes a.png.jpg; a name that could be taken for another's is marked
    has_ending, is_picture = stem != name, stem.lower().endswith(_PICTURES)
    is_bare = not stem.strip(".")  # nothing but dots before the ending
    if has_ending == is_picture or is_bare or _VARIANT.search(stem):
        stem += _mark(name)
    return "/".join(_clean(part) for part in (*folders, f"{stem}{variant}{ending}"))


def _mark(name: str) -> str:
    return f"~{hashlib.sha256(name.encode('utf-8', 'replace')).hexdigest()[:8]}"


def _clean(part: str) -> str:
    """Return a part of a path without what a file system may take amiss, marked if changed."""
    clean = re.sub(r'[\x00-\x1f\x7f<>:"|?*\\]', "_", part)
    if not clean or clean.startswith("."):
        clean = f"_{clean.lstrip('.')}"
    if clean == part and len(clean.encode("utf-8", "replace")) <= _LONGEST_NAME:
        return clean
    head, dot, tail = clean.rpartition(".")
    if not dot or len(tail) > _LONGEST_ENDING:
        head, dot, tail = clean, "", ""
    short = head.encode("utf-8", "replace")[:_LONGEST_CUT].decode("utf-8", "ignore")
    return f"{short}{_mark(part)}{dot}{tail}"


def _part_name(index: int) -> str:
    return f"parts/shard-{index:05d}.json"


def _place(folder: Path, name: str, data: bytes, work: Path) -> str:
    path = folder / name
    try:
        temporary = work / "file"
        temporary.write_bytes(data)
        try:
            os.replace(temporary, path)
        except FileNotFoundError:
            make_folder(path.parent)
            os.replace(temporary, path)
    except OSError as error:
        raise cannot_be_written(path, error) from error
    return path.relative_to(folder).as_posix()


def _checked_file(folder: Path, name: str, digest: str) -> bytes:
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ShardError(f"{path} lies outside the set")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ShardError(f"{path} cannot be read ({error.strerror})") from error
    if hashlib.sha256(data).hexdigest() != digest:
        raise ShardError(f"{path} is damaged: its checksum does not match")
    return data


def _mask_png(data: bytes, height: int, width: int) -> bytes:
    mask = unpack_mask(data, height, width).astype(np.uint8) * 255
    return encoder("png", 100)(mask)


def _cut(data: NDArray[Any], offsets: NDArray[Any]) -> list[bytes]:
    whole, cuts = data.tobytes(), offsets.tolist()
    return [whole[start:end] for start, end in itertools.pairwise(cuts)]


def _to_json(column: NDArray[Any]) -> dict[str, Any]:
    if column.dtype.kind == "S":
        return {"text": [value.decode() for value in column.tolist()], "type": column.dtype.str}
    if column.dtype == np.uint8 and column.ndim == 1 and column.dtype.metadata is None:
        return {"base64": base64.b64encode(column.tobytes()).decode(), "type": "|u1"}
    return {"values": column.tolist(), "type": column.dtype.str, "shape": list(column.shape)}


def _from_json(value: dict[str, Any]) -> NDArray[Any]:
    if not _TYPE.fullmatch(str(value["type"])):
        raise ValueError(f"a column has type {value['type']!r:.40}")
    if "text" in value:
        size = len(value["text"]) * np.dtype(value["type"]).itemsize
        if size > _MOST_TEXT:
            raise ValueError(f"a column of texts takes {size} bytes")
        return np.array([text.encode() for text in value["text"]], value["type"])
    if "base64" in value:
        return np.frombuffer(base64.b64decode(value["base64"]), np.uint8)
    return np.array(value["values"], value["type"]).reshape(value["shape"])


def _table(part: dict[str, Any]) -> list[list[Any]]:
    columns = {name: _from_json(value) for name, value in part["columns"].items()}
    names = json.loads(part["attributes"]["categories"])
    images = part["files"]["image"]
    masks = part["files"].get("mask", [["", ""]] * len(images))
    labels = sorted(name for name in columns if name.startswith("pattern/"))
    header = ["image", "mask", "key", "identity", "identity_name", "x0", "y0", "x1", "y1"]
    header += ["category", "occluder", "scale", "coverage", "mask_coverage"]
    header += [name.replace("pattern/", "pattern_") for name in labels]
    rows: list[list[Any]] = [header]
    for row in range(len(images)):
        scale = float(columns["scale"][row])
        rows.append(
            [
                f"images/{images[row][0]}",
                f"masks/{masks[row][0]}" if masks[row][0] else "",
                columns["key"][row].decode(),
                int(columns["identity"][row]),
                columns["identity_name"][row].decode(),
                *columns["box"][row].tolist(),
                names[int(columns["category"][row])],
                columns["occluder"][row].decode(),
                "" if np.isnan(scale) else f"{scale:g}",
                f"{columns['coverage'][row]:.6f}",
                f"{columns['mask_coverage'][row]:.6f}",
                *(int(columns[name][row]) for name in labels),
            ]
        )
    return rows
