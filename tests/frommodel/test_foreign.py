"""Checkpoints of other programs: the authors' published weights and InsightFace's iresnets."""

import pickle
from collections import OrderedDict

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import frommodel
from occgen.errors import CheckpointError

SMALL = {"backbone": "ir10_small", "height": 40, "width": 36, "embedding_size": 16, "k": 3}


class _Published:
    """The published forward pass, spelled out tensor by tensor from its description."""

    def __init__(self, state):
        self.state = state

    def norm(self, x, name):
        mean, var, weight, bias = (
            self.state[f"{name}.{part}"]
            for part in ("running_mean", "running_var", "weight", "bias")
        )
        shape = (1, -1) + (1,) * (x.ndim - 2)
        scaled = (x - mean.view(shape)) / torch.sqrt(var.view(shape) + 1e-5)
        return scaled * weight.view(shape) + bias.view(shape)

    def conv(self, x, name, stride=1):
        weight = self.state[f"{name}.weight"]
        bias = self.state.get(f"{name}.bias")
        return F.conv2d(x, weight, bias, stride, padding=weight.shape[-1] // 2)

    def prelu(self, x, name):
        return torch.where(x > 0, x, x * self.state[f"{name}.weight"].view(1, -1, 1, 1))

    def block(self, x, name, stride):
        out = self.norm(x, f"{name}.bn1")
        out = self.norm(self.conv(out, f"{name}.conv1"), f"{name}.bn2")
        out = self.conv(self.prelu(out, f"{name}.prelu1"), f"{name}.conv2", stride)
        out = self.norm(out, f"{name}.bn3")
        if f"{name}.downsample.0.weight" in self.state:
            x = self.norm(self.conv(x, f"{name}.downsample.0", stride), f"{name}.downsample.1")
        return out + x

    def head(self, x, name):
        x = self.norm(x.flatten(1), f"{name}.0")
        bias = self.state.get(f"{name}.2.bias", torch.zeros(()))
        return self.norm(x @ self.state[f"{name}.2.weight"].T + bias, f"{name}.3")

    def __call__(self, x):
        x = self.prelu(self.norm(self.conv(x, "conv1"), "bn1"), "prelu1")
        maps = []
        for stage, depth in enumerate((3, 4, 14, 3), start=1):
            for index in range(depth):
                x = self.block(x, f"layer{stage}.{index}", 1 if index else 2)
            maps.append(x)
        _, c3, c4, c5 = maps
        p5 = self.conv(c5, "fpn.P5_1")
        p4 = self.conv(c4, "fpn.P4_1") + p5.repeat_interleave(2, 2).repeat_interleave(2, 3)
        p3 = self.conv(c3, "fpn.P3_1") + p4.repeat_interleave(2, 2).repeat_interleave(2, 3)
        mask = self.conv(self.conv(p3, "fpn.P3_2"), "mask.0", 2)
        mask = self.norm(self.prelu(mask, "mask.1"), "mask.2")
        mask = 1 / (1 + torch.exp(-self.conv(mask, "mask.3", 2)))
        return self.head(c5 * mask, "fc"), mask, self.head(mask, "regress")


def _randomise(state, seed):
    """Fill a state with weights that keep activations of the order of one."""
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in state.items():
        if name.endswith("num_batches_tracked"):
            tensor.fill_(7)
        elif tensor.ndim > 1:
            scale = (1 / tensor[0].numel()) ** 0.5
            tensor.normal_(0, scale, generator=generator)
        elif name.endswith("bn3.weight"):  # the residual branches add up
            tensor.uniform_(0.1, 0.4, generator=generator)
        elif name.endswith(("running_var", "weight")):
            tensor.uniform_(0.5, 1.5, generator=generator)
        else:
            tensor.uniform_(-0.2, 0.2, generator=generator)


def _published_state(model):
    return OrderedDict((n.removeprefix("backbone."), t) for n, t in model.state_dict().items())


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A checkpoint of the published layout as the authors' trainer writes it, and its tensors."""
    path = tmp_path_factory.mktemp("published") / "model.pth.tar"
    state = _published_state(frommodel.FROM(published_layout=True))
    _randomise(state, 0)
    content = {
        "epoch": 40,
        "arch": "LResNet50E_IR_FPN",
        "state_dict": OrderedDict((f"module.{name}", tensor) for name, tensor in state.items()),
        "best_prec1": np.float64(99.38),
        "lr": np.float32(0.01),
        "iter": np.int64(12),
    }
    torch.save(content, path)
    yield path, state
    path.unlink()


@pytest.mark.slow
def test_the_authors_file_gives_the_published_outputs(published):
    path, state = published
    model = frommodel.load(path)
    assert not model.training
    assert model.config == frommodel.ModelConfig()
    images = torch.rand(2, 3, 112, 96, generator=torch.Generator().manual_seed(1)) * 2 - 1
    with torch.no_grad():
        outputs, expected = model(images), _Published(state)(images)
    assert expected[1].std() > 0.05  # a mask at its ends would hide a difference
    assert [tuple(o.shape) for o in outputs] == [(2, 512), (2, 512, 7, 6), (2, 226)]
    for output, reference in zip(outputs, expected, strict=True):
        assert (output - reference).abs().max() < 1e-4 * reference.abs().max()


def test_numpy_scalars_pickled_by_numpy_1_are_read(tmp_path):
    """Files of the paper's time name numpy.core where numpy 2 says numpy._core."""
    state = _baseline_state()
    content = {"state_dict": state, "best_prec1": np.float64(99.0)}
    raw = pickle.dumps(content["best_prec1"], protocol=2)
    assert b"numpy" in raw
    path = tmp_path / "old.pth.tar"
    torch.save(content, path, _use_new_zipfile_serialization=False)
    old = path.read_bytes().replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n")
    assert b"numpy.core.multiarray" in old
    path.write_bytes(old)
    assert frommodel.load(path).config.mask == "none"


def _baseline_state(**changes):
    config = {"backbone": "lresnet18e_ir", "embedding_size": 4, "mask": "none", **changes}
    model = frommodel.FROM(**config)
    return _published_state(model)


@pytest.fixture(scope="module")
def small_state():
    """The smallest network the authors' names stand for, with a mask and nine cells."""
    return _baseline_state(mask="3d", k=2, pyramid_channels=8)


def test_sizes_are_read_off_the_tensors(tmp_path, small_state):
    torch.save(small_state, tmp_path / "plain.pth")
    config = frommodel.load(tmp_path / "plain.pth").config
    assert (config.backbone, config.k, config.embedding_size) == ("lresnet18e_ir", 2, 4)
    assert (config.mask, config.pyramid_channels, config.width) == ("3d", 8, 96)
    torch.save({"state_dict": _baseline_state(width=112)}, tmp_path / "square.pth")
    config = frommodel.load(tmp_path / "square.pth").config
    assert (config.mask, config.predictor, config.width) == ("none", "none", 112)


def _edit(state, **edits):
    edited = dict(state)
    for name, value in edits.items():
        name = name.replace("__", ".")
        if value is None:
            del edited[name]
        else:
            edited[name] = value
    return edited


@pytest.mark.parametrize(
    ("edits", "message"),
    [
        ({"mask__2__bias": None}, r"missing tensors mask\.2\.bias"),
        ({"extra__weight": torch.ones(2)}, r"unknown tensors backbone\.extra\.weight"),
        ({"bn1__weight": torch.ones(3)}, r"wrong shapes backbone\.bn1\.weight \(3,\) for \(64,\)"),
        ({"regress__2__weight": torch.ones(9, 21504)}, "9 outputs, the number of patterns of no"),
        ({"regress__2__weight": None}, r"no tensor regress\.2\.weight"),
        ({"fc__2__weight": torch.ones(4, 21000)}, "21000 features"),
        ({"fc__2__weight": torch.ones(4)}, "not 2 axes"),
        ({"fc__2__weight": None}, "neither a FROM network"),
        ({"layer1__2__conv1__weight": torch.ones(64)}, "stages of 3, 2, 2, 2 blocks"),
        ({"bn1__bias": torch.full((64,), float("nan"))}, r"bn1\.bias holds values that are no"),
        ({"bn1__bias": 3.0}, r"entry 'bn1\.bias' is a float"),
    ],
)
def test_tensors_that_do_not_fit_are_named(tmp_path, small_state, edits, message):
    torch.save({"state_dict": _edit(small_state, **edits)}, tmp_path / "bad.pth.tar")
    with pytest.raises(CheckpointError, match=message) as caught:
        frommodel.load(tmp_path / "bad.pth.tar")
    assert "\n" not in str(caught.value)
    assert "bad.pth.tar" in str(caught.value)


def test_old_files_without_batch_counters_and_with_a_classifier_load(tmp_path, small_state):
    state = {n: t for n, t in small_state.items() if not n.endswith("num_batches_tracked")}
    state["classifier.weight"] = torch.ones(10, 4)
    torch.save({"state_dict": state, "classifier": {"weight": torch.ones(9, 4)}}, tmp_path / "a")
    torch.save(small_state, tmp_path / "whole")
    found, whole = (frommodel.load(tmp_path / name).state_dict() for name in ("a", "whole"))
    assert found.keys() == whole.keys()
    assert all(torch.equal(tensor, whole[name]) for name, tensor in found.items())


def _iresnet_state(depths):
    """Names and shapes of InsightFace's iresnet, filled."""
    state = OrderedDict()

    def norm(name, n):
        for part in ("weight", "bias", "running_mean", "running_var"):
            state[f"{name}.{part}"] = torch.zeros(n)
        state[f"{name}.num_batches_tracked"] = torch.zeros((), dtype=torch.int64)

    state["conv1.weight"] = torch.zeros(64, 3, 3, 3)
    norm("bn1", 64)
    state["prelu.weight"] = torch.zeros(64)
    before = 64
    for stage, (depth, width) in enumerate(zip(depths, (64, 128, 256, 512), strict=True), 1):
        for index in range(depth):
            name = f"layer{stage}.{index}"
            norm(f"{name}.bn1", before)
            state[f"{name}.conv1.weight"] = torch.zeros(width, before, 3, 3)
            norm(f"{name}.bn2", width)
            state[f"{name}.prelu.weight"] = torch.zeros(width)
            state[f"{name}.conv2.weight"] = torch.zeros(width, width, 3, 3)
            norm(f"{name}.bn3", width)
            if index == 0:
                state[f"{name}.downsample.0.weight"] = torch.zeros(width, before, 1, 1)
                norm(f"{name}.downsample.1", width)
            before = width
    norm("bn2", 512)
    state["fc.weight"], state["fc.bias"] = torch.zeros(8, 25088), torch.zeros(8)
    norm("features", 8)
    _randomise(state, 2)
    return state


@pytest.mark.slow
def test_an_insightface_iresnet_loads_as_a_baseline(tmp_path):
    state = _iresnet_state((2, 2, 2, 2))
    torch.save(state, tmp_path / "backbone.pth")
    model = frommodel.load(tmp_path / "backbone.pth")
    config = model.config
    assert (config.backbone, config.mask, config.height, config.width) == (
        "lresnet18e_ir",
        "none",
        112,
        112,
    )
    images = torch.rand(2, 3, 112, 112, generator=torch.Generator().manual_seed(1)) * 2 - 1
    plain = _Published({n.replace(".prelu.", ".prelu1."): t for n, t in state.items()})
    with torch.no_grad():
        x = plain.prelu(plain.norm(plain.conv(images, "conv1"), "bn1"), "prelu")
        for stage in range(1, 5):
            for index in range(2):
                x = plain.block(x, f"layer{stage}.{index}", 1 if index else 2)
        x = plain.norm(x, "bn2").flatten(1)
        expected = plain.norm(x @ state["fc.weight"].T + state["fc.bias"], "features")
        got = model(images).embedding
    assert (got - expected).abs().max() < 1e-4 * expected.abs().max()
    torch.save(_edit(state, fc__weight=torch.ones(8, 21504)), tmp_path / "backbone.pth")
    with pytest.raises(CheckpointError, match="only iresnets of 112x112"):
        frommodel.load(tmp_path / "backbone.pth")
