"""The paper's clean augmentation moves pixels, boxes, masks and landmarks together."""

import numpy as np
import pytest

from frommodel.augment import Augmentation, Draw, augment_image, draw_augmentation
from occgen.seeding import Stream


def draws(count=40, **amounts):
    for number in range(count):
        stream = Stream(1, f"face {number}", "augment")
        yield draw_augmentation(stream, 112, 96, Augmentation(**amounts))


def test_the_same_stream_gives_the_same_draw_and_others_differ():
    assert list(draws()) == list(draws())
    assert len({draw.window for draw in draws()}) > 20
    assert {draw.flipped for draw in draws()} == {True, False}


def test_nothing_changes_where_nothing_may(draw_picture):
    image = draw_picture(1, 112, 96)
    out = np.empty_like(image)
    for draw in draws(resize=0.0, jitter=0.0, flip=0.0):
        augment_image(image, draw, out)
        assert np.array_equal(out, image)


def test_a_box_and_a_mask_follow_what_they_mark():
    for draw in draws(resize=0.3, jitter=0.0):
        image = np.zeros((112, 96, 3), np.uint8)
        box = (20, 30, 70, 80)
        image[30:80, 20:70] = 255
        out = np.empty_like(image)
        augment_image(image, draw, out)
        seen = out[:, :, 0] >= 128
        rows, columns = np.flatnonzero(seen.any(1)), np.flatnonzero(seen.any(0))
        found = (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
        assert np.abs(np.subtract(draw.move_box(box), found)).max() <= 1
        moved = draw.move_mask(image[:, :, 0] > 0)
        assert np.count_nonzero(moved != seen) <= 0.01 * seen.size


def test_a_box_outside_the_window_is_clean():
    draw = Draw((10, 10, 90, 100), (1.0, 1.0, 1.0), False, 112, 96)
    assert draw.move_box((0, 0, 8, 8)) == (0, 0, 0, 0)
    assert draw.move_box((0, 0, 0, 0)) == (0, 0, 0, 0)


def test_landmarks_follow_and_change_sides_in_a_mirror():
    points = np.array([[30, 52], [65, 51], [48, 72], [34, 92], [63, 92]], np.float32)
    for draw in draws(resize=0.3, jitter=0.0):
        moved = draw.move_points(points)
        assert moved[0, 0] < moved[1, 0]
        assert moved[3, 0] < moved[4, 0]
        image = np.zeros((112, 96, 3), np.uint8)
        image[70:75, 46:51] = 255  # the nose
        out = np.empty_like(image)
        augment_image(image, draw, out)
        weights = out[:, :, 0].astype(float)
        y, x = np.indices(weights.shape)
        centre = (x * weights).sum() / weights.sum(), (y * weights).sum() / weights.sum()
        assert moved[2] == pytest.approx(centre, abs=0.6)


def test_colours_change_as_three_plain_steps_do(draw_picture):
    image = draw_picture(3, 112, 96) // 2 + 60  # nothing near the ends, where rounding cuts
    factors = (1.1, 0.9, 1.12)
    draw = Draw((0, 0, 96, 112), factors, False, 112, 96)
    out = np.empty_like(image)
    augment_image(image, draw, out)
    luma = np.array([0.299, 0.587, 0.114])
    plain = image * factors[0]
    plain = factors[1] * plain + (1 - factors[1]) * (plain @ luma).mean()
    grey = (plain @ luma)[:, :, None]
    plain = factors[2] * plain + (1 - factors[2]) * grey
    assert np.abs(out - plain).max() <= 1
