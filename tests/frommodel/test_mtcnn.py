"""MTCNN finds drawn-in faces with real weights where they are at hand; bad weights are named."""

import csv
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from frommodel.mtcnn import MtcnnDetector, _stages, _suppress
from occgen.codec import decode_image
from occgen.errors import InputError


@pytest.fixture(scope="module")
def random_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mtcnn")
    torch.manual_seed(0)
    for name, net in _stages().items():
        torch.save(net.state_dict(), folder / f"{name}.pt")
    return folder


def test_the_networks_have_the_published_shapes() -> None:
    shapes = {
        name: {key: tuple(value.shape) for key, value in net.state_dict().items()}
        for name, net in _stages().items()
    }
    assert shapes["pnet"]["conv1.weight"] == (10, 3, 3, 3)
    assert shapes["pnet"]["conv4_2.weight"] == (4, 32, 1, 1)
    assert shapes["rnet"]["dense4.weight"] == (128, 576)
    assert shapes["rnet"]["prelu4.weight"] == (128,)
    assert shapes["onet"]["dense5.weight"] == (256, 1152)
    assert shapes["onet"]["dense6_3.weight"] == (10, 256)
    assert [len(shapes[name]) for name in ("pnet", "rnet", "onet")] == [13, 16, 21]


def test_any_picture_gives_faces_or_none(random_weights: Path) -> None:
    detector = MtcnnDetector(random_weights)
    random = np.random.default_rng(0)
    for shape in ((1, 1, 3), (13, 40, 3), (60, 50, 3)):
        for found in detector.detect(random.integers(0, 256, shape, dtype=np.uint8)):
            assert found.points.shape == (5, 2)
            assert 0.7 < found.score <= 1


def test_bad_weights_are_named(random_weights: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no folder"):
        MtcnnDetector(random_weights / "pnet.pt")
    with pytest.raises(InputError, match=r"pnet\.pt: no such weights"):
        MtcnnDetector(tmp_path)
    for name in ("pnet", "rnet", "onet"):
        (tmp_path / f"{name}.pt").write_bytes((random_weights / "rnet.pt").read_bytes())
    with pytest.raises(InputError, match=r"pnet\.pt: not the weights of MTCNN's pnet"):
        MtcnnDetector(tmp_path)


def test_overlapping_boxes_leave_the_surest() -> None:
    boxes = np.array([[0, 0, 9, 9], [1, 1, 10, 10], [20, 20, 29, 29], [0, 0, 4, 4]], float)
    scores = np.array([0.8, 0.9, 0.7, 0.6])
    assert _suppress(boxes, scores, 0.5).tolist() == [1, 2, 3]
    assert _suppress(boxes, scores, 0.5, of_smaller=True).tolist() == [1, 2]
    assert len(_suppress(np.empty((0, 4)), np.empty(0), 0.5)) == 0


def test_real_weights_find_the_known_points(faces_root: Path) -> None:
    folder = os.environ.get("OCCGEN_TEST_MTCNN")
    if not folder or not Path(folder, "pnet.pt").is_file():
        pytest.skip("set OCCGEN_TEST_MTCNN to a folder of pnet.pt, rnet.pt and onet.pt")
    detector = MtcnnDetector(Path(folder))
    originals = faces_root.parent / "originals"
    names = ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")
    errors = []
    with open(originals / "landmarks.csv", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["image"].startswith("lfw")][:12]
    for row in rows:
        wanted = np.array([[float(row[f"{name}_{axis}"]) for axis in "xy"] for name in names])
        faces = detector.detect(decode_image((originals / row["image"]).read_bytes()))
        apart = np.hypot(*(wanted[0] - wanted[1]))
        errors.append(
            min(np.hypot(*(f.points - wanted).T).mean() / apart for f in faces) if faces else 9.0
        )
    assert np.median(errors) < 0.06  # of the eyes' distance: 5 % is a pixel on a 20-pixel face
    assert max(errors) < 0.15
