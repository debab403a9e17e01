"""Tasks hold every picture once, in the source's order, with its identity, whatever the cut."""

import dataclasses
import itertools
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from occgen.config import BuildConfig
from occgen.keys import Listing, pack_runs
from occgen.sources import FaceRef, FolderSource, PartedSource, group_refs, open_source
from occgen.tasks import Plan

CONFIG = BuildConfig(dataset="folder", root="none", out="none")


class Listed:
    """A source of given references, by identity or not."""

    def __init__(self, refs: list[FaceRef]) -> None:
        self._refs = refs

    def refs(self) -> Iterator[FaceRef]:
        return iter(self._refs)


def listing(refs: list[FaceRef]) -> Listing:
    """Return a listing as workers give it, in blocks of some keys."""
    blocks = pack_runs(group_refs(refs), at_once=5)
    return Listing(len(refs), deque(block.compressed() for block in blocks))


class Grouped(Listed):
    def parts(self) -> list[str]:
        return ["all"]

    def runs(self, parts: Any = None) -> Iterator[tuple[str, list[str]]]:
        return group_refs(self._refs)


def planned(
    source: Any, listed: Listing | None = None, **changes: Any
) -> tuple[list[FaceRef], Plan, list[int]]:
    """Return what the tasks of a plan hold, the plan, and the pictures of each task."""
    plan = Plan(source, dataclasses.replace(CONFIG, **changes), listed)
    found, sizes = [], []
    for index, task in enumerate(plan.tasks()):
        assert task.index == index
        assert all(one[0] != two[0] for one, two in itertools.pairwise(task.runs))
        sizes.append(len(task.keys))
        for key, (number, name) in zip(task.keys, task.identities(), strict=True):
            assert number == (list(plan.identities).index(name) if name else -1)
            found.append(FaceRef(key, name))
    return found, plan, sizes


@given(
    st.lists(st.tuples(st.sampled_from(["", "a", "b", "c"]), st.integers(1, 9)), max_size=8),
    st.integers(1, 7),
    st.one_of(st.none(), st.integers(1, 30)),
)
def test_a_cut_loses_nothing(
    lengths: list[tuple[str, int]], shard_size: int, limit: int | None
) -> None:
    numbers = itertools.count()
    refs = [FaceRef(f"{next(numbers)}", name) for name, count in lengths for _ in range(count)]
    both = [
        planned(source, shard_size=shard_size, limit=limit)
        for source in (Listed(refs), Grouped(refs))
    ]
    for found, plan, sizes in both:
        assert found == refs[:limit]
        assert all(size == shard_size for size in sizes[:-1])
        assert (plan.pictures, plan.shards) == (len(found), len(sizes))
    assert both[0][1].fingerprint == both[1][1].fingerprint
    if limit is None:
        found, plan, sizes = planned(Listed([]), listing(refs), shard_size=shard_size)
        assert (found, sizes) == (both[0][0], both[0][2])
        assert plan.fingerprint == both[0][1].fingerprint


def test_a_person_of_many_pictures_is_looked_at_in_parts() -> None:
    runs = list(group_refs(FaceRef(str(number), "a") for number in range(10_000)))
    assert max(len(keys) for _, keys in runs) <= 4096
    assert [key for _, keys in runs for key in keys] == [str(number) for number in range(10_000)]


@pytest.fixture(params=["folder", "lfw", "mfr2", "ar", "table"])
def source(request: pytest.FixtureRequest, face_tree: Path) -> Any:
    """A source that lists its pictures by identity."""
    data = next(face_tree.rglob("*.jpg")).read_bytes()
    put: Callable[[str], int] = lambda name: (face_tree / name).write_bytes(data)  # noqa: E731
    (face_tree / "person2" / "deep" / "er").mkdir(parents=True)
    put("person2/deep/er/z.jpg")
    if request.param == "ar":
        for name in ("person1/M-001-01.jpg", "person1/W-002-03.jpg", "person4/M-001-14.jpg"):
            put(name)
    if request.param == "table":
        keys = sorted(path.relative_to(face_tree).as_posix() for path in face_tree.rglob("*.jpg"))
        lines = [f"{key},{number % 3}" for number, key in enumerate(keys)]
        (face_tree / "labels.csv").write_text("image,label\n" + "\n".join(lines) + "\n")
    elif request.param == "folder":
        put("nobody.jpg")
    name = "folder" if request.param == "table" else request.param
    return open_source(name, str(face_tree))


def test_sources_list_by_identity_what_they_refer_to(source: Any) -> None:
    assert isinstance(source, PartedSource)
    assert isinstance(source, FolderSource)
    refs = list(source.refs())
    assert [FaceRef(key, name) for name, keys in source.runs() for key in keys] == refs
    assert len({ref.key for ref in refs}) == source.count() == len(refs) >= 19
    assert planned(source, shard_size=4)[0] == refs
