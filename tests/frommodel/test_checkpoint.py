"""Networks saved and loaded; files that are damaged, foreign or hostile are refused."""

import contextlib
import dataclasses
import os
import pickle
import random

import pytest
import torch

import frommodel
from frommodel.checkpoint import initialise_from, read_metadata
from occgen.errors import CheckpointError, InputError

SMALL = {"backbone": "ir10_small", "height": 40, "width": 36, "embedding_size": 16, "k": 3}


class _Runs:
    """A pickle that would run a command."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


@pytest.mark.parametrize("legacy", [False, True])
def test_pickled_code_is_refused_and_not_run(tmp_path, legacy):
    marker, path = tmp_path / "ran", tmp_path / "evil.pth.tar"
    torch.save(
        {"state_dict": {}, "best": _Runs(marker)}, path, _use_new_zipfile_serialization=not legacy
    )
    with pytest.raises(
        CheckpointError, match=r"pickled code \((posix|os)\.system\), which is"
    ) as c:
        frommodel.load(path)
    assert "\n" not in str(c.value)
    assert not marker.exists()
    path.write_bytes(pickle.dumps(_Runs(marker)))
    with pytest.raises(CheckpointError):
        frommodel.load(path)
    assert not marker.exists()


def test_other_content_is_refused_in_one_line(tmp_path):
    path = tmp_path / "other"
    for content in ([1, 2], {}, {"state_dict": {}}, torch.ones(3), frommodel.FROM(**SMALL)):
        torch.save(content, path)
        with pytest.raises(CheckpointError) as caught:
            frommodel.load(path)
        assert "\n" not in str(caught.value)
    for raw in (b"", b"hello", b"PK\x03\x04" + b"\0" * 60, b"\x80\x02", os.urandom(500)):
        path.write_bytes(raw)
        with pytest.raises(CheckpointError, match="other: ") as caught:
            frommodel.load(path)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["ours.safetensors", "theirs.pth.tar"])
def test_truncated_and_damaged_files_are_refused(tmp_path, name):
    model = frommodel.FROM(**SMALL)
    path = tmp_path / name
    if name.startswith("ours"):
        frommodel.save(model, path)
    else:
        torch.save({"state_dict": model.state_dict()}, path)
    whole = path.read_bytes()
    chance = random.Random(0)
    for size in (1, 8, 20, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(CheckpointError) as caught:
            frommodel.load(path)
        assert "\n" not in str(caught.value)
    for _ in range(20):  # flips within the header or the first entries
        damaged = bytearray(whole)
        damaged[chance.randrange(2000)] ^= 1 << chance.randrange(8)
        path.write_bytes(bytes(damaged))
        with contextlib.suppress(CheckpointError):  # a weight's own bit is no damage to see
            frommodel.load(path)


@pytest.mark.parametrize(
    "changes",
    [{}, {"mask": "2d", "predictor": "regression"}, {"mask": "fc"}, {"mask": "none"}],
    ids=str,
)
def test_save_then_load_is_the_identity(tmp_path, changes):
    model = frommodel.FROM(**SMALL, **changes).eval()
    generator = torch.Generator().manual_seed(1)
    for tensor in model.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(torch.rand(tensor.shape, generator=generator))
        else:  # how many batches were seen
            tensor.fill_(7)
    model.to(memory_format=torch.channels_last)
    frommodel.save(model, tmp_path / "m.safetensors", notes={"recipe": "from", "seed": "100"})
    loaded = frommodel.load(tmp_path / "m.safetensors")
    assert loaded.config == model.config
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, loaded.state_dict()[name])
    assert read_metadata(tmp_path / "m.safetensors")["recipe"] == "from"
    assert [entry.name for entry in tmp_path.iterdir()] == ["m.safetensors"]


def test_half_precision_is_half_the_size_and_nearly_the_same(tmp_path):
    model = frommodel.FROM(**SMALL).eval()
    frommodel.save(model, tmp_path / "full")
    frommodel.save(model, tmp_path / "half", half=True)
    sizes = [(tmp_path / name).stat().st_size for name in ("half", "full")]
    assert sizes[0] < 0.6 * sizes[1]
    images = torch.rand(2, 3, 40, 36)
    half = frommodel.load(tmp_path / "half")
    assert {p.dtype for p in half.parameters()} == {torch.float32}
    torch.testing.assert_close(half.embed(images), model.embed(images), rtol=0.02, atol=0.02)


def test_wrapped_models_and_thresholds_are_saved(tmp_path):
    model = frommodel.FROM(**SMALL)
    model.mask_threshold = 0.4
    frommodel.save(torch.nn.DataParallel(model), tmp_path / "m.safetensors")
    loaded = frommodel.load(tmp_path / "m.safetensors")
    assert loaded.mask_threshold == 0.4
    assert loaded.config == dataclasses.replace(model.config, mask_threshold=0.4)
    with pytest.raises(InputError, match="got Linear"):
        frommodel.save(torch.nn.Linear(2, 2), tmp_path / "m.safetensors")
    with pytest.raises(InputError, match="'config'"):
        frommodel.save(model, tmp_path / "m.safetensors", notes={"config": "x"})


def test_a_failed_save_keeps_what_was_there(tmp_path, monkeypatch):
    path = tmp_path / "m.safetensors"
    path.write_bytes(b"before")

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(CheckpointError, match="No space left on device"):
        frommodel.save(frommodel.FROM(**SMALL), path)
    assert path.read_bytes() == b"before"
    assert [entry.name for entry in tmp_path.iterdir()] == ["m.safetensors"]


def test_files_without_our_configuration_are_refused(tmp_path):
    from safetensors.torch import save_file

    path = tmp_path / "x.safetensors"
    save_file({"a": torch.ones(2)}, path)
    with pytest.raises(CheckpointError, match="no safetensors of frommodel"):
        frommodel.load(path)
    save_file({"a": torch.ones(2)}, path, {"format": "frommodel", "schema": "2"})
    with pytest.raises(CheckpointError, match="schema '2'"):
        frommodel.load(path)
    good = {"format": "frommodel", "schema": "1"}
    save_file({"a": torch.ones(2)}, path, {**good, "config": '{"k": 0}'})
    with pytest.raises(CheckpointError, match="configuration does not hold: k must"):
        frommodel.load(path)
    config = frommodel.FROM(**SMALL).config.to_json()
    save_file({"a": torch.ones(2)}, path, {**good, "config": config})
    with pytest.raises(CheckpointError, match="unknown tensors a; missing tensors backbone"):
        frommodel.load(path)


def test_names_folders_and_missing_files(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="no such model"):
        frommodel.load(tmp_path / "none.safetensors")
    with pytest.raises(InputError, match="neither best"):
        frommodel.load(tmp_path)
    frommodel.save(frommodel.FROM(**SMALL), tmp_path / "last.safetensors")
    assert frommodel.load(tmp_path).config.k == 3
    frommodel.save(frommodel.FROM(**{**SMALL, "k": 4}), tmp_path / "best.safetensors")
    assert frommodel.load(tmp_path).config.k == 4
    monkeypatch.setattr("frommodel.checkpoint.__file__", str(tmp_path / "checkpoint.py"))
    with pytest.raises(CheckpointError, match="bundled model 'demo'"):
        frommodel.load("demo")


def test_a_baseline_starts_a_masked_network(tmp_path):
    frommodel.save(frommodel.FROM(**SMALL, mask="none"), tmp_path / "baseline")
    model = frommodel.FROM(**SMALL)
    done = initialise_from(model, tmp_path / "baseline")
    baseline = frommodel.load(tmp_path / "baseline").state_dict()
    assert set(done.loaded) == set(baseline)
    assert all(torch.equal(model.state_dict()[name], baseline[name]) for name in done.loaded)
    assert {name.split(".")[0] for name in done.fresh} == {"fpn", "mask", "regress"}
    assert done.unused == ()
    other = frommodel.FROM(**{**SMALL, "backbone": "ir10_compact"})
    with pytest.raises(CheckpointError, match="does not fit the backbone ir10_compact"):
        initialise_from(other, tmp_path / "baseline")


def test_empty_and_cut_files_are_told_from_foreign_ones(tmp_path):
    path = tmp_path / "small.safetensors"
    frommodel.save(frommodel.FROM(backbone="ir10_small", k=3, embedding_size=16), path)
    data = path.read_bytes()
    for kept, problem in ((0, "is empty"), (200, "is cut short")):
        path.write_bytes(data[:kept])
        with pytest.raises(CheckpointError, match=problem):
            frommodel.load(path)
