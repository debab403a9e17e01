"""Natural blending: an occluder takes on colour, light, blur and noise of the picture it enters.

What the picture looks like is measured once a face (`look_at`), on the patches where an aligned
crop has cheeks, forehead and chin. What hangs on the occluder alone (blur, the shape of its shadow)
is made once a size and kept in the library's cache, so a face costs a handful of passes over the
box. The mask is not touched by any of it.
"""

from collections.abc import Collection, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from occluders import Resized
from occluders.resizing import resize

from .codec import round_trip_jpeg
from .compositing import clip_box, warp_maps
from .placement import Placement

__all__ = ["Look", "look_at", "paste_naturally"]

Box = tuple[int, int, int, int]
UInt8 = NDArray[np.uint8]

_Part = tuple[float, float, float, float]  # top, bottom, left, right, as shares of the crop

_PARTS: tuple[_Part, ...] = (  # cheeks, forehead, chin
    (0.55, 0.75, 0.27, 0.42),
    (0.55, 0.75, 0.58, 0.73),
    (0.26, 0.37, 0.36, 0.64),
    (0.81, 0.92, 0.38, 0.62),
)
_SKIN_AT: _Part = (0.52, 0.74, 0.28, 0.72)
_FEATURES: _Part = (0.26, 0.92, 0.24, 0.76)
_WEIGHTS = (0.299, 0.587, 0.114)
# Measured on aligned crops of LFW and CelebA: the mean face, how much darker a chin is than a
# forehead, and the mean Laplacian over the deviation from which on a picture counts as blurred.
_SKIN = (183.0, 136.0, 113.0)
_SKIN_LUMA = sum(a * b for a, b in zip(_SKIN, _WEIGHTS, strict=True))
_CHIN_DARKER = -0.30
_BLURS = ((0.185, 0.4), (0.14, 0.6), (0.10, 0.8), (0.08, 1.0), (0.0, 1.25))
_HUES = (5, 5)  # pixels over which hues are blurred, with whatever blur
_GRAIN = 0.36  # of the noise for a mean Laplacian of 1 where skin is smooth
_NOISES = (0.0, 1.0, 2.0, 3.0, 4.5, 6.5)
_TONES = 0.94, 8  # black and white of a photograph are not those of a rendering
_MARGIN = 8  # pixels around the box that a shadow and a blur may reach
_REACH = 5  # of these are blended
_SHADOW, _SOFT = 0.42, (5, 5)  # darkest, and pixels it is blurred over, twice
_SHIFT = 2  # most pixels a shadow lies off
_ROAM = 32  # pixels the noise is moved by
_JPEG_KEPT = 90  # a source of this quality or better needs no second compression


class Look(NamedTuple):
    """What a picture looks like, in the few steps that are told apart."""

    colour: tuple[tuple[float, float, float], ...] | None
    """3 x 3, applied to the occluder's colours; None leaves them."""
    light: tuple[int, int]
    """From which side it falls: right positive, down positive; in steps of a fifth."""
    shadow: tuple[int, int] | None
    """Pixels a shadow lies to the right and below; None casts none."""
    blur: float
    """Standard deviation in pixels."""
    noise: int
    """Index of the level of noise."""
    jpeg: int
    """Quality the occluder is compressed with, 0 for none."""
    salt: int
    """Moves the noise; another number for every face."""


def look_at(image: UInt8, steps: Collection[str], jpeg_quality: int | None = None) -> Look:
    """Return what a picture looks like.

    Parameters
    ----------
    image : ndarray of uint8, shape (H, W, 3)
        RGB, an aligned crop of a face.
    steps : collection of str
        Of `occgen.config.NATURAL_STEPS`; what is not named is not measured.
    jpeg_quality : int, optional
        The picture was compressed with; None where it is unknown or was not.

    Returns
    -------
    Look
    """
    skin, features, parts, cheeks = _windows(*image.shape[:2])
    face = cv2.mean(image[skin])[:3]
    grey = cv2.cvtColor(image[features], cv2.COLOR_RGB2GRAY)
    left, right, above, below = (cv2.mean(grey[part])[0] for part in parts)
    slant = _slope(left, right)
    light, shadow = (0, 0), None
    if "light" in steps:
        light = _step(slant / 0.3, 3), _step((_slope(above, below) - _CHIN_DARKER) / 0.4, 2)
    if "shadow" in steps:
        shadow = _step(-slant / 0.25, _SHIFT), 1
    blur, noise = 0.0, 0
    if "blur" in steps or "noise" in steps:
        edges = cv2.Laplacian(grey, cv2.CV_8U)
        if "blur" in steps:
            deviation = float(cv2.meanStdDev(grey)[1][0, 0])
            sharp = cv2.mean(edges)[0] / max(deviation, 4.0)
            blur = next(sigma for least, sigma in _BLURS if sharp >= least)
        if "noise" in steps:
            sigma = _GRAIN * min(cv2.mean(edges[cheek])[0] for cheek in cheeks)
            noise = min(range(len(_NOISES)), key=lambda level: abs(_NOISES[level] - sigma))
    wanted = jpeg_quality if "jpeg" in steps and jpeg_quality is not None else 100
    return Look(
        _colour(face) if "colour" in steps else None,
        light,
        shadow,
        blur,
        noise,
        wanted if wanted < _JPEG_KEPT else 0,
        int((face[0] + 3 * face[1] + 7 * face[2]) * 64),
    )


