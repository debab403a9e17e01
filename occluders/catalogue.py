"""What a user's folder tells of its occluders beside the pictures: sizes, anchors, masks, splits.

Read are, from the folder itself: ``occluders.csv``, an ``index.json`` as a rendered library has,
a ``masks.cfg`` of mask templates with six points each, and ``splits.json``.
"""

import configparser
import csv
import io
import json
import math
import os
import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from .errors import OccluderInputError

__all__ = ["CATALOGUES", "Catalogue", "Facts", "read_catalogue", "size_in_name"]

Point = tuple[float, float]

CATALOGUES = ("index.json", "masks.cfg", "occluders.csv", "splits.json")
POINTS = (
    "left_eye",
    "right_eye",
    "nose",
    "mouth",
    "chin",
    "left_cheek",
    "right_cheek",
    "cover",
    "span",
    "origin",
)
_TEMPLATE_POINTS = tuple(f"mask_{letter}" for letter in "abcdef")
_LARGEST = 1000.0
_LONGEST_NAME = 255  # bytes, as file systems have it
_LARGEST_NAMED = 224.0  # twice the face: what is larger in a file's name is its size in pixels
# Where the template's points lie on a face, by height: 0 the eyes, 0.97 the mouth, 1.48 the chin.
# a, c: the jaw level with the nose's tip; d, f: level with the lower lip; b: the bridge; e: chin.
_CHEEK, _NOSE, _MOUTH = 0.37, 0.19, 0.59


class Facts(NamedTuple):
    """What is told of one file; None and nothing where it is not."""

    natural_size: Point | None = None
    points: Mapping[str, Point] = {}
    """Anchors, in pixels or fractions."""
    in_pixels: bool = True
    mask: str = ""
    name: str = ""
    category: str = ""
    sha256: str = ""


class Catalogue(NamedTuple):
    """What is told of the files of a folder."""

    facts: Mapping[str, Facts]
    """By file, relative to the folder."""
    source: str = ""
    """The file that tells it."""
    is_complete: bool = False
    """Whether files it does not name are no members."""
    splits: Mapping[str, tuple[str, ...]] = {}


def read_catalogue(root: Path) -> Catalogue:
    """Return what a folder tells of its occluders.

    Raises
    ------
    OccluderInputError
        When such a file cannot be understood: its name, the line and what it should be.
    """
    splits = _read_splits(root / "splits.json")
    for name, read in (
        ("index.json", _read_index),
        ("masks.cfg", _read_templates),
        ("occluders.csv", _read_csv),
    ):
        path = root / name
        if path.is_file():
            return Catalogue(read(path), name, name != "occluders.csv", splits)
    return Catalogue({}, splits=splits)


def size_in_name(stem: str) -> Point | None:
    """Return the natural size a file's name ends in, as ``cup_47x53``; None where it tells none."""
    found = re.search(r"(?:^|[_\- ])(\d+(?:\.\d+)?)x(\d+(?:\.\d+)?)$", stem)
    if found is None:
        return None
    width, height = float(found[1]), float(found[2])
    return (
        (width, height) if 1 <= min(width, height) <= max(width, height) <= _LARGEST_NAMED else None
    )


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise OccluderInputError(f"{path} is not UTF-8 text; save it as UTF-8") from error
    except OSError as error:
        raise OccluderInputError(f"{path} cannot be read ({error.strerror})") from error


def _inside(where: str, file: Any) -> str:
    """Return a file's name relative to the folder, refused where it leads out of it."""
    parts = PurePosixPath(str(file).replace("\\", "/"))
    if not str(file) or parts.is_absolute() or ".." in parts.parts:
        raise OccluderInputError(f"{where}: file must lie inside the folder, got {str(file)!r}")
    if "\0" in str(file) or any(len(os.fsencode(part)) > _LONGEST_NAME for part in parts.parts):
        raise OccluderInputError(f"{where}: {str(file)[:40]!r}... is no name of a file")
    return parts.as_posix()


def _number(where: str, name: str, text: Any, low: float = -_LARGEST * 100) -> float:
    try:
        number = float(text)
    except (TypeError, ValueError):
        number = math.nan
    if not low < number <= _LARGEST * 100:
        bound = f" > {low:g}" if low == 0 else ""
        raise OccluderInputError(f"{where}: {name} must be a number{bound}, got {text!r}")
    return number


def _read_csv(path: Path) -> dict[str, Facts]:
    try:
        reader = csv.DictReader(io.StringIO(_text(path)), skipinitialspace=True)
        columns = [name.strip() for name in reader.fieldnames or []]
        reader.fieldnames = columns
        rows = [(reader.line_num, row) for row in reader]
    except csv.Error as error:
        raise OccluderInputError(f"{path} is no CSV ({error})") from error
    if "file" not in columns:
        raise OccluderInputError(f"{path} must have a column 'file', has {', '.join(columns)}")
    facts: dict[str, Facts] = {}
    for line, row in rows:
        where = f"{path} line {line}"
        cells = {name: (row.get(name) or "").strip() for name in columns}
        file = _inside(where, cells["file"])
        if file in facts:
            raise OccluderInputError(f"{where}: {file} is named a second time")
        mask = cells.get("mask", "")
        facts[file] = Facts(
            natural_size=_size_of(where, cells),
            points=_with_template(where, _points_of(where, cells)),
            mask=_inside(where, mask) if mask else "",
            category=cells.get("category", ""),
        )
    return facts


