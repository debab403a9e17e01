"""What surfaces are made of: colour patterns, weave and creases, gloss, metal and glass.

Colours are sRGB in [0, 1]. A pattern is a function of points (N, 3) and unit normals (N, 3), in
the scene's coordinates, to colours (N, 3); a bump is a function of points to heights (N,) in scene
units that tilts the normals and leaves the outline as it is. Patterns are functions of their
parameters alone: whatever is random in them is drawn when they are made.
"""

import colorsys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .shapes import Float32

__all__ = [
    "HOLDOUT",
    "Bump",
    "Field",
    "Image",
    "Material",
    "Noise",
    "Pattern",
    "add_bumps",
    "blend",
    "checks",
    "cloth",
    "dots",
    "glass",
    "gradient",
    "hsv",
    "image",
    "knit",
    "metal",
    "mottled",
    "plain",
    "plastic",
    "scaled",
    "skin",
    "stripes",
    "tortoise",
    "weave",
    "with_bump",
]

Pattern = Callable[[Float32, Float32], Float32]
Bump = Callable[[Float32], Float32]
Field = Callable[[Float32], Float32]
Colour = Sequence[float]
Image = NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class Material:
    """How a surface answers light."""

    albedo: Pattern
    """Its colour."""
    gloss: float = 0.3
    """Sharpness of highlights and reflections: 0 chalk, 1 mirror."""
    specular: float = 0.04
    """Share of light reflected head on; it grows at a slant. 0.04 for most things, 0 for wool."""
    metal: float = 0.0
    """1 reflects in its own colour and scatters nothing."""
    sheen: float = 0.0
    """Light scattered at a slant by fibres: cloth 0.1-0.5."""
    wrap: float = 0.0
    """How far light creeps into the shade: skin and wax 0.2-0.5."""
    under: Colour = (1.0, 1.0, 1.0)
    """Colour of the light that creeps, for instance reddish under skin."""
    bump: Bump | None = None
    """Fine relief."""
    glow: Field | None = None
    """Light it gives off itself, in its own colour: 1 as much as white paper under the lamp."""
    opacity: float | Field = 1.0
    """Alpha seen head on, or a function of points; below 1 on glass. A reflection adds to it."""
    is_glass: bool = False
    """Traced apart from what is solid, and laid over it."""
    is_holdout: bool = False
    """Hides what is behind it and is itself clear: stands for the head."""


def plain(colour: Colour) -> Pattern:
    """Return one colour everywhere."""
    value = np.asarray(colour, np.float32)
    return lambda p, n: np.broadcast_to(value, p.shape)


def hsv(hue: float, saturation: float, value: float) -> tuple[float, float, float]:
    """Return the RGB colour of a hue (of which whole numbers do not matter)."""
    return colorsys.hsv_to_rgb(hue % 1.0, saturation, value)


HOLDOUT = Material(albedo=plain((0, 0, 0)), is_holdout=True)


class Noise:
    """Smooth value noise of zero mean and about unit range [-1, 1].

    Parameters
    ----------
    rng : numpy.random.Generator
        Draws a table once.
    scale : float or sequence of 3 floats
        Length of its features in scene units, one an axis if they are stretched.
    octaves : int, optional
        Each one half as large and half as strong.
    """

    _SIDE = 16

    def __init__(
        self, rng: np.random.Generator, scale: float | Sequence[float], octaves: int = 1
    ) -> None:
        side = self._SIDE
        self.table = rng.uniform(-1, 1, side**3).astype(np.float32)
        self.rate = (1 / np.broadcast_to(np.asarray(scale, np.float64), (3,))).astype(np.float32)
        self.octaves = octaves
        self.total = float(sum(0.5**k for k in range(octaves)))

    def __call__(self, p: Float32) -> Float32:
        """Return the noise at points (N, 3)."""
        result = np.zeros(len(p), np.float32)
        for octave in range(self.octaves):
            q = p * (self.rate * np.float32(2.03**octave)) + np.float32(37.0 + 5.7 * octave)
            result += self._lattice(q) * np.float32(0.5**octave)
        return result * np.float32(1.4 / self.total)

    def _lattice(self, q: Float32) -> Float32:
        last, wide, layer = self._SIDE - 1, self._SIDE, self._SIDE**2
        sides = []
        for axis in range(3):
            column = np.ascontiguousarray(q[:, axis])
            whole = np.floor(column)
            f = column - whole
            low = whole.astype(np.int32) & last
            sides.append((low, (low + 1) & last, f * f * (3 - 2 * f)))
        (x0, x1, fx), (y0, y1, fy), (z0, z1, fz) = sides
        first, second = x0 * layer, x1 * layer

        def line(start: NDArray[np.int32]) -> Float32:
            low, high = self.table[start + z0], self.table[start + z1]
            return np.asarray(low + (high - low) * fz)

        def sheet(start: NDArray[np.int32]) -> Float32:
            low, high = line(start + y0 * wide), line(start + y1 * wide)
            return np.asarray(low + (high - low) * fy)

        near, far = sheet(first), sheet(second)
        return np.asarray(near + (far - near) * fx)


