"""Tables, conditions and experiments fit each other and the paper's numbers; nothing is trained."""

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from frommodel.paper.conditions import CONDITIONS
from frommodel.paper.config import PaperConfig
from frommodel.paper.data import open_data
from frommodel.paper.estimate import estimate
from frommodel.paper.experiments import EXPERIMENTS, training_config
from frommodel.paper.libraries import make_rectangles, split_cutouts
from frommodel.paper.plan import Plan
from frommodel.paper.presets import PRESETS
from frommodel.paper.published import published_figure, published_rows
from frommodel.paper.splits import split_crops
from frommodel.paper.tables import TABLES, choose_tables
from frommodel.protocols import IdentificationTask, VerificationTask
from occgen.errors import InputError
from occluders import from_directory


def plan_of(out: Path, **options: object) -> Plan:
    """Return a plan of the smallest preset."""
    config = PaperConfig(preset="tiny", out=str(out), **options)  # type: ignore[arg-type]
    return Plan(config=config, data=open_data(config))


def test_every_run_and_condition_of_the_tables_is_known() -> None:
    for table in TABLES.values():
        for row in table.rows:
            for column in table.columns:
                for condition in column.conditions:
                    assert condition in CONDITIONS
                    run = row.run_of(condition)
                    assert run is None or run in EXPERIMENTS
        headings = [column.heading for column in table.columns]
        assert len(set(headings)) == len(headings)
        assert set(table.compared) <= set(headings)
        if table.against is not None:
            assert table.against in [row.label for row in table.rows]


def test_the_papers_rows_stand_where_ours_do() -> None:
    for name in ("2", "3", "4", "5", "6", "7", "8", "9", "10", "11"):
        labels = {row.label for row in TABLES[name].rows}
        assert set(published_rows(name)) <= labels, name
        for label in published_rows(name):
            given = [published_figure(name, label, c.heading) for c in TABLES[name].columns]
            assert any(value is not None for value in given), (name, label)


def test_the_papers_means_are_the_means_of_its_columns() -> None:
    for name in ("3", "4", "6", "7"):
        table = TABLES[name]
        mean = next(c for c in table.columns if c.heading == "mean")
        parts = [c for c in table.columns if c.conditions[0] in mean.conditions and c is not mean]
        parts = [c for c in parts if c.test == mean.test]
        for label in published_rows(name):
            values = [published_figure(name, label, c.heading) for c in parts]
            assert len(values) == len(mean.conditions)
            stated = published_figure(name, label, "mean")
            assert np.mean(values) == pytest.approx(stated, abs=0.011), (name, label)  # type: ignore[arg-type]


def test_parents_come_first_and_configurations_hold() -> None:
    seen: set[str] = set()
    for name, experiment in EXPERIMENTS.items():
        assert set(experiment.parents) <= seen, name
        seen.add(name)
        for preset in PRESETS.values():
            config = training_config(experiment, preset, 7)
            assert config.seed == 7
            assert config.init == experiment.init
    assert training_config(EXPERIMENTS["from"], PRESETS["full"], 100).epochs == 40
    assert training_config(EXPERIMENTS["k4"], PRESETS["full"], 100).model.k == 4


def test_unseen_groups_are_left_out_of_training() -> None:
    library = groups_of_the_paper()
    for group in (1, 2, 3):
        config = training_config(EXPERIMENTS[f"unseen-{group}"], PRESETS["demo"], 100)
        assert config.categories is not None
        assert not set(config.categories) & set(library[group])
        assert len(config.categories) == 6


def groups_of_the_paper() -> dict[int, tuple[str, ...]]:
    """Return the groups of Sec. 4.8 as the paper lists them."""
    return {
        1: ("book", "cup", "eye_mask"),
        2: ("eyeglasses", "hand", "face_mask"),
        3: ("phone", "scarf", "sunglasses"),
    }


def test_tables_choose_runs_with_what_they_start_from(tmp_path: Path) -> None:
    plan = plan_of(tmp_path / "out", tables="4")
    assert [e.name for e in plan.experiments] == ["baseline", "from", "baseline-md", "lambda-0.5"]
    assert plan.conditions_of("baseline", None) == ()  # no row of the table
    assert "occ-1.5" in plan.conditions_of("from", None)
    assert not (tmp_path / "out").exists()


def test_a_run_of_the_small_network_is_its_twin_where_there_is_none(tmp_path: Path) -> None:
    plan = plan_of(tmp_path / "out", tables="3", runs="small-from")
    assert [e.name for e in plan.experiments] == ["baseline", "from"]
    for text in ("fro", " , "):
        with pytest.raises(InputError, match="run must be one of"):
            plan_of(tmp_path / "out", runs=text)


def test_a_question_put_to_two_networks_is_left_out_where_there_is_one(tmp_path: Path) -> None:
    names = [table.name for table in plan_of(tmp_path / "out").tables]
    assert "library" in names
    assert "library-small" not in names
    with pytest.raises(InputError, match="no small network for table library-small"):
        plan_of(tmp_path / "out", tables="library-small")


def test_an_estimate_names_what_is_missing_and_writes_nothing(tmp_path: Path) -> None:
    found = estimate(plan_of(tmp_path / "out", seeds=2))
    names = {run["run"] for run in found["runs"]}
    assert "cut-outs" not in names
    assert any("--cutouts" in text for text in found["missing"])
    library = next(table for table in found["tables"] if table["table"] == "library")
    assert "improved-cut-outs" in library["not_run"]
    assert "real cut-outs worn" in library["no_data_for"]
    tiers = [run["tier"] for run in found["runs"]]
    assert tiers == sorted(tiers)
    assert found["estimated_s"] > 0
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("text", ["12", "x", " , "])
def test_unknown_tables_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="table must be one of"):
        choose_tables(text)


