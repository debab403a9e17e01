"""Natural sizes: how large occluders are on a face, so that coverage is the published one.

The paper reports mean occluded areas of 18.76, 43.09 and 52.00 % on LFW at scales 1, 2 and 3
(Sec. 4.1). Algorithm 1 is simple enough for its mean coverage to be a finite sum, so sizes are
fitted to those three numbers without making a picture.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["PUBLISHED_COVERAGE", "fit_sizes", "mean_coverage", "size_coverage"]

PUBLISHED_COVERAGE = {1.0: 0.1876, 2.0: 0.4309, 3.0: 0.5200}

Size = tuple[float, float]

_PLAUSIBLE: Mapping[str, Size] = {  # width and height on a 112 x 96 face before the fit
    "book": (60, 80),
    "cup": (40, 42),
    "eye_mask": (69, 30),
    "eyeglasses": (75, 26),
    "face_mask": (60, 43),
    "hand": (52, 65),
    "phone": (38, 77),
    "scarf": (70, 44),
    "sunglasses": (76, 26),
}


def size_coverage(size: Size, scale: float, height: int = 112, width: int = 96) -> float:
    """Return the mean box coverage of one occluder under Algorithm 1, exactly.

    Parameters
    ----------
    size : tuple of float
        Natural width and height on a 112 x 96 face.
    scale : float
    height, width : int, optional
        Of the image; natural sizes are multiplied by W / 96 and H / 112.

    Returns
    -------
    float
        Mean over every centre pixel of the share of the image inside the clipped box.

    Notes
    -----
    The centre's row and column are independent, so the mean of the product is the product of the
    two mean clipped lengths.
    """
    across = max(1, min(width - 1, int(scale * (size[0] * (width / 96)))))
    down = max(1, min(height - 1, int(scale * (size[1] * (height / 112)))))
    return _mean_length(across, width) * _mean_length(down, height) / (height * width)


def mean_coverage(
    sizes: Mapping[str, Sequence[Size]],
    scale: float,
    height: int = 112,
    width: int = 96,
    weights: Mapping[str, float] | None = None,
) -> float:
    """Return the mean box coverage of a library: the members of a category weigh alike.

    Parameters
    ----------
    sizes : mapping of str to sequence of (float, float)
        Natural sizes of the members of each category.
    scale : float
    height, width : int, optional
        Of the image.
    weights : mapping of str to float, optional
        Of the categories; None weighs them alike.
    """
    means = {
        name: sum(size_coverage(size, scale, height, width) for size in members) / len(members)
        for name, members in sizes.items()
    }
    if weights is None:
        return sum(means.values()) / len(means)
    total = sum(weights[name] for name in means)
    return sum(weights[name] / total * mean for name, mean in means.items())


def fit_sizes(
    aspects: Mapping[str, Sequence[float]],
    target: Mapping[float, float] = PUBLISHED_COVERAGE,
) -> dict[str, list[Size]]:
    """Return natural sizes whose mean coverages come closest to the published ones.

    Parameters
    ----------
    aspects : mapping of str to sequence of float
        Width over height of the picture of each member of each category.
    target : mapping of float to float, optional
        Mean box coverage wanted at each scale.

    Returns
    -------
    dict of str to list of (float, float)
        In the order given. Categories keep their order of size, and members their shape but for
        one factor on all heights.
    """
    best: tuple[float, tuple[float, ...]] = (math.inf, (1.0, 1.0, 1.0))
    step = (0.24, 0.24, 0.32)
    for _ in range(7):
        offsets = itertools.product((-2, -1, 0, 1, 2), repeat=3)
        centre = best[1]
        for offset in offsets:
            factors = tuple(
                c * math.exp(o * s) for c, o, s in zip(centre, offset, step, strict=True)
            )
            best = min(best, (_error(aspects, target, factors), factors))
        step = (step[0] / 2, step[1] / 2, step[2] / 2)
    return _sizes(aspects, best[1])


def _error(
    aspects: Mapping[str, Sequence[float]], target: Mapping[float, float], f: tuple[float, ...]
) -> float:
    sizes = _sizes(aspects, f)
    misses = sum((_quick_coverage(sizes, s) - goal) ** 2 for s, goal in target.items())
    stretched = math.log(f[1] / f[0]) ** 2  # a shape may give way a little, not a lot
    return misses + 1e-3 * stretched + 1e-6 * sum(math.log(factor) ** 2 for factor in f)


def _sizes(
    aspects: Mapping[str, Sequence[float]], factors: tuple[float, ...]
) -> dict[str, list[Size]]:
    wide, tall, contrast = factors
    sizes: dict[str, list[Size]] = {}
    for name, values in aspects.items():
        width, height = _PLAUSIBLE.get(name, (58.0, 52.0))
        side = 56 * (math.sqrt(width * height) / 56) ** contrast
        sizes[name] = [
            (
                round(min(wide * side * math.sqrt(aspect), 140.0), 2),
                round(min(tall * side / math.sqrt(aspect), 160.0), 2),
            )
            for aspect in values
        ]
    return sizes


def _quick_coverage(sizes: Mapping[str, Sequence[Size]], scale: float) -> float:
    """Return `mean_coverage` on a 112 x 96 image, from tables of mean lengths."""
    wide, tall = _mean_lengths(96), _mean_lengths(112)
    means = []
    for members in sizes.values():
        side = (scale * np.asarray(members)).astype(int)
        across, down = np.clip(side[:, 0], 1, 95), np.clip(side[:, 1], 1, 111)
        means.append(float((wide[across] * tall[down]).mean()) / (112 * 96))
    return sum(means) / len(means)


@cache
def _mean_lengths(side: int) -> NDArray[np.float64]:
    """Return the mean clipped lengths of 0 .. side - 1 pixels."""
    return np.array([_mean_length(length, side) for length in range(side)])


def _mean_length(length: int, side: int) -> float:
    """Return the mean clipped length over all centres 0 .. side - 1."""
    start = np.arange(side) - length // 2
    return float((np.minimum(start + length, side) - np.maximum(start, 0)).mean())
