"""Turns a drawn head, lights it, sets it before a background and photographs it."""

import math
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray

from .demo_canvas import COLUMNS, LEFT, ROWS, SCALE, TOP, UNIT, axes, hill, noise, smooth
from .demo_features import draw_features, points
from .demo_head import Head
from .demo_person import Picture
from .landmarks import fit_similarity, template

__all__ = ["Scene"]

Float32 = NDArray[np.float32]
UInt8 = NDArray[np.uint8]

_PIVOT = 8.0  # v of the axis the head nods about
_FIRST = np.array([LEFT, TOP], np.float32) + np.float32(0.5 / SCALE)
_STRIDE = 3  # pixels between those solved for
_AHEAD = 1024  # 1/32 pixels added while rounding, so that none is negative
_ROUNDS = 3  # of solving for where a pixel looks; each at least halves the error
_SOFT = np.array([0.34, 0.20, 0.16], np.float32)  # light under the skin carries red furthest
_REACH = 8  # pixels of half the size a shadow is looked for
_ROOTS = 1024  # steps of the tone curve for a root of 1
_WAYS = (1, 1), (-1, 1), (1, -1)  # the same noise for three colours
_WEIGHTS = 0.3, 0.59, 0.11
_GREY = 0.235  # what a face is exposed for


