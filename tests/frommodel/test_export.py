import logging

import numpy as np
import pytest
import torch

import frommodel
from frommodel import export
from occgen.errors import CheckpointError, InputError

SMALL = {"backbone": "ir10_small", "embedding_size": 8, "k": 2, "height": 40, "width": 36}


@pytest.fixture(scope="module")
def model():
    return frommodel.FROM(**SMALL, generator=torch.Generator().manual_seed(0))


def test_safetensors_come_back_equal(model, tmp_path):
    report = frommodel.export_model(model, tmp_path / "m.safetensors", "safetensors")
    assert report.largest_difference < 1e-6
    assert report.outputs == ("embedding", "mask", "pattern_logits")
    assert report.size_bytes == (tmp_path / "m.safetensors").stat().st_size
    half = frommodel.export_model(model, tmp_path / "h.safetensors", "safetensors", half=True)
    assert half.size_bytes < 0.6 * report.size_bytes


@pytest.mark.slow
def test_a_torch_program_takes_any_batch(model, tmp_path):
    path = tmp_path / "m.pt2"
    report = frommodel.export_model(model, path, "torch")
    assert report.largest_difference < 1e-5
    files = {"config.json": ""}
    program = torch.export.load(path, extra_files=files).module()
    assert frommodel.ModelConfig.from_json(files["config.json"]) == model.config
    images = torch.rand(5, 3, 40, 36)
    with torch.no_grad():
        got, expected = program(images), model.eval()(images)
    for a, b in zip(got, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)
    model.train()
    assert [entry.name for entry in tmp_path.iterdir()] == ["m.pt2"]


@pytest.mark.slow
@pytest.mark.parametrize("embedding_only", [False, True])
def test_onnx_gives_the_same_numbers(model, tmp_path, embedding_only):
    for package in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(package, reason=f"{package} is not installed")
    path = tmp_path / "m.onnx"
    report = frommodel.export_model(model, path, embedding_only=embedding_only)
    assert report.largest_difference < 1e-4
    assert model.training
    assert [entry.name for entry in tmp_path.iterdir()] == ["m.onnx"]
    session = frommodel.OnnxModel(path, threads=1)
    assert session.config == model.config
    assert (session.height, session.width, session.embedding_size) == (40, 36, 8)
    outputs = ("embedding", "mask", "pattern_logits")
    assert session.output_names == (outputs[:1] if embedding_only else outputs)
    pixels = np.random.default_rng(0).integers(0, 256, (5, 40, 36, 3), dtype=np.uint8)
    np.testing.assert_allclose(
        frommodel.embed_images(session, pixels, batch_size=3),
        frommodel.embed_images(model, pixels),
        rtol=1e-3,
        atol=1e-4,
    )


def test_onnx_files_are_checked(tmp_path):
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    (tmp_path / "bad.onnx").write_bytes(b"not onnx")
    with pytest.raises(CheckpointError, match=r"bad\.onnx: no ONNX network"):
        frommodel.OnnxModel(tmp_path / "bad.onnx")


def test_wrong_wishes_are_refused(model, tmp_path):
    with pytest.raises(InputError, match="format must be one of safetensors, onnx, torch"):
        frommodel.export_model(model, tmp_path / "m", "tflite")
    with pytest.raises(InputError, match="weights alone"):
        frommodel.export_model(model, tmp_path / "m", "safetensors", embedding_only=True)
    with pytest.raises(InputError, match="half is for safetensors"):
        frommodel.export_model(model, tmp_path / "m", "onnx", half=True)
    with pytest.raises(InputError, match="no such model"):
        frommodel.OnnxModel(tmp_path / "m.onnx")


def test_a_program_that_differs_is_not_kept(model, tmp_path, monkeypatch):
    path = tmp_path / "m.pt2"
    path.write_bytes(b"before")

    def wrong(chosen, temporary):
        temporary.write_bytes(b"after")
        return lambda images: [out + 1 for out in chosen(images)]

    monkeypatch.setattr(export, "_write_program", wrong)
    with pytest.raises(CheckpointError, match="differs from the original"):
        frommodel.export_model(model, path, "torch")
    assert path.read_bytes() == b"before"
    assert logging.getLogger("torch.onnx").level == logging.NOTSET
