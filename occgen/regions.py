"""The nine regions of Fig. 1 and Table 6."""

from .errors import InputError

__all__ = ["REFERENCE_HEIGHT", "REFERENCE_WIDTH", "REGIONS", "region_box", "region_share"]

Box = tuple[int, int, int, int]

REFERENCE_HEIGHT, REFERENCE_WIDTH = 112, 96  # natural sizes and regions are given on this crop

REGIONS: dict[str, Box] = {  # Fig. 1 and Table 6, on 112 x 96
    "left-eye": (10, 30, 50, 70),
    "right-eye": (50, 30, 90, 70),
    "eyes": (10, 30, 90, 70),
    "nose": (34, 48, 62, 86),
    "mouth": (25, 82, 75, 107),
    "lower": (8, 60, 92, 110),
    "upper": (8, 8, 92, 72),
    "left": (8, 8, 50, 100),
    "right": (50, 8, 92, 100),
}


def region_box(region: str, height: int, width: int) -> Box:
    """Return a region's box on an image.

    Parameters
    ----------
    region : str
        A key of `REGIONS`.
    height, width : int
        Size of the image: 112 x 96, 112 x 112 (eight more columns on each side), or any other,
        to which the box is stretched.

    Raises
    ------
    InputError
        When there is no such region.
    """
    if region not in REGIONS:
        raise InputError(f"region must be one of {', '.join(REGIONS)}, got {region!r}")
    x0, y0, x1, y1 = REGIONS[region]
    reference_width = REFERENCE_WIDTH
    if width == height:  # a square crop holds the 96 columns
        x0, x1, reference_width = x0 + 8, x1 + 8, REFERENCE_HEIGHT
    across, down = width / reference_width, height / REFERENCE_HEIGHT
    return round(x0 * across), round(y0 * down), round(x1 * across), round(y1 * down)


def region_share(region: str) -> float:
    """Return the share of a 112 x 96 crop that a region of `REGIONS` fills."""
    x0, y0, x1, y1 = REGIONS[region]
    return (x1 - x0) * (y1 - y0) / (REFERENCE_HEIGHT * REFERENCE_WIDTH)
