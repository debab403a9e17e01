"""The work: one training, or one model's tests; each is kept by digest and never done twice."""

import base64
import json
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from occgen.atomic import make_folder, replacing_bytes
from occgen.errors import CheckpointError, DataError
from occgen.patterns import PatternGrid

from ..embedding_store import EmbeddingStore
from ..explain import explain_images, pattern_scores
from ..models import Embedder, open_model
from ..network import FROM
from ..protocols import Task, VerificationTask
from ..results import IdentificationResult, VerificationResult
from ..runs import RECORD, STATE
from ..scoring import identify, verify
from ..train import RunOptions, TrainProgress, train
from ..training_data import TrainingData
from .conditions import CONDITIONS
from .data import PaperData
from .plan import Plan, Run, Subject

__all__ = [
    "FAILED",
    "FINISHED",
    "pack_bits",
    "score_model",
    "train_run",
    "unpack_bits",
    "unpack_numbers",
]

FINISHED, FAILED = "finished.json", "failed.json"
Tell = Callable[[str], None]

_TELL_EVERY_S = 20.0
_PATTERN_CONDITIONS = ("occ-1.0", "occ-2.0", "occ-3.0")
_SIZE = (112, 96)


def train_run(plan: Plan, run: Run, tell: Tell, alone: bool = True) -> None:
    """Train a run to its end, going on where an earlier call was ended.

    Parameters
    ----------
    plan : Plan
    run : Run
    tell : callable
        Given a line now and then.
    alone : bool, optional
        Whether it has the machine to itself; else it keeps to one thread.

    Notes
    -----
    ``finished.json`` says that it is done, ``failed.json`` that its loss was no number any more.
    """
    if (run.folder / FINISHED).is_file() or (run.folder / FAILED).is_file():
        return
    data = plan.data
    if "train" in data.named:
        dataset, root = data.named["train"]
        faces = TrainingData(data=(dataset,), roots=(root,))
    else:
        places = (str(data.tree(part)) for part in ("train", "validate"))
        faces = TrainingData(data=(next(places),), validate=next(places), cache=True)
    mixture, validation = faces.open(run.seed)
    last = time.monotonic()

    def progress(p: TrainProgress) -> None:
        nonlocal last
        if time.monotonic() - last >= _TELL_EVERY_S:
            last = time.monotonic()
            tell(
                f"{run.title}: epoch {p.epoch}/{p.epochs}, loss {p.result.loss:.2f}, "
                f"{p.images_per_s:.0f} images/s, {p.left_s:.0f} s left"
            )

    options = RunOptions(workers=1) if alone else RunOptions(workers=0, threads=1)
    make_folder(run.folder)
    try:
        report = train(
            run.config,
            mixture,
            run.folder,
            validation=validation,
            options=options,
            resume=(run.folder / RECORD).is_file(),
            record={"data": faces.to_dict(), "digest": run.digest},
            on_progress=progress,
        )
    except CheckpointError as error:
        if "no number" not in str(error):
            raise
        _write(run.folder / FAILED, {"reason": str(error)})
        tell(f"{run.title}: failed: {error}")
        return
    scores = report.scores
    record = {
        "digest": run.digest,
        "steps": report.steps,
        "images_per_s": round(report.images_per_s, 1),
        "elapsed_s": round(report.elapsed_s, 1),
        "cores": 0 if alone else 1,
        "validation": None if scores is None else {"clean": scores.clean, "2.0": scores.occluded},
    }
    _write(run.folder / FINISHED, record)
    if run.experiment.init is not None:  # nobody starts from it, and it is half of the bytes
        (run.folder / STATE).unlink(missing_ok=True)
    tell(f"{run.title}: trained in {report.elapsed_s:.0f} s, {report.images_per_s:.0f} images/s")


