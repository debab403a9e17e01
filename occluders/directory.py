"""A user's own occluders: a folder for each category, with RGBA pictures."""

import hashlib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .calibration import fit_sizes
from .errors import OccluderDataError, OccluderInputError
from .library import OccluderLibrary, Record, bundled, load_rgba

__all__ = ["from_directory", "from_spec"]

_PICTURES = (".png", ".webp", ".jpg", ".jpeg")


def from_directory(path: str | Path) -> OccluderLibrary:
    """Return the library in a folder of category folders.

    Parameters
    ----------
    path : str or Path
        ``<category>/<name>.png`` or ``.webp`` with transparency; pictures without it are pasted as
        rectangles. Natural sizes are fitted to the paper's coverage.

    Returns
    -------
    OccluderLibrary
        Files that cannot be used are in its `skipped`, each with the reason.

    Raises
    ------
    OccluderInputError
        When it is no folder, or no file in it can be used.
    """
    root = Path(path)
    if not root.is_dir():
        raise OccluderInputError(f"{root} is no folder of occluders")
    found: dict[str, list[tuple[str, str, float]]] = {}
    skipped = [
        (file.name, "lies in no folder of a category")
        for file in sorted(root.glob("*"))
        if file.suffix.lower() in _PICTURES and file.is_file()
    ]
    for file in sorted(root.glob("*/*")):
        if file.suffix.lower() not in _PICTURES or not file.is_file():
            continue
        name = file.relative_to(root).as_posix()
        try:
            sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
            picture = load_rgba(root, name, sha256)
        except (OccluderDataError, OSError) as error:
            skipped.append((name, str(error)))
            continue
        if not np.any(picture[:, :, 3]):
            skipped.append((name, "is transparent everywhere"))
            continue
        aspect = picture.shape[1] / picture.shape[0]
        found.setdefault(file.parent.name, []).append((name, sha256, aspect))
    if not found:
        reason = f" (first: {skipped[0][0]}: {skipped[0][1]})" if skipped else ""
        raise OccluderInputError(
            f"{root} holds no usable occluders{reason}; one folder a category with PNG or WebP"
        )
    sizes = fit_sizes({name: [entry[2] for entry in files] for name, files in found.items()})
    stems = Counter(file.rpartition(".")[0] for files in found.values() for file, _, _ in files)
    records = [
        Record(_name(file, stems), category, size, {}, sha256, file)
        for category, files in found.items()
        for (file, sha256, _), size in zip(files, sizes[category], strict=True)
    ]
    return OccluderLibrary(records, root, {"library": "directory", "path": str(path)}, skipped)


def _name(file: str, stems: Mapping[str, int]) -> str:
    """Return the name of a member: its file's without the ending, unless two would share it."""
    stem = file.rpartition(".")[0]
    return stem if stems[stem] == 1 else file


def from_spec(spec: Mapping[str, Any]) -> OccluderLibrary:
    """Return the library that an `OccluderLibrary.spec` names, as another process opens it.

    Parameters
    ----------
    spec : mapping
    """
    return bundled() if spec.get("library") == "bundled" else from_directory(str(spec["path"]))
