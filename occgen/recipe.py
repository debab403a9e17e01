"""Recipes: what a set is made of, without a picture; written in place of the set.

Faces may often not be passed on; a recipe may. It names each source picture by its key and a
checksum, and the boxes and occluders pasted on it, so that whoever has the same pictures makes the
same set, bit for bit.
"""

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .atomic import replacing_bytes
from .columns import Columns, content_digest
from .config import BuildConfig
from .engine import Progress, open_library
from .errors import DataError, InputError, OccgenError, ShardError
from .listing import list_in_workers
from .manifest import build_digest, canonical, identity_of, installed_versions
from .pool import WorkersLostError, run_tasks
from .recipe_file import CHECKSUM_BYTES, Block, Recipe, checksum, pack_block, recipe_bytes
from .sources import configured_source
from .storage import is_remote
from .tasks import Plan, ShardTask, picture_size
from .workshop import WorkOrder, narrow_library, open_workshop, work_order

__all__ = ["kept_workers", "recipe_path", "write_recipe"]


class _Part(NamedTuple):
    """What a worker found out about one shard it did not write."""

    number: int
    block: tuple[bytes, int]
    content_sha256: str
    images: int
    bytes: int
    skipped: dict[str, str]


def recipe_path(config: BuildConfig) -> Path:
    """Return where the recipe of a build is written: beside its output, if that is a folder."""
    out = config.out_path
    if is_remote(out):
        return Path(f"{out.name}.recipe")
    return out.with_name(f"{out.name}.recipe")


def write_recipe(
    config: BuildConfig, on_progress: Callable[[Progress], None] | None = None
) -> Path:
    """Write the recipe of a set in place of the set.

    Parameters
    ----------
    config : BuildConfig
        The recipe is written to its output's name with ``.recipe`` behind.
    on_progress : callable, optional
        Called in this process after each shard.

    Returns
    -------
    Path
        The file; left as it is where it holds the very same recipe already.

    Raises
    ------
    InputError
        When another file stands there and `overwrite` is off, or a path is not what it should be.
    DataError
        When more pictures than `max_skipped` cannot be read, or with `strict` the first.

    Notes
    -----
    Every picture is read, decoded, occluded and encoded as a build does, and then dropped: the same
    ones are left out, and the recipe can name the digest that the set made from it must have.
    """
    source = configured_source(config)
    source.check()
    library = open_library(config.occluders)
    narrow_library(library, config)
    identity = json.loads(canonical(identity_of(config, library.digest)))
    path = recipe_path(config)
    if not config.overwrite:
        _refuse_other(path, identity)
    height, width = size = picture_size(config, source)
    with kept_workers():
        plan = Plan(source, config, list_in_workers(config, source))
        parts = _describe_all(config, work_order(config, library, size), plan, on_progress)
    skipped = {key: reason for part in parts for key, reason in part.skipped.items()}
    if len(skipped) > config.max_skipped * plan.pictures:
        key, reason = next(iter(skipped.items()))
        raise DataError(
            f"{len(skipped)} of {plan.pictures} pictures cannot be used (first: {key}: {reason}), "
            f"more than --max-skipped {config.max_skipped:g} allows; no recipe was written"
        )
    header = {
        "name": config.name,
        "config": identity,
        "occluders": {"digest": library.digest, "members": len(library)},
        "height": height,
        "width": width,
        "images": sum(part.images for part in parts),
        "skipped": len(skipped),
        "bytes": sum(part.bytes for part in parts),
        "source": {
            "dataset": config.dataset,
            "pictures": plan.pictures,
            "fingerprint": plan.fingerprint,
            "licence": source.licence,
        },
        "digest": build_digest([part.content_sha256 for part in parts], identity),
        "versions": installed_versions(),
    }
    data = recipe_bytes(header, [part.block for part in parts])
    _install(path, data, overwrite=config.overwrite)
    return path


def _describe_all(
    config: BuildConfig,
    order: WorkOrder,
    plan: Plan,
    on_progress: Callable[[Progress], None] | None,
) -> list[_Part]:
    total = 0 if on_progress is None else plan.expected()
    began, images = time.monotonic(), 0
    parts: dict[int, _Part] = {}
    for part in run_tasks(_describe, config, order, plan.tasks()):
        parts[part.number] = part
        images += part.images
        if on_progress is not None:
            elapsed = time.monotonic() - began
            on_progress(
                Progress(images=images, total=total, shards=len(parts), reused=0, elapsed_s=elapsed)
            )
    return [parts[index] for index in sorted(parts)]


def _describe(order: WorkOrder, task: ShardTask) -> _Part:
    """Make one shard in memory and return what a recipe says of it."""
    config = BuildConfig.from_json(order.config)
    source = configured_source(config)
    checksums: dict[str, bytes] = {}

    def read(key: str) -> bytes:
        data = source.read(key)
        checksums[key] = checksum(data)
        return data

    columns = open_workshop(order).make_columns(task, read)
    block = _block(task, columns, checksums)
    return _Part(
        number=task.index,
        block=pack_block(block),
        content_sha256=content_digest(columns),
        images=len(columns["key"]),
        bytes=sum(column.nbytes for column in columns.values()),
        skipped=block.skipped,
    )


def _block(task: ShardTask, columns: Columns, checksums: dict[str, bytes]) -> Block:
    none = np.zeros(0, "S1")
    noted = zip(
        columns.get("skipped/key", none).tolist(),
        columns.get("skipped/reason", none).tolist(),
        strict=True,
    )
    reasons = {key.decode(): reason.decode() for key, reason in noted}
    shown = {key: key.encode("utf-8", "backslashreplace").decode() for key in task.keys}
    skipped = {key: reasons[name] for key, name in shown.items() if name in reasons}
    unread = bytes(CHECKSUM_BYTES)
    known = b"".join(unread if key in skipped else checksums[key] for key in task.keys)
    return Block(
        keys=task.keys,
        runs=tuple((name, count) for name, _, count in task.runs),
        checksums=np.frombuffer(known, np.uint8).reshape(len(task.keys), CHECKSUM_BYTES),
        skipped=skipped,
        boxes=columns["box"],
        paste_counts=np.diff(columns["paste/offset"].astype(np.int64)).astype(np.uint16),
        occluders=tuple(name.decode() for name in columns["paste/occluder"].tolist()),
    )


@contextlib.contextmanager
def kept_workers() -> Iterator[None]:
    """Raise ShardError, with what to do, where a worker was killed."""
    try:
        yield
    except WorkersLostError as error:
        raise ShardError(
            "a worker process was killed (out of memory?); run the same command with fewer --jobs"
        ) from error


def _refuse_other(path: Path, identity: dict[str, Any]) -> None:
    """Raise InputError early where a file stands that is no recipe of this configuration."""
    if not path.exists():
        return
    try:
        standing = Recipe(path).header.get("config")
    except OccgenError:
        standing = None
    if standing != identity:
        raise InputError(
            f"{path} is there already and not this recipe; use --overwrite or another --out"
        )


def _install(path: Path, data: bytes, *, overwrite: bool) -> None:
    if path.exists() and not overwrite:
        if path.read_bytes() == data:
            return
        raise InputError(
            f"{path} is there already, written from other pictures or by other versions; "
            "use --overwrite or another --out"
        )
    replacing_bytes(path, data)
