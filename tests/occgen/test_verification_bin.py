"""Verification files: what pickle writes in any protocol is read; what is crafted is refused."""

import contextlib
import os
import pickle
import pickletools
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from occgen_cli.main import main

from occgen import BuildConfig, DataError, InputError, build
from occgen.plain_values import PlainArray
from occgen.sources import open_source
from occgen.unpickling import load_plain
from occgen.verification_bin import read_verification_bin, write_verification_bin

PICTURES = [b"\xff\xd8one", b"\xff\xd8\0two\n'", b"", b"four\xce\x0a"]
SAME = [True, False]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("form", ["bytes", "arrays", "numpy bools", "bool array", "bytearrays"])
def test_every_protocol_and_form_is_read(tmp_path: Path, protocol: int, form: str) -> None:
    images: list[Any] = PICTURES
    same: Any = SAME
    if form == "arrays":
        images = [np.frombuffer(data, np.uint8) for data in PICTURES]
    elif form == "bytearrays":
        images = list(map(bytearray, PICTURES))
    elif form == "numpy bools":
        same = list(np.array(SAME))
    elif form == "bool array":
        same = np.array(SAME)
    path = tmp_path / "pairs.bin"
    path.write_bytes(pickle.dumps((images, same), protocol))
    pairs = read_verification_bin(path)
    assert pairs.images == PICTURES
    assert pairs.same.tolist() == SAME


