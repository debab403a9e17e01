"""HDF5 shards, readable with plain h5py: one contiguous blob of images, plain columns beside it."""

import contextlib
import hashlib
import io
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from ..atomic import install_bytes
from ..column_check import check_columns, check_texts
from ..columns import Columns
from ..errors import OccgenError, ShardError
from ..manifest import SCHEMA, file_sha256, other_schema
from ..storage import is_remote, read_object
from .base import StoredShard
from .heap_check import check_heaps

__all__ = [
    "Hdf5Format",
    "blob_position",
    "dataset_names",
    "open_hdf5",
    "read_attributes",
    "read_columns",
    "shard_bytes",
    "shard_name",
]

_SHARD = re.compile(r"shard-\d{5,}\.h5")
_PATTERN = re.compile(r"pattern-k\d+\.h5")
_BLOCK = 1 << 22  # an object of a store is held in memory, which grows by this
_LOCKINGS: tuple[Any, ...] = (False, "best-effort", True)  # tried in this order
_BEGINNING = 1 << 20  # bytes whose texts are checked
_MAX_ELEMENTS = 1 << 33  # of one dataset in a file that somebody else may have made


class Hdf5Format:
    """One HDF5 file a shard, ``shard-00000.h5`` onwards."""

    finished = ()

    def write(
        self, out: Path, scratch: Path, index: int, columns: Columns, attributes: Mapping[str, Any]
    ) -> StoredShard:
        """Write one shard whole: beside its place, synced, then renamed."""
        data = shard_bytes(columns, attributes)
        install_bytes(out / shard_name(index), data, scratch)
        return StoredShard(shard_name(index), hashlib.sha256(data).hexdigest(), len(data))

    def find(self, out: Path, index: int) -> StoredShard | None:
        """Return the shard of a number if it stands, or None."""
        path = out / shard_name(index)
        if not path.is_file():
            return None
        return StoredShard(path.name, file_sha256(path), path.stat().st_size)

    def read(self, out: Path, index: int) -> tuple[Columns, dict[str, Any]]:
        """Return columns and attributes of a shard that stands."""
        path = out / shard_name(index)
        with open_hdf5(path) as file:
            columns, attributes = read_columns(file), read_attributes(file)
        check_columns(columns, attributes, path)
        return columns, attributes

    def read_some(self, out: Path, index: int, names: list[str]) -> Columns:
        """Return some columns of a shard that stands, none of them the pictures."""
        path = out / shard_name(index)
        with open_hdf5(path) as file:
            columns = read_columns(file, names)
        check_texts(columns, path)
        return columns

    def indices(self, out: Path) -> list[int]:
        """Return the numbers of all shards that stand, sorted."""
        names = (path.name for path in out.glob("shard-*.h5"))
        return sorted(int(name[6:-3]) for name in names if _SHARD.fullmatch(name))

    def strays(self, out: Path, count: int) -> list[str]:
        """Return names of shards beyond so many."""
        known = {shard_name(index) for index in range(count)}
        names = {path.name for path in out.glob("shard-*.h5")}
        return sorted(name for name in names - known if _SHARD.fullmatch(name))

    def clear(self, out: Path) -> None:
        """Remove every shard and every file of added labels."""
        for path in [*out.glob("shard-*.h5"), *out.glob("pattern-k*.h5")]:
            if self.owns(path.name):
                path.unlink()

    def discard(self, out: Path, name: str) -> None:
        """Remove a broken file, so that a build makes it again."""
        (out / name).unlink(missing_ok=True)

    def owns(self, name: str) -> bool:
        """Whether a name directly in the output folder is one this format writes."""
        return bool(_SHARD.fullmatch(name) or _PATTERN.fullmatch(name))

    def finish(self, out: Path, scratch: Path, count: int) -> list[str]:
        """Return nothing: the shards are all there is."""
        return []


def shard_name(index: int) -> str:
    """Return the file name of a shard."""
    return f"shard-{index:05d}.h5"


def shard_bytes(columns: Columns, attributes: Mapping[str, Any]) -> bytes:
    """Return a whole HDF5 file: the same columns give the same bytes, always.

    Parameters
    ----------
    columns : dict of str to ndarray
        Each becomes a contiguous dataset, in this order, without times.
    attributes : mapping
        Of the root group.

    Notes
    -----
    The file is made in memory and written by the caller in one piece, so that a full disk is an
    error of the system's and never one inside the HDF5 library. Any version of that library gives
    the same bytes. It is closed before its bytes are taken: of an open file of this layout, HDF5
    before 2.0 hands out an image whose first checksum is wrong.
    """
    kinds = (h5py.h5p.FILE_CREATE, h5py.h5p.GROUP_CREATE, h5py.h5p.FILE_ACCESS)
    creation, group, access = (h5py.h5p.create(kind) for kind in kinds)
    for properties in (creation, group):
        properties.set_obj_track_times(False)
    image = io.BytesIO()
    access.set_fileobj_driver(h5py.h5fd.fileobj_driver, image)
    access.set_fclose_degree(h5py.h5f.CLOSE_STRONG)
    access.set_libver_bounds(h5py.h5f.LIBVER_V18, h5py.h5f.LIBVER_V110)
    made = h5py.h5f.create(b"shard", h5py.h5f.ACC_TRUNC, creation, access)
    with h5py.File(made) as file:
        for name, value in attributes.items():
            file.attrs[name] = value
        for name, column in columns.items():
            folder = name.rpartition("/")[0]
            if folder and folder not in file:
                h5py.h5g.create(file.id, folder.encode(), gcpl=group)
            file.create_dataset(name, data=column, dtype=column.dtype, track_times=False)
    return image.getvalue()


