"""repair() refuses, and touches nothing, where source or occluders are not those of the set.

That it mends every kind of damage is tested with `verify`, in test_verify.py.
"""

import dataclasses
import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from occgen import BuildConfig, InputError, ShardError, build
from occgen.recipe import write_recipe
from occgen.recipe_build import build_from_recipe
from occgen.repair import repair
from occgen.verify import verify

SHARD = "shard-00001.h5"


def cup(shade: int) -> bytes:
    """Return the file of an occluder."""
    picture = np.full((40, 30, 4), shade, np.uint8)
    picture[:, :, 3] = 255
    picture[:5, :5, 3] = 0
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def config(face_tree: Path, tmp_path: Path) -> BuildConfig:
    """Build of 18 faces in four shards with one occluder of one's own."""
    (tmp_path / "own" / "cup").mkdir(parents=True)
    (tmp_path / "own" / "cup" / "a.png").write_bytes(cup(90))
    return BuildConfig(
        dataset="folder",
        root=str(face_tree),
        out=str(tmp_path / "set"),
        occluders=str(tmp_path / "own"),
        shard_size=5,
        jobs=1,
    )


def flip(path: Path, place: int) -> None:
    """Change one byte."""
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


def contents(out: Path) -> dict[str, bytes]:
    """Return every file of a set."""
    return {path.name: path.read_bytes() for path in out.iterdir()}


@pytest.mark.parametrize("name", [SHARD, "manifest.json"])
def test_a_source_that_lists_other_pictures_is_refused(config: BuildConfig, name: str) -> None:
    build(config)
    flip(config.out_path / name, 300)
    before = contents(config.out_path)
    root = Path(str(config.root))
    shutil.copy(root / "person1" / "0.jpg", root / "person1" / "00.jpg")
    with pytest.raises(InputError, match=r"lists other pictures than .* nothing was changed"):
        repair(config.out_path, config.root, 1, occluders=config.occluders)
    assert contents(config.out_path) == before
    (root / "person1" / "00.jpg").unlink()
    repair(config.out_path, config.root, 1, occluders=config.occluders)
    assert verify(config.out_path, 1) == []


@pytest.mark.parametrize("name", [SHARD, "manifest.json"])
def test_other_occluders_are_refused(config: BuildConfig, name: str) -> None:
    digest = build(config).digest
    flip(config.out_path / name, 300)
    before = contents(config.out_path)
    own = Path(config.occluders)
    moved = own.rename(own.parent / "moved")
    own.joinpath("cup").mkdir(parents=True)
    (own / "cup" / "a.png").write_bytes(cup(91))
    with pytest.raises(
        InputError, match=r"own, digest [0-9a-f]{12}\) are not those .* nothing was"
    ):
        repair(config.out_path, config.root, 1, occluders=str(own))
    assert contents(config.out_path) == before
    report = repair(config.out_path, config.root, 1, occluders=str(moved))
    assert report.digest == digest
    assert verify(config.out_path, 1) == []


def test_without_its_manifest_own_occluders_are_to_be_named(config: BuildConfig) -> None:
    build(config)
    flip(config.out_path / "manifest.json", 300)
    with pytest.raises(InputError, match=r"\(bundled, digest .* give those with --occluders DIR"):
        repair(config.out_path, config.root, 1)


def test_a_manifest_damaged_in_its_fingerprint_is_mended(config: BuildConfig) -> None:
    report = build(config)
    path = config.out_path / "manifest.json"
    place = path.read_bytes().index(report.manifest["source"]["fingerprint"].encode())
    whole = path.read_bytes()
    flip(path, place + 5)
    assert repair(config.out_path, config.root, 1, occluders=config.occluders).digest == (
        report.digest
    )
    assert path.read_bytes() == whole


def test_a_set_of_a_recipe_is_mended_with_it(config: BuildConfig, tmp_path: Path) -> None:
    config = dataclasses.replace(config, limit=13)
    build(config)
    recipe = write_recipe(config)
    root = shutil.copytree(Path(str(config.root)), tmp_path / "copy")
    shutil.copytree(root / "person1", root / "another")
    out = tmp_path / "again"
    made = build_from_recipe(recipe, str(root), str(out), 1, occluders=config.occluders)
    assert made.images == 13
    flip(out / SHARD, 9000)
    before = contents(out)
    with pytest.raises(InputError, match="--recipe FILE where the set is of a recipe"):
        repair(out, jobs=1)
    assert contents(out) == before
    assert repair(out, jobs=1, recipe=recipe).digest == made.digest
    assert verify(out, 1) == []


def test_nothing_broken_is_nothing_made(config: BuildConfig) -> None:
    build(config)
    before = {path: path.stat().st_mtime_ns for path in config.out_path.iterdir()}
    assert repair(config.out_path, jobs=1).already_complete
    assert {path: path.stat().st_mtime_ns for path in config.out_path.iterdir()} == before


def test_a_set_with_nothing_left_to_tell_is_refused(config: BuildConfig) -> None:
    build(config)
    for path in config.out_path.iterdir():
        path.write_bytes(b"{}")
    with pytest.raises(ShardError, match="manifest"):
        repair(config.out_path, config.root, 1)
    assert json.loads((config.out_path / "manifest.json").read_bytes()) == {}
