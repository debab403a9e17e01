"""InsightFace's verification files, such as ``lfw.bin``: pictures in pairs, and same or not."""

import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .atomic import replacing_bytes
from .errors import DataError, InputError
from .plain_values import PlainArray
from .unpickling import load_plain

__all__ = ["VerificationPairs", "read_verification_bin", "write_verification_bin"]

_PROTOCOL = 4


class VerificationPairs(NamedTuple):
    """Pictures in pairs: the two of pair i are ``images[2 * i]`` and ``images[2 * i + 1]``."""

    images: list[bytes]
    """Encoded pictures, two a pair."""
    same: NDArray[np.bool_]
    """Whether a pair shows one person, shape (P,)."""


def read_verification_bin(path: str | Path) -> VerificationPairs:
    """Return the pairs of an InsightFace ``.bin``; its pickle can hold nothing but plain data.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    VerificationPairs

    Raises
    ------
    InputError
        When the file is missing or cannot be read.
    DataError
        When it is damaged, holds anything but pictures and booleans, or names anything else.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror})") from error
    try:
        content = load_plain(data)
        if not isinstance(content, (tuple, list)) or len(content) != 2:
            raise DataError("does not hold pictures and a list of same or not")
        known: dict[int, bytes] = {}  # a file may name one array again and again
        images = [_picture(value, known) for value in _listed(content[0])]
        same = np.array([_is_same(value) for value in _listed(content[1])], np.bool_)
        if len(images) != 2 * len(same):
            raise DataError(f"holds {len(images)} pictures for {len(same)} pairs")
    except DataError as error:
        raise DataError(f"{path} {error}") from error
    return VerificationPairs(images, same)


def write_verification_bin(
    path: str | Path, images: Sequence[bytes], same: Sequence[bool] | NDArray[np.bool_]
) -> None:
    """Write pairs as InsightFace reads them; the file is whole, or the old one stays.

    Parameters
    ----------
    path : str or Path
    images : sequence of bytes
        Encoded pictures, two a pair.
    same : sequence of bool
        Whether a pair shows one person.

    Raises
    ------
    InputError
        When there are not two pictures a pair, or the file cannot be written.
    """
    if len(images) != 2 * len(same):
        raise InputError(f"{len(same)} pairs take {2 * len(same)} pictures, got {len(images)}")
    content = ([bytes(image) for image in images], [bool(value) for value in same])
    replacing_bytes(Path(path), pickle.dumps(content, _PROTOCOL))


def _listed(value: object) -> list[object]:
    if isinstance(value, PlainArray):
        return list(value.value.reshape(-1).tolist())
    if isinstance(value, (list, tuple)):
        return list(value)
    raise DataError("does not hold two lists")


def _picture(value: object, known: dict[int, bytes]) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, PlainArray):
        if id(value) in known:
            return known[id(value)]
        array = value.value
        if array.dtype == np.uint8 and array.ndim == 1:
            return known.setdefault(id(value), bytes(value.data))
        raise DataError(f"holds a picture as {array.dtype} of shape {array.shape}, not encoded")
    raise DataError(f"holds a {type(value).__name__} where an encoded picture belongs")


def _is_same(value: object) -> bool:
    if isinstance(value, PlainArray) and value.value.size == 1:
        value = value.value.reshape(-1)[0].item()
    if value in (0, 1) and isinstance(value, (bool, int)):
        return bool(value)
    if isinstance(value, (str, bytes)):
        shown = repr(value[:20])
    else:  # the text of a nested one may outgrow the memory
        shown = f"{value!r:.20}" if isinstance(value, (int, float)) else type(value).__name__
    raise DataError(f"holds {shown} where same or not belongs")
