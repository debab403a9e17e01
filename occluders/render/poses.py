"""Poses of a hand, and how it is turned to the viewer."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..shapes import rotation
from .skeleton import FINGERS, Pose, Triple

__all__ = ["POSES", "Held", "draw_pose"]

Thumb = tuple[Triple, Triple, Triple]


@dataclass(frozen=True, kw_only=True)
class Held:
    """A pose, turned to the viewer, and what it covers."""

    pose: Pose
    turn: NDArray[np.float64]
    """From the hand's frame to the scene."""
    covers: str = ""
    """The landmark it lies on; empty for a hand merely before a face."""
    spot: tuple[str, int, float] = ("middle", 0, 0.9)
    """Digit, rank and share along the bone of the point over what is covered."""


_ALONG: Thumb = ((0.62, 0.78, 0.3), (0.22, 0.97, 0.1), (0.1, 0.99, 0.05))
_OUT: Thumb = ((0.8, 0.6, 0.25), (0.62, 0.78, 0.12), (0.5, 0.86, 0.0))
_OVER_FIST: Thumb = ((1.9, 2.9, 2.3), (-0.5, 1.2, 2.6), (-2.3, 0.9, 0.35))
_OVER_RING: Thumb = ((1.5, 2.8, 2.6), (-1.2, 0.8, 2.4), (-2.4, 0.7, 0.3))
_UP: Thumb = ((0.75, 0.6, 0.35), (0.98, 0.2, 0.05), (1.0, 0.02, -0.2))
_CURL: Triple = (84.0, 98.0, 62.0)


def _straight(
    rng: np.random.Generator, bend: float, open_: float
) -> tuple[dict[str, Triple], dict[str, float]]:
    """Return fingers about straight, spread by `open_` degrees from one to the next."""
    common = rng.uniform(0.3, 1.0) * bend
    flex, spread = {}, {}
    for k, name in enumerate(FINGERS):
        one = common * rng.uniform(0.6, 1.4) * (1 + 0.12 * k)
        flex[name] = (0.5 * one + rng.normal(0, 1.5), one, 0.55 * one)
        spread[name] = open_ * (1.2 - k) + rng.normal(0, 0.6)
    return flex, spread


def _curled(rng: np.random.Generator, names: tuple[str, ...]) -> dict[str, Triple]:
    a, b, c = _CURL
    return {
        name: (a + rng.normal(0, 2), b + rng.normal(0, 2), c + rng.normal(0, 3)) for name in names
    }


def _turned(
    rng: np.random.Generator, yaw: float, pitch: float, roll: float, loose: float = 1.0
) -> NDArray[np.float64]:
    """Return the turn: roll first, in the hand's plane, then pitch, then yaw; loosened."""
    d = rng.normal(0, 1, 3) * (9 * loose, 6 * loose, 7 * loose)
    tilt = rotation(yaw=d[0], pitch=d[1])
    return tilt @ rotation(roll=roll + d[2]) @ rotation(yaw=yaw, pitch=pitch)


def _palm(rng: np.random.Generator) -> Held:
    wide = rng.random() < 0.55
    flex, spread = _straight(rng, 16, rng.uniform(9, 13) if wide else rng.uniform(0, 2.5))
    pose = Pose(
        flex=flex,
        spread=spread,
        thumb=_OUT if wide or rng.random() < 0.4 else _ALONG,
        pad=(-0.6, 0.1, 0.8),
    )
    return Held(pose=pose, turn=_turned(rng, 0, 0, rng.uniform(-15, 15)))


def _back(rng: np.random.Generator) -> Held:
    held = _palm(rng)
    return replace(held, turn=_turned(rng, 180, 0, rng.uniform(-20, 20)))


def _fist(rng: np.random.Generator) -> Held:
    pose = Pose(flex=_curled(rng, FINGERS), thumb=_OVER_FIST, pad=(-0.4, 0.0, -1.0))
    view = str(rng.choice(["front", "back", "thumb", "knuckles"], p=[0.45, 0.1, 0.25, 0.2]))
    yaw, pitch = {"front": (0, 8), "back": (180, -22), "thumb": (-58, 5), "knuckles": (165, -48)}[
        view
    ]
    return Held(
        pose=pose, turn=_turned(rng, yaw, pitch, rng.uniform(-20, 20)), spot=("middle", 2, 0.5)
    )


