import csv
import dataclasses
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from occgen import build, open_shards
from occgen.config import BuildConfig
from occgen.errors import DataError, InputError, ShardError
from occgen.recipe import recipe_path, write_recipe
from occgen.recipe_build import build_from_recipe
from occgen.recipe_file import Block, Recipe, checksum, pack_block, recipe_bytes

BAD = "person2/bad.jpg"


@pytest.fixture
def config(face_tree: Path, tmp_path: Path) -> BuildConfig:
    """Build of 18 faces in two variants, three shards, one of the pictures damaged."""
    (face_tree / BAD).write_bytes(b"no picture")
    return BuildConfig(
        dataset="folder",
        root=str(face_tree),
        out=str(tmp_path / "set"),
        scale="1.0:0.5:3.0",
        clean_fraction=0.3,
        variants=2,
        shard_size=16,
        max_skipped=0.1,
        jobs=1,
    )


def own_copy(root: Path, place: Path) -> Path:
    """Copy of the pictures without the damaged one and with others among them."""
    copy = shutil.copytree(root, place)
    (copy / BAD).unlink()
    shutil.copytree(copy / "person1", copy / "another person")
    shutil.copy(copy / "person1/0.jpg", copy / "person1/00.jpg")
    return copy


def test_rebuilds_bit_for_bit_from_a_copy(config: BuildConfig, tmp_path: Path) -> None:
    built = build(config)
    path = write_recipe(config)
    copy = own_copy(Path(str(config.root)), tmp_path / "copy")
    again = build_from_recipe(path, str(copy), str(tmp_path / "again"), jobs=1)
    assert again.digest == built.digest == Recipe(path).header["digest"]
    assert (again.images, again.skipped) == (36, 1)
    names = [shard["name"] for shard in built.manifest["shards"]]
    assert len(names) == 3
    for name in [*names, "skipped.csv", "card.md"]:
        assert (again.out / name).read_bytes() == (built.out / name).read_bytes()
    assert build_from_recipe(path, str(copy), str(again.out), jobs=1).already_complete


def test_holds_what_it_says(config: BuildConfig) -> None:
    shards = open_shards(build(config).out)
    recipe = Recipe(write_recipe(config))
    blocks = list(recipe.blocks())
    keys = [key for block in blocks for key in block.keys]
    assert recipe.pictures == len(keys) == 19
    assert (recipe.height, recipe.width) == (112, 112)
    boxes = np.concatenate([block.boxes for block in blocks])
    assert np.array_equal(boxes, shards.column("box"))
    pasted = [name for block in blocks for name in block.occluders]
    assert pasted == [sample.occluder for sample in shards if sample.occluder]
    assert [key for block in blocks for key in block.skipped] == [BAD]
    for block in blocks:
        for key, known in zip(block.keys, block.checksums, strict=True):
            expected = checksum((Path(str(config.root)) / key).read_bytes())
            assert known.tobytes() == (bytes(8) if key == BAD else expected)


