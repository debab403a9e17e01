"""train(): from faces to weights; a run can be killed at any moment and gone on with."""

import contextlib
import hashlib
import itertools
import json
import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from occgen import __version__
from occgen.atomic import locked_output
from occgen.errors import CheckpointError, InputError

from .card import model_card
from .checkpoint import save
from .config import TrainConfig
from .loader import Batch, BatchMaker, batch_loader
from .mixture import Mixture
from .progress import LOG_COLUMNS, RunOptions, TrainProgress, TrainReport, log_row
from .ranks import Ranks, join_ranks
from .runs import (
    BEST,
    CARD,
    LAST,
    RECORD,
    STATE,
    RunLog,
    SkippedPictures,
    check_state,
    read_state,
    write_json,
    write_state,
    write_whole,
)
from .schedule import learning_rate
from .stepping import Stepper
from .validation import Validation, ValidationScores

__all__ = ["RunOptions", "TrainProgress", "TrainReport", "train"]

_LOG = logging.getLogger(__name__)
_BOARD_EVERY = 10
_DEFAULT_OPTIONS = RunOptions()


def train(
    config: TrainConfig,
    mixture: Mixture,
    out: Path,
    *,
    validation: Mixture | None = None,
    options: RunOptions = _DEFAULT_OPTIONS,
    resume: bool = False,
    record: dict[str, Any] | None = None,
    on_progress: Callable[[TrainProgress], None] | None = None,
) -> TrainReport:
    """Train a network and keep its weights, log and state in a folder.

    Parameters
    ----------
    config : TrainConfig
    mixture : Mixture
        What to train on.
    out : Path
        The run's folder: ``best.safetensors`` and ``last.safetensors`` for `load`, ``log.csv``
        with a row a step, ``run.json``, ``state.pt`` to resume from, and ``card.md`` at the end.
    validation : Mixture, optional
        Identities not trained on: pairs of them are scored every `validate_every` epochs.
    options : RunOptions, optional
    resume : bool, optional
        Go on where an earlier call was ended; on the CPU, losses are then those of a run that was
        not.
    record : dict, optional
        Plain values for ``run.json``: where the faces came from.
    on_progress : callable, optional
        Called on the first rank after each step.

    Returns
    -------
    TrainReport

    Raises
    ------
    InputError
        When the folder holds a run and `resume` is not asked for, or one of another configuration;
        or when the faces do not fill a batch.
    CheckpointError
        When files cannot be read or written, or the loss is no number any more: the state before
        that step is saved.
    ShardError
        When another process trains there.
    DataError
        When more than one picture in a hundred cannot be used.

    Notes
    -----
    Under torchrun each process takes its part of every batch. Order, occlusion, augmentation and
    dropout hang on seed, epoch and step alone, so nothing is carried over but weights and momentum.
    """
    ranks = join_ranks(options.device, group_of_one=config.classifier == "sharded")
    threads = torch.get_num_threads()
    try:
        if options.threads is not None:
            torch.set_num_threads(options.threads)
        devices = [ranks.device] if ranks.device.type == "cuda" else []
        with torch.random.fork_rng(devices):
            run = _Run(config, mixture, Path(out), validation, options, ranks)
            return run.go(resume, record or {}, on_progress)
    finally:
        torch.set_num_threads(threads)
        ranks.leave()


