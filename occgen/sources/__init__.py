"""Dataset readers: each gives its faces in a stable order and reads one when asked."""

import os
from pathlib import Path

from ..config import DATASETS
from ..errors import InputError
from .base import FaceRef, Source
from .demo import DemoSource
from .folder import FolderSource
from .lfw import LfwSource
from .listed import ListedSource

__all__ = [
    "DemoSource",
    "FaceRef",
    "FolderSource",
    "LfwSource",
    "ListedSource",
    "Source",
    "find_root",
    "open_source",
]


def open_source(
    dataset: str, root: str | None = None, recipe: str | os.PathLike[str] = ""
) -> Source:
    """Return the reader of a data set.

    Parameters
    ----------
    dataset : str
        A key of `occgen.config.DATASETS`.
    root : str, optional
        Where it lies; by default ``$OCCGEN_DATA/NAME``. Of demo, IDENTITIESxIMAGES[@SEED].
    recipe : path, optional
        A recipe file: only the pictures it lists are given, in its order.

    Raises
    ------
    InputError
        When the data set cannot be read yet, or is not where it should be; the message says what
        was looked for.
    """
    if recipe:
        return ListedSource(open_source(dataset, root), Path(recipe))
    if dataset == "demo":
        return DemoSource.parse(root)
    if dataset == "folder":
        return FolderSource(find_root(dataset, root))
    if dataset == "lfw":
        return LfwSource(find_root(dataset, root))
    if dataset in DATASETS:
        raise InputError(
            f"dataset {dataset!r} cannot be read by this version; "
            "demo, folder and lfw can (identity folders of crops: --dataset folder --root DIR)"
        )
    raise InputError(f"dataset must be one of {', '.join(DATASETS)}, got {dataset!r}")


def find_root(dataset: str, root: str | None) -> Path:
    """Return the folder a data set is read from, checked to be there.

    Raises
    ------
    InputError
        When neither `root` nor ``$OCCGEN_DATA/NAME`` is a folder that can be read.
    """
    if root is not None:
        path, origin = Path(root), ""
    elif os.environ.get("OCCGEN_DATA"):
        path, origin = Path(os.environ["OCCGEN_DATA"]) / dataset, " (from $OCCGEN_DATA)"
    else:
        raise InputError(
            f"dataset {dataset!r} needs --root DIR, or OCCGEN_DATA set to a folder that "
            f"holds {dataset}/"
        )
    if not path.is_dir():
        found = "is not a folder" if path.exists() else "does not exist"
        raise InputError(
            f"{path}{origin} {found}; {dataset} is looked for there as one folder an identity, "
            "each with its aligned crops"
        )
    if not os.access(path, os.R_OK | os.X_OK):
        raise InputError(f"{path}{origin} cannot be read (Permission denied); make it readable")
    return path
