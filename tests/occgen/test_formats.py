"""Both formats: write then read is the identity, names stay inside, plain h5py reads shards."""

import csv
import hashlib
import io
import json
import shutil
import subprocess
import sys
import zlib
from pathlib import Path, PurePosixPath
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from occgen import BuildConfig, PatternGrid, build
from occgen.codec import decode_image
from occgen.columns import Columns, content_digest
from occgen.errors import InputError, ShardError
from occgen.formats import open_format
from occgen.formats.folder import safe_path
from occgen.formats.hdf5 import blob_position, open_hdf5, shard_bytes
from occgen.manifest import SCHEMA
from occgen.masks import pack_mask, unpack_mask

ATTRIBUTES: dict[str, Any] = {
    "schema": SCHEMA,
    "height": 6,
    "width": 5,
    "k": 3,
    "codec": "jpeg",
    "by": "box",
    "categories": '["clean", "cup"]',
    "config": "{}",
}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, face_bytes: dict[str, bytes]) -> Path:
    """Folder with the same set in both formats, `hdf5` and `folder`."""
    root = tmp_path_factory.mktemp("built")
    for key, data in face_bytes.items():
        path = root / "faces" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    for name in ("hdf5", "folder"):
        config = BuildConfig(
            dataset="folder",
            root=str(root / "faces"),
            out=str(root / name),
            scale="1.0:0.5:3.0",
            clean_fraction=0.2,
            shard_size=5,
            jobs=1,
            format=name,
        )
        build(config)
    return root


def columns_of(images: list[bytes], masks: list[bytes]) -> Columns:
    """Return columns of as many faces, as `ShardColumns` makes them."""
    count = len(images)
    enum = h5py.enum_dtype({"clean": 0, "cup": 1}, basetype="u1")
    text = h5py.string_dtype("utf-8", 12)

    def blob(parts: list[bytes]) -> tuple[Any, Any]:
        offsets = np.cumsum([0, *map(len, parts)]).astype(np.uint64)
        return np.frombuffer(b"".join(parts), np.uint8), offsets

    data, offset = blob(images)
    mask, mask_offset = blob(masks)
    rows = np.arange(count)
    return {
        "image/data": data,
        "image/offset": offset,
        "image/crc32": np.array([zlib.crc32(image) for image in images], np.uint32),
        "paste/offset": np.arange(count + 1, dtype=np.uint64),
        "paste/box": np.ones((count, 4), np.int16),
        "paste/category": np.ones(count, enum),
        "paste/occluder": np.array([b"cup/0"] * count, text),
        "paste/scale": np.ones(count, np.float32),
        "mask/data": mask,
        "mask/offset": mask_offset,
        "mask/crc32": np.array([zlib.crc32(part) for part in masks], np.uint32),
        "box": np.stack([rows, rows, rows + 1, rows + 1], axis=1).astype(np.int16),
        "pattern/k3": rows.astype(np.int16),
        "pattern/k3_mask": rows.astype(np.int16),
        "identity": rows.astype(np.int32),
        "identity_name": np.array(["Zoë".encode()] * count, text),
        "key": np.array([f"p/{row}.jpg".encode() for row in rows], text),
        "category": np.array(rows % 2, enum),
        "occluder": np.array([b"cup/0"] * count, text),
        "scale": np.where(rows % 2, 2.0, np.nan).astype(np.float32),
        "coverage": (rows / 7).astype(np.float32),
        "mask_coverage": (rows / 9).astype(np.float32),
        "landmarks": np.full((count, 5, 2), np.nan, np.float32),
    }


@pytest.mark.parametrize("name", ["hdf5", "folder"])
@pytest.mark.parametrize("count", [0, 1, 4])
def test_write_then_read_is_the_identity(name: str, count: int, tmp_path: Path) -> None:
    out, scratch = tmp_path, tmp_path / ".tmp-1"
    scratch.mkdir()
    masks = [pack_mask(np.eye(6, 5, dtype=np.bool_)) if row % 2 else b"" for row in range(count)]
    columns = columns_of([b"\xff\xd8" + bytes([row]) * row for row in range(count)], masks)
    made = open_format(name)
    assert made.find(out, 3) is None
    stored = made.write(out, scratch, 3, columns, ATTRIBUTES)
    assert made.find(out, 3) == stored
    assert made.indices(out) == [3]
    read, attributes = made.read(out, 3)
    assert attributes == ATTRIBUTES
    assert set(read) == set(columns)
    for column in columns:
        assert read[column].shape == columns[column].shape
        assert read[column].dtype == columns[column].dtype, column
        assert read[column].tobytes() == columns[column].tobytes(), column
    assert content_digest(read) == content_digest(columns)
    assert not list(scratch.rglob("*.h5"))
    made.clear(out)
    assert {path.name for path in out.iterdir()} <= {".tmp-1"}


