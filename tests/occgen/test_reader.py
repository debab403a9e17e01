"""open_shards(): a sequence of samples, the same in every process, that holds nothing open."""

import copy
import multiprocessing
import os
import pickle
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from occgen import BuildConfig, InputError, PatternGrid, ShardError, build, open_shards
from occgen.codec import decode_image
from occgen.manifest import manifest_bytes, read_manifest
from occgen.masks import unpack_mask
from occgen.reader import Sample, Shards


def config_of(root: Path, **changes: Any) -> BuildConfig:
    """Return the build of all tests here: 18 faces in two variants, seven shards."""
    settings: dict[str, Any] = {
        "dataset": "folder",
        "root": str(root / "faces"),
        "out": str(root / "set"),
        "scale": "1.0:0.5:3.0",
        "categories": ("cup", "phone"),
        "clean_fraction": 0.3,
        "variants": 2,
        "shard_size": 7,
        "jobs": 1,
    }
    return BuildConfig(**(settings | changes))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, face_bytes: dict[str, bytes]) -> Path:
    """Finished set, with landmarks of some pictures."""
    root = tmp_path_factory.mktemp("reader")
    for key, data in face_bytes.items():
        path = root / "faces" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (root / "faces" / "a.jpg").write_bytes(next(iter(face_bytes.values())))
    names = ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")
    header = ",".join(["image", *(f"{name}_{axis}" for name in names for axis in "xy")])
    row = ",".join(["person1/0.jpg", *map(str, range(10))])
    (root / "faces" / "landmarks.csv").write_text(f"{header}\n{row}\n")
    return build(config_of(root)).out


@pytest.fixture
def shards(made: Path) -> Shards:
    """The set, opened."""
    return open_shards(made)


def plain(made: Path) -> Iterator[dict[str, Any]]:
    """Yield what plain h5py reads of each face, in order."""
    for path in sorted(made.glob("shard-*.h5")):
        with h5py.File(path) as file:
            names = {v: k for k, v in h5py.check_enum_dtype(file["category"].dtype).items()}
            for row in range(len(file["key"])):
                images, masks = file["image/offset"][row : row + 2], file["mask/offset"]
                start, end = masks[row], masks[row + 1]
                yield {
                    "data": file["image/data"][images[0] : images[1]].tobytes(),
                    "mask": unpack_mask(file["mask/data"][start:end].tobytes(), 112, 112),
                    "box": tuple(file["box"][row].tolist()),
                    "identity": int(file["identity"][row]),
                    "identity_name": file["identity_name"][row].decode(),
                    "key": file["key"][row].decode(),
                    "category": names[file["category"][row]],
                    "occluder": file["occluder"][row].decode(),
                    "scale": float(file["scale"][row]),
                    "coverage": float(file["coverage"][row]),
                    "mask_coverage": float(file["mask_coverage"][row]),
                    "pattern": int(file["pattern/k5"][row]),
                    "pattern_mask": int(file["pattern/k5_mask"][row]),
                }


def test_samples_are_what_plain_h5py_reads(made: Path, shards: Shards) -> None:
    records = list(plain(made))
    assert len(shards) == len(records) == 38
    for index, record in enumerate(records):
        sample = shards[index]
        for name in ("data", "box", "identity", "identity_name", "key", "category", "occluder"):
            assert getattr(sample, name) == record[name], (index, name)
        for name in ("scale", "coverage", "mask_coverage"):
            assert np.array_equal(getattr(sample, name), record[name], equal_nan=True)
        assert np.array_equal(sample.mask, record["mask"])
        assert sample.mask.dtype == np.bool_
        assert np.array_equal(sample.image, decode_image(record["data"]))
        assert (sample.pattern(), sample.pattern(5)) == (record["pattern"],) * 2
        assert sample.pattern(5, "mask") == record["pattern_mask"]
        assert isinstance(sample.pattern(), int)
    assert records[0]["identity"] == -1
    assert records[0]["identity_name"] == ""
    assert {record["category"] for record in records} == {"clean", "cup", "phone"}


