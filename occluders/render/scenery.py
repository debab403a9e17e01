"""Photo-like pictures drawn by code, for screens, book covers and printed pages."""

import cv2
import numpy as np
from numpy.typing import NDArray

from ..materials import hsv

__all__ = ["Picture", "scenery", "wallpaper"]

Picture = NDArray[np.float32]
"""(h, w, 3), sRGB in [0, 1]."""
Colour = tuple[float, float, float]


def scenery(rng: np.random.Generator, height: int, width: int) -> Picture:
    """Return a landscape, a sunset, a city, a meadow, a still life, or a pet-like blob of fur.

    Parameters
    ----------
    rng : numpy.random.Generator
    height, width : int
        In pixels.
    """
    kinds = (_mountains, _sunset, _city, _meadow, _fruit)
    draw = kinds[int(rng.integers(len(kinds)))]
    return np.clip(draw(rng, height, width), 0, 1).astype(np.float32)


def wallpaper(rng: np.random.Generator, height: int, width: int) -> Picture:
    """Return soft waves or blots of colour."""
    hue = rng.random()
    tones = [hsv(hue + rng.normal(0, 0.12), rng.uniform(0.4, 0.9), v) for v in (0.25, 0.6, 0.95)]
    y, x = _axes(height, width)
    picture = _ramp(y, tones[0], tones[1])
    for k in range(4):
        if rng.random() < 0.6:
            wave = 0.25 * k + 0.15 + 0.12 * np.sin(x * rng.uniform(2, 6) + rng.uniform(0, 6))
            share = np.clip((y - wave) * 14, 0, 1) * 0.8
        else:
            away = np.hypot(x - rng.uniform(0, 1), y - rng.random() * y.max())
            share = np.clip((rng.uniform(0.2, 0.5) - away) * 3, 0, 1)
        picture = _over(picture, tones[int(rng.integers(3))], share)
    return picture


def _axes(height: int, width: int) -> tuple[Picture, Picture]:
    """Return y and x of the pixels, in widths."""
    y, x = np.indices((height, width), np.float32)
    return (y + 0.5) / np.float32(width), (x + 0.5) / np.float32(width)


def _ramp(t: Picture, top: Colour, bottom: Colour) -> Picture:
    share = np.clip(t / max(float(t.max()), 1e-6), 0, 1)[:, :, None]
    mixed = np.asarray(top, np.float32) * (1 - share) + np.asarray(bottom, np.float32) * share
    return mixed.astype(np.float32)


def _over(picture: Picture, colour: Colour | Picture, share: Picture) -> Picture:
    tone = np.asarray(colour, np.float32)
    mix = np.clip(share, 0, 1)[:, :, None].astype(np.float32)
    return np.asarray(picture * (1 - mix) + tone * mix, np.float32)


def _grain(rng: np.random.Generator, height: int, width: int, cells: int) -> Picture:
    """Return smooth noise of zero mean, a few octaves from `cells` a width."""
    total = np.zeros((height, width), np.float32)
    for octave in range(4):
        n = cells * 2**octave
        rows = max(2, round(n * height / width))
        coarse = rng.standard_normal((rows, n)).astype(np.float32)
        total += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC) * 0.5**octave
    return total


def _ridge(rng: np.random.Generator, width: int, rough: float) -> NDArray[np.float32]:
    """Return a skyline: sums of waves of ever smaller height."""
    x = np.linspace(0, 1, width, dtype=np.float32)
    line = np.zeros(width, np.float32)
    for k in range(1, 7):
        line += np.float32(rng.normal() * rough / 1.7**k) * np.sin(
            x * np.float32(2.2 * 1.9**k) + np.float32(rng.uniform(0, 6.3))
        )
    return line


def _sky(rng: np.random.Generator, y: Picture) -> Picture:
    day = rng.random() < 0.6
    hue = rng.uniform(0.54, 0.62) if day else rng.uniform(-0.05, 0.1)
    top = hsv(hue, rng.uniform(0.4, 0.8), rng.uniform(0.55, 0.9))
    return _ramp(y, top, hsv(hue + (0 if day else 0.06), 0.25, 0.97))


def _mountains(rng: np.random.Generator, height: int, width: int) -> Picture:
    y, _ = _axes(height, width)
    tall = float(y.max())
    picture = _sky(rng, y)
    hue = rng.uniform(0.3, 0.65)
    layers = int(rng.integers(3, 5))
    for k in range(layers):
        near = (k + 1) / layers
        edge = tall * (0.3 + 0.45 * k / layers) + _ridge(rng, width, 0.16)
        tone = hsv(hue, 0.2 + 0.45 * near, 0.8 - 0.6 * near)
        inside = np.clip((y - edge[None]) * width, 0, 1)
        texture = 1 + 0.12 * _grain(rng, height, width, 8)
        picture = _over(picture, np.asarray(tone, np.float32) * texture[:, :, None], inside)
        if k == 0 and rng.random() < 0.6:
            snow = inside * np.clip(
                (edge[None] + 0.09 - y) * 25 + 3 * _grain(rng, height, width, 9), 0, 1
            )
            picture = _over(picture, (0.96, 0.97, 1.0), snow)
    return picture