@contextlib.contextmanager
def open_hdf5(path: Path) -> Iterator[h5py.File]:
    """Open a shard for reading, with every failure of the library as one clear error.

    Raises
    ------
    ShardError
        When the file is missing, cannot be read, is not HDF5, or is damaged.

    Notes
    -----
    No lock is taken, unless this process has the file open with one already: HDF5 opens a file
    again only as it was opened first.
    """
    remote = is_remote(path)
    if not remote and not path.is_file():
        raise ShardError(f"{path} is missing")
    try:
        with _in_memory(path) if remote else _opened_as_before(path) as file:
            yield file
    except OccgenError:
        raise  # an InputError is a ValueError as well
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, UnicodeError) as error:
        detail = (str(error).splitlines() or [type(error).__name__])[0][:160]
        raise ShardError(f"{path} is damaged or no shard of occgen ({detail})") from error


def _opened_as_before(path: Path) -> h5py.File:
    """Return a file opened without a lock, or as whoever has it open in this process opened it."""
    with open(path, "rb", buffering=0) as raw:
        check_heaps(raw.read(_BEGINNING), path)
    for locking in _LOCKINGS[:-1]:
        try:
            return h5py.File(path, "r", locking=locking)
        except OSError as error:
            if "flag values don't match" not in str(error):
                raise
    return h5py.File(path, "r", locking=_LOCKINGS[-1])


def _in_memory(path: Path) -> h5py.File:
    """Return an object of a store as an open file of its name."""
    access = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
    access.set_fapl_core(_BLOCK, False)
    data = read_object(path)
    check_heaps(data[:_BEGINNING], path)
    access.set_file_image(data)
    return h5py.File(h5py.h5f.open(str(path).encode(), h5py.h5f.ACC_RDONLY, fapl=access))


def read_attributes(file: h5py.File) -> dict[str, Any]:
    """Return the root attributes as plain Python values.

    Raises
    ------
    ShardError
        When the schema is absent or of another version.
    """
    attributes = {name: _plain(value) for name, value in file.attrs.items()}
    schema = attributes.get("schema")
    if schema != SCHEMA:
        raise other_schema(file.filename, schema)
    return attributes


def read_columns(file: h5py.File, names: list[str] | None = None) -> Columns:
    """Return datasets as arrays.

    Parameters
    ----------
    file : h5py.File
    names : list of str, optional
        Which; by default every one in the file.

    Returns
    -------
    dict of str to ndarray
    """
    if names is None:
        names = dataset_names(file)
    return {name: _read(file, name) for name in names}


def dataset_names(file: h5py.File) -> list[str]:
    """Return the full name of every dataset, sorted."""
    names: list[str] = []

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            names.append(name)

    file.visititems(visit)
    return sorted(names)


def blob_position(file: h5py.File, name: str) -> tuple[int, int]:
    """Return where a contiguous dataset lies in its file: first byte and length.

    Raises
    ------
    ShardError
        When it is not one contiguous run of bytes inside the file.
    """
    dataset = _dataset(file, name)
    if dataset.dtype != np.uint8 or dataset.ndim != 1 or dataset.chunks is not None:
        raise ShardError(f"{file.filename}: {name} is not a contiguous run of bytes")
    length = int(dataset.shape[0])
    start = dataset.id.get_offset()
    if length and (start is None or start + length > file.id.get_filesize()):
        raise ShardError(f"{file.filename}: {name} lies outside the file")
    return int(start or 0), length


def _read(file: h5py.File, name: str) -> NDArray[Any]:
    dataset = _dataset(file, name)
    kind = dataset.dtype.kind
    if kind not in "iufS" or dataset.size > _MAX_ELEMENTS:
        raise ShardError(f"{file.filename}: {name} has type {dataset.dtype}, which no shard has")
    if dataset.nbytes > file.id.get_filesize():
        raise ShardError(f"{file.filename}: {name} claims more bytes than the file has")
    return np.asarray(dataset[()])


def _dataset(file: h5py.File, name: str) -> h5py.Dataset:
    """Return a dataset that lies in the file itself; a link is never followed."""
    holder, found = file, None
    for part in name.split("/"):
        if not isinstance(holder, h5py.Group) or part not in holder.keys():  # noqa: SIM118
            raise ShardError(f"{file.filename} has no dataset {name}")
        if not isinstance(holder.get(part, getlink=True), h5py.HardLink):
            raise ShardError(f"{file.filename}: {name} points elsewhere; it is refused")
        holder = found = holder[part]
    if not isinstance(found, h5py.Dataset):
        raise ShardError(f"{file.filename} has no dataset {name}")
    if found.external or found.is_virtual:
        raise ShardError(f"{file.filename}: {name} points outside the file")
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    return value.decode("utf-8") if isinstance(value, bytes) else value
