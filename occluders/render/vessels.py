"""Vessels turned about an upright axis, and patterns wrapped around them.

Lengths are in scene units; a vessel stands with its middle at the origin.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..materials import Pattern
from ..shapes import Float32, Outline, Shape, revolve, spline, tube

__all__ = ["Vessel", "handle", "inside_out", "profile", "turned", "wrapped"]

Flat = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Vessel:
    """An open vessel.

    Parameters
    ----------
    side : ndarray of float, shape (M, 2)
        Radius and height from the foot up to the rim.
    wall : float
        Thickness.
    floor : float
        Of the bottom.
    stemmed : bool, optional
        On a stem, by which it is held.
    """

    side: NDArray[np.float64]
    wall: float
    floor: float
    stemmed: bool = False

    @property
    def top(self) -> float:
        """Height of the rim."""
        return float(self.side[-1, 1])

    @property
    def bottom(self) -> float:
        """Height of the foot."""
        return float(self.side[0, 1])

    def radius(self, height: float) -> float:
        """Return the outer radius at a height."""
        return float(np.interp(height, self.side[:, 1], self.side[:, 0]))

    def inner(self) -> NDArray[np.float64]:
        """Return radius and height of the wall's inner side, from the floor up to the rim."""
        low = self.bottom + self.floor
        heights = np.linspace(low, self.top, 24)
        outer = np.interp(heights, self.side[:, 1], self.side[:, 0])
        radii = np.maximum(outer - self.wall, 0.01)
        rounding = min(0.5 * float(radii[0]), 0.12)
        lift = np.clip((heights - low) / rounding, 0, 1)
        radii -= rounding * (1 - np.sqrt(1 - (1 - lift) ** 2))
        return np.stack([radii, heights], axis=1)

    def body(self) -> Shape:
        """Return the wall and the bottom."""
        lip = self.wall / 2
        angle = np.linspace(0, np.pi, 6)[1:-1]
        rim = np.stack(
            [self.side[-1, 0] - lip + lip * np.cos(angle), self.top + lip * np.sin(angle)], axis=1
        )
        inner = self.inner()[::-1]
        axis = [(0.0, float(inner[-1, 1])), (0.0, self.bottom)]
        return turned(np.concatenate([self.side, rim, inner, axis]), 230)

    def cavity(self) -> Shape:
        """Return what the wall encloses, open upwards."""
        inner = self.inner()
        above = [(float(inner[-1, 0]), self.top + 0.5), (0.0, self.top + 0.5)]
        return turned(np.concatenate([inner, above, [(0.0, float(inner[0, 1]))]]))

    def filling(self, level: float, gap: float = 0.0) -> Shape:
        """Return the drink up to a share of the height, `gap` away from the wall."""
        inner = self.inner()
        height = inner[0, 1] + level * (self.top - inner[0, 1])
        wet = inner[inner[:, 1] < height]
        edge = (float(np.interp(height, inner[:, 1], inner[:, 0])), height)
        points = np.concatenate([wet, [edge]]) - (gap, 0.0)
        points[:, 1] = np.maximum(points[:, 1], inner[0, 1] + gap)
        return turned(np.concatenate([points, [(0.0, height), (0.0, points[0, 1])]]))


def turned(points: NDArray[np.float64], cells: int = 150) -> Shape:
    """Return what a closed polygon of (radius, height) sweeps about the y axis."""
    mirror = points[::-1] * (-1.0, 1.0)  # the axis must not count as a border
    outer = points[points[:, 0] > 1e-6]
    return revolve(Outline(np.concatenate([outer, mirror[mirror[:, 0] < -1e-6]]), 0.15, cells))


def profile(points: Flat, steps: int = 6) -> NDArray[np.float64]:
    """Return a smooth side through a few points of (radius, height)."""
    return spline(points, steps)


def handle(
    vessel: Vessel, high: float, low: float, reach: float, thick: float, square: float
) -> Shape:
    """Return a handle on the right side, between two shares of the height."""
    tall = vessel.top - vessel.bottom
    y1, y0 = vessel.bottom + high * tall, vessel.bottom + low * tall
    x1, x0 = vessel.radius(y1) - vessel.wall, vessel.radius(y0) - vessel.wall
    far = max(x1, x0) + vessel.wall + reach
    rise = (y1 - y0) * (0.12 + 0.16 * (1 - square))
    path = spline(
        [
            (x1 - 0.1, y1, 0), (x1 + 0.3 * reach, y1 + 0.01, 0),
            (far - (1 - square) * 0.1 * reach, y1 - rise, 0), (far, (y0 + y1) / 2, 0),
            (far - 0.22 * reach, y0 + rise, 0), (x0 + 0.3 * reach, y0, 0), (x0 - 0.1, y0 + 0.02, 0),
        ],
        5,
    )  # fmt: skip
    rod, hollow = tube(path, thick), vessel.cavity()

    def distance(p: Float32) -> Float32:
        q = p * np.array([1, 1, 0.72], np.float32)  # wider than thick
        return np.asarray(np.maximum(rod(np.asfortranarray(q)), -hollow(p)), np.float32)

    return distance


def wrapped(pattern: Pattern, radius: float, start: float = 0.0) -> Pattern:
    """Return a flat pattern wound around the y axis, its middle turned by `start` radians."""

    def colour(p: Float32, n: Float32) -> Float32:
        angle = np.arctan2(p[:, 0], p[:, 2]) - np.float32(start)
        angle = np.mod(angle + np.float32(np.pi), np.float32(2 * np.pi)) - np.float32(np.pi)
        flat = np.stack([angle * np.float32(radius), p[:, 1], np.zeros(len(p), np.float32)], axis=1)
        return pattern(np.asarray(flat, np.float32), n)

    return colour


def inside_out(outer: Pattern, inner: Pattern, hollow: Callable[[Float32], Float32]) -> Pattern:
    """Return one pattern outside and another where the surface bounds a hollow."""

    def colour(p: Float32, n: Float32) -> Float32:
        within = hollow(p) < np.float32(0.008)
        return np.where(within[:, None], inner(p, n), outer(p, n))

    return colour
