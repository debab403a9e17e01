"""Predictions, scores of patterns, hidden cells and figures, against cases worked by hand."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from frommodel.explain import explain_images, pattern_scores
from frommodel.explain_plots import confusion_plot, heat_map, save_figure
from frommodel.models import Embedder
from frommodel.network import FROM
from frommodel.sensitivity import FILLINGS, cell_accuracy, hide_cell, pair_sensitivity
from occgen.errors import InputError
from occgen.patterns import PatternGrid

UInt8 = NDArray[np.uint8]


def network(**options: object) -> FROM:
    torch.manual_seed(0)
    return FROM(backbone="ir10_small", k=3, embedding_size=16, **options).eval()  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def faces() -> UInt8:
    return np.random.default_rng(0).integers(0, 256, (5, 112, 112, 3), dtype=np.uint8)


def test_predictions_are_the_networks_own(faces: UInt8) -> None:
    model = network().train()
    found = explain_images(model, faces, batch_size=2)
    assert model.training
    model.eval()
    pixels = torch.from_numpy(faces[:, :, 8:104].copy()).permute(0, 3, 1, 2) / 127.5 - 1
    with torch.inference_mode():
        output = model(pixels)
    assert found.images.shape == (5, 112, 96, 3)
    assert found.patterns is not None
    assert found.masks is not None
    assert found.confidence is not None
    assert found.patterns.tolist() == output.pattern_logits.argmax(1).tolist()
    chance = output.pattern_logits.softmax(1).max(1).values.numpy()
    assert np.allclose(found.confidence, chance, atol=1e-5)
    assert np.allclose(found.masks, output.mask.mean(1).numpy(), atol=1e-5)
    grid = PatternGrid(3, 112, 96)
    assert np.array_equal(found.boxes, grid.boxes[found.patterns])
    one = explain_images(model, faces, channels=[3])
    assert one.masks is not None
    assert np.allclose(one.masks, output.mask[:, 3].numpy(), atol=1e-5)
    with pytest.raises(InputError, match="channels must be in 0"):
        explain_images(model, faces, channels=[9999])


def test_regressed_boxes_lie_in_the_picture(faces: UInt8) -> None:
    model = network(predictor="regression")
    assert model.regress is not None
    with torch.no_grad():
        model.regress[-1].bias.copy_(torch.tensor([0.25, 0.5, 0.75, 2.0]))  # type: ignore[operator, union-attr]
        model.regress[-1].weight.zero_()  # type: ignore[operator, union-attr]
    found = explain_images(model, faces)
    assert found.patterns is None
    assert found.boxes.tolist() == [[24, 56, 72, 112]] * 5
    model.config = dataclasses.replace(model.config, box_unit="pixel")
    assert explain_images(model, faces).boxes.tolist() == [[0.25, 0.5, 0.75, 2.0]] * 5
    with torch.no_grad():
        model.regress[-1].bias.copy_(torch.tensor([24.0, 56.0, 72.0, 200.0]))  # type: ignore[operator, union-attr]
    model.config = dataclasses.replace(model.config, box_unit=None)
    assert explain_images(model, faces).boxes.tolist() == [[24, 56, 72, 112]] * 5


def test_a_network_without_masks_is_refused(faces: UInt8) -> None:
    with pytest.raises(InputError, match="no mask and pattern predictor"):
        explain_images(network(mask="none"), faces)
    with pytest.raises(InputError, match="no pictures"):
        explain_images(network(), [])
    assert explain_images(network(mask="fc"), faces).masks is None


def test_scores_of_patterns_by_hand() -> None:
    grid = PatternGrid(2, 100, 100)
    # patterns of K = 2 from the upper left: 1 is its quarter, 2 the upper half, 3 the left half
    quarter, upper = (0, 0, 50, 50), (0, 0, 100, 50)
    assert [tuple(box) for box in grid.boxes[[1, 2]].tolist()] == [quarter, upper]
    boxes = [quarter, upper, (0, 0, 0, 0), (0, 0, 74, 50)]
    true = grid.label_boxes(boxes)
    assert true.tolist() == [1, 2, 0, 2]
    found = pattern_scores([1, 1, 0, 1], true, grid, boxes)
    assert found.images == 4
    assert found.accuracy == 0.5
    assert found.iou == pytest.approx((1 + 0.5 + 1 + 0.5) / 4)
    # the last box covers 0.74 of the upper half and is 1.48 quarters: 0.676 against 0.74, a tie
    assert found.within_tie == pytest.approx(3 / 4)
    assert found.clean_accuracy == 1
    assert found.confusion[2, 1] == 2
    assert found.confusion.sum() == 4
    with pytest.raises(InputError, match="labels must be in 0"):
        pattern_scores([10], [0], grid)
    with pytest.raises(InputError, match="of one length"):
        pattern_scores([1, 2], [0], grid)


@pytest.mark.parametrize("filling", FILLINGS)
def test_a_hidden_cell_is_hidden_and_nothing_else(faces: UInt8, filling: str) -> None:
    image = faces[0]
    hidden = hide_cell(image, 1, 2, 4, filling, "a")
    inside = np.zeros(image.shape[:2], np.bool_)
    inside[28:56, 56:84] = True
    assert np.array_equal(hidden[~inside], image[~inside])
    assert (hidden[inside] != image[inside]).any()
    assert np.array_equal(hidden, hide_cell(image, 1, 2, 4, filling, "a"))
    with pytest.raises(InputError, match="cell must be"):
        hide_cell(image, 4, 0, 4, filling)
    with pytest.raises(InputError, match="filling must be"):
        hide_cell(image, 0, 0, 4, "blue")


def upper_left(images: UInt8) -> NDArray[np.float64]:
    """A model that looks at the upper left cell of a 2 x 2 grid alone."""
    part = images[:, :56, :56].reshape(len(images), -1, 3).astype(float)
    return np.stack([part[:, ::97].std(axis=(1, 2)), part.mean(axis=(1, 2))], axis=1)


def test_the_cell_a_model_looks_at_is_found(faces: UInt8) -> None:
    model = Embedder(upper_left)
    score, change = pair_sensitivity(model, faces[0], faces[1], k=2, filling="black")
    assert score > 0.99
    assert change[0, 0] < -0.1
    assert np.allclose(change.ravel()[1:], 0)


def test_accuracy_falls_where_the_model_looks() -> None:
    random = np.random.default_rng(1)
    flat = np.full((40, 112, 112, 3), 128, np.uint8)
    noisy = random.integers(0, 256, (40, 112, 112, 3), dtype=np.uint8)
    first = [*flat[:20], *flat[:20]]
    second = [*flat[20:], *noisy[:20]]
    same = np.arange(40) < 20
    people = (np.arange(40), np.where(same, np.arange(40), np.arange(40) + 100))
    order = random.permutation(40)
    found = cell_accuracy(
        Embedder(upper_left),
        [first[row] for row in order],
        [second[row] for row in order],
        same[order],
        (people[0][order], people[1][order]),
        k=2,
        filling="noise",
    )
    assert found.clean == 1
    assert found.accuracy[0, 0] == 0.5  # the same flat faces now look noisy too
    assert (found.accuracy.ravel()[1:] == 1).all()
    assert found.intervals[0][0].high < -0.2
    assert -0.1 < found.intervals[1][1].low <= 0 <= found.intervals[1][1].high < 0.1


def test_figures_are_written_whole_and_the_same(tmp_path: Path, faces: UInt8) -> None:
    tinted = heat_map(faces[0], np.linspace(0, 1, 42, dtype=np.float32).reshape(7, 6))
    assert tinted.shape == faces[0].shape
    for ending in (".png", ".svg", ".pdf"):
        path = tmp_path / f"confusion{ending}"
        save_figure(confusion_plot(np.eye(5, dtype=np.int64), 2, "model"), path)
        again = tmp_path / f"again{ending}"
        save_figure(confusion_plot(np.eye(5, dtype=np.int64), 2, "model"), again)
        assert path.stat().st_size > 1000
        if ending != ".svg":  # identifiers in it are drawn at random
            assert path.read_bytes() == again.read_bytes()
    with pytest.raises(InputError, match=r"ends in \.png"):
        save_figure(confusion_plot(np.eye(5, dtype=np.int64), 2, "model"), tmp_path / "a.txt")
