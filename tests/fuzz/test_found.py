"""What fuzzing found, one case each, so that it stays mended."""

import io
import json
import pickle
import shutil
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from occgen_cli.boundary import one_line

import occgen
from occgen.codec import decode_image
from occgen.conversion import convert, plain_config
from occgen.errors import DataError, OccgenError, ShardError
from occgen.manifest import manifest_bytes, read_manifest
from occgen.repair import repair
from occgen.sources import TarSource
from occgen.verification_bin import read_verification_bin
from occgen.verify import verify
from occluders import from_directory

Encode = Callable[..., bytes]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, face_bytes: dict[str, bytes]) -> Path:
    """Set of four faces."""
    root = tmp_path_factory.mktemp("found")
    for key, data in list(face_bytes.items())[:4]:
        (root / "faces" / key).parent.mkdir(parents=True, exist_ok=True)
        (root / "faces" / key).write_bytes(data)
    tree, out = str(root / "faces"), str(root / "set")
    occgen.build(occgen.BuildConfig(dataset="folder", root=tree, out=out, jobs=1, blend="opaque"))
    return root / "set"


@pytest.fixture
def small_set(tmp_path: Path, built: Path) -> Path:
    """A copy of it in ``a/set``."""
    return Path(shutil.copytree(built, tmp_path / "a" / "set"))


def forge(out: Path, **fields: object) -> None:
    """Write other fields into a manifest, with a checksum that fits."""
    record = read_manifest(out) | fields
    (out / "manifest.json").write_bytes(manifest_bytes(record))


