"""`occgen check-leaks`: what two sets share is named, with exit code 1."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray
from occgen_cli.main import main
from PIL import Image

from occgen import BuildConfig, build, open_shards


def run(*arguments: object) -> Any:
    """Run the command here."""
    result = CliRunner().invoke(main, ["check-leaks", *map(str, arguments), "--jobs", "1"])
    assert "Traceback" not in result.stderr
    return result


@pytest.fixture
def other_tree(
    tmp_path: Path,
    face_tree: Path,
    draw_picture: Callable[..., NDArray[np.uint8]],
    encode_picture: Callable[..., bytes],
) -> Path:
    """Folder of other people, with one picture copied and one encoded anew among them."""
    root = tmp_path / "others"
    for number in range(3):
        folder = root / f"Someone Else-{number}"
        folder.mkdir(parents=True)
        for picture in range(2):
            data = encode_picture(draw_picture(500 + 10 * number + picture))
            (folder / f"{picture}.jpg").write_bytes(data)
    shutil.copy(face_tree / "person1/0.jpg", root / "Someone Else-0/copy.jpg")
    with Image.open(face_tree / "person2/1.jpg") as image:
        image.resize((90, 90)).resize((112, 112)).save(
            root / "Someone Else-1/again.jpg", quality=60
        )
    return root


def occluded(root: Path, out: Path, **changes: Any) -> Path:
    """Return a set made of a folder."""
    options: dict[str, Any] = {"categories": ("cup",), "jobs": 1, "variants": 2}
    options |= {"dataset": "folder", "root": str(root), "out": str(out), "max_skipped": 1.0}
    return build(BuildConfig(**(options | changes))).out


def pasted(path: Path) -> set[bytes]:
    """Return the names of all that was pasted in a set."""
    names: set[bytes] = set()
    for shard in path.glob("shard-*.h5"):
        with h5py.File(shard) as file:
            names.update(file["paste/occluder"][:].tolist())
    return names


def test_sets_apart_share_nothing(face_tree: Path, other_tree: Path) -> None:
    (other_tree / "Someone Else-0/copy.jpg").unlink()
    (other_tree / "Someone Else-1/again.jpg").unlink()
    result = run(face_tree, other_tree)
    assert result.exit_code == 0, result.stdout
    assert result.stdout.splitlines() == [
        "identities: 0 shared, of 6 and 3",
        "pictures: 0 shared, of 18 and 6",
        "occluders: 0 shared, of 0 and 0",
    ]


def test_shared_pictures_are_named(face_tree: Path, other_tree: Path, tmp_path: Path) -> None:
    out = tmp_path / "leaks.csv"
    result = run(face_tree, other_tree, "--out", out)
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert lines[1] == "pictures: 2 shared, of 18 and 8"
    assert lines[2] == "  person1/0.jpg = Someone Else-0/copy.jpg (same, 1.000)"
    assert lines[3].startswith("  person2/1.jpg = Someone Else-1/again.jpg (near, ")
    with open(out, newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert [row[:4] for row in rows] == [
        ["kind", "a", "b", "how"],
        ["picture", "person1/0.jpg", "Someone Else-0/copy.jpg", "same"],
        ["picture", "person2/1.jpg", "Someone Else-1/again.jpg", "near"],
    ]
    assert run(face_tree, other_tree, "--only", "identities").exit_code == 0


def test_builds_are_compared_by_their_sources(
    face_tree: Path, other_tree: Path, tmp_path: Path
) -> None:
    first = occluded(face_tree, tmp_path / "a")
    second = occluded(other_tree, tmp_path / "b", seed=1)
    record = json.loads(run(first, second, "--json").stdout)
    assert (record["identities"], record["pictures"]) == (0, 2)
    assert record["occluders"] > 0
    assert record["sizes"]["pictures"][0] == 18
    assert record["notes"] == []
    assert all(name.startswith("cup/") for name in record["shared"]["occluders"])
    third = occluded(other_tree, tmp_path / "c", categories=("phone",))
    assert json.loads(run(first, third, "--json").stdout)["occluders"] == 0


def test_every_occluder_of_a_face_is_compared(face_tree: Path, tmp_path: Path) -> None:
    changes = {"categories": ("cup", "phone", "hand"), "occluders_per_face": "3"}
    sets = [occluded(face_tree, tmp_path / f"{s}", seed=s, **changes) for s in (0, 1)]
    used = [pasted(one) for one in sets]
    firsts = [set(open_shards(one).column("occluder").tolist()) for one in sets]
    record = json.loads(run(*sets, "--only", "occluders", "--json").stdout)
    assert record["sizes"]["occluders"] == [len(names) for names in used]
    assert record["shared"]["occluders"] == sorted(name.decode() for name in used[0] & used[1])
    assert len(used[0] & used[1]) > len(firsts[0] & firsts[1])


def test_a_build_without_its_source_is_compared_where_unhidden(
    face_tree: Path, tmp_path: Path
) -> None:
    whole = shutil.copytree(face_tree, tmp_path / "whole")
    made = occluded(face_tree, tmp_path / "a", scale=0.5)
    shutil.rmtree(face_tree)
    result = run(made, whole, "--only", "pictures", "--json")
    record = json.loads(result.stdout)
    assert record["notes"] == [
        f"{made}: its source is not at hand; its occluded pictures were compared where unhidden"
    ]
    pairs = record["shared"]["pictures"]
    assert {pair["how"] for pair in pairs} == {"near"}
    assert all(pair["key_a"].split("#")[0] == pair["key_b"] for pair in pairs)
    assert len(pairs) >= 18  # of 36: the others are hidden in every quarter


@pytest.mark.parametrize("form", ["folder", "webdataset", "rec", "parquet"])
def test_of_a_set_of_another_format_what_it_holds_is_compared(
    form: str, face_tree: Path, tmp_path: Path
) -> None:
    whole = shutil.copytree(face_tree, tmp_path / "whole")
    changes: dict[str, Any] = {"scale": 0.5, "limit": 6, "shard_size": 2}
    made = occluded(face_tree, tmp_path / "a", format=form, **changes)
    plain = occluded(face_tree, tmp_path / "b", seed=1, **changes)
    apart = tmp_path / "apart"
    for name in ("person4", "person5"):
        shutil.copytree(face_tree / name, apart / name)
    assert run(made, apart).exit_code == 0  # its source holds these people, the set does not
    record = json.loads(run(made, plain, "--json").stdout)
    assert record["notes"] == []
    assert record["sizes"]["pictures"][0] == record["sizes"]["pictures"][1] == 6
    assert record["identities"] == record["sizes"]["identities"][0] > 0
    assert record["occluders"] > 0
    shutil.rmtree(face_tree)
    record = json.loads(run(made, whole, "--json").stdout)
    assert record["notes"] == [
        f"{made}: its source is not at hand; its occluded pictures were compared where unhidden"
    ]
    assert record["sizes"]["pictures"] == [12, 18]
    pairs = record["shared"]["pictures"]
    assert len(pairs) >= 6
    assert all(pair["key_a"].split("#")[0] == pair["key_b"] for pair in pairs)
    assert record["identities"] == record["sizes"]["identities"][0]


def test_people_are_compared_by_name(face_tree: Path, tmp_path: Path) -> None:
    other = tmp_path / "others"
    shutil.copytree(face_tree / "person1", other / "PERSON1")
    shutil.copytree(face_tree / "person2", other / "0002")
    (face_tree / "person3").rename(face_tree / "0002")
    record = json.loads(run(face_tree, other, "--only", "identities", "--json").stdout)
    assert record["shared"] == {"identities": ["0002", "person1"]}
    named = json.loads(run(f"lfw:{face_tree}", other, "--only", "identities", "--json").stdout)
    assert named["shared"] == {"identities": ["person1"]}  # numbers say who in one set only


def test_pictures_that_cannot_be_read_are_told(face_tree: Path, other_tree: Path) -> None:
    (other_tree / "Someone Else-2" / "bad.jpg").write_bytes(b"no picture")
    result = run(face_tree, other_tree)
    assert f"note: {other_tree}: 1 pictures cannot be read" in result.stdout


@pytest.mark.parametrize(
    ("first", "message"),
    [
        ("nowhere", "nowhere is no finished set, no folder and no data set; data sets are named"),
        ("lfw:nowhere", "nowhere does not exist"),
        (".", ". holds no pictures"),
    ],
)
def test_what_is_no_set_is_told(
    first: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run(first, "demo")
    assert result.exit_code == 2
    assert message in result.stderr
