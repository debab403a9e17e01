"""Backbones: an image in, the feature maps of stages two, three and four out.

`IRBackbone` is LResNet-E-IR as the paper uses it (Sec. 4.2), named as in the published weights:
stem convolution, BN, PReLU, then four stages of IR-E units. `MobileFaceNetBackbone` is the body
of MobileFaceNet. `architectures.BACKBONES` lists what can be built.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from occgen.errors import InputError

from .architectures import BACKBONES, Architecture
from .prelu import PReLU

__all__ = [
    "Features",
    "IRBackbone",
    "IRBlock",
    "MobileFaceNetBackbone",
    "build_backbone",
    "initialise_weights",
]


class Features(NamedTuple):
    """Outputs of stages two, three and four: 1/4, 1/8 and 1/16 of the image in each side."""

    c3: Tensor
    c4: Tensor
    c5: Tensor


class IRBlock(nn.Module):
    """IR-E unit: BN, conv 3x3, BN, PReLU, conv 3x3, BN, added to its input.

    Parameters
    ----------
    in_channels, out_channels : int
    stride : int
    project : bool
        Add a 1x1 convolution (with the stride) and BN of the input instead of the input: in each
        stage's first block.
    stride_first : bool, optional
        Put the stride on the first 3x3 convolution; the published units have it on the second.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int,
        project: bool,
        stride_first: bool = False,
    ) -> None:
        super().__init__()
        first, second = (stride, 1) if stride_first else (1, stride)
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, first, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.prelu1 = PReLU(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, second, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.downsample: nn.Sequential | None = None
        if project:
            self.downsample = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride, bias=False),
                nn.BatchNorm2d(out_channels),
            )

    def forward(self, x: Tensor) -> Tensor:
        """Return the unit's output, (N, C_in, H, W) -> (N, C_out, H / stride, W / stride)."""
        shortcut = x if self.downsample is None else self.downsample(x)
        out = self.prelu1(self.bn2(self.conv1(self.bn1(x))))
        return self.bn3(self.conv2(out)) + shortcut


class IRBackbone(nn.Module):
    """LResNet-E-IR body, without the layers behind its last stage.

    Parameters
    ----------
    architecture : Architecture
        Blocks, channels and strides.

    Notes
    -----
    State names are those of the published weights: ``conv1``, ``bn1``, ``prelu1``,
    ``layer1.0.bn1`` and so on.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        stem, *widths = architecture.channels
        self.conv1 = nn.Conv2d(3, stem, 3, architecture.stem_stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(stem)
        self.prelu1 = PReLU(stem)
        stages = []
        before = stem
        for depth, width, stride in zip(
            architecture.blocks, widths, architecture.strides, strict=True
        ):
            first = architecture.stride_first
            blocks = [IRBlock(before, width, stride, True, first)]
            blocks += [IRBlock(width, width, 1, False, first) for _ in range(depth - 1)]
            stages.append(nn.Sequential(*blocks))
            before = width
        self.layer1, self.layer2, self.layer3, self.layer4 = stages

    def forward(self, images: Tensor) -> Features:
        """Return the maps of stages two, three and four of images (N, 3, H, W)."""
        x = self.prelu1(self.bn1(self.conv1(images)))
        c3 = self.layer2(self.layer1(x))
        c4 = self.layer3(c3)
        return Features(c3, c4, self.layer4(c4))


def _conv_bn(
    inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1
) -> list[nn.Module]:
    conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
    return [conv, nn.BatchNorm2d(outputs)]


class _Bottleneck(nn.Module):
    """Inverted residual: 1x1 up, depthwise 3x3, 1x1 down without activation."""

    def __init__(self, inputs: int, hidden: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.residual = stride == 1 and inputs == outputs
        self.layers = nn.Sequential(
            *_conv_bn(inputs, hidden, 1),
            PReLU(hidden),
            *_conv_bn(hidden, hidden, 3, stride, groups=hidden),
            PReLU(hidden),
            *_conv_bn(hidden, outputs, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        out = self.layers(x)
        return out + x if self.residual else out


class MobileFaceNetBackbone(nn.Module):
    """Body of MobileFaceNet, up to and with its last bottleneck.

    What follows there (a 1x1 convolution to 512 channels, a global depthwise convolution and a
    linear layer) is FROM's own embedding head here, on the masked 128-channel map.

    Parameters
    ----------
    architecture : Architecture
        Depths and strides; the widths of the bottlenecks' insides are the published ones.

    References
    ----------
    Chen et al., "MobileFaceNets", 2018, Table 1.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        stem, width1, width2, width3, width4 = architecture.channels
        _, stride2, stride3, stride4 = architecture.strides
        _, depth2, depth3, depth4 = architecture.blocks
        self.stem = nn.Sequential(*_conv_bn(3, stem, 3, architecture.stem_stride), PReLU(stem))
        self.layer1 = nn.Sequential(
            *_conv_bn(stem, width1, 3, architecture.strides[0], groups=stem), PReLU(width1)
        )
        self.layer2 = self._stage(width1, width2, 2, depth2, stride2)
        self.layer3 = self._stage(width2, width3, 4, depth3, stride3)
        self.layer4 = self._stage(width3, width4, 4, depth4, stride4)

    @staticmethod
    def _stage(inputs: int, outputs: int, expand: int, depth: int, stride: int) -> nn.Sequential:
        first = _Bottleneck(inputs, inputs * expand, outputs, stride)
        rest = (_Bottleneck(outputs, outputs * 2, outputs, 1) for _ in range(depth - 1))
        return nn.Sequential(first, *rest)

    def forward(self, images: Tensor) -> Features:
        """Return the maps of stages two, three and four of images (N, 3, H, W)."""
        c3 = self.layer2(self.layer1(self.stem(images)))
        c4 = self.layer3(c3)
        return Features(c3, c4, self.layer4(c4))


def build_backbone(name: str) -> IRBackbone | MobileFaceNetBackbone:
    """Return a freshly made backbone.

    Parameters
    ----------
    name : str
        One of `architectures.BACKBONES`.

    Returns
    -------
    IRBackbone or MobileFaceNetBackbone
        Maps images (N, 3, H, W) to `Features`.

    Raises
    ------
    InputError
        For an unknown name.
    """
    architecture = BACKBONES.get(name)
    if architecture is None:
        raise InputError(f"backbone must be one of {', '.join(BACKBONES)}, got {name!r}")
    if architecture.family == "mobilefacenet":
        return MobileFaceNetBackbone(architecture)
    return IRBackbone(architecture)


def initialise_weights(model: nn.Module, generator: torch.Generator | None = None) -> None:
    """Draw convolutions by He's rule and linear layers by Glorot's; norms start as identities.

    Parameters
    ----------
    model : Module
        Changed in place.
    generator : torch.Generator, optional
        Source of the numbers; None is torch's global one.
    """
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.Linear) and module.weight.is_meta:
            continue  # shapes alone: nothing to draw
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", generator=generator)
        elif isinstance(module, nn.Linear):
            nn.init.xavier_normal_(module.weight, generator=generator)
        else:
            continue
        if module.bias is not None:
            nn.init.zeros_(module.bias)
