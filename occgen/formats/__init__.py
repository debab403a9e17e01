"""What a finished set looks like on disk, one file a format."""

from ..errors import InputError
from .base import ShardFormat, StoredShard

__all__ = ["ShardFormat", "StoredShard", "open_format"]


def open_format(name: str) -> ShardFormat:
    """Return the format of a name: 'hdf5' or 'folder'.

    Raises
    ------
    InputError
        When there is none of that name.
    """
    if name == "hdf5":
        from .hdf5 import Hdf5Format

        return Hdf5Format()
    if name == "folder":
        from .folder import FolderFormat

        return FolderFormat()
    raise InputError(f"format must be hdf5 or folder, got {name!r}")