def test_it_is_a_sequence(shards: Shards) -> None:
    keys = [sample.key for sample in shards]
    assert [shards[index].key for index in range(38)] == keys
    assert [shards[index - 38].key for index in range(38)] == keys
    assert shards[np.int64(9)].key == keys[9]  # type: ignore[call-overload]
    for cut in (slice(3, 9), slice(None, None, 5), slice(30, 99), slice(8, 2, -1), slice(5, 5)):
        assert [sample.key for sample in shards[cut]] == keys[cut]
    for index in (38, -39, 10**9):
        with pytest.raises(IndexError, match=f"^sample {index} of 38$"):
            shards[index]
    with pytest.raises(TypeError):
        shards["a"]  # type: ignore[call-overload]
    assert [sample.key for sample in reversed(shards)] == keys[::-1]
    assert (shards.height, shards.width) == (112, 112)
    assert "38 images" in repr(shards)
    assert repr(shards[0]).startswith("Sample('a.jpg', ")


def test_two_iterations_at_once_do_not_disturb_each_other(shards: Shards) -> None:
    first = [(a.key, b.key) for a, b in zip(shards, shards, strict=True)]
    assert first == [(sample.key, sample.key) for sample in shards]


def test_a_pass_over_it_holds_no_shard(made: Path) -> None:
    shards = open_shards(made)
    first = shards[0]
    keys = [sample.key for sample in shards]
    assert [shard is None for shard in shards._open] == [False, *[True] * (len(shards._open) - 1)]
    shards.forget(0)
    assert first.image.any()
    assert shards[0].key == first.key == keys[0]


def test_columns_of_the_whole_set(shards: Shards) -> None:
    assert shards.column("box").tolist() == [list(sample.box) for sample in shards]
    assert shards.column("identity").tolist() == [sample.identity for sample in shards]
    assert shards.patterns().tolist() == [sample.pattern() for sample in shards]
    assert shards.patterns().dtype == np.int64
    for name in ("image/data", "image/offset", "mask/data", "nothing"):
        with pytest.raises(InputError, match=f"has no column '{name}'"):
            shards.column(name)


def test_what_has_other_rows_than_faces_is_no_column(made: Path, tmp_path: Path) -> None:
    several = config_of(made.parent, out=str(tmp_path / "set"), occluders_per_face="1:3")
    for path in (made, build(several).out):
        shards = open_shards(path)
        for name in ("paste/box", "paste/occluder", "paste/offset", "skipped/key"):
            with pytest.raises(InputError, match=f"has no column '{name}' with one row a face; it"):
                shards.column(name)
        assert len(shards.column("occluder")) == len(shards)


def test_a_column_of_another_length_is_told(made: Path, tmp_path: Path) -> None:
    path = shutil.copytree(made, tmp_path / "set")
    with h5py.File(path / "shard-00001.h5", "r+") as file:
        rows = file["coverage"][:-1]
        del file["coverage"]
        file["coverage"] = rows
    with pytest.raises(ShardError, match=r"shard-00001.h5: coverage has \d+ rows for \d+ faces"):
        open_shards(path).column("coverage")


@pytest.mark.parametrize("k", [3, 6])
def test_labels_of_any_k_are_computed(shards: Shards, k: int) -> None:
    grid = PatternGrid(k, 112, 112)
    boxes = np.array([sample.box for sample in shards])
    masks = np.stack([sample.mask for sample in shards])
    assert shards.patterns(k).tolist() == grid.label_boxes(boxes).tolist()
    assert shards.patterns(k, "mask").tolist() == grid.label_masks(masks).tolist()
    assert [s.pattern(k) for s in shards[5:9]] == grid.label_boxes(boxes[5:9]).tolist()
    with pytest.raises(InputError, match="by must be box or mask, got 'both'"):
        shards.patterns(k, "both")
    with pytest.raises(InputError, match="k must be"):
        shards[0].pattern(-1)


