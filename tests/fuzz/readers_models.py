"""Networks, states of training, features, embeddings, lists of pairs: what the programs load."""

import contextlib
import io
import json
import os
import pickle
import random
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from mutations import HOSTILE_TEXT, dump_json, mutate_bytes, mutate_json, mutate_text
from samples import make_tree
from trial import Files, Reader, call_all

import frommodel
from frommodel.checkpoint import read_metadata
from frommodel.config import ModelConfig, TrainConfig
from frommodel.embedding_file import read_embeddings
from frommodel.feature_bin import read_feature, write_feature
from frommodel.megaface import read_features, read_noises, read_picture_list
from frommodel.mtcnn import MtcnnDetector
from frommodel.onnx_model import OnnxModel
from frommodel.pairs import name_resolver, read_pairs
from frommodel.runs import RunLog, read_state, write_state
from occgen.errors import OccgenError

SMALL = {"backbone": "ir10_small", "k": 3, "embedding_size": 8, "height": 32, "width": 32}


def _small() -> Any:
    torch.manual_seed(0)
    return frommodel.FROM(**SMALL)


def _run(model: Any) -> None:
    with torch.no_grad():
        model(torch.zeros(1, 3, model.config.height, model.config.width))


def _make_safetensors(root: Path) -> None:
    frommodel.save(_small(), root / "model.safetensors")


def _read_model(root: Path, changed: bool) -> None:
    for path in sorted(root.glob("*.*")):
        if path.suffix == ".safetensors":
            with contextlib.suppress(OccgenError):
                read_metadata(path)
        model = frommodel.load(path)
        assert max(model.config.height, model.config.width) <= 4096
        if not changed or model.config.height * model.config.width <= 128 * 128:
            _run(model)


def _damage_safetensors(name: str, data: bytes, rng: random.Random) -> bytes:
    (length,) = struct.unpack("<Q", data[:8])
    try:
        header, body = json.loads(data[8 : 8 + length]), data[8 + length :]
        config = json.loads(header["__metadata__"]["config"])
    except (ValueError, LookupError, TypeError, RecursionError):  # damaged once already
        return mutate_bytes(data, rng)
    if rng.random() < 0.4:
        return mutate_bytes(data, rng)
    if rng.random() < 0.5:
        header["__metadata__"]["config"] = dump_json(mutate_json(config, rng)).decode(
            "utf-8", "surrogatepass"
        )
    else:
        header = mutate_json(header, rng)
    text = dump_json(header)
    return struct.pack("<Q", rng.choice((len(text), len(text), 2**63, 0, 10**8))) + text + body


def _make_checkpoint(root: Path) -> None:
    state = {f"module.{n}": t for n, t in list(_small().state_dict().items())[:40]}
    content = {"epoch": 3, "best": np.float64(0.5), "state_dict": state}
    torch.save(content, root / "zip.pth.tar")
    torch.save(content, root / "old.pth.tar", _use_new_zipfile_serialization=False)


def _read_checkpoint(root: Path, changed: bool) -> None:
    from frommodel.foreign import read_pickled_state

    errors = []
    for path in sorted(root.glob("*.*")):
        try:
            state = read_pickled_state(path)
            for tensor in state.values():
                tensor.double().sum()
            frommodel.load(path)
        except OccgenError as error:
            errors.append(error)
    if errors and changed:
        raise errors[0]


