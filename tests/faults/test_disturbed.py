"""Lost workers, second writers, sources that change or block, clocks that jump, odd names.

Beside these: a second build and a lost worker of a build in `tests/occgen/test_resume.py`, where a
source also changes between two runs; hostile names in `tests/occgen/test_formats.py` and
`test_foreign_sources.py`; storage's lease in `test_storage.py`.
"""

import csv
import dataclasses
import os
import shutil
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from occgen import BuildConfig, DataError, InputError, build
from occgen.atomic import locked_output
from occgen.config import FORMATS
from occgen.conversion import convert, plain_config
from occgen.sources import FolderSource
from occgen.verify import verify

from .trials import SEED, Case, is_one_error

ODD_FOLDERS = (
    *("with a space", "名前 — ñ", "it's '$HOME' & co; #1", "-dash", "percent%20", "x" * 200),
)


@pytest.fixture
def own(faces: Path, tmp_path: Path) -> Path:
    """A copy of the faces that a test may spoil."""
    return shutil.copytree(faces, tmp_path / "own")


def config_of(root: Path, out: Path, **changes: Any) -> BuildConfig:
    """Return the build of all tests here that run in this process."""
    base = BuildConfig(
        dataset="folder", root=str(root), out=str(out), scale=2.0, categories=("cup",), shard_size=5
    )
    return dataclasses.replace(base, jobs=1, **changes)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "wanted"),
    [
        ("convert", 1),
        *(
            pytest.param(kind, 10, marks=pytest.mark.long, id=f"{kind}-long")
            for kind in ("build", "convert", "align")
        ),
    ],
)
def test_a_worker_that_is_killed_is_replaced(kind, wanted, tmp_path, count, request):
    made = request.getfixturevalue(f"{kind}_case")
    case = {"build": lambda: made(jobs=2), "convert": lambda: made("folder", jobs=2)}.get(
        kind, lambda: made(jobs=2)
    )()
    case.measure(tmp_path / "whole")
    rng, lost, losses = np.random.default_rng([SEED, *kind.encode()]), 0, []
    for trial in range(wanted):
        out = tmp_path / f"out{trial}"
        out.mkdir()
        ended = case.run(out, lose_worker_after_s=rng.uniform(0, 0.3 * case.seconds))
        lost += ended.lost
        if ended.status or case.result(out) != case.whole:
            losses.append(ended.said[-400:])
        elif "a worker was lost" in ended.said:
            assert "what it had begun is made again" in ended.said
    count(f"a worker killed under {kind}", trials=wanted, lost=lost, losses=len(losses))
    assert lost
    assert not losses, "\n".join(losses)


def test_workers_killed_again_and_again_are_one_error(monkeypatch: pytest.MonkeyPatch) -> None:
    from occgen.pool import WorkersLostError, until_kept_alive

    done = [0]

    def attempt() -> int:
        done[0] += done[0] < 4  # one more each time, and then no more
        raise WorkersLostError("killed")

    with pytest.raises(Exception, match=r"again and again .* fewer --jobs"):
        until_kept_alive(attempt, lambda: done[0])
    assert done[0] == 4


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["convert", "label", "align", "train"])
def test_a_second_writer_is_refused_and_a_dead_one_is_not_waited_for(kind, tmp_path, request):
    made = request.getfixturevalue(f"{kind}_case")
    case: Case = made("folder") if kind == "convert" else made() if kind == "align" else made
    out = tmp_path / "out"
    out.mkdir()
    case.prepare(out)
    before = sorted(out.iterdir())
    with locked_output(out):
        refused = case.run(out)
        assert refused.status == 1, refused.said
        assert is_one_error(refused.said)
        assert f"is being written by process {os.getpid()}" in refused.said
    assert sorted(out.iterdir()) == before
    (out / ".lock").write_text("1")  # of a process that lives, and does not hold it
    (out / ".tmp-dead").mkdir()
    ended = case.run(out)
    assert ended.status == 0, ended.said
    assert not [path.name for path in out.iterdir() if path.name.startswith(".")]


def test_a_picture_that_vanishes_is_named_and_taken_when_it_is_back(
    own: Path, faces: Path, tmp_path: Path
) -> None:
    whole = build(config_of(faces, tmp_path / "whole"))
    victim = own / "p07" / "3.jpg"
    data = victim.read_bytes()

    def vanish(progress: Any) -> None:
        if progress.shards == 6:  # the last was of its folder too: it is listed, and not read
            victim.unlink()

    config = config_of(own, tmp_path / "set")
    with pytest.raises(DataError, match=r"1 of 40 pictures .* gone since the folder was listed"):
        build(config, vanish)
    with open(config.out_path / "skipped.csv", newline="") as file:
        assert [row["key"] for row in csv.DictReader(file)] == ["p07/3.jpg"]
    assert not (config.out_path / "manifest.json").exists()
    victim.write_bytes(data)
    again = build(config)
    assert (again.digest, again.reused_shards) == (whole.digest, 7)
    assert not (config.out_path / "skipped.csv").exists()


