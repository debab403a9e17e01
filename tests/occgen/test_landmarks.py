"""The paper's template, and similarities against a least-squares solver."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from occgen.landmark_table import LandmarkTable
from occgen.landmarks import fit_similarity, template

POINTS = np.array([[38.0, 51], [74, 52], [56, 71], [41, 92], [71, 93]])


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
