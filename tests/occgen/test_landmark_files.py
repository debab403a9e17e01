"""Every form of landmark file gives the same points; a bad line is named."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from occgen.errors import DataError
from occgen.landmark_files import read_landmark_file

POINTS = [[30.5, 51.0], [65.0, 51.5], [48.0, 71.5], [33.5, 92.0], [62.5, 92.5]]
FLAT = [value for point in POINTS for value in point]
NUMBERS = " ".join(f"{value:g}" for value in FLAT)
COMMAS = NUMBERS.replace(" ", ",")
OURS = ",".join(
    f"{point}_{axis}"
    for point in ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")
    for axis in "xy"
)
CELEBA = " ".join(
    f"{point}_{axis}"
    for point in ("lefteye", "righteye", "nose", "leftmouth", "rightmouth")
    for axis in "xy"
)
PS = ",".join(f"P{point}{axis}" for point in range(1, 6) for axis in "XY")
ACROSS = "\t".join(f"{x:g}" for x, _ in POINTS)
DOWN = "\t".join(f"{y:g}" for _, y in POINTS)

FORMS = {
    "ours.csv": f"image,{OURS}\na/b.jpg,{COMMAS}\n",
    "boxed.csv": f"image,prob,x1,y1,x2,y2,{OURS}\na/b.jpg,0.97,1,2,80,110,{COMMAS}\n",
    "celeba.txt": f"1\n{CELEBA}\na/b.jpg {NUMBERS}\n",
    "celeba.csv": f"image_id,{CELEBA.replace(' ', ',')}\na/b.jpg,{COMMAS}\n",
    "vggface2.csv": f'NAME_ID,{PS}\n"a/b",{COMMAS}\n',
    "plain.txt": f"# a comment\na/b.jpg {NUMBERS}\n\n",
    "plain.csv": f"a/b.jpg,{COMMAS}\n",
    "faces.lst": f"0\ta/b.jpg\t7\t1\t2\t80\t110\t{ACROSS}\t{DOWN}\n",
    "map.json": json.dumps({"a/b.jpg": POINTS}),
    "list.json": json.dumps([{"file": "./a/b.jpg", "landmarks": POINTS, "bbox": [1, 2, 80, 110]}]),
    "faces.json": json.dumps({"a/b.jpg": [{"points": FLAT, "score": 0.97}]}),
}


@pytest.mark.parametrize("name", FORMS)
def test_every_form_gives_the_points(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text(FORMS[name], encoding="utf-8")
    (face,) = read_landmark_file(path).find("a/b.jpg")
    assert face.points.tolist() == POINTS
    boxed = name in ("boxed.csv", "faces.lst", "list.json")
    assert (face.box.tolist() == [1, 2, 80, 110]) == boxed
    assert face.score == (0.97 if name in ("boxed.csv", "faces.json") else 1.0)


def test_pictures_are_found_by_path_stem_or_bare_name(tmp_path: Path) -> None:
    path = tmp_path / "points.txt"
    path.write_text(f"000001.jpg {NUMBERS}\n", encoding="utf-8")
    known = read_landmark_file(path)
    assert len(known) == 1
    assert known.find("deep/er/000001.png")
    assert not known.find("000002.jpg")
    path.write_text(f"a/1.jpg {NUMBERS}\n", encoding="utf-8")
    assert read_landmark_file(path).find("a/1.png")
    assert not read_landmark_file(path).find("b/1.jpg")


def test_a_picture_may_have_several_faces(tmp_path: Path) -> None:
    path = tmp_path / "points.txt"
    path.write_text(f"a.jpg {NUMBERS}\na.jpg {NUMBERS}\n", encoding="utf-8")
    assert len(read_landmark_file(path).find("a.jpg")) == 2


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("a.txt", "", "holds no points"),
        ("a.txt", f"a.jpg {NUMBERS}\nb.jpg 1 2 3\n", "line 2 is not a name and ten numbers"),
        ("a.csv", f"image,{OURS}\na.jpg,1,2\n", "line 2 is not a name and numbers"),
        ("a.csv", f"image,{OURS}\na.jpg,{COMMAS}\nb.jpg,x{COMMAS}\n", "line 3"),
        ("a.txt", f"a.jpg {NUMBERS.replace('30.5', 'nan')}\n", "not finite"),
        ("a.json", "{", "is not JSON"),
        ("a.json", '{"a.jpg": [1, 2]}', "'a.jpg' has no five points"),
        ("a.json", "[[1, 2]]", "entry 0 names no picture"),
        ("a.json", "[" * 5000, "is not JSON"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, name: str, text: str, problem: str) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=problem) as caught:
        read_landmark_file(path)
    assert str(path) in str(caught.value)


@given(st.sampled_from(sorted(FORMS)), st.integers(0, 400), st.binary(max_size=6))
def test_a_damaged_file_is_an_error_of_ours_or_read(
    tmp_path_factory: pytest.TempPathFactory, name: str, at: int, junk: bytes
) -> None:
    data = FORMS[name].encode()
    path = tmp_path_factory.mktemp("damaged") / name
    path.write_bytes(data[:at] + junk + data[at + len(junk) :])
    try:
        known = read_landmark_file(path)
    except DataError:
        return
    for face in known.find("a/b.jpg"):
        assert face.points.shape == (5, 2)
        assert np.isfinite(face.points).all()
