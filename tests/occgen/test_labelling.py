"""Labels added to finished sets, CSV files and masks equal those of a fresh build."""

import csv
import dataclasses
import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from occgen import BuildConfig, DataError, InputError, PatternGrid, ShardError, build, open_shards
from occgen.formats import open_format
from occgen.labelling import label_build, label_csv, label_file_name, label_folder
from occgen.manifest import SCHEMA, read_manifest
from occgen.verify import verify


@pytest.fixture
def config(face_tree: Path, tmp_path: Path) -> BuildConfig:
    """Build of 18 faces in four shards."""
    return BuildConfig(
        dataset="folder",
        root=str(face_tree),
        out=str(tmp_path / "set"),
        scale="1.0:0.5:3.0",
        categories=("cup", "phone"),
        clean_fraction=0.2,
        shard_size=5,
        jobs=1,
    )


def stored(out: Path, k: int, by: str) -> NDArray[Any]:
    """Return the labels the shards of a build hold."""
    name = f"pattern/k{k}" if by == "box" else f"pattern/k{k}_mask"
    form = open_format("hdf5")
    return np.concatenate([form.read(out, index)[0][name] for index in form.indices(out)])


@pytest.mark.parametrize("changes", [{}, {"blend": "opaque"}, {"compat": "published"}])
def test_labels_equal_those_of_a_fresh_build(config: BuildConfig, changes: dict[str, Any]) -> None:
    config = dataclasses.replace(config, **changes)
    build(config)
    for k in (3, 5, 6):
        fresh = dataclasses.replace(config, k=k, out=f"{config.out}-{k}")
        build(fresh)
        for by in ("box", "mask"):
            labels = label_build(config.out_path, k, by)
            assert labels.dtype == np.int64
            assert np.array_equal(labels, stored(fresh.out_path, k, by)), (k, by)
            assert [sample.pattern(k, by) for sample in open_shards(config.out_path)] == (
                labels.tolist()
            )


def test_labels_are_one_dataset_a_shard_beside_them(config: BuildConfig) -> None:
    report = build(config)
    shards = {path: path.stat().st_mtime_ns for path in config.out_path.glob("shard-*.h5")}
    labels = label_build(config.out_path, 6)
    assert {path: path.stat().st_mtime_ns for path in shards} == shards
    with h5py.File(config.out_path / "pattern-k6.h5") as file:
        assert dict(file.attrs) == {"schema": SCHEMA, "k": 6, "height": 112, "width": 112}
        parts = [file[f"shard-{number:05d}/box"] for number in range(4)]
        assert {part.dtype for part in parts} == {np.dtype(np.int16)}
        assert np.concatenate([part[()] for part in parts]).tolist() == labels.tolist()
        assert "shard-00000/mask" not in file
    manifest = read_manifest(config.out_path)
    assert manifest["digest"] == report.digest
    assert manifest["labels"]["pattern-k6.h5"]["by"] == ["box"]
    histogram = manifest["labels"]["pattern-k6.h5"]["patterns"]["k6"]
    assert histogram == {str(v): labels.tolist().count(v) for v in set(labels.tolist())}
    by_mask = label_build(config.out_path, 6, "mask")
    with h5py.File(config.out_path / "pattern-k6.h5") as file:
        kept = np.concatenate([file[f"shard-{number:05d}/box"][()] for number in range(4)])
        added = np.concatenate([file[f"shard-{number:05d}/mask"][()] for number in range(4)])
    assert (kept.tolist(), added.tolist()) == (labels.tolist(), by_mask.tolist())
    assert build(config).already_complete
    assert verify(config.out_path, 1) == []
    assert [path.name for path in config.out_path.iterdir() if path.name.startswith(".")] == []


def test_labels_of_the_builds_own_k_are_there_already(config: BuildConfig) -> None:
    build(config)
    before = sorted(os.listdir(config.out_path))
    for by in ("box", "mask"):
        labels = label_build(config.out_path, 5, by)
        assert labels.tolist() == stored(config.out_path, 5, by).tolist()
    assert sorted(os.listdir(config.out_path)) == before


def test_no_picture_is_read(config: BuildConfig) -> None:
    build(config)
    labels = [label_build(config.out_path, 7, by).tolist() for by in ("box", "mask")]
    for path in config.out_path.glob("pattern-k7*.h5"):
        path.unlink()
    for path in config.out_path.glob("shard-*.h5"):
        with h5py.File(path, "r+") as file:
            file["image/data"][...] = 0
    assert [label_build(config.out_path, 7, by).tolist() for by in ("box", "mask")] == labels


