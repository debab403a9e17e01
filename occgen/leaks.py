"""check_leaks(): what two sets share that a fair measurement wants apart.

A set is a finished build, a folder, or a data set by name. Identities are compared by name,
pictures by their bytes and by perceptual hash, occluders by the bytes of their files. A build's
pictures are those of its source where that is at hand; where it is not, the occluded ones are
compared by the quarters that stayed unhidden.
"""

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray

from occluders import OccluderError, from_spec

from .codec import decode_image
from .config import DATASETS
from .engine import Progress
from .errors import DataError, InputError, OccgenError, ShardError
from .formats import open_format
from .manifest import MANIFEST, read_manifest
from .perceptual import REGIONS_HASHED, close_pairs, hash_picture, likeness
from .pool import usable_jobs
from .reader import Shards, open_shards
from .sources import Source, open_source
from .stored_pictures import StoredPictures

__all__ = ["KINDS", "Leaks", "SharedPicture", "check_leaks"]

KINDS = ("identities", "pictures", "occluders")
LIKE = 0.967
"""Likeness from which two pictures count as one; on LFW all pairs above it are one photograph."""

_WHOLE_RADIUS, _QUARTER_RADIUS = 8, 4  # bits of hashes that may differ
_PICTURES_A_TASK = 256
_UNNAMED = ("folder", "rec", "bin", "shards")  # names of data sets that say nothing of contents


class SharedPicture(NamedTuple):
    """A picture of the first set that is in the second as well."""

    key_a: str
    key_b: str
    how: str
    """'same' bytes, or 'near': equal but for size, encoding, light or a small shift."""
    likeness: float
    """1 where the bytes are the same, else the correlation of unhidden pixels."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Leaks:
    """What two sets share."""

    identities: tuple[str, ...] = ()
    """Names, sorted."""
    pictures: tuple[SharedPicture, ...] = ()
    occluders: tuple[str, ...] = ()
    """Names in the first set, sorted."""
    sizes: dict[str, tuple[int, int]] = field(default_factory=dict)
    """How many identities, pictures and occluders the two sets have."""
    notes: tuple[str, ...] = ()
    """What could not be compared, or only in part."""


class _Where(NamedTuple):
    """What opens the pictures of a set in any process."""

    dataset: str
    root: str | None
    shards: str = ""
    """A finished set whose stored pictures are read; empty where the source is."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Set:
    name: str
    where: _Where
    keys: list[str]
    """Of pictures, in the order they are read by number."""
    identities: set[str]
    occluders: dict[str, str]
    """Name and SHA-256, or the name again where the file is not at hand."""
    notes: list[str]


class _Hashed(NamedTuple):
    digests: NDArray[np.uint64]
    """(N,), first 8 bytes of SHA-256; 0 where the picture cannot be read."""
    hashes: NDArray[np.uint64]
    """(N, 5)."""
    usable: NDArray[np.bool_]
    """(N, 5)."""


