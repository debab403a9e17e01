"""Where occluders come to lie: golden placements, the formulas of Algorithm 1, the nine regions."""

import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from occgen import BuildConfig
from occgen.errors import InputError
from occgen.placement import (
    REGIONS,
    Placement,
    place_at_random,
    place_in_region,
    region_box,
    resized_size,
    scale_for_coverage,
)
from occgen.seeding import Stream
from occgen.synthesis import draw_placements
from occluders.library import OccluderLibrary

GOLDEN = Path(__file__).parents[1] / "golden" / "placements.json"
GOLDEN_CONFIGS = {
    "scale 2.0, 112x96": (BuildConfig(dataset="lfw", scale=2.0), 112, 96),
    "scale 1.0:0.5:5.0, 112x112": (BuildConfig(dataset="lfw", scale="1.0:0.5:5.0"), 112, 112),
    "regions, 112x96": (
        BuildConfig(dataset="lfw", placement="regions", region_jitter=5),
        112,
        96,
    ),
}


class Numbers:
    """Gives the numbers it was made of."""

    def __init__(self, *numbers: float) -> None:
        self._left = list(numbers)

    def random(self) -> float:
        return self._left.pop(0)

    @property
    def left(self) -> int:
        return len(self._left)


def coverage(box: Sequence[int], height: int, width: int) -> float:
    x0, y0, x1, y1 = box
    inside = np.zeros((height, width), np.bool_)
    inside[max(y0, 0) : max(y1, 0), max(x0, 0) : max(x1, 0)] = True
    return float(inside.mean())


def placed(
    library: OccluderLibrary, number: int, scale: float = 2.0, **options: float
) -> Placement:
    rng = Stream(7, f"key{number}", "placement")
    return place_at_random(library, [scale], 112, 96, rng, **options)


@pytest.mark.parametrize("name", GOLDEN_CONFIGS)
def test_placements_are_the_golden_ones(name: str, small_library: OccluderLibrary) -> None:
    config, height, width = GOLDEN_CONFIGS[name]
    assert config.seed == 100
    for expected in json.loads(GOLDEN.read_text(encoding="utf-8"))[name]:
        (placement,) = draw_placements(small_library, config, expected["key"], height, width)
        assert placement.occluder.name == expected["occluder"]
        assert list(placement.box) == expected["box"]
        scale = None if math.isnan(placement.scale) else placement.scale
        assert scale == expected["scale"]


def test_placements_depend_on_the_key_alone(small_library: OccluderLibrary) -> None:
    config = BuildConfig(dataset="lfw", scale="1.0:0.5:5.0")
    keys = [f"a/{number}.jpg" for number in range(50)]

    def drawn(order: Sequence[str], settings: BuildConfig = config) -> dict[str, Placement]:
        return {key: draw_placements(small_library, settings, key, 112, 96)[0] for key in order}

    assert drawn(keys) == drawn(keys[::-1]) == drawn(keys[::2] + keys[1::2])
    assert drawn(keys[10:20]) == {key: drawn(keys)[key] for key in keys[10:20]}
    other = drawn(keys, BuildConfig(dataset="lfw", scale="1.0:0.5:5.0", seed=101))
    assert sum(other[key] == drawn(keys)[key] for key in keys) == 0


def test_a_share_stays_clean_and_the_others_keep_their_placement(
    small_library: OccluderLibrary,
) -> None:
    occluded = BuildConfig(dataset="lfw", scale=2.0)
    mixed = BuildConfig(dataset="lfw", scale=2.0, clean_fraction=1 / 3)
    clean = 0
    for number in range(900):
        pair = [draw_placements(small_library, c, f"{number}", 112, 96) for c in (occluded, mixed)]
        assert pair[0] != ()
        assert pair[1] in (pair[0], ())
        clean += pair[1] == ()
    assert abs(clean / 900 - 1 / 3) < 4 * math.sqrt(2 / 9 / 900)
    never = BuildConfig(dataset="lfw", clean_fraction=1.0)
    assert draw_placements(small_library, never, "key", 112, 96) == ()


