"""Light on a surface: one lamp, a fill, a sky; all sums are of linear light."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .materials import Colour, Material
from .shapes import Float32, Shape

__all__ = ["Light", "encode", "linear", "normals", "shade", "slope", "unit"]

_LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)


@dataclass(frozen=True, kw_only=True)
class Light:
    """A lamp with soft shadows, a weak one without, and a sky that is brighter above."""

    key: tuple[float, float, float] = (-0.45, 0.6, 0.7)
    """Direction to the lamp: x right, y up, z to the viewer."""
    key_colour: Colour = (1.0, 0.97, 0.92)
    strength: float = 1.6
    fill: tuple[float, float, float] = (0.7, 0.1, 0.6)
    fill_strength: float = 0.25
    sky: Colour = (0.62, 0.65, 0.70)
    ground: Colour = (0.34, 0.31, 0.28)
    softness: float = 9.0
    """Of shadows: 4 an overcast window, 20 a hard lamp."""
    exposure: float = 0.56
    windows: float = 1.0
    """Brightness of the bright panes seen in reflections."""

    @classmethod
    def draw(cls, rng: np.random.Generator) -> "Light":
        """Return a plausible indoor or outdoor light."""
        side = rng.choice([-1.0, 1.0])
        warm = rng.normal(0, 0.035)
        key = (side * rng.uniform(0.1, 0.75), rng.uniform(0.35, 0.85), rng.uniform(0.55, 0.95))
        ambient = rng.uniform(0.5, 0.8)
        cool = rng.normal(0.01, 0.03)
        return cls(
            key=key,
            key_colour=(1.0 + warm, 0.98, 0.95 - warm),
            strength=rng.uniform(1.2, 1.9),
            fill=(-side * 0.8, rng.uniform(-0.2, 0.3), 0.6),
            fill_strength=rng.uniform(0.1, 0.4),
            sky=(ambient - cool, ambient, ambient + cool),
            ground=(0.55 * ambient + 0.02, 0.52 * ambient, 0.48 * ambient),
            softness=rng.uniform(4, 12),
            exposure=rng.uniform(0.5, 0.62),
            windows=rng.uniform(0.5, 1.5),
        )

    def ambient(self, n: Float32) -> Float32:
        """Return the sky's light on surfaces of normals (N, 3)."""
        up = (n[:, 1:2] * np.float32(0.5) + np.float32(0.5)) + n[:, 2:3] * np.float32(0.12)
        low, high = np.asarray(self.ground, np.float32), np.asarray(self.sky, np.float32)
        return np.asarray(low + (high - low) * np.clip(up, 0, 1))

    def reflection(self, r: Float32, gloss: float) -> Float32:
        """Return what is seen along directions (N, 3): the sky and its bright panes, blurred."""
        blur = np.float32(0.02 + 0.9 * (1 - gloss) ** 2)
        rise = np.clip(r[:, 1:2] / (np.float32(0.25) + 2 * blur), -1, 1) * np.float32(0.5) + 0.5
        low, high = np.asarray(self.ground, np.float32), np.asarray(self.sky, np.float32)
        base = low * np.float32(0.7) + (high * np.float32(1.25) - low * np.float32(0.7)) * rise
        key = unit(np.asarray([self.key], np.float32))[0]
        side = unit(np.cross(np.array([[0, 1, 0]], np.float32), key[None]).astype(np.float32))[0]
        over = np.cross(key, side).astype(np.float32)
        facing = np.maximum(r @ key, np.float32(1e-3))
        u, v = (r @ side) / facing, (r @ over) / facing
        pane = _edge(np.float32(0.34) - np.abs(u), blur) * _edge(np.float32(0.5) - np.abs(v), blur)
        sharp = np.float32(max(0.0, 1 - 8 * float(blur)))
        bars = 1 - _edge(np.float32(0.03) - np.abs(u), blur) * sharp
        front = _edge(r @ key, np.float32(0.1))
        lit = pane * bars * front * np.float32(3.5 * self.windows * self.strength / (1 + 9 * blur))
        result = base + lit[:, None] * np.asarray(self.key_colour, np.float32)
        return np.asarray(result, np.float32)


