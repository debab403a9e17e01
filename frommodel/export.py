"""Networks for other programs: safetensors, ONNX and torch.export, checked after writing."""

import contextlib
import copy
import logging
import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from occgen.errors import CheckpointError, InputError

from .checkpoint import current_config, load, save
from .network import FROM
from .onnx_model import METADATA_KEY, OnnxModel

__all__ = ["FORMATS", "ExportReport", "export_model"]

FORMATS = ("safetensors", "onnx", "torch")
_TOLERANCE = 1e-3  # of an output's largest value
_CHECKED_BATCHES = (1, 3)


@dataclass(frozen=True, kw_only=True, slots=True)
class ExportReport:
    """What was written, and how well it agrees with the network.

    Parameters
    ----------
    path : str
    format : str
        One of `FORMATS`.
    outputs : tuple of str
        In order.
    size_bytes : int
    largest_difference : float or None
        Over the outputs, of each one's largest value; None where it could not be run.
    """

    path: str
    format: str
    outputs: tuple[str, ...]
    size_bytes: int
    largest_difference: float | None


class _Chosen(nn.Module):
    """The network with a plain tuple of the outputs it has, or the embedding alone."""

    def __init__(self, model: FROM, names: tuple[str, ...]) -> None:
        super().__init__()
        self.model = model
        self.names = names

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        if self.names == ("embedding",):
            return (self.model.embed(images),)
        output = self.model(images)._asdict()
        return tuple(output[name] for name in self.names)


def export_model(
    model: FROM,
    path: str | os.PathLike[str],
    format: str = "onnx",
    *,
    embedding_only: bool = False,
    half: bool = False,
) -> ExportReport:
    """Write a network in another program's form, and run it once to compare.

    Parameters
    ----------
    model : FROM
        Left as it is.
    path : path-like
        Replaced in one step when it exists.
    format : str, optional
        ``onnx`` (needs onnx and onnxscript; compared where onnxruntime is installed),
        ``torch`` (a `torch.export` program, ``.pt2``), ``safetensors`` (for `load`).
    embedding_only : bool, optional
        Leave the mask and the pattern out of the outputs; not for safetensors.
    half : bool, optional
        Store half-precision weights; safetensors only.

    Returns
    -------
    ExportReport

    Raises
    ------
    InputError
        For another format, options that do not go together, or packages that are not installed.
    CheckpointError
        When the file cannot be written, or does not give the network's outputs.

    Notes
    -----
    Input ``images`` (N, 3, height, width) in [-1, 1], N free; outputs ``embedding``, ``mask`` and
    ``pattern_logits``, those which the network has. The configuration travels in the metadata.
    """
    if format not in FORMATS:
        raise InputError(f"format must be one of {', '.join(FORMATS)}, got {format!r}")
    if format == "safetensors" and embedding_only:
        raise InputError("embedding_only does not go with safetensors, which hold weights alone")
    if half and format != "safetensors":
        raise InputError(f"half is for safetensors, got format {format!r}")
    path = Path(path)
    names = _outputs(model, embedding_only)
    if format == "safetensors":
        save(model, path, half=half)
        difference = None if half else _compare(model, names, lambda x: tuple(load(path)(x)))
        return _report(path, format, names, difference)
    frozen = copy.deepcopy(model).cpu().float().eval()
    frozen.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    chosen = _Chosen(frozen, names).eval()
    with _written_beside(path) as temporary:
        if format == "onnx":
            _write_onnx(chosen, temporary)
            run = _onnx_runner(temporary)
        else:
            run = _write_program(chosen, temporary)
        difference = None if run is None else _compare(frozen, names, run)
    return _report(path, format, names, difference)


def _outputs(model: FROM, embedding_only: bool) -> tuple[str, ...]:
    if embedding_only:
        return ("embedding",)
    has = (True, model.mask is not None, model.regress is not None)
    return tuple(
        name
        for name, there in zip(("embedding", "mask", "pattern_logits"), has, strict=True)
        if there
    )


def _report(
    path: Path, format: str, names: tuple[str, ...], difference: float | None
) -> ExportReport:
    return ExportReport(
        path=str(path),
        format=format,
        outputs=names,
        size_bytes=path.stat().st_size,
        largest_difference=difference,
    )


def _example(model: FROM, count: int) -> Tensor:
    shape = (count, 3, model.config.height, model.config.width)
    return torch.rand(shape, generator=torch.Generator().manual_seed(count)) * 2 - 1


def _compare(model: FROM, names: tuple[str, ...], run: Any) -> float:
    """Return the largest difference, of each output's largest value, over batches of two sizes.

    Where masks are binarised the mean one: an element at the threshold may fall on either side.
    """
    plain = copy.deepcopy(model).cpu().float().eval()
    worst = 0.0
    with torch.inference_mode():
        for count in _CHECKED_BATCHES:
            images = _example(plain, count)
            for got, expected in zip(run(images), _Chosen(plain, names)(images), strict=False):
                if got is not None:
                    largest = expected.abs().max().clamp(min=1e-12)
                    gap = (got - expected).abs()
                    whole = gap.max() if plain.mask_threshold is None else gap.mean()
                    worst = max(worst, float(whole / largest))
    if not worst <= _TOLERANCE:
        raise CheckpointError(
            f"the exported network differs from the original by {worst:.2g} of the largest value "
            f"(allowed: {_TOLERANCE:g})"
        )
    return worst


def _dynamic_shapes() -> dict[str, Any]:
    return {"images": {0: torch.export.Dim("batch", min=1)}}


def _write_program(chosen: _Chosen, path: Path) -> Any:
    with _quiet():
        program = torch.export.export(
            chosen, (_example(chosen.model, 2),), dynamic_shapes=_dynamic_shapes()
        )
        torch.export.save(
            program, path, extra_files={"config.json": current_config(chosen.model).to_json()}
        )
        return torch.export.load(path).module()


def _write_onnx(chosen: _Chosen, path: Path) -> None:
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise InputError("ONNX needs two packages: pip install onnx onnxscript") from error
    with _quiet():
        program = torch.onnx.export(
            chosen,
            (_example(chosen.model, 2),),
            input_names=["images"],
            output_names=list(chosen.names),
            dynamic_shapes=_dynamic_shapes(),
            dynamo=True,
            verbose=False,
        )
        if program is None:
            raise CheckpointError(f"{path}: the ONNX exporter gave nothing")
        program.model.metadata_props[METADATA_KEY] = current_config(chosen.model).to_json()
        program.save(path, external_data=False)


def _onnx_runner(path: Path) -> Any:
    try:
        import onnxruntime  # noqa: F401
    except ImportError:
        return None
    session = OnnxModel(path)
    return lambda images: tuple(torch.from_numpy(np.array(a)) for a in session.run(images.numpy()))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporters' own notes (missing torchvision, deprecations inside torch) away."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)


@contextlib.contextmanager
def _written_beside(path: Path) -> Iterator[Path]:
    """Give a name beside the place; synced and renamed at the end, removed on an error."""
    temporary = path.with_name(f".{os.getpid()}-{path.stem}{path.suffix or '.pt2'}")
    try:
        try:
            yield temporary
            with open(temporary, "rb+") as stream:
                os.fsync(stream.fileno())
            os.replace(temporary, path)
        except OSError as error:
            raise CheckpointError(
                f"{path}: cannot be written ({error.strerror}); what stood there is kept"
            ) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
