"""Roles of categories, and anchors of members without their own."""

import pytest

from occluders.anchors import ROLES, anchors_of, role_of
from occluders.library import CATEGORIES


@pytest.mark.parametrize(
    ("category", "role"),
    [
        ("eyeglasses", "glasses"),
        ("Sun-Glasses", "glasses"),
        ("reading glasses", "glasses"),
        ("eye_mask", "eye_mask"),
        ("mask", "mask"),
        ("mask_side", "mask"),
        ("facemask", "mask"),
        ("scarf", "scarf"),
        ("hat", "hat"),
        ("glove", "hand"),
        ("hand_palm", "hand"),
        ("phone", "phone"),
        ("glass", "cup"),
        ("bottle", "bottle"),
        ("fruit", "thing"),
        ("handle", "thing"),
        ("what", "thing"),
    ],
)
def test_words_of_a_category_tell_its_role(category: str, role: str) -> None:
    assert role_of(category) is ROLES[role]


def test_bundled_categories_are_worn_and_held() -> None:
    zones = {category: role_of(category).zone for category in CATEGORIES}
    held = {name for name, zone in zones.items() if zone == "held"}
    assert held == {"book", "cup", "hand", "phone"}
    assert zones["scarf"] == "neck"
    assert zones["face_mask"] == "mouth"


def test_own_anchors_come_first() -> None:
    eyes = {"left_eye": (0.2, 0.4), "right_eye": (0.8, 0.4)}
    assert anchors_of("eyeglasses", eyes) == eyes
    assert anchors_of("eyeglasses", {}) == ROLES["glasses"].anchors
    assert anchors_of("eyeglasses", {"left_eye": (0.2, 0.4)}) == ROLES["glasses"].anchors


def test_held_members_keep_what_they_have() -> None:
    found = anchors_of("hand", {"cover": (0.3, 0.3), "span": (0.6, 0.3)})
    assert found["cover"] == (0.3, 0.3)
    assert found["origin"] == ROLES["hand"].anchors["origin"]
    assert anchors_of("hand", {"span": (0.6, 0.3)}) == ROLES["hand"].anchors
    assert anchors_of("hand", {"mouth": (0.5, 0.5)})["mouth"] == (0.5, 0.5)
