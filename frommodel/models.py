"""Any face recogniser under one roof: ours, the authors', InsightFace's, ONNX, or a function."""

import hashlib
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from occgen.errors import CheckpointError, InputError

if TYPE_CHECKING:
    from .network import FROM
    from .onnx_model import OnnxModel

__all__ = ["Embedder", "open_model"]

Float32 = NDArray[np.float32]
UInt8 = NDArray[np.uint8]


class Embedder:
    """A model that turns aligned crops into embeddings.

    Parameters
    ----------
    network : FROM, OnnxModel or callable
        A callable takes RGB uint8 of shape (N, H, W, 3) and returns N rows of numbers.
    name : str, optional
        What tables and reports call it.
    digest : str, optional
        SHA-256 of its file; empty where there is none.

    Attributes
    ----------
    network : FROM, OnnxModel or callable
    name, digest : str
    size : tuple of int or None
        Height and width it takes; None is any.

    Raises
    ------
    InputError
        For anything else.
    """

    def __init__(self, network: Any, *, name: str = "", digest: str = "") -> None:
        if not callable(network) and not hasattr(network, "run"):
            raise InputError(
                f"model must be a network or a function of images, got {type(network).__name__}"
            )
        self.network: FROM | OnnxModel | Callable[[UInt8], Any] = network
        self.name = name or getattr(network, "__name__", type(network).__name__)
        self.digest = digest
        self.size: tuple[int, int] | None = None
        config = getattr(network, "config", None)
        if hasattr(network, "height"):
            self.size = (network.height, network.width)
        elif config is not None and hasattr(config, "height"):
            self.size = (config.height, config.width)

    def __repr__(self) -> str:
        size = "any size" if self.size is None else f"{self.size[0]}x{self.size[1]}"
        return f"Embedder({self.name!r}, {size})"

    def embed(
        self,
        images: Iterable[UInt8],
        *,
        flip: bool = False,
        normalise: bool = False,
        batch_size: int = 64,
        device: str | None = None,
        on_progress: Callable[[int], None] | None = None,
    ) -> Float32:
        """Return the embedding (N, E) of every image; see `embed_images`."""
        from .embed import embed_images

        return embed_images(
            self.network,
            images,
            flip=flip,
            normalise=normalise,
            batch_size=batch_size,
            device=device,
            on_progress=on_progress,
        )


def open_model(spec: Any, *, threads: int | None = None) -> Embedder:
    """Return the model that a name, a path or an object stands for.

    Parameters
    ----------
    spec : str, path-like, FROM, OnnxModel, Embedder or callable
        ``demo``; the folder of a training run; a file: our safetensors, the authors'
        ``.pth.tar``, an InsightFace iresnet checkpoint, ``.onnx``; or a function from RGB uint8
        images (N, H, W, 3) to embeddings (N, E).
    threads : int, optional
        Of onnxruntime; None leaves it the choice.

    Returns
    -------
    Embedder

    Raises
    ------
    InputError
        When there is no such file, or `spec` is none of these.
    CheckpointError
        When the file is no model that can be read; the message says what it is.
    """
    if isinstance(spec, Embedder):
        return spec
    if not isinstance(spec, str | os.PathLike):
        return Embedder(spec)
    text = os.fspath(spec)
    if not text:
        raise InputError("model must be a file, the folder of a run, or 'demo', got ''")
    if text.lower().endswith(".onnx"):
        from .onnx_model import OnnxModel

        return Embedder(OnnxModel(text, threads), name=Path(text).name, digest=_digest(Path(text)))
    from .checkpoint import load, resolve_path

    file = resolve_path(text)
    name = "demo" if text == "demo" else f"{Path(text).name or file.parent.resolve().name}"
    return Embedder(load(file), name=name, digest=_digest(file))


def _digest(file: Path) -> str:
    try:
        with open(file, "rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise CheckpointError(f"{file}: cannot be read ({error.strerror})") from error