def _size_of(where: str, cells: Mapping[str, str]) -> Point | None:
    sides = [cells.get(name, "") for name in ("natural_width", "natural_height")]
    if not any(sides):
        return None
    width = _number(where, "natural_width", sides[0], 0.0)
    height = _number(where, "natural_height", sides[1], 0.0)
    if max(width, height) > _LARGEST:
        raise OccluderInputError(
            f"{where}: a natural size is on a face of 96 x 112, got {width:g} x {height:g}"
        )
    return width, height


def _points_of(where: str, cells: Mapping[str, str]) -> dict[str, Point]:
    points: dict[str, Point] = {}
    for name in (*POINTS, *_TEMPLATE_POINTS):
        both = [cells.get(f"{name}_x", ""), cells.get(f"{name}_y", "")]
        if not any(both) and cells.get(name):
            both = re.split(r"[\s,;]+", cells[name].strip("()[] "))
            if len(both) != 2:
                raise OccluderInputError(f"{where}: {name} must be 'x, y', got {cells[name]!r}")
        if any(both):
            points[name] = (_number(where, name, both[0]), _number(where, name, both[1]))
    return points


def _with_template(where: str, points: Mapping[str, Point]) -> dict[str, Point]:
    """Return points with those of a mask template turned into the points of a face."""
    template = [points[name] for name in _TEMPLATE_POINTS if name in points]
    rest = {name: point for name, point in points.items() if name not in _TEMPLATE_POINTS}
    if not template:
        return rest
    if len(template) < 6:
        raise OccluderInputError(f"{where}: a template has six points, mask_a to mask_f")
    a, b, c, d, e, f = template
    return {
        "nose": _between(b, e, _NOSE),
        "mouth": _between(b, e, _MOUTH),
        "chin": e,
        "left_cheek": _between(a, d, _CHEEK),
        "right_cheek": _between(c, f, _CHEEK),
        **rest,
    }


def _between(first: Point, second: Point, share: float) -> Point:
    x, y = (p + share * (q - p) for p, q in zip(first, second, strict=True))
    return x, y


def _read_index(path: Path) -> dict[str, Facts]:
    text = _text(path)
    facts: dict[str, Facts] = {}
    try:
        for number, member in enumerate(json.loads(text)["members"]):
            where = f"{path} member {number}"
            cells = {
                "natural_width": str(member["natural_size"][0]),
                "natural_height": str(member["natural_size"][1]),
            }
            points = {
                str(name): (_number(where, name, point[0]), _number(where, name, point[1]))
                for name, point in member.get("anchors", {}).items()
            }
            facts[_inside(where, member["file"])] = Facts(
                natural_size=_size_of(where, cells),
                points=points,
                in_pixels=False,
                mask=_inside(where, member["mask"]) if member.get("mask") else "",
                name=str(member["name"]),
                category=str(member["category"]),
                sha256=str(member.get("sha256", "")),
            )
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        if isinstance(error, OccluderInputError):
            raise
        raise OccluderInputError(
            f"{path} is damaged or no index of occluders ({type(error).__name__}: {error})"
        ) from error
    return facts


def _read_templates(path: Path) -> dict[str, Facts]:
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(_text(path))
    except configparser.Error as error:
        raise OccluderInputError(f"{path} is no list of templates ({error})") from error
    facts: dict[str, Facts] = {}
    for section in parser.sections():
        template = parser[section].get("template", "")
        if not template:  # a section of the masker's own that shows no picture
            continue
        where = f"{path} [{section}]"
        cells = {name: parser[section].get(name, "") for name in _TEMPLATE_POINTS}
        points = _with_template(where, _points_of(where, cells))
        is_turned = section.endswith(("_left", "_right"))
        category = "face_mask_side" if is_turned else "face_mask"
        file = _inside(where, _found(path.parent, where, template))
        facts[file] = Facts(points=points, name=f"{category}/{section}", category=category)
    return facts


def _found(root: Path, where: str, template: str) -> str:
    """Return a template's file in the folder; its path is written from some folder above."""
    parts = [part for part in PurePosixPath(template.replace("\\", "/")).parts if part != ".."]
    _inside(where, "/".join(part for part in parts if part != "/"))
    tails = ["/".join(parts[start:]) for start in range(len(parts))]
    return next((tail for tail in tails if (root / tail).is_file()), tails[-1])


def _read_splits(path: Path) -> dict[str, tuple[str, ...]]:
    if not path.is_file():
        return {}
    try:
        table = json.loads(_text(path))
        splits = {str(name): tuple(patterns) for name, patterns in table.items()}
        is_sound = all(
            patterns and all(isinstance(pattern, str) for pattern in patterns)
            for patterns in splits.values()
        ) and not any(isinstance(patterns, str) for patterns in table.values())
    except OccluderInputError:
        raise
    except (ValueError, TypeError, AttributeError, RecursionError):
        is_sound = False
    if not is_sound:
        raise OccluderInputError(
            f'{path} must be {{"train": ["book/*", "cup"], "test": ["hand"]}}: '
            "names, categories or patterns for each split"
        )
    return splits
