"""Figures of the tables: means and spreads over seeds, paired comparisons, the paper's beside."""

import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..comparison import mcnemar
from ..intervals import PairWeights
from .cells import Cell, Difference, Table
from .experiments import EXPERIMENTS
from .jobs import FAILED, FINISHED, unpack_bits, unpack_numbers
from .plan import GIVEN, Plan, Subject
from .published import published_figure, published_rows
from .sizes import size_table
from .table_spec import Column, Row, TableSpec

__all__ = ["Findings"]

Float64 = NDArray[np.float64]

_RESAMPLES = 1000


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What the tests of a plan gave so far.

    Parameters
    ----------
    plan : Plan
    """

    plan: Plan
    _records: dict[Any, dict[str, Any] | None] = field(default_factory=dict, repr=False)
    _weights: dict[Any, PairWeights] = field(default_factory=dict, repr=False)

    @cached_property
    def _subjects(self) -> dict[tuple[str, float | None], list[Subject]]:
        found: dict[tuple[str, float | None], list[Subject]] = {}
        for subject in self.plan.subjects():
            found.setdefault((subject.run, subject.threshold), []).append(subject)
        return {
            name: sorted(subjects, key=lambda subject: subject.seed)
            for name, subjects in found.items()
        }

    @property
    def tables(self) -> list[Table]:
        """All tables wanted, in order."""
        return [
            size_table(self.plan) if spec.name == "1" else self._table(spec)
            for spec in self.plan.tables
        ]

    def tests(self, run: str, threshold: float | None, condition: str) -> list[dict[str, Any]]:
        """Return what a model's seeds gave under a condition: tests by name, one a seed."""
        found = []
        for subject in self._subjects.get((run, threshold), []):
            if condition not in subject.conditions:
                continue
            record = self._record(subject, condition)
            if record is not None:
                found.append({**record["tests"], "seed": subject.seed})
        return found

    def values(self, row: Row, column: Column) -> tuple[float, ...]:
        """Return a figure in percent, one a seed that has all conditions of the column."""
        by_seed: dict[int, list[float]] = {}
        for condition in column.conditions:
            run = row.run_of(condition)
            if run is None:
                return ()
            for tests in self.tests(run, row.threshold, condition):
                if column.test in tests and column.figure in tests[column.test]:
                    value = 100 * float(tests[column.test][column.figure])
                    by_seed.setdefault(tests["seed"], []).append(value)
        whole = len(column.conditions)
        return tuple(float(np.mean(v)) for v in by_seed.values() if len(v) == whole)

    def finished(self) -> list[dict[str, Any]]:
        """Return what the trainings reported: name, seed, seconds, validation."""
        found = []
        for run in self.plan.runs:
            path = run.folder / FINISHED
            failed = run.folder / FAILED
            entry: dict[str, Any] = {
                "run": run.experiment.name,
                "title": run.experiment.title,
                "seed": run.seed,
                "folder": run.folder.name,
            }
            if path.is_file():
                found.append({**entry, **json.loads(path.read_text(encoding="utf-8"))})
            elif failed.is_file():
                found.append({**entry, **json.loads(failed.read_text(encoding="utf-8"))})
        return found

    def _record(self, subject: Subject, condition: str) -> dict[str, Any] | None:
        path = self.plan.test_file(subject, condition)
        if path not in self._records:
            found = None
            if path.is_file():
                found = json.loads(path.read_text(encoding="utf-8"))
            self._records[path] = found
        return self._records[path]

    def _table(self, spec: TableSpec) -> Table:
        headings = tuple(column.heading for column in spec.columns)
        named = {row.label for row in spec.rows}
        extra = [Row(label=label, run=None) for label in published_rows(spec.name)]
        rows = (*spec.rows, *(row for row in extra if row.label not in named))
        cells = tuple(tuple(self._cell(spec, row, c) for c in spec.columns) for row in rows)
        return Table(
            spec=spec,
            headings=headings,
            labels=tuple(row.label for row in rows),
            cells=cells,
            differences=tuple(self._differences(spec)),
            notes=tuple(self._notes(spec)),
        )

    def _cell(self, spec: TableSpec, row: Row, column: Column) -> Cell:
        values = self.values(row, column)
        published = published_figure(spec.name, row.label, column.heading)
        reason = "" if values else self._reason(row, column)
        return Cell(values=values, published=published, reason=reason)

    def _reason(self, row: Row, column: Column) -> str:
        """Return why there is no figure."""
        runs = [row.run_of(condition) for condition in column.conditions]
        if None in runs:
            return ""
        for condition in column.conditions:
            if not self.plan.data.has_condition(condition):
                return "no data"
        for name in runs:
            if name is None or name.startswith(GIVEN):
                continue
            if self.plan.data.library(EXPERIMENTS[name].library) is None:
                return "no cut-outs"
            if name not in {experiment.name for experiment in self.plan.experiments}:
                return "not trained"
            made = [run for run in self.plan.runs if run.experiment.name == name]
            if made and all((run.folder / FAILED).is_file() for run in made):
                return "diverged"
        for name, condition in zip(runs, column.conditions, strict=True):
            assert name is not None
            if self.tests(name, row.threshold, condition):
                return "n/a"
        return "not yet"

    def _differences(self, spec: TableSpec) -> list[Difference]:
        if spec.against is None:
            return []
        reference = next(row for row in spec.rows if row.label == spec.against)
        found = []
        for heading in spec.compared:
            column = next(column for column in spec.columns if column.heading == heading)
            for row in spec.rows:
                if row.label != spec.against:
                    made = self._difference(row, reference, column)
                    if made is not None:
                        found.append(made)
        return found

    def _difference(self, row: Row, reference: Row, column: Column) -> Difference | None:
        one, two = self._correct(row, column), self._correct(reference, column)
        seeds = sorted(set(one) & set(two))
        if not seeds:
            return None
        first = one[seeds[0]]
        if any(len(one[s][c]) != len(two[s][c]) for s in seeds for c in range(len(first))):
            return None
        each = [
            np.mean([a.astype(np.float64) - b for a, b in zip(one[s], two[s], strict=True)], axis=0)
            for s in seeds
        ]
        differences = [100 * float(values.mean()) for values in each]
        interval = self._people(row, column).mean(np.mean(each, axis=0))
        p_value = None
        if len(column.conditions) == 1:
            a, b = one[seeds[0]][0], two[seeds[0]][0]
            p_value = mcnemar(int((a & ~b).sum()), int((b & ~a).sum()))
        mean = float(np.mean(differences))
        spread = float(np.std(differences, ddof=1)) if len(seeds) > 1 else None
        low, high = 100 * interval.low, 100 * interval.high
        apart = (low > 0 or high < 0) and (p_value is None or p_value < 0.05 or len(seeds) > 1)
        if apart and spread is not None:
            apart = abs(mean) > spread
        better = row.label if mean > 0 else reference.label
        statement = f"{better} is better" if apart else "no difference shown"
        return Difference(
            row=row.label,
            against=reference.label,
            column=column.heading,
            mean=mean,
            spread=spread,
            low=low,
            high=high,
            p_value=p_value,
            seeds=len(seeds),
            statement=statement,
        )

    def _correct(self, row: Row, column: Column) -> dict[int, list[NDArray[np.bool_]]]:
        """Return which pairs or trials were decided rightly: a list of conditions for each seed."""
        found: dict[int, list[NDArray[np.bool_]]] = {}
        for condition in column.conditions:
            run = row.run_of(condition)
            for tests in self.tests(run, row.threshold, condition) if run else ():
                if column.test in tests and "correct" in tests[column.test]:
                    bits = unpack_bits(tests[column.test]["correct"])
                    found.setdefault(tests["seed"], []).append(bits)
        return {s: bits for s, bits in found.items() if len(bits) == len(column.conditions)}

    def _people(self, row: Row, column: Column) -> PairWeights:
        condition = column.conditions[0]
        run = row.run_of(condition)
        assert run is not None
        record = self.tests(run, row.threshold, condition)[0][column.test]
        name = (column.test, condition if column.test not in ("pairs", "official", "faces") else "")
        if name not in self._weights:
            people = [unpack_numbers(text) for text in record["people"]]
            same = np.ones(len(people[0]), np.bool_)
            if record["kind"] == "verification":
                same = unpack_bits(record["same"])
            self._weights[name] = PairWeights(people[0], people[-1], same, resamples=_RESAMPLES)
        return self._weights[name]

    def _notes(self, spec: TableSpec) -> list[str]:
        tests = {column.test for column in spec.columns}
        figures = {column.figure for column in spec.columns}
        notes = []
        for test in ("pairs", "official", "faces"):
            record = self._any(test) if test in tests else None
            if record is None:
                continue
            if test == "faces":
                notes.append(
                    f"MF1 here: {record['probes']:,} probes, {record['trials']:,} trials, each "
                    f"among {record['gallery']:,} distractors"
                )
            else:
                what = "LFW here" if test == "pairs" else test
                notes.append(f"{what}: {record['pairs']:,} pairs of the test people")
            if "tar" in figures and test == "pairs":
                notes.append(
                    f"TAR at FAR {record['far']:g}, {record['false_accepts_allowed']} false "
                    "accepts; the paper's at 1e-3"
                )
        return notes

    def _any(self, test: str) -> dict[str, Any] | None:
        for (run, threshold), subjects in self._subjects.items():
            for condition in subjects[0].conditions:
                for tests in self.tests(run, threshold, condition):
                    if test in tests:
                        found: dict[str, Any] = tests[test]
                        return found
        return None