def test_names_pictures_that_differ_or_are_missing(config: BuildConfig, tmp_path: Path) -> None:
    path = write_recipe(config)
    copy = own_copy(Path(str(config.root)), tmp_path / "copy")
    other = (copy / "person1/1.jpg").read_bytes()
    (copy / "person0/2.jpg").write_bytes(other)
    (copy / "person3/0.jpg").unlink()
    out = tmp_path / "again"
    with pytest.raises(DataError, match=r"2 of the 19 .* 1 differ, 1 are missing") as caught:
        build_from_recipe(path, str(copy), str(out), jobs=1)
    listing = tmp_path / "again.differing.csv"
    assert "person0/2.jpg: differs" in str(caught.value)
    assert str(listing) in str(caught.value)
    with open(listing, newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert [row[0] for row in rows] == ["key", "person0/2.jpg", "person3/0.jpg"]
    assert not out.exists()


def test_a_picture_swapped_after_the_check_is_not_used(config: BuildConfig) -> None:
    path = write_recipe(config)
    root = Path(str(config.root))
    shutil.copy(root / "person1/1.jpg", root / "person5/0.jpg")
    with pytest.raises(ShardError, match=r"person5/0.jpg: its bytes are not those"):
        build(config, recipe=path)


def test_other_occluders_are_refused_with_both_digests(
    config: BuildConfig, tmp_path: Path, encode_picture: Callable[..., bytes]
) -> None:
    path = write_recipe(config)
    own = tmp_path / "own" / "cup"
    own.mkdir(parents=True)
    (own / "a.png").write_bytes(encode_picture(np.full((40, 30, 3), 90, np.uint8), "PNG"))
    digest = Recipe(path).header["occluders"]["digest"]
    with pytest.raises(DataError, match=rf"{digest[:16]}.*occgen 0.*has [0-9a-f]{{16}} \(1 member"):
        build_from_recipe(path, config.root, str(tmp_path / "x"), 1, occluders=str(own.parent))
    assert not (tmp_path / "x").exists()


def test_own_occluders_work_from_wherever_they_lie(
    config: BuildConfig, tmp_path: Path, encode_picture: Callable[..., bytes]
) -> None:
    for place in ("here", "there"):
        (tmp_path / place / "cup").mkdir(parents=True)
        data = encode_picture(np.full((40, 30, 3), 90, np.uint8), "PNG")
        (tmp_path / place / "cup" / "a.png").write_bytes(data)
    config = dataclasses.replace(config, occluders=str(tmp_path / "here"))
    path = write_recipe(config)
    there = str(tmp_path / "there")
    report = build_from_recipe(path, config.root, str(tmp_path / "y"), 1, occluders=there)
    assert report.digest == Recipe(path).header["digest"]


def test_another_file_is_not_overwritten(config: BuildConfig) -> None:
    path = recipe_path(config)
    assert path.name == "set.recipe"
    path.write_bytes(b"mine")
    with pytest.raises(InputError, match="--overwrite"):
        write_recipe(config)
    assert path.read_bytes() == b"mine"
    write_recipe(dataclasses.replace(config, overwrite=True))
    before = path.stat().st_mtime_ns
    assert write_recipe(config) == path
    assert path.stat().st_mtime_ns == before
    with pytest.raises(InputError, match="not this recipe"):
        write_recipe(dataclasses.replace(config, seed=7))
    (Path(str(config.root)) / "person0/0.jpg").unlink()
    with pytest.raises(InputError, match="other pictures"):
        write_recipe(config)
    assert not list(path.parent.glob(".*"))


@pytest.fixture
def small_recipe(config: BuildConfig) -> Path:
    return write_recipe(dataclasses.replace(config, limit=4))


def test_any_changed_byte_is_found(small_recipe: Path) -> None:
    whole = bytearray(small_recipe.read_bytes())
    places = [*range(90), *range(90, len(whole), 29), len(whole) - 1]
    for place in places:
        damaged = bytearray(whole)
        damaged[place] ^= 0x20
        small_recipe.write_bytes(damaged)
        with pytest.raises((DataError, InputError), match=r"set\.recipe"):
            Recipe(small_recipe)
    for length in (0, 10, 90, len(whole) - 1):
        small_recipe.write_bytes(whole[:length])
        with pytest.raises((DataError, InputError), match=r"set\.recipe"):
            Recipe(small_recipe)
    with pytest.raises(InputError, match="does not exist"):
        Recipe(small_recipe.with_name("none.recipe"))
    with pytest.raises(InputError, match="cannot be read"):
        Recipe(small_recipe.parent)


def rewritten(path: Path, **changes: Any) -> None:
    """Write a recipe again with the first block changed, its checksum correct."""
    recipe = Recipe(path)
    blocks = list(recipe.blocks())
    blocks[0] = blocks[0]._replace(**changes)
    path.write_bytes(recipe_bytes(recipe.header, [pack_block(block) for block in blocks]))


def test_a_box_that_is_not_the_one_made_stops_the_build(
    small_recipe: Path, config: BuildConfig, tmp_path: Path
) -> None:
    boxes = Recipe(small_recipe).block(0).boxes.copy()
    boxes[3] = (1, 2, 3, 4)
    rewritten(small_recipe, boxes=boxes)
    out = tmp_path / "again"
    with pytest.raises(ShardError, match=r"in place of \[1, 2, 3, 4\]; use occgen 0"):
        build_from_recipe(small_recipe, config.root, str(out), 1)
    assert not out.exists()


def test_an_occluder_that_is_not_the_one_made_stops_the_build(
    small_recipe: Path, config: BuildConfig, tmp_path: Path
) -> None:
    occluders = Recipe(small_recipe).block(0).occluders
    rewritten(small_recipe, occluders=("cup", *occluders[1:]))
    with pytest.raises(ShardError, match="other occluders"):
        build_from_recipe(small_recipe, config.root, str(tmp_path / "again"), 1)


@pytest.mark.parametrize("key", ["../secret.jpg", "/etc/passwd", "a/../../b.jpg"])
def test_keys_cannot_lead_out_of_the_source(
    small_recipe: Path, config: BuildConfig, tmp_path: Path, key: str
) -> None:
    keys = Recipe(small_recipe).block(0).keys
    rewritten(small_recipe, keys=(key, *keys[1:]))
    with pytest.raises(DataError, match="leads out of"):
        build_from_recipe(small_recipe, config.root, str(tmp_path / "again"), 1)


def test_another_digest_is_told(
    small_recipe: Path, config: BuildConfig, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    recipe = Recipe(small_recipe)
    blocks = [pack_block(block) for block in recipe.blocks()]
    header = recipe.header | {"digest": "0" * 64}
    small_recipe.write_bytes(recipe_bytes(header, blocks))
    with pytest.raises(ShardError, match=r"digest [0-9a-f]{12} in place of 000000000000"):
        build_from_recipe(small_recipe, config.root, str(tmp_path / "again"), 1)
    header["versions"] = header["versions"] | {"simplejpeg": "0.0.1"}
    small_recipe.write_bytes(recipe_bytes(header, blocks))
    build_from_recipe(small_recipe, config.root, str(tmp_path / "again"), 1)
    assert "simplejpeg 0.0.1 -> " in caplog.text


def test_too_many_bad_pictures_write_no_recipe(config: BuildConfig) -> None:
    strict = dataclasses.replace(config, strict=True)
    with pytest.raises(DataError, match="--strict"):
        write_recipe(strict)
    with pytest.raises(DataError, match=r"1 of 19 .*bad.jpg.*no recipe was written"):
        write_recipe(dataclasses.replace(config, max_skipped=0.01))
    assert not recipe_path(config).exists()


@pytest.mark.slow
def test_one_job_and_two_write_the_same_file(config: BuildConfig) -> None:
    path = write_recipe(config)
    data = path.read_bytes()
    write_recipe(dataclasses.replace(config, jobs=2, overwrite=True))
    assert path.read_bytes() == data


def test_is_under_two_hundredths_of_the_set(faces_root: Path, tmp_path: Path) -> None:
    config = BuildConfig(
        dataset="lfw",
        root=str(faces_root / "lfw"),
        out=str(tmp_path / "set"),
        scale=2.0,
        limit=400,
        jobs=1,
    )
    path = write_recipe(config)
    assert path.stat().st_size < 0.01 * Recipe(path).header["bytes"]


NAMES = st.text(st.characters(exclude_characters="\0/", exclude_categories=["Cs"]), max_size=12)
KEYS = st.lists(NAMES.filter(lambda text: text != ".."), unique=True, max_size=9)


@given(KEYS, st.lists(st.tuples(NAMES, NAMES), max_size=12), st.binary(max_size=4))
def test_blocks_come_back_as_packed(
    keys: list[str], faces: list[tuple[str, str]], odd: bytes
) -> None:
    keys = [*keys, odd.replace(b"\0", b"_").replace(b"/", b"_").hex() + "\udcff"]
    boxes = np.arange(4 * len(faces)).reshape(-1, 4).astype(np.int16)
    counts: NDArray[np.uint16] = np.full(len(faces), 2, np.uint16)
    block = Block(
        keys=tuple(keys),
        runs=(("a person", len(keys)),),
        checksums=np.arange(8 * len(keys), dtype=np.uint8).reshape(-1, 8),
        skipped={keys[0]: "damaged, says\nthe codec"},
        boxes=boxes,
        paste_counts=counts,
        occluders=tuple(name for pair in faces for name in pair),
    )
    data, raw = pack_block(block)
    header = {"height": 1, "width": 1, "source": {"pictures": len(keys)}}
    found = unpacked(recipe_bytes(header, [(data, raw)]))
    for before, after in zip(block, found, strict=True):
        assert np.array_equal(before, after) if isinstance(before, np.ndarray) else before == after


def unpacked(data: bytes) -> Block:
    """Return the one block of a recipe that need not lie in a file of its own."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        return Recipe(Path(file.name)).block(0)
