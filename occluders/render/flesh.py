"""Solid shapes of a hand around its bones: flesh, nails, forearm, and what is worn on them."""

from collections.abc import Sequence

import numpy as np

from ..shapes import Float32, Shape, capsule, ellipsoid, smooth_union, tube
from .skeleton import FINGERS, Bone, Skeleton

__all__ = ["band", "flesh", "forearm", "nail", "ring", "sleeve"]


def flesh(hand: Skeleton) -> Shape:
    """Return the hand with its forearm as one solid.

    Fingers join the palm smoothly at their roots and stay apart from it and from each other
    beyond, so that a fist shows its folds.
    """
    cm = hand.scale
    thick = cm * hand.build.breadth
    palm = [tube([b.start, b.end], b.radii) for b in hand.digits(0) if b.digit != "thumb"]
    thumb = hand.bone("thumb", 0)
    heel = thumb.start + np.array([-0.5, 0.2, 0.25]) * cm
    palm.append(capsule(heel, thumb.at(0.55, 0.0, 0.1), 1.35 * thick, 1.45 * thick))
    palm.append(capsule(thumb.at(0.5), thumb.end, 1.3 * thick, 1.02 * thumb.radii[1]))
    palm.append(
        ellipsoid(np.array([-2.15, 3.6, 0.55]) * cm, (1.35 * thick, 3.0 * cm, 1.35 * thick))
    )
    ball = [hand.bone(name, 0).at(0.9, 0, 0.35) for name in FINGERS]
    palm.append(tube(ball, 0.85 * thick))
    index = hand.bone("index", 0)
    web = [thumb.at(0.72, 0, 0.1), (thumb.at(0.62) + index.at(0.62)) / 2, index.at(0.6)]
    palm.append(tube(web, 0.75 * thick))
    core = smooth_union(1.1 * cm, *palm)
    roots = [_phalanx(b) for b in hand.digits(1)[:4]]
    middle = [
        capsule(
            hand.bone("thumb", 2).start, hand.bone("thumb", 2).end, *hand.bone("thumb", 2).radii
        )
    ]
    outer = [(_finger_end(hand, name, cm), _reach(hand, name)) for name in (*FINGERS, "thumb")]
    body = smooth_union(0.8 * cm, core, forearm(hand), smooth_union(0.12 * cm, *roots, *middle))

    def distance(p: Float32) -> Float32:
        best = body(p)
        width = np.float32(0.1 * cm)
        for shape, (centre, radius) in outer:
            q = p - centre
            rows = np.flatnonzero(np.sqrt((q * q).sum(axis=1)) - radius < best + width)
            if not len(rows):
                continue
            own, other = best[rows], shape(np.asfortranarray(p[rows]))
            lap = np.maximum(width - np.abs(own - other), 0) / width
            best[rows] = np.minimum(own, other) - lap * lap * (width / 4)
        return best

    return distance


def _reach(hand: Skeleton, digit: str) -> tuple[Float32, np.float32]:
    """Return the middle and radius of a ball around the two outer bones of a digit."""
    first, last = hand.bone(digit, 2), hand.bone(digit, 3)
    spots = np.stack([first.start, first.end, last.end])
    centre = (spots.min(axis=0) + spots.max(axis=0)) / 2
    radius = np.linalg.norm(spots - centre, axis=1).max() + 1.3 * first.radii[0]
    return centre.astype(np.float32), np.float32(radius)


def _phalanx(bone: Bone) -> Shape:
    """Return a finger's first bone with the pad under it."""
    slim = 0.47 * (bone.radii[0] + bone.radii[1])
    rod = tube(
        [bone.start, bone.at(0.55), bone.end],
        [bone.radii[0], slim, bone.radii[1]],
    )
    pad = capsule(bone.at(0.35, 0, 0.3), bone.at(0.72, 0, 0.28), 0.86 * bone.radii[1])
    return smooth_union(0.4 * bone.radii[1], rod, pad)


def _finger_end(hand: Skeleton, digit: str, cm: float) -> Shape:
    """Return the two outer bones of a digit: waists between the joints, pads below, a round tip."""
    first, last = hand.bone(digit, 2), hand.bone(digit, 3)
    waist = 0.93 * (first.radii[0] + first.radii[1]) / 2
    tip = last.at(1.0, 0, 0.08) - last.frame[:, 1] * last.radii[1] * 0.9
    rod = tube(
        [first.start, first.at(0.5), first.end, last.at(0.45), tip],
        [first.radii[0], waist, first.radii[1], 0.99 * first.radii[1], last.radii[1]],
    )
    pads = [
        capsule(
            last.at(0.35, 0, 0.28), last.at(0.62, 0, 0.3), 0.86 * last.radii[0], 0.8 * last.radii[0]
        ),
        capsule(first.at(0.35, 0, 0.22), first.at(0.65, 0, 0.22), 0.86 * first.radii[1]),
    ]
    return smooth_union(0.3 * cm, rod, *pads)


