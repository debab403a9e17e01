"""Pixels to what the network takes: uint8 NHWC batches to float NCHW in [-1, 1]."""

import torch
from torch import Tensor

from occgen.errors import InputError

__all__ = ["cut_to_size", "to_nchw"]

_CUT = 8  # columns on each side that a 112x96 crop has less than a 112x112 one


def cut_to_size(shape: tuple[int, ...], height: int, width: int) -> slice:
    """Return which columns of an image of that shape are the network's crop.

    Parameters
    ----------
    shape : tuple of int
        (..., H, W, 3).
    height, width : int
        What the network takes.

    Returns
    -------
    slice
        All columns; or, of a 112x112 crop for a 112x96 network, all but eight on each side, which
        is how the two alignment templates lie on each other.

    Raises
    ------
    InputError
        For any other size: resizing would move the face off the template.
    """
    if shape[-3:] == (height, width, 3):
        return slice(None)
    if shape[-3:] == (height, width + 2 * _CUT, 3) and (height, width) == (112, 96):
        return slice(_CUT, -_CUT)
    cut = " (or 112x112, cut)" if (height, width) == (112, 96) else ""
    raise InputError(
        f"images must be RGB aligned crops of {height}x{width}{cut}, got shape {shape}"
    )


def to_nchw(pixels: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """Return a batch as the network takes it.

    Parameters
    ----------
    pixels : Tensor of uint8, shape (N, H, W, 3)
        RGB, on the device of the network: a quarter of the floats' bytes travel.
    dtype : torch.dtype, optional

    Returns
    -------
    Tensor, shape (N, 3, H, W)
        ``pixels / 127.5 - 1``, in channels_last memory: the pixels stay where they are.

    Raises
    ------
    InputError
        For another shape or dtype.
    """
    if pixels.ndim != 4 or pixels.shape[3] != 3 or pixels.dtype != torch.uint8:
        raise InputError(
            f"pixels must be uint8 of shape (N, H, W, 3), got {pixels.dtype} of shape "
            f"{tuple(pixels.shape)}"
        )
    return pixels.permute(0, 3, 1, 2).to(torch.float32).div_(127.5).sub_(1.0).to(dtype)
