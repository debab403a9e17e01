"""Embeddings of aligned crops, in batches and bounded memory."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from occgen.errors import InputError

from .data import cut_to_size, to_nchw
from .network import FROM
from .onnx_model import OnnxModel

__all__ = ["embed_images", "embedding_batches"]

Float32 = NDArray[np.float32]
UInt8 = NDArray[np.uint8]
Model = FROM | OnnxModel | Callable[[UInt8], Any]


def embed_images(
    model: Model,
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
    model : FROM, OnnxModel or callable
        A network is put in evaluation mode for the time of the call. A function takes RGB uint8
        of shape (n, H, W, 3) and returns n rows of one length.
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
        For an image of another shape or dtype, a batch size under 1, or a function that does not
        return one row an image.
    """
    parts: list[Float32] = []
    done = 0
    run = embedding_batches(
        model, images, flip=flip, normalise=normalise, batch_size=batch_size, device=device
    )
    for part in run:
        parts.append(part)
        done += len(part)
        if on_progress is not None:
            on_progress(done)
    if parts:
        return np.concatenate(parts)
    columns = 0
    if isinstance(model, FROM):
        columns = model.config.embedding_size
    elif isinstance(model, OnnxModel):
        columns = model.embedding_size
    return np.empty((0, columns), np.float32)


def embedding_batches(
    model: Model,
    images: Iterable[UInt8],
    *,
    flip: bool = False,
    normalise: bool = False,
    batch_size: int = 64,
    device: str | torch.device | None = None,
) -> Iterator[Float32]:
    """Yield the embeddings (n, E) of one batch after the other; as `embed_images`."""
    if batch_size < 1:
        raise InputError(f"batch_size must be at least 1, got {batch_size}")
    images = iter(images)
    training = isinstance(model, FROM) and model.training
    size: tuple[int, int]
    if isinstance(model, FROM):
        size = model.config.height, model.config.width
        model.eval()
        if device is not None:
            model.to(device)
    elif isinstance(model, OnnxModel):
        size = model.height, model.width
    else:  # as large as the first image
        first = [np.asarray(image) for image in itertools.islice(images, 1)]
        shape = first[0].shape if first and first[0].ndim in (3, 4) else (1, 1, 3)
        size = shape[-3], shape[-2]
        images = itertools.chain(first, images)
    try:
        for batch in _batches(images, size, batch_size):
            embedding = _forward(model, batch)
            if flip:
                embedding += _forward(model, batch[:, :, ::-1].copy())
            if normalise:
                embedding /= np.maximum(np.linalg.norm(embedding, axis=1, keepdims=True), 1e-12)
            yield embedding
    finally:
        if isinstance(model, FROM):
            model.train(training)


def _forward(model: Model, pixels: UInt8) -> Float32:
    """Return embeddings of uint8 pixels (N, H, W, 3)."""
    if isinstance(model, OnnxModel):
        images = to_nchw(torch.from_numpy(pixels)).contiguous().numpy()
        return model.run(images)[0].astype(np.float32)
    if not isinstance(model, FROM):
        rows = np.array(model(pixels), np.float32)
        if rows.ndim != 2 or len(rows) != len(pixels):
            raise InputError(
                f"the model must return one row an image: {len(pixels)}, got shape {rows.shape}"
            )
        return rows
    weight = model.fc[2].weight
    with torch.inference_mode():
        batch = torch.from_numpy(pixels).to(weight.device)  # type: ignore[arg-type]
        return model.embed(to_nchw(batch, weight.dtype)).float().cpu().numpy()  # type: ignore[arg-type]


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
