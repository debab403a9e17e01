"""Shapes of the backbones as data: what can be built, without building it (no torch)."""

from dataclasses import dataclass

__all__ = ["BACKBONES", "Architecture"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Architecture:
    """Depth, widths and strides of a backbone.

    Parameters
    ----------
    blocks : tuple of int
        Blocks in each of the four stages.
    channels : tuple of int
        Channels of the stem and of the four stages.
    stem_stride : int
        Stride of the stem's convolution.
    strides : tuple of int
        Stride of each stage's first block.
    stride_first : bool
        The stride is on a block's first 3x3 convolution (cheaper) instead of its second.
    pyramid_channels : int
        Default width of the feature pyramid on top.
    family : str
        ``ir`` (IR-E units) or ``mobilefacenet``.
    """

    blocks: tuple[int, int, int, int]
    channels: tuple[int, int, int, int, int]
    stem_stride: int = 1
    strides: tuple[int, int, int, int] = (2, 2, 2, 2)
    stride_first: bool = False
    pyramid_channels: int = 256
    family: str = "ir"

    @property
    def feature_channels(self) -> tuple[int, int, int]:
        """Channels of the outputs of stages two, three and four."""
        return self.channels[2], self.channels[3], self.channels[4]

    def feature_size(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width of the last stage's output for an image of that size.

        Every stride-2 convolution here is 3x3 with padding 1, or 1x1: a side becomes half of it,
        rounded up.
        """
        for stride in (self.stem_stride, *self.strides):
            height, width = -(-height // stride), -(-width // stride)
        return height, width


_WIDE = (64, 64, 128, 256, 512)

BACKBONES: dict[str, Architecture] = {
    "lresnet18e_ir": Architecture(blocks=(2, 2, 2, 2), channels=_WIDE),
    "lresnet34e_ir": Architecture(blocks=(3, 4, 6, 3), channels=_WIDE),
    "lresnet50e_ir": Architecture(blocks=(3, 4, 14, 3), channels=_WIDE),
    "lresnet100e_ir": Architecture(blocks=(3, 13, 30, 3), channels=_WIDE),
    "ir10_compact": Architecture(
        blocks=(1, 1, 1, 1),
        channels=(16, 32, 64, 128, 256),
        stem_stride=2,
        strides=(1, 2, 2, 2),
        stride_first=True,
        pyramid_channels=64,
    ),
    "ir10_small": Architecture(
        blocks=(1, 1, 1, 1),
        channels=(16, 16, 32, 64, 128),
        stem_stride=2,
        strides=(1, 2, 2, 2),
        stride_first=True,
        pyramid_channels=32,
    ),
    "mobilefacenet": Architecture(
        blocks=(1, 5, 7, 3),
        channels=(64, 64, 64, 128, 128),
        stem_stride=2,
        strides=(1, 2, 2, 2),
        pyramid_channels=64,
        family="mobilefacenet",
    ),
}
