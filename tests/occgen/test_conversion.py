"""Conversion: there and back gives the same bytes, from any form to any other, and goes on."""

import csv
import itertools
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from occgen_cli.main import main

from occgen import BuildConfig, InputError, ShardError, build, open_shards
from occgen.conversion import convert, plain_config
from occgen.labelling import label_build
from occgen.repair import repair
from occgen.sources import open_source
from occgen.verification_bin import write_verification_bin
from occgen.verify import verify

OTHERS = ("folder", "webdataset", "rec", "parquet")


def run(*arguments: object) -> Any:
    """Run the program here."""
    return CliRunner().invoke(main, ["convert", *map(str, arguments)], prog_name="occgen")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished set of 17 drawn faces in shards of six, with added labels and a skipped list."""
    root = tmp_path_factory.mktemp("made")
    build(
        BuildConfig(
            dataset="demo",
            out=str(root / "hdf5"),
            limit=17,
            shard_size=6,
            jobs=1,
            scale=2.0,
            clean_fraction=0.3,
        )
    )
    label_build(root / "hdf5", 3)
    return root


def to(path: Path, out: Path, form: str, **options: Any) -> Any:
    """Convert in this process."""
    return convert(path, plain_config(path, out, form, jobs=1, **options))


@pytest.mark.parametrize("form", OTHERS)
def test_there_and_back_are_the_same_bytes(made: Path, tmp_path: Path, form: str) -> None:
    there = to(made / "hdf5", tmp_path / "there", form)
    assert verify(tmp_path / "there", jobs=1) == []
    back = to(tmp_path / "there", tmp_path / "back", "hdf5")
    assert verify(tmp_path / "back", jobs=1) == []
    for path in (made / "hdf5").glob("*.h5"):
        assert (tmp_path / "back" / path.name).read_bytes() == path.read_bytes(), path.name
    before = json.loads((made / "hdf5" / "manifest.json").read_bytes())
    assert back.digest == before["digest"]
    assert there.manifest["converted_from"] == {"format": "hdf5", "digest": before["digest"]}
    built = build(
        BuildConfig(**{k: v for k, v in before["config"].items() if k != "occluders_digest"}
                    | {"format": form, "out": str(tmp_path / "built"), "jobs": 1})
    )  # fmt: skip
    assert there.digest == built.digest
    ours, theirs = ({**report.manifest["files"]} for report in (there, built))
    assert ours.pop("card.md") != theirs.pop("card.md")  # it names the labels that were added
    assert ours == theirs


@pytest.mark.slow
def test_every_format_becomes_every_other(made: Path, tmp_path: Path) -> None:
    forms = ("hdf5", *OTHERS)
    sets = {"hdf5": made / "hdf5"}
    for form in OTHERS:
        sets[form] = tmp_path / form
        to(made / "hdf5", sets[form], form)
    for first, second in itertools.permutations(forms, 2):
        if first == "hdf5":
            continue
        report = to(sets[first], tmp_path / f"{first}-{second}", second)
        expected = json.loads((sets[second] / "manifest.json").read_bytes())
        assert report.digest == expected["digest"]
        assert report.manifest["shards"] == expected["shards"]


@pytest.mark.parametrize("form", OTHERS)
def test_a_set_in_any_format_is_a_source_of_its_faces(
    made: Path, tmp_path: Path, form: str
) -> None:
    to(made / "hdf5", tmp_path / form, form)
    samples = list(open_shards(made / "hdf5"))
    source = open_source("shards", str(tmp_path / form))
    source.check()
    refs = list(source.refs())
    assert source.count() == len(refs) == 17
    assert [ref.key for ref in refs] == [sample.key for sample in samples]
    assert [ref.identity for ref in refs] == [sample.identity_name for sample in samples]
    for sample in [*samples[::-1], *samples[::5]]:
        assert source.read(sample.key) == sample.data
        points = source.landmarks(sample.key, 112, 112)
        assert points is not None
        assert sample.landmarks is not None
        assert (points == sample.landmarks).all()
    again = build(
        BuildConfig(
            dataset="shards", root=str(tmp_path / form), out=str(tmp_path / "again"), jobs=1
        )
    )
    assert again.images == 17
    assert again.manifest["source"]["licence"].startswith("CC0")


@pytest.fixture
def forms(tmp_path: Path, face_tree: Path, face_bytes: dict[str, bytes]) -> dict[str, Path]:
    """The faces of `face_bytes` in every form that programs of others write."""
    found = {"folder": face_tree}
    listed = tmp_path / "listed"
    shutil.copytree(face_tree, listed / "pictures")
    with open(listed / "labels.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "label"])
        writer.writerows([f"pictures/{key}", key.split("/")[0]] for key in face_bytes)
    found["csv"] = listed
    lines = tmp_path / "lines"
    shutil.copytree(face_tree, lines / "pictures")
    (lines / "metadata.jsonl").write_text(
        "".join(
            json.dumps({"file_name": f"pictures/{key}", "identity": key.split("/")[0]}) + "\n"
            for key in face_bytes
        )
    )
    found["jsonl"] = lines
    (listed / "faces.lst").write_text(
        "".join(f"1\t{listed}/pictures/{key}\t{key.split('/')[0]}\n" for key in face_bytes)
    )
    found["lst"] = listed / "faces.lst"
    return found


def test_any_form_becomes_any_format(
    forms: dict[str, Path], tmp_path: Path, face_bytes: dict[str, bytes]
) -> None:
    expected = [(key.split("/")[0], data) for key, data in face_bytes.items()]
    for (name, root), form in zip(forms.items(), OTHERS, strict=True):
        out = tmp_path / f"{name}-{form}"
        result = run(root, out, "--format", form, "--jobs", 1, "--shard-size", 7)
        assert result.exit_code == 0, result.stderr
        assert f"18 images of 6 identities as {form}" in result.stdout
        assert verify(out, jobs=1) == []
        source = open_source("shards", str(out))
        assert [(ref.identity, source.read(ref.key)) for ref in source.refs()] == expected
        to(out, tmp_path / f"{name}-hdf5", "hdf5")
        samples = list(open_shards(tmp_path / f"{name}-hdf5"))
        assert [(sample.identity_name, sample.data) for sample in samples] == expected
        assert {sample.category for sample in samples} == {"clean"}
        assert {sample.pattern() for sample in samples} == {0}


def test_what_others_read_of_a_set_is_a_source_without_its_parts(
    made: Path, tmp_path: Path
) -> None:
    expected = [(sample.identity, sample.data) for sample in open_shards(made / "hdf5")]
    for form, dataset in (("rec", "rec"), ("webdataset", "shards"), ("parquet", "shards")):
        to(made / "hdf5", tmp_path / form, form)
        (tmp_path / form / "manifest.json").unlink()
        shutil.rmtree(tmp_path / form / "parts")
        source = open_source(dataset, str(tmp_path / form))
        source.check()
        refs = list(source.refs())
        assert source.count() == len(refs)
        names = {ref.identity for ref in refs}
        assert names == {f"person-{n:05d}" if form == "parquet" else str(n) for n in range(5)}
        assert [source.read(ref.key) for ref in refs] == [data for _, data in expected]
        report = to(tmp_path / form, tmp_path / f"{form}-hdf5", "hdf5")
        assert (report.images, report.manifest["identities"]) == (17, 5)


def test_pictures_of_other_kinds_keep_bytes_and_endings(
    tmp_path: Path, draw_picture: Callable[..., Any], encode_picture: Callable[..., bytes]
) -> None:
    root = tmp_path / "mixed" / "someone"
    root.mkdir(parents=True)
    for kind in ("JPEG", "PNG", "WEBP", "BMP"):
        (root / f"a.{kind.lower()}").write_bytes(encode_picture(draw_picture(3), kind))
    for form in OTHERS:
        to(root.parent, tmp_path / form, form)
        source = open_source("shards", str(tmp_path / form))
        assert [source.read(ref.key) for ref in source.refs()] == [
            path.read_bytes() for path in sorted(root.iterdir())
        ]
    names = [path.name for path in sorted((tmp_path / "folder" / "images" / "someone").iterdir())]
    assert [name.rpartition(".")[2] for name in names] == ["bmp", "jpg", "png", "webp"]


def test_a_bin_keeps_its_pairs(tmp_path: Path, face_bytes: dict[str, bytes]) -> None:
    images = list(face_bytes.values())[:4]
    write_verification_bin(tmp_path / "lfw.bin", images, [True, False])
    result = run(tmp_path / "lfw.bin", tmp_path / "out", "--format", "folder", "--json")
    assert json.loads(result.stdout)["images"] == 4
    assert (tmp_path / "out" / "pairs.csv").read_text().count("\n") == 3
    to(tmp_path / "out", tmp_path / "back", "hdf5")
    assert (tmp_path / "back" / "pairs.csv").read_bytes() == (
        tmp_path / "out" / "pairs.csv"
    ).read_bytes()


@pytest.mark.parametrize("form", OTHERS)
def test_what_is_broken_in_a_converted_set_is_repaired(
    face_tree: Path, tmp_path: Path, form: str
) -> None:
    out = tmp_path / "out"
    digest = to(face_tree, out, form, shard_size=7).digest
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    for path in sorted(before):
        if path.suffix not in (".tar", ".parquet", ".rec", ".jpg", ".h5"):
            continue
        path.write_bytes(before[path][:-3])
        assert verify(out, jobs=1)
        assert repair(out, jobs=1).digest == digest
        assert verify(out, jobs=1) == []
        found = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
        assert found == before
        break


def test_an_interrupted_conversion_goes_on(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(Exception):
        pass

    whole = to(made / "hdf5", tmp_path / "whole", "rec")
    replace = os.replace
    calls = 0

    def die(*arguments: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == 4:
            raise Killed
        replace(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", die)
        with pytest.raises(Killed):
            to(made / "hdf5", tmp_path / "out", "rec")
    assert not (tmp_path / "out" / "manifest.json").exists()
    report = to(made / "hdf5", tmp_path / "out", "rec")
    assert report.reused_shards == 1
    assert report.manifest["files"] == whole.manifest["files"]
    assert (tmp_path / "out" / "train.rec").read_bytes() == (
        tmp_path / "whole" / "train.rec"
    ).read_bytes()
    assert to(made / "hdf5", tmp_path / "out", "rec").already_complete


def test_other_outputs_are_not_touched(made: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("words")
    result = run(made / "hdf5", tmp_path / "mine", "--format", "rec")
    assert result.exit_code == 2
    assert "holds thesis.txt, which is no part of a set" in result.stderr
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.txt"]
    other = BuildConfig(dataset="demo", out=str(tmp_path / "other"), limit=3, jobs=1, format="rec")
    digest = build(other).digest
    result = run(made / "hdf5", tmp_path / "other", "--format", "rec")
    assert result.exit_code == 2
    assert "holds another set" in result.stderr
    (tmp_path / "other" / "manifest.json").unlink()
    assert run(made / "hdf5", tmp_path / "other", "--format", "rec").exit_code == 2
    assert build(other).digest == digest
    assert to(made / "hdf5", tmp_path / "other", "rec", overwrite=True).images == 17
    assert verify(tmp_path / "other", jobs=1) == []


def test_wrong_usage_is_told(made: Path, tmp_path: Path) -> None:
    path = made / "hdf5"
    with pytest.raises(InputError, match="is of the format hdf5 already"):
        to(path, tmp_path / "out", "hdf5")
    with pytest.raises(InputError, match="converted whole; leave out the limit"):
        to(path, tmp_path / "out", "rec", limit=3)
    with pytest.raises(InputError, match="into itself"):
        to(path, path, "rec")
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(InputError, match=r"none of \.rec, \.bin"):
        to(tmp_path / "notes.txt", tmp_path / "out", "rec")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no pictures"):
        to(tmp_path / "empty", tmp_path / "out", "rec")
    assert run(tmp_path / "nowhere", tmp_path / "out", "--format", "rec").exit_code == 2
    with pytest.raises(InputError, match="codec copy goes with clean_fraction 1"):
        BuildConfig(dataset="demo", codec="copy")


def test_damage_in_the_source_set_is_named(made: Path, tmp_path: Path) -> None:
    hurt = shutil.copytree(made / "hdf5", tmp_path / "hurt")
    path = hurt / "shard-00001.h5"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(ShardError, match=r"shard.*1.*verify --repair"):
        to(hurt, tmp_path / "out", "rec")
    assert not (tmp_path / "out" / "manifest.json").exists()
