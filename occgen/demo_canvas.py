"""The flat canvas a demo face is painted on, before it is turned and lit.

Everything is made of additions, multiplications and square roots of float32, of tables, and of
OpenCV's integer filters, so that one face has the same bytes on every machine.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = [
    "COLUMNS",
    "LEFT",
    "ROWS",
    "SCALE",
    "TOP",
    "UNIT",
    "Canvas",
    "Patch",
    "Window",
    "axes",
    "hill",
    "loft",
    "noise",
    "slopes",
    "smooth",
    "step",
]

SCALE = 1.25
"""Canvas pixels in a pixel of the template."""
LEFT, TOP = -60.0, -58.0
"""u and v of the canvas's corner: pixels of the template from between the eyes."""
COLUMNS, ROWS = 150, 156
"""Size of the canvas in its own pixels."""

UNIT = 8192.0
"""What stands for 1 in a relief of integers."""

_TILE = 512
_GRAINS = {"fine": (1.0, 1.0), "blob": (2.0, 2.0), "cloud": (7.0, 7.0), "strand": (1.0, 15.0)}

Float32 = NDArray[np.float32]


class Window:
    """A part of the canvas, with u and v of its pixels.

    Parameters
    ----------
    u0, v0, u1, v1 : float
        What it covers at least, cut at the canvas's border.
    """

    __slots__ = ("shape", "u", "v", "where")

    def __init__(self, u0: float, v0: float, u1: float, v1: float) -> None:
        c0, c1 = _span((u0 - LEFT) * SCALE, (u1 - LEFT) * SCALE, COLUMNS)
        r0, r1 = _span((v0 - TOP) * SCALE, (v1 - TOP) * SCALE, ROWS)
        columns, rows = axes()
        self.where = slice(r0, r1), slice(c0, c1)
        self.shape = r1 - r0, c1 - c0
        self.u: Float32 = columns[:, c0:c1]
        self.v: Float32 = rows[r0:r1]


class Canvas:
    """Layers of a drawing.

    Attributes
    ----------
    colour : ndarray of float32, shape (4, ROWS, COLUMNS)
        Albedo as linear red, green and blue, and how much of the background is hidden.
    relief : ndarray of float32, shape (4, ROWS, COLUMNS)
        Slope to the right and downwards, share of the sky that is seen, and gloss.
    """

    def __init__(self) -> None:
        self.colour: Float32 = np.zeros((4, ROWS, COLUMNS), np.float32)
        self.relief: Float32 = np.zeros((4, ROWS, COLUMNS), np.float32)

    def over(self, part: Window, share: Float32, colour: Any, relief: Sequence[Any]) -> None:
        """Lay a thing over what is there.

        Parameters
        ----------
        part : Window
        share : ndarray of float32, of the window's shape
            Opacity.
        colour : sequence of 3 numbers or arrays of the window's shape
        relief : sequence of 4 numbers or arrays of the window's shape
        """
        keep = 1 - share
        layers = (self.colour, (*colour, 1.0)), (self.relief, relief)
        for planes, values in layers:
            for plane, value in zip(planes, values, strict=True):
                there = plane[part.where]
                there *= keep
                there += share * value

    def tint(self, part: Window, share: Float32, factor: Any) -> None:
        """Multiply the albedo by a colour, as far as a share of the window's shape says."""
        change = np.asarray(factor, np.float32).reshape(3, 1, 1) - 1
        self.colour[:3, part.where[0], part.where[1]] *= 1 + share * change

    def paint(self, part: Window, share: Float32, colour: Sequence[Any]) -> None:
        """Blend a colour over the albedo alone."""
        for plane, value in zip(self.colour, colour, strict=False):
            there = plane[part.where]
            there += share * (value - there)

    def dab(
        self, u: float, v: float, across: float, down: float, factor: Any, twice: bool = False
    ) -> None:
        """Multiply the albedo by a colour in a soft spot, or in one on each side."""
        far = abs(u) + 2.5 * across
        part = Window(-far if twice else u - 2.5 * across, v - 2.5 * down, far, v + 2.5 * down)
        row = hill(part.u - u, across)
        if twice:
            row = np.maximum(row, hill(part.u + u, across))
        self.tint(part, row * hill(part.v - v, down), factor)


class Patch:
    """Windows of a painted head in floats, to be painted on and written to a copy of the head.

    Parameters
    ----------
    colour : ndarray of uint8, shape (ROWS, COLUMNS, 4)
        Roots of albedo.
    relief : ndarray of int16, shape (ROWS, COLUMNS, 4)
        In `UNIT`.
    windows : sequence of pairs of slices
        Of equal size.

    Attributes
    ----------
    root : ndarray of float32, shape (3, N, R, C)
    relief : ndarray of float32, shape (4, N, R, C)
    """

    def __init__(
        self,
        colour: NDArray[np.uint8],
        relief: NDArray[np.int16],
        windows: Sequence[tuple[slice, slice]],
    ) -> None:
        self._windows = windows
        root = np.stack([colour[window][:, :, :3] for window in windows]).transpose(3, 0, 1, 2)
        self.root: Float32 = np.multiply(root, np.float32(1 / 255), order="C")
        bent = np.stack([relief[window] for window in windows]).transpose(3, 0, 1, 2)
        self.relief: Float32 = np.multiply(bent, np.float32(1 / UNIT), order="C")

    def copy(self) -> "Patch":
        """Return a patch that can be painted on while this one stays as it is."""
        other = Patch.__new__(Patch)
        other._windows = self._windows
        other.root, other.relief = self.root.copy(), self.relief.copy()
        return other

    def paint(self, share: Float32, root: object) -> None:
        """Blend a colour, given as square roots, over what is there."""
        tone = np.asarray(root, np.float32)
        tone = tone.reshape(3, 1, 1, 1) if tone.ndim == 1 else tone
        self.root += share * (tone - self.root)

    def put(self, colour: NDArray[np.uint8], relief: NDArray[np.int16]) -> None:
        """Write the windows to a head's colour and relief."""
        root = self.root * 255 + np.float32(0.5)
        root = np.minimum(np.maximum(root, 0), 255).astype(np.uint8)
        bent = (self.relief * np.float32(UNIT)).astype(np.int16)
        for number, window in enumerate(self._windows):
            colour[window][:, :, :3] = cv2.merge(list(root[:, number]))
            relief[window] = cv2.merge(list(bent[:, number]))


