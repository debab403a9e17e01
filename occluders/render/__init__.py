"""One module a category: parameters in, solid shapes and materials out."""

from collections.abc import Callable

import numpy as np

from ..errors import OccluderInputError
from ..rendering import Rendered
from .book import book
from .cup import cup
from .eye_mask import eye_mask
from .eyeglasses import eyeglasses
from .face_mask import face_mask
from .hand import hand
from .phone import phone
from .scarf import scarf
from .sunglasses import sunglasses

__all__ = ["KINDS", "render"]

KINDS: dict[str, Callable[[np.random.Generator, int], Rendered]] = {
    "book": book,
    "cup": cup,
    "eye_mask": eye_mask,
    "eyeglasses": eyeglasses,
    "face_mask": face_mask,
    "hand": hand,
    "phone": phone,
    "scarf": scarf,
    "sunglasses": sunglasses,
}
"""Category to the function that draws parameters from a generator and renders a member."""


def render(category: str, rng: np.random.Generator, size: int = 176) -> Rendered:
    """Return a new member of a category.

    Parameters
    ----------
    category : str
        One of `KINDS`.
    rng : numpy.random.Generator
        Everything random is drawn from it: the same state gives the same member.
    size : int, optional
        Longest side in pixels.

    Raises
    ------
    OccluderInputError
        When there is no such category, or `size` is below 16.
    """
    if category not in KINDS:
        raise OccluderInputError(f"category must be one of {', '.join(KINDS)}, got {category!r}")
    return KINDS[category](rng, size)
