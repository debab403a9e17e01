"""Errors raised on purpose; the command line turns each into one line and an exit code."""

__all__ = [
    "CheckpointError",
    "DataError",
    "InputError",
    "OccgenError",
    "SchemaError",
    "ShardError",
]


class OccgenError(Exception):
    """Root of every error occgen and frommodel raise on purpose."""


class InputError(OccgenError, ValueError):
    """A wrong argument, shape, option, configuration value or path given by the caller."""


class DataError(OccgenError):
    """A file or data set that cannot be read as what it should be."""


class ShardError(OccgenError):
    """A build, shard or manifest that is damaged, incomplete or locked."""


class SchemaError(ShardError):
    """A set of another version of occgen: whole, as far as can be told, and not to be read here."""


class CheckpointError(OccgenError):
    """A model file that is damaged, of the wrong kind or does not fit the network."""
