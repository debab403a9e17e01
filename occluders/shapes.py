"""Signed distance functions: solids, what is made from them, and how they are moved.

A shape is a function of points, float32 of shape (N, 3), to distances, float32 of shape (N,):
negative inside, zero on the surface. In a scene x points right, y up and z to the viewer.
Distances of the primitives are exact unless said otherwise; what is displaced, joined smoothly or
cut is a lower bound near its seams, for which the ray marcher takes shorter steps.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "Outline",
    "Shape",
    "box",
    "capsule",
    "cone",
    "cylinder",
    "ellipsoid",
    "extrude",
    "intersect",
    "mirror",
    "move",
    "plane",
    "revolve",
    "rotation",
    "shell",
    "smooth_union",
    "sphere",
    "spline",
    "subtract",
    "superellipse",
    "torus",
    "tube",
    "union",
]

Float32 = NDArray[np.float32]
Shape = Callable[[Float32], Float32]
Vector = ArrayLike


def sphere(centre: Vector, radius: float) -> Shape:
    """Return a ball."""
    middle = _vector(centre)
    return lambda p: _norm(p - middle) - np.float32(radius)


def ellipsoid(centre: Vector, radii: Vector) -> Shape:
    """Return an ellipsoid; the distance is of first order, exact only on its surface."""
    middle, size = _vector(centre), _vector(radii)

    def distance(p: Float32) -> Float32:
        q = (p - middle) / size
        near = _norm(q)
        slope = np.maximum(_norm(q / size), np.float32(1e-6))
        return _float(np.maximum(near * (near - 1) / slope, -size.min()))

    return distance


def box(centre: Vector, half: Vector, radius: float = 0.0) -> Shape:
    """Return a box of half sides `half`, its edges rounded by `radius`, rounding included."""
    middle = _vector(centre)
    inner = np.maximum(_vector(half) - np.float32(radius), 0)

    def distance(p: Float32) -> Float32:
        q = np.abs(p - middle) - inner
        outside = _norm(np.maximum(q, 0))
        return _float(
            outside
            + np.minimum(np.maximum(np.maximum(q[:, 0], q[:, 1]), q[:, 2]), 0)
            - np.float32(radius)
        )

    return distance


def plane(normal: Vector, offset: float) -> Shape:
    """Return the half space of points whose product with the unit `normal` is below `offset`."""
    direction = _vector(normal) / np.linalg.norm(_vector(normal))
    return lambda p: _float(p @ direction - np.float32(offset))


def capsule(start: Vector, end: Vector, radius: float, end_radius: float | None = None) -> Shape:
    """Return a rod with round ends; with another `end_radius` it tapers (first order then)."""
    ends = np.stack([_vector(start), _vector(end)])
    return tube(ends, [radius, radius if end_radius is None else end_radius])


def tube(path: ArrayLike, radius: ArrayLike) -> Shape:
    """Return a rod along a polyline.

    Parameters
    ----------
    path : array_like, shape (M, 3)
    radius : float or sequence of M floats
        Between two vertices it changes linearly.
    """
    points = np.asarray(path, np.float32)
    radii = np.broadcast_to(np.asarray(radius, np.float32), (len(points),))
    spans = []
    for k in range(len(points) - 1):
        along = points[k + 1] - points[k]
        length = np.float32(max(float(along @ along), 1e-12))
        spans.append((points[k], along, length, radii[k], radii[k + 1] - radii[k]))

    def distance(p: Float32) -> Float32:
        x, y, z = (np.ascontiguousarray(p[:, axis]) for axis in range(3))
        best = np.full(len(p), np.inf, np.float32)
        for start, along, length, thin, more in spans:
            dx, dy, dz = x - start[0], y - start[1], z - start[2]
            share = np.clip((dx * along[0] + dy * along[1] + dz * along[2]) / length, 0, 1)
            dx -= share * along[0]
            dy -= share * along[1]
            dz -= share * along[2]
            gap = np.sqrt(dx * dx + dy * dy + dz * dz)
            np.minimum(best, gap - (thin + share * more if more else thin), out=best)
        return best

    return distance


def cylinder(centre: Vector, radius: float, half: float, rounding: float = 0.0) -> Shape:
    """Return an upright cylinder (along y) of half height `half`."""
    return cone(centre, radius, radius, half, rounding)


def cone(centre: Vector, bottom: float, top: float, half: float, rounding: float = 0.0) -> Shape:
    """Return an upright cone cut at both ends, `half` high to either side of its centre."""
    low, high, tall = bottom - rounding, top - rounding, half - rounding
    corners = [(0.0, -tall), (low, -tall), (high, tall), (0.0, tall)]
    edges = [(np.float32(a), np.float32(b)) for a, b in corners]

    def profile(r: Float32, y: Float32) -> Float32:
        best = np.full(len(r), np.inf, np.float32)
        for (ax, ay), (bx, by) in pairwise(edges):
            ex, ey = bx - ax, by - ay
            length = np.float32(max(float(ex * ex + ey * ey), 1e-12))
            share = ((r - ax) * ex + (y - ay) * ey) / length
            share = np.clip(share, 0, 1)
            np.minimum(best, np.hypot(r - ax - share * ex, y - ay - share * ey), out=best)
        wall = np.float32(low) + (y + np.float32(tall)) * np.float32((high - low) / (2 * tall))
        inside = (np.abs(y) < tall) & (r < wall)
        return _float(np.where(inside, -best, best) - np.float32(rounding))

    return revolve(profile, centre)


def torus(centre: Vector, radius: float, thickness: float, axis: int = 2) -> Shape:
    """Return a ring about an axis (0 x, 1 y, 2 z); `thickness` is the radius of its section."""
    middle = _vector(centre)
    first, second = (k for k in range(3) if k != axis)

    def distance(p: Float32) -> Float32:
        q = p - middle
        ring = np.hypot(q[:, first], q[:, second]) - np.float32(radius)
        return _float(np.hypot(ring, q[:, axis]) - np.float32(thickness))

    return distance


def revolve(profile: Callable[[Float32, Float32], Float32], centre: Vector = (0, 0, 0)) -> Shape:
    """Return what a flat shape of (distance from the axis, height) sweeps about the y axis."""
    middle = _vector(centre)

    def distance(p: Float32) -> Float32:
        q = p - middle
        return profile(_float(np.hypot(q[:, 0], q[:, 2])), q[:, 1])

    return distance


class Outline:
    """A closed polygon as a flat distance function, looked up in a table.

    Parameters
    ----------
    points : array_like, shape (M, 2)
        Vertices; the last joins the first.
    margin : float, optional
        How far around the polygon the table reaches; beyond, distances grow as from its border.
    cells : int, optional
        Along the longer side of the table.
    """

    def __init__(self, points: ArrayLike, margin: float = 0.25, cells: int = 160) -> None:
        polygon = np.asarray(points, np.float64)
        self.low = polygon.min(axis=0) - margin
        self.high = polygon.max(axis=0) + margin
        self.cell = float((self.high - self.low).max()) / cells
        columns, rows = (np.ceil((self.high - self.low) / self.cell).astype(int) + 2).tolist()
        x = self.low[0] + self.cell * np.arange(columns)
        y = self.low[1] + self.cell * np.arange(rows)
        grid = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
        self.columns, self.rows = columns, rows
        self.table = _polygon_distance(grid, polygon).astype(np.float32)

    def __call__(self, x: Float32, y: Float32) -> Float32:
        """Return signed distances of points of coordinates `x` and `y`, each of shape (N,)."""
        u = (x - np.float32(self.low[0])) * np.float32(1 / self.cell)
        v = (y - np.float32(self.low[1])) * np.float32(1 / self.cell)
        inner_u = np.clip(u, 0, np.float32(self.columns - 1.001))
        inner_v = np.clip(v, 0, np.float32(self.rows - 1.001))
        column, row = inner_u.astype(np.int32), inner_v.astype(np.int32)
        du, dv = inner_u - column, inner_v - row
        first = row * self.columns + column
        table = self.table
        low = table[first] * (1 - du) + table[first + 1] * du
        high = table[first + self.columns] * (1 - du) + table[first + self.columns + 1] * du
        beyond = np.hypot(u - inner_u, v - inner_v) * np.float32(self.cell)
        return _float(low * (1 - dv) + high * dv + beyond)


def extrude(
    flat: Callable[[Float32, Float32], Float32],
    half: float,
    rounding: float = 0.0,
    centre: Vector = (0, 0, 0),
) -> Shape:
    """Return a flat shape in x and y made thick along z: `half` to either side, rounding included.

    The rounding grows outwards from the given shape's outline shrunk by it.
    """
    middle = _vector(centre)
    depth, soft = np.float32(half - rounding), np.float32(rounding)

    def distance(p: Float32) -> Float32:
        q = p - middle
        across = flat(q[:, 0], q[:, 1]) + soft
        along = np.abs(q[:, 2]) - depth
        outside = np.hypot(np.maximum(across, 0), np.maximum(along, 0))
        return _float(outside + np.minimum(np.maximum(across, along), 0) - soft)

    return distance


def union(*shapes: Shape) -> Shape:
    """Return what is in any of the shapes."""

    def distance(p: Float32) -> Float32:
        best = shapes[0](p)
        for shape in shapes[1:]:
            best = np.minimum(best, shape(p))
        return best

    return distance


def smooth_union(blend: float, *shapes: Shape) -> Shape:
    """Return what is in any of the shapes, seams filled over a length `blend`."""
    width = np.float32(blend)

    def distance(p: Float32) -> Float32:
        best = shapes[0](p)
        for shape in shapes[1:]:
            other = shape(p)
            lap = np.maximum(width - np.abs(best - other), 0) / width
            best = np.minimum(best, other) - lap * lap * (width / 4)
        return best

    return distance


def intersect(*shapes: Shape) -> Shape:
    """Return what is in all of the shapes; the distance is a lower bound."""

    def distance(p: Float32) -> Float32:
        best = shapes[0](p)
        for shape in shapes[1:]:
            best = np.maximum(best, shape(p))
        return best

    return distance


def subtract(shape: Shape, *cut: Shape) -> Shape:
    """Return a shape without the others; the distance is a lower bound."""

    def distance(p: Float32) -> Float32:
        best = shape(p)
        for other in cut:
            best = np.maximum(best, -other(p))
        return best

    return distance


def shell(shape: Shape, half: float) -> Shape:
    """Return the skin of a shape, `half` thick to either side of its surface."""
    return lambda p: _float(np.abs(shape(p)) - np.float32(half))


def mirror(shape: Shape, axis: int = 0) -> Shape:
    """Return a shape and its reflection: only its half of positive coordinates is used."""

    def distance(p: Float32) -> Float32:
        q = p.copy(order="K")
        np.abs(q[:, axis], out=q[:, axis])
        return shape(q)

    return distance


def move(shape: Shape, offset: Vector = (0, 0, 0), turn: ArrayLike | None = None) -> Shape:
    """Return a shape turned about the origin by a matrix of `rotation`, then shifted."""
    shift = _vector(offset)
    if turn is None:
        return lambda p: shape(p - shift)
    matrix = np.asarray(turn, np.float32)
    return lambda p: shape(np.asfortranarray((p - shift) @ matrix))


def rotation(yaw: float = 0.0, pitch: float = 0.0, roll: float = 0.0) -> NDArray[np.float64]:
    """Return the matrix that turns columns by roll (z), then pitch (x), then yaw (y), degrees."""
    a, b, c = np.radians([yaw, pitch, roll])
    about_y = np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    about_z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    return np.asarray(about_y @ about_x @ about_z)


def superellipse(
    centre: Sequence[float], radii: Sequence[float], power: float = 2.0, count: int = 64
) -> NDArray[np.float64]:
    """Return points on an ellipse, or a squarer one at a `power` above 2, shape (count, 2)."""
    angle = np.linspace(0, 2 * np.pi, count, endpoint=False)
    c, s = np.cos(angle), np.sin(angle)
    x = np.sign(c) * np.abs(c) ** (2 / power)
    y = np.sign(s) * np.abs(s) ** (2 / power)
    return np.asarray(centre) + np.stack([x, y], axis=1) * np.asarray(radii)


def spline(points: ArrayLike, steps: int = 8, *, closed: bool = False) -> NDArray[np.float64]:
    """Return a smooth curve through points of any dimension (Catmull-Rom), `steps` a span."""
    nodes = np.asarray(points, np.float64)
    if closed:
        padded = np.concatenate([nodes[-1:], nodes, nodes[:2]])
    else:
        padded = np.concatenate([2 * nodes[:1] - nodes[1:2], nodes, 2 * nodes[-1:] - nodes[-2:-1]])
    t = (np.arange(steps) / steps)[None, :, None]
    a, b, c, d = (padded[k : len(padded) - 3 + k][:, None, :] for k in range(4))
    curve = 2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2
    curve = (curve + (3 * b - a - 3 * c + d) * t**3) / 2
    flat = curve.reshape(-1, nodes.shape[1])
    return flat if closed else np.concatenate([flat, nodes[-1:]])


def _polygon_distance(
    grid: NDArray[np.float64], polygon: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return exact signed distances of points (N, 2) from a polygon (M, 2)."""
    best = np.full(len(grid), np.inf)
    inside = np.zeros(len(grid), bool)
    for a, b in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
        edge, q = b - a, grid - a
        share = np.clip((q @ edge) / max(float(edge @ edge), 1e-12), 0, 1)
        np.minimum(best, ((q - share[:, None] * edge) ** 2).sum(axis=1), out=best)
        crosses = (a[1] > grid[:, 1]) != (b[1] > grid[:, 1])
        if a[1] != b[1]:
            inside ^= crosses & (q[:, 0] < edge[0] * q[:, 1] / edge[1])
    return np.where(inside, -1, 1) * np.sqrt(best)


def _vector(values: Vector) -> Float32:
    return np.asarray(values, np.float32)


def _norm(q: Float32) -> Float32:
    return _float(np.sqrt(q[:, 0] * q[:, 0] + q[:, 1] * q[:, 1] + q[:, 2] * q[:, 2]))


def _float(values: NDArray[np.floating]) -> Float32:
    return values.astype(np.float32, copy=False)
