"""Feature pyramid: the top-down path from the last stage to the finest map (Fig. 2)."""

import torch.nn.functional as F
from torch import Tensor, nn

from .backbones import Features

__all__ = ["FeaturePyramid"]


class FeaturePyramid(nn.Module):
    """Merge three feature maps, coarse to fine, into one of the finest's size.

    Parameters
    ----------
    in_channels : tuple of int
        Channels of the maps of stages two, three and four.
    channels : int, optional
        Channels of the pyramid.
    published_layout : bool, optional
        Also carry and compute the levels of the published network which never reach its output
        (``P5_2``, ``P4_2``, ``P6``, ``P7_2``): only to count and to compare.

    Notes
    -----
    The wiring is that of the published weights: ``P5 = 1x1(C5)``, ``P4 = 1x1(C4) + up(P5)``,
    ``P3 = conv3x3(1x1(C3) + up(P4))``, every convolution with a bias and no norm or activation.
    Eq. 2-3 of the paper have the 3x3 convolution inside the recursion, so that what is upsampled
    has been through it; in the published network it stands once, behind the last sum, and the
    coarser sums are passed on as they are.

    `up` repeats each value twice on both axes; where a finer map has an odd side, the last
    repetition is cut off, so that pixels stay aligned.
    """

    def __init__(
        self,
        in_channels: tuple[int, int, int],
        channels: int = 256,
        published_layout: bool = False,
    ) -> None:
        super().__init__()
        c3, c4, c5 = in_channels
        self.published_layout = published_layout
        self.P5_1 = nn.Conv2d(c5, channels, 1)
        self.P4_1 = nn.Conv2d(c4, channels, 1)
        self.P3_1 = nn.Conv2d(c3, channels, 1)
        self.P3_2 = nn.Conv2d(channels, channels, 3, 1, 1)
        if published_layout:
            self.P5_2 = nn.Conv2d(channels, channels, 3, 1, 1)
            self.P4_2 = nn.Conv2d(channels, channels, 3, 1, 1)
            self.P6 = nn.Conv2d(c5, channels, 3, 2, 1)
            self.P7_2 = nn.Conv2d(channels, channels, 3, 2, 1)

    def forward(self, features: Features) -> Tensor:
        """Return the finest level, (N, channels, H / 4, W / 4) for images of H x W."""
        p5 = self.P5_1(features.c5)
        p4 = _add_upsampled(self.P4_1(features.c4), p5)
        p3 = self.P3_2(_add_upsampled(self.P3_1(features.c3), p4))
        if self.published_layout:
            self.P5_2(p5)
            self.P4_2(p4)
            self.P7_2(F.relu(self.P6(features.c5)))
        return p3


def _add_upsampled(lateral: Tensor, coarse: Tensor) -> Tensor:
    """Return lateral + coarse repeated twice on both axes, cut to the lateral's size."""
    height, width = lateral.shape[-2:]
    return lateral + F.interpolate(coarse, scale_factor=2.0)[..., :height, :width]
