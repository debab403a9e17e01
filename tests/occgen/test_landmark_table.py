"""Tables of points: read whole, or in windows that give the same points."""

import dataclasses
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from occgen import landmark_table
from occgen.config import BuildConfig
from occgen.engine import build
from occgen.errors import DataError
from occgen.landmark_table import LandmarkFile, LandmarkTable, open_landmarks
from occgen.landmarks import template

COLUMNS = ",".join(
    f"{point}_{axis}"
    for point in ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")
    for axis in "xy"
)
POINTS = np.array([[38.0, 51], [74, 52], [56, 71], [41, 92], [71, 93]])
ROW = ",".join(f"{value:g}" for value in POINTS.ravel())


def write(folder: Path, text: str) -> Path:
    path = folder / "landmarks.csv"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("key_column", ["crop", "image", "file", "filename", "path", "key"])
def test_points_of_the_crop_are_taken_as_they_are(tmp_path: Path, key_column: str) -> None:
    table = LandmarkTable.read(write(tmp_path, f"{key_column},{COLUMNS}\na/1.jpg,{ROW}\n"))
    found = table.find("a/1.jpg", 112, 112)
    assert found is not None
    assert found.dtype == np.float32
    assert found.tolist() == POINTS.tolist()
    assert table.find("a/2.jpg", 112, 112) is None


def test_points_of_the_original_are_carried_to_the_aligned_crop(tmp_path: Path) -> None:
    turn = np.array([[1.6, -0.4], [0.4, 1.6]])
    original = template(112, 112) @ turn.T + [60, 40]  # what alignment brings to the template
    row = ",".join(str(value) for value in original.ravel())
    text = f"crop,{COLUMNS},width,height\na.jpg,{row},250,250\nb.jpg,{ROW},112,112\n"
    table = LandmarkTable.read(write(tmp_path, text))
    aligned = table.find("a.jpg", 112, 112)
    assert aligned is not None
    assert np.allclose(aligned, template(112, 112), atol=1e-3)
    original_size = table.find("a.jpg", 250, 250)
    assert original_size is not None
    assert np.allclose(original_size, original)
    same = table.find("b.jpg", 112, 112)
    assert same is not None
    assert same.tolist() == POINTS.tolist()


def test_a_byte_order_mark_and_further_columns_do_no_harm(tmp_path: Path) -> None:
    text = f"\ufeffcrop,source,{COLUMNS},licence\na.jpg,web,{ROW},CC0\n"
    assert LandmarkTable.read(write(tmp_path, text)).find("a.jpg", 112, 112) is not None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no column one of crop"),
        (f"name,{COLUMNS}\na,{ROW}\n", "has no column one of crop, image"),
        ("crop,left_eye_x\na,1\n", "has no column left_eye_y"),
        (f"crop,{COLUMNS}\na,{ROW}\nb,{ROW.replace('56', 'x')}\n", "line 3 is not numbers"),
        (f"crop,{COLUMNS}\na,1,2\n", "line 2 is not numbers .it ends too soon"),
    ],
)
def test_damaged_tables_are_named(tmp_path: Path, text: str, message: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(DataError, match=message) as caught:
        LandmarkTable.read(path)
    assert str(path) in str(caught.value)


def test_a_missing_table_and_binary_data_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        LandmarkTable.read(tmp_path / "none.csv")
    path = tmp_path / "landmarks.csv"
    path.write_bytes(b"crop,\xff\xfe\x00\n")
    with pytest.raises(DataError, match=r"landmarks\.csv"):
        LandmarkTable.read(path)


# Folder by folder as they are listed: what lies in a folder before what lies below it.
KEYS = [
    *("0.jpg", "z.jpg", "A/2.jpg", "A/deep/1.jpg", "A b/1.jpg"),
    *(f"{person:03d}/{number}.jpg" for person in range(60) for number in range(person % 7)),
    *("\u00c9mile/1.jpg", os.fsdecode(b"\xff/1.jpg")),
]


def row_of(number: int) -> str:
    """Return numbers that no other row has."""
    return ",".join(f"{value + number / 8:g}" for value in POINTS.ravel())


def sorted_table(keys: list[str]) -> str:
    keys = sorted(keys, key=landmark_table._order)
    lines = [f"{key},{row_of(number)}" for number, key in enumerate(keys)]
    return "\n".join([f"crop,{COLUMNS}", *lines]) + "\n"


@pytest.fixture
def in_windows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], tuple[LandmarkFile, LandmarkTable]]:
    """Return what opens a text in windows of a few rows, and whole."""
    monkeypatch.setattr(landmark_table, "_LARGE", 100)
    monkeypatch.setattr(landmark_table, "_LEAST", 256)
    monkeypatch.setattr(landmark_table, "_MOST", 1024)

    def opened(text: str) -> tuple[LandmarkFile, LandmarkTable]:
        path = tmp_path / "landmarks.csv"
        path.write_bytes(text.encode("utf-8", "surrogateescape"))
        found = open_landmarks(path)
        assert isinstance(found, LandmarkFile)
        return found, LandmarkTable.read(path, strict=False)

    return opened


