"""Findings in an occluder library: each has a member made wrong in that way, and a sound twin."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from occgen.inspection import CHECKS, Finding, check_library
from occluders import from_directory

UInt8 = NDArray[np.uint8]
INK = np.array([40, 70, 160], np.float32)


def soft_disc(side: int = 120, shade: NDArray[np.float32] = INK, soft: float = 2.5) -> UInt8:
    """Return a disc that fills its picture, its edge a few pixels wide, straight alpha."""
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    alpha = np.clip((side / 2 - np.hypot(x, y)) / soft, 0, 1)
    waves = 12 * np.sin(x / 7)[:, :, None]
    colour = np.clip(shade + waves, 0, 255)
    return np.dstack([colour, alpha * 255]).round().astype(np.uint8)


def bled(picture: UInt8, background: tuple[int, int, int]) -> UInt8:
    """Return a picture as cut from a background whose colour stayed in its edge."""
    share = picture[:, :, 3:].astype(np.float32) / 255
    colour = picture[:, :, :3] * share + np.array(background) * (1 - share)
    return np.dstack([colour, share * 255]).round().astype(np.uint8)


def checked(root: Path, pictures: dict[str, UInt8], **files: str) -> list[Finding]:
    """Return the findings of a folder of pictures."""
    for name, picture in pictures.items():
        path = root / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(path)
    for name, text in files.items():
        (root / f"{name}.json").write_text(text)
    return check_library(from_directory(root))


def kinds(found: list[Finding]) -> set[tuple[str, str, bool]]:
    """Return name, check and whether it is wrong of each."""
    return {(finding.name, finding.check, finding.is_wrong) for finding in found}


def test_a_sound_library_has_no_findings(tmp_path: Path) -> None:
    pictures = {"cup/a": soft_disc(), "hat/b": soft_disc(90, np.array([200, 30, 30], np.float32))}
    assert checked(tmp_path, pictures) == []


@pytest.mark.parametrize("background", [(255, 255, 255), (0, 0, 0), (0, 220, 0)])
def test_a_background_in_the_edge_is_a_halo(
    tmp_path: Path, background: tuple[int, int, int]
) -> None:
    disc = soft_disc(shade=np.array([200, 120, 60], np.float32))
    (found,) = checked(tmp_path, {"cup/a": bled(disc, background)})
    assert found[:2] == ("cup/a", "halo")
    told = found.detail.split("#")[1][:6]
    levels = [int(told[i : i + 2], 16) for i in (0, 2, 4)]
    assert max(abs(a - b) for a, b in zip(levels, background, strict=True)) < 12


def test_a_lens_is_no_halo(tmp_path: Path) -> None:
    """What is half transparent inside may have any colour."""
    ring = soft_disc(160)
    inner = soft_disc(100, np.array([240, 240, 240], np.float32))
    inner[:, :, 3] //= 4
    middle = ring[30:130, 30:130]
    middle[inner[:, :, 3] > 0] = inner[inner[:, :, 3] > 0]
    assert checked(tmp_path, {"glasses/a": ring}) == []


def test_sizes_mattes_and_borders(tmp_path: Path) -> None:
    padded = np.pad(soft_disc(), ((0, 9), (3, 0), (0, 0)))
    faint = soft_disc()
    faint[:, :, 3] //= 4
    on_white = np.full((80, 80, 3), 255, np.uint8)
    on_white[20:60, 20:60] = (40, 90, 20)
    photo = np.random.default_rng(0).integers(0, 255, (80, 80, 3), dtype=np.uint8)
    pictures = {
        "cup/tiny": soft_disc(20, np.array([0, 99, 0], np.float32), soft=1.0),
        "hat/small": soft_disc(26, np.array([200, 99, 0], np.float32), soft=1.0),
        "cup/padded": padded,
        "cup/faint": faint,
        "box/white": on_white,
        "box/photo": photo,
    }
    found = checked(tmp_path, pictures)
    assert kinds(found) == {
        ("cup/tiny", "size", True),
        ("hat/small", "size", False),
        ("cup/padded", "border", True),
        ("cup/faint", "matte", True),
        ("box/white", "matte", True),
        ("box/photo", "matte", False),
    }
    details = {finding.name: finding.detail for finding in found}
    assert details["cup/padded"] == (
        "3 left, 0 above, 0 right, 9 below are transparent; cut them off"
    )
    assert "plain #ffffff" in details["box/white"]


def test_twins_are_found_however_they_were_saved(tmp_path: Path) -> None:
    picture = soft_disc()
    picture[40:60, 30:90, :3] = (200, 40, 30)
    smaller = cv2.resize(picture, (97, 97), interpolation=cv2.INTER_AREA)
    other = soft_disc()
    other[40:60, 30:90, :3] = (30, 160, 40)
    pictures = {"cup/a": picture, "cup/b": smaller, "cup/c": other, "mug/d": picture}
    found = checked(tmp_path, pictures)
    assert {(f.name, f.detail) for f in found} == {
        ("cup/b", "looks like cup/a"),
        ("mug/d", "the same file as cup/a"),
    }


def test_a_rare_category_and_overlapping_splits(tmp_path: Path) -> None:
    shades = np.random.default_rng(1).integers(0, 255, (21, 3)).astype(np.float32)
    pictures = {f"cup/{i:02d}": soft_disc(60, shade) for i, shade in enumerate(shades[:20])}
    pictures["hat/a"] = soft_disc(60, shades[20])
    splits = '{"train": ["cup"], "test": ["hat", "cup/1*"]}'
    found = [f for f in checked(tmp_path, pictures, splits=splits) if f.check != "duplicate"]
    assert kinds(found) == {("hat", "balance", False), ("splits", "split", True)}
    assert found[-1].detail == "10 members are in more than one, first cup/10"


def test_files_left_out_are_findings(tmp_path: Path) -> None:
    (tmp_path / "cup").mkdir()
    (tmp_path / "cup" / "bad.png").write_bytes(b"no picture")
    (found,) = checked(tmp_path, {"cup/a": soft_disc()})
    assert found[:2] == ("cup/bad.png", "unusable")
    assert "is damaged or no picture" in found.detail
    assert {found.check} <= set(CHECKS)
