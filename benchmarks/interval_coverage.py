"""How often the 95 % intervals of TAR at FAR hold the true value, on simulated scores.

People raise or lower the scores of their pairs (normal effects of a given spread; noise has spread
1), so that pairs which share a person go together. The true TAR at the true FAR is known.

    python benchmarks/interval_coverage.py
"""

import argparse
from statistics import NormalDist

import numpy as np

from frommodel.intervals import PairWeights

SETTINGS = [
    (500, 1000, 0.0),
    (500, 1000, 0.7),
    (2000, 3000, 0.5),
    (100, 1000, 0.7),
    (40, 1000, 0.7),
]


def simulate(seed: int, people: int, pairs: int, spread: float) -> tuple[np.ndarray, ...]:
    """Return scores, first and second person, and whether they are one."""
    rng = np.random.default_rng(seed)
    genuine_effect, impostor_effect = rng.normal(0, spread, (2, people))
    owner, left = rng.integers(0, people, (2, pairs))
    right = (left + rng.integers(1, people, pairs)) % people
    genuine = 2.5 + genuine_effect[owner] + rng.normal(0, 1, pairs)
    impostor = impostor_effect[left] + impostor_effect[right] + rng.normal(0, 1, pairs)
    same = np.repeat([True, False], pairs)
    return np.r_[genuine, impostor], np.r_[owner, left], np.r_[owner, right], same


def main() -> None:
    """Print how many of the intervals hold the truth."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--resamples", type=int, default=300)
    options = parser.parse_args()
    fars = (0.1, 0.01)
    for people, pairs, spread in SETTINGS:
        held, width = np.zeros(2), np.zeros(2)
        truth = []
        for far in fars:
            threshold = NormalDist(0, (1 + 2 * spread**2) ** 0.5).inv_cdf(1 - far)
            truth.append(1 - NormalDist(2.5, (1 + spread**2) ** 0.5).cdf(threshold))
        for seed in range(options.runs):
            scores, first, second, same = simulate(seed, people, pairs, spread)
            weights = PairWeights(first, second, same, resamples=options.resamples, seed=seed)
            for place, interval in enumerate(weights.tar_at_far(scores, fars)):
                held[place] += interval.low <= truth[place] <= interval.high
                width[place] += interval.high - interval.low
        for place, far in enumerate(fars):
            print(
                f"{people} people, {pairs} pairs of each kind, spread of effects {spread}, FAR "
                f"{far}: held {held[place] / options.runs:.3f}, mean width "
                f"{width[place] / options.runs:.3f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