def _sunset(rng: np.random.Generator, height: int, width: int) -> Picture:
    y, x = _axes(height, width)
    tall = float(y.max())
    horizon, sun = tall * rng.uniform(0.5, 0.65), rng.uniform(0.25, 0.75)
    hue = rng.uniform(-0.03, 0.06)
    above = hsv(rng.uniform(0.58, 0.95), 0.6, 0.45)
    picture = _ramp(y, above, hsv(hue + 0.04, 0.75, 1.0))
    away = np.hypot(x - sun, y - horizon + 0.12)
    picture = _over(picture, (1.0, 0.85, 0.5), np.exp(-((away / 0.3) ** 2)) * 0.8)
    picture = _over(picture, (1.0, 0.97, 0.85), np.clip((0.1 - away) * width / 2, 0, 1))
    sea = np.clip((y - horizon) * width, 0, 1)
    picture = _over(picture, picture[::-1] * np.float32(0.45), sea)
    glint = np.exp(-(((x - sun) / (0.05 + 0.25 * np.maximum(y - horizon, 0))) ** 2))
    waves = np.sin(y * 160 + 5 * _grain(rng, height, width, 4)) > 0.1
    return _over(picture, (1.0, 0.8, 0.5), sea * glint * waves * 0.8)


def _city(rng: np.random.Generator, height: int, width: int) -> Picture:
    y, _ = _axes(height, width)
    night = rng.random() < 0.6
    hue = rng.uniform(0.55, 0.8)
    picture = _ramp(y, hsv(hue, 0.6, 0.15), hsv(hue + 0.2, 0.5, 0.5)) if night else _sky(rng, y)
    for k in range(3):
        tone = hsv(hue, 0.3, (0.2 - 0.05 * k) if night else (0.75 - 0.2 * k))
        x0 = 0
        while x0 < width:
            wide = int(rng.integers(max(width // 14, 3), max(width // 6, 5)))
            top = int(height * (rng.uniform(0.2, 0.6) + 0.12 * k))
            picture[top:, x0 : x0 + wide] = tone
            step = max(width // 32, 3)
            lit = rng.random((height // step + 1, wide // step + 1)) < (0.45 if night else 0.7)
            glow = np.asarray((1.0, 0.85, 0.45) if night else hsv(hue, 0.4, 0.35), np.float32)
            for j, i in zip(*np.nonzero(lit), strict=True):
                yy, xx = top + step // 2 + j * step, x0 + step // 2 + i * step
                if yy + step // 2 < height and xx + step // 2 < min(x0 + wide, width):
                    picture[yy : yy + max(step // 2, 1), xx : xx + max(step // 2, 1)] = glow
            x0 += wide + int(rng.integers(0, 3))
    return picture


def _meadow(rng: np.random.Generator, height: int, width: int) -> Picture:
    y, x = _axes(height, width)
    tall = float(y.max())
    picture = _sky(rng, y)
    cloud = np.clip(_grain(rng, height, width, 3) * 1.5 - 0.4, 0, 1) * np.clip(
        1 - y / tall * 1.8, 0, 1
    )
    picture = _over(picture, (1.0, 1.0, 1.0), cloud)
    green = hsv(rng.uniform(0.2, 0.36), 0.65, rng.uniform(0.5, 0.75))
    edge = tall * rng.uniform(0.5, 0.62) + _ridge(rng, width, 0.08)
    texture = 1 + 0.15 * _grain(rng, height, width, 16)
    ground = np.asarray(green, np.float32) * texture[:, :, None]
    picture = _over(picture, ground, np.clip((y - edge[None]) * width, 0, 1))
    bloom = hsv(rng.random(), 0.7, 0.95)
    for _ in range(40):
        cx, depth = rng.random(), rng.random() ** 0.7
        cy = tall * (0.66 + 0.34 * depth)
        size = 0.01 + 0.035 * depth
        picture = _over(picture, bloom, np.clip((size - np.hypot(x - cx, y - cy)) * width, 0, 1))
    return picture


def _fruit(rng: np.random.Generator, height: int, width: int) -> Picture:
    """Return a few shaded balls on a table."""
    y, x = _axes(height, width)
    tall = float(y.max())
    picture = _ramp(y, hsv(rng.random(), 0.25, 0.75), hsv(rng.random(), 0.3, 0.45))
    table = hsv(rng.uniform(0.05, 0.12), 0.45, 0.6)
    picture = _over(picture, table, np.clip((y - 0.62 * tall) * width, 0, 1))
    for _ in range(int(rng.integers(3, 6))):
        cx, r = rng.uniform(0.15, 0.85), rng.uniform(0.12, 0.24)
        cy = tall * rng.uniform(0.6, 0.75) - r * 0.4
        ball = hsv(rng.choice([0.0, 0.07, 0.13, 0.25, 0.85]), 0.8, 0.85)
        under = np.hypot((x - cx - 0.03) / 1.2, (y - cy - r) * 3)
        picture = _over(picture, (0.1, 0.06, 0.05), np.clip((r - under) * 8, 0, 0.6))
        lit = np.clip(1.05 - np.hypot(x - cx + r * 0.4, y - cy + r * 0.4) / (1.7 * r), 0.15, 1)
        shaded = np.asarray(ball, np.float32) * lit[:, :, None]
        picture = _over(picture, shaded, np.clip((r - np.hypot(x - cx, y - cy)) * width, 0, 1))
    return picture