def blend(first: Pattern, second: Pattern, share: Field) -> Pattern:
    """Return `first` where the field is 0, `second` where it is 1, and mixtures between."""

    def colour(p: Float32, n: Float32) -> Float32:
        mix = np.clip(share(p), 0, 1)[:, None]
        return np.asarray(first(p, n) * (1 - mix) + second(p, n) * mix)

    return colour


def scaled(pattern: Pattern, factor: Field) -> Pattern:
    """Return a pattern made lighter or darker by a field."""
    return lambda p, n: np.clip(pattern(p, n) * factor(p)[:, None], 0, 1)


def mottled(pattern: Pattern, rng: np.random.Generator, amount: float, scale: float) -> Pattern:
    """Return a pattern whose brightness and, less, whose tint wander by `amount`."""
    tone, warm = Noise(rng, scale, 3), Noise(rng, scale * 1.7, 2)

    def colour(p: Float32, n: Float32) -> Float32:
        light, tint = 1 + amount * tone(p), 0.35 * amount * warm(p)
        factor = np.stack([light * (1 + tint), light, light * (1 - tint)], axis=1)
        return np.clip(pattern(p, n) * factor, 0, 1).astype(np.float32)

    return colour


def gradient(first: Colour, second: Colour, low: float, high: float, axis: int = 1) -> Pattern:
    """Return a colour that turns from `first` at `low` to `second` at `high` along an axis."""

    def share(p: Float32) -> Float32:
        t = np.clip((p[:, axis] - np.float32(low)) / np.float32(high - low), 0, 1)
        return np.asarray(t * t * (3 - 2 * t))

    return blend(plain(first), plain(second), share)


def stripes(
    colours: Sequence[Colour], period: float, angle: float = 0.0, widths: Sequence[float] = ()
) -> Pattern:
    """Return stripes in the x-y plane, `widths` their shares; `angle` 0 is upright, degrees."""
    palette = np.asarray(colours, np.float32)
    share = np.cumsum(widths) if len(widths) else np.arange(1, len(palette) + 1) / len(palette)
    edges = np.asarray(share / share[-1], np.float32)[:-1]
    c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))

    def colour(p: Float32, n: Float32) -> Float32:
        phase = (p[:, 0] * np.float32(c) + p[:, 1] * np.float32(s)) / np.float32(period)
        return palette[np.searchsorted(edges, phase - np.floor(phase), side="right")]

    return colour


def dots(ground: Colour, spot: Colour, period: float, radius: float, angle: float = 45) -> Pattern:
    """Return a square grid of round spots in the x-y plane; `radius` in periods."""
    c, s = np.float32(np.cos(np.radians(angle))), np.float32(np.sin(np.radians(angle)))
    low, high = np.asarray(ground, np.float32), np.asarray(spot, np.float32)

    def colour(p: Float32, n: Float32) -> Float32:
        u = (p[:, 0] * c + p[:, 1] * s) / np.float32(period)
        v = (p[:, 1] * c - p[:, 0] * s) / np.float32(period)
        gap = np.hypot(u - np.rint(u), v - np.rint(v)) - np.float32(radius)
        return np.where((gap < 0)[:, None], high, low)

    return colour


def checks(
    ground: Colour, bands: Sequence[tuple[Colour, float, float]], period: float, angle: float = 0
) -> Pattern:
    """Return plaid: `bands` of (colour, start, width), in periods, run both ways and overlap."""
    c, s = np.float32(np.cos(np.radians(angle))), np.float32(np.sin(np.radians(angle)))

    def colour(p: Float32, n: Float32) -> Float32:
        result = np.tile(np.asarray(ground, np.float32), (len(p), 1))
        for axis in (p[:, 0] * c + p[:, 1] * s, p[:, 1] * c - p[:, 0] * s):
            phase = axis / np.float32(period)
            phase = phase - np.floor(phase)
            for band, start, width in bands:
                inside = (np.mod(phase - np.float32(start), 1) < width)[:, None]
                result += (np.asarray(band, np.float32) - result) * (inside * np.float32(0.55))
        return result

    return colour


def tortoise(rng: np.random.Generator, light: Colour, dark: Colour, scale: float) -> Pattern:
    """Return the blotches of tortoise-shell acetate."""
    blotch, fine = Noise(rng, scale, 2), Noise(rng, scale * 0.3, 2)

    def share(p: Float32) -> Float32:
        return np.asarray(0.5 + 1.9 * blotch(p) + 0.5 * fine(p))

    return blend(plain(light), plain(dark), share)


