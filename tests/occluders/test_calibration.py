"""Natural sizes give the published coverage: in closed form, by drawing, and measured on faces."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from occgen import BuildConfig, build, open_shards
from occgen.manifest import read_manifest
from occgen.synthesis import draw_placements
from occluders import OccluderLibrary, bundled
from occluders.calibration import PUBLISHED_COVERAGE, fit_sizes, mean_coverage, size_coverage

POINT = 0.01
SCALES = sorted(PUBLISHED_COVERAGE)


def sizes_of(library: OccluderLibrary) -> dict[str, list[tuple[float, float]]]:
    """Return the natural sizes of each category's members."""
    return {
        name: [member.natural_size for member in library.members(name)]
        for name in library.categories
    }


def counted(size: tuple[float, float], scale: float, height: int, width: int) -> float:
    """Return the mean covered share by trying every centre pixel, as Algorithm 1 is written."""
    w = min(width - 1, int(scale * (size[0] * (width / 96))))
    h = min(height - 1, int(scale * (size[1] * (height / 112))))
    total = 0
    for cy in range(height):
        for cx in range(width):
            x0, y0 = cx - w // 2, cy - h // 2
            across = min(x0 + w, width) - max(x0, 0)
            down = min(y0 + h, height) - max(y0, 0)
            total += across * down
    return total / (height * width) ** 2


@given(
    st.tuples(st.floats(2, 120), st.floats(2, 140)),
    st.floats(0.6, 4),
    st.sampled_from([(14, 12), (14, 14), (9, 17)]),
)
def test_the_closed_form_is_the_mean_over_all_centres(
    size: tuple[float, float], scale: float, shape: tuple[int, int]
) -> None:
    size = (size[0] * 8, size[1] * 8) if int(scale * size[0] * shape[1] / 96) < 1 else size
    size = (size[0], size[1] * 8) if int(scale * size[1] * shape[0] / 112) < 1 else size
    if min(int(scale * size[0] * shape[1] / 96), int(scale * size[1] * shape[0] / 112)) < 1:
        return
    expected = counted(size, scale, *shape)
    assert size_coverage(size, scale, *shape) == pytest.approx(expected, abs=1e-12)


def test_the_paper_is_what_is_aimed_at() -> None:
    assert PUBLISHED_COVERAGE == {1.0: 0.1876, 2.0: 0.4309, 3.0: 0.52}


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("shape", [(112, 96), (112, 112), (224, 192), (64, 64)])
def test_bundled_sizes_give_the_published_coverage(scale: float, shape: tuple[int, int]) -> None:
    found = mean_coverage(sizes_of(bundled()), scale, *shape)
    assert abs(found - PUBLISHED_COVERAGE[scale]) < POINT


def test_categories_count_by_weight() -> None:
    sizes = {"a": [(20.0, 20.0)], "b": [(60.0, 60.0), (40.0, 40.0)]}
    small, large = (mean_coverage({name: sizes[name]}, 1.0) for name in sizes)
    found = mean_coverage(sizes, 1.0, weights={"a": 3.0, "b": 1.0})
    assert found == pytest.approx(0.75 * small + 0.25 * large)
    assert mean_coverage(sizes, 1.0, weights={"a": 2.0, "b": 2.0}) == pytest.approx(
        mean_coverage(sizes, 1.0)
    )


@pytest.mark.parametrize("scale", SCALES)
def test_drawn_placements_have_the_coverage_computed(scale: float) -> None:
    """The placement a build draws is the one the closed form is of."""
    library = bundled()
    config = BuildConfig(dataset="demo", scale=scale)
    shares = []
    for number in range(4000):
        (placement,) = draw_placements(library, config, f"key {number}", 112, 96)
        x0, y0, x1, y1 = placement.box
        shares.append((min(x1, 96) - max(x0, 0)) * (min(y1, 112) - max(y0, 0)) / (112 * 96))
    error = float(np.std(shares)) / math.sqrt(len(shares))
    assert error < 0.004
    assert abs(np.mean(shares) - mean_coverage(sizes_of(library), scale)) < 4 * error
    assert abs(np.mean(shares) - PUBLISHED_COVERAGE[scale]) < POINT


def measured(config: BuildConfig) -> dict[float, float]:
    """Return the mean box coverage of each scale in a set that holds all three."""
    shards = open_shards(build(config).out)
    scales, coverage = shards.column("scale"), shards.column("coverage")
    counts = {scale: int((scales == scale).sum()) for scale in SCALES}
    assert sum(counts.values()) == len(shards) == 6000
    assert min(counts.values()) > 1800
    return {scale: float(coverage[scales == scale].mean()) for scale in SCALES}


@pytest.mark.slow
def test_coverage_measured_on_drawn_faces(tmp_path: Path) -> None:
    config = BuildConfig(
        dataset="demo",
        out=str(tmp_path / "set"),
        scale="1:1:3",
        limit=100,
        variants=60,
        jobs=1,
    )
    for scale, share in measured(config).items():
        assert abs(share - PUBLISHED_COVERAGE[scale]) < POINT, scale
    manifest = read_manifest(config.out_path)
    assert 0.4 * manifest["box_coverage"] < manifest["mask_coverage"] < manifest["box_coverage"]


@pytest.mark.slow
def test_coverage_measured_on_lfw(faces_root: Path, tmp_path: Path) -> None:
    if not (faces_root / "lfw").is_dir():
        pytest.skip(f"no LFW at {faces_root / 'lfw'}")
    config = BuildConfig(
        dataset="lfw",
        root=str(faces_root / "lfw"),
        out=str(tmp_path / "set"),
        scale="1:1:3",
        limit=1500,
        variants=4,
        image_size="112x96",
        jobs=1,
    )
    for scale, share in measured(config).items():
        assert abs(share - PUBLISHED_COVERAGE[scale]) < POINT, scale


def test_other_aspects_are_fitted_too() -> None:
    rng = np.random.default_rng(0)
    aspects = {
        name: np.exp(rng.normal(0.2, 0.5, 5)).tolist()
        for name in ("cup", "book", "hand", "phone", "scarf", "something", "else")
    }
    sizes = fit_sizes(aspects)
    assert {name: len(values) for name, values in sizes.items()} == dict.fromkeys(aspects, 5)
    for scale, goal in PUBLISHED_COVERAGE.items():
        assert abs(mean_coverage(sizes, scale) - goal) < 3 * POINT
    for name, values in sizes.items():
        ratios = [w / h / aspect for (w, h), aspect in zip(values, aspects[name], strict=True)]
        assert max(ratios) / min(ratios) < 1.3  # members keep their shape but for one factor


def test_the_fit_repeats() -> None:
    aspects = {"cup": [0.9, 1.1], "phone": [0.5]}
    assert fit_sizes(aspects) == fit_sizes(aspects)


def test_coverage_grows_with_scale_up_to_the_limit() -> None:
    sizes = sizes_of(bundled())
    shares = [mean_coverage(sizes, scale) for scale in (0.5, 1, 2, 3, 5, 1000)]
    assert shares == sorted(shares)
    assert shares[-1] < 0.5625 + POINT  # as large as the image but one pixel, anywhere