def _point(rng: np.random.Generator) -> Held:
    flex = _curled(rng, FINGERS[1:])
    flex["index"] = (rng.uniform(-4, 12), rng.uniform(2, 12), rng.uniform(1, 8))
    pose = Pose(flex=flex, thumb=_OVER_RING, pad=(-0.4, 0.0, -1.0))
    yaw = float(rng.choice([0, 180, -50], p=[0.5, 0.35, 0.15]))
    return Held(pose=pose, turn=_turned(rng, yaw, 0, rng.uniform(-40, 40)), spot=("index", 2, 0.5))


def _peace(rng: np.random.Generator) -> Held:
    flex = _curled(rng, ("ring", "little"))
    flex["index"] = (rng.uniform(-3, 8), rng.uniform(2, 10), 4.0)
    flex["middle"] = (rng.uniform(-3, 8), rng.uniform(2, 10), 4.0)
    pose = Pose(
        flex=flex, spread={"index": rng.uniform(8, 13), "middle": rng.uniform(-13, -8)},
        thumb=_OVER_RING, pad=(-0.4, 0.0, -1.0),
    )  # fmt: skip
    yaw = float(rng.choice([0, 180], p=[0.6, 0.4]))
    return Held(pose=pose, turn=_turned(rng, yaw, 0, rng.uniform(-15, 15)), spot=("middle", 1, 0.5))


def _thumb_up(rng: np.random.Generator) -> Held:
    pose = Pose(flex=_curled(rng, FINGERS), thumb=_UP, pad=(0.0, 0.3, 1.0))
    return Held(
        pose=pose,
        turn=_turned(rng, rng.uniform(-25, 10), 0, rng.uniform(75, 100)),
        spot=("middle", 2, 0.5),
    )


def _over_mouth(rng: np.random.Generator) -> Held:
    flex, spread = _straight(rng, 20, rng.uniform(0, 3))
    pose = Pose(
        flex=flex, spread=spread, thumb=_ALONG if rng.random() < 0.5 else _OUT, pad=(-0.6, 0.1, 0.8)
    )
    turn = _turned(rng, 180, 0, rng.uniform(-85, -50), 0.5)
    return Held(pose=pose, turn=turn, covers="mouth", spot=("middle", 1, 0.35))


def _over_eye(rng: np.random.Generator) -> Held:
    flex, spread = _straight(rng, 16, rng.uniform(0, 7))
    pose = Pose(
        flex=flex, spread=spread, thumb=_ALONG if rng.random() < 0.6 else _OUT, pad=(-0.6, 0.1, 0.8)
    )
    side = str(rng.choice(["left_eye", "right_eye"]))
    turn = _turned(rng, 180, 0, rng.uniform(-40, 8), 0.5)
    return Held(pose=pose, turn=turn, covers=side, spot=("middle", 1, float(rng.uniform(0.1, 0.9))))


def _on_cheek(rng: np.random.Generator) -> Held:
    side = str(rng.choice(["left_cheek", "right_cheek"]))
    if rng.random() < 0.5:
        flex, spread = _straight(rng, 35, rng.uniform(0, 5))
        pose = Pose(flex=flex, spread=spread, thumb=_ALONG, pad=(-0.6, 0.1, 0.8))
        spot = ("middle", 0, 0.95)
    else:  # a loose fist to lean on
        pose = Pose(flex=_curled(rng, FINGERS), thumb=_OVER_FIST, pad=(-0.4, 0.0, -1.0))
        spot = ("middle", 1, 0.5)
    turn = _turned(rng, 180, 0, rng.uniform(-30, 10), 0.6)
    return Held(pose=pose, turn=turn, covers=side, spot=spot)


POSES: dict[str, tuple[Callable[[np.random.Generator], Held], float]] = {
    "palm": (_palm, 0.17),
    "back": (_back, 0.12),
    "fist": (_fist, 0.11),
    "point": (_point, 0.11),
    "peace": (_peace, 0.07),
    "thumb_up": (_thumb_up, 0.06),
    "over_mouth": (_over_mouth, 0.16),
    "over_eye": (_over_eye, 0.13),
    "on_cheek": (_on_cheek, 0.07),
}
"""Name to what draws the pose, and its share."""


def draw_pose(rng: np.random.Generator) -> Held:
    """Return a pose of a right hand, by the shares of `POSES`."""
    share = np.array([weight for _, weight in POSES.values()])
    name = str(rng.choice(list(POSES), p=share / share.sum()))
    return POSES[name][0](rng)
