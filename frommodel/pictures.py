"""Pictures of a data set as arrays: read ahead by threads, cut to size, occluded where asked."""

import collections
import dataclasses
import itertools
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

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

__all__ = ["Occlusion", "find_missing", "read_pictures"]

UInt8 = NDArray[np.uint8]

_CHUNK = 16  # pictures a thread reads at a time


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

    def open(self, source: Source, key: str, size: tuple[int, int] | None) -> OccludedFace:
        """Return the occluded face of a source's picture, cut to a size first.

        Raises
        ------
        DataError
            When it cannot be used; the message is the reason alone.
        """
        data = source.read(key)
        image, cut = decode_image(data), 0
        if size is not None:
            image, cut = fit_image(image, *size)
        points = None
        if self.config.placement in ("landmarks", "mixed"):
            points = source.landmarks(key, image.shape[0], image.shape[1] + 2 * cut)
            points = points if points is None else points - np.array([cut, 0], np.float32)
        natural = self.config.effective_blend == "natural"
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
    on_face: Callable[[str, OccludedFace], None] | None = None,
) -> Iterator[tuple[str, UInt8]]:
    """Yield each key with its picture, in order, decoded ahead by threads.

    Parameters
    ----------
    source : Source
    keys : iterable of str
    size : tuple of int, optional
        Height and width: a crop of 112 x 112 is cut to 112 x 96, any other size fails.
    occlusion : Occlusion, optional
        Applied after the cut.
    workers : int, optional
        Threads.
    failed : dict, optional
        Takes the pictures that cannot be used, with the reason, in place of an error.
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
                return key, image if size is None else fit_image(image, *size)[0]
            face = occlusion.open(source, key, size)
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
