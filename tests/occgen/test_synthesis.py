"""One face in, one occluded face out: what `occgen.occlude` and the steps of a build promise."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import occgen
from occgen import BuildConfig, InputError
from occgen.seeding import Stream
from occgen.synthesis import draw_placements, occlude_face, occlude_with
from occluders import OccluderLibrary, bundled

FACE: NDArray[np.uint8] = np.random.default_rng(0).integers(0, 256, (112, 96, 3), dtype=np.uint8)


@pytest.mark.parametrize("blend", ["opaque", "alpha", "natural"])
@pytest.mark.parametrize("seed", range(6))
def test_what_is_outside_the_box_stays(blend: str, seed: int) -> None:
    before = FACE.copy()
    cup = bundled().members("cup")[seed]
    result = occgen.occlude(FACE, cup, scale=1.5, rng=np.random.default_rng(seed), blend=blend)
    assert np.array_equal(FACE, before)
    x0, y0, x1, y1 = result.box
    outside = np.ones(FACE.shape[:2], bool)
    outside[y0:y1, x0:x1] = False
    assert not result.mask[outside].any()
    if blend != "natural":  # which casts a shadow
        assert np.array_equal(result.image[outside], FACE[outside])
        assert not np.array_equal(result.image, FACE)
    assert result.coverage == (x1 - x0) * (y1 - y0) / (112 * 96)
    assert result.mask_coverage == result.mask.mean()
    if blend == "opaque":
        assert result.mask[y0:y1, x0:x1].all()


def test_the_centre_is_drawn_column_then_row() -> None:
    """Algorithm 1: the occluder is resized, and its centre is any pixel."""
    hand = bundled().members("hand")[0]
    numbers = np.random.default_rng(7)
    x, y = int(numbers.random() * 96), int(numbers.random() * 112)
    result = occgen.occlude(FACE, hand, scale=2.0, rng=np.random.default_rng(7))
    width, height = (int(2.0 * side) for side in hand.natural_size)
    width, height = min(95, width), min(111, height)
    left, top = x - width // 2, y - height // 2
    assert result.placements[0].box == (left, top, left + width, top + height)
    clipped = max(left, 0), max(top, 0), min(left + width, 96), min(top + height, 112)
    assert result.box == clipped


def test_a_seed_does_as_well_as_a_generator() -> None:
    cup = bundled().members("cup")[0]
    drawn = [occgen.occlude(FACE, cup, rng=rng).box for rng in (5, np.random.default_rng(5))]
    assert drawn[0] == drawn[1]
    assert occgen.occlude(FACE, cup, rng=Stream(1, "a", "x")).box
    assert len({occgen.occlude(FACE, cup).box for _ in range(20)}) > 1


@pytest.mark.parametrize(
    ("image", "changes", "message"),
    [
        (FACE.astype(np.float32), {}, "image must be a uint8 array, got float32"),
        (FACE[:, :, 0], {}, r"image must have shape \(H, W, 3\), got \(112, 96\)"),
        (FACE[:0], {}, r"image must have shape"),
        (FACE, {"scale": 0}, "scale must be > 0, got 0"),
        (FACE, {"scale": float("nan")}, "scale must be > 0, got nan"),
        (FACE, {"blend": "screen"}, "blend must be opaque or alpha"),
    ],
)
def test_what_cannot_be_occluded_is_told(image: Any, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        occgen.occlude(image, bundled().members("cup")[0], **changes)


def test_several_are_pasted_one_over_the_other(small_library: OccluderLibrary) -> None:
    config = BuildConfig(dataset="demo", occluders_per_face=3, blend="opaque")
    placements = draw_placements(small_library, config, "a", 112, 96)
    assert len(placements) == 3
    result = occlude_with(FACE, placements, "opaque")
    one_by_one = FACE
    for placement in placements:
        one_by_one = occlude_with(one_by_one, (placement,), "opaque").image
    assert np.array_equal(result.image, one_by_one)
    union = np.zeros(FACE.shape[:2], bool)
    for x0, y0, x1, y1 in result.paste_boxes:
        union[y0:y1, x0:x1] = True
    assert np.array_equal(result.mask, union)
    rows, columns = np.nonzero(union)
    enclosing = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
    assert result.box == enclosing


def test_a_clean_face_is_itself(small_library: OccluderLibrary) -> None:
    config = BuildConfig(dataset="demo", clean_fraction=1.0)
    result = occlude_face(FACE, small_library, config, "a")
    assert np.array_equal(result.image, FACE)
    assert (result.box, result.placements, result.coverage) == ((0, 0, 0, 0), (), 0)
    assert not result.mask.any()


@pytest.mark.parametrize("blend", ["opaque", "alpha", "natural"])
@pytest.mark.parametrize("count", [1, 2])
def test_what_lies_wholly_outside_hides_nothing(blend: str, count: int) -> None:
    """As what is worn on a face whose landmarks are beyond the picture."""
    away = np.array([[30, 40], [66, 40], [48, 60], [34, 82], [62, 82]], np.float32) + 900
    config = BuildConfig(
        dataset="demo", placement="landmarks", blend=blend, occluders_per_face=count
    )
    for key in "abcdef":
        result = occlude_face(FACE, bundled(), config, key, away)
        assert len(result.placements) == count
        assert np.array_equal(result.image, FACE)
        assert (result.box, result.coverage) == ((0, 0, 0, 0), 0)
        assert not result.mask.any()
