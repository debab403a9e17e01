"""Embeddings of a whole data set in a file: ``.npy`` with a list of keys beside it, or ``.h5``."""

import csv
import io
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import h5py
import numpy as np
from numpy.typing import NDArray

from occgen.atomic import replacing_bytes, temporary_beside
from occgen.errors import DataError, InputError
from occgen.sources import Source, open_source

from .embed import embedding_batches
from .feature_bin import write_features
from .models import Embedder
from .pictures import Occlusion, read_pictures
from .shard_pictures import ShardPictures

__all__ = ["EmbedReport", "embed_dataset", "read_embeddings"]

Float32 = NDArray[np.float32]
UInt8 = NDArray[np.uint8]

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
    if not bin_name and out.suffix.lower() not in _FORMATS:
        raise InputError(f"{out}: the file should end in {' or '.join(_FORMATS[:2])}")
    if bin_name and (out.is_file() or "/" in bin_name):
        raise InputError(f"{out}: with --bin-name {bin_name} a folder is written; name one")
    if not out.parent.is_dir():
        raise InputError(f"{out.parent}: no such folder to write into")
    source: Source = ShardPictures(root) if dataset == "shards" else open_source(dataset, root)
    refs = [(ref.key, ref.identity) for ref in source.refs()]
    refs = refs if limit is None else refs[:limit]
    if not refs:
        raise InputError(f"{root or dataset} holds no pictures")
    identity_of = dict(refs)
    skipped: dict[str, str] = {}
    kept: list[str] = []

    def pictures() -> Iterator[UInt8]:
        for key, image in read_pictures(
            source,
            (key for key, _ in refs),
            size=model.size,
            occlusion=occlusion,
            workers=workers,
            failed=skipped,
        ):
            kept.append(key)
            yield image

    batches = embedding_batches(
        model.network, pictures(), flip=flip, normalise=normalise, batch_size=batch_size
    )
    temporary = temporary_beside(out)
    columns = done = 0
    try:
        with _open_sink(out, temporary, bin_name) as write:
            for rows in batches:
                if not np.isfinite(rows).all():
                    bad = int(np.flatnonzero(~np.isfinite(rows).all(axis=1))[0])
                    raise DataError(
                        f"model {model.name} returns numbers that are not finite for "
                        f"{kept[done + bad]}"
                    )
                write.add(rows, kept[done : done + len(rows)])
                done, columns = done + len(rows), rows.shape[1]
                if on_progress is not None:
                    on_progress(done + len(skipped), len(refs))
            people = [identity_of[key] for key in kept]
            write.finish(
                kept,
                people,
                {
                    "model": model.name,
                    "model_sha256": model.digest,
                    "dataset": dataset,
                    "flip": flip,
                    "normalise": normalise,
                },
            )
        if not done:
            raise DataError(
                f"none of {len(refs)} pictures can be used (first: {_first(skipped)}); "
                "nothing was written"
            )
        if not bin_name:
            os.replace(temporary, out)
    except OSError as error:
        raise InputError(f"{out} cannot be written ({error.strerror or error})") from error
    finally:
        temporary.unlink(missing_ok=True)
    keys_path = out
    if not bin_name and out.suffix.lower() == ".npy":
        keys_path = out.with_name(f"{out.name}.csv")
        replacing_bytes(keys_path, _list_of(kept, people))
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
        else:
            with h5py.File(path, "r") as file:
                rows = file["embedding"][:]
                keys = [key.decode() for key in file["key"][:].tolist()]
                people = [name.decode() for name in file["identity_name"][:].tolist()]
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise DataError(f"{path}: no embeddings that from-embed wrote ({error})") from error
    if rows.ndim != 2 or len(rows) != len(keys):
        raise DataError(f"{path}: {rows.shape} numbers for {len(keys)} keys")
    return rows, keys, people


class _Sink(Protocol):
    """Takes rows, then their keys."""

    def __enter__(self) -> "_Sink": ...
    def __exit__(self, *details: object) -> None: ...
    def add(self, rows: Float32, keys: list[str]) -> None: ...
    def finish(self, keys: list[str], people: list[str], notes: dict[str, Any]) -> None: ...


class _NpySink:
    """Rows as they come; the header, of fixed length, is written last."""

    def __init__(self, path: Path) -> None:
        self._file = open(path, "wb")  # noqa: SIM115 - closed on exit
        self._shape = [0, 0]

    def __enter__(self) -> "_NpySink":
        return self

    def __exit__(self, *details: object) -> None:
        self._file.close()

    def add(self, rows: Float32, keys: list[str]) -> None:
        if not self._shape[0]:
            self._shape[1] = rows.shape[1]
            self._file.write(_npy_header(0, rows.shape[1]))
        self._shape[0] += len(rows)
        self._file.write(np.ascontiguousarray(rows, "<f4").data)

    def finish(self, keys: list[str], people: list[str], notes: dict[str, Any]) -> None:
        self._file.seek(0)
        self._file.write(_npy_header(*self._shape))
        self._file.flush()
        os.fsync(self._file.fileno())


class _H5Sink:
    """A growing dataset, and the keys at the end."""

    def __init__(self, path: Path) -> None:
        self._file = h5py.File(path, "w")

    def __enter__(self) -> "_H5Sink":
        return self

    def __exit__(self, *details: object) -> None:
        self._file.close()

    def add(self, rows: Float32, keys: list[str]) -> None:
        if "embedding" not in self._file:
            columns = rows.shape[1]
            self._file.create_dataset(
                "embedding", (0, columns), "<f4", maxshape=(None, columns), chunks=(256, columns)
            )
        data = self._file["embedding"]
        data.resize(len(data) + len(rows), axis=0)
        data[len(data) - len(rows) :] = rows

    def finish(self, keys: list[str], people: list[str], notes: dict[str, Any]) -> None:
        text = h5py.string_dtype("utf-8")
        self._file.create_dataset("key", data=keys, dtype=text)
        self._file.create_dataset("identity_name", data=people, dtype=text)
        self._file.attrs.update(notes)
        self._file.flush()


class _BinSink:
    """One small file a picture."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name = folder, name

    def __enter__(self) -> "_BinSink":
        return self

    def __exit__(self, *details: object) -> None:
        pass

    def add(self, rows: Float32, keys: list[str]) -> None:
        write_features(self._folder, keys, rows, self._name)

    def finish(self, keys: list[str], people: list[str], notes: dict[str, Any]) -> None:
        pass


def _open_sink(out: Path, temporary: Path, bin_name: str) -> _Sink:
    if bin_name:
        return _BinSink(out, bin_name)
    return _NpySink(temporary) if out.suffix.lower() == ".npy" else _H5Sink(temporary)


def _npy_header(rows: int, columns: int) -> bytes:
    """Return a header of 128 bytes, whatever the number of rows."""
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        buffer, {"descr": "<f4", "fortran_order": False, "shape": (rows, columns)}
    )
    header = buffer.getvalue()
    text = header[10:].rstrip(b" \n").ljust(117) + b"\n"
    return header[:8] + len(text).to_bytes(2, "little") + text


def _list_of(keys: list[str], people: list[str]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["row", "key", "identity"])
    writer.writerows(zip(range(len(keys)), keys, people, strict=True))
    return text.getvalue().encode()


def _first(skipped: dict[str, str]) -> str:
    return next((f"{key}: {reason}" for key, reason in skipped.items()), "")
