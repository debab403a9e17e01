"""Renders a library into a folder: WebP with a lossless matte, and ``index.json``."""

import hashlib
import io
import json
import os
import platform
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from joblib import Parallel, cpu_count, delayed
from numpy.typing import NDArray
from PIL import Image
from PIL import __version__ as pillow_version

from .calibration import fit_sizes
from .errors import OccluderDataError, OccluderInputError

__all__ = ["INDEX", "render_member", "write_library"]

INDEX = "index.json"
_JOURNAL = ".render.jsonl"
_QUALITY = 90

Member = tuple[str, int]
OnProgress = Callable[[int, int], None]


def write_library(
    folder: Path,
    members: int = 24,
    seed: int = 0,
    *,
    categories: Sequence[str] | None = None,
    size: int = 176,
    jobs: int | None = None,
    on_progress: OnProgress | None = None,
) -> dict[str, Any]:
    """Render members of each category into a folder and calibrate their natural sizes.

    Parameters
    ----------
    folder : Path
        Made when missing. What an interrupted call with the same arguments left is used; a whole
        library of the same arguments is left as it is.
    members : int, optional
        Of each category.
    seed : int, optional
        The same seed renders the same members, the first ones whatever their number.
    categories : sequence of str, optional
        All when None. Natural sizes are fitted to those given.
    size : int, optional
        Longest side of a picture in pixels.
    jobs : int, optional
        Worker processes; all cores this process may use when None.
    on_progress : callable, optional
        Told how many members are done and how many there are.

    Returns
    -------
    dict
        The index, as written to ``index.json``: settings, versions, digest over all files, and the
        members with name, category, natural size, anchors, file and SHA-256.

    Raises
    ------
    OccluderInputError
        When `members` is below 1, `size` below 16, a category unknown, or the folder holds
        something else.
    OccluderDataError
        When it cannot be written.
    """
    settings = _settings(members, seed, categories, size)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        index = _whole(folder, settings)
        if index is not None:
            return index
        records = _begun(folder, settings)
        wanted = [(name, k) for name in settings["categories"] for k in range(members)]
        missing = [member for member in wanted if member not in records]
        for name in settings["categories"]:
            (folder / name).mkdir(exist_ok=True)
        with open(folder / _JOURNAL, "a", encoding="utf-8") as journal:
            for member, picture, anchors in _rendered(missing, seed, size, jobs):
                records[member] = _store(folder, member, picture, anchors)
                journal.write(json.dumps(records[member]) + "\n")
                journal.flush()
                if on_progress is not None:
                    on_progress(len(records), len(wanted))
        index = _index(settings, [records[member] for member in wanted])
        _replace(folder / INDEX, (json.dumps(index, indent=1) + "\n").encode())
        (folder / _JOURNAL).unlink()
    except OSError as error:
        raise OccluderDataError(f"{folder} cannot be written ({error.strerror})") from error
    return index


def render_member(
    category: str, number: int, seed: int = 0, size: int = 176
) -> tuple[NDArray[np.uint8], dict[str, tuple[float, float]]]:
    """Return one member of a library, cut to what it covers.

    Parameters
    ----------
    category : str
    number : int
        From 0.
    seed, size : int, optional
        As in `write_library`.

    Returns
    -------
    picture : ndarray of uint8, shape (h, w, 4)
    anchors : dict of str to (float, float)
        Named points as fractions of width and height; they may lie outside of the picture.
    """
    from .render import render

    key = hashlib.sha256(f"{seed}/{category}/{number}".encode()).digest()
    made = render(category, np.random.default_rng(list(key[:16])), size)
    alpha = made.rgba[:, :, 3]
    rows, columns = np.flatnonzero(alpha.any(axis=1)), np.flatnonzero(alpha.any(axis=0))
    top, left = int(rows[0]), int(columns[0])
    picture = np.ascontiguousarray(made.rgba[top : rows[-1] + 1, left : columns[-1] + 1])
    height, width = picture.shape[:2]
    anchors = {
        name: (round((x - left) / width, 4), round((y - top) / height, 4))
        for name, (x, y) in made.anchors.items()
    }
    return picture, anchors


