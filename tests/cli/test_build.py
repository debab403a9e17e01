"""`occgen build`: what it prints, what it refuses, and how it ends."""

import json
import os
import shlex
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from occgen_cli.main import main

from occgen import BuildConfig, build
from occgen.card_settings import making_command
from occgen.errors import InputError

FEW = ("--categories", "cup", "--jobs", "1")  # few occluders to decode


def run(*arguments: object) -> Any:
    """Run the command here."""
    return CliRunner().invoke(main, ["build", *map(str, arguments)])


def errors(result: Any) -> list[str]:
    """Return the error lines of a run that must not show a traceback."""
    assert "Traceback" not in result.stderr
    return [line for line in result.stderr.splitlines() if line.startswith("Error: ")]


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run each test in an empty folder, without data named by the environment."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.delenv("OCCGEN_DATA", raising=False)


def test_the_main_job(face_tree: Path) -> None:
    result = run("--dataset", "folder", "--root", face_tree, "--scale", "2.0", *FEW)
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0].startswith("Occ-Folder-2.0: 18 images of 6 identities in 1 shard, ")
    assert lines[0].endswith(" MB, 0 skipped")
    assert lines[1].startswith("mean coverage: box ")
    assert lines[2].endswith(" images/s")
    assert lines[3].startswith("digest ")
    assert lines[4] == "look at it: occgen preview Occ-Folder-2.0"
    assert result.stderr.startswith("18 of 18 images, ")
    names = ["card.md", "manifest.json", "shard-00000.h5"]
    assert sorted(os.listdir("Occ-Folder-2.0")) == names
    again = run("--dataset", "folder", "--root", face_tree, "--scale", "2", *FEW)
    assert again.exit_code == 0
    assert again.stdout.startswith("Occ-Folder-2.0 is complete already and left as it is\n")
    assert again.stderr == ""


def test_the_embedded_default_needs_no_files() -> None:
    result = run("--dataset", "demo", "--limit", "3", *FEW)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.startswith("Occ-Demo-1.0: 3 images of 1 identity in 1 shard")


def test_json_is_one_object_for_programs(face_tree: Path) -> None:
    arguments = ("--dataset", "folder", "--root", face_tree, "--out", "set", "--json", *FEW)
    record = json.loads(run(*arguments).stdout)
    manifest = json.loads(Path("set/manifest.json").read_bytes())
    for name in ("images", "identities", "skipped", "digest", "box_coverage", "mask_coverage"):
        assert record[name] == manifest[name]
    assert (record["out"], record["shards"], record["already_complete"]) == ("set", 1, False)
    again = json.loads(run(*arguments).stdout)
    assert again["already_complete"]
    assert again["digest"] == record["digest"]


def test_options_reach_the_build(face_tree: Path) -> None:
    result = run(
        *("--dataset", "folder", "--root", face_tree, "--out", "a", "--scale", "1.0:0.5:5.0"),
        *("--blend", "opaque", "--by", "mask", "--k", "4", "--categories", "cup, phone"),
        *("--clean-fraction", "0.25", "--variants", "2", "--max-coverage", "0.5"),
        *("--image-size", "112x96", "--codec", "png", "--shard-size", "6", "--limit", "7"),
        *("--format", "folder", "--seed", "7", "--jobs", "1", "--exclude-occluders", "cup/0*"),
    )
    assert result.exit_code == 0, result.stderr
    config = BuildConfig(
        dataset="folder",
        root=str(face_tree),
        out="a",
        scale="1.0:0.5:5.0",
        blend="opaque",
        by="mask",
        k=4,
        categories=("cup", "phone"),
        clean_fraction=0.25,
        variants=2,
        max_coverage=0.5,
        image_size="112x96",
        codec="png",
        shard_size=6,
        limit=7,
        format="folder",
        seed=7,
        jobs=1,
        exclude_occluders=("cup/0*",),
    )
    assert build(config).already_complete


@pytest.mark.parametrize(
    ("options", "name"),
    [
        (["--scale", "2"], "Occ-Demo-2.0"),
        (["--scale", "1:0.5:5"], "Occ-Demo"),
        (["--clean-fraction", "0.3333"], "Mix-Demo"),
        (["--placement", "regions", "--region", "eyes"], "Occ-Demo-eyes"),
        (["--area", "0.2"], "Occ-Demo-area0.2"),
    ],
)
def test_a_set_is_named_as_in_the_paper(options: list[str], name: str) -> None:
    assert run("--dataset", "demo", "--limit", "1", *options, *FEW).exit_code == 0
    assert os.listdir() == [name]


