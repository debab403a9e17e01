"""Occluders at the size they are pasted at."""

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["Resized", "resize"]

UInt8 = NDArray[np.uint8]


class Resized:
    """An occluder at one size, ready to paste; arrays are read-only.

    Parameters
    ----------
    premultiplied, inverse_alpha, alpha, mask
        As the attributes.
    source : ndarray of uint8, shape (H, W, 4), optional
        The picture it was made of, from which `rgb` is.

    Attributes
    ----------
    premultiplied : ndarray of uint8, shape (h, w, 3)
        Colour times alpha, rounded.
    inverse_alpha : ndarray of uint8, shape (h, w, 3)
        255 - alpha on every channel.
    alpha : ndarray of uint8, shape (h, w)
    mask : ndarray of bool, shape (h, w)
        Alpha of at least half.
    """

    __slots__ = ("_rgb", "_source", "alpha", "inverse_alpha", "mask", "premultiplied")

    def __init__(
        self,
        premultiplied: UInt8,
        inverse_alpha: UInt8,
        alpha: UInt8,
        mask: NDArray[np.bool_],
        source: UInt8 | None = None,
    ) -> None:
        self.premultiplied, self.inverse_alpha = premultiplied, inverse_alpha
        self.alpha, self.mask = alpha, mask
        self._source, self._rgb = source, None if source is not None else premultiplied
        for array in (premultiplied, inverse_alpha, alpha, mask):
            array.flags.writeable = False

    @property
    def rgb(self) -> UInt8:
        """(h, w, 3), straight colour; made when first asked for, as only opaque pasting does.

        Where nothing is seen it is the colour the picture has under its transparency.
        """
        if self._rgb is None and self._source is not None:
            self._rgb = _straight(self._source, self.alpha.shape[1], self.alpha.shape[0])
            self._rgb.flags.writeable = False
        return self.premultiplied if self._rgb is None else self._rgb

    @property
    def nbytes(self) -> int:
        """Bytes its arrays take, `rgb` counted whether it was asked for or not."""
        return 2 * self.premultiplied.nbytes + self.inverse_alpha.nbytes + 2 * self.alpha.nbytes


def resize(rgba: UInt8, width: int, height: int) -> Resized:
    """Return a picture at a size, ready to paste.

    Parameters
    ----------
    rgba : ndarray of uint8, shape (h, w, 4)
        Straight alpha.
    width, height : int

    Notes
    -----
    Colours are resized premultiplied, so no colour of a transparent pixel bleeds into the edge.
    """
    level = cv2.convertScaleAbs(_premultiplied(rgba, width, height))
    red, green, blue, alpha = cv2.split(level)
    premultiplied = np.asarray(cv2.merge([red, green, blue]), np.uint8)
    inverse = np.asarray(cv2.merge([255 - alpha] * 3), np.uint8)
    matte = np.asarray(alpha, np.uint8)
    return Resized(premultiplied, inverse, matte, matte >= 128, rgba)


def _method(rgba: UInt8, width: int, height: int) -> int:
    shrinks = width < rgba.shape[1] or height < rgba.shape[0]
    return cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR


def _premultiplied(rgba: UInt8, width: int, height: int) -> NDArray[np.float32]:
    """Return colour times alpha, and alpha, at a size: (height, width, 4)."""
    red, green, blue, alpha = cv2.split(rgba.astype(np.float32))
    share = alpha / 255
    values = cv2.merge([red * share, green * share, blue * share, alpha])
    resized = cv2.resize(values, (width, height), interpolation=_method(rgba, width, height))
    return np.asarray(resized, np.float32)


def _straight(rgba: UInt8, width: int, height: int) -> UInt8:
    values = _premultiplied(rgba, width, height)
    shown = values[:, :, 3:]
    straight = cv2.convertScaleAbs(values[:, :, :3] * (255 / np.maximum(shown, 0.5)))
    colours = np.ascontiguousarray(rgba[:, :, :3])
    plain = cv2.resize(colours, (width, height), interpolation=_method(rgba, width, height))
    return np.where(shown > 0.5, straight, plain).astype(np.uint8)
