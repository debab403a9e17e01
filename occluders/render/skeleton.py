"""The bones of a right hand and how a pose moves them.

The hand's own frame: x to the thumb's side, y to the fingers, z out of the palm; its origin is the
middle of the wrist. Lengths are those of an adult hand of 18.5 cm, in the scene units of `face`,
where the eyes are 6.3 cm apart.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..shapes import rotation
from .held import CENTIMETRE as CM

__all__ = ["CM", "FINGERS", "Bone", "Build", "Pose", "Skeleton", "pose_hand"]

FINGERS = ("index", "middle", "ring", "little")
Vector = NDArray[np.float64]
Triple = tuple[float, float, float]

_KNUCKLE = {
    "index": (2.55, 8.5, -0.1), "middle": (0.6, 8.75, 0.0),
    "ring": (-1.25, 8.3, -0.05), "little": (-2.95, 7.45, -0.15),
}  # fmt: skip
_CARPAL = {
    "index": (1.35, 2.0, 0.0), "middle": (0.4, 2.0, 0.0),
    "ring": (-0.55, 2.0, 0.0), "little": (-1.4, 2.0, 0.0),
}  # fmt: skip
_LENGTHS = {
    "index": (4.1, 2.4, 2.0), "middle": (4.5, 2.8, 2.1),
    "ring": (4.2, 2.65, 2.05), "little": (3.3, 1.95, 1.8), "thumb": (4.5, 3.2, 2.6),
}  # fmt: skip
_RADII = {
    "index": (1.06, 0.97, 0.87, 0.72), "middle": (1.08, 1.0, 0.9, 0.74),
    "ring": (1.02, 0.94, 0.85, 0.7), "little": (0.92, 0.83, 0.74, 0.62),
    "thumb": (1.35, 1.2, 1.1, 0.84),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Build:
    """Size and build of a hand."""

    length: float = 1.0
    """1 is 18.5 cm."""
    breadth: float = 1.0
    """Thickness of fingers and palm beside their length: 0.88 slender, 1.12 broad."""
    arm: float = 9.0
    """Centimetres of forearm."""


@dataclass(frozen=True, kw_only=True)
class Pose:
    """Angles in degrees; the thumb by the directions of its three bones."""

    flex: dict[str, Triple] = field(default_factory=dict)
    """Of a finger's three joints, towards the palm; a finger not given is straight."""
    spread: dict[str, float] = field(default_factory=dict)
    """Of a finger towards the thumb's side."""
    thumb: tuple[Triple, Triple, Triple] = ((0.55, 0.8, 0.3), (0.25, 1, 0.1), (0.15, 1, 0.05))
    pad: Triple = (-0.7, 0.0, 0.7)
    """Where the thumb's pad looks."""


@dataclass(frozen=True)
class Bone:
    """A bone with the flesh around it."""

    digit: str
    start: Vector
    end: Vector
    frame: Vector
    """Columns: across, along, towards the pad."""
    radii: tuple[float, float]
    rank: int
    """0 in the palm, 1-3 outwards."""

    def at(self, along: float, across: float = 0.0, out: float = 0.0) -> Vector:
        """Return a point: shares of its length along, of its radius across and to the pad."""
        radius = self.radii[0] + (self.radii[1] - self.radii[0]) * along
        side = self.frame @ np.array([across * radius, 0.0, out * radius])
        return np.asarray(self.start + along * (self.end - self.start) + side)


@dataclass(frozen=True)
class Skeleton:
    """All bones of a hand in a pose."""

    bones: list[Bone]
    build: Build

    def bone(self, digit: str, rank: int) -> Bone:
        """Return one bone."""
        return next(b for b in self.bones if b.digit == digit and b.rank == rank)

    def digits(self, rank: int) -> list[Bone]:
        """Return the bones of one rank, the thumb's last."""
        return [b for b in self.bones if b.rank == rank]

    @property
    def scale(self) -> float:
        """Scene units a centimetre of the average hand."""
        return CM * self.build.length


def pose_hand(pose: Pose, build: Build) -> Skeleton:
    """Return the bones of a hand in a pose.

    Parameters
    ----------
    pose : Pose
    build : Build
    """
    long, thick = CM * build.length, CM * build.length * build.breadth
    wide = np.array([0.5 + 0.5 * build.breadth, 1.0, 1.0]) * long
    bones = []
    for digit in FINGERS:
        root, joint = np.array(_CARPAL[digit]) * wide, np.array(_KNUCKLE[digit]) * wide
        radii = np.array(_RADII[digit]) * thick
        bones.append(
            Bone(
                digit,
                root,
                joint,
                _frame(joint - root, (0, 0, 1)),
                (1.15 * thick, 1.08 * radii[0]),
                0,
            )
        )
        turn = rotation(roll=-pose.spread.get(digit, 0.0) - _FAN[digit])
        for rank, angle in enumerate(pose.flex.get(digit, (0.0, 0.0, 0.0)), 1):
            turn = turn @ rotation(pitch=angle)
            end = joint + turn[:, 1] * _LENGTHS[digit][rank - 1] * long
            bones.append(Bone(digit, joint, end, turn, (radii[rank - 1], radii[rank]), rank))
            joint = end
    joint = np.array([1.75, 1.9, 0.7]) * wide
    radii = np.array(_RADII["thumb"]) * thick
    for rank, aim in enumerate(pose.thumb):
        frame = _frame(aim, pose.pad)
        end = joint + frame[:, 1] * _LENGTHS["thumb"][rank] * long
        bones.append(
            Bone("thumb", joint, end, frame, (radii[rank], radii[rank + 1]), rank + (rank > 0))
        )
        joint = end
    return Skeleton(bones, build)


_FAN = {"index": 2.0, "middle": 0.0, "ring": -2.0, "little": -4.5}


def _frame(aim: Sequence[float] | Vector, pad: Sequence[float]) -> Vector:
    """Return the frame whose second column is `aim` and third as near to `pad` as can be."""
    along = np.asarray(aim, np.float64) / np.linalg.norm(aim)
    out = np.asarray(pad, np.float64) - along * (along @ np.asarray(pad, np.float64))
    out /= np.linalg.norm(out)
    return np.stack([np.cross(along, out), along, out], axis=1)
