import numpy as np
import pytest

from frommodel.identification import (
    cmc,
    megaface_ranks,
    open_set_rates,
    rank_probes,
)
from occgen.errors import InputError


def whole(rng, *shape):
    """Return features whose products are exact in float32, with many ties."""
    return rng.integers(-3, 4, shape).astype(np.float32)


def test_ranks_and_curve_worked_by_hand():
    gallery = np.array([[1, 0], [0.8, 0.6], [0, 1], [-1, 0]], np.float32)
    names = ["a", "b", "c", "a"]
    probes = np.array([[1, 0.1], [1, 0], [0.9, 0.4], [-1, 0.1]], np.float32)
    ranks = rank_probes(probes, gallery, ["a", "c", "x", "a"], names, max_rank=4)
    assert ranks.ranks.tolist() == [1, 3, 0, 1]
    assert ranks.mated.tolist() == [True, True, False, True]
    assert np.isnan(ranks.mate_scores[2])
    assert cmc(ranks.ranks[ranks.mated], 4).tolist() == pytest.approx([2 / 3, 2 / 3, 1, 1])
    short = rank_probes(probes, gallery, ["a", "c", "x", "a"], names, max_rank=2)
    assert short.ranks.tolist() == [1, 0, 0, 1]
    assert cmc([1, 3, 0, 1], 3).tolist() == [0.5, 0.5, 0.75]


def test_open_set_worked_by_hand():
    gallery = np.eye(4, dtype=np.float32)
    mated = np.array([[0.9, 0.1, 0, 0], [0, 0.6, 0.5, 0], [0.7, 0, 0.6, 0]], np.float32)
    strangers = np.array([[0, 0, 0, s] for s in (0.8, 0.65, 0.5, 0.2)], np.float32)
    probes = np.concatenate([mated, strangers])
    labels = ["0", "1", "2", "x", "x", "x", "x"]
    ranks = rank_probes(probes, gallery, labels, list("0123"), normalise=False)
    # strangers' best scores 0.8 0.65 0.5 0.2; FAR 0.25 -> above 0.65 one alarm; 0.9 alone is found
    # right above it (0.6 is below, and probe 2 is found as person 0)
    quarter, half = open_set_rates(ranks, [0.25, 0.5])
    assert (quarter.threshold, quarter.false_alarms) == (pytest.approx(0.65), 1)
    assert quarter.dir == pytest.approx(1 / 3)
    assert (half.false_alarms, half.dir) == (2, pytest.approx(2 / 3))
    assert "rests on 1 of 4" in quarter.note
    assert "cannot be told with 4" in open_set_rates(ranks, [0.1])[0].note


def test_open_set_needs_both_kinds():
    gallery = np.eye(2, dtype=np.float32)
    ranks = rank_probes(gallery, gallery, ["a", "b"], ["a", "b"])
    with pytest.raises(InputError, match="without a mate"):
        open_set_rates(ranks, [0.1])
    ranks = rank_probes(gallery, gallery, ["x", "y"], ["a", "b"])
    with pytest.raises(InputError, match="with a mate"):
        open_set_rates(ranks, [0.1])


@pytest.mark.parametrize("occluded", [False, True])
def test_megaface_equals_brute_force(occluded):
    rng = np.random.default_rng(5)
    probes, distractors = whole(rng, 30, 4), whole(rng, 300, 4)
    mates = whole(rng, 30, 4) if occluded else probes
    labels = rng.integers(0, 8, 30)
    ranks, owners = megaface_ranks(probes, mates, labels, distractors, max_rank=25, normalise=False)
    expected = []
    for i in range(30):
        for j in range(30):
            if i != j and labels[i] == labels[j]:
                rank = 1 + int((probes[i] @ distractors.T >= probes[i] @ mates[j]).sum())
                expected.append((i, rank if rank <= 25 else 0))
    assert sorted(zip(owners.tolist(), ranks.tolist(), strict=True)) == sorted(expected)


def test_megaface_with_few_distractors_and_lone_people():
    probes = np.array([[1, 0], [0.9, 0.1], [0, 1]], np.float32)
    ranks, owners = megaface_ranks(
        probes, probes, ["a", "a", "b"], np.array([[1, 0]], np.float32), max_rank=20
    )
    assert ranks.tolist() == [2, 1] or ranks.tolist() == [2, 2]
    assert owners.tolist() == [0, 1]
    with pytest.raises(InputError, match="nobody has two pictures"):
        megaface_ranks(probes, probes, ["a", "b", "c"], probes)


def test_degenerate_trials_are_refused():
    good = np.ones((2, 3), np.float32)
    with pytest.raises(InputError, match="no trials"):
        cmc([], 3)
    with pytest.raises(InputError, match=r"in 0 \.\. 3"):
        cmc([4], 3)
    with pytest.raises(InputError, match="one a row"):
        rank_probes(good, good, ["a"], ["a", "b"])


def test_all_equal_scores_have_defined_ranks():
    same = np.ones((3, 2), np.float32)
    ranks = rank_probes(same, same, ["a", "b", "c"], ["a", "b", "c"])
    assert ranks.ranks.tolist() == [1, 2, 3]  # of equal scores the lower row stands first
    ranks, _ = megaface_ranks(same[:2], same[:2], ["a", "a"], same)
    assert ranks.tolist() == [4, 4]  # ties count against the model
