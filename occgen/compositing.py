"""Blend a resized occluder into a face, clipped at the border."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from occluders import Resized
from occluders.resizing import resize

from .errors import InputError
from .placement import Placement, Warp

__all__ = ["clip_box", "fitted", "paste", "paste_mask", "warp_maps"]

Box = tuple[int, int, int, int]
UInt8 = NDArray[np.uint8]


_NOTHING = Resized(
    np.zeros((0, 0, 3), np.uint8),
    np.zeros((0, 0, 3), np.uint8),
    np.zeros((0, 0), np.uint8),
    np.zeros((0, 0), np.bool_),
)


def clip_box(box: Box, height: int, width: int) -> Box:
    """Return a box cut to the image; all zeros when nothing is left."""
    x0, y0, x1, y1 = box
    if x0 < 0:
        x0 = 0
    if y0 < 0:
        y0 = 0
    if x1 > width:
        x1 = width
    if y1 > height:
        y1 = height
    return (x0, y0, x1, y1) if x1 > x0 and y1 > y0 else (0, 0, 0, 0)


def fitted(placement: Placement, height: int, width: int, blend: str) -> tuple[Resized, Box]:
    """Return an occluder as it is pasted, and the box it fills.

    Parameters
    ----------
    placement : Placement
    height, width : int
        Of the image, in pixels.
    blend : str
        With 'opaque', what is turned fills its box upright: a mask is the box itself.

    Returns
    -------
    resized : Resized
        Of a turned one, the part inside the image, its `rgb` premultiplied.
    box : tuple of int
        May reach beyond the image where nothing is turned.
    """
    occluder, box = placement.occluder, placement.box
    across, down = box[2] - box[0], box[3] - box[1]
    if placement.warp is None:
        return occluder.resized(across, down), box
    size = placement.warp.size
    if blend == "opaque":  # boxes hardly repeat, so they are made from a size that does
        plain = occluder.kept(("plain", size), lambda: resize(occluder.rgba, *size).rgb)
        rgb = _bytes(cv2.resize(plain, (across, down), interpolation=cv2.INTER_LINEAR_EXACT))
        full = np.full((down, across), 255, np.uint8)
        return Resized(rgb, np.zeros_like(rgb), full, full >= 128), box
    clipped = clip_box(box, height, width)
    if clipped[2] == clipped[0]:  # it lies wholly outside the image
        return _NOTHING, clipped
    layers = occluder.kept(("layers", size), lambda: _layers(occluder.rgba, size))
    turned = cv2.remap(layers, *warp_maps(placement.warp, clipped), cv2.INTER_LINEAR)
    premultiplied = _bytes(cv2.cvtColor(turned, cv2.COLOR_RGBA2RGB))
    alpha = _bytes(cv2.extractChannel(turned, 3))
    inverse = _bytes(cv2.cvtColor(cv2.bitwise_not(alpha), cv2.COLOR_GRAY2RGB))
    return Resized(premultiplied, inverse, alpha, alpha >= 128), clipped


def _layers(rgba: UInt8, size: tuple[int, int]) -> UInt8:
    """Return a picture at a size as (height, width, 4): premultiplied colour, then alpha."""
    sized = resize(rgba, *size)
    return np.dstack([sized.premultiplied, sized.alpha])


def _bytes(array: NDArray[Any]) -> UInt8:
    return np.asarray(array, np.uint8)


def warp_maps(
    warp: Warp, box: Box, margin: int = 0
) -> tuple[NDArray[np.int16], NDArray[np.uint16]]:
    """Return where each pixel of a box looks, as OpenCV's fixed-point maps: whole numbers only.

    Parameters
    ----------
    warp : Warp
    box : tuple of int
        Of the image; may reach beyond it.
    margin : int, optional
        Pixels around the resized picture in what is looked at.
    """
    a, b, c, d, e, f = warp.back
    x0, y0, x1, y1 = box
    twice_x = np.arange(2 * x0 + 1, 2 * x1, 2, dtype=np.int64)
    twice_y = np.arange(2 * y0 + 1, 2 * y1, 2, dtype=np.int64)[:, None]
    first = (2 * margin - 1) * 65536 + 2048  # pixel centres to pixel centres, rounded
    place = np.empty((y1 - y0, x1 - x0, 2), np.int32)  # in 1/32 of a pixel
    for axis, (across, down, start) in enumerate(((a, b, c), (d, e, f))):
        along = (across * twice_x + (2 * start + first) >> 12).astype(np.int32)
        np.add(along, (down * twice_y >> 12).astype(np.int32), out=place[:, :, axis])
    share = place & 31
    whole = (place >> 5).astype(np.int16)
    return whole, (share[:, :, 1] << 5 | share[:, :, 0]).astype(np.uint16)


def paste(image: NDArray[np.uint8], resized: Resized, box: Box, blend: str) -> Box:
    """Blend an occluder into an image, in place, and return the clipped box.

    Parameters
    ----------
    image : ndarray of uint8, shape (H, W, 3)
        RGB; changed.
    resized : Resized
        The occluder at the size of `box`.
    box : tuple of int
        Where it lies; may reach beyond the image.
    blend : {'opaque', 'alpha'}
        The whole rectangle, or its matte.

    Returns
    -------
    tuple of int
        The part of `box` inside the image, all zeros when there is none.

    Raises
    ------
    InputError
        When the size of `box` is not that of `resized`, or `blend` is unknown.

    Notes
    -----
    Alpha blending adds the premultiplied occluder to ``image * (255 - alpha) / 255``, each rounded
    to the nearest level: alpha 0 changes nothing, alpha 255 copies, and the result is within one
    level of the exact mix.
    """
    height, width = image.shape[:2]
    clipped = clip_box(box, height, width)
    x0, y0, x1, y1 = clipped
    if resized.alpha.shape != (box[3] - box[1], box[2] - box[0]):
        raise InputError(f"box {box} does not have the occluder's size {resized.alpha.shape}")
    if blend not in ("opaque", "alpha"):
        raise InputError(f"blend must be opaque or alpha, got {blend!r}")
    if x1 == x0:
        return clipped
    rows = slice(y0 - box[1], y1 - box[1])
    columns = slice(x0 - box[0], x1 - box[0])
    region = image[y0:y1, x0:x1]
    if blend == "opaque":
        region[:] = resized.rgb[rows, columns]
    else:
        # Whole pixels in rows of one image are what OpenCV can write to where they lie.
        target = region if image.flags.c_contiguous else None
        inverse = resized.inverse_alpha[rows, columns]
        kept = cv2.multiply(region, inverse, dst=target, scale=1 / 255)
        kept = cv2.add(kept, resized.premultiplied[rows, columns], dst=kept)
        if target is None:
            region[:] = kept
    return clipped


def paste_mask(mask: NDArray[np.bool_], part: NDArray[np.bool_], box: Box) -> None:
    """Mark what an occluder hides, in place.

    Parameters
    ----------
    mask : ndarray of bool, shape (H, W)
        Changed.
    part : ndarray of bool
        Of the size of `box`: what is hidden there.
    box : tuple of int
        May reach beyond the image.
    """
    x0, y0, x1, y1 = clip_box(box, *mask.shape)
    region = mask[y0:y1, x0:x1]
    np.logical_or(region, part[y0 - box[1] : y1 - box[1], x0 - box[0] : x1 - box[0]], out=region)
