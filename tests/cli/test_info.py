"""`occgen info`: what is in a set, for people and for programs."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from occgen_cli.main import main

from occgen import BuildConfig, build, open_shards
from occgen.labelling import label_build


def run(*arguments: object) -> Any:
    """Run the command here."""
    return CliRunner().invoke(main, ["info", *map(str, arguments)])


@pytest.fixture(scope="module", params=["hdf5", "folder"])
def made(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    face_bytes: dict[str, bytes],
) -> Path:
    """Finished set with a skipped picture and clean faces."""
    root = tmp_path_factory.mktemp("made") / "faces"
    for key, data in face_bytes.items():
        (root / key).parent.mkdir(parents=True, exist_ok=True)
        (root / key).write_bytes(data)
    (root / "bad.jpg").write_bytes(b"")
    config = BuildConfig(
        dataset="folder",
        root=str(root),
        out=str(root.parent / "set"),
        scale=2.0,
        categories=("cup", "phone"),
        clean_fraction=0.3,
        shard_size=5,
        max_skipped=0.1,
        jobs=1,
        format=str(request.param),
    )
    return build(config).out


def test_json_has_what_programs_need(made: Path) -> None:
    result = run(made, "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    record = json.loads(result.stdout)
    assert (record["images"], record["identities"], record["skipped"]) == (18, 6, 1)
    assert record["shards"] == 4
    assert len(record["digest"]) == 64
    assert 0 < record["mask_coverage"] < record["box_coverage"] < 1
    assert set(record["patterns"]) == {"k5", "k5_mask"}
    for histogram in record["patterns"].values():
        assert sum(histogram.values()) == 18
        assert all(0 <= int(label) < 226 for label in histogram)
    assert record["patterns"]["k5"]["0"] == 18 - record["occluded"]


def test_people_read_the_same(made: Path) -> None:
    result = run(made)
    assert (result.exit_code, result.stderr) == (0, "")
    record = json.loads(run(made, "--json").stdout)
    assert "Mix-Folder: 18 images, 112 x 112 (height x width), 6 identities" in result.stdout
    assert f"box {record['box_coverage']:.2%}, mask {record['mask_coverage']:.2%}" in result.stdout
    assert f"digest {record['digest']}" in result.stdout
    assert "1 skipped" in result.stdout
    assert f"cup {record['categories']['cup']}" in result.stdout
    assert result.stdout.count("#") >= 40
    assert max(map(len, result.stdout.splitlines())) < 180


def test_means_are_over_occluded_images(made: Path) -> None:
    if not list(made.glob("*.h5")):
        pytest.skip("read as shards")
    occluded = [sample for sample in open_shards(made) if sample.category != "clean"]
    record = json.loads(run(made, "--json").stdout)
    for name, values in (
        ("box_coverage", [sample.coverage for sample in occluded]),
        ("mask_coverage", [sample.mask_coverage for sample in occluded]),
    ):
        assert record[name] == pytest.approx(sum(values) / len(values), abs=1e-6)


def test_labels_added_later_are_shown(face_tree: Path, tmp_path: Path) -> None:
    config = BuildConfig(
        dataset="folder",
        root=str(face_tree),
        out=str(tmp_path / "set"),
        categories=("cup",),
        jobs=1,
    )
    build(config)
    label_build(config.out_path, 6)
    label_build(config.out_path, 3, "mask")
    record = json.loads(run(config.out, "--json").stdout)
    assert set(record["patterns"]) == {"k5", "k5_mask", "k6", "k3_mask"}
    assert record["labels"] == ["pattern-k3.h5", "pattern-k6.h5"]
    text = run(config.out).stdout
    assert "labels k6:" in text
    assert "labels k3_mask:" in text


def test_what_is_no_set_is_told(tmp_path: Path) -> None:
    for path, message in [
        (tmp_path / "nowhere", "does not exist"),
        (tmp_path, "it is no build of occgen"),
    ]:
        result = run(path)
        assert result.exit_code == 2
        assert len(result.stderr.splitlines()) == 1
        assert message in result.stderr
    (tmp_path / "manifest.json").write_text("{")
    damaged = run(tmp_path)
    assert damaged.exit_code == 1
    assert "manifest.json is damaged" in damaged.stderr
    assert len(damaged.stderr.splitlines()) == 1
    assert run().exit_code == 2
