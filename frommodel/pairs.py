"""Lists of verification pairs: LFW's form and its relatives, CSV, and pairs drawn from a set."""

import csv
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from occgen.errors import DataError, InputError
from occgen.seeding import Stream

from .pair_table import read_table, truth
from .picture_paths import path_resolver

__all__ = [
    "Pairs",
    "draw_pairs",
    "find_pairs",
    "folder_pairs",
    "name_resolver",
    "parse_pairs",
    "read_pairs",
]

Int64 = NDArray[np.int64]
Resolve = Callable[[str, str], str]

_PICTURES = (".jpg", ".png", ".jpeg", ".bmp", ".webp", ".pgm", ".tif")
_FALSE_LABELS = 0.01  # share of impostor pairs that may be one person by mistake
_HEADER = re.compile(r"[0-9]{1,9}( [0-9]{1,9})?")
_NUMBER = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Pairs:
    """Pairs of pictures, by their keys.

    Parameters
    ----------
    keys_a, keys_b : tuple of str
        First and second picture of each pair.
    same : ndarray of bool, shape (N,)
        Whether they show one person.
    folds : ndarray of int64, shape (N,), or None
        The fold of each pair, where the list gives it.
    origin : str
        Where the list came from.
    """

    keys_a: tuple[str, ...]
    keys_b: tuple[str, ...]
    same: NDArray[np.bool_]
    folds: Int64 | None = None
    origin: str = ""

    def __len__(self) -> int:
        return len(self.keys_a)

    def people(self) -> tuple[Int64, Int64]:
        """Return a number for the person on the first and the second picture of each pair.

        Pictures of one folder below the root are one person, and so are those a genuine pair joins;
        a picture directly in the root is a person of its own until a pair joins it. Where impostor
        pairs lie inside such a person (``masked/Ann/1.jpg``: the first folder is no name), the
        folder a picture lies in is taken, and else each picture by itself.
        """
        impostors = ~self.same
        for person in (_first_folder, _last_folder, str):
            first, second = self._joined(person)
            clashes = int((first == second)[impostors].sum())
            if clashes <= _FALSE_LABELS * impostors.sum():
                break
        return first, second

    def _joined(self, person: Callable[[str], str]) -> tuple[Int64, Int64]:
        parent: dict[str, str] = {}

        def find(node: str) -> str:
            root = node
            while parent.setdefault(root, root) != root:
                root = parent[root]
            while parent[node] != root:
                parent[node], node = root, parent[node]
            return root

        names_a, names_b = list(map(person, self.keys_a)), list(map(person, self.keys_b))
        for a, b, same in zip(names_a, names_b, self.same.tolist(), strict=True):
            left, right = find(a), find(b)
            if same and left != right:
                parent[right] = left
        roots = [find(name) for name in (*names_a, *names_b)]
        numbers: dict[str, int] = {}
        numbered = np.array([numbers.setdefault(root, len(numbers)) for root in roots], np.int64)
        return numbered[: len(names_a)], numbered[len(names_a) :]

    def with_keys(self, resolve: Callable[[str], str]) -> "Pairs":
        """Return the same pairs by other keys."""
        return Pairs(
            keys_a=tuple(map(resolve, self.keys_a)),
            keys_b=tuple(map(resolve, self.keys_b)),
            same=self.same,
            folds=self.folds,
            origin=self.origin,
        )

    def keep(self, wanted: NDArray[np.bool_]) -> "Pairs":
        """Return the pairs of a mask, shape (N,)."""
        rows = np.flatnonzero(wanted).tolist()
        return Pairs(
            keys_a=tuple(self.keys_a[i] for i in rows),
            keys_b=tuple(self.keys_b[i] for i in rows),
            same=self.same[wanted],
            folds=None if self.folds is None else self.folds[wanted],
            origin=self.origin,
        )


def find_pairs(root: Path) -> Path:
    """Return the list of pairs in a data set's root.

    Raises
    ------
    InputError
        When there is neither ``pairs.csv`` nor ``pairs.txt``.
    """
    for name in ("pairs.csv", "pairs.txt"):
        if (root / name).is_file():
            return root / name
    raise InputError(
        f"{root} holds neither pairs.csv (image_a,image_b,same[,fold]) nor pairs.txt (LFW's form); "
        "put one there, or name it with --pairs FILE"
    )


