"""Books: hardcovers and paperbacks held up closed, and open ones from either side."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from ..lighting import Light
from ..materials import Material, Noise, Pattern, hsv, image, plain
from ..rendering import Camera, Rendered, render_scene
from ..shapes import Float32, Shape, box, tube
from ..tracing import Part
from .cover import cover_pictures, page_picture
from .held import CENTIMETRE, held

__all__ = ["book"]

UInt8 = NDArray[np.uint8]
Local = Callable[[Float32], Float32]
Point3 = tuple[float, float, float]


def book(rng: np.random.Generator, size: int = 176) -> Rendered:
    """Return a book: closed, open with its cover to the viewer, or open with its pages.

    Parameters
    ----------
    rng : numpy.random.Generator
    size : int, optional
        Longest side in pixels.
    """
    kind = str(rng.choice(["hardcover", "paperback", "covers", "pages"], p=[0.3, 0.24, 0.24, 0.22]))
    soft = kind == "paperback" or (kind in ("covers", "pages") and rng.random() < 0.5)
    if soft:
        sides = rng.uniform(10.5, 13.5), rng.uniform(17, 20.5), rng.uniform(1.0, 2.8)
    else:
        sides = rng.uniform(13, 17.5), rng.uniform(19.5, 24), rng.uniform(1.8, 3.8)
    wide, tall, thick = (float(side) * CENTIMETRE for side in sides)
    if kind in ("hardcover", "paperback"):
        parts, front = _closed(rng, wide, tall, thick, soft=soft)
        camera = Camera.draw(rng, yaw=60, pitch=24, roll=16)
        if abs(camera.yaw) < 14:  # show an edge: a card has none
            yaw = float(np.copysign(14 + 20 * rng.random(), camera.yaw))
            camera = Camera(yaw=yaw, pitch=camera.pitch, roll=camera.roll, distance=camera.distance)
        low = (0.25 * wide, -tall / 2, 0.0)
    else:
        parts, front = _open(rng, wide, tall, thick, soft=soft, is_inside=kind == "pages")
        camera = Camera.draw(rng, yaw=24, pitch=34, roll=8)
        low = (0.0, -tall / 2, 0.0)
    return render_scene(
        parts,
        camera=camera,
        light=Light.draw(rng),
        size=size,
        anchors=held(camera, (0.0, 0.1 * tall, front), low),
        extent=2.6,
        step=0.8,
    )


def _closed(
    rng: np.random.Generator, wide: float, tall: float, thick: float, *, soft: bool
) -> tuple[list[Part], float]:
    """Return a closed book, its spine on the left, and the depth of its front."""
    board = 0.014 if soft else 0.035
    inset = 0.0 if soft else 0.04
    front, back, spine = cover_pictures(rng, wide, tall, thick)
    if rng.random() < 0.16:
        front, back = back, front
    half = thick / 2
    fore = -0.004 if soft else inset
    pages = box(
        (board - fore / 2, 0, 0), (wide / 2 - board - fore / 2, tall / 2 - inset, half - board)
    )
    edge, gloss = 0.006 if soft else 0.012, float(rng.uniform(0.25, 0.75))
    bend = rng.uniform(0.0, 0.05) if soft else 0.0

    def bent(shape: Shape) -> Shape:
        def distance(p: Float32) -> Float32:
            q = p.copy(order="K")
            share = np.clip(p[:, 0] / np.float32(wide) + np.float32(0.5), 0, 1.2)
            q[:, 2] -= np.float32(bend) * share * share
            return shape(q)

        return distance if bend else shape

    def laid(picture: UInt8, sign: int) -> Pattern:
        def to_uv(p: Float32) -> tuple[Float32, Float32]:
            u = np.asarray(p[:, 0] * np.float32(sign / wide) + np.float32(0.5))
            return u, np.asarray(np.float32(0.5) - p[:, 1] / np.float32(tall))

        return image(picture, to_uv)

    def along(p: Float32) -> tuple[Float32, Float32]:
        u = np.asarray(p[:, 2] / np.float32(thick) + np.float32(0.5))
        return u, np.asarray(np.float32(0.5) - p[:, 1] / np.float32(tall))

    slab = (wide / 2, tall / 2, board / 2)
    binding = image(spine, along)
    round_back = box((-wide / 2 + board / 2, 0, 0), (board / 2, tall / 2, half), edge)
    if not soft:
        round_back = _bulge(-wide / 2 + board, half, tall / 2, board)
    parts = [
        Part(bent(pages), _paper(rng, lambda p: p[:, 2])),
        Part(bent(box((0, 0, half - board / 2), slab, edge)), _cover(laid(front, 1), rng, gloss)),
        Part(bent(box((0, 0, board / 2 - half), slab, edge)), _cover(laid(back, -1), rng, gloss)),
        Part(bent(round_back), _cover(binding, rng, gloss)),
    ]
    return parts, half


def _bulge(x: float, half: float, tall: float, board: float) -> Shape:
    """Return a rounded spine: part of an upright tube, seen on the left."""
    deep = np.float32(0.55)  # how flat it is

    def distance(p: Float32) -> Float32:
        across = np.hypot((p[:, 0] - np.float32(x)) / deep, p[:, 2]) - np.float32(half)
        skin = np.abs(across + np.float32(board / 2)) * np.float32(0.55) - np.float32(board / 2)
        return np.asarray(
            np.maximum(
                np.maximum(skin, p[:, 0] - np.float32(x + board)),
                np.abs(p[:, 1]) - np.float32(tall),
            )
        )

    return distance


def _cover(albedo: Pattern, rng: np.random.Generator, gloss: float) -> Material:
    grain = Noise(rng, 0.02, 2)
    return Material(
        albedo=albedo, gloss=gloss, specular=0.045, bump=lambda p: grain(p) * np.float32(0.0006)
    )


def _paper(rng: np.random.Generator, depth: Local) -> Material:
    """Return the cut edge of many sheets; `depth` is the coordinate they are stacked along."""
    tone = np.asarray(hsv(0.115, rng.uniform(0.06, 0.25), rng.uniform(0.8, 0.95)), np.float32)
    sheets = rng.uniform(0.55, 1.0, 256).astype(np.float32)

    def albedo(p: Float32, n: Float32) -> Float32:
        number = np.floor(depth(p) * np.float32(1 / 0.011)).astype(np.int32) & 255
        other = np.floor(depth(p) * np.float32(1 / 0.031)).astype(np.int32) & 255
        light = np.float32(0.35) + np.float32(0.4) * sheets[number] + 0.25 * sheets[other]
        return np.asarray(tone * light[:, None])

    return Material(albedo=albedo, gloss=0.05, specular=0.01)


def _open(
    rng: np.random.Generator, wide: float, tall: float, thick: float, *, soft: bool, is_inside: bool
) -> tuple[list[Part], float]:
    """Return an open book, and the depth of its nearest middle.

    Two wings meet in the spine. Seen from outside they fall back from it, the front cover on the
    right; seen from inside they come forward and carry curved pages.
    """
    fall = np.radians(rng.uniform(8, 30) if is_inside else rng.uniform(14, 40))  # from flat
    board, inset = (0.014, 0.0) if soft else (0.03, 0.05)
    front, back, spine = cover_pictures(rng, wide, tall, thick)
    share = rng.uniform(0.3, 0.7)
    block = 0.5 * thick
    sign = 1.0 if is_inside else -1.0
    gap = 0.02 if is_inside else 0.5 * thick
    parts: list[Part] = []
    gloss = float(rng.uniform(0.25, 0.75))
    for side in (-1, 1):
        deep = block * 2 * (share if side < 0 else 1 - share)
        # x along the wing from the spine outwards, z away from the cover, on the pages' side
        angle = float(fall)
        c, s = np.float32(np.cos(angle)), np.float32(np.sin(angle))

        def local(p: Float32, side: int = side, c: np.float32 = c, s: np.float32 = s) -> Float32:
            x = p[:, 0] * np.float32(side) - np.float32(gap / 2)
            z = p[:, 2] * np.float32(sign)
            return np.asfortranarray(np.stack([x * c + z * s, p[:, 1], z * c - x * s], axis=1))

        picture = (front if side > 0 else back) if not is_inside else None
        parts.append(
            Part(
                _in(local, _board(wide, tall, board)),
                _outside(rng, local, picture, side, wide, tall, gloss, hsv(rng.random(), 0.5, 0.5)),
            )
        )
        leaf = page_picture(rng, wide, tall)
        shape = _leaves(wide - inset, tall - 2 * inset, board, deep)
        parts.append(
            Part(_in(local, shape), _pages(rng, local, leaf, side, wide, tall, board, deep))
        )
    ridge = box(
        (0, 0, -sign * board / 2 - sign * 0.002), (gap / 2 + 0.01, tall / 2, board / 2), 0.006
    )

    def along(p: Float32) -> tuple[Float32, Float32]:
        u = np.asarray(p[:, 0] / np.float32(gap) + np.float32(0.5))
        return u, np.asarray(np.float32(0.5) - p[:, 1] / np.float32(tall))

    parts.append(Part(ridge, _cover(image(spine, along), rng, gloss)))
    if is_inside and rng.random() < 0.2:
        ribbon = tube(
            [(0.05, tall / 2, 0.1), (0.08, 0.0, 0.14), (0.1, -tall / 2 - 0.2, 0.05)], 0.02
        )
        parts.append(Part(ribbon, Material(albedo=plain(hsv(rng.choice([0.0, 0.6]), 0.8, 0.6)))))
    return parts, 0.05


def _in(local: Local, shape: Shape) -> Shape:
    return lambda p: shape(local(p))


def _board(wide: float, tall: float, board: float) -> Shape:
    return box((wide / 2, 0, -board / 2), (wide / 2, tall / 2, board / 2), 0.006)


def _profile(x: Float32, wide: float, deep: float) -> Float32:
    """Return the height of the pages above the cover at a distance from the spine."""
    t = np.clip(x / np.float32(wide), 0, 1)
    rise = np.float32(deep) * (1 - np.exp(-t * 14)) * (1 - np.float32(0.25) * t)
    hump = np.float32(0.10) * np.exp(-(((t - 0.2) / 0.2) ** 2)) * (1 - np.exp(-t * 14))
    return np.asarray(rise + hump, np.float32)


def _leaves(wide: float, tall: float, board: float, deep: float) -> Shape:
    def distance(p: Float32) -> Float32:
        high = _profile(p[:, 0], wide, deep)
        above = (p[:, 2] - high) * np.float32(0.8)
        out = np.maximum(np.abs(p[:, 0] - np.float32(wide / 2)) - np.float32(wide / 2), -p[:, 2])
        return np.asarray(
            np.maximum(np.maximum(above, out), np.abs(p[:, 1]) - np.float32(tall / 2))
        )

    return distance


def _pages(
    rng: np.random.Generator,
    local: Local,
    leaf: UInt8,
    side: int,
    wide: float,
    tall: float,
    board: float,
    deep: float,
) -> Material:
    """Return print on top, cut edges at the sides."""
    edges = _paper(rng, lambda p: local(p)[:, 2])

    def to_uv(p: Float32) -> tuple[Float32, Float32]:
        q = local(p)
        u = q[:, 0] / np.float32(wide)
        u = u if side > 0 else 1 - u
        return np.asarray(u), np.asarray(np.float32(0.5) - q[:, 1] / np.float32(tall))

    print_ = image(leaf, to_uv)

    def albedo(p: Float32, n: Float32) -> Float32:
        q = local(p)
        on_top = q[:, 2] > _profile(q[:, 0], wide, deep) - np.float32(0.012)
        return np.where(on_top[:, None], print_(p, n), edges.albedo(p, n))

    return Material(albedo=albedo, gloss=0.12, specular=0.015)


def _outside(
    rng: np.random.Generator,
    local: Local,
    picture: UInt8 | None,
    side: int,
    wide: float,
    tall: float,
    gloss: float,
    tone: Sequence[float],
) -> Material:
    """Return the cover of a wing, with its picture where it is seen."""
    if picture is None:
        return _cover(plain(tone), rng, gloss)

    def to_uv(p: Float32) -> tuple[Float32, Float32]:
        q = local(p)
        u = q[:, 0] / np.float32(wide)
        u = u if side > 0 else 1 - u
        return np.asarray(u), np.asarray(np.float32(0.5) - q[:, 1] / np.float32(tall))

    return _cover(image(picture, to_uv), rng, gloss)
