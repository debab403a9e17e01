import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import roc_auc_score

import frommodel
from frommodel import metrics
from occgen.errors import InputError


def _plain_accuracy(scores, same, folds, candidates):
    """The published protocol, pair by pair."""
    n = len(scores)
    runs = [range(i * n // folds, (i + 1) * n // folds) for i in range(folds)]
    results = []
    for test in runs:
        best, chosen = -1, None
        for threshold in candidates:
            right = sum(
                (scores[i] > threshold) == same[i] for run in runs if run != test for i in run
            )
            if right >= best:  # the last of equals
                best, chosen = right, threshold
        results.append(sum((scores[i] > chosen) == same[i] for i in test) / len(test))
    mean = sum(results) / folds
    return mean, (sum((r - mean) ** 2 for r in results) / folds) ** 0.5


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("n", [40, 43])
def test_accuracy_equals_the_plain_protocol(n, exact):
    rng = np.random.default_rng(n)
    same = rng.random(n) < 0.5
    scores = np.round(np.clip(rng.normal(0.2 * same, 0.2), -1, 1), 2)
    candidates = [-np.inf, *sorted(set(scores))] if exact else np.arange(-1, 1, 0.005)
    expected = _plain_accuracy(scores, same, 4, candidates)
    assert frommodel.verification_accuracy(scores, same, 4, exact=exact) == pytest.approx(expected)


def test_accuracy_worked_by_hand():
    # Fold 0: 0.9 genuine, 0.1 impostor. Fold 1: 0.5 genuine, 0.4 impostor. On fold 1 the last best
    # threshold is 0.495, which is right for both pairs of fold 0; on fold 0 it is 0.895, which
    # turns the genuine pair of fold 1 away.
    mean, std = frommodel.verification_accuracy([0.9, 0.1, 0.5, 0.4], [1, 0, 1, 0], folds=2)
    assert (mean, std) == (0.75, 0.25)
    # With the folds dealt the other way the thresholds are 0.395 (pairs 0.1, 0.4) and 0.495.
    mean, std = frommodel.verification_accuracy(
        [0.9, 0.1, 0.5, 0.4], [1, 0, 1, 0], fold_indices=[7, 7, 3, 3]
    )
    assert (mean, std) == (0.75, 0.25)


def test_a_score_on_the_threshold_is_not_accepted():
    threshold = np.arange(-1, 1, 0.005)[240]
    same = np.array([True] * 3 + [False] * 3)
    at = np.where(same, threshold, threshold - 0.01)
    best, accuracy = metrics.accuracy_threshold(at, same)
    assert accuracy == 1
    assert best == np.arange(-1, 1, 0.005)[239]


def test_the_exact_variant_finds_what_steps_miss():
    scores, same = [0.5011, 0.5012, 0.5013, 0.5014], [False, True, False, True]
    assert metrics.accuracy_threshold(scores, same) == (pytest.approx(0.995), 0.5)
    assert metrics.accuracy_threshold(scores, same, exact=True) == (0.5013, 0.75)
    low = metrics.accuracy_threshold([3.0, 4.0], [True, True], exact=True)
    assert low == (-np.inf, 1.0)


def test_tar_at_far_worked_by_hand():
    impostors = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95]
    genuine = [0.55, 0.7, 0.9, 0.99]
    scores, same = impostors + genuine, [False] * 10 + [True] * 4
    # index int(10 * 0.2) = 2 from the top: 0.8; at or above it are 0.9 and 0.99
    assert frommodel.tar_at_far(scores, same, 0.2) == 0.5
    point = metrics.tar_point(scores, same, 0.35)
    assert (point.threshold, point.false_accepts, point.achieved_far) == (0.7, 4, 0.4)
    assert point.tar == 0.75  # the genuine pair of 0.7 counts
    lowest = metrics.tar_point(scores, same, 0.0)
    assert (lowest.threshold, lowest.tar, lowest.false_accepts) == (0.95, 0.25, 1)
    tied = metrics.tar_point([0.5, 0.5, 0.5, 0.6], [False, False, False, True], 0.0)
    assert (tied.false_accepts, tied.achieved_far, tied.tar) == (3, 1.0, 1.0)


def test_few_impostors_are_said():
    assert "cannot be told with 3000" in metrics.far_resolution_note(3000, 1e-4)
    assert metrics.far_resolution_note(3000, 1e-3) == "FAR 0.001 rests on 4 of 3000 impostor pairs"
    assert metrics.far_resolution_note(3000, 1e-2) == ""


def test_curve_area_and_equal_error_worked_by_hand():
    scores, same = [0.9, 0.8, 0.7, 0.6], [True, False, True, False]
    far, tar, thresholds = metrics.roc_curve(scores, same)
    assert far.tolist() == [0, 0, 0.5, 0.5, 1]
    assert tar.tolist() == [0, 0.5, 0.5, 1, 1]
    assert thresholds.tolist() == [np.inf, 0.9, 0.8, 0.7, 0.6]
    assert metrics.area_under_curve(scores, same) == 0.75
    assert metrics.equal_error_rate(scores, same) == 0.5
    assert metrics.equal_error_rate([0.9, 0.1], [True, False]) == 0
    assert metrics.equal_error_rate([0.1, 0.9], [True, False]) == 1
    assert metrics.equal_error_rate([0.3] * 4, same) == 0.5
    assert metrics.area_under_curve([0.3] * 4, same) == 0.5


@settings(max_examples=50, deadline=None)
@given(
    hnp.arrays(np.float32, st.integers(2, 60), elements=st.floats(-1, 1, width=16)),
    st.randoms(use_true_random=False),
)
def test_area_and_rates_hold_for_any_scores(scores, random):
    same = np.array([True, False] + [random.random() < 0.5 for _ in scores[2:]])
    assert metrics.area_under_curve(scores, same) == pytest.approx(roc_auc_score(same, scores))
    assert 0 <= metrics.equal_error_rate(scores, same) <= 1
    rates = [frommodel.tar_at_far(scores, same, far) for far in (0, 0.1, 0.5, 0.99)]
    assert rates == sorted(rates)


def test_the_report_holds_all_of_it():
    rng = np.random.default_rng(0)
    same = np.tile(np.repeat([True, False], 300), 10)
    scores = rng.normal(0.3 * same, 0.1).clip(-1, 1).astype(np.float32)
    start = time.perf_counter()
    report = frommodel.verification_report(scores, same)
    assert time.perf_counter() - start < 1.0
    assert (report.num_genuine, report.num_impostor) == (3000, 3000)
    accuracy = frommodel.verification_accuracy(scores, same)
    assert (report.accuracy, report.accuracy_std) == accuracy
    assert 0.9 < report.accuracy <= report.exact_accuracy + 0.01
    assert [p.far for p in report.points] == [0.1, 0.01, 0.001, 0.0001]
    assert [bool(p.note) for p in report.points] == [False, False, True, True]
    assert report.points[0].tar == frommodel.tar_at_far(scores, same, 0.1)


@pytest.mark.parametrize(
    ("scores", "same", "message"),
    [
        ([], [], "no pairs"),
        ([0.1, 0.2], [True], "one length"),
        ([[0.1, 0.2]], [[True, False]], "one length"),
        ([0.1, np.nan, 0.3], [1, 0, 1], "got nan at pair 1"),
        ([0.1, np.inf, 0.3], [1, 0, 1], "got inf at pair 1"),
        (["a", "b"], [1, 0], "numbers"),
        ([0.1, 0.2], [1, 2], "true or false"),
        ([0.1, 0.2], [1, 1], "no impostor pairs among the 2"),
        ([0.1, 0.2], [0, 0], "no genuine pairs among the 2"),
    ],
)
def test_degenerate_pairs_are_refused(scores, same, message):
    for function in (
        metrics.equal_error_rate,
        metrics.area_under_curve,
        metrics.roc_curve,
        lambda a, b: frommodel.tar_at_far(a, b, 0.1),
        lambda a, b: frommodel.verification_report(a, b, folds=2),
    ):
        with pytest.raises(InputError, match=message):
            function(scores, same)


def test_accuracy_needs_folds_and_takes_one_sided_pairs():
    assert frommodel.verification_accuracy([0.1] * 4, [True] * 4, 2) == (1.0, 0.0)
    with pytest.raises(InputError, match="10 folds need at least 10 pairs, got 4"):
        frommodel.verification_accuracy([0.1] * 4, [True] * 4)
    with pytest.raises(InputError, match="folds must be"):
        frommodel.verification_accuracy([0.1] * 4, [True] * 4, 1)
    with pytest.raises(InputError, match="two folds"):
        frommodel.verification_accuracy([0.1] * 2, [True] * 2, fold_indices=[1, 1])
    with pytest.raises(InputError, match="4 whole numbers"):
        frommodel.verification_accuracy([0.1] * 4, [True] * 4, fold_indices=[0.5] * 4)


@pytest.mark.parametrize("far", [-0.1, 1.0, float("nan")])
def test_rates_outside_are_refused(far):
    with pytest.raises(InputError, match="far must be in"):
        frommodel.tar_at_far([0.1, 0.2], [True, False], far)
