"""Photographs become crops on the template; which face, and what is left out, is said."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
from numpy.typing import NDArray

from occgen import crops
from occgen.align import align_crop, align_face, choose_face, cut_crop
from occgen.align_config import AlignConfig
from occgen.codec import decode_image
from occgen.crops import align_folder
from occgen.detectors import Face, open_detector, yunet_face
from occgen.errors import DataError, InputError
from occgen.landmark_files import read_landmark_file
from occgen.landmarks import template
from occgen.sources import open_source

UInt8 = NDArray[np.uint8]
OPTIONS: dict[str, Any] = {"src": "a", "out": "b", "landmarks": "c"}


def face(left: float, top: float, side: float, score: float = 1.0) -> Face:
    """Return an upright face whose box begins at a corner."""
    points = template(112, 112) * (side / 112) + (left, top)
    return Face(np.array([left, top, left + side, top + side]), points, score)


@pytest.fixture
def photos(tmp_path: Path, draw_picture: Any, encode_picture: Any) -> Path:
    """Folder of photographs 200 x 300 with points of all but one, and pairs."""
    root = tmp_path / "photos"
    rows = []
    for number in range(7):
        key = f"p{number % 3}/{number}.png" if number % 2 else f"p{number % 3}/{number}.jpg"
        path = root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        kind = "PNG" if number % 2 else "JPEG"
        path.write_bytes(encode_picture(draw_picture(number, 200, 300), kind))
        flat = " ".join(f"{v:.2f}" for v in face(20 + number, 30, 90).points.ravel())
        rows.append(f"{key} {flat}")
    (root / "points.txt").write_text("\n".join(rows[:-1]), encoding="utf-8")
    (root / "pairs.csv").write_text("image_a,image_b,same\np0/0.jpg,p0/3.png,1\n")
    return root


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"landmarks": None}, "points come from one of"),
        ({"cut": True}, "points come from one of"),
        ({"landmarks": None, "detector": "mtcnn"}, "needs --weights"),
        ({"landmarks": None, "cut": True}, "add --size 112x96"),
        ({"size": "100x100"}, "size must be one of 112x96, 112x112"),
        ({"face": "all"}, "face must be one of"),
        ({"quality": 0}, "quality must be in 1 .. 100"),
        ({"min_score": 2}, "min_score must be in 0 .. 1"),
        ({"max_residual": 0}, "max_residual must be > 0"),
    ],
)
def test_a_configuration_that_does_not_hold_is_refused(
    changes: dict[str, Any], problem: str
) -> None:
    with pytest.raises(InputError, match=problem):
        AlignConfig(**{**OPTIONS, **changes})


def test_points_on_the_template_move_nothing(draw_picture: Any) -> None:
    image = draw_picture(1)
    crop, matrix = align_crop(image, template(112, 112), 112, 112)
    assert np.allclose(matrix, [[1, 0, 0], [0, 1, 0]])
    assert np.array_equal(crop, image)
    narrow, _ = align_crop(image, template(112, 112), 112, 96)
    assert np.array_equal(narrow, cut_crop(image))


def test_a_turned_and_scaled_face_comes_upright(draw_picture: Any) -> None:
    image = draw_picture(2, 300, 300)
    turn = np.array([[0.0, -1.0], [1.0, 0.0]])  # lying on its side
    points = (template(112, 112) - 56) @ turn.T * 1.5 + 150
    made = align_face(
        image, [Face(np.array([50, 50, 250, 250.0]), points, 1.0)], AlignConfig(**OPTIONS)
    )
    assert abs(made.record["roll_deg"]) == pytest.approx(90, abs=0.1)
    assert made.record["residual"] == pytest.approx(0, abs=0.01)
    # the middle of the crop is the middle of the photograph; its right is the photograph's lower
    assert np.abs(made.image[56, 56].astype(int) - image[150, 150]).max() <= 3
    assert np.abs(made.image[56, 86].astype(int) - image[195, 150]).max() <= 3


def test_which_of_several_faces_is_taken() -> None:
    small, large, sure = face(140, 90, 40, 0.95), face(0, 0, 90, 0.96), face(220, 0, 30, 0.99)
    faces = [small, large, sure]
    for choice, wanted in (("largest", large), ("centre", small), ("surest", sure)):
        config = AlignConfig(**OPTIONS, face=choice)
        assert choose_face(faces, config, 200, 300) is wanted
    with pytest.raises(DataError, match="3 faces were found where one is allowed"):
        choose_face(faces, AlignConfig(**OPTIONS, face="only"), 200, 300)


@pytest.mark.parametrize(
    ("faces", "problem"),
    [
        ([], "no face was found"),
        ([face(0, 0, 90, 0.5)], "0.50 is below 0.9"),
        ([face(0, 0, 12)], "too small: 12 pixels, below 20"),
        (
            [Face(np.array([0, 0, 90, 90.0]), template(112, 112) * (0.1, 1), 1.0)],
            "off the template",
        ),
    ],
)
def test_why_a_picture_has_no_crop(faces: list[Face], problem: str, draw_picture: Any) -> None:
    with pytest.raises(DataError, match=problem):
        align_face(draw_picture(0), faces, AlignConfig(**OPTIONS))


def test_a_folder_is_aligned_and_says_what_it_left_out(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "crops"
    config = AlignConfig(src=str(photos), out=str(out), landmarks=str(photos / "points.txt"))
    seen: list[tuple[int, int]] = []
    report = align_folder(config, lambda *progress: seen.append(progress))
    assert (report.pictures, report.crops) == (7, 6)
    assert report.skipped == (("p0/6.jpg", "the landmark file has no points of it"),)
    assert seen[-1] == (7, 7)
    assert (out / "pairs.csv").read_text() == "image_a,image_b,same\np0/0.jpg,p0/3.png.jpg,1\n"
    assert not (out / ".align").exists()
    source = open_source("folder", str(out))
    keys = [ref.key for ref in source.refs()]
    assert keys[:2] == ["p0/0.jpg", "p0/3.png.jpg"]
    for key in keys:
        assert decode_image(source.read(key)).shape == (112, 112, 3)
        points = source.landmarks(key, 112, 112)
        assert points is not None
        assert np.abs(points - template(112, 112)).max() < 0.1
    with open(out / "landmarks.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["crop"] for row in rows] == keys
    again = align_folder(config)
    assert again.already_complete
    assert again.digest == report.digest


def test_jobs_and_interruption_change_nothing(photos: Path, tmp_path: Path) -> None:
    many = tmp_path / "many"
    for copy in range(60):
        shutil.copytree(photos / "p0", many / f"c{copy:02d}")
        shutil.copytree(photos / "p1", many / f"d{copy:02d}")
    points = photos / "points.txt"
    bare = "\n".join(line.partition("/")[2] for line in points.read_text().splitlines())
    points.write_text(bare, encoding="utf-8")
    common = {"src": str(many), "landmarks": str(points)}
    whole = align_folder(AlignConfig(**common, out=str(tmp_path / "one"), jobs=1))
    assert whole.crops == 60 * 4
    two = align_folder(AlignConfig(**common, out=str(tmp_path / "two"), jobs=2))
    assert two.digest == whole.digest
    out = tmp_path / "killed"
    code = (
        "from occgen.align_config import AlignConfig\nfrom occgen.crops import align_folder\n"
        f"align_folder(AlignConfig(src={str(many)!r}, landmarks={str(points)!r}, "
        f"out={str(out)!r}, jobs=1))"
    )
    worker = subprocess.Popen([sys.executable, "-c", code])
    while not list((out / ".align").glob("part-*")) and worker.poll() is None:
        time.sleep(0.002)
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    went_on = align_folder(AlignConfig(**common, out=str(out), jobs=1))
    assert went_on.digest == whole.digest
    assert went_on.reused >= 128
    assert sorted(path.name for path in out.iterdir()) == sorted(
        path.name for path in (tmp_path / "one").iterdir()
    )


def test_a_run_killed_while_it_cleared_or_left_can_go_on(photos: Path, tmp_path: Path) -> None:
    out, whole = tmp_path / "crops", tmp_path / "whole"
    common: dict[str, Any] = {"src": str(photos), "landmarks": str(photos / "points.txt")}
    digest = align_folder(AlignConfig(**common, out=str(whole))).digest
    (out / ".align").mkdir(parents=True)  # killed before its mark was made
    assert align_folder(AlignConfig(**common, out=str(out))).digest == digest
    shutil.copytree(out, out / ".align")  # killed after its report
    (out / ".lock").write_text("1")
    (out / ".tmp-dead").mkdir()
    assert align_folder(AlignConfig(**common, out=str(out))).already_complete
    assert sorted(os.listdir(out)) == sorted(os.listdir(whole))
    narrow = AlignConfig(**common, out=str(out), size="112x96", overwrite=True)
    (out / ".align").mkdir()  # killed while it cleared for another configuration
    (out / "align.json").unlink()
    with pytest.raises(InputError, match="--overwrite"):
        align_folder(AlignConfig(**common, out=str(out), size="112x96"))
    assert align_folder(narrow).crops == 6
    assert sorted(os.listdir(out)) == sorted(os.listdir(whole))


def test_a_crop_that_was_cut_short_is_made_again(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "crops"
    config = AlignConfig(src=str(photos), landmarks=str(photos / "points.txt"), out=str(out))
    with monkeypatch.context() as patch:
        patch.setattr(crops, "_finish", Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            align_folder(config)
    cut = out / "p0" / "0.jpg"
    whole = cut.read_bytes()
    cut.write_bytes(b"")
    assert align_folder(config).reused == 0
    assert cut.read_bytes() == whole


def test_an_output_of_another_configuration_is_refused(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "crops"
    common: dict[str, Any] = {"src": str(photos), "landmarks": str(photos / "points.txt")}
    align_folder(AlignConfig(**common, out=str(out)))
    with pytest.raises(InputError, match="another configuration"):
        align_folder(AlignConfig(**common, out=str(out), size="112x96"))
    narrow = align_folder(AlignConfig(**common, out=str(out), size="112x96", overwrite=True))
    assert decode_image((out / "p0/0.jpg").read_bytes()).shape == (112, 96, 3)
    (photos / "p0" / "new.jpg").write_bytes((photos / "p0" / "0.jpg").read_bytes())
    with pytest.raises(InputError, match="other pictures than the source lists now"):
        align_folder(AlignConfig(**common, out=str(out), size="112x96"))
    (out / "align.json").write_text("{")
    with pytest.raises(InputError, match=r"damaged align\.json"):
        align_folder(AlignConfig(**common, out=str(out)))
    assert narrow.crops == 6


def test_a_folder_of_other_things_is_never_cleared(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "mine"
    out.mkdir()
    (out / "thesis.txt").write_text("ten years")
    common: dict[str, Any] = {"src": str(photos), "landmarks": str(photos / "points.txt")}
    for overwrite in (False, True):
        with pytest.raises(InputError, match=r"thesis\.txt"):
            align_folder(AlignConfig(**common, out=str(out), overwrite=overwrite))
    assert (out / "thesis.txt").read_text() == "ten years"
    with pytest.raises(InputError, match="lies inside the source"):
        align_folder(AlignConfig(**common, out=str(photos / "crops")))


def test_an_alignment_of_nothing_fails(photos: Path, tmp_path: Path) -> None:
    (photos / "points.txt").write_text("other.jpg 1 2 3 4 5 6 7 8 9 10")
    config = AlignConfig(
        src=str(photos), out=str(tmp_path / "o"), landmarks=str(photos / "points.txt")
    )
    with pytest.raises(DataError, match="none of 7 pictures could be aligned"):
        align_folder(config)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs limits of the system")
def test_a_full_disk_is_said(photos: Path, tmp_path: Path) -> None:
    code = (
        "import resource, signal\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "from occgen.align_config import AlignConfig\nfrom occgen.crops import align_folder\n"
        "from occgen.errors import ShardError\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (900, 900))\n"
        f"config = AlignConfig(src={str(photos)!r}, out={str(tmp_path / 'o')!r}, jobs=1, "
        f"landmarks={str(photos / 'points.txt')!r})\n"
        "try:\n    align_folder(config)\nexcept ShardError as error:\n    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
    )
    assert "cannot be written (File too large)" in done.stdout
    assert not list((tmp_path / "o").glob("*.jpg"))


def test_crops_are_cut_exactly(tmp_path: Path, face_tree: Path) -> None:
    out = tmp_path / "narrow"
    report = align_folder(
        AlignConfig(src=str(face_tree), out=str(out), cut=True, size="112x96", codec="png")
    )
    assert report.crops == 18
    for path in face_tree.rglob("*.jpg"):
        key = path.relative_to(face_tree).as_posix()
        cut = decode_image((out / f"{key}.png").read_bytes())
        assert np.array_equal(cut, decode_image(path.read_bytes())[:, 8:104])


def test_a_missing_detector_says_what_it_needs(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such model file"):
        open_detector("yunet", tmp_path / "none.onnx")
    (tmp_path / "bad.onnx").write_bytes(b"not a model")
    with pytest.raises(InputError, match="no YuNet model OpenCV reads"):
        open_detector("yunet", tmp_path / "bad.onnx")
    with pytest.raises(InputError, match="insightface"):
        open_detector("insightface", tmp_path / "bad.onnx")
    with pytest.raises(InputError, match="detector must be one of"):
        open_detector("dlib", tmp_path)


def test_a_row_of_yunet_is_a_face() -> None:
    row = np.array([10, 20, 50, 60, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0.75], np.float32)
    found = yunet_face(row)
    assert found.box.tolist() == [10, 20, 60, 80]
    assert found.points.tolist() == [[1, 2], [3, 4], [5, 6], [7, 8], [9, 10]]
    assert found.score == 0.75


def test_crops_equal_those_of_the_same_points(faces_root: Path, tmp_path: Path) -> None:
    """Real photographs: our crops against crops made from the same points by other code."""
    originals = faces_root.parent / "originals"
    if not (originals / "landmarks.csv").is_file():
        pytest.skip(f"no unaligned originals at {originals}")
    config = AlignConfig(
        src=str(originals),
        out=str(tmp_path / "crops"),
        landmarks=str(originals / "landmarks.csv"),
        codec="png",
    )
    report = align_folder(config)
    assert report.crops == len(read_landmark_file(originals / "landmarks.csv"))
    with open(originals / "landmarks.csv", newline="") as file:
        wanted = {row["image"]: row["crop"] for row in csv.DictReader(file)}
    names = json.loads((tmp_path / "crops" / "align.json").read_text())
    assert names["crops"] == 61
    with open(tmp_path / "crops" / "landmarks.csv", newline="") as file:
        for row in csv.DictReader(file):
            ours = decode_image((tmp_path / "crops" / row["crop"]).read_bytes()).astype(int)
            theirs = decode_image((faces_root / wanted[row["image"]]).read_bytes())
            assert np.abs(ours - theirs).mean() < 3.0, row["crop"]  # theirs went through a JPEG
