"""The bundled library is whole, loads what it should and refuses what it cannot use."""

import hashlib
import io
import json
import pickle
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from occluders import (
    OccluderDataError,
    OccluderInputError,
    OccluderLibrary,
    bundled,
    from_spec,
)
from occluders.library import CATEGORIES, GROUPS
from occluders.member import Record
from occluders.picture_file import load_rgba
from occluders.resizing import resize

ASSETS = Path(__file__).parents[2] / "occluders" / "assets"


@pytest.fixture(scope="module")
def library() -> OccluderLibrary:
    """The bundled library."""
    return bundled()


def test_all_nine_categories_are_there(library: OccluderLibrary) -> None:
    assert library.categories == CATEGORIES == tuple(sorted(CATEGORIES))
    assert len(CATEGORIES) == 9
    assert len(library) == len(list(library)) == sum(len(library.members(c)) for c in CATEGORIES)
    assert min(len(library.members(category)) for category in CATEGORIES) >= 24
    assert library.names == tuple(sorted(library.names))
    assert len(set(library.names)) == len(library)
    assert library[0].name == library.names[0]
    assert library.skipped == ()


def test_groups_are_those_of_the_paper(library: OccluderLibrary) -> None:
    assert GROUPS == {
        1: ("book", "cup", "eye_mask"),
        2: ("eyeglasses", "hand", "face_mask"),
        3: ("phone", "scarf", "sunglasses"),
    }
    parts = [library.subset(group=group) for group in GROUPS]
    assert sum(len(part) for part in parts) == len(library)
    assert set().union(*(part.names for part in parts)) == set(library.names)


def test_every_member_is_an_honest_cut_out(library: OccluderLibrary) -> None:
    for member in library:
        rgba = member.rgba
        assert rgba.dtype == np.uint8
        assert rgba.ndim == 3
        assert rgba.shape[2] == 4
        assert not rgba.flags.writeable
        alpha = rgba[:, :, 3]
        assert member.has_matte, member.name
        assert (alpha >= 250).mean() > 0.02, member.name  # eyeglasses without rims
        for edge in (alpha[0], alpha[-1], alpha[:, 0], alpha[:, -1]):
            assert edge.any(), member.name  # cut to what it covers: its box is its own
        width, height = member.natural_size
        assert 5 < width <= 140
        assert 5 < height <= 160
        assert 0.5 < (width / height) / (rgba.shape[1] / rgba.shape[0]) < 2
        assert member.anchors, member.name
        for x, y in member.anchors.values():  # a mask has the eyes of its face
            assert -3 <= x <= 4
            assert -3 <= y <= 4


def test_every_file_is_the_one_the_index_names(library: OccluderLibrary) -> None:
    listed = {member.file: member.sha256 for member in library}
    found = [path for path in ASSETS.rglob("*") if path.is_file()]
    files = {path.relative_to(ASSETS).as_posix(): path for path in found}
    assert set(files) == {*listed, "index.json"}
    assert sum(path.stat().st_size for path in found) < 8e6
    del files["index.json"]
    for name, path in files.items():
        assert hashlib.sha256(path.read_bytes()).hexdigest() == listed[name]


def test_the_digest_is_the_same_in_every_process(library: OccluderLibrary) -> None:
    code = "import occluders; print(occluders.bundled().digest)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30
    )
    assert done.stdout.strip() == library.digest
    assert from_spec(json.loads(json.dumps(library.spec))).digest == library.digest
    assert library.subset(categories=["cup"]).digest != library.digest


def test_the_digest_tells_any_change(small_library: OccluderLibrary) -> None:
    records = [
        Record(m.name, m.category, m.natural_size, m.anchors, m.sha256, m.file)
        for m in small_library
    ]
    first = records[0]
    changes = [
        first._replace(name="other"),
        first._replace(category="cup"),
        first._replace(natural_size=(first.natural_size[0] + 0.01, first.natural_size[1])),
        first._replace(anchors={"nose": (0.5, 0.5)}),
        first._replace(sha256="0" * 64),
    ]
    digests = {
        OccluderLibrary([changed, *records[1:]], ".", {}).digest for changed in [first, *changes]
    }
    assert len(digests) == 6
    assert OccluderLibrary(records[::-1], ".", {}).digest == small_library.digest


def test_categories_are_drawn_alike_then_their_members() -> None:
    records = [
        Record(f"{category}{number}", category, (10.0, 10.0), {}, "", "")
        for category, count in (("a", 1), ("b", 9))
        for number in range(count)
    ]
    library = OccluderLibrary(records, ".", {})
    rng = np.random.default_rng(0)
    drawn = Counter(library.sample(rng).name for _ in range(4000))
    assert abs(drawn["a0"] - 2000) < 150
    assert len(drawn) == 10
    assert min(drawn.values()) > 150

    class Edge:
        def random(self) -> float:
            return np.nextafter(1, 0)

    assert library.sample(Edge()).name == "b8"


