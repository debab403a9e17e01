"""estimate(): what a build would make, compared with the build."""

import dataclasses
from pathlib import Path

import pytest

from occgen import BuildConfig, DataError, InputError, build
from occgen.estimate import estimate


@pytest.fixture
def config(face_tree: Path, tmp_path: Path) -> BuildConfig:
    """Build of 18 faces in two variants, four shards."""
    return BuildConfig(
        dataset="folder",
        root=str(face_tree),
        out=str(tmp_path / "below" / "set"),
        scale=2.0,
        categories=("cup", "phone"),
        variants=2,
        shard_size=10,
        jobs=1,
    )


@pytest.mark.parametrize("form", ["hdf5", "folder"])
def test_it_says_what_is_then_made(config: BuildConfig, form: str) -> None:
    config = dataclasses.replace(config, format=form)
    found = estimate(config)
    assert not Path(found.out).parent.exists()
    assert not found.is_complete
    manifest = build(config).manifest
    for name in ("name", "images", "identities", "height", "width"):
        assert getattr(found, name) == manifest[name]
    assert found.shards == len(manifest["shards"]) == 4
    assert found.bytes == pytest.approx(manifest["bytes"], rel=0.2)
    assert found.free_bytes > 0
    assert found.unusable == ()
    again = estimate(config)
    assert (again.is_complete, again.standing_shards) == (True, 4)


def test_bad_pictures_of_the_sample_are_named(config: BuildConfig) -> None:
    (Path(str(config.root)) / "person1" / "bad.jpg").write_bytes(b"no picture")
    found = estimate(dataclasses.replace(config, strict=True))
    assert [key for key, _ in found.unusable] == ["person1/bad.jpg"]
    assert found.unusable[0][1]


def test_a_limit_and_a_small_sample_are_kept(config: BuildConfig) -> None:
    found = estimate(dataclasses.replace(config, limit=7), sample=4)
    assert (found.images, found.sampled) == (14, 2)


def test_what_cannot_be_built_is_told(config: BuildConfig, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        estimate(dataclasses.replace(config, root=str(tmp_path / "nowhere")))
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(InputError, match="no pictures"):
        estimate(dataclasses.replace(config, root=str(empty)))
    (empty / "bad.jpg").write_bytes(b"no picture")
    with pytest.raises(DataError, match="none of 1 pictures"):
        estimate(dataclasses.replace(config, root=str(empty)))


def test_an_output_that_a_build_refuses_is_refused(config: BuildConfig, tmp_path: Path) -> None:
    small = dataclasses.replace(config, limit=3, variants=1)
    build(small)
    with pytest.raises(InputError, match=r"another configuration .*--overwrite"):
        estimate(config)
    assert not estimate(dataclasses.replace(config, overwrite=True)).is_complete
    out = Path(str(small.out))
    (out / "manifest.json").unlink()
    with pytest.raises(InputError, match=r"another configuration .*--overwrite"):
        estimate(config)
    (out / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"holds notes\.txt, which no build made"):
        estimate(small)
    with pytest.raises(InputError, match=r"notes\.txt is no folder that can be written"):
        estimate(dataclasses.replace(config, out=str(out / "notes.txt" / "set")))
    inside = dataclasses.replace(config, format="folder", out=f"{config.root}/set")
    with pytest.raises(InputError, match="lies inside the source"):
        estimate(inside)
