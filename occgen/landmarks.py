"""Five-point landmarks: the paper's template, and tables of points beside pictures."""

import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .errors import DataError

__all__ = ["LandmarkTable", "fit_similarity", "template"]

_TEMPLATE = np.array(  # Sec. 4.2, on 112 x 96; on 112 x 112 each x is 8 more
    [
        [30.2946, 51.6963],
        [65.5318, 51.5014],
        [48.0252, 71.7366],
        [33.5493, 92.3655],
        [62.7299, 92.2041],
    ]
)
_POINTS = ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")
_KEYS = ("crop", "image", "file", "filename", "path", "key")

Float64 = NDArray[np.float64]


def template(height: int, width: int) -> Float64:
    """Return the five points an aligned crop has (Sec. 4.2).

    Parameters
    ----------
    height, width : int
        112 x 96, a square crop (8 columns more on each side of the 112), or another size, to
        which the points are stretched.

    Returns
    -------
    ndarray of float64, shape (5, 2)
        x, y in pixels: left eye, right eye, nose, left and right mouth corner as seen.
    """
    points = _TEMPLATE + np.array([8.0, 0.0]) if height == width else _TEMPLATE
    reference_width = 112 if height == width else 96
    return np.asarray(points * (width / reference_width, height / 112))


def fit_similarity(points: Float64, target: Float64) -> Float64:
    """Return the similarity that brings points closest to a target, by least squares.

    Parameters
    ----------
    points, target : ndarray of float64, shape (..., 5, 2)

    Returns
    -------
    ndarray of float64, shape (..., 2, 3)
        ``x' = M[:, :2] @ x + M[:, 2]``; rotation, one scale and a shift, no mirroring.

    Notes
    -----
    In complex numbers the map is ``a z + b``; a and b follow from the centred sums.
    """
    source = points[..., 0] + 1j * points[..., 1]
    goal = target[..., 0] + 1j * target[..., 1]
    source_mean = source.mean(axis=-1, keepdims=True)
    goal_mean = goal.mean(axis=-1, keepdims=True)
    centred = source - source_mean
    spread = (np.abs(centred) ** 2).sum(axis=-1)
    turn = (centred.conj() * (goal - goal_mean)).sum(axis=-1) / np.maximum(spread, 1e-12)
    shift = goal_mean[..., 0] - turn * source_mean[..., 0]
    rows = [
        np.stack([turn.real, -turn.imag, shift.real], axis=-1),
        np.stack([turn.imag, turn.real, shift.imag], axis=-1),
    ]
    return np.stack(rows, axis=-2)


class LandmarkTable:
    """Points of the pictures of a data set, from a CSV.

    Parameters
    ----------
    rows : dict of str to int
        Number of each picture's row.
    points : ndarray of float64, shape (N, 5, 2)
    sizes : ndarray of float64, shape (N, 2) or None
        Width and height of the pictures the points were measured on, where the table says so.
    """

    def __init__(self, rows: dict[str, int], points: Float64, sizes: Float64 | None) -> None:
        self._rows, self._points, self._sizes = rows, points, sizes
        self._by_size: dict[tuple[int, int], NDArray[np.float32]] = {}

    @classmethod
    def read(cls, path: Path) -> "LandmarkTable":
        """Return the table in a CSV file.

        Parameters
        ----------
        path : Path
            With a header: one of `crop`, `image`, `file`, `filename`, `path`, `key`; ``left_eye_x``
            to ``mouth_right_y``; and `width`, `height` where points are of the unaligned original.

        Raises
        ------
        DataError
            When a column is missing or a number is none; names the file and line.
        """
        rows: dict[str, int] = {}
        points: list[list[float]] = []
        sizes: list[tuple[float, float]] = []
        try:
            with open(path, newline="", encoding="utf-8-sig") as file:
                reader = csv.DictReader(file)
                header = reader.fieldnames or []
                key_column = next((name for name in _KEYS if name in header), None)
                columns = [f"{point}_{axis}" for point in _POINTS for axis in "xy"]
                absent = [name for name in columns if name not in header]
                if key_column is None or absent:
                    wanted = f"one of {', '.join(_KEYS)}" if key_column is None else absent[0]
                    raise DataError(f"{path}: has no column {wanted}")
                sized = "width" in header and "height" in header
                for record in reader:
                    rows[record[key_column]] = len(points)
                    points.append([float(record[name]) for name in columns])
                    if sized:
                        sizes.append((float(record["width"]), float(record["height"])))
        except (ValueError, TypeError, csv.Error) as error:
            raise DataError(f"{path}: line {len(points) + 2} is not numbers ({error})") from error
        except OSError as error:
            raise DataError(f"{path}: cannot be read ({error.strerror})") from error
        array = np.array(points, np.float64).reshape(-1, 5, 2)
        return cls(rows, array, np.array(sizes).reshape(-1, 2) if sized else None)

    def find(self, key: str, height: int, width: int) -> NDArray[np.float32] | None:
        """Return the points of a picture in its own pixels.

        Parameters
        ----------
        key : str
        height, width : int
            Of the picture. Where the table measured a picture of another size, the points are
            carried over by the similarity that aligns them to the template.

        Returns
        -------
        ndarray of float32, shape (5, 2), or None
        """
        row = self._rows.get(key)
        if row is None:
            return None
        points = self._by_size.get((height, width))
        if points is None:
            points = self._by_size[height, width] = self._in_pixels(height, width)
        return points[row]

    def _in_pixels(self, height: int, width: int) -> NDArray[np.float32]:
        """Return the points of all pictures, as they lie on pictures of one size."""
        if self._sizes is None:
            return self._points.astype(np.float32)
        matrix = fit_similarity(self._points, template(height, width))
        moved = self._points @ matrix[..., :2].swapaxes(-1, -2) + matrix[..., None, :, 2]
        measured_here = (self._sizes == (width, height)).all(axis=1)[:, None, None]
        return np.where(measured_here, self._points, moved).astype(np.float32)