def read_pairs(path: Path, resolve: Resolve | None = None) -> Pairs:
    """Return the pairs of a list.

    Parameters
    ----------
    path : Path
        CSV with a header ``image_a,image_b,same`` and maybe ``fold``, or another of the forms of
        `pair_table.read_table`; or lines as in LFW's
        ``pairs.txt``, ``name n1 n2`` (one person) and ``name1 n1 name2 n2`` (two), after a header
        ``folds pairs``, ``pairs``, or none as MFR2 has it; or lines of two paths and 1 or 0.
    resolve : callable, optional
        Gives the key of a name and a number; by default ``Name/Name_0001.jpg``.

    Returns
    -------
    Pairs
        With the folds of the list: a ``fold`` column, or LFW's header of several folds.

    Raises
    ------
    InputError
        When there is no such file.
    DataError
        For a line of another form, a count that is not the header's, or an empty list; file and
        line are named.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such list of pairs") from error
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read as text ({error})") from error
    return parse_pairs(text, str(path), resolve)


def folder_pairs(path: Path, root: Path) -> Pairs:
    """Return the pairs of a list by keys of a folder of pictures; as `read_pairs`.

    Parameters
    ----------
    path : Path
        The list.
    root : Path
        The folder; paths in the list are looked up in it as `picture_paths.path_resolver` does.
    """
    return read_pairs(path, name_resolver(root)).with_keys(path_resolver(root))


def parse_pairs(text: str, origin: str, resolve: Resolve | None = None) -> Pairs:
    """Return the pairs of a list's text; as `read_pairs`, with `origin` in place of a path."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    if not first:
        raise DataError(f"{origin}: is empty; it should list pairs of pictures")
    if origin.lower().endswith(".csv") or "image_a" in first:
        return _read_csv(origin, text, resolve or _default_key)
    return _read_lines(origin, text, resolve or _default_key)


def name_resolver(root: Path, suffix: str = "") -> Resolve:
    """Return a function from a person's name and a picture's number to its key below a root.

    Parameters
    ----------
    root : Path
        Holds ``Name/Name_0001.EXT``, whatever the ending.
    suffix : str, optional
        Added to the name of the picture, as ``_masked``.

    Notes
    -----
    The ending is looked up once a folder. A picture that is not there keeps the key it would have,
    so that it can be named as missing. Where no picture has exactly that name but some begin with
    it and go on with ``_`` or ``-`` (``Name_0001_surgical.png``), the first of these is taken.
    """
    folders: dict[str, dict[str, str]] = {}

    def resolve(name: str, number: str) -> str:
        stem = f"{name}_{int(number):04d}{suffix}"
        if name not in folders:
            try:
                files = sorted(entry.name for entry in (root / name).iterdir())
            except (OSError, ValueError):  # a name with a NUL is no folder's
                files = []
            files = [file for file in files if file.lower().endswith(_PICTURES)]
            folders[name] = {file.rpartition(".")[0]: file for file in files}
        listed = folders[name]
        if stem in listed:
            return f"{name}/{listed[stem]}"
        for other, file in listed.items():
            if other.startswith((f"{stem}_", f"{stem}-")):
                return f"{name}/{file}"
        return f"{name}/{stem}.jpg"

    return resolve