@pytest.mark.parametrize("k", [0, -1, 2.5, False, "5"])
def test_what_is_no_number_of_cells_is_refused(shards: Shards, k: Any) -> None:
    for ask in (shards[0].pattern, shards.patterns):
        with pytest.raises(InputError, match=f"^k must be a whole number >= 1, got {k!r}$"):
            ask(k)
        with pytest.raises(InputError, match=r"^by must be box or mask, got ''$"):
            ask(5, "")
    assert shards[0].pattern(5) == shards[0].pattern(None) == shards[0].pattern(np.int64(5))  # type: ignore[arg-type]


def test_the_builds_own_choice_is_the_default(made: Path, tmp_path: Path) -> None:
    report = build(config_of(made.parent, out=str(tmp_path / "x"), by="mask", k=4, limit=9))
    shards = open_shards(report.out)
    assert [s.pattern() for s in shards] == [s.pattern(4, "mask") for s in shards]
    assert shards.patterns().tolist() != shards.patterns(by="box").tolist()


def test_landmarks_where_known(shards: Shards) -> None:
    found = {sample.key: sample.landmarks for sample in shards}
    points = found["person1/0.jpg"]
    assert points is not None
    assert points.tolist() == [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9]]
    assert found["person1/0.jpg#1"] is not None
    assert [key for key, value in found.items() if value is not None] == [
        *("person1/0.jpg", "person1/0.jpg#1")
    ]


@pytest.mark.parametrize("blend", [{"blend": "opaque"}, {"compat": "published"}])
def test_a_mask_that_is_not_stored_is_its_box(
    made: Path, tmp_path: Path, blend: dict[str, Any]
) -> None:
    shards = open_shards(build(config_of(made.parent, out=str(tmp_path / "x"), **blend)).out)
    for sample in shards:
        mask = sample.mask
        assert mask.mean() == pytest.approx(sample.mask_coverage, abs=1e-6)
        x0, y0, x1, y1 = sample.box
        assert mask[y0:y1, x0:x1].all()
        if "blend" in blend:
            assert mask.sum() == (x1 - x0) * (y1 - y0)


def test_what_is_handed_out_is_ones_own(shards: Shards) -> None:
    for _ in range(2):
        sample = shards[4]
        assert sample.image[0, 0].max() != 7
        sample.image[:] = 7
        sample.mask[:] = True
        landmarks = shards[2].landmarks
        if landmarks is not None:
            landmarks[:] = 0
    assert not shards[0].mask.all()


def open_files() -> list[str]:
    """Return the files this process has open."""
    folder = Path("/proc/self/fd")
    if not folder.is_dir():
        pytest.skip("this system does not list open files")
    found = []
    for entry in folder.iterdir():
        try:
            found.append(os.readlink(entry))
        except OSError:
            continue
    return found


def test_nothing_is_open_between_reads(made: Path) -> None:
    shards = open_shards(made)
    assert shards._open == [None] * 7  # nothing is read before it is asked for
    for sample in shards:
        _ = sample.image, sample.mask
    left = [name for name in open_files() if str(made) in name]
    assert len([name for name in left if name.endswith(".h5")]) <= 7  # the map's own, no HDF5
    with h5py.File(made / "shard-00000.h5", "r+"):  # nobody holds a lock
        pass