def test_postscript_is_no_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow would hand it to Ghostscript, which runs what it says."""
    monkeypatch.setattr("PIL.EpsImagePlugin.Ghostscript", lambda *_, **__: pytest.fail("it ran"))
    with pytest.raises(DataError, match="not a picture"):
        decode_image(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nquit\n")


def test_a_jpeg_of_endless_scans_is_refused(draw_picture: Encode, encode_picture: Encode) -> None:
    data = encode_picture(draw_picture(1, 1000, 1000), progressive=True)
    scan = data[data.rfind(b"\xff\xda") : -2]
    assert decode_image(data).shape == (1000, 1000, 3)
    with pytest.raises(DataError, match="scans"):
        decode_image(data[:-2] + scan * 1000 + b"\xff\xd9")


@pytest.mark.parametrize("name", ["../precious", "/precious", "b/../../precious", "..", ""])
def test_a_manifest_names_nothing_outside_the_set(small_set: Path, name: str) -> None:
    """Such a name made convert write it, and verify --repair remove it, beside the output."""
    precious = small_set.parent / "precious"
    precious.write_text("mine")
    sha256 = "0" * 64
    for fields in (
        {"files": {name: sha256}},
        {"labels": {name: {"by": ["box"], "patterns": {}, "sha256": sha256}}},
        {"shards": [{"name": name, "images": 1, "bytes": 1, "sha256": sha256,
                     "content_sha256": sha256}]},
    ):  # fmt: skip
        good = (small_set / "manifest.json").read_bytes()
        forge(small_set, **fields)
        target = small_set.parent / "b" / "out"
        with pytest.raises(ShardError, match="no manifest occgen wrote"):
            convert(small_set, plain_config(small_set, target, "folder", jobs=1))
        with pytest.raises(OccgenError):
            repair(small_set, jobs=1)
        assert verify(small_set, 1)
        (small_set / "manifest.json").write_bytes(good)
    assert precious.read_text() == "mine"
    assert not (small_set.parent / "b" / "precious").exists()


@pytest.mark.parametrize("value", ["1e999", "NaN", '"\\ud800"', "[" * 900 + "]" * 900, "9" * 5000])
def test_a_manifest_of_odd_values_is_an_error_of_ours(small_set: Path, value: str) -> None:
    text = (small_set / "manifest.json").read_text().replace('"height": 112', f'"height": {value}')
    (small_set / "manifest.json").write_text(text)
    with pytest.raises(ShardError, match=r"manifest\.json"):
        occgen.open_shards(small_set)


@pytest.mark.parametrize("link", [h5py.ExternalLink("../pipe", "/x"), h5py.SoftLink("/box")])
def test_a_link_in_a_shard_is_not_followed(small_set: Path, link: object) -> None:
    """An external one to a pipe waited for ever."""
    path = small_set / "shard-00000.h5"
    with h5py.File(path, "r+", locking=False) as file:
        del file["scale"]
        file["scale"] = link
    with pytest.raises(ShardError, match=r"shard-00000\.h5"):
        list(occgen.open_shards(small_set))


def test_nested_tuples_are_not_written_out(tmp_path: Path) -> None:
    doubled = b"\x80\x02(U\x01aU\x01bl(]q\x00" + b"".join(
        b"(h%ch%ctq%c" % (n, n, n + 1) for n in range(60)
    )
    (tmp_path / "a.bin").write_bytes(doubled + b"l\x86.")
    with pytest.raises(DataError, match="where same or not belongs"):
        read_verification_bin(tmp_path / "a.bin")


def test_one_array_named_again_and_again_is_held_once(tmp_path: Path) -> None:
    array = np.zeros(1_000_000, np.uint8)
    (tmp_path / "a.bin").write_bytes(pickle.dumps(([array] * 4000, [True] * 2000), 2))
    images = read_verification_bin(tmp_path / "a.bin").images
    assert len(images) == 4000
    assert len({id(image) for image in images}) == 1


@pytest.mark.parametrize(
    "body", [b"5 a=b\n" * 170_000, b"9" * 100_000 + b" a=b\n", b"6 path=" + b"p" * 3_000_000]
)
def test_extended_heads_of_a_tar_take_no_time(tmp_path: Path, body: bytes) -> None:
    import tarfile

    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        head = tarfile.TarInfo("pax")
        head.type, head.size = tarfile.XHDTYPE, len(body)
        tar.addfile(head, io.BytesIO(body))
    (tmp_path / "a.tar").write_bytes(buffer.getvalue())
    with pytest.raises(DataError, match=r"a\.tar"):
        list(TarSource(tmp_path / "a.tar").refs())


def test_a_tensor_made_of_one_number_is_refused(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from frommodel import load
    from occgen.errors import CheckpointError

    wide = torch.zeros(1).expand(10**6, 10**6)
    torch.save({"features.weight": wide}, tmp_path / "a.pth")
    with pytest.raises(CheckpointError, match="made of fewer numbers"):
        load(tmp_path / "a.pth")
    with (
        zipfile.ZipFile(tmp_path / "b.pth", "w", zipfile.ZIP_DEFLATED) as packed,
        zipfile.ZipFile(tmp_path / "a.pth") as plain,
    ):
        for name in plain.namelist():
            packed.writestr(name, plain.read(name))
    with pytest.raises(CheckpointError, match="compressed"):
        load(tmp_path / "b.pth")
    named = b"\x80\x02cos\n" + b"a b" * 30_000 + b"\n."
    (tmp_path / "c.pth").write_bytes(named)
    with pytest.raises(CheckpointError, match="at great length"):
        load(tmp_path / "c.pth")


@pytest.mark.parametrize("shape", ["(1000000000000,)", "(2, 3", "(-1,)"])
def test_a_feature_of_a_lying_shape_is_refused(tmp_path: Path, shape: str) -> None:
    pytest.importorskip("torch")
    from frommodel.feature_bin import read_feature

    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}}}\n".encode()
    head = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text))
    (tmp_path / "a.npy").write_bytes(head + text + bytes(64))
    with pytest.raises(DataError, match=r"a\.npy"):
        read_feature(tmp_path / "a.npy")


def test_a_name_no_file_system_has_is_refused(tmp_path: Path) -> None:
    member = {"name": "a", "category": "cup", "file": "x" * 5000, "natural_size": [9, 9]}
    (tmp_path / "index.json").write_text(json.dumps({"members": [member]}))
    with pytest.raises(Exception, match=r"index\.json member 0") as caught:
        from_directory(tmp_path)
    assert type(caught.value).__module__ == "occluders.errors"


def test_a_message_is_one_line_a_terminal_only_shows() -> None:
    shown = one_line("a\x1b[2J\nb\u202e" + "x" * 100_000)
    assert shown.isprintable()
    assert shown.startswith("a\\x1b[2J b\\u202e")
    assert len(shown) <= 1000


def test_damage_in_what_is_computed_from_names_the_shard(built: Path, tmp_path: Path) -> None:
    """A box that ends before it starts, and an attribute of several values."""
    out = shutil.copytree(built, tmp_path / "set")
    path = out / "shard-00000.h5"
    with h5py.File(path, "r+") as file:
        file["box"][1] = (9, 9, 3, 3)
    with pytest.raises(ShardError, match=r"shard-00000\.h5 is damaged: box 1 ends before"):
        occgen.open_shards(out).patterns(4)
    with h5py.File(path, "r+") as file:
        file.attrs["more"] = np.arange(3)
    with pytest.raises(ShardError, match=r"shard-00000\.h5: the attribute 'more' is no single"):
        _ = occgen.open_shards(out)[0]
