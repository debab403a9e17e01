"""Natural blending: each step does what it says, and none touches the mask."""

import io
import itertools

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from occgen.codec import jpeg_quality, round_trip_jpeg
from occgen.config import NATURAL_STEPS, BuildConfig
from occgen.natural import look_at
from occgen.placement import Placement
from occgen.synthesis import draw_placements, occlude_with
from occluders.library import OccluderLibrary

UInt8 = NDArray[np.uint8]


def skin(*, level: float = 1.0, side: float = 0.0) -> UInt8:
    """Return a plain face, 112 x 112, its right brighter by `side`, with features of some kind."""
    image = np.empty((112, 112, 3))
    image[:] = np.array([182, 135, 113]) * level
    image *= 1 + side * (np.arange(112)[None, :, None] / 111 - 0.5)
    for row, column in ((50, 38), (50, 72), (70, 55), (92, 48), (92, 64)):
        image[row - 3 : row + 3, column - 6 : column + 6] *= 0.4
    return image.clip(0, 255).astype(np.uint8)


def placements(library: OccluderLibrary, key: str, placement: str) -> tuple[Placement, ...]:
    config = BuildConfig(dataset="demo", placement=placement, scale=2.0, occluders_per_face=2)
    return draw_placements(library, config, key, 112, 112)


def middle(library: OccluderLibrary, category: str = "book") -> tuple[Placement, ...]:
    """Return one occluder, well inside of the picture."""
    return (Placement(library.members(category)[0], (30, 40, 76, 100), 1.0),)


def natural(image: UInt8, placed: tuple[Placement, ...], *steps: str, **options: int) -> UInt8:
    face = occlude_with(image, placed, "natural", natural_steps=steps, **options)  # type: ignore[arg-type]
    return face.image


@pytest.mark.parametrize("placement", ["random", "regions", "landmarks"])
def test_without_steps_it_is_alpha_blending(small_library: OccluderLibrary, placement: str) -> None:
    for number in range(8):
        placed = placements(small_library, f"face{number}", placement)
        expected = occlude_with(skin(), placed, "alpha").image
        assert (natural(skin(), placed) == expected).all()


@pytest.mark.parametrize("placement", ["random", "regions", "landmarks"])
def test_boxes_and_masks_are_those_of_alpha_blending(
    small_library: OccluderLibrary, placement: str
) -> None:
    for number in range(12):
        placed = placements(small_library, f"face{number}", placement)
        one, two = (occlude_with(skin(), placed, blend) for blend in ("alpha", "natural"))
        assert one.box == two.box
        assert one.paste_boxes == two.paste_boxes
        assert (one.mask == two.mask).all()
        assert not (one.image == two.image).all()


@pytest.mark.parametrize("placement", ["random", "landmarks"])
def test_pixels_further_off_than_a_shadow_reaches_stay(
    small_library: OccluderLibrary, placement: str
) -> None:
    for number in range(12):
        placed = placements(small_library, f"face{number}", placement)
        result = natural(skin(), placed, *NATURAL_STEPS)
        away = np.ones((112, 112), np.bool_)
        for x0, y0, x1, y1 in (p.box for p in placed):
            away[max(y0 - 5, 0) : max(y1 + 5, 0), max(x0 - 5, 0) : max(x1 + 5, 0)] = False
        assert (result[away] == skin()[away]).all()


def test_colour_follows_the_exposure_and_the_light(small_library: OccluderLibrary) -> None:
    placed, inside = middle(small_library), (slice(55, 85), slice(42, 64))
    levels = [natural(skin(level=v), placed, "colour")[inside].mean() for v in (0.3, 1.0, 1.3)]
    assert levels[0] < 0.75 * levels[1] < 0.75 * levels[2]
    cold = (skin() * np.array([0.6, 0.9, 1.4])).clip(0, 255).astype(np.uint8)
    one, two = (natural(im, placed, "colour")[inside].mean((0, 1)) for im in (skin(), cold))
    assert two[2] / two[0] > 1.15 * one[2] / one[0]


def test_grey_pictures_stay_grey(small_library: OccluderLibrary) -> None:
    grey = np.repeat(skin()[:, :, 1:2], 3, axis=2)
    result = natural(grey, middle(small_library), *NATURAL_STEPS).astype(int)
    assert (result.max(axis=2) - result.min(axis=2)).max() <= 12  # the noise has a little colour
    plain = natural(grey, middle(small_library), "colour").astype(int)
    assert (plain.max(axis=2) - plain.min(axis=2)).max() <= 1


def test_light_falls_from_the_side_it_falls_from(small_library: OccluderLibrary) -> None:
    placed = middle(small_library)
    plain = natural(skin(), placed).astype(float)

    def sides(side: float) -> list[float]:
        lit = natural(skin(side=side), placed, "light").astype(float)
        return [
            float((lit[60:80, x : x + 8] / np.maximum(plain[60:80, x : x + 8], 1)).mean())
            for x in (40, 58)
        ]

    from_right, from_left = sides(0.9), sides(-0.9)
    assert from_right[1] > from_right[0] + 0.03
    assert from_left[0] > from_left[1] + 0.03


