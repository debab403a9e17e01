"""RecordIO: framing as dmlc's reader takes it apart, damage named by record and offset."""

import itertools
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from occgen import DataError, InputError
from occgen.recordio import RecordFile, frame_record, pack_record, unpack_record

MAGIC = struct.pack("<I", 0xCED7230A)


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file that is written anew in every example."""
    return tmp_path_factory.mktemp("records") / "records.rec"


def plain_read(data: bytes) -> list[bytes]:
    """Return the records of a file, word by word, as the format's own description has it."""
    records, at, pieces = [], 0, None
    while at < len(data):
        magic, word = struct.unpack_from("<II", data, at)
        assert magic == 0xCED7230A
        flag, length = word >> 29, word & 0x1FFFFFFF
        piece = data[at + 8 : at + 8 + length]
        at += 8 + length + (-length) % 4
        if flag == 0:
            records.append(piece)
        elif flag == 1:
            pieces = [piece]
        else:
            assert pieces is not None
            pieces.append(piece)
            if flag == 3:
                records.append(MAGIC.join(pieces))
    return records


def plain_write(data: bytes) -> bytes:
    """Return a record as dmlc's writer cuts it: at every aligned word that is the magic."""
    out, start = b"", 0
    for at in range(0, len(data) // 4 * 4, 4):
        if data[at : at + 4] == MAGIC:
            flag = 2 if start else 1
            out += MAGIC + struct.pack("<I", flag << 29 | (at - start)) + data[start:at]
            start = at + 4
    flag = 3 if start else 0
    rest = data[start:]
    return out + MAGIC + struct.pack("<I", flag << 29 | len(rest)) + rest + bytes(-len(rest) % 4)


pieces = st.lists(st.sampled_from([MAGIC, b"", b"\x0a", b"abcd", MAGIC[:2], b"\0" * 7]), max_size=9)
payloads = st.one_of(st.binary(max_size=200), pieces.map(b"".join))


@given(payloads)
def test_a_record_is_framed_as_the_plain_writer_does(data: bytes) -> None:
    assert frame_record(data) == plain_write(data)
    assert plain_read(frame_record(data)) == [data]


@given(st.lists(payloads, max_size=8))
def test_what_is_written_is_read(scratch: Path, datas: list[bytes]) -> None:
    scratch.write_bytes(b"".join(map(frame_record, datas)))
    with RecordFile(scratch) as file:
        heads = list(file.scan())
        assert [file.read(head.offset) for head in heads] == datas
        assert [head.length for head in heads] == list(map(len, datas))
        assert [head.start for head in heads] == [data[:64] for data in datas]


@given(
    st.one_of(
        st.floats(width=32, allow_nan=False),
        st.lists(st.floats(width=32, allow_nan=False), max_size=5),
    ),
    st.integers(0, 2**64 - 1),
    st.binary(max_size=20),
    st.integers(0, 2**64 - 1),
)
def test_headers_come_back(
    labels: float | list[float], number: int, data: bytes, second: int
) -> None:
    record = unpack_record(pack_record(labels, number, data, second))
    if labels == []:  # a flag of 0 means one label
        labels = 0.0
    expected = (labels,) if isinstance(labels, float) else tuple(labels)
    assert record == (expected, number, second, data, isinstance(labels, list))


def test_a_header_is_laid_out_as_mxnet_packs_it() -> None:
    assert pack_record(7.0, 3, b"jpg") == struct.pack("<IfQQ", 0, 7.0, 3, 0) + b"jpg"
    listed = struct.pack("<IfQQ", 2, 0.0, 0, 1) + struct.pack("<ff", 5.0, 9.0)
    assert pack_record([5.0, 9.0], 0, second=1) == listed


@given(st.lists(st.binary(min_size=1, max_size=60), min_size=2, max_size=6), st.data())
def test_damage_is_named_and_the_rest_is_read(
    scratch: Path, datas: list[bytes], data: st.DataObject
) -> None:
    frames = [frame_record(value) for value in datas]
    starts = [0, *itertools.accumulate(map(len, frames))]
    hurt = data.draw(st.integers(0, len(datas) - 1))
    broken = bytearray(b"".join(frames))
    broken[starts[hurt] + data.draw(st.integers(0, 3))] ^= data.draw(st.integers(1, 255))
    scratch.write_bytes(broken)
    with RecordFile(scratch) as file:
        with pytest.raises(DataError, match=f"record {hurt} .* at byte {starts[hurt]} "):
            list(file.scan())
        lost: list[tuple[int, str]] = []
        read = [file.read(head.offset) for head in file.scan(lost)]
    assert read == datas[:hurt] + datas[hurt + 1 :]
    assert [offset for offset, _ in lost] == [starts[hurt]]


@given(st.lists(payloads, min_size=1, max_size=4), st.data())
def test_any_bytes_are_read_or_refused(
    scratch: Path, datas: list[bytes], data: st.DataObject
) -> None:
    whole = bytearray(b"".join(map(frame_record, datas)))
    for _ in range(data.draw(st.integers(0, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    cut = whole[: data.draw(st.integers(0, len(whole)))]
    scratch.write_bytes(cut)
    with RecordFile(scratch) as file:
        lost: list[tuple[int, str]] = []
        heads = list(file.scan(lost))
        for head in heads:
            try:
                assert len(file.read(head.offset)) == head.length
                unpack_record(head.start)
            except DataError:
                continue
        if cut == whole and not lost:
            try:
                assert [file.read(head.offset) for head in heads] == plain_read(bytes(whole))
            except DataError:
                pytest.fail("a scan passed what a read refuses")


def test_a_record_cut_off_is_named(tmp_path: Path) -> None:
    path = tmp_path / "cut.rec"
    frames = frame_record(b"first") + frame_record(b"second " * 9)
    path.write_bytes(frames[:-20])
    with RecordFile(path) as file:
        with pytest.raises(DataError, match=r"record 1 .* at byte 16 is cut off: 63 bytes"):
            list(file.scan())
        with pytest.raises(DataError, match="beyond the"):
            file.read(4096)
        with pytest.raises(DataError, match="magic"):
            file.read(4)


def test_missing_files_and_headers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        RecordFile(tmp_path / "none.rec")
    with pytest.raises(DataError, match="a header takes 24"):
        unpack_record(b"short")
    with pytest.raises(DataError, match="claims 1000000 labels"):
        unpack_record(struct.pack("<IfQQ", 1_000_000, 0, 0, 0))
