"""Sizes of the three presets: minutes on drawn faces, hours on real crops, or as published."""

from dataclasses import dataclass
from typing import Any

from occgen.errors import InputError

__all__ = ["PRESETS", "Preset", "find_preset"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Preset:
    """How large the networks, sets and trainings of a preset are.

    Parameters
    ----------
    name : str
    compact : bool
        Whether the compact recipes are taken, or the paper's own.
    baseline_epochs, tuned_epochs : int or None
        Of the baseline, and of what starts from it; None leaves the recipe's.
    training : dict
        Further fields of `TrainConfig`; `PaperConfig` may take another precision.
    model : dict
        Fields of `ModelConfig`.
    small_model : dict or None
        Of the network in which single choices are compared; None takes the main one for all.
    small_epochs : int or None
        Of what starts from the small network's baseline.
    people : tuple of str
        Drawn people to train on, to validate with and to test on, as ``--root`` of ``demo``.
    num_pairs : int
        Drawn for the tests.
    pattern_faces : int
        Faces whose predicted patterns are scored.
    far : float
        False accept rate of Table 8 and Fig. 8 and 10: what the impostor pairs resolve.
    train_rates : tuple of float
        Images a second and core while a network trains, without and with a mask: for estimates
        until runs have been timed.
    small_rates : tuple of float
        Of the small network.
    test_rate : float
        Images a second and core while one is tested.
    """

    name: str
    compact: bool = True
    baseline_epochs: int | None = None
    tuned_epochs: int | None = None
    training: dict[str, Any]
    model: dict[str, Any]
    small_model: dict[str, Any] | None = None
    small_epochs: int | None = None
    people: tuple[str, str, str] | None = None
    num_pairs: int = 20_000
    pattern_faces: int = 1000
    far: float = 1e-3
    train_rates: tuple[float, float]
    small_rates: tuple[float, float] = (1, 1)
    test_rate: float


_FAST = {"precision": "bfloat16", "channels_last": True}

PRESETS: dict[str, Preset] = {
    "tiny": Preset(  # for tests: seconds
        name="tiny",
        baseline_epochs=1,
        tuned_epochs=1,
        training={"batch_size": 16, "warmup_epochs": 0.0},
        model={"backbone": "ir10_small", "embedding_size": 16, "dropout": 0.0},
        people=("6x4@11", "5x3@12", "12x3@13"),
        num_pairs=24,
        pattern_faces=8,
        far=0.1,
        train_rates=(300, 200),
        test_rate=300,
    ),
    "demo": Preset(
        name="demo",
        baseline_epochs=16,
        tuned_epochs=4,
        training={"batch_size": 64},
        model={"backbone": "ir10_small", "embedding_size": 256, "dropout": 0.2},
        people=("160x8@11", "30x6@12", "100x6@13"),
        num_pairs=3000,
        pattern_faces=300,
        far=1e-2,
        train_rates=(280, 200),
        test_rate=600,
    ),
    "real": Preset(
        name="real",
        baseline_epochs=20,
        tuned_epochs=8,
        training={"batch_size": 64, **_FAST},
        model={"backbone": "ir10_compact", "embedding_size": 256, "dropout": 0.2},
        small_model={"backbone": "ir10_small"},
        small_epochs=4,
        train_rates=(130, 100),
        small_rates=(350, 250),
        test_rate=400,
    ),
    "full": Preset(
        name="full",
        compact=False,
        training=dict(_FAST),
        model={},
        train_rates=(2, 1.5),
        test_rate=8,
    ),
}


def find_preset(name: str) -> Preset:
    """Return the preset of a name.

    Raises
    ------
    InputError
        When there is none.
    """
    if name not in PRESETS:
        raise InputError(f"preset must be one of {', '.join(PRESETS)}, got {name!r}")
    return PRESETS[name]
