"""Losses of Sec. 3: margin softmax on identities, pattern loss on masks, their sum."""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from occgen.errors import InputError

__all__ = [
    "Losses",
    "MarginLoss",
    "PatternLoss",
    "TotalLoss",
    "apply_margin",
    "check_batch",
    "check_margins",
    "cosine_logits",
    "soft_pattern_targets",
]

_COSINE_EPSILON = 1e-6  # acos has no finite slope at +-1
_NORM_EPSILON = 1e-6  # an embedding shorter than this has no direction


class MarginLoss(nn.Module):
    """Softmax over cosines to identity centres, with a margin on the true one (Eq. 1).

    Parameters
    ----------
    num_identities : int
        Rows of `weight`, the centres.
    embedding_size : int
    s : float, optional
        Scale of the cosines.
    m1, m2, m3 : float, optional
        The true identity's logit is ``s * (cos(m1 * theta + m2) - m3)``: m1 > 1 is SphereFace,
        m2 > 0 (radians) ArcFace, m3 > 0 CosFace; any together.
    generator : torch.Generator, optional
        Source of the initial centres; None is torch's global one.

    Raises
    ------
    InputError
        For fewer than two identities, a scale or m1 not above zero, or a negative m2 or m3.

    Notes
    -----
    Computed in float32 whatever autocast says: in half precision, cosines near one round by more
    than a margin's slope. Where ``m1 * theta + m2`` passes pi, the cosine goes on falling as
    ``(-1)**k cos(phi) - 2 k`` with ``k = floor(phi / pi)`` (SphereFace's rule), so that a worse
    angle always costs more; up to pi this is Eq. 1 as it stands. With m1 = 1 and m2 = 0 no angle is
    taken at all. Otherwise cosines are kept 1e-6 off +-1, which bounds the gradient; beyond, it
    is zero.

    References
    ----------
    Eq. 1. The published training uses s = 30, m3 = 0.35.

    Examples
    --------
    >>> loss = MarginLoss(10, 4)
    >>> loss(torch.randn(3, 4), torch.tensor([0, 5, 9])).shape
    torch.Size([])
    """

    def __init__(
        self,
        num_identities: int,
        embedding_size: int,
        s: float = 30.0,
        m1: float = 1.0,
        m2: float = 0.0,
        m3: float = 0.35,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        if num_identities < 2:
            raise InputError(f"num_identities must be at least 2, got {num_identities}")
        check_margins(s, m1, m2, m3)
        self.num_identities = num_identities
        self.s, self.m1, self.m2, self.m3 = float(s), float(m1), float(m2), float(m3)
        self.weight = nn.Parameter(torch.empty(num_identities, embedding_size))
        nn.init.normal_(self.weight, std=0.01, generator=generator)

    def extra_repr(self) -> str:
        """Return the sizes and margins for printing."""
        rows, columns = self.weight.shape
        return f"{rows}, {columns}, s={self.s}, m1={self.m1}, m2={self.m2}, m3={self.m3}"

    def logits(self, embedding: Tensor) -> Tensor:
        """Return scaled cosines to every centre without a margin, (N, E) -> (N, identities)."""
        check_batch(embedding, self.weight)
        with _full_precision(embedding):
            return self.s * cosine_logits(embedding, self.weight)

    def forward(self, embedding: Tensor, labels: Tensor) -> Tensor:
        """Return the mean loss of a batch.

        Parameters
        ----------
        embedding : Tensor of float, shape (N, E)
            Any precision; not normalised.
        labels : Tensor of int64, shape (N,)
            In 0 .. num_identities - 1.

        Returns
        -------
        Tensor
            float32, no axes.

        Raises
        ------
        InputError
            For shapes or dtypes that do not fit.
        """
        check_batch(embedding, self.weight, labels)
        with _full_precision(embedding):
            cosine = cosine_logits(embedding, self.weight)  # (N, E) -> (N, identities)
            rows = labels[:, None]
            margin = apply_margin(cosine.gather(1, rows), self.m1, self.m2, self.m3)
            return F.cross_entropy(self.s * cosine.scatter(1, rows, margin), labels)


class PatternLoss(nn.Module):
    """Softmax over patterns (Eq. 4) or squared distance of boxes (Eq. 5).

    Parameters
    ----------
    form : str, optional
        ``classification``: cross entropy with labels (N,) or soft targets (N, P).
        ``regression``: the squared L2 distance to the target box (N, 4), averaged over images.

    Raises
    ------
    InputError
        For another form.
    """

    def __init__(self, form: str = "classification") -> None:
        super().__init__()
        if form not in ("classification", "regression"):
            raise InputError(f"form must be classification or regression, got {form!r}")
        self.form = form

    def forward(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the mean loss of a batch, float32.

        Parameters
        ----------
        outputs : Tensor of float, shape (N, P) or (N, 4)
            The network's pattern logits or box.
        targets : Tensor, shape (N,) of int64, (N, P) of float, or (N, 4) of float
            Labels, soft targets that sum to one, or boxes; all zeros for a clean face's box.

        Returns
        -------
        Tensor

        Raises
        ------
        InputError
            For shapes that do not fit.
        """
        soft = targets.ndim == 2
        wanted = outputs.shape if soft or self.form == "regression" else outputs.shape[:1]
        if outputs.ndim != 2 or targets.shape != wanted:
            raise InputError(
                f"targets of shape {tuple(targets.shape)} do not fit {self.form} outputs of shape "
                f"{tuple(outputs.shape)}"
            )
        with _full_precision(outputs):
            if self.form == "regression":
                return (outputs.float() - targets.float()).square().sum(dim=1).mean()
            return F.cross_entropy(outputs.float(), targets.float() if soft else targets)


class Losses(NamedTuple):
    """The total and its two parts, each a Tensor without axes.

    Parameters
    ----------
    total : Tensor
        ``identity + pattern_weight * pattern``: call `backward` on it.
    identity : Tensor
    pattern : Tensor
        Zero where there is no predictor.
    """

    total: Tensor
    identity: Tensor
    pattern: Tensor


class TotalLoss(nn.Module):
    """Identity loss plus lambda times pattern loss (Eq. 6).

    Parameters
    ----------
    identity : Module
        `MarginLoss` or its sharded form.
    pattern : PatternLoss, optional
    pattern_weight : float, optional
        Lambda, at least 0; with 0 the pattern loss is told but trains nothing.

    Raises
    ------
    InputError
        For a negative or infinite weight.
    """

    def __init__(
        self, identity: nn.Module, pattern: PatternLoss | None = None, pattern_weight: float = 1.0
    ) -> None:
        super().__init__()
        if not 0 <= pattern_weight < math.inf:
            raise InputError(f"pattern_weight must be >= 0, got {pattern_weight}")
        self.identity = identity
        self.pattern = pattern
        self.pattern_weight = float(pattern_weight)

    def forward(
        self,
        embedding: Tensor,
        pattern_logits: Tensor | None,
        labels: Tensor,
        patterns: Tensor | None,
    ) -> Losses:
        """Return the losses of a batch.

        Parameters
        ----------
        embedding : Tensor, shape (N, E)
        pattern_logits : Tensor or None
            Of the network; None without a predictor.
        labels : Tensor of int64, shape (N,)
            Identities.
        patterns : Tensor or None
            Targets of `PatternLoss`.

        Returns
        -------
        Losses

        Raises
        ------
        InputError
            When the network predicts patterns and there are no targets, or as the parts.
        """
        identity = self.identity(embedding, labels)
        if self.pattern is None or pattern_logits is None:
            return Losses(identity, identity.detach(), torch.zeros_like(identity))
        if patterns is None:
            raise InputError("the network predicts patterns: the batch must bring their targets")
        trains = self.pattern_weight > 0
        pattern = self.pattern(pattern_logits if trains else pattern_logits.detach(), patterns)
        total = identity + self.pattern_weight * pattern if trains else identity
        return Losses(total, identity.detach(), pattern.detach())


def soft_pattern_targets(iou: Tensor, temperature: float = 0.05) -> Tensor:
    """Return targets that share a label among nearly tied patterns.

    Parameters
    ----------
    iou : Tensor of float, shape (N, P)
        `PatternGrid.iou_boxes` or `iou_masks`: a row of zeros is a clean face.
    temperature : float, optional
        Above zero. At 0.05 a pattern whose IoU is 0.05 lower gets 1 / e of the best one's share;
        towards zero the label alone is left.

    Returns
    -------
    Tensor of float32, shape (N, P)
        Rows sum to one. A clean face's target is the clean pattern alone, and an occluded one's
        clean share is zero.

    Raises
    ------
    InputError
        For another shape, or a temperature that is not above zero.

    Notes
    -----
    Not in the paper, whose target is the best pattern alone (Eq. 4); about one label in six is
    nearly tied at K = 5.
    """
    if iou.ndim != 2 or iou.shape[1] < 2:
        raise InputError(f"iou must have shape (N, patterns), got {tuple(iou.shape)}")
    if not 0 < temperature < math.inf:
        raise InputError(f"temperature must be > 0, got {temperature}")
    scores = iou.float()
    clean = scores[:, 1:].amax(dim=1) <= 0
    targets = torch.zeros_like(scores)
    targets[:, 1:] = torch.softmax(scores[:, 1:] / temperature, dim=1)
    targets[clean] = 0.0
    targets[clean, 0] = 1.0
    return targets


def cosine_logits(embedding: Tensor, weight: Tensor) -> Tensor:
    """Return float32 cosines of embeddings (N, E) with centres (C, E), (N, C), in [-1, 1]."""
    directions = F.normalize(embedding.float(), eps=_NORM_EPSILON)
    centres = F.normalize(weight.float(), eps=_NORM_EPSILON)
    return F.linear(directions, centres)


def apply_margin(cosine: Tensor, m1: float, m2: float, m3: float) -> Tensor:
    """Return ``cos(m1 * theta + m2) - m3``, falling with theta throughout; see `MarginLoss`."""
    if m1 == 1.0 and m2 == 0.0:
        return cosine - m3
    limit = 1.0 - _COSINE_EPSILON
    phi = m1 * torch.acos(cosine.clamp(-limit, limit)) + m2
    turns = torch.floor(phi.detach() / math.pi)
    sign = 1.0 - 2.0 * torch.remainder(turns, 2.0)
    return sign * torch.cos(phi) - 2.0 * turns - m3


def check_margins(s: float, m1: float, m2: float, m3: float) -> None:
    """Raise InputError for a scale or margin that makes no loss."""
    for name, value, least in (("s", s, 0), ("m1", m1, 0), ("m2", m2, -1), ("m3", m3, -1)):
        above = value > 0 if least == 0 else value >= 0
        if not above or not math.isfinite(value):
            raise InputError(f"{name} must be {'>' if least == 0 else '>='} 0, got {value}")


def check_batch(embedding: Tensor, weight: Tensor, labels: Tensor | None = None) -> None:
    """Raise InputError for shapes or dtypes that do not fit the centres (C, E)."""
    if embedding.ndim != 2 or embedding.shape[1] != weight.shape[1]:
        raise InputError(
            f"embeddings must have shape (N, {weight.shape[1]}), got {tuple(embedding.shape)}"
        )
    if labels is not None and (labels.shape != embedding.shape[:1] or labels.dtype != torch.int64):
        raise InputError(
            f"labels must be int64 of shape ({len(embedding)},), got {labels.dtype} of shape "
            f"{tuple(labels.shape)}"
        )


def _full_precision(tensor: Tensor) -> torch.autocast:
    return torch.autocast(tensor.device.type, enabled=False)
