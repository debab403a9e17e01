"""RandomOcclusion: types in and out, one engine with a build, streams of workers and epochs."""

import copy
import hashlib
import itertools
import multiprocessing
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from occgen import BuildConfig, InputError, PatternGrid, build, open_shards
from occgen.synthesis import occlude_face
from occgen.transforms import RETURNS, SETTINGS, RandomOcclusion
from occluders import OccluderLibrary, bundled

UInt8 = NDArray[np.uint8]
FACE: UInt8 = np.random.default_rng(3).integers(0, 256, (112, 96, 3), dtype=np.uint8)


def always(**settings: Any) -> RandomOcclusion:
    """Return a transform that leaves no picture clean."""
    return RandomOcclusion(**({"clean_fraction": 0.0, "scale": 2.0} | settings))


def test_an_array_comes_back_as_one() -> None:
    before = FACE.copy()
    image = always()(FACE)
    assert isinstance(image, np.ndarray)
    assert (image.shape, image.dtype) == (FACE.shape, np.uint8)
    assert np.array_equal(FACE, before)
    assert not np.array_equal(image, before)


def test_tensors_and_pil_images_get_what_arrays_get() -> None:
    expected = always()(FACE, key="a")

    class Tagged(torch.Tensor):
        """As torchvision's own kinds of tensors are."""

    tensor = torch.from_numpy(FACE).permute(2, 0, 1)
    for given in (tensor, tensor.contiguous(), tensor.as_subclass(Tagged)):
        occluded = always()(given, key="a")
        assert type(occluded) is type(given)
        assert (occluded.dtype, occluded.shape) == (torch.uint8, (3, 112, 96))
        assert occluded.is_contiguous()
        assert np.array_equal(occluded.permute(1, 2, 0).numpy(), expected)
    assert np.array_equal(tensor.permute(1, 2, 0).numpy(), FACE)
    picture = always()(Image.fromarray(FACE), key="a")
    assert isinstance(picture, Image.Image)
    assert np.array_equal(np.asarray(picture), expected)


def test_a_key_gets_what_a_build_makes_of_it(face_tree: Path, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"scale": 2.0, "clean_fraction": 0.4, "seed": 5, "k": 4}
    config = BuildConfig(
        dataset="folder",
        root=str(face_tree),
        out=str(tmp_path / "set"),
        jobs=1,
        codec="png",
        variants=2,
        **settings,
    )
    made = {sample.key: sample for sample in open_shards(build(config).out)}
    occlude = RandomOcclusion(returns=RETURNS, **settings)
    for key in ("person0/0.jpg", "person3/1.jpg", "person5/2.jpg"):
        picture = np.asarray(Image.open(face_tree / key))
        for epoch in (0, 1):
            sample = made[f"{key}#{epoch}" if epoch else key]
            image, labels = occlude(picture, key=key, epoch=epoch)
            assert np.array_equal(labels["occlusion_box"], sample.box)
            assert np.array_equal(labels["occlusion_mask"], sample.mask)
            assert labels["occlusion_label"] == sample.pattern(4)
            face = occlude_face(picture, bundled(), config, f"{key}#{epoch}" if epoch else key)
            assert np.array_equal(image, face.image)


@pytest.mark.parametrize("by", ["box", "mask"])
def test_labels_are_those_of_the_grid(by: str) -> None:
    occlude = RandomOcclusion(scale=1.5, clean_fraction=0.3, returns=RETURNS, k=6, by=by)
    grid = PatternGrid(6, 112, 96)
    clean = 0
    for _ in range(40):
        image, found = occlude(FACE)
        box, mask, label = (found[f"occlusion_{name}"] for name in ("box", "mask", "label"))
        direct = grid.label_boxes(box[None]) if by == "box" else grid.label_masks(mask[None])
        assert label == int(direct[0])
        x0, y0, x1, y1 = box.tolist()
        assert found["occlusion_coverage"] == pytest.approx((x1 - x0) * (y1 - y0) / (112 * 96))
        if x1 == 0:
            clean += 1
            assert label == 0
            assert np.array_equal(image, FACE)
        else:
            changed = (image != FACE).any(axis=2)
            changed[y0:y1, x0:x1] = False
            assert not changed.any()
    assert 4 <= clean <= 22


