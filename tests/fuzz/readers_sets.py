"""Finished sets: shards of every format, manifests, recipes; damaged, and forged with checksums."""

import contextlib
import hashlib
import io
import json
import random
import shutil
import tempfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from mutations import HOSTILE_TEXT, dump_json, mutate_bytes, mutate_json, mutate_text
from occgen_cli.info import info_command
from samples import make_set, touch_source
from trial import Files, Reader

import occgen
from occgen import preview
from occgen.columns import content_digest
from occgen.config import BuildConfig
from occgen.conversion import convert, plain_config
from occgen.errors import InputError, OccgenError
from occgen.formats import open_format
from occgen.labelling import label_build
from occgen.manifest import build_digest, manifest_bytes
from occgen.recipe import write_recipe
from occgen.recipe_build import build_from_recipe
from occgen.recipe_file import Recipe, recipe_bytes
from occgen.repair import repair
from occgen.sources import ListedSource, open_source
from occgen.verify import verify


def _touch_shards(root: Path) -> None:
    shards = occgen.open_shards(root)
    assert len(shards) <= 1000
    for sample in shards:
        _ = repr(sample), sample.identity, sample.occluder, sample.scale
        _ = sample.coverage, sample.mask_coverage, sample.landmarks, sample.identity_name
        assert sample.image.ndim == 3
        assert sample.mask.shape == (shards.height, shards.width)
        for by in ("box", "mask"):
            assert sample.pattern(4, by) >= 0
            sample.pattern(None, by)
    shards.column("box")
    shards.patterns()


def _touch_faces(root: Path) -> None:
    source = open_source("shards", str(root))
    touch_source(source)
    for ref in source.refs():
        source.face(ref.key)


def _info(root: Path) -> None:
    for options in ([], ["--json"]):
        with contextlib.redirect_stdout(io.StringIO()) as shown:
            info_command.main([str(root), *options], standalone_mode=False)
        assert not set("\x1b\x07\x00\u202e") & set(shown.getvalue()), "escapes shown"


def _draw(root: Path) -> None:
    tiles = preview.tiles_of_set(occgen.open_shards(root), 4)
    page = preview.html_page(tiles, "title", [])
    assert "<script" not in page
    preview.contact_sheet(tiles, "title", [], columns=2)


def _convert(root: Path, form: str) -> None:
    out = root.parent / "out" / "converted"
    convert(root, plain_config(root, out, form, jobs=1, overwrite=True))


def _call(errors: list[Exception], call: Callable[..., Any], *arguments: Any) -> None:
    try:
        call(*arguments)
    except OccgenError as error:
        errors.append(error)


def _verified(root: Path, changed: bool, *, is_forged: bool) -> None:
    findings = verify(root, 1)
    assert findings or not changed or is_forged, "verify found nothing"


def _reading(form: str, is_forged: bool) -> Callable[[Path, bool], None]:
    """Return what reads a set every way there is, and remembers the first error."""

    def read(root: Path, changed: bool) -> None:
        if (root / "set").is_dir():
            root = root / "set"
        errors: list[Exception] = []
        _call(errors, lambda: _verified(root, changed, is_forged=is_forged))
        _call(errors, _touch_faces, root)
        _call(errors, _info, root)
        if form == "hdf5":
            _call(errors, _touch_shards, root)
            _call(errors, label_build, root, 4, "mask")
            _call(errors, _draw, root)
        is_chosen = zlib.crc32((root / "manifest.json").read_bytes()) % 4 == 0
        if changed and is_chosen:  # these take ten times as long as the rest
            for other in ("folder", "rec") if form == "hdf5" else ("hdf5",):
                _call(errors, _convert, root, other)
            if is_forged:
                _call(errors, repair, root, None, 1)
        if errors:
            raise errors[0]

    return read


def _make(form: str) -> Callable[[Path], None]:
    def make(root: Path) -> None:
        make_set(root / "set", form)

    return make


def _sealed(files: Files, rng: random.Random) -> Files:
    """Return a set whose manifest has the checksums of the files as they are."""
    try:
        record = json.loads(files["set/manifest.json"])
        form = open_format(record["config"]["format"])
        for number, shard in enumerate(record["shards"]):
            name = f"set/{shard['name']}"
            if name in files:
                shard["sha256"] = hashlib.sha256(files[name]).hexdigest()
            shard["content_sha256"] = _content(form, files, number) or shard["content_sha256"]
        for name in record["files"]:
            if f"set/{name}" in files:
                record["files"][name] = hashlib.sha256(files[f"set/{name}"]).hexdigest()
        digests = [shard["content_sha256"] for shard in record["shards"]]
        record["digest"] = build_digest(digests, record["config"])
    except (ValueError, KeyError, TypeError, AttributeError, InputError, RecursionError):
        pass
    try:
        return files | {"set/manifest.json": manifest_bytes(record)}
    except (ValueError, UnboundLocalError, AttributeError, RecursionError):
        return files


