"""Table 1: operations and parameters, the paper's networks and those trained here."""

from ..config import ModelConfig
from ..flops import describe
from .cells import Cell, Table
from .experiments import EXPERIMENTS, training_config
from .plan import Plan
from .published import published_figure, published_rows
from .tables import TABLES

__all__ = ["size_table"]

_COLUMNS = ("GFLOPs", "parameters, M")


def size_table(plan: Plan) -> Table:
    """Return Table 1: the paper's layout built here, ours, and what was trained."""
    sizes = plan.config.sizes
    full = (("FROM, K = 5", ModelConfig()), ("FROM, K = 4", ModelConfig(k=4)))
    rows: dict[str, tuple[float, float]] = {}
    for label, model in full:
        found = describe(model)
        rows[label] = _numbers(found["published"])
        rows[f"{label}, without what never reaches the output"] = _numbers(found["ours"])
    if sizes.compact:
        for name in ("baseline", "from"):
            trained = training_config(EXPERIMENTS[name], sizes, plan.config.seed).model
            label = f"{EXPERIMENTS[name].title} trained here ({trained.backbone})"
            rows[label] = _numbers(describe(trained)["ours"])
    labels = (*rows, *(label for label in published_rows("1") if label not in rows))
    cells = tuple(
        tuple(
            Cell(
                values=(rows[label][place],) if label in rows else (),
                published=published_figure("1", label, column),
            )
            for place, column in enumerate(_COLUMNS)
        )
        for label in labels
    )
    return Table(spec=TABLES["1"], headings=_COLUMNS, labels=labels, cells=cells)


def _numbers(size: dict[str, float]) -> tuple[float, float]:
    return size["flops"] / 1e9, size["parameters"] / 1e6
