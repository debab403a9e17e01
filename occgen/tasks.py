"""The plan of a build: the source's order cut into shards, one task a shard, as a stream."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from .codec import decode_image
from .config import BuildConfig
from .errors import DataError, InputError
from .sources import GroupedSource, ListedSource, Source, group_refs

__all__ = ["Plan", "ShardTask", "picture_size", "variant_key"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ShardTask:
    """What a worker needs to make one shard; small enough to send."""

    index: int
    """Number of the shard."""
    keys: tuple[str, ...]
    """Source keys, in order."""
    runs: tuple[tuple[str, int, int], ...]
    """Name, number and length of each run of one identity; -1 where there is none."""

    def identities(self) -> Iterator[tuple[int, str]]:
        """Yield number and name of the identity of each key."""
        for name, number, count in self.runs:
            for _ in range(count):
                yield number, name


@dataclass(slots=True)
class Plan:
    """Cuts a source into tasks as they are asked for, and counts on the way.

    Memory holds the names of the identities, not the pictures.
    """

    source: Source
    config: BuildConfig
    pictures: int = 0
    shards: int = 0
    identities: dict[str, int] = field(default_factory=dict)
    _hash: "hashlib._Hash" = field(default_factory=hashlib.sha256)

    @property
    def keys_per_shard(self) -> int:
        """Pictures of the source a shard takes: with variants it holds as many times more."""
        return max(1, self.config.shard_size // self.config.variants)

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the keys planned so far, in order."""
        return self._hash.hexdigest()

    def tasks(self) -> Iterator[ShardTask]:
        """Yield the tasks in order."""
        keys: list[str] = []
        runs: list[tuple[str, int, int]] = []
        for name, found in self._runs():
            start = 0
            while start < len(found):
                part = found[start : start + self.keys_per_shard - len(keys)]
                start += len(part)
                keys += part
                count = len(part) + (runs.pop()[2] if runs and runs[-1][0] == name else 0)
                runs.append(self._run(name, count))
                if len(keys) == self.keys_per_shard:
                    yield self._task(keys, runs)
                    keys, runs = [], []
        if keys:
            yield self._task(keys, runs)

    def _runs(self) -> Iterator[tuple[str, list[str]]]:
        """Yield identities with their keys, down to the limit."""
        source, left = self.source, self.config.limit
        runs = source.runs() if isinstance(source, GroupedSource) else group_refs(source.refs())
        for name, keys in runs:
            if left is not None:
                keys = keys[:left]
                left -= len(keys)
            yield name, keys
            if left == 0:
                return

    def _task(self, keys: list[str], runs: list[tuple[str, int, int]]) -> ShardTask:
        self._hash.update(("\n".join(keys) + "\n").encode("utf-8", "surrogateescape"))
        task = ShardTask(index=self.shards, keys=tuple(keys), runs=tuple(runs))
        self.pictures += len(keys)
        self.shards += 1
        return task

    def _run(self, name: str, count: int) -> tuple[str, int, int]:
        number = self.identities.setdefault(name, len(self.identities)) if name else -1
        return name, number, count


def variant_key(key: str, variant: int) -> str:
    """Return the key of one of several occluded versions; the first keeps the picture's own."""
    return f"{key}#{variant}" if variant else key


def picture_size(config: BuildConfig, source: Source) -> tuple[int, int]:
    """Return height and width of a set's pictures: as set, or those of the first that is read.

    Raises
    ------
    InputError
        When the source is empty.
    DataError
        When none of its pictures can be read, or with `strict` not the first.
    """
    if isinstance(source, ListedSource):
        return source.recipe.height, source.recipe.width
    if config.image_size != "source":
        height, width = (int(side) for side in config.image_size.split("x"))
        return height, width
    seen, reason = 0, ""
    for ref in source.refs():
        try:
            height, width = decode_image(source.read(ref.key)).shape[:2]
        except DataError as error:
            seen, reason = seen + 1, reason or f"{ref.key}: {error}"
            if config.strict:
                raise DataError(reason) from error
            continue
        return height, width
    if seen:
        raise DataError(f"none of {seen} pictures can be read (first: {reason})")
    raise InputError(f"{config.root} holds no pictures; one folder an identity is read")
