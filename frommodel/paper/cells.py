"""A finished table: figures over seeds, the paper's beside them, rows compared in pairs."""

from dataclasses import dataclass

import numpy as np

from .table_spec import TableSpec

__all__ = ["Cell", "Difference", "Table"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """A figure of a table.

    Parameters
    ----------
    values : tuple of float
        In percent, one a seed; empty where there is none.
    published : float or None
        The paper's.
    reason : str
        Why there is none.
    """

    values: tuple[float, ...] = ()
    published: float | None = None
    reason: str = ""

    @property
    def mean(self) -> float | None:
        """Over the seeds."""
        return float(np.mean(self.values)) if self.values else None

    @property
    def spread(self) -> float | None:
        """Standard deviation over the seeds, n - 1; None for one seed."""
        return float(np.std(self.values, ddof=1)) if len(self.values) > 1 else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """A row against the table's reference on the same pairs.

    Parameters
    ----------
    row, against, column : str
    mean : float
        Points of percent, over the seeds.
    spread : float or None
        Of the differences of the seeds.
    low, high : float
        95 % interval by the bootstrap over people, of the mean over the seeds.
    p_value : float or None
        McNemar's, of the first seed; None for a mean over conditions.
    seeds : int
    statement : str
    """

    row: str
    against: str
    column: str
    mean: float
    spread: float | None
    low: float
    high: float
    p_value: float | None
    seeds: int
    statement: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """A finished table.

    Parameters
    ----------
    spec : TableSpec
    headings : tuple of str
    labels : tuple of str
    cells : tuple of tuple of Cell
    differences : tuple of Difference
    notes : tuple of str
    """

    spec: TableSpec
    headings: tuple[str, ...]
    labels: tuple[str, ...]
    cells: tuple[tuple[Cell, ...], ...]
    differences: tuple[Difference, ...] = ()
    notes: tuple[str, ...] = ()