@pytest.mark.parametrize("name", ["hdf5", "folder"])
def test_the_same_columns_give_the_same_bytes(name: str, tmp_path: Path) -> None:
    columns = columns_of([b"abc", b""], [b"", b"m"])
    columns["mask/data"], columns["mask/offset"] = columns["image/data"][:0], np.zeros(3, np.uint64)
    sums = []
    for run in ("a", "b"):
        out = tmp_path / run
        (out / ".tmp").mkdir(parents=True)
        sums.append(open_format(name).write(out, out / ".tmp", 0, columns, ATTRIBUTES))
    assert sums[0] == sums[1]


def test_a_folder_named_from_here_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    scratch = tmp_path / "made" / ".tmp-1"  # absolute, as mkdtemp has it since Python 3.12
    scratch.mkdir(parents=True)
    columns = columns_of([b"\xff\xd8a"], [b""])
    made = open_format("folder")
    stored = made.write(Path("made"), scratch, 0, columns, ATTRIBUTES)
    assert made.find(Path("made"), 0) == stored


def test_every_version_of_hdf5_gives_these_bytes() -> None:
    columns = {
        "image/data": np.arange(99, dtype=np.uint8),
        "image/offset": np.array([0, 40, 99], np.uint64),
        "key": np.array([b"a/1", b"b"]),
        "pattern/k5": np.array([3, 0], np.int16),
    }
    data = shard_bytes(columns, {"schema": 1, "codec": "jpeg"})
    pinned = "c5fc7582a8c146ccbcc5f9b0c33c70dcbfe874c0c7edf809968a403ac5de462c"
    assert hashlib.sha256(data).hexdigest() == pinned
    with h5py.File(io.BytesIO(data)) as file:  # HDF5 looks at its checksums
        for name, column in columns.items():
            assert np.array_equal(file[name][:], column)


def test_digests_tell_name_type_shape_and_bytes_apart() -> None:
    base = {"a": np.arange(6, dtype=np.int16)}
    others: list[Columns] = [
        {"b": base["a"]},
        {"a": base["a"].astype(np.uint16)},
        {"a": base["a"].reshape(2, 3)},
        {"a": base["a"][::-1]},
        base | {"b": np.zeros(0)},
    ]
    digests = {content_digest(columns) for columns in [base, *others]}
    assert len(digests) == 6
    assert content_digest(dict(reversed(others[-1].items()))) == content_digest(others[-1])


def test_shards_are_readable_with_plain_h5py(built: Path) -> None:
    """The layout of the design, by name and type."""
    with h5py.File(built / "hdf5" / "shard-00000.h5") as file:
        count = len(file["key"])
        assert dict(file.attrs) | {"schema": SCHEMA, "height": 112, "width": 112, "k": 5} == dict(
            file.attrs
        )
        assert file.attrs["codec"] == "jpeg"
        types = {
            "image/data": "u1",
            "image/offset": "u8",
            "box": "i2",
            "paste/offset": "u8",
            "paste/box": "i2",
            "paste/scale": "f4",
            "mask/data": "u1",
            "mask/offset": "u8",
            "mask/crc32": "u4",
            "pattern/k5": "i2",
            "pattern/k5_mask": "i2",
            "identity": "i4",
            "scale": "f4",
            "coverage": "f4",
            "mask_coverage": "f4",
        }
        for name, kind in types.items():
            assert file[name].dtype == np.dtype(kind), name
        for name in ("identity_name", "key", "occluder", "paste/occluder"):
            info = h5py.check_string_dtype(file[name].dtype)
            assert info is not None
            assert info.encoding == "utf-8"
        names = h5py.check_enum_dtype(file["category"].dtype)
        assert names is not None
        assert names["clean"] == 0
        assert h5py.check_enum_dtype(file["paste/category"].dtype) == names
        offsets = file["image/offset"][()]
        assert offsets[0] == 0
        assert offsets[-1] == len(file["image/data"])
        assert len(offsets) == count + 1
        first = file["image/data"][: offsets[1]].tobytes()
        assert decode_image(first).shape == (112, 112, 3)
        assert file["image/data"].chunks is None
        grid = PatternGrid(5, 112, 112)
        assert file["pattern/k5"][()].tolist() == grid.label_boxes(file["box"][()]).tolist()


