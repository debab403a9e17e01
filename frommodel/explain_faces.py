"""Faces with what a network predicts of them, as a sheet; a set's labels beside predictions."""

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from occgen.atomic import replacing_bytes
from occgen.codec import decode_image, encoder
from occgen.config import BuildConfig
from occgen.engine import open_library
from occgen.errors import DataError, InputError
from occgen.manifest import MANIFEST
from occgen.patterns import PatternGrid
from occgen.preview import Tile, contact_sheet, html_page
from occgen.reader import open_shards
from occgen.sources import open_source
from occgen.synthesis import occlude_face

from .explain import Explanation, PatternScores, explain_images, pattern_scores
from .explain_plots import confusion_plot, face_tiles, save_figure
from .models import open_model
from .network import FROM

__all__ = ["explain_confusion", "explain_faces"]

UInt8 = NDArray[np.uint8]
Box = tuple[int, int, int, int]

_DEMO = "x1@1"  # people of another seed than those trained on
_BATCH = 512


class _Face(NamedTuple):
    name: str
    image: UInt8
    box: Box | None
    """What was pasted; None where nobody knows."""


def explain_faces(
    paths: Sequence[str],
    model: str,
    out: Path,
    *,
    occlude: str | None = None,
    count: int = 24,
    channels: Sequence[int] | None = None,
    columns: int = 8,
    seed: int = 100,
) -> dict[str, Any]:
    """Draw predicted patterns and masks on faces, and return what was predicted.

    Parameters
    ----------
    paths : sequence of str
        Pictures, folders, finished sets, or 'demo'.
    model : str
        As `open_model` takes it; a FROM network.
    out : Path
        ``.png`` or ``.html``.
    occlude : str, optional
        Scale of Algorithm 1 to paste an occluder by first.
    count : int, optional
        Faces in all, spread evenly over each path.
    channels, columns, seed
        Of the mask; tiles a row; of the occlusion.

    Returns
    -------
    dict
        ``faces``: name, pattern, confidence, box, true pattern; and `PatternScores` where true
        boxes are known.

    Raises
    ------
    InputError
        When a path is nothing that can be read, or the model has no masks.
    """
    if out.suffix.lower() not in (".png", ".html"):
        raise InputError(f"{out}: a sheet's name ends in .png or .html")
    network = _network(model)
    share = -(-count // len(paths))
    faces = [face for path in paths for face in _open(path, share)][:count]
    size = (network.config.height, network.config.width)
    faces = [_fitted(face, size) for face in faces]
    if occlude is not None:
        faces = _occluded(faces, occlude, seed)
    found = explain_images(network, [face.image for face in faces], channels=channels)
    grid = PatternGrid(network.config.k, *size)
    labels, scores = _against_truth(faces, found, grid)
    notes = ["cyan: the pattern predicted; yellow: the true box; beside it the mask"]
    record: dict[str, Any] = {"model": model, "faces": _predictions(faces, found, labels)}
    if scores is not None:
        record |= {"scored": scores.images, **_plain(scores)}
        notes.append(
            f"{scores.accuracy:.0%} of patterns right, mean IoU with the true one {scores.iou:.2f}"
        )
    drawn = [face.box if face.box and face.box[2] else None for face in faces]
    tiles = face_tiles(found, [face.name for face in faces], drawn, labels)
    _write_sheet(out, tiles, f"What {Path(model).name} sees", notes, columns)
    return record


def _against_truth(
    faces: Sequence[_Face], found: Explanation, grid: PatternGrid
) -> tuple[list[int | None], PatternScores | None]:
    """Return the true pattern of each face, and how well those known were predicted."""
    known = [row for row, face in enumerate(faces) if face.box is not None]
    boxes = np.array([faces[row].box for row in known], np.int64).reshape(-1, 4)
    true = grid.label_boxes(boxes)
    labels: list[int | None] = [None] * len(faces)
    for row, label in zip(known, true.tolist(), strict=True):
        labels[row] = label
    if not known or found.patterns is None:
        return labels, None
    return labels, pattern_scores(found.patterns[known], true, grid, boxes)


def _predictions(
    faces: Sequence[_Face], found: Explanation, labels: Sequence[int | None]
) -> list[dict[str, Any]]:
    return [
        {
            "name": face.name,
            "pattern": None if found.patterns is None else int(found.patterns[row]),
            "confidence": None if found.confidence is None else float(found.confidence[row]),
            "box": found.boxes[row].tolist(),
            "true_pattern": labels[row],
        }
        for row, face in enumerate(faces)
    ]


def _write_sheet(
    out: Path, tiles: Sequence[Tile], title: str, notes: list[str], columns: int
) -> None:
    if out.suffix.lower() == ".html":
        data = html_page(tiles, title, notes).encode("utf-8")
    else:
        sheet = contact_sheet(tiles, title, notes, columns=columns)
        data = encoder("png", 100)(np.ascontiguousarray(sheet))
    replacing_bytes(out, data)


def explain_confusion(path: Path, model: str, out: Path, limit: int | None) -> dict[str, Any]:
    """Compare predicted patterns with the labels of a finished set; draw or list the confusion.

    Parameters
    ----------
    path : Path
        Of the set.
    model : str
        A FROM network that classifies.
    out : Path
        ``.png``, ``.svg``, ``.pdf``, or ``.csv`` with true, predicted, count.
    limit : int or None
        Faces looked at, from the first.

    Returns
    -------
    dict
        `PatternScores` without its matrix, and ``k``.
    """
    network = _network(model)
    if network.config.predictor != "classification":
        raise InputError(f"{model} regresses boxes; confusion is of patterns")
    shards = open_shards(path)
    total = min(len(shards), limit or len(shards))
    size = (network.config.height, network.config.width)
    grid = PatternGrid(network.config.k, *size)
    predicted: list[NDArray[np.int64]] = []
    boxes: list[Box] = []
    for start in range(0, total, _BATCH):
        rows = [
            _fitted(_Face(sample.key, sample.image, sample.box), size)
            for sample in (shards[row] for row in range(start, min(start + _BATCH, total)))
        ]
        found = explain_images(network, [row.image for row in rows])
        assert found.patterns is not None
        predicted.append(found.patterns)
        boxes += [row.box or (0, 0, 0, 0) for row in rows]
    pasted = np.array(boxes, np.int64)
    ours = np.concatenate(predicted)
    scores = pattern_scores(ours, grid.label_boxes(pasted), grid, pasted)
    if out.suffix.lower() == ".csv":
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["true", "predicted", "count"])
        for true, guess in np.argwhere(scores.confusion).tolist():
            writer.writerow([true, guess, int(scores.confusion[true, guess])])
        replacing_bytes(out, text.getvalue().encode("utf-8"))
    else:
        save_figure(confusion_plot(scores.confusion, grid.k, Path(model).name), out)
    return {"k": grid.k, **_plain(scores)}