def draw_pairs(
    identities: Sequence[tuple[str, Sequence[str]]], count: int, folds: int = 10, seed: int = 100
) -> Pairs:
    """Return pairs drawn from a set, half of them genuine, people disjoint between folds.

    Parameters
    ----------
    identities : sequence of (str, sequence of str)
        Names and keys of their pictures.
    count : int
        Pairs wanted, of both kinds together; fewer are given where a fold holds no more.
    folds : int, optional
    seed : int, optional

    Returns
    -------
    Pairs
        In LFW's order: fold by fold, genuine before impostor; no pair occurs twice.

    Raises
    ------
    InputError
        When a fold would have fewer than two people, or nobody has two pictures.
    """
    if len(identities) < 2 * folds:
        raise InputError(
            f"{folds} folds of pairs need at least {2 * folds} people, got {len(identities)}"
        )
    rng = Stream(seed, "pairs", "pairs").generator()
    bounds = np.arange(folds + 1) * len(identities) // folds
    wanted = max(1, count // (2 * folds))
    rows: list[tuple[str, str, bool, int]] = []
    for fold in range(folds):
        people = identities[bounds[fold] : bounds[fold + 1]]
        genuine = [
            (keys[i], keys[j])
            for _, keys in people
            for i in range(len(keys))
            for j in range(i + 1, len(keys))
        ]
        if not genuine:
            raise InputError(f"fold {fold} of {folds} has nobody with two pictures")
        order = rng.permutation(len(genuine))[:wanted]
        rows += [(*genuine[i], True, fold) for i in sorted(order.tolist())]
        seen: set[tuple[str, str]] = set()
        for _ in range(20 * wanted):
            if len(seen) == min(wanted, len(order)):
                break
            a, b = rng.permutation(len(people))[:2].tolist()
            pair = (
                people[a][1][rng.integers(len(people[a][1]))],
                people[b][1][rng.integers(len(people[b][1]))],
            )
            if pair not in seen and pair[::-1] not in seen:
                seen.add(pair)
                rows.append((*pair, False, fold))
    return _make(rows, f"drawn with seed {seed}")


def _make(rows: Iterable[tuple[str, str, bool, int]], origin: str) -> Pairs:
    rows = list(rows)
    folds = np.array([row[3] for row in rows], np.int64)
    return Pairs(
        keys_a=tuple(row[0] for row in rows),
        keys_b=tuple(row[1] for row in rows),
        same=np.array([row[2] for row in rows], np.bool_),
        folds=folds if len(np.unique(folds)) > 1 else None,
        origin=origin,
    )


def _first_folder(key: str) -> str:
    folder, slash, _ = key.replace("\\", "/").partition("/")
    return folder + "/" if slash else key


def _last_folder(key: str) -> str:
    folder, slash, _ = key.replace("\\", "/").rpartition("/")
    return folder + "/" if slash else key


def _default_key(name: str, number: str) -> str:
    return f"{name}/{name}_{int(number):04d}.jpg"


def _read_csv(path: str, text: str, resolve: Resolve) -> Pairs:
    def parse(path: str, line: int, words: list[str]) -> tuple[str, str, bool]:
        return _parse(path, line, words, resolve)

    numbers: dict[str, int] = {}
    try:
        rows = [
            (a, b, same, numbers.setdefault(fold, len(numbers)))
            for a, b, same, fold in read_table(path, text, parse)
        ]
    except csv.Error as error:
        raise DataError(f"{path}: is no CSV ({error})") from error
    if not rows:
        raise DataError(f"{path}: lists no pairs below its header")
    return _make(rows, path)


def _read_lines(path: str, text: str, resolve: Resolve) -> Pairs:
    lines = [(i, line.split()) for i, line in enumerate(text.splitlines(), 1) if line.strip()]
    folds, per_kind = 0, 0
    if _HEADER.fullmatch(" ".join(lines[0][1])):
        header = [int(word) for word in lines[0][1]]
        folds, per_kind = header if len(header) == 2 else (1, header[0])
        lines = lines[1:]
        if folds < 1 or len(lines) != 2 * folds * per_kind:
            raise DataError(
                f"{path}: line 1 says {folds} x {per_kind} pairs of each kind, "
                f"{2 * folds * per_kind} lines, but {len(lines)} follow"
            )
    if not lines:
        raise DataError(f"{path}: lists no pairs")
    rows = []
    for place, (number, words) in enumerate(lines):
        fold = place // (2 * per_kind) if folds else 0
        rows.append((*_parse(path, number, words, resolve), fold))
    return _make(rows, path)


def _parse(path: str, number: int, words: list[str], resolve: Resolve) -> tuple[str, str, bool]:
    if len(words) == 3 and all(map(_NUMBER.fullmatch, words[1:])):
        return resolve(words[0], words[1]), resolve(words[0], words[2]), True
    if len(words) == 4 and _NUMBER.fullmatch(words[1]) and _NUMBER.fullmatch(words[3]):
        return resolve(words[0], words[1]), resolve(words[2], words[3]), words[0] == words[2]
    if len(words) == 3 and "/" in words[0] and "/" in words[1]:
        same = truth(words[2])
        if same is not None:
            return words[0], words[1], same
    raise DataError(
        f"{path}: line {number} should be 'name n1 n2', 'name1 n1 name2 n2' or 'path path 1', "
        f"got {' '.join(words)!r}"
    )
