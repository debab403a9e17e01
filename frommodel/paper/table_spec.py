"""What a table is: its columns, its rows, and which of them are compared."""

from dataclasses import dataclass

__all__ = ["Column", "Row", "TableSpec"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """A figure of each row.

    Parameters
    ----------
    heading : str
        As in the paper where it has the column.
    test : str
        ``pairs`` (drawn or official), ``official``, ``faces`` (identification), ``patterns``, or of
        a protocol's data the name of its task.
    conditions : tuple of str
        The mean over several.
    figure : str
        ``accuracy``, ``tar``, ``rank_1``, ``pattern_accuracy``, ``iou``, ``within_tie``.
    """

    heading: str
    test: str
    conditions: tuple[str, ...]
    figure: str = "accuracy"


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """A model of a table.

    Parameters
    ----------
    label : str
        As in the paper where it has the row.
    run : str or None
        Of `EXPERIMENTS`; None where the paper alone has it.
    threshold : float or None
        At which masks are binarised.
    runs : tuple of (str, str)
        Other runs for some conditions.
    """

    label: str
    run: str | None
    threshold: float | None = None
    runs: tuple[tuple[str, str], ...] = ()

    def run_of(self, condition: str) -> str | None:
        """Return the run whose figure stands under a condition."""
        return dict(self.runs).get(condition, self.run)


@dataclass(frozen=True, kw_only=True, slots=True)
class TableSpec:
    """A table.

    Parameters
    ----------
    name : str
        ``1`` to ``11``, or a word.
    title : str
    columns : tuple of Column
    rows : tuple of Row
    against : str or None
        Label of the row that others are compared with, on `compared`.
    compared : tuple of str
        Headings.
    small : bool
        Asks again, in the small network, what another asks in the main one: left out where a
        preset has one network for all.
    """

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    against: str | None = None
    compared: tuple[str, ...] = ()
    small: bool = False
