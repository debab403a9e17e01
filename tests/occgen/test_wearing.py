"""Things worn and held: anchors on landmarks, arms from outside, several that go together."""

import json
import math
import runpy
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from occgen.config import BuildConfig
from occgen.landmarks import template
from occgen.placement import Placement
from occgen.seeding import Stream
from occgen.synthesis import draw_placements, occlude_face, occlude_with
from occgen.wearing import face_points, place_on_landmarks, place_several
from occluders.anchors import anchors_of, role_of
from occluders.library import OccluderLibrary

GOLDEN = Path(__file__).parents[1] / "golden"
POINTS = np.array([[37.5, 50], [72.25, 52.5], [58, 70], [43, 92], [69.75, 94]], np.float32)
FACE = np.full((112, 112, 3), 128, np.uint8)


@pytest.fixture(scope="module")
def golden_library(tmp_path_factory: pytest.TempPathFactory) -> OccluderLibrary:
    made = runpy.run_path(str(GOLDEN / "make_worn.py"))
    library: OccluderLibrary = made["make_library"](tmp_path_factory.mktemp("worn"))
    return library


def only(library: OccluderLibrary, category: str) -> OccluderLibrary:
    return library.subset(categories=[category])


def place(library: OccluderLibrary, number: int, points: np.ndarray | None = POINTS) -> Placement:
    rng = Stream(100, f"face{number}", "placement")
    placed = place_on_landmarks(library, face_points(points, 112, 112), 112, 112, rng)
    assert placed is not None
    return placed


def where(placement: Placement, anchor: str) -> complex:
    """Return the pixel of the face an anchor of a placed occluder lies on."""
    assert placement.warp is not None
    occluder = placement.occluder
    share = anchors_of(occluder.category, occluder.anchors)[anchor]
    a, b, c, d, e, f = (value / 65536 for value in placement.warp.back)
    x, y = (s * n for s, n in zip(share, placement.warp.size, strict=True))
    solved = np.linalg.solve([[a, b], [d, e]], [x - c, y - f])
    return complex(*solved)


def test_placements_are_the_golden_ones(golden_library: OccluderLibrary) -> None:
    golden = json.loads((GOLDEN / "worn.json").read_text(encoding="utf-8"))
    found = runpy.run_path(str(GOLDEN / "make_worn.py"))["drawn"](golden_library)
    assert json.loads(json.dumps(found)) == golden


def test_points_follow_from_the_five() -> None:
    points = face_points(template(112, 112).astype(np.float32), 112, 112)
    assert points["left_eye"] == pytest.approx((38.2946, 51.6963), abs=1 / 32)
    assert points["mouth"] == pytest.approx((56.14, 92.28), abs=0.1)
    assert points["chin"][1] > points["mouth"][1] + 15
    assert points["left_cheek"][0] < points["left_eye"][0]


@pytest.mark.parametrize(
    "points",
    [
        None,
        np.full((5, 2), np.nan, np.float32),
        np.zeros((5, 2), np.float32),
        POINTS[[1, 0, 2, 3, 4]],
        np.full((5, 2), 1e30, np.float32),
    ],
    ids=["none", "nan", "one point", "eyes swapped", "far away"],
)
def test_the_template_stands_in(points: np.ndarray | None) -> None:
    expected = face_points(template(112, 96).astype(np.float32), 112, 96)
    assert face_points(points, 112, 96) == expected


@pytest.mark.parametrize("category", ["eyeglasses", "eye_mask"])
def test_glasses_sit_on_the_eyes(golden_library: OccluderLibrary, category: str) -> None:
    face = face_points(POINTS, 112, 112)
    for number in range(30):
        placed = place(only(golden_library, category), number)
        found = sorted((where(placed, eye) for eye in ("left_eye", "right_eye")), key=np.real)
        for point, eye in zip(found, ("left_eye", "right_eye"), strict=True):
            assert abs(point - complex(*face[eye])) < 5


def test_masks_cover_nose_to_chin(golden_library: OccluderLibrary) -> None:
    face = face_points(POINTS, 112, 112)
    for number in range(30):
        placed = place(only(golden_library, "face_mask"), number)
        for name in ("nose", "mouth", "chin"):
            assert abs(where(placed, name) - complex(*face[name])) < 9
        image = occlude_with(FACE, (placed,), "alpha")
        x, y = (round(value) for value in face["mouth"])
        assert image.mask[y, x]


def test_scarves_lie_below_the_nose(golden_library: OccluderLibrary) -> None:
    nose = face_points(POINTS, 112, 112)["nose"][1]
    boxes = [place(only(golden_library, "scarf"), number).box for number in range(30)]
    assert all(box[1] > nose - 6 for box in boxes)
    assert all(box[3] > 100 for box in boxes)


@pytest.mark.parametrize("category", ["hand", "cup", "phone", "book", "bottle", "fruit"])
def test_arms_come_from_below_or_the_sides(golden_library: OccluderLibrary, category: str) -> None:
    library = only(golden_library, category)
    angles = []
    for number in range(40):
        placed = place(library, number)
        arm = where(placed, "origin") - where(placed, "cover")
        angles.append(math.degrees(math.atan2(arm.real, arm.imag)))  # from straight down
        over = where(placed, "cover")
        assert 10 < over.real < 102
        assert 30 < over.imag < 130
    assert max(map(abs, angles)) < 100
    assert min(angles) < -2
    assert max(angles) > 2
    swing = math.degrees(2 * math.atan(role_of(category).swing))
    assert max(map(abs, angles)) <= swing + 6  # the face itself is turned by 4 degrees


