"""From embeddings to results: pairs scored, probes ranked, intervals drawn; no torch."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from occgen.errors import DataError, InputError

from .embedding_store import EmbeddingStore
from .eval_config import EvalConfig
from .identification import (
    OpenSetPoint,
    Ranks,
    cmc,
    megaface_ranks,
    open_set_rates,
    rank_probes,
)
from .intervals import Interval, PairWeights
from .metrics import fold_decisions, verification_report
from .models import Embedder
from .pairs import Pairs
from .protocols import Faces, IdentificationTask, VerificationTask
from .results import IdentificationResult, VerificationResult

__all__ = ["identify", "pair_scores", "pair_weights", "trial_weights", "verify"]

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]

_MISTAKEN = 100  # kept of the probes found as another person


def pair_scores(first: NDArray[np.float32], second: NDArray[np.float32]) -> Float64:
    """Return the cosine of each row of one array with that of another, float64 (N,).

    An embedding of zeros has cosine 0 with any other.
    """
    a, b = first.astype(np.float64), second.astype(np.float64)
    length = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return np.einsum("nd,nd->n", a, b) / np.maximum(length, 1e-30)


def verify(
    store: EmbeddingStore,
    number: int,
    model: Embedder,
    group: list[VerificationTask],
    config: EvalConfig,
) -> tuple[VerificationResult, int]:
    """Return what a model makes of pairs, one task an occlusion seed, and how many were left out.

    Parameters
    ----------
    store : EmbeddingStore
        With everything embedded.
    number : int
        Of the model in the store.
    model : Embedder
    group : list of VerificationTask
        Of one name.
    config : EvalConfig

    Raises
    ------
    DataError
        When no pair has both pictures.
    """
    whole = group[0].pairs
    usable = np.array(
        [a not in store.failed and b not in store.failed for a, b in _keys(whole)], np.bool_
    )
    pairs = whole if usable.all() else whole.keep(usable)
    if not len(pairs):
        raise DataError(f"{group[0].name}: of {len(whole)} pairs none has both pictures")
    reports, scores, correct, coverage = [], [], [], []
    for task in group:
        first = store.take(number, task.first, pairs.keys_a, task.occlude_first, config.flip)
        second = store.take(number, task.second, pairs.keys_b, task.occlude_second, config.flip)
        score = pair_scores(first, second)
        reports.append(
            verification_report(
                score,
                pairs.same,
                fars=config.fars,
                folds=config.folds,
                fold_indices=pairs.folds,
            )
        )
        right, _, _ = fold_decisions(score, pairs.same, config.folds, fold_indices=pairs.folds)
        scores.append(score)
        correct.append(right)
        if task.occlude_second is not None:
            coverage.append(
                store.coverage(task.second, pairs.keys_b, task.occlude_second, config.flip)
            )
    accuracy_interval: Interval | None = None
    tar_intervals: tuple[Interval | None, ...] = ()
    if config.resamples:
        weights = pair_weights(pairs, config)
        accuracy_interval = weights.mean(correct[0])
        tar_intervals = tuple(weights.tar_at_far(scores[0], config.fars))
    settings = {key: value for key, value in group[0].settings.items() if key != "seed"}
    found = VerificationResult(
        name=group[0].name,
        condition=group[0].condition,
        model=model.name,
        settings=settings,
        seeds=tuple(task.settings["seed"] for task in group if "seed" in task.settings),
        reports=tuple(reports),
        accuracy_interval=accuracy_interval,
        tar_intervals=tar_intervals,
        pairs=pairs,
        scores=np.stack(scores),
        correct=np.stack(correct),
        coverage=np.stack(coverage) if coverage else None,
    )
    return found, int((~usable).sum())


def _keys(pairs: Pairs) -> Any:
    return zip(pairs.keys_a, pairs.keys_b, strict=True)


def pair_weights(pairs: Pairs, config: EvalConfig) -> PairWeights:
    """Return the bootstrap over the people of a list of pairs."""
    return PairWeights(*pairs.people(), pairs.same, resamples=config.resamples, seed=config.seed)


def trial_weights(people: Int64, config: EvalConfig) -> PairWeights:
    """Return the bootstrap over the people of identification trials (T,)."""
    genuine = np.ones(len(people), np.bool_)
    return PairWeights(people, people, genuine, resamples=config.resamples, seed=config.seed)


def identify(
    store: EmbeddingStore,
    number: int,
    model: Embedder,
    group: list[IdentificationTask],
    config: EvalConfig,
) -> tuple[IdentificationResult, int]:
    """Return how well a model finds probes, one task an occlusion seed, and how many were left out.

    Parameters
    ----------
    store, number, model, group, config
        As for `verify`.

    Raises
    ------
    DataError
        When no probe, or no gallery picture, is left; or nobody has a mate.
    """
    trials = [_trials(store, number, task, config) for task in group]
    first, last = trials[0], trials[-1]
    rows = last.owners.tolist()
    _, person = np.unique(np.asarray(last.people)[last.owners], return_inverse=True)
    low, high = _cmc_interval(first.ranks, person, last.longest, config)
    coverage = [found.coverage for found in trials if found.coverage is not None]
    result = IdentificationResult(
        name=group[0].name,
        model=model.name,
        settings={key: value for key, value in group[0].settings.items() if key != "seed"},
        seeds=tuple(task.settings["seed"] for task in group if "seed" in task.settings),
        num_probes=len(last.keys),
        num_mated=last.num_mated,
        num_gallery=last.num_gallery,
        num_trials=len(rows),
        cmc=np.stack([cmc(found.ranks, found.longest) for found in trials]),
        cmc_low=low,
        cmc_high=high,
        open_set=tuple(found.open_set for found in trials if found.open_set),
        keys=tuple(last.keys[row] for row in rows),
        people=person,
        correct=np.stack([found.ranks == 1 for found in trials]),
        coverage=np.stack(coverage) if coverage else None,
        mistaken=first.mistaken,
    )
    return result, len(group[-1].probes.keys) - len(last.keys)


class _Trials(NamedTuple):
    """What one task gave; a trial is a probe, by MegaFace's rule with one of its mates."""

    keys: list[str]
    """Of all probes."""
    people: list[str]
    """On all probes."""
    owners: Int64
    """Row of each trial's probe."""
    ranks: Int64
    longest: int
    """Largest rank that was looked for."""
    num_mated: int
    num_gallery: int
    coverage: Float64 | None
    """Of each trial's probe; None where nothing was pasted."""
    open_set: tuple[OpenSetPoint, ...] = ()
    mistaken: tuple[tuple[str, str, float], ...] = ()
    """Probe, picture taken for its person, score."""


