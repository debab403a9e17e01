"""What a plan would do and how long it would take, without doing any of it."""

import json
from typing import Any

import numpy as np

from .conditions import CONDITIONS
from .data import PaperData
from .experiments import Experiment, training_config
from .jobs import FINISHED
from .plan import Plan
from .table_spec import TableSpec

__all__ = ["estimate"]

_BOTH_CORES = 1.5  # what a second core brings to a training that has the machine to itself
_SECOND_PICTURES = 0.9  # share of the test pictures that are hidden and embedded a condition
_FIXED_S = 10.0  # a process starts, reads faces into memory, validates


def estimate(plan: Plan) -> dict[str, Any]:
    """Return runs, tests, what each table needs, what is missing, and the time it would take.

    Parameters
    ----------
    plan : Plan

    Notes
    -----
    Rates are those of the preset, or of the runs in the folder where some are finished.
    """
    data, config = plan.data, plan.config
    rates = _rates(plan)
    runs: list[dict[str, Any]] = []
    for experiment in plan.experiments:
        for seed in config.all_seeds:
            finished, tests = _standing(plan, experiment, seed)
            train_s = 0.0 if finished else _training_s(plan, experiment, rates)
            test_s = tests * data.counts["test"] * _SECOND_PICTURES / config.sizes.test_rate
            runs.append(
                {
                    "run": experiment.name,
                    "title": experiment.title,
                    "seed": seed,
                    "tier": experiment.tier,
                    "finished": finished,
                    "train_s": round(train_s),
                    "test_s": round(test_s),
                    "conditions": tests,
                }
            )
    runs.sort(key=lambda run: run["tier"])  # stable: the order in which they are worked off
    total: float = sum(run["train_s"] + run["test_s"] for run in runs)
    total /= config.parallel if config.parallel > 1 else _BOTH_CORES
    return {
        "preset": config.preset,
        "data": data.statement,
        "missing": list(data.missing),
        "pictures": data.counts,
        "seeds": list(config.all_seeds),
        "runs": runs,
        "tables": [_needs(plan, table) for table in plan.tables],
        "estimated_s": round(total),
        "parallel": config.parallel,
        "precision": config.training_precision,
    }


def _needs(plan: Plan, table: TableSpec) -> dict[str, Any]:
    known = {experiment.name for experiment in plan.experiments}
    runs = {r.run_of(n) for r in table.rows for c in table.columns for n in c.conditions}
    conditions = dict.fromkeys(n for c in table.columns for n in c.conditions)
    return {
        "table": table.name,
        "title": table.title,
        "runs": sorted(run for run in runs if run in known),
        "not_run": sorted(run for run in runs if run is not None and run not in known),
        "conditions": [name for name in conditions if plan.data.has_condition(name)],
        "no_data_for": [
            _title(plan.data, name) for name in conditions if not plan.data.has_condition(name)
        ],
    }


def _title(data: PaperData, name: str) -> str:
    return CONDITIONS[name].title if name in CONDITIONS else name


def _training_s(plan: Plan, experiment: Experiment, rates: tuple[float, float]) -> float:
    config = training_config(experiment, plan.config.sizes, plan.config.seed)
    if experiment.small and plan.config.sizes.small_model is not None:
        rates = plan.config.sizes.small_rates
    return plan.data.counts["train"] * config.epochs / rates[experiment.has_mask] + _FIXED_S


def _standing(plan: Plan, experiment: Experiment, seed: int) -> tuple[bool, int]:
    """Return whether a run is finished, and under how many conditions it is still to be tested."""
    if not plan.data.is_made:
        return False, len(plan.conditions_of(experiment.name, None))
    run = plan.run(experiment.name, seed)
    finished = (run.folder / FINISHED).is_file()
    subjects = plan.subjects_of(run)
    if not finished:
        return False, sum(len(subject.conditions) for subject in subjects)
    return True, sum(len(plan.missing_conditions(subject)) for subject in subjects)


def _rates(plan: Plan) -> tuple[float, float]:
    """Return images a second and core of trainings without and with a mask.

    Of finished runs of the folder where there are some, of whatever configuration.
    """
    done = {}
    for path in sorted((plan.config.folder / "runs").glob(f"*/{FINISHED}")):
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        done[path.parent.name.rpartition("-")[0]] = record
    rates = list(plan.config.sizes.train_rates)
    masked = {e.name: e.has_mask for e in plan.experiments if not e.small}
    for kind in (False, True):
        found = [
            record["images_per_s"] / (1 if record.get("cores") else _BOTH_CORES)
            for name, record in done.items()
            if masked.get(name.rpartition("-s")[0]) is kind and record.get("images_per_s")
        ]
        if found:
            rates[kind] = float(np.median(found))
    return rates[0], rates[1]