def test_scales_keep_occluder_and_centre(small_library: OccluderLibrary) -> None:
    """Sets of several scales compare the same occlusions."""
    for number in range(30):
        small, large = placed(small_library, number, 1.0), placed(small_library, number, 3.0)
        assert small.occluder is large.occluder
        centres = [(p.box[0] + (p.box[2] - p.box[0]) // 2) for p in (small, large)]
        assert centres[0] == centres[1]


@given(
    st.floats(1, 300),
    st.floats(1, 300),
    st.floats(0.01, 6),
    st.sampled_from([(112, 96), (112, 112), (224, 192), (57, 43)]),
)
def test_resized_size_is_clamped_to_one_pixel_less_than_the_image(
    w: float, h: float, scale: float, size: tuple[int, int]
) -> None:
    height, width = size
    found = resized_size((w, h), scale, height, width)
    expected = (
        min(width - 1, int(scale * (w * (width / 96)))),
        min(height - 1, int(scale * (h * (height / 112)))),
    )
    assert found == (max(expected[0], 1), max(expected[1], 1))


def test_resized_size_on_the_papers_crop_needs_no_factor() -> None:
    assert resized_size((46.0, 60.0), 1.5, 112, 96) == (69, 90)
    assert resized_size((46.0, 60.0), 5.0, 112, 96) == (95, 111)
    assert resized_size((46.0, 60.0), 1.0, 112, 112) == (53, 60)
    assert resized_size((46.0, 60.0), 0.001, 112, 96) == (1, 1)


@pytest.mark.parametrize(
    ("numbers", "centre"),
    [((0.0, 0.0), (0, 0)), ((1 - 2**-53,) * 2, (95, 111)), ((0.5, 0.5), (48, 56))],
)
def test_every_pixel_can_be_the_centre(
    numbers: tuple[float, float], centre: tuple[int, int], small_library: OccluderLibrary
) -> None:
    rng = Numbers(0.0, 0.0, 0.0, *numbers)
    placement = place_at_random(small_library, [1.0], 112, 96, rng)
    assert placement.occluder.name == "book-0"
    width, height = 46, 60
    x, y = centre
    assert placement.box == (x - width // 2, y - height // 2, x + width // 2, y + height // 2)
    assert rng.left == 0


def test_centres_are_uniform(small_library: OccluderLibrary) -> None:
    count = 3000
    columns, rows = np.zeros(4), np.zeros(4)
    for number in range(count):
        x0, y0, x1, y1 = placed(small_library, number, 1.0).box
        columns[(x0 + (x1 - x0) // 2) * 4 // 96] += 1
        rows[(y0 + (y1 - y0) // 2) * 4 // 112] += 1
    for counts in (columns, rows):
        assert ((counts - count / 4) ** 2 / (count / 4)).sum() < 21.1  # chi-square, 3 df, 1e-4


def test_occluders_are_drawn_by_category(small_library: OccluderLibrary) -> None:
    names, counts = np.unique(
        [placed(small_library, number).occluder.name for number in range(1800)], return_counts=True
    )
    assert len(names) == 18
    assert ((counts - 100) ** 2 / 100).sum() < 50.5  # chi-square, 17 df, 4e-5


@pytest.mark.parametrize("size", [(224, 192), (112, 112), (56, 48)])
def test_coverage_holds_at_every_size(
    size: tuple[int, int], small_library: OccluderLibrary
) -> None:
    def mean(height: int, width: int) -> float:
        shares = []
        for number in range(300):
            rng = Stream(0, f"{number}", "placement")
            box = place_at_random(small_library, [1.0], height, width, rng).box
            shares.append(coverage(box, height, width))
        return float(np.mean(shares))

    assert mean(*size) == pytest.approx(mean(112, 96), abs=0.01)


def test_area_aims_at_a_covered_share(small_library: OccluderLibrary) -> None:
    shares = [
        coverage(placed(small_library, number, area=0.20).box, 112, 96) for number in range(300)
    ]
    assert np.mean(shares) == pytest.approx(0.20, abs=0.002)
    assert max(abs(share - 0.20) for share in shares) < 0.02


def test_area_that_a_corner_does_not_allow_moves_the_centre(
    small_library: OccluderLibrary,
) -> None:
    corner = (0.0, 0.0)
    rng = Numbers(0.0, 0.0, 0.0, *corner, 0.9, 0.0, 0.5, 0.5)
    placement = place_at_random(small_library, [1.0], 112, 96, rng, area=0.6)
    assert coverage(placement.box, 112, 96) == pytest.approx(0.6, abs=0.02)
    assert rng.left == 0


def test_an_area_that_few_centres_allow_is_met(small_library: OccluderLibrary) -> None:
    for area in (0.9, 0.97):
        found = [placed(small_library, number, area=area).box for number in range(60)]
        assert min(coverage(box, 112, 96) for box in found) > area - 0.02
    box = placed(small_library, 0, area=1.0).box
    assert coverage(box, 112, 96) == pytest.approx(111 * 95 / (112 * 96))  # all that can be had


def test_max_coverage_is_never_passed(small_library: OccluderLibrary) -> None:
    smaller = 0
    for number in range(200):
        free = placed(small_library, number, 3.0)
        held = placed(small_library, number, 3.0, max_coverage=0.3)
        assert coverage(held.box, 112, 96) <= 0.3
        if coverage(free.box, 112, 96) <= 0.3:
            assert held == free
        else:
            smaller += 1
            assert held.scale < free.scale
            assert coverage(held.box, 112, 96) > 0.25
    assert smaller > 50


@given(
    st.tuples(st.floats(5, 120), st.floats(5, 120)),
    st.integers(0, 95),
    st.integers(0, 111),
    st.floats(0.01, 1),
)
def test_scale_for_coverage_is_the_best_that_can_be_had(
    natural: tuple[float, float], x: int, y: int, share: float
) -> None:
    def covered(scale: float) -> float:
        w, h = resized_size(natural, scale, 112, 96)
        return coverage((x - w // 2, y - h // 2, x + (w + 1) // 2, y + (h + 1) // 2), 112, 96)

    found = scale_for_coverage(natural, (x, y), 112, 96, share)
    tried = [covered(scale) for scale in np.geomspace(0.01, 2000, 80)]
    assert abs(covered(found) - share) <= min(abs(value - share) for value in tried) + 1e-12
    at_most = covered(scale_for_coverage(natural, (x, y), 112, 96, share, at_most=True))
    least = covered(1e-9)  # one pixel
    assert at_most <= max(share, least)
    assert at_most >= max([value for value in tried if value <= share], default=least) - 1e-12


def test_the_nine_regions_are_the_papers() -> None:
    assert len(REGIONS) == 9
    left, right = REGIONS["left-eye"], REGIONS["right-eye"]
    assert (*left[:2], *right[2:]) == REGIONS["eyes"]
    area = {n: (x1 - x0) * (y1 - y0) / (112 * 96) for n, (x0, y0, x1, y1) in REGIONS.items()}
    assert round(area["mouth"], 2) == 0.12  # printed in Fig. 1
    for name, box in REGIONS.items():
        assert region_box(name, 112, 96) == box
        assert region_box(name, 112, 112) == (box[0] + 8, box[1], box[2] + 8, box[3])
        assert region_box(name, 224, 192) == tuple(2 * side for side in box)


def test_a_region_is_filled_and_has_no_scale(small_library: OccluderLibrary) -> None:
    seen = set()
    for number in range(120):
        placement = place_in_region(small_library, None, 112, 96, Stream(1, f"{number}", "p"))
        seen.add(placement.box)
        assert math.isnan(placement.scale)
    assert seen == set(REGIONS.values())
    named = place_in_region(small_library, "mouth", 112, 96, Stream(1, "0", "p"))
    assert named.box == REGIONS["mouth"]


def test_jitter_is_one_offset_for_all_four_sides(small_library: OccluderLibrary) -> None:
    offsets = set()
    for number in range(200):
        rng = Stream(1, f"{number}", "p")
        box = place_in_region(small_library, "nose", 112, 96, rng, jitter=5).box
        moved = {side - other for side, other in zip(box, REGIONS["nose"], strict=True)}
        assert len(moved) == 1
        offsets |= moved
    assert offsets == set(range(-5, 6))


def test_a_named_region_keeps_the_occluder_of_a_drawn_one(small_library: OccluderLibrary) -> None:
    for number in range(20):
        drawn, named = (
            place_in_region(small_library, region, 112, 96, Stream(1, f"{number}", "p"))
            for region in (None, "eyes")
        )
        assert drawn.occluder is named.occluder


def test_an_unknown_region_is_named() -> None:
    with pytest.raises(InputError, match=r"region must be one of left-eye, .* got 'chin'"):
        region_box("chin", 112, 96)


def test_a_numpy_generator_serves_as_well(small_library: OccluderLibrary) -> None:
    first, second = (
        place_at_random(small_library, [1.0, 2.0], 112, 96, np.random.default_rng(5))
        for _ in range(2)
    )
    assert first == second
    boxes = {
        place_at_random(small_library, [1.0], 112, 96, np.random.default_rng(seed)).box
        for seed in range(10)
    }
    assert len(boxes) == 10
