"""A network exported to ONNX, run by onnxruntime."""

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from occgen.errors import CheckpointError, InputError

from .config import ModelConfig

__all__ = ["METADATA_KEY", "OnnxModel"]

METADATA_KEY = "frommodel.config"

Float32 = NDArray[np.float32]


class OnnxModel:
    """An ONNX network of aligned crops, ours or another's.

    Parameters
    ----------
    path : path-like
        One input (N, 3, height, width) in [-1, 1]; the first output is the embedding (N, E).
    threads : int, optional
        Of the runtime; None leaves it the choice.

    Attributes
    ----------
    height, width, embedding_size : int
    output_names : tuple of str
    config : ModelConfig or None
        None in a file that `export_model` did not write.

    Raises
    ------
    InputError
        When there is no such file, or onnxruntime is not installed.
    CheckpointError
        When it is no ONNX network of that kind.
    """

    def __init__(self, path: str | os.PathLike[str], threads: int | None = None) -> None:
        file = Path(path)
        if not file.is_file():
            raise InputError(f"{file}: no such model")
        try:
            import onnxruntime
        except ImportError as error:
            raise InputError(f"{file}: needs onnxruntime (pip install onnxruntime)") from error
        self.path = file
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = threads or 0
        try:
            self._session = onnxruntime.InferenceSession(
                str(file), options, providers=onnxruntime.get_available_providers()
            )
        except Exception as error:  # the runtime's own classes, one a cause
            reason = (str(error).splitlines() or [""])[0][:120]
            raise CheckpointError(f"{file}: no ONNX network onnxruntime runs ({reason})") from error
        try:
            inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
            shape, embedding = list(inputs[0].shape), list(outputs[0].shape)
            self.output_names = tuple(output.name for output in outputs)
            self._input_name: str = inputs[0].name
        except (UnicodeDecodeError, IndexError) as error:
            raise CheckpointError(f"{file}: its inputs or outputs have no names") from error
        fixed = [*shape[1:], *embedding[1:]]
        if len(inputs) != 1 or len(shape) != 4 or len(embedding) != 2 or shape[1] != 3:
            raise CheckpointError(
                f"{file}: takes {shape} and gives {embedding}, not (N, 3, height, width) to (N, E)"
            )
        if not all(isinstance(side, int) for side in fixed):
            raise CheckpointError(f"{file}: only the batch may vary in size, got {shape}")
        _, self.height, self.width = shape[1:]
        self.embedding_size: int = embedding[1]
        self._fixed_batch = isinstance(shape[0], int)
        self.config = self._read_config(file)

    def _read_config(self, file: Path) -> ModelConfig | None:
        try:
            text = self._session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
        except UnicodeDecodeError as error:
            raise CheckpointError(f"{file}: its notes are no text ({error.reason})") from error
        if text is None:
            return None
        try:
            return ModelConfig.from_json(text)
        except InputError as error:
            raise CheckpointError(f"{file}: its configuration does not hold: {error}") from error

    def run(self, images: Float32) -> tuple[Float32, ...]:
        """Return all outputs for images (N, 3, height, width), float32 in [-1, 1].

        A network of fixed batch is run image by image.
        """
        if not self._fixed_batch:
            return tuple(self._run(images))
        rows: list[Any] = [self._run(images[i : i + 1]) for i in range(len(images))]
        return tuple(np.concatenate(column) for column in zip(*rows, strict=True))

    def _run(self, images: Float32) -> list[Any]:
        try:
            outputs: list[Any] = self._session.run(None, {self._input_name: images})
        except Exception as error:  # the runtime's own classes, one a cause
            reason = (str(error).splitlines() or [""])[0][:120]
            raise CheckpointError(f"{self.path}: the network fails ({reason})") from error
        return outputs