def _settings(
    members: int, seed: int, categories: Sequence[str] | None, size: int
) -> dict[str, Any]:
    from .render import KINDS

    if members < 1:
        raise OccluderInputError(f"members must be >= 1, got {members}")
    if size < 16:
        raise OccluderInputError(f"size must be >= 16 pixels, got {size}")
    chosen = sorted(set(KINDS if categories is None else categories))
    for name in chosen:
        if name not in KINDS:
            raise OccluderInputError(f"category must be one of {', '.join(KINDS)}, got {name!r}")
    if not chosen:
        raise OccluderInputError("no category is named")
    return {"seed": seed, "members_each": members, "size": size, "categories": chosen}


def _whole(folder: Path, settings: dict[str, Any]) -> dict[str, Any] | None:
    """Return the index of a finished library of these settings; None where nothing is finished."""
    path = folder / INDEX
    if not path.exists():
        return None
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
        if {name: index[name] for name in settings} == settings:
            return dict(index)
    except (ValueError, LookupError, TypeError):
        pass
    raise OccluderInputError(f"{folder} holds another library; name a new folder")


def _begun(folder: Path, settings: dict[str, Any]) -> dict[Member, dict[str, Any]]:
    """Return what an interrupted call stored, and begin a journal where there is none."""
    path = folder / _JOURNAL
    if not path.exists():
        if any(folder.iterdir()):
            raise OccluderInputError(f"{folder} is not empty; name a new folder")
        path.write_text(json.dumps(settings) + "\n", encoding="utf-8")
        return {}
    lines = path.read_text(encoding="utf-8").splitlines()
    found: dict[Member, dict[str, Any]] = {}
    if not lines or lines[0] != json.dumps(settings):
        raise OccluderInputError(f"{folder} holds part of another library; name a new folder")
    for line in lines[1:]:
        try:
            record = json.loads(line)
            data = (folder / record["file"]).read_bytes()
        except (ValueError, OSError):  # a line cut short, a file gone: it is rendered again
            continue
        if hashlib.sha256(data).hexdigest() == record["sha256"]:
            found[record["category"], int(record["name"].rpartition("/")[2])] = record
    text = [lines[0], *(json.dumps(record) for record in found.values())]
    _replace(path, "".join(line + "\n" for line in text).encode())
    return found


def _rendered(
    missing: Sequence[Member], seed: int, size: int, jobs: int | None
) -> Iterable[tuple[Member, NDArray[np.uint8], dict[str, tuple[float, float]]]]:
    count = max(1, min(jobs or cpu_count(), len(missing)))
    pool = Parallel(n_jobs=count, return_as="generator_unordered", batch_size=1)
    return pool(delayed(_task)(member, seed, size) for member in missing)


def _task(
    member: Member, seed: int, size: int
) -> tuple[Member, NDArray[np.uint8], dict[str, tuple[float, float]]]:
    return member, *render_member(*member, seed, size)


def _store(
    folder: Path,
    member: Member,
    picture: NDArray[np.uint8],
    anchors: dict[str, tuple[float, float]],
) -> dict[str, Any]:
    category, number = member
    buffer = io.BytesIO()
    Image.fromarray(picture).save(
        buffer, "WEBP", quality=_QUALITY, alpha_quality=100, method=6, exact=True
    )
    data = buffer.getvalue()
    name = f"{category}/{number:02d}"
    _replace(folder / f"{name}.webp", data)
    return {
        "name": name,
        "category": category,
        "file": f"{name}.webp",
        "size": [picture.shape[1], picture.shape[0]],
        "anchors": {key: list(point) for key, point in anchors.items()},
        "sha256": hashlib.sha256(data).hexdigest(),
    }


def _index(settings: dict[str, Any], records: Sequence[dict[str, Any]]) -> dict[str, Any]:
    aspects: dict[str, list[float]] = {}
    for record in records:
        width, height = record["size"]
        aspects.setdefault(record["category"], []).append(width / height)
    sizes = {name: iter(found) for name, found in fit_sizes(aspects).items()}
    digest = hashlib.sha256("".join(r["sha256"] for r in records).encode()).hexdigest()
    rows = [{**record, "natural_size": list(next(sizes[record["category"]]))} for record in records]
    versions = {"numpy": np.__version__, "pillow": pillow_version, "machine": platform.machine()}
    return {
        **settings,
        "licence": "CC0-1.0",
        "versions": versions,
        "digest": digest,
        "members": rows,
    }


def _replace(path: Path, data: bytes) -> None:
    """Write a file beside its place and give it its name in one step."""
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_bytes(data)
    os.replace(temporary, path)
