"""Members of a library: what is known of each, its picture, and a cache of what is made of it."""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from .picture_file import load_rgba
from .resizing import Resized, resize

if TYPE_CHECKING:
    from .library import OccluderLibrary

__all__ = ["Cache", "Occluder", "Record", "outline_of"]

UInt8 = NDArray[np.uint8]


class _Sized(Protocol):
    @property
    def nbytes(self) -> int: ...


_Made = TypeVar("_Made", bound=_Sized)


class Record(NamedTuple):
    """What a library knows of a member without opening its file."""

    name: str
    category: str
    natural_size: tuple[float, float]
    """Width and height on a 112 x 96 face at scale 1."""
    anchors: Mapping[str, tuple[float, float]]
    """Named points, as fractions of width and height."""
    sha256: str
    """Of the file, or of the file followed by its mask."""
    file: str
    """Relative to the library."""
    mask: str = ""
    """File of the matte, relative to the library, where it is a file of its own."""


class Occluder:
    """One member of a library; its picture is decoded when first asked for.

    Attributes
    ----------
    name : str
        Unique in its library.
    category : str
    natural_size : tuple of float
        Width and height on a 112 x 96 face at scale 1.
    anchors : mapping of str to (float, float)
        Named points as fractions of width and height.
    sha256 : str
        Of its file.
    """

    __slots__ = (
        "_library",
        "anchors",
        "category",
        "file",
        "mask",
        "name",
        "natural_size",
        "sha256",
    )

    def __init__(self, library: "OccluderLibrary", record: Record) -> None:
        self._library = library
        self.name, self.category, self.natural_size = record[:3]
        self.anchors, self.sha256, self.file, self.mask = record[3:]

    def __repr__(self) -> str:
        width, height = self.natural_size
        return f"Occluder({self.name!r}, natural_size=({width:.1f}, {height:.1f}))"

    @property
    def rgba(self) -> UInt8:
        """Its picture, uint8 of shape (h, w, 4), RGB with straight alpha."""
        return self._library.cache.picture(self)

    @property
    def has_matte(self) -> bool:
        """Whether any of its pixels is not opaque."""
        return bool((self.rgba[:, :, 3] < 255).any())

    @property
    def outline(self) -> tuple[tuple[int, int], ...]:
        """Corners of the convex hull of what is seen of its picture: x, y in its pixels."""
        return self._library.cache.outline(self)

    def kept(self, key: Hashable, make: Callable[[], _Made]) -> _Made:
        """Return what `make` makes of it, from the library's cache where it was made before.

        Parameters
        ----------
        key : hashable
            Names what is made; others of this occluder have other keys.
        make : callable
            Returns something with `nbytes`.
        """
        return self._library.cache.kept((self.name, key), make)

    def resized(self, width: int, height: int) -> Resized:
        """Return it at a size, from the library's cache where it was asked for before.

        Parameters
        ----------
        width, height : int
            In pixels, at least 1.
        """
        return self._library.cache.resized(self, width, height)


class Cache:
    """Decoded and resized pictures of one library, the least used dropped above a limit."""

    def __init__(self, root: Any, limit: int) -> None:
        self._root, self._limit, self._used = root, limit, 0
        self._pictures: dict[str, UInt8] = {}
        self._made: OrderedDict[tuple[str, Hashable], Any] = OrderedDict()
        self._outlines: dict[str, tuple[tuple[int, int], ...]] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel to another process empty."""
        return type(self), (self._root, self._limit)

    def picture(self, occluder: Occluder) -> UInt8:
        """Return the decoded picture of a member."""
        found = self._pictures.get(occluder.name)
        if found is None:
            found = load_rgba(self._root, occluder.file, occluder.sha256, occluder.mask)
            found.flags.writeable = False
            self._pictures[occluder.name] = found
        return found

    def outline(self, occluder: Occluder) -> tuple[tuple[int, int], ...]:
        """Return the hull of a member's matte."""
        found = self._outlines.get(occluder.name)
        if found is None:
            found = outline_of(self.picture(occluder)[:, :, 3])
            self._outlines[occluder.name] = found
        return found

    def resized(self, occluder: Occluder, width: int, height: int) -> Resized:
        """Return a member at a size."""
        key = (occluder.name, (width, height))
        found: Resized | None = self._made.get(key)
        if found is None:
            return self.kept(key, lambda: resize(self.picture(occluder), width, height))
        return found

    def kept(self, key: tuple[str, Hashable], make: Callable[[], _Made]) -> _Made:
        """Return what is kept under a key, made where it is not."""
        found: _Made | None = self._made.get(key)
        if found is None:
            found = make()
            self._made[key] = found
            self._used += found.nbytes
            while self._used > self._limit and len(self._made) > 1:
                self._used -= self._made.popitem(last=False)[1].nbytes
        return found


def outline_of(alpha: UInt8) -> tuple[tuple[int, int], ...]:
    """Return the corners of the convex hull of what a matte shows.

    Parameters
    ----------
    alpha : ndarray of uint8, shape (h, w)

    Returns
    -------
    tuple of (int, int)
        x, y of pixels' corners. A pixel counts from an eighth of full alpha on; where none has
        that much, all do that have any.
    """
    seen = alpha >= 32
    if not seen.any():
        seen = alpha > 0 if alpha.any() else np.ones_like(seen)
    rows = np.flatnonzero(seen.any(axis=1))
    first = seen[rows].argmax(axis=1)
    last = seen.shape[1] - seen[rows, ::-1].argmax(axis=1)
    corners = [np.stack([x, y], 1) for x in (first, last) for y in (rows, rows + 1)]
    hull = cv2.convexHull(np.concatenate(corners).astype(np.int32))
    return tuple((int(x), int(y)) for x, y in hull.reshape(-1, 2).tolist())
