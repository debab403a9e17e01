"""`occgen occlude`: one picture as a build would make it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from occgen_cli.main import main
from PIL import Image

from occgen import BuildConfig, build, open_shards


def run(*arguments: object) -> Any:
    """Run the command here."""
    result = CliRunner().invoke(main, ["occlude", *map(str, arguments)])
    assert "Traceback" not in result.stderr
    return result


def pixels(path: Path) -> np.ndarray:
    """Return a picture's pixels."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


FEW = ("--categories", "cup,phone")  # few occluders to decode


def test_variants_are_those_of_a_build(face_tree: Path, tmp_path: Path) -> None:
    root, out = face_tree / "person1", tmp_path / "out.png"
    result = run(root / "1.jpg", out, "--scale", "2.0", "--variants", 3, "--json", *FEW)
    assert result.exit_code == 0, result.stderr
    record = json.loads(result.stdout)
    config = BuildConfig(
        dataset="folder",
        root=str(root),
        out=str(tmp_path / "set"),
        scale=2.0,
        variants=3,
        categories=("cup", "phone"),
        codec="png",
        jobs=1,
    )
    made = [s for s in open_shards(build(config).out) if s.key.startswith("1.jpg")]
    sheet = pixels(out)
    assert sheet.shape == (112, 3 * 112 + 2 * 4, 3)
    for number, (sample, found) in enumerate(zip(made, record["variants"], strict=True)):
        assert np.array_equal(sheet[:, number * 116 : number * 116 + 112], sample.image)
        assert found["box"] == list(sample.box)
        assert found["occluders"] == [sample.occluder]
        assert found["pattern"] == found["pattern_box"] == sample.pattern(5, "box")
        assert found["pattern_mask"] == sample.pattern(5, "mask")
        assert found["mask_coverage"] == pytest.approx(sample.mask_coverage, abs=1e-6)


def test_what_was_pasted_is_said(tmp_path: Path) -> None:
    out = tmp_path / "out.jpg"
    result = run("demo", out, *FEW)
    first, last = result.stdout.splitlines()
    assert first.startswith(("cup/", "phone/"))
    assert " by box, " in first
    assert last == f"1 drawn in {out}"
    assert out.read_bytes()[:3] == b"\xff\xd8\xff"
    clean = run("demo", out, "--clean-fraction", 1, *FEW).stdout
    assert clean.startswith("clean: box [0, 0, 0, 0], 0.0% of the picture, mask 0.0%, label 0 by")


def test_boxes_masks_and_labels_can_be_drawn_in(face_tree: Path, tmp_path: Path) -> None:
    out = tmp_path / "sheet.png"
    assert run(face_tree / "person0/0.jpg", out, "--variants", 2, "--draw", *FEW).exit_code == 0
    assert min(pixels(out).shape[:2]) > 200


def test_landmarks_beside_the_picture_are_used(face_tree: Path, tmp_path: Path) -> None:
    points = [(40, 40), (72, 40), (56, 60), (44, 80), (68, 80)]
    names = [
        f"{p}_{axis}"
        for p in ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")
        for axis in "xy"
    ]
    picture, out = face_tree / "person1/1.jpg", tmp_path / "out.png"
    worn = ("--placement", "landmarks", "--categories", "sunglasses", "--json")
    boxes = []
    for shift in (0, 20):
        row = ",".join(str(v + shift * (axis == 1)) for p in points for axis, v in enumerate(p))
        text = f"key,{','.join(names)}\nperson1/1.jpg,{row}\n"
        (face_tree / "landmarks.csv").write_text(text)
        record = json.loads(run(picture, out, *worn).stdout)
        boxes.append(record["variants"][0]["box"])
    assert boxes[1][1] - boxes[0][1] == pytest.approx(20, abs=1)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["nowhere.jpg", "x.png"], 2, "nowhere.jpg does not exist; name a picture, or demo"),
        ([".", "x.png"], 2, ". is a folder; name a picture"),
        (["bad.jpg", "x.png"], 1, "bad.jpg: "),
        (["demo", "x.gif"], 2, "x.gif must end in .png or .jpg"),
        (["demo", "nowhere/x.png", "--categories", "cup"], 2, "nowhere"),
        (["demo", "x.png", "--scale", "0"], 2, "scale must be > 0"),
        (["demo", "x.png", "--group", "9"], 2, "Invalid value for '--group'"),
    ],
)
def test_bad_values_are_told(
    arguments: list[str],
    code: int,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("bad.jpg").write_bytes(b"no picture")
    result = run(*arguments)
    assert result.exit_code == code, result.stderr
    assert message in result.stderr
    assert not Path("x.png").exists()
