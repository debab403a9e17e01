"""Texts that stand for several values: scales, weights of placements and categories, counts."""

import math
from collections.abc import Iterable
from functools import lru_cache
from operator import index

from occluders.errors import OccluderInputError
from occluders.weights import canonical_categories

from .errors import InputError

__all__ = [
    "DEFAULT_MIX",
    "check_scales",
    "parse_counts",
    "parse_mix",
    "parse_scales",
    "take_categories",
]

DEFAULT_MIX = "random=1,landmarks=2"
_MAX_SCALES = 1000
_MOST_OCCLUDERS = 8


def take_categories(value: str | Iterable[str] | None) -> tuple[str, ...] | None:
    """Return categories and their weights in the one form they have in a configuration.

    Parameters
    ----------
    value : str, iterable of str or None
        'face_mask=4,hand', or its parts.

    Raises
    ------
    InputError
        When a weight is no finite number > 0, or a category is given two.
    """
    if value is None:
        return None
    parts = [part.strip() for part in value.split(",")] if isinstance(value, str) else value
    try:
        return canonical_categories(parts)
    except OccluderInputError as error:
        raise InputError(str(error)) from error


def parse_mix(text: str) -> dict[str, float]:
    """Return the weight of each placement that a text names, those of weight 0 left out.

    Parameters
    ----------
    text : str
        As `DEFAULT_MIX`.

    Raises
    ------
    InputError
        When a name is no placement that can be mixed, or a weight is no number that counts.
    """
    weights: dict[str, float] = {}
    try:
        for part in text.split(","):
            name, weight = part.split("=")
            weights[name.strip()] = float(weight)
    except (ValueError, AttributeError):
        weights = {}
    known = ("random", "regions", "landmarks")
    total = sum(weights.values())
    if (
        not set(weights) <= set(known)
        or not all(0 <= weight < math.inf for weight in weights.values())
        or not 0 < total < math.inf
    ):
        raise InputError(
            f"mix must be weights of {', '.join(known)}, as {DEFAULT_MIX}; got {text!r}"
        )
    return {name: float(f"{weights[name]:g}") for name in known if weights.get(name, 0) > 0}


def parse_counts(value: int | str) -> tuple[int, int]:
    """Return the fewest and the most occluders of a face.

    Parameters
    ----------
    value : int or str
        1, or a range '1:3' with both ends in.

    Raises
    ------
    InputError
        When it is neither, or not within 1 to 8.
    """
    try:
        if isinstance(value, bool):
            raise ValueError
        parts = (
            [int(part) for part in value.split(":")] if isinstance(value, str) else [index(value)]
        )
    except (ValueError, TypeError):
        parts = []
    if len(parts) not in (1, 2) or not 1 <= parts[0] <= parts[-1] <= _MOST_OCCLUDERS:
        raise InputError(
            f"occluders_per_face must be 1 to {_MOST_OCCLUDERS}, or a range as 1:2, got {value!r}"
        )
    return parts[0], parts[-1]


@lru_cache(maxsize=64)  # asked for each face
def parse_scales(text: str) -> tuple[float, ...]:
    """Return the scales a text names.

    Parameters
    ----------
    text : str
        '2.0', or 'start:step:stop' with both ends in: '1.0:0.5:5.0' gives nine.

    Returns
    -------
    tuple of float

    Raises
    ------
    InputError
        When it is neither, not above 0, or names more than a thousand.
    """
    try:
        numbers = [float(part) for part in text.split(":")]
    except ValueError:
        numbers = []
    if len(numbers) not in (1, 3) or not all(math.isfinite(number) for number in numbers):
        raise InputError(f"scale must be a number or start:step:stop, got {text!r}")
    if len(numbers) == 1:
        return check_scales((numbers[0],))
    start, step, stop = numbers
    if step <= 0 or stop < start:
        raise InputError(f"scale {text!r} needs a step > 0 and a stop >= its start")
    count = math.floor((stop - start) / step + 1e-9) + 1
    if count > _MAX_SCALES:
        raise InputError(f"scale {text!r} names {count} scales, more than {_MAX_SCALES}")
    return check_scales(tuple(round(start + i * step, 9) for i in range(count)))


def check_scales(scales: tuple[float, ...]) -> tuple[float, ...]:
    """Return scales as they are, or raise `InputError` for one that is not in 0 to 1000."""
    for scale in scales:
        if not (math.isfinite(scale) and 0 < scale <= 1000):
            raise InputError(f"scale must be > 0 and at most 1000, got {scale}")
    return scales
