import itertools

import pytest
import torch

import frommodel
from frommodel.architectures import BACKBONES
from frommodel.backbones import build_backbone
from frommodel.config import ModelConfig
from frommodel.masking import build_mask_decoder
from occgen.errors import InputError

SMALL = {"backbone": "ir10_small", "height": 40, "width": 36, "embedding_size": 16, "k": 3}


def _images(n, height=40, width=36, seed=0):
    return torch.rand(n, 3, height, width, generator=torch.Generator().manual_seed(seed)) * 2 - 1


@pytest.mark.parametrize(
    ("mask", "predictor"),
    [*itertools.product(("3d", "2d", "fc"), ("classification", "regression", "none"))],
)
def test_every_mask_form_works_with_every_predictor(mask, predictor):
    model = frommodel.FROM(**SMALL, mask=mask, predictor=predictor)
    output = model(_images(4))
    shape = (4, 16) if mask == "fc" else (4, 128, 3, 3)
    assert output.embedding.shape == (4, 16)
    assert output.mask.shape == shape
    assert 0 <= output.mask.min() <= output.mask.max() <= 1
    outputs = {"classification": (4, 37), "regression": (4, 4), "none": None}[predictor]
    assert (None if outputs is None else output.pattern_logits.shape) == outputs
    if mask == "2d":
        assert torch.equal(output.mask, output.mask[:, :1].expand(shape))


@pytest.mark.parametrize("name", [*BACKBONES])
def test_every_backbone_feeds_the_decoder_at_any_crop(name):
    for height, width in ((112, 96), (112, 112), (50, 37), (33, 64)):
        config = ModelConfig(backbone=name, height=height, width=width)
        with torch.device("meta"):
            output = frommodel.FROM.from_config(config).eval()(torch.empty(2, 3, height, width))
        assert output.mask.shape == (2, *config.feature_shape)
        assert output.embedding.shape == (2, 512)
        assert output.pattern_logits.shape == (2, 226)


def test_without_a_mask_only_the_embedding_comes_back():
    model = frommodel.FROM(**SMALL, mask="none").eval()
    embedding, mask, logits = model(_images(1))
    assert (embedding.shape, mask, logits) == ((1, 16), None, None)
    assert not [name for name in model.state_dict() if name.startswith(("fpn", "mask", "regress"))]


def test_the_embedding_alone_is_the_same():
    model = frommodel.FROM(**SMALL).eval()
    assert torch.equal(model.embed(_images(2)), model(_images(2)).embedding)


def test_masks_are_binarised_at_inference_only():
    model = frommodel.FROM(**SMALL, mask_threshold=0.5)
    assert len(model(_images(2)).mask.unique()) > 2
    model.eval()
    hard = model(_images(2))
    assert set(hard.mask.unique().tolist()) <= {0.0, 1.0}
    model.mask_threshold = None
    soft = model(_images(2))
    assert torch.equal((soft.mask > 0.5).float(), hard.mask)
    assert torch.equal(soft.pattern_logits, hard.pattern_logits)
    assert not torch.equal(soft.embedding, hard.embedding)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (torch.zeros(2, 3, 36, 40), r"\(N, 3, 40, 36\), got \(2, 3, 36, 40\)"),
        (torch.zeros(3, 40, 36), r"got \(3, 40, 36\)"),
        (torch.zeros(2, 1, 40, 36), r"got \(2, 1, 40, 36\)"),
        (torch.zeros(2, 3, 40, 36, dtype=torch.uint8), "floats in"),
        (torch.zeros(1, 3, 40, 36), "at least two images"),
    ],
)
def test_wrong_images_are_refused(images, message):
    with pytest.raises(InputError, match=message):
        frommodel.FROM(**SMALL)(images)


def test_unknown_parts_are_refused():
    with pytest.raises(InputError, match="backbone must be one of"):
        build_backbone("vgg")
    with pytest.raises(InputError, match="mask must be one of"):
        build_mask_decoder(
            "4d", pyramid_channels=8, feature_channels=8, feature_size=(2, 2), embedding_size=4
        )


