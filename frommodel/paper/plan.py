"""Which runs and tests the tables need, in the order in which an interruption costs least."""

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from occgen.errors import InputError

from ..config import TrainConfig
from .conditions import CONDITIONS
from .config import PaperConfig
from .data import PaperData
from .experiments import EXPERIMENTS, Experiment, choose_runs, training_config
from .table_spec import Column, Row, TableSpec
from .tables import TABLES

__all__ = ["GIVEN", "Plan", "Run", "Subject"]

GIVEN = "given:"
_FIGURE_RUNS = ("baseline", "baseline-aug", "baseline-md", "from", "improved")
_FIGURE_CONDITIONS = ("occ-1.5", "occ-4.0", "occ-5.0")  # Fig. 8 and 10
_TEST_VERSION = 1
_MODEL_FILES = (".safetensors", ".tar", ".pth", ".pt", ".onnx")


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """A training of a seed.

    Parameters
    ----------
    experiment : Experiment
    seed : int
    config : TrainConfig
        With the files it starts from.
    digest : str
        Of the configuration, those it starts from, the occluders and the faces.
    folder : Path
    """

    experiment: Experiment
    seed: int
    config: TrainConfig
    digest: str
    folder: Path

    @property
    def title(self) -> str:
        """For people to read."""
        return f"{self.experiment.name} seed {self.seed}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Subject:
    """A model under test: a run of ours, or a file that was given.

    Parameters
    ----------
    run : str
        Experiment, or `GIVEN` and the file's name.
    seed : int
    threshold : float or None
    model : Path
        As `open_model` takes it.
    folder : Path
        Of its results.
    digest : str
    conditions : tuple of str
    """

    run: str
    seed: int
    threshold: float | None
    model: Path
    folder: Path
    digest: str
    conditions: tuple[str, ...]

    @property
    def title(self) -> str:
        """For people to read."""
        cut = "" if self.threshold is None else f", masks cut at {self.threshold:.2f}"
        return f"{self.run} seed {self.seed}{cut}"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Runs and tests of some tables.

    Parameters
    ----------
    config : PaperConfig
    data : PaperData
    """

    config: PaperConfig
    data: PaperData
    _made: dict[tuple[str, int], Run] = field(default_factory=dict, repr=False)

    @cached_property
    def tables(self) -> tuple[TableSpec, ...]:
        """Tables wanted, with rows for given models, and one of further folders."""
        one_network = self.config.sizes.small_model is None
        names = [n for n in self.config.table_names if not (one_network and TABLES[n].small)]
        found = [self._with_given(TABLES[name]) for name in names]
        if self.config.tables is None and self.data.others:
            columns = tuple(
                Column(heading=name, test=name, conditions=(f"folder:{name}",))
                for name in self.data.others
            )
            rows = (*TABLES["5"].rows, Row(label="improved", run="improved"))
            found.append(
                self._with_given(
                    TableSpec(name="others", title="Other people", columns=columns, rows=rows)
                )
            )
        return tuple(found)

    def known_as(self, run: str) -> str:
        """Return the experiment that is trained for one of the small network."""
        experiment = EXPERIMENTS.get(run)
        if experiment is None or self.config.sizes.small_model is not None:
            return run
        return experiment.twin or run

    def _known_row(self, row: Row) -> Row:
        run = None if row.run is None else self.known_as(row.run)
        runs = tuple((condition, self.known_as(name)) for condition, name in row.runs)
        return dataclasses.replace(row, run=run, runs=runs)

    def _with_given(self, table: TableSpec) -> TableSpec:
        table = dataclasses.replace(table, rows=tuple(map(self._known_row, table.rows)))
        if not self.data.has_official:
            kept = tuple(column for column in table.columns if column.test != "official")
            table = dataclasses.replace(table, columns=kept)
        if table.name not in ("5", "6", "9", "10", "11", "improved", "others"):
            return table
        rows = tuple(Row(label=f"{path.name} *", run=GIVEN + path.name) for path in self.given)
        return dataclasses.replace(table, rows=(*table.rows, *rows))

    @cached_property
    def given(self) -> tuple[Path, ...]:
        """Models of `config.models`."""
        if self.config.models is None:
            return ()
        folder = Path(self.config.models)
        return tuple(
            path
            for path in sorted(folder.iterdir())
            if path.suffix in _MODEL_FILES or (path / "best.safetensors").is_file()
        )

    @cached_property
    def experiments(self) -> tuple[Experiment, ...]:
        """Experiments to train, each after those it needs."""
        wanted = {
            run
            for table in self.tables
            for row in table.rows
            for column in table.columns
            for condition in column.conditions
            if (run := row.run_of(condition)) is not None and run in EXPERIMENTS
        }
        if self.config.runs is not None:
            wanted &= {self.known_as(name) for name in choose_runs(self.config.runs)}
        if not self.data.has_training:
            wanted = set()
        wanted = {n for n in wanted if self.data.library(EXPERIMENTS[n].library) is not None}
        if not self.data.has_groups:
            wanted -= {name for name in wanted if name.startswith("unseen-")}
        for name in [n for n in EXPERIMENTS if n in wanted]:
            wanted.update(self.known_as(parent) for parent in EXPERIMENTS[name].parents)
        return tuple(e for name, e in EXPERIMENTS.items() if name in wanted)

    @cached_property
    def runs(self) -> tuple[Run, ...]:
        """Trainings in order: the first tier of all seeds, then the second, seed by seed."""
        order = [
            (experiment.tier, seed, number, experiment)
            for number, experiment in enumerate(self.experiments)
            for seed in self.config.all_seeds
        ]
        order.sort(key=lambda item: item[:3])
        return tuple(self.run(experiment.name, seed) for _, seed, _, experiment in order)

    def run(self, name: str, seed: int) -> Run:
        """Return a training; trees and libraries must have been made."""
        name = self.known_as(name)
        if (name, seed) in self._made:
            return self._made[name, seed]
        experiment = EXPERIMENTS[name]
        plain = training_config(experiment, self.config.sizes, seed)
        if not self.data.has_groups:  # own occluders have categories of their own
            plain = dataclasses.replace(plain, categories=None)
        parents = {parent: self.run(parent, seed) for parent in experiment.parents}
        library = self.data.library(experiment.library)
        if library is None:
            raise InputError(f"{name} needs {experiment.library}: give --cutouts DIR")
        content = json.loads(plain.to_json())
        content["init"] = parents[plain.init].digest if plain.init else None
        content["teacher"] = parents[plain.teacher].digest if plain.teacher else None
        content["occluders"] = self._library_digest(library) if plain.occlude else None
        digest = _digest([content, self.data.training_fingerprint])
        folder = self.config.folder / "runs" / f"{name}-s{seed}-{digest[:10]}"
        config = dataclasses.replace(
            plain,
            init=str(parents[plain.init].folder) if plain.init else None,
            teacher=str(parents[plain.teacher].folder) if plain.teacher else None,
            occluders=library,
        )
        made = Run(experiment=experiment, seed=seed, config=config, digest=digest, folder=folder)
        self._made[name, seed] = made
        return made

    def _library_digest(self, library: str) -> str:
        return self.data.opened(library).digest

    def conditions_of(self, run: str, threshold: float | None) -> tuple[str, ...]:
        """Return the conditions under which the tables want a model."""
        wanted = {
            condition
            for table in self.tables
            for row in table.rows
            for column in table.columns
            for condition in column.conditions
            if row.run_of(condition) == run and row.threshold == threshold
        }
        if run in _FIGURE_RUNS and threshold is None and "occ-2.0" in wanted:
            wanted.update(_FIGURE_CONDITIONS)
        ordered = [name for name in CONDITIONS if name in wanted]
        ordered += sorted(name for name in wanted if name not in CONDITIONS)
        return tuple(name for name in ordered if self.data.has_condition(name))

    def subjects_of(self, run: Run) -> tuple[Subject, ...]:
        """Return a training's tests, one a threshold."""
        rows = [row for table in self.tables for row in table.rows]
        cuts = dict.fromkeys(row.threshold for row in rows if row.run == run.experiment.name)
        found = []
        for threshold in {None: None, **cuts}:
            conditions = self.conditions_of(run.experiment.name, threshold)
            suffix = "" if threshold is None else f"-t{threshold:.2f}"
            if conditions:
                found.append(
                    Subject(
                        run=run.experiment.name,
                        seed=run.seed,
                        threshold=threshold,
                        model=run.folder,
                        folder=self.config.folder / "tests" / f"{run.folder.name}{suffix}",
                        digest=run.digest,
                        conditions=conditions,
                    )
                )
        return tuple(found)

    @cached_property
    def given_subjects(self) -> tuple[Subject, ...]:
        """Tests of given models, of the first seed."""
        found = []
        for path in self.given:
            name = GIVEN + path.name
            stat = path.stat()
            digest = _digest([path.name, stat.st_size, stat.st_mtime_ns])
            found.append(
                Subject(
                    run=name,
                    seed=self.config.seed,
                    threshold=None,
                    model=path,
                    folder=self.config.folder / "tests" / f"given-{path.stem}-{digest[:10]}",
                    digest=digest,
                    conditions=self.conditions_of(name, None),
                )
            )
        return tuple(found)

    def subjects(self) -> tuple[Subject, ...]:
        """Return all tests, in the order of their runs."""
        ours = [subject for run in self.runs for subject in self.subjects_of(run)]
        return (*ours, *self.given_subjects)

    def test_file(self, subject: Subject, condition: str) -> Path:
        """Return the file of a subject's figures under a condition."""
        spec: Any = condition
        if condition in CONDITIONS:
            spec = dataclasses.asdict(CONDITIONS[condition])
            library = self.data.library(CONDITIONS[condition].library)
            spec["digest"] = self._library_digest(library) if library is not None else None
        people = self.data.people_of_condition(condition)
        sizes = self.config.sizes
        content = [spec, people, subject.digest, subject.threshold, sizes.far, sizes.pattern_faces]
        digest = _digest([_TEST_VERSION, *content])
        name = condition.replace(":", "-")
        return subject.folder / f"{name}-{digest[:10]}.json"

    def missing_conditions(self, subject: Subject) -> tuple[str, ...]:
        """Return conditions whose figures are not there yet."""
        return tuple(c for c in subject.conditions if not self.test_file(subject, c).is_file())


def _digest(content: Sequence[Any]) -> str:
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
