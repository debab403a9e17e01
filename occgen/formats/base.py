"""What the engine asks of a format."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from ..columns import Columns

__all__ = ["ShardFormat", "StoredShard"]


class StoredShard(NamedTuple):
    """A shard that stands under its final name."""

    name: str
    sha256: str
    bytes: int


class ShardFormat(Protocol):
    """Writes shards, finds those that stand, and reads them back."""

    finished: tuple[str, ...]
    """Names `finish` may return."""

    def write(
        self, out: Path, scratch: Path, index: int, columns: Columns, attributes: Mapping[str, Any]
    ) -> StoredShard:
        """Write one shard whole: beside its place, synced, then renamed."""

    def find(self, out: Path, index: int) -> StoredShard | None:
        """Return the shard of a number if it stands whole, or None."""

    def read(self, out: Path, index: int) -> tuple[Columns, dict[str, Any]]:
        """Return columns and attributes of a shard that stands."""

    def read_some(self, out: Path, index: int, names: list[str]) -> Columns:
        """Return some columns of a shard that stands, none of them the pictures."""

    def indices(self, out: Path) -> list[int]:
        """Return the numbers of all shards that stand, sorted."""

    def strays(self, out: Path, count: int) -> list[str]:
        """Return names of files in this format's places that are of none of so many shards."""

    def clear(self, out: Path) -> None:
        """Remove every file this format wrote."""

    def discard(self, out: Path, name: str) -> None:
        """Remove a broken file, so that a build makes it again; what is whole stays readable."""

    def owns(self, name: str) -> bool:
        """Whether a name directly in the output folder is one this format writes."""

    def finish(self, out: Path, scratch: Path, count: int) -> list[str]:
        """Do what is left when all shards stand; return names of further files to check-sum."""
