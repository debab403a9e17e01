"""The pairs a model got most wrong, with the pictures it saw."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from occgen.sources import Source

from .pairs import Pairs
from .pictures import Occlusion, Resizing, read_pictures
from .protocols import Task, VerificationTask
from .results import Failure, IdentificationResult, VerificationResult

__all__ = ["gather_failures"]

UInt8 = NDArray[np.uint8]


def gather_failures(
    tasks: Sequence[Task],
    results: Sequence[Any],
    size: tuple[int, int] | None,
    count: int,
) -> dict[tuple[str, str], tuple[Failure, ...]]:
    """Return the worst pairs of each kind, by model and task.

    Parameters
    ----------
    tasks : sequence of Task
        Of the evaluation; of several occlusion seeds the first is shown.
    results : sequence of VerificationResult or IdentificationResult
    size : tuple of int or None
        At which pictures were occluded.
    count : int
        Of each kind; 0 gives none.

    Notes
    -----
    Genuine pairs of the lowest score and impostor pairs of the highest, among those decided
    wrongly, no picture twice; probes found as another person at the highest score.
    """
    if not count:
        return {}
    first: dict[str, Task] = {}
    for task in tasks:
        first.setdefault(task.name, task)
    found = {}
    for result in results:
        task = first[result.name]
        if isinstance(task, VerificationTask):
            failures = _of_pairs(task, result, size, count)
        else:
            failures = _of_probes(task, result, size, count)
        if failures:
            found[result.model, result.name] = failures
    return found


def _of_pairs(
    task: VerificationTask, result: VerificationResult, size: tuple[int, int] | None, count: int
) -> tuple[Failure, ...]:
    scores, wrong, same = result.scores[0], ~result.correct[0], result.pairs.same
    rows = []
    for kind, rising in (("rejected", True), ("accepted", False)):
        chosen = np.flatnonzero(wrong & (same == rising))
        order = np.argsort(scores[chosen] if rising else -scores[chosen], kind="stable")
        rows += [(kind, row) for row in _varied(chosen[order].tolist(), result.pairs, count)]
    keys_a = [result.pairs.keys_a[row] for _, row in rows]
    keys_b = [result.pairs.keys_b[row] for _, row in rows]
    seen_a = _pictures(task.first, keys_a, task.occlude_first, size)
    seen_b = _pictures(task.second, keys_b, task.occlude_second, size)
    return tuple(
        Failure(
            kind=kind,
            key_a=a,
            key_b=b,
            score=float(scores[row]),
            image_a=seen_a[a],
            image_b=seen_b[b],
        )
        for (kind, row), a, b in zip(rows, keys_a, keys_b, strict=True)
    )


def _varied(rows: Sequence[int], pairs: Pairs, count: int) -> list[int]:
    """Return the first rows that show no picture twice."""
    seen: set[str] = set()
    kept: list[int] = []
    for row in rows:
        keys = {pairs.keys_a[row], pairs.keys_b[row]}
        if len(kept) < count and not keys & seen:
            seen |= keys
            kept.append(row)
    return kept


def _of_probes(
    task: Any, result: IdentificationResult, size: tuple[int, int] | None, count: int
) -> tuple[Failure, ...]:
    if task.probes.source is None or task.gallery.source is None:
        return ()
    rows = result.mistaken[:count]
    probes = _pictures(task.probes.source, [row[0] for row in rows], task.probes.occlusion, size)
    enrolled = _pictures(
        task.gallery.source, [row[1] for row in rows], task.gallery.occlusion, size
    )
    return tuple(
        Failure(
            kind="mistaken",
            key_a=probe,
            key_b=other,
            score=score,
            image_a=probes[probe],
            image_b=enrolled[other],
        )
        for probe, other, score in rows
    )


def _pictures(
    source: Source, keys: Sequence[str], occlusion: Occlusion | None, size: tuple[int, int] | None
) -> dict[str, UInt8]:
    wanted = list(dict.fromkeys(keys))
    resizing = Resizing(None)
    return dict(read_pictures(source, wanted, size=size, occlusion=occlusion, resizing=resizing))
