"""Recipes: what a set is made of, without a picture, and the set made again from a recipe.

Faces may often not be passed on; a recipe may. It names each source picture by its key and a
checksum, and the boxes and occluders pasted on it, so that whoever has the same pictures makes the
same set, bit for bit.
"""

import contextlib
import csv
import io
import json
import logging
import time
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .atomic import replacing_bytes
from .columns import Columns, content_digest
from .config import BuildConfig
from .engine import BuildReport, Progress, build, open_library
from .errors import DataError, InputError, OccgenError, ShardError
from .listing import list_in_workers
from .manifest import build_digest, canonical, identity_of, installed_versions
from .manifest_check import check_recipe_header
from .pool import WorkersLostError, run_tasks
from .recipe_file import CHECKSUM_BYTES, Block, Recipe, checksum, pack_block, recipe_bytes
from .sources import ListedSource, configured_source
from .storage import is_remote
from .tasks import Plan, ShardTask, picture_size
from .workshop import WorkOrder, narrow_library, open_workshop, work_order

__all__ = ["build_from_recipe", "recipe_path", "write_recipe"]

_log = logging.getLogger(__name__)
_SHOWN = 3


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
    with _kept_workers():
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


def build_from_recipe(
    path: Path,
    root: str | None = None,
    out: str | None = None,
    jobs: int | None = None,
    *,
    occluders: str = "bundled",
    backend: str = "loky",
    address: str | None = None,
    overwrite: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
) -> BuildReport:
    """Make the set of a recipe from a user's own copy of the pictures.

    Parameters
    ----------
    path : Path
        The recipe.
    root : str, optional
        Where the data set lies; pictures the recipe does not name are passed over.
    out : str, optional
        Folder of the set; by default its name.
    jobs : int, optional
        Worker processes; by default all cores.
    occluders : str, optional
        'bundled', or the directory of occluders the recipe was written with.
    backend : str, optional
        What runs the workers: 'loky', 'ray' or 'dask'.
    address : str, optional
        Of a running cluster.
    overwrite : bool, optional
        Whether a set of another configuration in `out` may be replaced.
    on_progress : callable, optional
        Called in this process after each shard.

    Returns
    -------
    BuildReport

    Raises
    ------
    InputError
        When a path is missing or is not what it should be.
    DataError
        When the recipe is damaged, the occluders are others, or pictures are missing or differ:
        before anything is made. All such pictures are named in ``OUT.differing.csv``.
    ShardError
        When the output cannot be written, or what was made is not what the recipe names.

    Notes
    -----
    Boxes and occluders of each shard are compared with the recipe before it is written; the digest
    of the whole at the end. Bytes of pictures hang on the versions of codec and image library:
    where these differ from the recipe's, a warning says so in place of an error.
    """
    recipe = Recipe(path)
    run = {"root": root, "out": out, "jobs": jobs, "occluders": occluders}
    run |= {"backend": backend, "address": address, "overwrite": overwrite}
    check_recipe_header(recipe.header, path)
    config = _config_of(recipe, run)
    library = open_library(occluders)
    wanted = recipe.header["occluders"]
    if library.digest != wanted["digest"]:
        version = recipe.header["versions"].get("occgen")
        raise DataError(
            f"{path} needs the occluders with digest {wanted['digest'][:16]} ({wanted['members']} "
            f"members, occgen {version}), and {occluders} has {library.digest[:16]} "
            f"({len(library)} members, occgen {installed_versions()['occgen']}); install that "
            "version or name their folder with --occluders DIR"
        )
    size = recipe.height, recipe.width
    _check_sources(config, recipe, work_order(config, library, size, recipe=recipe))
    report = build(config, on_progress, recipe=path)
    if report.digest != recipe.header["digest"]:
        _explain_digest(report, recipe)
    return report


def _config_of(recipe: Recipe, run: dict[str, Any]) -> BuildConfig:
    """Return the recipe's configuration with what this run brings: paths, jobs, backend."""
    settings = dict(recipe.header["config"])
    settings.pop("occluders_digest", None)
    settings |= {**run, "max_skipped": 1.0}
    try:
        return BuildConfig.from_json(json.dumps(settings))
    except InputError as error:
        version = recipe.header.get("versions", {}).get("occgen")
        raise DataError(f"{recipe.path} is a recipe of occgen {version}: {error}") from error


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


def _check_sources(config: BuildConfig, recipe: Recipe, order: WorkOrder) -> None:
    """Raise DataError, and list them in a file, where pictures are not those of the recipe."""
    found: dict[int, list[tuple[str, str]]] = {}
    with _kept_workers():
        found.update(run_tasks(_compare, config, order, range(len(recipe))))
    wrong = [pair for index in sorted(found) for pair in found[index]]
    if not wrong:
        return
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([("key", "reason"), *wrong])
    listing = recipe_path(config).with_suffix(".differing.csv")
    place = ""
    with contextlib.suppress(InputError):
        replacing_bytes(listing, text.getvalue().encode("utf-8", "backslashreplace"))
        place = f"; all are named in {listing}"
    differ = sum(reason == _DIFFERS for _, reason in wrong)
    first = ", ".join(f"{key}: {reason}" for key, reason in wrong[:_SHOWN])
    more = ", ..." if len(wrong) > _SHOWN else ""
    where = config.root or f"$OCCGEN_DATA/{config.dataset}"
    raise DataError(
        f"{len(wrong)} of the {recipe.pictures} pictures of {recipe.path} are not in {where} as "
        f"they were: {differ} differ, {len(wrong) - differ} are missing ({first}{more}){place}; "
        "nothing was made"
    )


_DIFFERS = "differs"


def _compare(order: WorkOrder, index: int) -> tuple[int, list[tuple[str, str]]]:
    """Return key and reason of each picture of one block that is not what it was."""
    source = _listed_source(order)
    block = source.turn_to(index)
    wrong = []
    for key, known in zip(block.keys, block.checksums, strict=True):
        if key in block.skipped:
            continue
        try:
            if checksum(source.inner.read(key)) != known.tobytes():
                wrong.append((key, _DIFFERS))
        except DataError as error:
            is_gone = isinstance(error.__cause__, FileNotFoundError)
            wrong.append((key, "missing" if is_gone else f"missing ({error})"))
    return index, wrong


@lru_cache(maxsize=1)
def _listed_source(order: WorkOrder) -> ListedSource:
    config = BuildConfig.from_json(order.config)
    return ListedSource(configured_source(config), Path(order.recipe))


@contextlib.contextmanager
def _kept_workers() -> Iterator[None]:
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


def _explain_digest(report: BuildReport, recipe: Recipe) -> None:
    before, now = recipe.header["versions"], report.manifest["versions"]
    names = sorted(name for name in before | now if before.get(name) != now.get(name))
    changed = ", ".join(f"{n} {before.get(n, 'absent')} -> {now.get(n, 'absent')}" for n in names)
    found, wanted = report.digest[:12], recipe.header["digest"][:12]
    message = (
        f"{report.out} has the recipe's placements and labels but digest {found} in place of "
        f"{wanted}: bytes of pictures differ"
    )
    if not changed:
        raise ShardError(f"{message}")
    _log.warning("%s by other versions (%s)", message, changed)