def check_leaks(
    first: str,
    second: str,
    *,
    kinds: Sequence[str] = KINDS,
    jobs: int | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> Leaks:
    """Return what two sets share.

    Parameters
    ----------
    first, second : str
        Folder of a finished build, folder of pictures, or name of a data set: ``lfw`` (found in
        ``$OCCGEN_DATA``), or ``lfw:DIR``.
    kinds : sequence of str, optional
        Which of 'identities', 'pictures', 'occluders'.
    jobs : int, optional
        Worker processes that hash pictures; by default all cores.
    on_progress : callable, optional
        Called in this process as pictures are hashed.

    Returns
    -------
    Leaks

    Raises
    ------
    InputError
        When one of them is no set.

    Notes
    -----
    Names that are numbers alone, as of CelebA or a .rec file, say who it is within one data set
    only, and are compared between sets of one data set only.
    """
    a, b = _open(first), _open(second)
    notes = [f"{one.name}: {note}" for one in (a, b) for note in one.notes]
    identities: set[str] = set()
    if "identities" in kinds:
        identities = _shared_identities(a, b)
    pictures: tuple[SharedPicture, ...] = ()
    if "pictures" in kinds:
        hashed = _hash_both(a, b, jobs, on_progress)
        for one, found in zip((a, b), hashed, strict=True):
            if unread := int((found.digests == 0).sum()):
                notes.append(f"{one.name}: {unread} pictures cannot be read and were not compared")
        pictures = tuple(_shared_pictures(a, b, *hashed))
    occluders: list[str] = []
    if "occluders" in kinds:
        theirs = set(b.occluders.values())
        occluders = sorted(name for name, digest in a.occluders.items() if digest in theirs)
    return Leaks(
        identities=tuple(sorted(identities)),
        pictures=pictures,
        occluders=tuple(occluders),
        sizes={
            "identities": (len(a.identities), len(b.identities)),
            "pictures": (len(a.keys), len(b.keys)),
            "occluders": (len(a.occluders), len(b.occluders)),
        },
        notes=tuple(notes),
    )


def _open(text: str) -> _Set:
    path = Path(text)
    if (path / MANIFEST).is_file():
        return _open_build(path)
    if path.is_dir():
        return _open_source(text, _Where("folder", text))
    dataset, _, root = text.partition(":")
    if dataset in DATASETS:
        return _open_source(text, _Where(dataset, root or None))
    raise InputError(
        f"{text} is no finished set, no folder and no data set; "
        f"data sets are named NAME or NAME:DIR, NAME one of {', '.join(DATASETS)}"
    )


def _open_source(name: str, where: _Where) -> _Set:
    refs = list(_source(where).refs())
    if not refs:
        raise InputError(f"{name} holds no pictures")
    return _Set(
        name=name,
        where=where,
        keys=[ref.key for ref in refs],
        identities={ref.identity for ref in refs} - {""},
        occluders={},
        notes=[],
    )


def _open_build(path: Path) -> _Set:
    manifest = read_manifest(path)
    origin, notes = manifest["source"], []
    form = open_format(str(manifest["config"]["format"]))
    keys: list[str] = []
    people: set[bytes] = set()
    pasted: set[bytes] = set()
    for index, shard in enumerate(manifest["shards"]):
        columns = form.read_some(path, index, ["key", "identity_name", "paste/occluder"])
        if len(columns["key"]) != int(shard["images"]):
            name = path / str(shard["name"])
            raise ShardError(f"{name} does not hold as many faces as the manifest says")
        keys += [key.decode() for key in columns["key"].tolist()]
        people.update(np.unique(columns["identity_name"]).tolist())
        pasted.update(np.unique(columns["paste/occluder"]).tolist())
    where = _Where(origin["dataset"], origin["root"])
    if _is_at_hand(where, keys):
        keys = list(dict.fromkeys(_source_key(key) for key in keys))
    else:
        where = _Where(origin["dataset"], None, str(path))
        notes.append(
            "its source is not at hand; its occluded pictures were compared where unhidden"
        )
    return _Set(
        name=str(path),
        where=where,
        keys=keys,
        identities={name.decode() for name in people} - {""},
        occluders=_occluder_digests(
            {name.decode() for name in pasted}, manifest["occluders"], notes
        ),
        notes=notes,
    )


def _source_key(key: str) -> str:
    """Return the key of the picture that a variant was made from."""
    stem, _, number = key.rpartition("#")
    return stem if stem and number.isdigit() else key


def _is_at_hand(where: _Where, keys: list[str]) -> bool:
    try:
        source = _source(where)
        for key in {_source_key(key) for key in (keys[:1] + keys[-1:])}:
            source.read(key)
    except OccgenError:
        return False
    return True


def _occluder_digests(names: set[str], used: dict[str, Any], notes: list[str]) -> dict[str, str]:
    try:
        library = from_spec(used["spec"])
        if library.digest == used["digest"]:
            return {member.name: member.sha256 for member in library if member.name in names}
    except OccluderError:
        pass
    notes.append("its occluders are not at hand; they were compared by name")
    return {name: name for name in names}


def _shared_identities(a: _Set, b: _Set) -> set[str]:
    def plain(name: str) -> str:
        return " ".join(name.casefold().replace("_", " ").replace("-", " ").split())

    of_one_kind = a.where.dataset == b.where.dataset
    theirs = {plain(name) for name in b.identities}
    return {
        name
        for name in a.identities
        if plain(name) in theirs and (of_one_kind or not plain(name).isdigit())
    }


def _hash_both(
    a: _Set, b: _Set, jobs: int | None, on_progress: Callable[[Progress], None] | None
) -> list[_Hashed]:
    began, done = time.monotonic(), 0
    total = len(a.keys) + len(b.keys)
    found: list[_Hashed] = []
    for one in (a, b):
        numbered, step = tuple(enumerate(one.keys)), _PICTURES_A_TASK
        chunks = [numbered[start : start + step] for start in range(0, len(numbered), step)]
        pool = Parallel(n_jobs=min(usable_jobs(jobs), len(chunks)), return_as="generator")
        parts = []
        for part in pool(delayed(_hash_some)(one.where, chunk) for chunk in chunks):
            parts.append(part)
            done += len(part.digests)
            if on_progress is not None:
                elapsed = time.monotonic() - began
                on_progress(
                    Progress(
                        images=done, total=total, shards=len(parts), reused=0, elapsed_s=elapsed
                    )
                )
        found.append(_Hashed(*(np.concatenate(column) for column in zip(*parts, strict=True))))
    return found


def _hash_some(where: _Where, chunk: tuple[tuple[int, str], ...]) -> _Hashed:
    digests = np.zeros(len(chunk), np.uint64)
    hashes = np.zeros((len(chunk), REGIONS_HASHED), np.uint64)
    usable = np.zeros((len(chunk), REGIONS_HASHED), np.bool_)
    for row, (number, key) in enumerate(chunk):
        try:
            data, mask = _read(where, number, key)
            hashes[row], usable[row] = hash_picture(decode_image(data), mask)
        except DataError:
            continue
        digest = np.frombuffer(hashlib.sha256(data).digest(), "<u8", 1)[0]
        digests[row] = max(digest, np.uint64(1))
    return _Hashed(digests, hashes, usable)


def _read(where: _Where, number: int, key: str) -> tuple[bytes, NDArray[np.bool_] | None]:
    """Return a picture's bytes, and what is hidden of it."""
    if where.shards:
        stored = _stored(where.shards)[number]
        return stored.data, stored.mask
    return _source(where).read(key), None


@lru_cache(maxsize=2)
def _source(where: _Where) -> Source:
    return open_source(where.dataset, where.root)


@lru_cache(maxsize=2)
def _stored(path: str) -> Shards | StoredPictures:
    """Return the pictures of a set; those of HDF5 are mapped, of the others a shard is held."""
    form = read_manifest(Path(path))["config"]["format"]
    return open_shards(path) if form == "hdf5" else StoredPictures(Path(path))


def _shared_pictures(a: _Set, b: _Set, left: _Hashed, right: _Hashed) -> Iterator[SharedPicture]:
    """Yield the pictures that both sets hold, in the order of the first."""
    same = set(_equal(left.digests, right.digests))
    named = a.where.dataset == b.where.dataset and a.where.dataset not in _UNNAMED
    if named and (a.where.shards or b.where.shards):  # occluded: bytes differ, keys do not
        mine, theirs = ([_source_key(key) for key in one.keys] for one in (a, b))
        numbers = {key: number for number, key in enumerate(dict.fromkeys([*mine, *theirs]), 1)}
        counted = (np.array([numbers[k] for k in keys], np.uint64) for keys in (mine, theirs))
        same |= set(_equal(*counted))
    close: set[tuple[int, int]] = set()
    for region in range(REGIONS_HASHED):
        rows = [np.flatnonzero((one.digests > 0) & one.usable[:, region]) for one in (left, right)]
        if region and left.usable.all() and right.usable.all():
            break  # nothing is hidden: the whole says it all
        pairs = close_pairs(
            left.hashes[rows[0], region],
            right.hashes[rows[1], region],
            _QUARTER_RADIUS if region else _WHOLE_RADIUS,
        )
        close |= set(zip(rows[0][pairs[:, 0]].tolist(), rows[1][pairs[:, 1]].tolist(), strict=True))
    for i, j in sorted(same | close):
        if (i, j) in same:
            yield SharedPicture(a.keys[i], b.keys[j], "same", 1.0)
            continue
        (one, hidden), (other, also) = _look(a, i), _look(b, j)
        alike = likeness(one, other, hidden, also)
        if alike >= LIKE:
            yield SharedPicture(a.keys[i], b.keys[j], "near", round(alike, 4))


def _look(one: _Set, number: int) -> tuple[NDArray[np.uint8], NDArray[np.bool_] | None]:
    data, mask = _read(one.where, number, one.keys[number])
    return decode_image(data), mask


def _equal(left: NDArray[np.uint64], right: NDArray[np.uint64]) -> Iterator[tuple[int, int]]:
    """Yield index pairs of equal values above 0."""
    places: dict[int, list[int]] = {}
    for j, value in enumerate(right.tolist()):
        places.setdefault(value, []).append(j)
    for i, value in enumerate(left.tolist()):
        for j in places.get(value, []) if value else []:
            yield i, j
