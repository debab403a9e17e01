"""What a process keeps between the tasks of one build, and how it makes the faces of a task."""

import itertools
import json
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from occluders import OccluderLibrary, from_spec

from .codec import decode_image, encoder, jpeg_quality
from .columns import CLEAN, Columns, ShardColumns
from .config import BuildConfig
from .errors import DataError, ShardError
from .formats import open_format
from .manifest import SCHEMA, canonical, identity_of
from .memory import keep_freed_memory
from .patterns import PatternGrid
from .recipe_file import Recipe
from .sources import ListedSource, Source, configured_source
from .synthesis import draw_placements, occlude_with
from .tasks import ShardTask, variant_key

__all__ = [
    "OTHER_SIZE",
    "WorkOrder",
    "Workshop",
    "fit_image",
    "label_box",
    "narrow_library",
    "open_workshop",
    "work_order",
]

OTHER_SIZE = "where the set has"
"""What the reason says of a picture of another size."""

Box = tuple[int, int, int, int]
UInt8 = NDArray[np.uint8]
_Reader = Callable[[str], bytes]

_LONGEST_NAME = 2048  # of a picture or a person: each face of a shard takes as much as the longest
_VARIANT = re.compile(r"#[1-9]\d*\Z")  # as `variant_key` gives
_BLOCK = 64  # faces that go through each step together
_BLOCK_PIXELS = 1 << 20  # of large ones fewer
_SHOPS = 2  # kept by a thread


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


def narrow_library(library: OccluderLibrary, config: BuildConfig) -> OccluderLibrary:
    """Return the part of a library a build draws from."""
    return library.subset(
        categories=config.categories,
        group=config.group,
        exclude=config.exclude_occluders,
        include=config.include_occluders,
        split=config.split,
    )


def fit_image(image: UInt8, height: int, width: int) -> tuple[UInt8, int]:
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
    raise DataError(
        f"is {found[0]}x{found[1]} pixels (height x width) {OTHER_SIZE} {height}x{width}"
    )


def label_box(box: Box, config_compat: str | None, height: int, width: int) -> Box:
    """Return the box a label is for: the published generator never counts the last row, column."""
    if config_compat != "published":
        return box
    x0, y0, x1, y1 = box
    x1, y1 = min(x1, width - 1), min(y1, height - 1)
    return (x0, y0, x1, y1) if x1 > x0 and y1 > y0 else (0, 0, 0, 0)


class _Picture(NamedTuple):
    """A face of the source, read and decoded."""

    key: str
    number: int
    name: str
    image: UInt8
    landmarks: NDArray[np.float32] | None
    jpeg_quality: int | None
    """The source was compressed with, where natural blending asks."""
    data: bytes | None
    """The picture's own bytes, where they are copied."""


