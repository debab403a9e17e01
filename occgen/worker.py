"""What a worker does with one task: make one shard, or take the one that stands."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from .codec import decode_image
from .columns import Columns, content_digest
from .config import BuildConfig
from .errors import DataError, ShardError
from .formats import StoredShard
from .sources import DatedSource, ListedSource, Source
from .storage import is_remote, set_path, storage_errors
from .tasks import ShardTask, variant_key
from .workshop import WorkOrder, Workshop, fit_image, open_workshop

__all__ = ["ShardReport", "check_standing", "is_outdated", "make_shard", "report_shard"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class ShardReport:
    """What the parent needs to know of a finished shard."""

    index: int
    name: str
    sha256: str
    """Of the file."""
    content_sha256: str
    """Of names, types, shapes and bytes of its columns."""
    images: int
    occluded: int
    bytes: int
    coverage_sum: float
    """Of box coverage over occluded faces."""
    mask_coverage_sum: float
    """Of mask coverage over occluded faces."""
    labels_differ: int
    """Faces whose label by box is not the one by mask."""
    patterns: dict[str, dict[int, int]] = field(default_factory=dict)
    """Faces of each label, by dataset name."""
    categories: dict[str, int] = field(default_factory=dict)
    """Faces of each category."""
    coverage_histogram: tuple[int, ...] = ()
    """Occluded faces in twenty equal steps of box coverage."""
    skipped: tuple[tuple[str, str], ...] = ()
    """Key and reason of each picture left out."""
    reused: bool = False
    """Whether it stood there already."""
    is_outdated: bool = False
    """Whether a picture of it was written after it."""


def make_shard(order: WorkOrder, task: ShardTask) -> ShardReport:
    """Make one shard, or take the one that stands there already whole.

    Parameters
    ----------
    order : WorkOrder
    task : ShardTask

    Returns
    -------
    ShardReport

    Raises
    ------
    DataError
        With `strict`, at the first picture that cannot be read.
    ShardError
        When the shard cannot be written, or one of other pictures stands in its place.

    Notes
    -----
    A shard that stands is made again where it is damaged, and where a picture it had to leave out
    can be used by now.
    """
    shop = open_workshop(order)
    out, scratch = set_path(order.out), set_path(order.scratch)
    with storage_errors(out):
        return _make(shop, out, scratch, task)


def _make(shop: Workshop, out: Path, scratch: Path, task: ShardTask) -> ShardReport:
    found = _standing(shop, out, task)
    if found is not None:
        report = report_shard(task.index, *found, reused=True)
        return replace(report, is_outdated=is_outdated(shop.source, out / report.name, task))
    columns = shop.make_columns(task)
    stored = shop.format.write(out, scratch, task.index, columns, shop.attributes)
    return report_shard(task.index, stored, columns)


def _standing(shop: Workshop, out: Path, task: ShardTask) -> tuple[StoredShard, Columns] | None:
    """Return the shard that stands in a task's place, or None where it is to be made (again)."""
    try:
        standing = shop.format.find(out, task.index)
        if standing is None:
            return None
        columns, attributes = shop.format.read(out, task.index)
    except ShardError as error:
        _log.warning("%s; it is made again", error)
        return None
    size = shop.order.height, shop.order.width
    check_standing(standing.name, columns, attributes, task, shop.config, size)
    shop.check_recipe(task, columns)
    return None if _is_mended(shop, task, columns) else (standing, columns)


def _is_mended(shop: Workshop, task: ShardTask, columns: Columns) -> bool:
    """Whether a picture that was left out of a standing shard can be used by now."""
    if isinstance(shop.source, ListedSource):
        return False
    for key in columns.get("skipped/key", np.zeros(0, "S1")).tolist():
        try:
            image = decode_image(shop.source.read(key.decode()))
            fit_image(image, shop.order.height, shop.order.width)
        except DataError:
            continue
        return True
    return False


def is_outdated(source: Source, standing: Path, task: ShardTask) -> bool:
    """Whether a picture of a standing shard was written after it, as far as a file's time tells."""
    if not isinstance(source, DatedSource) or is_remote(standing):
        return False
    return source.changed_since(task.keys, standing.stat().st_mtime)


def report_shard(
    index: int, stored: StoredShard, columns: Columns, *, reused: bool = False
) -> ShardReport:
    """Return the report of a shard from its columns alone."""
    occluded = np.diff(columns["paste/offset"].astype(np.int64)) > 0
    by_box, by_mask = sorted(name for name in columns if name.startswith("pattern/"))[:2]
    histograms = {}
    for name in (by_box, by_mask):
        labels, counts = np.unique(columns[name], return_counts=True)
        histograms[name] = dict(zip(labels.tolist(), counts.tolist(), strict=True))
    names, counts = np.unique(columns["category"], return_counts=True)
    coverage = columns["coverage"][occluded].astype(np.float64)
    skipped = zip(
        columns.get("skipped/key", np.zeros(0, "S1")).tolist(),
        columns.get("skipped/reason", np.zeros(0, "S1")).tolist(),
        strict=True,
    )
    return ShardReport(
        index=index,
        name=stored.name,
        sha256=stored.sha256,
        content_sha256=content_digest(columns),
        images=len(columns["key"]),
        occluded=int(occluded.sum()),
        bytes=stored.bytes,
        coverage_sum=float(coverage.sum()),
        mask_coverage_sum=float(columns["mask_coverage"][occluded].astype(np.float64).sum()),
        labels_differ=int((columns[by_box] != columns[by_mask]).sum()),
        patterns=histograms,
        categories={str(n): c for n, c in zip(names.tolist(), counts.tolist(), strict=True)},
        coverage_histogram=tuple(np.histogram(coverage, 20, (0, 1))[0].tolist()),
        skipped=tuple((key.decode(), reason.decode()) for key, reason in skipped),
        reused=reused,
    )


def check_standing(
    name: str,
    columns: Columns,
    attributes: Mapping[str, Any],
    task: ShardTask,
    config: BuildConfig,
    size: tuple[int, int],
) -> None:
    """Check that a shard that stands is the one a task would make, as far as names and size tell.

    Raises
    ------
    ShardError
        When it holds other pictures: the source changed under the build.
    """
    skipped = {key.decode() for key in columns.get("skipped/key", np.zeros(0, "S1")).tolist()}
    listed = [key.encode("utf-8", "backslashreplace").decode() for key in task.keys]
    expected = [
        variant_key(key, variant)
        for key in listed
        if key not in skipped
        for variant in range(config.variants)
    ]
    found = [key.decode() for key in columns["key"].tolist()]
    same_size = (attributes["height"], attributes["width"]) == size
    if found != expected or not skipped <= set(listed) or not same_size:
        raise ShardError(
            f"{name} holds other pictures than the source lists now: the source changed since the "
            "build began; use --overwrite to make the set anew"
        )
