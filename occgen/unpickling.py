"""Pickles of plain data, read by a small machine of our own: nothing a file names is ever called.

Lists, tuples, bytes, text, numbers, booleans and numpy arrays and scalars of plain types are known,
under numpy's old and new module names and as Python 2 wrote them. Anything else is refused.
"""

import codecs
import struct
from collections.abc import Callable
from typing import Any

from .errors import DataError
from .plain_values import NAMES, PlainArray, PlainFunction, PlainType, to_bytes

__all__ = ["load_plain"]

_MARK = object()
_MAX_MEMO = 1 << 26
_MOST_COPIES = 8  # bytes made by calls, times the file's


def load_plain(data: bytes) -> Any:
    """Return what a pickle of plain data holds; nothing it names is imported or called.

    Parameters
    ----------
    data : bytes
        A pickle of any protocol.

    Returns
    -------
    object
        Lists, tuples, bytes (Python 2's strings too), str, int, float, bool, None, and `PlainArray`
        for arrays.

    Raises
    ------
    DataError
        When it names anything else, or is damaged; the message is the reason alone.
    """
    try:
        return _Machine(data).run()
    except (IndexError, ValueError, struct.error, TypeError, KeyError, OverflowError) as error:
        raise DataError("is a damaged or truncated pickle") from error


