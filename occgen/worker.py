"""What a worker does with one task: read, place, composite, label, encode, write one shard."""

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from occluders import OccluderLibrary, from_spec

from .codec import decode_image, encoder
from .columns import CLEAN, Columns, ShardColumns, content_digest
from .config import BuildConfig
from .errors import DataError, ShardError
from .formats import StoredShard, open_format
from .manifest import canonical, identity_of
from .patterns import PatternGrid
from .recipe_file import Recipe
from .sources import ListedSource, Source, open_source
from .synthesis import draw_placements, occlude_with
from .tasks import ShardTask, variant_key

__all__ = [
    "ShardReport",
    "WorkOrder",
    "check_standing",
    "fit_image",
    "label_box",
    "make_columns",
    "make_shard",
    "report_shard",
    "shard_attributes",
    "work_order",
]

Box = tuple[int, int, int, int]

_log = logging.getLogger(__name__)
_PUBLISHED_CODEC = ("pillow-jpeg", 75)  # Pillow at its default quality


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkOrder:
    """What every task of a build has in common; hashable, small enough to send with each."""

    config: str
    """The `BuildConfig` as JSON."""
    library: str
    """The occluder library's specification as JSON."""
    library_digest: str
    """SHA-256 of the library."""
    height: int
    """Of the set's pictures, in pixels."""
    width: int
    """Of the set's pictures, in pixels."""
    out: str
    """The output folder."""
    scratch: str
    """A folder inside it, of this run alone."""
    recipe: str = ""
    """Recipe file whose set is made again; empty for a build from the source's own list."""
    recipe_sha256: str = ""
    """Of the recipe, as it names itself."""


def work_order(
    config: BuildConfig,
    library: OccluderLibrary,
    size: tuple[int, int],
    *,
    scratch: Path | None = None,
    recipe: Recipe | None = None,
) -> WorkOrder:
    """Return what all tasks of a build have in common.

    Parameters
    ----------
    config : BuildConfig
    library : OccluderLibrary
        The whole library, not narrowed.
    size : tuple of int
        Height and width of the set's pictures.
    scratch : Path, optional
        Folder for files that are not whole yet; none where no shard is written.
    recipe : Recipe, optional
        Whose set is made.
    """
    return WorkOrder(
        config=config.to_json(),
        library=json.dumps(library.spec),
        library_digest=library.digest,
        height=size[0],
        width=size[1],
        out=str(config.out_path),
        scratch=str(scratch or ""),
        recipe=str(recipe.path) if recipe is not None else "",
        recipe_sha256=recipe.sha256 if recipe is not None else "",
    )


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


class _Workshop:
    """What one process keeps between the tasks of one build."""

    def __init__(self, order: WorkOrder) -> None:
        config = BuildConfig.from_json(order.config)
        library = from_spec(json.loads(order.library))
        if library.digest != order.library_digest:
            raise ShardError(f"the occluders at {config.occluders} changed during the build")
        self.config, self.order = config, order
        self.source: Source = open_source(config.dataset, config.root, order.recipe)
        if isinstance(self.source, ListedSource) and (
            self.source.recipe.sha256 != order.recipe_sha256
        ):
            raise ShardError(f"{order.recipe} changed during the build")
        self.categories = library.categories
        self.library = narrow_library(library, config)
        self.grid = PatternGrid(config.k, order.height, order.width)
        published = config.compat == "published"
        self.encode: Callable[[NDArray[np.uint8]], bytes]
        published = config.compat == "published"
        self.encode = encoder(*(_PUBLISHED_CODEC if published else (config.codec, config.quality)))
        self.format = open_format(config.format)
        self.attributes: dict[str, Any] = {
            "schema": 1,
            "height": order.height,
            "width": order.width,
            "k": config.k,
            "codec": config.codec,
            "by": config.by,
            "blend": config.effective_blend,
            "categories": json.dumps([CLEAN, *self.categories]),
            "config": canonical(identity_of(config, order.library_digest)).decode(),
        }


@lru_cache(maxsize=2)
def _workshop(order: WorkOrder) -> _Workshop:
    return _Workshop(order)


