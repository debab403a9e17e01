"""Procedural faces with identities: drawn from parameters, show nobody, need no files.

A face is a height field (skull, brow, sockets, nose, cheeks, lips, chin) lit by a lamp and the sky,
over layers of albedo (skin, lips, brows, eyes, hair, beard, marks). An identity fixes the shape and
the albedo of every part; a picture adds pose with parallax, expression, light, background, blur and
noise. The drawing is then aligned as a photograph would be: a similarity brings its five points
closest to the template of Sec. 4.2.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from .errors import InputError
from .landmarks import fit_similarity, template
from .seeding import Stream

__all__ = ["DemoFace", "DemoFaces"]

_SIDE = 112  # of the square the face is drawn in, in template pixels
_MARGIN = 16  # drawn around it, so that turning it leaves no empty corner
_FULL = _SIDE + 2 * _MARGIN
_TEXTURES = 16

Float32 = NDArray[np.float32]
UInt8 = NDArray[np.uint8]


class DemoFace(NamedTuple):
    """A drawn face with its exact points."""

    image: UInt8
    """(H, W, 3), RGB."""
    landmarks: Float32
    """(5, 2), x and y in pixels: eyes, nose, mouth corners."""


@dataclass(frozen=True)
class DemoFaces:
    """People that do not exist, each in any number of pictures.

    Parameters
    ----------
    identities, images : int, optional
        How many a data set lists; any number above can be drawn as well.
    seed : int, optional
        Another seed gives other people.
    height, width : int, optional
        Of a picture, in pixels.
    """

    identities: int = 1000
    images: int = 4
    seed: int = 0
    height: int = 112
    width: int = 96

    def draw(self, identity: int, image: int) -> DemoFace:
        """Return one picture of one person; the same numbers always give the same one.

        Parameters
        ----------
        identity, image : int
            Each at least 0.
        """
        scene = self._scene(identity, image)
        matrix = scene.alignment(self.height, self.width)
        canvas = scene.paint()
        size = (self.width, self.height)
        picture = cv2.warpAffine(canvas, matrix, size, flags=cv2.INTER_LINEAR, borderMode=1)
        return DemoFace(scene.expose(np.asarray(picture)), scene.points(matrix))

    def landmarks(self, identity: int, image: int) -> Float32:
        """Return the five points of a picture without drawing it, float32 of shape (5, 2)."""
        scene = self._scene(identity, image)
        return scene.points(scene.alignment(self.height, self.width))

    def _scene(self, identity: int, image: int) -> "_Scene":
        if identity < 0 or image < 0:
            raise InputError(f"identity and image must be >= 0, got {identity}, {image}")
        return _Scene(
            _Person(Stream(self.seed, f"{identity}", "demo person").generator()),
            Stream(self.seed, f"{identity}/{image}", "demo picture").generator(),
        )


class _Person:
    """The vector that makes one person: lengths in template pixels, colours in 0..1."""

    def __init__(self, rng: np.random.Generator) -> None:
        n = rng.standard_normal(40)
        u = rng.random(24)
        self.jaw, self.cheek, self.forehead = 31 + 2.4 * n[0], 35 + 2 * n[1], 33 + 2 * n[2]
        self.chin, self.chin_power = 109 + 3 * n[3], 2.3 + 0.5 * u[0]
        self.crown = 12 + 3.5 * n[4]
        self.eye_gap, self.eye_size = 17.5 + 1.1 * n[5], 6.9 + 0.7 * n[6]
        self.eye_open, self.eye_tilt = 2.9 + 0.55 * n[7], 0.09 * n[8]
        self.lid, self.socket = 1.2 + 0.8 * u[1], 1.0 + 0.35 * n[9]
        self.brow_y, self.brow_long = 9.2 + 1.2 * n[10], 9.5 + 1.1 * n[11]
        self.brow_thick, self.brow_arch = 1.5 + 0.55 * abs(n[12]), 1.4 + 1.0 * n[13]
        self.nose_long, self.nose_wide = 71 + 1.9 * n[14], 6.3 + 1.1 * n[15]
        self.nose_tip, self.bridge = 3.6 + 0.6 * n[16], 2.6 + 0.45 * n[17]
        self.mouth_y, self.mouth_wide = 92 + 1.5 * n[18], 14.2 + 1.5 * n[19]
        self.lip_top, self.lip_low = 2.2 + 0.7 * n[20], 3.0 + 0.8 * n[21]
        self.lip_bow, self.cheekbone = 1 + 0.5 * n[22], 1 + 0.4 * n[23]
        melanin = float(np.clip(u[2] ** 1.2 + 0.03 * n[24], 0, 1))
        pale, dark = np.array([0.93, 0.74, 0.64]), np.array([0.30, 0.18, 0.12])
        self.skin = pale ** (1 - melanin) * dark**melanin * (1 + 0.03 * rng.standard_normal(3))
        redness = 0.55 + 0.25 * u[3]
        self.lips = self.skin * np.array([0.95, redness, redness + 0.05])
        grey = u[4] > 0.86
        shade = 0.05 + 0.5 * u[5] ** 3 * (1 - melanin)
        tone = np.array([1.0, 0.72 + 0.1 * u[6], 0.45 + 0.2 * u[6]])
        self.hair = np.full(3, 0.45 + 0.3 * u[5]) if grey else shade * tone + 0.02
        self.iris = (
            np.array([0.25, 0.42, 0.55])
            if u[7] > 0.6 + 0.4 * melanin
            else np.array([0.26, 0.15, 0.08])
        ) * (0.7 + 0.6 * u[8])
        self.hairline, self.parting = 30 + 4.5 * n[25], 0.8 * (u[9] - 0.5)
        self.long_hair, self.volume = u[10] > 0.55, 4 + 4 * u[11]
        self.bald = u[12] > 0.9 and not self.long_hair
        self.beard = 0.0 if self.long_hair or u[13] < 0.62 else 0.3 + 0.7 * u[14]
        self.moustache = self.beard * (u[15] > 0.3)
        self.age, self.ears = u[16] ** 1.5, 5.5 + n[26]
        count = int(5 * u[17])
        self.moles = [
            (22 + 68 * rng.random(), 36 + 66 * rng.random(), 0.5 + 0.9 * rng.random())
            for _ in range(count)
        ]
        self.freckles = u[18] if u[18] > 0.75 and melanin < 0.45 else 0.0
        self.grain = rng.integers(1 << 31)


class _Scene:
    """One picture of one person."""

    def __init__(self, person: _Person, rng: np.random.Generator) -> None:
        n, u = rng.standard_normal(30), rng.random(30)
        self.person, self.rng = person, rng
        self.yaw, self.pitch = float(np.clip(0.28 * n[0], -0.6, 0.6)), 0.16 * n[1]
        self.turned = math.cos(self.yaw), math.sin(self.yaw)
        self.nodded = math.cos(self.pitch), math.sin(self.pitch)
        self.roll = 0.035 * n[2]
        self.smile, self.open = max(0.0, 0.5 + 0.8 * n[4]), max(0.0, 2.2 * n[5] - 0.6)
        self.blink, self.raise_brow = float(np.clip(1 + 0.16 * n[6], 0.35, 1.3)), 0.8 * n[7]
        self.gaze = (1.1 * n[8], 0.5 * n[9])
        angle, lift = 2 * np.pi * u[0], 0.35 + 0.5 * u[1]
        self.lamp = np.array([np.cos(angle) * lift, -0.35 - 0.3 * u[2], 0.75])
        self.lamp /= np.linalg.norm(self.lamp)
        self.key, self.sky = 0.55 + 0.35 * u[3], 0.32 + 0.22 * u[4]
        self.white = 1 + 0.045 * rng.standard_normal(3)
        self.blur, self.noise = 0.35 + 0.7 * u[5] ** 2, 0.006 + 0.016 * u[6]
        self.contrast, self.gain = 0.9 + 0.25 * u[7], 0.85 + 0.3 * u[8]
        self.back = rng.random((3, 3)) * 0.6 + 0.15 + 0.5 * u[9]
        self.shift = 0.8 * rng.standard_normal((5, 2))  # where a detector puts the points

    def spot(self, x: float, y: float, depth: float) -> tuple[float, float]:
        """Return where a point of the head at a depth is seen, in canvas pixels."""
        turned = 56 + (x - 56) * self.turned[0] + depth * self.turned[1]
        nodded = 66 + (y - 66) * self.nodded[0] + depth * self.nodded[1] * 0.8
        return turned + _MARGIN, nodded + _MARGIN

    def drawn_points(self) -> NDArray[np.float64]:
        """Return the five points in canvas pixels."""
        p = self.person
        wide = p.mouth_wide * (1 + 0.08 * self.smile)
        corner = p.mouth_y - 0.9 * self.smile
        return np.array(
            [
                self.spot(56 - p.eye_gap, 51.6, 20),
                self.spot(56 + p.eye_gap, 51.6, 20),
                self.spot(56, p.nose_long, 36),
                self.spot(56 - wide, corner, 21),
                self.spot(56 + wide, corner, 21),
            ]
        )

    def alignment(self, height: int, width: int) -> NDArray[np.float64]:
        """Return the similarity (2, 3) from the canvas to the aligned picture."""
        turn = np.array(
            [[np.cos(self.roll), -np.sin(self.roll)], [np.sin(self.roll), np.cos(self.roll)]]
        )
        found = self.drawn_points() + self.shift
        return fit_similarity(found @ turn.T @ turn, template(height, width))

    def points(self, matrix: NDArray[np.float64]) -> Float32:
        """Return the five points after the alignment, float32 (5, 2)."""
        return (self.drawn_points() @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)

    def paint(self) -> Float32:
        """Return the canvas, float32 (F, F, 3) in about 0..1."""
        p = self.person
        face = self._outline()
        canvas = self._background()
        if p.long_hair:
            self._hair_behind(canvas)
        self._neck(canvas)
        _lay(canvas, cv2.GaussianBlur(face, (0, 0), 0.8), self._lit_skin(face))
        self._brows(canvas)
        for side in (-1, 1):
            self._eye(canvas, side)
        if not p.bald:
            self._hair_front(canvas)
        return canvas

    def expose(self, picture: Float32) -> UInt8:
        """Return a canvas as the camera gives it: tint, contrast, blur, noise."""
        middle = picture[picture.shape[0] // 3 :, picture.shape[1] // 4 : -picture.shape[1] // 4]
        metered = 0.46 / max(0.12, float(middle.mean()))  # as a camera meters the face
        seen = picture * (self.white * self.gain * metered**0.65).astype(np.float32)
        seen = (seen - 0.45) * np.float32(self.contrast) + 0.45
        seen = cv2.GaussianBlur(seen, (0, 0), self.blur)
        seen += self.noise * self.rng.standard_normal(seen.shape, np.float32)
        return np.rint(np.clip(seen, 0, 1) * 255).astype(np.uint8)

    def _outline(self) -> Float32:
        """Return the inside of the head as seen, float32 (F, F)."""
        p = self.person
        angles = np.linspace(0, 2 * np.pi, 72, endpoint=False)
        across, down = np.sin(angles), -np.cos(angles)
        low = np.clip(down, 0, 1)
        wide = np.where(down < 0, p.cheek + (p.forehead - p.cheek) * -down, p.cheek)
        wide = wide + (p.jaw - p.cheek) * np.sin(np.pi * np.clip(low, 0, 0.85)) * 1.1
        tall = np.where(down < 0, 60 - p.crown, p.chin + self.open * 0.6 - 60)
        power = np.where(down < 0, 2.2, p.chin_power)
        radius = (np.abs(across) ** power + np.abs(down) ** power) ** (-1 / power)
        points = [
            self.spot(56 + a * r * w, 60 + d * r * t, 0)
            for a, d, r, w, t in zip(across, down, radius, wide, tall, strict=True)
        ]
        return _polygon(points)

    def _lit_skin(self, face: Float32) -> Float32:
        p = self.person
        x, y = _grid()
        height = cv2.GaussianBlur(np.sqrt(np.minimum(_depth(face) / 30, 1)) * 22, (0, 0), 3)

        def bump(px: float, py: float, depth: float, sx: float, sy: float, size: float) -> None:
            where, dab = _dab(*self.spot(px, py, depth), sx, sy)
            height[where] = height[where] + size * dab

        bump(56, 42, 24, 20, 5, 2.2)
        for side in (-1, 1):
            bump(56 + side * p.eye_gap, 52, 20, 8.5, 5.5, -3.4 * p.socket)
            bump(56 + side * p.eye_gap, 51.5, 21, 5.5, 3.6, 2.2)
            bump(56 + side * (p.eye_gap + 4), 70, 20, 10, 9, 2.6 * p.cheekbone)
            bump(56 + side * (p.nose_wide - 1), p.nose_long + 0.5, 31, 2.8, 2.6, 2.2)
        bump(56, (48 + p.nose_long) / 2, 29, p.bridge + 1.6, 15, 4.2)
        bump(56, p.nose_long - 1.5, 35, p.nose_tip, 4.2, 5.2)
        bump(56, p.mouth_y, 24, p.mouth_wide, 7, 2.2)
        bump(56, p.mouth_y + 5.8, 24, 9, 2.2, -1.6)
        bump(56, p.chin - 6, 20, 9, 6, 2.6)
        slope_x = cv2.Sobel(height, cv2.CV_32F, 1, 0, ksize=3, scale=0.125)
        slope_y = cv2.Sobel(height, cv2.CV_32F, 0, 1, ksize=3, scale=0.125)
        length = np.sqrt(slope_x**2 + slope_y**2 + 1)
        facing = (-slope_x * self.lamp[0] - slope_y * self.lamp[1] + self.lamp[2]) / length
        light = self.sky * (0.7 + 0.3 / length) + self.key * np.clip(facing, 0, None)
        albedo = self._albedo(x, y)
        shine = 0.16 * np.clip(facing, 0, 1) ** 18
        return (albedo * light[:, :, None] + shine[:, :, None]).astype(np.float32)

    def _albedo(self, x: Float32, y: Float32) -> Float32:
        p = self.person
        albedo = np.empty((_FULL, _FULL, 3), np.float32)
        albedo[:] = p.skin
        mottle = _texture(int(p.grain))
        albedo *= (1 + 0.018 * mottle)[:, :, None]
        for side in (-1, 1):
            where, dab = _dab(*self.spot(56 + side * (p.eye_gap + 3), 74, 22), 9, 8)
            albedo[where] *= 1 - 0.1 * dab[:, :, None] * np.array([0.1, 1, 0.8], np.float32)
            where, dab = _dab(*self.spot(56 + side * p.eye_gap, 57.5, 21), 7, 2.6)
            albedo[where] *= 1 - (0.08 + 0.16 * p.age) * dab[:, :, None]
            where, dab = _dab(*self.spot(56 + side * 3.4, p.nose_long + 2.4, 33), 2.0, 1.1)
            albedo[where] *= 1 - 0.75 * dab[:, :, None]
            start = self.spot(56 + side * (p.nose_wide + 1), p.nose_long, 27)
            end = self.spot(56 + side * (p.mouth_wide + 3), p.mouth_y - 2, 22)
            fold = _line([start, end], 1.6)
            albedo *= 1 - (0.06 + 0.22 * p.age) * fold[:, :, None]
        for row in range(int(4 * p.age)):
            level = 26 + 5 * row
            ends = [self.spot(56 + dx, level, 22) for dx in (-16, 0, 16)]
            albedo *= 1 - 0.10 * _line(ends, 1.2)[:, :, None]
        if p.freckles:
            spots = _texture(int(p.grain) + 1) > 1.3
            area = np.exp(-(((x - 56 - _MARGIN) / 26) ** 2) - ((y - 66 - _MARGIN) / 12) ** 2)
            albedo *= 1 - 0.3 * (spots * area)[:, :, None]
        for mx, my, size in p.moles:
            where, dab = _dab(*self.spot(mx, my, 20), size, size)
            albedo[where] *= 1 - 0.6 * dab[:, :, None]
        if p.beard:
            self._beard(albedo, x, y)
        self._mouth(albedo)
        return albedo

    def _beard(self, albedo: Float32, x: Float32, y: Float32) -> None:
        p = self.person
        cx, cy = self.spot(56, p.mouth_y - 14, 20)
        low = 1 / (1 + np.exp(-(y - cy - 9 + 0.012 * (x - cx) ** 2 * -1 + 6) / 3.0))
        mx, my = self.spot(56, p.mouth_y - 6.5, 27)
        upper = np.exp(-(((x - mx) / 13) ** 4) - ((y - my) / 3.2) ** 4) * (p.moustache > 0)
        bare = np.exp(-(((x - mx) / 30) ** 4) - ((y - my + 14) / 13) ** 4)
        amount = np.clip(low * (1 - bare) + upper, 0, 1) * p.beard * 0.85
        amount = amount * (0.8 + 0.2 * _texture(int(p.grain) + 2))
        _lay(albedo, np.clip(amount, 0, 1).astype(np.float32), p.hair.astype(np.float32))

    def _mouth(self, albedo: Float32) -> None:
        p = self.person
        wide = p.mouth_wide * (1 + 0.08 * self.smile)
        steps = np.linspace(-1, 1, 15)
        corner = -0.9 * self.smile

        def curve(lift: float, power: float, bow: float = 0.0) -> list[tuple[float, float]]:
            return [
                self.spot(
                    56 + s * wide,
                    p.mouth_y
                    + corner * abs(s) ** 1.5
                    + lift * (1 - abs(s) ** power)
                    + bow * np.exp(-((s / 0.16) ** 2)),
                    24 - 3 * abs(s),
                )
                for s in steps
            ]

        top = curve(-p.lip_top - 0.2 * self.open, 1.6, 0.8 * p.lip_bow)
        low = curve(p.lip_low + self.open, 2.2)
        lips = cv2.GaussianBlur(_polygon(top + low[::-1]), (0, 0), 0.7)
        _lay(albedo, lips, p.lips.astype(np.float32))
        seam, floor = curve(0, 2), curve(self.open, 2.4)
        if self.open > 0.8:
            inside = _polygon(seam + floor[::-1])
            _lay(albedo, inside, np.array([0.16, 0.05, 0.05], np.float32))
            teeth = _polygon(seam + curve(self.open * 0.45, 2.4)[::-1])
            _lay(
                albedo, cv2.GaussianBlur(teeth, (0, 0), 0.5), np.array([0.9, 0.87, 0.8], np.float32)
            )
        albedo *= 1 - 0.5 * _line(seam, 0.9)[:, :, None]

    def _brows(self, canvas: Float32) -> None:
        p = self.person
        for side in (-1, 1):
            upper, lower = [], []
            for s in np.linspace(-1, 1, 9):
                px = 56 + side * (p.eye_gap + 0.8 + s * p.brow_long)
                py = 51.6 - p.brow_y - self.raise_brow - p.brow_arch * (1 - (s - 0.25) ** 2)
                half = p.brow_thick * (1 - 0.45 * max(s, 0) ** 2) * (1 - 0.3 * max(-s, 0) ** 3)
                upper.append(self.spot(px, py - half, 23 - 3 * max(s, 0)))
                lower.append(self.spot(px, py + half, 23 - 3 * max(s, 0)))
            brow = cv2.GaussianBlur(_polygon(upper + lower[::-1]), (0, 0), 0.8)
            _lay(canvas, brow * 0.85, (p.hair * 0.55).astype(np.float32))

    def _eye(self, canvas: Float32, side: int) -> None:
        p = self.person
        half, tall = p.eye_size, p.eye_open * self.blink
        upper, lower = [], []
        for s in np.linspace(-1, 1, 13):
            px = 56 + side * p.eye_gap + s * half
            tilt = -side * s * p.eye_tilt * half
            rise = (1 - abs(s) ** 2.2) * tall
            upper.append(self.spot(px, 51.8 + tilt - rise, 21 - 2 * abs(s)))
            lower.append(self.spot(px, 51.8 + tilt + 0.72 * rise, 21 - 2 * abs(s)))
        opening = _polygon(upper + lower[::-1])
        dim = np.float32(0.55 + 0.35 * self.key)
        soft = cv2.GaussianBlur(opening, (0, 0), 0.5)
        _lay(canvas, soft, np.array([0.88, 0.86, 0.84], np.float32) * dim)
        cx, cy = self.spot(56 + side * p.eye_gap + self.gaze[0], 51.4 + self.gaze[1], 22)
        for radius, colour in ((3.3, p.iris * 0.6), (2.8, p.iris), (1.4, np.full(3, 0.02))):
            _lay(canvas, _disc(cx, cy, radius) * soft, colour.astype(np.float32) * dim)
        _lay(canvas, _disc(cx - 0.9, cy - 1.0, 0.7) * soft, np.full(3, 0.95, np.float32))
        lash = (p.hair * 0.3).astype(np.float32)
        _lay(canvas, _line(upper, 1.3) * 0.85, lash)
        _lay(canvas, _line(lower, 0.8) * 0.3, lash)
        fold = [(x, y - 1.6 - p.lid) for x, y in upper[1:-1]]
        _lay(canvas, _line(fold, 0.9) * 0.4, (p.skin * 0.4).astype(np.float32))

    def _background(self) -> Float32:
        small = cv2.resize(self.back.astype(np.float32)[:, :, None].repeat(3, 2), (6, 6))
        tint = self.rng.random((6, 6, 3), np.float32) * 0.25 + 0.6
        return np.asarray(cv2.resize(small * tint, (_FULL, _FULL), interpolation=cv2.INTER_CUBIC))

    def _neck(self, canvas: Float32) -> None:
        p = self.person
        half = 0.62 * p.jaw
        corners = [(56 - half, 96), (56 + half, 96), (56 + half + 4, 132), (56 - half - 4, 132)]
        neck = cv2.GaussianBlur(_polygon([self.spot(x, y, -12) for x, y in corners]), (0, 0), 1.5)
        _lay(canvas, neck, (p.skin * (0.3 + 0.35 * self.key)).astype(np.float32))
        for side in (-1, 1):
            cx, cy = self.spot(56 + side * (p.cheek + 1.5), 60, -6)
            ear = _disc(cx, cy, p.ears * 0.62, 1.7)
            _lay(canvas, ear, (p.skin * (0.45 + 0.3 * self.key)).astype(np.float32))

    def _strands(self, base: NDArray[np.float64]) -> Float32:
        streaks = _texture(int(self.person.grain) + 3)
        tone = (0.75 + 0.35 * self.key) * (1 + 0.22 * streaks)
        return np.asarray(tone[:, :, None] * base, np.float32).clip(0, 1)

    def _hair_behind(self, canvas: Float32) -> None:
        p = self.person
        x, y = _grid()
        cx, cy = self.spot(56, 58, -14)
        reach = p.cheek + p.volume + 3
        body = (np.abs(x - cx) / reach) ** 2.6 + (np.abs(y - cy) / (56 - p.crown + 26)) ** 2.6 < 1
        body |= (np.abs(x - cx) < reach * 0.98) & (y > cy)
        soft = cv2.GaussianBlur(body.astype(np.float32), (0, 0), 1.4)
        _lay(canvas, soft, self._strands(p.hair * 0.8))

    def _hair_front(self, canvas: Float32) -> None:
        p = self.person
        x, y = _grid()
        cx, cy = self.spot(56, 58, -2)
        outer = (np.abs(x - cx) / (p.forehead + p.volume * 0.7)) ** 2.3
        outer = outer + (np.abs(y - cy) / (58 - p.crown + p.volume * 0.6)) ** 2.3 < 1
        hx, hy = self.spot(56 + 18 * p.parting, p.hairline, 18)
        line = hy - 7 + 0.018 * (x - hx) ** 2 + 1.2 * _texture(int(p.grain) + 4)
        front = outer & (y < np.minimum(line, cy + 4))
        soft = cv2.GaussianBlur(front.astype(np.float32), (0, 0), 1.0)
        _lay(canvas, soft, self._strands(p.hair))


def _lay(canvas: Float32, share: NDArray[Any], colour: NDArray[Any]) -> None:
    """Blend a colour, or a picture, over the canvas."""
    x, y, width, height = cv2.boundingRect((share > 1e-3).view(np.uint8))
    where = (slice(y, y + height), slice(x, x + width))
    part = canvas[where]
    tone = colour[where] if colour.ndim == 3 else colour
    part += share[where][:, :, None] * (tone - part)


def _polygon(points: list[tuple[float, float]]) -> Float32:
    inside = np.zeros((_FULL, _FULL), np.uint8)
    corners = np.rint(np.array(points) * 16).astype(np.int32)
    cv2.fillPoly(inside, [corners], 255, cv2.LINE_AA, 4)
    return np.asarray(inside / np.float32(255), np.float32)


def _line(points: list[tuple[float, float]], width: float) -> Float32:
    drawn = np.zeros((_FULL, _FULL), np.uint8)
    corners = np.rint(np.array(points) * 16).astype(np.int32)
    cv2.polylines(drawn, [corners], False, 255, max(1, round(width)), cv2.LINE_AA, 4)
    soft = cv2.GaussianBlur(drawn, (0, 0), 0.45 * width)
    return np.asarray(soft / np.float32(255), np.float32)


def _dab(cx: float, cy: float, sx: float, sy: float) -> tuple[tuple[slice, slice], Float32]:
    """Return where a Gaussian spot lies on the canvas, and its values there."""
    x0, x1 = (int(np.clip(cx + 2.6 * sx * s, 0, _FULL)) for s in (-1, 1))
    y0, y1 = (int(np.clip(cy + 2.6 * sy * s, 0, _FULL)) for s in (-1, 1))
    across = np.exp(-(((np.arange(x0, x1 + 1) - cx) / sx) ** 2)).astype(np.float32)
    down = np.exp(-(((np.arange(y0, y1 + 1) - cy) / sy) ** 2)).astype(np.float32)
    where = (slice(y0, y1 + 1), slice(x0, x1 + 1))
    return where, np.outer(down, across)[: _FULL - y0, : _FULL - x0]


def _disc(cx: float, cy: float, radius: float, tall: float = 1.0) -> Float32:
    inside = np.zeros((_FULL, _FULL), np.uint8)
    centre = (round(cx * 16), round(cy * 16))
    axes = (round(radius * 16), round(radius * tall * 16))
    points = cv2.ellipse2Poly(centre, axes, 0, 0, 360, 12)
    cv2.fillPoly(inside, [np.array(points, np.int32)], 255, cv2.LINE_AA, 4)
    return np.asarray(inside / np.float32(255), np.float32)


def _depth(inside: Float32) -> Float32:
    bits = (inside > 0.5).astype(np.uint8)
    return np.asarray(cv2.distanceTransform(bits, cv2.DIST_L2, 3), np.float32)


@lru_cache(maxsize=1)
def _grid() -> tuple[Float32, Float32]:
    rows, columns = np.indices((_FULL, _FULL), np.float32)
    return columns, rows


def _texture(seed: int) -> Float32:
    """Return streaky noise, float32 (F, F), of mean 0 and deviation 1."""
    down, across = seed // _TEXTURES % _FULL, seed // (_TEXTURES * _FULL) % _FULL
    return np.roll(_base_texture(seed % _TEXTURES), (down, across), (0, 1))


@lru_cache(maxsize=_TEXTURES)
def _base_texture(seed: int) -> Float32:
    rng = np.random.Generator(np.random.Philox(key=seed))
    noise = rng.standard_normal((_FULL, _FULL), np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), sigmaX=1.0, sigmaY=2.2, borderType=cv2.BORDER_REFLECT)
    return np.asarray((smooth - smooth.mean()) / smooth.std(), np.float32)
