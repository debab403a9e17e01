"""Commands that are killed, starved of disk and disturbed, and what must stand afterwards.

The short form runs with every other test. The long form takes minutes of processor time a command:

    pytest -m long tests/faults

`OCCGEN_FAULT_SEED` (default 9) draws other moments; `OCCGEN_FAULT_SECONDS` ends each test after so
long, with the trials it has had; `OCCGEN_FAULT_LOG` names a file that gets one line of JSON a test.
Each test prints its counts at the end of the run; `docs/reliability.md` has those of a long one.
"""

import csv
import hashlib
import io
import json
import os
import shutil
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from occgen import BuildConfig, build

from .trials import SEED, Case, Nursery

OCCGEN = "occgen_cli.main:main"
_COUNTS = pytest.StashKey[list[dict[str, Any]]]()


@pytest.fixture(scope="session")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    """Runs commands of `occgen`."""
    made = Nursery(tmp_path_factory.mktemp("nursery"), "occgen_cli.main", "occgen.engine")
    yield made
    made.close()


@pytest.fixture(scope="session")
def train_nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    """Runs commands that need torch."""
    pytest.importorskip("torch")
    made = Nursery(tmp_path_factory.mktemp("nursery"), "small_run", "occgen_cli.from_train")
    yield made
    made.close()


@pytest.fixture(scope="session")
def faces(
    tmp_path_factory: pytest.TempPathFactory,
    draw_picture: Callable[..., Any],
    encode_picture: Callable[..., bytes],
) -> Path:
    """Ten identities with four small pictures each."""
    root = tmp_path_factory.mktemp("faces")
    for number in range(40):
        path = root / f"p{number // 4:02d}" / f"{number % 4}.jpg"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(encode_picture(draw_picture(number, 56, 48)))
    return root


