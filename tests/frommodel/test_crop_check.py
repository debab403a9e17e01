"""Crops that lie off the template are told from those that lie on it."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from frommodel.crop_check import CropCheck, check_crops, check_landmarks, check_source
from frommodel.eval_config import EvalConfig
from frommodel.evaluation import evaluate
from occgen.codec import decode_image, encoder
from occgen.errors import InputError
from occgen.landmarks import template
from occgen.sources import open_source

UInt8 = NDArray[np.uint8]


@pytest.fixture(scope="module")
def photographs(faces_root: Path) -> list[UInt8]:
    source = open_source("folder", str(faces_root / "lfw"))
    keys = [ref.key for ref in source.refs()][::80]
    return [decode_image(source.read(key)) for key in keys]


def looser(image: UInt8, share: float) -> UInt8:
    """Return the crop a looser box would give, resized to the same size."""
    matrix = np.array([[share, 0, 56 * (1 - share)], [0, share, 56 * (1 - share)]])
    moved = cv2.warpAffine(image, matrix, (112, 112), borderMode=cv2.BORDER_REFLECT)
    return np.asarray(moved, np.uint8)


def test_aligned_photographs_raise_no_warning(photographs: list[UInt8]) -> None:
    found = check_crops(photographs)
    assert found.images > 50
    assert found.scale == pytest.approx(1, abs=0.07)
    assert max(map(abs, found.shift)) <= 2
    assert found.likeness > 0.8
    assert found.warning == ""
    assert check_crops([image[:, 8:104] for image in photographs]).warning == ""


@pytest.mark.parametrize("share", [0.7, 0.8, 1.2])
def test_looser_and_tighter_crops_are_told(photographs: list[UInt8], share: float) -> None:
    found = check_crops([looser(image, share) for image in photographs])
    assert found.scale == pytest.approx(share, abs=0.08)
    assert "x the template's size" in found.warning
    assert "occgen align" in found.warning


def test_pictures_of_something_else_are_told(draw_picture: object) -> None:
    random = np.random.default_rng(0)
    pictures = random.integers(0, 256, (40, 112, 112, 3), dtype=np.uint8)
    assert "does not look like an aligned face" in check_crops(pictures).warning


def test_an_evaluation_of_looser_crops_warns(
    photographs: list[UInt8], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    encode = encoder("jpeg", 95)
    rows = ["image_a,image_b,same"]
    for number, image in enumerate(photographs[:40]):
        path = tmp_path / f"p{number // 2}" / f"{number}.jpg"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(encode(looser(image, 0.7)))
        other = (number + 1) % 40
        rows.append(f"p{number // 2}/{number}.jpg,p{other // 2}/{other}.jpg,{(number + 1) % 2}")
    (tmp_path / "pairs.csv").write_text("\n".join(rows))
    config = EvalConfig(dataset="folder", root=str(tmp_path), resamples=0)
    found = evaluate(lambda images: images[:, ::16, ::16].reshape(len(images), -1), config)
    assert "x the template's size" in caplog.text
    assert str(tmp_path) in found.data["crop_warnings"][0]
    source = open_source("demo", "30x1@1")
    keys = [ref.key for ref in source.refs()]
    drawn = check_source(source, keys)
    assert drawn is not None
    assert drawn.warning == ""


def test_a_few_crops_are_no_ground_for_a_warning() -> None:
    assert CropCheck(images=5, scale=2, shift=(9, 9), likeness=0).warning == ""
    with pytest.raises(InputError, match="no crops"):
        check_crops([])


@pytest.mark.parametrize(("height", "width"), [(112, 112), (112, 96), (224, 192)])
def test_points_give_scale_and_shift(height: int, width: int) -> None:
    goal = template(height, width)
    unit = height / 112
    middle = goal.mean(axis=0)
    points = np.repeat([(goal - middle) * 0.8 + middle + np.array([3, -7]) * unit], 30, axis=0)
    found = check_landmarks(points, height, width)
    assert found.scale == pytest.approx(0.8)
    assert found.shift == pytest.approx((3, -7))
    assert found.likeness == pytest.approx(1)
    assert "0.80 x the template's size and lie +3, -7 pixels off" in found.warning
    assert check_landmarks(goal[None].repeat(30, 0), height, width).warning == ""
    with pytest.raises(InputError, match="shape"):
        check_landmarks(goal, height, width)
