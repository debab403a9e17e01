"""Whether a manifest has the fields readers rely on, and names nothing outside its folder.

A checksum tells of accidents: whoever means harm writes one that fits.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from .column_check import MOST_CELLS
from .config import FORMATS, BuildConfig
from .errors import DataError, InputError, ShardError
from .tar_members import check_member_name

__all__ = ["check_manifest", "check_recipe_header"]

_MOST = 1 << 53
_SHA256 = re.compile(r"[0-9a-f]{64}")
_ADDED = re.compile(r"pattern-k(\d{1,2})\.h5")
_PATTERN = re.compile(r"k\d{1,2}(_mask)?")
_LABEL = re.compile(r"\d{1,9}")

_PLAIN = (str, int, float, type(None))

_Test = Callable[[Any], bool]


def check_manifest(record: Mapping[str, Any], path: Path) -> None:
    """Raise ShardError where a field is missing or is not what it should be.

    Parameters
    ----------
    record : mapping
        What ``manifest.json`` holds; further fields are let be.
    path : Path
        Of the file, for the message.
    """
    for name, test in _FIELDS.items():
        if name not in record or not test(record[name]):
            found = f"is {record[name]!r:.60}" if name in record else "is missing"
            raise ShardError(f"{path} is no manifest occgen wrote: {name} {found}")


def check_recipe_header(header: Mapping[str, Any], path: Path) -> None:
    """Raise DataError where the header of a recipe has not the fields a build of it relies on."""
    for name in ("height", "width", "config", "occluders", "source", "versions", "digest"):
        test = _OF_RECIPES.get(name) or _FIELDS[name]
        if name not in header or not test(header[name]):
            raise DataError(f"{path} is no recipe occgen wrote: {name} is missing or wrong")


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MOST


def _is_side(value: Any) -> bool:
    return _is_count(value) and 1 <= value < 1 << 15


def _is_share(value: Any) -> bool:
    return _is_count(value) or (isinstance(value, float) and math.isfinite(value))


def _is_sum(value: Any) -> bool:
    return isinstance(value, str) and _SHA256.fullmatch(value) is not None


def _is_name(value: Any) -> bool:
    """Whether a name stays inside the folder it is joined to."""
    try:
        check_member_name(value)
    except (DataError, AttributeError):
        return False
    return bool(value) and not value.startswith(".") and value.strip("/.") != ""


def _is_table(of: _Test, named: _Test = _is_text) -> _Test:
    return lambda value: (
        isinstance(value, dict) and all(named(key) and of(item) for key, item in value.items())
    )


def _is_list(of: _Test) -> _Test:
    return lambda value: isinstance(value, list) and all(of(item) for item in value)


def _has(fields: Mapping[str, _Test]) -> _Test:
    return lambda value: (
        isinstance(value, dict)
        and all(name in value and test(value[name]) for name, test in fields.items())
    )


_is_counts = _is_table(_is_count)
_are_patterns = _is_table(
    _is_table(_is_count, lambda label: _LABEL.fullmatch(label) is not None),
    lambda name: _PATTERN.fullmatch(name) is not None,
)


def _is_added(name: Any) -> bool:
    found = _ADDED.fullmatch(name)
    return found is not None and 1 <= int(found[1]) <= MOST_CELLS


def _is_config(value: dict[str, Any]) -> bool:
    """Whether the fields this version knows make a configuration."""
    known = {field.name for field in fields(BuildConfig)}
    if not all(isinstance(part, _PLAIN) or _is_list(_is_text)(part) for part in value.values()):
        return False
    try:
        BuildConfig(**{name: part for name, part in value.items() if name in known})
    except (InputError, TypeError, AttributeError, OverflowError):
        return False
    return True


_CONFIG: dict[str, _Test] = {
    "format": lambda value: value in FORMATS,
    "k": lambda value: _is_count(value) and 1 <= value <= MOST_CELLS,
    "by": lambda value: value in ("box", "mask"),
    "compat": lambda value: value in (None, "published"),
    "seed": lambda value: isinstance(value, int),
    **dict.fromkeys(("dataset", "placement", "blend"), _is_text),
    "scale": lambda value: _is_text(value) or _is_share(value),
}

_FIELDS: dict[str, _Test] = {
    "name": _is_text,
    "seed": lambda value: isinstance(value, int),
    "height": _is_side,
    "width": _is_side,
    **dict.fromkeys(("identities", "images", "occluded", "skipped", "bytes"), _is_count),
    "labels_differ": _is_count,
    "box_coverage": _is_share,
    "mask_coverage": _is_share,
    "coverage_histogram": _is_list(_is_count),
    "categories": _is_counts,
    "patterns": _are_patterns,
    "digest": _is_sum,
    "files": _is_table(_is_sum, _is_name),
    "labels": _is_table(
        _has(
            {
                "sha256": _is_sum,
                "patterns": _are_patterns,
                "by": lambda value: (
                    isinstance(value, list) and set(map(str, value)) <= {"box", "mask"}
                ),
            }
        ),
        _is_added,
    ),
    "shards": _is_list(
        _has(
            {
                "name": _is_name,
                "images": _is_count,
                "bytes": _is_count,
                "sha256": _is_sum,
                "content_sha256": _is_sum,
            }
        )
    ),
    "config": lambda value: _has(_CONFIG)(value) and _is_config(value),
    "source": _has(
        {
            "pictures": _is_count,
            "root": lambda value: value is None or _is_text(value),
            **dict.fromkeys(("dataset", "licence", "fingerprint"), _is_text),
        }
    ),
    "occluders": _has({"digest": _is_text, "spec": _is_table(_is_text), "members": _is_count}),
    "versions": lambda value: _is_table(_is_text)(value) and "occgen" in value,
}

_OF_RECIPES: dict[str, _Test] = {
    "source": _has({"pictures": _is_count}),
    "occluders": _has({"digest": _is_text, "members": _is_count}),
}