def test_pickles_of_python_2_and_of_old_numpy_are_read(tmp_path: Path) -> None:
    array = (  # numpy.array([1, 2], 'u1') and True as numpy 1.13 pickled them under Python 2
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n(I2\nt"
        b"cnumpy\ndtype\n(S'u1'\nI0\nI1\ntR(I3\nS'|'\nNNNI-1\nI-1\nI0\ntbI00\nS'\\x01\\x02'\ntb"
    )
    scalar = (
        b"cnumpy.core.multiarray\nscalar\n(cnumpy\ndtype\n(S'b1'\nI0\nI1\ntR(I3\nS'|'\nNNNI-1\n"
        b"I-1\nI0\ntbS'\\x01'\ntR"
    )
    path = tmp_path / "old.bin"
    path.write_bytes(b"((lp0\n" + array + b"aS'two'\na(lp1\n" + scalar + b"at.")
    assert read_verification_bin(path).images == [b"\x01\x02", b"two"]
    assert read_verification_bin(path).same.tolist() == [True]
    path.write_bytes(b"\x80\x02]q\x00(U\x03oneT\x03\x00\x00\x00twoe]q\x01\x88a\x86q\x02.")
    assert read_verification_bin(path).images == [b"one", b"two"]


def test_what_is_written_pickle_reads(tmp_path: Path) -> None:
    path = tmp_path / "pairs.bin"
    write_verification_bin(path, PICTURES, SAME)
    with open(path, "rb") as file:
        assert pickle.load(file, encoding="bytes") == (PICTURES, SAME)
    assert read_verification_bin(path).images == PICTURES
    with pytest.raises(InputError, match="2 pairs take 4 pictures, got 3"):
        write_verification_bin(path, PICTURES[:3], SAME)
    with pytest.raises(InputError, match="cannot be read"):
        read_verification_bin(tmp_path / "none.bin")


class _Calls:
    """Pickles as a call."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


_CRAFTED = {
    "system": pickle.dumps(([_Calls(os.system, "touch owned")], [True])),
    "eval": pickle.dumps(_Calls(eval, "open('owned', 'w')"), 0),
    "getattr": pickle.dumps(_Calls(getattr, "a", "b"), 2),
    "instance": b"(S'touch owned'\nios\nsystem\n.",
    "persistent": b"Powned\n.",
    "extension": b"\x82\x01.",
    "new object": b"\x80\x02cnumpy\nndarray\nK\x01\x85\x81.",
    "numpy load": b"cnumpy\nload\n(S'x'\ntR.",
    "attribute": b"\x8c\x05numpy\x8c\x0fndarray.tofile\x93.",
    "type in place of a function": b"cnumpy\nndarray\n)R.",
    "codec": b"c_codecs\nencode\n(Vabc\nVzip\ntR.",
    "object array": pickle.dumps(([np.array([_Calls(os.system, "x")], object)], [True])),
    "records": pickle.dumps(([np.zeros(2, "u1,u1")] * 2, [True])),
    "state of a list": b"](I1\ntb.",
    "memo far away": b"Nr\xff\xff\xff\xff.",
    "long": b"\x8b\xff\xff\xff\x7f.",
    "bytes that are not there": b"\x8e" + struct.pack("<Q", 1 << 62) + b".",
    "copies": b"c_codecs\nencode\np0\nX\xff\0\0\0" + b"a" * 255 + b"Vlatin1\n\x86p1\n0"
    + b"g0\ng1\nR0" * 500 + b".",
}  # fmt: skip


@pytest.mark.parametrize("name", _CRAFTED)
def test_a_crafted_pickle_is_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "crafted.bin"
    path.write_bytes(_CRAFTED[name])
    with pytest.raises(DataError) as found:
        read_verification_bin(path)
    assert str(path) in str(found.value)
    arguments = ["build", "--dataset", "bin", "--root", str(path), "--out", "set", "--jobs", "1"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert "bug" not in result.stderr
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (([b"a", b"b"], []), "holds 2 pictures for 0 pairs"),
        (([b"a", 5], [True]), "a int where an encoded picture belongs"),
        (([b"a", np.zeros((2, 2, 3), np.uint8)], [True]), r"uint8 of shape \(2, 2, 3\)"),
        (([b"a", b"b"], ["yes"]), "'yes' where same or not belongs"),
        ([1, 2, 3], "does not hold pictures and a list"),
        (({"a": 1}, [True]), "plain data need not"),
        ((b"ab", [True]), "does not hold two lists"),
    ],
)
def test_other_content_is_refused(tmp_path: Path, content: Any, message: str) -> None:
    path = tmp_path / "other.bin"
    path.write_bytes(pickle.dumps(content))
    with pytest.raises(DataError, match=message):
        read_verification_bin(path)


def holds_plain_data_alone(value: Any) -> bool:
    """Whether a value is of what `load_plain` may return; a list in itself ends in an error."""
    if isinstance(value, (list, tuple)):
        return all(map(holds_plain_data_alone, value))
    kinds = (bytes, str, int, float, bool, type(None), PlainArray)
    return type(value) in kinds


_scalars = st.one_of(
    st.binary(), st.booleans(), st.none(), st.integers(-(2**63), 2**63 - 1), st.text(max_size=9)
)
_values = st.recursive(_scalars, lambda part: st.lists(part, max_size=4), max_leaves=20)


@given(_values, st.integers(0, pickle.HIGHEST_PROTOCOL))
def test_plain_data_come_back_as_pickle_has_them(value: Any, protocol: int) -> None:
    assert load_plain(pickle.dumps(value, protocol)) == value


@given(
    st.sampled_from(["u1", "<i2", ">i4", "<f4", ">f8", "?", "S3"]),
    st.lists(st.integers(0, 3), max_size=3),
    st.integers(0, pickle.HIGHEST_PROTOCOL),
    st.booleans(),
)
def test_arrays_come_back(kind: str, shape: list[int], protocol: int, fortran: bool) -> None:
    array = np.arange(int(np.prod(shape))).reshape(shape).astype(kind)
    array = np.asfortranarray(array) if fortran else array
    found = load_plain(pickle.dumps(array, protocol))
    assert isinstance(found, PlainArray)
    np.testing.assert_array_equal(found.value, array)


@given(st.integers(0, pickle.HIGHEST_PROTOCOL), st.data())
def test_changed_bytes_are_refused_or_harmless(protocol: int, data: st.DataObject) -> None:
    arrays = [np.arange(3, dtype=np.uint8), np.array(True)]
    content = bytearray(pickletools.optimize(pickle.dumps((PICTURES, arrays), protocol)))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(DataError):
        assert holds_plain_data_alone(
            load_plain(bytes(content[: data.draw(st.integers(1, len(content)))]))
        )


@given(st.binary(max_size=40))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    with contextlib.suppress(DataError, RecursionError):  # the walk of a list in itself
        assert holds_plain_data_alone(load_plain(data))


def test_a_bin_is_a_source_with_its_pairs(tmp_path: Path, face_bytes: dict[str, bytes]) -> None:
    images = list(face_bytes.values())[:6]
    write_verification_bin(tmp_path / "lfw.bin", images, [True, False, True])
    source = open_source("bin", str(tmp_path))
    assert [source.read(ref.key) for ref in source.refs()] == images
    assert {ref.identity for ref in source.refs()} == {""}
    assert source.count() == 6
    with pytest.raises(DataError, match="no such picture"):
        source.read("000006.jpg")
    config = BuildConfig(dataset="bin", root=str(tmp_path), out=str(tmp_path / "set"), jobs=1)
    assert build(config).images == 6
    lines = (tmp_path / "set" / "pairs.csv").read_text().splitlines()
    assert lines[:2] == ["image_a,image_b,same", "000000.jpg,000001.jpg,1"]
    write_verification_bin(tmp_path / "cfp.bin", images, [True, False, True])
    with pytest.raises(InputError, match=r"holds cfp\.bin, lfw\.bin; name one"):
        open_source("bin", str(tmp_path))
