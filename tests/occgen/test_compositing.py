"""Blending against the exact mix, at every border."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from occgen.compositing import clip_box, paste, paste_mask
from occgen.errors import InputError
from occluders.resizing import Resized, resize

UInt8 = NDArray[np.uint8]
Box = tuple[int, int, int, int]

HEIGHT, WIDTH = 24, 20


def noise(seed: int, *shape: int) -> UInt8:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def ready(rgba: UInt8) -> Resized:
    """Return a picture ready to paste at its own size."""
    return resize(rgba, rgba.shape[1], rgba.shape[0])


def with_alpha(seed: int, height: int, width: int, alpha: int) -> UInt8:
    rgba = noise(seed, height, width, 4)
    rgba[:, :, 3] = alpha
    return rgba


@given(
    st.integers(0, 2**32),
    st.integers(-12, 22),
    st.integers(-12, 26),
    st.integers(1, 12),
    st.integers(1, 12),
)
def test_alpha_is_within_one_level_of_the_exact_mix(
    seed: int, x0: int, y0: int, width: int, height: int
) -> None:
    image, rgba = noise(seed, HEIGHT, WIDTH, 3), noise(seed + 1, height, width, 4)
    box = (x0, y0, x0 + width, y0 + height)
    expected = image.astype(np.float64)
    for row, column in itertools.product(range(height), range(width)):
        y, x = y0 + row, x0 + column
        if 0 <= y < HEIGHT and 0 <= x < WIDTH:
            share = rgba[row, column, 3] / 255
            expected[y, x] = expected[y, x] * (1 - share) + rgba[row, column, :3] * share
    result = image.copy()
    assert paste(result, ready(rgba), box, "alpha") == clip_box(box, HEIGHT, WIDTH)
    assert np.abs(result - expected).max() <= 1
    outside = np.ones((HEIGHT, WIDTH), np.bool_)
    cx0, cy0, cx1, cy1 = clip_box(box, HEIGHT, WIDTH)
    outside[cy0:cy1, cx0:cx1] = False
    assert (result[outside] == image[outside]).all()


def test_alpha_0_changes_nothing_and_alpha_255_copies() -> None:
    image = noise(0, HEIGHT, WIDTH, 3)
    for seed in range(5):
        result = image.copy()
        paste(result, ready(with_alpha(seed, HEIGHT, WIDTH, 0)), (0, 0, WIDTH, HEIGHT), "alpha")
        assert (result == image).all()
        rgba = with_alpha(seed, HEIGHT, WIDTH, 255)
        paste(result, ready(rgba), (0, 0, WIDTH, HEIGHT), "alpha")
        assert (result == rgba[:, :, :3]).all()


def test_every_pair_of_levels_and_alphas_is_within_one() -> None:
    """All 256 levels under all 256 alphas, with the darkest, a middle and the brightest colour."""
    level, alpha = np.mgrid[:256, :256].astype(np.uint8)
    for colour in (0, 100, 255):
        image = np.repeat(level[:, :, None], 3, axis=2).copy()
        rgba = np.dstack([np.full((256, 256, 3), colour, np.uint8), alpha])
        exact = level * (1 - alpha / 255) + colour * (alpha / 255)
        paste(image, ready(rgba), (0, 0, 256, 256), "alpha")
        assert np.abs(image - exact[:, :, None]).max() <= 1
        if colour == 255:
            assert (np.diff(image[:, :, 0].astype(int), axis=0) >= 0).all()


@pytest.mark.parametrize("blend", ["alpha", "opaque"])
@pytest.mark.parametrize("x0", [-15, -9, -1, 0, 5, 12, 19, 20, 30])
@pytest.mark.parametrize("y0", [-15, -7, 0, 3, 16, 23, 24])
def test_clipping_is_a_window_on_a_larger_picture(blend: str, x0: int, y0: int) -> None:
    """The same paste in the middle of a wide picture, then cut, at all borders and corners."""
    margin = 40
    wide = noise(1, HEIGHT + 2 * margin, WIDTH + 2 * margin, 3)
    window = (slice(margin, margin + HEIGHT), slice(margin, margin + WIDTH))
    resized = ready(noise(2, 7, 9, 4))
    image, mask = wide[window].copy(), np.zeros((HEIGHT, WIDTH), np.bool_)
    wide_mask = np.zeros(wide.shape[:2], np.bool_)
    box = (x0, y0, x0 + 9, y0 + 7)
    moved = tuple(side + margin for side in box)
    clipped = paste(image, resized, box, blend)
    paste_mask(mask, resized.mask, box)
    paste(wide, resized, moved, blend)  # type: ignore[arg-type]
    paste_mask(wide_mask, resized.mask, moved)  # type: ignore[arg-type]
    assert (image == wide[window]).all()
    assert (mask == wide_mask[window]).all()
    assert clipped == clip_box(box, HEIGHT, WIDTH)


def test_opaque_copies_the_rectangle_whatever_its_matte() -> None:
    image, rgba = noise(0, HEIGHT, WIDTH, 3), with_alpha(1, 6, 5, 255)
    rgba[:, :, 3] = noise(2, 6, 5)
    resized = ready(rgba)
    result = image.copy()
    assert paste(result, resized, (4, 3, 9, 9), "opaque") == (4, 3, 9, 9)
    assert (result[3:9, 4:9] == resized.rgb).all()
    seen = rgba[:, :, 3] > 60  # straight colour comes back from what is stored premultiplied
    assert np.abs(result[3:9, 4:9].astype(int) - rgba[:, :, :3])[seen].max() <= 1
    result[3:9, 4:9] = image[3:9, 4:9]
    assert (result == image).all()


def test_a_mask_is_true_where_alpha_is_at_least_half() -> None:
    rgba = with_alpha(0, 2, 2, 0)
    rgba[:, :, 3] = [[0, 127], [128, 255]]
    mask = np.zeros((4, 4), np.bool_)
    mask[0, 0] = True
    paste_mask(mask, ready(rgba).mask, (1, 1, 3, 3))
    assert np.argwhere(mask).tolist() == [[0, 0], [2, 1], [2, 2]]


def test_the_occluder_is_not_changed() -> None:
    resized = ready(noise(3, 7, 9, 4))
    names = ("rgb", "premultiplied", "inverse_alpha", "alpha", "mask")
    before = {name: getattr(resized, name).copy() for name in names}
    paste(noise(0, HEIGHT, WIDTH, 3), resized, (15, 20, 24, 27), "alpha")
    assert all((getattr(resized, name) == old).all() for name, old in before.items())


@pytest.mark.parametrize("blend", ["alpha", "opaque"])
def test_memory_layout_does_not_matter(blend: str) -> None:
    resized = ready(noise(3, 7, 9, 4))
    plain = noise(0, HEIGHT, WIDTH, 3)
    planes = np.ascontiguousarray(plain.transpose(2, 0, 1)).transpose(1, 2, 0)
    turned = np.ascontiguousarray(plain.transpose(1, 0, 2)).transpose(1, 0, 2)
    mirrored = np.ascontiguousarray(plain[:, ::-1])[:, ::-1]
    box = (-2, 5, 7, 12)
    paste(plain, resized, box, blend)
    for image in (planes, turned, mirrored):
        paste(image, resized, box, blend)
        assert (image == plain).all()


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ((-3, -4, 5, 6), (0, 0, 5, 6)),
        ((15, 20, 25, 30), (15, 20, 20, 24)),
        ((-5, -5, 50, 50), (0, 0, 20, 24)),
        ((20, 0, 25, 5), (0, 0, 0, 0)),
        ((0, -5, 5, 0), (0, 0, 0, 0)),
        ((3, 3, 3, 9), (0, 0, 0, 0)),
    ],
)
def test_boxes_are_clipped(box: Box, expected: Box) -> None:
    assert clip_box(box, HEIGHT, WIDTH) == expected


def test_wrong_arguments_are_named() -> None:
    image, resized = noise(0, HEIGHT, WIDTH, 3), ready(noise(1, 5, 6, 4))
    with pytest.raises(InputError, match=r"box \(0, 0, 5, 6\) does not have the occluder's size"):
        paste(image, resized, (0, 0, 5, 6), "alpha")
    with pytest.raises(InputError, match="blend must be opaque or alpha, got 'screen'"):
        paste(image, resized, (0, 0, 6, 5), "screen")
    assert (image == noise(0, HEIGHT, WIDTH, 3)).all()
