"""Checks of a configuration's values; each names the field, what would be right, and what came."""

import math

from occgen.errors import InputError

__all__ = ["check_choice", "check_flag", "check_number", "check_whole"]


def check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    """Refuse what is not among the choices, with `InputError`."""
    if value not in choices:
        raise InputError(f"{name} must be one of {', '.join(choices)}, got {value!r}")


def check_flag(name: str, value: object) -> None:
    """Refuse what is neither true nor false, with `InputError`."""
    if not isinstance(value, bool):
        raise InputError(f"{name} must be true or false, got {value!r}")


def check_whole(name: str, value: object, low: int) -> None:
    """Refuse what is no whole number of at least `low`, with `InputError`."""
    if isinstance(value, bool) or not isinstance(value, int) or value < low:
        raise InputError(f"{name} must be a whole number >= {low}, got {value!r}")


def check_number(
    name: str,
    value: object,
    low: float = -math.inf,
    *,
    high: float = math.inf,
    above: float = -math.inf,
    below: float = math.inf,
) -> None:
    """Refuse what is no finite number in [low, high] and (above, below), with `InputError`."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if number and math.isfinite(value) and low <= value <= high and above < value < below:  # type: ignore[arg-type,operator]
        return
    bounds = [
        f"{sign} {bound:g}"
        for sign, bound in ((">=", low), ("<=", high), (">", above), ("<", below))
        if math.isfinite(bound)
    ]
    raise InputError(f"{name} must be a number {' and '.join(bounds)}, got {value!r}".strip())
