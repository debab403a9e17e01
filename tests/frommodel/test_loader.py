"""Faces, mixtures and batches: the same images whatever makes them; labels of what is seen."""

import dataclasses
import pickle

import cv2
import numpy as np
import pytest
from torch.utils.data import DataLoader

from frommodel.face_datasets import FaceDataset, FaceStream, keep_batch
from frommodel.faces import hold, open_faces
from frommodel.loader import BatchMaker, batch_loader
from frommodel.mixture import Mixture
from frommodel.recipes import recipe
from occgen.codec import decode_image
from occgen.config import BuildConfig
from occgen.engine import build
from occgen.errors import DataError, InputError, ShardError
from occgen.patterns import PatternGrid
from occgen.synthesis import draw_placements, occlude_with


@pytest.fixture(scope="module")
def folder(tmp_path_factory, face_bytes):
    """Six identities with three pictures each."""
    root = tmp_path_factory.mktemp("folder")
    for key, data in face_bytes.items():
        (root / key).parent.mkdir(exist_ok=True)
        (root / key).write_bytes(data)
    return root


@pytest.fixture(scope="module")
def shards(tmp_path_factory, folder):
    """The same faces, occluded, as shards of K = 5."""
    out = tmp_path_factory.mktemp("shards") / "Occ"
    build(BuildConfig(dataset="folder", root=str(folder), out=str(out), scale=2.0, jobs=1))
    return out


def config(**changes):
    return recipe("from-compact", batch_size=4, **changes)


def test_a_batch_holds_what_the_engine_makes_of_each_face(folder):
    mixture = Mixture([open_faces(folder)])
    plain = config(augment=False)
    maker = BatchMaker(mixture, plain)
    batch = maker.make(range(18), epoch=3)
    built, library = maker.occlusion
    grid = PatternGrid(5, 112, 96)
    for row in range(18):
        key = mixture.locate(row)[0].key(row)
        image = decode_image((folder / key).read_bytes())[:, 8:104].copy()
        placements = draw_placements(library, built, f"{key}@3", 112, 96)
        face = occlude_with(image, placements, "alpha")
        assert np.array_equal(batch.pixels[row].numpy(), face.image)
        assert tuple(batch.boxes[row].tolist()) == face.box
        assert batch.patterns[row] == grid.label_boxes([face.box])[0]
        assert mixture.identity_names[batch.identities[row]] == key.split("/")[0]
    assert 0 < (batch.patterns == 0).sum() < 18


def test_images_hang_on_seed_key_and_epoch_alone(folder):
    maker = BatchMaker(Mixture([open_faces(folder)]), config())
    whole = maker.make(range(18), 1)
    backwards = pickle.loads(pickle.dumps(maker)).make(range(17, -1, -1), 1)
    assert np.array_equal(whole.pixels, backwards.pixels.flip(0))
    assert not np.array_equal(whole.pixels, maker.make(range(18), 2).pixels)
    other = BatchMaker(maker.mixture, config(seed=7)).make(range(18), 1)
    assert not np.array_equal(whole.boxes, other.boxes)


def test_labels_by_mask_clean_views_and_scores_come_when_wanted(folder):
    mixture = Mixture([open_faces(folder)])
    batch = BatchMaker(mixture, config(soft_patterns=0.05)).make(range(6), 0)
    assert batch.clean is None
    assert batch.ious.argmax(1)[batch.patterns > 0].tolist() == (
        batch.patterns[batch.patterns > 0].tolist()
    )
    taught = BatchMaker(mixture, config(teacher="x", label_by="mask", clean_fraction=0.0))
    batch = taught.make(range(18), 0)
    differ = (batch.clean != batch.pixels).any(-1).flatten(1).sum(1)
    assert (differ > 0).all()
    by_box = BatchMaker(mixture, config(clean_fraction=0.0)).make(range(18), 0)
    assert np.array_equal(batch.boxes, by_box.boxes)
    assert (batch.patterns != by_box.patterns).any()


def test_occlusion_by_landmarks_follows_the_augmented_face(tmp_path):
    faces = open_faces("demo", "3x2")
    chosen = config(
        placement="landmarks", categories=("sunglasses",), clean_fraction=0.0, augment=True
    )
    maker = BatchMaker(Mixture([faces]), chosen)
    batch = maker.make(range(6), 0)
    for row in range(6):
        draw = maker._draw(faces, row, 0)
        points = draw.move_points(faces.landmarks(row, 112, 112) - np.float32([8, 0]))
        x0, y0, x1, y1 = batch.boxes[row].tolist()
        eyes = points[:2].mean(0)
        assert x0 < eyes[0] < x1
        assert y0 < eyes[1] < y1


