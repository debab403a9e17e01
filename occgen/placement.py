"""Where an occluder comes to lie: draws a `Placement` from a stream, touches no pixel.

Every strategy takes its random numbers in one fixed order, so that a face keeps its occluder and
its centre when only the scale changes: sets of several scales compare the same occlusions.
"""

from collections.abc import Sequence
from typing import NamedTuple

from occluders import Occluder, OccluderLibrary

from .geometry import centred_box
from .regions import REFERENCE_HEIGHT, REFERENCE_WIDTH, REGIONS, region_box
from .seeding import RandomSource, choose

__all__ = [
    "Placement",
    "Warp",
    "place_at_random",
    "place_in_region",
    "resized_size",
    "scale_for_coverage",
]

Box = tuple[int, int, int, int]

_CENTRES_TRIED = 64


class Warp(NamedTuple):
    """How the picture of an occluder is turned: from pixels of the face back to its own."""

    size: tuple[int, int]
    """Width and height the picture is resized to first."""
    back: tuple[int, ...]
    """a, b, c, d, e, f of ``x' = a x + b y + c, y' = d x + e y + f``, in 1/65536 of a pixel."""


class Placement(NamedTuple):
    """One occluder and its box, which may reach beyond the image.

    The occluder is resized to fill the box, or, with a `warp`, turned and the box is around it.
    """

    occluder: Occluder
    box: Box
    scale: float  # NaN where the strategy uses none
    warp: Warp | None = None


def resized_size(
    natural_size: tuple[float, float], scale: float, height: int, width: int
) -> tuple[int, int]:
    """Return width and height of an occluder at a scale (Sec. 4.1).

    Parameters
    ----------
    natural_size : tuple of float
        Width and height on a 112 x 96 face.
    scale : float
    height, width : int
        Size of the image in pixels.

    Returns
    -------
    tuple of int
        ``(min(W - 1, int(s * w)), min(H - 1, int(s * h)))``, at least one pixel each; the natural
        size is first multiplied by W / 96 and H / 112, so that coverage holds at every size.
    """
    across = int(scale * (natural_size[0] * (width / REFERENCE_WIDTH)))
    down = int(scale * (natural_size[1] * (height / REFERENCE_HEIGHT)))
    across = across if across < width else width - 1
    down = down if down < height else height - 1
    return across if across > 1 else 1, down if down > 1 else 1


def place_at_random(
    library: OccluderLibrary,
    scales: Sequence[float],
    height: int,
    width: int,
    rng: RandomSource,
    area: float | None = None,
    max_coverage: float | None = None,
) -> Placement:
    """Return a placement by Algorithm 1: any occluder, any scale, centred on any pixel.

    Parameters
    ----------
    library : OccluderLibrary
    scales : sequence of float
        One is drawn uniformly.
    height, width : int
        Size of the image in pixels.
    rng : RandomSource
        Five numbers are taken: scale, occluder (two), centre column, centre row; with `area`,
        further centres until one allows the share, and where none of 64 does the middle.
    area : float, optional
        Share of the image the clipped box shall cover; replaces the scale.
    max_coverage : float, optional
        Largest share; a box above it is made smaller around its centre.

    Returns
    -------
    Placement
    """
    scale = scales[choose(rng, len(scales))]
    occluder = library.sample(rng)
    centre = choose(rng, width), choose(rng, height)
    if area is not None:
        for _ in range(_CENTRES_TRIED):  # near a corner only a quarter can be covered
            if _covered(centred_box(*centre, width - 1, height - 1), height, width) >= area:
                break
            centre = choose(rng, width), choose(rng, height)
        else:
            centre = (width - 1) // 2, (height - 1) // 2
        scale = scale_for_coverage(occluder.natural_size, centre, height, width, area)
    box = _scaled_box(occluder.natural_size, centre, scale, height, width)
    if max_coverage is not None and _covered(box, height, width) > max_coverage:
        scale = scale_for_coverage(
            occluder.natural_size, centre, height, width, max_coverage, at_most=True
        )
        box = _scaled_box(occluder.natural_size, centre, scale, height, width)
    return Placement(occluder, box, scale)


def place_in_region(
    library: OccluderLibrary,
    region: str | None,
    height: int,
    width: int,
    rng: RandomSource,
    *,
    jitter: int = 0,
) -> Placement:
    """Return a placement that fills one of the nine regions (Fig. 1).

    Parameters
    ----------
    library : OccluderLibrary
    region : str or None
        A key of `REGIONS`; None draws one.
    height, width : int
        Size of the image in pixels.
    rng : RandomSource
        Four numbers are taken: region, occluder (two), offset.
    jitter : int, optional
        One offset of up to this many pixels of the 112 x 96 crop for all four coordinates, as the
        published loaders draw it.

    Returns
    -------
    Placement
        Its scale is NaN.
    """
    drawn = list(REGIONS)[choose(rng, len(REGIONS))]
    occluder = library.sample(rng)
    offset = choose(rng, 2 * jitter + 1) - jitter
    x0, y0, x1, y1 = region_box(drawn if region is None else region, height, width)
    box = (x0 + offset, y0 + offset, x1 + offset, y1 + offset)
    return Placement(occluder, box, float("nan"))


def scale_for_coverage(
    natural_size: tuple[float, float],
    centre: tuple[int, int],
    height: int,
    width: int,
    coverage: float,
    *,
    at_most: bool = False,
) -> float:
    """Return the scale at which the clipped box around a pixel covers a share of the image.

    Parameters
    ----------
    natural_size : tuple of float
        Width and height on a 112 x 96 face.
    centre : tuple of int
        Column and row of the box's centre.
    height, width : int
        Size of the image in pixels.
    coverage : float
        The share aimed at, above 0 and at most 1.
    at_most : bool, optional
        Whether the share must not be exceeded; else the nearest reachable one is taken.

    Returns
    -------
    float
        Where the share is out of reach from this centre, the largest one that can be had.
    """
    low = 0.0
    longest = max(width / natural_size[0], height / natural_size[1])
    high = longest * max(width, height)  # there both sides are at their limit
    for _ in range(50):
        middle = (low + high) / 2
        box = _scaled_box(natural_size, centre, middle, height, width)
        if _covered(box, height, width) > coverage:
            high = middle
        else:
            low = middle
    if at_most:
        return low
    below, above = (
        _covered(_scaled_box(natural_size, centre, scale, height, width), height, width)
        for scale in (low, high)
    )
    return low if coverage - below <= above - coverage else high


def _scaled_box(
    natural_size: tuple[float, float],
    centre: tuple[int, int],
    scale: float,
    height: int,
    width: int,
) -> Box:
    return centred_box(*centre, *resized_size(natural_size, scale, height, width))


def _covered(box: Box, height: int, width: int) -> float:
    across = min(box[2], width) - max(box[0], 0)
    down = min(box[3], height) - max(box[1], 0)
    return max(across, 0) * max(down, 0) / (height * width)
