"""Aligned crops of photographs: five points onto the template by a similarity (Sec. 4.2)."""

from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from .align_config import AlignConfig
from .detectors import Face
from .errors import DataError
from .landmarks import fit_similarity, template

__all__ = ["Aligned", "align_crop", "align_face", "choose_face", "cut_crop"]

Float64 = NDArray[np.float64]
UInt8 = NDArray[np.uint8]


class Aligned(NamedTuple):
    """What became of one picture."""

    image: UInt8
    """(H, W, 3), RGB."""
    record: dict[str, Any]
    """Where the face was: columns of ``landmarks.csv``."""


def choose_face(faces: list[Face], config: AlignConfig, height: int, width: int) -> Face:
    """Return the face of a picture that is aligned.

    Parameters
    ----------
    faces : list of Face
        All that were found.
    config : AlignConfig
    height, width : int
        Of the picture.

    Raises
    ------
    DataError
        When none is sure and large enough, or `face` is 'only' and several are; the message is
        the reason alone.
    """
    if not faces:
        raise DataError("no face was found")
    sure = [face for face in faces if face.score >= config.min_score]
    if not sure:
        best = max(face.score for face in faces)
        raise DataError(f"no face is sure enough: {best:.2f} is below {config.min_score:g}")
    large = [face for face in sure if _shorter_side(face) >= config.min_face]
    if not large:
        largest = max(_shorter_side(face) for face in sure)
        raise DataError(f"the face is too small: {largest:.0f} pixels, below {config.min_face}")
    if config.face == "only" and len(large) > 1:
        raise DataError(f"{len(large)} faces were found where one is allowed")
    middle = np.array([width, height]) / 2
    ranks = {
        "largest": lambda face: _area(face),
        "only": lambda face: _area(face),
        "surest": lambda face: face.score,
        "centre": lambda face: -float(np.hypot(*(_centre(face) - middle))),
    }
    return max(large, key=ranks[config.face])


def align_crop(image: UInt8, points: Float64, height: int, width: int) -> tuple[UInt8, Float64]:
    """Return the aligned crop of a face, and the similarity that made it (Sec. 4.2).

    Parameters
    ----------
    image : ndarray of uint8, shape (H, W, 3)
        RGB.
    points : ndarray of float64, shape (5, 2)
    height, width : int
        Of the crop: 112 x 112 or 112 x 96.

    Returns
    -------
    tuple of ndarray
        The crop, uint8 (height, width, 3), bilinear and black outside the picture; the matrix,
        float64 (2, 3), from pixels of the picture to pixels of the crop.
    """
    matrix = fit_similarity(np.asarray(points, np.float64), template(height, width))
    crop = cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_LINEAR)
    return np.asarray(crop, np.uint8), matrix


def align_face(image: UInt8, faces: list[Face], config: AlignConfig) -> Aligned:
    """Return the aligned crop of a picture's chosen face, with where it was.

    Raises
    ------
    DataError
        When no face can be used; the message is the reason alone.
    """
    height, width = image.shape[:2]
    face = choose_face(faces, config, height, width)
    crop, matrix = align_crop(image, face.points, *config.height_width)
    moved = face.points @ matrix[:, :2].T + matrix[:, 2]
    goal = template(*config.height_width)
    residual = float(np.sqrt(((moved - goal) ** 2).sum(axis=1).mean()))
    roll = float(np.degrees(np.arctan2(-matrix[1, 0], matrix[0, 0])))
    if residual > config.max_residual:
        raise DataError(
            f"the points lie {residual:.1f} pixels off the template, more than "
            f"{config.max_residual:g}: a profile, or no face"
        )
    box = dict(zip(("x1", "y1", "x2", "y2"), face.box.round(2).tolist(), strict=True))
    names = ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")
    points = {
        f"{name}_{axis}": round(float(value), 2)
        for name, point in zip(names, face.points, strict=True)
        for axis, value in zip("xy", point, strict=True)
    }
    record = {
        **{"width": width, "height": height, "faces": len(faces), "prob": round(face.score, 4)},
        **{"roll_deg": round(roll, 1), "residual": round(residual, 2)},
        **box,
        **points,
    }
    return Aligned(crop, record)


def cut_crop(image: UInt8) -> UInt8:
    """Return the 112x96 crop inside a 112x112 one: the templates differ by eight columns.

    Raises
    ------
    DataError
        When the picture has another size.
    """
    if image.shape[:2] == (112, 96):
        return image
    if image.shape[:2] != (112, 112):
        height, width = image.shape[:2]
        raise DataError(f"is {height}x{width} pixels (height x width) in place of 112x112")
    return np.ascontiguousarray(image[:, 8:104])


def _shorter_side(face: Face) -> float:
    return float(min(face.box[2] - face.box[0], face.box[3] - face.box[1]))


def _area(face: Face) -> float:
    return float((face.box[2] - face.box[0]) * (face.box[3] - face.box[1]))


def _centre(face: Face) -> Float64:
    return np.asarray((face.box[:2] + face.box[2:]) / 2)
