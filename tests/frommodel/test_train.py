"""Training runs: equal whether interrupted or not, alone or on two ranks; clear when they fail."""

import csv
import dataclasses
import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import frommodel
from frommodel.config import ModelConfig, TrainConfig
from frommodel.faces import open_faces
from frommodel.loader import BatchMaker
from frommodel.mixture import Mixture
from frommodel.ranks import Ranks, join_ranks
from frommodel.recipes import recipe
from frommodel.runs import check_state, read_state
from frommodel.schedule import learning_rate
from frommodel.stepping import Stepper
from frommodel.train import RunOptions, train
from frommodel.validation import Validation, draw_pairs
from occgen.errors import CheckpointError, DataError, InputError

SIZE = 32
MODEL = ModelConfig(
    backbone="ir10_small", k=3, height=SIZE, width=SIZE, embedding_size=16, dropout=0.3
)
ALONE = RunOptions(workers=0, device="cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory, draw_picture, encode_picture):
    """Eight identities with six small pictures each."""
    root = tmp_path_factory.mktemp("small")
    for identity in range(8):
        (root / f"p{identity}").mkdir()
        base = draw_picture(identity, SIZE, SIZE).astype(int)
        for picture in range(6):
            noise = np.random.default_rng(10 * identity + picture).integers(-20, 20, base.shape)
            image = np.clip(base + noise, 0, 255).astype(np.uint8)
            path = root / f"p{identity}" / f"{picture}.png"
            path.write_bytes(encode_picture(image, "PNG"))
    return root


@pytest.fixture(scope="module")
def mixture(folder):
    """All of them."""
    return Mixture([open_faces(folder)])


def config(**changes):
    values = {"model": MODEL, "epochs": 3, "batch_size": 12, "learning_rate": 0.05, **changes}
    return recipe("from-compact", **values)


def curve(out):
    with open(out / "log.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    names = [name for name in rows[0] if name != "images_per_s"]
    return [[row[name] for name in names] for row in rows]


def weights(out):
    return frommodel.load(out / "last.safetensors").state_dict()


def test_a_run_leaves_weights_log_and_record(mixture, tmp_path):
    train_on, held = mixture.hold_out(0.4, 3)
    seen = []
    chosen = config(epochs=3, batch_size=8, validate_every=2)
    report = train(
        chosen,
        train_on,
        tmp_path / "run",
        validation=held,
        options=ALONE,
        on_progress=seen.append,
    )
    steps = report.steps
    assert [progress.step for progress in seen] == list(range(1, steps + 1))
    rows = curve(tmp_path / "run")
    assert len(rows) == steps
    assert all(math.isfinite(float(value)) for row in rows for value in row[2:8])
    assert report.scores is not None
    assert [p.epoch for p in seen if p.scores is not None] == [2, 3]  # each second, and the last
    assert report.best == max(p.scores.mean for p in seen if p.scores is not None)
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record["config"]["model"]["k"] == 3
    model = frommodel.load(tmp_path / "run")
    assert model.config == MODEL
    card = (tmp_path / "run" / "card.md").read_text()
    assert f"{train_on.num_identities} identities" in card
    assert f"clean {report.scores.clean:.2%}" in card
    assert "scale 1.0:0.5:5.0" in card
    again = train(
        chosen,
        train_on,
        tmp_path / "run",
        validation=held,
        options=ALONE,
        resume=True,
    )
    assert again.already_complete
    with pytest.raises(InputError, match="holds a run already"):
        train(config(), mixture, tmp_path / "run", options=ALONE)


@pytest.mark.slow
@pytest.mark.parametrize("stop", [1, 6])
def test_a_resumed_run_equals_an_uninterrupted_one(mixture, tmp_path, stop):
    chosen = config(soft_patterns=0.1, accumulate=2, clip_norm=5.0)
    whole = tmp_path / "whole"
    train(chosen, mixture, whole, options=ALONE)
    torch.rand(7)  # other draws of the process between change nothing
    parts = tmp_path / "parts"
    options = dataclasses.replace(ALONE, stop_after=stop, save_every=1)
    while not train(chosen, mixture, parts, options=options, resume=True).finished:
        options = dataclasses.replace(ALONE, stop_after=3, workers=1)
    assert curve(parts) == curve(whole)
    first, second = weights(whole), weights(parts)
    assert all(torch.equal(first[name], second[name]) for name in first)


_KILLED = """
import os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_train import ALONE, config, Mixture, open_faces, train
import dataclasses

def stop(progress):
    if progress.step == 6:
        os.kill(os.getpid(), 9)

mixture = Mixture([open_faces(sys.argv[2])])
options = dataclasses.replace(ALONE, save_every=4)
train(config(), mixture, Path(sys.argv[3]), options=options, on_progress=stop)
"""


@pytest.mark.slow
def test_a_killed_run_goes_on_to_the_same_end(mixture, folder, tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    train(config(), mixture, whole, options=ALONE)
    arguments = [str(Path(__file__).parent), str(folder), str(killed)]
    done = subprocess.run([sys.executable, "-c", _KILLED, *arguments], check=False)
    assert done.returncode == -9
    assert read_state(killed / "state.pt")["step"] == 4
    train(config(), mixture, killed, options=ALONE, resume=True)
    assert curve(killed) == curve(whole)


def test_a_field_the_json_leaves_out_is_compared_too(tmp_path):
    rest = dict.fromkeys(("training", "step", "best", "scores", "skipped"))
    plain, narrowed = TrainConfig(), TrainConfig(exclude_occluders=("cup",))
    for before, now in ((plain, narrowed), (narrowed, plain)):
        state = {"config": before.to_json(), **rest}
        with pytest.raises(InputError, match=r"configuration \(exclude_occluders"):
            check_state(state, tmp_path, config=json.loads(now.to_json()), faces={})
    check_state(
        {"config": plain.to_json(), **rest}, tmp_path, config=json.loads(plain.to_json()), faces={}
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"seed": 3}, "seed 100 not 3"), ({"epochs": 4}, "epochs 3 not 4")],
)
def test_a_run_of_another_configuration_is_not_gone_on_with(mixture, tmp_path, changes, message):
    options = dataclasses.replace(ALONE, stop_after=1)
    train(config(), mixture, tmp_path, options=options, resume=True)
    with pytest.raises(InputError, match=message):
        train(config(**changes), mixture, tmp_path, options=options, resume=True)
    rest, _ = mixture.hold_out(0.4, 3)
    with pytest.raises(InputError, match="other faces"):
        train(config(), rest, tmp_path, options=options, resume=True)


