import json
import struct

import numpy as np
import pytest

from frommodel.embedding_file import embed_dataset
from frommodel.feature_bin import read_feature, write_feature, write_features
from frommodel.megaface import is_clean, read_features, read_noises, read_picture_list
from frommodel.models import Embedder
from occgen.errors import DataError, InputError

ROWS = np.arange(12, dtype=np.float32).reshape(3, 4) / 7
KEYS = ["Adam_Brody/Adam_Brody_1.png", "Adam_Brody/Adam_Brody_2.png", "Zoe/Zoe_1.png"]


def test_one_feature_goes_there_and_back(tmp_path):
    path = tmp_path / "a.bin"
    write_feature(path, ROWS[1])
    data = path.read_bytes()
    assert data[:16] == struct.pack("<4i", 4, 1, 4, 5)
    assert data[16:] == ROWS[1].tobytes()
    np.testing.assert_array_equal(read_feature(path), ROWS[1])
    np.save(tmp_path / "a.npy", ROWS[2][None])
    np.testing.assert_array_equal(read_feature(tmp_path / "a.npy"), ROWS[2])


@pytest.mark.parametrize(
    "data",
    [b"", b"short", struct.pack("<4i", 4, 1, 4, 5), struct.pack("<4i", 1, 1, 4, 6) + b"1234"],
)
def test_other_files_are_no_features(tmp_path, data):
    path = tmp_path / "a.bin"
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"a\.bin: no MegaFace feature"):
        read_feature(path)


def test_a_tree_of_features(tmp_path):
    write_features(tmp_path / "f", KEYS, ROWS, "from")
    assert (tmp_path / "f/Zoe/Zoe_1.png_from.bin").is_file()
    rows, keys = read_features(tmp_path / "f")
    assert keys == KEYS
    np.testing.assert_array_equal(rows, ROWS)
    rows, keys = read_features(tmp_path / "f", ["Zoe/Zoe_1.jpg", KEYS[0]])
    np.testing.assert_array_equal(rows, ROWS[[2, 0]])
    with pytest.raises(DataError, match="1 listed pictures are missing, first Zoe/Zoe_9"):
        read_features(tmp_path / "f", ["Zoe/Zoe_9.png"])
    write_feature(tmp_path / "f/Zoe/Zoe_2.png_from.bin", ROWS[0][:2])
    with pytest.raises(DataError, match="2 numbers where the others have 4"):
        read_features(tmp_path / "f")
    with pytest.raises(InputError, match="no such file or folder"):
        read_features(tmp_path / "none")
    with pytest.raises(InputError, match="leads out"):
        write_features(tmp_path / "f", ["../x"], ROWS[:1], "from")


def test_lists_of_both_forms(tmp_path):
    (tmp_path / "lst").write_text("0\t0\tA/1.png\n\nB/2.png\n")
    assert read_picture_list(tmp_path / "lst") == ["A/1.png", "B/2.png"]
    (tmp_path / "list.json").write_text(json.dumps({"path": ["A/1.png"], "id": ["A"]}))
    assert read_picture_list(tmp_path / "list.json") == ["A/1.png"]
    for text, message in (("{}", "no JSON list"), ("\n", "lists no pictures")):
        (tmp_path / "bad").write_text(text)
        with pytest.raises(DataError, match=message):
            read_picture_list(tmp_path / "bad")
    with pytest.raises(InputError, match="no such list"):
        read_picture_list(tmp_path / "none")


def test_noises_match_whatever_way_they_are_written(tmp_path):
    path = tmp_path / "noises.txt"
    path.write_text("# cleaned\nAdam Brody_2.jpg\n17\t1/22@N00/333_0.jpg\n")
    noises = read_noises(path)
    keys = [*KEYS, "1/22@N00/333_0.jpg", "2/22@N00/333_0.jpg"]
    assert is_clean(keys, noises) == [True, False, True, False, True]


def test_a_data_set_is_embedded_in_megafaces_form(tmp_path, face_tree):
    model = Embedder(lambda images: images.mean(axis=(1, 2)))
    out = tmp_path / "bins"
    report = embed_dataset(model, "folder", str(face_tree), out, bin_name="from", batch_size=4)
    assert report.images == 18
    assert (out / "person0/0.jpg_from.bin").stat().st_size == 16 + 4 * 3
    rows, keys = read_features(out)
    embed_dataset(model, "folder", str(face_tree), tmp_path / "a.npy")
    np.testing.assert_array_equal(rows, np.load(tmp_path / "a.npy"))
    assert keys[0] == "person0/0.jpg"
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InputError, match="a folder is written"):
        embed_dataset(model, "folder", str(face_tree), tmp_path / "file", bin_name="from")
