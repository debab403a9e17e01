import numpy as np
import pytest

from occluders import shapes


def points(count=4000, extent=1.5, seed=0):
    rng = np.random.default_rng(seed)
    return rng.uniform(-extent, extent, (count, 3)).astype(np.float32)


def test_sphere_is_exact():
    p = points()
    expected = np.linalg.norm(p - (0.1, -0.2, 0.3), axis=1) - 0.5
    np.testing.assert_allclose(shapes.sphere((0.1, -0.2, 0.3), 0.5)(p), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("point", "distance"),
    [
        ((0, 0, 0), -0.2),  # the nearest face is 0.2 away
        ((1.3, 0, 0), 1.0),
        ((0.6, 0.8, 0), 0.5),  # off an edge: a 3-4-5 triangle
        ((0.4, 0.6, 0.4), np.sqrt(0.01 + 0.04 + 0.04)),  # off a corner
        ((0.25, 0, 0), -0.05),
    ],
)
def test_box_is_exact(point, distance):
    shape = shapes.box((0, 0, 0), (0.3, 0.4, 0.2))
    assert shape(np.array([point], np.float32))[0] == pytest.approx(distance, abs=1e-6)


def test_rounding_keeps_the_faces_of_a_box():
    p = np.array([[0.3, 0, 0], [0, 0.4, 0], [0.3, 0.4, 0.2]], np.float32)
    near = shapes.box((0, 0, 0), (0.3, 0.4, 0.2), 0.1)(p)
    np.testing.assert_allclose(near, [0, 0, 0.1 * (np.sqrt(3) - 1)], atol=1e-6)


EXACT = {
    "sphere": shapes.sphere((0, 0.1, 0), 0.6),
    "box": shapes.box((0.1, 0, 0), (0.5, 0.3, 0.4), 0.05),
    "plane": shapes.plane((1, 2, 2), 0.1),
    "capsule": shapes.capsule((-0.5, 0, 0), (0.5, 0.3, 0.2), 0.2),
    "tube": shapes.tube([(-0.6, 0, 0), (0, 0.5, 0), (0.6, 0, 0.3)], 0.1),
    "cylinder": shapes.cylinder((0, 0, 0), 0.4, 0.5, 0.05),
    "cone": shapes.cone((0, 0, 0), 0.3, 0.6, 0.5),
    "torus": shapes.torus((0, 0, 0), 0.6, 0.2),
    "extrude": shapes.extrude(lambda x, y: np.hypot(x, y) - np.float32(0.5), 0.2, 0.05),
    "moved": shapes.move(
        shapes.box((0, 0, 0), (0.3, 0.4, 0.2)), (0.1, 0.2, 0.3), shapes.rotation(20, 30, 40)
    ),
}


@pytest.mark.parametrize("name", EXACT)
def test_slope_of_an_exact_distance_is_one(name):
    shape, p, step = EXACT[name], points(), 2e-3
    axes = np.eye(3, dtype=np.float32) * np.float32(step)
    slope = np.stack([(shape(p + a) - shape(p - a)) / (2 * step) for a in axes], axis=1)
    length = np.linalg.norm(slope, axis=1)
    assert np.median(length) == pytest.approx(1, abs=2e-3)
    assert (np.abs(length - 1) < 0.02).mean() > 0.97  # all but the ridges where the nearest changes
    assert length.max() < 1.02


@pytest.mark.parametrize("name", EXACT)
def test_a_step_of_the_distance_reaches_the_surface(name):
    shape, p, step = EXACT[name], points(500), 2e-3
    axes = np.eye(3, dtype=np.float32) * np.float32(step)
    slope = np.stack([(shape(p + a) - shape(p - a)) / (2 * step) for a in axes], axis=1)
    outside = (shape(p) > 0.05) & (np.abs(np.linalg.norm(slope, axis=1) - 1) < 5e-3)
    landed = (p - slope * shape(p)[:, None])[outside].astype(np.float32)
    assert outside.sum() > 100
    assert np.abs(shape(landed)).max() < 0.02


def test_ellipsoid_is_zero_on_its_surface_and_signed():
    radii = np.array([0.9, 0.4, 0.6])
    ray = points(500)
    ray /= np.linalg.norm(ray, axis=1, keepdims=True)
    shape = shapes.ellipsoid((0, 0, 0), radii.tolist())
    assert np.abs(shape((ray * radii).astype(np.float32))).max() < 1e-5
    assert (shape((ray * radii * 1.1).astype(np.float32)) > 0).all()
    assert (shape((ray * radii * 0.9).astype(np.float32)) < 0).all()


def test_outline_of_a_square_is_exact_within_a_cell():
    outline = shapes.Outline([(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)], margin=0.3)
    p = points(2000, 0.75)
    x, y = p[:, 0], p[:, 1]
    q = np.abs(np.stack([x, y])) - 0.5
    expected = np.linalg.norm(np.maximum(q, 0), axis=0) + np.minimum(q.max(axis=0), 0)
    assert np.abs(outline(x, y) - expected).max() < outline.cell
    assert outline(np.float32([3]), np.float32([0]))[0] == pytest.approx(2.5, abs=0.02)


def test_operators():
    p = points()
    a, b = shapes.sphere((0, 0, 0), 0.6), shapes.sphere((0.5, 0, 0), 0.5)
    np.testing.assert_array_equal(shapes.union(a, b)(p), np.minimum(a(p), b(p)))
    np.testing.assert_array_equal(shapes.intersect(a, b)(p), np.maximum(a(p), b(p)))
    np.testing.assert_array_equal(shapes.subtract(a, b)(p), np.maximum(a(p), -b(p)))
    soft, hard = shapes.smooth_union(0.1, a, b)(p), shapes.union(a, b)(p)
    assert (soft <= hard + 1e-6).all()
    assert (hard - soft).max() == pytest.approx(0.025, abs=2e-3)  # a quarter of the blend
    np.testing.assert_allclose(shapes.shell(a, 0.1)(p), np.abs(a(p)) - 0.1, atol=1e-6)


def test_mirror_leaves_its_input_alone():
    p = points(100)
    before = p.copy()
    shape = shapes.mirror(shapes.sphere((0.5, 0, 0), 0.2))
    np.testing.assert_array_equal(shape(p), shape(p * np.float32([-1, 1, 1])))
    np.testing.assert_array_equal(p, before)


def test_rotation_turns_z_to_x_with_yaw():
    np.testing.assert_allclose(shapes.rotation(yaw=90) @ (0, 0, 1), (1, 0, 0), atol=1e-12)
    turn = shapes.rotation(10, 20, 30)
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-12)


def test_spline_goes_through_its_points():
    nodes = np.array([(0, 0), (1, 2), (3, 1), (4, 4)], float)
    curve = shapes.spline(nodes, 5)
    np.testing.assert_allclose(curve[::5], nodes, atol=1e-12)
    closed = shapes.spline(nodes, 5, closed=True)
    assert closed.shape == (20, 2)
    np.testing.assert_allclose(closed[::5], nodes, atol=1e-12)


def test_superellipse_of_power_two_is_an_ellipse():
    ring = shapes.superellipse((1, 2), (0.5, 0.25), 2.0)
    np.testing.assert_allclose(
        ((ring - (1, 2)) / (0.5, 0.25)).__pow__(2).sum(axis=1), 1, atol=1e-12
    )
