"""Every protocol on a small made tree in its owner's form."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from frommodel.eval_config import EvalConfig
from frommodel.evaluation import evaluate
from frommodel.feature_bin import write_features
from frommodel.protocols import PROTOCOLS, find_protocol
from occgen.errors import DataError, InputError

FAST = {"resamples": 100, "folds": 2, "fars": (0.1,), "workers": 1}


def colours(images):
    """Return means of a coarse grid."""
    rows = images.reshape(len(images), 4, 28, 4, 28, 3)
    return rows.mean(axis=(2, 4)).reshape(len(images), -1) - 128.0


@pytest.fixture
def put(draw_picture, encode_picture):
    """Function that writes the picture of a seed; near seeds of one person look alike."""

    def write(path, person, shot=0):
        path.parent.mkdir(parents=True, exist_ok=True)
        image = draw_picture(person).astype(np.int16)
        noise = np.random.default_rng(1000 * person + shot).integers(-9, 10, image.shape)
        kind = "PNG" if path.suffix == ".png" else "JPEG"
        path.write_bytes(encode_picture(np.clip(image + noise, 0, 255).astype(np.uint8), kind))

    return write


def name(person):
    return f"Person_{chr(65 + person)}"


def lfw_tree(root, put, ending="jpg", suffix="", people=4):
    for person in range(people):
        for shot in (1, 2):
            put(root / name(person) / f"{name(person)}_{shot:04d}{suffix}.{ending}", person, shot)


def lfw_pairs(path, people=4, header=True):
    lines = ["2\t2"] if header else []
    for fold in range(2):
        a, b = 2 * fold, 2 * fold + 1
        lines += [f"{name(a)}\t1\t2", f"{name(b)}\t1\t2"]
        lines += [f"{name(a)}\t1\t{name(b)}\t2", f"{name(b)}\t1\t{name(a)}\t2"]
    path.write_text("\n".join(lines))


def run(dataset, root, protocol=None, **changes):
    config = EvalConfig(dataset=dataset, root=str(root), protocol=protocol, **{**FAST, **changes})
    return evaluate(colours, config)


def test_every_protocol_says_what_it_reads():
    for known, spec in PROTOCOLS.items():
        assert spec.name == known
        assert spec.title
        assert spec.layout
        assert spec.datasets
    assert find_protocol(None, "mfr2").name == "mfr2"
    assert find_protocol(None, "ar").name == "ar-1"
    assert find_protocol(None, "mf1").name == "mf1"
    assert find_protocol(None, "lfw").name == "verification"
    with pytest.raises(InputError, match="no usual protocol"):
        find_protocol(None, "rec")


def test_every_protocol_is_in_the_document_of_data_sets():
    text = (Path(__file__).parents[3] / "docs/datasets.md").read_text(encoding="utf-8")
    for known, spec in PROTOCOLS.items():
        assert f"| `{known}` |" in text, known
        for dataset in spec.datasets:
            assert f"`{dataset}`" in text


def test_lfw_and_its_occluded_scales(tmp_path, put):
    lfw_tree(tmp_path, put)
    lfw_pairs(tmp_path / "pairs.txt")
    found = run("lfw", tmp_path, "lfw")
    assert [result.name for result in found.results] == ["clean-clean"]
    assert found.results[0].reports[0].accuracy == 1
    assert found.results[0].pairs.folds.tolist() == [0] * 4 + [1] * 4
    found = run("lfw", tmp_path, "occ-lfw")
    assert [result.name for result in found.results] == [
        "clean-clean",
        *(f"clean-occluded, scale {scale}" for scale in ("1.0", "2.0", "3.0")),
    ]
    covered = [result.mean_coverage for result in found.results[1:]]
    assert covered == sorted(covered)
    assert len(run("lfw", tmp_path, "occ-lfw", scales=("1.5",)).results) == 2


def test_nine_regions(tmp_path, put):
    lfw_tree(tmp_path, put)
    lfw_pairs(tmp_path / "pairs.txt")
    found = run("lfw", tmp_path, "regions")
    assert len(found.results) == 10
    assert found.results[1].name == "region left-eye"
    by_name = {result.settings.get("region"): result for result in found.results}
    assert by_name["mouth"].settings["region_jitter"] == 5
    # a region is filled whatever the occluder, so all images of one are covered alike but for the
    # jitter at the border
    assert by_name["nose"].mean_coverage == pytest.approx(28 * 38 / (112 * 112), rel=0.02)
    one = run("lfw", tmp_path, "regions", region="nose", region_jitter=0)
    assert [result.name for result in one.results] == ["clean-clean", "region nose"]
    assert one.results[1].settings["region_jitter"] == 0


def test_unseen_groups(tmp_path, put):
    lfw_tree(tmp_path, put)
    lfw_pairs(tmp_path / "pairs.txt")
    found = run("lfw", tmp_path, "unseen")
    assert [result.name for result in found.results] == [
        *(f"R{group}, scale 1.0" for group in (1, 2, 3)),
        "all groups, scale 1.0",
    ]
    assert len({tuple(result.scores[0]) for result in found.results}) == 4


def test_mfr2_without_header(tmp_path, put):
    lfw_tree(tmp_path, put, "png")
    lfw_pairs(tmp_path / "pairs.txt", header=False)
    found = run("mfr2", tmp_path)
    assert found.results[0].reports[0].accuracy == 1
    assert found.results[0].pairs.keys_a[0] == "Person_A/Person_A_0001.png"
    (tmp_path / "pairs.txt").unlink()
    with pytest.raises(InputError, match=r"neither pairs\.csv"):
        run("mfr2", tmp_path)


def test_lfw_sm_takes_the_second_image_masked(tmp_path, put):
    lfw_tree(tmp_path / "clean", put)
    lfw_tree(tmp_path / "masked", put, suffix="_surgical")
    lfw_pairs(tmp_path / "pairs.txt")
    found = run("lfw-sm", tmp_path)
    pairs = found.results[0].pairs
    assert pairs.keys_a[0] == "Person_A/Person_A_0001.jpg"
    assert pairs.keys_b[0] == "Person_A/Person_A_0002_surgical.jpg"
    assert found.results[0].reports[0].accuracy == 1
    lfw_tree(tmp_path / "flat", put)
    lfw_pairs(tmp_path / "flat/pairs.txt")
    assert len(run("lfw-sm", tmp_path / "flat").results[0].pairs) == 8


def test_olfw_in_both_ways(tmp_path, put):
    lfw_tree(tmp_path / "clean", put)
    lfw_pairs(tmp_path / "pairs.txt")
    with pytest.raises(InputError, match="occluded does not exist"):
        run("olfw", tmp_path)
    lfw_tree(tmp_path / "occluded", put, suffix="_7")
    found = run("olfw", tmp_path)
    assert [result.name for result in found.results] == ["N-O", "O-O"]
    first, both = (result.pairs for result in found.results)
    assert first.keys_a[0] == "Person_A/Person_A_0001.jpg"
    assert both.keys_a[0] == "Person_A/Person_A_0001_7.jpg"


@pytest.fixture
def ar_tree(tmp_path, put):
    for person in range(3):
        sex = "mw"[person % 2]
        for shot in (1, 2, 3, 5, 8, 9, 10, 11, 14, 15, 16, 21, 24):
            put(tmp_path / f"{sex}-{person + 1:03d}-{shot:02d}.png", person, shot)
    (tmp_path / "notes.txt").write_text("not a picture")
    return tmp_path


def test_ar_enrols_six_or_one(ar_tree):
    found = run("ar", ar_tree)
    assert found.protocol == "ar-1"
    glasses, scarf = found.results
    assert (glasses.name, scarf.name) == ("sunglasses", "scarf")
    assert (glasses.num_gallery, glasses.num_probes) == (18, 12)
    assert scarf.num_probes == 6
    assert glasses.keys[0] == "m-001-08.png"
    assert glasses.rank_over_seeds(1)[0] == 1
    one = run("ar", ar_tree, "ar-2")
    assert one.results[0].num_gallery == 3
    other = run("ar", ar_tree, "ar-2", ar_gallery=(5,))
    assert other.results[0].settings["gallery"] == [5]


def test_ar_says_what_is_lacking(ar_tree, tmp_path):
    with pytest.raises(InputError, match="holds none of the shots to be enrolled: 07"):
        run("ar", ar_tree, ar_gallery=(7,))
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no picture named as AR's"):
        run("ar", tmp_path / "empty")


@pytest.fixture
def mf1_tree(tmp_path, put):
    for person in range(4):
        for shot in range(3):
            put(
                tmp_path / f"facescrub_images/{name(person)}/{name(person)}_{shot}.png",
                person,
                shot,
            )
    for other in range(20):
        put(tmp_path / f"megaface_images/{other % 3}/{other}@N00/{other}_0.jpg", 100 + other)
    return tmp_path


def test_mf1_with_its_lists(mf1_tree):
    found = run("mf1", mf1_tree)
    result = found.results[0]
    assert (result.num_probes, result.num_gallery, result.num_trials) == (12, 20, 24)
    assert result.rank_over_seeds(1)[0] == 1
    listed = [f"{name(0)}/{name(0)}_{shot}.png" for shot in range(3)]
    (mf1_tree / "facescrub_lst").write_text("\n".join(listed))
    (mf1_tree / "megaface_noises.txt").write_text("0/0@N00/0_0.jpg\n")
    (mf1_tree / "facescrub_noises.txt").write_text(f"{name(0)}_1.png\n")
    result = run("mf1", mf1_tree).results[0]
    assert (result.num_probes, result.num_gallery, result.num_trials) == (2, 19, 2)
    own = {"probe_noises": mf1_tree / "own.txt", "distractor_noises": mf1_tree / "others.txt"}
    own["probe_noises"].write_text(f"{name(0)}_0.png\n")
    own["distractor_noises"].write_text("0/0@N00/0_0.jpg\n1/1@N00/1_0.jpg\n")
    result = run("mf1", mf1_tree, **{list_: str(path) for list_, path in own.items()}).results[0]
    assert (result.num_probes, result.num_gallery, result.num_trials) == (2, 18, 2)
    assert [key.split("_")[-1] for key in result.keys] == ["1.png", "2.png"]
    (mf1_tree / "facescrub_noises.txt").write_text("Nobody_1.png\n")
    with pytest.raises(DataError, match="none of its 1 pictures is among"):
        run("mf1", mf1_tree)


def test_mf1_occluded_as_published_and_probes_alone(mf1_tree):
    found = run("mf1", mf1_tree, "occ-mf1", scales=("2.0",), occlusion_seeds=2)
    clean, both = found.results
    assert both.name == "occluded probes and mates, scale 2.0"
    assert both.seeds == (100, 101)
    assert both.rank_over_seeds(1)[0] < clean.rank_over_seeds(1)[0]
    alone = run("mf1", mf1_tree, "occ-mf1", scales=("2.0",), conditions="clean-occluded")
    assert alone.results[0].name == "occluded probes, scale 2.0"
    assert alone.results[0].cmc.tolist() != both.cmc.tolist()
    regions = run("mf1", mf1_tree, "regions", region="eyes")
    assert [r.name for r in regions.results] == ["clean probes", "occluded probes and mates, eyes"]
    assert regions.results[1].settings["region_jitter"] == 10


def test_mask_mf1(mf1_tree):
    source = mf1_tree / "facescrub_images"
    with pytest.raises(InputError, match="facescrub_masked_images does not exist"):
        run("mf1", mf1_tree, "mask-mf1")
    shutil.copytree(source, mf1_tree / "facescrub_masked_images")
    (mf1_tree / f"facescrub_masked_images/{name(1)}/{name(1)}_2.png").unlink()
    result = run("mf1", mf1_tree, "mask-mf1").results[0]
    assert (result.num_probes, result.num_trials) == (11, 3 * 6 + 2)
    assert result.rank_over_seeds(1)[0] == 1


def test_features_made_before_need_no_model(mf1_tree):
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(4, 16)).astype(np.float32)
    keys = [f"{name(p)}/{name(p)}_{shot}.png" for p in range(4) for shot in range(3)]
    rows = np.repeat(centres, 3, axis=0) + rng.normal(0, 0.05, (12, 16)).astype(np.float32)
    write_features(mf1_tree / "probes", keys, rows, "from")
    others = [f"0/{i}@N00/{i}_0.jpg" for i in range(50)]
    strangers = rng.normal(size=(50, 16)).astype(np.float32)
    write_features(mf1_tree / "others", others, strangers, "from")
    config = EvalConfig(
        dataset="mf1",
        probes=str(mf1_tree / "probes"),
        distractors=str(mf1_tree / "others"),
        **FAST,
    )
    found = evaluate([], config)
    assert found.models[0].name == "features"
    assert found.results[0].rank_over_seeds(1)[0] == 1
    assert found.results[0].num_gallery == 50
    with pytest.raises(InputError, match="a model is needed"):
        evaluate([], EvalConfig(dataset="mf1", root=str(mf1_tree), **FAST))
    with pytest.raises(InputError, match="features cannot be occluded"):
        evaluate(colours, EvalConfig(**{**as_fields(config), "protocol": "occ-mf1"}))


def as_fields(config):
    return {field: getattr(config, field) for field in EvalConfig.__dataclass_fields__}


def test_mf1_says_what_is_lacking(tmp_path):
    with pytest.raises(InputError, match="facescrub_images does not exist"):
        run("mf1", tmp_path)
    with pytest.raises(InputError, match="needs --root DIR"):
        evaluate(colours, EvalConfig(dataset="mf1"))


def test_pairs_of_insightface_files(tmp_path, put):
    import pickle

    images = []
    for person in range(4):
        for shot in range(2):
            put(tmp_path / "x.jpg", person, shot)
            images.append((tmp_path / "x.jpg").read_bytes())
    bins = images + [images[i] for i in (0, 2, 2, 4, 4, 6, 6, 0)]
    path = tmp_path / "lfw.bin"
    path.write_bytes(pickle.dumps((bins, [True] * 4 + [False] * 4), protocol=2))
    found = run("bin", path)
    assert len(found.results[0].pairs) == 8
    assert found.results[0].reports[0].area_under_curve == 1
    assert len(run("bin", path, "occ-lfw").results) == 4
