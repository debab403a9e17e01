"""evaluate(): one protocol, one or more models, the same pictures for all."""

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from occgen.errors import InputError
from occgen.sources import Source

from .comparison import PairedComparison, compare_paired
from .crop_check import check_source
from .embedding_store import EmbeddingStore
from .eval_config import EvalConfig
from .failures import gather_failures
from .models import Embedder, open_model
from .pictures import Occlusion
from .protocols import Task, VerificationTask, find_protocol
from .results import Evaluation, ModelRecord, VerificationResult
from .scoring import identify, pair_weights, trial_weights, verify

__all__ = ["evaluate"]

_log = logging.getLogger(__name__)


def evaluate(
    models: Any,
    config: EvalConfig,
    on_progress: Callable[[int, int], None] | None = None,
    failures: int = 0,
) -> Evaluation:
    """Return what a protocol finds for one or more models.

    Parameters
    ----------
    models : Embedder, anything `open_model` takes, or a list of these
        With several the first is compared with each other one, on the same occluded pictures. An
        empty list goes with a protocol all of whose faces are features.
    config : EvalConfig
    on_progress : callable, optional
        Called with the embeddings done and their total.
    failures : int, optional
        Worst pairs of each kind, model and task whose pictures are kept, for a report.

    Returns
    -------
    Evaluation

    Raises
    ------
    InputError
        For a configuration that does not fit the data set, or data that are not there.
    DataError
        For pictures that are missing or cannot be used, unless `config.allow_missing`; and for
        lists that do not hold.
    CheckpointError
        For a model that cannot be read.
    """
    start = time.perf_counter()
    given = models if isinstance(models, list | tuple) else [models]
    spec = find_protocol(config.protocol, config.dataset)
    embedders = _distinct([open_model(model) for model in given])
    tasks = spec.plan(config)
    if not embedders:
        embedders = [_features_model(tasks)]
    store = EmbeddingStore(
        embedders,
        size=_size(config, embedders),
        batch_size=config.batch_size,
        workers=config.workers,
        allow_missing=config.allow_missing,
    )
    for task in tasks:
        _ask(store, task, config)
    warnings = _crop_warnings(tasks)
    store.embed(on_progress)
    for note in store.notes:
        warnings.append(note)
        _log.warning("%s", note)
    results: list[Any] = []
    left_out: dict[str, int] = {}
    for number, model in enumerate(embedders):
        for group in _grouped(tasks):
            score: Any = verify if isinstance(group[0], VerificationTask) else identify
            found, lost = score(store, number, model, group, config)
            results.append(found)
            if lost:
                left_out[group[0].name] = lost
    return Evaluation(
        config=config,
        protocol=spec.name,
        title=spec.title,
        reference=spec.reference,
        models=tuple(
            ModelRecord(name=model.name, digest=model.digest, size=model.size)
            for model in embedders
        ),
        results=tuple(results),
        comparisons=tuple(_compare(results, embedders, config)),
        failures=gather_failures(tasks, results, store.size, failures),
        missing=dict(store.failed),
        left_out=left_out,
        data={**_provenance(tasks, config, store), "crop_warnings": warnings},
        elapsed_s=time.perf_counter() - start,
    )


def _crop_warnings(tasks: Sequence[Task]) -> list[str]:
    """Return what is wrong with the alignment of each data set, and log it before the work."""
    pictures: dict[int, tuple[Source, dict[str, None]]] = {}
    for task in tasks:
        asked: list[tuple[Source | None, Sequence[str]]]
        if isinstance(task, VerificationTask):
            asked = [(task.first, task.pairs.keys_a), (task.second, task.pairs.keys_b)]
        else:
            groups = (task.probes, task.gallery, task.mates)
            asked = [(faces.source, faces.keys) for faces in groups if faces is not None]
        for source, keys in asked:
            if source is not None:
                pictures.setdefault(id(source), (source, {}))[1].update(dict.fromkeys(keys))
    warnings: list[str] = []
    for source, listed in pictures.values():
        found = check_source(source, list(listed))
        if found is not None and found.warning:
            where = getattr(source, "root", None) or source.dataset
            warnings.append(f"{where}: {found.warning}")
            _log.warning("%s", warnings[-1])
    return warnings


