"""Learning rate of every step."""

import math

from .config import TrainConfig

__all__ = ["learning_rate"]


def learning_rate(config: TrainConfig, step: int, steps_per_epoch: int) -> float:
    """Return the rate of a step.

    Parameters
    ----------
    config : TrainConfig
    step : int
        From 0.
    steps_per_epoch : int

    Returns
    -------
    float
        Linear from zero over the warm-up's epochs; then by the schedule: times `gamma` after each
        milestone (full epochs), or half a cosine wave down to zero at the end of the last epoch.

    Examples
    --------
    >>> from frommodel.recipes import recipe
    >>> config = recipe("from")
    >>> [learning_rate(config, epoch * 100, 100) for epoch in (0, 9, 10, 25)]
    [0.01, 0.01, 0.001, 0.0001]
    """
    warmup = round(config.warmup_epochs * steps_per_epoch)
    if step < warmup:
        return config.learning_rate * (step + 1) / warmup
    if config.schedule == "cosine":
        total = config.epochs * steps_per_epoch
        done = (step - warmup) / max(total - warmup, 1)
        return config.learning_rate * 0.5 * (1.0 + math.cos(math.pi * min(done, 1.0)))
    drops = sum(step >= milestone * steps_per_epoch for milestone in config.milestones)
    return round(config.learning_rate * config.gamma**drops, 12)