def test_real_needs_a_root(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--root"):
        PaperConfig(preset="real", out=str(tmp_path))
    with pytest.raises(InputError, match=r"folds\.csv"):
        open_data(PaperConfig(preset="real", out=str(tmp_path / "out"), root=str(tmp_path)))


def test_parts_share_nobody_and_follow_the_folds(tmp_path: Path) -> None:
    people = {f"Person_{number}": 1 + number % 7 for number in range(28)}
    for name in people:
        (tmp_path / "lfw" / name).mkdir(parents=True)
    for number in range(40):
        (tmp_path / "celeba" / f"{number:05d}").mkdir(parents=True)
    with open(tmp_path / "lfw" / "folds.csv", "w", newline="") as file:
        csv.writer(file).writerows(
            [("identity", "fold", "images"), *((n, f, 1) for n, f in people.items())]
        )
    pairs = [("image_a", "image_b", "same", "fold")]
    pairs += [(f"Person_6/{i}.jpg", f"Person_13/{i}.jpg", str(i % 2), "7") for i in range(20)]
    pairs += [("Person_0/1.jpg", "Person_0/2.jpg", "1", "1")]
    with open(tmp_path / "lfw" / "pairs.csv", "w", newline="") as file:
        csv.writer(file).writerows(pairs)
    split = split_crops(tmp_path)
    names = {part: {name for name, _ in found} for part, found in split.people.items()}
    assert not names["train"] & names["test"]
    assert not names["validate"] & (names["train"] | names["test"])
    assert sum(len(found) for found in names.values()) == 68
    for name, fold in people.items():
        part = "train" if fold < 6 else "validate" if fold == 6 else "test"
        assert f"lfw-{name}" in names[part]
    assert split.official is not None
    assert len(split.official) == 20
    assert split.official.folds is not None
    for fold in range(10):
        assert sorted(split.official.same[split.official.folds == fold]) == [False, True]
    assert split_crops(tmp_path).people == split.people


def test_rectangles_are_a_library_and_the_same_again(tmp_path: Path) -> None:
    one, two = (from_directory(make_rectangles(tmp_path / name, 12)) for name in "ab")
    assert one.categories == ("rectangle",)
    assert one.digest == two.digest
    for occluder in one:
        assert (occluder.rgba[:, :, 3] == 255).all()


def test_cutouts_are_dealt_into_two_halves(tmp_path: Path) -> None:
    source = make_rectangles(tmp_path / "source", 9)
    train, test = tmp_path / "train", tmp_path / "test"
    split_cutouts(source, train, test)
    names = [{path.name for path in folder.glob("*/*")} for folder in (train, test)]
    assert not names[0] & names[1]
    assert [len(found) for found in names] == [4, 5]
    with pytest.raises(InputError, match="no cut-outs"):
        split_cutouts(tmp_path / "nothing", train, test)


def test_the_papers_own_sets_are_read_as_their_owners_ship_them(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    draw_picture: Callable[..., NDArray[np.uint8]],
    encode_picture: Callable[..., bytes],
) -> None:
    monkeypatch.delenv("OCCGEN_DATA", raising=False)
    picture = encode_picture(draw_picture(1))
    keys = [f"lfw/P{i}/P{i}_{j:04d}.jpg" for i in range(4) for j in (1, 2)]
    keys += [f"mf1/facescrub_images/F{i}/{j}.jpg" for i in range(2) for j in range(2)]
    keys += [f"mf1/megaface_images/1/u{i}/{i}.jpg" for i in range(3)]
    for key in keys:
        path = tmp_path / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture)
    lines = ["2 1", "P0 1 2", "P0 1 P1 1", "P2 1 2", "P2 1 P3 1"]
    (tmp_path / "lfw" / "pairs.txt").write_text("\n".join(lines) + "\n")
    config = PaperConfig(preset="full", out=str(tmp_path / "out"), root=str(tmp_path))
    data = open_data(config)
    assert any(text.startswith("webface: ") for text in data.missing)
    assert Plan(config=config, data=data).experiments == ()  # nothing to train on
    tasks = data.tasks("occ-2.0")
    assert isinstance(tasks["pairs"], VerificationTask)
    assert len(tasks["pairs"].pairs) == 4
    assert tasks["pairs"].occlude_second is not None
    faces = tasks["faces"]
    assert isinstance(faces, IdentificationTask)
    assert len(faces.probes.keys) == 4
    assert len(faces.gallery.keys) == 3
    assert faces.probes.occlusion is not None
    assert faces.gallery.occlusion is None
    clean = data.tasks("clean")["faces"]
    assert isinstance(clean, IdentificationTask)
    assert clean.probes.occlusion is None


def test_own_occluders_fall_into_no_groups(tmp_path: Path) -> None:
    own = make_rectangles(tmp_path / "own", 6)
    plan = plan_of(tmp_path / "out", tables="unseen", occluders=str(own))
    assert [e.name for e in plan.experiments] == ["baseline", "k4"]
    assert plan.conditions_of("k4", None) == ("occ-1.0",)
    assert any("Sec. 4.8" in text for text in plan.data.missing)
    with pytest.raises(InputError, match="occluders must be"):
        plan_of(tmp_path / "out", occluders=str(tmp_path / "nothing"))