def test_labels_that_were_damaged_are_made_anew(config: BuildConfig) -> None:
    build(config)
    labels = label_build(config.out_path, 6)
    path = config.out_path / "pattern-k6.h5"
    whole = path.read_bytes()
    with h5py.File(path, "r+") as file:
        file["shard-00002/box"][1] = 7
    assert verify(config.out_path, 1)[0].file == "pattern-k6.h5"
    assert label_build(config.out_path, 6).tolist() == labels.tolist()
    assert path.read_bytes() == whole
    path.write_bytes(b"no shard")
    label_build(config.out_path, 6, "mask")
    assert verify(config.out_path, 1) == []


def test_labels_that_do_not_fit_are_refused(config: BuildConfig) -> None:
    build(config)
    label_build(config.out_path, 6)
    with h5py.File(config.out_path / "pattern-k6.h5", "r+") as file:
        del file["shard-00000/box"]
        file["shard-00000/box"] = np.zeros(3, np.int16)
    with pytest.raises(ShardError, match=r"pattern-k6\.h5: shard-00000/box is no 5 labels"):
        open_shards(config.out_path)[0].pattern(6)


def test_an_overwritten_set_keeps_no_old_labels(config: BuildConfig) -> None:
    build(config)
    label_build(config.out_path, 6)
    other = dataclasses.replace(config, seed=7, overwrite=True)
    build(other)
    assert not (config.out_path / "pattern-k6.h5").exists()
    expected = label_build(config.out_path, 6)
    assert expected.tolist() == open_shards(config.out_path).patterns(6).tolist()


