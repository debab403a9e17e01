"""Frames, lenses and temples: what eyeglasses and sunglasses have in common."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ..materials import Material, plain
from ..shapes import (
    Float32,
    Outline,
    Shape,
    ellipsoid,
    extrude,
    mirror,
    move,
    rotation,
    smooth_union,
    spline,
    superellipse,
    tube,
    union,
)
from ..tracing import Part

__all__ = ["Frame", "lens_outline", "spectacles"]

_CORNERS: dict[str, list[tuple[float, float]]] = {  # of the right lens, nose at negative x
    "wayfarer": [
        (-0.33, 0.16), (-0.25, 0.25), (0.05, 0.28), (0.33, 0.3), (0.4, 0.22), (0.36, 0.02),
        (0.26, -0.2), (0.05, -0.27), (-0.18, -0.25), (-0.29, -0.1),
    ],
    "cat_eye": [
        (-0.31, 0.1), (-0.22, 0.19), (0.05, 0.23), (0.3, 0.34), (0.45, 0.36), (0.4, 0.14),
        (0.3, -0.12), (0.1, -0.24), (-0.15, -0.23), (-0.29, -0.1),
    ],
    "aviator": [
        (-0.32, 0.16), (-0.22, 0.25), (0.05, 0.28), (0.32, 0.25), (0.4, 0.1), (0.34, -0.16),
        (0.16, -0.36), (-0.06, -0.38), (-0.23, -0.22), (-0.32, -0.02),
    ],
    "panto": [
        (-0.3, 0.1), (-0.22, 0.24), (0.0, 0.29), (0.24, 0.25), (0.33, 0.1), (0.28, -0.14),
        (0.12, -0.29), (-0.06, -0.3), (-0.22, -0.18),
    ],
    "sport": [
        (-0.36, 0.1), (-0.2, 0.2), (0.1, 0.21), (0.45, 0.17), (0.52, 0.08), (0.42, -0.12),
        (0.16, -0.24), (-0.1, -0.22), (-0.28, -0.08),
    ],
    "butterfly": [
        (-0.33, 0.12), (-0.2, 0.28), (0.1, 0.31), (0.4, 0.33), (0.47, 0.14), (0.42, -0.16),
        (0.22, -0.37), (-0.05, -0.34), (-0.26, -0.18),
    ],
}  # fmt: skip
_SUPER = {
    "round": (0.31, 0.31, 2.0),
    "oval": (0.34, 0.24, 2.2),
    "rectangle": (0.37, 0.21, 5.5),
    "square": (0.36, 0.3, 5.0),
    "narrow": (0.36, 0.15, 4.0),
}

_LEVEL = -0.04  # of the middles of the lenses
Flat = Callable[[Float32, Float32], Float32]

_GROUND = Material(albedo=plain((0.75, 0.8, 0.8)), gloss=0.7, opacity=0.5, is_glass=True)
_SILICONE = Material(albedo=plain((0.85, 0.82, 0.76)), gloss=0.5, opacity=0.45, is_glass=True)
_CURVE = 0.09  # the front bends backwards by this times x squared


@dataclass(frozen=True, kw_only=True)
class Frame:
    """A pair of spectacles without colours."""

    outline: str
    size: float = 1.0
    """Of the lenses, 1 being common."""
    stretch: float = 1.0
    """Height against width."""
    rim: float = 0.05
    """Width seen from the front; 0 for none."""
    brow: float = 0.0
    """Further width along the top."""
    half_rim: bool = False
    """Only the upper half of the lens has a rim."""
    depth: float = 0.035
    """Half the thickness to the back."""
    bridge: str = "keyhole"
    """keyhole, bar, double or arch."""
    pads: bool = False
    temple: float = 0.07
    """Half the height of the temples where they start."""
    hinge: float = 0.12
    """Height at which they start."""
    curve: float = _CURVE
    gap: float = 0.12
    """Half the distance between the lenses."""


def lens_outline(frame: Frame) -> NDArray[np.float64]:
    """Return the outline of the right lens about its own middle, shape (M, 2)."""
    scale = np.array([frame.size, frame.size * frame.stretch])
    if frame.outline in _SUPER:
        a, b, power = _SUPER[frame.outline]
        return superellipse((0, 0), (a, b), power, 72) * scale
    if frame.outline == "hexagon":
        angle = np.radians(np.arange(0, 360, 60) + 0.0)
        corners = np.stack([0.36 * np.cos(angle), 0.3 * np.sin(angle)], axis=1)
        rounded = [a + (b - a) * t for a, b in pairwise([*corners, corners[0]]) for t in (0.1, 0.9)]
        return np.asarray(rounded) * scale
    return spline(_CORNERS[frame.outline], 7, closed=True) * scale


def spectacles(
    frame: Frame,
    front: Material,
    sides: Material,
    lens: Material,
    trim: Material,
    brow: Material | None = None,
) -> list[Part]:
    """Return the parts of a pair of spectacles.

    Parameters
    ----------
    frame : Frame
    front, sides : Material
        Of rims and bridge, and of temples.
    lens : Material
    trim : Material
        Of hinges and the wires of pads.
    brow : Material, optional
        Of the upper part of the rims where it is a piece of its own (browline).
    """
    points = lens_outline(frame)
    middle = (frame.gap + 0.4 * frame.rim - float(points[:, 0].min()), _LEVEL)
    flat = Outline(points, margin=0.3)
    outer = float(middle[0] + points[:, 0].max())
    pose = rotation(pitch=-5)

    def worn(shape: Shape) -> Shape:
        return mirror(move(_bent(shape, frame.curve), (0, 0, 0.16), pose))

    pane = worn(_pane(flat, middle))
    parts = [Part(pane, lens)]
    if frame.rim == 0 or frame.half_rim:  # the ground edge of the glass catches light
        edge = worn(
            _pane(lambda x, y: np.asarray(np.abs(flat(x, y) + 0.008) - 0.008), middle, 0.02)
        )
        parts.insert(0, Part(edge, _GROUND))
    if frame.rim > 0:
        rim = _rim(frame, flat, middle, top_only=frame.half_rim)
        pieces = [rim, *_bridge(frame, points, middle)]
        opening = extrude(flat, 0.3, centre=(*middle, 0))
        if brow is None:
            pieces.append(_endpiece(frame, points, middle))
        parts.append(Part(worn(_open(smooth_union(0.03, *pieces), opening)), front))
        if brow is not None:
            cap = smooth_union(0.03, _brow(frame, flat, middle), _endpiece(frame, points, middle))
            parts.append(Part(worn(_open(cap, opening)), brow))
    else:
        pieces = [*_bridge(frame, points, middle), _endpiece(frame, points, middle)]
        parts.append(Part(worn(union(*pieces)), front))
    parts.append(Part(mirror(_temple(frame, outer)), sides))
    stud = ellipsoid((outer + 0.055, frame.hinge, frame.depth), (0.016, 0.01, 0.008))
    parts.append(Part(worn(stud), trim))
    if frame.pads:
        pad, wire = _pads(points, middle)
        parts += [Part(worn(pad), _SILICONE), Part(worn(wire), trim)]
    return parts


def _open(shape: Shape, opening: Shape) -> Shape:
    """Return a shape with nothing of it across the lens, but for the groove that holds it."""
    return lambda p: np.asarray(np.maximum(shape(p), -opening(p) - np.float32(0.01)))


def _bent(shape: Shape, curve: float) -> Shape:
    def distance(p: Float32) -> Float32:
        q = p.copy(order="K")
        q[:, 2] += np.float32(curve) * q[:, 0] * q[:, 0]
        return shape(q)

    return distance


def _pane(flat: Flat, middle: tuple[float, float], half: float = 0.012) -> Shape:
    """Return the lens: its front bulges a little on its own."""
    x0, y0 = np.float32(middle[0]), np.float32(middle[1])

    def distance(p: Float32) -> Float32:
        x, y = p[:, 0] - x0, p[:, 1] - y0
        z = p[:, 2] + np.float32(0.12) * (x * x + y * y)
        return np.asarray(np.maximum(flat(x, y), np.abs(z) - np.float32(half)))

    return distance


def _rim(frame: Frame, flat: Outline, middle: tuple[float, float], *, top_only: bool) -> Shape:
    x0, y0 = np.float32(middle[0]), np.float32(middle[1])
    low = float(flat.low[1]) + 0.3
    high = float(flat.high[1]) - 0.3
    soft = np.float32(min(frame.rim * 0.45, frame.depth * 0.6))

    def distance(p: Float32) -> Float32:
        x, y = p[:, 0] - x0, p[:, 1] - y0
        inner = flat(x, y)
        rise = np.clip((y - np.float32(low)) / np.float32(high - low), 0, 1)
        width = np.float32(frame.rim) + np.float32(frame.brow) * rise * rise
        across = np.abs(inner - width / 2 + np.float32(0.008)) - width / 2 + soft
        along = np.abs(p[:, 2]) - np.float32(frame.depth) + soft
        outside = np.hypot(np.maximum(across, 0), np.maximum(along, 0))
        solid = outside + np.minimum(np.maximum(across, along), 0) - soft
        return np.asarray(np.maximum(solid, -y - np.float32(0.02)) if top_only else solid)

    return distance


def _brow(frame: Frame, flat: Outline, middle: tuple[float, float]) -> Shape:
    """Return the heavy upper half of a browline rim."""
    heavy = Frame(outline=frame.outline, rim=0.07, brow=frame.brow + 0.03, depth=frame.depth + 0.02)
    rim = _rim(heavy, flat, middle, top_only=False)
    line = np.float32(middle[1] + 0.1)
    return lambda p: np.asarray(np.maximum(rim(p), line - p[:, 1] - np.float32(0.1) * p[:, 0]))


def _bridge(frame: Frame, points: NDArray[np.float64], middle: tuple[float, float]) -> list[Shape]:
    """Return what joins the lenses, the right half of it."""
    inner = middle[0] + points[:, 0].min()
    near = points[points[:, 0] < points[:, 0].min() * 0.75]
    top = middle[1] + float(near[:, 1].max())
    level = middle[1] + float(points[np.argmin(points[:, 0]), 1])
    if frame.rim >= 0.034:  # of one piece with the rims
        high = level + 0.75 * (top - level)
        low = min(high - 1.2 * frame.rim, level + 0.2 * (top - level))
        arch = 0.0 if frame.bridge == "bar" else 0.04
        x = inner + 0.3 * frame.rim
        rise = min(0.02, 0.3 * frame.rim)
        side = [(-0.05, high), (x, high + rise), (x, low - 0.06), (0.6 * inner, low - 0.25 * arch)]
        web = Outline([*side, (0.0, low + arch), (-0.05, low + arch)], margin=0.15, cells=90)
        return [extrude(web, frame.depth * 0.85, min(0.02, frame.depth * 0.5))]
    thick = max(frame.rim * 0.5, 0.013)
    y = level + 0.4 * (top - level)
    path = {
        "keyhole": [(0, y + 0.03, 0.02), (0.06, y + 0.025, 0.015), (inner, y - 0.02, 0)],
        "arch": [(0, y + 0.05, 0.03), (0.05, y + 0.035, 0.02), (inner + 0.01, y - 0.03, 0)],
        "bar": [(0, y, 0.01), (inner + 0.02, y, 0)],
        "double": [(0, y, 0.02), (inner + 0.01, y - 0.01, 0)],
    }[frame.bridge]
    curve = path if len(path) == 2 else spline(path, 3).tolist()
    pieces = [tube(curve, thick)]
    if frame.bridge == "double":
        high = middle[1] + float(points[:, 1].max()) - 0.02
        pieces.append(tube([(0, high, 0.02), (middle[0] - 0.1, high + 0.01, 0)], thick))
    return pieces


def _endpiece(frame: Frame, points: NDArray[np.float64], middle: tuple[float, float]) -> Shape:
    """Return what joins the right lens and its temple."""
    outer, y = float(middle[0] + points[:, 0].max()), frame.hinge
    beside = points[(points[:, 0] > 0) & (points[:, 1] < y - middle[1] + 0.02)]
    x = middle[0] + float(beside[np.argmax(beside[:, 1]), 0]) if len(beside) else outer
    if frame.rim >= 0.034 or frame.brow > 0.03:
        h = min(frame.temple, 0.08)
        wedge = [(x - 0.03, y - 1.2 * h), (outer + 0.05, y - 0.8 * h), (outer + 0.09, y - 0.5 * h)]
        wedge += [(outer + 0.095, y + 0.7 * h), (outer + 0.06, y + h), (x - 0.06, y + 0.9 * h)]
        return extrude(Outline(wedge, 0.1, 80), frame.depth, min(0.02, frame.depth * 0.5))
    thick = 0.015
    path = [(x - 0.01, y - 0.015, 0), (outer + 0.06, y, 0), (outer + 0.08, y, -0.08)]
    return tube(path, thick)


def _temple(frame: Frame, outer: float) -> Shape:
    """Return the right temple: a strip that runs back, flares, and ends at the ear."""
    h, start = frame.temple, frame.hinge - 0.01
    side = [
        (0.05, start + h), (-0.3, start + 0.9 * h), (-0.9, start + 0.05 + 0.7 * h),
        (-1.0, start + 0.03), (-0.9, start - 0.02 - 0.6 * h), (-0.3, start - 0.8 * h),
        (0.05, start - h),
    ]  # fmt: skip
    strip = Outline(side, cells=120)
    thick = np.float32(min(max(0.012, frame.temple * 0.3), 0.03))
    x0 = np.float32(outer + 0.075 - frame.curve * outer**2 * 0.2)
    back = np.float32(-frame.curve * outer**2)

    def distance(p: Float32) -> Float32:
        z = p[:, 2] - np.float32(0.12) - back
        x = p[:, 0] - x0 + np.float32(0.06) * np.minimum(z, 0) * (z + np.float32(1.1))
        across, along = strip(z, p[:, 1]) + np.float32(0.008), np.abs(x) - thick
        outside = np.hypot(np.maximum(across, 0), np.maximum(along, 0))
        inside = np.minimum(np.maximum(across, along), 0)
        return np.asarray(outside + inside - np.float32(0.008))

    return distance


def _pads(points: NDArray[np.float64], middle: tuple[float, float]) -> tuple[Shape, Shape]:
    """Return the right nose pad and the wire that holds it."""
    x = middle[0] + float(points[:, 0].min()) - 0.03
    y = middle[1] - 0.1
    pad = ellipsoid((x - 0.03, y, -0.08), (0.022, 0.055, 0.035))
    wire = tube(
        [(x + 0.05, y + 0.1, -0.02), (x - 0.01, y + 0.07, -0.06), (x - 0.02, y, -0.08)], 0.009
    )
    return pad, wire
