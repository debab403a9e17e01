"""What is trained: every run of the tables by name, in the order of what depends on it."""

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from occgen.errors import InputError
from occluders.library import GROUPS

from ..config import TrainConfig
from ..recipes import recipe
from .presets import Preset

__all__ = ["EXPERIMENTS", "Experiment", "choose_runs", "training_config"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Experiment:
    """A training.

    Parameters
    ----------
    name : str
    title : str
        For people to read.
    recipe : str
        One of the paper's four, or ``improved``.
    changes : dict
        Fields of `TrainConfig` that differ from the recipe.
    model : dict
        Fields of `ModelConfig`.
    init, teacher : str or None
        Experiments of the same seed that must be there first.
    library : str
        ``bundled``, or a library of the tests' data: ``rectangles``, ``cut-outs``.
    tier : int
        1 is trained for all seeds before 2.
    small : bool
        In the preset's small network, on its schedule: where many are compared with each other.
    twin : str or None
        Experiment that stands for it where a preset has no small network.
    """

    name: str
    title: str
    recipe: str = "from"
    changes: dict[str, Any] = field(default_factory=dict)
    model: dict[str, Any] = field(default_factory=dict)
    init: str | None = "baseline"
    teacher: str | None = None
    library: str = "bundled"
    tier: int = 2
    small: bool = False
    twin: str | None = None

    @property
    def parents(self) -> tuple[str, ...]:
        """Runs it needs."""
        return tuple(dict.fromkeys(name for name in (self.init, self.teacher) if name))

    @property
    def has_mask(self) -> bool:
        """Whether its network has a mask decoder."""
        return not self.recipe.startswith("baseline") or self.recipe == "baseline-md"


def _others(group: int) -> tuple[str, ...]:
    """Return the categories outside a group."""
    return tuple(name for number, names in GROUPS.items() if number != group for name in names)


_SOFT: dict[str, Any] = {"soft_patterns": 0.1}
_MIXED: dict[str, Any] = {"placement": "mixed", "placement_mix": "random=1,landmarks=1"}
_NATURAL: dict[str, Any] = {"blend": "natural"}
_REGRESSION = {"predictor": "regression"}


def _main() -> list[Experiment]:
    """Return the experiments of the main network, those first that most tables hang on."""
    e = Experiment
    return [
        e(name="baseline", title="Baseline", recipe="baseline", init=None, tier=1),
        e(name="from", title="FROM", tier=1),
        e(name="baseline-aug", title="Baseline-Aug", recipe="baseline-aug", tier=1),
        e(name="baseline-md", title="Baseline-MD", recipe="baseline-md", tier=1),
        e(
            name="improved",
            title="FROM, improved",
            recipe="improved",
            init="from",
            teacher="from",
            tier=1,
        ),
        e(
            name="rectangles",
            title="FROM, plain rectangles",
            changes={"blend": "opaque"},
            library="rectangles",
            tier=1,
        ),
        e(name="cut-outs", title="FROM, real cut-outs", library="cut-outs", tier=1),
        e(name="from-longer", title="FROM, trained for as long again", init="from"),
        e(
            name="improved-cut-outs",
            title="FROM, improved, with real cut-outs",
            changes={**_SOFT, **_MIXED},
            init="from",
            teacher="from",
            library="cut-outs",
        ),
    ]


def _small(name: str, title: str, twin: str | None = None, **fields: Any) -> Experiment:
    """Return an experiment of the small network."""
    defaults: dict[str, Any] = {"init": "small-baseline", "small": True, "twin": twin}
    return Experiment(name=name, title=title, **{**defaults, **fields})


def _single_choices() -> list[Experiment]:
    """Return the experiments in which one choice of FROM differs."""
    e, small, first = _small, "small-baseline", "small-from"
    second = {"init": first, "teacher": first}
    return [
        e(small, "Baseline, small network", "baseline", recipe="baseline", init=None),
        e("small-from", "FROM, small network", "from"),
        e("small-md", "Baseline-MD, small network", "baseline-md", recipe="baseline-md"),
        e("small-aug", "Baseline-Aug, small network", "baseline-aug", recipe="baseline-aug"),
        e("teacher", "FROM, taught by the baseline", teacher=small),
        e("longer", "FROM, trained for as long again", "from-longer", init=first),
        e("second", "FROM, second round", **second),
        e("second-soft", "second round, soft patterns", changes=_SOFT, **second),
        e(
            "second-mixed",
            "second round, soft patterns, mixed placement",
            changes={**_SOFT, **_MIXED},
            **second,
        ),
        e("small-improved", "improved, small network", "improved", recipe="improved", **second),
        e(
            "aug-second",
            "Baseline-Aug, taught by FROM, mixed placement",
            recipe="baseline-aug",
            changes={**_MIXED, "clean_fraction": 1 / 3},
            init="small-aug",
            teacher=first,
        ),
        e(
            "small-rectangles",
            "FROM, plain rectangles, small network",
            "rectangles",
            changes={"blend": "opaque"},
            library="rectangles",
        ),
        e(
            "small-cut-outs",
            "FROM, real cut-outs, small network",
            "cut-outs",
            library="cut-outs",
        ),
        e("k3", "FROM, K = 3", model={"k": 3}),
        e("k4", "FROM, K = 4", model={"k": 4}),
        e("k6", "FROM, K = 6", model={"k": 6}),
        e("lambda-0.5", "FROM, lambda 0.5", changes={"pattern_weight": 0.5}),
        e("mask-2d", "FROM, 2D mask", model={"mask": "2d"}),
        e("mask-fc", "FROM, FC mask", model={"mask": "fc"}),
        e("from-opaque", "FROM, opaque", changes={"blend": "opaque"}),
        e("from-natural", "FROM, natural", changes=_NATURAL),
        e("from-mixed", "FROM, mixed placement", changes=_MIXED),
        e("from-landmarks", "FROM, on landmarks", changes={"placement": "landmarks"}),
        *(
            e(
                f"unseen-{group}",
                f"FROM, K = 4, without group {group}",
                model={"k": 4},
                changes={"categories": _others(group)},
            )
            for group in (1, 2, 3)
        ),
        *(
            e(
                f"regression-{weight:g}",
                f"regression of the box in pixels, lambda {weight:g}",
                model=_REGRESSION,
                changes={"pattern_weight": weight, "box_unit": "pixel"},
            )
            for weight in (0.1, 0.2, 0.5)
        ),
        e(
            "regression-fraction",
            "regression of the box in fractions of the sides, lambda 1",
            model=_REGRESSION,
            changes={"pattern_weight": 1.0},
        ),
    ]


EXPERIMENTS: dict[str, Experiment] = {e.name: e for e in (*_main(), *_single_choices())}


def choose_runs(text: str) -> tuple[str, ...]:
    """Return the experiments of a list such as ``baseline,from``.

    Raises
    ------
    InputError
        For a name that is none.
    """
    chosen = [part.strip() for part in text.split(",") if part.strip()]
    unknown = [name for name in chosen if name not in EXPERIMENTS]
    if unknown or not chosen:
        raise InputError(f"run must be one of {', '.join(EXPERIMENTS)}, got {text!r}")
    return tuple(chosen)


def training_config(experiment: Experiment, preset: Preset, seed: int) -> TrainConfig:
    """Return the configuration of a run, without the files it starts from.

    Parameters
    ----------
    experiment : Experiment
    preset : Preset
    seed : int

    Returns
    -------
    TrainConfig
        `init` and `teacher` are still the names of experiments, and `occluders` of a library.

    Notes
    -----
    Validation is once, at the end: weights are those of the last epoch, and the validation people
    serve to choose between recipes.
    """
    base = recipe(f"{experiment.recipe}-compact" if preset.compact else experiment.recipe)
    is_small = experiment.small and preset.small_model is not None
    epochs = preset.baseline_epochs
    if experiment.init:
        epochs = preset.small_epochs if is_small else preset.tuned_epochs
    epochs = base.epochs if epochs is None else epochs
    network = {**preset.model, **((is_small and preset.small_model) or {}), **experiment.model}
    changes: dict[str, Any] = {**preset.training, **experiment.changes}
    return dataclasses.replace(
        base,
        **changes,
        recipe=experiment.recipe,
        model=dataclasses.replace(base.model, **network),
        epochs=epochs,
        seed=seed,
        init=experiment.init,
        teacher=experiment.teacher,
        occluders=experiment.library,
        validate_every=epochs,
    )
