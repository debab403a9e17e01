"""Ray marches a scene of solid shapes into a picture with an exact matte.

A ray through the middle of each pixel, as thick as the pixel, finds where something may be hit.
There four rays are sent, and sixteen where those disagree on what they hit. Alpha is the share of
rays that hit; colours are averaged premultiplied, so that no background is mixed into an edge.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import OccluderInputError
from .lighting import Light, encode, normals, shade, slope, unit
from .shapes import Float32, rotation
from .tracing import REACH, Part, Placed, Scene, approach, march, occlusion, points, shadow

__all__ = ["Camera", "Part", "Rendered", "Scene", "render_scene"]

Point3 = tuple[float, float, float]
_NEAR4 = np.array([1, 7, 8, 14])  # one in each row and column of the 4 x 4 grid
_REST12 = np.setdiff1d(np.arange(16), _NEAR4)


class Rendered(NamedTuple):
    """A picture cut to what it shows, with points that belong on a face."""

    rgba: NDArray[np.uint8]
    """(h, w, 4), straight alpha, a clear border of one pixel."""
    anchors: dict[str, tuple[float, float]]
    """Name to (x, y) in pixels of `rgba`; may lie outside of it."""


@dataclass(frozen=True, kw_only=True)
class Camera:
    """Looks at the origin; angles in degrees turn the scene, not the light."""

    yaw: float = 0.0
    """Turns the thing to the right of the picture."""
    pitch: float = 0.0
    """Tips its top towards the viewer."""
    roll: float = 0.0
    distance: float = 9.0
    """In scene units; infinity is orthographic."""

    @classmethod
    def draw(
        cls, rng: np.random.Generator, yaw: float = 10, pitch: float = 5, roll: float = 2
    ) -> "Camera":
        """Return a camera of normally distributed angles, those given being two deviations."""
        angles = np.clip(rng.normal(0, 0.5, 3), -1.2, 1.2) * (yaw, pitch, roll)
        y, p, r = (float(angle) for angle in angles)
        return cls(yaw=y, pitch=p, roll=r, distance=float(rng.uniform(6, 12)))

    def rays(self, u: Float32, v: Float32) -> tuple[Float32, Float32]:
        """Return origins and unit directions through (u, v) of the plane at the origin."""
        turn = rotation(self.yaw, self.pitch, self.roll)  # scene to camera
        plane = np.stack([u, v, np.zeros_like(u)]).astype(np.float64)
        if np.isinf(self.distance):
            aim = np.tile([[0.0], [0.0], [-1.0]], (1, len(u)))
        else:
            aim = plane - np.array([[0.0], [0.0], [self.distance]])
            aim /= np.linalg.norm(aim, axis=0)
        start = plane - aim * REACH
        return (turn.T @ start).astype(np.float32).T, (turn.T @ aim).astype(np.float32).T

    def project(self, points: ArrayLike) -> NDArray[np.float64]:
        """Return (u, v) of scene points (N, 3), shape (N, 2)."""
        q = np.asarray(points, np.float64) @ rotation(self.yaw, self.pitch, self.roll).T
        scale = np.ones(len(q)) if np.isinf(self.distance) else 1 / (1 - q[:, 2] / self.distance)
        return np.asarray(q[:, :2] * scale[:, None])


def render_scene(
    parts: Sequence[Part],
    *,
    camera: Camera,
    light: Light,
    size: int = 176,
    anchors: Mapping[str, Point3] | None = None,
    extent: float = 1.6,
    step: float = 0.9,
    glass_layers: int = 1,
) -> Rendered:
    """Return the picture of a scene.

    Parameters
    ----------
    parts : sequence of Part
    camera : Camera
    light : Light
    size : int, optional
        Longest side of the picture in pixels; it is met to about 2 %, never exceeded.
    anchors : mapping of str to (x, y, z), optional
        Scene points whose pixels are wanted.
    extent, step : float, optional
        See `Scene`.
    glass_layers : int, optional
        Surfaces of glass a ray goes through: 1 for lenses, 4 for a drinking glass.

    Raises
    ------
    OccluderInputError
        When `size` is below 16, or nothing is seen.
    """
    if size < 16:
        raise OccluderInputError(f"size must be >= 16 pixels, got {size}")
    scene = Scene(parts, extent, step)
    spots = camera.project(scene.corners())
    window = (spots[:, 0].min(), spots[:, 1].min(), spots[:, 0].max(), spots[:, 1].max())
    window = _silhouette(scene, camera, window, 96)
    pixel = max(window[2] - window[0], window[3] - window[1]) / (size - 2)
    columns, rows = (int(np.ceil((window[k + 2] - window[k]) / pixel - 1e-3)) for k in range(2))
    grid = _Grid(window[0], window[3], pixel, columns, rows)
    picture = _picture(scene, camera, light, grid, glass_layers)
    x0, y0, rgba = _cut(picture)
    marks: dict[str, tuple[float, float]] = {}
    if anchors:
        for name, (u, v) in zip(anchors, camera.project(list(anchors.values())), strict=True):
            x, y = (u - grid.left) / pixel - x0, (grid.top - v) / pixel - y0
            marks[name] = (float(x), float(y))
    return Rendered(rgba, marks)


class _Grid(NamedTuple):
    left: float
    top: float
    pixel: float
    columns: int
    rows: int

    def rays(
        self, camera: Camera, index: NDArray[np.int64], sub: NDArray[np.int64] | None = None
    ) -> tuple[Float32, Float32]:
        """Return rays through samples `sub` of each pixel's 4 x 4 grid, or through its middle."""
        dx = 0.5 if sub is None else (sub % 4 + 0.5) / 4
        dy = 0.5 if sub is None else (sub // 4 + 0.5) / 4
        u = self.left + self.pixel * (index % self.columns + dx)
        v = self.top - self.pixel * (index // self.columns + dy)
        return camera.rays(u.astype(np.float32), v.astype(np.float32))


def _picture(
    scene: Scene, camera: Camera, light: Light, grid: _Grid, glass_layers: int
) -> NDArray[np.float32]:
    """Return mean premultiplied sRGB and alpha, (rows, columns, 4)."""
    count = grid.rows * grid.columns
    total, samples = np.zeros((count, 4), np.float32), np.full(count, 4, np.float32)
    everything = np.arange(count)
    middle = grid.rays(camera, everything)
    start = [
        approach(scene, placed, *middle, 0.75 * grid.pixel) for placed in (scene.solid, scene.glass)
    ]
    live = np.flatnonzero(np.isfinite(start[0]) | np.isfinite(start[1]))
    near = _sample(
        scene,
        camera,
        light,
        grid,
        np.tile(live, 4),
        np.repeat(_NEAR4, len(live)),
        start,
        glass_layers,
    )
    colour, hit = (values.reshape(4, len(live), -1) for values in near)
    total[live] = colour.sum(axis=0)
    # a thing thinner than the gap between four rays may slip through them all
    differs = (hit != hit[0]).any(axis=(0, 2)) | (total[live, 3] == 0)
    edge = live[differs]
    colour, _ = _sample(
        scene,
        camera,
        light,
        grid,
        np.tile(edge, 12),
        np.repeat(_REST12, len(edge)),
        start,
        glass_layers,
    )
    total[edge] += colour.reshape(12, len(edge), 4).sum(axis=0)
    samples[edge] = 16
    return (total / samples[:, None]).reshape(grid.rows, grid.columns, 4)


def _sample(
    scene: Scene,
    camera: Camera,
    light: Light,
    grid: _Grid,
    index: NDArray[np.int64],
    sub: NDArray[np.int64],
    start: Sequence[Float32],
    glass_layers: int,
) -> tuple[Float32, NDArray[np.int64]]:
    """Return premultiplied sRGB and alpha of one ray a pixel, and a number of what it hit."""
    origin, aim = grid.rays(camera, index, sub)
    precision = grid.pixel * 0.04
    t, solid = march(scene, scene.solid, origin, aim, start[0][index], precision)
    result = _lit(scene, light, scene.solid, origin, aim, t, solid, grid.pixel)
    number = solid + 1
    if not scene.glass:
        return result, number
    over = np.zeros((len(index), 4), np.float32)
    begin = start[1][index]
    for layer in range(glass_layers):
        depth, pane = march(scene, scene.glass, origin, aim, begin, precision)
        depth = np.where(depth < t, depth, np.inf).astype(np.float32)
        pane = np.where(np.isfinite(depth), pane, -1)
        sheet = _lit(scene, light, scene.glass, origin, aim, depth, pane, grid.pixel)
        over += sheet * (1 - over[:, 3:])
        number = number * (len(scene.glass) + 2) + pane + 1
        if layer + 1 < glass_layers:
            begin = depth + np.float32(8 * precision)
    return over + result * (1 - over[:, 3:]), number


def _lit(
    scene: Scene,
    light: Light,
    placed: Placed,
    origin: Float32,
    aim: Float32,
    t: Float32,
    which: NDArray[np.int64],
    pixel: float,
) -> Float32:
    """Return premultiplied sRGB and alpha of what rays hit; zeros where nothing."""
    result = np.zeros((len(t), 4), np.float32)
    for k, (part, _) in enumerate(placed):
        rows = np.flatnonzero(which == k)
        material = part.material
        if not len(rows) or material.is_holdout:
            continue
        p = points(origin[rows], aim[rows], t[rows])
        view = -aim[rows]
        flat = normals(part.shape, p, pixel * 0.03)
        away = (flat * view).sum(axis=1) < 0
        flat[away] *= -1
        n = flat
        if material.bump is not None:
            rise = slope(material.bump, p, pixel * 0.35)
            n = unit(flat - rise + flat * (rise * flat).sum(axis=1, keepdims=True))
        sky = occlusion(scene, p, flat)
        lamp = shadow(scene, light, p, flat, pixel)
        colour, alpha = shade(p, n, view, material, light, sky, lamp)
        solid = np.maximum(alpha, np.float32(1e-4))[:, None]
        straight = encode(np.asarray(colour / solid * light.exposure, np.float32))
        result[rows] = np.concatenate([straight * alpha[:, None], alpha[:, None]], axis=1)
    return result


def _silhouette(
    scene: Scene, camera: Camera, window: Sequence[float], cells: int
) -> tuple[float, float, float, float]:
    """Return the window (left, bottom, right, top) tightened around what is visible."""
    pixel = max(window[2] - window[0], window[3] - window[1]) / cells
    columns, rows = (int(np.ceil((window[k + 2] - window[k]) / pixel)) + 2 for k in range(2))
    grid = _Grid(window[0] - pixel, window[3] + pixel, pixel, columns, rows)
    everything = np.arange(rows * columns)
    origin, aim = grid.rays(camera, everything)
    depth = approach(scene, scene.casting + scene.glass, origin, aim, 0.75 * pixel)
    hiding = [row for row in scene.solid if row[0].material.is_holdout]
    if hiding:
        start = approach(scene, hiding, origin, aim, 0.75 * pixel)
        veil, _ = march(scene, hiding, origin, aim, start, pixel * 0.1)
        depth[depth > veil + 2 * pixel] = np.inf
    seen = np.isfinite(depth).reshape(rows, columns)
    if not seen.any():
        raise OccluderInputError("nothing of the scene is seen by its camera")
    down, across = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    return (
        grid.left + pixel * across[0],
        grid.top - pixel * (down[-1] + 1),
        grid.left + pixel * (across[-1] + 1),
        grid.top - pixel * down[0],
    )


def _cut(picture: NDArray[np.float32]) -> tuple[int, int, NDArray[np.uint8]]:
    """Return the left and top of the cut, and RGBA with a clear border of one pixel."""
    alpha = np.rint(picture[:, :, 3] * 255).clip(0, 255).astype(np.uint8)
    down, across = np.flatnonzero(alpha.any(axis=1)), np.flatnonzero(alpha.any(axis=0))
    if not len(down):
        raise OccluderInputError("nothing of the scene is seen by its camera")
    top, left = int(down[0]), int(across[0])
    part = (slice(top, down[-1] + 1), slice(left, across[-1] + 1))
    border = ((1, 1), (1, 1), (0, 0))
    values = np.pad(picture[part], border)
    alpha = np.pad(alpha[part], border[:2])
    # clear pixels take the colour of those around, so that scaling mixes nothing dark in
    near = cv2.GaussianBlur(values, (0, 0), 2.0, borderType=cv2.BORDER_CONSTANT)
    mean = values[:, :, :3].sum((0, 1)) / max(float(values[:, :, 3].sum()), 1e-6)
    around = (near[:, :, :3] + 1e-5 * mean) / (near[:, :, 3:] + 1e-5)
    own = values[:, :, :3] / np.maximum(values[:, :, 3:], 1e-6)
    colour = np.where(alpha[:, :, None] > 0, own, around)
    rgb = np.rint(colour * 255).clip(0, 255).astype(np.uint8)
    return left - 1, top - 1, np.concatenate([rgb, alpha[:, :, None]], axis=2)
