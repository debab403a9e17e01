"""Pictures of a data set as arrays: read ahead by threads, cut to size, occluded where asked."""

import collections
import contextlib
import dataclasses
import itertools
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import cv2
import numpy as np
from numpy.typing import NDArray

from occgen.codec import decode_image, jpeg_quality
from occgen.config import BuildConfig
from occgen.engine import open_library
from occgen.errors import DataError
from occgen.sources import FolderSource, Source
from occgen.synthesis import OccludedFace, occlude_face
from occgen.workshop import fit_image, narrow_library
from occluders import OccluderLibrary

__all__ = ["Occlusion", "Resizing", "find_missing", "fit_crop", "read_pictures"]

UInt8 = NDArray[np.uint8]

_LOOKED_AT = 5
_NO_SIZE = (0, 0)
_CHUNK = 16  # pictures a thread reads at a time


def fit_crop(image: UInt8, height: int, width: int) -> tuple[UInt8, int]:
    """Return a crop at a size, resized whole where it has the template's shape at another size.

    Parameters
    ----------
    image : ndarray of uint8, shape (H, W, 3)
    height, width : int
        A square crop becomes one of `height` x `height`, of which 112 x 96 is the middle; one of
        7 to 6 becomes 112 x 96.

    Returns
    -------
    tuple of ndarray and int
        The crop, and the columns cut on its left.

    Raises
    ------
    DataError
        When it has another shape; the message is the reason alone.
    """
    tall, wide = image.shape[:2]
    narrow = height * 96 == width * 112
    if tall != height and (
        (tall == wide and (narrow or height == width)) or (narrow and tall * 96 == wide * 112)
    ):
        across = height if tall == wide else width
        method = cv2.INTER_AREA if tall > height else cv2.INTER_CUBIC
        image = np.asarray(cv2.resize(image, (across, height), interpolation=method), np.uint8)
    try:
        return fit_image(image, height, width)
    except DataError as error:
        raise DataError(
            f"is {tall}x{wide} pixels (height x width) and {height}x{width} is wanted; align it "
            "first: occgen align SRC OUT"
        ) from error