def assert_same(windows: LandmarkFile, whole: LandmarkTable, keys: list[str]) -> None:
    for key in keys:
        ours, theirs = windows.find(key, 112, 112), whole.find(key, 112, 112)
        assert (ours is None) == (theirs is None), key
        assert ours is None or theirs is None or ours.tolist() == theirs.tolist(), key


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("order", ["listed", "mixed", "backwards"])
def test_windows_give_the_same_points_without_reading_all(
    in_windows: Callable[..., tuple[LandmarkFile, LandmarkTable]], order: str, ending: str
) -> None:
    text = sorted_table(KEYS).replace("\n", ending)
    windows, whole = in_windows(text[: -len(ending)] if order == "mixed" else text)
    keys = sorted(KEYS, key=landmark_table._order, reverse=order == "backwards")
    if order == "mixed":
        keys = [keys[place] for place in np.random.default_rng(0).permutation(len(keys))]
    assert len(whole) == len(KEYS) > 150
    assert_same(windows, whole, keys[:200])
    assert not windows._whole
    assert len(windows._held) < 20
    again = pickle.loads(pickle.dumps(windows))
    assert_same(again, whole, keys[:5])


@pytest.mark.parametrize(
    "change",
    [
        lambda lines: [lines[0], *reversed(lines[1:])],
        lambda lines: [*lines, f"001/0.jpg,{row_of(7)}"],  # again, later, with other points
        lambda lines: [*lines[:9], lines[8].replace(row_of(7), row_of(3)), *lines[9:]],
        lambda lines: [*lines, f'"a, b/0.jpg",{row_of(5)}'],
        lambda lines: [*lines, "", ""],
    ],
    ids=["unsorted", "again-far", "again-near", "quoted", "blank"],
)
def test_any_other_table_is_read_whole(
    in_windows: Callable[..., tuple[LandmarkFile, LandmarkTable]],
    change: Callable[[list[str]], list[str]],
) -> None:
    lines = change(sorted_table(KEYS).splitlines())
    windows, whole = in_windows("\n".join(lines) + "\n")
    assert_same(windows, whole, [*KEYS, "a, b/0.jpg", "nobody/0.jpg"])
    assert windows._whole


def test_who_asks_out_of_order_again_and_again_is_given_all(
    in_windows: Callable[..., tuple[LandmarkFile, LandmarkTable]],
) -> None:
    windows, whole = in_windows(sorted_table(KEYS))
    assert_same(windows, whole, [KEYS[0], KEYS[-3]] * 200)
    assert windows._whole


def test_shards_that_are_far_apart_do_not_make_it_read_all(
    in_windows: Callable[..., tuple[LandmarkFile, LandmarkTable]],
) -> None:
    windows, whole = in_windows(sorted_table(KEYS))
    keys = sorted(KEYS, key=landmark_table._order)
    for _ in range(200):  # a worker's tasks: each jumps, and goes on in order
        assert_same(windows, whole, keys[:12])
        assert_same(windows, whole, keys[100:112])
    assert not windows._whole


def test_a_row_without_numbers_is_wrong_for_its_picture_alone(
    in_windows: Callable[..., tuple[LandmarkFile, LandmarkTable]],
) -> None:
    lines = sorted_table(KEYS).splitlines()
    key = lines[100].partition(",")[0]
    lines[100] = f"{key},1,x"
    windows, whole = in_windows("\n".join(lines))
    for table in (windows, whole):
        with pytest.raises(DataError, match=r"landmarks is not numbers \(could not convert .*'x'"):
            table.find(key, 112, 112)
    assert_same(windows, whole, [other for other in KEYS if other != key])
    with pytest.raises(DataError, match="line 2 is not numbers"):
        in_windows(f"crop,{COLUMNS}\na.jpg,1,x\nb.jpg,{ROW}\n")
    with pytest.raises(DataError, match="has no column left_eye_x"):
        in_windows("crop,a,b\n" + "x,1,2\n" * 99)


@pytest.fixture
def config(face_tree: Path, tmp_path: Path) -> BuildConfig:
    """Eighteen faces, in shards of seven."""
    return BuildConfig(
        dataset="folder", root=str(face_tree), out=str(tmp_path / "set"), shard_size=7, jobs=1
    )


def test_a_set_is_the_same_however_its_points_were_read(
    config: BuildConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = Path(str(config.root))
    keys = [path.relative_to(root).as_posix() for path in root.rglob("*.jpg")]
    (root / "landmarks.csv").write_text(sorted_table(keys))
    whole = build(config)
    for name, value in (("_LARGE", 100), ("_LEAST", 300)):
        monkeypatch.setattr(landmark_table, name, value)
    other = build(dataclasses.replace(config, out=f"{config.out}-2"))
    assert other.digest == whole.digest
    text = (root / "landmarks.csv").read_text().replace(f"{keys[5]},", f"{keys[5]},x")
    (root / "landmarks.csv").write_text(text)
    report = build(dataclasses.replace(config, out=f"{config.out}-3", max_skipped=0.5))
    assert report.skipped == whole.skipped + 1
    assert keys[5] in (report.out / "skipped.csv").read_text()
