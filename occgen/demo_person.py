"""What one drawn person is, and what one picture of them adds: the numbers behind a demo face.

Lengths are in pixels of the 112 x 96 template, u to the right and v down from between the eyes;
colours are linear light in 0..1.
"""

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["Person", "Picture"]

Float32 = NDArray[np.float32]

_PALE, _DARK = (0.80, 0.50, 0.37), (0.110, 0.043, 0.021)
_IRISES = ((0.035, 0.016, 0.007), (0.10, 0.055, 0.02), (0.11, 0.12, 0.045), (0.12, 0.2, 0.3))
_MEN = ("bald", "receding", "crop", "short", "swept", "fringe", "curly", "long")
_WOMEN = ("long", "bob", "fringe", "tied", "curly", "swept", "crop")


class _Draws:
    """Numbers drawn once, handed out in order."""

    def __init__(self, rng: np.random.Generator, normal: int, uniform: int) -> None:
        self._normal = iter(rng.standard_normal(normal).tolist())
        self._uniform = iter(rng.random(uniform).tolist())

    def around(self, mean: float, deviation: float, low: float = -math.inf) -> float:
        """Return a normal number, no further than 2.2 deviations from its mean, at least `low`."""
        number = min(max(next(self._normal), -2.2), 2.2)
        return max(low, float(mean + deviation * number))

    def between(self, low: float, high: float) -> float:
        """Return a uniform number."""
        return float(low + (high - low) * next(self._uniform))


def _mix(first: tuple[float, ...], second: tuple[float, ...], share: float) -> Float32:
    """Return a colour between two, mixed as pigments are."""
    return np.asarray(np.array(first) ** (1 - share) * np.array(second) ** share, np.float32)