class Resizing:
    """Lets crops of one other size be resized, as `fit_crop` does, and counts them.

    Parameters
    ----------
    size : tuple of int or None
        Height and width they have; None lets any through.

    Notes
    -----
    A set all of whose crops have another size of the template's shape is on the template when they
    are resized whole. A crop among others of another size is not known to be: it is named.
    """

    def __init__(self, size: tuple[int, int] | None) -> None:
        self.size = size
        self.keys: set[str] = set()

    @classmethod
    def of_set(cls, source: Source, keys: Sequence[str]) -> "Resizing":
        """Return that of a set: a few pictures of it are looked at, which must have one size."""
        found = set()
        for key in keys[:: max(1, len(keys) // _LOOKED_AT)]:
            with contextlib.suppress(DataError):
                found.add(decode_image(source.read(key)).shape[:2])
        return cls(found.pop() if len(found) == 1 else _NO_SIZE)

    def fit(self, image: UInt8, key: str, height: int, width: int) -> tuple[UInt8, int]:
        """Return a crop at a size and the columns cut on its left; see `fit_crop`."""
        if self.size is not None and image.shape[:2] != self.size:
            return fit_image(image, height, width)
        made = fit_crop(image, height, width)
        if image.shape[0] != height:
            self.keys.add(key)
        return made

    def note(self, height: int, width: int) -> str:
        """Return what was resized, as a warning; empty where nothing was."""
        if not self.keys or self.size is None:
            return ""
        return (
            f"pictures are {self.size[0]}x{self.size[1]} and were resized whole to fit "
            f"{height}x{width}: right for crops on the five-point template; others are to be "
            "aligned first: occgen align SRC OUT"
        )


class Occlusion:
    """Occludes pictures as a build of a configuration would, from the streams of their keys.

    Parameters
    ----------
    config : BuildConfig
        Scale, placement, region, blend, categories, group, occluders, seed; what is read and
        written plays no part.
    library : OccluderLibrary, optional
        By default that of the configuration.
    """

    def __init__(self, config: BuildConfig, library: OccluderLibrary | None = None) -> None:
        self.config = config
        whole = open_library(config.occluders) if library is None else library
        self.digest = whole.digest
        self._whole = whole
        self._library = narrow_library(whole, config)
        self._lock = threading.Lock()  # the library's cache is one thread's at a time

    @property
    def label(self) -> str:
        """What tells it from another: every field that changes a picture, and the occluders."""
        return repr((sorted(self.config.content().items(), key=str), self.digest))

    def with_changes(self, **changes: object) -> "Occlusion":
        """Return the same with other fields of its configuration, such as the seed."""
        return Occlusion(dataclasses.replace(self.config, **changes), self._whole)  # type: ignore[arg-type]

    def apply(
        self,
        image: UInt8,
        key: str,
        landmarks: NDArray[np.float32] | None = None,
        quality: int | None = None,
    ) -> OccludedFace:
        """Return the occluded face of a picture (H, W, 3); see `occgen.synthesis.occlude_face`."""
        with self._lock:
            return occlude_face(image, self._library, self.config, key, landmarks, quality)

    def open(
        self,
        source: Source,
        key: str,
        size: tuple[int, int] | None,
        resizing: Resizing | None = None,
    ) -> OccludedFace:
        """Return the occluded face of a source's picture, cut to a size first; see `read_pictures`.

        Raises
        ------
        DataError
            When it cannot be used; the message is the reason alone.
        """
        data = source.read(key)
        image, cut = decode_image(data), 0
        if size is not None:
            image, cut = _fitted(image, key, size, resizing)
        points = None
        if self.config.placement in ("landmarks", "mixed"):
            points = source.landmarks(key, image.shape[0], image.shape[1] + 2 * cut)
            points = points if points is None else points - np.array([cut, 0], np.float32)
        natural = self.config.blend == "natural"
        return self.apply(image, key, points, jpeg_quality(data) if natural else None)


def find_missing(source: Source, keys: Sequence[str]) -> dict[str, str]:
    """Return the keys a source does not hold, with the reason."""
    if isinstance(source, FolderSource):
        there = [(source.root / key).is_file() for key in keys]
        return {key: "no such file" for key, found in zip(keys, there, strict=True) if not found}
    known = {ref.key for ref in source.refs()}
    return {key: "not in the data set" for key in keys if key not in known}


def read_pictures(
    source: Source,
    keys: Iterable[str],
    *,
    size: tuple[int, int] | None = None,
    occlusion: Occlusion | None = None,
    workers: int = 1,
    failed: dict[str, str] | None = None,
    resizing: Resizing | None = None,
    on_face: Callable[[str, OccludedFace], None] | None = None,
) -> Iterator[tuple[str, UInt8]]:
    """Yield each key with its picture, in order, decoded ahead by threads.

    Parameters
    ----------
    source : Source
    keys : iterable of str
    size : tuple of int, optional
        Height and width: a crop of 112 x 112 is cut to 112 x 96, any other size fails unless
        `resizing` lets it.
    occlusion : Occlusion, optional
        Applied after the cut.
    workers : int, optional
        Threads.
    failed : dict, optional
        Takes the pictures that cannot be used, with the reason, in place of an error.
    resizing : Resizing, optional
    on_face : callable, optional
        Given each occluded face, by a worker thread.

    Yields
    ------
    tuple of str and ndarray of uint8, shape (H, W, 3)
        RGB.

    Raises
    ------
    DataError
        At a picture that cannot be used, unless `failed` is given.
    """

    def load(key: str) -> tuple[str, UInt8 | str]:
        try:
            if occlusion is None:
                image = decode_image(source.read(key))
                return key, image if size is None else _fitted(image, key, size, resizing)[0]
            face = occlusion.open(source, key, size, resizing)
        except DataError as error:
            return key, str(error)
        if on_face is not None:
            on_face(key, face)
        return key, face.image

    def load_chunk(chunk: list[str]) -> list[tuple[str, UInt8 | str]]:
        return [load(key) for key in chunk]

    for key, picture in _in_order(load_chunk, keys, workers):
        if not isinstance(picture, str):
            yield key, picture
        elif failed is None:
            raise DataError(f"{key}: {picture}")
        else:
            failed[key] = picture


def _fitted(
    image: UInt8, key: str, size: tuple[int, int], resizing: Resizing | None
) -> tuple[UInt8, int]:
    return fit_image(image, *size) if resizing is None else resizing.fit(image, key, *size)


def _in_order(
    load: Callable[[list[str]], list[tuple[str, UInt8 | str]]], keys: Iterable[str], workers: int
) -> Iterator[tuple[str, UInt8 | str]]:
    """Yield what `load` gives, in order; a few chunks a worker are under way at a time."""
    rest = iter(keys)
    chunks = iter(lambda: list(itertools.islice(rest, _CHUNK)), [])
    waiting: collections.deque[Future[list[tuple[str, UInt8 | str]]]] = collections.deque()
    with ThreadPoolExecutor(max(1, workers), thread_name_prefix="pictures") as pool:
        try:
            for chunk in chunks:
                waiting.append(pool.submit(load, chunk))
                if len(waiting) > 4 * max(1, workers):
                    yield from waiting.popleft().result()
            while waiting:
                yield from waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
