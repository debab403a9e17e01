"""How a thing is worn or held: the role of a category, and anchors for members without their own.

Anchors are points of a member's picture, as fractions of its width and height; they may lie outside
of it. Those of worn things bear the names of points of a face (`left_eye`, `right_eye`, `nose`,
`mouth`, `chin`, `left_cheek`, `right_cheek`; left is left in the picture) and come to lie on them.
Held things have `cover`, which comes to lie over some point of the face; `span`, one distance
between the eyes to its right; and `origin`, where the arm or the holding hand comes from.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

__all__ = ["FACE_POINTS", "ROLES", "Role", "anchors_of", "role_of"]

Point = tuple[float, float]

FACE_POINTS = (
    "left_eye",
    "right_eye",
    "nose",
    "mouth",
    "chin",
    "left_cheek",
    "right_cheek",
)


class Role(NamedTuple):
    """How the things of a category meet a face."""

    zone: str
    """What it takes of the face: 'eyes', 'mouth', 'neck', 'head' or 'held'; one thing a zone."""
    anchors: Mapping[str, Point]
    """For members without their own."""
    length: float = 0.0
    """Longer side of a held thing, in distances between the eyes (63 mm)."""
    targets: tuple[str, ...] = ()
    """Points of the face a held thing comes to lie over; one named twice is twice as likely."""
    swing: float = 0.0
    """Tangent of half the largest turn of a held thing from how its picture stands."""
    is_mirrored: bool = True
    """Whether its mirror image may be used as well: not where there may be writing on it."""


_EYES = {"left_eye": (0.26, 0.47), "right_eye": (0.74, 0.47)}
_HELD = {"cover": (0.5, 0.45), "origin": (0.5, 1.2)}
_ANYWHERE = ("mouth", "mouth", "chin", "nose", "left_cheek", "right_cheek")

ROLES: Mapping[str, Role] = {
    "glasses": Role("eyes", _EYES),
    "eye_mask": Role("eyes", _EYES),
    "mask": Role(
        "mouth",
        {
            "nose": (0.5, 0.16),
            "mouth": (0.5, 0.53),
            "chin": (0.5, 0.92),
            "left_cheek": (0.02, 0.33),
            "right_cheek": (0.98, 0.33),
        },
    ),
    "scarf": Role(
        "neck",
        {"left_cheek": (0.07, -0.02), "right_cheek": (0.93, -0.02)},
    ),
    "hat": Role("head", {"left_eye": (0.32, 1.16), "right_eye": (0.68, 1.16)}),
    "hand": Role(
        "held",
        {"cover": (0.5, 0.36), "origin": (0.5, 1.2)},
        2.9,
        (*_ANYWHERE, "left_eye", "right_eye"),
        0.75,
    ),
    "phone": Role("held", _HELD, 2.4, (*_ANYWHERE, "left_eye", "right_eye"), 0.3, False),
    "book": Role("held", _HELD, 3.3, ("mouth", "mouth", "chin", "nose"), 0.14, False),
    "cup": Role("held", _HELD, 1.5, ("mouth",), 0.12),
    "bottle": Role("held", {"cover": (0.5, 0.12), "origin": (0.5, 1.2)}, 3.4, ("mouth",), 0.5),
    "thing": Role("held", _HELD, 1.9, _ANYWHERE, 0.3, False),
}
_WORDS: Mapping[str, tuple[str, ...]] = {  # the first that matches a part of the name
    "eye_mask": ("eyemask", "eyepatch", "blindfold"),
    "glasses": ("glasses", "eyeglass", "sunglass", "goggles", "spectacles", "eyewear"),
    "mask": ("mask", "respirator", "n95", "veil"),
    "scarf": ("scarf", "scarves", "shawl", "bandana", "muffler", "towel"),
    "hat": ("hat", "hats", "cap", "caps", "helmet", "beanie", "hood", "headwear", "wig"),
    "hand": ("hand", "hands", "glove", "gloves", "finger", "fingers", "fist", "palm", "arm"),
    "phone": ("phone", "phones", "smartphone", "mobile", "cellphone"),
    "book": ("book", "books", "magazine", "newspaper", "paper", "tablet"),
    "cup": ("cup", "cups", "mug", "mugs", "glass", "tumbler"),
    "bottle": ("bottle", "bottles", "can"),
}


def role_of(category: str) -> Role:
    """Return how things of a category are worn or held, told by the words of its name.

    Parameters
    ----------
    category : str
        One of the nine, or a user's own: ``mask_pattern`` is worn as a mask, ``glove`` comes in
        as a hand does, what is unknown is held.

    Examples
    --------
    >>> role_of("sunglasses").zone, role_of("surgical-mask").zone, role_of("fruit").zone
    ('eyes', 'mouth', 'held')
    """
    words = re.findall(r"[a-z0-9]+", category.lower())
    joined = "".join(words)
    for name, known in _WORDS.items():
        if any(word in known for word in words):
            return ROLES["eye_mask" if name == "mask" and "eye" in words else name]
        if name in ("eye_mask", "glasses", "mask", "scarf") and any(w in joined for w in known):
            return ROLES[name]
    return ROLES["thing"]


def anchors_of(category: str, own: Mapping[str, Point]) -> Mapping[str, Point]:
    """Return the anchors of a member: its own where they place it, else those of its category.

    Parameters
    ----------
    category : str
    own : mapping of str to (float, float)
        Anchors the library knows.

    Notes
    -----
    A worn thing needs two points of a face, a held one `cover` or one point of a face. What a held
    member lacks of `cover`, `origin` is taken from its category.
    """
    role = role_of(category)
    named = [name for name in FACE_POINTS if name in own]
    if role.zone != "held":
        return own if len(named) >= 2 or "cover" in own else role.anchors
    return {**role.anchors, **own} if "cover" in own or named else role.anchors
