"""Occluders and the libraries they come from: load, resize, cache, choose."""

import fnmatch
import hashlib
import json
import math
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from functools import cached_property
from importlib.resources import files
from itertools import accumulate
from typing import Any, NamedTuple, Protocol, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from .errors import OccluderDataError, OccluderInputError
from .picture_file import load_rgba
from .resizing import Resized, resize
from .weights import category_weights

__all__ = ["CATEGORIES", "GROUPS", "Occluder", "OccluderLibrary", "Record", "Resized", "bundled"]

CATEGORIES = (
    "book",
    "cup",
    "eye_mask",
    "eyeglasses",
    "face_mask",
    "hand",
    "phone",
    "scarf",
    "sunglasses",
)
GROUPS = {  # Sec. 4.8
    1: ("book", "cup", "eye_mask"),
    2: ("eyeglasses", "hand", "face_mask"),
    3: ("phone", "scarf", "sunglasses"),
}
_CACHE_BYTES = 192 << 20  # all sizes of the bundled library at scales 1.0:0.5:5.0

UInt8 = NDArray[np.uint8]


_Choice = TypeVar("_Choice")


class _Random(Protocol):
    def random(self) -> float: ...


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


class _Cache:
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


class OccluderLibrary(Sequence[Occluder]):
    """An ordered set of occluders.

    Parameters
    ----------
    records : sequence of Record
    root : Path or Traversable
        Where the files lie.
    spec : mapping
        What opens the library again in another process.
    skipped : sequence of (str, str), optional
        Files left out, and why.
    splits : mapping of str to sequence of str, optional
        Names, categories and patterns each split is made of.
    weights : mapping of str to float, optional
        Of categories when one is drawn; those not named weigh 1.

    Raises
    ------
    OccluderInputError
        When the weights' sum is not finite.
    """

    def __init__(
        self,
        records: Sequence[Record],
        root: Any,
        spec: Mapping[str, Any],
        skipped: Sequence[tuple[str, str]] = (),
        splits: Mapping[str, Sequence[str]] | None = None,
        weights: Mapping[str, float] | None = None,
    ) -> None:
        self._records = tuple(sorted(records))
        self._root, self._spec = root, dict(spec)
        self.skipped = tuple(skipped)
        self.splits = {name: tuple(patterns) for name, patterns in (splits or {}).items()}
        self.cache = _Cache(root, _CACHE_BYTES)
        self._members = tuple(Occluder(self, record) for record in self._records)
        by_category: dict[str, list[Occluder]] = {}
        for member in self._members:
            by_category.setdefault(member.category, []).append(member)
        self._by_category = {name: tuple(by_category[name]) for name in sorted(by_category)}
        self.categories = tuple(self._by_category)
        self._choices = tuple(self._by_category.values())
        self.weights = {name: float((weights or {}).get(name, 1.0)) for name in self.categories}
        self._cumulative = tuple(accumulate(self.weights.values()))
        self._is_even = len(set(self.weights.values())) <= 1
        if self._cumulative and not self._cumulative[-1] < math.inf:
            raise OccluderInputError("weights of categories are too large for a sum")

    def __repr__(self) -> str:
        return f"OccluderLibrary({len(self)} members, {len(self.categories)} categories)"

    def __len__(self) -> int:
        return len(self._members)

    def __getitem__(self, index: Any) -> Any:
        return self._members[index]

    def __iter__(self) -> Iterator[Occluder]:
        return iter(self._members)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all members, sorted."""
        return tuple(record.name for record in self._records)

    @property
    def spec(self) -> dict[str, Any]:
        """What `occluders.from_spec` opens the whole library with, as plain JSON values."""
        return dict(self._spec)

    @cached_property
    def digest(self) -> str:
        """SHA-256 over splits and the names, categories, sizes, anchors and files of members."""
        rows: list[Any] = [
            [r.name, r.category, *map(float, r.natural_size), sorted(r.anchors.items()), r.sha256]
            for r in self._records
        ]
        if self.splits:
            rows.append(sorted(self.splits.items()))
        return hashlib.sha256(json.dumps(rows, sort_keys=True).encode()).hexdigest()

    def members(self, category: str) -> tuple[Occluder, ...]:
        """Return all members of a category.

        Raises
        ------
        OccluderInputError
            When the library has no such category.
        """
        if category not in self._by_category:
            raise OccluderInputError(
                f"category must be one of {', '.join(self.categories)}, got {category!r}"
            )
        return self._by_category[category]

    def sample(self, rng: _Random) -> Occluder:
        """Return a member: a category drawn by its weight, then one of it.

        Parameters
        ----------
        rng : numpy.random.Generator or any object with ``random()``
            Two numbers are taken.
        """
        if self._is_even:  # the draws of every set made before there were weights
            return _pick(rng, _pick(rng, self._choices))
        number = bisect_right(self._cumulative, rng.random() * self._cumulative[-1])
        return _pick(rng, self._choices[min(number, len(self._choices) - 1)])

    def subset(
        self,
        categories: Sequence[str] | None = None,
        group: int | None = None,
        exclude: Sequence[str] | None = None,
        include: Sequence[str] | None = None,
        split: str | None = None,
    ) -> "OccluderLibrary":
        """Return a library of some of the members.

        Parameters
        ----------
        categories : sequence of str, optional
            Kept; None keeps all. ``NAME=WEIGHT`` draws one more or less often than those that
            weigh 1 (`weights`); a part of the part keeps the weights.
        group : {1, 2, 3}, optional
            Of Sec. 4.8, kept.
        exclude, include : sequence of str, optional
            Names, categories or patterns such as ``book/*``: left out, or kept alone.
        split : str, optional
            One of `splits`, kept.

        Raises
        ------
        OccluderInputError
            When a name matches nothing, a weight is wrong, or nothing is left.
        """
        records: Sequence[Record] = self._records
        wanted = set(self.categories)
        named = category_weights(categories or ())
        for name in named:
            self.members(name)
        if categories is not None:
            wanted &= set(named)
        weights = {name: w * named.get(name, 1.0) for name, w in self.weights.items()}
        if group is not None:
            if group not in GROUPS:
                raise OccluderInputError(f"group must be 1, 2 or 3, got {group}")
            wanted &= set(GROUPS[group])
        records = [record for record in records if record.category in wanted]
        if split is not None and split not in self.splits:
            known = ", ".join(sorted(self.splits)) or "none; its splits.json names them"
            raise OccluderInputError(f"split must be one of {known}, got {split!r}")
        parts = self.splits[split] if split is not None else None
        for patterns, keep in ((parts, True), (include, True), (exclude, False)):
            for pattern in patterns or ():
                if not any(_matches(record, pattern) for record in self._records):
                    raise OccluderInputError(f"{pattern!r} is no occluder, category or pattern")
            if patterns:
                hit = [any(_matches(r, p) for p in patterns) for r in records]
                records = [r for r, h in zip(records, hit, strict=True) if h == keep]
        if not records:
            raise OccluderInputError("no occluder is left by these categories, groups and patterns")
        if len(records) == len(self._records) and weights == self.weights:
            return self
        return OccluderLibrary(records, self._root, self._spec, splits=self.splits, weights=weights)


def _pick(rng: _Random, choices: Sequence[_Choice]) -> _Choice:
    number = int(rng.random() * len(choices))
    return choices[number if number < len(choices) else -1]


def bundled() -> OccluderLibrary:
    """Return the library that comes with the package: nine categories, rendered by our own code.

    Raises
    ------
    OccluderDataError
        When its index is damaged or missing.

    Examples
    --------
    >>> len(bundled().categories)
    9
    """
    root = files(__package__) / "assets"
    path = root / "index.json"
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
        records = [
            Record(
                name=member["name"],
                category=member["category"],
                natural_size=(float(member["natural_size"][0]), float(member["natural_size"][1])),
                anchors={k: (float(v[0]), float(v[1])) for k, v in member["anchors"].items()},
                sha256=member["sha256"],
                file=member["file"],
            )
            for member in index["members"]
        ]
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise OccluderDataError(f"{path} is damaged or missing ({error}); install again") from error
    return OccluderLibrary(records, root, {"library": "bundled"})


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


def _matches(record: Record, pattern: str) -> bool:
    return record.category == pattern or fnmatch.fnmatchcase(record.name, pattern)
