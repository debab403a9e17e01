"""Skin of a hand: lighter palms, warm knuckles and fingertips, creases, tendons, veins, nails."""

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from ..materials import Material, Noise, hsv, plain
from ..shapes import Float32, spline
from .skeleton import Bone, Skeleton

__all__ = ["Colour", "hand_skin", "nail_polish", "skin_tone"]

Colour = tuple[float, float, float]
_TONES = np.array(
    [
        (0.95, 0.80, 0.72), (0.91, 0.74, 0.64), (0.87, 0.68, 0.56), (0.80, 0.60, 0.47),
        (0.70, 0.50, 0.38), (0.58, 0.40, 0.30), (0.45, 0.30, 0.23), (0.33, 0.22, 0.17),
        (0.25, 0.17, 0.14),
    ]
)  # fmt: skip
_PALM_LINES = (
    ((-3.4, 6.2), (-1.6, 6.0), (0.2, 6.5), (1.5, 7.7)),  # heart
    ((3.0, 6.3), (1.2, 5.9), (-0.8, 5.0), (-2.4, 3.9)),  # head
    ((2.9, 6.2), (1.5, 5.2), (0.7, 3.6), (0.5, 1.6)),  # life
)
_WRIST_LINES = (((-2.0, 0.1), (0.0, -0.1), (2.0, 0.1)),)


def skin_tone(rng: np.random.Generator) -> Colour:
    """Return the colour of the back of a hand, from pale to dark."""
    place = rng.uniform(0, len(_TONES) - 1.001)
    k = int(place)
    tone = _TONES[k] + (place - k) * (_TONES[k + 1] - _TONES[k])
    tone = tone * (1 + rng.normal(0, 0.02)) + rng.normal(0, 0.008, 3)
    r, g, b = np.clip(tone, 0.03, 0.97).tolist()
    return r, g, b


class _Near:
    """For points in the hand's frame: the bone each one belongs to, and where it lies on it."""

    def __init__(self, hand: Skeleton) -> None:
        self.bones = hand.bones
        self.start = np.stack([b.start for b in hand.bones]).astype(np.float32)
        self.frame = np.stack([b.frame for b in hand.bones]).astype(np.float32)
        self.length = np.array(
            [np.linalg.norm(b.end - b.start) for b in hand.bones], dtype=np.float32
        )
        self.radii = np.array([b.radii for b in hand.bones], dtype=np.float32)
        self.bent = np.array([_bends(hand, b) for b in hand.bones], dtype=np.float32)

    def __call__(self, p: Float32) -> tuple[np.ndarray, Float32, Float32]:
        """Return bone indices (N,), local points (N, 3), and gaps from the bone's flesh (N,)."""
        best = np.full(len(p), np.inf, np.float32)
        which = np.zeros(len(p), np.int64)
        for k in range(len(self.bones)):
            q = p - self.start[k]
            along = q @ self.frame[k][:, 1]
            share = np.clip(along / self.length[k], 0, 1)
            away = (q * q).sum(axis=1) - along * along + (along - share * self.length[k]) ** 2
            gap = np.sqrt(np.maximum(away, 0)) - (
                self.radii[k, 0] + share * (self.radii[k, 1] - self.radii[k, 0])
            )
            closer = gap < best
            best[closer], which[closer] = gap[closer], k
        q = p - self.start[which]
        local = np.einsum("nij,ni->nj", self.frame[which], q)
        return which, np.asarray(local, np.float32), best


def _bends(hand: Skeleton, bone: Bone) -> tuple[float, float]:
    """Return the angles, in radians, of the joints at a bone's start and end."""

    def angle(first: Bone, second: Bone) -> float:
        return float(np.arccos(np.clip(first.frame[:, 1] @ second.frame[:, 1], -1, 1)))

    chain = [b for b in hand.bones if b.digit == bone.digit]
    k = next(i for i, b in enumerate(chain) if b is bone)
    before = angle(chain[k - 1], bone) if k > 0 else 0.0
    return before, angle(bone, chain[k + 1]) if k + 1 < len(chain) else 0.0


class _Fields(NamedTuple):
    """What marks the skin at points of the hand, each (N,)."""

    inside: Float32
    """Share of palm, 0 on the back."""
    red: Float32
    fold: Float32
    """How deep in a crease."""
    height: Float32
    """Of the relief, in cm."""


class _Places(NamedTuple):
    """Where points of the hand lie, each (N,) but the first two (N, 3)."""

    points: Float32
    local: Float32
    which: np.ndarray
    level: np.ndarray
    """Of the bone: 0 in the palm, 1 to 3 along a digit."""
    v: Float32
    """Along the bone, in its lengths."""
    w: Float32
    """Towards the palm, in the bone's radii."""
    inside: Float32