def test_a_blob_lies_where_it_is_said_to(built: Path) -> None:
    path = built / "hdf5" / "shard-00001.h5"
    with open_hdf5(path) as file:
        start, length = blob_position(file, "image/data")
        data = file["image/data"][()].tobytes()
    assert path.read_bytes()[start : start + length] == data


def test_an_empty_blob_can_be_written_and_read(tmp_path: Path) -> None:
    path = tmp_path / "shard-00000.h5"
    path.write_bytes(shard_bytes(columns_of([], []), ATTRIBUTES))
    with open_hdf5(path) as file:
        assert blob_position(file, "image/data")[1] == 0


@pytest.mark.parametrize("data", [b"", b"no shard", b"\x89HDF\r\n\x1a\n" + b"\0" * 500])
def test_what_is_no_shard_is_named(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "shard-00000.h5").write_bytes(data)
    with pytest.raises(ShardError, match=r"shard-00000\.h5 is damaged or no shard of occgen"):
        open_format("hdf5").read(tmp_path, 0)
    with pytest.raises(ShardError, match="is missing"):
        open_format("hdf5").read(tmp_path, 1)


def test_a_shard_of_another_schema_is_named(tmp_path: Path) -> None:
    data = shard_bytes(columns_of([b"a"], [b""]), ATTRIBUTES | {"schema": 1})
    (tmp_path / "shard-00000.h5").write_bytes(data)
    message = r"schema 1, this version of occgen reads 2; make the set again \(--overwrite"
    with pytest.raises(ShardError, match=message):
        open_format("hdf5").read(tmp_path, 0)


def test_a_shard_that_points_outside_itself_is_refused(tmp_path: Path) -> None:
    """Other people's files must not make a reader open more of the machine than themselves."""
    secret = tmp_path / "secret"
    secret.write_bytes(b"x" * 10)
    path = tmp_path / "shard-00000.h5"
    with h5py.File(path, "w") as file:
        file.attrs["schema"] = SCHEMA
        file.create_dataset("key", (10,), "u1", external=[(str(secret), 0, 10)])
    with pytest.raises(ShardError, match="points outside the file"):
        open_format("hdf5").read(tmp_path, 0)


FLIPS = """
import io, sys
from pathlib import Path
from occgen.errors import ShardError
from occgen.formats.hdf5 import open_hdf5, read_attributes
path, whole, refused = Path(sys.argv[1]), Path(sys.argv[1]).read_bytes(), 0
start = whole.index(b"GCOL")
for place in range(start, start + 1600):
    for bits in (0x01, 0x02, 0x80):
        with path.open("r+b") as file:
            file.seek(place)
            file.write(bytes([whole[place] ^ bits]))
        try:
            with open_hdf5(path) as file:
                read_attributes(file)
        except ShardError:
            refused += 1
    path.write_bytes(whole)
print(refused)
"""


