"""Are these crops aligned as the model was trained? A look at their mean face, before scoring.

The mean of aligned crops shows dark eyes, nostrils and a mouth where the template has them
(Sec. 4.2). The mean of crops aligned another way, or merely resized, shows them elsewhere, or not
at all. What is found is a scale and a shift against the template.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from occgen.codec import decode_image
from occgen.errors import DataError, InputError
from occgen.landmarks import fit_similarity, template
from occgen.sources import Source

__all__ = ["CropCheck", "check_crops", "check_landmarks", "check_source"]

Float32 = NDArray[np.float32]
UInt8 = NDArray[np.uint8]

_SIDE = 112
_MIDDLE = (56.0, 72.0)
# Distance from the middle column, row, spread across and down (pixels of a 112 x 112 crop) and
# weight of dark (< 0) and light patches: a least-squares fit to means of aligned photographs.
_PATCHES = (
    (17.6, 51.6, 6.0, 3.5, -6.29),  # eyes
    (18.5, 42.0, 8.0, 3.0, -1.08),  # brows
    (18.0, 61.0, 8.0, 4.0, 1.05),  # under the eyes
    (0.0, 68.0, 5.0, 6.0, 1.57),  # ridge of the nose
    (7.0, 75.0, 4.0, 3.0, -2.84),  # nostrils
    (0.0, 91.5, 12.0, 3.0, -2.12),  # mouth
    (15.0, 92.3, 4.0, 4.0, -0.77),  # its corners
    (0.0, 40.0, 5.0, 5.0, 1.61),  # between the brows
    (26.0, 76.0, 6.0, 8.0, 0.81),  # cheeks
)
_OWN_SCALE = 0.96  # where the fit finds crops that lie on the template
_SCALES = np.arange(0.6, 1.61, 0.05)
_DOWN, _ACROSS = range(-24, 25, 2), range(-8, 9, 4)
_FEWEST = 20  # a mean of fewer shows single people
_MOST = 200
_SCALE_LIMIT, _SHIFT_LIMIT, _LIKENESS_LIMIT = 0.10, 5.0, 0.6


@dataclass(frozen=True, kw_only=True, slots=True)
class CropCheck:
    """How a set of crops lies against the template.

    Parameters
    ----------
    images : int
        Looked at.
    scale : float
        Size of the faces beside the template's, 1 where they agree.
    shift : tuple of float
        Columns and rows the faces lie off the template, pixels of a 112 x 112 crop.
    likeness : float
        Correlation of the mean face with the template's patches, 1 at most.
    """

    images: int
    scale: float
    shift: tuple[float, float]
    likeness: float

    @property
    def warning(self) -> str:
        """What a user should know before trusting a score; empty where nothing is wrong."""
        if self.images < _FEWEST:
            return ""
        if self.likeness < _LIKENESS_LIMIT:
            return (
                f"the mean of {self.images} crops does not look like an aligned face (likeness "
                f"{self.likeness:.2f}): unless most are covered, align them first: "
                "occgen align SRC OUT"
            )
        off = max(abs(value) for value in self.shift)
        if abs(self.scale - 1) > _SCALE_LIMIT or off > _SHIFT_LIMIT:
            return (
                f"faces are {self.scale:.2f} x the template's size and lie {self.shift[0]:+.0f}, "
                f"{self.shift[1]:+.0f} pixels off it (mean of {self.images} crops): they were "
                "aligned another way than the model's, which costs accuracy; "
                "align the originals: occgen align SRC OUT"
            )
        return ""


def check_source(source: Source, keys: Sequence[str]) -> CropCheck | None:
    """Return how pictures of a data set lie against the template, some of them looked at.

    Parameters
    ----------
    source : Source
    keys : sequence of str

    Returns
    -------
    CropCheck or None
        From their points where most have some, else from their mean face; None where none of the
        pictures can be read.
    """
    points: list[NDArray[np.float32]] = []
    images: list[UInt8] = []
    for row in np.unique(np.linspace(0, len(keys) - 1, min(_MOST, len(keys))).astype(int)):
        key = keys[int(row)]
        try:
            image = decode_image(source.read(key))
        except DataError:
            continue  # what scores the pictures names those it cannot read
        height, width = image.shape[:2]
        found = source.landmarks(key, height, width)
        images.append(image)
        if found is not None:
            points.append(np.asarray(found, np.float64) * (_SIDE / height))
    if not images:
        return None
    if len(points) > 0.8 * len(images):
        square = images[0].shape[0] == images[0].shape[1]
        return check_landmarks(np.stack(points), _SIDE, _SIDE if square else 96)
    return check_crops(images)


def check_crops(images: Iterable[UInt8]) -> CropCheck:
    """Return how crops lie against the template, from their mean face.

    Parameters
    ----------
    images : iterable of ndarray of uint8, shape (H, W, 3)
        RGB, of any size; the first 200 are looked at. Photographs: drawn faces have other
        shades, use `check_landmarks` on them.

    Returns
    -------
    CropCheck

    Raises
    ------
    InputError
        When there are none.
    """
    total, count = np.zeros((_SIDE, _SIDE), np.float32), 0
    for image in images:
        total += _normalised(image)
        count += 1
        if count == _MOST:
            break
    if not count:
        raise InputError("no crops to look at")
    scale, across, down, likeness = _best_fit(_relief(total / np.float32(count)))
    return CropCheck(
        images=count, scale=scale / _OWN_SCALE, shift=(across, down), likeness=likeness
    )


def check_landmarks(points: NDArray[np.floating], height: int, width: int) -> CropCheck:
    """Return how crops lie against the template, from known points.

    Parameters
    ----------
    points : ndarray of float, shape (N, 5, 2)
        Of each crop, in its pixels.
    height, width : int
        Of the crops.

    Returns
    -------
    CropCheck
        Its likeness is 1 less the spread of the points, in shares of the eyes' distance.

    Raises
    ------
    InputError
        For another shape, or no crops.
    """
    values = np.asarray(points, np.float64)
    if values.ndim != 3 or values.shape[1:] != (5, 2) or not len(values):
        raise InputError(f"points must have shape (N, 5, 2), got {values.shape}")
    goal = template(height, width)
    matrix = fit_similarity(goal, values.mean(axis=0))
    middle = goal.mean(axis=0)
    moved = matrix[:, :2] @ middle + matrix[:, 2]
    unit = width / (_SIDE if height == width else 96)
    spread = np.sqrt(((values - values.mean(axis=0)) ** 2).sum(axis=2).mean())
    eyes = float(np.hypot(*(goal[1] - goal[0])))
    across, down = (moved - middle) / unit
    return CropCheck(
        images=len(values),
        scale=float(np.hypot(matrix[0, 0], matrix[1, 0])),
        shift=(float(across), float(down)),
        likeness=1 - float(spread) / eyes,
    )


def _normalised(image: UInt8) -> Float32:
    """Return lightness of mean 0 and spread 1 on 112 x 112."""
    grey = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.float32)
    if grey.shape == (_SIDE, 96):
        grey = np.pad(grey, ((0, 0), (8, 8)), mode="edge")
    if grey.shape != (_SIDE, _SIDE):
        grey = np.asarray(cv2.resize(grey, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA))
    return np.asarray((grey - grey.mean()) / (grey.std() + 1e-6), np.float32)


def _relief(mean: Float32) -> Float32:
    """Return what is darker or lighter than its surroundings."""
    fine = np.asarray(cv2.GaussianBlur(mean, (0, 0), 2))
    return np.asarray(fine - cv2.GaussianBlur(mean, (0, 0), 8), np.float32)


def _patches() -> tuple[Float32, Float32]:
    """Return the template's patches and the window they are compared in, (112, 112) each."""
    y, x = np.mgrid[:_SIDE, :_SIDE].astype(np.float32)
    total = np.zeros((_SIDE, _SIDE), np.float32)
    for off, row, across, down, weight in _PATCHES:
        for column in {_MIDDLE[0] - off, _MIDDLE[0] + off}:
            distance = ((x - column) / across) ** 2 + ((y - row) / down) ** 2
            total += np.float32(weight) * np.exp(-distance / 2)
    window = np.exp(-((((x - 56) / 30) ** 2 + ((y - 68) / 34) ** 2) ** 2))
    return total, np.asarray(window, np.float32)


def _best_fit(relief: Float32) -> tuple[float, float, float, float]:
    """Return scale, shift across and down, and the correlation there."""
    patches, window = _patches()
    weight = window / window.sum()
    ours = patches - (patches * weight).sum()
    ours /= np.sqrt((ours**2 * weight).sum())
    best = (1.0, 0.0, 0.0, -2.0)
    for scale in _SCALES.tolist():
        for down in _DOWN:
            for across in _ACROSS:
                to = [
                    [scale, 0, (1 - scale) * _MIDDLE[0] + across],
                    [0, scale, (1 - scale) * _MIDDLE[1] + down],
                ]
                seen = cv2.warpAffine(
                    relief,
                    np.array(to, np.float32),
                    (_SIDE, _SIDE),
                    flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
                    borderMode=cv2.BORDER_REPLICATE,
                )
                seen = seen - (seen * weight).sum()
                norm = np.sqrt((seen**2 * weight).sum())
                likeness = float((ours * seen * weight).sum() / max(float(norm), 1e-6))
                if likeness > best[3]:
                    best = (scale, float(across), float(down), likeness)
    return best
