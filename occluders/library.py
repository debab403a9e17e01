"""Libraries of occluders: the members in order, drawn from and narrowed."""

import fnmatch
import hashlib
import json
import math
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from importlib.resources import files
from itertools import accumulate
from typing import Any, Protocol, TypeVar

from .errors import OccluderDataError, OccluderInputError
from .member import Cache, Occluder, Record
from .weights import category_weights

__all__ = ["CATEGORIES", "GROUPS", "OccluderLibrary", "bundled"]

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

_Choice = TypeVar("_Choice")


class _Random(Protocol):
    def random(self) -> float: ...


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
        self.cache = Cache(root, _CACHE_BYTES)
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
                    where = f"{self._root}/splits.json: " if patterns is parts else ""
                    problem = f"{pattern!r} is no occluder, category or pattern"
                    raise OccluderInputError(f"{where}{problem}")
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


def _matches(record: Record, pattern: str) -> bool:
    return record.category == pattern or fnmatch.fnmatchcase(record.name, pattern)
