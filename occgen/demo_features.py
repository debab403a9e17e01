"""What of a drawn face changes from picture to picture: eyes, mouth, folds and clothes."""

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from .demo_canvas import UNIT, Window, axes, hill, slopes, step
from .demo_eyes import draw_eyes
from .demo_head import Head
from .demo_mouth import draw_mouth
from .demo_person import Person, Picture

__all__ = ["draw_features", "points"]

UInt8 = NDArray[np.uint8]
Int16 = NDArray[np.int16]

_SMILES = 10  # steps of the folds of a smile


def points(p: Person, picture: Picture) -> NDArray[np.float64]:
    """Return both pupils, the nose's tip and the mouth's corners on the canvas, (5, 2)."""
    (gu, gv), half = picture.gaze, p.mouth_half
    skew = p.lean[2]
    return np.array(
        [
            (-p.eye_u + gu, gv),
            (p.eye_u + gu, gv),
            (p.nose_bend * 0.3, p.nose_v),
            (skew - half, p.mouth_v + p.corners),
            (skew + half, p.mouth_v + p.corners),
        ]
    )


def draw_features(head: Head, picture: Picture) -> tuple[UInt8, Int16]:
    """Return a head's colour and relief with open eyes, a mouth and clothes."""
    colour, relief = head.colour.copy(), head.relief.copy()
    _dress(colour, head.person, picture)
    draw_eyes(colour, relief, head.eyes, picture)
    draw_mouth(colour, relief, head.mouth, picture)
    smile = round(picture.smile * _SMILES)
    if smile:
        relief[_cheeks().where][:, :, :2] += _creases(smile)
    return colour, relief


def _dress(colour: UInt8, p: Person, picture: Picture) -> None:
    """Lay clothes over the canvas's lower end."""
    red, green, blue, open_, collar, dark = picture.cloth
    part = Window(-64, p.chin_v + 2, 64, 80)
    a = np.abs(part.u)
    half = 0.8 * p.jaw
    edge = p.chin_v + 3 + 0.22 * np.maximum(a - half, 0)
    edge = edge + np.maximum(half - a, 0) * np.float32(0.25 + 0.5 * open_)
    tone = [0.1 + (0.2 + 0.5 * dark) * share for share in (red, green, blue)]
    goal = np.empty((*part.shape, 4), np.float32)
    goal[:] = np.array([*tone, 1], np.float32) * 255
    if collar > 0.5:
        goal[:, :, :3] += step(edge + 5.5 - part.v, 1.6)[:, :, None] * (
            np.float32(205 if collar > 0.7 else 30) - goal[:, :, :3]
        )
    there = colour[part.where]
    there[:] = there + step(part.v - edge, 1.6)[:, :, None] * (goal - there)


@lru_cache(maxsize=1)
def _cheeks() -> Window:
    return Window(-34, -2, 34, 52)


@lru_cache(maxsize=_SMILES + 1)
def _creases(smile: int) -> Int16:
    """Return what a smile adds to the slopes, of the window's shape and 2: cheeks and folds."""
    u, v = axes()
    a = np.abs(u)
    apple = hill(a - 20, 7.5) * hill(v - 17, 6.5) * np.float32(2.6)
    ditch = hill(a - 19, 2.2) * hill(v - 37.5, 6) * np.float32(1.8)
    bag = hill(a - 17.6, 6) * hill(v - 6.5, 1.8) * np.float32(0.9)
    size = np.float32(UNIT * smile / _SMILES)
    across, down = slopes(np.asarray(apple - ditch + bag, np.float32))
    whole = cv2.merge([(across * size).astype(np.int16), (down * size).astype(np.int16)])
    return np.ascontiguousarray(whole[_cheeks().where])