class _Run:
    """One call of `train`."""

    def __init__(
        self,
        config: TrainConfig,
        mixture: Mixture,
        out: Path,
        validation: Mixture | None,
        options: RunOptions,
        ranks: Ranks,
    ) -> None:
        self.config, self.mixture, self.out = config, mixture, out
        self.options, self.ranks = options, ranks
        self.parts = ranks.world_size * config.accumulate
        if config.batch_size % self.parts or config.batch_size // self.parts < 2:
            raise InputError(
                f"batch_size must be a multiple of {self.parts} (ranks x accumulate) with at least "
                f"two images each, got {config.batch_size}"
            )
        self.per_epoch = sum(mixture.counts()) // config.batch_size
        if self.per_epoch < 1:
            raise InputError(
                f"{sum(mixture.counts())} images an epoch do not fill a batch of "
                f"{config.batch_size}; use a smaller batch_size"
            )
        self.steps = self.per_epoch * config.epochs
        names = "\n".join(mixture.identity_names).encode("utf-8", "surrogateescape")
        self.identities_sha256 = hashlib.sha256(names).hexdigest()
        self.maker = BatchMaker(mixture, config)
        self.validation = None
        if validation is not None and config.validate_every and ranks.is_first:
            self.validation = Validation(validation, config)
        self.best: float | None = None
        self.scores: ValidationScores | None = None
        self.step = 0
        self.skipped = SkippedPictures(self.out, ranks.rank, len(mixture.numbers))

    def go(
        self,
        resume: bool,
        record: dict[str, Any],
        on_progress: Callable[[TrainProgress], None] | None,
    ) -> TrainReport:
        """Open or go on with the run, and train to its end; no other process writes meanwhile."""
        self.given = record
        self._check_place(resume)
        # weights that cannot be used are told of before the folder is claimed
        self.stepper = Stepper(self.config, self.mixture.num_identities, self.ranks)
        with locked_output(self.out) if self.ranks.is_first else contextlib.nullcontext():
            return self._go(resume, on_progress)

    def _go(self, resume: bool, on_progress: Callable[[TrainProgress], None] | None) -> TrainReport:
        state = self._open(resume)
        if state is not None:
            self.stepper.restore(state["training"])
            self.step, self.best = int(state["step"]), state["best"]
            if state["scores"] is not None:
                self.scores = ValidationScores(*state["scores"])
            self.skipped.reasons = dict(state["skipped"])
            if self.step >= self.steps:
                return self._report(0, time.monotonic(), already_complete=True)
        else:
            self._start_classifier()
        began, first = time.monotonic(), self.step
        last = self.steps
        if self.options.stop_after is not None:
            last = min(last, first + self.options.stop_after)
        with contextlib.ExitStack() as stack:
            log: RunLog | None = None
            if self.ranks.is_first:
                log = RunLog(self.out, LOG_COLUMNS, self.step, self.options.tensorboard)
                stack.callback(log.close)
            batches = batch_loader(
                self.maker,
                self._plans(last),
                self.options.workers,
                pin_memory=self.ranks.device.type == "cuda",
            )
            while self.step < last:
                self._one_step(batches, log, on_progress, began, first, last)
        return self._report(self.step - first, began)

    def _one_step(
        self,
        batches: Iterator[Batch],
        log: RunLog | None,
        on_progress: Callable[[TrainProgress], None] | None,
        began: float,
        first: int,
        last: int,
    ) -> None:
        parts = [next(batches) for _ in range(self.config.accumulate)]
        self.skipped.add(itertools.chain.from_iterable(part.skipped for part in parts))
        rate = learning_rate(self.config, self.step, self.per_epoch)
        result = self.stepper.step(parts, rate, self.step)
        if not result.is_finite:
            if log is not None:
                log.flush()
            self._save(log)
            raise CheckpointError(
                f"the loss is no number any more at step {self.step + 1} (identity "
                f"{result.identity_loss:g}, pattern {result.pattern_loss:g}); the state before it "
                f"is in {self.out / STATE}: lower --learning-rate, or use --clip-norm or bfloat16"
            )
        self.step += 1
        epoch, rest = divmod(self.step, self.per_epoch)
        scores = self._validate(epoch) if rest == 0 else None
        done = (self.step - first) * self.config.batch_size
        speed = done / max(time.monotonic() - began, 1e-9)
        if log is not None:
            row = log_row(self.step, self.per_epoch, rate, result, scores, speed)
            log.add(row)
            if self.step % _BOARD_EVERY == 0 or scores is not None:
                log.add_scalars(self.step, {name: row[name] for name in list(row)[2:]})
                log.flush()
        every = self.options.save_every
        if rest == 0 or self.step == last or (every is not None and self.step % every == 0):
            self._save(log)
        if on_progress is not None and self.ranks.is_first:
            left = (self.steps - self.step) * self.config.batch_size / max(speed, 1e-9)
            on_progress(
                TrainProgress(
                    step=self.step,
                    steps=self.steps,
                    epoch=epoch + (rest > 0),
                    epochs=self.config.epochs,
                    learning_rate=rate,
                    result=result,
                    images_per_s=speed,
                    left_s=left,
                    scores=scores,
                )
            )

    def _plans(self, last: int) -> Iterator[tuple[int, list[int]]]:
        """Yield epoch and numbers of this rank's part of each batch, from the next step on."""
        size, world = self.config.batch_size, self.ranks.world_size
        epoch, order = -1, np.zeros(0, np.int64)
        for step in range(self.step, last):
            if step // self.per_epoch != epoch:
                epoch = step // self.per_epoch
                order = self.maker.epoch_order(epoch)
            start = (step % self.per_epoch) * size
            whole = order[start : start + size]
            for part in range(self.config.accumulate):
                yield epoch, whole[part * world + self.ranks.rank :: self.parts].tolist()

    def _check_place(self, resume: bool) -> None:
        if self.out.exists() and not self.out.is_dir():
            raise InputError(f"{self.out} is a file; name a folder to write into")
        if (self.out / RECORD).exists() and not resume:
            raise InputError(f"{self.out} holds a run already; --resume goes on with it")

    def _open(self, resume: bool) -> dict[str, Any] | None:
        """Claim the folder, or return the state of the run in it."""
        path = self.out / RECORD
        self._check_place(resume)  # again: another process may have come first
        state = None
        if resume and (self.out / STATE).is_file():
            state = read_state(self.out / STATE)
            check_state(
                state,
                self.out,
                config=json.loads(self.config.to_json()),
                faces={"identities": self.identities_sha256, "per_epoch": self.per_epoch},
            )
        self.ranks.wait()  # no rank looks when the first has begun to write
        if self.ranks.is_first and not path.exists():
            try:
                self.out.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise InputError(f"{self.out} cannot be written ({error.strerror})") from error
            write_json(path, self._record())
        self.ranks.wait()
        return state

    def _record(self) -> dict[str, Any]:
        library = self.maker.occlusion[1].digest if self.config.occlude is not None else None
        return {
            "config": json.loads(self.config.to_json()),
            **self.given,
            "licence": " ".join(dict.fromkeys(part.licence for part in self.mixture.parts)),
            "identities": self.mixture.num_identities,
            "images_per_epoch": self.per_epoch * self.config.batch_size,
            "steps": self.steps,
            "occluder_library": library,
            "ranks": self.ranks.world_size,
            "versions": {
                "occgen": __version__,
                "torch": torch.__version__,
                "numpy": np.__version__,
            },
        }

    def _start_classifier(self) -> None:
        """Take the centres of the run that weights come from, where its identities are these."""
        init = self.config.init
        if init is None or not (Path(init) / STATE).is_file():
            return
        state = read_state(Path(init) / STATE)
        centres = state["training"]["classifier"]
        if state["identities"] == self.identities_sha256 and centres.shape[1] == (
            self.config.model.embedding_size
        ):
            self.stepper.start_classifier(centres)
            _LOG.info("%s: centres of %d identities taken too", init, len(centres))

    def _validate(self, epoch: int) -> ValidationScores | None:
        """Score pairs when an epoch asks for it, and keep the weights when they are the best."""
        every = self.config.validate_every
        due = every and (epoch % every == 0 or epoch == self.config.epochs)
        scores = None
        if due and self.validation is not None:
            scores = self.validation.score(self.stepper.model)
            self.scores = scores
            if self.best is None or scores.mean > self.best:
                self.best = scores.mean
                save(self.stepper.model, self.out / BEST, notes=self._notes(scores))
        self.ranks.wait()
        return scores

    def _notes(self, scores: ValidationScores | None) -> dict[str, str]:
        notes = {
            "recipe": self.config.recipe,
            "seed": str(self.config.seed),
            "step": str(self.step),
            "occgen": __version__,
        }
        if scores is not None:
            notes |= {"val_clean": f"{scores.clean:.4f}", "val_occluded": f"{scores.occluded:.4f}"}
        return notes

    def _save(self, log: RunLog | None) -> None:
        """Write log, last weights and card, then the state: none of them is ever behind it."""
        training = self.stepper.state()  # a gathering of all ranks
        if self.ranks.is_first:
            if log is not None:
                log.flush()
            state = {
                "config": self.config.to_json(),
                "step": self.step,
                "best": self.best,
                "scores": None if self.scores is None else list(self.scores),
                "identities": self.identities_sha256,
                "per_epoch": self.per_epoch,
                "skipped": self.skipped.reasons,
                "training": training,
            }
            save(self.stepper.model, self.out / LAST, notes=self._notes(self.scores))
            if self.step >= self.steps:
                card = model_card(self.config, self._record(), self.scores)
                write_whole(self.out / CARD, lambda place: place.write_text(card, encoding="utf-8"))
            write_state(self.out / STATE, state)
        self.ranks.wait()

    def _report(self, steps: int, began: float, already_complete: bool = False) -> TrainReport:
        elapsed = time.monotonic() - began
        return TrainReport(
            out=self.out,
            steps=self.step,
            best=self.best,
            scores=self.scores,
            images_per_s=steps * self.config.batch_size / max(elapsed, 1e-9),
            elapsed_s=elapsed,
            skipped=len(self.skipped.reasons),
            already_complete=already_complete,
            finished=self.step >= self.steps,
        )
