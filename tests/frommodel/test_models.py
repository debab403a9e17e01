import numpy as np
import pytest
import torch

import frommodel
from frommodel.models import Embedder, open_model
from occgen.errors import CheckpointError, InputError

SMALL = {"backbone": "ir10_small", "embedding_size": 16, "k": 3}


@pytest.fixture(scope="module")
def model():
    return frommodel.FROM(**SMALL, generator=torch.Generator().manual_seed(0)).eval()


@pytest.fixture(scope="module")
def pixels():
    return np.random.default_rng(0).integers(0, 256, (3, 112, 96, 3), dtype=np.uint8)


def test_a_file_a_run_and_the_network_give_the_same(model, pixels, tmp_path):
    expected = frommodel.embed_images(model, pixels)
    frommodel.save(model, tmp_path / "best.safetensors")
    for spec in (tmp_path / "best.safetensors", str(tmp_path), model, Embedder(model)):
        opened = open_model(spec)
        assert opened.size == (112, 96)
        np.testing.assert_array_equal(opened.embed(pixels), expected)
    named = open_model(tmp_path / "best.safetensors")
    assert named.name == "best.safetensors"
    assert len(named.digest) == 64


def test_the_authors_checkpoint_opens(model, pixels, tmp_path):
    path = tmp_path / "authors.pth.tar"
    published = frommodel.FROM(
        "lresnet18e_ir", k=3, embedding_size=16, generator=torch.Generator().manual_seed(0)
    )
    state = {
        name.removeprefix("backbone."): value for name, value in published.state_dict().items()
    }
    torch.save({"state_dict": state}, path)
    opened = open_model(path)
    np.testing.assert_allclose(
        opened.embed(pixels), frommodel.embed_images(published, pixels), rtol=1e-4, atol=1e-5
    )


def test_a_function_is_a_model(pixels):
    def means(images):
        return images.mean(axis=(1, 2))

    opened = open_model(means)
    assert (opened.name, opened.size) == ("means", None)
    np.testing.assert_allclose(opened.embed(pixels, batch_size=2), pixels.mean(axis=(1, 2)), 1e-5)
    summed = opened.embed(pixels, flip=True, normalise=True)
    np.testing.assert_allclose(np.linalg.norm(summed, axis=1), 1, rtol=1e-5)
    assert opened.embed([]).shape[0] == 0


def test_a_function_that_returns_something_else_is_refused(pixels):
    with pytest.raises(InputError, match="one row an image: 3, got shape"):
        open_model(lambda images: images.mean(axis=0)).embed(pixels)


@pytest.mark.parametrize(
    ("spec", "error", "message"),
    [
        ("", InputError, "got ''"),
        ("nothing.safetensors", InputError, "no such model"),
        ("nothing.onnx", InputError, "no such model"),
        (7, InputError, "got int"),
    ],
)
def test_other_specs_are_refused_in_a_line(spec, error, message):
    with pytest.raises(error, match=message) as caught:
        open_model(spec)
    assert "\n" not in str(caught.value)


def test_a_file_of_another_kind_is_refused(tmp_path):
    for name in ("notes.txt", "broken.onnx", "broken.safetensors"):
        path = tmp_path / name
        path.write_bytes(b"this is no model")
        with pytest.raises(CheckpointError, match=name):
            open_model(path)
