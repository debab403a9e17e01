"""Pictures cut, and where a protocol allows it resized, to what a model takes."""

import cv2
import numpy as np
import pytest

from frommodel.pictures import Resizing, fit_crop, read_pictures
from occgen.codec import encoder
from occgen.errors import DataError


def picture(height, width):
    """A smooth picture."""
    y, x = np.mgrid[:height, :width] / max(height, width)
    return np.asarray(np.dstack([255 * x, 255 * y, 128 + 90 * np.sin(6 * x)]), np.uint8)


@pytest.mark.parametrize(
    ("found", "wanted", "cut"),
    [
        ((112, 112), (112, 112), 0),
        ((112, 96), (112, 96), 0),
        ((112, 112), (112, 96), 8),
        ((160, 160), (112, 112), 0),
        ((160, 160), (112, 96), 8),
        ((64, 64), (112, 96), 8),
        ((224, 192), (112, 96), 0),
        ((80, 80), (32, 32), 0),
    ],
)
def test_crops_of_the_templates_shape_fit(found, wanted, cut):
    image = picture(*found)
    made, left = fit_crop(image, *wanted)
    assert (made.shape, left) == ((*wanted, 3), cut)
    whole = (wanted[0], wanted[1] + 2 * cut)
    expected = cv2.resize(image, whole[::-1], interpolation=cv2.INTER_LINEAR)
    expected = expected[:, cut : cut + wanted[1]]
    assert np.abs(made.astype(int) - expected).mean() < 2


@pytest.mark.parametrize(
    ("found", "wanted"),
    [((112, 96), (112, 112)), ((160, 120), (112, 112)), ((112, 200), (112, 96))],
)
def test_other_shapes_are_named(found, wanted):
    message = f"is {found[0]}x{found[1]} pixels .* and {wanted[0]}x{wanted[1]} is wanted; align it"
    with pytest.raises(DataError, match=message):
        fit_crop(picture(*found), *wanted)


class Pictures:
    """A source of pictures by key."""

    def __init__(self, sizes):
        self.sizes = sizes

    def read(self, key):
        return encoder("png", 100)(picture(*self.sizes[key]))


def test_a_set_of_one_other_size_is_resized_and_told():
    source = Pictures({"a": (160, 160), "b": (112, 112), "c": (160, 160), "d": (128, 128)})
    resizing, failed = Resizing.of_set(source, ["a", "c", "a"]), {}
    made = dict(
        read_pictures(source, source.sizes, size=(112, 96), resizing=resizing, failed=failed)
    )
    assert list(made) == ["a", "b", "c"]
    assert failed["d"].startswith("is 128x128 pixels")
    assert all(image.shape == (112, 96, 3) for image in made.values())
    assert resizing.keys == {"a", "c"}
    assert resizing.note(112, 96).startswith("pictures are 160x160 and were resized whole to fit")
    fitting = Resizing.of_set(source, ["b", "a", "a", "a"])
    assert next(read_pictures(source, ["b"], size=(112, 112), resizing=fitting))[0] == "b"
    assert fitting.note(112, 112) == ""
    with pytest.raises(DataError, match="a: is 160x160"):
        list(read_pictures(source, ["b", "a"], size=(112, 112), resizing=fitting))
