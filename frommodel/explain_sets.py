"""t-SNE maps, pairs and whole sets: how a model tells people apart, and by which part of them."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from occgen.codec import decode_image
from occgen.config import BuildConfig
from occgen.engine import open_library
from occgen.errors import DataError, InputError
from occgen.sources import Source, open_source
from occgen.synthesis import occlude_face

from .data import cut_to_size
from .eval_config import EvalConfig
from .explain_plots import cell_plot, pair_plot, save_figure, tsne_plot
from .models import Embedder, open_model
from .pictures import read_pictures
from .protocols.verification import open_pairs, people_of
from .sensitivity import cell_accuracy, pair_sensitivity

__all__ = ["explain_cells", "explain_pair", "explain_tsne"]

UInt8 = NDArray[np.uint8]

_DEMO_SEED = 1  # people of another seed than those trained on


def explain_tsne(
    *,
    models: Sequence[str],
    out: Path,
    dataset: str = "demo",
    root: str | None = None,
    identities: int = 5,
    images: int = 20,
    occlude: str | None = None,
    seed: int = 100,
) -> None:
    """Draw t-SNE maps of the same faces by several models (Fig. 9).

    Parameters
    ----------
    models : sequence of str
    out : Path
    dataset, root : str
        People with at least `images` pictures are taken, in the order of the source.
    identities, images : int, optional
    occlude : str, optional
        Scale by which every second picture is occluded.
    seed : int, optional

    Raises
    ------
    InputError
        When there are not enough people with so many pictures.
    """
    opened = [open_model(model) for model in models]
    if dataset == "demo" and root is None:
        root = f"{identities}x{images}@{_DEMO_SEED}"
    source = open_source(dataset, root)
    source.check()
    people = [(name, keys) for name, keys in people_of(source) if len(keys) >= images]
    if len(people) < identities:
        raise InputError(
            f"{len(people)} people have {images} pictures or more where {identities} are wanted; "
            "ask for fewer --images or --identities"
        )
    keys = [key for _, found in people[:identities] for key in found[:images]]
    faces = [image for _, image in read_pictures(source, keys)]
    hidden = np.zeros(len(faces), np.bool_)
    if occlude is not None:
        config = BuildConfig(dataset="folder", scale=occlude, seed=seed)
        library = open_library("bundled")
        hidden[1::2] = True
        faces = [
            occlude_face(face, library, config, key).image if hide else face
            for face, key, hide in zip(faces, keys, hidden, strict=True)
        ]
    numbers = np.repeat(np.arange(identities), images)
    found = [model.embed(faces) for model in opened]
    save_figure(tsne_plot(found, numbers, hidden, [model.name for model in opened], seed), out)


def explain_pair(
    *, first: Path, second: Path, model: str, out: Path, k: int = 5, filling: str = "mean"
) -> dict[str, Any]:
    """Draw how a pair's score changes with each grid cell of the second picture hidden.

    Returns
    -------
    dict
        ``score`` and ``change`` (K x K).
    """
    opened = open_model(model)
    one, two = (_fitted(_read(path), opened) for path in (first, second))
    score, change = pair_sensitivity(opened, one, two, k, filling)
    save_figure(pair_plot(one, two, score, change, opened.name), out)
    return {"model": model, "score": score, "change": change.tolist()}


def explain_cells(
    *,
    models: Sequence[str],
    out: Path,
    dataset: str = "demo",
    root: str | None = None,
    pairs: str | None = None,
    num_pairs: int = 1000,
    k: int = 5,
    filling: str = "mean",
    seed: int = 100,
    on_progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Draw the accuracy of each model with each grid cell of the second pictures hidden.

    Parameters
    ----------
    models : sequence of str
    out : Path
    dataset, root, pairs
        As `EvalConfig` takes them.
    num_pairs : int, optional
        Used at most: drawn for demo, else spread evenly over the list.
    k, filling
        See `hide_cell`.
    seed : int, optional
    on_progress : callable, optional

    Returns
    -------
    dict
        For each model its clean accuracy and each cell's, with the interval of the drop.
    """
    opened = [open_model(model) for model in models]
    config = EvalConfig(dataset=dataset, root=root, pairs=pairs, num_pairs=num_pairs, seed=seed)
    source, listed = open_pairs(config)
    wanted = np.zeros(len(listed), np.bool_)
    rows = np.linspace(0, len(listed) - 1, min(num_pairs, len(listed))).astype(int)
    wanted[rows] = True
    used = listed.keep(wanted)
    results, faces = [], _pair_faces(source, used.keys_a, used.keys_b)
    for number, model in enumerate(opened):
        first, second = ([_fitted(face, model) for face in side] for side in faces)

        def tell(done: int, total: int, past: int = number) -> None:
            if on_progress is not None:
                on_progress(past * total + done, len(opened) * total)

        results.append(
            cell_accuracy(
                model,
                first,
                second,
                used.same,
                used.people(),
                k=k,
                filling=filling,
                folds=used.folds,
                on_progress=tell,
            )
        )
    mean = np.rint(np.mean(second, axis=0)).astype(np.uint8)
    save_figure(cell_plot(results, [model.name for model in opened], mean), out)
    record = []
    for model, result in zip(opened, results, strict=True):
        cells = [
            {
                "row": row,
                "column": column,
                "accuracy": float(result.accuracy[row, column]),
                "low": result.intervals[row][column].low,
                "high": result.intervals[row][column].high,
            }
            for row in range(k)
            for column in range(k)
        ]
        record.append({"model": model.name, "clean": result.clean, "cells": cells})
    return {"pairs": len(used), "k": k, "filling": filling, "models": record}


def _pair_faces(
    source: Source, first: Sequence[str], second: Sequence[str]
) -> tuple[list[UInt8], list[UInt8]]:
    keys = dict.fromkeys([*first, *second])
    found = dict(read_pictures(source, keys))
    return [found[key] for key in first], [found[key] for key in second]


def _read(path: Path) -> UInt8:
    try:
        return decode_image(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    except DataError as error:
        raise DataError(f"{path}: {error}") from error


def _fitted(image: UInt8, model: Embedder) -> UInt8:
    if model.size is None:
        return image
    return np.ascontiguousarray(image[:, cut_to_size(image.shape, *model.size)])
