"""Data sets by name, in the forms their owners ship them."""

import itertools
import re
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path

from ..catalog import CATALOG
from ..errors import InputError
from .base import DatedSource, PartedSource, Source
from .folder import FolderSource
from .rec import RecSource

__all__ = ["ArSource", "Mf1Source", "NamedFolder", "ar_shot", "mf1_paths", "open_named"]

_INSIDE = {  # folders a data set's own archive unpacks to
    "webface": ("images",),
    "facescrub": ("facescrub_images",),
    "mfr2": ("mfr2",),
    "lfw-sm": ("lfw-sm", "lfw_sm", "LFW-SM"),
    "olfw": ("olfw", "O_LFW"),
}
_SEXES = ("actors/faces", "actresses/faces")
_TREES = ("clean", "masked", "occluded")  # of sets that pair clean pictures with hidden ones
_AR_NAME = re.compile(r"([mw])-(\d{3})-(\d{1,2})(?!\d)", re.IGNORECASE)
_PROBES = ("facescrub_images", "probes")
_GALLERY = ("megaface_images", "gallery")


def open_named(dataset: str, path: Path, on_error: str = "stop") -> Source:
    """Return the reader of a data set that its owner ships in a form of its own.

    Parameters
    ----------
    dataset : {'webface', 'facescrub', 'ar', 'mfr2', 'lfw-sm', 'olfw'}
    path : Path
        Its folder; of webface also a ``.rec`` or ``.lmdb`` file.
    on_error : {'stop', 'skip'}, optional
    """
    if dataset == "webface":
        if path.suffix == ".rec" or (path.is_dir() and any(path.glob("*.rec"))):
            return _called(RecSource(path, on_error), dataset)
        lmdb = _lmdb_in(path)
        if lmdb is not None:
            from .lmdb import LmdbSource

            return _called(LmdbSource(lmdb), dataset)
    if path.is_file():
        raise InputError(f"{path} is a file; {dataset} is {CATALOG[dataset].layout}")
    if dataset == "ar":
        return ArSource(path)
    if dataset == "facescrub" and any((path / base).is_dir() for base in _SEXES):
        return NamedFolder(path, dataset, bases=_SEXES)
    trees = tuple(base for base in _TREES if (path / base).is_dir())
    if dataset in ("lfw-sm", "olfw") and len(trees) > 1:
        return NamedFolder(path, dataset, bases=trees)
    return NamedFolder(path, dataset)


def _lmdb_in(path: Path) -> Path | None:
    """Return the LMDB a path stands for: a file, a folder of LMDB's own, or one inside."""
    if path.is_file() or (path / "data.mdb").is_file():
        return path
    return next(iter(sorted(path.glob("*.lmdb"))), None)


def _called(source: Source, dataset: str) -> Source:
    source.dataset, source.licence = dataset, CATALOG[dataset].licence
    return source


class NamedFolder(FolderSource):
    """Identity folders of a named data set.

    Parameters
    ----------
    root : Path
        The data set's folder, or the one its archive was unpacked in.
    dataset : str
    bases : tuple of str, optional
        Folders inside that hold the identity folders, in place of `root` itself.
    """

    def __init__(self, root: Path, dataset: str, bases: tuple[str, ...] = ()) -> None:
        inside = (root / name for name in _INSIDE.get(dataset, ()))
        super().__init__(next((path for path in inside if path.is_dir()), root))
        self.dataset, self.licence = dataset, CATALOG[dataset].licence
        self._bases = bases

    def runs(self, parts: Iterable[str] | None = None) -> Iterator[tuple[str, list[str]]]:
        """Yield identities with their keys."""
        for part, keys in super().runs(parts):
            yield part.rpartition("/")[2], keys

    @cached_property
    def _parts(self) -> tuple[str, ...]:
        if not self._bases:
            return super()._parts
        bases = (base for base in self._bases if (self.root / base).is_dir())
        return tuple(f"{base}/{name}" for base in bases for name in self._listed(base)[0])

    def carried(self) -> dict[str, bytes]:
        """Return the lists of pairs in the root."""
        found = super().carried()
        for path in sorted(self.root.glob("pairs*.txt")):
            found.setdefault(path.name, path.read_bytes())
        return found


class ArSource(NamedFolder):
    """AR faces: the person and the shot stand in a picture's name, ``M-001-01.bmp``.

    Parameters
    ----------
    root : Path
        Holds the pictures, at any depth.
    """

    def __init__(self, root: Path) -> None:
        super().__init__(root, "ar")

    def runs(self, parts: Iterable[str] | None = None) -> Iterator[tuple[str, list[str]]]:
        """Yield people with their keys, in the order of the folders and names."""
        for _, keys in super().runs(parts):
            for name, group in itertools.groupby(keys, _ar_person):
                yield name, list(group)

    def check(self) -> None:
        """Raise InputError where none of the first pictures has a name of AR's."""
        super().check()
        first = list(itertools.islice(self.refs(), 100))
        if first and not any(ref.identity for ref in first):
            raise InputError(f"{self.root}: {first[0].key} is not named as AR's are, M-001-01.bmp")


def _ar_person(key: str) -> str:
    found = _AR_NAME.search(key.rpartition("/")[2])
    return f"{found[1].upper()}-{found[2]}" if found else ""


def ar_shot(key: str) -> int | None:
    """Return the shot of an AR picture, 1 to 26 (14 on: second session), or None.

    Parameters
    ----------
    key : str
        The picture's name, or a path that ends with it.
    """
    found = _AR_NAME.search(key.rpartition("/")[2])
    return int(found[3]) if found and 1 <= int(found[3]) <= 26 else None


class Mf1Source:
    """MegaFace challenge 1: probes, which a build occludes, and a gallery, which stays as it is.

    Parameters
    ----------
    probes : Source
        FaceScrub, or any pictures with identities.
    gallery : Source or None
        Distractors; None where none are at hand.

    Notes
    -----
    As a source it is the probes alone.
    """

    dataset = "mf1"

    def __init__(self, probes: Source, gallery: Source | None) -> None:
        self.probes, self.gallery = probes, gallery
        self.licence = CATALOG["mf1"].licence
        self.root: Path | None = getattr(probes, "root", None)
        self.refs, self.count, self.read = probes.refs, probes.count, probes.read
        self.landmarks, self.carried = probes.landmarks, probes.carried
        if isinstance(probes, PartedSource):
            self.parts, self.runs = probes.parts, probes.runs
        if isinstance(probes, DatedSource):
            self.changed_since = probes.changed_since

    def check(self) -> None:
        """Raise where probes or gallery are not what they should be."""
        self.probes.check()
        if self.gallery is not None:
            self.gallery.check()
            if next(iter(self.gallery.refs()), None) is None:
                raise InputError(f"{getattr(self.gallery, 'root', '')} holds no pictures")


def mf1_paths(
    root: Path | None, probes: str | None, gallery: str | None
) -> tuple[Path, Path | None]:
    """Return where the probes and the gallery lie: as said, or in the root by their usual names.

    Raises
    ------
    InputError
        When there are no probes, or a path that was said does not exist.
    """
    found = [None if said is None else Path(said) for said in (probes, gallery)]
    for path in found:
        if path is not None and not path.exists():
            raise InputError(f"{path} does not exist")
    for place, names in enumerate((_PROBES, _GALLERY)):
        if found[place] is None and root is not None:
            inside = (root / name for name in names)
            found[place] = next((path for path in inside if path.is_dir()), None)
    if found[0] is None:
        raise InputError("mf1 needs --probes DIR, or --root DIR that holds facescrub_images/")
    return found[0], found[1]
