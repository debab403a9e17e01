"""InsightFace training sets as their own tools write them: listed, flat, shuffled, cut, damaged."""

import contextlib
import csv
import tracemalloc
from collections.abc import Generator
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from occgen_cli.main import main

from occgen import BuildConfig, DataError, InputError, OccgenError, build, open_shards
from occgen.record_index import RecordIndex
from occgen.recordio import frame_record, pack_record
from occgen.sources import group_refs, open_source

Records = list[tuple[int, bytes]]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder for indices made by a scan."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "occgen"


def write_rec(folder: Path, records: Records, *, with_index: bool = True) -> Path:
    """Write records, numbered, as MXNet's indexed writer does."""
    folder.mkdir(exist_ok=True)
    data, lines = b"", ""
    for number, payload in records:
        lines += f"{number}\t{len(data)}\n"
        data += frame_record(payload)
    (folder / "train.rec").write_bytes(data)
    if with_index:
        (folder / "train.idx").write_text(lines)
    return folder


def listed(images: list[tuple[int, bytes]], *, label_lists: bool = False) -> Records:
    """Return the records of InsightFace's packers: pictures, the list at number 0, identities."""
    records, ranges = [], []
    for number, (label, data) in enumerate(images, 1):
        labels = [float(label), 1.0] if label_lists else float(label)
        records.append((number, pack_record(labels, number, data)))
        if number == 1 or images[number - 2][0] != label:
            ranges.append([number, number])
        ranges[-1][1] = number + 1
    first = len(images) + 1
    records.append((0, pack_record([first, first + len(ranges)], 0)))
    for number, pair in enumerate(ranges, first):
        records.append((number, pack_record([float(value) for value in pair], number)))
    return records


@pytest.fixture
def images(face_bytes: dict[str, bytes]) -> list[tuple[int, bytes]]:
    """Label and picture of 18 faces of six people, by rising label."""
    return [(int(key[6]), data) for key, data in face_bytes.items()]


def read_all(root: Path, on_error: str = "stop") -> list[tuple[str, bytes]]:
    """Return identity and bytes of all pictures."""
    source = open_source("rec", str(root), on_error=on_error)
    source.check()
    refs = list(source.refs())
    assert source.count() == len(refs)
    assert len({ref.key for ref in refs}) == len(refs)
    assert [(key, name) for name, keys in group_refs(refs) for key in keys] == refs
    return [(ref.identity, source.read(ref.key)) for ref in refs]


@pytest.mark.parametrize("label_lists", [False, True])
@pytest.mark.parametrize("with_index", [False, True])
def test_all_pictures_are_read_byte_for_byte(
    tmp_path: Path, images: list[tuple[int, bytes]], label_lists: bool, with_index: bool
) -> None:
    records = listed(images, label_lists=label_lists)
    root = write_rec(tmp_path / "rec", records, with_index=with_index)
    expected = [(str(label), data) for label, data in images]
    assert read_all(root) == expected
    assert read_all(root / "train.rec") == expected


def test_the_list_may_stand_at_the_head_or_not_at_all(
    tmp_path: Path, images: list[tuple[int, bytes]]
) -> None:
    records = sorted(listed(images))
    expected = [(str(label), data) for label, data in images]
    assert read_all(write_rec(tmp_path / "head", records)) == expected
    flat = [(n, pack_record(label, n, data)) for n, (label, data) in enumerate(images)]
    assert read_all(write_rec(tmp_path / "flat", flat)) == expected


def test_a_shuffled_index_and_a_list_that_lies_are_seen_through(
    tmp_path: Path, images: list[tuple[int, bytes]]
) -> None:
    order = np.random.default_rng(0).permutation(len(images)).tolist()
    flat = [(n, pack_record(images[n][0], n, images[n][1])) for n in order]
    expected = [(str(images[n][0]), images[n][1]) for n in order]
    assert read_all(write_rec(tmp_path / "shuffled", flat)) == expected
    records = listed(images)
    wrong = [(n, pack_record([1.0, 3.0], n)) if n > len(images) else (n, r) for n, r in records]
    assert read_all(write_rec(tmp_path / "lies", wrong)) == [(str(i), d) for i, d in images]