def test_a_shadow_darkens_what_is_near(small_library: OccluderLibrary) -> None:
    placed = middle(small_library)
    result, plain = (natural(skin(), placed, *steps).astype(int) for steps in (("shadow",), ()))
    assert (result <= plain + 1).all()
    below = slice(96, 104), slice(45, 62)
    assert (plain - result)[below].mean() > 3


def gradient(image: UInt8) -> float:
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(int)
    return float(np.abs(np.diff(grey[70, 20:50])).max())


def test_edges_are_as_soft_as_the_picture(small_library: OccluderLibrary) -> None:
    placed = middle(small_library)
    sharp = skin().astype(int) + np.random.default_rng(0).integers(-40, 41, (112, 112, 1))
    sharp = sharp.clip(0, 255).astype(np.uint8)
    soft = np.asarray(cv2.GaussianBlur(sharp, (0, 0), 2.0), np.uint8)
    assert look_at(sharp, ("blur",)).blur < 0.5
    assert look_at(soft, ("blur",)).blur > 0.7
    assert gradient(natural(soft, placed, "blur")) < 0.85 * gradient(natural(soft, placed))


def test_noise_is_that_of_the_picture(small_library: OccluderLibrary) -> None:
    placed, inside = middle(small_library), (slice(55, 85), slice(42, 64))
    rough = []
    for sigma in (0, 4, 9):
        noise = np.random.default_rng(1).normal(0, max(sigma, 1e-9), (112, 112, 3))
        image = (skin() + noise).clip(0, 255).astype(np.uint8)
        difference = natural(image, placed, "noise")[inside].astype(int)
        difference -= natural(image, placed)[inside].astype(int)
        rough.append(difference.std())
    assert rough[0] < 0.5
    assert rough[0] < rough[1] - 0.5 < rough[2] - 1


def test_noise_is_another_one_on_every_face(small_library: OccluderLibrary) -> None:
    rng = np.random.default_rng(2)
    placed = middle(small_library)
    found = []
    for _ in range(4):
        image = (skin() + rng.normal(0, 6, (112, 112, 3))).clip(0, 255).astype(np.uint8)
        noise = natural(image, placed, "noise").astype(int) - natural(image, placed).astype(int)
        found.append(noise[55:85, 42:64].ravel())
    for one, two in itertools.combinations(found, 2):
        assert abs(np.corrcoef(one, two)[0, 1]) < 0.5


def test_the_compression_of_the_source_is_that_of_the_occluder(
    small_library: OccluderLibrary,
) -> None:
    placed = middle(small_library)
    plain = natural(skin(), placed)
    assert (natural(skin(), placed, "jpeg", jpeg_quality=95) == plain).all()
    coded = natural(skin(), placed, "jpeg", jpeg_quality=30)
    assert (coded != plain).any()
    assert np.abs(coded.astype(int) - plain).mean() < 6
    outside = np.ones((112, 112), np.bool_)
    outside[35:105, 25:81] = False
    assert (coded == plain)[outside].all()


@pytest.mark.parametrize("quality", [20, 30, 50, 75, 90, 95, 100])
def test_qualities_are_read_from_the_file(quality: int) -> None:
    buffer = io.BytesIO()
    Image.fromarray(skin()).save(buffer, "JPEG", quality=quality)
    assert jpeg_quality(buffer.getvalue()) == pytest.approx(quality, abs=1)


@pytest.mark.parametrize("data", [b"", b"\xff\xd8\xff", b"\x89PNG\r\n", b"\xff\xd8\xff\xdb\0\0"])
def test_what_has_no_table_has_no_quality(data: bytes) -> None:
    assert jpeg_quality(data) is None


def test_a_round_trip_keeps_the_size() -> None:
    assert round_trip_jpeg(skin()[:50, :37].copy(), 80).shape == (50, 37, 3)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32))
def test_any_size_will_do(
    small_library: OccluderLibrary, height: int, width: int, seed: int
) -> None:
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    before = image.copy()
    for placement in ("random", "landmarks"):
        config = BuildConfig(dataset="demo", placement=placement)
        placed = draw_placements(small_library, config, str(seed), height, width)
        face = occlude_with(image, placed, "natural", jpeg_quality=60)
        again = occlude_with(image[:, ::-1][:, ::-1], placed, "natural", jpeg_quality=60)
        assert face.image.shape == image.shape
        assert face.mask.shape == (height, width)
        assert (face.image == again.image).all()
    assert (image == before).all()


def test_a_picture_that_lies_strided_is_blended_in_place(small_library: OccluderLibrary) -> None:
    wide = np.zeros((112, 130, 3), np.uint8)
    wide[:, :112] = skin()
    placed = middle(small_library)
    view = wide[:, :112]
    face = occlude_with(view, placed, "natural", in_place=True)
    assert face.image is view
    assert (view == natural(skin(), placed, *NATURAL_STEPS)).all()
    assert (wide[:, 112:] == 0).all()