def test_true_size_whatever_the_scale(golden_library: OccluderLibrary) -> None:
    library = golden_library
    for key in ("a", "b", "c"):
        small, large = (
            draw_placements(
                library,
                BuildConfig(dataset="demo", placement="landmarks", scale=scale),
                key,
                112,
                112,
                POINTS,
            )
            for scale in (1.0, 4.0)
        )
        assert small[0][:2] == large[0][:2]
        assert math.isnan(small[0].scale)


def test_a_larger_picture_of_the_face_has_larger_things(golden_library: OccluderLibrary) -> None:
    rngs = [Stream(1, "k", "placement") for _ in range(2)]
    one, two = (
        place_on_landmarks(
            golden_library, face_points(POINTS * size, 112 * size, 112 * size), 112, 112, rng
        )
        for size, rng in zip((1, 2), rngs, strict=True)
    )
    assert one is not None
    assert two is not None
    sides = [placed.box[2] - placed.box[0] for placed in (one, two)]
    assert sides[1] == pytest.approx(2 * sides[0], abs=2)


@given(st.integers(0, 2**32), st.integers(1, 4))
def test_things_go_together(golden_library: OccluderLibrary, seed: int, count: int) -> None:
    rng = Stream(seed, "face", "placement")
    placed = place_several(golden_library, count, face_points(POINTS, 112, 112), 112, 112, rng)
    zones = [role_of(p.occluder.category).zone for p in placed]
    assert 1 <= len(placed) <= count
    assert len(set(zones)) == len(zones)
    order = ["neck", "mouth", "eyes", "head", "held"]
    assert zones == sorted(zones, key=order.index)


def test_one_kind_of_thing_is_worn_once(golden_library: OccluderLibrary) -> None:
    rng = Stream(1, "face", "placement")
    glasses = only(golden_library, "eyeglasses")
    assert len(place_several(glasses, 3, face_points(None, 112, 112), 112, 112, rng)) == 1


@given(st.integers(0, 2**32))
def test_every_visible_pixel_lies_in_the_box(golden_library: OccluderLibrary, seed: int) -> None:
    placed = place(golden_library, seed)
    x0, y0, x1, y1 = placed.box
    wider = placed._replace(box=(x0 - 6, y0 - 6, x1 + 6, y1 + 6))
    canvas = np.zeros((160, 160, 3), np.uint8)
    mask = occlude_with(canvas, (wider,), "alpha").mask
    outside = mask.copy()
    outside[max(y0, 0) : max(y1, 0), max(x0, 0) : max(x1, 0)] = False
    assert outside.sum() <= 2
    inside = mask.copy()
    inside[: max(y0 + 3, 0)] = inside[max(y1 - 3, 0) :] = False
    inside[:, : max(x0 + 3, 0)] = inside[:, max(x1 - 3, 0) :] = False
    ends = np.argwhere(mask)
    if len(ends) and x0 > 2 and y0 > 2:  # tight: something is seen within three pixels of an edge
        assert ends[:, 0].min() <= y0 + 3
        assert ends[:, 1].min() <= x0 + 3


@pytest.mark.parametrize("blend", ["opaque", "alpha"])
def test_labels_of_several_are_their_union(golden_library: OccluderLibrary, blend: str) -> None:
    config = BuildConfig(dataset="demo", placement="landmarks", occluders_per_face=3, blend=blend)
    face = occlude_face(FACE, golden_library, config, "person", POINTS)
    assert len(face.placements) == 3
    boxes = np.array(face.paste_boxes)
    assert face.box == (*boxes[:, :2].min(0), *boxes[:, 2:].max(0))
    union = np.zeros((112, 112), np.bool_)
    for placed, (x0, y0, x1, y1) in zip(face.placements, face.paste_boxes, strict=True):
        alone = occlude_with(FACE, (placed,), blend).mask
        if blend == "opaque":
            assert alone[y0:y1, x0:x1].all()
        union |= alone
    assert (face.mask == union).all()


def test_warped_pictures_keep_their_colours(golden_library: OccluderLibrary) -> None:
    placed = place(only(golden_library, "cup"), 3)
    face = occlude_with(FACE, (placed,), "alpha")
    inner = face.mask & (np.abs(face.image.astype(int) - (180, 60, 40)).max(axis=2) <= 1)
    assert inner.sum() > 0.8 * face.mask.sum()
    assert (face.image[: placed.box[1]] == 128).all()


def test_mixed_draws_by_weight(golden_library: OccluderLibrary) -> None:
    config = BuildConfig(dataset="demo", placement="mixed", mix="random=1,landmarks=3")
    drawn = Counter(
        draw_placements(golden_library, config, f"face{n}", 112, 112)[0].warp is None
        for n in range(400)
    )
    assert 60 < drawn[True] < 140  # a quarter of 400, give or take five deviations


def test_an_occluder_far_off_is_brought_back(golden_library: OccluderLibrary) -> None:
    library = only(golden_library, "hat")
    points = POINTS - (0, 60)
    placed = place(library, 1, points.astype(np.float32))
    x0, y0, x1, y1 = placed.box
    assert x1 > 0
    assert y1 > 0
    assert x0 < 112
    assert y0 < 112
