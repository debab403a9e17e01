"""Which file of a folder a list of pairs means: lists are written on other machines."""

import os
import posixpath
from collections.abc import Callable
from functools import cache
from pathlib import Path

__all__ = ["path_resolver"]


def path_resolver(root: Path) -> Callable[[str], str]:
    """Return a function from the path of a picture in a list to its key below a root.

    Parameters
    ----------
    root : Path

    Notes
    -----
    A path that is there is its own key. Else backslashes are taken for slashes, ``./`` and what
    leads to the root (its own name, or the whole path to it) is left out, an ending that is missing
    or another one, and capital letters that differ, are looked up in the folder. What is not found
    stays as it was written, so that it can be named as missing.
    """
    above = posixpath.normpath(root.absolute().as_posix()) + "/"

    @cache
    def listed(folder: str) -> dict[str, str]:
        try:
            names = sorted(os.listdir(root / folder), reverse=True)
        except (OSError, ValueError):
            return {}
        found = {posixpath.splitext(name.lower())[0]: name for name in names}
        return found | {name.lower(): name for name in names}

    def look_up(key: str) -> str | None:
        if not key or key.startswith("/") or ".." in key.split("/"):
            return None
        if os.path.isfile(root / key):
            return key
        folder, _, name = key.rpartition("/")
        stem = posixpath.splitext(name.lower())[0]
        there = listed(folder)
        other = there.get(name.lower()) or there.get(stem)
        found = f"{folder}/{other}" if folder else other
        return found if other and os.path.isfile(root / str(found)) else None

    @cache
    def resolve(path: str) -> str:
        if os.path.isfile(root / path) and posixpath.normpath(path) == path and path[0] != "/":
            return path
        key = posixpath.normpath(path.replace("\\", "/"))
        tried = [key, key.removeprefix(above)]
        parts = key.split("/")
        tried += ["/".join(parts[n + 1 :]) for n, part in enumerate(parts) if part == root.name]
        return next((found for found in map(look_up, tried) if found), path)

    return resolve
