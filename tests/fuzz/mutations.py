"""Seeded damage to files: bytes, text and JSON changed as accident and malice change them."""

import json
import random
import struct
from collections.abc import Callable
from typing import Any

__all__ = ["HOSTILE_TEXT", "mutate_bytes", "mutate_json", "mutate_text"]

_NUMBERS = (0, 1, 2, 3, 127, 255, 256, 65535, 1 << 24, (1 << 31) - 1, 1 << 31, (1 << 32) - 1)
_WIDE = (*_NUMBERS, 1 << 40, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)
_LONGEST_RUN = 1 << 16

HOSTILE_TEXT = (
    *("", "..", "../../escape", "/escape", "a/../../escape", "C:\\escape", "\0", "a\0b", "\ud800"),
    *("=cmd|'/c calc'!A1", "@SUM(1)", "<script>alert(1)</script>", "\x1b[2J\x07", "\u202ename"),
    *("nan", "inf", "-inf", "1e999", "-1", "0x10", "²", "٣", "9" * 5000, "1_0", "1e5", "-0"),
    *('"', '"unclosed', "'", ",", "\t", "\r", "\n\n", "a,b,c,d,e,f", "x" * 200_000, "é" * 300),
)
_HOSTILE_VALUES: tuple[Any, ...] = (
    *(None, True, False, -1, 0, 1, 3, 255, 65_536, 2**31, 2**53, 2**63, 2**64, -(2**70), 10**400),
    *(
        0.5,
        -1.5,
        1e308,
        float("inf"),
        float("-inf"),
        float("nan"),
        [],
        {},
        [[]],
        [None],
        {"": None},
    ),
    *(
        [1, 2, 3, 4, 5],
        {"a": {"b": {}}},
        "@DEEP@",
        ["x"] * 1000,
        [10**9, 10**9],
        "|O",
        "S2000000000",
    ),
)


def mutate_bytes(data: bytes, rng: random.Random) -> bytes:
    """Return data with one to four changes."""
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 4))):
        data = rng.choice(_CHANGES)(data, rng)
    return data


def _place(data: bytes, rng: random.Random) -> int:
    """Return a place, in half of all cases near the beginning or the end, where headers are."""
    size = len(data)
    kind = rng.random()
    if kind < 0.35:
        return rng.randrange(min(size, 512) or 1)
    if kind < 0.5:
        return max(0, size - 1 - rng.randrange(min(size, 512) or 1))
    return rng.randrange(size or 1)


def _flip(data: bytes, rng: random.Random) -> bytes:
    changed = bytearray(data or b"\0")
    for _ in range(rng.choice((1, 1, 2, 8))):
        changed[_place(data, rng)] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _set_number(data: bytes, rng: random.Random) -> bytes:
    code = rng.choice("BHIQ")
    order = rng.choice("<>")
    size = struct.calcsize(f"{order}{code}")
    value = rng.choice(_WIDE) & ((1 << 8 * size) - 1)
    at = _place(data, rng)
    return data[:at] + struct.pack(f"{order}{code}", value) + data[at + size :]


def _insert(data: bytes, rng: random.Random) -> bytes:
    at = _place(data, rng)
    return data[:at] + rng.randbytes(rng.choice((1, 2, 4, 16, 300))) + data[at:]


def _remove(data: bytes, rng: random.Random) -> bytes:
    at = _place(data, rng)
    return data[:at] + data[at + rng.choice((1, 2, 4, 16, 300)) :]


def _cut(data: bytes, rng: random.Random) -> bytes:
    return data[: _place(data, rng)]


def _splice(data: bytes, rng: random.Random) -> bytes:
    start, at = _place(data, rng), _place(data, rng)
    size = rng.choice((4, 16, 64, 512, 4096))
    return data[:at] + data[start : start + size] + data[at + (size if rng.random() < 0.5 else 0) :]


