"""Wear and hold: brings an occluder's anchors onto the landmarks of a face.

All numbers that decide where something lies are Python floats combined by + - * / and square roots,
which every processor rounds alike, and by `math.fsum` (`sum` adds in another way from Python 3.12
on); turns are drawn as tangents of half angles. What comes out is rounded to whole numbers: a box
in pixels and a map in 1/65536 of a pixel.
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from occluders import Occluder, OccluderLibrary
from occluders.anchors import FACE_POINTS, Role, anchors_of, role_of

from .landmarks import template
from .placement import Placement, Warp
from .seeding import RandomSource

__all__ = ["face_points", "place_on_landmarks", "place_several"]

Point = tuple[float, float]
Matrix = tuple[float, float, float, float, float, float]  # x' = a x + b y + c, y' = d x + e y + f

_ONE = 65536
_GRID = 16  # landmarks are rounded to this share of a pixel
_TRIES = 8
_ZONES = ("neck", "mouth", "eyes", "head", "held")  # what lies over what
_FAR = 4096  # pixels a box may reach beyond the picture
# Sizes a picture is resized to before it is turned, as shares of its own.
_LEVELS = tuple(n / 32 for n in (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32))
# Of the face the anchors are made for: 0.42 from its middle to an eye, the mouth 0.97 below.
_MOUTH, _EYE = 0.97, 0.42
_DERIVED = {"chin": (0.0, 1.48), "left_cheek": (-0.8, 0.7), "right_cheek": (0.8, 0.7)}
_WEIGHTS = {"nose": 0.5, "left_cheek": 0.7, "right_cheek": 0.7}
_STRETCH = 1.4  # largest ratio of the two scales of an affine fit
_SIDE = {"left_cheek": -1, "left_eye": -1, "right_cheek": 1, "right_eye": 1}


class _Jitter(NamedTuple):
    """The eight numbers a thing takes from the stream, whatever it is."""

    pick: float
    side: float
    mirror: float
    along: float
    down: float
    turn: float
    size: float
    swing: float


def face_points(landmarks: NDArray[np.float32] | None, height: int, width: int) -> dict[str, Point]:
    """Return the points of a face that things are worn on.

    Parameters
    ----------
    landmarks : ndarray of float32, shape (5, 2), or None
        x, y in pixels: left eye, right eye, nose, left and right corner of the mouth as seen. The
        paper's template stands in where they are unknown, not finite, or closer together than
        eyes can be.
    height, width : int
        Of the picture, in pixels.

    Returns
    -------
    dict of str to (float, float)
        `left_eye`, `right_eye`, `nose`, `mouth`, and derived from these `chin`, `left_cheek` and
        `right_cheek`.
    """
    points = _whole(landmarks)
    if points is None or not _is_plausible(points, width):
        points = _whole(template(height, width)) or []
    left, right, nose, *corners = points
    mouth = ((corners[0][0] + corners[1][0]) / 2, (corners[0][1] + corners[1][1]) / 2)
    middle = ((left[0] + right[0]) / 2, (left[1] + right[1]) / 2)
    across = ((right[0] - left[0]) / (2 * _EYE), (right[1] - left[1]) / (2 * _EYE))
    down = ((mouth[0] - middle[0]) / _MOUTH, (mouth[1] - middle[1]) / _MOUTH)
    found = {"left_eye": left, "right_eye": right, "nose": nose, "mouth": mouth}
    for name, (u, v) in _DERIVED.items():
        found[name] = (
            middle[0] + u * across[0] + v * down[0],
            middle[1] + u * across[1] + v * down[1],
        )
    return found


def place_on_landmarks(
    library: OccluderLibrary,
    face: Mapping[str, Point],
    height: int,
    width: int,
    rng: RandomSource,
    *,
    taken: Sequence[Placement] = (),
) -> Placement | None:
    """Return a placement of a thing where it is worn, or held before the face.

    Parameters
    ----------
    library : OccluderLibrary
    face : mapping of str to (float, float)
        As of `face_points`.
    height, width : int
        Of the picture, in pixels.
    rng : RandomSource
        Ten numbers are taken: occluder (two), jitter (eight); further occluders, two numbers each,
        where one is already worn there.
    taken : sequence of Placement, optional
        What the face has already: nobody wears two pairs of glasses.

    Returns
    -------
    Placement or None
        Its scale is NaN: things have their true size, give or take. None where every zone of the
        face that the library has something for is taken.
    """
    zones = {role_of(placement.occluder.category).zone for placement in taken}
    for _ in range(_TRIES):
        occluder = library.sample(rng)
        role = role_of(occluder.category)
        if role.zone not in zones:
            break
    else:
        return None
    jitter = _Jitter(*(rng.random() for _ in _Jitter._fields))
    tall, wide = occluder.rgba.shape[:2]
    anchors = {
        name: (x * wide, y * tall)
        for name, (x, y) in anchors_of(occluder.category, occluder.anchors).items()
    }
    if role.zone == "held" or "cover" in anchors:
        matrix = _hold(role, anchors, (wide, tall), face, jitter)
    else:
        matrix = _wear(anchors, wide, face, jitter, 0.3 if role.zone == "neck" else 0.1)
    return _placement(occluder, matrix, face, height, width)


def place_several(
    library: OccluderLibrary,
    count: int,
    face: Mapping[str, Point],
    height: int,
    width: int,
    rng: RandomSource,
) -> tuple[Placement, ...]:
    """Return placements of up to `count` things that go together, in the order they are pasted.

    Parameters
    ----------
    library, face, height, width, rng
        As given to `place_on_landmarks`.
    count : int
        Fewer are placed where the library has too few kinds of things.
    """
    placed: list[Placement] = []
    while len(placed) < count:
        more = place_on_landmarks(library, face, height, width, rng, taken=placed)
        if more is None:
            break
        placed.append(more)
    return tuple(sorted(placed, key=lambda p: _ZONES.index(role_of(p.occluder.category).zone)))


def _whole(landmarks: NDArray[np.floating] | None) -> list[Point] | None:
    if landmarks is None or not np.isfinite(landmarks).all() or np.abs(landmarks).max() > 1e6:
        return None
    rounded = np.rint(np.asarray(landmarks, np.float64) * _GRID)
    return [(x / _GRID, y / _GRID) for x, y in rounded.tolist()]


def _is_plausible(points: list[Point], width: int) -> bool:
    left, right, _, *corners = points
    eyes = _distance(left, right)
    lower = min(corners[0][1], corners[1][1]) - (left[1] + right[1]) / 2
    return width / 12 <= eyes <= width and eyes / 3 <= lower and right[0] > left[0]


def _distance(a: Point, b: Point) -> float:
    x, y = a[0] - b[0], a[1] - b[1]
    return math.sqrt(x * x + y * y)


def _turned(half: float) -> complex:
    """Return the turn whose half angle has this tangent."""
    square = half * half
    return complex((1 - square) / (1 + square), 2 * half / (1 + square))


def _wear(
    anchors: Mapping[str, Point],
    wide: int,
    face: Mapping[str, Point],
    jitter: _Jitter,
    slip: float,
) -> Matrix:
    """Return the map of a worn thing: affine where its anchors tell that much, else similar."""
    is_mirrored = jitter.mirror < 0.5
    if is_mirrored:  # left becomes right; the fit makes up for how the picture was turned
        anchors = {_other_side(name): (wide - x, y) for name, (x, y) in anchors.items()}
    names = [name for name in FACE_POINTS if name in anchors]
    matrix = _affine(anchors, face, names) if len(names) >= 4 else None
    if matrix is None:
        matrix = _similarity(anchors, face, names)
    if is_mirrored:
        a, b, c, d, e, f = matrix
        matrix = (-a, b, c + a * wide, -d, e, f + d * wide)
    eyes = _distance(face["left_eye"], face["right_eye"])
    size = 1 + 0.10 * (jitter.size - 0.5)
    turn = _turned(0.035 * (jitter.turn - 0.5)) * size
    shift = (0.07 * eyes * (jitter.along - 0.5), slip * eyes * (jitter.down - 0.5))
    x = math.fsum(face[name][0] for name in names) / len(names)
    y = math.fsum(face[name][1] for name in names) / len(names)
    return _moved(matrix, turn, (x, y), shift)


def _other_side(name: str) -> str:
    side, _, part = name.partition("_")
    return {"left": f"right_{part}", "right": f"left_{part}"}.get(side, name)


def _moved(matrix: Matrix, turn: complex, about: Point, shift: Point) -> Matrix:
    """Return a map followed by a turn about a point and a shift."""
    a, b, c, d, e, f = matrix
    r, i = turn.real, turn.imag
    c, f = c - about[0], f - about[1]
    return (
        r * a - i * d,
        r * b - i * e,
        r * c - i * f + about[0] + shift[0],
        i * a + r * d,
        i * b + r * e,
        i * c + r * f + about[1] + shift[1],
    )


def _similarity(
    anchors: Mapping[str, Point], goal: Mapping[str, Point], names: Sequence[str]
) -> Matrix:
    count = len(names)
    ax = math.fsum(anchors[name][0] for name in names) / count
    ay = math.fsum(anchors[name][1] for name in names) / count
    gx = math.fsum(goal[name][0] for name in names) / count
    gy = math.fsum(goal[name][1] for name in names) / count
    spread = real = imaginary = 0.0
    for name in names:
        x, y = anchors[name][0] - ax, anchors[name][1] - ay
        u, v = goal[name][0] - gx, goal[name][1] - gy
        spread += x * x + y * y
        real += x * u + y * v
        imaginary += x * v - y * u
    if spread <= 0:
        real, imaginary, spread = 1.0, 0.0, 1.0
    r, i = real / spread, imaginary / spread
    return (r, -i, gx - r * ax + i * ay, i, r, gy - i * ax - r * ay)


def _affine(
    anchors: Mapping[str, Point], goal: Mapping[str, Point], names: Sequence[str]
) -> Matrix | None:
    """Return the weighted least-squares affine map; None where it would mirror or stretch."""
    total = math.fsum(_WEIGHTS.get(name, 1.0) for name in names)
    ax, ay, gx, gy = (
        math.fsum(_WEIGHTS.get(name, 1.0) * points[name][axis] for name in names) / total
        for points in (anchors, goal)
        for axis in (0, 1)
    )
    xx = xy = yy = xu = yu = xv = yv = 0.0
    for name in names:
        weight = _WEIGHTS.get(name, 1.0)
        x, y = anchors[name][0] - ax, anchors[name][1] - ay
        u, v = goal[name][0] - gx, goal[name][1] - gy
        xx, xy, yy = xx + weight * x * x, xy + weight * x * y, yy + weight * y * y
        xu, yu = xu + weight * x * u, yu + weight * y * u
        xv, yv = xv + weight * x * v, yv + weight * y * v
    solved = xx * yy - xy * xy
    if solved <= 1e-6 * (xx + yy) * (xx + yy):
        return None
    a, b = (xu * yy - yu * xy) / solved, (yu * xx - xu * xy) / solved
    d, e = (xv * yy - yv * xy) / solved, (yv * xx - xv * xy) / solved
    across, down = math.sqrt(a * a + d * d), math.sqrt(b * b + e * e)
    if a * e - b * d < 0.7 * across * down or not 1 / _STRETCH < across / down < _STRETCH:
        return None
    return (a, b, gx - a * ax - b * ay, d, e, gy - d * ax - e * ay)


def _hold(
    role: Role,
    anchors: Mapping[str, Point],
    size: tuple[int, int],
    face: Mapping[str, Point],
    jitter: _Jitter,
) -> Matrix:
    """Return the map of a held thing: over a point of the face, its arm coming from outside."""
    left, right = face["left_eye"], face["right_eye"]
    eyes = _distance(left, right)
    upright = complex(right[0] - left[0], right[1] - left[1]) / eyes
    own = [name for name in FACE_POINTS if name in anchors]
    targets = own or role.targets or ("mouth",)
    target = targets[min(int(jitter.pick * len(targets)), len(targets) - 1)]
    x, y = anchors[target] if own else anchors["cover"]
    # Which side it comes from: that of the point it covers, else any.
    side = _SIDE.get(target, 0) or (-1 if jitter.side < 0.5 else 1)
    origin = anchors.get("origin", (x, y + 1.0))
    arm = complex(origin[0] - x, origin[1] - y)
    length = math.sqrt(arm.real * arm.real + arm.imag * arm.imag)
    arm = arm / length if length > 0 else 1j
    leans = abs(arm.real) > 0.2
    is_mirrored = role.is_mirrored and (
        (arm.real > 0) != (side > 0) if leans else jitter.mirror < 0.5
    )
    if is_mirrored and own and target in _SIDE:
        is_mirrored = False  # what covers the left eye would cover the right one
    if is_mirrored:
        arm = complex(-arm.real, arm.imag)
    if leans and not role.is_mirrored:
        side = 1 if arm.real > 0 else -1
    # From straight down (0) to level (tan 45 degrees = 1), more often steep.
    half = 0.85 * jitter.swing * (0.4 + 0.6 * jitter.swing)
    wanted = 1j * _turned(-side * half)
    turn = wanted * arm.conjugate()
    limit = role.swing * (0.5 + 0.5 * jitter.turn)
    tangent = turn.imag / (1 + turn.real) if turn.real > -0.999 else math.copysign(9.0, turn.imag)
    turn = _turned(max(-limit, min(limit, tangent))) * upright
    scale = _true_scale(role, anchors, size, eyes) * (0.88 + 0.27 * jitter.size)
    r, i = turn.real * scale, turn.imag * scale
    flip = -1.0 if is_mirrored else 1.0
    reach = 0.12 if own else 0.3
    goal_x = face[target][0] + reach * eyes * (jitter.along - 0.5)
    goal_y = face[target][1] + reach * eyes * (jitter.down - 0.5)
    a, b, d, e = r * flip, -i, i * flip, r
    return (a, b, goal_x - a * x - b * y, d, e, goal_y - d * x - e * y)


def _true_scale(
    role: Role, anchors: Mapping[str, Point], size: tuple[int, int], eyes: float
) -> float:
    if "span" in anchors and "cover" in anchors:
        span = _distance(anchors["cover"], anchors["span"])
        if span > 0:
            return eyes / span
    return (role.length or 2.0) * eyes / max(size)


def _placement(
    occluder: Occluder, matrix: Matrix, face: Mapping[str, Point], height: int, width: int
) -> Placement:
    a, b, c, d, e, f = matrix
    spots = [(a * x + b * y + c, d * x + e * y + f) for x, y in occluder.outline]
    x0, x1 = min(x for x, _ in spots), max(x for x, _ in spots)
    y0, y1 = min(y for _, y in spots), max(y for _, y in spots)
    if x1 < 1 or y1 < 1 or x0 > width - 1 or y0 > height - 1:  # never off the picture
        right, down = face["nose"][0] - (x0 + x1) / 2, face["nose"][1] - (y0 + y1) / 2
        c, f = c + right, f + down
        x0, x1, y0, y1 = x0 + right, x1 + right, y0 + down, y1 + down
    left, top = (max(-_FAR, math.floor(start + 0.25)) for start in (x0, y0))
    end, low = min(width + _FAR, math.ceil(x1 - 0.25)), min(height + _FAR, math.ceil(y1 - 0.25))
    box = (left, top, max(left + 1, end), max(top + 1, low))
    return Placement(occluder, box, float("nan"), _warp(occluder, (a, b, c, d, e, f)))


def _warp(occluder: Occluder, matrix: Matrix) -> Warp:
    """Return the map back, from pixels of the face to those of the resized picture."""
    a, b, c, d, e, f = matrix
    solved = a * e - b * d
    size = math.sqrt(abs(solved))
    level = next((share for share in _LEVELS if share >= 0.93 * size), 1.0)
    tall, wide = occluder.rgba.shape[:2]
    columns, rows = max(1, int(wide * level + 0.5)), max(1, int(tall * level + 0.5))
    across, down = columns / wide, rows / tall
    back = (
        across * e / solved,
        -across * b / solved,
        across * (b * f - e * c) / solved,
        -down * d / solved,
        down * a / solved,
        down * (d * c - a * f) / solved,
    )
    return Warp((columns, rows), tuple(math.floor(value * _ONE + 0.5) for value in back))
