"""Pictures of what a network sees: faces with masks and patterns, t-SNE, cells, confusion."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from occgen.errors import InputError
from occgen.preview import Tile

from .explain import Explanation
from .sensitivity import CellAccuracy

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["cell_plot", "confusion_plot", "face_tiles", "pair_plot", "save_figure", "tsne_plot"]

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
UInt8 = NDArray[np.uint8]

_HEAT_SHARE = 0.55


def face_tiles(
    explanation: Explanation,
    captions: Sequence[str],
    true_boxes: Sequence[tuple[int, int, int, int] | None],
    true_labels: Sequence[int | None],
) -> list[Tile]:
    """Return two tiles a face: the predicted pattern over it, and its mask as a heat map.

    Parameters
    ----------
    explanation : Explanation
    captions : sequence of str
    true_boxes : sequence of tuple of int or None
        What was pasted, where it is known.
    true_labels : sequence of int or None
    """
    tiles: list[Tile] = []
    for row, (image, caption) in enumerate(zip(explanation.images, captions, strict=True)):
        box = tuple(np.rint(explanation.boxes[row]).astype(int).tolist())
        found = box if box[2] > box[0] else None
        if explanation.patterns is None:
            line = "box " + " ".join(map(str, box))
        else:
            number = int(explanation.patterns[row])
            chance = 0.0 if explanation.confidence is None else float(explanation.confidence[row])
            line = f"{f'pattern {number}' if number else 'clean'}, {chance:.0%}"
        if true_labels[row] is not None:
            line += f"; true {true_labels[row] or 'clean'}"
        tiles.append(Tile(image, (caption, line), true_boxes[row], None, found))
        if explanation.masks is not None:
            mask = explanation.masks[row]
            text = f"mask {mask.min():.2f} to {mask.max():.2f}"
            tiles.append(Tile(heat_map(image, mask), (text, "")))
    return tiles


def heat_map(image: UInt8, mask: Float32) -> UInt8:
    """Return a face under its mask: yellow where features are kept, violet where taken away.

    Parameters
    ----------
    image : ndarray of uint8, shape (H, W, 3)
    mask : ndarray of float32, shape (h, w)
        In [0, 1].
    """
    height, width = image.shape[:2]
    large = cv2.resize(mask, (width, height), interpolation=cv2.INTER_CUBIC)
    levels = np.rint(np.clip(large, 0, 1) * 255).astype(np.uint8)
    colours = cv2.applyColorMap(levels, cv2.COLORMAP_VIRIDIS)[:, :, ::-1]
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[:, :, None].astype(np.float32)
    mixed = _HEAT_SHARE * colours + (1 - _HEAT_SHARE) * grey
    return np.asarray(np.rint(mixed), np.uint8)


def tsne_plot(
    embeddings: Sequence[Float32],
    people: NDArray[np.int64],
    occluded: NDArray[np.bool_],
    names: Sequence[str],
    seed: int = 100,
) -> "Figure":
    """Return t-SNE maps of the same faces by several models, side by side (Fig. 9).

    Parameters
    ----------
    embeddings : sequence of ndarray of float32, shape (N, E)
        One a model.
    people : ndarray of int64, shape (N,)
    occluded : ndarray of bool, shape (N,)
        Drawn as crosses.
    names : sequence of str
        Of the models.
    seed : int, optional

    Raises
    ------
    InputError
        For fewer than five faces.
    """
    from sklearn.manifold import TSNE
    from sklearn.metrics import silhouette_score

    if len(people) < 5:
        raise InputError(f"t-SNE needs at least 5 faces, got {len(people)}")
    figure, axes = _figure(len(names), 3.6)
    colours = _colours(int(people.max()) + 1)
    for axis, values, name in zip(axes, embeddings, names, strict=True):
        unit = values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-12)
        method = TSNE(
            perplexity=min(15, (len(people) - 1) / 3), metric="cosine", init="random",
            random_state=seed,
        )  # fmt: skip
        places = method.fit_transform(unit)
        for shown, mark in ((~occluded, "o"), (occluded, "x")):
            axis.scatter(*places[shown].T, c=colours[people[shown]], marker=mark, s=22, alpha=0.85)
        apart = silhouette_score(unit, people, metric="cosine")
        axis.set_title(f"{_plain(name)}\nsilhouette {apart:.2f}", fontsize=10)
        axis.set_xticks([])
        axis.set_yticks([])
    figure.legend(
        handles=[_mark("o", "clean"), _mark("x", "occluded")],
        loc="outside lower center",
        ncols=2,
        frameon=False,
        fontsize=9,
    )
    return figure


def pair_plot(first: UInt8, second: UInt8, score: float, change: Float64, name: str) -> "Figure":
    """Return a pair, its score, and what hiding each cell of the second changes.

    Parameters
    ----------
    first, second : ndarray of uint8, shape (H, W, 3)
    score : float
        Cosine with nothing hidden.
    change : ndarray of float64, shape (K, K)
    name : str
        Of the model.
    """
    figure, axes = _figure(3, 3.4)
    axes[0].imshow(first)
    axes[0].set_title("first", fontsize=10)
    axes[1].imshow(second)
    axes[1].set_title(f"second: cosine {score:.3f} ({_plain(name)})", fontsize=10)
    height, width = second.shape[:2]
    limit = max(float(np.abs(change).max()), 1e-6)
    axes[2].imshow(second, alpha=0.35, extent=(0, width, height, 0))
    shown = axes[2].imshow(
        change, cmap="RdBu", vmin=-limit, vmax=limit, alpha=0.75, extent=(0, width, height, 0)
    )
    _write_cells(axes[2], change, "{:+.2f}", height, width)
    axes[2].set_title("change with a cell hidden", fontsize=10)
    for axis in axes:
        axis.axis("off")
    figure.colorbar(shown, ax=axes[2], fraction=0.046)
    return figure


def cell_plot(results: Sequence[CellAccuracy], names: Sequence[str], mean_face: UInt8) -> "Figure":
    """Return the accuracy with each cell hidden, a panel a model.

    Parameters
    ----------
    results : sequence of CellAccuracy
    names : sequence of str
    mean_face : ndarray of uint8, shape (H, W, 3)
        Drawn below the cells.
    """
    figure, axes = _figure(len(results), 3.8)
    height, width = mean_face.shape[:2]
    low = 100 * min(float(result.accuracy.min()) for result in results)
    high = 100 * max(max(result.clean, float(result.accuracy.max())) for result in results)
    for axis, result, name in zip(axes, results, names, strict=True):
        axis.imshow(mean_face, extent=(0, width, height, 0))
        shown = axis.imshow(
            100 * result.accuracy,
            cmap="viridis",
            vmin=low,
            vmax=high,
            alpha=0.7,
            extent=(0, width, height, 0),
        )
        _write_cells(axis, 100 * result.accuracy, "{:.1f}", height, width)
        axis.set_title(f"{_plain(name)}\nclean {100 * result.clean:.1f} %", fontsize=10)
        axis.axis("off")
    bar = figure.colorbar(shown, ax=axes, fraction=0.03)
    bar.set_label("accuracy with the cell hidden (%)", fontsize=9)
    return figure


def confusion_plot(confusion: NDArray[np.int64], k: int, name: str) -> "Figure":
    """Return true against predicted patterns, darker for more."""
    figure, (axis,) = _figure(1, 5.0)
    share = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    axis.imshow(share, cmap="Greys", vmin=0, vmax=max(float(share.max()), 1e-6))
    axis.set_xlabel("predicted pattern")
    axis.set_ylabel("true pattern")
    axis.set_title(f"{_plain(name)}: patterns at K = {k}, share of each true one", fontsize=10)
    return figure


def save_figure(figure: "Figure", path: Path) -> None:
    """Write a figure as its name ends: .png, .svg or .pdf; the same figure gives the same bytes."""
    import io

    from occgen.atomic import replacing_bytes

    kind = path.suffix.lower().lstrip(".")
    if kind not in ("png", "svg", "pdf"):
        raise InputError(f"{path}: a figure's name ends in .png, .svg or .pdf")
    buffer = io.BytesIO()
    dated: dict[str, Any] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {}}
    figure.savefig(buffer, format=kind, dpi=150, metadata=dated[kind])
    replacing_bytes(path, buffer.getvalue())


def _figure(panels: int, side: float) -> tuple["Figure", list[Any]]:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise InputError("figures need matplotlib: pip install 'occgen[report]'") from error
    figure = Figure(figsize=(side * panels + 0.4, side + 0.5), layout="constrained")
    return figure, list(np.ravel(figure.subplots(1, panels, squeeze=False)))


def _colours(count: int) -> Float64:
    from matplotlib import colormaps

    name = "tab10" if count <= 10 else "turbo"
    values = np.arange(count) if count <= 10 else np.linspace(0, 1, count)
    return np.asarray(colormaps[name](values))


def _plain(text: str) -> str:
    """Return a name as text: a dollar sign begins no formula."""
    return text.replace("$", r"\$")


def _mark(mark: str, label: str) -> Any:
    from matplotlib.lines import Line2D

    return Line2D([], [], color="0.3", marker=mark, linestyle="", label=label)


def _write_cells(axis: Any, values: Float64, form: str, height: int, width: int) -> None:
    k = len(values)
    for row in range(k):
        for column in range(k):
            axis.text(
                (column + 0.5) * width / k,
                (row + 0.5) * height / k,
                form.format(values[row, column]),
                ha="center",
                va="center",
                fontsize=8,
                color="black",
                bbox={"boxstyle": "round,pad=0.1", "fc": "white", "ec": "none", "alpha": 0.55},
            )
