"""BuildConfig: what is refused, names, what decides a set's identity, JSON there and back."""

import dataclasses
import json
from typing import Any

import numpy as np
import pytest

from occgen import BuildConfig
from occgen.config import DATASETS
from occgen.errors import InputError, OccgenError


def config(**options: Any) -> BuildConfig:
    return BuildConfig(**({"dataset": "lfw"} | options))


def test_defaults_are_the_designs() -> None:
    made = config()
    assert (made.scale, made.seed, made.k, made.by) == (1.0, 100, 5, "box")
    assert (made.placement, made.blend, made.image_size) == ("random", "alpha", "source")
    assert (made.codec, made.quality, made.shard_size) == ("jpeg", 95, 4096)
    assert (made.clean_fraction, made.variants, made.max_skipped) == (0.0, 1, 0.01)


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"scale": 2.0}, "Occ-LFW-2.0"),
        ({"scale": "2"}, "Occ-LFW-2.0"),
        ({"scale": 1}, "Occ-LFW-1.0"),
        ({"scale": 1.25}, "Occ-LFW-1.25"),
        ({"dataset": "webface", "scale": "1.0:0.5:5.0"}, "Occ-WebFace"),
        ({"dataset": "webface", "scale": "1.0:0.5:5.0", "clean_fraction": 1 / 3}, "Mix-WebFace"),
        ({"dataset": "mf1"}, "Occ-MF1-1.0"),
        ({"dataset": "demo", "scale": 2.0}, "Occ-Demo-2.0"),
        ({"dataset": "folder", "scale": 3.0}, "Occ-Folder-3.0"),
        ({"placement": "regions", "region": "left_eye"}, "Occ-LFW-left-eye"),
        ({"placement": "regions"}, "Occ-LFW-regions"),
        ({"area": 0.2}, "Occ-LFW-area0.2"),
        ({"scale": "2.0:1.0:2.0"}, "Occ-LFW-2.0"),
    ],
)
def test_sets_are_named_as_in_the_paper(options: dict[str, Any], name: str) -> None:
    made = config(**options)
    assert made.name == name
    assert made.out_path.name == name
    assert config(**options, out="/elsewhere/x").out_path.as_posix() == "/elsewhere/x"


@pytest.mark.parametrize(
    ("text", "scales"),
    [
        ("2.0", (2.0,)),
        ("1.0:0.5:5.0", (1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0)),
        ("0.1:0.1:0.3", (0.1, 0.2, 0.3)),
        ("1:2:4", (1.0, 3.0)),
        ("2:1:2", (2.0,)),
    ],
)
def test_scales_are_read_with_both_ends_in(text: str, scales: tuple[float, ...]) -> None:
    assert config(scale=text).scales == scales


@pytest.mark.parametrize(
    "text",
    ["", "x", "1:2", "1:2:3:4", "0", "-1", "nan", "inf", "1e9", "1:0:3", "1:-1:3", "3:1:1"],
)
def test_wrong_scales_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="scale"):
        config(scale=text)


