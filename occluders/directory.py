"""A user's own occluders: a folder for each category, with pictures and what is known of them."""

import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .calibration import fit_sizes
from .catalogue import CATALOGUES, Catalogue, Facts, read_catalogue, size_in_name
from .errors import OccluderDataError, OccluderInputError
from .library import OccluderLibrary, bundled
from .member import Record
from .picture_file import load_rgba, picture_sha256

__all__ = ["from_directory", "from_spec", "is_library", "open_library"]

_PICTURES = (".png", ".webp", ".jpg", ".jpeg", ".avif", ".tga")
_MASKS = "masks"
_MOST_CATEGORIES = 254  # a set stores the category in a byte, and 0 is a clean face
_RESERVED = "clean"

_log = logging.getLogger(__name__)


class _Candidate(NamedTuple):
    """A file that may be a member."""

    file: str
    category: str
    facts: Facts
    mask: str


class _Usable(NamedTuple):
    """A file that is a member."""

    candidate: _Candidate
    sha256: str
    aspect: float
    natural_size: tuple[float, float] | None
    anchors: Mapping[str, tuple[float, float]]


def from_directory(path: str | Path) -> OccluderLibrary:
    """Return the library in a folder of category folders.

    Parameters
    ----------
    path : str or Path
        ``<category>/<name>.png``, ``.webp``, ``.avif`` or ``.tga`` with transparency, or ``.jpg``.
        The matte may be a file of its own: ``<category>/<name>_mask.png`` or
        ``<category>/masks/<name>.png``. Pictures with neither are pasted as rectangles.

    Returns
    -------
    OccluderLibrary
        Files that cannot be used are in its `skipped`, each with the reason.

    Raises
    ------
    OccluderInputError
        When it is no folder, no file in it can be used, or what it tells of them is wrong.

    Notes
    -----
    A natural size is taken from ``occluders.csv`` (columns file, natural_width, natural_height) or
    ``index.json``, else from the end of the file's name (``cup_47x53.png``); the sizes of all
    others are fitted to the paper's coverage. Anchors are taken from the same files, or from a
    ``masks.cfg`` of templates with six points each; ``splits.json`` names splits.
    """
    root = Path(path)
    if not root.is_dir():
        raise OccluderInputError(f"{root} is no folder of occluders")
    catalogue = read_catalogue(root)
    skipped: list[tuple[str, str]] = []
    usable: list[_Usable] = []
    for candidate in _candidates(root, catalogue, skipped):
        try:
            usable.append(_checked(root, candidate))
        except OccluderDataError as error:
            skipped.append((candidate.file, str(error)))
    if not usable:
        reason = f" (first: {skipped[0][0]}: {skipped[0][1]})" if skipped else ""
        raise OccluderInputError(
            f"{root} holds no usable occluders{reason}; one folder a category with PNG or WebP"
        )
    categories = {member.candidate.category for member in usable}
    if len(categories) > _MOST_CATEGORIES:
        raise OccluderInputError(
            f"{root} holds {len(categories)} categories, more than {_MOST_CATEGORIES}"
        )
    records = _records(usable)
    spec = {"library": "directory", "path": str(path)}
    return OccluderLibrary(records, root, spec, sorted(skipped), catalogue.splits)


def open_library(occluders: str | Path) -> OccluderLibrary:
    """Return the library a name or folder stands for; files it leaves out are logged.

    Parameters
    ----------
    occluders : str or Path
        'bundled', or a folder as `from_directory` reads it.
    """
    if occluders == "bundled":
        return bundled()
    library = from_directory(occluders)
    for name, reason in library.skipped:
        _log.warning("occluder %s is left out: %s", name, reason)
    return library


def is_library(path: str | Path) -> bool:
    """Return whether a folder looks like one of occluders and not of faces.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    bool
        True where the folder has one of the files that tell of occluders, or the first picture in
        its first category folders has transparency or a mask beside it.
    """
    root = Path(path)
    if not root.is_dir():
        return False
    if any((root / name).is_file() for name in CATALOGUES):
        return True
    for file in sorted(file for file in _pictures(root) if "/" in file)[:3]:
        folder, _, name = file.rpartition("/")
        try:
            mask = _mask_of(root, folder, name)
            alpha = load_rgba(root, file, picture_sha256(root, file))[:, :, 3]
        except OccluderDataError:
            continue
        return bool(mask) or bool((alpha < 255).any())
    return False


