import dataclasses

import pytest

import frommodel
from frommodel.config import TrainConfig
from occgen.errors import InputError


@pytest.mark.parametrize(
    ("name", "epochs", "rate", "drops", "clean", "weight"),
    [
        ("baseline", 40, 0.1, (15, 30), None, 0.0),
        ("baseline-aug", 25, 0.01, (15,), 0.0, 0.0),
        ("baseline-md", 40, 0.01, (10, 25), 1 / 3, 0.0),
        ("from", 40, 0.01, (10, 25), 1 / 3, 1.0),
    ],
)
def test_recipes_hold_the_schedules_of_the_paper(name, epochs, rate, drops, clean, weight):
    config = frommodel.recipe(name)
    assert (config.epochs, config.learning_rate, config.milestones) == (epochs, rate, drops)
    assert (config.batch_size, config.momentum, config.weight_decay) == (512, 0.9, 5e-4)
    assert (config.s, config.m1, config.m2, config.m3) == (30, 1, 0, 0.35)
    assert (config.occlude is None) == (clean is None)
    assert clean is None or config.clean_fraction == clean
    assert config.pattern_weight == weight
    assert (config.model.backbone, config.model.k) == ("lresnet50e_ir", 5)
    assert config.model.mask == ("none" if weight == 0 and name != "baseline-md" else "3d")
    assert config.soft_patterns is None
    assert config.balance_patterns == 0


def test_the_improved_recipe_is_from_with_other_occlusion_and_targets():
    paper, ours = frommodel.recipe("from"), frommodel.recipe("improved")
    names = {field.name for field in dataclasses.fields(paper)}
    assert {name for name in names if getattr(paper, name) != getattr(ours, name)} == {
        *("recipe", "soft_patterns", "placement", "placement_mix", "categories"),
    }
    assert ours.occlusion().weights == {"random": 1, "landmarks": 1}


@pytest.mark.parametrize("name", frommodel.RECIPES)
def test_recipes_round_trip_and_take_changes(name):
    config = frommodel.recipe(name, epochs=2, milestones=(), seed=7)
    assert (config.recipe, config.epochs, config.seed) == (name, 2, 7)
    assert TrainConfig.from_json(config.to_json()) == config


def test_unknown_recipes_and_fields_are_named():
    with pytest.raises(InputError, match=r"recipe must be one of baseline, .* got 'best'"):
        frommodel.recipe("best")
    with pytest.raises(InputError, match="no field 'epoch'"):
        frommodel.recipe("from", epoch=3)
