"""MegaFace's folders of features, lists of pictures and lists of wrong labels."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from occgen.errors import DataError, InputError

from .embedding_file import read_embeddings
from .feature_bin import read_feature

__all__ = [
    "is_clean",
    "read_features",
    "read_noises",
    "read_picture_list",
]

Float32 = NDArray[np.float32]

_PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")


def read_features(path: Path, wanted: Sequence[str] | None = None) -> tuple[Float32, list[str]]:
    """Return features and keys of a file or folder.

    Parameters
    ----------
    path : Path
        A ``.npy`` or ``.h5`` of `embed_dataset` (the former mapped), or a folder of one ``.bin`` or
        ``.npy`` a picture, at any depth: ``Name/IMAGE.png_ALGORITHM.bin``.
    wanted : sequence of str, optional
        Pictures of a folder to take, in this order; by default all in name order.

    Raises
    ------
    InputError
        When there is nothing at that path.
    DataError
        When a file is damaged or of another length than the first, or a wanted one is missing.
    """
    if path.is_file():
        rows, keys, _ = read_embeddings(path)
        if wanted is None:
            return rows, keys
        place = {key: row for row, key in enumerate(keys)}
        lost = [key for key in wanted if key not in place]
        if lost:
            raise DataError(f"{path}: {len(lost)} listed pictures are missing, first {lost[0]}")
        return rows[[place[key] for key in wanted]], list(wanted)
    if not path.is_dir():
        raise InputError(f"{path}: no such file or folder of features")
    files = {
        _picture_of(file.relative_to(path).as_posix()): file
        for file in sorted(path.rglob("*"))
        if file.suffix in (".bin", ".npy") and file.is_file()
    }
    if not files:
        raise InputError(f"{path}: holds no .bin or .npy features")
    keys = list(files) if wanted is None else [_bare(key) for key in wanted]
    by_name = files if wanted is None else {_bare(key): file for key, file in files.items()}
    lost = [key for key in keys if key not in by_name]
    if lost:
        raise DataError(f"{path}: {len(lost)} listed pictures are missing, first {lost[0]}")
    first = read_feature(by_name[keys[0]])
    features = np.empty((len(keys), len(first)), np.float32)
    for row, key in enumerate(keys):
        feature = read_feature(by_name[key])
        if feature.shape != first.shape:
            raise DataError(
                f"{by_name[key]}: {len(feature)} numbers where the others have {len(first)}"
            )
        features[row] = feature
    return features, keys if wanted is None else list(wanted)


def read_picture_list(path: Path) -> list[str]:
    """Return the pictures of a list: one path a line, or MegaFace's JSON with ``path``.

    Raises
    ------
    InputError, DataError
        When there is no such file, or it lists nothing.
    """
    text = _read(path)
    if text.lstrip().startswith("{"):
        try:
            listed = json.loads(text)["path"]
            keys = [str(item) for item in listed]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise DataError(f"{path}: no JSON list with 'path' ({error})") from error
    else:
        keys = [line.split("\t")[-1].strip() for line in text.splitlines() if line.strip()]
    if not keys:
        raise DataError(f"{path}: lists no pictures")
    return keys


def read_noises(path: Path) -> frozenset[str]:
    """Return the names of wrongly labelled pictures, for `is_clean`.

    Parameters
    ----------
    path : Path
        As InsightFace publishes ``facescrub_noises.txt`` and ``megaface_noises.txt``: one picture a
        line, maybe behind a number and a tab; ``#`` begins a comment.

    Raises
    ------
    InputError
        When there is no such file.
    """
    lines = [line.strip() for line in _read(path).splitlines()]
    names = [line.split("\t")[-1].strip() for line in lines if line and not line.startswith("#")]
    return frozenset(_loose(name) for name in names)


def is_clean(keys: Iterable[str], noises: frozenset[str]) -> list[bool]:
    """Return which keys are on no list of noises.

    Parameters
    ----------
    keys : iterable of str
        Relative paths of pictures.
    noises : frozenset of str
        Of `read_noises`.

    Notes
    -----
    Names are compared without ending, spaces and underscores, whole or, for a name without
    folder, by the last part of the key: the lists write FaceScrub's by the file alone.
    """
    found = []
    for key in keys:
        loose = _loose(key)
        tails = {loose, loose.rsplit("/", 1)[-1]}
        found.append(not tails & noises)
    return found


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such list") from error
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read as text ({error})") from error


def _picture_of(name: str) -> str:
    """Return ``a/b.png`` of ``a/b.png_algorithm.bin``; the name without ending of another."""
    for ending in _PICTURES:
        at = name.lower().rfind(f"{ending}_")
        if at >= 0:
            return name[: at + len(ending)]
    bare = name.rpartition(".")[0]
    return bare


def _bare(key: str) -> str:
    return key.rpartition(".")[0] if key.lower().endswith(_PICTURES) else key


def _loose(name: str) -> str:
    return _bare(name).replace("_", "").replace(" ", "").lower()
