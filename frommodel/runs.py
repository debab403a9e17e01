"""What a training run keeps: its record, its state for resuming, its log. Files appear whole."""

import csv
import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from occgen.atomic import sync_folder, temporary_beside
from occgen.errors import CheckpointError, InputError

__all__ = [
    "BEST",
    "LAST",
    "LOG",
    "RECORD",
    "SKIPPED",
    "STATE",
    "RunLog",
    "read_state",
    "write_state",
]

RECORD, STATE, LOG = "run.json", "state.pt", "log.csv"
BEST, LAST = "best.safetensors", "last.safetensors"
SKIPPED, CARD = "skipped.csv", "card.md"
_SCHEMA = 1


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
        temporary.unlink(missing_ok=True)


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
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged zip or pickle may raise anything
        reason = (str(error).splitlines() or [type(error).__name__])[0][:120]
        raise CheckpointError(
            f"{path}: truncated, damaged or no training state ({reason})"
        ) from error
    if not isinstance(state, dict) or state.get("schema") != _SCHEMA:
        raise CheckpointError(f"{path}: no training state of this version")
    return state


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
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    whole = [row for row in rows[1:] if len(row) == len(columns) and row[0].isdigit()]
    return whole if rows and tuple(rows[0]) == columns else []


def _text(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.8g}" if isinstance(value, float) else str(value)