@pytest.mark.parametrize("locking", [None, True, False, "best-effort"])
@pytest.mark.parametrize("mode", ["r", "r+"])
def test_a_shard_open_elsewhere_in_this_process_is_read(
    made: Path, mode: str, locking: Any
) -> None:
    with h5py.File(made / "shard-00000.h5", mode, locking=locking) as file:
        boxes = file["box"]
        shards = open_shards(made)
        assert shards[0].box == tuple(boxes[0].tolist())
        assert shards.column("coverage").shape == (38,)
        assert file.id.valid
        assert boxes.shape == (6, 4)  # what stood open before stands open still
    with h5py.File(made / "shard-00000.h5", "r+"):
        assert open_shards(made)[0].key == shards[0].key


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_a_copy_opens_its_own_files(shards: Shards, protocol: int) -> None:
    _ = shards[0].image
    data = pickle.dumps(shards, protocol)
    assert len(data) < 1000
    other = pickle.loads(data)
    assert other._open == [None] * 7
    assert [sample.key for sample in other] == [sample.key for sample in shards]
    assert np.array_equal(copy.deepcopy(shards)[37].image, shards[37].image)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_copied_sample_is_read_where_it_comes(shards: Shards, protocol: int) -> None:
    samples = [*shards[5:9], shards[-1], *list(shards)[20:22]]
    data = pickle.dumps(samples, protocol)
    assert len(data) < 1500
    others = pickle.loads(data)
    assert [other.key for other in others] == [sample.key for sample in samples]
    for other, sample in zip(others, samples, strict=True):
        assert other.data == sample.data
        assert np.array_equal(other.mask, sample.mask)
    assert len({id(other._set) for other in others}) == 1
    assert copy.copy(samples[0]).key == copy.deepcopy(samples[0]).key == samples[0].key


PROCESSES = """
import multiprocessing, sys
import occgen

def read(shards, order, sender):
    found = [(shards[i].key, int(shards[i].image.sum()), shards[i].pattern(6)) for i in order]
    sender.send(found)

if __name__ == "__main__":
    shards = occgen.open_shards(sys.argv[1])
    order = list(range(len(shards)))[::-1]
    receiver, sender = multiprocessing.Pipe(duplex=False)
    read(shards, order, sender)  # all is open and mapped before the others start
    expected = receiver.recv()
    context = multiprocessing.get_context(sys.argv[2])
    processes = [context.Process(target=read, args=(shards, order, sender)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        assert receiver.poll(30)
        assert receiver.recv() == expected
    for process in processes:
        process.join(30)
        assert process.exitcode == 0
    read(shards, order, sender)
    assert receiver.recv() == expected
    print("read", len(order))
"""


@pytest.mark.slow
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_other_processes_read_the_same(made: Path, tmp_path: Path, method: str) -> None:
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no {method} on this system")
    assert run_program(PROCESSES, tmp_path, str(made), method) == "read 38\n"


