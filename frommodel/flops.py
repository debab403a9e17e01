"""Parameters and floating-point operations of a network (Table 1)."""

import dataclasses
from typing import Any

import torch
from torch import nn

from .config import ModelConfig
from .network import FROM

__all__ = ["count_flops", "count_parameters", "describe"]


def count_parameters(model: nn.Module) -> int:
    """Return the number of trained values; running statistics of norms are none."""
    return sum(parameter.numel() for parameter in model.parameters())


def count_flops(config: ModelConfig) -> dict[str, int]:
    """Return the operations of one image's forward pass, by part of the network.

    Parameters
    ----------
    config : ModelConfig

    Returns
    -------
    dict of str to int
        ``backbone``, ``fpn``, ``mask``, ``regress`` and ``fc``, those which the network has.

    Notes
    -----
    Two operations a multiply-add, of convolutions and linear layers. Norms, activations, sums and
    biases are left out, as is the custom: here they are under one percent. Shapes alone are
    traced, no arithmetic is done.
    """
    with torch.device("meta"):
        model = FROM.from_config(config)
    return _trace_flops(model)


def _trace_flops(model: FROM) -> dict[str, int]:
    """Return `count_flops` of a network on the meta device; leaves hooks on it."""
    counts = dict.fromkeys((name for name, _ in model.named_children()), 0)

    def count(part: str, module: nn.Conv2d | nn.Linear, output: torch.Tensor) -> None:
        weight = module.weight  # (outputs, inputs of one output ...)
        counts[part] += 2 * output.numel() * weight[0].numel()

    for name, module in model.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            part = name.split(".")[0]
            module.register_forward_hook(lambda m, _, out, part=part: count(part, m, out))
    shape = (1, 3, model.config.height, model.config.width)
    with torch.no_grad():
        model.eval()(torch.empty(shape, device="meta"))
    return counts


def describe(config: ModelConfig) -> dict[str, Any]:
    """Return sizes of the network as built here and in the published layout.

    Parameters
    ----------
    config : ModelConfig
        Its own `published_layout` does not matter.

    Returns
    -------
    dict
        ``config``, ``mask_shape``, ``num_outputs``, and ``ours`` and ``published``, each with
        ``parameters``, ``flops`` and ``flops_by_part``. The published layout also carries the
        pyramid levels that never reach the output.
    """
    description: dict[str, Any] = {
        "config": dataclasses.asdict(config),
        "mask_shape": _mask_shape(config),
        "num_outputs": config.num_outputs,
    }
    for layout, published in (("ours", False), ("published", True)):
        chosen = dataclasses.replace(config, published_layout=published)
        with torch.device("meta"):
            model = FROM.from_config(chosen)
        by_part = _trace_flops(model)
        description[layout] = {
            "parameters": count_parameters(model),
            "flops": sum(by_part.values()),
            "flops_by_part": by_part,
        }
    return description


def _mask_shape(config: ModelConfig) -> tuple[int, ...] | None:
    if config.mask == "none":
        return None
    return (config.embedding_size,) if config.mask == "fc" else config.feature_shape