@pytest.fixture(scope="session")
def made(faces: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The set that is converted and labelled."""
    out = tmp_path_factory.mktemp("made") / "set"
    config = BuildConfig(
        dataset="folder",
        root=str(faces),
        out=str(out),
        scale=2.0,
        categories=("cup",),
        shard_size=5,
        jobs=1,
    )
    return build(config).out


@pytest.fixture(scope="session")
def passing(made: Path) -> dict[str, str]:
    """SHA-256 of the pictures of each shard, as they stand until `train.rec` holds them."""
    digests = {}
    for number, path in enumerate(sorted(made.glob("shard-*.h5"))):
        with h5py.File(path) as file:
            data = file["image/data"][:].tobytes()
        digests[f"parts/shard-{number:05d}.pictures"] = hashlib.sha256(data).hexdigest()
    return digests


@pytest.fixture
def build_case(faces: Path, passing: dict[str, str], nursery: Nursery) -> Callable[..., Case]:
    """Function that gives the build of a format by a number of workers."""

    def case(form: str = "hdf5", jobs: int = 1) -> Case:
        def arguments(out: Path) -> list[object]:
            where = ["--root", faces, "--out", out, "--format", form, "--jobs", jobs]
            how = ["--scale", "2.0", "--categories", "cup", "--shard-size", 5 if jobs == 1 else 2]
            return ["build", "--dataset", "folder", *where, *how]

        more = {} if jobs == 1 else {"moments": ("kill_after_s", "kill_at_act")}
        name = f"build --format {form} --jobs {jobs}"
        return Case(name, nursery, OCCGEN, arguments, also=dict(passing), **more)

    return case


@pytest.fixture
def convert_case(made: Path, passing: dict[str, str], nursery: Nursery) -> Callable[..., Case]:
    """Function that gives the conversion into a format."""

    def case(form: str, jobs: int = 1) -> Case:
        def arguments(out: Path) -> list[object]:
            return ["convert", made, out, "--format", form, "--jobs", jobs]

        name = f"convert --format {form} --jobs {jobs}"
        return Case(name, nursery, OCCGEN, arguments, also=dict(passing))

    return case


@pytest.fixture
def label_case(made: Path, nursery: Nursery) -> Case:
    """Labels of another K for a set."""

    def prepare(out: Path) -> None:
        shutil.copytree(made, out, dirs_exist_ok=True)

    def arguments(out: Path) -> list[object]:
        return ["label-patterns", out, "--k", 6]

    return Case("label-patterns on shards", nursery, OCCGEN, arguments, prepare)


@pytest.fixture
def csv_case(nursery: Nursery, tmp_path: Path) -> Case:
    """Labels of a CSV, over an older file."""
    rows = np.random.default_rng(1).integers(0, 48, (30_000, 4))
    rows[:, 2:] += 49  # right of and below the first two
    table = tmp_path / "boxes.csv"
    np.savetxt(table, rows, "%d", ",", header="x0,y0,x1,y1", comments="")

    def prepare(out: Path) -> None:
        (out / "labels.csv").write_text("an older one")

    def arguments(out: Path) -> list[object]:
        return ["label-patterns", table, "--k", 5, "--out", out / "labels.csv"]

    return Case("label-patterns on a CSV", nursery, OCCGEN, arguments, prepare)


@pytest.fixture
def align_case(
    nursery: Nursery,
    tmp_path: Path,
    draw_picture: Callable[..., Any],
    encode_picture: Callable[..., bytes],
) -> Callable[..., Case]:
    """Function that gives an alignment of 300 pictures, which are three parts, one of them bad."""
    photos = tmp_path / "photos"
    pictures = [encode_picture(draw_picture(number, 60, 60)) for number in range(5)]
    lines = []
    for number in range(300):
        path = photos / f"p{number // 10:02d}" / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"no picture" if number == 140 else pictures[number % 5])
        lines.append(f"{path.relative_to(photos)} 20 20 40 20 30 30 22 42 38 42")
    (photos / "points.txt").write_text("\n".join(lines))
    (photos / "pairs.csv").write_text("image_a,image_b,same\np00/1.jpg,p00/2.jpg,1\n")

    def case(jobs: int = 1) -> Case:
        def arguments(out: Path) -> list[object]:
            return ["align", photos, out, "--landmarks", photos / "points.txt", "--jobs", jobs]

        return Case("align" if jobs == 1 else "align --jobs 2", nursery, OCCGEN, arguments)

    return case


@pytest.fixture
def train_case(
    train_nursery: Nursery,
    tmp_path: Path,
    draw_picture: Callable[..., Any],
    encode_picture: Callable[..., bytes],
) -> Case:
    """A training run of four steps, with its state saved after each."""
    faces = tmp_path / "small"
    for number in range(48):
        path = faces / f"p{number // 6}" / f"{number % 6}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode_picture(draw_picture(number, 32, 32), "PNG"))

    def arguments(out: Path) -> list[object]:
        return [faces, out]

    return Case(
        *("from-train", train_nursery, "small_run:main", arguments),
        result=_run_result,
        wrong_file=_wrong_in_run,
    )


def _run_result(out: Path) -> dict[str, Any]:
    """Return the curve of a run, its weights, and the names of its files."""
    rows = list(csv.DictReader(io.StringIO((out / "log.csv").read_text())))
    for row in rows:
        row.pop("images_per_s")
    found: dict[str, Any] = {path.name: "" for path in out.iterdir()}
    for name in ("best.safetensors", "last.safetensors"):
        head, tensors = _weights_of(out / name)
        found[name] = [head, hashlib.sha256(tensors).hexdigest()]
    return found | {"card.md": (out / "card.md").read_text(), "the loss curve": rows}


def _weights_of(path: Path) -> tuple[dict[str, Any], bytes]:
    """Return the head of a file of weights, whose entries come in no fixed order, and the rest."""
    data = path.read_bytes()
    begin = 8 + int.from_bytes(data[:8], "little")
    return json.loads(data[8:begin]), data[begin:]


def _wrong_in_run(path: Path) -> str | None:
    """Return what is wrong with a file of a run that was killed."""
    if path.suffix == ".pt":
        with zipfile.ZipFile(path) as file:
            return file.testzip()
    if path.suffix == ".safetensors":
        head, tensors = _weights_of(path)
        ends = [entry["data_offsets"][1] for key, entry in head.items() if key != "__metadata__"]
        return None if max(ends) == len(tensors) else "its tensors are cut short"
    if path.suffix == ".json":
        json.loads(path.read_bytes())
    return None


@pytest.fixture
def count(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Function that keeps counts of a test, to print at the end and to log."""

    def keep(name: str, **counts: Any) -> None:
        record = {"what": name, "seed": SEED, **counts}
        request.config.stash.setdefault(_COUNTS, []).append(record)
        if log := os.environ.get("OCCGEN_FAULT_LOG"):
            with open(log, "a", encoding="utf-8") as file:
                file.write(json.dumps(record) + "\n")

    return keep


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Print the counts."""
    for record in config.stash.get(_COUNTS, []):
        terminalreporter.write_line(", ".join(f"{k} {v}" for k, v in record.items()))
