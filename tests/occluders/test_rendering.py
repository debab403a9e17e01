from functools import cache

import cv2
import numpy as np
import pytest

from occluders.errors import OccluderInputError
from occluders.library import CATEGORIES
from occluders.lighting import Light
from occluders.materials import HOLDOUT, Material, glass, plain, plastic
from occluders.render import KINDS, render
from occluders.render.cup import CUPS, cup
from occluders.render.fabric import script
from occluders.render.flesh import flesh
from occluders.render.grip import grip
from occluders.render.hand import hand
from occluders.render.poses import POSES
from occluders.render.skeleton import CM, Build, Pose, pose_hand
from occluders.render.vessels import Vessel
from occluders.rendering import Camera, Part, render_scene
from occluders.shapes import box, sphere

FLAT = Camera(distance=np.inf)
EVEN = Light(strength=0.0, fill_strength=0.0, sky=(0.9, 0.9, 0.9), ground=(0.9, 0.9, 0.9))
CHALK = Material(albedo=plain((0.8, 0.3, 0.2)), gloss=0.0, specular=0.0)
WORN = ("eye_mask", "eyeglasses", "face_mask", "sunglasses")
HELD = ("book", "cup", "hand", "phone")
EVERY = (*WORN, *HELD, "scarf")


@cache
def member(category, seed):
    return render(category, np.random.default_rng(seed), 72)


def over(rgba, background):
    alpha = rgba[:, :, 3:].astype(np.float64) / 255
    return np.rint(rgba[:, :, :3] * alpha + background * (1 - alpha))


def test_alpha_of_a_ball_is_its_area():
    ball, ends = Part(sphere((0, 0, 0), 0.5), CHALK), {"a": (-0.5, 0, 0), "b": (0.5, 0, 0)}
    result = render_scene([ball], camera=FLAT, light=Light(), size=96, anchors=ends)
    across = result.anchors["b"][0] - result.anchors["a"][0]
    area = result.rgba[:, :, 3].astype(float).sum() / 255
    assert 90 < across <= 94
    assert area == pytest.approx(np.pi * across**2 / 4, rel=0.004)


def test_an_edge_has_the_colour_of_the_face_it_bounds():
    card = Part(box((0, 0, 0), (0.5, 0.4, 0.05)), CHALK)
    result = render_scene([card], camera=Camera(roll=17, distance=np.inf), light=EVEN, size=96)
    rgb, alpha = result.rgba[:, :, :3].astype(int), result.rgba[:, :, 3]
    inside = rgb[alpha == 255]
    edge = rgb[(alpha > 0) & (alpha < 255)]
    clear = rgb[alpha == 0][:2000]
    assert len(edge) > 150
    assert np.ptp(inside, axis=0).max() <= 4
    # neither darker nor lighter: no halo; single rays that graze a crease may differ a little
    assert np.abs(edge.mean(axis=0) - inside.mean(axis=0)).max() <= 2
    assert np.abs(edge - inside.mean(axis=0)).max() <= 9
    assert np.abs(clear - inside.mean(axis=0)).max() <= 9  # colour is bled under clear alpha


def test_an_edge_takes_many_levels_of_alpha():
    card = Part(box((0, 0, 0), (0.5, 0.4, 0.05)), CHALK)
    result = render_scene([card], camera=Camera(roll=17, distance=np.inf), light=Light(), size=96)
    assert len(np.unique(result.rgba[:, :, 3])) >= 14  # of 17


def test_light_from_above_left():
    light = Light(key=(-0.6, 0.6, 0.5))
    rgba = render_scene(
        [Part(sphere((0, 0, 0), 0.5), CHALK)], camera=FLAT, light=light, size=64
    ).rgba
    luma = rgba[:, :, :3].sum(axis=2)
    assert luma[18, 18] > 1.3 * luma[46, 46]


def test_a_holdout_hides_and_is_clear():
    ball = Part(sphere((0, 0, 0), 0.5), CHALK)
    veil = Part(box((0.5, 0, 1), (0.5, 1, 0.1)), HOLDOUT)
    whole = render_scene([ball], camera=FLAT, light=Light(), size=64).rgba
    half = render_scene([ball, veil], camera=FLAT, light=Light(), size=64).rgba
    assert half.shape[0] / half.shape[1] == pytest.approx(2, abs=0.1)
    assert whole.shape[0] / whole.shape[1] == pytest.approx(1, abs=0.05)


