"""The FROM network: backbone, feature pyramid, mask, pattern predictor, embedding (Fig. 2)."""

from typing import NamedTuple, Self

import torch
from torch import Tensor, nn

from occgen.errors import InputError

from .architectures import BACKBONES
from .backbones import build_backbone, initialise_weights
from .config import ModelConfig
from .masking import binarise, build_embedding_head, build_mask_decoder, build_predictor
from .pyramid import FeaturePyramid

__all__ = ["FROM", "FROMOutput"]


class FROMOutput(NamedTuple):
    """What the network says of a batch of N images.

    Parameters
    ----------
    embedding : Tensor
        (N, E), not normalised.
    mask : Tensor or None
        Values in [0, 1] as applied: (N, C, h, w) of C5's shape, or (N, E) of an fc mask.
    pattern_logits : Tensor or None
        (N, P) scores of the patterns, or (N, 4) the box where the predictor is a regression.
    """

    embedding: Tensor
    mask: Tensor | None
    pattern_logits: Tensor | None


class FROM(nn.Module):
    """Face Recognition with Occlusion Masks.

    Parameters
    ----------
    backbone : str, optional
        One of `architectures.BACKBONES`.
    k : int, optional
        Cells on each side of the pattern grid: 226 patterns for 5.
    height, width : int, optional
        Size of the aligned crop.
    embedding_size : int, optional
    mask : str, optional
        ``3d`` (on C5, the paper's), ``2d``, ``fc`` (on the embedding) or ``none``.
    predictor : str, optional
        ``classification``, ``regression`` or ``none``. The default is classification where there
        is a mask.
    dropout : float, optional
        Of embedding head and predictor.
    pyramid_channels : int, optional
        Width of the pyramid; None takes the backbone's own.
    mask_threshold : float, optional
        Binarise masks at inference (Table 2); the attribute of that name may be set later too.
        Training always uses the soft mask, as do the pattern logits.
    published_layout : bool, optional
        Carry and compute what the published network computes and drops.
    generator : torch.Generator, optional
        Source of the initial weights; None is torch's global one.

    Raises
    ------
    InputError
        For a value that is not one of these.

    Notes
    -----
    The embedding is BN-dropout-linear-BN of ``C5 * mask``. Where Eq. 2-3 of the paper and the
    published weights differ, the weights are followed: see `pyramid.FeaturePyramid`. State names
    are the published ones, those of the body with ``backbone.`` in front. With ``fc`` the mask
    multiplies the finished embedding.

    Examples
    --------
    >>> model = FROM(backbone="ir10_small", k=3, embedding_size=64).eval()
    >>> output = model(torch.zeros(1, 3, 112, 96))
    >>> [tuple(part.shape) for part in output]
    [(1, 64), (1, 128, 7, 6), (1, 37)]
    """

    def __init__(
        self,
        backbone: str = "lresnet50e_ir",
        k: int = 5,
        height: int = 112,
        width: int = 96,
        embedding_size: int = 512,
        mask: str = "3d",
        predictor: str | None = None,
        dropout: float = 0.5,
        pyramid_channels: int | None = None,
        mask_threshold: float | None = None,
        published_layout: bool = False,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        if predictor is None:
            predictor = "none" if mask == "none" else "classification"
        self._build(
            ModelConfig(
                backbone=backbone,
                k=k,
                height=height,
                width=width,
                embedding_size=embedding_size,
                mask=mask,
                predictor=predictor,
                dropout=dropout,
                pyramid_channels=pyramid_channels,
                mask_threshold=mask_threshold,
                published_layout=published_layout,
            )
        )
        initialise_weights(self, generator)

    @classmethod
    def from_config(cls, config: ModelConfig, generator: torch.Generator | None = None) -> Self:
        """Return the network of a configuration, with fresh weights."""
        model = cls.__new__(cls)
        nn.Module.__init__(model)
        model._build(config)
        initialise_weights(model, generator)
        return model

    def _build(self, config: ModelConfig) -> None:
        architecture = BACKBONES[config.backbone]
        channels, height, width = config.feature_shape
        elements = channels * height * width
        pyramid_channels = config.pyramid_channels or architecture.pyramid_channels
        self.config = config
        self.mask_threshold = config.mask_threshold
        self.backbone = build_backbone(config.backbone)
        self.fpn: FeaturePyramid | None = None
        self.mask: nn.Sequential | None = None
        self.regress: nn.Sequential | None = None
        if config.mask != "none":
            self.fpn = FeaturePyramid(
                architecture.feature_channels, pyramid_channels, config.published_layout
            )
            self.mask = build_mask_decoder(
                config.mask,
                pyramid_channels=pyramid_channels,
                feature_channels=channels,
                feature_size=(height, width),
                embedding_size=config.embedding_size,
            )
        if config.predictor != "none":
            inputs = config.embedding_size if config.mask == "fc" else elements
            self.regress = build_predictor(inputs, config.num_outputs, config.dropout)
        self.fc = build_embedding_head(elements, config.embedding_size, config.dropout)

    def forward(self, images: Tensor) -> FROMOutput:
        """Return embedding, mask and pattern logits.

        Parameters
        ----------
        images : Tensor of float, shape (N, 3, height, width)
            RGB in [-1, 1]; either memory layout.

        Returns
        -------
        FROMOutput
            ``mask`` and ``pattern_logits`` are None in a network without them.

        Raises
        ------
        InputError
            For another shape or dtype, or a single image in training.
        """
        embedding, mask, soft = self._encode(images)
        logits = None
        if self.regress is not None and soft is not None:
            logits = self.regress(soft.flatten(1))  # (N, C, h, w) -> (N, C * h * w) -> (N, P)
        return FROMOutput(embedding, mask, logits)

    def embed(self, images: Tensor) -> Tensor:
        """Return the embeddings (N, E) alone, without the pattern predictor's work.

        Parameters
        ----------
        images : Tensor of float, shape (N, 3, height, width)
            RGB in [-1, 1].

        Returns
        -------
        Tensor
            As `forward` gives.

        Raises
        ------
        InputError
            As `forward`.
        """
        return self._encode(images)[0]

    def _encode(self, images: Tensor) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Return embedding, mask as applied, and soft mask."""
        self._check(images)
        features = self.backbone(images)
        if self.fpn is None or self.mask is None:
            return self.fc(features.c5.flatten(1)), None, None
        soft = self.mask(self.fpn(features))
        mask = soft
        if self.mask_threshold is not None and not self.training:
            mask = binarise(soft, self.mask_threshold)
        if self.config.mask == "fc":
            return self.fc(features.c5.flatten(1)) * mask, mask, soft
        return self.fc((features.c5 * mask).flatten(1)), mask, soft

    def _check(self, images: Tensor) -> None:
        expected = (3, self.config.height, self.config.width)
        if images.ndim != 4 or tuple(images.shape[1:]) != expected:
            raise InputError(
                f"images must have shape (N, {', '.join(map(str, expected))}), "
                f"got {tuple(images.shape)}"
            )
        if not images.is_floating_point():
            raise InputError(f"images must be floats in [-1, 1], got {images.dtype}")
        if self.training and images.shape[0] == 1:
            raise InputError("training needs at least two images a batch (batch norm), got 1")