def test_a_draw_takes_two_numbers(small_library: OccluderLibrary) -> None:
    first, second = np.random.default_rng(5), np.random.default_rng(5)
    small_library.sample(first)
    second.random(2)
    assert first.random() == second.random()


def draws(library: OccluderLibrary, count: int = 400) -> list[str]:
    rng = np.random.default_rng(3)
    return [library.sample(rng).name for _ in range(count)]


def test_categories_are_drawn_by_weight(small_library: OccluderLibrary) -> None:
    part = small_library.subset(categories=["phone=3", "cup", "hand = 0.5"])
    assert part.weights == {"cup": 1, "hand": 0.5, "phone": 3}
    drawn = Counter(name.split("-")[0] for name in draws(part, 4500))
    assert abs(drawn["phone"] - 3000) < 130
    assert abs(drawn["cup"] - 1000) < 110
    assert abs(drawn["hand"] - 500) < 85
    first, second = np.random.default_rng(5), np.random.default_rng(5)
    part.sample(first)
    second.random(2)
    assert first.random() == second.random()

    class Edge:
        def random(self) -> float:
            return float(np.nextafter(1, 0))

    assert part.sample(Edge()).name == "phone-1"
    assert part.digest == small_library.subset(categories=["cup", "hand", "phone"]).digest


def test_equal_weights_draw_what_no_weights_draw(small_library: OccluderLibrary) -> None:
    plain = draws(small_library.subset(categories=["cup", "hand", "phone"]))
    for entries in (["cup=1", "hand", "phone=1.0"], ["phone=7", "hand=7", "cup=7"]):
        assert draws(small_library.subset(categories=entries)) == plain
    assert small_library.subset(categories=list(small_library.categories)) is small_library
    whole = [f"{name}=2" for name in small_library.categories]
    assert draws(small_library.subset(categories=whole)) == draws(small_library)


def test_a_part_of_a_part_keeps_the_weights(small_library: OccluderLibrary) -> None:
    part = small_library.subset(categories=["face_mask=4", "hand", "scarf=2"])
    for narrowed in (
        part.subset(exclude=["scarf"]),
        part.subset(include=["face_mask", "hand"]),
        part.subset(group=2),
        part.subset(categories=["hand", "face_mask"]),
    ):
        assert narrowed.weights == {"face_mask": 4, "hand": 1}
    once = small_library.subset(categories=["face_mask=4", "hand", "scarf=2"], group=2)
    assert draws(once) == draws(part.subset(group=2))
    assert part.subset(categories=["scarf=3", "hand"]).weights == {"hand": 1, "scarf": 6}
    assert pickle.loads(pickle.dumps(part)).weights == part.weights


def test_parts_are_chosen_by_category_name_and_pattern(small_library: OccluderLibrary) -> None:
    assert small_library.subset() is small_library
    cups = small_library.subset(categories=["cup", "phone"])
    assert cups.categories == ("cup", "phone")
    assert small_library.subset(include=["cup", "book-1"]).names == ("book-1", "cup-0", "cup-1")
    rest = small_library.subset(exclude=["*-0", "hand"])
    assert len(rest) == 8
    assert "hand" not in rest.categories
    mixed = small_library.subset(group=1, include=["*-1"], exclude=["book"])
    assert mixed.names == ("cup-1", "eye_mask-1")
    assert mixed.spec == small_library.spec  # opens the whole library again


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"categories": ["hat"]}, "category must be one of book, cup, .* got 'hat'"),
        ({"categories": ["hat=2"]}, "category must be one of book, cup, .* got 'hat'"),
        *(
            ({"categories": [f"cup={text}"]}, "number > 0, as face_mask=4; got 'cup=")
            for text in ("0", "-1", "inf", "nan", "x", "", "1e400")
        ),
        ({"categories": ["cup=2", "cup"]}, "category 'cup' is given two weights"),
        ({"categories": ["cup=1e308", "hand=1e308"]}, "too large for a sum"),
        ({"group": 4}, "group must be 1, 2 or 3, got 4"),
        ({"exclude": ["nothing"]}, "'nothing' is no occluder, category or pattern"),
        ({"include": ["cup-7"]}, "'cup-7' is no occluder"),
        ({"exclude": ["*"]}, "no occluder is left"),
        ({"categories": ["cup"], "group": 2}, "no occluder is left"),
        ({"categories": []}, "no occluder is left"),
    ],
)
def test_a_choice_of_nothing_is_told(
    small_library: OccluderLibrary, choice: dict[str, list[str]], message: str
) -> None:
    with pytest.raises(OccluderInputError, match=message):
        small_library.subset(**choice)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=message):
        small_library.subset(**choice)  # type: ignore[arg-type]


