"""The data card that stands beside a set."""

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from occgen import build, verify
from occgen.card import data_card
from occgen.config import BuildConfig
from occgen.conversion import convert, plain_config
from occgen.labelling import label_build
from occgen.manifest import read_manifest


@pytest.fixture
def config(face_tree: Path, tmp_path: Path) -> BuildConfig:
    """Eighteen faces in shards of five."""
    return BuildConfig(
        dataset="folder",
        root=str(face_tree),
        out=str(tmp_path / "set"),
        scale=2.0,
        categories=("cup=2", "phone"),
        clean_fraction=0.3,
        shard_size=5,
        jobs=1,
    )


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Manifest of a set of drawn faces."""
    out = tmp_path_factory.mktemp("card") / "set"
    return build(BuildConfig(dataset="demo", out=str(out), limit=6, jobs=1)).manifest


def changed(manifest: dict[str, Any], part: str = "", **changes: Any) -> str:
    """Return the card of a manifest with other values."""
    record = json.loads(json.dumps(manifest))
    (record[part] if part else record).update(changes)
    return data_card(record)


def test_it_is_part_of_the_set(config: BuildConfig) -> None:
    report = build(config)
    path = report.out / "card.md"
    text = path.read_text(encoding="utf-8")
    assert text == data_card(report.manifest)
    assert set(report.manifest["files"]) == {"card.md"}
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"18", b"19", 1))
    (finding,) = verify.verify(report.out, 1)
    assert (finding.file, finding.field) == ("card.md", "checksum")
    path.unlink()
    assert [f.file for f in verify.verify(report.out, 1)] == ["card.md"]
    path.write_bytes(whole)
    assert verify.verify(report.out, 1) == []


def test_it_says_what_the_manifest_says(config: BuildConfig) -> None:
    report = build(config)
    manifest, text = report.manifest, (report.out / "card.md").read_text(encoding="utf-8")
    assert text.startswith("# Data card: Mix-Folder\n")
    assert "18 images (face crops, 112x112, height x width) of 6 identities" in text
    for name, count in manifest["categories"].items():
        shown = "nothing (clean)" if name == "clean" else f"`{name}`"
        assert f"| {shown} | {count} | {count / 18:.1%} |" in text
    for part in ("digest", "seed"):
        assert str(manifest[part]) in text
    assert manifest["occluders"]["digest"] in text
    assert manifest["source"]["fingerprint"] in text
    assert f"coverage of the occluded images: box {manifest['box_coverage']:.2%}" in text
    assert "categories `cup=2`, `phone`" in text
    assert "GDPR" in text
    assert "rendered by occgen, CC0" in text
    assert not any(line != line.rstrip() for line in text.splitlines())


def test_equal_sets_have_equal_cards(config: BuildConfig, tmp_path: Path) -> None:
    first = build(config)
    moved = shutil.copytree(Path(str(config.root)), tmp_path / "somewhere else é")
    out = str(tmp_path / "again")
    second = build(dataclasses.replace(config, root=str(moved), out=out))
    assert (second.out / "card.md").read_bytes() == (first.out / "card.md").read_bytes()
    assert str(tmp_path) not in data_card(second.manifest)


def test_a_converted_set_has_the_card_of_a_built_one(config: BuildConfig, tmp_path: Path) -> None:
    build(config)
    there = convert(
        config.out_path, plain_config(config.out_path, tmp_path / "there", "folder", jobs=1)
    )
    built = build(dataclasses.replace(config, out=str(tmp_path / "built"), format="folder"))
    text = (there.out / "card.md").read_text(encoding="utf-8")
    assert text == (built.out / "card.md").read_text(encoding="utf-8")
    assert "4 shards, folder" in text
    assert there.manifest["files"] == built.manifest["files"]
    assert verify.verify(there.out, 1) == []


def test_added_labels_are_told(config: BuildConfig) -> None:
    report = build(config)
    before = (report.out / "card.md").read_text(encoding="utf-8")
    label_build(report.out, 3)
    after = (report.out / "card.md").read_text(encoding="utf-8")
    (line,) = set(after.splitlines()) - set(before.splitlines())
    assert line.startswith("- K = 3 by box: ")
    assert after == data_card(read_manifest(report.out))
    assert verify.verify(report.out, 1) == []


def test_a_data_set_that_is_only_copied_has_one_too(face_tree: Path, tmp_path: Path) -> None:
    report = convert(face_tree, plain_config(face_tree, tmp_path / "set", "rec", jobs=1))
    text = (report.out / "card.md").read_text(encoding="utf-8")
    assert "    occgen convert SOURCE OUT --dataset folder --format rec\n" in text
    assert "No face was occluded" in text
    assert "coverage" not in text
    assert "Occluders" not in text
    assert "recipe" not in text


def test_drawn_people_need_no_consent(manifest: dict[str, Any]) -> None:
    text = data_card(manifest)
    assert "Consent: none is needed" in text
    assert "GDPR" not in text
    mine = changed(manifest, "source", licence="for me alone")
    assert "- Pictures: for me alone.\n" in mine
    assert "GDPR" in mine


def test_what_others_named_cannot_break_it(manifest: dict[str, Any]) -> None:
    names = {"a|b": 1, "`x`": 2, "new\nline": 3, "# head": 1, "é\udce9": 1}
    text = changed(
        manifest,
        categories=names,
        name="<b>*x*",
        source={**manifest["source"], "licence": "read\n# this [now](x)"},
        config={**manifest["config"], "exclude_occluders": ["$(x)\n'y'"]},
    )
    assert "| `a\\|b` | 1 |" in text
    assert "| `` `x` `` | 2 |" in text
    assert "| `new line` | 3 |" in text
    assert "# Data card: \\<b\\>\\*x\\*\n" in text
    assert "- Pictures: read \\# this \\[now\\](x).\n" in text
    assert [line for line in text.splitlines() if line.startswith("# ")] == text.splitlines()[:1]
    text.encode("utf-8", "backslashreplace")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"placement": "regions", "region": "eyes"}, "filling the region eyes (Fig. 1)"),
        ({"placement": "landmarks"}, "at true size"),
        ({"placement": "mixed", "mix": "random=1,landmarks=2"}, "weights random=1,landmarks=2 ("),
        ({"area": 0.2}, "each made to cover 20.0% of the picture"),
        ({"occluders_per_face": "1:3"}, "; 1 to 3 occluders a face"),
        ({"max_coverage": 0.5}, "at most 50.0% of the picture"),
        ({"blend": "natural", "natural_steps": ["blur"]}, "matched to the picture in blur."),
        ({"blend": "natural", "natural_steps": []}, "the occluder's matte alone."),
        ({"compat": "published", "blend": "opaque"}, "opaque, the occluder's whole rectangle"),
        ({"group": 2, "split": "test"}, "of these group `2`, split `test`"),
        ({"codec": "png"}, "- Pictures: PNG."),
        ({"variants": 3}, "Versions of one picture are not independent"),
    ],
)
def test_settings_are_told(
    manifest: dict[str, Any], changes: dict[str, Any], expected: str
) -> None:
    assert expected in changed(manifest, "config", **changes)
    assert expected not in data_card(manifest)


def test_a_manifest_of_before_gets_the_defaults(manifest: dict[str, Any]) -> None:
    settings = {k: v for k, v in manifest["config"].items() if k not in ("mix", "natural_steps")}
    assert changed(manifest, config=settings) == data_card(manifest)
