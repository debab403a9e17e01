"""StoredPictures: the pictures and masks of a set of any format, as open_shards() reads them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from occgen import BuildConfig, ShardError, build, open_shards
from occgen.config import FORMATS
from occgen.manifest import manifest_bytes, read_manifest
from occgen.stored_pictures import StoredPictures


def made(root: Path, form: str, **changes: Any) -> Path:
    """Return a set of eight drawn faces in shards of three."""
    settings: dict[str, Any] = {"dataset": "demo", "root": "4x2", "scale": 1.5, "jobs": 1}
    settings |= {"categories": ("cup", "phone"), "clean_fraction": 0.3, "shard_size": 3}
    return build(BuildConfig(out=str(root / form), format=form, **(settings | changes))).out


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize(
    "changes", [{"occluders_per_face": "1:2"}, {"occluders_per_face": "1:2", "blend": "opaque"}]
)
def test_they_are_what_open_shards_reads(
    tmp_path: Path, form: str, changes: dict[str, Any]
) -> None:
    shards = open_shards(made(tmp_path / "plain", "hdf5", **changes))
    pictures = StoredPictures(made(tmp_path, form, **changes))
    assert len(pictures) == len(shards) == 8
    for number in (*range(8), 0, 7, 3):
        picture, sample = pictures[number], shards[number]
        assert picture.data == sample.data
        assert np.array_equal(picture.mask, sample.mask)
    for number in (-1, 8):
        with pytest.raises(IndexError, match=f"^picture {number} of 8$"):
            pictures[number]


def test_a_shard_that_holds_less_than_the_manifest_says_is_told(tmp_path: Path) -> None:
    path = made(tmp_path, "webdataset")
    manifest = read_manifest(path)
    manifest["shards"][0]["images"] += 1
    manifest["images"] += 1
    (path / "manifest.json").write_bytes(manifest_bytes(manifest))
    with pytest.raises(ShardError, match="shard 0 does not hold as many faces as the manifest"):
        StoredPictures(path)[0]