def test_a_source_that_changes_meanwhile_makes_a_sound_set_or_none(
    own: Path, tmp_path: Path
) -> None:
    def grow(progress: Any) -> None:
        if progress.shards == 2:  # of a folder that was read, and of one that is still to come
            shutil.copy(own / "p00" / "0.jpg", own / "p00" / "new.jpg")
            shutil.copy(own / "p00" / "0.jpg", own / "p09" / "new.jpg")

    config = config_of(own, tmp_path / "set")
    report = build(config, grow)
    assert (report.images, report.manifest["source"]["pictures"]) == (41, 41)
    assert verify(config.out_path, 1) == []
    with pytest.raises(InputError, match="made from 41 pictures and the source now lists 42"):
        build(config)

    def shrink(progress: Any) -> None:
        if progress.shards == 2:
            shutil.rmtree(own / "p08")

    other = config_of(own, tmp_path / "other")
    with pytest.raises(DataError, match=r"own/p08: cannot be listed \(No such file"):
        build(other, shrink)
    assert [path.name for path in other.out_path.iterdir() if path.name.startswith(".")] == []
    report = build(other)
    assert report.images == 38
    assert report.reused_shards > 2
    assert verify(other.out_path, 1) == []


def test_a_slow_source_changes_nothing(
    faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = build(config_of(faces, tmp_path / "whole"))
    quick, rng = FolderSource.read, np.random.default_rng(SEED)

    def slow(self: FolderSource, key: str) -> bytes:
        time.sleep(float(rng.exponential(0.01)))
        return quick(self, key)

    monkeypatch.setattr(FolderSource, "read", slow)
    assert build(config_of(faces, tmp_path / "set")).digest == whole.digest


def test_a_pipe_among_the_pictures_holds_nobody_up(own: Path, tmp_path: Path) -> None:
    os.mkfifo(own / "p03" / "pipe.jpg")
    config = config_of(own, tmp_path / "set", max_skipped=1.0)
    reports: list[Any] = []
    worker = threading.Thread(target=lambda: reports.append(build(config)), daemon=True)
    worker.start()
    worker.join(60)
    assert reports, "the build waits for a pipe that nobody fills"
    assert (reports[0].images, reports[0].skipped) == (40, 1)


@pytest.mark.parametrize("form", FORMATS)
def test_clocks_that_jump_change_nothing(
    own: Path, faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    """The clock runs backwards, and files carry times of 1970 and 2100."""
    whole = build(config_of(faces, tmp_path / "whole", format=form))
    config = config_of(own, tmp_path / "set", format=form)
    moments = iter(range(4_000_000_000, 0, -1_000_000))
    monkeypatch.setattr(time, "time", lambda: float(next(moments, 0)))
    monkeypatch.setattr(time, "time_ns", lambda: next(moments, 0) * 10**9)

    def jump(progress: Any) -> None:
        for number, path in enumerate(p for p in own.parent.rglob("*") if p.is_file()):
            os.utime(path, (0, 0) if number % 2 else (4_102_444_800, 4_102_444_800))
        if progress.shards == 3 and not progress.reused:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(config, jump)
    report = build(config, jump)
    assert (report.digest, report.reused_shards) == (whole.digest, 3)
    assert verify(config.out_path, 1) == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["build", "convert", "label", "csv", "align", "train"])
def test_outputs_of_any_name(kind, tmp_path, request):
    made = request.getfixturevalue(f"{kind}_case")
    case: Case = {"build": lambda: made("rec"), "convert": lambda: made("webdataset")}.get(
        kind, made if kind == "align" else lambda: made
    )()
    case.measure(tmp_path / "plain")
    for number, name in enumerate(ODD_FOLDERS if kind == "build" else ODD_FOLDERS[1:3]):
        place = tmp_path / f"{number}"
        out = place / name / "set"
        out.mkdir(parents=True)
        case.prepare(out)
        assert case.loss(out) is None
        assert [path.name for path in place.iterdir()] == [name]


@pytest.mark.parametrize("form", FORMATS)
def test_keys_of_three_hundred_characters(faces: Path, tmp_path: Path, form: str) -> None:
    root = tmp_path / "long"
    picture = (faces / "p00" / "0.jpg").read_bytes()
    for folder in ("é" * 120, "a" * 250, "CON", "dots...", "nul"):
        path = root / folder / ("b" * 60) / f"{'名' * 60}.jpg"
        path.parent.mkdir(parents=True)
        path.write_bytes(picture)
    assert max(len(ref.key) for ref in FolderSource(root).refs()) > 300
    made = build(config_of(root, tmp_path / "set", format=form, shard_size=2))
    assert verify(made.out, 1) == []
    other = "folder" if form != "folder" else "hdf5"
    back = convert(made.out, plain_config(made.out, tmp_path / "other", other, jobs=1))
    assert verify(back.out, 1) == []

    names = {"long", "set", "other"}
    assert {path.name for path in tmp_path.iterdir()} <= names
