import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frommodel import search
from frommodel.search import search_gallery
from occgen.errors import InputError


def whole(rng, *shape):
    """Return features whose products are exact in float32, with many ties."""
    return rng.integers(-3, 4, shape).astype(np.float32)


def brute(probes, gallery, k):
    scores = probes @ gallery.T
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(scores, order, 1), order


@settings(max_examples=40)
@given(
    st.integers(1, 9), st.integers(1, 1500), st.integers(1, 6), st.integers(1, 30), st.integers(0)
)
def test_search_equals_brute_force(probes, rows, columns, k, seed):
    rng = np.random.default_rng(seed % 2**32)
    p, g = whole(rng, probes, columns), whole(rng, rows, columns)
    found = search_gallery(p, g, k, normalise=False)
    scores, order = brute(p, g, k)
    assert (found.scores == scores).all()
    assert (found.rows == order).all()


@pytest.mark.parametrize("k", [1, 20])
def test_search_equals_brute_force_over_many_blocks(k, monkeypatch):
    monkeypatch.setattr(search, "_PROBE_ROWS", 40)
    monkeypatch.setattr(search, "_GALLERY_ROWS", 1024)
    rng = np.random.default_rng(k)
    p, g = whole(rng, 90, 6), whole(rng, 2 * 1024 + 77, 6)
    found = search_gallery(p, g, k, normalise=False)
    scores, order = brute(p, g, k)
    assert (found.scores == scores).all()
    assert (found.rows == order).all()


def test_rows_are_normalised_and_zeros_score_nothing():
    p = np.array([[3, 4], [0, 0]], np.float32)
    g = np.array([[30, 40], [0, 9]], np.float32)
    found = search_gallery(p, g, 2)
    np.testing.assert_allclose(found.scores, [[1, 0.8], [0, 0]], atol=1e-6)
    assert found.rows[0].tolist() == [0, 1]


def test_temporaries_stay_small_whatever_the_gallery(tmp_path):
    path = tmp_path / "gallery.npy"
    shape = (40_000, 256)
    rows = np.lib.format.open_memmap(path, "w+", np.float32, shape)
    for start in range(0, shape[0], 10_000):
        rows[start : start + 10_000] = np.random.default_rng(start).random((10_000, 256))
    rows.flush()
    mapped = np.load(path, mmap_mode="r")
    probes = np.random.default_rng(1).random((600, 256)).astype(np.float32)
    tracemalloc.start()
    search_gallery(probes, mapped, 20)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100e6


@pytest.fixture
def rounding(monkeypatch):
    """Round first whatever the size and the processor; small blocks."""
    monkeypatch.setattr(search, "_rounds", lambda multiplications: True)
    monkeypatch.setattr(search, "_PROBE_ROWS", 40)
    monkeypatch.setattr(search, "_GALLERY_ROWS", 1024)


def unit(rng, rows, columns):
    return search.unit_rows(rng.standard_normal((rows, columns)).astype(np.float32))


@pytest.mark.parametrize("k", [1, 20])
@pytest.mark.parametrize("kind", ["whole", "negative", "random", "alike", "tiny", "huge"])
def test_rounding_first_changes_no_answer(rounding, monkeypatch, k, kind):
    rng = np.random.default_rng(k)
    p, g = unit(rng, 90, 64), unit(rng, 3 * 1024 + 77, 64)
    if kind == "whole":
        p, g = whole(rng, 90, 6), whole(rng, 3 * 1024 + 77, 6)
    elif kind == "negative":
        p, g = np.abs(p), -np.abs(g)
    elif kind == "alike":  # differ less than bfloat16 can tell
        g = g[:1] + 1e-3 * g
    elif kind != "random":
        p, g = (np.float32({"tiny": 1e-18, "huge": 1e17}[kind]) * part for part in (p, g))
    found = search_gallery(p, g, k, normalise=False)
    scores, order = brute(p, g, k)
    np.testing.assert_allclose(found.scores, scores, rtol=1e-5, atol=3e-7 * abs(scores).max())
    theirs = np.einsum("nd,nkd->nk", p.astype(np.float64), g[found.rows].astype(np.float64))
    np.testing.assert_allclose(theirs, scores, rtol=1e-5, atol=3e-7 * abs(scores).max())
    if kind in ("whole", "random"):
        assert (found.rows == order).all()


def test_few_rows_are_scored_again(rounding, monkeypatch):
    rng = np.random.default_rng(4)
    p, g = unit(rng, 120, 256), unit(rng, 8 * 1024, 256)
    taken = []
    monkeypatch.setattr(
        search._Whole, "merge", lambda self, *arguments: taken.append(arguments[0].shape)
    )
    scored = []
    sort_in = search._sort_in
    monkeypatch.setattr(search, "_sort_in", lambda *a: (scored.append(len(a[2])), sort_in(*a)))
    found = search_gallery(p, g, 1)
    assert not taken
    assert sum(scored) < 12 * len(p)
    assert (found.rows[:, 0] == (p @ g.T).argmax(axis=1)).all()


def test_read_only_rows_are_taken(rounding):
    rng = np.random.default_rng(4)
    p, g = unit(rng, 3, 64), unit(rng, 2000, 64)
    for part in (p, g):
        part.flags.writeable = False
    found = search_gallery(p, g, 1, normalise=False)
    assert (found.rows[:, 0] == (p @ g.T).argmax(axis=1)).all()


def test_degenerate_galleries_are_refused():
    good = np.ones((2, 3), np.float32)
    with pytest.raises(InputError, match="gallery is empty"):
        search_gallery(good, good[:0])
    with pytest.raises(InputError, match="of different models"):
        search_gallery(good, np.ones((2, 4), np.float32))
    with pytest.raises(InputError, match="floats of shape"):
        search_gallery(good.astype(np.int64), good)
    with pytest.raises(InputError, match="k must be at least 1"):
        search_gallery(good, good, 0)
    bad = good.copy()
    bad[1, 2] = np.nan
    with pytest.raises(InputError, match="probes must be finite; row 1"):
        search_gallery(bad, good)
    with pytest.raises(InputError, match="gallery must be finite; row 1"):
        search_gallery(good, bad)
    assert search_gallery(good[:0], good).rows.shape == (0, 1)