def test_it_stands_in_pipelines_of_callables() -> None:
    def compose(*steps: Any) -> Any:
        def run(*values: Any) -> Any:
            for step in steps:
                out = step(*values)
                values = out if isinstance(out, tuple) else (out,)
            return values if len(values) > 1 else values[0]

        return run

    def flip(image: Any, *rest: Any) -> Any:
        flipped = image.flip(-1)
        return (flipped, *rest) if rest else flipped

    tensor = torch.from_numpy(FACE).permute(2, 0, 1)
    assert compose(flip, always(), flip)(tensor).shape == tensor.shape
    image, identity = compose(flip, always())(tensor, 17)
    assert (image.shape, identity) == (tensor.shape, 17)
    image, identity, labels = compose(always(returns=("label", "box")), flip)(tensor, 17)
    assert identity == 17
    assert labels["occlusion_box"].dtype == torch.int64
    _, target = compose(flip, always(returns="mask"))(tensor, {"identity": 17})
    assert set(target) == {"identity", "occlusion_mask"}
    assert target["occlusion_mask"].dtype == torch.bool
    sample = always(returns=("label",))({"image": FACE, "identity": 4, "key": "a"})
    assert set(sample) == {"image", "identity", "key", "occlusion_label"}
    assert np.array_equal(sample["image"], always()(FACE, key="a"))


def test_settings_are_those_of_a_build() -> None:
    assert {"scale", "placement", "blend", "categories", "clean_fraction", "k"} <= set(SETTINGS)
    assert RandomOcclusion().config.scales == (1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0)
    assert RandomOcclusion().config.clean_fraction == 1 / 3
    worn = always(placement="regions", region="left-eye", blend="opaque", categories=("cup",))
    assert worn.library.categories == ("cup",)
    assert always(categories="cup=3,hand").library.weights == {"cup": 3, "hand": 1}
    again = eval(repr(always(k=4, returns=("box",))))
    assert (again.config.k, again.returns) == (4, ("box",))


