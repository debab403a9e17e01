import csv

import h5py
import numpy as np
import pytest

from frommodel.embedding_file import embed_dataset, read_embeddings
from frommodel.models import Embedder
from frommodel.shard_pictures import ShardPictures
from occgen.codec import decode_image
from occgen.config import BuildConfig
from occgen.engine import build
from occgen.errors import DataError, InputError


def means(images):
    return images.mean(axis=(1, 2)) + 1


@pytest.fixture
def model():
    return Embedder(means)


def expected(face_bytes):
    images = np.stack([decode_image(face_bytes[key]) for key in sorted(face_bytes)])
    return means(images).astype(np.float32)


@pytest.mark.parametrize("ending", [".npy", ".h5"])
@pytest.mark.parametrize("batch_size", [5, 64])
def test_a_folder_becomes_a_file(model, face_tree, face_bytes, tmp_path, ending, batch_size):
    out = tmp_path / f"out{ending}"
    seen = []
    report = embed_dataset(
        model,
        "folder",
        str(face_tree),
        out,
        batch_size=batch_size,
        on_progress=lambda done, total: seen.append((done, total)),
    )
    assert (report.images, report.columns, report.skipped) == (18, 3, {})
    assert seen[-1] == (18, 18)
    rows, keys, people = read_embeddings(out)
    assert keys == sorted(face_bytes)
    assert people[0] == "person0"
    np.testing.assert_allclose(rows, expected(face_bytes), rtol=1e-6)
    assert {path.name for path in tmp_path.iterdir()} == {"faces", out.name, report.keys_path.name}


def test_the_files_are_plain_ones(model, face_tree, tmp_path):
    embed_dataset(model, "folder", str(face_tree), tmp_path / "a.npy", normalise=True)
    rows = np.load(tmp_path / "a.npy")
    assert (rows.dtype, rows.shape) == (np.float32, (18, 3))
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, rtol=1e-5)
    with open(tmp_path / "a.npy.csv", newline="") as file:
        records = list(csv.DictReader(file))
    assert records[1] == {"row": "1", "key": "person0/1.jpg", "identity": "person0"}
    embed_dataset(model, "folder", str(face_tree), tmp_path / "a.h5", flip=True, limit=2)
    with h5py.File(tmp_path / "a.h5") as file:
        assert file["embedding"].shape == (2, 3)
        assert file["key"][1] == b"person0/1.jpg"
        assert file.attrs["flip"]
        np.testing.assert_allclose(file["embedding"][:] / 2, means_of(face_tree, 2), rtol=1e-6)


def means_of(root, count):
    files = sorted(root.rglob("*.jpg"))[:count]
    return means(np.stack([decode_image(file.read_bytes()) for file in files]))


def test_shards_are_embedded_with_their_occlusions(model, face_tree, tmp_path):
    config = BuildConfig(
        dataset="folder", root=str(face_tree), out=str(tmp_path / "set"), variants=2, jobs=1
    )
    build(config)
    report = embed_dataset(model, "shards", str(tmp_path / "set"), tmp_path / "s.npy")
    rows, keys, people = read_embeddings(report.path)
    source = ShardPictures(str(tmp_path / "set"))
    assert source.count() == report.images == 36
    assert keys[1] == "person0/0.jpg#1"
    assert people[-1] == "person5"
    np.testing.assert_allclose(rows[1], means(source.sample(keys[1]).image[None])[0], rtol=1e-6)
    with pytest.raises(DataError, match="not in the set"):
        source.read("nobody")


def test_unreadable_pictures_are_named(model, face_tree, tmp_path):
    (face_tree / "person3/1.jpg").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"1 of 18 pictures cannot be used \(first: person3/1.jpg"):
        embed_dataset(model, "folder", str(face_tree), tmp_path / "a.npy")
    rows, keys, _ = read_embeddings(tmp_path / "a.npy")  # the others are kept
    assert len(rows) == len(keys) == 17
    report = embed_dataset(model, "folder", str(face_tree), tmp_path / "b.npy", max_skipped=0.1)
    assert list(report.skipped) == ["person3/1.jpg"]


def test_nothing_half_written_is_left(face_tree, tmp_path):
    def breaks(images):
        if images[0, 0, 0, 0] >= 0:
            rows = means(images)
            rows[-1] = np.inf
        return rows

    with pytest.raises(DataError, match=r"not finite for person5/2\.jpg"):
        embed_dataset(Embedder(breaks), "folder", str(face_tree), tmp_path / "a.h5")
    assert [path.name for path in tmp_path.iterdir()] == ["faces"]


def test_wrong_places_are_refused(model, face_tree, tmp_path):
    with pytest.raises(InputError, match=r"should end in \.npy or \.h5"):
        embed_dataset(model, "folder", str(face_tree), tmp_path / "a.csv")
    with pytest.raises(InputError, match="no such folder"):
        embed_dataset(model, "folder", str(face_tree), tmp_path / "none" / "a.npy")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no pictures"):
        embed_dataset(model, "folder", str(tmp_path / "empty"), tmp_path / "a.npy")
    with pytest.raises(InputError, match="needs --root"):
        embed_dataset(model, "shards", None, tmp_path / "a.npy")
    for path in tmp_path.joinpath("empty").iterdir():
        pytest.fail(f"{path} was left")


def test_damaged_files_are_refused(model, face_tree, tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_embeddings(tmp_path / "a.npy")
    embed_dataset(model, "folder", str(face_tree), tmp_path / "a.npy")
    (tmp_path / "a.npy.csv").write_text("row,key,identity\n0,x,y\n")
    with pytest.raises(DataError, match="for 1 keys"):
        read_embeddings(tmp_path / "a.npy")
    (tmp_path / "a.npy").write_bytes(b"damaged")
    with pytest.raises(DataError, match="no embeddings"):
        read_embeddings(tmp_path / "a.npy")
