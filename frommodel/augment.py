"""The paper's clean augmentation: random resize, crop, colour jitter, flip; labels follow.

Drawn from a face's own stream, so an image of an epoch is the same whatever worker makes it.
"""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from occgen.seeding import RandomSource, choose

__all__ = ["Augmentation", "Draw", "augment_image", "draw_augmentation"]

UInt8 = NDArray[np.uint8]

_LUMA = np.array([0.299, 0.587, 0.114])
_FLIPPED = [1, 0, 2, 4, 3]  # landmarks of a mirrored face: left and right change places


class Augmentation(NamedTuple):
    """How much may change.

    Parameters
    ----------
    resize : float
        The picture is enlarged by a factor in [1, 1 + resize], then cropped to its size anywhere.
    jitter : float
        Brightness, contrast and saturation are multiplied by factors in [1 - jitter, 1 + jitter].
    flip : float
        Chance of a mirror image.
    """

    resize: float = 0.1
    jitter: float = 0.125
    flip: float = 0.5


_PAPER = Augmentation()


class Draw(NamedTuple):
    """What was drawn for a picture.

    Parameters
    ----------
    window : tuple of int
        x0, y0, x1, y1 of the part that is enlarged to the whole.
    factors : tuple of float
        Of brightness, contrast and saturation.
    flipped : bool
    height, width : int
        Of the picture.
    """

    window: tuple[int, int, int, int]
    factors: tuple[float, float, float]
    flipped: bool
    height: int
    width: int

    def move_points(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return five landmarks (5, 2) where the augmented picture has them."""
        x0, y0, x1, y1 = self.window
        scale = np.array([self.width / (x1 - x0), self.height / (y1 - y0)])
        # pixel centres: OpenCV's resize maps x to (x + 0.5) * scale - 0.5
        moved = (points - [x0, y0] + 0.5) * scale - 0.5
        if self.flipped:
            moved[:, 0] = self.width - 1 - moved[:, 0]
            moved = moved[_FLIPPED]
        return moved.astype(np.float32)

    def move_box(self, box: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
        """Return a half-open box where the augmented picture has it; zeros when it is cut off."""
        x0, y0, x1, y1 = self.window
        sides = []
        for low, high, start, stop, side in (
            (box[0], box[2], x0, x1, self.width),
            (box[1], box[3], y0, y1, self.height),
        ):
            scale = side / (stop - start)
            low, high = (round((min(max(v, start), stop) - start) * scale) for v in (low, high))
            if high <= low:
                return (0, 0, 0, 0)
            sides.append((low, high))
        (left, right), (top, bottom) = sides
        if self.flipped:
            left, right = self.width - right, self.width - left
        return left, top, right, bottom

    def move_mask(self, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return a mask (H, W) where the augmented picture has it."""
        x0, y0, x1, y1 = self.window
        size = (self.width, self.height)
        moved = cv2.resize(mask[y0:y1, x0:x1].view(np.uint8) * np.uint8(255), size)
        found = np.asarray(moved) >= 128
        return found[:, ::-1].copy() if self.flipped else found


def draw_augmentation(
    rng: RandomSource, height: int, width: int, amounts: Augmentation = _PAPER
) -> Draw:
    """Return what is done to a picture of a size.

    Parameters
    ----------
    rng : RandomSource
        Seven numbers are taken.
    height, width : int
    amounts : Augmentation, optional

    Returns
    -------
    Draw
    """
    enlarged = 1.0 + amounts.resize * rng.random()
    across, down = round(width / enlarged), round(height / enlarged)
    x0, y0 = choose(rng, width - across + 1), choose(rng, height - down + 1)
    brightness, contrast, saturation = (
        1.0 + amounts.jitter * (2.0 * rng.random() - 1.0) for _ in range(3)
    )
    flipped = rng.random() < amounts.flip
    window = (x0, y0, x0 + across, y0 + down)
    return Draw(window, (brightness, contrast, saturation), flipped, height, width)


def augment_image(image: UInt8, draw: Draw, out: UInt8) -> None:
    """Write an augmented picture.

    Parameters
    ----------
    image : ndarray of uint8, shape (H, W, 3)
        RGB; not changed.
    draw : Draw
    out : ndarray of uint8, shape (H, W, 3)
        C-contiguous; must not share memory with `image`.

    Notes
    -----
    Brightness, contrast (around the picture's mean luma) and saturation are one 3x4 matrix on the
    colours, which rounds once: 5 us a picture where three passes take 30.
    """
    x0, y0, x1, y1 = draw.window
    if (x1 - x0, y1 - y0) != (draw.width, draw.height):
        image = np.asarray(
            cv2.resize(image[y0:y1, x0:x1], (draw.width, draw.height)), dtype=np.uint8
        )
    if draw.factors != (1.0, 1.0, 1.0):
        image = np.asarray(cv2.transform(image, _colour_matrix(image, draw.factors)))
    if draw.flipped:
        cv2.flip(image, 1, dst=out)
    else:
        out[:] = image


def _colour_matrix(image: UInt8, factors: tuple[float, float, float]) -> NDArray[np.float64]:
    brightness, contrast, saturation = factors
    mean = brightness * float(_LUMA @ cv2.mean(image)[:3])
    matrix = np.empty((3, 4))
    matrix[:, :3] = (1.0 - saturation) * _LUMA
    matrix[[0, 1, 2], [0, 1, 2]] += saturation
    matrix[:, :3] *= brightness * contrast
    # rows of the saturation matrix sum to one, so the grey offset passes through it unchanged
    matrix[:, 3] = (1.0 - contrast) * mean
    return matrix