class Person:
    """The vector that makes one person.

    Parameters
    ----------
    rng : numpy.random.Generator
        Of this person alone.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        draws = _Draws(rng, 90, 60)
        self.man = draws.between(0, 1) < 0.55
        self.male = min(max(draws.around(0.85 if self.man else 0.15, 0.14), 0.0), 1.0)
        self.age = draws.between(0, 1) ** 1.6  # 0: twenty, 1: eighty
        self.weight = draws.around(0, 1) + 0.3 * self.age
        self._shape(draws)
        self._eyes(draws)
        self._nose_and_mouth(draws)
        self._colours(draws)
        self._hair(draws)
        self._beard(draws)
        self._marks(draws, rng)

    def _shape(self, draws: _Draws) -> None:
        around, heavy, male = draws.around, self.weight, self.male - 0.5
        self.cheek = around(34.8 + 0.9 * heavy, 1.3)
        self.jaw = around(28.0 + 2.6 * male + 1.5 * heavy, 1.5)
        self.temple = around(33.4, 1.1)
        self.jaw_v = around(34.0, 2.0)
        self.chin_v = around(59.0 + 2.6 * male, 1.9)
        self.chin_wide = around(16.0 + 3.4 * male + 0.8 * heavy, 1.6)
        self.crown_v = around(-52.0, 2.0)
        self.cheekbone = around(1.9 - 0.3 * heavy, 0.7, 0.2)
        self.chin_out = around(2.6 + 1.0 * male, 1.0)
        self.cleft = around(-0.5 + 0.5 * male, 0.6, 0.0)
        self.hollow = around(0.7 + 0.8 * self.age - 0.7 * heavy, 0.6, 0.0)
        self.forehead = around(0.0, 1.2)
        self.muzzle = around(2.4, 0.8)
        self.ear_size = around(11.5 + 2.0 * self.age, 1.2)
        self.ear_out = around(2.9, 1.1, 1.0)

    def _eyes(self, draws: _Draws) -> None:
        around, male = draws.around, self.male - 0.5
        self.eye_u = around(17.6, 1.0)
        self.eye_half = around(7.9 - 0.4 * male, 0.6)
        self.eye_open = around(3.5 - 0.7 * male - 0.4 * self.age, 0.5, 1.8)
        self.eye_low = around(2.2, 0.3, 1.3)
        self.eye_tilt = around(0.06 - 0.05 * male - 0.09 * self.age, 0.08)
        self.eye_peak = around(0.0, 0.16)
        self.lid = around(2.8 - 1.0 * male - 0.9 * self.age, 0.9, 0.8)
        self.crease = min(max(draws.between(-0.3, 1.4), 0.05), 1.0)
        self.socket = around(3.6 + 1.4 * male, 1.1, 1.0)
        self.bag = around(0.1 + 0.9 * self.age, 0.28, 0.0)
        self.iris_size = around(3.35, 0.15)
        self.liner = max(0.0, draws.between(-0.6, 1.0)) * (not self.man)
        self.brow_v = around(-10.4 + 2.6 * male, 1.2)
        self.brow_half = around(10.2, 0.9)
        self.brow_gap = around(6.2 - 1.6 * male, 1.4)
        self.brow_thick = around(2.25 + 1.0 * male, 0.5, 1.2)
        self.brow_arch = around(1.5 - 1.5 * male, 0.9)
        self.brow_tilt = around(0.0, 0.08)
        self.brow_dense = min(0.95, 0.72 + 0.3 * draws.between(0, 1) - 0.15 * self.age)
        self.brow_ridge = around(1.1 + 2.0 * male, 0.6, 0.0)

    def _nose_and_mouth(self, draws: _Draws) -> None:
        around, male = draws.around, self.male - 0.5
        self.nose_v = around(20.0 + 0.8 * male + 0.8 * self.age, 1.4)
        self.nose_out = around(8.6 + 0.9 * male, 1.2, 5.5)
        self.nose_wide = around(7.6 + 1.0 * male, 1.1, 5.4)
        self.bridge = around(3.9 + 0.5 * male, 0.55, 2.6)
        self.bridge_out = around(3.2 + 1.0 * male, 1.1, 0.6)
        self.tip = around(5.0 + 0.5 * male, 0.6, 3.6)
        self.hump = around(0.3 + 0.5 * male, 0.8)
        self.nose_bend = around(0.0, 0.5)
        self.nostril = around(0.8, 0.18, 0.35)
        self.mouth_v = around(40.6 + 0.5 * male, 1.2)
        self.mouth_half = around(13.6 + 0.6 * male, 1.1)
        self.lip_top = around(3.5 - 0.9 * male - 0.8 * self.age, 0.7, 1.5)
        self.lip_low = around(4.9 - 0.9 * male - 0.8 * self.age, 0.8, 2.4)
        self.bow = around(0.9, 0.4, 0.0)
        self.corners = around(-1.3 + 0.7 * self.age, 0.55)
        self.philtrum = around(0.6, 0.3, 0.0)
        self.teeth = draws.between(0.42, 0.66)

    def _colours(self, draws: _Draws) -> None:
        self.melanin = draws.between(0, 1) ** 1.35
        tint = np.array([draws.around(1, 0.03), 1.0, draws.around(1, 0.07)], np.float32)
        self.skin: Float32 = _mix(_PALE, _DARK, self.melanin) * tint
        self.ruddy = draws.around(0.7, 0.35, 0.1) * (1 - 0.5 * self.melanin)
        lip = draws.between(0, 1)
        red = np.array([0.84, 0.40 + 0.2 * lip, 0.46 + 0.2 * lip], np.float32)
        self.lips: Float32 = self.skin * red
        paint = draws.between(0, 1)
        if not self.man and paint > 0.6:
            rouge = np.array([0.34, 0.04 + 0.1 * lip, 0.06 + 0.09 * lip], np.float32)
            self.lips = 0.4 * self.lips + 0.6 * rouge * np.float32(1 - 0.5 * self.melanin)
        pick = min(draws.between(0, 1), 0.999) * (1 - self.melanin) ** 0.7 * 3.4
        low = min(int(pick), 2)
        self.iris = _mix(_IRISES[low], _IRISES[low + 1], min(pick - low, 1.0))
        self.oil = draws.between(0.5, 1.3)

    def _hair(self, draws: _Draws) -> None:
        around, between, age = draws.around, draws.between, self.age
        light = between(0, 1) * max(0.0, 1 - 1.4 * self.melanin)
        red = max(0.0, between(-2.2, 1.0)) * (light > 0.1)
        colour = _mix((0.012, 0.009, 0.008), (0.42, 0.26, 0.11), light)
        colour = colour * np.array([1 + 0.5 * red, 1 - 0.25 * red, 1 - 0.55 * red], np.float32)
        grey = min(max(2.6 * (age - 0.5) + around(0, 0.28), 0.0), 1.0)
        dyed = between(0, 1) < 0.6 and not self.man and age < 0.8
        grey = 0.0 if dyed else grey
        silver = np.full(3, between(0.14, 0.34), np.float32)
        self.hair: Float32 = np.asarray(colour * (1 - grey) + silver * grey, np.float32)
        self.brow: Float32 = np.asarray(
            np.minimum(colour * 0.55, 0.12) * (1 - 0.5 * grey) + silver * 0.3 * grey, np.float32
        )
        pick, bare = between(0, 1), 0.08 + 0.35 * age
        shares = (
            (0.5 * bare, 1.0 * bare, 0.18, 0.3, 0.22, 0.12, 0.08, 0.06)
            if self.man
            else (0.36, 0.18, 0.18, 0.18, 0.12, 0.12, 0.03)
        )
        edges = np.cumsum(shares) / sum(shares)
        number = min(int(np.searchsorted(edges, pick)), len(shares) - 1)
        self.style = (_MEN if self.man else _WOMEN)[number]
        self.hairline = around(-31.0 - (2.0 * age if self.man else 0), 2.2)
        self.recede = around(2.0 + 3.5 * age if self.man else 0.6, 1.4, 0.0)
        self.peak = around(0.4, 0.9, 0.0)
        self.part = around(0.0, 9.0)
        self.volume = around(4.0, 1.4, 1.0)
        self.wave = around(0.6, 0.6, 0.0)
        self.length = between(0, 1)
        self.gloss = between(0.05, 0.24)

    def _beard(self, draws: _Draws) -> None:
        kind, grown = draws.between(0, 1), draws.between(0, 1)
        self.stubble = max(0.0, draws.between(-0.15, 0.4)) * self.man
        self.beard = self.moustache = self.goatee = 0.0
        if self.man and kind > 0.55:
            amount = 0.6 + 0.38 * grown
            self.moustache = amount * (kind > 0.6)
            self.goatee = amount * (kind > 0.72 or kind < 0.6)
            self.beard = amount * (kind > 0.79)
        self.beard_edge = draws.around(17.0, 2.2)

    def _marks(self, draws: _Draws, rng: np.random.Generator) -> None:
        around, between = draws.around, draws.between
        self.mottle = between(0.6, 1.4) * (0.8 + 0.7 * self.age)
        self.freckles = max(0.0, between(-2.0, 1.0)) * (1 - self.melanin)
        self.folds = around(0.1 + 0.7 * self.age, 0.2, 0.0)
        self.wrinkles = around(0.8 * self.age - 0.25, 0.12, 0.0)
        count = int(between(0, 1) ** 1.5 * 5)
        self.moles = [
            (float(u), float(v), 0.45 + 0.5 * float(size))
            for u, v, size in rng.random((count, 3)) * (56, 70, 1) - (28, 22, 0)
        ]
        self.lean = [around(0, 0.45) for _ in range(4)]  # no face is symmetric
        self.grain = [int(number) for number in rng.random(8) * 4096]


class Picture:
    """What one picture adds: pose, expression, light, background, camera.

    Parameters
    ----------
    rng : numpy.random.Generator
        Of this picture alone.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        draws = _Draws(rng, 60, 90)
        around, between = draws.around, draws.between
        self.yaw, self.pitch = around(0, 0.18), around(0.02, 0.11)
        self.roll = around(0, 0.06)
        self.smile = max(0.0, between(-0.6, 1.0))
        toothy = self.smile > 0.35 and between(0, 1) > 0.35
        speaks = around(-0.9, 1.5, 0.0)
        self.open = (1.0 + 3.0 * self.smile * between(0.3, 1.0)) if toothy else speaks
        self.blink = min(1.12, around(1.0, 0.08)) - 0.16 * self.smile
        self.blink *= 1.0 if between(0, 1) < 0.97 else 0.4
        self.raised, self.frown = around(0, 0.8), around(-0.3, 0.6, 0.0)
        self.gaze = around(-3.0 * self.yaw, 0.6), around(0, 0.3)
        self._light(draws)
        self.sway = around(0, 1.2), around(0, 0.8)  # of the hair
        between(0, 1)  # of no use, but drawn: all that follows, and every picture, hangs on it
        self.blur = 0.25 + 0.75 * between(0, 1) ** 2.2
        self.noise = 2 + int(10 * between(0, 1) ** 2)  # in 0.3 levels of grey
        self.quality = int(between(62, 97))
        self.tiles = [int(number) for number in rng.random(8) * 4096]

    def _light(self, draws: _Draws) -> None:
        around, between = draws.around, draws.between
        lamp = around(0, 0.55), between(-0.85, -0.1), 0.95
        length = math.sqrt(sum(part * part for part in lamp))
        self.lamp = lamp[0] / length, lamp[1] / length, lamp[2] / length
        hard = between(0.45, 0.95)
        warm, cool = around(0, 0.10), around(-0.03, 0.08)
        self.key = np.array([1 + warm, 1.0, 1 - 1.2 * warm], np.float32) * np.float32(hard)
        self.sky = np.array([1 + cool, 1.0, 1 - 1.2 * cool], np.float32) * np.float32(1 - hard)
        self.white = np.exp([around(0, 0.06), 0.0, around(0, 0.08)]).astype(np.float32)
        self.exposure = math.exp(around(0, 0.27))
        self.contrast, self.saturation = around(1.04, 0.12), around(0.96, 0.12)
        self.back = [between(0, 1) for _ in range(24)]
        self.cloth = [between(0, 1) for _ in range(6)]
