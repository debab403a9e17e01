"""Memory that a worker frees and soon needs again stays with its process."""

import ctypes
import functools

__all__ = ["keep_freed_memory"]

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of glibc's mallopt
_KEPT = 256 << 20
_LARGEST = 32 << 20  # glibc takes no more


@functools.cache
def keep_freed_memory() -> bool:
    """Have the C library keep up to 256 MiB of freed memory, and say whether it does.

    Returns
    -------
    bool
        False where it is not glibc.

    Notes
    -----
    A shard is gathered, put into a file's bytes and written in blocks of many megabytes, which
    glibc by default gives back to the system each time: to be given them again, page by page and
    zeroed, took a twentieth of a build's time. The largest use does not grow.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):
        return False
    return bool(mallopt(_MMAP_THRESHOLD, _LARGEST) and mallopt(_TRIM_THRESHOLD, _KEPT))
