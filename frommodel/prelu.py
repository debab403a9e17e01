"""PReLU whose gradient a CPU takes in vectorised passes.

torch's own kernel for it spends three times as long, as much as a fifth of a compact network's
training step (`benchmarks/model_rate.py prelu`). Forward, exports and other devices use torch's.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["PReLU"]


class _Gradient(torch.autograd.Function):
    """``max(x, 0) + w min(x, 0)``; the gradient of each in whole-array operations."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return F.prelu(x, weight.to(x.dtype))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        (gradient,) = gradients
        x, weight = ctx.saved_tensors
        slope = weight.to(x.dtype).view(1, -1, *[1] * (x.dim() - 2))
        kept = torch.ops.aten.threshold_backward(gradient, x, 0)
        to_x = torch.addcmul(kept, gradient - kept, slope)
        axes = [0, *range(2, x.dim())]
        wide = torch.promote_types(x.dtype, torch.float32)
        to_weight = x.clamp(max=0).mul_(gradient).sum(axes, dtype=wide)
        return to_x, to_weight.to(weight.dtype)


class PReLU(nn.PReLU):
    """`torch.nn.PReLU` with one slope a channel; state and values are the same.

    Parameters
    ----------
    num_parameters : int
        Channels.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Return the activation of (N, C, ...) in its dtype."""
        is_plain = not (torch.compiler.is_compiling() or torch.onnx.is_in_onnx_export())
        if self.training and x.device.type == "cpu" and is_plain and torch.is_grad_enabled():
            found: Tensor = _Gradient.apply(x, self.weight)
            return found
        return super().forward(x)
