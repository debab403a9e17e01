"""Files of `torch.save`: tensors and plain values alone, no more of them than a file holds."""

import pickletools
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import torch
from torch import Tensor

__all__ = ["load_torch_file"]

_LONGEST_NAME = 500
_PICKLES = 5  # in a file of before torch 1.6: mark, version, machine, content, keys
_DEEPEST = 50  # of lists and mappings in one another


def load_torch_file(path: Path) -> Any:
    """Return what a file of `torch.save` holds, on the CPU; code in it is refused, never run.

    Raises
    ------
    OSError
        When it cannot be read.
    ValueError
        When it is compressed, or one number in it stands for many: it would outgrow the memory.
    Exception
        Anything else for a damaged file: torch's unpickler meets arbitrary bytes.
    """
    size = path.stat().st_size
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
                raise ValueError("it is compressed, which torch.save never does")
            for entry in entries:
                if entry.filename.endswith("data.pkl"):
                    with archive.open(entry) as stream:
                        _check_names(stream, 1)
    else:
        with open(path, "rb") as file:
            _check_names(file, _PICKLES)
    content = torch.load(path, map_location="cpu", weights_only=True)
    for tensor in _tensors(content, 0, set()):
        held = tensor.untyped_storage().nbytes() if not tensor.is_sparse else 0
        if tensor.numel() * tensor.element_size() > min(held, size):
            raise ValueError(f"a tensor {tuple(tensor.shape)} is made of fewer numbers")
    return content


def _check_names(stream: IO[bytes], pickles: int) -> None:
    """Raise ValueError where a pickle names something at length: torch would search it for hours.

    What it refuses goes into a message, and torch looks through that with an expression whose time
    grows with the square of the name.
    """
    names: list[str] = []
    try:
        for _ in range(pickles):
            for code, argument, _ in pickletools.genops(stream):
                if code.name == "GLOBAL":
                    names.append(str(argument))
    except UnicodeDecodeError as error:
        raise ValueError("it is no checkpoint: it names something that is no text") from error
    except Exception:  # it ends early, or is damaged there: torch stops there too
        pass
    if any(len(name) > _LONGEST_NAME for name in names):
        raise ValueError("it is no checkpoint: it names something at great length")


def _tensors(content: Any, depth: int, seen: set[int]) -> Iterator[Tensor]:
    if isinstance(content, Tensor):
        yield content
    elif isinstance(content, (dict, list, tuple)) and id(content) not in seen:
        if depth > _DEEPEST:
            raise ValueError(f"it is more than {_DEEPEST} lists deep")
        seen.add(id(content))
        for part in content.values() if isinstance(content, dict) else content:
            yield from _tensors(part, depth + 1, seen)
