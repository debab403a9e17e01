import dataclasses
import json
import subprocess
import sys

import pytest

from frommodel.architectures import BACKBONES
from frommodel.config import ModelConfig, TrainConfig
from frommodel.eval_config import EvalConfig
from occgen.errors import InputError


def test_importing_the_package_and_its_configurations_loads_no_torch():
    code = (
        "import sys, frommodel; frommodel.ModelConfig; frommodel.recipe; "
        "frommodel.verification_accuracy; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_configurations_round_trip_through_json():
    model = ModelConfig(backbone="ir10_small", k=4, mask="2d", mask_threshold=0.4, dropout=0)
    assert ModelConfig.from_json(model.to_json()) == model
    train = TrainConfig(model=model, milestones=(3, 5), occlude=None, soft_patterns=0.1)
    assert TrainConfig.from_json(train.to_json()) == train
    weighed = TrainConfig(categories=("face_mask=4.0", "hand"))
    assert weighed.categories == weighed.occlusion().categories == ("face_mask=4", "hand")
    assert TrainConfig.from_json(weighed.to_json()) == weighed


def test_fields_that_came_later_leave_the_json_of_before():
    plain = json.loads(TrainConfig().to_json())
    assert not {"include_occluders", "exclude_occluders"} & set(plain)
    narrowed = TrainConfig(include_occluders="book/*", exclude_occluders=("cup",), split="train")
    assert narrowed.include_occluders == ("book/*",)
    assert TrainConfig.from_json(narrowed.to_json()) == narrowed
    assert json.loads(narrowed.to_json())["exclude_occluders"] == ["cup"]
    occlusion = narrowed.occlusion()
    assert (occlusion.include_occluders, occlusion.split) == (("book/*",), "train")
    model = ModelConfig(predictor="regression")
    assert "box_unit" not in json.loads(model.to_json())
    plain = json.loads(TrainConfig(model=model, box_unit="pixel").to_json())
    assert "box_unit" not in plain["model"]
    told = dataclasses.replace(model, box_unit="pixel")
    assert ModelConfig.from_json(told.to_json()) == told
    with pytest.raises(InputError, match="goes with predictor 'regression'"):
        ModelConfig(box_unit="pixel")
    evaluation = EvalConfig(include_occluders=("book/*",), exclude_occluders="cup", split="test")
    assert EvalConfig.from_json(evaluation.to_json()) == evaluation
    assert evaluation.occlusion().split == "test"
    assert evaluation.occlusion().include_occluders == ("book/*",)
    assert evaluation.occlusion().exclude_occluders == ("cup",)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("backbone", "vgg"),
        ("k", 0),
        ("k", 33),
        ("k", True),
        ("k", 2.5),
        ("height", 31),
        ("width", "96"),
        ("embedding_size", 0),
        ("mask", "4d"),
        ("mask", "none"),
        ("mask", ["3d"]),
        ("predictor", "boxes"),
        ("dropout", 1.0),
        ("dropout", float("nan")),
        ("mask_threshold", 0.0),
        ("pyramid_channels", 0),
        ("published_layout", 1),
    ],
)
def test_model_values_are_checked_by_name(field, value):
    with pytest.raises(InputError, match=r"mask|must be") as caught:
        ModelConfig(**{"backbone": "ir10_small", "height": 32, "width": 40, field: value})
    assert field in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("epochs", 0),
        ("batch_size", 1),
        ("accumulate", 3),
        ("learning_rate", 0),
        ("learning_rate", float("inf")),
        ("milestones", (25, 10)),
        ("milestones", 10),
        ("milestones", (0,)),
        ("gamma", 1.5),
        ("schedule", "linear"),
        ("momentum", 1),
        ("s", 0),
        ("m3", -0.1),
        ("pattern_weight", -1),
        ("soft_patterns", 0),
        ("negative_fraction", 0),
        ("clean_fraction", 1.01),
        ("label_by", "eye"),
        ("precision", "fp8"),
        ("clip_norm", 0),
        ("compile", "yes"),
        ("occlude", 2.0),
        ("model", 5),
        ("seed", -1),
    ],
)
def test_training_values_are_checked_by_name(field, value):
    with pytest.raises(InputError, match=field):
        TrainConfig(**{field: value})


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "not JSON"), ("[]", "JSON object"), ('{"kk": 5}', "'kk'"), ('{"k": null}', "k must")],
)
def test_bad_json_is_refused(text, message):
    with pytest.raises(InputError, match=message):
        ModelConfig.from_json(text)


def test_outputs_and_shapes_follow_from_the_configuration():
    assert [ModelConfig(k=k).num_outputs for k in (3, 4, 5, 6)] == [37, 101, 226, 442]
    assert ModelConfig(predictor="regression").num_outputs == 4
    assert ModelConfig(mask="none", predictor="none").num_outputs == 0
    assert ModelConfig().feature_shape == (512, 7, 6)
    assert ModelConfig(width=112).feature_shape == (512, 7, 7)
    for name in BACKBONES:
        assert ModelConfig(backbone=name).feature_shape[1:] == (7, 6)