def paste_naturally(
    image: UInt8, placement: Placement, look: Look
) -> tuple[Box, NDArray[np.bool_], Box]:
    """Blend an occluder into an image as its look asks, in place.

    Parameters
    ----------
    image : ndarray of uint8, shape (H, W, 3)
        RGB, contiguous; changed, by blur and shadow a few pixels beyond the box.
    placement : Placement
    look : Look
        Of the image as it was.

    Returns
    -------
    clipped : tuple of int
        The part of the placement's box inside the image.
    hidden : ndarray of bool
        True where the occluder as it is, not blurred, hides at least half.
    box : tuple of int
        What `hidden` covers; may reach beyond the image.
    """
    height, width = image.shape[:2]
    clipped = clip_box(placement.box, height, width)
    if clipped[2] == clipped[0]:
        return clipped, np.zeros((0, 0), np.bool_), clipped
    x0, y0, x1, y1 = placement.box
    reach = _REACH if look.blur or look.shadow is not None else 0
    grown = (x0 - reach, y0 - reach, x1 + reach, y1 + reach)
    area = x0, y0, x1, y1 = clip_box(grown, height, width)
    upright = placement.warp is None
    layers = _upright(placement, look, area) if upright else _turned(placement, look, area, clipped)
    colour, clear, lit, hidden, box = layers
    if look.colour is not None:
        colour = _bytes(cv2.transform(colour, np.array(look.colour)))
    if look.noise or look.light != (0, 0):
        gains = _gains(height, width, look.light, look.noise)
        right = (look.salt + 5 * x0 + 11 * y1) % _ROAM
        down = (look.salt // _ROAM + 7 * y0 + 3 * x1) % _ROAM
        part = gains[y0 + down : y1 + down, x0 + right : x1 + right]
        colour = _bytes(cv2.multiply(colour, part, scale=1 / 128))
    kept = clear if lit is None else cv2.multiply(clear, lit, scale=1 / 255)
    region = image[y0:y1, x0:x1]
    target = region if image.flags.c_contiguous else None
    mixed = cv2.multiply(region, cv2.cvtColor(kept, cv2.COLOR_GRAY2RGB), dst=target, scale=1 / 255)
    mixed = cv2.add(mixed, colour, dst=mixed)
    if target is None:
        region[:] = mixed
    if look.jpeg:
        _compress(image, area, cv2.bitwise_not(clear), look.jpeg)
    return clipped, hidden, box


_Window = tuple[slice, slice]


@lru_cache(maxsize=64)
def _windows(height: int, width: int) -> tuple[_Window, _Window, list[_Window], list[_Window]]:
    """Return skin and features in the picture; cheeks, forehead and chin, cheeks in the latter."""
    skin, features = (_window(part, (0, 1, 0, 1), height, width) for part in (_SKIN_AT, _FEATURES))
    tall, wide = features[0].stop - features[0].start, features[1].stop - features[1].start
    parts = [_window(part, _FEATURES, tall, wide) for part in _PARTS]
    return skin, features, parts, parts[:2]


def _window(part: _Part, frame: _Part, height: int, width: int) -> _Window:
    """Return the pixels of a part of a frame that has a size, at least one."""
    spans = []
    for first, last, start, end, side in (
        (*part[:2], *frame[:2], height),
        (*part[2:], *frame[2:], width),
    ):
        low = min(max(int((first - start) / (end - start) * side), 0), side - 1)
        spans.append(slice(low, max(low + 1, int((last - start) / (end - start) * side))))
    return spans[0], spans[1]


def _luma(colour: Any) -> float:
    red, green, blue = _WEIGHTS
    return float(colour[0] * red + colour[1] * green + colour[2] * blue)


def _slope(first: float, second: float) -> float:
    """Return about the logarithm of the ratio of two levels."""
    return 2 * (second - first) / max(second + first, 8.0)


def _step(value: float, most: int) -> int:
    return max(-most, min(most, int(value + (0.5 if value >= 0 else -0.5))))


def _colour(face: Sequence[float]) -> tuple[tuple[float, float, float], ...]:
    """Return exposure, white balance and saturation as one matrix.

    A face's colour is light times skin. Half of what it differs by from the mean face is put down
    to the light.
    """
    luma = max(_luma(face), 8.0)
    exposure = min(max((luma / _SKIN_LUMA) ** 0.5, 0.5), 1.2)
    spread = (max(face) - min(face)) / max(max(face), 1.0)
    saturation = min(max((spread - 0.03) / 0.17, 0.0), 1.0)
    rows = []
    for channel in range(3):
        cast = max(face[channel], 4.0) * _SKIN_LUMA / (luma * _SKIN[channel])
        gain = exposure * min(max(cast ** (0.45 * saturation), 0.75), 1.3)
        grey = (1 - saturation) * gain
        row = [grey * weight for weight in _WEIGHTS]
        row[channel] += saturation * gain
        rows.append((row[0], row[1], row[2]))
    return tuple(rows)


class _Layers(NamedTuple):
    """An occluder over an area of the picture."""

    colour: UInt8
    """(h, w, 3), premultiplied."""
    clear: UInt8
    """(h, w), 255 - alpha."""
    lit: UInt8 | None
    """(h, w), 255 less its shadow."""
    hidden: NDArray[np.bool_]
    """What it hides of `box`."""
    box: Box


class _Stored(NamedTuple):
    """An occluder at one size, with a margin all around."""

    first: UInt8
    """(h, w, 3) colour of one that stands upright; (h, w, 4) colour and alpha of one to turn."""
    second: UInt8
    """(h, w, 2): 255 less alpha, less shadow; of one to turn, shadow and unblurred alpha."""

    @property
    def nbytes(self) -> int:
        """Bytes its arrays take."""
        return self.first.nbytes + self.second.nbytes


def _prepare(sized: Resized, look: Look, turned: bool) -> _Stored:
    colour, alpha = sized.premultiplied, sized.alpha
    if look.colour is not None:
        share, lift = _TONES
        full = cv2.cvtColor(alpha, cv2.COLOR_GRAY2RGB)
        colour = _bytes(cv2.addWeighted(colour, share, full, lift / 255, 0))
    colour, matte = _framed(colour), _framed(alpha)
    soft = cv2.blur(cv2.blur(matte, _SOFT), _SOFT)
    shade = _bytes(cv2.convertScaleAbs(soft, alpha=_SHADOW))
    blurred = matte
    if look.blur:
        reach = (3, 3) if look.blur <= 0.6 else (5, 5)
        blurred = _bytes(cv2.GaussianBlur(matte, reach, look.blur))
        # Cameras and JPEG keep hues at half the resolution of brightness.
        luma, red, blue = cv2.split(cv2.cvtColor(colour, cv2.COLOR_RGB2YCrCb))
        luma = cv2.GaussianBlur(luma, reach, look.blur)
        layers = [luma, cv2.blur(red, _HUES), cv2.blur(blue, _HUES)]
        colour = _bytes(cv2.cvtColor(cv2.merge(layers), cv2.COLOR_YCrCb2RGB))
    if turned:
        return _Stored(_bytes(cv2.merge([colour, blurred])), _bytes(cv2.merge([shade, matte])))
    return _Stored(colour, np.stack([255 - blurred, 255 - shade]))


def _framed(array: UInt8) -> UInt8:
    return _bytes(cv2.copyMakeBorder(array, *(_MARGIN,) * 4, cv2.BORDER_CONSTANT, value=(0, 0, 0)))


def _upright(placement: Placement, look: Look, area: Box) -> _Layers:
    box = placement.box
    size = box[2] - box[0], box[3] - box[1]
    sized = placement.occluder.resized(*size)
    key = ("upright", size, look.blur, look.colour is not None)
    stored = placement.occluder.kept(key, lambda: _prepare(sized, look, turned=False))
    x0, y0 = area[0] - box[0] + _MARGIN, area[1] - box[1] + _MARGIN
    x1, y1 = x0 + area[2] - area[0], y0 + area[3] - area[1]
    lit = None
    if look.shadow is not None:
        right, down = look.shadow
        lit = stored.second[1, y0 - down : y1 - down, x0 - right : x1 - right]
    colour, clear = stored.first[y0:y1, x0:x1], stored.second[0, y0:y1, x0:x1]
    return _Layers(colour, clear, lit, sized.mask, box)


def _turned(placement: Placement, look: Look, area: Box, clipped: Box) -> _Layers:
    warp = placement.warp
    assert warp is not None
    occluder, size = placement.occluder, warp.size
    key = ("turned", size, look.blur, look.colour is not None)
    stored = occluder.kept(key, lambda: _prepare(resize(occluder.rgba, *size), look, turned=True))
    x0, y0, x1, y1 = area
    reached = (x0 - _SHIFT, y0 - _SHIFT, x1 + _SHIFT, y1 + _SHIFT)
    whole, share = warp_maps(warp, reached, margin=_MARGIN)
    rows, columns = slice(_SHIFT, _SHIFT + y1 - y0), slice(_SHIFT, _SHIFT + x1 - x0)
    maps = whole[rows, columns], share[rows, columns]
    turned = cv2.remap(stored.first, *maps, cv2.INTER_LINEAR)
    rest = _bytes(cv2.remap(stored.second, whole, share, cv2.INTER_LINEAR))
    left, top = clipped[0] - reached[0], clipped[1] - reached[1]
    wide, tall = clipped[2] - clipped[0], clipped[3] - clipped[1]
    hidden = rest[top : top + tall, left : left + wide, 1] >= 128
    lit = None
    if look.shadow is not None:
        right, down = look.shadow
        shade = cv2.extractChannel(rest, 0)
        lit = _bytes(cv2.bitwise_not(shade))[
            _SHIFT - down : _SHIFT - down + y1 - y0, _SHIFT - right : _SHIFT - right + x1 - x0
        ]
    clear = _bytes(cv2.bitwise_not(cv2.extractChannel(turned, 3)))
    return _Layers(_bytes(cv2.cvtColor(turned, cv2.COLOR_RGBA2RGB)), clear, lit, hidden, clipped)


@lru_cache(maxsize=256)
def _gains(height: int, width: int, light: tuple[int, int], noise: int) -> UInt8:
    """Return gains in 1/128 over a picture and some more: how light falls off, times noise.

    Noise as a gain is none where there is no occluder, and grows with the light as that of a
    sensor does.
    """
    rows, columns = height + _ROAM, width + _ROAM
    x = (np.arange(columns) - (columns - 1) / 2) / width
    y = (np.arange(rows)[:, None] - (rows - 1) / 2) / height
    ramp = np.clip(np.exp(0.2 * light[0] * x + 0.2 * light[1] * y), 0.6, 1.5) * 128
    values = ramp[:, :, None].astype(np.float32)
    values = values + values * np.float32(_NOISES[noise] / 128) * _grain(rows, columns)
    gains = _bytes(cv2.convertScaleAbs(values))
    gains.flags.writeable = False
    return gains


@lru_cache(maxsize=8)
def _grain(rows: int, columns: int) -> NDArray[np.float32]:
    """Return noise of deviation 1, mostly the same in all channels; neighbours agree a little."""
    rng = np.random.Generator(np.random.Philox(key=7))
    grey = rng.standard_normal((rows, columns, 1), np.float32)
    grain: Any = grey + np.float32(0.5) * rng.standard_normal((rows, columns, 3), np.float32)
    soft = cv2.GaussianBlur(grain, (3, 3), 0.5)  # as demosaicing and compression leave it
    return np.asarray(soft / soft.std(), np.float32)


def _compress(image: UInt8, area: Box, alpha: Any, quality: int) -> None:
    """Send the occluder through the compression its picture went through, on the same blocks."""
    x0, y0, x1, y1 = area
    left, top = x0 // 16 * 16, y0 // 16 * 16
    right, low = (-(-end // 16) * 16 for end in (x1, y1))
    block = np.ascontiguousarray(image[top:low, left:right])
    coded = round_trip_jpeg(block, quality)[y0 - top : y1 - top, x0 - left : x1 - left]
    cv2.copyTo(coded, alpha, image[y0:y1, x0:x1])


def _bytes(array: Any) -> UInt8:
    return np.asarray(array, np.uint8)
