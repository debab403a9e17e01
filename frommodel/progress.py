"""How a run goes about it, how far it is, and what it made."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from occgen.errors import InputError

from .stepping import StepResult
from .validation import ValidationScores

__all__ = ["LOG_COLUMNS", "RunOptions", "TrainProgress", "TrainReport", "log_row"]

LOG_COLUMNS = (
    *("step", "epoch", "learning_rate", "loss", "identity_loss", "pattern_loss", "teacher_loss"),
    *("pattern_accuracy", "images_per_s", "val_clean", "val_occluded"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class RunOptions:
    """How a run goes about it: nothing here changes what comes out.

    Parameters
    ----------
    workers : int
        Processes that decode and occlude; 0 does it in this one.
    threads : int or None
        Of the arithmetic on a CPU; None leaves torch's own.
    device : str or None
        None takes CUDA where there is one.
    save_every : int or None
        Steps between states to resume from; None saves at the end of each epoch.
    stop_after : int or None
        End after this many steps of this call, with a state saved.
    tensorboard : bool
        Write TensorBoard's events beside ``log.csv``.
    """

    workers: int = 1
    threads: int | None = None
    device: str | None = None
    save_every: int | None = None
    stop_after: int | None = None
    tensorboard: bool = False

    def __post_init__(self) -> None:
        for name, low in (("workers", 0), ("threads", 1), ("save_every", 1), ("stop_after", 1)):
            value = getattr(self, name)
            if value is not None and value < low:
                raise InputError(f"{name} must be at least {low}, got {value}")


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainProgress:
    """How far a training is; handed to `on_progress` after each step.

    Parameters
    ----------
    step, steps : int
        Done, and in all.
    epoch, epochs : int
        The one running, from 1, and how many.
    learning_rate : float
    result : StepResult
        Losses and pattern accuracy of the step.
    images_per_s : float
        Over this call, all ranks together.
    left_s : float
        Until the end, at that rate.
    scores : ValidationScores or None
        Where the step ended with a validation.
    """

    step: int
    steps: int
    epoch: int
    epochs: int
    learning_rate: float
    result: StepResult
    images_per_s: float
    left_s: float
    scores: ValidationScores | None


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainReport:
    """What a training made.

    Parameters
    ----------
    out : Path
    steps : int
    best : float or None
        Mean of clean and occluded validation accuracy of ``best.safetensors``.
    scores : ValidationScores or None
        The last ones.
    images_per_s : float
    elapsed_s : float
        Of this call.
    skipped : int
        Pictures that could not be used, named in ``skipped.csv``.
    already_complete : bool
    finished : bool
        False when `stop_after` ended it.
    """

    out: Path
    steps: int
    best: float | None
    scores: ValidationScores | None
    images_per_s: float
    elapsed_s: float
    skipped: int
    already_complete: bool = False
    finished: bool = True


def log_row(
    step: int,
    per_epoch: int,
    rate: float,
    result: StepResult,
    scores: ValidationScores | None,
    images_per_s: float,
) -> dict[str, Any]:
    """Return a step's row of the log, step and epoch first: values of `LOG_COLUMNS` by name."""
    row: dict[str, Any] = {
        "step": step,
        "epoch": (step - 1) // per_epoch + 1,
        "learning_rate": rate,
        **result._asdict(),
        "images_per_s": round(images_per_s, 1),
    }
    if scores is not None:
        row |= {"val_clean": scores.clean, "val_occluded": scores.occluded}
    return row
