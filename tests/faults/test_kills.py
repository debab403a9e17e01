"""kill -9 at random moments: run again, each command ends as it does without an interruption."""

import csv
import hashlib
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from occgen import BuildConfig, build
from occgen.config import FORMATS

OCCGEN = "occgen_cli.main:main"
SHORT, LONG = 4, 200
LONG_MARKS = (pytest.mark.long, pytest.mark.slow)
kills_of = pytest.mark.parametrize(
    "wanted", [pytest.param(SHORT, marks=pytest.mark.slow), pytest.param(LONG, marks=LONG_MARKS)]
)


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory, draw_picture: Any, encode_picture: Any) -> Path:
    """Ten identities with four small pictures each."""
    root = tmp_path_factory.mktemp("faces")
    for number in range(40):
        path = root / f"p{number // 4:02d}" / f"{number % 4}.jpg"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(encode_picture(draw_picture(number, 56, 48)))
    return root


@pytest.fixture(scope="module")
def made(faces: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The set that is converted and labelled."""
    config = BuildConfig(
        dataset="folder", root=str(faces), out=str(tmp_path_factory.mktemp("made") / "set"),
        scale=2.0, categories=("cup",), shard_size=5, jobs=1,
    )  # fmt: skip
    return build(config).out


@pytest.fixture(scope="module")
def passing(made: Path) -> dict[str, str]:
    """SHA-256 of the pictures of each shard, as they stand until `train.rec` holds them."""
    digests = {}
    for number, path in enumerate(sorted(made.glob("shard-*.h5"))):
        with h5py.File(path) as file:
            data = file["image/data"][:].tobytes()
        name = f"parts/shard-{number:05d}.pictures"
        digests[name] = hashlib.sha256(data).hexdigest()
    return digests


def check(case: Any, folder: Path, wanted: int, kill: Any, count: Callable[..., None]) -> None:
    kills = kill(case, folder, wanted)
    count(
        f"kill -9 of {case.name}",
        kills=kills.by_clock + kills.by_act,
        by_clock=kills.by_clock,
        by_act=kills.by_act,
        outputs=kills.chains,
        losses=len(kills.losses),
        cpu_s_a_run=round(case.cpu_s, 3),
    )
    assert not kills.losses, "\n".join(kills.losses)


@kills_of
@pytest.mark.parametrize("form", FORMATS)
def test_build(form, wanted, faces, passing, nursery, tmp_path, make_case, kill, count):
    def arguments(out):
        where = ["--root", faces, "--out", out, "--format", form, "--jobs", 1, "--shard-size", 5]
        return ["build", "--dataset", "folder", "--scale", "2.0", "--categories", "cup", *where]

    case = make_case(f"build --format {form}", nursery, OCCGEN, arguments, also=dict(passing))
    check(case, tmp_path, -(-wanted * 3 // 10) if form == "hdf5" else -(-wanted // 5), kill, count)


@kills_of
def test_a_build_of_two_workers(wanted, faces, nursery, tmp_path, make_case, kill, count):
    def arguments(out):
        where = ["--root", faces, "--out", out, "--jobs", 2, "--shard-size", 2]
        return ["build", "--dataset", "folder", "--scale", "2.0", "--categories", "cup", *where]

    moments = ("kill_after_s", "kill_at_act")
    case = make_case("build --jobs 2", nursery, OCCGEN, arguments, moments=moments)
    check(case, tmp_path, -(-wanted // 20), kill, count)


@kills_of
@pytest.mark.parametrize("form", [form for form in FORMATS if form != "hdf5"])
def test_convert(form, wanted, made, passing, nursery, tmp_path, make_case, kill, count):
    def arguments(out):
        return ["convert", made, out, "--format", form, "--jobs", 1]

    case = make_case(f"convert --format {form}", nursery, OCCGEN, arguments, also=dict(passing))
    check(case, tmp_path, wanted // 4, kill, count)


@kills_of
def test_label_patterns_on_shards(wanted, made, nursery, tmp_path, make_case, kill, count):
    def arguments(out):
        return ["label-patterns", out, "--k", 6]

    def prepare(out):
        for path in made.iterdir():
            (out / path.name).write_bytes(path.read_bytes())

    case = make_case("label-patterns on shards", nursery, OCCGEN, arguments, prepare)
    check(case, tmp_path, wanted, kill, count)


@kills_of
def test_label_patterns_on_a_csv(wanted, nursery, tmp_path, make_case, kill, count):
    rows = np.random.default_rng(1).integers(0, 48, (30_000, 4))
    rows[:, 2:] += 49  # right of and below the first two
    table = tmp_path / "boxes.csv"
    np.savetxt(table, rows, "%d", ",", header="x0,y0,x1,y1", comments="")

    def arguments(out):
        return ["label-patterns", table, "--k", 5, "--out", out / "labels.csv"]

    def prepare(out):
        (out / "labels.csv").write_text("an older one")

    case = make_case("label-patterns on a CSV", nursery, OCCGEN, arguments, prepare)
    check(case, tmp_path, wanted, kill, count)


@kills_of
def test_align(wanted, nursery, tmp_path, make_case, kill, count, draw_picture, encode_picture):
    photos = tmp_path / "photos"
    pictures = [encode_picture(draw_picture(number, 60, 60)) for number in range(5)]
    points = "20 20 40 20 30 30 22 42 38 42"
    lines = []
    for number in range(300):  # three parts
        path = photos / f"p{number // 10:02d}" / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"no picture" if number == 140 else pictures[number % 5])
        lines.append(f"{path.relative_to(photos)} {points}")
    (photos / "points.txt").write_text("\n".join(lines))
    (photos / "pairs.csv").write_text("image_a,image_b,same\np00/1.jpg,p00/2.jpg,1\n")

    def arguments(out):
        return ["align", photos, out, "--landmarks", photos / "points.txt", "--jobs", 1]

    case = make_case("align", nursery, OCCGEN, arguments)
    check(case, tmp_path, wanted, kill, count)


def run_result(out: Path) -> dict[str, Any]:
    """Return the curve of a run, its weights, and the names of its files."""
    rows = list(csv.DictReader(io.StringIO((out / "log.csv").read_text())))
    for row in rows:
        row.pop("images_per_s")
    found: dict[str, Any] = {path.name: "" for path in out.iterdir()}
    for name in ("best.safetensors", "last.safetensors"):
        head, tensors = weights_of(out / name)
        found[name] = [head, hashlib.sha256(tensors).hexdigest()]
    return found | {"card.md": (out / "card.md").read_text(), "the loss curve": rows}


def weights_of(path: Path) -> tuple[dict[str, Any], bytes]:
    """Return the head of a file of weights, whose entries come in no fixed order, and the rest."""
    data = path.read_bytes()
    begin = 8 + int.from_bytes(data[:8], "little")
    return json.loads(data[8:begin]), data[begin:]


def wrong_in_run(path: Path) -> str | None:
    """Return what is wrong with a file of a run that was killed."""
    if path.suffix == ".pt":
        with zipfile.ZipFile(path) as file:
            return file.testzip()
    if path.suffix == ".safetensors":
        head, tensors = weights_of(path)
        ends = [entry["data_offsets"][1] for key, entry in head.items() if key != "__metadata__"]
        return None if max(ends) == len(tensors) else "its tensors are cut short"
    if path.suffix == ".json":
        json.loads(path.read_bytes())
    return None


@kills_of
def test_from_train(
    wanted, train_nursery, tmp_path, make_case, kill, count, draw_picture, encode_picture
):
    faces = tmp_path / "faces"
    for number in range(48):
        path = faces / f"p{number // 6}" / f"{number % 6}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode_picture(draw_picture(number, 32, 32), "PNG"))

    def arguments(out):
        return [faces, out]

    case = make_case(
        *("from-train", train_nursery, "small_run:main", arguments),
        result=run_result,
        wrong_file=wrong_in_run,
    )
    check(case, tmp_path, wanted, kill, count)