def test_what_cannot_be_labelled_is_told(config: BuildConfig, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        label_build(tmp_path / "none", 6)
    build(dataclasses.replace(config, format="folder"))
    with pytest.raises(InputError, match=r"labels\.csv with --image-size 112x112, or its masks"):
        label_build(config.out_path, 6)
    build(dataclasses.replace(config, overwrite=True))
    with pytest.raises(InputError, match="by must be box or mask, got 'both'"):
        label_build(config.out_path, 6, "both")
    with pytest.raises(InputError, match="k must be"):
        label_build(config.out_path, 0)
    assert not (config.out_path / label_file_name(0)).exists()
    (config.out_path / "shard-00001.h5").write_bytes(b"")
    with pytest.raises(ShardError, match=r"shard-00001\.h5 is damaged"):
        label_build(config.out_path, 6)
    assert not (config.out_path / "pattern-k6.h5").exists()


BOXES = st.tuples(
    *(st.integers(-5, 96), st.integers(-5, 112), st.integers(0, 100), st.integers(0, 120))
).map(lambda box: (box[0], box[1], box[0] + box[2], box[1] + box[3]))


@given(st.lists(BOXES, min_size=1, max_size=20), st.sampled_from([3, 5, 6]), st.booleans())
def test_a_csv_of_boxes_gets_a_column(
    tmp_path_factory: pytest.TempPathFactory,
    boxes: list[tuple[int, int, int, int]],
    k: int,
    has_header: bool,
) -> None:
    folder = tmp_path_factory.mktemp("csv", numbered=True)
    source, out = folder / "boxes.csv", folder / "out.csv"
    with open(source, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        if has_header:
            writer.writerow(["name", "x0", "y0", "x1", "y1"])
        writer.writerows([f"é, {row}", *box] for row, box in enumerate(boxes))
    assert label_csv(source, out, k, 112, 96) == len(boxes)
    with open(out, newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    if has_header:
        assert rows.pop(0) == ["name", "x0", "y0", "x1", "y1", f"pattern_k{k}"]
    grid = PatternGrid(k, 112, 96)
    expected = grid.label_boxes(np.array(boxes)).tolist()
    for row, (found, box) in enumerate(zip(rows, boxes, strict=True)):
        assert found == [f"é, {row}", *map(str, box), str(expected[row])]
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()


def test_columns_are_found_by_name(tmp_path: Path) -> None:
    source = tmp_path / "boxes.csv"
    source.write_text("\ufeffY1,score, x0 ,Y0,X1\r\n50,0.5,10.0,20,40\r\n", encoding="utf-8")
    assert label_csv(source, tmp_path / "out.csv", 5, 112, 96) == 1
    label = PatternGrid(5, 112, 96).label_boxes(np.array([[10, 20, 40, 50]]))[0]
    lines = (tmp_path / "out.csv").read_text().splitlines()
    assert lines == ["Y1,score, x0 ,Y0,X1,pattern_k5", f"50,0.5,10.0,20,40,{label}"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"boxes\.csv is empty; it needs columns x0, y0, x1, y1"),
        ("a,b,c,d\n1,2,3,4\n", r"line 1 has no columns x0, y0, x1, y1"),
        ("x0,y0,x1,y1\n1,2,3,4\n1,2,three,4\n", r"line 3 \(1,2,three,4\) is not four numbers"),
        ("x0,y0,x1,y1\n1,2,3\n", r"line 2 \(1,2,3\) is not four numbers"),
        ("\n \n", r"boxes\.csv is empty; it needs columns x0, y0, x1, y1"),
        ("\na,b,c,d\n", r"line 2 has no columns x0, y0, x1, y1"),
        ("\nx0,y0,x1,y1\n1,2,3,4\n\n  \n1,2,3\n", r"line 6 \(1,2,3\) is not four numbers"),
        ("\n\n1,2,3,4\n\n1,2,3\n", r"line 5 \(1,2,3\) is not four numbers"),
        ("1,2,3,4\n5,6,4,8\n", r"line 2 \(5,6,4,8\) is not whole pixels x0 <= x1, y0 <= y1"),
        ("1,2,3,4\n5,6,7.5,8\n", r"line 2 \(5,6,7\.5,8\) is not whole pixels"),
        ("1,2,3,4\n1,2,1e12,4\n", r"line 2 \(1,2,1e12,4\) is not whole pixels"),
        ("1,2,3,4\n1,2,nan,4\n", r"line 2 \(1,2,nan,4\) is not"),
        ("1,2,3,4\n1,2,inf,4\n", r"line 2 \(1,2,inf,4\) is not four numbers"),
        ('x0,y0,x1,y1,note\n1,2,3,4,"a\nb"\n1,2,3,x,c\n', r"line 4 \(1,2,3,x,c\) is not four"),
    ],
)
def test_a_bad_row_is_named_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    source, out = tmp_path / "boxes.csv", tmp_path / "out.csv"
    source.write_text(text)
    out.write_text("old")
    with pytest.raises(DataError, match=message):
        label_csv(source, out, 5, 112, 96)
    assert out.read_text() == "old"
    assert sorted(os.listdir(tmp_path)) == ["boxes.csv", "out.csv"]


def test_blank_lines_are_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, out = tmp_path / "boxes.csv", tmp_path / "out.csv"
    source.write_text("\n1,2,30,40\n\n  \n\n\n5,6,70,80\n\n")
    labels = PatternGrid(5, 112, 96).label_boxes(np.array([[1, 2, 30, 40], [5, 6, 70, 80]]))
    for rows in (1, 2, 100):  # with chunks of blank lines alone
        monkeypatch.setattr("occgen.labelling._ROWS_A_CHUNK", rows)
        assert label_csv(source, out, 5, 112, 96) == 2
        assert out.read_text() == f"1,2,30,40,{labels[0]}\n5,6,70,80,{labels[1]}\n"


def test_a_column_that_is_there_gets_the_labels(config: BuildConfig, tmp_path: Path) -> None:
    build(dataclasses.replace(config, format="folder"))
    table, out = config.out_path / "labels.csv", tmp_path / "out.csv"
    assert label_csv(table, out, 5, 112, 112) == 18
    assert out.read_text(encoding="utf-8") == table.read_text(encoding="utf-8")
    table.write_text("pattern_k5,x0,y0,x1,y1,note,pattern_k5\n7,0,0,96,112,a,8\n7,0,0,0,0\n")
    full = PatternGrid(5, 112, 96).label_boxes(np.array([[0, 0, 96, 112]]))[0]
    label_csv(table, out, 5, 112, 96)
    assert out.read_text().splitlines()[1:] == [f"{full},0,0,96,112,a,{full}", "0,0,0,0,0,,0"]
    label_csv(table, out, 6, 112, 96)
    header, first, last = out.read_text().splitlines()
    assert header == "pattern_k5,x0,y0,x1,y1,note,pattern_k5,pattern_k6"
    assert first.startswith("7,0,0,96,112,a,8,")
    assert last == "7,0,0,0,0,,,0"  # a short row is filled up: the label stands in its column


def test_a_bad_row_late_in_a_long_file_is_named(tmp_path: Path) -> None:
    source = tmp_path / "boxes.csv"
    good = "1,2,30,40\n" * 70_000
    source.write_text(f"x0,y0,x1,y1\n{good}1,2\n{good}")
    with pytest.raises(DataError, match=r"line 70002 \(1,2\) is not four numbers"):
        label_csv(source, tmp_path / "out.csv", 5, 112, 96)


def test_what_is_no_text_is_told(tmp_path: Path) -> None:
    source = tmp_path / "boxes.csv"
    for data in (b"\xff\xfe\x00\x01" * 40, b"x0,y0,x1,y1\n1,2,3,4\n\x00\xff"):
        source.write_bytes(data)
        with pytest.raises(DataError, match=r"boxes\.csv"):
            label_csv(source, tmp_path / "out.csv", 5, 112, 96)
    with pytest.raises(DataError, match=r"none\.csv cannot be read"):
        label_csv(tmp_path / "none.csv", tmp_path / "out.csv", 5, 112, 96)
    source.write_text("1,2,3,4\n")
    with pytest.raises(DataError, match=r"gone/out\.csv cannot be written"):
        label_csv(source, tmp_path / "gone" / "out.csv", 5, 112, 96)


def test_a_long_csv_takes_no_more_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("occgen.labelling._ROWS_A_CHUNK", 500)
    peaks = []
    for rows in (2_000, 20_000):
        source = tmp_path / f"{rows}.csv"
        source.write_text("x0,y0,x1,y1\n" + "10,20,60,80\n" * rows)
        counts: list[int] = []
        tracemalloc.start()
        assert label_csv(source, tmp_path / "out.csv", 5, 112, 96, counts.append) == rows
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert counts[-1] == rows
    assert peaks[1] < 1.1 * peaks[0]


def test_a_folder_of_masks_gets_a_table(
    tmp_path: Path, encode_picture: Callable[..., bytes]
) -> None:
    rng = np.random.default_rng(0)
    masks = {}
    for number, (height, width) in enumerate([(112, 96), (112, 112), (40, 50), (112, 96)]):
        mask = np.zeros((height, width), np.bool_)
        top, left = rng.integers(0, height // 2), rng.integers(0, width // 2)
        mask[top : top + height // 3, left : left + width // 2] = True
        masks[f"sub{number % 2}/mask {number}.png"] = mask
    masks["clean.png"] = np.zeros((112, 96), np.bool_)
    for name, mask in masks.items():
        (tmp_path / "masks" / name).parent.mkdir(parents=True, exist_ok=True)
        picture = np.where(mask, 255, 127).astype(np.uint8)
        (tmp_path / "masks" / name).write_bytes(encode_picture(picture, "PNG"))
    (tmp_path / "masks" / "notes.txt").write_text("x")
    assert label_folder(tmp_path / "masks", tmp_path / "out.csv", 4) == 5
    with open(tmp_path / "out.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["mask"] for row in rows] == sorted(masks)
    for row in rows:
        mask = masks[row["mask"]]
        assert (int(row["height"]), int(row["width"])) == mask.shape
        assert float(row["mask_coverage"]) == pytest.approx(mask.mean(), abs=1e-6)
        assert int(row["pattern_k4"]) == PatternGrid(4, *mask.shape).label_masks(mask[None])[0]
    assert rows[0]["pattern_k4"] == "0"


def test_masks_of_a_folder_set_have_its_labels(config: BuildConfig, tmp_path: Path) -> None:
    build(dataclasses.replace(config, format="folder"))
    label_folder(config.out_path / "masks", tmp_path / "out.csv", 5)
    with open(tmp_path / "out.csv", newline="", encoding="utf-8") as file:
        found = {f"masks/{row['mask']}": row["pattern_k5"] for row in csv.DictReader(file)}
    with open(config.out_path / "labels.csv", newline="", encoding="utf-8") as file:
        listed = {row["mask"]: row["pattern_k5_mask"] for row in csv.DictReader(file)}
    assert {mask: label for mask, label in listed.items() if mask} == found


def test_a_mask_that_is_no_picture_is_named(tmp_path: Path) -> None:
    masks = tmp_path / "masks"
    masks.mkdir()
    with pytest.raises(InputError, match="masks holds no mask pictures"):
        label_folder(masks, tmp_path / "out.csv", 5)
    (masks / "a.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"masks/a\.png: not a picture"):
        label_folder(masks, tmp_path / "out.csv", 5)
    assert not (tmp_path / "out.csv").exists()
