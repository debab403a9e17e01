"""Weights of categories: what `face_mask=4,hand` says."""

import math
from collections.abc import Iterable

from .errors import OccluderInputError

__all__ = ["canonical_categories", "category_weights"]


def category_weights(entries: Iterable[str]) -> dict[str, float]:
    """Return the weight of each category that is named.

    Parameters
    ----------
    entries : iterable of str
        ``NAME``, which weighs 1, or ``NAME=WEIGHT`` with a finite weight > 0, of which six
        significant digits count.

    Returns
    -------
    dict of str to float
        In the order of the entries.

    Raises
    ------
    OccluderInputError
        When a weight is no such number, or a category is given two.

    Examples
    --------
    >>> category_weights(["face_mask=4", "hand"])
    {'face_mask': 4.0, 'hand': 1.0}
    """
    weights: dict[str, float] = {}
    for entry in entries:
        name, sign, text = str(entry).rpartition("=")
        name, weight = (name.strip(), _number(text)) if sign else (text, 1.0)
        if not 0 < weight < math.inf:
            raise OccluderInputError(
                f"weight of a category must be a number > 0, as face_mask=4; got {entry!r}"
            )
        if weights.setdefault(name, weight) != weight:
            raise OccluderInputError(f"category {name!r} is given two weights")
    return weights


def canonical_categories(entries: Iterable[str]) -> tuple[str, ...]:
    """Return the entries in the one form a configuration has: ``name=4``, ``name`` where it is 1.

    Raises
    ------
    OccluderInputError
        As `category_weights`.

    Examples
    --------
    >>> canonical_categories(["face_mask=4.0", "hand=1"])
    ('face_mask=4', 'hand')
    """
    entries = tuple(entries)
    weights = category_weights(entries)
    names = [str(entry).rpartition("=") for entry in entries]
    return tuple(
        _text(name.strip(), weights[name.strip()]) if sign else rest for name, sign, rest in names
    )


def _text(name: str, weight: float) -> str:
    return name if weight == 1 else f"{name}={weight:g}"


def _number(text: str) -> float:
    try:
        return float(f"{float(text):g}")
    except ValueError:
        return math.nan
