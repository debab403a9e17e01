"""Save and load networks: our safetensors, the authors' ``.pth.tar``, InsightFace's iresnets."""

import contextlib
import dataclasses
import json
import logging
import os
import struct
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from occgen.atomic import temporary_beside
from occgen.errors import CheckpointError, InputError

from .config import ModelConfig
from .foreign import read_pickled_state, recognise_state
from .network import FROM

__all__ = [
    "Initialised",
    "current_config",
    "initialise_from",
    "load",
    "read_metadata",
    "resolve_path",
    "save",
]

_LOG = logging.getLogger(__name__)
_FORMAT = "frommodel"
_SCHEMA = "1"
_RUN_FILES = ("best.safetensors", "last.safetensors")
_NAMED = 5
_HEADER_LIMIT = 100_000_000


class Initialised(NamedTuple):
    """What `initialise_from` did, as names of tensors.

    Parameters
    ----------
    loaded : tuple of str
        Taken from the file.
    fresh : tuple of str
        Left as they were: the file has none of that name and shape.
    unused : tuple of str
        In the file alone.
    """

    loaded: tuple[str, ...]
    fresh: tuple[str, ...]
    unused: tuple[str, ...]


def save(
    model: nn.Module,
    path: str | os.PathLike[str],
    *,
    half: bool = False,
    notes: Mapping[str, str] | None = None,
) -> None:
    """Write a network's weights and configuration as safetensors.

    Parameters
    ----------
    model : FROM
        Or one wrapped by ``DistributedDataParallel`` or ``torch.compile``.
    path : path-like
        Replaced in one step when it exists.
    half : bool, optional
        Store matrices and kernels in half precision; vectors (norms, biases) stay as they are.
    notes : mapping of str to str, optional
        Further metadata: recipe, seed, scores.

    Raises
    ------
    InputError
        For another model, or notes that are no text.
    CheckpointError
        When the file cannot be written; what stood there before is kept.
    """
    network = _unwrap(model)
    config = current_config(network).to_json()
    metadata = {"format": _FORMAT, "schema": _SCHEMA, "config": config}
    for name, value in (notes or {}).items():
        if name in metadata or not isinstance(name, str) or not isinstance(value, str):
            raise InputError(f"notes must be text under names of their own, got {name!r}")
        metadata[name] = value
    state = {
        name: (tensor.half() if half and tensor.ndim > 1 else tensor).detach().cpu().contiguous()
        for name, tensor in network.state_dict().items()
    }
    _install(state, Path(path), metadata)


def load(path: str | os.PathLike[str]) -> FROM:
    """Return the network of a file, in evaluation mode on the CPU.

    Parameters
    ----------
    path : path-like
        Safetensors written by `save`; the folder of a training run (its best weights, else its
        last); the authors' published ``.pth.tar``; an ``iresnet18/34/50/100`` checkpoint of
        InsightFace's arcface_torch, which becomes FROM without a mask; or ``demo``, the bundled
        compact model.

    Returns
    -------
    FROM
        Weights in float32; `FROM.config` says what it is.

    Raises
    ------
    InputError
        When there is no such file, or a folder holds none.
    CheckpointError
        For a file that is truncated, damaged, of another kind, holds code, or whose tensors are
        not those of the network: unknown, missing and wrongly shaped ones are named.

    Notes
    -----
    Pickles are read with ``weights_only=True``. Pyramid levels that the published network
    computes and drops are left out.
    """
    file = resolve_path(path)
    if _is_safetensors(file):
        config, state = _read_ours(file)
    else:
        config, state = recognise_state(read_pickled_state(file), file)
    try:
        with torch.device("meta"):
            model = FROM.from_config(config)
    except (TypeError, ValueError, RuntimeError, OverflowError, MemoryError) as error:
        raise CheckpointError(f"{file}: no network of such sizes can be made") from error
    _fit(model, state, file)
    return model.eval()


def initialise_from(model: nn.Module, path: str | os.PathLike[str]) -> Initialised:
    """Copy into a network every tensor of a file that has its name and shape.

    Parameters
    ----------
    model : FROM
        Changed in place; or one wrapped as for `save`.
    path : path-like
        As for `load`: a baseline to fine-tune FROM from, say.

    Returns
    -------
    Initialised

    Raises
    ------
    InputError, CheckpointError
        As `load`; and when not all of the backbone is in the file.
    """
    network = _unwrap(model)
    source = load(path).state_dict()
    target = network.state_dict()
    matching = {
        name: tensor
        for name, tensor in source.items()
        if name in target and target[name].shape == tensor.shape
    }
    fresh = tuple(name for name in target if name not in matching)
    lacking = [name for name in fresh if name.startswith("backbone.")]
    if lacking:
        raise CheckpointError(
            f"{path}: does not fit the backbone {network.config.backbone}: "
            f"{_listed(lacking)} missing or of another shape"
        )
    network.load_state_dict(matching, strict=False)
    unused = tuple(name for name in source if name not in matching)
    _LOG.info("%s: %d tensors taken, %d left fresh", path, len(matching), len(fresh))
    return Initialised(tuple(matching), fresh, unused)


