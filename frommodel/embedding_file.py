"""Embeddings of a whole data set in a file: ``.npy`` with a list of keys beside it, or ``.h5``."""

import contextlib
import csv
import io
import itertools
import logging
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from occgen.atomic import discard, replacing_bytes, temporary_beside
from occgen.errors import DataError, InputError
from occgen.sources import Source, open_source

from .embed import embedding_batches
from .embedding_sinks import EmbeddingSink, open_sink
from .models import Embedder
from .pictures import Occlusion, Resizing, read_pictures
from .shard_pictures import ShardPictures

__all__ = ["EmbedReport", "embed_dataset", "read_embeddings"]

Float32 = NDArray[np.float32]
UInt8 = NDArray[np.uint8]

_log = logging.getLogger(__name__)
_MOST_EXPANSION = 4  # elements a byte of the file: rows are stored as they are
_FORMATS = (".npy", ".h5", ".hdf5")


@dataclass(frozen=True, kw_only=True, slots=True)
class EmbedReport:
    """What `embed_dataset` wrote.

    Parameters
    ----------
    path : Path
    keys_path : Path
        The list of keys: beside a ``.npy``, the file itself for ``.h5``.
    images, columns : int
    skipped : dict of str to str
        Pictures left out, and why.
    elapsed_s : float
    """

    path: Path
    keys_path: Path
    images: int
    columns: int
    skipped: dict[str, str]
    elapsed_s: float


def embed_dataset(
    model: Embedder,
    dataset: str,
    root: str | None,
    out: Path,
    *,
    flip: bool = False,
    normalise: bool = False,
    batch_size: int = 64,
    workers: int = 2,
    limit: int | None = None,
    bin_name: str = "",
    occlusion: Occlusion | None = None,
    max_skipped: float = 0.01,
    on_progress: Callable[[int, int], None] | None = None,
) -> EmbedReport:
    """Write the embedding of every picture of a data set, in its order.

    Parameters
    ----------
    model : Embedder
    dataset : str
        Any `occgen.sources.open_source` reads, or ``shards``.
    root : str or None
    out : Path
        Ending in ``.npy`` (and then a list ``OUT.csv`` with row, key, identity) or ``.h5``
        (datasets ``embedding``, ``key``, ``identity_name``). Replaced in one step when whole.
        With `bin_name` a folder.
    flip, normalise, batch_size
        As for `embed_images`.
    workers : int, optional
        Threads that decode.
    limit : int, optional
        Only the first pictures.
    bin_name : str, optional
        Write MegaFace's form instead: ``OUT/KEY_NAME.bin`` for every picture.
    occlusion : Occlusion, optional
        Put on every picture first.
    max_skipped : float, optional
        Share of pictures that may be unreadable; above it the run fails at its end, with the
        others written.
    on_progress : callable, optional
        Called with the pictures done and their total.

    Returns
    -------
    EmbedReport

    Raises
    ------
    InputError
        For an ending that is neither, a data set that is not there, or a place that cannot be
        written.
    DataError
        When more pictures than allowed cannot be used, or the model returns numbers that are not
        finite.
    """
    start = time.perf_counter()
    _check_place(out, bin_name)
    source: Source = ShardPictures(root) if dataset == "shards" else open_source(dataset, root)
    refs = _listed(source, limit, root or dataset)
    identity_of = dict(refs)
    keys = [key for key, _ in refs]
    pictures = _Pictures(source, keys, size=model.size, occlusion=occlusion, workers=workers)
    skipped = pictures.skipped
    batches = embedding_batches(
        model.network, pictures, flip=flip, normalise=normalise, batch_size=batch_size
    )
    notes = {
        "model": model.name,
        "model_sha256": model.digest,
        "dataset": dataset,
        "flip": flip,
        "normalise": normalise,
    }
    columns = done = 0
    with _replacing(out, bin_name) as sink:
        for rows in batches:
            batch = pictures.kept[done : done + len(rows)]
            _check_finite(rows, batch, model.name)
            sink.add(rows, batch)
            done, columns = done + len(rows), rows.shape[1]
            if on_progress is not None:
                on_progress(done + len(skipped), len(refs))
        if not done:
            raise DataError(
                f"none of {len(refs)} pictures can be used (first: {_first(skipped)}); "
                "nothing was written"
            )
        people = [identity_of[key] for key in pictures.kept]
        sink.finish(pictures.kept, people, notes)
    keys_path = _write_keys(out, bin_name, pictures.kept, people)
    if len(skipped) > max_skipped * len(refs):
        raise DataError(
            f"{len(skipped)} of {len(refs)} pictures cannot be used (first: {_first(skipped)}), "
            f"more than --max-skipped {max_skipped:g}; {out} holds the others"
        )
    return EmbedReport(
        path=out,
        keys_path=keys_path,
        images=done,
        columns=columns,
        skipped=skipped,
        elapsed_s=time.perf_counter() - start,
    )


def _listed(source: Source, limit: int | None, place: str) -> list[tuple[str, str]]:
    """Return key and identity of the pictures wanted."""
    refs = [(ref.key, ref.identity) for ref in itertools.islice(source.refs(), limit)]
    if not refs:
        raise InputError(f"{place} holds no pictures")
    return refs


