"""Face masks: surgical with pleats, sewn cloth, and respirators; worn well or below the nose."""

from collections.abc import Callable, Sequence

import numpy as np

from ..lighting import Light
from ..materials import (
    Bump,
    Material,
    Noise,
    Pattern,
    add_bumps,
    cloth,
    hsv,
    mottled,
    plain,
    with_bump,
)
from ..rendering import Camera, Rendered, render_scene
from ..shapes import Float32, Outline, Shape, ellipsoid, smooth_union, spline, tube
from ..tracing import Part
from .fabric import print_pattern
from .face import EAR, LANDMARKS, head
from .respirator import respirator

__all__ = ["face_mask"]

_FLAT = {
    "blue": (0.56, 0.74, 0.88),
    "white": (0.93, 0.94, 0.95),
    "black": (0.07, 0.07, 0.08),
    "pink": (0.93, 0.68, 0.74),
    "green": (0.55, 0.78, 0.72),
    "lilac": (0.74, 0.68, 0.85),
    "grey": (0.5, 0.52, 0.54),
}
_ANCHORS = ("nose", "mouth", "chin", "left_cheek", "right_cheek", "left_eye", "right_eye")
Point = tuple[float, float]


def face_mask(rng: np.random.Generator, size: int = 176) -> Rendered:
    """Return a face mask as it is worn.

    Parameters
    ----------
    rng : numpy.random.Generator
    size : int, optional
        Longest side in pixels.
    """
    kind = str(rng.choice(["surgical", "cloth", "respirator"], p=[0.42, 0.34, 0.24]))
    light, camera = Light.draw(rng), Camera.draw(rng, yaw=18, pitch=7, roll=3)
    if kind == "respirator":
        parts = respirator(rng)
    else:
        parts = _surgical(rng) if kind == "surgical" else _cloth(rng)
    anchors = {name: LANDMARKS[name] for name in _ANCHORS}
    return render_scene(
        [*parts, head()],
        camera=camera,
        light=light,
        size=size,
        anchors=anchors,
        extent=1.85,
        step=0.62,
    )


def _outline(right: Sequence[Point], low: float) -> Outline:
    """Return a symmetric outline from its right side, top to bottom, its corners kept."""
    top, corner = spline(right[:4], 4), spline(right[3:6], 3)
    under = spline([*right[5:], (0.0, low)], 4)
    half = np.concatenate([top[:-1], corner[:-1], under])
    return Outline(np.concatenate([half, half[-2:0:-1] * (-1, 1)]), cells=200)


def _form(*, drop: float, lift: float, tent: float) -> Shape:
    """Return what the mask lies on: nose and jaw under taut cloth, the nose left out if dropped."""
    pieces = [
        ellipsoid((0, -0.72, -0.78), (0.9 + lift, 0.98 + lift, 0.86 + lift)),
        ellipsoid((0, -1.33, -0.2), (0.3, 0.26, 0.38 + lift)),
    ]
    nose = (0, -0.5, 0.1) if drop == 0 else (0, -0.92, 0.02)
    deep = 0.36 if drop == 0 else 0.24
    pieces.append(ellipsoid(nose, (0.2, 0.3, deep + lift)))
    return smooth_union(tent, *pieces)


def _sheet(form: Shape, outline: Outline, relief: Bump, thick: float = 0.014) -> Shape:
    """Return a sheet that lies on a form, cut to an outline seen from the front."""

    def distance(p: Float32) -> Float32:
        base = form(p)
        near = np.flatnonzero(np.abs(base) < 0.25)  # relief costs more than all the rest
        raised = np.asarray(base - np.sign(base) * np.float32(0.12))
        raised[near] = base[near] - relief(p[near])
        skin = np.abs(raised) - np.float32(thick)
        front = -p[:, 2] - np.float32(0.85)
        return np.asarray(np.maximum(np.maximum(skin, outline(p[:, 0], p[:, 1])), front))

    return distance


