"""The paper's four trainings, one beyond it, and compact ones for a CPU, as configurations."""

from collections.abc import Callable
from typing import Any

from occgen.errors import InputError
from occluders.library import GROUPS

from .config import ModelConfig, TrainConfig

__all__ = ["RECIPES", "recipe"]


def _baseline(**changes: Any) -> TrainConfig:
    """Clean faces, no mask (Sec. 4.2)."""
    defaults: dict[str, Any] = {
        "model": ModelConfig(mask="none", predictor="none"),
        "recipe": "baseline",
        "epochs": 40,
        "learning_rate": 0.1,
        "milestones": (15, 30),
        "pattern_weight": 0.0,
        "occlude": None,
    }
    return TrainConfig(**{**defaults, **changes})


def _baseline_aug(**changes: Any) -> TrainConfig:
    """Occluded faces, no mask; starts from the baseline."""
    defaults: dict[str, Any] = {
        "model": ModelConfig(mask="none", predictor="none"),
        "recipe": "baseline-aug",
        "epochs": 25,
        "learning_rate": 0.01,
        "milestones": (15,),
        "pattern_weight": 0.0,
        "clean_fraction": 0.0,
    }
    return TrainConfig(**{**defaults, **changes})


def _baseline_md(**changes: Any) -> TrainConfig:
    """Clean to occluded 1 : 2, a mask decoder without supervision; starts from the baseline."""
    defaults = {"recipe": "baseline-md", "pattern_weight": 0.0}
    return _from(**{**defaults, **changes})


def _from(**changes: Any) -> TrainConfig:
    """Clean to occluded 1 : 2, masks supervised by patterns; starts from the baseline."""
    defaults: dict[str, Any] = {
        "model": ModelConfig(),
        "recipe": "from",
        "epochs": 40,
        "learning_rate": 0.01,
        "milestones": (10, 25),
        "pattern_weight": 1.0,
        "clean_fraction": 1 / 3,
    }
    return TrainConfig(**{**defaults, **changes})


def _improved(**changes: Any) -> TrainConfig:
    """Beyond the paper: a second round of `from`, which starts from the first and is taught by it.

    One occluded face in two has something worn or held, a third of the occluders are face masks,
    and patterns of nearly the same IoU share the target.
    """
    categories = sorted(name for names in GROUPS.values() for name in names)
    defaults: dict[str, Any] = {
        "recipe": "improved",
        "soft_patterns": 0.1,
        "placement": "mixed",
        "placement_mix": "random=1,landmarks=1",
        "categories": tuple("face_mask=4" if name == "face_mask" else name for name in categories),
    }
    return _from(**{**defaults, **changes})


_COMPACT_MODEL: dict[str, Any] = {
    "backbone": "ir10_small",
    "embedding_size": 256,
    "dropout": 0.2,
}


def _compact(full: Callable[..., TrainConfig], **changes: Any) -> TrainConfig:
    """Return a recipe for two CPU cores and a few thousand images.

    Eight epochs of a baseline and three of each recipe that starts from it, on 3,000 drawn faces,
    are 51,000 images: about five minutes on two idle cores (`docs/demo-results.md`).
    """
    paper = full()
    kept: dict[str, Any] = {"mask": paper.model.mask, "predictor": paper.model.predictor}
    defaults: dict[str, Any] = {
        "model": ModelConfig(**_COMPACT_MODEL, **kept),
        "recipe": f"{paper.recipe}-compact",
        "epochs": 8 if paper.recipe == "baseline" else 3,
        "batch_size": 64,
        "learning_rate": 0.1 if paper.recipe == "baseline" else 0.05,
        "schedule": "cosine",
        "milestones": (),
        "warmup_epochs": 0.5,
    }
    return full(**{**defaults, **changes})


_FULL: dict[str, Callable[..., TrainConfig]] = {
    "baseline": _baseline,
    "baseline-aug": _baseline_aug,
    "baseline-md": _baseline_md,
    "from": _from,
    "improved": _improved,
}

RECIPES = (*_FULL, *(f"{name}-compact" for name in _FULL))


def recipe(name: str, **changes: Any) -> TrainConfig:
    """Return the configuration of a recipe.

    Parameters
    ----------
    name : str
        ``baseline``, ``baseline-aug``, ``baseline-md``, ``from``: the paper's schedules;
        ``improved``: a second round, with a finished ``from`` as `init` and `teacher`. With
        ``-compact`` behind it one that ends within minutes on two CPU cores.
    **changes
        Fields of `TrainConfig` that replace the recipe's.

    Returns
    -------
    TrainConfig

    Raises
    ------
    InputError
        For an unknown name or field, or a value that does not fit.

    References
    ----------
    Sec. 4.2: 40 epochs from 0.1, drops at 15 and 30; 25 from 0.01, drop at 15; 40 from 0.01,
    drops at 10 and 25; batches of 512.

    Examples
    --------
    >>> recipe("from").milestones
    (10, 25)
    >>> recipe("from-compact", seed=7).model.backbone
    'ir10_small'
    """
    if name not in RECIPES:
        raise InputError(f"recipe must be one of {', '.join(RECIPES)}, got {name!r}")
    unknown = sorted(set(changes) - set(TrainConfig.__dataclass_fields__))
    if unknown:
        raise InputError(f"TrainConfig has no field {', '.join(map(repr, unknown))}")
    if name.endswith("-compact"):
        return _compact(_FULL[name.removesuffix("-compact")], **changes)
    return _FULL[name](**changes)