def test_shards_bring_their_own_occlusion_and_labels_of_any_k(shards):
    faces = open_faces(shards)
    mixture = Mixture([faces])
    for k in (5, 3):
        plain = config(augment=False)
        plain = dataclasses.replace(plain, model=dataclasses.replace(plain.model, k=k))
        batch = BatchMaker(mixture, plain).make(range(18), 0)
        boxes = np.clip(faces.boxes - [8, 0, 8, 0], 0, [96, 112, 96, 112])
        boxes[boxes[:, 2] <= boxes[:, 0]] = 0
        assert np.array_equal(batch.boxes, boxes)
        assert np.array_equal(batch.patterns, PatternGrid(k, 112, 96).label_boxes(boxes))
    stored = decode_image(faces.read(4))[:, 8:104]
    assert np.array_equal(batch.pixels[4], stored)


def test_clean_shards_are_occluded_anew(tmp_path, folder):
    out = tmp_path / "clean"
    clean = BuildConfig(
        dataset="folder", root=str(folder), out=str(out), clean_fraction=1.0, jobs=1
    )
    build(clean)
    faces = open_faces(out)
    assert faces.boxes is None
    assert (BatchMaker(Mixture([faces]), config()).make(range(18), 0).patterns > 0).any()


def test_mixtures_merge_identities_and_keep_shares(folder, shards):
    mixture = Mixture([open_faces(folder), open_faces(shards)], shares=(1, 2))
    assert mixture.num_identities == 6
    assert np.array_equal(mixture.identities[:18], mixture.identities[18:])
    order = mixture.epoch_order(1, 0)
    assert (order < 18).sum() == 6
    assert (order >= 18).sum() == 12
    assert len(set(order)) == 18
    assert not np.array_equal(order, mixture.epoch_order(1, 1))
    assert sorted(Mixture([open_faces(folder)]).epoch_order(1, 0)) == list(range(18))
    with pytest.raises(InputError, match="one number above 0"):
        Mixture([open_faces(folder)], shares=(1, 2))


def test_identities_held_out_are_in_no_batch(folder):
    whole = Mixture([open_faces(folder)])
    train, held = whole.hold_out(0.4, seed=3)
    assert not set(train.identity_names) & set(held.identity_names)
    assert train.num_identities + held.num_identities == 6
    assert len(train.epoch_order(1, 0)) + len(held.epoch_order(1, 0)) == 18
    assert not set(train.numbers) & set(held.numbers)
    with pytest.raises(InputError, match="both need at least 2"):
        whole.hold_out(0.99, seed=3)


def test_balancing_draws_rare_patterns_more_often_and_keeps_the_clean(folder):
    mixture = Mixture([open_faces("demo", "40x10")])
    even, balanced = (BatchMaker(mixture, config(balance_patterns=power)) for power in (0.0, 1.0))
    labels = [maker._epoch_patterns(maker.epoch_order(0), 0) for maker in (even, balanced)]
    assert (labels[0] == 0).sum() == (labels[1] == 0).sum()
    assert len(labels[0]) == len(labels[1]) == 400
    top = [np.bincount(found[found > 0]).max() for found in labels]
    assert top[1] < top[0]


def test_held_pictures_are_the_same_bytes(folder):
    faces = open_faces(folder)
    done = []
    held = hold(faces, on_progress=done.append)
    assert [held.read(i) for i in range(18)] == [faces.read(i) for i in range(18)]
    assert done[-1] == 18
    assert held.key(5) == faces.key(5)


@pytest.mark.parametrize(
    ("data", "root", "message"),
    [
        ("nowhere/at/all", None, "does not exist"),
        ("faces.rec", None, "does not exist"),
        ("unknown-set", None, "must be one of"),
    ],
)
def test_missing_data_are_named(data, root, message):
    with pytest.raises(InputError, match=message):
        open_faces(data, root)


def test_pictures_without_people_are_refused(tmp_path, face_bytes):
    (tmp_path / "a.jpg").write_bytes(next(iter(face_bytes.values())))
    with pytest.raises(InputError, match="names no identities"):
        open_faces(tmp_path)


def test_a_bad_picture_is_named_and_another_stands_for_it(tmp_path, face_bytes):
    for key, data in face_bytes.items():
        (tmp_path / key).parent.mkdir(exist_ok=True)
        (tmp_path / key).write_bytes(data)
    (tmp_path / "person0/1.jpg").write_bytes(b"no picture")
    maker = BatchMaker(Mixture([open_faces(tmp_path)]), config())
    batch = maker.make([0, 1, 2, 5], 0)
    assert [key for key, _ in batch.skipped] == ["person0/1.jpg"]
    assert np.array_equal(batch.pixels[1], batch.pixels[0])
    with pytest.raises(DataError, match=r"person0/1\.jpg: not a picture"):
        maker.make([1], 0)
    (tmp_path / "person0/1.jpg").write_bytes(next(iter(face_bytes.values()))[:200])
    assert maker.make([0, 1], 0).skipped


