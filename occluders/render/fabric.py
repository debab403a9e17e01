"""Prints for cloth: one colour, stripes, dots, plaid, flowers, camouflage, slogans."""

import cv2
import numpy as np

from ..materials import (
    Noise,
    Pattern,
    blend,
    checks,
    dots,
    hsv,
    image,
    mottled,
    plain,
    stripes,
)
from ..shapes import Float32

__all__ = ["PRINTS", "flowers", "palette", "print_pattern", "script"]

PRINTS = ("plain", "stripes", "dots", "plaid", "flowers", "camouflage", "melange")
Colour = tuple[float, float, float]


def palette(rng: np.random.Generator, count: int) -> list[Colour]:
    """Return colours that go together: near or opposite hues, light and dark."""
    hue, spread = rng.random(), rng.choice([0.04, 0.08, 0.5])
    base = rng.uniform(0.3, 0.8)
    result = []
    for k in range(count):
        value = rng.uniform(0.15, 0.45) if k % 2 == 0 else rng.uniform(0.65, 0.95)
        strength = base * (1.0 if k % 2 == 0 else rng.uniform(0.15, 0.9))
        result.append(hsv(hue + spread * k + rng.normal(0, 0.02), strength, value))
    if rng.random() < 0.5:
        result.reverse()
    return result


def print_pattern(
    rng: np.random.Generator, scale: float, kinds: tuple[str, ...] = PRINTS
) -> Pattern:
    """Return a print in the x-y plane whose figures repeat about every `scale`."""
    kind = str(rng.choice(list(kinds)))
    first, second, third = palette(rng, 3)
    if kind == "plain":
        if rng.random() < 0.35:
            first = hsv(rng.random(), 0.1, rng.uniform(0.05, 0.12))
        return mottled(plain(first), rng, 0.05, 0.2)
    if kind == "stripes":
        colours = [first, second] if rng.random() < 0.6 else [first, second, first, third]
        angle = float(rng.choice([0, 90, 45, -45]))
        return stripes(colours, scale * rng.uniform(0.5, 1.1), angle)
    if kind == "dots":
        return dots(first, second, scale * rng.uniform(0.6, 1.1), rng.uniform(0.2, 0.34))
    if kind == "plaid":
        bands = [(second, 0.1, 0.3), (third, 0.6, 0.08), (first, 0.75, 0.1)]
        return checks(second if rng.random() < 0.3 else first, bands, scale * rng.uniform(1.2, 2.0))
    if kind == "flowers":
        return flowers(rng, first, [second, third], scale * rng.uniform(0.9, 1.3))
    if kind == "camouflage":
        a, b = Noise(rng, scale * 1.1, 2), Noise(rng, scale * 0.9, 2)
        hue = rng.choice([0.1, 0.22, 0.25, 0.6])
        sand, leaf, dark = (hsv(float(hue) + d, s, v) for d, s, v in _CAMOUFLAGE)
        inner = blend(plain(sand), plain(leaf), lambda p: a(p) * 12 + 0.5)
        return blend(inner, plain(dark), lambda p: b(p) * 12 - 2.5)
    fibre = Noise(rng, (0.012, 0.06, 0.03), 2)
    return blend(plain(first), plain(second), lambda p: 0.35 + 0.4 * fibre(p))


_CAMOUFLAGE = ((0.0, 0.3, 0.68), (0.06, 0.4, 0.42), (0.02, 0.4, 0.2))


def flowers(
    rng: np.random.Generator, ground: Colour, petals: list[Colour], period: float
) -> Pattern:
    """Return scattered five-petalled flowers with leaves, jittered on a grid."""
    side = 8
    spot = rng.uniform(-0.22, 0.22, (side, side, 2)).astype(np.float32)
    turn = rng.uniform(0, 6.3, (side, side)).astype(np.float32)
    reach = rng.uniform(0.26, 0.42, (side, side)).astype(np.float32)
    tint = rng.integers(0, len(petals), (side, side))
    tones, base = np.asarray(petals, np.float32), np.asarray(ground, np.float32)
    leaf = np.asarray(hsv(rng.uniform(0.22, 0.42), 0.5, rng.uniform(0.25, 0.55)), np.float32)
    heart = np.asarray(hsv(0.13, 0.8, 0.9), np.float32)

    def colour(p: Float32, n: Float32) -> Float32:
        u, v = p[:, 0] / np.float32(period), p[:, 1] / np.float32(period)
        i, j = np.floor(u).astype(int), np.floor(v).astype(int)
        row, column = i % side, j % side
        x = u - i - np.float32(0.5) - spot[row, column, 0]
        y = v - j - np.float32(0.5) - spot[row, column, 1]
        away, angle = np.hypot(x, y), np.arctan2(y, x) + turn[row, column]
        size = reach[row, column]
        petal = away < size * (0.62 + 0.38 * np.cos(5 * angle))
        green = (away < size * 1.25) & (np.cos(2 * angle + 1) > 0.86)
        result = np.where(green[:, None], leaf, base)
        result = np.where(petal[:, None], tones[tint[row, column]], result)
        return np.where((away < size * 0.22)[:, None], heart, result)

    return colour


_WORDS = (
    "hello", "Coffee", "relax", "dream", "Love", "good day", "No. 1", "smile", "tea time", "Happy",
    "sweet", "Paris", "wild", "lucky", "do not disturb", "Monday", "zzz", "be kind", "1987", "yes",
)  # fmt: skip
_FACES = (
    cv2.FONT_HERSHEY_SCRIPT_COMPLEX,
    cv2.FONT_HERSHEY_SCRIPT_SIMPLEX,
    cv2.FONT_HERSHEY_TRIPLEX,
    cv2.FONT_HERSHEY_DUPLEX,
)


def script(
    rng: np.random.Generator, ground: Pattern, ink: Colour, y: float, height: float
) -> Pattern:
    """Return a pattern with a word about `y`, at most from x = -0.5 to 0.5."""
    word, face = str(rng.choice(_WORDS)), int(rng.choice(_FACES))
    (wide, tall), below = cv2.getTextSize(word, face, 2.5, 7)
    canvas = np.zeros((tall + 2 * below + 20, wide + 40, 3), np.uint8)
    cv2.putText(
        canvas, word, (20, tall + below), face, 2.5, (255, 255, 255), int(rng.integers(6, 12)),
        cv2.LINE_AA,
    )  # fmt: skip
    across = min(1.0, height * 2.1 * canvas.shape[1] / canvas.shape[0])
    down = across * canvas.shape[0] / canvas.shape[1]

    def place(p: Float32) -> tuple[Float32, Float32]:
        u = p[:, 0] / np.float32(across) + np.float32(0.5)
        return u, (np.float32(y) - p[:, 1]) / np.float32(down) + np.float32(0.5)

    letters = image(canvas, place)
    return blend(ground, plain(ink), lambda p: letters(p, p)[:, 0])