class _Marks:
    """Folds, lines, tendons and veins of one hand."""

    def __init__(self, hand: Skeleton, rng: np.random.Generator, age: float) -> None:
        self._near, self._age, self.cm = _Near(hand), age, np.float32(hand.scale)
        self.fine, self.broad = Noise(rng, 0.05, 2), Noise(rng, 0.3, 2)
        self.vein = Noise(rng, (0.16, 0.5, 0.2), 1)
        self._rank = np.array([b.rank for b in hand.bones])
        self._is_thumb = np.array([b.digit == "thumb" for b in hand.bones])
        self._lines = [
            (spline(np.asarray(line) + rng.normal(0, 0.15, (len(line), 2)), 5) * self.cm).astype(
                np.float32
            )
            for line in (*_PALM_LINES, *_WRIST_LINES)
        ]
        self.vein_strong = np.float32(rng.uniform(0.15, 0.45) + 0.45 * age)

    def __call__(self, p: Float32) -> _Fields:
        """Return what marks the skin at points (N, 3) of the hand's frame."""
        at = self._place(p)
        fold = self._folds(at)
        self._add_lines(at, fold)
        height = -np.float32(0.05) * fold
        self._add_cords(at, height)
        red = self._redness(at)
        return _Fields(at.inside, np.asarray(red, np.float32), np.asarray(fold, np.float32), height)

    def _place(self, p: Float32) -> _Places:
        which, q, _ = self._near(p)
        level, cm = self._rank[which], self.cm
        v, w = q[:, 1] / self._near.length[which], q[:, 2] / self._near.radii[which, 0]
        # the forearm and the heel of the hand are flat, whatever bone is near
        own = _smooth((p[:, 1] / cm - np.float32(2.5)) / np.float32(1.6))
        w = np.where(level == 0, own * w + (1 - own) * p[:, 2] / (np.float32(1.6) * cm), w)
        soft = np.where(level == 0, np.float32(0.5), np.float32(0.35))
        return _Places(p, q, which, level, v, w, _smooth((w + np.float32(0.05)) / soft))

    def _redness(self, at: _Places) -> Float32:
        """Fingertips, and knuckles on the back."""
        tip = _bell(at.v - 1, 0.38) * (at.level == 3)
        knuckle = _bell(at.v - 1, 0.3) * (at.level < 3) + _bell(at.v, 0.3) * (at.level > 0)
        return np.clip(0.65 * tip + 0.42 * (knuckle * (1 - at.inside)), 0, 1)

    def _folds(self, at: _Places) -> Float32:
        """Folds across the joints: one or two lines below, wrinkles above."""
        level, length = at.level, self._near.length[at.which]
        end = (1 - at.v) * length / self.cm
        start = at.v * length / self.cm
        joint = np.where((level == 1) | (level == 2), end, np.float32(9))
        joint = np.minimum(joint, np.where(level >= 2, start, np.float32(9)))
        root = np.where(
            (level == 1) & ~self._is_thumb[at.which],
            np.abs(start - np.float32(2.0)),
            np.float32(9),
        )
        below = at.inside * np.maximum(_bell(joint, 0.1), _bell(root, 0.1))
        wrinkle = np.float32(0.5) + np.float32(0.5) * np.cos(
            joint * np.float32(17) + self.fine(at.points)
        )
        bent = self._near.bent[at.which, (at.v > 0.5).astype(int)]
        slack = np.clip(1.15 - bent / np.float32(0.8), 0, 1)
        deep = np.float32(0.35 + 0.45 * self._age)
        above = (1 - at.inside) * _bell(joint, 0.38) * wrinkle * slack * deep
        return np.maximum(below * np.float32(0.85), above)

    def _add_lines(self, at: _Places, fold: Float32) -> None:
        """Deepen the folds where the lines of palm and wrist run."""
        rows = np.flatnonzero((at.level == 0) & (at.w > 0))
        if not len(rows):
            return
        p = at.points[rows]
        gap = np.full(len(rows), np.inf, np.float32)
        for line in self._lines:
            np.minimum(gap, _gap(p[:, 0], p[:, 1], line), out=gap)
        mark = _bell(gap / self.cm + np.float32(0.04) * self.fine(p), 0.11) * np.float32(0.62)
        mark *= np.float32(0.75) + np.float32(0.5) * self.broad(p)
        fold[rows] = np.maximum(fold[rows], mark * at.inside[rows])

    def _add_cords(self, at: _Places, height: Float32) -> None:
        """Raise tendons and veins on the back of the hand."""
        rows = np.flatnonzero((at.level == 0) & (at.w < 0.3))
        if not len(rows):
            return
        thumb = self._is_thumb[at.which[rows]]
        across = at.local[rows, 0] / self.cm
        tendon = _bell(across, 0.22) * _smooth(at.v[rows] * 4 - 1) * ~thumb
        ridge = _bell(self.vein(at.points[rows]), 0.13)
        fade = (1 - at.inside)[rows] * np.where(thumb, np.float32(0.008), np.float32(0.03))
        height[rows] += fade * (
            tendon * np.float32(0.6 + 1.6 * self._age) + ridge * self.vein_strong * 1.3
        )