def test_landmarks_move_what_is_worn() -> None:
    points = np.array([[30, 50], [66, 50], [48, 70], [34, 92], [62, 92]], np.float32)
    occlude = always(placement="landmarks", categories=("sunglasses",), returns="box")
    lower = points + np.array([0, 12], np.float32)
    samples = [{"image": FACE, "key": "a", "landmarks": found} for found in (points, lower)]
    boxes = [occlude(sample)["occlusion_box"] for sample in samples]
    assert np.array_equal(boxes[1] - boxes[0], [0, 12, 0, 12])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"scale": -1.0}, "scale must be > 0"),
        ({"colour": 1}, "colour is no setting; known are scale, "),
        ({"jobs": 2}, "jobs is no setting"),
        (
            {"returns": ("boxes",)},
            "returns must be some of box, mask, label, coverage, got 'boxes'",
        ),
        ({"occluders": "/nowhere"}, "no folder of occluders"),
    ],
)
def test_wrong_settings_are_told_at_once(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RandomOcclusion(**settings)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (FACE.astype(np.float32), "image must be a uint8 array, got float32"),
        (FACE[:, :, 0], r"image must have shape \(H, W, 3\)"),
        (torch.zeros(3, 4, 5), r"a tensor must be uint8 \(3, H, W\), got torch\.float32"),
        (torch.zeros(4, 5, 3, dtype=torch.uint8), r"a tensor must be uint8 \(3, H, W\)"),
        (Image.new("L", (4, 4)), "a PIL image must be RGB, got L"),
        ([1, 2], "image must be a numpy array, a torch tensor or a PIL image, got list"),
        ({"picture": FACE}, "a sample needs an 'image', has picture"),
    ],
)
def test_other_pictures_are_told(image: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        always()(image)


def test_calls_differ_and_repeat_with_the_seed() -> None:
    first, second, other = always(seed=1), always(seed=1), always(seed=2)
    runs = [[digest(occlude(FACE)) for _ in range(12)] for occlude in (first, second, other)]
    assert len(set(runs[0])) == 12
    assert runs[0] == runs[1]
    assert not set(runs[0]) & set(runs[2])


def test_copies_start_anew_and_travel_small(small_library: OccluderLibrary) -> None:
    occlude = always(library=small_library)
    first = [digest(occlude(FACE)) for _ in range(3)]
    data = pickle.dumps(occlude)
    assert len(data) < 20_000  # no picture travels
    for again in (pickle.loads(data), copy.deepcopy(occlude)):
        assert [digest(again(FACE)) for _ in range(3)] == first


def test_torch_is_not_loaded() -> None:
    code = (
        "import sys, numpy as np\n"
        "from occgen.transforms import RandomOcclusion\n"
        "RandomOcclusion()(np.zeros((112, 96, 3), np.uint8))\n"
        "assert not {'torch', 'albumentations', 'joblib'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def digest(image: Any) -> str:
    """Return a short name of a picture's content."""
    return hashlib.sha256(np.ascontiguousarray(image).tobytes()).hexdigest()[:16]


class Faces(Dataset[Any]):
    """One picture many times: what differs is what was pasted."""

    def __init__(self, occlude: RandomOcclusion, count: int = 12) -> None:
        self.occlude, self.count = occlude, count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> torch.Tensor:
        image: torch.Tensor = self.occlude(torch.from_numpy(FACE).permute(2, 0, 1))
        return image


def epochs(context: str | None, persistent: bool, seed: int, workers: int = 2) -> list[list[str]]:
    """Return the pictures of two epochs of a loader, by content."""
    loader = DataLoader(
        Faces(always()),
        batch_size=3,
        num_workers=workers,
        multiprocessing_context=context if workers else None,
        persistent_workers=persistent,
        generator=torch.Generator().manual_seed(seed),
    )
    return [[digest(image) for batch in loader for image in batch] for _ in range(2)]


WORKERS = [("fork", False), ("fork", True)]
if sys.platform != "linux":
    WORKERS = []


@pytest.mark.parametrize(("context", "persistent"), WORKERS)
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_workers_and_epochs_have_streams_of_their_own(context: str, persistent: bool) -> None:
    check_streams(context, persistent)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_spawned_workers_draw_what_forked_ones_do() -> None:
    assert epochs("spawn", True, 1, workers=1) == epochs("fork", True, 1, workers=1)


def check_streams(context: str, persistent: bool) -> None:
    """Check that no picture is repeated in two epochs of two workers, and a seed repeats all."""
    first = epochs(context, persistent, seed=1)
    drawn = list(itertools.chain(*first))
    assert len(drawn) == 24
    assert len(set(drawn)) == 24
    assert epochs(context, persistent, seed=1) == first
    assert not set(itertools.chain(*epochs(context, persistent, seed=2))) & set(drawn)


def test_a_loader_without_workers_goes_on_counting() -> None:
    first = epochs(None, False, 1, workers=0)
    assert len(set(itertools.chain(*first))) == 24
    assert epochs(None, False, 2, workers=0) == first


def _draw(occlude: RandomOcclusion, results: Any) -> None:
    results.put([digest(occlude(FACE)) for _ in range(3)])


@pytest.mark.skipif(sys.platform != "linux", reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_forked_processes_do_not_repeat_their_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    occlude = always()
    drawn = [digest(occlude(FACE)) for _ in range(3)]
    for name in ("one", "two"):
        process = context.Process(target=_draw, args=(occlude, results), name=name)
        process.start()
        drawn += results.get(timeout=30)
        process.join()
    assert len(set(drawn)) == 9
    monkeypatch.setenv("RANK", "1")  # a second rank of one job, seeded alike
    other = always()
    assert not {digest(other(FACE)) for _ in range(3)} & set(drawn)
