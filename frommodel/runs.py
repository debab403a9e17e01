"""What a training run keeps: its record, its state for resuming, its log. Files appear whole."""

import csv
import io
import json
import logging
import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch

from occgen.atomic import discard, sync_folder, temporary_beside
from occgen.errors import CheckpointError, DataError, InputError

from .torch_file import load_torch_file

__all__ = [
    "BEST",
    "CARD",
    "LAST",
    "LOG",
    "RECORD",
    "STATE",
    "RunLog",
    "SkippedPictures",
    "check_state",
    "read_state",
    "write_json",
    "write_state",
    "write_whole",
]

RECORD, STATE, LOG = "run.json", "state.pt", "log.csv"
BEST, LAST = "best.safetensors", "last.safetensors"
CARD = "card.md"
_SKIPPED = "skipped.csv"
_SCHEMA = 1
_MAX_SKIPPED = 0.01
_STEP = re.compile(r"[0-9]{1,15}")
_LOG = logging.getLogger(__name__)


def write_whole(path: Path, write: Callable[[Path], Any]) -> None:
    """Let a function write a file beside its place, sync it, and give it its name.

    Raises
    ------
    CheckpointError
        When it cannot be written; what stood there before is kept.
    """
    temporary = temporary_beside(path)
    try:
        write(temporary)
        with open(temporary, "rb+") as stream:
            os.fsync(stream.fileno())
        os.replace(temporary, path)
        sync_folder(path.parent)
    except (OSError, RuntimeError) as error:  # torch.save tells of a full disk as RuntimeError
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise CheckpointError(
            f"{path}: cannot be written ({reason}); what stood there before is kept"
        ) from error
    finally:
        discard(temporary)


def write_json(path: Path, record: dict[str, Any]) -> None:
    """Write a record for people and programs."""
    text = json.dumps(record, indent=2, ensure_ascii=False) + "\n"
    write_whole(path, lambda place: place.write_text(text, encoding="utf-8"))


def write_state(path: Path, state: dict[str, Any]) -> None:
    """Write what resuming needs: tensors and plain values alone."""
    write_whole(path, lambda place: torch.save({"schema": _SCHEMA, **state}, place))


def read_state(path: Path) -> dict[str, Any]:
    """Return what `write_state` wrote.

    Raises
    ------
    InputError
        When there is none.
    CheckpointError
        When it is damaged, holds anything but tensors and plain values, or is of another version.
    """
    if not path.is_file():
        raise InputError(f"{path.parent} holds no {path.name}: nothing to resume there")
    try:
        state = load_torch_file(path)
    except Exception as error:  # a damaged zip or pickle may raise anything
        reason = (str(error).splitlines() or [type(error).__name__])[0][:120]
        raise CheckpointError(
            f"{path}: truncated, damaged or no training state ({reason})"
        ) from error
    if not isinstance(state, dict) or state.get("schema") != _SCHEMA:
        raise CheckpointError(f"{path}: no training state of this version")
    return state


def check_state(
    state: dict[str, Any], out: Path, *, config: dict[str, Any], faces: dict[str, Any]
) -> None:
    """Refuse to go on with a run that is another one.

    Parameters
    ----------
    state : dict
        As `read_state` returns it.
    out : Path
        The run's folder.
    config : dict
        The configuration now, as plain values.
    faces : dict
        What tells the faces apart, by its names in the state.

    Raises
    ------
    InputError
        When configuration or faces differ.
    CheckpointError
        When a part of the state is missing.
    """
    try:
        before = dict(json.loads(state["config"]))
        lacking = {"training", "step", "best", "scores", "skipped", *faces} - set(state)
    except (KeyError, TypeError, ValueError, RecursionError):
        lacking = {"config"}
    if lacking:
        raise CheckpointError(f"{out / STATE}: no training state: {min(lacking)} is missing")
    differ = sorted(n for n in before | config if config.get(n) != before.get(n))
    if differ:
        shown = ", ".join(f"{n} {before.get(n)!r} not {config.get(n)!r}" for n in differ[:3])
        raise InputError(
            f"{out} holds a run of another configuration ({shown}); "
            "resume it with the same, or use another --out"
        )
    if any(state[name] != value for name, value in faces.items()):
        raise InputError(
            f"{out} was trained on other faces than these; resume it with the same data"
        )