def test_the_environment_names_where_data_lie(
    face_tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (face_tree.parent / "data").mkdir()
    face_tree.rename(face_tree.parent / "data" / "lfw")
    monkeypatch.setenv("OCCGEN_DATA", str(face_tree.parent / "data"))
    result = run("--dataset", "lfw", "--scale", "2.0", *FEW)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.startswith("Occ-LFW-2.0: 18 images")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "--dataset NAME is needed; --dataset demo needs no files"),
        (["--dataset", "nonsense"], "Invalid value for '--dataset': 'nonsense' is not one of"),
        (["--scale", "abc"], "scale must be a number or start:step:stop, got 'abc'"),
        (["--scale", "0"], "scale must be > 0 and at most 1000, got 0.0"),
        (["--scale", "-1"], "scale must be > 0"),
        (["--scale", "2:0:3"], "scale '2:0:3' needs a step > 0"),
        (["--scale", "nan"], "scale must be"),
        (["--k", "0"], "Invalid value for '--k': 0 is not in the range"),
        (["--k", "99"], "Invalid value for '--k'"),
        (["--k", "five"], "Invalid value for '--k': 'five' is not a valid integer"),
        (["--jobs", "0"], "Invalid value for '--jobs'"),
        (["--limit", "0"], "Invalid value for '--limit'"),
        (["--quality", "101"], "Invalid value for '--quality'"),
        (["--clean-fraction", "1.5"], "Invalid value for '--clean-fraction'"),
        (["--area", "0"], "Invalid value for '--area'"),
        (["--max-skipped", "2"], "Invalid value for '--max-skipped'"),
        (["--variants", "100001"], "variants must be <= 10000"),
        (["--group", "4"], "Invalid value for '--group'"),
        (["--categories", "hat"], "category must be one of book, cup,"),
        (["--categories", "cup=0"], "weight of a category must be a number > 0, as face_mask=4"),
        (["--categories", "cup=2,hat=3"], "category must be one of book, cup,"),
        (["--categories", "cup", "--group", "3"], "no occluder is left"),
        (["--exclude-occluders", "nothing"], "'nothing' is no occluder, category or pattern"),
        (["--region", "eyes"], "region goes with placement 'regions'"),
        (["--region", "chin"], "Invalid value for '--region': 'chin' is not one of"),
        (["--area", "0.2", "--placement", "regions"], "area goes with placement 'random'"),
        (["--compat", "published", "--codec", "png"], "compat 'published' writes JPEG"),
        (["--occluders", "nowhere"], "nowhere is no folder of occluders"),
        (["--image-size", "100x100"], "Invalid value for '--image-size'"),
        (["--seed", "-1"], "Invalid value for '--seed'"),
        (["--no-such-option"], "No such option"),
        (["stray"], "Got unexpected extra argument (stray)"),
    ],
)
def test_a_bad_value_is_wrong_usage(options: list[str], message: str) -> None:
    dataset = [] if "--dataset" in options or not options else ["--dataset", "demo"]
    result = run(*dataset, *options)
    assert result.exit_code == 2, result.stderr
    (line,) = errors(result)
    assert message in line
    assert result.stdout == ""
    assert os.listdir() == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--dataset", "lfw"], "'lfw' needs --root DIR, or OCCGEN_DATA set to a folder"),
        (["--dataset", "lfw", "--root", "nowhere"], "nowhere does not exist; lfw is looked for"),
        (["--dataset", "folder", "--root", "."], ". holds no pictures"),
    ],
)
def test_missing_data_are_wrong_usage(options: list[str], message: str) -> None:
    result = run(*options, "--jobs", "1")
    assert result.exit_code == 2
    (line,) = errors(result)
    assert message in line
    assert os.listdir() == []


def test_another_configuration_is_refused(face_tree: Path) -> None:
    base = ("--dataset", "folder", "--root", face_tree, "--out", "set", *FEW)
    assert run(*base).exit_code == 0
    refused = run(*base, "--seed", "7")
    assert refused.exit_code == 2
    (line,) = errors(refused)
    assert "another configuration (seed 100 not 7); use --overwrite" in line
    assert run(*base, "--seed", "7", "--overwrite").exit_code == 0
    assert run(*base, "--seed", "7").stdout.startswith("set is complete already")