def test_crops_of_another_size_are_refused(tmp_path, draw_picture, encode_picture):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.jpg").write_bytes(encode_picture(draw_picture(1, 64, 64)))
    maker = BatchMaker(Mixture([open_faces(tmp_path)]), config())
    with pytest.raises(InputError, match=r"a/1\.jpg: images must be RGB aligned crops"):
        maker.make([0, 1], 0)


def test_workers_give_the_same_batches_in_order(folder):
    maker = BatchMaker(Mixture([open_faces(folder)]), config())
    plans = [(epoch, list(range(first, first + 6))) for epoch in (0, 1) for first in (0, 6, 12)]
    here = list(batch_loader(maker, iter(plans)))
    there = list(batch_loader(maker, iter(plans), workers=2))
    assert len(here) == len(there) == 6
    for one, other in zip(here, there, strict=True):
        assert np.array_equal(one.pixels, other.pixels)
        assert np.array_equal(one.patterns, other.patterns)


def test_workers_do_not_wait_for_threads_of_opencv(folder):
    maker = BatchMaker(Mixture([open_faces(folder)]), config(clean_fraction=0.0))
    threads = cv2.getNumThreads()
    cv2.setNumThreads(2)
    try:
        big = np.zeros((1500, 1500, 3), np.uint8)
        cv2.resize(big, (800, 800), interpolation=cv2.INTER_AREA)  # starts the pool
        plans = iter([(0, list(range(18)))])
        assert len(list(batch_loader(maker, plans, workers=1))) == 1
        assert cv2.getNumThreads() == 2
    finally:
        cv2.setNumThreads(threads)


def test_a_workers_error_comes_in_one_line(tmp_path, draw_picture, encode_picture):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.jpg").write_bytes(encode_picture(draw_picture(1, 64, 64)))
    maker = BatchMaker(Mixture([open_faces(tmp_path)]), config())
    with pytest.raises(InputError) as caught:
        list(batch_loader(maker, iter([(0, [0, 1])]), workers=1))
    assert "a/1.jpg: images must be" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_map_view_works_with_a_plain_dataloader(folder):
    dataset = FaceDataset(BatchMaker(Mixture([open_faces(folder)]), config()))
    item = dataset[2]
    assert item["image"].shape == (112, 96, 3)
    assert item["image"].dtype == np.uint8
    loader = DataLoader(dataset, batch_size=6, collate_fn=keep_batch, num_workers=2)
    batches = list(loader)
    assert sum(len(batch.pixels) for batch in batches) == 18
    assert np.array_equal(batches[0].pixels[2], item["image"])
    dataset.set_epoch(1)
    assert not np.array_equal(dataset[2]["image"], item["image"])
    with pytest.raises(IndexError):
        dataset[18]


@pytest.mark.parametrize("workers", [0, 2])
def test_the_iterable_view_gives_each_face_once_over_ranks_and_workers(folder, workers):
    mixture = Mixture([open_faces(folder)])
    maker = BatchMaker(mixture, config(augment=False, occlude=None))
    seen = []
    for rank in range(3):
        stream = FaceStream(maker, rank=rank, world_size=3)
        loader = DataLoader(stream, batch_size=None, num_workers=workers)
        seen += [bytes(np.asarray(item["image"])) for item in loader]
    expected = [bytes(pixels.numpy()) for pixels in maker.make(range(18), 0).pixels]
    assert sorted(seen) == sorted(expected)
    with pytest.raises(InputError, match="rank must be"):
        FaceStream(maker, rank=3, world_size=3)


@pytest.fixture
def build_as(tmp_path, folder, monkeypatch):
    """Function that builds the faces in a format, clean or occluded, and returns the folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    def build_it(kind, clean):
        out = tmp_path / kind
        values = {"dataset": "folder", "root": str(folder), "codec": "png", "jobs": 1}
        build(BuildConfig(out=str(out), clean_fraction=clean, format=kind, **values))
        return out

    return build_it


def test_a_record_file_gives_the_same_pictures_and_people(build_as, folder):
    faces = open_faces(next(build_as("rec", 1.0).glob("*.rec")))
    mixture = Mixture([faces])
    assert mixture.num_identities == 6
    plain = config(augment=False, occlude=None)
    pixels = BatchMaker(mixture, plain).make(range(18), 0).pixels.numpy()
    own = BatchMaker(Mixture([open_faces(folder)]), plain).make(range(18), 0).pixels.numpy()
    assert sorted(map(bytes, pixels)) == sorted(map(bytes, own))


def test_occluded_sets_without_boxes_at_hand_are_refused(build_as):
    with pytest.raises(InputError, match="occgen convert"):
        open_faces(next(build_as("rec", 0.0).glob("*.rec")))
    with pytest.raises(ShardError, match="occgen convert"):
        open_faces(build_as("webdataset", 0.0))