def test_glass_lets_through_what_its_opacity_leaves():
    pane = Part(box((0, 0, 0.4), (0.5, 0.5, 0.02)), glass((0.2, 0.2, 0.2), 0.4, specular=0.0))
    light = Light(windows=0.0, strength=0.2)
    alone = render_scene([pane], camera=FLAT, light=light, size=48).rgba
    assert alone[20, 20, 3] == pytest.approx(0.4 * 255, abs=6)
    wall = Part(box((0, 0, -0.4), (0.5, 0.5, 0.02)), plastic(plain((0.9, 0.1, 0.1))))
    both = render_scene([pane, wall], camera=FLAT, light=light, size=48).rgba
    assert both[20, 20, 3] == 255
    assert both[20, 20, 0] > alone[20, 20, 0] + 10


def test_anchors_follow_the_camera():
    ball, spot = Part(sphere((0, 0, 0), 0.5), CHALK), {"front": (0.0, 0.0, 0.5)}
    ahead = render_scene([ball], camera=FLAT, light=Light(), size=64, anchors=spot)
    middle = ahead.rgba.shape[1] / 2
    assert ahead.anchors["front"] == pytest.approx((middle, middle), abs=1.2)
    turned = Camera(yaw=30, distance=np.inf)
    aside = render_scene([ball], camera=turned, light=Light(), size=64, anchors=spot)
    assert aside.anchors["front"][0] == pytest.approx(middle + 0.25 * 62, abs=1.5)


def test_unseen_scenes_and_tiny_sizes_are_refused():
    far = Part(sphere((9, 0, 0), 0.5), CHALK)
    with pytest.raises(OccluderInputError, match="no part of the scene lies"):
        render_scene([far], camera=FLAT, light=Light())
    hidden = Part(sphere((0, 0, 0), 0.2), CHALK)
    veil = Part(box((0, 0, 1), (1, 1, 0.1)), HOLDOUT)
    with pytest.raises(OccluderInputError, match="nothing of the scene is seen"):
        render_scene([hidden, veil], camera=FLAT, light=Light(), size=32)
    with pytest.raises(OccluderInputError, match="size must be >= 16 pixels, got 8"):
        render("eyeglasses", np.random.default_rng(0), 8)
    with pytest.raises(OccluderInputError, match="got 'hat'"):
        render("hat", np.random.default_rng(0))


@pytest.mark.parametrize("category", EVERY)
def test_two_backgrounds_give_back_alpha(category):
    rgba = member(category, 1).rgba
    dark, light = over(rgba, np.array([30.0, 60, 10])), over(rgba, np.array([230.0, 200, 250]))
    span = np.array([200.0, 140, 240])
    recovered = 255 * (1 - (light - dark) / span)
    # each of the two is rounded to a level, which is 255 / span of alpha
    assert (np.abs(recovered - rgba[:, :, 3:]) <= 255 / span + 1e-9).all()


@pytest.mark.parametrize("category", EVERY)
def test_border_is_clear_and_tight(category):
    rgba = member(category, 1).rgba
    alpha = rgba[:, :, 3]
    assert rgba.dtype == np.uint8
    assert 62 <= max(rgba.shape) <= 72
    for side in (alpha[0], alpha[-1], alpha[:, 0], alpha[:, -1]):
        assert not side.any()
    for line in (alpha[1], alpha[-2], alpha[:, 1], alpha[:, -2]):
        assert line.any()


@pytest.mark.parametrize("category", EVERY)
def test_the_same_seed_gives_the_same_member(category):
    again = render(category, np.random.default_rng(1), 72)
    np.testing.assert_array_equal(again.rgba, member(category, 1).rgba)
    assert again.anchors == member(category, 1).anchors


@pytest.mark.parametrize("category", EVERY)
def test_members_differ(category):
    small = []
    for seed in (1, 2):
        rgba = member(category, seed).rgba.astype(np.float32)
        rgba[:, :, :3] *= rgba[:, :, 3:] / 255
        small.append(cv2.resize(rgba, (32, 32), interpolation=cv2.INTER_AREA))
    assert np.abs(small[0] - small[1]).mean() > 6


