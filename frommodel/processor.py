"""What the processor at hand computes at speed."""

import functools
import importlib.util

__all__ = ["has_bfloat16", "trains_in_bfloat16"]


@functools.cache
def has_bfloat16() -> bool:
    """Whether the CPU multiplies bfloat16 natively and torch is there to use it.

    Where it does not, torch computes it by way of float32 and is several times slower than with
    float32 itself.
    """
    if importlib.util.find_spec("torch") is None:
        return False
    import torch

    known = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, name, bool)() for name in known)


def trains_in_bfloat16(device: str | None = None) -> bool:
    """Whether bfloat16 is worth training in.

    Parameters
    ----------
    device : str, optional
        As given to the trainer; by default CUDA where there is one, else the CPU.
    """
    import torch

    if device is None:
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device.startswith("cuda"):
        return torch.cuda.is_available() and torch.cuda.is_bf16_supported(False)
    return has_bfloat16()
