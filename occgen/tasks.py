"""The plan of a build: the source's order cut into shards, one task a shard, as a stream."""

import hashlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field

from .codec import decode_image
from .config import BuildConfig
from .errors import DataError, InputError
from .keys import KeyBlock, Listing, pack_runs, source_runs, unpack_keys
from .sources import ListedSource, Source

__all__ = ["Plan", "ShardTask", "picture_size", "variant_key"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ShardTask:
    """What a worker needs to make one shard; small enough to send."""

    index: int
    """Number of the shard."""
    packed: bytes
    """Source keys, in order, as in a `KeyBlock`."""
    runs: tuple[tuple[str, int, int], ...]
    """Name, number and length of each run of one identity; -1 where there is none."""

    @property
    def keys(self) -> tuple[str, ...]:
        """Source keys, in order."""
        return unpack_keys(self.packed)

    def identities(self) -> Iterator[tuple[int, str]]:
        """Yield number and name of the identity of each key."""
        for name, number, count in self.runs:
            for _ in range(count):
                yield number, name


@dataclass(slots=True)
class Plan:
    """Cuts a source into tasks as they are asked for, and counts on the way.

    Memory holds the names of the identities, and of the pictures only what a listing holds.
    """

    source: Source
    config: BuildConfig
    listing: Listing | None = None
    """Takes the place of what the source lists."""
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

    def expected(self) -> int:
        """Return how many faces there will be, if every picture can be used."""
        if self.listing is not None:
            found = self.listing.pictures
        elif self.config.limit is not None:  # a large source is not listed for a few of it
            found = sum(1 for _ in itertools.islice(self.source.refs(), self.config.limit))
        else:
            found = self.source.count()
        return found * self.config.variants

    def tasks(self) -> Iterator[ShardTask]:
        """Yield the tasks in order; with a listing, once."""
        pieces: list[bytes] = []
        runs: list[tuple[str, int, int]] = []
        room = self.keys_per_shard
        for block in self._blocks():
            ends, start, taken = block.ends(), 0, 0
            for name, left in block.runs:
                while left >= room:
                    self._extend(runs, name, room)
                    left, taken = left - room, taken + room
                    end = int(ends[taken - 1])
                    yield self._task([*pieces, block.keys[start:end]], runs)
                    pieces, runs, room, start = [], [], self.keys_per_shard, end
                if left:
                    self._extend(runs, name, left)
                    room, taken = room - left, taken + left
            pieces.append(block.keys[start:])
        if runs:
            yield self._task(pieces, runs)

    def _blocks(self) -> Iterator[KeyBlock]:
        if self.listing is not None:
            return self.listing.blocks()
        return pack_runs(self._runs(), at_once=self.keys_per_shard)

    def _runs(self) -> Iterator[tuple[str, list[str]]]:
        """Yield identities with their keys, down to the limit."""
        left = self.config.limit
        for name, keys in source_runs(self.source):
            if left is not None:
                keys = keys[:left]
                left -= len(keys)
            yield name, keys
            if left == 0:
                return

    def _task(self, pieces: list[bytes], runs: list[tuple[str, int, int]]) -> ShardTask:
        packed = b"".join(pieces)
        self._hash.update(packed.replace(b"\0", b"\n"))
        task = ShardTask(index=self.shards, packed=packed, runs=tuple(runs))
        self.pictures += sum(count for _, _, count in runs)
        self.shards += 1
        return task

    def _extend(self, runs: list[tuple[str, int, int]], name: str, count: int) -> None:
        if runs and runs[-1][0] == name:
            count += runs.pop()[2]
        number = self.identities.setdefault(name, len(self.identities)) if name else -1
        runs.append((name, number, count))


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
        When none of its pictures can be read, or with `strict` not the first; when the first is
        smaller than the grid of labels.
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
        if min(height, width) < config.k:
            raise DataError(
                f"{ref.key}, whose size the set would have, is {height}x{width} pixels, too few "
                f"for k {config.k}; move it away, or set --image-size"
            )
        return height, width
    if seen:
        raise DataError(f"none of {seen} pictures can be read (first: {reason})")
    raise InputError(f"{config.root} holds no pictures; one folder an identity is read")