def _trials(
    store: EmbeddingStore, number: int, task: IdentificationTask, config: EvalConfig
) -> _Trials:
    """Return the ranks of one task's probes."""
    kept = _usable(store, task.probes)
    if task.mates is not None:
        kept = sorted(set(kept) & set(_usable(store, task.mates)))
    probes, keys, people = _faces(store, number, task.probes, config, kept)
    gallery, enrolled_keys, enrolled = _faces(store, number, task.gallery, config)
    if not len(probes) or not len(gallery):
        raise DataError(f"{task.name}: no {'gallery' if len(probes) else 'probe'} is left")
    open_set: tuple[OpenSetPoint, ...] = ()
    mistaken: tuple[tuple[str, str, float], ...] = ()
    if task.megaface:
        mates = probes
        if task.mates is not None:
            mates, _, _ = _faces(store, number, task.mates, config, kept)
        ranks, owners = megaface_ranks(probes, mates, people, gallery, max_rank=config.max_rank)
        longest, num_mated = config.max_rank, len(np.unique(owners))
    else:
        found = rank_probes(probes, gallery, people, enrolled, max_rank=config.max_rank)
        owners = np.flatnonzero(found.mated)
        if not len(owners):
            raise DataError(f"{task.name}: nobody among the probes is in the gallery")
        ranks, longest, num_mated = found.ranks[owners], found.max_rank, len(owners)
        mistaken = _mistaken(found, owners[ranks != 1], keys, enrolled_keys)
        if not found.mated.all():
            open_set = open_set_rates(found, config.fars)
    coverage = None
    if task.probes.occlusion is not None and task.probes.source is not None:
        flip = config.flip if task.probes.flip is None else task.probes.flip
        share = store.coverage(task.probes.source, keys, task.probes.occlusion, flip)
        coverage = share[owners]
    return _Trials(
        keys=keys,
        people=people,
        owners=owners,
        ranks=ranks,
        longest=longest,
        num_mated=num_mated,
        num_gallery=len(gallery),
        coverage=coverage,
        open_set=open_set,
        mistaken=mistaken,
    )


def _mistaken(
    found: Ranks, wrong: Int64, keys: list[str], enrolled_keys: list[str]
) -> tuple[tuple[str, str, float], ...]:
    """Return the probes of some rows with the picture found first, the surest first."""
    wrong = wrong[np.argsort(-found.top_scores[wrong], kind="stable")][:_MISTAKEN]
    return tuple(
        (keys[row], enrolled_keys[found.top_rows[row]], float(found.top_scores[row]))
        for row in wrong.tolist()
    )


def _faces(
    store: EmbeddingStore,
    number: int,
    faces: Faces,
    config: EvalConfig,
    kept: Sequence[int] | None = None,
) -> tuple[Float32, list[str], list[str]]:
    """Return features, keys and people of some pictures, by default those that did not fail."""
    if kept is None:
        kept = _usable(store, faces)
    keys = [faces.keys[row] for row in kept]
    people = [faces.identities[row] for row in kept] if faces.identities else [""] * len(kept)
    if faces.features is not None:
        whole = len(kept) == len(faces.keys)
        return faces.features if whole else faces.features[list(kept)], keys, people
    if faces.source is None:
        raise InputError("faces need a source or features")
    flip = config.flip if faces.flip is None else faces.flip
    return store.take(number, faces.source, keys, faces.occlusion, flip), keys, people


def _usable(store: EmbeddingStore, faces: Faces) -> list[int]:
    if faces.features is not None:
        return list(range(len(faces.keys)))
    return [row for row, key in enumerate(faces.keys) if key not in store.failed]


def _cmc_interval(
    ranks: Int64, person: Int64, longest: int, config: EvalConfig
) -> tuple[Float64 | None, Float64 | None]:
    if not config.resamples:
        return None, None
    weights = trial_weights(person, config)
    found = [weights.mean((ranks > 0) & (ranks <= rank)) for rank in range(1, longest + 1)]
    return np.array([i.low for i in found]), np.array([i.high for i in found])