@pytest.mark.parametrize("text", ["0:1:3", "1:nan:3", "1:0.0001:5", "1::3", "1:1:inf"])
def test_wrong_ranges_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="scale"):
        config(scale=text)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dataset": "celeba"}, "dataset must be one of demo, .* got 'celeba'"),
        ({"scale": 0.0}, "scale must be > 0 and at most 1000, got 0.0"),
        ({"scale": -1.0}, "scale must be > 0"),
        ({"scale": float("nan")}, "scale must be > 0"),
        (
            {"placement": "anywhere"},
            "placement must be one of random, .*, mixed, got 'anywhere'",
        ),
        ({"region": "mouth"}, "region goes with placement 'regions'"),
        ({"placement": "regions", "region": "chin"}, "region must be one of left-eye,.*'chin'"),
        ({"placement": "regions", "area": 0.2}, "area goes with placement 'random'"),
        ({"blend": "screen"}, "blend must be one of opaque, alpha, natural"),
        ({"placement": "landmarks", "max_coverage": 0.3}, "max_coverage goes with placement"),
        ({"placement": "regions", "max_coverage": 0.3}, "max_coverage goes with placement"),
        ({"placement": "mixed", "max_coverage": 0.3}, "max_coverage goes with placement"),
        ({"occluders_per_face": "1:2", "max_coverage": 0.3}, "max_coverage is of one occluder"),
        ({"occluders_per_face": 2, "area": 0.3}, "area is of one occluder; leave"),
        ({"compat": "published", "blend": "natural"}, "pastes opaque and writes quality 75"),
        ({"compat": "published", "quality": 30}, "pastes opaque and writes quality 75"),
        ({"region_jitter": 3}, "region_jitter goes with placement 'regions' or 'mixed'"),
        ({"codec": "png", "quality": 80}, "quality goes with codec jpeg"),
        ({"probes": "a"}, "probes goes with dataset mf1"),
        ({"mix": "random=1"}, "mix goes with placement 'mixed'"),
        ({"placement": "mixed", "mix": "random"}, "mix must be weights of random, .* 'random'"),
        ({"placement": "mixed", "mix": "random=0"}, "mix must be weights"),
        ({"placement": "mixed", "mix": "random=nan"}, "mix must be weights"),
        ({"placement": "mixed", "mix": "random=-1,landmarks=2"}, "mix must be weights"),
        ({"placement": "mixed", "mix": "worn=1"}, "mix must be weights"),
        ({"occluders_per_face": 0}, "occluders_per_face must be 1 to 8, or a range as 1:2, got 0"),
        ({"occluders_per_face": "3:1"}, "occluders_per_face must be"),
        ({"occluders_per_face": "1:2:3"}, "occluders_per_face must be"),
        ({"occluders_per_face": 1.5}, "occluders_per_face must be"),
        ({"occluders_per_face": True}, "occluders_per_face must be"),
        ({"natural_steps": ("blur",)}, "natural_steps goes with blend 'natural'"),
        ({"blend": "natural", "natural_steps": ("x",)}, "natural_steps must be some of colour"),
        ({"by": "pixel"}, "by must be one of box, mask"),
        ({"image_size": "64x64"}, "image_size must be one of source, 112x96, 112x112"),
        ({"codec": "gif"}, "codec must be one of jpeg, png"),
        ({"format": "zip"}, "format must be one of hdf5, folder"),
        ({"compat": "exact"}, "compat must be one of published"),
        ({"compat": "published", "codec": "png"}, "compat 'published' writes JPEG"),
        ({"k": 0}, "k must be a whole number >= 1, got 0"),
        ({"k": 17}, "k must be <= 16"),
        ({"k": 5.5}, "k must be a whole number, got 5.5"),
        ({"k": "5"}, "k must be a whole number, got '5'"),
        ({"k": None}, "k must be a whole number, got None"),
        ({"scale": None}, "scale must be a number, got None"),
        ({"scale": True}, "scale must be a number, got True"),
        ({"clean_fraction": "0.5"}, "clean_fraction must be a number, got '0.5'"),
        ({"area": [1]}, r"area must be a number, got \[1\]"),
        ({"k": True}, "k must be a whole number"),
        ({"seed": -1}, "seed must be a whole number >= 0"),
        ({"seed": 2**64}, "seed must be <="),
        ({"variants": 0}, "variants must be a whole number >= 1"),
        ({"quality": 0}, "quality must be a whole number >= 1"),
        ({"quality": 101}, "quality must be <= 100"),
        ({"shard_size": 0}, "shard_size must be a whole number >= 1"),
        ({"limit": 0}, "limit must be a whole number >= 1"),
        ({"jobs": 0}, "jobs must be a whole number >= 1"),
        ({"group": 4}, "group must be <= 3"),
        ({"group": 0}, "group must be a whole number >= 1"),
        ({"region_jitter": -1}, "region_jitter must be a whole number >= 0"),
        ({"clean_fraction": 1.1}, r"clean_fraction must be in 0 .. 1, got 1.1"),
        ({"clean_fraction": float("nan")}, "clean_fraction must be in 0 .. 1"),
        ({"max_skipped": -0.1}, "max_skipped must be in 0 .. 1"),
        ({"area": 0.0}, "area must be above 0 and at most 1, got 0.0"),
        ({"max_coverage": 1.5}, "max_coverage must be above 0 and at most 1"),
    ],
)
def test_wrong_values_are_refused_with_what_would_be_right(
    options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message) as caught:
        config(**options)
    assert isinstance(caught.value, (OccgenError, ValueError))
    assert "\n" not in str(caught.value)


def test_a_configuration_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        config().k = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"scale": "1.0:0.5:5.0", "clean_fraction": 1 / 3, "variants": 3},
        {"placement": "regions", "region": "eyes", "region_jitter": 5},
        {"categories": ["book", "cup"], "exclude_occluders": "book/01", "group": 1},
        {"categories": ["book=2.5", "cup"]},
        {"area": 0.2, "max_coverage": 0.5, "seed": 2**64 - 1, "root": "/data/ünï"},
        {"compat": "published", "blend": "opaque", "limit": 3, "jobs": 2, "strict": True},
    ],
)
def test_json_there_and_back(options: dict[str, Any]) -> None:
    made = config(**options)
    assert BuildConfig.from_json(made.to_json()) == made
    assert "\n" not in made.to_json()
    json.dumps(made.content(), allow_nan=False)


