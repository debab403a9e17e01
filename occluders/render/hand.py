"""Hands: open, closed, pointing, and lying over mouth, eye or cheek; bare arms and sleeves."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ..lighting import Light
from ..materials import Material, cloth, hsv, knit, metal, mottled, plain, plastic, with_bump
from ..rendering import Camera, Rendered, render_scene
from ..shapes import Float32, Shape
from ..tracing import Part
from .fabric import print_pattern
from .flesh import band, flesh, nail, ring, sleeve
from .hand_skin import Colour, hand_skin, nail_polish, skin_tone
from .held import held
from .poses import POSES, Held, draw_pose
from .skeleton import Build, Skeleton, pose_hand

__all__ = ["Placing", "hand", "hand_parts"]

Vector = NDArray[np.float64]


class Placing:
    """Carries a hand from its own frame into the scene.

    Parameters
    ----------
    turn : ndarray of float, shape (3, 3)
        Orthogonal; a mirror makes it a left hand.
    shift : ndarray of float, shape (3,)
    """

    def __init__(self, turn: Vector, shift: Vector) -> None:
        self.turn, self.shift = turn, shift
        self._matrix, self._shift = turn.astype(np.float32), shift.astype(np.float32)

    def to_hand(self, p: Float32) -> Float32:
        """Return points (N, 3) of the scene in the hand's frame."""
        return np.asfortranarray((p - self._shift) @ self._matrix)

    def to_scene(self, p: Vector) -> tuple[float, float, float]:
        """Return a point (3,) of the hand's frame in the scene."""
        x, y, z = (self.turn @ p + self.shift).tolist()
        return x, y, z

    def place(self, shape: Shape) -> Shape:
        """Return a shape of the hand's frame in the scene."""
        return lambda p: shape(self.to_hand(p))


def hand(rng: np.random.Generator, size: int = 176, pose: str = "") -> Rendered:
    """Return a hand.

    Parameters
    ----------
    rng : numpy.random.Generator
    size : int, optional
        Longest side in pixels.
    pose : str, optional
        One of `POSES`; drawn by default.
    """
    shown = POSES[pose][0](rng) if pose else draw_pose(rng)
    build = Build(
        length=rng.uniform(0.88, 1.06),
        breadth=rng.uniform(0.9, 1.1),
        arm=rng.uniform(4, 7) if shown.spot[1] == 2 else rng.uniform(5, 11),
    )
    bones = pose_hand(shown.pose, build)
    mirrored = _is_left(rng, shown)
    turn = np.diag([-1.0, 1.0, 1.0]) @ shown.turn if mirrored else shown.turn
    place = Placing(turn, _centring(bones, turn))
    light, camera = Light.draw(rng), Camera.draw(rng, yaw=12, pitch=8, roll=4)
    parts = hand_parts(rng, bones, place)
    digit, rank, along = shown.spot
    spot = place.to_scene(bones.bone(digit, rank).at(along, 0, 1.0))
    wrist = place.to_scene(np.array([0, -build.arm * bones.scale, 0]))
    anchors = held(camera, spot, wrist)
    if shown.covers:
        anchors[shown.covers] = spot
    return render_scene(
        parts, camera=camera, light=light, size=size, anchors=anchors, extent=2.7, step=0.8
    )


def _is_left(rng: np.random.Generator, shown: Held) -> bool:
    """Return whether to mirror: the hand nearer to what is covered is the likelier."""
    if shown.covers.startswith("left"):
        return bool(rng.random() < 0.06)
    if shown.covers.startswith("right"):
        return bool(rng.random() < 0.94)
    return bool(rng.random() < 0.5)


def _centring(bones: Skeleton, turn: Vector) -> Vector:
    spots = [b.end for b in bones.bones] + [np.array([0, -bones.build.arm * bones.scale, 0])]
    turned = np.stack(spots) @ turn.T
    return np.asarray(-(turned.min(axis=0) + turned.max(axis=0)) / 2)


def hand_parts(rng: np.random.Generator, bones: Skeleton, place: Placing) -> list[Part]:
    """Return the parts of a hand: flesh, nails, and at times rings, a watch and a sleeve."""
    tone, age = skin_tone(rng), float(rng.beta(1.3, 2.2))
    varnish, long = nail_polish(rng, tone, bones.digits(3), place.to_hand)
    skin = hand_skin(bones, tone, rng, age=age, to_hand=place.to_hand)
    parts = [Part(place.place(flesh(bones)), skin)]
    parts += [Part(place.place(nail(b, long)), varnish) for b in bones.digits(3)]
    if rng.random() < 0.3:
        parts += _rings(rng, bones, place)
    dressed = rng.random()
    if dressed < 0.6:
        parts.append(_sleeve(rng, bones, place))
    elif dressed < 0.72:
        strap = (
            metal((0.8, 0.8, 0.82))
            if rng.random() < 0.4
            else plastic(plain(hsv(rng.random(), 0.4, rng.uniform(0.05, 0.5))), 0.4)
        )
        parts.append(
            Part(
                place.place(band(bones, rng.uniform(1.5, 2.5), rng.uniform(0.3, 1.1), 0.18)), strap
            )
        )
    return parts


def _rings(rng: np.random.Generator, bones: Skeleton, place: Placing) -> list[Part]:
    gold = metal((0.9, 0.7, 0.32), 0.75) if rng.random() < 0.6 else metal((0.83, 0.83, 0.85), 0.75)
    names = rng.choice(["index", "middle", "ring", "ring", "little"], int(rng.integers(1, 3)))
    return [
        Part(
            place.place(
                ring(bones.bone(str(name), 1), rng.uniform(0.5, 0.62), rng.uniform(0.012, 0.04))
            ),
            gold,
        )
        for name in dict.fromkeys(names)
    ]


def _sleeve(rng: np.random.Generator, bones: Skeleton, place: Placing) -> Part:
    start = rng.uniform(0.4, min(4.5, bones.build.arm - 3))
    shape = sleeve(
        bones, start, rng.uniform(0.35, 1.1), rng.choice([0.0, rng.uniform(1, 4)]),
        (rng.uniform(0, 6), rng.uniform(0.1, 0.28)),
    )  # fmt: skip
    return Part(place.place(shape), _cloth(rng, place.to_hand))


def _cloth(rng: np.random.Generator, to_hand: Callable[[Float32], Float32]) -> Material:
    """Return shirt cloth, a print, or wool, laid out along the arm."""
    kind = rng.random()
    if kind < 0.25:
        tint: Colour = hsv(rng.random(), rng.uniform(0, 0.12), rng.uniform(0.75, 0.95))
    elif kind < 0.55:
        tint = hsv(rng.random(), rng.uniform(0, 0.4), rng.uniform(0.04, 0.25))
    else:
        tint = hsv(rng.random(), rng.uniform(0.2, 0.75), rng.uniform(0.2, 0.7))
    pattern = (
        print_pattern(rng, 0.3) if rng.random() < 0.25 else mottled(plain(tint), rng, 0.06, 0.1)
    )
    material = cloth(lambda p, n: pattern(to_hand(p), n), rng)
    if rng.random() < 0.3:
        wool = knit(0.09, 0.02)
        material = with_bump(material, lambda p: wool(to_hand(p)))
    return material