def score_model(plan: Plan, subject: Subject, tell: Tell, alone: bool = True) -> None:
    """Test a model under the conditions whose figures are not there yet.

    Parameters
    ----------
    plan, subject, tell, alone
        As for `train_run`.
    """
    conditions = plan.missing_conditions(subject)
    if not conditions:
        return
    if (subject.model / FAILED).is_file():
        return
    began = time.monotonic()
    if not alone:
        import torch

        torch.set_num_threads(1)
    model = open_model(subject.model)
    if subject.threshold is not None:
        model.network.mask_threshold = subject.threshold  # type: ignore[union-attr]
    data, config = plan.data, plan.data.evaluation
    size = _SIZE if model.size is None or model.size == _SIZE else None
    store = EmbeddingStore([model], size=size, workers=2 if alone else 1, allow_missing=True)
    planned: dict[str, dict[str, Task]] = {name: data.tasks(name) for name in conditions}
    for tasks in planned.values():
        for task in tasks.values():
            _ask(store, task)
    last = time.monotonic()

    def progress(done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last >= _TELL_EVERY_S:
            last = time.monotonic()
            tell(f"{subject.title}: {done} of {total} embeddings")

    store.embed(progress)
    make_folder(subject.folder)
    for name, tasks in planned.items():
        tests: dict[str, Any] = {}
        for title, task in tasks.items():
            if isinstance(task, VerificationTask):
                verified, lost = verify(store, 0, model, [task], config)
                tests[title] = {**_verified(verified), "left_out": lost}
            else:
                found, lost = identify(store, 0, model, [task], config)
                tests[title] = {**_found(found), "left_out": lost}
        if name in _PATTERN_CONDITIONS and subject.threshold is None:
            scored = _patterns(data, model, name)
            if scored is not None:
                tests["patterns"] = scored
        path = plan.test_file(subject, name)
        _write(path, {"condition": name, "subject": subject.title, "tests": tests})
    tell(
        f"{subject.title}: tested under {len(conditions)} conditions, {store.count} pictures, "
        f"in {time.monotonic() - began:.0f} s"
    )


def _ask(store: EmbeddingStore, task: Task) -> None:
    if isinstance(task, VerificationTask):
        store.ask(task.first, task.pairs.keys_a, task.occlude_first)
        store.ask(task.second, task.pairs.keys_b, task.occlude_second)
        return
    for faces in (task.probes, task.gallery, task.mates):
        if faces is not None and faces.source is not None:
            store.ask(faces.source, faces.keys, faces.occlusion, bool(faces.flip))


def _verified(result: VerificationResult) -> dict[str, Any]:
    report = result.reports[0]
    return {
        "kind": "verification",
        "pairs": len(result.pairs),
        "accuracy": report.accuracy,
        "exact_accuracy": report.exact_accuracy,
        "equal_error_rate": report.equal_error_rate,
        "area_under_curve": report.area_under_curve,
        "tar": report.points[0].tar,
        "far": report.points[0].far,
        "false_accepts_allowed": int(report.num_impostor * report.points[0].far),
        "coverage": None if result.coverage is None else result.mean_coverage,
        "correct": pack_bits(result.correct[0]),
        "people": [_pack_numbers(people) for people in result.pairs.people()],
        "same": pack_bits(result.pairs.same),
    }


def _found(result: IdentificationResult) -> dict[str, Any]:
    return {
        "kind": "identification",
        "trials": result.num_trials,
        "probes": result.num_probes,
        "gallery": result.num_gallery,
        "rank_1": result.rank_over_seeds(1)[0],
        "coverage": None if result.coverage is None else result.mean_coverage,
        "correct": pack_bits(result.correct[0]),
        "people": [_pack_numbers(result.people)],
    }


def _patterns(data: PaperData, model: Embedder, name: str) -> dict[str, Any] | None:
    """Return how a network's predicted patterns agree with the true ones."""
    network = model.network
    if not isinstance(network, FROM) or network.config.predictor != "classification":
        return None
    occlusion = data.occlusion(CONDITIONS[name])
    if occlusion is None:
        return None
    keys = list(dict.fromkeys(data.pairs["pairs"].keys_b))
    wanted = min(data.config.sizes.pattern_faces, len(keys))
    rows = np.unique(np.linspace(0, len(keys) - 1, wanted).astype(int)).tolist()
    size = (network.config.height, network.config.width)
    images, boxes = [], []
    for row in rows:
        try:
            face = occlusion.open(data.source, keys[row], size)
        except DataError:
            continue
        images.append(face.image)
        boxes.append(face.box)
    found = explain_images(network, images)
    assert found.patterns is not None
    grid = PatternGrid(network.config.k, *size)
    pasted = np.array(boxes, np.int64).reshape(-1, 4)
    scores = pattern_scores(found.patterns, grid.label_boxes(pasted), grid, pasted)
    return {
        "kind": "patterns",
        "faces": scores.images,
        "k": network.config.k,
        "pattern_accuracy": scores.accuracy,
        "iou": scores.iou,
        "within_tie": scores.within_tie,
    }


def pack_bits(values: NDArray[np.bool_]) -> dict[str, Any]:
    """Return a list of truths as text for JSON."""
    packed = zlib.compress(np.packbits(values).tobytes())
    return {"count": len(values), "bits": base64.b64encode(packed).decode()}


def unpack_bits(packed: dict[str, Any]) -> NDArray[np.bool_]:
    """Return what `pack_bits` took."""
    data = np.frombuffer(zlib.decompress(base64.b64decode(packed["bits"])), np.uint8)
    return np.unpackbits(data, count=int(packed["count"])).astype(np.bool_)


def _pack_numbers(values: NDArray[np.int64]) -> str:
    return base64.b64encode(zlib.compress(values.astype("<i4").tobytes())).decode()


def unpack_numbers(text: str) -> NDArray[np.int64]:
    """Return the numbers that stand for people."""
    return np.frombuffer(zlib.decompress(base64.b64decode(text)), "<i4").astype(np.int64)


def _write(path: Path, record: dict[str, Any]) -> None:
    replacing_bytes(path, (json.dumps(record, indent=1) + "\n").encode("utf-8"))
