"""What a pickle of plain data may build: arrays, numpy's types, and the few functions it names.

Each name stands for a function of our own. Arrays and types hold what the pickle says, and are
checked when they are asked for their value.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import DataError

__all__ = ["NAMES", "PlainArray", "PlainFunction", "PlainType", "to_bytes"]

_KINDS = "biufS"


class PlainArray:
    """An array as a pickle builds it up: a type, then a shape and bytes.

    Its parts come one after the other, so it is `value` that checks them.
    """

    def __init__(self) -> None:
        self.kind: PlainType | None = None
        self.shape: tuple[Any, ...] = ()
        self.data: Any = b""
        self.is_fortran = False

    @property
    def value(self) -> NDArray[Any]:
        """The array.

        Raises
        ------
        DataError
            When shape, type and bytes do not go together.
        """
        if self.kind is None or not isinstance(self.data, bytes):
            raise DataError("holds an array that is not plain numbers")
        dtype = self.kind.value
        if not all(isinstance(side, int) and 0 <= side < 1 << 40 for side in self.shape):
            raise DataError("holds an array of an impossible shape")
        count = 1
        for side in self.shape:
            count *= side
        if len(self.shape) > 8 or count * dtype.itemsize != len(self.data):
            raise DataError("holds an array whose bytes do not fill its shape")
        flat = np.frombuffer(self.data, dtype)
        return flat.reshape(self.shape, order="F" if self.is_fortran else "C")


class PlainType:
    """A numpy type by its name, with the byte order its state adds."""

    def __init__(self, name: str) -> None:
        self.name, self.order = name, "|"

    @property
    def value(self) -> np.dtype[Any]:
        """The type.

        Raises
        ------
        DataError
            When it is none of plain numbers.
        """
        name = self.name.lstrip("<>|=")
        if name[:1] not in _KINDS or not (name[1:].isdigit() and len(name) < 12):
            raise DataError(f"holds numbers of the type {self.name[:20]!r}, which is not plain")
        try:
            dtype = np.dtype(name)
        except (TypeError, ValueError) as error:
            raise DataError(f"holds numbers of the unknown type {self.name[:20]!r}") from error
        if dtype.itemsize == 0:
            raise DataError("holds numbers of no size")
        return dtype.newbyteorder(">") if self.order == ">" else dtype


class PlainFunction:
    """A name a pickle may use, standing for a function here."""

    def __init__(self, function: Callable[..., Any] | None) -> None:
        self.function = function


def _reconstruct(kind: Any, shape: Any, code: Any) -> PlainArray:
    return PlainArray()


def _scalar(kind: Any, data: Any = b"") -> Any:
    if not isinstance(kind, PlainType):
        raise DataError("holds a number without a plain type")
    array = PlainArray()
    array.kind, array.shape, array.data = kind, (), to_bytes(data)
    return array.value.item()


def _dtype(name: Any, *rest: Any) -> PlainType:
    return PlainType(to_bytes(name).decode("latin-1"))


def _frombuffer(data: Any, kind: Any, shape: Any, order: Any) -> PlainArray:
    array = PlainArray()
    array.kind = kind if isinstance(kind, PlainType) else None
    array.shape = shape if isinstance(shape, tuple) else (-1,)
    array.data, array.is_fortran = to_bytes(data), order in ("F", b"F")
    return array


def _encode(text: Any, name: Any) -> bytes:
    if not isinstance(text, str) or name not in ("latin1", "latin-1", b"latin1", b"latin-1"):
        raise DataError("encodes text in another way than pickles of bytes do")
    return text.encode("latin-1")


def _bytes(*values: Any) -> bytes:
    return to_bytes(values[0]) if values else b""


def to_bytes(value: Any) -> bytes:
    """Return bytes as they are, and what Python 2 wrote as text as the bytes it was.

    Raises
    ------
    DataError
        For anything else.
    """
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode("latin-1")
    raise DataError("holds something else where bytes belong")


_ARRAY = PlainFunction(None)
NAMES = {
    "numpy.ndarray": _ARRAY,
    "numpy.dtype": PlainFunction(_dtype),
    "_codecs.encode": PlainFunction(_encode),
    **dict.fromkeys(("builtins.bytes", "__builtin__.bytes"), PlainFunction(_bytes)),
    **dict.fromkeys(("builtins.bytearray", "__builtin__.bytearray"), PlainFunction(_bytes)),
}
for _core in ("numpy.core", "numpy._core"):
    NAMES[f"{_core}.multiarray._reconstruct"] = PlainFunction(_reconstruct)
    NAMES[f"{_core}.multiarray.scalar"] = PlainFunction(_scalar)
    NAMES[f"{_core}.numeric._frombuffer"] = PlainFunction(_frombuffer)