def shade(
    p: Float32,
    n: Float32,
    view: Float32,
    material: Material,
    light: Light,
    occlusion: Float32,
    shadow: Float32,
) -> tuple[Float32, Float32]:
    """Return the light that leaves a surface, linear and premultiplied, and its alpha.

    Parameters
    ----------
    p, n, view : ndarray of float32, shape (N, 3)
        Points, unit normals, unit directions to the viewer.
    material : Material
    light : Light
    occlusion, shadow : ndarray of float32, shape (N,)
        Share of the sky, and of the lamp, that is seen.
    """
    albedo = linear(material.albedo(p, n))
    key = unit(np.asarray([light.key], np.float32))[0]
    fill = unit(np.asarray([light.fill], np.float32))[0]
    lamp = np.asarray(light.key_colour, np.float32) * np.float32(light.strength)
    facing = n @ key
    wrap = np.float32(material.wrap)
    direct = np.maximum(facing, 0) * shadow
    creep = np.maximum((facing + wrap) / (1 + wrap), 0) * (0.35 + 0.65 * shadow) - direct
    creep = np.maximum(creep, 0)[:, None] * np.asarray(material.under, np.float32)
    sky = light.ambient(n) * _bounce(occlusion, albedo)
    weak = np.maximum(n @ fill, 0)[:, None] * np.float32(light.fill_strength)
    received = lamp * (direct[:, None] + (creep if material.wrap else 0))
    diffuse = albedo * (received + sky + weak * occlusion[:, None])
    slant = np.clip((n * view).sum(axis=1), 0, 1)
    if material.sheen:
        rim = np.float32(material.sheen) * (1 - slant) ** 3
        diffuse += rim[:, None] * (sky + lamp * direct[:, None]) * (0.4 + 0.6 * albedo)
    base = np.float32(material.specular)
    fresnel = base + (1 - base) * np.float32(material.gloss) * (1 - slant) ** 5
    tint = 1 + np.float32(material.metal) * (albedo / np.maximum(albedo.max(1), 1e-3)[:, None] - 1)
    power = np.float32(2.0 ** (1 + 9 * material.gloss))
    half = unit(view + key)
    shine = np.maximum((n * half).sum(axis=1), 0) ** power * (power + 8) / np.float32(26)
    shine = np.minimum(shine, np.float32(9)) * direct * fresnel
    mirror = light.reflection(2 * slant[:, None] * n - view, material.gloss)
    mirror = mirror * (fresnel * np.float32(material.gloss) * occlusion)[:, None]
    glint = tint * (lamp * shine[:, None] + mirror)
    opacity = material.opacity(p) if callable(material.opacity) else material.opacity
    share = np.broadcast_to(np.asarray(opacity, np.float32), (len(p),))
    if material.is_glass:  # the way through it is longer at a slant
        share = share + (1 - share) * np.float32(0.5) * (1 - slant) ** 3
    if material.glow is not None:
        diffuse += albedo * material.glow(p)[:, None] * np.float32(1 / light.exposure)
    body = diffuse * np.float32(1 - 0.9 * material.metal)
    if not material.is_glass:
        return np.asarray(body + glint), share
    # light that glass reflects is added; straight alpha takes it as cover of that brightness
    gain = np.clip(glint @ _LUMA, 0, 1)
    alpha = share + (1 - share) * np.clip(gain * np.float32(0.9), 0, 1)
    return np.asarray(body * share[:, None] + glint), np.asarray(alpha)


def normals(shape: Shape, p: Float32, reach: float) -> Float32:
    """Return unit normals of a shape at points (N, 3), from four distances `reach` away."""
    return unit(slope(shape, p, reach))


def slope(field: Callable[[Float32], Float32], p: Float32, reach: float) -> Float32:
    """Return the gradient (N, 3) of a field at points, from four values around each."""
    corners = np.array([[1, -1, -1], [-1, -1, 1], [-1, 1, -1], [1, 1, 1]], np.float32)
    total = np.zeros((3, len(p)), np.float32)
    for corner in corners:
        value = field(np.asarray((p.T + (corner * np.float32(reach))[:, None]).T))
        total += corner[:, None] * value
    return np.asarray(total.T / np.float32(4 * reach))


def unit(v: Float32) -> Float32:
    """Return vectors (N, 3) at length one."""
    length = np.sqrt((v * v).sum(axis=1, keepdims=True))
    return np.asarray(v / np.maximum(length, np.float32(1e-9)), np.float32)


def linear(colour: Float32) -> Float32:
    """Return linear light of sRGB in [0, 1]."""
    c = np.clip(np.asarray(colour, np.float32), 0, 1)
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4).astype(np.float32)


def encode(light: Float32) -> Float32:
    """Return sRGB in [0, 1] of linear light; what is too bright is rolled off softly."""
    knee = np.float32(0.7)
    over = np.maximum(light - knee, 0)
    c = np.minimum(light, knee) + (1 - knee) * (1 - np.exp(-over / (1 - knee)))
    c = np.maximum(c, 0)
    low = c * np.float32(12.92)
    high = np.float32(1.055) * np.maximum(c, 1e-6) ** np.float32(1 / 2.4) - np.float32(0.055)
    return np.where(c <= 0.0031308, low, high).astype(np.float32)


def _edge(x: NDArray[np.float32], width: np.float32) -> NDArray[np.float32]:
    t = np.clip(x / width * np.float32(0.5) + np.float32(0.5), 0, 1)
    return np.asarray(t * t * (3 - 2 * t))


def _bounce(occlusion: Float32, albedo: Float32) -> Float32:
    """Return occlusion a channel: what is bright lights its own corners."""
    dark = occlusion[:, None]
    return np.asarray(dark + (1 - dark) * dark * np.float32(0.6) * albedo)
