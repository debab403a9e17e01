"""Texts that stand for several values, and what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from occgen.errors import InputError
from occgen.notation import DEFAULT_MIX, parse_counts, parse_mix, parse_scales, take_categories


@given(st.integers(1, 300), st.integers(1, 50), st.integers(0, 40))
def test_scales_of_any_whole_steps_are_exact(start: int, step: int, count: int) -> None:
    text = f"{start / 10}:{step / 10}:{(start + step * count) / 10}"
    expected = tuple((start + step * i) / 10 for i in range(count + 1))
    assert parse_scales(text) == pytest.approx(expected)


@pytest.mark.parametrize("text", ["", "x", "1:2", "1:2:3:4", "0", "nan", "1:0:3", "3:1:1"])
def test_wrong_scales_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="scale"):
        parse_scales(text)


def test_too_many_scales_are_refused() -> None:
    assert len(parse_scales("1:0.001:1.999")) == 1000
    with pytest.raises(InputError, match="names 1001 scales, more than 1000"):
        parse_scales("1:0.001:2")


def test_a_mixture_has_one_order_and_no_weight_of_nothing() -> None:
    assert parse_mix(DEFAULT_MIX) == {"random": 1.0, "landmarks": 2.0}
    assert list(parse_mix("landmarks=1, regions=0.5,random=0")) == ["regions", "landmarks"]
    with pytest.raises(InputError, match="mix must be weights of random, regions, landmarks"):
        parse_mix("mixed=1")


def test_counts_are_a_number_or_a_range() -> None:
    assert [parse_counts(value) for value in (1, "2", "1:3")] == [(1, 1), (2, 2), (1, 3)]
    for value in (0, 9, True, "3:1", "1:9", "1:2:3", "one"):
        with pytest.raises(InputError, match="occluders_per_face must be 1 to 8"):
            parse_counts(value)


def test_categories_are_a_text_or_its_parts() -> None:
    assert take_categories(None) is None
    assert take_categories("hand, face_mask=4") == take_categories(["hand", "face_mask=4"])
    with pytest.raises(InputError):
        take_categories("hand=-1")
