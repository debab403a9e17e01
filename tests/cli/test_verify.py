"""`occgen verify`: damage is exit code 1 with a line that says where, and --repair mends it."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import h5py
import pytest
from click.testing import CliRunner
from occgen_cli.main import main

from occgen import BuildConfig, build
from occgen.errors import SchemaError
from occgen.manifest import canonical
from occgen.repair import repair


def run(*arguments: object) -> Any:
    """Run the command here."""
    result = CliRunner().invoke(main, ["verify", *map(str, arguments), "--jobs", "1"])
    assert "Traceback" not in result.stderr
    return result


@pytest.fixture
def made(face_tree: Path, tmp_path: Path) -> Path:
    """Finished set of four shards."""
    config = BuildConfig(
        dataset="folder",
        root=str(face_tree),
        out=str(tmp_path / "set"),
        scale=2.0,
        categories=("cup",),
        shard_size=5,
        jobs=1,
    )
    return build(config).out


def damage(path: Path, place: int) -> None:
    """Change one byte."""
    data = bytearray(path.read_bytes())
    data[place] ^= 0x10
    path.write_bytes(data)


def test_a_whole_set(made: Path) -> None:
    result = run(made)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == f"{made} is whole: every byte, picture and label is as it was made\n"
    record = json.loads(run(made, "--json").stdout)
    assert record == {"ok": True, "repaired": False, "findings": []}
    untouched = run(made, "--repair")
    assert untouched.exit_code == 0
    assert "repaired" not in untouched.stdout


def test_damage_is_named_and_mended(made: Path) -> None:
    digest = json.loads((made / "manifest.json").read_bytes())["digest"]
    whole = (made / "shard-00002.h5").read_bytes()
    damage(made / "shard-00002.h5", whole.index(b"\xff\xd8\xff") + 900)
    result = run(made)
    assert result.exit_code == 1
    assert result.stdout.startswith("shard-00002.h5, row 0: image: ")
    assert result.stderr.startswith(f"Error: {made} is damaged: ")
    assert f"occgen verify {made} --repair" in result.stderr
    record = json.loads(run(made, "--json").stdout)
    assert not record["ok"]
    first = record["findings"][0]
    assert (first["file"], first["row"], first["field"]) == ("shard-00002.h5", 0, "image")
    mended = run(made, "--repair")
    assert mended.exit_code == 0
    assert "repaired and whole" in mended.stdout
    assert "shard-00002.h5, row 0: image: " in mended.stderr
    assert (made / "shard-00002.h5").read_bytes() == whole
    assert json.loads((made / "manifest.json").read_bytes())["digest"] == digest
    (made / "shard-00001.h5").unlink()
    assert run(made).stdout == "shard-00001.h5: file: is missing\n"
    assert json.loads(run(made, "--repair", "--json").stdout) == {
        "ok": True,
        "repaired": True,
        "findings": [],
    }


def test_a_damaged_manifest_needs_the_source(made: Path, face_tree: Path) -> None:
    damage(made / "manifest.json", 400)
    result = run(made)
    assert result.exit_code == 1
    assert result.stdout.startswith("manifest.json: checksum: ")
    refused = run(made, "--repair")
    assert refused.exit_code == 2
    assert refused.stderr.splitlines()[-1].endswith("add --root DIR")
    assert run(made, "--repair", "--root", face_tree).exit_code == 0
    assert run(made).exit_code == 0


def test_many_findings_are_cut(made: Path) -> None:
    for path in made.glob("shard-*.h5"):
        data = path.read_bytes()
        path.write_bytes(data.replace(b"\xff\xd8\xff", b"\xff\xd8\xfe"))
    result = run(made)
    assert result.exit_code == 1
    assert len(result.stdout.splitlines()) <= 21
    *shown, last = result.stdout.splitlines()
    count = int(result.stderr.rpartition("damaged: ")[2].split()[0])
    assert last.startswith(f"and {count - len(shown)} more, of ")


def test_every_damaged_mask_is_counted(tmp_path: Path) -> None:
    config = BuildConfig(
        dataset="demo", root="10x4", out=str(tmp_path / "set"), clean_fraction=0, jobs=1
    )
    out = build(config).out
    with h5py.File(out / "shard-00000.h5", "r+") as file:
        file["mask/crc32"][...] += 1
        file["identity"][5] += 1000
    result = run(out)
    assert "and 21 more, of identity, mask" in result.stdout.splitlines()
    assert "is damaged: 41 findings" in result.stderr


def test_repair_is_not_offered_for_a_set_of_another_schema(made: Path) -> None:
    path = made / "manifest.json"
    record = json.loads(path.read_bytes()) | {"schema": 1}
    del record["sha256"]
    record["sha256"] = hashlib.sha256(canonical(record)).hexdigest()
    path.write_text(json.dumps(record))
    before = {file: file.read_bytes() for file in made.iterdir()}
    for result in (run(made), run(made, "--repair")):
        assert result.exit_code == 1
        assert result.stdout.startswith("manifest.json: schema: has schema 1, this version")
        assert "is of another version of occgen" in result.stderr
        assert "damaged" not in result.stderr + result.stdout
        assert "--repair" not in result.stderr
    with pytest.raises(SchemaError, match="has schema 1"):
        repair(made, jobs=1)
    assert {file: file.read_bytes() for file in made.iterdir()} == before


def test_a_schema_that_was_damaged_is_repaired(made: Path, face_tree: Path) -> None:
    path = made / "manifest.json"
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b'"schema": 2', b'"schema": 3'))
    assert "--repair" in run(made).stderr
    assert run(made, "--repair", "--root", face_tree).exit_code == 0
    assert path.read_bytes() == whole


def test_a_moved_set_is_whole(made: Path, tmp_path: Path) -> None:
    assert run(shutil.move(made, tmp_path / "moved elsewhere")).exit_code == 0


def test_what_is_no_set_is_told(tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere", tmp_path):
        result = run(path)
        assert result.exit_code == 2
        assert len(result.stderr.splitlines()) == 1
    assert run().exit_code == 2