def _distinct(models: list[Embedder]) -> list[Embedder]:
    """Give models of one name numbers, so that tables can tell them apart."""
    seen: dict[str, int] = {}
    for model in models:
        seen[model.name] = seen.get(model.name, 0) + 1
        if seen[model.name] > 1:
            model.name = f"{model.name} ({seen[model.name]})"
    return models


def _features_model(tasks: Sequence[Task]) -> Embedder:
    """Return what stands for the model that made features before."""
    for task in tasks:
        if isinstance(task, VerificationTask) or not all(
            faces is None or faces.features is not None
            for faces in (task.probes, task.gallery, task.mates)
        ):
            raise InputError("a model is needed: these are pictures, not features (--model)")
    return Embedder(lambda images: images, name="features")


def _size(config: EvalConfig, models: Sequence[Embedder]) -> tuple[int, int] | None:
    """Return the size at which pictures are occluded; None is the source's."""
    if config.image_size == "source":
        return None
    if config.image_size != "model":
        height, width = (int(side) for side in config.image_size.split("x"))
        return height, width
    sizes = {model.size for model in models}
    if sizes == {(112, 96), (112, 112)}:
        return 112, 112  # of which the narrower one is cut
    return sizes.pop() if len(sizes) == 1 else None


def _ask(store: EmbeddingStore, task: Task, config: EvalConfig) -> None:
    if isinstance(task, VerificationTask):
        store.ask(task.first, task.pairs.keys_a, task.occlude_first, config.flip)
        store.ask(task.second, task.pairs.keys_b, task.occlude_second, config.flip)
        return
    for faces in (task.probes, task.gallery, task.mates):
        if faces is not None and faces.features is None and faces.source is not None:
            flip = config.flip if faces.flip is None else faces.flip
            store.ask(faces.source, faces.keys, faces.occlusion, flip)


def _grouped(tasks: Sequence[Task]) -> list[list[Any]]:
    """Return tasks of one name together: they differ in the occlusion's seed."""
    groups: dict[str, list[Any]] = {}
    for task in tasks:
        groups.setdefault(task.name, []).append(task)
    return list(groups.values())


def _compare(
    results: Sequence[Any], models: Sequence[Embedder], config: EvalConfig
) -> list[tuple[str, str, str, PairedComparison]]:
    """Return the first model against each other one, task by task."""
    found = []
    by_model = {
        model.name: {r.name: r for r in results if r.model == model.name} for model in models
    }
    names = list(by_model)
    for other in names[1:]:
        for task, one in by_model[names[0]].items():
            two = by_model[other][task]
            weights = None
            if config.resamples and isinstance(one, VerificationResult):
                weights = pair_weights(one.pairs, config)
            elif config.resamples:
                weights = trial_weights(one.people, config)
            paired = compare_paired(one.correct[0], two.correct[0], weights, (names[0], other))
            found.append((task, names[0], other, paired))
    return found


def _provenance(tasks: Sequence[Task], config: EvalConfig, store: EmbeddingStore) -> dict[str, Any]:
    """Return where the pictures came from and what was pasted on them."""
    sources: dict[int, Source] = {}
    occlusions: dict[str, Occlusion] = {}
    origins = []
    for task in tasks:
        if isinstance(task, VerificationTask):
            held = (task.first, task.second)
            pasted = (task.occlude_first, task.occlude_second)
            origins.append(task.pairs.origin)
        else:
            faces = [part for part in (task.probes, task.gallery, task.mates) if part is not None]
            held = tuple(part.source for part in faces)  # type: ignore[assignment]
            pasted = tuple(part.occlusion for part in faces)  # type: ignore[assignment]
        sources.update((id(source), source) for source in held if source is not None)
        occlusions.update((item.digest, item) for item in pasted if item is not None)
    manifests = [getattr(source, "manifest", None) for source in sources.values()]
    return {
        "dataset": config.dataset,
        "root": str(config.root or ""),
        "roots": sorted({str(getattr(source, "root", "")) for source in sources.values()} - {""}),
        "licence": sorted({source.licence for source in sources.values()}),
        "digests": sorted({str(made["digest"]) for made in manifests if made}),
        "pairs": sorted({Path(origin).name for origin in origins if origin}),
        "pictures": store.count,
        "image_size": "source" if store.size is None else f"{store.size[0]}x{store.size[1]}",
        "occluders": sorted(occlusions),
    }