def _content(form: Any, files: Files, number: int) -> str:
    with tempfile.TemporaryDirectory() as folder:
        for name, data in files.items():
            path = Path(folder) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        try:
            return content_digest(form.read(Path(folder) / "set", number)[0])
        except Exception:
            return ""


def _damage_manifest(name: str, data: bytes, rng: random.Random) -> bytes:
    """Return a manifest with other content and a checksum that fits, where that can be."""
    record = mutate_json(json.loads(data), rng, keep=("sha256", "schema"))
    try:
        return manifest_bytes(record)
    except (ValueError, TypeError, AttributeError, RecursionError):
        return dump_json(record)


def _craft_manifests(valid: Files) -> Iterator[Files]:
    """Yield manifests whose names lead out, and those the JSON reader itself may stumble over."""
    record = json.loads(valid["set/manifest.json"])
    for name in (
        "../canary",
        "../../canary",
        "/etc/hostname",
        "a/../../canary",
        "..",
        "",
        "\0",
        ".",
    ):
        for entry in (
            {"files": {name: "0" * 64}},
            {"labels": {name: {"by": ["box"], "patterns": {}, "sha256": "0" * 64}}},
            {"shards": [record["shards"][0] | {"name": name}]},
        ):
            yield valid | {"set/manifest.json": manifest_bytes(record | entry)}
    text = valid["set/manifest.json"].decode()
    for old, new in (
        ('"height": 64', '"height": 1e999'),
        ('"height": 64', '"height": NaN'),
        ('"height": 64', f'"height": {"9" * 5000}'),
        ('"name": "Occ', '"name": "\\ud800'),
        ('"k": 3', '"k": 100000'),
        ('"categories": {', f'"categories": {{"deep": {"[" * 900 + "]" * 900},'),
        ('"categories": {', f'"categories": {{"deep": {"[" * 90_000 + "]" * 90_000},'),
    ):
        assert old in text, old
        yield valid | {"set/manifest.json": text.replace(old, new, 1).encode()}


_Edit = Callable[[h5py.File, random.Random], None]


def _replace(file: h5py.File, name: str, data: Any, **options: Any) -> None:
    del file[name]
    file.create_dataset(name, data=data, **options)


def _names(file: h5py.File) -> list[str]:
    found: list[str] = []
    file.visititems(lambda name, item: found.append(name) if hasattr(item, "dtype") else None)
    return sorted(found)


