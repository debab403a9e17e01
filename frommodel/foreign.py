"""Checkpoints of other programs: the authors' published weights and InsightFace's iresnets.

Both are pickles, which can hold code; they are read with torch's restricted unpickler, which
makes tensors and plain values and refuses everything else.
"""

import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from occgen.errors import CheckpointError

from .architectures import BACKBONES
from .config import ModelConfig
from .torch_file import load_torch_file

__all__ = ["NEVER_USED", "read_pickled_state", "recognise_state"]

State = dict[str, Tensor]

NEVER_USED = ("fpn.P5_2.", "fpn.P4_2.", "fpn.P6.", "fpn.P7_2.")
"""Parts of the published network that never reach its output."""

_STATE_ENTRIES = ("state_dict", "state_dict_backbone", "model", "backbone")
_WRAPPERS = ("module.", "_orig_mod.")
_CLASSIFIER = ("classifier.", "margin.", "arcface.", "cosface.")
_PATTERNS_TO_K = {(k * (k + 1) // 2) ** 2 + 1: k for k in range(1, 13)}
_PIXELS_TO_CROP = {42: (112, 96), 49: (112, 112)}
_PREVIEW = 4


def read_pickled_state(path: Path) -> State:
    """Return the tensors of a torch checkpoint by name, without wrappers' prefixes.

    Parameters
    ----------
    path : Path
        A file of `torch.save`: a mapping of tensors, or one with such a mapping at
        ``state_dict`` (also ``state_dict_backbone``, ``model`` or ``backbone``).

    Returns
    -------
    dict of str to Tensor
        Without leading ``module.``; a classifier's tensors are left out.

    Raises
    ------
    CheckpointError
        For a file that is truncated, is no torch file, holds code, or holds no such mapping.

    Notes
    -----
    Beside tensors numpy scalars are let in, which such files hold as best accuracies.
    """
    content = _unpickle(path)
    for entry in _STATE_ENTRIES:
        if isinstance(content, dict) and isinstance(content.get(entry), dict):
            content = content[entry]
            break
    if not isinstance(content, dict) or not content:
        raise CheckpointError(
            f"{path}: holds a {type(content).__name__}, not a mapping of names to tensors"
        )
    state: State = {}
    for name, value in content.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise CheckpointError(
                f"{path}: entry {name!r} is a {type(value).__name__}, not a tensor: this is no "
                f"checkpoint of a network (looked for tensors in {', '.join(_STATE_ENTRIES)})"
            )
        for wrapper in _WRAPPERS:
            name = name.removeprefix(wrapper)
        if not name.startswith(_CLASSIFIER):
            state[name] = value
    return state


def _unpickle(path: Path) -> Any:
    try:
        with warnings.catch_warnings(), torch.serialization.safe_globals(_numpy_scalars()):
            warnings.simplefilter("ignore")
            return load_torch_file(path)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror or error})") from error
    except Exception as error:  # arbitrary bytes go in: anything may come out
        raise CheckpointError(f"{path}: {_explain(error)}") from error


def _explain(error: Exception) -> str:
    if isinstance(error, ValueError) and str(error).startswith(("it is ", "a tensor ")):
        return f"no checkpoint that is safe to load: {error}"
    found = re.search(
        r"(?:GLOBAL|class|function|Unsupported global:)\s+([\w.]+\.[\w.]+)", str(error)
    )
    if found:
        return f"holds pickled code ({found[1]}), which is never run; only plain weights are read"
    return (
        "truncated, damaged or no checkpoint; read are safetensors of frommodel, "
        "the authors' .pth.tar and InsightFace's iresnets"
    )


def _numpy_scalars() -> list[Any]:
    """Return what a pickled numpy scalar names, under the names of numpy 1 and 2."""
    scalar = np.float64(0).__reduce__()[0]
    kinds = ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?")
    return [
        (scalar, "numpy.core.multiarray.scalar"),
        (scalar, "numpy._core.multiarray.scalar"),
        np.dtype,
        *(type(np.dtype(kind)) for kind in kinds),
    ]


def recognise_state(state: State, path: Path) -> tuple[ModelConfig, State]:
    """Return what network a foreign state is of, and its tensors under our names.

    Parameters
    ----------
    state : dict of str to Tensor
        Of `read_pickled_state`.
    path : Path
        For messages.

    Returns
    -------
    tuple of ModelConfig and dict
        Names not known are kept, for the caller to refuse.

    Raises
    ------
    CheckpointError
        When it is neither a FROM network nor an iresnet.
    """
    if "features.weight" in state or "layer1.0.prelu.weight" in state:
        return _recognise_iresnet(state, path)
    if "fc.2.weight" in state and "layer1.0.conv1.weight" in state:
        return _recognise_from(state, path)
    names = ", ".join(sorted(state)[:_PREVIEW])
    raise CheckpointError(
        f"{path}: neither a FROM network (no fc.2.weight) nor an iresnet (no features.weight); "
        f"its first names are {names or 'none'}"
    )