def _loops(rng: np.random.Generator, high: Point, low: Point, thick: float) -> list[Part]:
    """Return the two ear loops, from the corners of the right side and mirrored."""
    tone = hsv(rng.random(), rng.uniform(0, 0.08), rng.uniform(0.82, 0.96))
    parts = []
    for side in (-1, 1):
        sag = rng.uniform(-0.03, 0.05)
        ear = np.array([EAR[0] * side, EAR[1] - 0.1, EAR[2] + 0.35])
        for (x, y), bow in ((high, 0.05 + sag), (low, -0.1 - sag)):
            start = np.array([x * side, y, _cheek(x) + 0.05])
            end = ear + np.array([0, 0.1 if bow > 0 else -0.12, 0])
            mid = (start + end) / 2 + (0.04 * side, bow, 0.05)
            parts.append(Part(tube(spline([start, mid, end], 4), thick), cloth(plain(tone), rng)))
    return parts


def _cheek(x: float) -> float:
    return float(-0.78 + 0.88 * np.sqrt(max(1 - (x / 0.92) ** 2, 0.03)))


def _surgical(rng: np.random.Generator) -> list[Part]:
    """Return a pleated mask with bound edges, a nose wire and ear loops."""
    name = str(rng.choice(list(_FLAT), p=[0.36, 0.16, 0.16, 0.1, 0.1, 0.06, 0.06]))
    drop = 0.42 if rng.random() < 0.18 else 0.0
    top, wide = -0.1 - drop - rng.uniform(0, 0.08), rng.uniform(0.68, 0.8)
    low = -1.5 - 0.1 * rng.random() - 0.25 * drop
    side = rng.uniform(-0.52, -0.4) - 0.6 * drop
    right = [
        (0.0, top), (0.17, top - 0.06), (0.5, (top + side) / 2 - 0.05), (wide, side),
        (wide + 0.02, side - 0.3), (wide - 0.03, side - 0.52), (0.57, low + 0.2),
        (0.27, low + 0.04),
    ]  # fmt: skip
    outline = _outline(right, low)
    middle, half = (top + low) / 2, (top - low) / 2
    pleats, depth = int(rng.integers(2, 5)), rng.uniform(0.025, 0.045)
    ripple, crease = Noise(rng, (0.5, 0.16, 0.5), 2), Noise(rng, (0.22, 0.07, 0.3), 2)

    def across(p: Float32) -> Float32:
        x = p[:, 0] / np.float32(wide)
        tall = np.float32(half) * (1 - np.float32(0.52) * x * x)
        return np.asarray((p[:, 1] - np.float32(middle) + np.float32(0.1) * x * x) / tall)

    def fold(p: Float32) -> Float32:
        phase = across(p) * np.float32(pleats / 1.35)
        saw = phase - np.floor(phase)
        ledge = np.minimum(saw / np.float32(0.1), 1)
        inside = np.clip((0.74 - np.abs(across(p))) * 12, 0, 1)
        return np.asarray(np.float32(depth) * (ledge - saw) * inside + 0.012 * ripple(p))

    def wire(p: Float32) -> Float32:
        rim = np.abs(outline(p[:, 0], p[:, 1]) + np.float32(0.075))
        at_nose = np.exp(-((p[:, 0] / np.float32(0.34)) ** 4)) * (p[:, 1] > middle)
        return np.asarray(0.012 * np.clip(1 - rim / np.float32(0.03), 0, 1) * at_nose)

    tone = mottled(plain(_FLAT[name]), rng, 0.03, 0.3)
    inner = _FLAT["white"] if rng.random() < 0.4 and name != "black" else _FLAT[name]
    trimmed = _edged(tone, plain(inner), outline, 0.035)
    relief = add_bumps(
        _hem(outline), wire, lambda p: 0.011 * crease(p), _scaled(Noise(rng, 0.018), 0.0016)
    )
    form = _form(drop=drop, lift=rng.uniform(0.02, 0.06), tent=0.5)
    body = Material(
        albedo=_shaded(trimmed, fold, depth), gloss=0.22, specular=0.03, sheen=0.1, wrap=0.25,
        bump=relief,
    )  # fmt: skip
    loops = _loops(rng, (wide - 0.02, side - 0.02), (wide - 0.04, side - 0.48), 0.015)
    return [Part(_sheet(form, outline, fold), body), *loops]