def test_an_unknown_category_has_no_members(library: OccluderLibrary) -> None:
    with pytest.raises(OccluderInputError, match="got 'hat'"):
        library.members("hat")


def png(picture: NDArray[np.uint8]) -> bytes:
    """Return a picture as a PNG's bytes."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return buffer.getvalue()


def test_a_file_that_is_not_as_it_was_is_refused(tmp_path: Path) -> None:
    data = png(np.full((4, 5, 4), 200, np.uint8))
    sha256 = hashlib.sha256(data).hexdigest()
    path = tmp_path / "a.png"
    with pytest.raises(OccluderDataError, match=r"a\.png cannot be read \(No such file"):
        load_rgba(tmp_path, "a.png", sha256)
    path.write_bytes(data)
    assert load_rgba(tmp_path, "a.png", sha256).shape == (4, 5, 4)
    path.write_bytes(data + b"\0")
    with pytest.raises(OccluderDataError, match=r"a\.png changed since the library was opened"):
        load_rgba(tmp_path, "a.png", sha256)
    for bad in (b"", b"no picture", data[:40], data[:-30]):
        path.write_bytes(bad)
        with pytest.raises(OccluderDataError, match=r"a\.png is damaged or no picture"):
            load_rgba(tmp_path, "a.png", hashlib.sha256(bad).hexdigest())


def test_a_library_opens_no_file_before_it_is_used(tmp_path: Path) -> None:
    library = OccluderLibrary([Record("a", "cup", (9.0, 9.0), {}, "0", "a.png")], tmp_path, {})
    assert library.names == ("a",)
    with pytest.raises(OccluderDataError, match="cannot be read"):
        _ = library[0].rgba


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"members": [{}]}', '{"members": 3}'])
def test_a_damaged_index_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets" / "index.json").write_text(text)
    monkeypatch.setattr("occluders.library.files", lambda package: tmp_path)
    with pytest.raises(OccluderDataError, match=r"index\.json is damaged or missing"):
        bundled()


def test_resized_pictures_are_kept_and_the_least_used_dropped(
    small_library: OccluderLibrary,
) -> None:
    part = small_library.subset(categories=["cup"])
    member = part[0]
    first = member.resized(30, 20)
    assert first.rgb.shape == (20, 30, 3)
    assert member.resized(30, 20) is first
    assert member.resized(20, 30) is not first
    names = ("rgb", "premultiplied", "inverse_alpha", "alpha", "mask")
    assert not any(getattr(first, name).flags.writeable for name in names)
    assert first.nbytes == sum(getattr(first, name).nbytes for name in names)
    part.cache._limit = 3 * first.nbytes
    for width in range(31, 40):
        member.resized(width, 20)
    assert len(part.cache._made) <= 3
    again = member.resized(30, 20)
    assert again is not first
    assert np.array_equal(again.premultiplied, first.premultiplied)


@given(st.integers(1, 60), st.integers(1, 60), st.integers(0, 3))
def test_a_resized_picture_is_consistent(width: int, height: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    picture = rng.integers(0, 256, (24, 32, 4), dtype=np.uint8)
    picture[:, :, 3] = rng.choice([0, 0, 90, 255, 255], (24, 32))
    result = resize(picture, width, height)
    assert result.rgb.shape == result.premultiplied.shape == (height, width, 3)
    assert (result.premultiplied <= result.alpha[:, :, None]).all()
    assert (result.inverse_alpha == 255 - result.alpha[:, :, None]).all()
    assert np.array_equal(result.mask, result.alpha >= 128)


def test_a_picture_at_its_own_size_is_itself() -> None:
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (24, 32, 4), dtype=np.uint8)
    picture[:, :, 3] = 255
    result = resize(picture, 32, 24)
    assert np.array_equal(result.rgb, picture[:, :, :3])
    assert np.array_equal(result.premultiplied, picture[:, :, :3])
    assert result.mask.all()


def test_what_is_transparent_does_not_bleed_into_the_edge() -> None:
    picture = np.zeros((40, 40, 4), np.uint8)
    picture[:, :, 0] = 255  # red where nothing is seen
    picture[10:30, 10:30] = (0, 255, 0, 255)
    for side in (13, 20, 70):
        result = resize(picture, side, side)
        seen = result.alpha > 16
        assert seen.any()
        assert result.rgb[seen][:, 0].max() == 0
        assert result.rgb[seen][:, 1].min() > 240
