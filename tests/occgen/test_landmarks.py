"""The paper's template, similarities against a least-squares solver, and tables of points."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from occgen.errors import DataError
from occgen.landmarks import LandmarkTable, fit_similarity, template

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


def test_the_template_is_the_papers() -> None:
    narrow, square = template(112, 96), template(112, 112)
    assert narrow[0].tolist() == [30.2946, 51.6963]
    assert narrow[2].tolist() == [48.0252, 71.7366]
    assert narrow[4].tolist() == [62.7299, 92.2041]
    assert np.allclose(square - narrow, [8, 0])
    assert np.allclose(template(224, 192), 2 * narrow)
    assert np.allclose(template(224, 224), 2 * square)


@given(
    st.floats(-3, 3),
    st.floats(0.2, 5),
    st.floats(-200, 200),
    st.floats(-200, 200),
)
def test_a_similarity_is_found_again(angle: float, scale: float, x: float, y: float) -> None:
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    target = POINTS @ turn.T + [x, y]
    matrix = fit_similarity(POINTS, target)
    assert np.allclose(matrix[:, :2], turn)
    assert np.allclose(matrix[:, 2], [x, y], atol=1e-6)


@given(st.integers(0, 2**32))
def test_the_fit_is_the_least_squares_one(seed: int) -> None:
    rng = np.random.default_rng(seed)
    points, target = rng.normal(50, 20, (2, 5, 2))
    rows, goal = [], []
    for (px, py), (tx, ty) in zip(points, target, strict=True):  # x' = a x - b y + c and so on
        rows += [[px, -py, 1, 0], [py, px, 0, 1]]
        goal += [tx, ty]
    a, b, c, d = np.linalg.lstsq(np.array(rows), np.array(goal), rcond=None)[0]
    assert np.allclose(fit_similarity(points, target), [[a, -b, c], [b, a, d]])


def test_many_fits_at_once_are_the_single_ones() -> None:
    points = np.random.default_rng(0).normal(50, 20, (7, 5, 2))
    goal = template(112, 112)
    every = fit_similarity(points, goal)
    assert every.shape == (7, 2, 3)
    assert np.allclose(every, [fit_similarity(one, goal) for one in points])


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
        (f"crop,{COLUMNS}\na,1,2\n", "line 2 is not numbers"),
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


def test_real_crops_lie_on_the_template(faces_root: Path) -> None:
    path = faces_root / "lfw" / "landmarks.csv"
    if not path.is_file():
        pytest.skip(f"no {path}")
    table = LandmarkTable.read(path)
    keys = [
        picture.relative_to(path.parent).as_posix()
        for picture in sorted(path.parent.glob("*/*"))[:40]
    ]
    found = [points for key in keys if (points := table.find(key, 112, 112)) is not None]
    assert found
    errors = np.linalg.norm(np.stack(found) - template(112, 112), axis=2)
    assert errors.mean() < 6