def run_program(code: str, folder: Path, *arguments: str) -> str:
    """Run a program from a file, as starting processes anew asks for; return what it prints."""
    program = folder / "program.py"
    program.write_text(code)
    command = [sys.executable, str(program), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def summary(shards: Shards) -> list[tuple[str, int, int]]:
    """Return what tells samples apart."""
    return [(s.key, int(s.image.sum()), int(s.mask.sum())) for s in shards[:]]


def test_threads_read_the_same(shards: Shards) -> None:
    expected = summary(open_shards(shards.path))
    found: dict[int, list[tuple[str, int, int]]] = {}

    def read(number: int) -> None:
        found[number] = summary(shards)

    threads = [threading.Thread(target=read, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(found.values()) == [expected] * 6


def test_damage_is_named_when_it_is_met(made: Path, tmp_path: Path) -> None:
    out = shutil.copytree(made, tmp_path / "set")
    path = out / "shard-00001.h5"
    whole = path.read_bytes()
    with h5py.File(path, "r+") as file:
        file["image/data"][:40] = 0
        file["mask/data"][:] = 0
    shards = open_shards(out)
    assert shards[0].image.shape == (112, 112, 3)
    with pytest.raises(ShardError, match=r"shard-00001\.h5: image of row 0: not a picture"):
        _ = shards[6].image
    occluded = next(s for s in shards[6:12] if s.category != "clean")
    with pytest.raises(ShardError, match=r"shard-00001\.h5: mask of row \d: damaged mask"):
        _ = occluded.mask
    for damage, message in [
        (whole[:-1000], "damaged|fill|outside"),
        (b"", "damaged"),
        (None, "is missing"),
        ((out / "shard-00006.h5").read_bytes(), "does not hold as many faces"),
    ]:
        path.unlink(missing_ok=True)
        if damage is not None:
            path.write_bytes(damage)
        shards = open_shards(out)
        assert shards[0].key == "a.jpg"
        with pytest.raises(ShardError, match=rf"shard-00001\.h5.*({message})"):
            _ = shards[8]


def test_offsets_that_do_not_fit_are_refused(made: Path, tmp_path: Path) -> None:
    out = shutil.copytree(made, tmp_path / "set")
    path = out / "shard-00000.h5"
    whole = path.read_bytes()
    for place, value in ((1, 2**63), (-1, 7), (0, 1), (2, 0)):
        path.write_bytes(whole)
        with h5py.File(path, "r+") as file:
            file["image/offset"][place] = value
        with pytest.raises(ShardError, match=r"shard-00000\.h5: offsets"):
            _ = open_shards(out)[0]


def test_what_is_no_set_is_told(made: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere does not exist"):
        open_shards(tmp_path / "nowhere")
    with pytest.raises(InputError, match="it is no build of occgen"):
        open_shards(tmp_path)
    out = shutil.copytree(made, tmp_path / "set")
    (out / "manifest.json").write_bytes(b"{}")
    with pytest.raises(ShardError, match="manifest"):
        open_shards(out)
    manifest = read_manifest(made)
    (out / "manifest.json").write_bytes(manifest_bytes(manifest | {"images": 0}))
    assert len(open_shards(out)) == 38  # the shards' own counts are what is read
    report = build(config_of(made.parent, out=str(tmp_path / "folder"), format="folder"))
    with pytest.raises(ShardError, match=r"--dataset shards --root .*folder"):
        open_shards(report.out)


LOADER = """
import sys
from torch.utils.data import DataLoader, Dataset
import occgen

class Faces(Dataset):
    def __init__(self, path):
        self.shards = occgen.open_shards(path)
        self.shards[0].image  # opened before the workers start

    def __len__(self):
        return len(self.shards)

    def __getitem__(self, index):
        sample = self.shards[index]
        return sample.image.copy(), sample.mask, sample.identity, sample.pattern(5)

if __name__ == "__main__":
    faces = Faces(sys.argv[1])
    loader = DataLoader(faces, batch_size=7, num_workers=2, multiprocessing_context=sys.argv[2])
    total = 0
    for images, masks, identities, patterns in loader:
        for row in range(len(images)):
            sample = faces.shards[total]
            assert (images[row].numpy() == sample.image).all()
            assert (masks[row].numpy() == sample.mask).all()
            assert int(identities[row]) == sample.identity
            assert int(patterns[row]) == sample.pattern(5)
            total += 1
    assert total == len(faces)
    print("read", total)
"""


@pytest.mark.slow
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_a_data_loader_reads_with_two_workers(made: Path, tmp_path: Path, method: str) -> None:
    pytest.importorskip("torch")
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no {method} on this system")
    assert run_program(LOADER, tmp_path, str(made), method) == "read 38\n"


SAMPLE_LOADER = """
import sys
import occgen
from torch.utils.data import DataLoader

def as_they_are(samples):
    return samples

if __name__ == "__main__":
    shards = occgen.open_shards(sys.argv[1])
    loader = DataLoader(shards, batch_size=7, num_workers=1, collate_fn=as_they_are, timeout=60)
    found = [(sample.key, sample.data) for batch in loader for sample in batch]
    assert found == [(sample.key, sample.data) for sample in shards]
    print("read", len(found))
"""


@pytest.mark.slow
def test_a_data_loader_passes_samples_on(made: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    assert run_program(SAMPLE_LOADER, tmp_path, str(made)) == "read 38\n"


def test_a_sample_is_small(shards: Shards) -> None:
    assert not hasattr(shards[0], "__dict__")
    assert isinstance(shards[0], Sample)
