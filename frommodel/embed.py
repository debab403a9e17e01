"""Embeddings of aligned crops, in batches and bounded memory."""

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from occgen.errors import InputError

from .data import cut_to_size, to_nchw
from .network import FROM
from .onnx_model import OnnxModel

__all__ = ["embed_images"]

Float32 = NDArray[np.float32]
UInt8 = NDArray[np.uint8]


def embed_images(
    model: FROM | OnnxModel,
    images: Iterable[UInt8],
    *,
    flip: bool = False,
    normalise: bool = False,
    batch_size: int = 64,
    device: str | torch.device | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> Float32:
    """Return the embedding of every image.

    Parameters
    ----------
    model : FROM or OnnxModel
        Put in evaluation mode for the time of the call.
    images : iterable of ndarray of uint8, shape (H, W, 3) or (n, H, W, 3)
        RGB aligned crops, one by one or in runs of any length; also one array (N, H, W, 3). For a
        112x96 network 112x112 crops are cut.
    flip : bool, optional
        Add the mirror image's embedding (the published MegaFace protocol).
    normalise : bool, optional
        Scale to length one, after the sum.
    batch_size : int, optional
        Images a forward pass; no more than that many are held.
    device : str or torch.device, optional
        Where FROM runs; None is where it is. It stays there.
    on_progress : callable, optional
        Called with the number of images done after each batch.

    Returns
    -------
    ndarray of float32, shape (N, E)

    Raises
    ------
    InputError
        For an image of another shape or dtype, or a batch size under 1.
    """
    if batch_size < 1:
        raise InputError(f"batch_size must be at least 1, got {batch_size}")
    if isinstance(model, FROM):
        size = model.config.height, model.config.width
        columns = model.config.embedding_size
    else:
        size, columns = (model.height, model.width), model.embedding_size
    training = isinstance(model, FROM) and model.training
    if isinstance(model, FROM):
        model.eval()
        if device is not None:
            model.to(device)
    parts: list[Float32] = []
    done = 0
    try:
        for batch in _batches(images, size, batch_size):
            embedding = _forward(model, torch.from_numpy(batch))
            if flip:
                embedding += _forward(model, torch.from_numpy(batch[:, :, ::-1].copy()))
            parts.append(embedding)
            done += len(batch)
            if on_progress is not None:
                on_progress(done)
    finally:
        if isinstance(model, FROM):
            model.train(training)
    if not parts:
        return np.empty((0, columns), np.float32)
    result = np.concatenate(parts)
    if normalise:
        result /= np.maximum(np.linalg.norm(result, axis=1, keepdims=True), 1e-12)
    return result


def _forward(model: FROM | OnnxModel, pixels: torch.Tensor) -> Float32:
    """Return embeddings of uint8 pixels (N, H, W, 3)."""
    if not isinstance(model, FROM):
        return model.run(to_nchw(pixels).contiguous().numpy())[0].astype(np.float32)
    weight = model.fc[2].weight
    with torch.inference_mode():
        images = to_nchw(pixels.to(weight.device), weight.dtype)  # type: ignore[arg-type]
        return model.embed(images).float().cpu().numpy()


def _batches(images: Iterable[UInt8], size: tuple[int, int], batch_size: int) -> Iterator[UInt8]:
    """Yield arrays (batch_size, H, W, 3), the last one shorter, of the network's size."""
    buffer = np.empty((batch_size, *size, 3), np.uint8)
    filled = 0
    for item in images:
        pixels = np.asarray(item)
        if pixels.dtype != np.uint8 or pixels.ndim not in (3, 4):
            raise InputError(
                "images must be uint8 of shape (H, W, 3) or (n, H, W, 3), got "
                f"{pixels.dtype} of shape {pixels.shape}"
            )
        columns = cut_to_size(pixels.shape, *size)
        rest = (pixels if pixels.ndim == 4 else pixels[None])[:, :, columns]
        while len(rest):
            taken = min(len(rest), batch_size - filled)
            buffer[filled : filled + taken] = rest[:taken]
            rest, filled = rest[taken:], filled + taken
            if filled == batch_size:
                yield buffer
                filled = 0
    if filled:
        yield buffer[:filled]
