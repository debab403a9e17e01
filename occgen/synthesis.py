"""One face in, one occluded face out: place, composite, and what the labels need. Pure."""

import math
from collections.abc import Collection, Mapping

import numpy as np
from numpy.typing import NDArray

from occluders import Occluder, OccluderLibrary

from .compositing import clip_box, fitted, paste, paste_mask
from .config import NATURAL_STEPS, BuildConfig
from .errors import InputError
from .geometry import centred_box
from .natural import look_at, paste_naturally
from .placement import Placement, place_at_random, place_in_region, resized_size
from .seeding import RandomSource, Stream, choose
from .wearing import face_points, place_several

__all__ = [
    "OccludedFace",
    "check_image",
    "draw_placements",
    "occlude",
    "occlude_face",
    "occlude_with",
]

Box = tuple[int, int, int, int]


class OccludedFace:
    """An occluded face with its exact labels; of a clean one, zeros and no placements.

    Attributes
    ----------
    image : ndarray of uint8, shape (H, W, 3)
        RGB.
    box : tuple of int
        Half-open pixels x0, y0, x1, y1 around all that was pasted, clipped.
    placements : tuple of Placement
    paste_boxes : tuple of tuple of int
        Clipped box of each placement.
    blend : str
    """

    __slots__ = ("_hidden", "_mask", "blend", "box", "image", "paste_boxes", "placements")

    def __init__(
        self,
        image: NDArray[np.uint8],
        placements: tuple[Placement, ...],
        paste_boxes: tuple[Box, ...],
        blend: str,
        hidden: tuple[tuple[NDArray[np.bool_], Box], ...] = (),
    ) -> None:
        self.image, self.placements, self.paste_boxes = image, placements, paste_boxes
        self.blend, self._hidden = blend, hidden
        self.box = _enclosing(paste_boxes)
        self._mask: NDArray[np.bool_] | None = None

    def __repr__(self) -> str:
        return f"OccludedFace(box={self.box}, coverage={self.coverage:.3f})"

    @property
    def mask(self) -> NDArray[np.bool_]:
        """(H, W), True where at least half hidden; drawn when first asked for."""
        if self._mask is None:
            self._mask = np.zeros(self.image.shape[:2], np.bool_)
            self.draw_mask(self._mask)
        return self._mask

    def draw_mask(self, mask: NDArray[np.bool_]) -> None:
        """Draw `mask` into an array (H, W) of False that the caller has."""
        if self.blend == "opaque":
            for x0, y0, x1, y1 in self.paste_boxes:
                mask[y0:y1, x0:x1] = True
        if len(self._hidden) == 1:  # nothing to unite it with
            part, box = self._hidden[0]
            x0, y0, x1, y1 = clip_box(box, *mask.shape)
            if x1 > x0:
                left, top = box[:2]
                mask[y0:y1, x0:x1] = part[y0 - top : y1 - top, x0 - left : x1 - left]
            return
        for part, box in self._hidden:
            paste_mask(mask, part, box)

    @property
    def coverage(self) -> float:
        """Share of the image inside the box."""
        x0, y0, x1, y1 = self.box
        return (x1 - x0) * (y1 - y0) / (self.image.shape[0] * self.image.shape[1])

    @property
    def mask_coverage(self) -> float:
        """Share of the image inside the mask."""
        return int(np.count_nonzero(self.mask)) / self.mask.size


def occlude(
    image: NDArray[np.uint8],
    occluder: Occluder,
    scale: float = 1.0,
    rng: RandomSource | int | None = None,
    *,
    blend: str = "alpha",
) -> OccludedFace:
    """Return a face with an occluder pasted by Algorithm 1 (Sec. 4.1).

    Parameters
    ----------
    image : ndarray of uint8, shape (H, W, 3)
        RGB; not changed.
    occluder : Occluder
    scale : float, optional
        Above 0; times the occluder's natural size.
    rng : numpy.random.Generator, Stream or int, optional
        Gives the centre, two numbers; an int seeds a generator, by default it is unseeded.
    blend : {'alpha', 'opaque', 'natural'}, optional

    Returns
    -------
    OccludedFace
        With `.image`, `.box`, `.mask` and `.coverage`.

    Raises
    ------
    InputError
        When the image is not (H, W, 3) uint8 or the scale not above 0.

    Examples
    --------
    >>> import numpy as np, occgen, occluders
    >>> face = np.full((112, 96, 3), 128, np.uint8)
    >>> cup = occluders.bundled().members("cup")[0]
    >>> occgen.occlude(face, cup, scale=2.0, rng=np.random.default_rng(0)).image.shape
    (112, 96, 3)
    """
    height, width = check_image(image).shape[:2]
    if not 0 < scale < np.inf:
        raise InputError(f"scale must be > 0, got {scale}")
    source: RandomSource = (
        np.random.default_rng(rng) if rng is None or isinstance(rng, int) else rng
    )
    size = resized_size(occluder.natural_size, scale, height, width)
    box = centred_box(choose(source, width), choose(source, height), *size)
    return occlude_with(image, (Placement(occluder, box, scale),), blend)


