"""Blend a resized occluder into a face, clipped at the border."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from occluders import Resized

from .errors import InputError
from .placement import Placement, Warp

__all__ = ["clip_box", "fitted", "paste", "paste_mask"]

Box = tuple[int, int, int, int]
UInt8 = NDArray[np.uint8]


def clip_box(box: Box, height: int, width: int) -> Box:
    """Return a box cut to the image; all zeros when nothing is left."""
    x0, y0, x1, y1 = box
    x0, y0 = max(x0, 0), max(y0, 0)
    x1, y1 = min(x1, width), min(y1, height)
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
    box = placement.box
    if placement.warp is None or blend == "opaque":
        return placement.occluder.resized(box[2] - box[0], box[3] - box[1]), box
    clipped = clip_box(box, height, width)
    layers = placement.occluder.layers(*placement.warp.size)
    turned = cv2.remap(layers, *_maps(placement.warp, clipped), cv2.INTER_LINEAR)
    premultiplied = _bytes(cv2.cvtColor(turned, cv2.COLOR_RGBA2RGB))
    alpha = _bytes(cv2.extractChannel(turned, 3))
    inverse = _bytes(cv2.cvtColor(cv2.bitwise_not(alpha), cv2.COLOR_GRAY2RGB))
    return Resized(premultiplied, premultiplied, inverse, alpha, alpha >= 128), clipped


def _bytes(array: NDArray[Any]) -> UInt8:
    return np.asarray(array, np.uint8)


def _maps(warp: Warp, box: Box) -> tuple[NDArray[np.int16], NDArray[np.uint16]]:
    """Return where each pixel of a box looks, as OpenCV's fixed-point maps: whole numbers only."""
    a, b, c, d, e, f = warp.back
    x0, y0, x1, y1 = box
    twice_x = np.arange(2 * x0 + 1, 2 * x1, 2, dtype=np.int64)
    twice_y = np.arange(2 * y0 + 1, 2 * y1, 2, dtype=np.int64)[:, None]
    # Twice 1/65536 of a pixel, from pixel centres to pixel centres, then 1/32 of one.
    x = (a * twice_x + (2 * c - 65536) >> 6).astype(np.int32) + (b * twice_y >> 6).astype(np.int32)
    y = (d * twice_x + (2 * f - 65536) >> 6).astype(np.int32) + (e * twice_y >> 6).astype(np.int32)
    x, y = x + 32 >> 6, y + 32 >> 6
    whole = np.empty((*x.shape, 2), np.int16)
    whole[:, :, 0], whole[:, :, 1] = x >> 5, y >> 5
    return whole, ((y & 31) << 5 | x & 31).astype(np.uint16)


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
    blend : {'opaque', 'alpha', 'natural'}
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
    if resized.rgb.shape[:2] != (box[3] - box[1], box[2] - box[0]):
        raise InputError(f"box {box} does not have the occluder's size {resized.rgb.shape[:2]}")
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


def paste_mask(mask: NDArray[np.bool_], resized: Resized, box: Box, blend: str) -> None:
    """Mark what an occluder hides, in place.

    Parameters
    ----------
    mask : ndarray of bool, shape (H, W)
        Changed: True where alpha is at least half, or in the whole box of an opaque paste.
    resized, box, blend
        As given to `paste`.
    """
    x0, y0, x1, y1 = clip_box(box, *mask.shape)
    if blend == "opaque":
        mask[y0:y1, x0:x1] = True
    else:
        part = resized.mask[y0 - box[1] : y1 - box[1], x0 - box[0] : x1 - box[0]]
        region = mask[y0:y1, x0:x1]
        np.logical_or(region, part, out=region)
