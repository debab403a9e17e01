"""Occluders to compare the bundled ones with: plain rectangles, and real cut-outs in two halves."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from occgen.atomic import make_folder, replacing_bytes
from occgen.codec import encoder
from occgen.errors import InputError
from occgen.seeding import Stream

__all__ = ["cutout_files", "make_rectangles", "split_cutouts"]

UInt8 = NDArray[np.uint8]

_SEED = 100
_RECTANGLES = 200
_LONGER_SIDE = 96
_PICTURES = (".png", ".webp")
_TEXTURES = ("plain", "gradient", "stripes", "checks", "noise", "blobs")


def make_rectangles(folder: Path, count: int = _RECTANGLES) -> Path:
    """Draw textured rectangles without a matte, as random erasing and cutout paste them.

    Parameters
    ----------
    folder : Path
    count : int, optional

    Returns
    -------
    Path
        A library: their sizes are fitted to the paper's coverage, as those of any folder are.
    """
    names = [f"rectangle-{number:03d}.png" for number in range(count)]
    make_folder(folder / "rectangle")
    for number, name in enumerate(names):
        path = folder / "rectangle" / name
        if not path.is_file():
            replacing_bytes(path, encoder("png", 100)(_rectangle(number)))
    return folder


def _rectangle(number: int) -> UInt8:
    rng = Stream(_SEED, f"rectangle {number}", "paper").generator()
    aspect = float(np.exp(rng.uniform(-1, 1) * np.log(3)))
    width = round(_LONGER_SIDE * min(1.0, aspect))
    height = round(_LONGER_SIDE * min(1.0, 1 / aspect))
    one, two = rng.uniform(0, 255, (2, 3))
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    turn = rng.uniform(0, np.pi)
    along = x * np.cos(turn) + y * np.sin(turn)
    across = y * np.cos(turn) - x * np.sin(turn)
    period = rng.uniform(6, 30)
    texture = _TEXTURES[number % len(_TEXTURES)]
    share = np.zeros((height, width))
    if texture == "gradient":
        share = (along - along.min()) / max(float(np.ptp(along)), 1e-9)
    elif texture == "stripes":
        share = (along // period) % 2
    elif texture == "checks":
        share = (along // period + across // period) % 2
    elif texture == "blobs":
        waves = [np.sin(along / period + rng.uniform(0, 6)), np.sin(across / period * 1.3)]
        share = (waves[0] + waves[1] + 2) / 4
    image = one + (two - one) * share[..., None]
    if texture == "noise":
        image = rng.uniform(0, 255, (height, width, 3))
    return np.ascontiguousarray(np.clip(np.rint(image), 0, 255).astype(np.uint8))


def cutout_files(source: Path) -> list[Path]:
    """Return the members of a library of real cut-outs, ``CATEGORY/NAME.png``, in order.

    Raises
    ------
    InputError
        When there is none.
    """
    files = [path for path in source.glob("*/*") if path.suffix.lower() in _PICTURES]
    if not files:
        raise InputError(f"{source} holds no cut-outs; one folder a category with PNG or WebP")
    return sorted(files)


def split_cutouts(source: Path, train: Path, test: Path) -> None:
    """Link the members of a library of real cut-outs into two folders, none into both.

    Parameters
    ----------
    source : Path
        ``CATEGORY/NAME.png`` with a matte.
    train, test : Path
        Each category is dealt out by turns, in an order that hangs on the names alone, the test's
        turn first.

    Raises
    ------
    InputError
        When there is none.
    """
    by_category: dict[str, list[Path]] = {}
    for path in cutout_files(source):
        by_category.setdefault(path.parent.name, []).append(path)
    for category, members in by_category.items():
        members.sort(key=lambda path: Stream(_SEED, f"{category}/{path.name}", "cut-outs").random())
        for turn, path in enumerate(members):
            folder = (test, train)[turn % 2] / category
            make_folder(folder)
            link = folder / path.name
            if not link.is_symlink():
                link.symlink_to(path.resolve())