class SkippedPictures:
    """Pictures a run could not use, each named once in a CSV and in the log.

    Parameters
    ----------
    folder : Path
        Of the run.
    rank : int
        The first writes ``skipped.csv``, the others one of their own.
    total : int
        Pictures of the run: one in a hundred may be skipped, and one always.
    """

    def __init__(self, folder: Path, rank: int, total: int) -> None:
        self.reasons: dict[str, str] = {}
        self._path = folder / (_SKIPPED if rank == 0 else f"skipped-{rank}.csv")
        self._total = total

    def add(self, pictures: Iterable[tuple[str, str]]) -> None:
        """Take note of keys with the reason; those known already change nothing.

        Raises
        ------
        DataError
            When they are too many.
        """
        fresh = {key: reason for key, reason in pictures if key not in self.reasons}
        if not fresh:
            return
        self.reasons |= fresh
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(
            [("key", "reason"), *sorted(self.reasons.items())]
        )
        write_whole(
            self._path,
            lambda place: place.write_text(text.getvalue(), "utf-8", "backslashreplace"),
        )
        for key, reason in fresh.items():
            _LOG.warning("%s is left out: %s", key, reason)
        if len(self.reasons) > max(_MAX_SKIPPED * self._total, 1):
            raise DataError(
                f"{len(self.reasons)} pictures cannot be used, more than 1 % of "
                f"{self._total}; {self._path} names them"
            )


class RunLog:
    """The CSV of a run, a row a step, and TensorBoard's events beside it where wanted.

    Parameters
    ----------
    folder : Path
    columns : tuple of str
        ``step`` first.
    keep : int
        Steps that count: rows of later ones, which a killed run wrote, are dropped.
    tensorboard : bool
    """

    def __init__(
        self, folder: Path, columns: tuple[str, ...], keep: int, tensorboard: bool
    ) -> None:
        self.columns = columns
        path = folder / LOG
        rows = [line for line in _rows(path, columns) if int(line[0]) <= keep] if keep else []
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerows([columns, *rows])
        write_whole(path, lambda place: place.write_text(text.getvalue(), encoding="utf-8"))
        self._file = open(path, "a", newline="", encoding="utf-8")  # noqa: SIM115
        self._writer = csv.writer(self._file, lineterminator="\n")
        self._board: Any = None
        if tensorboard:
            try:
                from torch.utils.tensorboard import SummaryWriter
            except ImportError as error:
                raise InputError(
                    "tensorboard is not installed; pip install 'occgen[train]' brings it"
                ) from error
            self._board = SummaryWriter(str(folder / "tensorboard"), purge_step=keep + 1)

    def add(self, values: dict[str, Any]) -> None:
        """Add a step's row."""
        self._writer.writerow([_text(values.get(name)) for name in self.columns])

    def add_scalars(self, step: int, values: dict[str, float]) -> None:
        """Add numbers of a step to TensorBoard's events."""
        if self._board is not None:
            for name, value in values.items():
                self._board.add_scalar(name, value, step)

    def flush(self) -> None:
        """Bring rows to the disk."""
        self._file.flush()
        if self._board is not None:
            self._board.flush()

    def close(self) -> None:
        """Close the files."""
        self._file.close()
        if self._board is not None:
            self._board.close()


def _rows(path: Path, columns: tuple[str, ...]) -> list[list[str]]:
    if not path.is_file():
        return []
    try:
        with open(path, newline="", encoding="utf-8", errors="replace") as file:
            rows = list(csv.reader(file))
    except csv.Error as error:
        raise CheckpointError(f"{path}: is damaged ({error}); move it away to go on") from error
    whole = [row for row in rows[1:] if len(row) == len(columns) and _STEP.fullmatch(row[0])]
    return whole if rows and tuple(rows[0]) == columns else []


def _text(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.8g}" if isinstance(value, float) else str(value)
