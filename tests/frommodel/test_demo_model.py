"""The bundled model: its file, the first steps of its training, and its scores, all again."""

import csv
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

import frommodel
from frommodel.checkpoint import resolve_path
from frommodel.config import TrainConfig
from frommodel.faces import open_faces
from frommodel.mixture import Mixture
from frommodel.train import RunOptions, train
from frommodel.training_data import TrainingData
from frommodel.validation import Validation
from occgen.engine import open_library

KEPT = Path(__file__).parents[2] / "docs" / "demo-model"
FIRST = KEPT / "first"  # the run it goes on from, whose weights are not kept
STEPS = 2


def record_of(folder):
    """Return what a run wrote of itself; the tests need the occluders it was trained with."""
    record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    if open_library("bundled").digest != record["occluder_library"]:
        pytest.skip("the bundled occluders are others than those the model was trained with")
    return record


def test_the_file_is_small_and_the_one_its_card_names():
    path = resolve_path("demo")
    data = path.read_bytes()
    assert len(data) <= 6_000_000
    assert hashlib.sha256(data).hexdigest() in path.with_suffix(".md").read_text(encoding="utf-8")
    model = frommodel.load("demo")
    recorded = json.loads((KEPT / "run.json").read_text(encoding="utf-8"))["config"]
    assert model.config == TrainConfig.from_dict(recorded).model
    assert not model.training


def losses(path):
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))[:STEPS]
    names = ("loss", "identity_loss", "pattern_loss", "learning_rate")
    return [[row[name] for name in names] for row in rows]


@pytest.mark.slow
def test_the_first_steps_of_the_first_round_repeat(tmp_path):
    record = record_of(FIRST)
    config = TrainConfig.from_dict(record["config"])
    data = {**record["data"], "cache": False, "validate": None, "validate_root": None}
    mixture, _ = TrainingData.from_dict(data).open(config.seed)
    options = RunOptions(workers=0, threads=1, device="cpu", stop_after=STEPS)
    for name in ("once", "again"):
        train(config, mixture, tmp_path / name, options=options)
    once = losses(tmp_path / "once" / "log.csv")
    assert once == losses(tmp_path / "again" / "log.csv")
    kept = losses(FIRST / "log.csv")
    assert np.array(once, float) == pytest.approx(np.array(kept, float), rel=1e-3)


@pytest.mark.slow
def test_its_scores_repeat():
    record = record_of(KEPT)
    kept = json.loads((KEPT / "scores.json").read_text(encoding="utf-8"))
    mixture = Mixture([open_faces("demo", kept["root"])])
    config = TrainConfig.from_dict(record["config"])
    scores = Validation(mixture, config, pairs=kept["pairs"]).score(frommodel.load("demo"))
    assert scores.clean == pytest.approx(kept["clean"], abs=0.003)
    assert scores.occluded == pytest.approx(kept["occluded"], abs=0.003)