def test_weights_follow_the_generator():
    first, second, other = (
        frommodel.FROM(**SMALL, generator=torch.Generator().manual_seed(seed)).state_dict()
        for seed in (1, 1, 2)
    )
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["fc.2.weight"], other["fc.2.weight"])


def test_every_parameter_gets_a_gradient():
    for mask in ("3d", "2d", "fc"):
        model = frommodel.FROM(**SMALL, mask=mask)
        output = model(_images(6))
        (output.embedding.square().sum() + output.pattern_logits[:, 1:].square().sum()).backward()
        missing = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()]
        # what a batch norm with nothing but linear layers in front of it takes away again
        assert {n for n in missing if not n.endswith("bias")} == set()


def test_channels_last_gives_the_same_numbers():
    model = frommodel.FROM(**SMALL, generator=torch.Generator().manual_seed(3)).eval()
    plain = model(_images(3))
    model = model.to(memory_format=torch.channels_last)
    other = model(_images(3).contiguous(memory_format=torch.channels_last))
    for a, b in zip(plain, other, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def test_bfloat16_autocast_runs_forward_and_backward():
    model = frommodel.FROM(**SMALL)
    with torch.autocast("cpu", torch.bfloat16):
        output = model(_images(4))
        loss = output.embedding.float().square().mean() + output.mask.float().mean()
    loss.backward()
    assert all(torch.isfinite(p.grad).all() for p in model.fc.parameters())


def test_masks_learn_to_open_for_clean_faces_and_close_under_an_occluder():
    """A toy task: the mask of clean pictures nears one where only they need the features."""
    generator = torch.Generator().manual_seed(0)
    model = frommodel.FROM(**{**SMALL, "height": 32, "width": 32}, generator=generator)
    images = _images(16, 32, 32)
    images[8:, :, :16] = 1.0  # an occluder over the upper half
    target = torch.ones(16, 128, 2, 2)
    target[8:, :, :1] = 0.0
    optimiser = torch.optim.SGD(model.parameters(), lr=0.5, momentum=0.9)
    for _ in range(25):
        mask = model(images).mask
        loss = torch.nn.functional.binary_cross_entropy(mask, target)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    mask = model(images).mask
    assert mask[:8].mean() > 0.9
    assert mask[8:, :, :1].mean() < 0.1


def _fill(model):
    """Give a network weights that a formula makes, the same on every version of torch."""
    for index, (name, tensor) in enumerate(model.state_dict().items()):
        if name.endswith("num_batches_tracked"):
            continue
        wave = torch.sin(torch.arange(tensor.numel(), dtype=torch.float64) * 0.37 + index)
        wave = wave.view(tensor.shape)
        if name.endswith("running_var"):
            wave = 1 + 0.5 * wave
        elif tensor.ndim > 1:
            wave = wave * (2 / tensor[0].numel()) ** 0.5
        else:
            wave = 1 + 0.2 * wave if name.endswith("weight") else 0.1 * wave
        tensor.copy_(wave)


@pytest.mark.parametrize(
    ("mask", "tensors", "embedding", "values", "logits"),
    [
        ("3d", 142, (10.521, -47.9437), (0.0, 0.0349), (2.3191, -4.5409)),
        ("2d", 150, (-48.0063, -79.0747), (0.6102, 0.5989), (4.8849, -8.1373)),
        ("fc", 150, (-50.5349, -83.3613), (0.6129, 0.5478), (1.952, 3.769)),
    ],
)
def test_one_forward_pass_is_pinned(mask, tensors, embedding, values, logits):
    model = frommodel.FROM(**{**SMALL, "embedding_size": 4, "k": 2}, mask=mask).eval()
    assert len(model.state_dict()) == tensors
    _fill(model)
    wave = torch.sin(torch.arange(3 * 40 * 36, dtype=torch.float64) * 0.11)
    with torch.no_grad():
        outputs = model(wave.float().view(1, 3, 40, 36))
    for output, expected in zip(outputs, (embedding, values, logits), strict=True):
        assert output.flatten()[:2].tolist() == pytest.approx(expected, rel=1e-3, abs=1e-4)
