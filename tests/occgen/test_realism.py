"""The realism probe: it tells blendings apart, and natural blending is the hardest to tell."""

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from occluders import bundled

pytest.importorskip("sklearn")


@pytest.fixture(scope="module")
def realism() -> Iterator[ModuleType]:
    folder = str(Path(__file__).parents[2] / "benchmarks")
    sys.path.insert(0, folder)
    import realism

    yield realism
    sys.path.remove(folder)


def test_what_is_alike_cannot_be_told_apart(realism: ModuleType) -> None:
    rng = np.random.default_rng(0)
    one, two = rng.normal(0, 1, (2, 300, 6)).astype(np.float32)
    groups = [str(number % 30) for number in range(300)]
    assert 0.4 < realism.tell_apart(one, two, groups, groups, folds=2) < 0.6
    two[:, 2] += 2
    assert realism.tell_apart(one, two, groups, groups, folds=2) > 0.85


def test_edges_of_the_wanted_contrast_are_chosen(realism: ModuleType) -> None:
    image = np.full((112, 112, 3), 90, np.uint8)
    image[:, 40:] = 130
    image[:, 80:] = 250
    rng = np.random.default_rng(0)
    size = realism.steps_of(image)[0]
    wanted = np.array([size[50, 40], size[50, 80]])
    spots = realism.choose_edges(image, wanted, rng)
    assert abs(spots[0, 1] - 40) <= 1
    assert abs(spots[1, 1] - 80) <= 1


@pytest.mark.slow
def test_natural_blending_is_the_hardest_to_tell(realism: ModuleType) -> None:
    faces = realism.make_faces("demo", "48x1@4", bundled(), "landmarks", 48)
    found = {blend: realism.measure(faces, blend, folds=2) for blend in realism.BLENDS}
    told = {blend: figures["real or pasted, AUC"] for blend, figures in found.items()}
    assert told["natural"] < told["alpha"] - 0.02
    assert told["natural"] < told["opaque"] - 0.02
    brightness = [found[b]["brightness, correlation with the face"] for b in ("natural", "alpha")]
    assert brightness[0] > brightness[1] + 0.05
