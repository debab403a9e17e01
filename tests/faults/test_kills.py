"""kill -9 at random moments: run again, each command ends as it does without an interruption."""

from collections.abc import Callable
from pathlib import Path

import pytest

from occgen.config import FORMATS

from .trials import Case, kill_again_and_again, kill_at_each

SHORT, LONG = 3, 200
kills_of = pytest.mark.parametrize(
    "wanted",
    [
        pytest.param(SHORT, marks=pytest.mark.slow, id="short"),
        pytest.param(LONG, marks=(pytest.mark.long, pytest.mark.slow), id="long"),
    ],
)


def check(case: Case, folder: Path, wanted: int, count: Callable[..., None]) -> None:
    """Kill a case so often that something would be lost, and count."""
    kills = kill_again_and_again(case, folder, wanted)
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
def test_build(form, wanted, build_case, tmp_path, count):
    check(build_case(form), tmp_path, wanted if form == "hdf5" else -(-wanted // 4), count)


@pytest.mark.long
@pytest.mark.slow
def test_build_by_two_workers(build_case, tmp_path, count):
    check(build_case(jobs=2), tmp_path, LONG // 10, count)


@kills_of
@pytest.mark.parametrize("form", [form for form in FORMATS if form != "hdf5"])
def test_convert(form, wanted, convert_case, tmp_path, count):
    check(convert_case(form), tmp_path, -(-wanted // 4), count)


@kills_of
def test_label_patterns_on_shards(wanted, label_case, tmp_path, count):
    check(label_case, tmp_path, wanted, count)


@kills_of
def test_label_patterns_on_a_csv(wanted, csv_case, tmp_path, count):
    check(csv_case, tmp_path, wanted, count)


@kills_of
def test_align(wanted, align_case, tmp_path, count):
    check(align_case(), tmp_path, wanted, count)


@kills_of
def test_from_train(wanted, train_case, tmp_path, count):
    check(train_case, tmp_path, wanted, count)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["build", "align", "train"])
def test_a_kill_at_each_of_the_last_acts(kind, tmp_path, request):
    """Where a file under a final name comes after what says that all is done."""
    made = request.getfixturevalue(f"{kind}_case")
    case = made if kind == "train" else made()
    assert not kill_at_each(case, tmp_path, first=3 if kind == "align" else 0, last=4)
