"""Dataset readers: each gives its faces in a stable order and reads one when asked."""

import os
from pathlib import Path

from ..catalog import CATALOG
from ..config import DATASETS, BuildConfig
from ..errors import InputError
from ..manifest import MANIFEST
from .base import DatedSource, FaceRef, PartedSource, Source, group_refs
from .bin import BinSource
from .demo import DemoSource
from .folder import FolderSource
from .lfw import LfwSource
from .listed import ListedSource
from .named import ArSource, Mf1Source, NamedFolder, ar_shot, mf1_paths, open_named
from .parquet import ParquetSource, find_parquet
from .rec import RecSource
from .set import SetSource
from .table import TableSource, find_table
from .tars import TarSource

__all__ = [
    "ArSource",
    "BinSource",
    "DatedSource",
    "DemoSource",
    "FaceRef",
    "FolderSource",
    "LfwSource",
    "ListedSource",
    "Mf1Source",
    "NamedFolder",
    "ParquetSource",
    "PartedSource",
    "RecSource",
    "SetSource",
    "Source",
    "TableSource",
    "TarSource",
    "ar_shot",
    "configured_source",
    "find_root",
    "group_refs",
    "guess_dataset",
    "open_source",
]

_FORMS = {  # how a data set is looked for, and whether it may be a file
    "folder": ("one folder an identity, each with its aligned crops", False),
    "table": ("one folder an identity, each with its aligned crops", True),
    "shards": ("a finished set, or a folder of .tar or .parquet files", True),
    "rec": ("train.rec with train.idx, or another .rec file", True),
    "bin": ("an InsightFace .bin file", True),
}


def open_source(
    dataset: str,
    root: str | None = None,
    recipe: str | os.PathLike[str] = "",
    *,
    on_error: str = "stop",
    probes: str | None = None,
    gallery: str | None = None,
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
    on_error : {'stop', 'skip'}, optional
        What is done about damage met while pictures are listed.
    probes, gallery : str, optional
        Of mf1: where the pictures to occlude and the distractors lie, in place of `root`.

    Raises
    ------
    InputError
        When the data set is not where it should be; the message says what was looked for.
    """
    if recipe:
        inner = open_source(dataset, root, on_error=on_error, probes=probes, gallery=gallery)
        return ListedSource(inner, Path(recipe))
    if dataset == "demo":
        return DemoSource.parse(root)
    if dataset == "folder":
        path = find_root(dataset, root, form="table")
        table = find_table(path)
        return FolderSource(path) if table is None else TableSource(table)
    if dataset == "lfw":
        return LfwSource(find_root(dataset, root))
    if dataset == "rec":
        return RecSource(find_root(dataset, root, form="rec"), on_error)
    if dataset == "bin":
        return BinSource(find_root(dataset, root, form="bin"))
    if dataset == "shards":
        return _open_shards(find_root(dataset, root, form="shards"))
    if dataset == "mf1":
        return _open_mf1(root, probes, gallery, on_error)
    if dataset in DATASETS:
        return open_named(dataset, find_root(dataset, root, form="named"), on_error)
    raise InputError(f"dataset must be one of {', '.join(DATASETS)}, got {dataset!r}")


def _open_shards(path: Path) -> Source:
    """Return a finished set, or tars or Parquet files of anybody's, as faces."""
    if (path / MANIFEST).is_file() or any(path.glob("shard-*.h5")):
        return SetSource(path)
    if path.suffix == ".parquet" or (path.is_dir() and find_parquet(path)):
        return ParquetSource(path)
    if path.suffix == ".tar" or (path.is_dir() and any(path.glob("*.tar"))):
        return TarSource(path)
    raise InputError(
        f"{path} is no finished set ({MANIFEST}), and holds no .tar and no .parquet files"
    )


def guess_dataset(path: Path) -> str:
    """Return the name a data set at a path is read by: shards, rec, bin or folder.

    Raises
    ------
    InputError
        When it is a file of none of these.
    """
    if path.is_dir():
        if (path / MANIFEST).is_file() or any(path.glob("shard-*.h5")):
            return "shards"
        if any(path.glob("*.rec")):
            return "rec"
        if any(path.glob("*.tar")) or find_parquet(path):
            return "shards"
        only_bins = any(path.glob("*.bin")) and not any(entry.is_dir() for entry in path.iterdir())
        return "bin" if only_bins else "folder"
    kinds = {".rec": "rec", ".bin": "bin", ".tar": "shards", ".parquet": "shards"}
    kinds |= dict.fromkeys((".csv", ".jsonl", ".lst"), "folder")
    if path.suffix not in kinds:
        known = ", ".join(kinds)
        raise InputError(f"{path} is no folder and none of {known}: it cannot be read as faces")
    return kinds[path.suffix]


def configured_source(config: BuildConfig, recipe: str | os.PathLike[str] = "") -> Source:
    """Return the source a configuration names; of a recipe, only its pictures."""
    return open_source(
        config.dataset,
        config.root,
        recipe,
        on_error=config.on_error,
        probes=config.probes,
        gallery=config.gallery,
    )


def _open_mf1(root: str | None, probes: str | None, gallery: str | None, on_error: str) -> Source:
    base = None if probes is not None and root is None else find_root("mf1", root, form="named")
    first, second = mf1_paths(base, probes, gallery)
    distractors = None if second is None else _open_part(second, on_error)
    return Mf1Source(_open_part(first, on_error), distractors)


def _open_part(path: Path, on_error: str) -> Source:
    """Return the probes or the gallery at a path: folders as FaceScrub's, or another form."""
    name = guess_dataset(path)
    if name == "folder":
        return open_named("facescrub", path)
    return open_source(name, str(path), on_error=on_error)


def find_root(dataset: str, root: str | None, form: str = "folder") -> Path:
    """Return the folder a data set is read from, checked to be there.

    Parameters
    ----------
    dataset : str
    root : str or None
        By default ``$OCCGEN_DATA/NAME``.
    form : str, optional
        What it is looked for as, a key of `_FORMS`; some may be a file.

    Raises
    ------
    InputError
        When neither `root` nor ``$OCCGEN_DATA/NAME`` is what it should be.
    """
    known = CATALOG[dataset]
    expected, may_be_file = _FORMS[form] if form != "named" else (known.layout, True)
    how = "" if known.source.startswith("yours") else f"; get it: {known.source}"
    if root is not None:
        path, origin = Path(root), ""
    elif os.environ.get("OCCGEN_DATA"):
        path, origin = Path(os.environ["OCCGEN_DATA"]) / dataset, " (from $OCCGEN_DATA)"
    else:
        raise InputError(
            f"dataset {dataset!r} needs --root DIR, or OCCGEN_DATA set to a folder that "
            f"holds {dataset}/"
            f" ({expected}{how})"
        )
    if not path.is_dir() and not (may_be_file and path.is_file()):
        found = "is not a folder" if path.exists() else "does not exist"
        raise InputError(
            f"{path}{origin} {found}; {dataset} is looked for there as {expected}{how}"
        )
    if not os.access(path, os.R_OK | (os.X_OK if path.is_dir() else 0)):
        raise InputError(f"{path}{origin} cannot be read (Permission denied); make it readable")
    return path
