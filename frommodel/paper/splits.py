"""Who is trained on, chosen by and tested with: no person is in two of the three parts."""

import csv
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from occgen.errors import DataError, InputError
from occgen.seeding import Stream

from ..pairs import Pairs

__all__ = ["PARTS", "Split", "split_crops"]

PARTS = ("train", "validate", "test")

_SEED = 100
_TRAIN_FOLDS, _VALIDATE_FOLD, _TEST_FOLD = range(1, 6), 6, 7
_TRAIN_SHARE, _VALIDATE_SHARE = 0.6, 0.1  # of CelebA's identities
_FOLDS = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class Split:
    """Folders of people by part.

    Parameters
    ----------
    people : dict
        Part to (name in the part's tree, folder of the pictures).
    official : Pairs or None
        Official pairs of the test people, by keys of the tree.
    others : dict of str to Path
        Further folders with ``pairs.csv``, none of whose people is trained on.
    statement : str
        In a sentence, to stand where figures stand.
    missing : tuple of str
    """

    people: dict[str, list[tuple[str, Path]]]
    statement: str
    official: Pairs | None = None
    others: dict[str, Path] = field(default_factory=dict)
    missing: tuple[str, ...] = ()


def split_crops(root: Path) -> Split:
    """Return the parts of a folder of aligned crops of real people.

    Parameters
    ----------
    root : Path
        With ``lfw`` (``NAME/IMAGE``, ``folds.csv`` of identity and fold, ``pairs.csv``) and, where
        there is one, ``celeba`` (``NUMBER/IMAGE``).

    Raises
    ------
    InputError
        When there is no LFW with folds.
    DataError
        When a list does not hold.

    Notes
    -----
    LFW folds 1-5 and a fixed 60 % of CelebA's identities train, fold 6 and 10 % validate, fold 7
    and 30 % test. A CelebA identity's part hangs on its name alone.
    """
    lfw = root / "lfw"
    if not (lfw / "folds.csv").is_file():
        raise InputError(f"{lfw / 'folds.csv'} does not exist; it should say each person's fold")
    people: dict[str, list[tuple[str, Path]]] = {part: [] for part in PARTS}
    for row in _rows(lfw / "folds.csv", ("identity", "fold")):
        part = _part_of_fold(row["fold"])
        folder = lfw / row["identity"]
        if part is not None and folder.is_dir():
            people[part].append((f"lfw-{row['identity']}", folder))
    missing = []
    celeba = root / "celeba"
    if celeba.is_dir():
        for folder in sorted(path for path in celeba.iterdir() if path.is_dir()):
            share = Stream(_SEED, folder.name, "paper split").random()
            part = "train" if share < _TRAIN_SHARE else "test"
            if _TRAIN_SHARE <= share < _TRAIN_SHARE + _VALIDATE_SHARE:
                part = "validate"
            people[part].append((f"celeba-{folder.name}", folder))
    else:
        missing.append(f"{celeba}: CelebA crops are not there; LFW alone is used")
    for part in PARTS:
        people[part].sort()
        if not people[part]:
            raise InputError(f"{root} holds nobody to {part} with")
    counts = {
        name: [sum(n.startswith(name) for n, _ in people[part]) for part in PARTS]
        for name in ("lfw", "celeba")
    }
    statement = (
        "Trained on LFW folds 1-5 ({} people) and {} CelebA identities; recipes chosen on fold 6 "
        "({}) and {} others; tested on fold 7 ({}) and {} further ones. Nobody is in two parts."
    ).format(*(n for pair in zip(counts["lfw"], counts["celeba"], strict=True) for n in pair))
    others = {
        path.name: path
        for path in sorted(root.iterdir())
        if path.name not in ("lfw", "celeba") and (path / "pairs.csv").is_file()
    }
    return Split(
        people=people,
        official=_official(lfw / "pairs.csv"),
        others=others,
        statement=statement,
        missing=tuple(missing),
    )


def _part_of_fold(text: str) -> str | None:
    fold = int(text) if text.strip().isdigit() else 0
    if fold in _TRAIN_FOLDS:
        return "train"
    return {_VALIDATE_FOLD: "validate", _TEST_FOLD: "test"}.get(fold)


def _official(path: Path) -> Pairs | None:
    """Return the official pairs of the test fold, dealt into ten folds of both kinds."""
    if not path.is_file():
        return None
    wanted = ("image_a", "image_b", "same", "fold")
    rows = [row for row in _rows(path, wanted) if row["fold"].strip() == str(_TEST_FOLD)]
    same = np.array([row["same"].strip() == "1" for row in rows], np.bool_)
    if not same.any() or same.all():
        return None
    folds = np.zeros(len(rows), np.int64)
    for kind in (same, ~same):
        folds[kind] = np.arange(kind.sum()) % _FOLDS
    return Pairs(
        keys_a=tuple(f"lfw-{row['image_a']}" for row in rows),
        keys_b=tuple(f"lfw-{row['image_b']}" for row in rows),
        same=same,
        folds=folds,
        origin=str(path),
    )


def _rows(path: Path, columns: tuple[str, ...]) -> list[dict[str, str]]:
    try:
        with open(path, newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            rows = list(reader)
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({error})") from error
    lacking = [name for name in columns if name not in (reader.fieldnames or ())]
    if lacking:
        raise DataError(f"{path}: has no column {lacking[0]}")
    return rows
