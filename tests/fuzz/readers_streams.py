"""Data sets in one file: RecordIO, InsightFace's bins, tars, Parquet, LMDB."""

import io
import os
import pickle
import random
import struct
import tarfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
from mutations import HOSTILE_TEXT, mutate_bytes, mutate_text
from samples import crops, make_set, touch_source
from trial import Files, Reader, call_all

from occgen.errors import OccgenError
from occgen.fetching import _unpack
from occgen.sources import BinSource, ParquetSource, RecSource, TarSource
from occgen.verification_bin import read_verification_bin, write_verification_bin


def _make_rec(root: Path) -> None:
    make_set(root / "set", "rec")
    for name in ("train.rec", "train.idx"):
        (root / name).write_bytes((root / "set" / name).read_bytes())
    for path in sorted(root.glob("*/**/*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()


def _read_rec(root: Path, changed: bool) -> None:
    errors = []
    for on_error in ("stop", "skip"):
        for has_index in (True, False):
            path = root / ("train.rec" if has_index else "alone.rec")
            path.write_bytes((root / "train.rec").read_bytes())
            try:
                touch_source(RecSource(path, on_error))
            except OccgenError as error:
                errors.append(error)
    if errors:
        raise errors[0]


def _damage_rec(name: str, data: bytes, rng: random.Random) -> bytes:
    if name.endswith(".idx"):
        return mutate_text(data, rng)
    if rng.random() < 0.4:  # the labels of record 0, which lists identities, and of others
        at = rng.choice([at for at in range(0, len(data) - 32, 4) if data[at : at + 4] == data[:4]])
        value = rng.choice((0.0, -1.0, np.nan, np.inf, 3e38, 2**24, 1e9, 1.5))
        at += rng.choice((12, 32, 36))
        return data[:at] + struct.pack("<f", value) + data[at + 4 :]
    return mutate_bytes(data, rng)


def _craft_rec(valid: Files) -> Iterator[Files]:
    head = valid["train.rec"][:4]
    first, middle = head + struct.pack("<I", 1 << 29), head + struct.pack("<I", 2 << 29)
    yield valid | {"train.rec": first + middle * 200_000}
    yield valid | {"train.rec": first * 100_000}
    yield valid | {"train.rec": head + struct.pack("<I", (1 << 29) - 1)}
    yield valid | {"train.idx": b"".join(b"%d\t0\n" % n for n in range(50_000, 0, -1))}
    yield valid | {"train.idx": b"0\t" + b"9" * 100_000}
    yield valid | {"train.idx": b"0\t0\n1\t" + b"%d\n" % (1 << 61)}
    yield valid | {"train.rec": b"", "train.idx": b""}


def _make_bin(root: Path) -> None:
    images = list(crops().values())
    write_verification_bin(root / "pairs.bin", images, [True, False])
    arrays = [np.frombuffer(image, np.uint8) for image in images]
    for number, protocol in enumerate((0, 2, 5)):
        content = (arrays, [np.True_, np.False_]) if protocol else (images, [True, False])
        (root / f"other{number}.bin").write_bytes(pickle.dumps(content, protocol))


def _read_bin(root: Path, changed: bool) -> None:
    errors = []
    for path in sorted(root.glob("*.bin")):
        try:
            read_verification_bin(path)
            touch_source(BinSource(path))
        except OccgenError as error:
            errors.append(error)
    if errors:
        raise errors[0]


class _Runs:
    """Runs a command where a pickle is loaded by the standard library."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (self.command,)


def _craft_bin(valid: Files) -> Iterator[Files]:
    for protocol in range(6):
        yield {"code.bin": pickle.dumps(([_Runs("touch ../escape_code")], [True]), protocol)}
    nested = b"\x80\x04]\x94" + b"(h\x00h\x00l\x94" * 1
    doubled = b"\x80\x02]q\x00" + b"".join(
        b"(h" + bytes([n]) + b"h" + bytes([n]) + b"tq" + bytes([n + 1]) for n in range(60)
    )
    yield {"nested.bin": nested + b"."}
    yield {"laughs.bin": doubled + b"\x86."}  # 2^60 elements where they are written out
    yield {"laughs.bin": b"(]" + doubled[2:] + b"\x85\x86."}
    pictures = b"(U\x01aU\x01bl"
    yield {"laughs.bin": b"\x80\x02" + pictures + b"(" + doubled[2:] + b"l\x86."}
    deep = b"\x80\x02" + b"(U\x01aU\x01bl(" + b"]" * 1 + b"\x85" * 200_000 + b"l\x86."
    yield {"deep.bin": deep}
    array = pickle.dumps(np.zeros(1_000_000, np.uint8), 2)[:-1]
    again = b"\x80\x02]q\xfe0" + array + b"q\xff0h\xfe(" + b"h\xff" * 20_000 + b"e"
    yield {"copies.bin": again + b"](" + b"\x88" * 10_000 + b"e\x86."}
    text = b"X" + struct.pack("<I", 1_000_000) + b"a" * 1_000_000 + b"q\xfd0"
    head = b"cnumpy.core.multiarray\n_reconstruct\nq\xfc0cnumpy\nndarray\nq\xfb0"
    kind = b"cnumpy\ndtype\n(U\x02u1K\x00K\x01tRq\xfa0"
    one = (
        b"h\xfch\xfbK\x00\x85U\x01b\x87R(K\x01J"
        + struct.pack("<i", 1_000_000)
        + (b"\x85h\xfa\x89h\xfdtb")
    )
    yield {"states.bin": b"\x80\x02" + text + head + kind + b"](" + one * 5000 + b"e](" +
           b"\x88" * 2500 + b"e\x86."}  # fmt: skip
    yield {"shape.bin": b"\x80\x02]]\x86."}
    yield {
        "many.bin": b"\x80\x02"
        + b"]("
        + b"U\x01a" * 400_000
        + b"e]("
        + b"\x88" * 200_000
        + b"e\x86."
    }
    yield {"marks.bin": b"(" * 1_000_000}
    yield {"number.bin": b"I" + b"9" * 1_000_000 + b"\n."}
    yield {"names.bin": b"cos\nsystem\n(S'touch ../escape_code'\ntR."}
    yield {"names.bin": b"c__builtin__\neval\n(S'1'\ntR."}


def _tar(*members: tuple[tarfile.TarInfo, bytes], form: int = tarfile.USTAR_FORMAT) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as tar:
        for member, data in members:
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def _member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    found = tarfile.TarInfo(name)
    found.type, found.linkname = kind, link
    return found


def _make_tar(root: Path) -> None:
    image = next(iter(crops().values()))
    members = [
        (_member(f"sample{n}.{ending}"), data)
        for n in range(3)
        for ending, data in (("jpg", image), ("json", b'{"label": "a"}'), ("cls", b"2"))
    ]
    for name, form in (
        ("a", tarfile.USTAR_FORMAT),
        ("b", tarfile.GNU_FORMAT),
        ("c", tarfile.PAX_FORMAT),
    ):
        long = [(_member(f"folder/{'n' * 150}.jpg"), image)] if name != "a" else []
        (root / f"{name}.tar").write_bytes(_tar(*members, *long, form=form))


def _read_tar(root: Path, changed: bool) -> None:
    scratch = root.parent / "out"
    scratch.mkdir(exist_ok=True)
    calls: list[Callable[[], object]] = []
    for path in sorted(root.glob("*.tar")):
        calls.append(partial(_touch_tar, path))
        calls.append(partial(_unpack, path, scratch / path.stem, scratch))
    call_all(*calls)


def _touch_tar(path: Path) -> None:
    touch_source(TarSource(path))


def _damage_tar(name: str, data: bytes, rng: random.Random) -> bytes:
    """Return a tar with changed bytes, with its heads' checksums made to fit in most cases."""
    changed = bytearray(mutate_bytes(data, rng))
    if rng.random() < 0.7:
        for at in range(0, len(changed) - 511, 512):
            head = changed[at : at + 512]
            if head[257:262] == b"ustar":
                head[148:156] = b" " * 8
                changed[at + 148 : at + 156] = b"%06o\0 " % sum(head)
    return bytes(changed)


def _craft_tar(valid: Files) -> Iterator[Files]:
    image = next(iter(crops().values()))
    for name in ("../escape.jpg", "/escape.jpg", "a/../../escape.jpg", "C:/escape.jpg", "..\\e.jpg",
                 "./../escape.jpg", "a/./b/../../../escape.jpg"):  # fmt: skip
        yield {"x.tar": _tar((_member(name), image))}
    for kind in (b"1", b"2", b"3", b"4", b"6", b"7", b"S", b"V", b"M", b"Z"):
        yield {
            "x.tar": _tar((_member("a.jpg", kind, "../../canary"), b""), (_member("a.jpg"), image))
        }
    for text in HOSTILE_TEXT:
        member = _member("a.jpg")
        member.pax_headers = {"path": text or "x"}
        try:
            yield {"x.tar": _tar((member, image), form=tarfile.PAX_FORMAT)}
        except ValueError:
            continue
    for body in (b"5 a=b\n" * 170_000, b"9" * 100_000 + b" a=b\n", b"0 a\n", b"-1 a\n", b"99 a=b\n",
                 b"18 GNU.sparse.map=", b"30 size=99999999999999999999\n", b"x" * 5_000_000,
                 b"6 path=" + b"p" * 3_000_000):  # fmt: skip
        yield {"x.tar": _tar((_member("pax", tarfile.XHDTYPE), body), (_member("a.jpg"), image))}
    yield {"x.tar": _tar((_member("l", tarfile.GNUTYPE_LONGNAME), b"n" * 5_000_000 + b".jpg\0"),
                         (_member("a.jpg"), image))}  # fmt: skip
    huge = bytearray(_tar((_member("a.jpg"), image)))
    huge[124:136] = b"\x80" + (1 << 80).to_bytes(11, "big")
    huge[148:156] = b" " * 8
    huge[148:156] = b"%06o\0 " % sum(huge[:512])
    yield {"x.tar": bytes(huge)}
    yield {"x.tar": _tar((_member("a.cls"), b"n" * 1_000_000), (_member("a.jpg"), image))}
    yield {"x.tar": _tar((_member("a.json"), b"[" * 200_000), (_member("a.jpg"), image))}
    yield {"x.tar": b"\x1f\x8b" + valid["a.tar"]}
    import gzip

    yield {"x.tar": gzip.compress(bytes(300_000_000), 9)}


def _make_parquet(root: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as parquet

    images = list(crops().values()) * 2
    for name, options in (("a", {"row_group_size": 3}), ("b", {"compression": "zstd"})):
        pictures = [{"bytes": data, "path": None} for data in images]
        table = pa.table({"image": pictures, "label": list(range(len(images)))})
        parquet.write_table(table, root / f"{name}.parquet", **options)


def _read_parquet(root: Path, changed: bool) -> None:
    errors = []
    for path in sorted(root.glob("*.parquet")):
        try:
            touch_source(ParquetSource(path))
        except OccgenError as error:
            errors.append(error)
    if errors:
        raise errors[0]


def _craft_parquet(valid: Files) -> Iterator[Files]:
    import pyarrow as pa
    import pyarrow.parquet as parquet

    def written(table: object, **options: object) -> Files:
        sink = io.BytesIO()
        parquet.write_table(table, sink, **options)
        return {"x.parquet": sink.getvalue()}

    image = next(iter(crops().values()))
    yield written(pa.table({"image": pa.array([image] * 2_000_000)}))  # written once, by dictionary
    yield written(pa.table({"image": [bytes(1_500_000_00)]}), compression="zstd")
    yield written(pa.table({"image": pa.array([bytes(1_000_000)] * 550)}), compression="zstd")
    yield written(
        pa.table({"label": pa.nulls(3_000_000, pa.int32()), "image": pa.nulls(3_000_000)})
    )
    yield written(pa.table({"image": [1, 2, 3]}))
    yield written(pa.table({"image": [[{"a": 1}]], "label": [[[1]]]}))
    yield written(pa.table({"image": ["text"], "label": ["é\0\x1b[2J"]}))
    yield written(pa.table({"image": pa.array([], pa.binary())}))
    for marks in (
        b"[" * 100_000,
        b"null",
        b'{"info": {"features": {"image": 3}}}',
        b"\xff",
        b'{"info": {"features": {"image": {"_type": "Image"}, "label": []}}}',
    ):
        table = pa.table({"image": [image], "label": [1]})
        yield written(table.replace_schema_metadata({b"huggingface": marks}))
    pa.default_memory_pool().release_unused()


def _make_lmdb(root: Path) -> None:
    import lmdb

    with lmdb.open(str(root / "set"), map_size=1 << 20) as base, base.begin(write=True) as view:
        for number, image in enumerate(crops().values()):
            view.put(b"%d" % number, pickle.dumps((image, number, f"x/p{number}/a.jpg"), 4))
        view.put(b"__len__", pickle.dumps(4))
    (root / "set/lock.mdb").unlink()


def _read_lmdb(root: Path, changed: bool) -> None:
    from occgen.sources.lmdb import LmdbSource

    touch_source(LmdbSource(root / "set"))


READERS = [
    Reader("RecordIO", _make_rec, _read_rec, ("train.*",), _damage_rec, crafted=_craft_rec),
    Reader("verification bin", _make_bin, _read_bin, crafted=_craft_bin),
    Reader("tar", _make_tar, _read_tar, damage=_damage_tar, crafted=_craft_tar),
    Reader("Parquet", _make_parquet, _read_parquet, crafted=_craft_parquet),
    Reader("LMDB", _make_lmdb, _read_lmdb),
]