@lru_cache(maxsize=1)
def axes() -> tuple[Float32, Float32]:
    """Return u of the columns, (1, COLUMNS), and v of the rows, (ROWS, 1)."""
    u = LEFT + (np.arange(COLUMNS, dtype=np.float32) + 0.5) / SCALE
    v = TOP + (np.arange(ROWS, dtype=np.float32) + 0.5) / SCALE
    u, v = np.asarray(u[None], np.float32), np.asarray(v[:, None], np.float32)
    u.flags.writeable = v.flags.writeable = False
    return u, v


def hill(x: NDArray[Any], width: float | Float32 = 1.0, size: float = 1.0) -> Float32:
    """Return a bump along an axis: close to a Gaussian, 0 from 2.8 widths on, no exponentials."""
    near = x * np.float32(1 / width) if isinstance(width, float | int) else x / width
    near = np.maximum(1 - near * near * np.float32(0.125), 0)
    near *= near
    near *= near
    near *= near
    return np.asarray(near * np.float32(size), np.float32)


def smooth(x: NDArray[Any], low: float, high: float) -> Float32:
    """Return a smooth step: 0 up to `low`, 1 from `high`; falling where `high` is the smaller."""
    t = np.minimum(np.maximum((x - np.float32(low)) * np.float32(1 / (high - low)), 0), 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def step(x: NDArray[Any], soft: float = 0.7) -> Float32:
    """Return a step from 0 to 1 around 0, `soft` wide."""
    t = x * np.float32(1 / soft) + np.float32(0.5)
    return np.asarray(np.minimum(np.maximum(t, 0), 1), np.float32)


def loft(v: NDArray[Any], knots: Sequence[tuple[float, float]]) -> Float32:
    """Return a smooth curve through knots (position, value), constant outside (Catmull-Rom)."""
    at = np.array([knot[0] for knot in knots])
    values = np.array([knot[1] for knot in knots])
    slope = np.zeros(len(at))
    slope[1:-1] = (values[2:] - values[:-2]) / (at[2:] - at[:-2])
    x = np.clip(v.astype(np.float64), at[0], at[-1])
    i = np.clip(np.searchsorted(at, x, side="right") - 1, 0, len(at) - 2)
    length = at[i + 1] - at[i]
    t = (x - at[i]) / length
    rest = 1 - t
    curve = rest * rest * ((1 + 2 * t) * values[i] + t * length * slope[i])
    curve = curve + t * t * ((3 - 2 * t) * values[i + 1] - rest * length * slope[i + 1])
    return np.asarray(curve, np.float32)


def slopes(height: Float32, limit: float = 3.0) -> tuple[Float32, Float32]:
    """Return how fast a height rises to the right and downwards, each (R, C)."""
    across, down = np.zeros_like(height), np.zeros_like(height)
    across[:, 1:-1] = height[:, 2:] - height[:, :-2]
    down[1:-1] = height[2:] - height[:-2]
    across[:, 0], across[:, -1] = across[:, 1], across[:, -2]
    down[0], down[-1] = down[1], down[-2]
    for part in (across, down):
        part *= np.float32(SCALE / 2)
        np.minimum(np.maximum(part, -limit, out=part), limit, out=part)
    return across, down


def noise(kind: str, number: int, rows: int, columns: int) -> Float32:
    """Return a patch of noise of mean 0 and deviation 1, float32 (rows, columns).

    Parameters
    ----------
    kind : str
        `fine`, `blob`, `cloud` or `strand` (long downwards).
    number : int
        Which patch.
    """
    down = number * 37 % (_TILE - rows + 1)
    across = number * 61 % (_TILE - columns + 1)
    return _tile(kind)[down : down + rows, across : across + columns]


@lru_cache(maxsize=8)
def _tile(kind: str) -> Float32:
    """Return noise that repeats, float32 (512, 512); filtered in integers."""
    across, down = _GRAINS[kind]
    rng = np.random.Generator(np.random.Philox(key=sorted(_GRAINS).index(kind)))
    grain = rng.integers(0, 65536, (_TILE, _TILE), np.uint16)
    wide = np.pad(grain, 64, mode="wrap")
    wide = cv2.GaussianBlur(wide, (0, 0), sigmaX=across, sigmaY=down)
    whole = wide[64:-64, 64:-64].astype(np.int64)
    mean = int(whole.sum()) / whole.size
    deviation = (int((whole * whole).sum()) / whole.size - mean * mean) ** 0.5
    tile = np.asarray((whole - mean) / deviation, np.float32)
    tile.flags.writeable = False
    return tile


def _span(low: float, high: float, side: int) -> tuple[int, int]:
    first = min(max(int(low), 0), side - 1)
    return first, min(max(int(high) + 1, first + 1), side)