class Scene:
    """One picture of one head, of one size.

    Parameters
    ----------
    head : Head
    picture : Picture
    height, width : int
        Of the picture, in pixels.
    """

    def __init__(self, head: Head, picture: Picture, height: int, width: int) -> None:
        self.head, self.picture = head, picture
        self.height, self.width = height, width
        self._yaw = math.cos(picture.yaw), math.sin(picture.yaw)
        self._pitch = math.cos(picture.pitch), math.sin(picture.pitch)
        self._shift = self._displace()
        cosine, sine = math.cos(picture.roll), math.sin(picture.roll)
        roll = np.array([[cosine, -sine], [sine, cosine]])
        marked = points(head.person, picture)
        seen = (marked + self._shift_at(marked.astype(np.float32))) @ roll.T
        fitted = fit_similarity(seen, template(height, width))
        self._turn, self._move = fitted[:, :2] @ roll, fitted[:, 2]
        self.points: Float32 = (seen @ fitted[:, :2].T + fitted[:, 2]).astype(np.float32)
        """The five points in the picture, (5, 2)."""

    def render(self) -> UInt8:
        """Return the picture, RGB of shape (H, W, 3)."""
        colour, relief = draw_features(self.head, self.picture)
        maps = self._maps()
        seen, slopes = _look(colour, *maps), _look(relief, *maps)
        half = [np.ascontiguousarray(part[::2, ::2]) for part in maps]
        thrown = _look(self.head.height, half[0], half[1])
        roots = [np.asarray(plane, np.float32) * np.float32(1 / 255) for plane in cv2.split(seen)]
        albedo = [root * root for root in roots]
        lit = self._light(albedo[:3], slopes, thrown)
        lit *= self._gain(lit)
        behind = 1 - albedo[3]
        if behind.max() > 0:
            lit += behind * self._background()
        return self._develop(lit)

    def _displace(self) -> Float32:
        """Return how far pose and expression move each second pixel of the canvas."""
        picture, (u, v) = self.picture, _coarse_axes()
        smile, raised, frown, lower, outer = _basis()
        du = smile[0] * np.float32(picture.smile) + frown[0] * np.float32(picture.frown)
        du = du + outer * np.float32(picture.sway[0])
        dv = smile[1] * np.float32(picture.smile) + frown[1] * np.float32(picture.frown)
        dv = dv + raised * np.float32(picture.raised) + lower * np.float32(picture.open)
        dv = dv + outer * np.float32(picture.sway[1])
        (yc, ys), (pc, ps), depth = self._yaw, self._pitch, self.head.depth
        across = (u + du) * np.float32(yc) + depth * np.float32(ys)
        far = depth * np.float32(yc) - (u + du) * np.float32(ys)
        down = (v + dv - _PIVOT) * np.float32(pc) + far * np.float32(ps) + _PIVOT
        shift = np.empty((*depth.shape, 2), np.float32)
        shift[:, :, 0] = across - u
        shift[:, :, 1] = down - v
        return shift

    def _shift_at(self, places: Float32) -> Float32:
        """Return the displacement at points of the canvas, (N, 2), between its pixels."""
        rows, columns = self._shift.shape[:2]
        place = (places - _FIRST) * np.float32(SCALE / 2)
        last = np.array([columns - 1.01, rows - 1.01], np.float32)
        place = np.minimum(np.maximum(place, 0), last)
        whole = place.astype(np.int32)
        part = place - whole.astype(np.float32)
        flat = self._shift.view(np.complex64).reshape(-1)  # two floats are fetched as one
        at = whole[:, 1] * columns + whole[:, 0]
        a, b, c, d = (
            flat.take(at + step, mode="clip").view(np.float32).reshape(-1, 2)
            for step in (0, 1, columns, columns + 1)
        )
        right, down = part[:, :1], part[:, 1:]
        above = a + (b - a) * right
        return np.asarray(above + (c + (d - c) * right - above) * down, np.float32)

    def _maps(self) -> tuple[NDArray[np.int16], NDArray[np.uint16]]:
        """Return where on the canvas each pixel looks, as OpenCV's fixed-point maps."""
        rows, columns = self.height // _STRIDE + 2, self.width // _STRIDE + 2
        goal = self._goal(rows, columns, _STRIDE)
        found = goal - self._shift_at(np.zeros((1, 2), np.float32))
        for _ in range(_ROUNDS):
            found = goal - self._shift_at(found.reshape(-1, 2)).reshape(goal.shape)
        place = (found - np.array([LEFT, TOP], np.float32)) * np.float32(SCALE) - np.float32(0.5)
        place = np.maximum(np.minimum(place, np.array([COLUMNS, ROWS], np.float32) + 8), -8)
        planes = np.ascontiguousarray((place * 32 + np.float32(0.5 + _AHEAD)).transpose(2, 0, 1))
        x, y = _spread(planes, self.height, self.width).astype(np.int32)
        whole = cv2.merge([((part >> 5) - _AHEAD // 32).astype(np.int16) for part in (x, y)])
        return np.asarray(whole), ((y & 31) * 32 + (x & 31)).astype(np.uint16)

    def _goal(self, rows: int, columns: int, stride: int) -> Float32:
        """Return where each `stride`-th pixel lies before the similarity, (rows, columns, 2)."""
        back = np.linalg.inv(self._turn)
        x = stride * np.arange(columns)[None] - self._move[0]
        y = stride * np.arange(rows)[:, None] - self._move[1]
        goal = np.empty((rows, columns, 2), np.float32)
        goal[:, :, 0] = back[0, 0] * x + back[0, 1] * y
        goal[:, :, 1] = back[1, 0] * x + back[1, 1] * y
        return goal

    def _towards(self, x: float, y: float, z: float) -> tuple[float, float, float]:
        """Return a direction as the head sees it."""
        (yc, ys), (pc, ps) = self._yaw, self._pitch
        y, z = pc * y - ps * z, ps * y + pc * z
        return yc * x - ys * z, y, ys * x + yc * z

    def _light(self, albedo: list[Float32], relief: NDArray[Any], thrown: NDArray[Any]) -> Float32:
        picture = self.picture
        across, down, seen, gloss = (
            np.asarray(plane, np.float32) * np.float32(1 / UNIT) for plane in cv2.split(relief)
        )
        inverse = 1 / np.sqrt(1 + across * across + down * down)

        def facing(x: float, y: float, z: float) -> Float32:
            toward = np.float32(z) - across * np.float32(x) - down * np.float32(y)
            return np.asarray(toward * inverse, np.float32)

        lamp = self._towards(*picture.lamp)
        lambert = facing(*lamp)
        bright = self._shadow(lamp, thrown)
        eye = self._towards(0.0, 0.0, 1.0)
        half = [a + b for a, b in zip(lamp, eye, strict=True)]
        length = math.sqrt(sum(part * part for part in half))
        shine = np.maximum(facing(*(part / length for part in half)), 0)
        for _ in range(4):
            shine = shine * shine
        shine = shine * gloss * bright * np.float32(0.10)
        sky = seen * (0.66 + 0.34 * down * inverse)
        lit = np.empty((3, self.height, self.width), np.float32)
        for channel in range(3):
            soft = _SOFT[channel]
            strength = picture.key[channel] / (1 + soft)
            key = np.maximum(lambert + soft, 0) * (bright * strength)
            light = key + sky * picture.sky[channel]
            np.add(albedo[channel] * light, shine, out=lit[channel])
        return lit

    def _shadow(self, lamp: tuple[float, float, float], thrown: NDArray[Any]) -> Float32:
        """Return the share of the lamp seen from each pixel."""
        size = math.sqrt(lamp[0] ** 2 + lamp[1] ** 2)
        if size < 0.05:
            return np.ones((self.height, self.width), np.float32)
        height = thrown.astype(np.float32) * np.float32(1 / 64)
        wide = cv2.copyMakeBorder(height, _REACH, _REACH, _REACH, _REACH, cv2.BORDER_REPLICATE)
        rows, columns = height.shape
        most = np.zeros_like(height)
        for far in (1.0, 2.0, 3.5, 5.5, 7.5):  # in pixels of half the size
            i = _REACH + round(far * lamp[1] / size)
            j = _REACH + round(far * lamp[0] / size)
            rise = wide[i : i + rows, j : j + columns] - np.float32(2 * far * lamp[2] / size)
            np.maximum(most, (rise - height) * np.float32(1 / (1.2 + 0.32 * far)), out=most)
        dark = (np.minimum(most, 1) * np.float32(210)).astype(np.uint8)
        soft = cv2.GaussianBlur(dark, (0, 0), 0.6)
        full = cv2.resize(soft, (self.width, self.height), interpolation=cv2.INTER_LINEAR_EXACT)
        return np.asarray(1 - full * np.float32(1 / 255), np.float32)

    def _gain(self, lit: Float32) -> Float32:
        """Return the gain of each channel, (3, 1, 1): exposure for the face, white balance."""
        h, w = self.height, self.width
        face = lit[:, h // 4 : (7 * h) // 8 : 3, w // 4 : (3 * w) // 4 : 3]
        levels = np.minimum(face * np.float32(4096), 60000).astype(np.int64).sum(axis=(1, 2))
        mean = [float(level) / (4096.0 * face[0].size) for level in levels]
        luma = max(sum(a * b for a, b in zip(mean, _WEIGHTS, strict=True)), 0.004)
        gain = self.picture.exposure * (_GREY / luma) ** 0.8
        return (self.picture.white * np.float32(gain)).reshape(3, 1, 1)

    def _background(self) -> Float32:
        """Return what is behind the head, linear, float32 (3, H, W)."""
        take, h, w = self.picture.back, self.height // 2, self.width // 2
        near = np.array(take[:12]).reshape(2, 2, 3)
        near = near.mean() + (near - near.mean()) * (0.25 + 0.9 * take[12])
        grey = near.mean(axis=2, keepdims=True)
        near = grey + (near - grey) * (0.15 + 0.6 * take[22])
        near = np.clip(near * (0.35 + 0.9 * take[13]), 0.02, 1) * 255
        scene = cv2.resize(near.astype(np.uint8), (w, h), interpolation=cv2.INTER_LINEAR_EXACT)
        kind, soft = take[14], 0.4 + 2.5 * take[15]
        other = tuple(int(255 * (0.6 * take[16] + 0.4 * part)) for part in take[17:20])
        if kind < 0.3:  # a room: upright edges
            x0, x1 = sorted((int(w * take[20]), int(w * take[21])))
            cv2.rectangle(scene, (x0, -1), (x1 + 4, h), other, -1)
        elif kind < 0.55:  # lights out of focus
            for number in range(7):
                x, y = take[number] * w, take[number + 8] * h
                cv2.circle(scene, (int(x), int(y)), int(3 + 6 * take[number + 4]), other, -1)
        elif kind < 0.75:  # leaves, crowds
            cloud = noise("cloud", self.picture.tiles[0], h, w)[:, :, None]
            blob = noise("blob", self.picture.tiles[1], h, w)[:, :, None]
            mixed = scene * np.clip(1 + 0.28 * cloud + 0.2 * blob, 0.1, 2)
            scene = np.clip(mixed, 0, 255).astype(np.uint8)
        scene = cv2.GaussianBlur(scene, (0, 0), soft)
        size = self.width, self.height
        scene = cv2.resize(scene, size, interpolation=cv2.INTER_LINEAR_EXACT)
        planes = np.asarray(cv2.split(scene), np.float32) * np.float32(1 / 255)
        return planes * planes

    def _develop(self, lit: Float32) -> UInt8:
        """Return the picture as the camera stores it: tone, blur, noise, compression."""
        picture = self.picture
        luma = lit[0] * _WEIGHTS[0] + lit[1] * _WEIGHTS[1] + lit[2] * _WEIGHTS[2]
        lit = luma + np.float32(picture.saturation) * (lit - luma)
        root = np.sqrt(np.maximum(lit, 0)) * np.float32(_ROOTS)
        curve = np.clip((_curve() - 0.45) * picture.contrast + 0.45, 0, 1) * 255
        planes = np.rint(curve).astype(np.uint8).take(root.astype(np.int32), mode="clip")
        image = cv2.GaussianBlur(cv2.merge(list(planes)), (0, 0), picture.blur)
        grain = _grain(picture.noise)
        y, x = (
            tile % (len(grain) - size)
            for tile, size in zip(picture.tiles[2:4], image.shape[:2], strict=True)
        )
        patch = grain[y : y + self.height, x : x + self.width]
        image = cv2.add(image, patch, dtype=cv2.CV_8U)
        data = simplejpeg.encode_jpeg(
            image, quality=picture.quality, colorspace="RGB", colorsubsampling="420", fastdct=False
        )
        return np.asarray(
            simplejpeg.decode_jpeg(data, "RGB", fastdct=False, fastupsample=False), np.uint8
        )


def _look(layer: NDArray[Any], places: NDArray[Any], parts: NDArray[Any]) -> NDArray[Any]:
    """Return a layer of the canvas as seen through fixed-point maps."""
    seen = cv2.remap(layer, places, parts, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(seen)


def _spread(planes: Float32, height: int, width: int) -> Float32:
    """Return planes with `_STRIDE` - 1 values put between each two, (N, height, width)."""
    count, rows, columns = planes.shape
    start, step = planes[:, :-1], (planes[:, 1:] - planes[:, :-1]) * np.float32(1 / _STRIDE)
    tall = np.empty((count, rows - 1, _STRIDE, columns), np.float32)
    for number in range(_STRIDE):
        tall[:, :, number] = start + step * np.float32(number)
    planes = tall.reshape(count, -1, columns)[:, :height]
    start, step = (
        planes[:, :, :-1],
        (planes[:, :, 1:] - planes[:, :, :-1]) * np.float32(1 / _STRIDE),
    )
    full = np.empty((count, height, columns - 1, _STRIDE), np.float32)
    for number in range(_STRIDE):
        full[:, :, :, number] = start + step * np.float32(number)
    return full.reshape(count, height, -1)[:, :, :width]


@lru_cache(maxsize=16)
def _grain(strength: int) -> NDArray[np.int16]:
    """Return noise in levels of grey, (512, 512, 3), of deviation 0.3 times the strength."""
    tiles = [noise("fine", 0, 512, 512)[::way, ::other] for way, other in _WAYS]
    return np.asarray(
        cv2.merge([np.rint(tile * np.float32(0.3 * strength)).astype(np.int16) for tile in tiles])
    )


@lru_cache(maxsize=1)
def _curve() -> NDArray[np.float64]:
    """Return what the camera makes of roots of light, in steps of 1 / `_ROOTS`."""
    light = np.square(np.arange(int(1.5 * _ROOTS)) / _ROOTS)
    tone = (1 - np.exp(-1.5 * light)) / (1 - math.exp(-1.5))
    return np.asarray(np.minimum(tone, 1) ** (1 / 2.2), np.float64)


@lru_cache(maxsize=1)
def _coarse_axes() -> tuple[Float32, Float32]:
    u, v = axes()
    return u[:, ::2], v[::2]


@lru_cache(maxsize=1)
def _basis() -> tuple[tuple[Float32, Float32], Float32, tuple[Float32, Float32], Float32, Float32]:
    """Return what expressions and the wind move: smile, brows, frown, jaw, hair."""
    u, v = _coarse_axes()
    a, sign = np.abs(u), np.sign(u)
    corner = hill(a - 15, 8) * hill(v - 40, 8)
    apple = hill(a - 20, 9) * hill(v - 22, 10)
    smile = sign * corner * np.float32(2.6), corner * np.float32(-2.4) - apple * np.float32(1.8)
    raised = hill(a - 17, 12) * hill(v + 12, 6) * np.float32(-1.2)
    pinch = hill(a - 8, 6) * hill(v + 11, 5)
    frown = -sign * smooth(a, 0, 4) * pinch * np.float32(1.4), pinch * np.float32(1.6)
    lower = hill(u, 24) * smooth(v, 42, 54) * np.float32(0.8)
    outer = np.maximum(smooth(a, 31, 44), smooth(v, -28, -42)) * smooth(v, 60, 30)
    return smile, raised, frown, lower, outer