def image(picture: Image, to_uv: Callable[[Float32], tuple[Float32, Float32]]) -> Pattern:
    """Return a picture laid over a surface.

    Parameters
    ----------
    picture : ndarray of uint8, shape (h, w, 3)
    to_uv : callable
        From points (N, 3) to (u, v), each (N,): 0..1 from the picture's left and top, its border
        repeated beyond.
    """
    height, width = picture.shape[:2]
    texels = picture.reshape(-1, 3).astype(np.float32) / 255

    def colour(p: Float32, n: Float32) -> Float32:
        u, v = to_uv(p)
        x = np.clip(u * width - 0.5, 0, width - 1.001).astype(np.float32)
        y = np.clip(v * height - 0.5, 0, height - 1.001).astype(np.float32)
        column, row = x.astype(np.int32), y.astype(np.int32)
        dx, dy = (x - column)[:, None], (y - row)[:, None]
        first = row * width + column
        below = np.minimum(row + 1, height - 1) * width + column
        right = np.minimum(column + 1, width - 1) - column
        top = texels[first] * (1 - dx) + texels[first + right] * dx
        bottom = texels[below] * (1 - dx) + texels[below + right] * dx
        return np.asarray(top * (1 - dy) + bottom * dy)

    return colour


def weave(period: float, depth: float, angle: float = 0.0) -> Bump:
    """Return the relief of a plain weave in the x-y plane: threads over and under."""
    c, s = np.float32(np.cos(np.radians(angle))), np.float32(np.sin(np.radians(angle)))
    rate = np.float32(np.pi / period)

    def height(p: Float32) -> Float32:
        u, v = (p[:, 0] * c + p[:, 1] * s) * rate, (p[:, 1] * c - p[:, 0] * s) * rate
        return np.asarray(np.float32(depth / 2) * (np.sin(u) * np.sin(v)))

    return height


def knit(period: float, depth: float) -> Bump:
    """Return the relief of knitwear in the x-y plane: columns of stitches shaped like V."""
    rate = np.float32(2 * np.pi / period)

    def height(p: Float32) -> Float32:
        column = p[:, 0] * rate
        slant = np.abs(np.mod(column / np.float32(2 * np.pi), 1) - np.float32(0.5))
        row = np.sin(p[:, 1] * rate * np.float32(1.3) + slant * np.float32(5.0))
        return np.asarray(np.float32(depth) * (np.abs(np.cos(column / 2)) * 0.7 + 0.3 * row))

    return height


def add_bumps(*bumps: Bump) -> Bump:
    """Return the sum of reliefs."""
    return lambda p: np.asarray(sum(bump(p) for bump in bumps))


def cloth(albedo: Pattern, rng: np.random.Generator, *, thread: float = 0.022) -> Material:
    """Return woven cloth: matt, with sheen, a weave of this period and uneven dye."""
    bump = add_bumps(weave(thread, thread * 0.16, 8.0), _wander(Noise(rng, 0.09, 2), 0.004))
    return Material(
        albedo=mottled(albedo, rng, 0.07, 0.05),
        gloss=0.1,
        specular=0.02,
        sheen=0.16,
        wrap=0.15,
        bump=bump,
    )


def plastic(albedo: Pattern, gloss: float = 0.75) -> Material:
    """Return glossy plastic, lacquer or glazed ceramic."""
    return Material(albedo=albedo, gloss=gloss, specular=0.05)


def metal(colour: Colour, gloss: float = 0.7) -> Material:
    """Return polished metal."""
    return Material(albedo=plain(colour), gloss=gloss, specular=0.6, metal=1.0)


def skin(albedo: Pattern, rng: np.random.Generator, *, scale: float = 0.03) -> Material:
    """Return skin: light creeps in reddish, pores and blotches, a soft shine."""
    return Material(
        albedo=mottled(albedo, rng, 0.06, scale * 4),
        gloss=0.38,
        specular=0.035,
        wrap=0.35,
        under=(1.0, 0.55, 0.42),
        bump=_wander(Noise(rng, scale, 3), scale * 0.05),
    )


def glass(
    tint: Colour | Pattern, opacity: float | Field, gloss: float = 0.95, specular: float = 0.05
) -> Material:
    """Return glass of a tint, this opaque seen head on, with reflections laid over."""
    albedo = tint if callable(tint) else plain(tint)
    return Material(albedo=albedo, gloss=gloss, specular=specular, opacity=opacity, is_glass=True)


def with_bump(material: Material, bump: Bump) -> Material:
    """Return a material with further relief."""
    known = material.bump
    return replace(material, bump=bump if known is None else add_bumps(known, bump))


def _wander(noise: Noise, amount: float) -> Bump:
    return lambda p: noise(p) * np.float32(amount)