@pytest.mark.parametrize("category", WORN)
@pytest.mark.parametrize("seed", [1, 2])
def test_anchors_lie_where_a_face_has_them(category, seed):
    result = member(category, seed)
    height, width = result.rgba.shape[:2]
    left, right = result.anchors["left_eye"], result.anchors["right_eye"]
    span = np.hypot(right[0] - left[0], right[1] - left[1])
    assert left[0] < right[0]
    assert abs(right[1] - left[1]) < 0.2 * span
    assert 0.25 * width < span < 0.65 * width
    if category != "face_mask":
        for x, y in (left, right):
            assert 0 < x < width
            assert 0 < y < height
    if "mouth" in result.anchors:
        x, y = result.anchors["mouth"]
        assert left[0] < x < right[0]
        assert result.rgba[round(y), round(x), 3] == 255
        assert y > left[1] + 0.7 * span


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_scarves_lie_below_the_eyes_and_before_the_neck(seed):
    result = member("scarf", seed)
    height, width = result.rgba.shape[:2]
    left, right = result.anchors["left_eye"], result.anchors["right_eye"]
    chin = result.anchors["chin"]
    assert max(left[1], right[1]) < 0.15 * height
    assert 0.2 * width < left[0] < chin[0] < right[0] < 0.8 * width
    below = min(round(chin[1] + 0.3 * (right[0] - left[0])), height - 3)
    assert result.rgba[below, round(chin[0]), 3] == 255


def test_a_glowing_surface_needs_no_lamp():
    dark = Light(strength=0.0, fill_strength=0.0, sky=(0, 0, 0), ground=(0, 0, 0), windows=0.0)
    card = box((0, 0, 0), (0.5, 0.5, 0.05))
    lit = Material(albedo=plain((0.8, 0.3, 0.2)), specular=0.0, glow=lambda p: np.ones(len(p)))
    shown = render_scene([Part(card, lit)], camera=FLAT, light=dark, size=32).rgba
    assert np.abs(shown[16, 16, :3] / 255 - (0.8, 0.3, 0.2)).max() < 0.03
    unlit = render_scene([Part(card, CHALK)], camera=FLAT, light=dark, size=32).rgba
    assert unlit[16, 16, :3].max() == 0


def test_lenses_let_through():
    clear, dark = member("eyeglasses", 1), member("sunglasses", 1)
    for result, low, high in ((clear, 0, 90), (dark, 150, 254)):
        x, y = result.anchors["left_eye"]
        patch = result.rgba[round(y) - 1 : round(y) + 2, round(x) - 1 : round(x) + 2, 3]
        assert low <= np.median(patch) <= high


def test_every_kind_is_named_as_its_function():
    assert sorted(EVERY) == sorted(KINDS) == list(CATEGORIES)
    assert all(function.__name__ == name for name, function in KINDS.items())


@pytest.mark.parametrize("category", HELD)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_held_things_tell_their_true_size(category, seed):
    result = member(category, seed)
    height, width = result.rgba.shape[:2]
    cover, span, origin = (np.array(result.anchors[k]) for k in ("cover", "span", "origin"))
    assert (cover >= 0).all()
    assert cover[0] < width
    assert cover[1] < height
    between_eyes = np.hypot(*(span - cover))  # 6.3 cm
    assert span[0] > cover[0] + 0.9 * between_eyes
    low, high = TRUE_SIZE[category]
    assert low < 6.3 * max(height, width) / between_eyes < high
    assert np.hypot(*(origin - cover)) > 0.3 * between_eyes


TRUE_SIZE = {  # cm, a hand with some of the arm
    "book": (15, 42),
    "cup": (7, 30),
    "hand": (11, 34),
    "phone": (12, 19),
}


@pytest.mark.parametrize("pose", sorted(POSES))
def test_a_pose_says_what_it_covers(pose):
    result = hand(np.random.default_rng(3), 32, pose)
    faces = {"over_mouth": {"mouth"}, "over_eye": {"left_eye", "right_eye"}, "on_cheek": CHEEKS}
    covered = set(result.anchors) - {"cover", "span", "origin"}
    assert len(covered) == (1 if pose in faces else 0)
    assert covered <= faces.get(pose, set())
    for name in covered:
        assert result.anchors[name] == result.anchors["cover"]
        x, y = result.anchors[name]
        assert result.rgba[round(y), round(x), 3] == 255
        # the arm comes from below and, of the eyes and cheeks, from their own side
        assert result.anchors["origin"][1] > y


