"""Mask decoders and pattern predictor: which features an occluder corrupts (Fig. 3).

All decoders read the finest pyramid level. The predictor reads the mask alone, which makes the
mask tell where the occluder lies.
"""

import torch
from torch import Tensor, nn

from occgen.errors import InputError

from .prelu import PReLU

__all__ = [
    "binarise",
    "build_embedding_head",
    "build_mask_decoder",
    "build_predictor",
]

_FC_CHANNELS = 64  # of the map which the decoder of an fc mask flattens


class _RepeatChannels(nn.Module):
    """(N, 1, h, w) -> (N, C, h, w), without a copy."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels

    def forward(self, x: Tensor) -> Tensor:
        return x.expand(-1, self.channels, -1, -1)


def build_mask_decoder(
    form: str,
    *,
    pyramid_channels: int,
    feature_channels: int,
    feature_size: tuple[int, int],
    embedding_size: int,
) -> nn.Sequential:
    """Return the decoder: finest pyramid level in, mask of values in (0, 1) out.

    Parameters
    ----------
    form : str
        ``3d``: a value for every element of C5, (N, C, h, w), the paper's. ``2d``: a third
        convolution to one channel, repeated over the channels. ``fc``: a vector for the
        embedding, (N, embedding_size), from a map reduced to 64 channels.
    pyramid_channels, feature_channels : int
        Channels of the pyramid and of C5.
    feature_size : tuple of int
        Height and width of C5.
    embedding_size : int

    Returns
    -------
    Sequential
        Layers 0 to 3 are conv 3x3 stride 2, PReLU, BN, conv 3x3 stride 2 in every form.

    Raises
    ------
    InputError
        For another form.

    References
    ----------
    Sec. 3.2 (3D masks), Sec. 4.6 and Table 7 (place and dimension of the mask).
    """
    if form not in ("3d", "2d", "fc"):
        raise InputError(f"mask must be one of 3d, 2d, fc, got {form!r}")
    width = pyramid_channels
    outputs = _FC_CHANNELS if form == "fc" else feature_channels
    layers: list[nn.Module] = [
        nn.Conv2d(width, width, 3, 2, 1, bias=False),
        PReLU(width),
        nn.BatchNorm2d(width),
        nn.Conv2d(width, outputs, 3, 2, 1, bias=False),
    ]
    if form == "3d":
        layers += [nn.Sigmoid()]
    elif form == "2d":
        layers += [PReLU(outputs), nn.BatchNorm2d(outputs)]
        layers += [nn.Conv2d(outputs, 1, 3, 1, 1), nn.Sigmoid(), _RepeatChannels(outputs)]
    else:
        height, columns = feature_size
        layers += [PReLU(outputs), nn.BatchNorm2d(outputs), nn.Flatten()]
        layers += [nn.Linear(outputs * height * columns, embedding_size), nn.Sigmoid()]
    return nn.Sequential(*layers)


def build_predictor(inputs: int, outputs: int, dropout: float) -> nn.Sequential:
    """Return BN, dropout, linear without bias, BN: a flattened mask to pattern scores or a box.

    Parameters
    ----------
    inputs : int
        Elements of a mask: 21,504 for the paper's.
    outputs : int
        Patterns (classification, Sec. 3.4.2) or 4 (regression of the box, Sec. 3.4.3).
    dropout : float

    Returns
    -------
    Sequential
        (N, inputs) -> (N, outputs).
    """
    return nn.Sequential(
        nn.BatchNorm1d(inputs),
        nn.Dropout(dropout),
        nn.Linear(inputs, outputs, bias=False),
        nn.BatchNorm1d(outputs),
    )


def build_embedding_head(inputs: int, outputs: int, dropout: float) -> nn.Sequential:
    """Return BN, dropout, linear, BN: the flattened (masked) features to the embedding.

    Parameters
    ----------
    inputs, outputs : int
        Elements of C5 and of the embedding: 21,504 and 512 for the paper's.
    dropout : float

    Returns
    -------
    Sequential
        (N, inputs) -> (N, outputs).
    """
    return nn.Sequential(
        nn.BatchNorm1d(inputs),
        nn.Dropout(dropout),
        nn.Linear(inputs, outputs),
        nn.BatchNorm1d(outputs),
    )


def binarise(mask: Tensor, threshold: float) -> Tensor:
    """Return 1 where the mask is above the threshold and 0 elsewhere, of the mask's dtype.

    Parameters
    ----------
    mask : Tensor
        Values in [0, 1], any shape.
    threshold : float

    Returns
    -------
    Tensor

    References
    ----------
    Table 2.
    """
    return torch.gt(mask, threshold).to(mask.dtype)