class _Machine:
    """The stack, the memo and the place in the data."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}
        self._copied = 0

    def run(self) -> Any:
        data, actions = self._data, _ACTIONS
        while True:
            code = data[self._at]
            self._at += 1
            if code == 0x2E:  # the end
                return self._pop()
            action = actions.get(code)
            if action is None:
                shown = chr(code) if 32 < code < 127 else f"0x{code:02x}"
                raise DataError(f"uses the pickle instruction {shown!r}, which plain data need not")
            action(self)

    def take(self, count: int) -> bytes:
        """Return the next bytes."""
        end = self._at + count
        if count < 0 or end > len(self._data):
            raise ValueError("cut off")
        found = self._data[self._at : end]
        self._at = end
        return found

    def pass_over(self, count: int) -> None:
        """Go on behind the next bytes."""
        self.take(count)

    def number(self, code: str) -> int:
        """Return the next number of a kind of `struct`."""
        return int(struct.unpack(f"<{code}", self.take(struct.calcsize(code)))[0])

    def line(self) -> bytes:
        """Return what is left of the line."""
        end = self._data.index(b"\n", self._at)
        found = self._data[self._at : end]
        self._at = end + 1
        return found

    def push(self, value: Any) -> None:
        self._stack.append(value)

    def _pop(self) -> Any:
        value = self._stack.pop()
        if value is _MARK:
            raise ValueError("a mark in place of a value")
        return value

    def _to_mark(self) -> list[Any]:
        values = []
        while (value := self._stack.pop()) is not _MARK:
            values.append(value)
        return values[::-1]

    def mark(self) -> None:
        self._stack.append(_MARK)

    def drop(self) -> None:
        self._stack.pop()

    def drop_to_mark(self) -> None:
        self._to_mark()

    def copy(self) -> None:
        self.push(self._stack[-1])

    def tuple_of(self, count: int) -> None:
        values = [self._pop() for _ in range(count)]
        self.push(tuple(values[::-1]))

    def tuple_to_mark(self) -> None:
        self.push(tuple(self._to_mark()))

    def list_to_mark(self) -> None:
        self.push(self._to_mark())

    def append(self) -> None:
        value = self._pop()
        self._list().append(value)

    def extend(self) -> None:
        values = self._to_mark()
        self._list().extend(values)

    def _list(self) -> list[Any]:
        target = self._stack[-1]
        if not isinstance(target, list):
            raise TypeError("appends to what is no list")
        return target

    def keep(self, place: int) -> None:
        if not 0 <= place < _MAX_MEMO:
            raise ValueError("no such place")
        self._memo[place] = self._stack[-1]

    def keep_next(self) -> None:
        self.keep(len(self._memo))

    def fetch(self, place: int) -> None:
        self.push(self._memo[place])

    def name(self, module: Any, name: Any) -> None:
        full = f"{_text(module)}.{_text(name)}"
        found = NAMES.get(full)
        if found is None:
            raise DataError(f"names {full[:60]!r}, which plain data need not; it is refused")
        self.push(found)

    def name_on_stack(self) -> None:
        name = self._pop()
        self.name(self._pop(), name)

    def reduce(self) -> None:
        arguments, target = self._pop(), self._pop()
        if not isinstance(target, PlainFunction) or target.function is None:
            raise DataError("calls what is no function of plain data; it is refused")
        if not isinstance(arguments, tuple):
            raise TypeError("arguments are no tuple")
        value = target.function(*arguments)
        if isinstance(value, bytes):
            self._count(len(value))
        elif isinstance(value, PlainArray) and isinstance(value.data, bytes):
            self._count(0 if any(value.data is part for part in arguments) else len(value.data))
        self.push(value)

    def _count(self, size: int) -> None:
        """Count bytes that were copied; raise DataError where they are many more than the file."""
        self._copied += size
        if self._copied > _MOST_COPIES * len(self._data):
            raise DataError("copies the same bytes again and again; it is refused")

    def build(self) -> None:
        state, target = self._pop(), self._stack[-1]
        if isinstance(target, PlainArray) and isinstance(state, tuple) and len(state) in (4, 5):
            shape, kind, is_fortran, data = state[-4:]
            target.kind = kind if isinstance(kind, PlainType) else None
            target.shape = shape if isinstance(shape, tuple) else (-1,)
            target.is_fortran = bool(is_fortran)
            target.data = to_bytes(data) if isinstance(data, (bytes, str)) else None
            if isinstance(data, str):
                self._count(len(data))
        elif isinstance(target, PlainType) and isinstance(state, tuple) and len(state) >= 2:
            if any(part is not None for part in state[2:5]):
                raise DataError("holds numbers with parts, which are not plain")
            target.order = _text(state[1])
        else:
            raise DataError("sets the state of what is no array; it is refused")


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _whole_number(line: bytes) -> int | bool:
    if line in (b"00", b"01"):
        return line == b"01"
    if len(line) > 20:
        raise ValueError("no number")
    return int(line.rstrip(b"L"))


def _quoted(line: bytes) -> bytes:
    line = line.strip()
    if len(line) < 2 or line[:1] not in (b"'", b'"') or line[-1:] != line[:1]:
        raise ValueError("no string")
    return codecs.escape_decode(line[1:-1])[0]


def _signed(machine: _Machine, count: int) -> int:
    if not 0 <= count <= 8:
        raise ValueError("too large a number")
    return int.from_bytes(machine.take(count), "little", signed=True)


_ACTIONS: dict[int, Callable[[_Machine], None]] = {
    ord(code): action
    for code, action in {
        "\x80": lambda m: m.pass_over(1),  # protocol
        "\x95": lambda m: m.pass_over(8),  # frame
        "(": _Machine.mark,
        "0": _Machine.drop,
        "1": _Machine.drop_to_mark,
        "2": _Machine.copy,
        "]": lambda m: m.push([]),
        "l": _Machine.list_to_mark,
        "a": _Machine.append,
        "e": _Machine.extend,
        ")": lambda m: m.push(()),
        "t": _Machine.tuple_to_mark,
        "\x85": lambda m: m.tuple_of(1),
        "\x86": lambda m: m.tuple_of(2),
        "\x87": lambda m: m.tuple_of(3),
        "N": lambda m: m.push(None),
        "\x88": lambda m: m.push(True),
        "\x89": lambda m: m.push(False),
        "I": lambda m: m.push(_whole_number(m.line())),
        "L": lambda m: m.push(_whole_number(m.line())),
        "J": lambda m: m.push(m.number("i")),
        "K": lambda m: m.push(m.number("B")),
        "M": lambda m: m.push(m.number("H")),
        "\x8a": lambda m: m.push(_signed(m, m.number("B"))),
        "\x8b": lambda m: m.push(_signed(m, m.number("i"))),
        "G": lambda m: m.push(struct.unpack(">d", m.take(8))[0]),
        "F": lambda m: m.push(float(m.line())),
        "S": lambda m: m.push(_quoted(m.line())),
        "T": lambda m: m.push(m.take(m.number("i"))),
        "U": lambda m: m.push(m.take(m.number("B"))),
        "B": lambda m: m.push(m.take(m.number("I"))),
        "C": lambda m: m.push(m.take(m.number("B"))),
        "\x8e": lambda m: m.push(m.take(m.number("Q"))),
        "\x96": lambda m: m.push(m.take(m.number("Q"))),
        "V": lambda m: m.push(m.line().decode("raw-unicode-escape")),
        "X": lambda m: m.push(m.take(m.number("I")).decode("utf-8", "surrogatepass")),
        "\x8c": lambda m: m.push(m.take(m.number("B")).decode("utf-8", "surrogatepass")),
        "\x8d": lambda m: m.push(m.take(m.number("Q")).decode("utf-8", "surrogatepass")),
        "c": lambda m: m.name(m.line(), m.line()),
        "\x93": _Machine.name_on_stack,
        "R": _Machine.reduce,
        "b": _Machine.build,
        "p": lambda m: m.keep(int(m.line())),
        "q": lambda m: m.keep(m.number("B")),
        "r": lambda m: m.keep(m.number("I")),
        "\x94": _Machine.keep_next,
        "g": lambda m: m.fetch(int(m.line())),
        "h": lambda m: m.fetch(m.number("B")),
        "j": lambda m: m.fetch(m.number("I")),
    }.items()
}