def test_categories_carry_weights_in_one_form() -> None:
    one = config(categories="face_mask=4.0, hand=1,scarf")
    assert one.categories == ("face_mask=4", "hand", "scarf")
    assert config(categories=["face_mask=4", "hand", "scarf=1"]) == one
    assert json.loads(one.to_json())["categories"] == ["face_mask=4", "hand", "scarf"]
    assert config(categories=("hand", "hand")).categories == ("hand", "hand")
    assert config(categories=["hand=0.3333333333"]).categories == ("hand=0.333333",)
    for wrong in (["hand=0"], ["hand=two"], ["hand=nan"]):
        with pytest.raises(InputError, match=r"number > 0, as face_mask=4; got 'hand="):
            config(categories=wrong)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "null", '{"dataset": "lfw", "colour": 1}', "{}", '{"dataset": "lfw", "k": 0}'],
)
def test_other_json_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        BuildConfig.from_json(text)


def test_identity_holds_what_decides_the_bytes_and_nothing_else() -> None:
    runs = {
        "root": "/a",
        "out": "/b",
        "jobs": 3,
        "strict": True,
        "max_skipped": 0.5,
        "overwrite": True,
        "occluders": "/c",
        "backend": "ray",
        "address": "127.0.0.1:6379",
        "probes": "/d",
        "gallery": "/e",
        "on_error": "skip",
    }
    assert config(dataset="mf1", **runs).content() == config(dataset="mf1").content()
    changed = {
        "dataset": "folder",
        "scale": 2.0,
        "placement": "regions",
        "blend": "opaque",
        "by": "mask",
        "k": 4,
        "categories": ("book",),
        "group": 2,
        "exclude_occluders": ("cup",),
        "include_occluders": ("book/*",),
        "split": "test",
        "clean_fraction": 0.5,
        "variants": 2,
        "area": 0.3,
        "max_coverage": 0.3,
        "image_size": "112x96",
        "codec": "png",
        "quality": 90,
        "shard_size": 100,
        "limit": 5,
        "format": "folder",
        "compat": "published",
        "seed": 1,
        "region_jitter": 3,
        "occluders_per_face": 2,
    }
    needed = {"region_jitter": {"placement": "regions"}}
    for name, value in changed.items():
        base = needed.get(name, {})
        assert config(**base, **{name: value}).content() != config(**base).content(), name
    fields = {field.name for field in dataclasses.fields(BuildConfig)}
    assert fields - set(runs) - set(changed) <= {"region", "mix", "natural_steps"}
    mixed, natural = config(placement="mixed"), config(blend="natural")
    assert config(placement="mixed", mix="random=2").content() != mixed.content()
    assert config(blend="natural", natural_steps=("blur",)).content() != natural.content()


def test_mixtures_and_numbers_have_one_identity_however_they_are_written() -> None:
    one = config(placement="mixed", mix="landmarks=2.0, random=1", occluders_per_face="2:2")
    two = config(placement="mixed", occluders_per_face=2)
    assert one.content() == two.content()
    assert one.weights == {"random": 1.0, "landmarks": 2.0}
    assert one.occluder_counts == (2, 2)
    assert config(occluders_per_face="1:3").occluder_counts == (1, 3)
    steps = config(blend="natural", natural_steps=["blur", "colour"]).natural_steps
    assert steps == ("colour", "blur")
    assert BuildConfig.from_json(one.to_json()) == one


@pytest.mark.parametrize("placement", ["landmarks", "mixed"])
def test_sets_of_worn_things_are_named_after_the_placement(placement: str) -> None:
    assert config(placement=placement).name == f"Occ-LFW-{placement}"


def test_one_scale_has_one_identity_however_it_is_written() -> None:
    assert len({json.dumps(config(scale=s).content()) for s in (2, 2.0, "2", "2.00")}) == 1


def test_numbers_of_every_kind_are_one_identity() -> None:
    plain = config(k=4, seed=7, clean_fraction=1.0, area=1.0, variants=2)
    numpys = config(
        k=np.int64(4), seed=np.uint8(7), clean_fraction=1, area=np.float32(1), variants=np.int32(2)
    )
    assert json.dumps(plain.content()) == json.dumps(numpys.content())
    assert plain == BuildConfig.from_json(numpys.to_json())


def test_published_compat_says_what_it_does() -> None:
    made = config(compat="published")
    assert (made.blend, made.quality) == ("opaque", 75)
    assert made == config(compat="published", blend="opaque", quality=75)
    assert config().blend == "alpha"


def test_every_dataset_of_the_design_is_known() -> None:
    names = "demo lfw webface mf1 facescrub ar mfr2 lfw-sm olfw folder rec bin shards"
    assert set(DATASETS) == set(names.split())