def _other_values(file: h5py.File, rng: random.Random) -> None:
    name = rng.choice(_names(file))
    data = file[name][()]
    if data.dtype.kind in "iu":
        limits = np.iinfo(data.dtype)
        at = rng.randrange(data.size or 1)
        value = rng.choice((limits.min, limits.max, 0, 1, 2, 3, limits.max // 2))
        data.reshape(-1)[at : at + 1] = value
    elif data.dtype.kind == "f":
        data.reshape(-1)[:1] = rng.choice((np.nan, np.inf, -np.inf, 1e30, -1))
    else:
        data.reshape(-1)[:1] = rng.choice((b"\xff\xfe", b"../../x", b"", b"<script>", b"\x00a"))
    file[name][...] = data


def _other_shape(file: h5py.File, rng: random.Random) -> None:
    name = rng.choice(_names(file))
    data = file[name][()]
    shapes = [data[:0], data[1:], data[:, None], np.concatenate([data, data]), data.sum()
              if data.dtype.kind in "iuf" else data[0], data.reshape(1, -1)]  # fmt: skip
    _replace(file, name, rng.choice(shapes))


def _other_type(file: h5py.File, rng: random.Random) -> None:
    name = rng.choice(_names(file))
    shape = file[name].shape
    kind: Any = rng.choice(
        ("u1", "i1", "i8", "f2", "f8", "S1", "c8", "?", "V4", [("a", "i4"), ("b", "S3")],
         h5py.string_dtype(), h5py.vlen_dtype("i4"), h5py.ref_dtype, "(2,2)i4", ">i2")
    )  # fmt: skip
    del file[name]
    file.create_dataset(name, shape, dtype=np.dtype(kind))


def _bomb(file: h5py.File, rng: random.Random) -> None:
    name = rng.choice(_names(file))
    kind = file[name].dtype
    del file[name]
    side = rng.choice((10**6, 10**9, 2**33, 2**40, 2**60))
    shape = rng.choice(((side,), (side, 4), (4, side), (side, 5, 2), (2**31, 2**30)))
    way = rng.choice((None, "gzip", "lzf"))
    if way:
        chunks = tuple(min(n, 1 << 20 if i == 0 else 1 << 6) for i, n in enumerate(shape))
        file.create_dataset(name, shape, kind, chunks=chunks, compression=way, shuffle=True)
    else:
        file.create_dataset(name, shape, kind)


def _link(file: h5py.File, rng: random.Random) -> None:
    name = rng.choice([*_names(file), "image", "paste", "pattern", "mask"])
    del file[name]
    file[name] = rng.choice(
        (
            h5py.SoftLink("/missing"),
            h5py.SoftLink(f"/{name}"),
            h5py.SoftLink("/"),
            h5py.SoftLink("/box"),
            h5py.ExternalLink("/proc/self/mem", "/x"),
            h5py.ExternalLink("../pipe", "/x"),
            h5py.ExternalLink("../../canary", "/x"),
            h5py.ExternalLink("shard-00000.h5", f"/{name}"),
            h5py.ExternalLink("", "/box"),
        )
    )


def _outside(file: h5py.File, rng: random.Random) -> None:
    name = rng.choice(_names(file))
    shape, kind = file[name].shape, file[name].dtype
    del file[name]
    if rng.random() < 0.5:
        layout = h5py.VirtualLayout(shape, kind)
        layout[...] = h5py.VirtualSource("../../canary", "x", shape)
        file.create_virtual_dataset(name, layout)
    else:
        size = int(np.prod(shape)) * kind.itemsize or 1
        file.create_dataset(name, shape, kind, external=[("../../canary", 0, size)])


def _attribute(file: h5py.File, rng: random.Random) -> None:
    name = rng.choice(list(file.attrs))
    file.attrs[name] = rng.choice(
        (0, -1, 1, 3, 10**6, 10**9, 2**62, 1e300, np.nan, np.inf, "", "[]", "{}", "null", "nan",
         "[1, 2]", '["clean"]', "[" * 20_000, b"\xff\xfe", np.zeros(3), np.zeros((0,), "f4"),
         h5py.Empty("f4"), np.bytes_(b"x" * 60_000), "../../canary", [b"a", b"b"])
    )  # fmt: skip


def _attributes(file: h5py.File, rng: random.Random) -> None:
    holder = file[rng.choice(_names(file))] if rng.random() < 0.5 else file
    for number in range(rng.choice((1, 10, 500))):
        holder.attrs[f"more {number}"] = np.zeros(8000, "u1")
    for name in list(file.attrs)[: rng.choice((0, 1, 3))]:
        del file.attrs[name]


def _gone(file: h5py.File, rng: random.Random) -> None:
    del file[rng.choice([*_names(file), "image", "paste", "pattern", "mask"])]


def _more(file: h5py.File, rng: random.Random) -> None:
    name = rng.choice(("pattern/k9", "pattern/x", "pattern/k5/deep", "mask/more", "k", "../x", "é"))
    if name not in file:
        file[name] = rng.choice((np.zeros(4, "i2"), np.zeros(3, "i2"), 5, "text", np.zeros((4, 4))))
    if rng.random() < 0.3:
        group = file
        for _ in range(300):
            group = group.create_group("g")


def _chunked(file: h5py.File, rng: random.Random) -> None:
    name = rng.choice(_names(file))
    data = file[name][()]
    if data.ndim and data.size:
        ways: tuple[dict[str, Any], ...] = (
            {"chunks": True}, {"compression": "gzip"}, {"compression": "lzf"},
            {"fletcher32": True, "chunks": True}, {"scaleoffset": 3} if data.dtype.kind in "iu"
            else {"shuffle": True, "chunks": True}, {"maxshape": (None, *data.shape[1:])},
        )  # fmt: skip
        _replace(file, name, data, **rng.choice(ways))


_EDITS: tuple[_Edit, ...] = (
    *(_other_values, _other_values, _other_values, _other_shape, _other_type, _bomb, _link),
    *(_outside, _attribute, _attribute, _attributes, _gone, _more, _chunked),
)


def _forge_shard(name: str, data: bytes, rng: random.Random) -> bytes:
    """Return a shard edited through the HDF5 library, so that the library takes it."""
    with tempfile.NamedTemporaryFile(suffix=".h5") as place:
        Path(place.name).write_bytes(data)
        with h5py.File(place.name, "r+", locking=False) as file:
            for _ in range(rng.choice((1, 1, 2))):
                try:
                    rng.choice(_EDITS)(file, rng)
                except (ValueError, TypeError, OSError, RuntimeError, LookupError, MemoryError):
                    continue
        made = Path(place.name).read_bytes()
    return mutate_bytes(made, rng) if rng.random() < 0.1 else made


def _damage_part(name: str, data: bytes, rng: random.Random) -> bytes:
    if name.endswith(".h5") and rng.random() < 0.5:
        return _forge_shard(name, data, rng)
    if name.endswith(".json") and rng.random() < 0.8:
        return dump_json(mutate_json(json.loads(data), rng))
    if name.endswith((".lst", ".idx", ".csv", "property")):
        return mutate_text(data, rng)
    return mutate_bytes(data, rng)


def _make_recipe(root: Path) -> None:
    make_set(root / "set")
    shutil.rmtree(root / "set")
    write_recipe(
        BuildConfig(dataset="folder", root=str(root / "faces"), out=str(root / "again"), scale=2.0,
                    jobs=1, shard_size=2, occluders=str(root / "occluders"))
    )  # fmt: skip


def _read_recipe(root: Path, changed: bool) -> None:
    path = next(root.glob("*.recipe"))
    recipe = Recipe(path)
    for block in recipe.blocks():
        assert len(block.keys) < 10_000_000
    source = ListedSource(open_source("folder", str(root / "faces")), path)
    touch_source(source)
    build_from_recipe(
        path, str(root / "faces"), str(root / "built"), 1, occluders=str(root / "occluders")
    )


def _forge_recipe(name: str, data: bytes, rng: random.Random) -> bytes:
    """Return a recipe with other content whose checksum fits, or one with changed bytes."""
    if rng.random() < 0.3:
        return mutate_bytes(data, rng)
    first, line, body = data.split(b"\n", 2)
    header = json.loads(line)
    blocks, at = [], 0
    for size, raw in header["blocks"]:
        blocks.append((body[at : at + size], raw))
        at += size
    if rng.random() < 0.5:
        place = rng.randrange(len(blocks))
        plain = mutate_bytes(zlib.decompress(blocks[place][0]), rng)
        if rng.random() < 0.1:
            plain += bytes(rng.choice((10**6, 200_000_000)))
        blocks[place] = zlib.compress(plain), rng.choice((len(plain), len(plain), 2**40, 0))
        return recipe_bytes(header, blocks)
    record = dump_json(mutate_json(header, rng)).replace(b"\n", b" ")
    rest = record + b"\n" + body
    return (
        b" ".join(first.split()[:3]) + b" %s\n" % hashlib.sha256(rest).hexdigest().encode() + rest
    )


def _crafted_texts(valid: Files) -> Iterator[Files]:
    record = json.loads(valid["set/manifest.json"])
    for text in HOSTILE_TEXT:
        for entry in (
            {"name": text},
            {"digest": text},
            {"config": record["config"] | {"format": text}},
        ):
            try:
                yield valid | {"set/manifest.json": manifest_bytes(record | entry)}
            except ValueError:
                continue
    yield from _craft_manifests(valid)


READERS = [
    Reader("HDF5 shard, damaged", _make("hdf5"), _reading("hdf5", False), ("set/*.h5",)),
    Reader("HDF5 shard, forged", _make("hdf5"), _reading("hdf5", True), ("set/*.h5",),
           _forge_shard, _sealed),
    Reader("manifest, forged", _make("hdf5"), _reading("hdf5", True), ("set/manifest.json",),
           _damage_manifest, crafted=_crafted_texts),
    *(
        Reader(f"set of format {form}", _make(form), _reading(form, False), ("set/**/*",))
        for form in ("folder", "webdataset", "rec", "parquet")
    ),
    *(
        Reader(f"set of format {form}, forged", _make(form), _reading(form, True), ("set/**/*",),
               _damage_part, _sealed)
        for form in ("folder", "webdataset", "rec", "parquet")
    ),
    Reader("recipe", _make_recipe, _read_recipe, ("*.recipe",), _forge_recipe),
]  # fmt: skip
