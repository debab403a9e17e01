from math import comb

import numpy as np
import pytest

from frommodel.comparison import compare_paired, mcnemar
from frommodel.intervals import PairWeights
from occgen.errors import InputError


@pytest.mark.parametrize(("only_first", "only_second"), [(1, 5), (0, 3), (5, 5), (40, 61), (7, 0)])
def test_the_p_value_is_the_binomial_one(only_first, only_second):
    total, fewer = only_first + only_second, min(only_first, only_second)
    terms = [comb(total, i) / 2**total for i in range(fewer + 1)]
    assert mcnemar(only_first, only_second) == pytest.approx(min(1, 2 * sum(terms) - terms[-1]))


def test_no_disagreement_shows_nothing():
    assert mcnemar(0, 0) == 1
    found = compare_paired([True, False], [True, False])
    assert (found.difference, found.p_value) == (0, 1)
    assert found.statement.startswith("no difference shown")
    with pytest.raises(InputError, match=">= 0"):
        mcnemar(-1, 2)


def test_a_small_difference_is_not_sold_as_one():
    rng = np.random.default_rng(0)
    first = rng.random(6000) < 0.95
    second = first.copy()
    second[:20] = ~second[:20]  # a handful of pairs differ
    found = compare_paired(first, second)
    assert abs(found.difference) < 0.004
    better = rng.random(6000) < 0.99
    people = np.arange(6000)
    weights = PairWeights(people, people, np.ones(6000, bool), resamples=200)
    found = compare_paired(better, first, weights)
    assert found.statement.startswith("the first is better;")
    assert found.interval.low > 0
    assert compare_paired(first, better, weights).statement.startswith("the second is better")


def test_one_person_cannot_make_a_difference():
    # all that sets them apart is one person with thirty pairs
    first = np.ones(600, bool)
    second = first.copy()
    second[:30] = False
    people = np.r_[np.zeros(30, int), np.arange(1, 571)]
    weights = PairWeights(people, people, np.ones(600, bool), resamples=1000)
    found = compare_paired(first, second, weights)
    assert found.p_value < 1e-6
    assert found.interval.high - found.interval.low > 0.06  # the plain error gives 0.034


def test_lists_must_go_together():
    with pytest.raises(InputError, match="one length"):
        compare_paired([True], [True, False])
