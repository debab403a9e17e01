import dataclasses
import json
import shutil

import numpy as np
import pytest
import torch

import frommodel
from frommodel.eval_config import EvalConfig
from frommodel.evaluation import evaluate
from frommodel.report import html_report
from frommodel.scoring import pair_scores
from frommodel.tables import csv_report, markdown_report, text_report
from occgen.codec import decode_image
from occgen.config import BuildConfig
from occgen.engine import build
from occgen.errors import DataError, InputError
from occgen.synthesis import occlude_face
from occluders import bundled

FAST = {"resamples": 100, "folds": 3, "fars": (0.1, 0.01), "workers": 1}


def colours(images):
    """Return means of a coarse grid: a model good enough to tell smooth pictures apart."""
    rows = images[:, :112, :112].reshape(len(images), 4, -1, 4, images.shape[2] // 4, 3)
    return rows.mean(axis=(2, 4)).reshape(len(images), -1) - 128.0


@pytest.fixture
def paired_tree(face_tree):
    """Return the tree with a list of pairs: the second picture of each is the same file twice."""
    lines = ["image_a,image_b,same,fold"]
    for person in range(6):
        other = (person + 1) % 6
        shutil.copy(face_tree / f"person{person}/0.jpg", face_tree / f"person{person}/9.jpg")
        lines.append(f"person{person}/0.jpg,person{person}/9.jpg,1,{person % 3}")
        lines.append(f"person{person}/0.jpg,person{other}/1.jpg,0,{person % 3}")
    (face_tree / "pairs.csv").write_text("\n".join(lines))
    return face_tree


def test_pairs_are_scored_clean_and_occluded(paired_tree):
    config = EvalConfig(
        dataset="folder", root=str(paired_tree), scales=("2.0",), occlusion_seeds=2, **FAST
    )
    seen = []
    found = evaluate(colours, config, lambda done, total: seen.append((done, total)))
    clean, occluded = found.results
    assert (clean.name, occluded.name) == ("clean-clean", "clean-occluded, scale 2.0")
    assert clean.reports[0].accuracy == 1
    assert clean.scores[0][clean.pairs.same].min() == pytest.approx(1)
    assert occluded.seeds == (100, 101)
    assert occluded.scores.shape == (2, 12)
    assert (occluded.scores[0] != occluded.scores[1]).any()
    assert 0.1 < occluded.mean_coverage < 0.9
    assert occluded.scores[:, clean.pairs.same].mean() < 1
    assert seen[-1] == (18 + 2 * 12, 18 + 2 * 12)
    assert found.data["pairs"] == ["pairs.csv"]


def test_a_finished_set_is_evaluated_and_named_by_its_digest(paired_tree, tmp_path):
    def made(name, **settings):
        folder = {"dataset": "folder", "root": str(paired_tree), "jobs": 1, "shard_size": 10}
        return build(BuildConfig(out=str(tmp_path / name), **folder, **settings))

    clean = made("clean", clean_fraction=1.0, codec="copy", blend="opaque")
    there = evaluate(colours, EvalConfig(dataset="folder", root=str(paired_tree), **FAST))
    config = EvalConfig(dataset="shards", root=str(clean.out), scales=("2.0",), **FAST)
    found = evaluate(colours, config)
    assert found.data["digests"] == [clean.digest]
    assert there.data["digests"] == []
    assert found.data["pairs"] == ["pairs.csv"]
    assert [result.name for result in found.results] == ["clean-clean", "clean-occluded, scale 2.0"]
    np.testing.assert_array_equal(found.results[0].scores, there.results[0].scores)
    assert clean.digest in html_report(found)
    occluded = made("occluded", scale=2.0, categories=("cup",))
    config = EvalConfig(dataset="shards", root=str(occluded.out), **FAST)
    found = evaluate(colours, config)
    assert [result.name for result in found.results] == ["as given"]
    assert found.data["digests"] == [occluded.digest]
    for again in ({"scales": ("2.0",)}, {"protocol": "regions"}):
        with pytest.raises(InputError, match="is occluded already; evaluate it as it is"):
            evaluate(colours, dataclasses.replace(config, **again))


def test_occlusion_is_that_of_a_build_on_the_second_image(paired_tree):
    config = EvalConfig(
        dataset="folder",
        root=str(paired_tree),
        scales=("1.5",),
        conditions="clean-occluded",
        **FAST,
    )
    found = evaluate(colours, config).results[0]
    build = BuildConfig(dataset="folder", scale=1.5)
    a, b = found.pairs.keys_a[1], found.pairs.keys_b[1]
    first, second = (decode_image((paired_tree / key).read_bytes()) for key in (a, b))
    face = occlude_face(second, bundled(), build, b)
    expected = pair_scores(colours(first[None]), colours(face.image[None]))
    assert found.scores[0, 1] == pytest.approx(expected[0], abs=1e-6)
    assert found.coverage[0, 1] == pytest.approx(face.coverage)


def test_both_images_can_be_occluded(paired_tree):
    config = EvalConfig(
        dataset="folder",
        root=str(paired_tree),
        scales=("2.0",),
        conditions=("occluded-occluded", "clean-occluded"),
        **FAST,
    )
    both, second = evaluate(colours, config).results
    assert both.condition == "occluded-occluded"
    assert (both.scores != second.scores).any()
    with pytest.raises(InputError, match="needs a scale"):
        evaluate(
            colours,
            EvalConfig(dataset="folder", root=str(paired_tree), conditions="clean-occluded"),
        )


def test_missing_pictures_fail_and_are_named(paired_tree):
    (paired_tree / "person0/9.jpg").unlink()
    (paired_tree / "person1/1.jpg").write_bytes(b"no picture")
    config = {"dataset": "folder", "root": str(paired_tree), **FAST}
    with pytest.raises(DataError, match=r"1 of 18 pictures are missing: person0/9.jpg"):
        evaluate(colours, EvalConfig(**config))
    found = evaluate(colours, EvalConfig(**config, allow_missing=True))
    assert set(found.missing) == {"person0/9.jpg", "person1/1.jpg"}
    assert found.left_out == {"clean-clean": 2}
    assert len(found.results[0].pairs) == 10
    text = text_report(found)
    assert "2 pictures are missing or cannot be used:" in text
    assert "person0/9.jpg: no such file" in text
    assert "clean-clean: 2 pairs or probes left out" in text
    shutil.rmtree(paired_tree / "person0")
    for person in range(1, 6):
        (paired_tree / f"person{person}/0.jpg").unlink()
    with pytest.raises(DataError, match="none has both pictures"):
        evaluate(colours, EvalConfig(**config, allow_missing=True))


def test_a_crop_of_another_size_is_named_not_resized(paired_tree, draw_picture, encode_picture):
    (paired_tree / "person2/0.jpg").write_bytes(encode_picture(draw_picture(1, 160, 160)))
    model = frommodel.FROM(backbone="ir10_small", embedding_size=8, k=3)
    config = EvalConfig(dataset="folder", root=str(paired_tree), **FAST)
    with pytest.raises(DataError, match=r"person2/0.jpg \(is 160x160 pixels"):
        evaluate(model, config)


def test_embeddings_that_are_no_numbers_are_refused(paired_tree):
    def broken(images):
        rows = colours(images)
        rows[1] = np.nan
        return rows

    config = EvalConfig(dataset="folder", root=str(paired_tree), **FAST)
    with pytest.raises(DataError, match=r"not finite, the first for person1/0\.jpg"):
        evaluate(broken, config)


def test_two_models_are_compared_on_the_same_faces(paired_tree):
    model = frommodel.FROM(
        backbone="ir10_small",
        embedding_size=8,
        k=3,
        generator=torch.Generator().manual_seed(0),
    )
    config = EvalConfig(dataset="folder", root=str(paired_tree), scales=("2.0",), **FAST)
    found = evaluate([colours, model], config)
    assert [(r.model, r.condition) for r in found.results] == [
        ("colours", "clean-clean"),
        ("colours", "clean-occluded"),
        ("FROM", "clean-clean"),
        ("FROM", "clean-occluded"),
    ]
    assert [c[:3] for c in found.comparisons] == [
        ("clean-clean", "colours", "FROM"),
        ("clean-occluded, scale 2.0", "colours", "FROM"),
    ]
    assert (found.results[1].coverage == found.results[3].coverage).all()
    twice = evaluate([colours, colours], config)
    assert [record.name for record in twice.models] == ["colours", "colours (2)"]
    assert all(pair.p_value == 1 for *_, pair in twice.comparisons)


def test_records_and_tables_hold_every_figure(paired_tree):
    config = EvalConfig(dataset="folder", root=str(paired_tree), scales=("2.0",), **FAST)
    found = evaluate([colours, colours], config)
    record = json.loads(json.dumps(found.to_record(), allow_nan=False))
    assert record["results"][0]["accuracy"] == 1
    assert record["results"][0]["points"][1]["note"].startswith("FAR 0.01 cannot be told with 6")
    assert EvalConfig.from_dict(record["config"]) == config
    text = text_report(found)
    assert "TAR@0.1" in text
    assert "no difference shown" in text
    lines = csv_report(found).splitlines()
    assert lines[0] == "model,task,settings,figure,value,spread,low,high,seeds"
    assert any(line.startswith("colours,clean-clean,,accuracy,1.0") for line in lines)
    markdown = markdown_report(found)
    assert markdown.count("| --- |") >= 3


def test_identification_within_a_folder(face_tree):
    shutil.rmtree(face_tree / "person5")
    (face_tree / "person5").mkdir()
    shutil.copy(face_tree / "person0/2.jpg", face_tree / "person5/0.jpg")
    for person in range(5):
        shutil.copy(face_tree / f"person{person}/0.jpg", face_tree / f"person{person}/1.jpg")
    config = EvalConfig(
        dataset="folder", protocol="identification", root=str(face_tree), scales=("2.0",), **FAST
    )
    clean, occluded = evaluate(colours, config).results
    assert (clean.num_gallery, clean.num_probes, clean.num_trials) == (5, 11, 10)
    assert clean.correct[0, ::2].all()  # the copies of the enrolled pictures
    assert clean.cmc[0, -1] == 1
    assert (clean.cmc_low <= clean.cmc[0]).all()
    assert len(clean.open_set[0]) == 2
    assert clean.open_set[0][0].note
    assert occluded.coverage is not None
    assert occluded.rank_over_seeds(1)[0] <= 1
    with pytest.raises(InputError, match="nobody has more than 7 pictures"):
        evaluate(
            colours,
            EvalConfig(
                dataset="folder", protocol="identification", root=str(face_tree), gallery_images=7
            ),
        )


def test_drawn_people_need_no_files():
    config = EvalConfig(dataset="demo", root="6x2@5", num_pairs=12, scales=("1.0",), **FAST)
    found = evaluate(colours, config)
    assert len(found.results) == 2
    assert len(found.results[0].pairs) == 12
    assert found.data["licence"][0].startswith("CC0")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"protocol": "nothing"}, "protocol must be one of"),
        ({"conditions": "dirty"}, "condition must be one of"),
        ({"fars": (2,)}, r"fars must be in \[0, 1\)"),
        ({"scales": ("big",)}, "scale must be a number"),
        ({"folds": 1}, "folds must be a whole number >= 2"),
        ({"resamples": 7}, "resamples must be 0 or at least 100"),
        ({"image_size": "160x160"}, "image_size must be"),
        ({"dataset": "mars"}, "dataset must be one of"),
        ({"protocol": "verification", "dataset": "rec"}, "goes with --dataset"),
    ],
)
def test_wrong_settings_are_refused(changes, message):
    with pytest.raises(InputError, match=message):
        evaluate(colours, EvalConfig(**changes))
