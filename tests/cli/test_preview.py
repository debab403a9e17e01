"""`occgen preview`: sheets and pages of sets, folders and drawn faces."""

import io
import os
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from occgen_cli.main import main
from PIL import Image

from occgen import BuildConfig, build


def run(*arguments: object) -> Any:
    """Run the command here."""
    result = CliRunner().invoke(main, ["preview", *map(str, arguments)])
    assert "Traceback" not in result.stderr
    return result


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run each test in an empty folder."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")


def made(root: Path, form: str) -> Path:
    """Return a finished set."""
    config = BuildConfig(
        dataset="folder",
        root=str(root),
        out=str(root.parent / "a set"),
        categories=("cup",),
        jobs=1,
        format=form,
    )
    return build(config).out


@pytest.mark.parametrize("form", ["hdf5", "folder"])
def test_a_set_becomes_a_sheet(face_tree: Path, form: str) -> None:
    out = made(face_tree, form)
    result = run(out)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == "18 of them drawn in a set-preview.png\n"
    sheet = Image.open(io.BytesIO(Path("a set-preview.png").read_bytes()))
    assert sheet.format == "PNG"
    assert sheet.width > 8 * 168
    assert os.listdir() == ["a set-preview.png"]


def test_a_set_becomes_a_page(face_tree: Path) -> None:
    out = made(face_tree, "hdf5")
    result = run(out, "--out", "page.html", "--count", "3", "--plain")
    assert result.stdout == "3 of them drawn in page.html\n"
    text = Path("page.html").read_text(encoding="utf-8")
    assert text.count("<img ") == 3
    assert "rectangle of the label" not in text


def test_a_folder_and_drawn_faces_are_shown(face_tree: Path) -> None:
    (face_tree / "person0" / "0.jpg").write_bytes(b"")
    assert run(face_tree, "--out", "faces.png").stdout == "17 of them drawn in faces.png\n"
    assert run("demo", "--count", "2").stdout == "2 of them drawn in demo-preview.png\n"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["nowhere"], 2, "nowhere is no finished set, no data set, and not 'demo'"),
        (["."], 2, "holds no pictures"),
        (["demo", "--out", "x.gif"], 2, "--out must end in .png or .html, got x.gif"),
        (["demo", "--out", "gone/x.png"], 2, "gone/x.png cannot be written (No such file"),
        (["demo", "--count", "0"], 2, "Invalid value for '--count'"),
        (["demo", "--columns", "0"], 2, "Invalid value for '--columns'"),
        ([], 2, "Missing argument 'PATH'"),
    ],
)
def test_bad_values_are_told(arguments: list[str], code: int, message: str) -> None:
    result = run(*arguments)
    assert result.exit_code == code
    assert len(result.stderr.splitlines()) == 1
    assert message in result.stderr
    assert os.listdir() == []


def test_a_damaged_set_is_told(face_tree: Path) -> None:
    out = made(face_tree, "hdf5")
    (out / "shard-00000.h5").write_bytes(b"")
    result = run(out)
    assert result.exit_code == 1
    assert "shard-00000.h5 is damaged" in result.stderr
    (out / "manifest.json").write_bytes(b"{}")
    assert run(out).exit_code == 1


@pytest.mark.parametrize("form", ["folder", "webdataset", "rec", "parquet"])
def test_a_set_looks_the_same_in_every_format(face_tree: Path, form: str) -> None:
    for name in ("hdf5", form):
        config = BuildConfig(
            dataset="folder",
            root=str(face_tree),
            out=name,
            scale=2.0,
            clean_fraction=0.3,
            by="mask",
            jobs=1,
            format=name,
        )
        build(config)
        assert run(name, "--out", f"{name}.png", "--count", "9").exit_code == 0
    assert Path(f"{form}.png").read_bytes() == Path("hdf5.png").read_bytes()
