from statistics import NormalDist

import numpy as np
import pytest

from frommodel.intervals import PairWeights, share_interval
from occgen.errors import InputError

NORMAL = NormalDist()


def simulate(seed, people, pairs, effect):
    """Return scores of pairs whose people raise or lower them, with people and labels."""
    rng = np.random.default_rng(seed)
    raise_genuine, raise_impostor = rng.normal(0, effect, (2, people))
    owner, left = rng.integers(0, people, (2, pairs))
    right = (left + rng.integers(1, people, pairs)) % people
    genuine = 2.5 + raise_genuine[owner] + rng.normal(0, 1, pairs)
    impostor = raise_impostor[left] + raise_impostor[right] + rng.normal(0, 1, pairs)
    same = np.repeat([True, False], pairs)
    return np.r_[genuine, impostor], np.r_[owner, left], np.r_[owner, right], same


@pytest.mark.parametrize("effect", [0.0, 0.7])
def test_intervals_hold_the_true_tar_as_often_as_they_say(effect):
    far, runs, held = 0.1, 120, 0
    threshold = NormalDist(0, (1 + 2 * effect**2) ** 0.5).inv_cdf(1 - far)
    truth = 1 - NormalDist(2.5, (1 + effect**2) ** 0.5).cdf(threshold)
    for seed in range(runs):
        scores, first, second, same = simulate(seed, 300, 400, effect)
        weights = PairWeights(first, second, same, resamples=200, seed=seed)
        interval = weights.tar_at_far(scores, [far])[0]
        held += interval.low <= truth <= interval.high
    assert 0.9 <= held / runs <= 0.99  # 95 % within two standard errors of 120 runs


def test_shared_people_widen_an_interval():
    scores, first, second, same = simulate(1, 30, 1000, 0.7)
    alone = np.arange(len(scores))
    shared = PairWeights(first, second, same).tar_at_far(scores, [0.1])[0]
    single = PairWeights(alone, np.where(same, alone, alone + 5000), same).tar_at_far(scores, [0.1])
    assert shared.high - shared.low > 1.5 * (single[0].high - single[0].low)


def test_a_mean_of_single_people_has_the_plain_standard_error():
    rng = np.random.default_rng(0)
    right = rng.random(2000) < 0.8
    alone = np.arange(2000)
    same = np.repeat([True, False], 1000)
    second = np.where(same, alone, alone + 5000)
    interval = PairWeights(alone, second, same, resamples=2000).mean(right)
    error = (right.mean() * (1 - right.mean()) / 2000) ** 0.5
    assert interval.high - interval.low == pytest.approx(2 * 1.96 * error, rel=0.1)


def test_all_accepted_still_has_a_lower_limit():
    scores = np.r_[np.ones(50), np.zeros(50)]
    same = np.repeat([True, False], 50)
    people = np.arange(100)
    weights = PairWeights(people, np.where(same, people, people + 200), same)
    interval = weights.tar_at_far(scores, [0.1])[0]
    assert interval.high == 1
    assert interval.low == pytest.approx(share_interval(50, 50).low)
    assert weights.tar_at_far(scores, [0.001]) == [None]  # 50 impostors cannot tell


def test_wilson_worked_by_hand():
    interval = share_interval(8, 10)
    assert (interval.low, interval.high) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert share_interval(0, 10).low == pytest.approx(0)
    for successes, trials in ((3, 2), (-1, 2), (0, 0)):
        with pytest.raises(InputError, match="successes"):
            share_interval(successes, trials)


def test_wrong_input_is_refused():
    with pytest.raises(InputError, match="one length"):
        PairWeights([1, 2], [1, 2], [True])
    with pytest.raises(InputError, match="at least 100"):
        PairWeights([1], [1], [True], resamples=5)
    with pytest.raises(InputError, match="finite"):
        PairWeights([1], [1], [True]).mean([np.nan])
