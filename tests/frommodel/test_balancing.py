import numpy as np
import pytest

import frommodel
from occgen.errors import InputError


def test_full_power_draws_patterns_evenly():
    labels = np.repeat([0, 3, 9], [60, 30, 10])
    weights = frommodel.balanced_pattern_weights(labels, 10)
    assert weights.mean() == pytest.approx(1)
    shares = np.bincount(labels, weights)[[0, 3, 9]] / len(labels)
    assert shares == pytest.approx([1 / 3] * 3)
    assert frommodel.balanced_pattern_weights(labels, 10, 0.0).tolist() == [1.0] * 100
    half = frommodel.balanced_pattern_weights(labels, 10, 0.5)
    assert half[-1] / half[0] == pytest.approx((60 / 10) ** 0.5)


@pytest.mark.parametrize(
    ("labels", "power", "message"),
    [
        ([], 1, "list of whole"),
        ([0.5], 1, "list of whole"),
        ([[1]], 1, "list of whole"),
        ([0, 10], 1, "0 .. 9, got 0 .. 10"),
        ([-1], 1, "got -1 .. -1"),
        ([1], 1.5, "power"),
    ],
)
def test_what_is_no_label_is_refused(labels, power, message):
    with pytest.raises(InputError, match=message.replace(".", r"\.")):
        frommodel.balanced_pattern_weights(labels, 10, power)