class Workshop:
    """Makes the faces of tasks; holds the library's resized occluders, the grid and the encoder.

    Parameters
    ----------
    order : WorkOrder

    Raises
    ------
    ShardError
        When the occluders or the recipe are not those the order was written for.
    """

    def __init__(self, order: WorkOrder) -> None:
        keep_freed_memory()
        config = BuildConfig.from_json(order.config)
        library = from_spec(json.loads(order.library))
        if library.digest != order.library_digest:
            raise ShardError(f"the occluders at {config.occluders} changed during the build")
        self.config, self.order = config, order
        self.source: Source = configured_source(config, order.recipe)
        if isinstance(self.source, ListedSource) and (
            self.source.recipe.sha256 != order.recipe_sha256
        ):
            raise ShardError(f"{order.recipe} changed during the build")
        self.categories = library.categories
        self.library = narrow_library(library, config)
        self.grid = PatternGrid(config.k, order.height, order.width)
        self.encode: Callable[[UInt8], bytes]
        if config.compat == "published":
            self.encode = encoder("pillow-jpeg", config.quality)
        elif config.codec != "copy":
            self.encode = encoder(config.codec, config.quality)
        self.format = open_format(config.format)
        self.attributes: dict[str, Any] = {
            "schema": SCHEMA,
            "height": order.height,
            "width": order.width,
            "k": config.k,
            "codec": config.codec,
            "by": config.by,
            "blend": config.blend,
            "categories": json.dumps([CLEAN, *self.categories]),
            "config": canonical(identity_of(config, order.library_digest)).decode(),
        }

    def make_columns(self, task: ShardTask, read: _Reader | None = None) -> Columns:
        """Return the columns of one shard, made from the source and not written.

        Parameters
        ----------
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

        Notes
        -----
        Faces go through each step in blocks: with one picture at a time the JPEG codec's code and
        tables and the interpreter's push each other out of the processor's caches, and a face
        takes up to a quarter longer, with the processor (`docs/benchmarks.md`).
        """
        if isinstance(self.source, ListedSource):
            self.source.turn_to(task.index)
        keep_masks = self.config.blend != "opaque"
        rows = ShardColumns(self.grid, self.categories, keep_masks)
        wanted = zip(task.keys, task.identities(), strict=True)
        faces = min(_BLOCK, _BLOCK_PIXELS // (self.order.height * self.order.width))
        size = max(1, faces // self.config.variants)
        while block := list(itertools.islice(wanted, size)):
            self._occlude(rows, self._pictures(block, rows, read or self.source.read))
        columns = rows.finish()
        self.check_recipe(task, columns)
        return columns

    def check_recipe(self, task: ShardTask, columns: Columns) -> None:
        """Raise ShardError where a recipe is followed and columns are not what it names."""
        if isinstance(self.source, ListedSource):
            self.source.check_columns(task.index, columns)

    def _pictures(
        self, block: Iterable[tuple[str, tuple[int, str]]], rows: ShardColumns, read: _Reader
    ) -> list[_Picture]:
        """Return the pictures of a block that can be used; the others are noted as skipped."""
        found: list[_Picture] = []
        asks_quality = self.config.blend == "natural"
        copies = self.config.codec == "copy"
        for (key, (number, name)), data in list(_read_all(block, read, self.config.variants > 1)):
            try:
                if isinstance(data, DataError):
                    raise data
                image, landmarks = self._open(key, data)
            except DataError as error:
                if self.config.strict:
                    raise DataError(f"{key}: {error}; --strict stops at the first") from error
                rows.skip(key.encode("utf-8", "backslashreplace").decode(), str(error))
            else:
                quality = jpeg_quality(data) if asks_quality else None
                copied = data if copies else None
                found.append(_Picture(key, number, name, image, landmarks, quality, copied))
        return found

    def _open(self, key: str, data: bytes) -> tuple[UInt8, NDArray[np.float32] | None]:
        height, width = self.order.height, self.order.width
        image, cut = fit_image(decode_image(data), height, width)
        points = self.source.landmarks(key, height, width + 2 * cut)
        if points is not None and cut:
            points = points - np.array([cut, 0], np.float32)
        return image, points

    def _occlude(self, rows: ShardColumns, pictures: list[_Picture]) -> None:
        """Occlude, encode and add the faces of a block."""
        config, height, width = self.config, self.order.height, self.order.width
        blend, variants = config.blend, range(config.variants)
        work = [(picture, variant) for picture in pictures for variant in variants]
        keys = [variant_key(picture.key, variant) for picture, variant in work]
        placed = [
            draw_placements(self.library, config, key, height, width, picture.landmarks)
            for key, (picture, _) in zip(keys, work, strict=True)
        ]
        faces = [
            occlude_with(
                picture.image,
                placements,
                blend,
                in_place=variant == variants[-1],
                natural_steps=config.natural_steps,
                jpeg_quality=picture.jpeg_quality,
            )
            for (picture, variant), placements in zip(work, placed, strict=True)
        ]
        encoded = [
            self.encode(face.image) if picture.data is None else picture.data
            for (picture, _), face in zip(work, faces, strict=True)
        ]
        for key, (picture, _), face, data in zip(keys, work, faces, encoded, strict=True):
            box = label_box(face.box, config.compat, height, width)
            rows.add(key, picture.number, picture.name, data, face, box, picture.landmarks)


class _Shops(threading.local):
    def __init__(self) -> None:
        self.kept: dict[WorkOrder, Workshop] = {}


_shops = _Shops()


def open_workshop(order: WorkOrder) -> Workshop:
    """Return this thread's workshop of an order, kept from one task to the next."""
    kept = _shops.kept
    kept[order] = shop = kept.pop(order, None) or Workshop(order)
    if len(kept) > _SHOPS:  # a worker that lives on from build to build would hold all their caches
        del kept[next(iter(kept))]
    return shop


def _read_all(
    block: Iterable[tuple[str, tuple[int, str]]], read: _Reader, has_variants: bool
) -> Iterator[tuple[tuple[str, tuple[int, str]], bytes | DataError]]:
    """Yield each picture of a block with its bytes, or with why there are none."""
    for wanted in block:
        key, (_, name) = wanted
        try:
            if has_variants and _VARIANT.search(key):
                raise DataError("its name ends as a variant's does; rename it, or make one variant")
            if not (key.isascii() and name.isascii() and len(key) <= _LONGEST_NAME >= len(name)):
                _check_name(key)
                _check_name(name)
            yield wanted, read(key)
        except DataError as error:
            yield wanted, error


def _check_name(key: str) -> None:
    try:
        key.encode("utf-8")
    except UnicodeEncodeError as error:
        raise DataError("its name is not valid UTF-8; rename it") from error
    if len(key) > _LONGEST_NAME:
        raise DataError(f"its name has more than {_LONGEST_NAME} characters; rename it")
