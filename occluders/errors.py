"""Errors raised on purpose by the occluder library."""

__all__ = ["OccluderDataError", "OccluderError", "OccluderInputError"]


class OccluderError(Exception):
    """Root of every error the occluder layer raises on purpose."""


class OccluderInputError(OccluderError, ValueError):
    """A wrong argument: category, size, seed or option."""


class OccluderDataError(OccluderError):
    """A file or folder of a library that cannot be used, named with what is wrong."""