def forearm(hand: Skeleton, swell: float = 0.0) -> Shape:
    """Return wrist and forearm, of oval section, cut straight at its end; `swell` in cm."""
    cm = hand.scale
    thick = cm * (0.4 + 0.6 * hand.build.breadth)
    end = -hand.build.arm
    grow = min(1.0, hand.build.arm / 16)
    rods = [
        tube(
            np.array(
                [[s * 0.9, 2.6, 0], [s * 0.98, -0.8, 0], [s * (1.05 + 0.8 * grow), end - 3, 0]]
            )
            * cm,
            np.array([1.45, 1.7, 1.75 + 1.1 * grow]) * thick + swell * cm,
        )
        for s in (-1, 1)
    ]
    arm = smooth_union(1.6 * cm, *rods)
    stop = np.float32(end * cm)
    edge = np.float32(0.35 * cm)

    def distance(p: Float32) -> Float32:
        side, low = arm(p) + edge, stop - p[:, 1] + edge
        outside = np.hypot(np.maximum(side, 0), np.maximum(low, 0))
        return np.asarray(outside + np.minimum(np.maximum(side, low), 0) - edge, np.float32)

    return distance


def nail(bone: Bone, long: float) -> Shape:
    """Return the nail of a digit's last bone; `long` is its free edge in radii."""
    r = bone.radii[0]
    long *= 0.6 if bone.digit == "thumb" else 1.0
    base = bone.at(0.4, 0, 0)
    tip = bone.at(1.0, 0, 0.08) - bone.frame[:, 1] * bone.radii[1] * 0.9
    reach = float(np.linalg.norm(tip - base))
    half, front = 0.72 * r, reach + (0.62 + long) * r
    far = tip + bone.frame[:, 1] * (0.2 + long) * r
    plate = tube(
        [bone.start, bone.at(0.45), tip, far], [r, 0.99 * r, bone.radii[1], 0.9 * bone.radii[1]]
    )
    lift = np.float32(0.009)
    frame, start = bone.frame.astype(np.float32), base.astype(np.float32)

    def window(p: Float32) -> Float32:
        q = (p - start) @ frame
        x, y = q[:, 0], q[:, 1] - np.float32(front / 2 + 0.06 * r)
        dx = np.abs(x) - np.float32(half * 0.35)
        dy = np.abs(y) - np.float32(front / 2 - half * 0.65)
        flat = np.hypot(np.maximum(dx, 0), np.maximum(dy, 0)) - np.float32(half * 0.65)
        return np.asarray(np.maximum(flat, q[:, 2] + np.float32(0.25 * r)), np.float32)

    def distance(p: Float32) -> Float32:
        inside = window(p)  # its border dips into the flesh, so that no step is seen
        rise = np.clip(inside * np.float32(-8 / r), -0.5, 1)
        return np.asarray(np.maximum(plate(p) - lift * rise, inside), np.float32)

    return distance


def ring(bone: Bone, along: float, width: float) -> Shape:
    """Return a finger ring."""
    radius = bone.radii[0] + (bone.radii[1] - bone.radii[0]) * along
    frame, middle = bone.frame.astype(np.float32), bone.at(along, 0, 0.08).astype(np.float32)

    def distance(p: Float32) -> Float32:
        q = (p - middle) @ frame
        gap = np.hypot(q[:, 0], q[:, 2] * np.float32(0.95)) - np.float32(1.0 * radius)
        along_ = np.abs(q[:, 1]) - np.float32(width)
        thick = np.abs(gap) - np.float32(0.012)
        outside = np.hypot(np.maximum(along_, 0), np.maximum(thick, 0))
        return np.asarray(outside + np.minimum(np.maximum(along_, thick), 0) - 0.006, np.float32)

    return distance


def band(hand: Skeleton, middle: float, half: float, swell: float) -> Shape:
    """Return a band about the wrist, `middle` centimetres below it."""
    cm = hand.scale
    arm = forearm(hand, swell)

    def distance(p: Float32) -> Float32:
        flat = np.abs(p[:, 1] + np.float32(middle * cm)) - np.float32(half * cm)
        return np.asarray(np.maximum(arm(p), flat), np.float32)

    return distance


def sleeve(
    hand: Skeleton, start: float, loose: float, cuff: float, folds: Sequence[float]
) -> Shape:
    """Return a sleeve from `start` centimetres below the wrist, `loose` centimetres wide of it."""
    cm = hand.scale
    arm = forearm(hand, loose)
    phase, strong = np.float32(folds[0]), np.float32(folds[1] * cm)
    edge = np.float32(0.22 * cm)

    def distance(p: Float32) -> Float32:
        down = -p[:, 1] / np.float32(cm) - np.float32(start)
        round_ = np.arctan2(p[:, 2], p[:, 0])
        wave = np.sin(down * np.float32(1.9) + np.float32(1.3) * np.sin(round_ + phase) + phase)
        fade = np.clip((down - np.float32(cuff)) / 2, 0, 1)
        hem = np.where(down < cuff, np.float32(0.12 * cm), 0)
        side = arm(p) - strong * fade * wave - hem + edge
        top = -down * np.float32(cm) + edge
        outside = np.hypot(np.maximum(side, 0), np.maximum(top, 0))
        return np.asarray(outside + np.minimum(np.maximum(side, top), 0) - edge, np.float32)

    return distance