def test_an_output_that_cannot_be_is_wrong_usage(face_tree: Path) -> None:
    Path("file").write_text("mine")
    base = ("--dataset", "folder", "--root", face_tree, *FEW)
    for out in ("file", "file/below"):
        result = run(*base, "--out", out)
        assert result.exit_code == 2
        assert len(errors(result)) == 1
    assert os.listdir() == ["file"]


def test_too_many_bad_pictures_fail_with_all_kept(face_tree: Path) -> None:
    (face_tree / "person1" / "bad.jpg").write_bytes(b"")
    base = ("--dataset", "folder", "--root", face_tree, "--out", "set", *FEW)
    result = run(*base)
    assert result.exit_code == 1
    (line,) = errors(result)
    assert "1 of 19 pictures cannot be used (first: person1/bad.jpg: empty file" in line
    assert "--max-skipped 0.01" in line
    assert sorted(os.listdir("set")) == ["shard-00000.h5", "skipped.csv"]
    strict = run(*base[:-4], "--strict", *FEW, "--out", "other")
    assert strict.exit_code == 1
    assert "person1/bad.jpg: empty file (0 bytes); --strict stops" in errors(strict)[0]
    done = run(*base, "--max-skipped", "0.1")
    assert done.exit_code == 0
    assert "1 skipped" in done.stdout


def test_debug_shows_where() -> None:
    result = run("--dataset", "lfw", "--debug")
    assert result.exit_code == 2
    assert "Traceback" in result.stderr
    assert result.stderr.splitlines()[-1].startswith("Error: ")


def test_steps_of_natural_blending_are_named_or_none(tmp_path: Path) -> None:
    for steps, expected in (("blur,colour", ["colour", "blur"]), ("none", [])):
        out = tmp_path / steps
        args = ["build", "--dataset", "demo", "--root", "1x2", "--blend", "natural", "--jobs", "1"]
        args += ["--natural-steps", steps, "--placement", "mixed", "--out", str(out)]
        result = CliRunner().invoke(main, args)
        assert result.exit_code == 0, result.output
        manifest = json.loads((out / "manifest.json").read_text())
        assert manifest["config"]["natural_steps"] == expected
        assert manifest["config"]["mix"] == "random=1,landmarks=2"
    result = CliRunner().invoke(main, [*args[:-1], str(tmp_path / "x"), "--natural-steps", "glow"])
    assert result.exit_code == 2
    assert "natural_steps must be some of" in result.stderr


@pytest.mark.parametrize(
    "settings",
    [
        {"scale": "1.0:0.5:5.0", "clean_fraction": 1 / 3, "variants": 3, "seed": 7},
        {"root": "6x3@1", "area": 0.2, "blend": "opaque", "codec": "png"},
        {"dataset": "folder", "placement": "regions", "region": "eyes", "region_jitter": 5},
        {"placement": "mixed", "mix": "regions=2", "occluders_per_face": "1:3", "k": 4},
        {"categories": ["cup=2.5", "hand"], "exclude_occluders": ["hand/*"], "by": "mask"},
        {"blend": "natural", "natural_steps": [], "image_size": "112x96", "format": "rec"},
        {"occluders": "my own", "split": "a b", "include_occluders": ["x'y"], "group": 1},
        {"dataset": "mf1", "probes": "a", "gallery": "b", "compat": "published", "limit": 9},
    ],
)
def test_a_card_names_the_command(settings: dict[str, Any], monkeypatch: Any) -> None:
    """What it says makes the set again: the same settings come out of the command line."""
    wanted = BuildConfig(**{"dataset": "demo", **settings})
    spec = {"library": "bundled"} if wanted.occluders == "bundled" else {"path": "/somewhere"}
    paths = {name: settings[name] for name in ("probes", "gallery") if name in settings}
    command = making_command(
        {
            "config": json.loads(json.dumps(wanted.content())),
            "source": {"root": settings.get("root"), "pictures": 100, **paths},
            "occluders": {"spec": spec},
            "skipped": 3,
        }
    )
    taken: list[BuildConfig] = []

    def keep(config: BuildConfig, on_progress: Any) -> None:
        taken.append(config)
        raise InputError("seen")

    monkeypatch.setattr("occgen.engine.build", keep)
    program, name, *words = shlex.split(command)
    assert (program, name) == ("occgen", "build")
    assert "seen" in run(*words).stderr
    assert taken[0].content() == wanted.content()
    assert (taken[0].occluders == "bundled") == (wanted.occluders == "bundled")
    assert taken[0].max_skipped == 0.03