def _cloth(rng: np.random.Generator) -> list[Part]:
    """Return a sewn mask with a seam down its middle, a print, hems and loops."""
    drop = 0.42 if rng.random() < 0.15 else 0.0
    top, wide = -0.12 - drop - rng.uniform(0, 0.1), rng.uniform(0.66, 0.8)
    low, side = -1.47 - 0.12 * rng.random() - 0.25 * drop, rng.uniform(-0.55, -0.42) - 0.6 * drop
    sharp = rng.uniform(0.5, 0.8)
    right = [
        (0.0, top), (0.15, top - 0.04), (0.42, (1 - sharp) * top + sharp * side), (wide, side),
        (wide, side - 0.28), (wide - 0.06, side - 0.42), (0.5, low + 0.16), (0.2, low + 0.02),
    ]  # fmt: skip
    outline = _outline(right, low)
    seam, fine = rng.random() < 0.7, Noise(rng, (0.2, 0.1, 0.2), 2)
    ripple, slack = Noise(rng, (0.4, 0.22, 0.4), 2), rng.uniform(0.01, 0.03)

    def ridge(p: Float32) -> Float32:
        line = np.abs(p[:, 0]) if seam else np.full(len(p), 1, np.float32)
        roof = np.float32(0.07) * np.exp(-line / np.float32(0.25))
        return np.asarray(roof + np.float32(slack) * ripple(p))

    def stitching(p: Float32) -> Float32:
        line = np.abs(p[:, 0]) if seam else np.full(len(p), 1, np.float32)
        groove = -0.02 * np.clip(1 - line / np.float32(0.014), 0, 1)
        pucker = 0.006 * np.sin(p[:, 1] * 60) * np.exp(-line / np.float32(0.06))
        return np.asarray(groove + pucker)

    print_ = print_pattern(rng, 0.16)
    weft = cloth(print_, rng, thread=rng.uniform(0.016, 0.028))
    body = with_bump(weft, add_bumps(_hem(outline), stitching, _scaled(fine, 0.012)))
    form = _form(drop=drop, lift=rng.uniform(0.02, 0.05), tent=rng.uniform(0.4, 0.6))
    loops = _loops(rng, (wide - 0.02, side - 0.03), (wide - 0.05, side - 0.38), 0.018)
    return [Part(_sheet(form, outline, ridge, 0.02), body), *loops]


def _hem(outline: Outline) -> Bump:
    """Return a folded border: a step, and a line of stitches along it."""

    def height(p: Float32) -> Float32:
        inward = -outline(p[:, 0], p[:, 1])
        step = 0.008 * np.clip((0.075 - inward) / np.float32(0.015), 0, 1)
        run = np.sin((p[:, 0] + p[:, 1] * np.float32(0.8)) * np.float32(150))
        stitch = 0.004 * np.exp(-(((inward - 0.055) / 0.009) ** 2)) * (0.5 + 0.5 * run)
        return np.asarray(step - stitch, np.float32)

    return height


def _edged(inner: Pattern, border: Pattern, outline: Outline, width: float) -> Pattern:
    def colour(p: Float32, n: Float32) -> Float32:
        inside = outline(p[:, 0], p[:, 1]) < -width
        return np.where(inside[:, None], inner(p, n), border(p, n))

    return colour


def _shaded(pattern: Pattern, fold: Callable[[Float32], Float32], depth: float) -> Pattern:
    """Return a pattern darker in the folds, where layers lie on each other."""

    def colour(p: Float32, n: Float32) -> Float32:
        deep = np.clip(fold(p) / np.float32(depth), 0, 1)
        return np.asarray(pattern(p, n) * (0.86 + 0.14 * deep)[:, None], np.float32)

    return colour


def _scaled(noise: Noise, amount: float) -> Bump:
    return lambda p: noise(p) * np.float32(amount)