def test_identities_of_a_list_are_found_without_reading_every_picture(
    tmp_path: Path, images: list[tuple[int, bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write_rec(tmp_path / "rec", listed(images))
    source = open_source("rec", str(root))
    heads = []
    inner = source._file.head  # type: ignore[attr-defined]
    monkeypatch.setattr(source._file, "head", lambda at: heads.append(at) or inner(at))  # type: ignore[attr-defined, func-returns-value]
    assert len(list(source.refs())) == 18
    assert len(set(heads)) == 12  # the first and last of six people


def test_damage_without_an_index_is_named_and_the_rest_is_built(
    tmp_path: Path, images: list[tuple[int, bytes]]
) -> None:
    root = write_rec(tmp_path / "rec", listed(images), with_index=False)
    data = bytearray((root / "train.rec").read_bytes())
    second = data.index(bytes.fromhex("0a23d7ce"), 4)
    data[second] ^= 1
    (root / "train.rec").write_bytes(data)
    arguments = ["build", "--dataset", "rec", "--root", str(root), "--jobs", "1"]
    arguments += ["--out", str(tmp_path / "set"), "--max-skipped", "0.5"]
    stopped = CliRunner().invoke(main, arguments)
    assert stopped.exit_code == 1
    assert stopped.stderr.count("\n") == 1
    assert f"record 1 (counted from 0) at byte {second} " in stopped.stderr
    assert "--on-error skip" in stopped.stderr
    done = CliRunner().invoke(main, [*arguments, "--on-error", "skip"])
    assert done.exit_code == 0, done.stderr
    with open(tmp_path / "set" / "skipped.csv", newline="") as file:
        skipped = {row["key"]: row["reason"] for row in csv.DictReader(file)}
    assert f"at byte {second} does not begin" in skipped[f"damaged/byte-{second}"]
    assert len(open_shards(tmp_path / "set")) == 17


def test_a_file_cut_short_is_named(tmp_path: Path, images: list[tuple[int, bytes]]) -> None:
    root = write_rec(tmp_path / "rec", listed(images))
    path = root / "train.rec"
    path.write_bytes(path.read_bytes()[:30_000])
    with pytest.raises(DataError, match="ends after 30000 bytes"):
        open_source("rec", str(root)).check()
    source = open_source("rec", str(root), on_error="skip")
    kept, bad = 0, []
    for ref in source.refs():
        try:
            kept += bool(source.read(ref.key))
        except DataError as error:
            bad.append(str(error))
    assert (kept, len(bad)) == (15, 10)  # three pictures, the list and six identities are gone
    assert "is cut off: " in bad[0]
    assert "lies beyond the 30000 bytes" in bad[-1]


def test_an_index_cut_short_is_named(tmp_path: Path, images: list[tuple[int, bytes]]) -> None:
    root = write_rec(tmp_path / "rec", sorted(listed(images)))
    lines = (root / "train.idx").read_text().splitlines(True)
    (root / "train.idx").write_text("".join(lines[:10]))
    far = pack_record([1000.0, 1100.0], 0)
    data = (root / "train.rec").read_bytes()
    (root / "train.rec").write_bytes(frame_record(far) + data[len(frame_record(far)) :])
    with pytest.raises(DataError, match="record 0 lists records up to 1099, and the index has 10"):
        open_source("rec", str(root)).check()
    source = open_source("rec", str(root), on_error="skip")
    source.check()
    assert [ref.identity for ref in source.refs()] == [str(label) for label, _ in images[:9]]


def test_a_wrong_record_is_left_out_of_a_build(
    tmp_path: Path, images: list[tuple[int, bytes]]
) -> None:
    images[4] = (1, b"")
    root = write_rec(tmp_path / "rec", listed(images))
    config = BuildConfig(
        dataset="rec", root=str(root), out=str(tmp_path / "set"), jobs=1, max_skipped=0.5
    )
    report = build(config)
    assert (report.images, report.skipped) == (17, 1)
    assert "empty file" in (tmp_path / "set" / "skipped.csv").read_text()
    assert [sample.identity_name for sample in open_shards(tmp_path / "set")][3:6] == ["1"] * 2 + [
        "2"
    ]


def test_the_same_file_gives_the_same_set_with_and_without_its_index(
    tmp_path: Path, images: list[tuple[int, bytes]], cache: Path
) -> None:
    root = write_rec(tmp_path / "rec", listed(images))
    config = BuildConfig(dataset="rec", root=str(root), out=str(tmp_path / "a"), jobs=1, scale=2.0)
    first = build(config)
    (root / "train.idx").unlink()
    again = build(BuildConfig(dataset="rec", root=str(root), out=str(tmp_path / "b"), scale=2.0))
    assert first.digest == again.digest
    assert len(list(cache.glob("rec-*.idx"))) == 1


def test_what_is_no_training_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no \.rec file"):
        open_source("rec", str(tmp_path))
    with pytest.raises(InputError, match=r"train\.rec"):
        open_source("rec", str(tmp_path / "nowhere"))
    for name in ("a.rec", "b.rec"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(InputError, match=r"holds a\.rec, b\.rec; name one"):
        open_source("rec", str(tmp_path))
    with pytest.raises(InputError, match="holds no records"):
        list(open_source("rec", str(tmp_path / "a.rec")).refs())
    (tmp_path / "a.idx").write_text("garbage\n")
    with pytest.raises(DataError, match="'garbage' is not a number and an offset"):
        open_source("rec", str(tmp_path / "a.rec")).check()


@given(st.lists(st.integers(0, 10_000), unique=True, min_size=1), st.data())
def test_an_index_finds_every_line(scratch: Path, numbers: list[int], data: st.DataObject) -> None:
    if data.draw(st.booleans()):
        numbers.sort()
        if 0 in numbers and data.draw(st.booleans()):  # as face2rec2 writes it
            numbers.remove(0)
            numbers.insert(data.draw(st.integers(0, len(numbers))), 0)
    scratch.write_text("".join(f"{n}\t{n * 7}\n" for n in numbers))
    index = RecordIndex(scratch)
    asked = data.draw(st.permutations(numbers))
    assert [index.find(number) for number in asked] == [number * 7 for number in asked]
    assert index.find(10_001) is None
    assert list(index) == [(number, number * 7) for number in numbers]
    assert len(index) == len(numbers)
    assert index.last == (numbers[-1], numbers[-1] * 7)


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file that is written anew in every example."""
    return tmp_path_factory.mktemp("index") / "train.idx"


@given(st.binary(max_size=60))
def test_any_bytes_are_an_index_or_refused(scratch: Path, data: bytes) -> None:
    scratch.write_bytes(data)
    try:
        index = RecordIndex(scratch)
        lines = list(index)
        assert all(index.find(number) is not None for number, _ in lines)
        assert index.find(12345) in {None, *(o for n, o in lines if n == 12345)}
    except (DataError, InputError):
        pass


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    def peak(count: int) -> int:
        folder = tmp_path / str(count)
        write = _writer(folder)
        next(write)
        for number in range(count):
            write.send(pack_record(number // 10, number, b"picture"))
        write.close()
        source = open_source("rec", str(folder))
        tracemalloc.start()
        for ref in source.refs():
            source.read(ref.key)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    small, large = peak(300), peak(3000)
    assert large < small + 8_000


def _writer(folder: Path) -> Generator[None, bytes, None]:
    folder.mkdir()
    with open(folder / "train.rec", "wb") as data, open(folder / "train.idx", "w") as index:
        number = 0
        while True:
            payload = yield
            index.write(f"{number}\t{data.tell()}\n")
            data.write(frame_record(payload))
            number += 1


@given(st.data())
def test_changed_bytes_are_refused_or_lose_nothing(scratch: Path, data: st.DataObject) -> None:
    images = [(0, b"one"), (0, b"two" * 9), (1, b"three"), (2, b"four")]
    root = write_rec(scratch.parent / "rec", listed(images))
    for name in ("train.rec", "train.idx"):
        whole = bytearray((root / name).read_bytes())
        for _ in range(data.draw(st.integers(0, 3))):
            whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
        (root / name).write_bytes(whole[: data.draw(st.integers(0, len(whole)))])
    on_error = data.draw(st.sampled_from(["stop", "skip"]))
    with contextlib.suppress(OccgenError):
        source = open_source("rec", str(root), on_error=on_error)
        source.check()
        keys = [ref.key for ref in source.refs()]
        assert len(keys) < 100
        for key in keys:
            with contextlib.suppress(OccgenError):
                source.read(key)