CHEEKS = {"left_cheek", "right_cheek"}


def test_fingers_of_a_spread_hand_stand_apart():
    spread = {"index": 12.0, "middle": 2.0, "ring": -10.0, "little": -20.0}
    hands = [pose_hand(Pose(spread=angles), Build()) for angles in (spread, {})]
    apart, together = (flesh(bones) for bones in hands)
    x = np.linspace(-1.2, 1.2, 400)
    line = np.stack([x, np.full_like(x, 12.5 * CM), np.zeros_like(x)])  # across the fingers
    p = np.asarray(line.T, np.float32, order="F")
    assert _runs(apart(p) < 0) == 4
    assert _runs(together(p) < 0) < 4


def test_bones_keep_their_lengths_in_any_pose():
    poses = [POSES[name][0](np.random.default_rng(seed)).pose for name in POSES for seed in (0, 1)]
    hands = [pose_hand(pose, Build()) for pose in poses]
    lengths = [[np.linalg.norm(b.end - b.start) for b in hand.bones] for hand in hands]
    np.testing.assert_allclose(lengths, np.tile(lengths[0], (len(lengths), 1)))
    straight = pose_hand(Pose(), Build())
    tip = straight.bone("middle", 3).end
    assert 17.5 < tip[1] / CM < 19.5  # an adult's hand, to the wrist


def _runs(row):
    return int((np.diff(np.pad(row.astype(int), 1)) == 1).sum())


@pytest.mark.parametrize("kind", sorted(CUPS))
def test_only_glasses_let_through(kind):
    result = cup(np.random.default_rng(5), 40, kind)
    alpha = result.rgba[:, :, 3]
    inside = cv2.erode((alpha > 0).astype(np.uint8), np.ones((3, 3))) > 0
    share = (alpha[inside] < 250).mean()
    assert share > 0.2 if kind == "glass" else share < 0.02


def test_a_vessel_holds_its_filling():
    side = np.array([(0.4, -0.6), (0.5, 0.6)])
    vessel = Vessel(side, wall=0.05, floor=0.1)
    points = np.array([(0, 0, 0), (0.43, 0, 0), (0, -0.55, 0), (0, 0.5, 0), (0.2, 0.2, 0.2)])
    p = np.asfortranarray(points, np.float32)
    body, filling = vessel.body()(p), vessel.filling(0.5)(p)
    np.testing.assert_array_equal(body < 0, [False, True, True, False, False])
    np.testing.assert_array_equal(filling < 0, [True, False, False, False, False])
    np.testing.assert_array_equal(vessel.cavity()(p) < 0, [True, False, False, True, True])
    assert not ((body < 0) & (filling < 0)).any()
    assert body[1] == pytest.approx(-0.02, abs=0.006)


@pytest.mark.parametrize("radius", [0.4, 0.6])
def test_a_holding_hand_closes_around_what_it_holds(radius):
    parts, end = grip(np.random.default_rng(0), radius, 0.0)
    angle = np.linspace(0, 2 * np.pi, 90)
    for share, most in ((0.8, 0.0), (1.25, 1.0)):
        ring = share * radius * np.stack([np.sin(angle), 0 * angle, np.cos(angle)])
        inside = parts[0].shape(np.asarray(ring.T, np.float32, order="F")) < 0
        assert inside.mean() <= most
    assert inside.mean() > 0.25  # palm and fingers, about half way round
    assert np.hypot(end[0], end[2]) > 2 * radius


def test_a_word_is_printed_where_it_belongs():
    word = script(np.random.default_rng(1), plain((1, 1, 1)), (0, 0, 0), 0.3, 0.2)
    x, y = np.meshgrid(np.linspace(-0.9, 0.9, 181), np.linspace(-0.3, 0.9, 121))
    p = np.stack([x.ravel(), y.ravel(), np.zeros(x.size)], axis=1).astype(np.float32)
    inked = (word(p, p)[:, 0] < 0.5).reshape(x.shape)
    assert 60 < inked.sum() < 8000
    assert np.abs(x[inked]).max() < 0.5
    assert abs(y[inked].mean() - 0.3) < 0.08
