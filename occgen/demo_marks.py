"""What colours the skin of a drawn person: redness, shadows, folds and lines, moles, freckles."""

import cv2
import numpy as np
from numpy.typing import NDArray

from .demo_canvas import SCALE, Canvas, Window, hill, noise, smooth
from .demo_person import Person

__all__ = ["lay_marks"]


def lay_marks(canvas: Canvas, p: Person) -> None:
    """Colour the skin: redness, shadows about the eyes, nostrils, lines, moles, freckles."""
    red = np.array([1.0, 1 - 0.22 * p.ruddy, 1 - 0.18 * p.ruddy], np.float32)
    canvas.dab(20, 19, 8.5, 8, red, twice=True)
    canvas.dab(0, p.nose_v - 1, 5, 4.5, red * np.float32(0.98))
    canvas.dab(0, p.chin_v - 6, 8, 5, 0.5 + 0.5 * red)
    canvas.dab(0, -24, 22, 9, (1.05, 1.05, 1.03))
    tired = 0.10 + 0.22 * p.age
    canvas.dab(p.eye_u - 1, 5.0, 7.0, 3.2, (1 - 0.8 * tired, 1 - tired, 1 - 0.9 * tired), True)
    canvas.dab(p.eye_u - 5, -2.5, 5.5, 4.0, (0.88, 0.80, 0.80), True)
    canvas.dab(p.eye_u + 1, -3.0, 8.5, 3.4, (0.92, 0.85, 0.84), True)
    side, tip = p.nose_wide, p.nose_v
    canvas.dab(side + 0.4, tip + 1.6, 1.3, 3.0, (0.78, 0.66, 0.64), True)
    canvas.dab(0.46 * side + 0.3, tip + 3.6, 1.7, 0.6 + 0.5 * p.nostril, (0.22, 0.12, 0.12), True)
    canvas.dab(0, tip + 5.2, 0.75 * side, 1.6, (0.84, 0.76, 0.76))
    _wrinkle(canvas, p)
    for u, v, size in p.moles:
        canvas.dab(u, v, size, size, (0.32, 0.24, 0.22))
    if p.freckles > 0.05:
        part = Window(-30, 0, 30, 32)
        spots = smooth(noise("blob", p.grain[1], *part.shape), 0.9, 1.7)
        amount = hill(part.u, 19) * hill(part.v - 15, 9) * spots * p.freckles
        canvas.tint(part, np.asarray(amount, np.float32), (0.62, 0.48, 0.40))


def _wrinkle(canvas: Canvas, p: Person) -> None:
    """Darken the folds beside the mouth, lines on the forehead and about the eyes."""
    side, tip = p.nose_wide, p.nose_v
    fold = [
        (side + 1.0, tip - 0.5),
        (side + 5.5, tip + 6),
        (p.mouth_half + 3.5, p.mouth_v - 5),
        (p.mouth_half + 4.0, p.mouth_v + 2),
    ]
    corner = p.eye_u + p.eye_half + 1.5
    feet = [
        [(corner, 0.6 * dv), (corner + 3.0, dv), (corner + 5.5, 1.4 * dv)]
        for dv in (-2.0, 0.8, 3.6)
    ]
    brow = [[(0.0, level), (8.0, level), (17.0, level + 1)] for level in (-29.0, -24.5, -20.0)]
    _lines(canvas, Window(-28, 14, 28, 50), [fold], 1.3, 0.03 + 0.40 * p.folds)
    _lines(canvas, Window(-38, -32, 38, 8), [*feet, *brow], 0.65, p.wrinkles)


def _lines(
    canvas: Canvas,
    part: Window,
    lines: list[list[tuple[float, float]]],
    width: float,
    dark: float,
) -> None:
    """Darken the skin along soft lines and their mirror images."""
    if dark < 0.03:
        return
    origin = np.array([part.u[0, 0], part.v[0, 0]])
    drawn: NDArray[np.uint8] = np.zeros(part.shape, np.uint8)
    places = [
        np.rint((np.array(line) * (side, 1) - origin) * SCALE * 16).astype(np.int32)
        for line in lines
        for side in (-1, 1)
    ]
    cv2.polylines(drawn, places, False, 255, 1, cv2.LINE_AA, 4)
    sigma = 0.7 * width * SCALE
    soft = cv2.GaussianBlur(drawn, (0, 0), sigma) * np.float32(2.2 * sigma / 255)
    canvas.tint(part, np.minimum(soft, 1) * np.float32(min(dark, 0.9)), (0.66, 0.52, 0.50))