def read_metadata(path: str | os.PathLike[str]) -> dict[str, str]:
    """Return the metadata of a file that `save` wrote, without reading its weights.

    Parameters
    ----------
    path : path-like
        As for `load`.

    Returns
    -------
    dict of str to str
        ``config`` as JSON, and the notes.

    Raises
    ------
    InputError
        When there is no such file.
    CheckpointError
        When it is damaged, or none of ours.
    """
    file = resolve_path(path)
    try:
        with open(file, "rb") as stream:
            start = stream.read(8)
            if not start:
                raise CheckpointError(f"{file} is empty (0 bytes); save or copy it again")
            (length,) = struct.unpack("<Q", start)
            if length > _HEADER_LIMIT:
                raise ValueError("header too long")
            text = stream.read(length)
            if len(text) < length and text[:1] == b"{":
                raise CheckpointError(f"{file} is cut short: its header ends early; copy it again")
            header = json.loads(text)
        metadata = header["__metadata__"]
        if metadata["format"] == _FORMAT:
            return dict(metadata)
    except OSError as error:
        raise CheckpointError(f"{file}: cannot be read ({error.strerror})") from error
    except (ValueError, struct.error, KeyError, TypeError, RecursionError):
        pass
    raise CheckpointError(
        f"{file}: no safetensors of frommodel (no configuration in its header); "
        "frommodel.save and from-train write them"
    )


def resolve_path(path: str | os.PathLike[str]) -> Path:
    """Return the file that a model's name, folder or path stands for.

    Raises
    ------
    InputError
        When there is no such file, or the folder holds no weights.
    CheckpointError
        When the bundled model is asked for and not installed.
    """
    file = Path(path)
    if str(path) == "demo":
        file = Path(__file__).with_name("weights") / "demo.safetensors"
        if not file.is_file():
            raise CheckpointError(
                "the bundled model 'demo' (weights/demo.safetensors) is not in this installation; "
                "give a file, or train one with from-train --recipe from-compact"
            )
    if file.is_dir():
        for name in _RUN_FILES:
            if (file / name).is_file():
                return file / name
        raise InputError(f"{file}: the folder holds neither {' nor '.join(_RUN_FILES)}")
    if not file.is_file():
        raise InputError(f"{file}: no such model; give a file, the folder of a run, or 'demo'")
    return file


def current_config(model: FROM) -> ModelConfig:
    """Return the configuration of a network with the mask threshold it has now."""
    return dataclasses.replace(model.config, mask_threshold=model.mask_threshold)


def _unwrap(model: nn.Module) -> FROM:
    while not isinstance(model, FROM):
        inner = getattr(model, "_orig_mod", None) or getattr(model, "module", None)
        if not isinstance(inner, nn.Module):
            raise InputError(f"model must be a FROM network, got {type(model).__name__}")
        model = inner
    return model


def _install(state: dict[str, Tensor], path: Path, metadata: dict[str, str]) -> None:
    """Write beside the place, sync, rename."""
    temporary = temporary_beside(path)
    try:
        with open(temporary, "wb") as stream:  # of the user's own file mode, unlike save_file's
            stream.write(to_bytes(state, metadata))
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise CheckpointError(
            f"{path}: cannot be written ({reason}); what stood there before is kept"
        ) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _is_safetensors(path: Path) -> bool:
    """Tell by content: a header's length, then JSON; torch files start as zip or pickle."""
    try:
        with open(path, "rb") as stream:
            start = stream.read(9)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror})") from error
    return start[8:] == b"{" or path.suffix == ".safetensors"


def _read_ours(path: Path) -> tuple[ModelConfig, dict[str, Tensor]]:
    metadata = read_metadata(path)
    if metadata.get("schema") != _SCHEMA:
        raise CheckpointError(
            f"{path}: schema {metadata.get('schema')!r} is not known here, only {_SCHEMA!r}: "
            "it was written by another version"
        )
    try:
        config = ModelConfig.from_json(metadata.get("config", ""))
    except InputError as error:
        raise CheckpointError(f"{path}: its configuration does not hold: {error}") from error
    try:
        return config, load_file(path)
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0][:120]
        raise CheckpointError(f"{path}: truncated or damaged ({reason})") from error


def _fit(model: FROM, state: dict[str, Tensor], path: Path) -> None:
    """Give a network without values the tensors of a state, checked, in float32."""
    expected = model.state_dict()
    for name, tensor in expected.items():
        if name.endswith("num_batches_tracked"):  # old files lack the counter
            state.setdefault(name, torch.zeros((), dtype=tensor.dtype))
    problems = [
        f"{kind} {_listed(names)}"
        for kind, names in (
            ("unknown tensors", sorted(set(state) - set(expected))),
            ("missing tensors", [name for name in expected if name not in state]),
            ("wrong shapes", _misshaped(expected, state)),
        )
        if names
    ]
    if problems:
        raise CheckpointError(
            f"{path}: does not fit the network {model.config.backbone}: {'; '.join(problems)}"
        )
    values = {}
    for name, tensor in state.items():
        if not torch.isfinite(tensor).all():
            raise CheckpointError(f"{path}: {name} holds values that are no finite numbers")
        values[name] = tensor.to(expected[name].dtype).contiguous()
    model.load_state_dict(values, assign=True)
    for parameter in model.parameters():
        parameter.requires_grad_(True)


def _misshaped(expected: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> list[str]:
    return [
        f"{name} {tuple(state[name].shape)} for {tuple(tensor.shape)}"
        for name, tensor in expected.items()
        if name in state and state[name].shape != tensor.shape
    ]


def _listed(names: Iterable[str]) -> str:
    names = list(names)
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
