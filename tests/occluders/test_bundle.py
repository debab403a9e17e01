"""A rendered library: repeatable, resumable, whole or refused."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from occluders import OccluderInputError
from occluders.bundle import render_member, write_library

ASSETS = Path(__file__).parents[2] / "occluders" / "assets"
SETTINGS: dict[str, Any] = {"categories": ["sunglasses", "eyeglasses"], "size": 32, "jobs": 1}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A small library and its index."""
    folder = tmp_path_factory.mktemp("library") / "made"
    return folder, write_library(folder, 2, 5, **SETTINGS)


def test_the_index_tells_all_of_the_files(made: tuple[Path, dict[str, Any]]) -> None:
    folder, index = made
    assert json.loads((folder / "index.json").read_text()) == index
    assert [m["name"] for m in index["members"]] == [
        f"{category}/0{k}" for category in ("eyeglasses", "sunglasses") for k in range(2)
    ]
    files = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    assert files == {"index.json", *(member["file"] for member in index["members"])}
    for member in index["members"]:
        data = (folder / member["file"]).read_bytes()
        assert hashlib.sha256(data).hexdigest() == member["sha256"]
        picture = np.array(Image.open(folder / member["file"]))
        assert picture.shape == (*member["size"][::-1], 4)
        assert max(member["size"]) <= 32
        for edge in (picture[0], picture[-1], picture[:, 0], picture[:, -1]):
            assert edge[:, 3].any()
        assert member["anchors"]["left_eye"][0] < member["anchors"]["right_eye"][0]
        assert min(member["natural_size"]) > 5
    assert len({member["sha256"] for member in index["members"]}) == 4


def test_the_matte_is_stored_as_it_was_rendered(made: tuple[Path, dict[str, Any]]) -> None:
    picture, _ = render_member("sunglasses", 1, 5, 32)
    stored = np.array(Image.open(made[0] / "sunglasses/01.webp"))
    np.testing.assert_array_equal(stored[:, :, 3], picture[:, :, 3])
    seen = picture[:, :, 3] > 0
    assert np.abs(stored[seen].astype(int) - picture[seen])[:, :3].mean() < 6


def test_a_library_of_these_settings_is_left_as_it_is(made: tuple[Path, dict[str, Any]]) -> None:
    folder, index = made
    before = {p: p.stat().st_mtime_ns for p in folder.rglob("*")}
    assert write_library(folder, 2, 5, **SETTINGS) == index
    assert {p: p.stat().st_mtime_ns for p in folder.rglob("*")} == before


def test_what_was_interrupted_goes_on(made: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    class Stop(Exception):
        pass

    def stop(done: int, total: int) -> None:
        if done == 2:
            raise Stop

    folder = tmp_path / "again"
    with pytest.raises(Stop):
        write_library(folder, 2, 5, on_progress=stop, **SETTINGS)
    assert not (folder / "index.json").exists()
    with open(folder / ".render.jsonl", "a") as journal:
        journal.write('{"name": "sunglasses/01", "cat')
    kept = {p: p.stat().st_mtime_ns for p in folder.glob("*/*.webp")}
    steps: list[tuple[int, int]] = []
    settings = {**SETTINGS, "jobs": 2}
    index = write_library(folder, 2, 5, on_progress=lambda *s: steps.append(s), **settings)
    assert index == made[1]
    assert steps == [(3, 4), (4, 4)]
    assert {p: p.stat().st_mtime_ns for p in kept} == kept
    assert {p.name for p in folder.iterdir()} == {"index.json", "eyeglasses", "sunglasses"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"members": 0}, "members must be >= 1, got 0"),
        ({"size": 8}, "size must be >= 16 pixels, got 8"),
        ({"categories": ["hat"]}, "category must be one of .* got 'hat'"),
        ({"categories": []}, "no category is named"),
    ],
)
def test_wrong_settings_are_told(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(OccluderInputError, match=message):
        write_library(tmp_path / "new", **{"members": 1, **SETTINGS, **change})
    assert not (tmp_path / "new").exists()


def test_a_folder_of_something_else_is_refused(made: tuple[Path, dict[str, Any]]) -> None:
    with pytest.raises(OccluderInputError, match="made holds another library"):
        write_library(made[0], 2, 6, **SETTINGS)
    folder = made[0].parent / "other"
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(OccluderInputError, match="other is not empty"):
        write_library(folder, 2, 5, **SETTINGS)
    (folder / ".render.jsonl").write_text("{}\n")
    with pytest.raises(OccluderInputError, match="holds part of another library"):
        write_library(folder, 2, 5, **SETTINGS)


def test_the_documents_name_the_digest_of_the_bundled_files() -> None:
    index = json.loads((ASSETS / "index.json").read_text())
    files = [hashlib.sha256((ASSETS / m["file"]).read_bytes()) for m in index["members"]]
    digest = hashlib.sha256("".join(file.hexdigest() for file in files).encode()).hexdigest()
    assert index["digest"] == digest
    page = (ASSETS.parents[1] / "docs" / "occluders.md").read_text()
    assert f"digest {digest}" in page
    assert f"--members {index['members_each']} --seed {index['seed']}" in page


@pytest.mark.slow
@pytest.mark.parametrize("name", ["book/03", "eyeglasses/01", "phone/04"])
def test_the_bundled_members_can_be_rendered_again(name: str) -> None:
    """Not by their bytes: another processor may round the last bit of a float otherwise."""
    index = json.loads((ASSETS / "index.json").read_text())
    (member,) = (m for m in index["members"] if m["name"] == name)
    category, number = name.split("/")
    picture, anchors = render_member(category, int(number), index["seed"], index["size"])
    stored = np.array(Image.open(ASSETS / member["file"]))
    assert stored.shape == picture.shape
    difference = np.abs(stored[:, :, 3].astype(int) - picture[:, :, 3])
    assert difference.mean() < 0.05
    seen = picture[:, :, 3] > 64
    assert np.abs(stored[seen].astype(int) - picture[seen])[:, :3].mean() < 5  # lossy colour
    assert set(member["anchors"]) == set(anchors)
    for key, point in anchors.items():
        assert member["anchors"][key] == pytest.approx(point, abs=1e-3)
