"""Faces in a picture, as an alignment needs them: a box, five points, a score.

Detectors are other people's, run from model files the user names: nothing is downloaded. Points
that are known already come from a file (`occgen.landmark_files`).
"""

from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from .align_config import DETECTORS
from .codec import bgr_to_rgb
from .errors import InputError

__all__ = ["Detector", "Face", "InsightFaceDetector", "YuNetDetector", "open_detector"]

Float64 = NDArray[np.float64]
UInt8 = NDArray[np.uint8]


class Face(NamedTuple):
    """One face found in a picture."""

    box: Float64
    """(4,), x0, y0, x1, y1 in pixels."""
    points: Float64
    """(5, 2), x and y in pixels: left eye, right eye, nose, left and right mouth corner as seen."""
    score: float
    """How sure the detector is, in [0, 1]; 1 for points from a file."""


class Detector(Protocol):
    """Finds faces; may be called on pictures of any size."""

    def detect(self, image: UInt8) -> list[Face]:
        """Return the faces of an RGB picture, uint8 of shape (H, W, 3), in any order."""


def open_detector(name: str, weights: str | Path) -> Detector:
    """Return a detector.

    Parameters
    ----------
    name : str
        A key of `DETECTORS`.
    weights : path-like
        Its model file, or for MTCNN the folder that holds three.

    Raises
    ------
    InputError
        When there is no such detector or file, or the file is not its model.
    """
    if name not in DETECTORS:
        raise InputError(f"detector must be one of {', '.join(DETECTORS)}, got {name!r}")
    path = Path(weights)
    if not path.exists():
        raise InputError(f"{path}: no such model file; name it with --weights")
    module, _, attribute = DETECTORS[name].partition(":")
    made: Detector = getattr(import_module(module), attribute)(path)
    return made


class InsightFaceDetector:
    """A detector of insightface's model zoo (SCRFD, RetinaFace).

    Parameters
    ----------
    weights : Path
        Its ``.onnx`` file, such as ``det_10g.onnx`` of the buffalo_l pack.
    """

    _SIDE = 640

    def __init__(self, weights: Path) -> None:
        try:
            from insightface import model_zoo
        except ImportError as error:
            raise InputError(
                f"detector insightface is not installed ({error}): pip install 'occgen[align]'"
            ) from error
        try:
            self._model: Any = model_zoo.get_model(str(weights))
            if self._model is None or not hasattr(self._model, "detect"):
                raise ValueError("not a detection model")
            self._model.prepare(ctx_id=-1, input_size=(self._SIDE, self._SIDE))
        except Exception as error:  # the runtime's own classes, one a cause
            raise InputError(f"{weights}: no detector insightface runs ({error})") from error

    def detect(self, image: UInt8) -> list[Face]:
        """Return the faces of an RGB picture."""
        boxes, points = self._model.detect(bgr_to_rgb(image))
        if points is None:
            return []
        return [
            Face(np.asarray(box[:4], np.float64), np.asarray(five, np.float64), float(box[4]))
            for box, five in zip(boxes, points, strict=True)
        ]


class YuNetDetector:
    """OpenCV's YuNet.

    Parameters
    ----------
    weights : Path
        Its ``.onnx`` file, such as ``face_detection_yunet_2023mar.onnx``.
    """

    _SCORE, _OVERLAP, _MOST = 0.6, 0.3, 200

    def __init__(self, weights: Path) -> None:
        import cv2

        try:
            self._model = cv2.FaceDetectorYN.create(
                str(weights), "", (320, 320), self._SCORE, self._OVERLAP, self._MOST
            )
        except cv2.error as error:
            reason = str(error).strip().splitlines()[0][:120]
            raise InputError(f"{weights}: no YuNet model OpenCV reads ({reason})") from error

    def detect(self, image: UInt8) -> list[Face]:
        """Return the faces of an RGB picture."""
        self._model.setInputSize((image.shape[1], image.shape[0]))
        _, rows = self._model.detect(bgr_to_rgb(image))
        return [] if rows is None else [yunet_face(row) for row in rows]


def yunet_face(row: NDArray[np.floating]) -> Face:
    """Return the face of a row of YuNet's output.

    Parameters
    ----------
    row : ndarray of float, shape (15,)
        x, y, width, height; right eye, left eye, nose, right and left mouth corner as the person
        has them, so in the order in which they are seen; score.
    """
    values = np.asarray(row, np.float64)
    x, y, width, height = values[:4]
    box = np.array([x, y, x + width, y + height])
    return Face(box, values[4:14].reshape(5, 2), float(values[14]))
