"""Keys packed and listed by workers are the source's own, in its order."""

import itertools
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from occgen.config import BuildConfig
from occgen.engine import build
from occgen.errors import DataError
from occgen.keys import pack_runs, source_runs, unpack_keys
from occgen.listing import list_in_workers
from occgen.sources import configured_source
from occgen.tasks import Plan

PEOPLE = 140  # more than are listed without workers

names = st.binary(min_size=1, max_size=12).filter(lambda name: b"\0" not in name).map(os.fsdecode)


@given(st.lists(st.tuples(names, st.lists(names, min_size=1, max_size=4))), st.integers(1, 6))
def test_packed_keys_come_back_as_they_were(
    runs: list[tuple[str, list[str]]], at_once: int
) -> None:
    blocks = list(pack_runs(runs, at_once))
    assert [run for block in blocks for run in block.runs] == [(n, len(k)) for n, k in runs]
    found = [key for block in blocks for key in unpack_keys(block.keys)]
    assert found == [key for _, keys in runs for key in keys]
    for block in blocks:
        ends = block.ends().tolist()
        cut = [block.keys[one:two] for one, two in itertools.pairwise([0, *ends])]
        assert [unpack_keys(part)[0] for part in cut] == list(unpack_keys(block.keys))
        assert len(ends) >= at_once or block is blocks[-1]


def test_a_key_that_would_be_cut_in_two_is_refused() -> None:
    with pytest.raises(DataError, match=r"names 'a/1\\x002', which no file can be called"):
        list(pack_runs([("a", ["a/0", "a/1\x002"])], 9))


@pytest.fixture
def crowd(tmp_path: Path, face_bytes: dict[str, bytes]) -> Path:
    """Folder of many people, one with folders of his own, one whose name is no UTF-8."""
    pictures, root = itertools.cycle(face_bytes.values()), tmp_path / "crowd"
    for number in range(PEOPLE):
        folder = root / f"person {number:03d}"
        folder.mkdir(parents=True)
        for again in range(number % 3):
            (folder / f"{again}.jpg").write_bytes(next(pictures))
    (root / "person 007" / "deep").mkdir()
    (root / "person 007" / "deep" / "x.PNG").write_bytes(next(pictures))
    strange = os.fsencode(root) + b"/person \xe9"
    os.mkdir(strange)
    Path(os.fsdecode(strange + b"/0.jpg")).write_bytes(next(pictures))
    (root / "nobody.jpg").write_bytes(next(pictures))
    return root


def test_workers_list_what_a_stream_does(crowd: Path) -> None:
    config = BuildConfig(dataset="folder", root=str(crowd), out="none", jobs=2, shard_size=7)
    source = configured_source(config)
    listing = list_in_workers(config, source)
    assert listing is not None
    assert listing.pictures == source.count() == 142
    plans = [Plan(source, config, listing), Plan(source, config)]
    assert plans[0].expected() == plans[1].expected() == 142
    ours, streamed = (list(plan.tasks()) for plan in plans)
    assert ours == streamed
    assert plans[0].fingerprint == plans[1].fingerprint
    assert [key for task in ours for key in task.keys] == [ref.key for ref in source.refs()]
    assert ours[0].runs[0] == ("", -1, 1)


def test_a_set_does_not_hang_on_who_listed_its_pictures(crowd: Path, tmp_path: Path) -> None:
    reports = [
        build(
            BuildConfig(dataset="folder", root=str(crowd), out=str(tmp_path / f"{jobs}"), jobs=jobs)
        )
        for jobs in (1, 2)
    ]
    assert reports[0].digest == reports[1].digest
    assert reports[0].manifest["source"] == reports[1].manifest["source"]
    assert reports[0].images + reports[0].skipped == 142


@pytest.mark.parametrize("dataset", ["facescrub", "mf1"])
def test_folders_inside_folders_are_parts_as_well(
    dataset: str, tmp_path: Path, face_bytes: dict[str, bytes]
) -> None:
    data = next(iter(face_bytes.values()))
    inside = tmp_path / ("facescrub_images" if dataset == "mf1" else "")
    for base, number in itertools.product(("actors", "actresses"), range(80)):
        path = inside / base / "faces" / f"{base} {number:02d}" / "0.jpg"
        path.parent.mkdir(parents=True)
        path.write_bytes(data)
    config = BuildConfig(dataset=dataset, root=str(tmp_path), out="none", jobs=2)
    source = configured_source(config)
    listing = list_in_workers(config, source)
    assert listing is not None
    ours, streamed = (list(Plan(source, config, how).tasks()) for how in (listing, None))
    assert ours == streamed
    assert len(ours[0].keys) == 160
    assert ours[0].runs[80][0] == "actresses 00"


@pytest.mark.parametrize(
    "changes", [{"jobs": 1}, {"limit": 9}, {"root": "few"}, {"dataset": "demo"}]
)
def test_a_stream_does_where_workers_gain_nothing(
    changes: dict[str, Any], crowd: Path, face_tree: Path
) -> None:
    settings = {"dataset": "folder", "root": str(crowd), "jobs": 2} | changes
    if changes.get("root"):
        settings["root"] = str(face_tree)
    if changes.get("dataset"):
        settings["root"] = "200x2"
    config = BuildConfig(out="none", **settings)
    source = configured_source(config)
    assert list_in_workers(config, source) is None
    plan = Plan(source, config)
    assert plan.expected() == sum(len(task.keys) for task in plan.tasks())
    assert plan.pictures == changes.get("limit", plan.pictures)


def test_a_folder_that_cannot_be_listed_is_named(crowd: Path) -> None:
    config = BuildConfig(dataset="folder", root=str(crowd), out="none", jobs=2)
    source = configured_source(config)
    assert next(iter(source_runs(source)))[0] == ""
    (crowd / "person 000").rmdir()
    with pytest.raises(DataError, match=r"person 000: cannot be listed .*make it readable"):
        list_in_workers(config, source)