def occlude_face(
    image: NDArray[np.uint8],
    library: OccluderLibrary,
    config: BuildConfig,
    key: str,
    landmarks: NDArray[np.float32] | None = None,
    jpeg_quality: int | None = None,
) -> OccludedFace:
    """Return a face as a build makes it, from the streams of its key.

    Parameters
    ----------
    image : ndarray of uint8, shape (H, W, 3)
        RGB; not changed.
    library : OccluderLibrary
        As the configuration narrows it.
    config : BuildConfig
    key : str
        The image's own key.
    landmarks : ndarray of float32, shape (5, 2), optional
        x, y in pixels: left eye, right eye, nose, left and right corner of the mouth as seen;
        for placement by landmarks, where the paper's template stands in for unknown ones.
    jpeg_quality : int, optional
        As given to `occlude_with`.

    Returns
    -------
    OccludedFace
    """
    height, width = image.shape[:2]
    placements = draw_placements(library, config, key, height, width, landmarks)
    return occlude_with(
        image,
        placements,
        config.blend,
        natural_steps=config.natural_steps,
        jpeg_quality=jpeg_quality,
    )


def draw_placements(
    library: OccluderLibrary,
    config: BuildConfig,
    key: str,
    height: int,
    width: int,
    landmarks: NDArray[np.float32] | None = None,
) -> tuple[Placement, ...]:
    """Return what a build pastes on the face of a key; nothing where it stays clean.

    Parameters
    ----------
    library : OccluderLibrary
    config : BuildConfig
    key : str
    height, width : int
        Size of the image in pixels.
    landmarks : ndarray of float32, shape (5, 2), optional
        As given to `occlude_face`.

    Returns
    -------
    tuple of Placement
        In the order they are pasted: what is worn from the neck up, then what is held.

    Notes
    -----
    One stream of the key gives, in this order: whether the face stays clean; of mixed placement
    the one used; of a range of occluders their number; then the numbers of each placement.
    """
    rng = Stream(config.seed, key, "placement")
    if rng.random() < config.clean_fraction:
        return ()
    placement = config.placement
    if placement == "mixed":
        placement = _pick(config.weights, rng.random())
    count = config.occluders_per_face
    if isinstance(count, str):
        fewest, most = config.occluder_counts
        count = fewest + choose(rng, most - fewest + 1)
    if placement == "landmarks":
        face = face_points(landmarks, height, width)
        return place_several(library, count, face, height, width, rng)
    if placement == "regions":
        jitter = config.region_jitter
        return tuple(
            place_in_region(library, config.region, height, width, rng, jitter=jitter)
            for _ in range(count)
        )
    scales, area, limit = config.scales, config.area, config.max_coverage
    if count == 1:
        return (place_at_random(library, scales, height, width, rng, area, limit),)
    return tuple(
        place_at_random(library, scales, height, width, rng, area, limit) for _ in range(count)
    )


def _pick(weights: Mapping[str, float], number: float) -> str:
    """Return the name that a number in [0, 1) falls on."""
    left = number * math.fsum(weights.values())
    for name, weight in weights.items():
        left -= weight
        if left < 0:
            return name
    return next(name for name in reversed(list(weights)) if weights[name] > 0)


def occlude_with(
    image: NDArray[np.uint8],
    placements: tuple[Placement, ...],
    blend: str,
    *,
    in_place: bool = False,
    natural_steps: Collection[str] = NATURAL_STEPS,
    jpeg_quality: int | None = None,
) -> OccludedFace:
    """Return a face with given placements pasted one over the other.

    Parameters
    ----------
    image : ndarray of uint8, shape (H, W, 3)
        RGB; not changed.
    placements : tuple of Placement
    blend : {'alpha', 'opaque', 'natural'}
    in_place : bool, optional
        Whether `image` itself may be pasted on; else it is not changed.
    natural_steps : collection of str, optional
        What natural blending does.
    jpeg_quality : int, optional
        The image was compressed with, for natural blending; None where it is unknown.

    Returns
    -------
    OccludedFace
    """
    occluded = image if in_place else np.array(image, order="C")
    height, width = occluded.shape[:2]
    if blend == "natural":
        look = look_at(occluded, natural_steps, jpeg_quality) if placements else None
        done = tuple(paste_naturally(occluded, p, look) for p in placements if look is not None)
        clipped = tuple(box for box, _, _ in done)
        hidden = tuple((mask, box) for _, mask, box in done)
        return OccludedFace(occluded, placements, clipped, blend, hidden)
    boxes, parts = [], []
    for placement in placements:
        resized, box = fitted(placement, height, width, blend)
        boxes.append(paste(occluded, resized, box, blend))
        if blend != "opaque":
            parts.append((resized.mask, box))
    return OccludedFace(occluded, placements, tuple(boxes), blend, tuple(parts))


def check_image(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return an image, checked to be (H, W, 3) uint8."""
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8:
        raise InputError(f"image must be a uint8 array, got {getattr(image, 'dtype', type(image))}")
    if image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise InputError(f"image must have shape (H, W, 3), got {image.shape}")
    return image


def _enclosing(boxes: tuple[Box, ...]) -> Box:
    if len(boxes) == 1:  # one outside the image is all zeros
        return boxes[0]
    filled = [box for box in boxes if box[2] > box[0]]
    if len(filled) == 1:
        return filled[0]
    if not filled:
        return (0, 0, 0, 0)
    x0, y0 = (min(box[i] for box in filled) for i in (0, 1))
    x1, y1 = (max(box[i] for box in filled) for i in (2, 3))
    return x0, y0, x1, y1