def _write_keys(out: Path, bin_name: str, keys: list[str], people: list[str]) -> Path:
    """Return where keys and identities stand: in a list beside an array, else in `out` itself."""
    if bin_name or out.suffix.lower() != ".npy":
        return out
    path = out.with_name(f"{out.name}.csv")
    replacing_bytes(path, _list_of(keys, people))
    return path


def read_embeddings(path: Path) -> tuple[Float32, list[str], list[str]]:
    """Return embeddings, keys and identities of a file that `embed_dataset` wrote.

    Parameters
    ----------
    path : Path
        A ``.npy`` is mapped, not loaded.

    Raises
    ------
    InputError
        When there is no such file.
    DataError
        When it is damaged, or its list of keys is missing or of another length.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file of embeddings")
    try:
        if path.suffix.lower() == ".npy":
            rows: Float32 = np.load(path, mmap_mode="r", allow_pickle=False)
            with open(path.with_name(f"{path.name}.csv"), encoding="utf-8", newline="") as file:
                records = list(csv.DictReader(file))
            keys = [record["key"] for record in records]
            people = [record["identity"] for record in records]
            if not isinstance(rows, np.ndarray) or None in keys or None in people:
                raise ValueError("rows or keys are missing")
        else:
            rows, keys, people = _read_h5(path)
    except Exception as error:  # given damaged data numpy and HDF5 may raise anything
        raise DataError(f"{path}: no embeddings that from-embed wrote ({error})") from error
    if rows.dtype.kind != "f" or rows.ndim != 2 or len(rows) != len(keys):
        raise DataError(f"{path}: {rows.dtype} of {rows.shape} for {len(keys)} keys")
    return rows, keys, people


def _read_h5(path: Path) -> tuple[Float32, list[str], list[str]]:
    """Return what an HDF5 file holds; no link in it is followed, and nothing outgrows the file."""
    with h5py.File(path, "r") as file:
        for name in ("embedding", "key", "identity_name"):
            if not isinstance(file.get(name, getlink=True), h5py.HardLink):
                raise ValueError(f"{name} is no dataset of the file itself")
            data = file[name]
            if not isinstance(data, h5py.Dataset) or data.external or data.is_virtual:
                raise ValueError(f"{name} is no dataset of the file itself")
            if data.size > _MOST_EXPANSION * file.id.get_filesize():
                raise ValueError(f"{name} claims more than the file has")
        if any(file[name].ndim != 1 for name in ("key", "identity_name")):
            raise ValueError("keys are no list")
        if len(file["key"]) != len(file["identity_name"]):
            raise ValueError("keys and identities are not as many")
        texts = [
            [text.decode() for text in file[name][:].tolist()] for name in ("key", "identity_name")
        ]
        return file["embedding"][:], texts[0], texts[1]


class _Pictures:
    """Pictures as `read_pictures` gives them; notes which were kept and which were skipped."""

    def __init__(
        self,
        source: Source,
        keys: list[str],
        *,
        size: tuple[int, int] | None,
        occlusion: Occlusion | None,
        workers: int,
    ) -> None:
        self.kept: list[str] = []
        self.skipped: dict[str, str] = {}
        self._size, self._resizing = size, Resizing.of_set(source, keys)
        self._pictures = read_pictures(
            source,
            keys,
            size=size,
            occlusion=occlusion,
            workers=workers,
            failed=self.skipped,
            resizing=self._resizing,
        )

    def __iter__(self) -> Iterator[UInt8]:
        for key, image in self._pictures:
            self.kept.append(key)
            yield image
        if self._size is not None and (note := self._resizing.note(*self._size)):
            _log.warning("%s", note)


def _check_place(out: Path, bin_name: str) -> None:
    """Refuse a name that is not of the form asked for, or has no folder to stand in."""
    if not bin_name and out.suffix.lower() not in _FORMATS:
        raise InputError(f"{out}: the file should end in {' or '.join(_FORMATS[:2])}")
    if bin_name and (out.is_file() or "/" in bin_name):
        raise InputError(f"{out}: with --bin-name {bin_name} a folder is written; name one")
    if not out.parent.is_dir():
        raise InputError(f"{out.parent}: no such folder to write into")


@contextlib.contextmanager
def _replacing(out: Path, bin_name: str) -> Iterator[EmbeddingSink]:
    """Give a sink whose file takes its name when all went well, and is gone otherwise."""
    temporary = temporary_beside(out)
    try:
        with open_sink(out, temporary, bin_name) as sink:
            yield sink
        if not bin_name:
            os.replace(temporary, out)
    except OSError as error:
        raise InputError(f"{out} cannot be written ({error.strerror or error})") from error
    finally:
        discard(temporary)


def _check_finite(rows: Float32, keys: list[str], model: str) -> None:
    finite = np.isfinite(rows).all(axis=1)
    if not finite.all():
        bad = keys[int(np.argmin(finite))]
        raise DataError(f"model {model} returns numbers that are not finite for {bad}")


def _list_of(keys: list[str], people: list[str]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["row", "key", "identity"])
    writer.writerows(zip(range(len(keys)), keys, people, strict=True))
    return text.getvalue().encode()


def _first(skipped: dict[str, str]) -> str:
    return next((f"{key}: {reason}" for key, reason in skipped.items()), "")