@pytest.mark.slow
def test_no_flipped_byte_of_the_texts_takes_for_ever(built: Path, tmp_path: Path) -> None:
    """HDF5 walks the heap that holds attributes without end where a size in it is wrong."""
    path = tmp_path / "shard-00000.h5"
    shutil.copy(built / "hdf5" / path.name, path)
    whole = path.read_bytes()
    done = subprocess.run(
        [sys.executable, "-c", FLIPS, str(path)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 100
    assert path.read_bytes() == whole


def test_an_unknown_format_is_named() -> None:
    with pytest.raises(InputError, match=r"format must be one of hdf5, folder, .*, got 'zip'"):
        open_format("zip")


def test_the_folder_format_holds_the_same_set(built: Path) -> None:
    with open(built / "folder" / "labels.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 18
    at = 0
    for index in open_format("hdf5").indices(built / "hdf5"):
        columns, attributes = open_format("hdf5").read(built / "hdf5", index)
        names = json.loads(attributes["categories"])
        offsets = columns["image/offset"].tolist()
        for row in range(len(columns["key"])):
            listed = rows[at]
            at += 1
            image = (built / "folder" / listed["image"]).read_bytes()
            assert image == columns["image/data"][offsets[row] : offsets[row + 1]].tobytes()
            assert listed["key"] == columns["key"][row].decode()
            assert [int(listed[side]) for side in ("x0", "y0", "x1", "y1")] == columns["box"][
                row
            ].tolist()
            assert int(listed["pattern_k5"]) == columns["pattern/k5"][row]
            assert int(listed["pattern_k5_mask"]) == columns["pattern/k5_mask"][row]
            assert listed["category"] == names[columns["category"][row]]
            assert int(listed["identity"]) == columns["identity"][row]
            assert listed["identity_name"] == columns["identity_name"][row].decode()
            if listed["category"] == "clean":
                assert listed["mask"] == listed["scale"] == listed["occluder"] == ""
            else:
                mask = decode_image((built / "folder" / listed["mask"]).read_bytes())[:, :, 0] > 0
                start, end = columns["mask/offset"][row : row + 2].tolist()
                stored = columns["mask/data"][start:end].tobytes()
                assert (mask == unpack_mask(stored, 112, 112)).all()


def test_damage_in_a_folder_set_is_named(built: Path, tmp_path: Path) -> None:
    columns = columns_of([b"abc", b"def"], [b"", b""])
    made = open_format("folder")
    (tmp_path / ".tmp").mkdir()
    made.write(tmp_path, tmp_path / ".tmp", 0, columns, ATTRIBUTES)
    picture = tmp_path / "images" / "p" / "1.jpg"
    picture.write_bytes(b"dee")
    with pytest.raises(ShardError, match=r"images/p/1\.jpg is damaged"):
        made.read(tmp_path, 0)
    picture.unlink()
    with pytest.raises(ShardError, match=r"images/p/1\.jpg cannot be read"):
        made.read(tmp_path, 0)
    part = tmp_path / "parts" / "shard-00000.json"
    text = part.read_text(encoding="utf-8")
    part.write_text(text.replace("p/0.jpg", "../../s", 1), encoding="utf-8")
    with pytest.raises(ShardError, match="lies outside the set"):
        made.read(tmp_path, 0)
    part.write_text(text[:50], encoding="utf-8")
    with pytest.raises(ShardError, match=r"shard-00000\.json is damaged"):
        made.read(tmp_path, 0)


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("Zoë/zoë_0001.jpg", "Zoë/zoë_0001.jpg"),
        ("a b/c d.jpg", "a b/c d.jpg"),
        ("名前/写真.jpg", "名前/写真.jpg"),
        ("a/x.jpg#3", "a/x#3.jpg"),
        ("a/x.png", "a/x.png.jpg"),
        ("a/x.JPG", "a/x.JPG.jpg"),
        ("a/x.jpeg#1", "a/x.jpeg#1.jpg"),
        ("a/.jpg", "a/~d912c70a.jpg"),
    ],
)
def test_usual_names_are_kept(key: str, path: str) -> None:
    assert safe_path(key, ".jpg") == path


ODD_KEYS = [
    *("..", "../..", "../../etc/passwd", "/etc/passwd", "a/../../b.jpg", "./.", ".hidden/x.jpg"),
    *("a//b", "a\0b.jpg", "a\nb.jpg", "x" * 400 + ".jpg", "x" * 401 + ".jpg", "木" * 90, ""),
    *(
        "C:\\x.jpg",
        "a/.jpg",
        "a/..jpg",
        "a/...jpg#1",
        "a/jpg",
        "a.jpg",
        "a.jpg.jpg",
        "a.png",
        "a.png.jpg",
        "a",
        "a#1.jpg",
    ),
    *("a.jpg#1", "a.jpg#1#1", "a#1.jpg#1", "a.JPG", "a.JPG.jpg", "a.jpeg", "\udcff.jpg"),
]
KEYS = st.text("aB.#1/~ \\:*é木-", min_size=1, max_size=14) | st.sampled_from(ODD_KEYS)


def test_two_odd_names_have_two_paths() -> None:
    for ending in (".jpg", ".png"):
        assert len({safe_path(key, ending) for key in ODD_KEYS}) == len(ODD_KEYS)


@given(KEYS, st.sampled_from([".jpg", ".png"]))
def test_any_name_stays_inside_and_is_a_name(key: str, ending: str) -> None:
    path = safe_path(key, ending)
    parts = PurePosixPath(path).parts
    assert not path.startswith("/")
    assert "/".join(parts) == path  # no empty part and no dot
    assert path.endswith(ending)
    for part in parts:
        assert not part.startswith(".")
        assert len(part.encode("utf-8", "replace")) <= 200
        assert not set(part) & set('\0\n\\:*?"<>|')


@given(st.lists(KEYS, min_size=2, max_size=12, unique=True), st.sampled_from([".jpg", ".png"]))
def test_two_names_have_two_paths(keys: list[str], ending: str) -> None:
    paths = [safe_path(key, ending) for key in keys]
    assert len(set(paths)) == len(keys)
