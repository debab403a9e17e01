"""What is trained: every run of the tables by name, in the order of what depends on it."""

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from occluders.library import GROUPS

from ..config import TrainConfig
from ..recipes import recipe
from .presets import Preset

__all__ = ["EXPERIMENTS", "Experiment", "training_config"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Experiment:
    """A training.

    Parameters
    ----------
    name : str
    title : str
        For people to read.
    recipe : str
        One of the paper's four.
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


_NATURAL = {"placement": "mixed", "blend": "natural"}
_SOFT = {"soft_patterns": 0.1}
_REGRESSION = {"predictor": "regression"}


def _all() -> list[Experiment]:
    """Return the experiments, those first that most tables hang on."""
    e = Experiment
    return [
        e(name="baseline", title="Baseline", recipe="baseline", init=None, tier=1),
        e(name="from", title="FROM", tier=1),
        e(name="baseline-aug", title="Baseline-Aug", recipe="baseline-aug", tier=1),
        e(name="baseline-md", title="Baseline-MD", recipe="baseline-md", tier=1),
        e(
            name="improved",
            title="FROM, clean-view teacher, soft patterns, mixed placement, natural blending",
            changes={**_NATURAL, **_SOFT},
            teacher="baseline",
            tier=1,
        ),
        e(
            name="rectangles",
            title="FROM, plain rectangles",
            changes={"blend": "opaque"},
            library="rectangles",
            tier=1,
        ),
        e(name="from-mixed-natural", title="FROM, mixed, natural", changes=_NATURAL, tier=1),
        e(
            name="cut-outs",
            title="FROM, real cut-outs, mixed, natural",
            changes=_NATURAL,
            library="cut-outs",
            tier=1,
        ),
        e(name="from-teacher", title="FROM, clean-view teacher", teacher="baseline", tier=1),
        e(
            name="rectangles-teacher",
            title="FROM, plain rectangles, clean-view teacher",
            changes={"blend": "opaque", **_SOFT},
            teacher="baseline",
            library="rectangles",
        ),
        e(
            name="cut-outs-teacher",
            title="FROM, real cut-outs, clean-view teacher, soft patterns, mixed, natural",
            changes={**_NATURAL, **_SOFT},
            teacher="baseline",
            library="cut-outs",
        ),
        e(
            name="aug-teacher",
            title="Baseline-Aug, clean-view teacher, mixed, natural",
            recipe="baseline-aug",
            changes={**_NATURAL, "clean_fraction": 1 / 3},
            teacher="baseline",
        ),
        e(
            name="improved-alpha",
            title="FROM, clean-view teacher, soft patterns, mixed placement, alpha blending",
            changes={"placement": "mixed", **_SOFT},
            teacher="baseline",
        ),
        e(name="from-opaque", title="FROM, opaque", changes={"blend": "opaque"}),
        e(name="from-natural", title="FROM, natural", changes={"blend": "natural"}),
        e(name="from-mixed", title="FROM, mixed placement", changes={"placement": "mixed"}),
        e(name="from-landmarks", title="FROM, on landmarks", changes={"placement": "landmarks"}),
        e(name="k3", title="FROM, K = 3", model={"k": 3}),
        e(name="k4", title="FROM, K = 4", model={"k": 4}),
        e(name="k6", title="FROM, K = 6", model={"k": 6}),
        e(name="lambda-0.5", title="FROM, lambda 0.5", changes={"pattern_weight": 0.5}),
        e(name="mask-2d", title="FROM, 2D mask", model={"mask": "2d"}),
        e(name="mask-fc", title="FROM, FC mask", model={"mask": "fc"}),
        *(
            e(
                name=f"unseen-{group}",
                title=f"FROM, K = 4, without group {group}",
                model={"k": 4},
                changes={"categories": _others(group)},
            )
            for group in (1, 2, 3)
        ),
        *(
            e(
                name=f"regression-{weight:g}",
                title=f"regression of the box in pixels, lambda {weight:g}",
                model=_REGRESSION,
                changes={"pattern_weight": weight, "box_unit": "pixel"},
            )
            for weight in (0.1, 0.2, 0.5)
        ),
        e(
            name="regression-fraction",
            title="regression of the box in fractions of the sides, lambda 1",
            model=_REGRESSION,
            changes={"pattern_weight": 1.0},
        ),
    ]


EXPERIMENTS: dict[str, Experiment] = {experiment.name: experiment for experiment in _all()}


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
    epochs = preset.tuned_epochs if experiment.init else preset.baseline_epochs
    epochs = base.epochs if epochs is None else epochs
    changes: dict[str, Any] = {**preset.training, **experiment.changes}
    return dataclasses.replace(
        base,
        **changes,
        recipe=experiment.recipe,
        model=dataclasses.replace(base.model, **preset.model, **experiment.model),
        epochs=epochs,
        seed=seed,
        init=experiment.init,
        teacher=experiment.teacher,
        occluders=experiment.library,
        validate_every=epochs,
    )