def _recognise_from(state: State, path: Path) -> tuple[ModelConfig, State]:
    """Read sizes off the authors' tensors; with ``backbone.`` before those of the body."""
    embedding_size, elements = _shape(state, "fc.2.weight", 2, path)
    backbone = _match_backbone(state, path)
    channels = BACKBONES[backbone].channels[-1]
    crop = _PIXELS_TO_CROP.get(elements // channels)
    if elements % channels or crop is None:
        raise CheckpointError(
            f"{path}: fc.2.weight takes {elements} features, "
            f"not {channels} x 7 x 6 (112x96) or x 7 x 7 (112x112)"
        )
    values: dict[str, Any] = {"mask": "none", "predictor": "none"}
    if any(name.startswith(("mask.", "fpn.", "regress.")) for name in state):
        values = {"mask": "3d", "predictor": "none"}
    if any(name.startswith("regress.") for name in state):
        outputs = _shape(state, "regress.2.weight", 2, path)[0]
        values["predictor"] = "regression" if outputs == 4 else "classification"
        if outputs != 4 and outputs not in _PATTERNS_TO_K:
            raise CheckpointError(
                f"{path}: regress.2.weight has {outputs} outputs, the number of patterns of no "
                "grid (37, 101, 226, 442 for K = 3..6)"
            )
        values["k"] = _PATTERNS_TO_K.get(outputs, 5)
    if "fpn.P3_2.bias" in state:
        values["pyramid_channels"] = _shape(state, "fpn.P3_2.bias", 1, path)[0]
        if values["pyramid_channels"] == BACKBONES[backbone].pyramid_channels:
            del values["pyramid_channels"]
    config = ModelConfig(
        backbone=backbone,
        height=crop[0],
        width=crop[1],
        embedding_size=embedding_size,
        **values,
    )
    renamed = {_with_backbone(n): t for n, t in state.items() if not n.startswith(NEVER_USED)}
    return config, renamed


def _recognise_iresnet(state: State, path: Path) -> tuple[ModelConfig, State]:
    """Turn an iresnet into FROM without a mask.

    Its last norm has a value a channel where FROM's has one an element: each is repeated over the
    7 x 7 pixels, which gives the same outputs at inference.
    """
    embedding_size, elements = _shape(state, "fc.weight", 2, path)
    backbone = _match_backbone(state, path)
    channels = BACKBONES[backbone].channels[-1]
    if elements != channels * 49:
        raise CheckpointError(
            f"{path}: fc.weight takes {elements} features, not {channels} x 7 x 7: "
            "only iresnets of 112x112 crops are read"
        )
    renamed: State = {}
    for name, tensor in state.items():
        if name.startswith("bn2."):
            repeated = tensor.repeat_interleave(49) if tensor.ndim == 1 else tensor
            renamed[name.replace("bn2.", "fc.0.")] = repeated
        elif name.startswith("features."):
            renamed[name.replace("features.", "fc.3.")] = tensor
        elif name.startswith("fc."):
            renamed[name.replace("fc.", "fc.2.")] = tensor
        else:
            renamed[_with_backbone(re.sub(r"(^|\.)prelu\.", r"\1prelu1.", name))] = tensor
    config = ModelConfig(
        backbone=backbone,
        height=112,
        width=112,
        embedding_size=embedding_size,
        mask="none",
        predictor="none",
        dropout=0.0,
    )
    return config, renamed


def _with_backbone(name: str) -> str:
    if name.startswith(("fpn.", "mask.", "regress.", "fc.")):
        return name
    return f"backbone.{name}"


def _match_backbone(state: State, path: Path) -> str:
    counts = []
    for stage in range(1, 5):
        found = (re.match(rf"layer{stage}\.(\d+)\.", name) for name in state)
        counts.append(1 + max((int(match[1]) for match in found if match), default=-1))
    for name, architecture in BACKBONES.items():
        if name.startswith("lresnet") and architecture.blocks == tuple(counts):
            return name
    raise CheckpointError(
        f"{path}: stages of {', '.join(map(str, counts))} blocks are those of no backbone known "
        "here (2, 2, 2, 2; 3, 4, 6, 3; 3, 4, 14, 3; 3, 13, 30, 3)"
    )


def _shape(state: State, name: str, ndim: int, path: Path) -> tuple[int, ...]:
    tensor = state.get(name)
    if tensor is None:
        raise CheckpointError(f"{path}: has no tensor {name}")
    if tensor.ndim != ndim:
        raise CheckpointError(f"{path}: {name} has shape {tuple(tensor.shape)}, not {ndim} axes")
    return tuple(tensor.shape)
