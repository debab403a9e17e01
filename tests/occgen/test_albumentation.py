"""RandomOcclusion in a pipeline of the real albumentations."""

import os
import pickle
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # tests are offline
albumentations = pytest.importorskip("albumentations", reason="the extra 'augment' brings it")

from occgen.albumentation import RandomOcclusion  # noqa: E402
from occgen.transforms import RandomOcclusion as Plain  # noqa: E402

UInt8 = NDArray[np.uint8]
FACE: UInt8 = np.random.default_rng(3).integers(0, 256, (112, 96, 3), dtype=np.uint8)
SETTINGS: dict[str, Any] = {"scale": 2.0, "clean_fraction": 0.0, "seed": 9}


def test_it_pastes_what_the_plain_one_does() -> None:
    step = albumentations.Compose([RandomOcclusion(**SETTINGS)])
    expected = Plain(**SETTINGS)
    for key in ("a", "b"):
        result = step(image=FACE, key=key)
        assert np.array_equal(result["image"], expected(FACE, key=key))
    results = [step(image=FACE)["image"] for _ in range(4)]
    assert len({image.tobytes() for image in results}) == 4


def test_other_targets_stay_and_labels_are_added() -> None:
    mask = np.random.default_rng(0).integers(0, 2, (112, 96), dtype=np.uint8)
    step = albumentations.Compose(
        [
            RandomOcclusion(returns=("box", "mask", "label"), **SETTINGS),
            albumentations.HorizontalFlip(p=1.0),
        ],
        bbox_params=albumentations.BboxParams("pascal_voc", label_fields=["names"]),
        seed=1,
    )
    result = step(image=FACE, mask=mask, bboxes=[(10, 20, 40, 60)], names=[1], key="a")
    assert np.array_equal(result["mask"], mask[:, ::-1])
    assert np.allclose(result["bboxes"], [(56, 20, 86, 60)])
    image, labels = Plain(returns=("box", "mask", "label"), **SETTINGS)(FACE, key="a")
    assert np.array_equal(result["image"], image[:, ::-1])
    assert np.array_equal(result["occlusion_box"], labels["occlusion_box"])
    assert np.array_equal(result["occlusion_mask"], labels["occlusion_mask"])
    assert result["occlusion_label"] == labels["occlusion_label"]


def test_what_it_is_not_applied_to_is_labelled_clean() -> None:
    step = albumentations.Compose(
        [RandomOcclusion(returns=("box", "label", "coverage"), p=0.5, **SETTINGS)], seed=3
    )
    results = [step(image=FACE) for _ in range(40)]
    clean = [result for result in results if np.array_equal(result["image"], FACE)]
    assert 8 < len(clean) < 32
    for result in clean:
        assert result["occlusion_label"] == 0
        assert not result["occlusion_box"].any()
    assert all("occlusion_coverage" in result for result in results)


def test_it_is_replayed_stored_and_pickled() -> None:
    step = albumentations.ReplayCompose([RandomOcclusion(**SETTINGS)])
    first = step(image=FACE)
    again = albumentations.ReplayCompose.replay(first["replay"], image=FACE)
    assert np.array_equal(again["image"], first["image"])
    transform = RandomOcclusion(returns=("label",), p=0.7, **SETTINGS)
    copies = [pickle.loads(pickle.dumps(transform))]
    stored = transform.get_base_init_args() | transform.get_transform_init_args()
    copies.append(RandomOcclusion(**stored))
    for copied in copies:
        assert copied.p == 0.7
        assert copied.occlusion.config == transform.occlusion.config
        assert copied.occlusion.returns == ("label",)


def test_what_it_cannot_take_is_told() -> None:
    with pytest.raises(ValueError, match="colour is no setting"):
        RandomOcclusion(colour=3)
    step = albumentations.Compose([RandomOcclusion(**SETTINGS)])
    with pytest.raises(ValueError, match="image must be a uint8 array, got float32"):
        step(image=FACE.astype(np.float32))
