import json
import os
from pathlib import Path

import pytest
import torch

import frommodel
from frommodel.config import ModelConfig
from frommodel.flops import count_flops, count_parameters


@pytest.mark.parametrize(
    ("k", "millions"), [(3, 48.18), (4, 49.55), (5, 52.24), (6, 56.89)], ids=str
)
def test_the_published_layout_has_the_published_size(k, millions):
    published = frommodel.describe(ModelConfig(k=k))["published"]
    assert round(published["parameters"] / 1e6, 2) == millions
    if k == 5:
        assert published["flops"] / 1e9 == pytest.approx(12.34, rel=0.01)


def test_ours_leaves_out_what_never_reaches_the_output():
    description = frommodel.describe(ModelConfig())
    ours, published = description["ours"], description["published"]
    assert round(ours["parameters"] / 1e6, 2) == 49.29
    assert round(ours["flops"] / 1e9, 2) == 11.99
    assert published["parameters"] - ours["parameters"] == pytest.approx(2.95e6, rel=1e-3)
    assert description["mask_shape"] == (512, 7, 6)
    assert frommodel.describe(ModelConfig(mask="fc"))["mask_shape"] == (512,)
    assert frommodel.describe(ModelConfig(mask="none", predictor="none"))["mask_shape"] is None


def test_operations_agree_with_those_of_torch():
    from torch.utils.flop_counter import FlopCounterMode

    config = ModelConfig(backbone="ir10_small", height=40, width=36, embedding_size=8, k=2)
    model = frommodel.FROM.from_config(config).eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.zeros(1, 3, 40, 36))
    assert sum(count_flops(config).values()) == counter.get_total_flops()
    assert count_parameters(model) == sum(p.numel() for p in model.parameters())


def test_the_state_of_the_published_layout_has_the_published_names():
    root = Path(os.environ.get("OCCGEN_TEST_SHARED", Path(__file__).parents[3] / "shared"))
    listed = root / "published_keys.json"
    if not listed.exists():
        pytest.skip(f"{listed} is missing")
    expected = {name: tuple(shape) for name, shape in json.loads(listed.read_text())}
    with torch.device("meta"):
        models = [frommodel.FROM(published_layout=layout) for layout in (True, False)]
    published, ours = (
        {n.removeprefix("backbone."): tuple(t.shape) for n, t in m.state_dict().items()}
        for m in models
    )
    assert len(expected) == 510
    assert published == expected
    dead = ("fpn.P5_2", "fpn.P4_2", "fpn.P6", "fpn.P7_2")
    assert ours == {n: s for n, s in expected.items() if not n.startswith(dead)}
