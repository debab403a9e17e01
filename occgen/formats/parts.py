"""What formats share that keep pictures in files of their own: the rest stands in ``parts/``.

``parts/shard-00000.h5`` holds every column of a shard but the pictures, so that nothing is lost
whatever the pictures' own format can say. It is written after them: a part that stands is whole.
"""

import hashlib
import re
import shutil
import zlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..atomic import install_bytes, make_folder
from ..column_check import check_columns, check_texts
from ..columns import Columns
from ..errors import ColumnError, ShardError
from ..manifest import file_sha256
from ..storage import is_remote, read_object
from .base import StoredShard
from .hdf5 import open_hdf5, read_attributes, read_columns, shard_bytes

__all__ = ["PartsFormat", "part_name"]

_PART = re.compile(r"shard-(\d{5,})\.h5")
_PIXELS = "image/data"
_OWN = ("pictures_sha256", "pictures_bytes")  # attributes of a part alone


def part_name(index: int) -> str:
    """Return the name of the part of a shard."""
    return f"parts/shard-{index:05d}.h5"


class PartsFormat(ABC):
    """A format whose pictures stand in one file a shard, its columns in ``parts/``."""

    folders: tuple[str, ...] = ("parts",)
    """Folders in the output that this format makes."""
    files: tuple[str, ...] = ()
    """Files directly in the output that this format makes, as patterns."""
    finished: tuple[str, ...] = ()
    """Names `finish` may return."""

    @abstractmethod
    def pictures_name(self, index: int) -> str:
        """Return the name of the file of a shard's pictures."""

    @abstractmethod
    def pack(self, index: int, columns: Columns, attributes: Mapping[str, Any]) -> bytes:
        """Return the file of a shard's pictures."""

    @abstractmethod
    def unpack(self, path: Path, data: bytes, columns: Columns) -> list[bytes]:
        """Return the pictures in such a file."""

    def write(
        self, out: Path, scratch: Path, index: int, columns: Columns, attributes: Mapping[str, Any]
    ) -> StoredShard:
        """Write the pictures, then the part: each beside its place, synced, then renamed."""
        for name in self.folders:
            make_folder(out / name)
        pictures = self.pack(index, columns, attributes)
        rest = {name: column for name, column in columns.items() if name != _PIXELS}
        size = int(columns["image/offset"][-1])
        own = {
            "pictures_sha256": hashlib.sha256(pictures).hexdigest(),
            "pictures_bytes": size,
        }
        data = shard_bytes(rest, {**attributes, **own})
        path = out / part_name(index)
        path.unlink(missing_ok=True)  # never beside other pictures
        install_bytes(out / self.pictures_name(index), pictures, scratch)
        install_bytes(path, data, scratch)
        return StoredShard(part_name(index), hashlib.sha256(data).hexdigest(), len(data) + size)

    def find(self, out: Path, index: int) -> StoredShard | None:
        """Return the shard of a number if its part and its pictures stand, or None."""
        path = out / part_name(index)
        if not path.is_file() or not self.has_pictures(out, index):
            return None
        with open_hdf5(path) as file:
            size = path.stat().st_size + int(read_attributes(file)["pictures_bytes"])
        return StoredShard(part_name(index), file_sha256(path), size)

    def has_pictures(self, out: Path, index: int) -> bool:
        """Whether the file of a shard's pictures stands."""
        return (out / self.pictures_name(index)).is_file()

    def read(self, out: Path, index: int) -> tuple[Columns, dict[str, Any]]:
        """Return columns and attributes of a shard; every picture is checked."""
        with open_hdf5(out / part_name(index)) as file:
            columns, attributes = read_columns(file), read_attributes(file)
        check_columns(columns, attributes, out / part_name(index), without=(_PIXELS,))
        own = {name: attributes.pop(name, None) for name in _OWN}
        images = self.read_pictures(out, index, columns, str(own["pictures_sha256"]))
        lengths = np.diff(columns["image/offset"].astype(np.int64)).tolist()
        if [len(image) for image in images] != lengths:
            raise ShardError(f"{out / part_name(index)}: its pictures are not of the size it says")
        checks = columns["image/crc32"].tolist()
        for row, (image, check) in enumerate(zip(images, checks, strict=True)):
            if zlib.crc32(image) != check:
                raise ColumnError(out / part_name(index), "image", "is damaged", row)
        return {_PIXELS: np.frombuffer(b"".join(images), np.uint8), **columns}, attributes

    def read_pictures(self, out: Path, index: int, columns: Columns, sha256: str) -> list[bytes]:
        """Return the pictures of a shard from their file, checked by its checksum."""
        path = out / self.pictures_name(index)
        try:
            data = read_object(path) if is_remote(path) else path.read_bytes()
        except OSError as error:
            raise ShardError(f"{path} cannot be read ({error.strerror})") from error
        if hashlib.sha256(data).hexdigest() != sha256:
            raise ShardError(f"{path} is damaged: its checksum does not match")
        return self.unpack(path, data, columns)

    def read_some(self, out: Path, index: int, names: list[str]) -> Columns:
        """Return some columns of a shard that stands, none of them the pictures."""
        path = out / part_name(index)
        with open_hdf5(path) as file:
            columns = read_columns(file, names)
        check_texts(columns, path)
        return columns

    def indices(self, out: Path) -> list[int]:
        """Return the numbers of all parts that stand, sorted."""
        matches = (_PART.fullmatch(path.name) for path in (out / "parts").glob("shard-*.h5"))
        return sorted(int(match[1]) for match in matches if match)

    def strays(self, out: Path, count: int) -> list[str]:
        """Return names of files in this format's places that are of none of so many shards."""
        known = {name(index) for index in range(count) for name in (part_name, self.pictures_name)}
        known.update(self.finished)
        found = {path.name: path for path in out.glob("*") if self.owns(path.name)}
        for name in self.folders:
            found |= {f"{name}/{path.name}": path for path in (out / name).glob("*")}
        return sorted(name for name in found.keys() - known if found[name].is_file())

    def clear(self, out: Path) -> None:
        """Remove every file this format wrote."""
        for name in self.folders:
            if is_remote(out):
                for path in list((out / name).glob("*")):
                    path.unlink(missing_ok=True)
            else:
                shutil.rmtree(out / name, ignore_errors=True)
        for path in list(out.iterdir()):
            if self.owns(path.name):
                path.unlink(missing_ok=True)

    def discard(self, out: Path, name: str) -> None:
        """Remove a broken file, so that a build makes it again."""
        (out / name).unlink(missing_ok=True)

    def owns(self, name: str) -> bool:
        """Whether a name directly in the output folder is one this format writes."""
        return name in self.folders or any(re.fullmatch(pattern, name) for pattern in self.files)

    def finish(self, out: Path, scratch: Path, count: int) -> list[str]:
        """Return nothing: the shards are all there is."""
        return []