def hand_skin(
    hand: Skeleton,
    tone: Colour,
    rng: np.random.Generator,
    *,
    age: float,
    to_hand: Callable[[Float32], Float32],
) -> Material:
    """Return the skin of a hand.

    Parameters
    ----------
    hand : Skeleton
    tone : Colour
        Of the back of the hand.
    rng : numpy.random.Generator
    age : float
        0 young to 1 old: deeper creases, veins and tendons.
    to_hand : callable
        From points of the scene to those of the hand's frame.
    """
    marks = _Marks(hand, rng, age)
    dark = max(1 - float(np.mean(tone)) / 0.8, 0)
    base = np.asarray(tone, np.float32)
    palm_target = np.array([0.93, 0.70, 0.60], np.float32) * np.float32(1 - 0.28 * dark)
    share = np.float32(0.28 + 0.35 * dark)
    palm = base * (1 - share) + palm_target * share
    blood = np.array([1.04, 0.82, 0.78], np.float32) * (1 - 0.06 * np.float32(dark))
    crease = np.array([0.84, 0.70, 0.65], np.float32)

    def albedo(p: Float32, n: Float32) -> Float32:
        h = to_hand(p)
        inside, red, fold, _ = marks(h)
        colour = base + inside[:, None] * (palm - base)
        colour = colour * (1 + red[:, None] * (blood - 1))
        blotch = np.float32(0.03) * marks.broad(h) + np.float32(0.015) * marks.fine(h)
        colour = colour * (1 + np.stack([blotch, 1.8 * blotch, 1.9 * blotch], axis=1))
        colour = colour * (1 + fold[:, None] * (crease - 1))
        veins = (h[:, 1] < 6 * marks.cm) * (1 - inside) * _bell(marks.vein(h), 0.13)
        wrist = veins * marks.vein_strong
        colour = colour * (1 - wrist[:, None] * np.array([0.09, 0.03, 0.02], np.float32))
        return np.clip(colour, 0, 1).astype(np.float32)

    def relief(p: Float32) -> Float32:
        h = to_hand(p)
        height = marks(h).height
        return np.asarray(height * marks.cm + marks.fine(h) * np.float32(0.0006), np.float32)

    return Material(
        albedo=albedo,
        gloss=0.4,
        specular=0.035 + 0.02 * dark,
        wrap=0.3,
        under=(1.0, 0.5, 0.36),
        bump=relief,
    )


def nail_polish(
    rng: np.random.Generator, tone: Colour, bones: list[Bone], to_hand: Callable[[Float32], Float32]
) -> tuple[Material, float]:
    """Return what nails are made of, bare or varnished, and their free edge in radii."""
    if rng.random() < 0.3:
        tint = hsv(
            rng.choice([0.97, 0.99, 0.93, 0.02, rng.random()]),
            rng.uniform(0.35, 0.95),
            rng.uniform(0.25, 0.9),
        )
        return Material(albedo=plain(tint), gloss=0.85, specular=0.06), rng.uniform(0.15, 0.6)
    bed = np.asarray(tone, np.float32) * 0.62 + np.array([0.93, 0.72, 0.68], np.float32) * 0.38
    edge = np.asarray(tone, np.float32) * 0.35 + np.array([0.95, 0.92, 0.88], np.float32) * 0.65
    tips = np.stack([b.end + b.frame[:, 1] * b.radii[1] * 0.12 for b in bones]).astype(np.float32)
    aim = np.stack([b.frame[:, 1] for b in bones]).astype(np.float32)

    def albedo(p: Float32, n: Float32) -> Float32:
        h = to_hand(p)
        far = ((h[:, None, :] - tips[None]) ** 2).sum(axis=2).argmin(axis=1)
        v = ((h - tips[far]) * aim[far]).sum(axis=1) / np.float32(0.02)
        return np.asarray(bed + _smooth(v)[:, None] * (edge - bed), np.float32)

    return Material(albedo=albedo, gloss=0.65, specular=0.05, wrap=0.15), rng.uniform(0.0, 0.22)


def _bell(x: Float32, width: float) -> Float32:
    return np.exp(-((x / np.float32(width)) ** 2)).astype(np.float32)


def _smooth(x: Float32) -> Float32:
    t = np.clip(x * np.float32(0.5) + np.float32(0.5), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def _gap(x: Float32, y: Float32, line: Float32) -> Float32:
    """Return distances of flat points from a polyline (M, 2)."""
    best = np.full(len(x), np.inf, np.float32)
    for a, b in pairwise(line):
        ex, ey = b - a
        t = np.clip(((x - a[0]) * ex + (y - a[1]) * ey) / (ex * ex + ey * ey), 0, 1)
        np.minimum(best, np.hypot(x - a[0] - t * ex, y - a[1] - t * ey), out=best)
    return best
