"""Skin of a hand: lighter palms, warm knuckles and fingertips, creases, tendons, veins, nails."""

from collections.abc import Callable
from itertools import pairwise

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
    near, cm = _Near(hand), np.float32(hand.scale)
    dark = 1 - float(np.mean(tone)) / 0.8
    base = np.asarray(tone, np.float32)
    palm_target = np.array([0.93, 0.70, 0.60], np.float32) * np.float32(1 - 0.28 * max(dark, 0))
    share = np.float32(0.28 + 0.35 * max(dark, 0))
    palm = base * (1 - share) + palm_target * share
    blood = np.array([1.04, 0.82, 0.78], np.float32) * (1 - 0.06 * np.float32(max(dark, 0)))
    crease = np.array([0.84, 0.70, 0.65], np.float32)
    fine, broad, vein = Noise(rng, 0.05, 2), Noise(rng, 0.3, 2), Noise(rng, (0.16, 0.5, 0.2), 1)
    rank = np.array([b.rank for b in hand.bones])
    is_thumb = np.array([b.digit == "thumb" for b in hand.bones])
    lines = [
        (spline(np.asarray(line) + rng.normal(0, 0.15, (len(line), 2)), 5) * cm).astype(np.float32)
        for line in (*_PALM_LINES, *_WRIST_LINES)
    ]
    vein_strong = np.float32(rng.uniform(0.15, 0.45) + 0.45 * age)

    def fields(p: Float32) -> tuple[Float32, Float32, Float32, Float32]:
        """Return share of palm, redness, crease, and height of the relief (in cm)."""
        which, q, _ = near(p)
        level, length = rank[which], near.length[which]
        radius = near.radii[which, 0]
        v, w = q[:, 1] / length, q[:, 2] / radius
        # the forearm and the heel of the hand are flat, whatever bone is near
        own = _smooth((p[:, 1] / cm - np.float32(2.5)) / np.float32(1.6))
        w = np.where(level == 0, own * w + (1 - own) * p[:, 2] / (np.float32(1.6) * cm), w)
        soft = np.where(level == 0, np.float32(0.5), np.float32(0.35))
        inside = _smooth((w + np.float32(0.05)) / soft)
        back = 1 - inside
        tip = _bell(v - 1, 0.38) * (level == 3)
        knuckle = (_bell(v - 1, 0.3) * (level < 3) + _bell(v, 0.3) * (level > 0)) * back
        red = np.clip(0.65 * tip + 0.42 * knuckle, 0, 1)
        # folds across the joints: one or two lines below, wrinkles above
        end = (1 - v) * length / cm
        start = v * length / cm
        joint = np.where((level == 1) | (level == 2), end, np.float32(9))
        joint = np.minimum(joint, np.where(level >= 2, start, np.float32(9)))
        root = np.where(
            (level == 1) & ~is_thumb[which], np.abs(start - np.float32(2.0)), np.float32(9)
        )
        below = inside * np.maximum(_bell(joint, 0.1), _bell(root, 0.1))
        wrinkle = np.float32(0.5) + np.float32(0.5) * np.cos(joint * np.float32(17) + fine(p))
        slack = np.clip(1.15 - near.bent[which, (v > 0.5).astype(int)] / np.float32(0.8), 0, 1)
        above = back * _bell(joint, 0.38) * wrinkle * slack * np.float32(0.35 + 0.45 * age)
        fold = np.maximum(below * np.float32(0.85), above)
        flat = (level == 0) & (w > 0)
        rows = np.flatnonzero(flat)
        if len(rows):
            gap = np.full(len(rows), np.inf, np.float32)
            for line in lines:
                np.minimum(gap, _gap(p[rows, 0], p[rows, 1], line), out=gap)
            mark = _bell(gap / cm + np.float32(0.04) * fine(p[rows]), 0.11) * np.float32(0.62)
            mark *= np.float32(0.75) + np.float32(0.5) * broad(p[rows])
            fold[rows] = np.maximum(fold[rows], mark * inside[rows])
        height = -np.float32(0.05) * fold
        rows = np.flatnonzero((level == 0) & (w < 0.3))
        if len(rows):
            across = q[rows, 0] / cm
            tendon = _bell(across, 0.22) * _smooth(v[rows] * 4 - 1) * ~is_thumb[which[rows]]
            ridge = _bell(vein(p[rows]), 0.13)
            fade = back[rows] * np.where(is_thumb[which[rows]], np.float32(0.008), np.float32(0.03))
            height[rows] += fade * (
                tendon * np.float32(0.6 + 1.6 * age) + ridge * vein_strong * 1.3
            )
        return inside, np.asarray(red, np.float32), np.asarray(fold, np.float32), height

    def albedo(p: Float32, n: Float32) -> Float32:
        h = to_hand(p)
        inside, red, fold, _ = fields(h)
        colour = base + inside[:, None] * (palm - base)
        colour = colour * (1 + red[:, None] * (blood - 1))
        blotch = np.float32(0.03) * broad(h) + np.float32(0.015) * fine(h)
        colour = colour * (1 + np.stack([blotch, 1.8 * blotch, 1.9 * blotch], axis=1))
        colour = colour * (1 + fold[:, None] * (crease - 1))
        wrist = (h[:, 1] < 6 * cm) * (1 - inside) * _bell(vein(h), 0.13) * vein_strong
        colour = colour * (1 - wrist[:, None] * np.array([0.09, 0.03, 0.02], np.float32))
        return np.clip(colour, 0, 1).astype(np.float32)

    def relief(p: Float32) -> Float32:
        h = to_hand(p)
        return np.asarray(fields(h)[3] * cm + fine(h) * np.float32(0.0006), np.float32)

    return Material(
        albedo=albedo,
        gloss=0.4,
        specular=0.035 + 0.02 * max(dark, 0),
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