def _network(model: str) -> FROM:
    network = open_model(model).network
    if not isinstance(network, FROM):
        raise InputError(f"{model} is no FROM network: only those have masks and patterns")
    return network


def _open(path: str, count: int) -> Iterator[_Face]:
    """Yield faces of a path, spread evenly over what it holds."""
    place = Path(path)
    if path == "demo":
        source = open_source("demo", f"{count}{_DEMO}")
    elif (place / MANIFEST).is_file():
        shards = open_shards(place)
        for row in _spread(len(shards), count):
            sample = shards[row]
            yield _Face(sample.key, sample.image, sample.box)
        return
    elif place.is_dir():
        source = open_source("folder", path)
    elif place.is_file():
        try:
            yield _Face(place.name, decode_image(place.read_bytes()), None)
        except DataError as error:
            raise DataError(f"{path}: {error}") from error
        return
    else:
        raise InputError(f"{path}: no picture, folder or finished set, and not 'demo'")
    keys = [ref.key for ref in source.refs()]
    for row in _spread(len(keys), count):
        try:
            image = decode_image(source.read(keys[row]))
        except DataError as error:
            raise DataError(f"{path}/{keys[row]}: {error}") from error
        yield _Face(keys[row], image, None)


def _spread(length: int, count: int) -> list[int]:
    return np.unique(np.linspace(0, length - 1, min(count, length)).astype(int)).tolist()


def _fitted(face: _Face, size: tuple[int, int]) -> _Face:
    """Return a face as the network takes it: a 112x112 crop loses eight columns on each side."""
    cut = face.image.shape[1] - size[1]
    if face.image.shape[:2] != (112, 112) or size != (112, 96):
        return face
    box = face.box
    if box is not None and box[2] > box[0]:
        x0, x1 = (int(np.clip(x - cut // 2, 0, size[1])) for x in (box[0], box[2]))
        box = (x0, box[1], x1, box[3]) if x1 > x0 else (0, 0, 0, 0)
    return face._replace(image=np.ascontiguousarray(face.image[:, 8:104]), box=box)


def _occluded(faces: Sequence[_Face], scale: str, seed: int) -> list[_Face]:
    config = BuildConfig(dataset="folder", scale=scale, seed=seed)
    library = open_library("bundled")
    done = []
    for face in faces:
        made = occlude_face(face.image, library, config, face.name)
        done.append(face._replace(image=made.image, box=made.box))
    return done


def _plain(scores: PatternScores) -> dict[str, Any]:
    return {
        "images": scores.images,
        "accuracy": scores.accuracy,
        "iou": scores.iou,
        "within_tie": scores.within_tie,
        "clean_accuracy": scores.clean_accuracy,
    }