def narrow_library(library: OccluderLibrary, config: BuildConfig) -> OccluderLibrary:
    """Return the part of a library a build draws from."""
    return library.subset(
        categories=config.categories, group=config.group, exclude=config.exclude_occluders or None
    )


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
    shop = _workshop(order)
    out, scratch = Path(order.out), Path(order.scratch)
    found = _standing(shop, out, task)
    if found is not None:
        return report_shard(task.index, *found, reused=True)
    columns = make_columns(order, task)
    stored = shop.format.write(out, scratch, task.index, columns, shop.attributes)
    return report_shard(task.index, stored, columns)


def _standing(shop: _Workshop, out: Path, task: ShardTask) -> tuple[StoredShard, Columns] | None:
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
    _check_recipe(shop, task, columns)
    return None if _is_mended(shop, task, columns) else (standing, columns)


def _is_mended(shop: _Workshop, task: ShardTask, columns: Columns) -> bool:
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


def fit_image(image: NDArray[np.uint8], height: int, width: int) -> tuple[NDArray[np.uint8], int]:
    """Return a picture at the set's size, and the columns cut on its left.

    Raises
    ------
    DataError
        When it has another size; the one cut made is 112 x 112 to 112 x 96, eight columns on each
        side. Nothing is resized: a crop is aligned at its size.
    """
    found = image.shape[:2]
    if found == (height, width):
        return image, 0
    if found == (112, 112) and (height, width) == (112, 96):
        return np.ascontiguousarray(image[:, 8:104]), 8
    raise DataError(f"is {found[1]}x{found[0]} pixels where the set has {width}x{height}")


def label_box(box: Box, config_compat: str | None, height: int, width: int) -> Box:
    """Return the box a label is for: the published generator never counts the last row, column."""
    if config_compat != "published":
        return box
    x0, y0, x1, y1 = box
    x1, y1 = min(x1, width - 1), min(y1, height - 1)
    return (x0, y0, x1, y1) if x1 > x0 and y1 > y0 else (0, 0, 0, 0)


def make_columns(
    order: WorkOrder, task: ShardTask, read: Callable[[str], bytes] | None = None
) -> Columns:
    """Return the columns of one shard, made from the source and not written.

    Parameters
    ----------
    order : WorkOrder
    task : ShardTask
    read : callable, optional
        Used in place of the source's own `read`.

    Returns
    -------
    dict of str to ndarray

    Raises
    ------
    DataError
        With `strict`, at the first picture that cannot be read.
    ShardError
        When a recipe is followed and what was made is not what it names.
    """
    shop = _workshop(order)
    config, source = shop.config, shop.source
    if isinstance(source, ListedSource):
        source.turn_to(task.index)
    read = read or source.read
    height, width, blend = order.height, order.width, config.effective_blend
    rows = ShardColumns(shop.grid, shop.categories, keep_masks=blend != "opaque")
    for key, (number, name) in zip(task.keys, task.identities(), strict=True):
        try:
            _check_name(key)
            image, cut = fit_image(decode_image(read(key)), height, width)
            points = source.landmarks(key, height, width + 2 * cut)
        except DataError as error:
            if config.strict:
                raise DataError(f"{key}: {error}; --strict stops at the first") from error
            rows.skip(key.encode("utf-8", "backslashreplace").decode(), str(error))
            continue
        if points is not None and cut:
            points = points - np.array([cut, 0], np.float32)
        for variant in range(config.variants):
            own_key = variant_key(key, variant)
            placements = draw_placements(shop.library, config, own_key, height, width)
            last = variant == config.variants - 1
            face = occlude_with(image, placements, blend, in_place=last)
            box = label_box(face.box, config.compat, height, width)
            rows.add(own_key, number, name, shop.encode(face.image), face, box, points)
    columns = rows.finish()
    _check_recipe(shop, task, columns)
    return columns


def shard_attributes(order: WorkOrder) -> dict[str, Any]:
    """Return the root attributes of every shard of a build."""
    return dict(_workshop(order).attributes)


def _check_recipe(shop: _Workshop, task: ShardTask, columns: Columns) -> None:
    if isinstance(shop.source, ListedSource):
        shop.source.check_columns(task.index, columns)


def _check_name(key: str) -> None:
    try:
        key.encode("utf-8")
    except UnicodeEncodeError as error:
        raise DataError("its name is not valid UTF-8; rename it") from error


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