class _Runs:
    """Runs a command where a pickle is loaded without care."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch ../escape_code",)


def _zipped(members: dict[str, bytes], way: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", way) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def _saved(content: Any, **options: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer, **options)
    return buffer.getvalue()


def _members(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _craft_checkpoint(valid: Files) -> Iterator[Files]:
    for options in ({}, {"_use_new_zipfile_serialization": False}):
        yield {"code.pth": _saved({"state_dict": {"a": _Runs()}}, **options)}
    yield {"code.pth": pickle.dumps(_Runs())}
    one = torch.zeros(1)
    for shape in ((10**6, 10**6), (2**31, 2**31), (10**5, 10**4)):
        wide = {
            "fc.weight": one.expand(shape),
            "features.weight": one,
            "bn2.weight": one.expand(10**11),
        }
        for stage in range(1, 5):
            wide[f"layer{stage}.1.x"] = one
        yield {"wide.pth": _saved(wide)}  # one number, written out a hundred thousand million times
    plain = _saved({"features.weight": torch.zeros(1000)})
    members = _members(plain)
    name = next(name for name in members if name.endswith("data.pkl"))
    for count in (10**3 + 1, 10**6, 2**31 - 1):
        lying = members[name].replace(b"M\xe8\x03", b"J" + struct.pack("<i", count))
        yield {"lying.pth": _zipped(members | {name: lying})}
    storage = next(name for name in members if "/data/" in name)
    yield {"short.pth": _zipped(members | {storage: b""})}
    yield {"short.pth": _zipped(members | {storage: b"abc"})}
    yield {
        "bomb.pth": _zipped(members | {storage: bytes(3_000_000_000 // 10)}, zipfile.ZIP_DEFLATED)
    }
    yield {"packed.pth": _zipped(members, zipfile.ZIP_DEFLATED)}
    yield {"names.pth": _zipped({"../../escape": b"x", "/escape": b"x", **members})}
    doubled = b"\x80\x02]q\x00" + b"".join(
        b"(h" + bytes([n]) + b"h" + bytes([n]) + b"tq" + bytes([n + 1]) for n in range(60)
    )
    yield {"laughs.pth": _zipped(members | {name: doubled + b"."})}
    yield {
        "laughs.pth": _zipped(
            members | {name: b"\x80\x02}q\xffX\x01\x00\x00\x00a" + doubled[2:] + b"s."}
        )
    }
    yield {"deep.pth": _zipped(members | {name: b"\x80\x02" + b"]" + b"\x85" * 300_000 + b"."})}


def _make_state(root: Path) -> None:
    state = {
        "step": 3,
        "best": None,
        "scores": None,
        "skipped": {},
        "config": "{}",
        "t": torch.ones(9),
    }
    write_state(root / "state.pt", state)
    (root / "log.csv").write_text("step,loss\n1,0.5\n2,0.25\n")


def _read_state(root: Path, changed: bool) -> None:
    errors = []
    try:
        state = read_state(root / "state.pt")
        assert isinstance(state, dict)
    except OccgenError as error:
        errors.append(error)
    try:
        RunLog(root, ("step", "loss"), 2, False).close()
    except OccgenError as error:
        errors.append(error)
    if errors:
        raise errors[0]


def _damage_state(name: str, data: bytes, rng: random.Random) -> bytes:
    return (mutate_text if name.endswith(".csv") else mutate_bytes)(data, rng)


def _make_mtcnn(root: Path) -> None:
    from frommodel.mtcnn import _stages

    for name, net in _stages().items():
        torch.save(net.state_dict(), root / f"{name}.pt")


def _read_mtcnn(root: Path, changed: bool) -> None:
    MtcnnDetector(root)


def _make_onnx(root: Path) -> None:
    from frommodel.export import export_model

    export_model(_small(), root / "model.onnx", embedding_only=True)


def _read_onnx(root: Path, changed: bool) -> None:
    model = OnnxModel(root / "model.onnx", threads=1)
    if model.height * model.width <= 128 * 128:
        for output in model.run(np.zeros((1, 3, model.height, model.width), np.float32)):
            assert output.nbytes < 1 << 28


def _craft_onnx(valid: Files) -> Iterator[Files]:
    import onnx
    from onnx import TensorProto, helper

    def network(*nodes: Any, initialisers: Any = (), shape: Any = (1, 8)) -> onnx.ModelProto:
        image = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 32, 32])
        out = helper.make_tensor_value_info("y", TensorProto.FLOAT, list(shape))
        graph = helper.make_graph(list(nodes), "g", [image], [out], initializer=list(initialisers))
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
        model.ir_version = 9
        return model

    def tensor(name: str, where: str, shape: Any = (8,), **keys: str) -> Any:
        made = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=list(shape))
        made.data_location = TensorProto.EXTERNAL
        for key, value in {"location": where, **keys}.items():
            made.external_data.add(key=key, value=value)
        return made

    for where in ("../canary", "../../canary", "/etc/hostname", "missing", "", "model.onnx"):
        yield {
            "model.onnx": network(
                helper.make_node("Identity", ["w"], ["y"]),
                initialisers=[tensor("w", where, (1, 2))],
                shape=(1, 2),
            ).SerializeToString()
        }
    yield {
        "model.onnx": network(
            helper.make_node("Identity", ["w"], ["y"]),
            shape=(1, 2),
            initialisers=[
                tensor("w", "model.onnx", (1, 10**12), offset="99999999999", length="4000000000000")
            ],
        ).SerializeToString()
    }
    for dims in ([10**6, 10**6], [2**62, 4], [-1, 8], []):
        lying = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=dims, raw_data=b"1234")
        yield {
            "model.onnx": network(
                helper.make_node("Identity", ["w"], ["y"]), initialisers=[lying], shape=dims
            ).SerializeToString()
        }
    for size in (10**7, 10**10, 10**15):
        fill = helper.make_tensor("s", TensorProto.INT64, [2], [1, size])
        yield {
            "model.onnx": network(
                helper.make_node("ConstantOfShape", ["s"], ["y"]),
                initialisers=[fill],
                shape=(1, size),
            ).SerializeToString()
        }
    yield {"model.onnx": network(helper.make_node("NoSuchOp", ["x"], ["y"])).SerializeToString()}
    yield {
        "model.onnx": network(
            helper.make_node("Op", ["x"], ["y"], domain="evil")
        ).SerializeToString()
    }
    for entry in (b"", b"\x08", b"\x0a\xff\xff\xff\xff\x0f", b"\x3a" * 100_000):
        yield {"model.onnx": entry}
    model = onnx.load_from_string(valid["model.onnx"])
    for value in ("{", "[" * 50_000, '{"k": 1e999}', '{"backbone": "x"}', "\0", "null"):
        model.metadata_props[0].value = value
        yield {"model.onnx": model.SerializeToString()}


def _make_features(root: Path) -> None:
    make_tree(root / "faces")
    for number in range(2):
        write_feature(root / f"features/a/{number}.jpg_x.bin", np.ones(8, np.float32)) if (
            root / "features/a"
        ).mkdir(parents=True, exist_ok=True) is None else None
    np.save(root / "one.npy", np.ones(8, np.float32))
    np.save(root / "rows.npy", np.ones((4, 8), np.float32))
    (root / "rows.npy.csv").write_text(
        "row,key,identity\n" + "".join(f"{n},p/{n}.jpg,p\n" for n in range(4))
    )
    with h5py.File(root / "rows.h5", "w") as file:
        file["embedding"] = np.ones((4, 8), np.float32)
        for name in ("key", "identity_name"):
            file.create_dataset(name, data=["a", "b", "c", "d"], dtype=h5py.string_dtype())
    (root / "list.json").write_text('{"path": ["a/1.jpg", "b/2.jpg"]}')
    (root / "list.txt").write_text("a/1.jpg\nb/2.jpg\n")
    (root / "noises.txt").write_text("# comment\n1\ta/1.jpg\n")


def _rows(path: Path) -> None:
    rows, keys, people = read_embeddings(path)
    assert (rows.ndim, rows.dtype.kind) == (2, "f"), rows.dtype
    assert len(rows) == len(keys) == len(people)
    assert all(isinstance(text, str) for text in (*keys, *people))
    np.asarray(rows[:10], np.float32).sum()


def _read_features(root: Path, changed: bool) -> None:
    call_all(
        lambda: read_feature(root / "one.npy").sum(),
        lambda: read_features(root / "features"),
        lambda: _rows(root / "rows.npy"),
        lambda: _rows(root / "rows.h5"),
        lambda: read_picture_list(root / "list.json"),
        lambda: read_picture_list(root / "list.txt"),
        lambda: read_noises(root / "noises.txt"),
    )


def _npy(header: str, data: bytes = b"") -> bytes:
    text = header.encode("latin-1") + b" " * (-(10 + len(header) + 1) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + data


def _craft_features(valid: Files) -> Iterator[Files]:
    headers = [
        f"{{'descr': {kind!r}, 'fortran_order': {order}, 'shape': {shape}, }}"
        for kind, order, shape in (
            *[
                ("<f4", False, s)
                for s in (
                    "(1000000000000,)",
                    "(-1,)",
                    "(2**9,)",
                    "(4, -8)",
                    "(4,)",
                    "(4, 8, 1)",
                    "()",
                    "(0, 8)",
                    "(4294967296, 4294967296)",
                )
            ],
            ("<f4", True, "(4, 8)"),
            ("|O", False, "(4, 8)"),
            ("<c8", False, "(4, 4)"),
            ("|S4", False, "(4, 8)"),
            ("<i4", False, "(4, 8)"),
            ("|V4", False, "(4, 8)"),
            ([("a", "<f4")], False, "(4, 8)"),
            ("<M8[s]", False, "(4, 4)"),
            ("<f2", False, "(4, 8)"),
            ("|S0", False, "(4, 8)"),
            ("|S999999999", False, "(4, 8)"),
        )
    ]
    headers += ["__import__('os').system('touch ../escape_code')", "[" * 9000, "{}", "(" * 60_000]
    bodies = [_npy(header, bytes(128)) for header in headers]
    buffer = io.BytesIO()
    np.savez(buffer, a=np.ones(3))
    bodies += [buffer.getvalue(), b"\x93NUMPY", b"\x93NUMPY\x09\x00", pickle.dumps(_Runs())]
    buffer = io.BytesIO()
    np.save(buffer, np.array([_Runs()], object), allow_pickle=True)
    bodies.append(buffer.getvalue())
    for body in bodies:
        for name in ("one.npy", "rows.npy"):
            yield valid | {name: body}
    for numbers in ((-2, -4, 4, 5), (2**31 - 1, 2, 4, 5), (8, 1, 4, 6), (0, 0, 0, 5), (1, 8, 0, 5)):
        yield valid | {"features/a/0.jpg_x.bin": struct.pack("<4i", *numbers) + bytes(32)}


def _damage_features(name: str, data: bytes, rng: random.Random) -> bytes:
    if name.endswith(".json") and rng.random() < 0.7:
        return dump_json(mutate_json(json.loads(data), rng))
    if name.endswith((".csv", ".txt", ".json")):
        return mutate_text(data, rng)
    if name.endswith(".h5") and rng.random() < 0.7:
        return _forged_rows(data, rng)
    return mutate_bytes(data, rng)


def _forged_rows(data: bytes, rng: random.Random) -> bytes:
    with h5py.File(io.BytesIO(data), "r") as old:
        columns = {name: old[name][()] for name in old}
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        bad = rng.choice(list(columns))
        for name, column in columns.items():
            if name != bad:
                file[name] = column
        way = rng.randrange(9)
        if way == 0:
            file.create_dataset(bad, (2**40, 8), "<f4", chunks=(1024, 8), compression="gzip")
        elif way == 1:
            inner = [h5py.SoftLink(place) for place in ("/x", f"/{bad}", "/")]
            outer = [h5py.ExternalLink(place, "x") for place in ("../../canary", "../pipe")]
            file[bad] = rng.choice(inner + outer)
        elif way == 2:
            layout = h5py.VirtualLayout((4, 8), "<f4")
            layout[...] = h5py.VirtualSource("../../canary", "x", (4, 8))
            file.create_virtual_dataset(bad, layout)
        elif way == 3:
            file.create_dataset(bad, (4, 8), "<f4", external=[("../../canary", 0, 128)])
        elif way == 4:
            file[bad] = rng.choice(
                (
                    5,
                    "text",
                    np.zeros((4, 8, 2)),
                    np.zeros((0, 8)),
                    np.ones(4, "c8"),
                    np.array([b"\xff"] * 4),
                    h5py.Empty("f4"),
                )
            )
        elif way == 5:
            file.create_group(bad)
        elif way == 6:
            file.create_dataset(bad, (2**50,), h5py.string_dtype())
        elif way == 7:
            file.create_dataset(bad, (4,), h5py.ref_dtype)
        else:
            zeros = np.zeros((3_000_000 if name == "embedding" else 4, 8), "<f4")
            file.create_dataset(bad, data=zeros, chunks=True, compression="gzip")
    return buffer.getvalue()


def _make_pairs(root: Path) -> None:
    (root / "pairs.csv").write_text(
        "image_a,image_b,same,fold\na/1.jpg,a/2.jpg,1,0\na/1.jpg,b/1.jpg,0,1\n"
    )
    (root / "pairs.txt").write_text("2 1\nanna 1 2\nanna 1 bert 2\nbert 1 2\nbert 2 anna 1\n")
    (root / "paths.txt").write_text("a/1.jpg a/2.jpg 1\na/1.jpg b/2.jpg 0\n")


def _read_pairs(root: Path, changed: bool) -> None:
    calls = []
    for path in sorted(root.glob("*.*")):
        calls.append(lambda path=path: read_pairs(path, name_resolver(root)).people())
    call_all(*calls)


def _craft_pairs(valid: Files) -> Iterator[Files]:
    for text in HOSTILE_TEXT:
        cell = text.encode("utf-8", "surrogatepass")
        yield {
            "pairs.csv": b"image_a,image_b,same,fold\n" + cell + b",b," + cell + b"," + cell + b"\n"
        }
        yield {"pairs.txt": b"%s %s\nanna %s %s\n" % (cell, cell, cell, cell)}
        yield {"pairs.txt": b"%s 1 2\n%s 1 %s 2\n" % (cell, cell, cell)}
    yield {"pairs.txt": b"999999999999 999999999999\na 1 2\n"}
    yield {"pairs.txt": b"a 1 2\n" * 200_000}


def _make_configs(root: Path) -> None:
    for kind in (ModelConfig, TrainConfig):
        (root / f"{kind.__name__}.json").write_text(kind().to_json())


def _read_configs(root: Path, changed: bool) -> None:
    kinds = {kind.__name__: kind for kind in (ModelConfig, TrainConfig)}
    call_all(
        *(
            lambda path=path: kinds[path.stem].from_json(path.read_text("utf-8", "replace"))
            for path in sorted(root.glob("*.json"))
        )
    )


READERS = [
    Reader("safetensors", _make_safetensors, _read_model, damage=_damage_safetensors),
    Reader("torch checkpoint", _make_checkpoint, _read_checkpoint, crafted=_craft_checkpoint),
    Reader("state of a training", _make_state, _read_state, damage=_damage_state),
    Reader("detector's weights", _make_mtcnn, _read_mtcnn),
    Reader("ONNX", _make_onnx, _read_onnx, crafted=_craft_onnx),
    Reader(
        "features and embeddings",
        _make_features,
        _read_features,
        ("*.*", "features/a/*"),
        _damage_features,
        crafted=_craft_features,
    ),
    Reader(
        "lists of pairs",
        _make_pairs,
        _read_pairs,
        damage=lambda name, data, rng: mutate_text(data, rng),
        crafted=_craft_pairs,
    ),
    Reader(
        "model configuration",
        _make_configs,
        _read_configs,
        damage=lambda name, data, rng: dump_json(mutate_json(json.loads(data), rng)),
        is_named=False,
    ),
]
