"""What a finished set looks like on disk, one file a format."""

import importlib

from ..errors import InputError
from .base import ShardFormat, StoredShard

__all__ = ["ShardFormat", "StoredShard", "open_format"]

_CLASSES = {
    "hdf5": "Hdf5Format",
    "folder": "FolderFormat",
    "webdataset": "WebDatasetFormat",
    "rec": "RecFormat",
    "parquet": "ParquetFormat",
}


def open_format(name: str) -> ShardFormat:
    """Return the format of a name, one of `occgen.config.FORMATS`.

    Raises
    ------
    InputError
        When there is none of that name.
    """
    if name not in _CLASSES:
        raise InputError(f"format must be one of {', '.join(_CLASSES)}, got {name!r}")
    module = importlib.import_module(f".{name}", __name__)
    form: ShardFormat = getattr(module, _CLASSES[name])()
    return form
