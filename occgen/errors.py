"""Errors raised on purpose; the command line turns each into one line and an exit code."""

__all__ = [
    "CheckpointError",
    "ColumnError",
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


class ColumnError(ShardError):
    """A column of a shard that is not of the form a shard has.

    Parameters
    ----------
    where : object
        The file.
    field : str
        The column.
    problem : str
        What is wrong with it, to be read behind its name.
    row : int, optional
        Of the face, where it is one face's.
    """

    def __init__(self, where: object, field: str, problem: str, row: int | None = None) -> None:
        super().__init__(str(where), field, problem, row)  # all of them, to be pickled
        self.field, self.problem, self.row = field, problem, row

    def __str__(self) -> str:
        of_row = "" if self.row is None else f" of row {self.row}"
        return f"{self.args[0]}: {self.field}{of_row} {self.problem}"


class SchemaError(ShardError):
    """A set of another version of occgen: whole, as far as can be told, and not to be read here."""


class CheckpointError(OccgenError):
    """A model file that is damaged, of the wrong kind or does not fit the network."""
