"""Where rays meet the parts of a scene: sphere tracing, with boxes around the parts."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .errors import OccluderInputError
from .lighting import Light, unit
from .materials import Material
from .shapes import Float32, Shape

__all__ = [
    "REACH",
    "Part",
    "Placed",
    "Scene",
    "approach",
    "march",
    "occlusion",
    "points",
    "shadow",
]

_STEPS = 72
REACH = 4.0  # rays start this far before the plane at the origin, and end as far behind it


class Part(NamedTuple):
    """One solid of a scene."""

    shape: Shape
    material: Material


Placed = list[tuple[Part, tuple[Float32, Float32]]]


class Scene:
    """Parts, and where each of them lies.

    Parameters
    ----------
    parts : sequence of Part
    extent : float, optional
        Everything lies within this distance of the origin on each axis.
    step : float, optional
        Of the distance that a ray advances: below 1 where shapes are displaced or cut.

    Raises
    ------
    OccluderInputError
        When no part has a surface within the extent.
    """

    def __init__(self, parts: Sequence[Part], extent: float = 1.6, step: float = 0.9) -> None:
        bounds = [(part, _bounds(part.shape, extent)) for part in parts]
        found = [(part, limits) for part, limits in bounds if limits is not None]
        self.step = step
        self.solid = [row for row in found if not row[0].material.is_glass]
        self.glass = [row for row in found if row[0].material.is_glass]
        self.casting = [row for row in self.solid if not row[0].material.is_holdout]
        if not self.casting and not self.glass:
            raise OccluderInputError(f"no part of the scene lies within {extent} of its origin")

    def corners(self) -> NDArray[np.float64]:
        """Return the corners of the boxes of all visible parts, shape (N, 3)."""
        sign = np.array(np.meshgrid([-1, 1], [-1, 1], [-1, 1])).reshape(3, 8).T
        rows = [middle + sign * half for _, (middle, half) in self.casting + self.glass]
        return np.concatenate(rows).astype(np.float64)


def _distance(placed: Placed, p: Float32, cap: float) -> tuple[Float32, NDArray[np.int64]]:
    """Return the distance to the nearest part, at most `cap`, and its index or -1."""
    best = np.full(len(p), cap, np.float32)
    which = np.full(len(p), -1, np.int64)
    x, y, z = (np.ascontiguousarray(p[:, axis]) for axis in range(3))
    for k, (part, (middle, half)) in enumerate(placed):
        lower = np.abs(x - middle[0]) - half[0]  # never above the distance
        for column, centre, reach in ((y, middle[1], half[1]), (z, middle[2], half[2])):
            other = column - centre
            np.abs(other, out=other)
            other -= reach
            np.maximum(lower, other, out=lower)
        rows = np.flatnonzero(lower < best)
        if not len(rows):
            continue
        inside = p if len(rows) == len(p) else np.stack([x[rows], y[rows], z[rows]]).T
        distance = part.shape(inside)
        closer = distance < best[rows]
        best[rows[closer]] = distance[closer]
        which[rows[closer]] = k
    return best, which


def approach(scene: Scene, placed: Placed, origin: Float32, aim: Float32, radius: float) -> Float32:
    """Return how far rays of this `radius` go free, (N,); infinite where they hit nothing."""
    t = np.zeros(origin.shape[0], np.float32)
    if not placed:
        return np.full_like(t, np.inf)
    thick = np.float32(radius)
    alive = np.arange(len(t))
    for _ in range(_STEPS):
        d, _ = _distance(placed, points(origin[alive], aim[alive], t[alive]), 0.5)
        free = d > 2 * thick
        alive = alive[free]
        t[alive] += (d[free] - thick) * np.float32(scene.step)
        gone = t[alive] > 2 * REACH
        t[alive[gone]] = np.inf
        alive = alive[~gone]
        if not len(alive):
            break
    return t


def march(
    scene: Scene,
    placed: Placed,
    origin: Float32,
    aim: Float32,
    start: Float32,
    precision: float,
) -> tuple[Float32, NDArray[np.int64]]:
    """Return depths of the first surfaces, infinite where none, and their parts or -1."""
    t = start.astype(np.float32, copy=True)
    which = np.full(len(t), -1, np.int64)
    alive = np.flatnonzero(np.isfinite(t))
    for _ in range(_STEPS):
        if not len(alive):
            return t, which
        d, k = _distance(placed, points(origin[alive], aim[alive], t[alive]), 0.5)
        d = np.abs(d)  # from within glass outwards
        hit = d < precision
        which[alive[hit]] = k[hit]
        t[alive] += d * np.float32(scene.step)
        alive = alive[~hit]
        alive = alive[t[alive] < 2 * REACH]
    t[which < 0] = np.inf
    return t, which


def occlusion(scene: Scene, p: Float32, n: Float32) -> Float32:
    """Return the share of the sky seen from points, from a few distances along the normal."""
    total = np.zeros(len(p), np.float32)
    weight = np.float32(1.0)
    for reach in (0.02, 0.05, 0.1, 0.18):
        d, _ = _distance(scene.casting, p + n * np.float32(reach), reach)
        total += weight * (1 - d / np.float32(reach))
        weight *= np.float32(0.8)
    return np.clip(1 - total * np.float32(0.55), 0.08, 1).astype(np.float32)


def shadow(scene: Scene, light: Light, p: Float32, n: Float32, pixel: float) -> Float32:
    """Return the share of the lamp seen from points: narrow misses shade partly."""
    key = unit(np.asarray([light.key], np.float32))[0]
    result = np.ones(len(p), np.float32)
    alive = np.flatnonzero(n @ key > 0)
    base = p + n * np.float32(1.5 * pixel)
    t = np.full(len(p), 0.02, np.float32)
    for _ in range(12):
        d, _ = _distance(scene.casting, points(base[alive], key, t[alive]), 0.25)
        result[alive] = np.minimum(result[alive], np.float32(light.softness) * d / t[alive])
        t[alive] += np.clip(d, 0.02, 0.25)
        alive = alive[(result[alive] > 0.02) & (t[alive] < 1.4)]
        if not len(alive):
            break
    soft = np.clip(result, 0, 1)
    return np.asarray(soft * soft * (3 - 2 * soft))


def _bounds(shape: Shape, extent: float) -> tuple[Float32, Float32] | None:
    """Return the middle and half sides of a box around a shape, or None where there is none."""
    middle, half = np.zeros(3, np.float32), np.full(3, extent, np.float32)
    for cells in (18, 14):
        steps = (np.arange(cells, dtype=np.float32) + 0.5) * 2 / cells - 1
        mesh = np.stack(np.meshgrid(steps, steps, steps, indexing="ij")).reshape(3, -1)
        spots = np.asarray((mesh * half[:, None] + middle[:, None]).T, np.float32)
        cell = half / np.float32(cells)
        inside = shape(spots) <= np.float32(1.15 * np.linalg.norm(cell))
        if not inside.any():
            return None
        low, high = spots[inside].min(axis=0) - cell, spots[inside].max(axis=0) + cell
        middle, half = (low + high) / 2, (high - low) / 2
    return middle, half


def points(origin: Float32, aim: Float32, t: Float32) -> Float32:
    """Return origin + t * aim with each coordinate contiguous."""
    return np.asarray((origin.T + t * aim.reshape(-1, 3).T).T)