def _blank(data: bytes, rng: random.Random) -> bytes:
    at, size = _place(data, rng), rng.choice((1, 4, 64, 1024))
    fill = rng.choice((b"\0", b"\xff", b"\x80"))
    return data[:at] + fill * size + data[at + size :]


def _repeat(data: bytes, rng: random.Random) -> bytes:
    at, size = _place(data, rng), rng.choice((1, 4, 16))
    times = rng.choice((2, 100, _LONGEST_RUN // size))
    return data[:at] + data[at : at + size] * times + data[at:]


_CHANGES: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    *(_flip, _flip, _flip, _set_number, _set_number, _set_number),
    *(_insert, _remove, _cut, _splice, _blank, _repeat),
)


def mutate_text(data: bytes, rng: random.Random) -> bytes:
    """Return a text file with hostile cells, lines moved or gone, another encoding, or as bytes."""
    kind = rng.random()
    if kind < 0.15:
        return mutate_bytes(data, rng)
    if kind < 0.2:
        encoding = rng.choice(("utf-16", "utf-16-be", "utf-8-sig", "latin-1", "utf-32"))
        return data.decode("utf-8", "replace").encode(encoding, "replace")
    lines = data.split(b"\n")
    for _ in range(rng.choice((1, 1, 2, 3))):
        at = rng.randrange(len(lines))
        action = rng.random()
        if action < 0.6:
            lines[at] = _hostile_cell(lines[at], rng)
        elif action < 0.7:
            del lines[at]
        elif action < 0.8:
            lines.insert(at, rng.choice(lines or [b""]))
        elif action < 0.9:
            lines[at] = lines[at].replace(*rng.choice(((b",", b";"), (b",", b""), (b"\t", b" "))))
        else:
            lines.insert(at, rng.choice(HOSTILE_TEXT).encode("utf-8", "surrogatepass"))
        lines = lines or [b""]
    return b"\n".join(lines)


def _hostile_cell(line: bytes, rng: random.Random) -> bytes:
    separator = next((mark for mark in (b",", b"\t", b" ", b"=") if mark in line), b",")
    cells = line.split(separator)
    cells[rng.randrange(len(cells))] = rng.choice(HOSTILE_TEXT).encode("utf-8", "surrogatepass")
    return separator.join(cells)


def mutate_json(value: Any, rng: random.Random, keep: tuple[str, ...] = ()) -> Any:
    """Return a JSON value with one to three of its parts replaced, removed or doubled.

    Parameters
    ----------
    value : object
    rng : Random
    keep : tuple of str
        Keys at the top that stay as they are.
    """
    value = json.loads(json.dumps(value))
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        holders = [(value, key) for key in _keys(value) if key not in keep]
        for holder, key in list(holders):
            _collect(holder[key], holders)
        if not holders:
            return rng.choice(_HOSTILE_VALUES)
        holder, key = rng.choice(holders)
        action = rng.random()
        if action < 0.15:
            del holder[key]
        elif action < 0.25 and isinstance(holder, list):
            holder.append(holder[key])
        elif action < 0.35 and isinstance(holder, dict):
            holder[rng.choice(HOSTILE_TEXT)] = holder.pop(key)
        elif action < 0.65:
            holder[key] = rng.choice(HOSTILE_TEXT)
        else:
            holder[key] = rng.choice(_HOSTILE_VALUES)
    return value


def _keys(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value)
    return list(range(len(value))) if isinstance(value, list) else []


def _collect(value: Any, holders: list[tuple[Any, Any]]) -> None:
    for key in _keys(value):
        holders.append((value, key))
        _collect(value[key], holders)


def dump_json(value: Any) -> bytes:
    """Return hostile values as a JSON text; ``@DEEP@`` becomes a hundred thousand brackets."""
    text = json.dumps(value, ensure_ascii=False)
    text = text.replace('"@DEEP@"', "[" * 100_000 + "]" * 100_000)
    return text.encode("utf-8", "surrogatepass")