def from_spec(spec: Mapping[str, Any]) -> OccluderLibrary:
    """Return the library that an `OccluderLibrary.spec` names, as another process opens it.

    Parameters
    ----------
    spec : mapping
    """
    return bundled() if spec.get("library") == "bundled" else from_directory(str(spec["path"]))


def _candidates(
    root: Path, catalogue: Catalogue, skipped: list[tuple[str, str]]
) -> Iterator[_Candidate]:
    """Yield every file that may be a member, in order of name; what cannot be goes to `skipped`."""
    known = set(catalogue.facts)
    named_masks = {facts.mask for facts in catalogue.facts.values() if facts.mask}
    for file in sorted(_pictures(root) | known):
        facts = catalogue.facts.get(file, Facts())
        if file not in known and (catalogue.is_complete or file in named_masks):
            continue
        folder, _, name = file.rpartition("/")
        if not (root / file).is_file():
            skipped.append((file, f"is named in {catalogue.source} and missing"))
            continue
        if Path(file).suffix.lower() not in _PICTURES:
            skipped.append((file, f"must end in {', '.join(_PICTURES)}"))
            continue
        category = facts.category or folder.rpartition("/")[2]
        if not category:
            skipped.append((file, "lies in no folder of a category"))
            continue
        if category == _RESERVED:
            skipped.append((file, "no category may be called 'clean': faces without occluder are"))
            continue
        if file not in known and _is_mask(root / folder, name):
            continue
        yield _Candidate(file, category, facts, facts.mask or _mask_of(root, folder, name))


def _pictures(root: Path) -> set[str]:
    """Return the pictures in the folder and its category folders, hidden ones left aside."""
    found = {*root.glob("*"), *root.glob("*/*")}
    names = (file.relative_to(root) for file in found if file.suffix.lower() in _PICTURES)
    return {
        name.as_posix()
        for name in names
        if not any(part.startswith((".", "__")) for part in name.parts) and (root / name).is_file()
    }


def _mask_of(root: Path, folder: str, name: str) -> str:
    """Return the file of a picture's own matte, or nothing."""
    stem = name.rpartition(".")[0]
    for ending in _PICTURES:
        for mask in (f"{stem}_mask{ending}", f"{_MASKS}/{stem}{ending}"):
            file = f"{folder}/{mask}"
            if (root / file).is_file():
                return file
    return ""


def _is_mask(folder: Path, name: str) -> bool:
    """Return whether a file is the matte of another: ``a_mask.png`` beside ``a.png``."""
    stem = name.rpartition(".")[0]
    return stem.endswith("_mask") and any(
        (folder / f"{stem.removesuffix('_mask')}{ending}").is_file() for ending in _PICTURES
    )


def _checked(root: Path, candidate: _Candidate) -> _Usable:
    """Return what is needed of a file, read and decoded once."""
    file, facts = candidate.file, candidate.facts
    sha256 = picture_sha256(root, file, candidate.mask)
    if facts.sha256 and sha256 != facts.sha256:
        raise OccluderDataError("is not the file its index was written for (SHA-256 differs)")
    picture = load_rgba(root, file, sha256, candidate.mask)
    if not np.any(picture[:, :, 3]):
        raise OccluderDataError("is transparent everywhere")
    height, width = picture.shape[:2]
    anchors = dict(facts.points)
    if facts.in_pixels:
        anchors = {name: (x / width, y / height) for name, (x, y) in anchors.items()}
    size = facts.natural_size or size_in_name(Path(file).stem)
    return _Usable(candidate, sha256, width / height, size, anchors)


def _records(usable: list[_Usable]) -> list[Record]:
    unknown: dict[str, list[_Usable]] = {}
    for member in usable:
        if member.natural_size is None:
            unknown.setdefault(member.candidate.category, []).append(member)
    aspects = {name: [m.aspect for m in found] for name, found in unknown.items()}
    fitted = fit_sizes(aspects) if aspects else {}
    sizes = {
        member.candidate.file: size
        for name, found in unknown.items()
        for member, size in zip(found, fitted[name], strict=True)
    }
    stems = Counter(_stem(member.candidate) for member in usable)
    return [
        Record(
            name=_stem(c) if stems[_stem(c)] == 1 else c.file,
            category=c.category,
            natural_size=member.natural_size or sizes[c.file],
            anchors=member.anchors,
            sha256=member.sha256,
            file=c.file,
            mask=c.mask,
        )
        for member in usable
        for c in (member.candidate,)
    ]


def _stem(candidate: _Candidate) -> str:
    """Return the name of a member: its file's without the ending, unless it is told another."""
    return candidate.facts.name or candidate.file.rpartition(".")[0]