def test_a_damaged_state_is_refused(mixture, tmp_path):
    options = dataclasses.replace(ALONE, stop_after=1)
    train(config(), mixture, tmp_path, options=options)
    path = tmp_path / "state.pt"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CheckpointError, match="truncated, damaged"):
        train(config(), mixture, tmp_path, options=options, resume=True)
    torch.save({"schema": 1, "code": Path("/")}, path)  # a class: not tensors and plain values
    with pytest.raises(CheckpointError, match="truncated, damaged"):
        train(config(), mixture, tmp_path, options=options, resume=True)


def test_a_loss_that_is_no_number_stops_with_a_state(mixture, tmp_path):
    chosen = config(learning_rate=1e30, warmup_epochs=0.0)
    with pytest.raises(CheckpointError, match=r"no number any more at step \d+"):
        train(chosen, mixture, tmp_path, options=ALONE)
    state = read_state(tmp_path / "state.pt")
    assert state["step"] == len(curve(tmp_path))
    assert not state["training"]["model"]["backbone.bn1.running_mean"].isnan().any()


def test_too_many_bad_pictures_stop_a_run(folder, tmp_path):
    for path in folder.glob("*/*.png"):
        target = tmp_path / "faces" / path.relative_to(folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(b"broken" if path.stem in "01" else path.read_bytes())
    mixture = Mixture([open_faces(tmp_path / "faces")])
    with pytest.raises(DataError, match="more than 1 %"):
        train(config(), mixture, tmp_path / "run", options=ALONE)
    assert "/0.png,not a picture" in (tmp_path / "run" / "skipped.csv").read_text()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch_size": 64}, "do not fill a batch"),
        ({"batch_size": 3, "accumulate": 3}, "at least two images each"),
    ],
)
def test_batches_that_cannot_be_filled_are_refused(mixture, tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        train(config(**changes), mixture, tmp_path / "run", options=ALONE)
    assert not (tmp_path / "run").exists()


def test_the_rate_follows_the_schedule():
    steps = recipe("baseline")
    assert [round(learning_rate(steps, e * 10, 10), 9) for e in (0, 14, 15, 29, 30)] == [
        *(0.1, 0.1, 0.01, 0.01, 0.001)
    ]
    wave = recipe("baseline", schedule="cosine", warmup_epochs=2.0, epochs=12, milestones=())
    rates = [learning_rate(wave, step, 10) for step in range(120)]
    assert rates[:20] == pytest.approx([0.1 * (step + 1) / 20 for step in range(20)])
    assert rates[20] == pytest.approx(0.1)
    assert rates[70] == pytest.approx(0.05)
    assert rates[119] < 1e-4


def one_step(mixture, chosen, numbers):
    """Return the stepper after one step on a batch, alone."""
    stepper = Stepper(chosen, mixture.num_identities, join_ranks("cpu"))
    maker = BatchMaker(mixture, chosen)
    parts = [maker.make(numbers[part :: chosen.accumulate], 0) for part in range(chosen.accumulate)]
    return stepper, stepper.step(parts, 0.1, 0)


def test_parts_of_a_batch_give_the_gradient_of_the_mean(mixture):
    plain = config(model=dataclasses.replace(MODEL, dropout=0.0), accumulate=2, weight_decay=0.0)
    numbers = list(range(0, 48, 4))
    stepper, _ = one_step(mixture, plain, numbers)
    halves = []
    for part in (0, 1):
        alone = Stepper(plain, mixture.num_identities, join_ranks("cpu"))
        alone.step([BatchMaker(mixture, plain).make(numbers[part::2], 0)], 0.1, 0)
        halves.append([parameter.grad for parameter in alone.model.parameters()])
    for parameter, *grads in zip(stepper.model.parameters(), *halves, strict=True):
        assert torch.allclose(parameter.grad, (grads[0] + grads[1]) / 2, atol=1e-6)


_RANKS = """
import sys, dataclasses, torch
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_train import ALONE, MODEL, BatchMaker, Mixture, Stepper, config
from test_train import join_ranks, open_faces, train

torch.set_num_threads(1)
ranks = join_ranks("cpu")
mixture = Mixture([open_faces(sys.argv[2])])
for classifier in ("full", "sharded"):
    chosen = config(model=dataclasses.replace(MODEL, dropout=0.0), classifier=classifier)
    stepper = Stepper(chosen, mixture.num_identities, ranks)
    numbers = list(range(0, 48, 4))
    batch = BatchMaker(mixture, chosen).make(numbers[ranks.rank :: 2], 0)
    for step in range(2):
        result = stepper.step([batch], 0.1, step)
    state = stepper.state()
    if ranks.is_first:
        torch.save({"result": list(result), **state}, f"{sys.argv[3]}/{classifier}.pt")
train_on, held = mixture.hold_out(0.4, 3)
for stop in (2, None):  # a run shared by the ranks, ended and gone on with
    options = dataclasses.replace(ALONE, stop_after=stop)
    chosen, out = config(epochs=2, batch_size=8), Path(sys.argv[3]) / "run"
    train(chosen, train_on, out, validation=held, options=options, resume=True)
ranks.leave()
"""


@pytest.fixture
def one_thread():
    """Sums in one order: on several threads a step differs in its last digits."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
def test_two_ranks_take_the_step_of_one(mixture, folder, tmp_path):
    script = tmp_path / "ranks.py"
    script.write_text(_RANKS)
    arguments = [str(script), str(Path(__file__).parent), str(folder), str(tmp_path)]
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    done = subprocess.run(
        [sys.executable, *torchrun, *arguments], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    rows = curve(tmp_path / "run")
    assert [int(row[0]) for row in rows] == list(range(1, len(rows) + 1))
    assert rows[-1][-1]
    alone = config(model=dataclasses.replace(MODEL, dropout=0.0), accumulate=2)
    stepper = Stepper(alone, mixture.num_identities, join_ranks("cpu"))
    maker = BatchMaker(mixture, alone)
    numbers = list(range(0, 48, 4))
    parts = [maker.make(numbers[part::2], 0) for part in (0, 1)]
    for step in range(2):
        result = stepper.step(parts, 0.1, step)
    own = stepper.state()
    for classifier in ("full", "sharded"):
        found = torch.load(tmp_path / f"{classifier}.pt", weights_only=True)
        assert found["result"] == pytest.approx(list(result), rel=1e-4)
        assert torch.allclose(found["classifier"], own["classifier"], atol=1e-3, rtol=1e-4)
        assert torch.allclose(found["classifier_momentum"], own["classifier_momentum"], atol=1e-4)
        for name, tensor in own["momentum"].items():
            assert torch.allclose(found["momentum"][name], tensor, atol=1e-3, rtol=1e-3), name


@pytest.mark.parametrize(
    "changes",
    [
        {"precision": "bfloat16"},
        {"classifier": "sharded", "negative_fraction": 0.5},
        {"model": dataclasses.replace(MODEL, predictor="regression"), "box_unit": "pixel"},
        {"model": dataclasses.replace(MODEL, mask="none", predictor="none"), "pattern_weight": 0.0},
        {"channels_last": False, "balance_patterns": 0.5},
        {"placement": "mixed", "placement_mix": "random=1,regions=2", "m1": 1.1},
        {"m2": 0.5, "m3": 0.0, "label_by": "mask", "blend": "opaque"},
    ],
)
def test_every_option_trains(mixture, tmp_path, changes):
    options = dataclasses.replace(ALONE, stop_after=3)
    report = train(config(**changes), mixture, tmp_path, options=options)
    assert report.steps == 3
    assert not torch.distributed.is_initialized()


@pytest.mark.parametrize("wanted", [True, False])
def test_a_network_is_compiled_where_asked(mixture, monkeypatch, wanted):
    compiled = []
    monkeypatch.setattr(torch, "compile", lambda network: compiled.append(network) or network)
    stepper = Stepper(config(compile=wanted), mixture.num_identities, join_ranks("cpu"))
    assert compiled == ([stepper.model] if wanted else [])


def test_the_pattern_accuracy_of_a_regression_is_its_mean_overlap():
    from frommodel.stepping import _mean_iou

    boxes = torch.tensor([[0.0, 0, 10, 10], [0, 0, 0, 0], [5, 5, 15, 10]])
    found = torch.tensor([[0.0, 0, 10, 5], [3, 3, 9, 9], [5, 5, 15, 10]])
    assert _mean_iou(found, boxes) == pytest.approx((0.5 + 1.0) / 2)


def test_a_teacher_pulls_the_embedding_to_the_clean_views(mixture, tmp_path):
    teacher = frommodel.FROM.from_config(MODEL, torch.Generator().manual_seed(5))
    frommodel.save(teacher, tmp_path / "teacher.safetensors")
    chosen = config(
        teacher=str(tmp_path / "teacher.safetensors"), teacher_weight=20.0, warmup_epochs=0.0
    )
    stepper, first = one_step(mixture, chosen, list(range(0, 48, 4)))
    batch = BatchMaker(mixture, chosen).make(list(range(0, 48, 4)), 0)
    plain = first.identity_loss + first.pattern_loss
    assert first.loss == pytest.approx(plain + 20 * first.teacher_loss, rel=1e-5)
    before = {name: value.clone() for name, value in stepper.teacher.state_dict().items()}
    for step in range(15):
        last = stepper.step([batch], 0.05, step)
    assert last.teacher_loss < 0.7 * first.teacher_loss
    assert all(torch.equal(before[name], v) for name, v in stepper.teacher.state_dict().items())
    wide = frommodel.FROM.from_config(dataclasses.replace(MODEL, embedding_size=8))
    frommodel.save(wide, tmp_path / "teacher.safetensors")
    with pytest.raises(CheckpointError, match="embedding_size 8 does not fit"):
        Stepper(chosen, 8, join_ranks("cpu"))


def test_fine_tuning_takes_weights_and_centres(mixture, tmp_path):
    options = dataclasses.replace(ALONE, stop_after=2)
    plain = dataclasses.replace(MODEL, mask="none", predictor="none")
    baseline = recipe("baseline-compact", model=plain, batch_size=12)
    train(baseline, mixture, tmp_path / "baseline", options=options)
    chosen = config(init=str(tmp_path / "baseline"), learning_rate=1e-9)
    train(chosen, mixture, tmp_path / "from", options=options)
    first, second = weights(tmp_path / "baseline"), weights(tmp_path / "from")
    assert torch.allclose(first["backbone.conv1.weight"], second["backbone.conv1.weight"])
    centres = [
        read_state(tmp_path / name / "state.pt")["training"]["classifier"]
        for name in ("baseline", "from")
    ]
    assert torch.allclose(*centres, atol=1e-6)


def test_pairs_are_balanced_distinct_and_repeat():
    identities = np.repeat(np.arange(12), 5)
    identities[:3] = -1
    pairs, same = draw_pairs(identities, 100, seed=1)
    assert len(pairs) == 100
    assert same.sum() == 50
    assert len({tuple(pair) for pair in pairs.tolist()}) == 100
    left, right = identities[pairs.T]
    assert np.array_equal(left == right, same)
    assert (identities[pairs] >= 0).all()
    assert np.array_equal(pairs, draw_pairs(identities, 100, seed=1)[0])
    assert not np.array_equal(pairs, draw_pairs(identities, 100, seed=2)[0])
    with pytest.raises(InputError, match="at least 10 genuine pairs"):
        draw_pairs(np.arange(50), 20, seed=1)


def test_validation_leaves_the_model_as_it_was(mixture):
    validation = Validation(mixture, config())
    model = frommodel.FROM.from_config(MODEL).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    scores = validation.score(model)
    assert scores == validation.score(model)
    assert model.training
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert 0.4 <= scores.mean <= 1.0


def test_devices_that_are_not_there_are_named():
    with pytest.raises(InputError, match="device must be cpu, cuda"):
        join_ranks("gpu7")
    if not torch.cuda.is_available():
        with pytest.raises(InputError, match="no CUDA device"):
            join_ranks("cuda")
    assert join_ranks("cpu") == Ranks(0, 1, torch.device("cpu"), False)


@pytest.mark.slow
def test_tensorboard_events_are_written(mixture, tmp_path):
    pytest.importorskip("tensorboard")
    options = dataclasses.replace(ALONE, stop_after=10, tensorboard=True)
    train(config(), mixture, tmp_path, options=options)
    assert any((tmp_path / "tensorboard").iterdir())
