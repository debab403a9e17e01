import numpy as np
import pytest
import torch

import frommodel
from frommodel.data import to_nchw
from occgen.errors import InputError

SMALL = {"backbone": "ir10_small", "embedding_size": 16, "k": 3}


@pytest.fixture(scope="module")
def model():
    return frommodel.FROM(**SMALL, generator=torch.Generator().manual_seed(0)).eval()


def _pixels(n, height=112, width=96):
    return np.random.default_rng(0).integers(0, 256, (n, height, width, 3), dtype=np.uint8)


def test_pixels_become_minus_one_to_one_without_moving():
    pixels = torch.tensor([0, 51, 255], dtype=torch.uint8).expand(2, 4, 5, 3).contiguous()
    images = to_nchw(pixels)
    assert images.shape == (2, 3, 4, 5)
    assert images[0, :, 0, 0].tolist() == pytest.approx([-1.0, -0.6, 1.0])
    assert images.is_contiguous(memory_format=torch.channels_last)
    with pytest.raises(InputError, match="uint8 of shape"):
        to_nchw(images)


def test_batches_and_runs_change_nothing(model):
    pixels = _pixels(7)
    with torch.no_grad():
        expected = model.embed(to_nchw(torch.from_numpy(pixels))).numpy()
    seen = []
    forms = (pixels, iter(pixels), [pixels[:2], pixels[2], pixels[3:]])
    for form in forms:
        result = frommodel.embed_images(model, form, batch_size=3, on_progress=seen.append)
        assert result.dtype == np.float32
        np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-5)
    assert seen == [3, 6, 7] * 3


def test_flipping_adds_the_mirror_and_normalising_comes_after(model):
    pixels = _pixels(2)
    plain, mirror = (frommodel.embed_images(model, p) for p in (pixels, pixels[:, :, ::-1]))
    both = frommodel.embed_images(model, pixels, flip=True)
    np.testing.assert_allclose(both, plain + mirror, rtol=1e-4, atol=1e-5)
    unit = frommodel.embed_images(model, pixels, flip=True, normalise=True)
    np.testing.assert_allclose(unit, both / np.linalg.norm(both, axis=1)[:, None], rtol=1e-5)


def test_square_crops_are_cut_for_the_narrow_network(model):
    pixels = _pixels(2, width=112)
    result = frommodel.embed_images(model, pixels)
    np.testing.assert_allclose(result, frommodel.embed_images(model, pixels[:, :, 8:-8]))


def test_training_mode_comes_back_and_nothing_gives_no_rows(model):
    model.train()
    before = model.fc[0].running_mean.clone()
    assert frommodel.embed_images(model, iter([])).shape == (0, 16)
    frommodel.embed_images(model, _pixels(2))
    assert model.training
    assert torch.equal(model.fc[0].running_mean, before)
    model.eval()


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (
            [np.zeros((100, 96, 3), np.uint8)],
            r"of 112x96 \(or 112x112, cut\), got shape \(100",
        ),
        ([np.zeros((112, 96), np.uint8)], "uint8 of shape"),
        ([np.zeros((112, 96, 3))], "float64"),
    ],
)
def test_other_images_are_refused(model, images, message):
    with pytest.raises(InputError, match=message):
        frommodel.embed_images(model, images)
    with pytest.raises(InputError, match="batch_size"):
        frommodel.embed_images(model, [], batch_size=0)
