"""Batches for training: plans of whole batches, made by worker processes, uint8 NHWC.

A worker is given one whole batch at a time and hands it over as bytes of pixels; the network's
device turns them into floats (`data.to_nchw`). Every image is a function of the seed, its key and
the epoch alone: number of workers, ranks and interruptions change nothing.
"""

import logging
import os
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from occgen.codec import decode_image
from occgen.compositing import clip_box
from occgen.config import BuildConfig
from occgen.engine import open_library
from occgen.errors import DataError, InputError, OccgenError
from occgen.patterns import PatternGrid
from occgen.pool import can_start_workers
from occgen.seeding import Stream
from occgen.synthesis import OccludedFace, draw_placements, occlude_with
from occgen.workshop import narrow_library
from occluders.errors import OccluderError

from .augment import Draw, augment_image, draw_augmentation
from .balancing import balanced_pattern_weights
from .config import TrainConfig
from .data import cut_to_size
from .faces import Faces
from .mixture import Mixture

__all__ = ["Batch", "BatchMaker", "batch_loader"]

_LOG = logging.getLogger(__name__)
_BLOCK = 32  # images that go through each step together, as in a build


class Batch(NamedTuple):
    """What a worker hands over for N images.

    Parameters
    ----------
    pixels : Tensor of uint8, shape (N, H, W, 3)
        RGB.
    clean : Tensor of uint8, shape (N, H, W, 3), or None
        The same views before the occluder was pasted, where a teacher wants them.
    identities : Tensor of int64, shape (N,)
    patterns : Tensor of int64, shape (N,)
        Proximate patterns; 0 where clean.
    boxes : Tensor of int64, shape (N, 4)
        Around what hides the face; zeros where clean.
    ious : Tensor of float32, shape (N, P), or None
        Score of every pattern, where soft targets are wanted.
    skipped : tuple of (str, str)
        Keys and reasons of pictures that could not be used; others stand in their places.
    """

    pixels: Tensor
    clean: Tensor | None
    identities: Tensor
    patterns: Tensor
    boxes: Tensor
    ious: Tensor | None
    skipped: tuple[tuple[str, str], ...]


class BatchMaker:
    """Numbers of images and an epoch in, a `Batch` out.

    Parameters
    ----------
    mixture : Mixture
        The pictures and their identities.
    config : TrainConfig
        Crop, grid, occlusion, augmentation, seed.
    augment : bool, optional
        None as the configuration says.
    """

    def __init__(self, mixture: Mixture, config: TrainConfig, augment: bool | None = None) -> None:
        _let_opencv_fork()
        self.mixture, self.config = mixture, config
        self.height, self.width = config.model.height, config.model.width
        self.grid = PatternGrid(config.model.k, self.height, self.width)
        self.augment = config.augment if augment is None else augment
        self.wants_ious = config.soft_patterns is not None
        self.wants_clean = config.teacher is not None
        self.wants_landmarks = config.occlude is not None and (
            config.placement in ("landmarks", "mixed")
        )
        self._occlusion: tuple[BuildConfig, Any] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_occlusion": None}  # a process opens its own library

    @property
    def occlusion(self) -> tuple[BuildConfig, Any]:
        """The engine's configuration, and the library narrowed to it."""
        if self._occlusion is None:
            build = self.config.occlusion()
            self._occlusion = build, narrow_library(open_library(build.occluders), build)
        return self._occlusion

    def make(self, numbers: Sequence[int], epoch: int) -> Batch:
        """Return the images of some numbers as an epoch has them.

        Parameters
        ----------
        numbers : sequence of int
            Of the mixture.
        epoch : int
            Occlusion and augmentation are drawn anew for each.

        Returns
        -------
        Batch

        Raises
        ------
        DataError
            When no picture of the batch can be used; the first is named.
        InputError
            When pictures have a size that the network does not take.
        """
        work = _Work(len(numbers), self)
        for start in range(0, len(numbers), _BLOCK):
            rows = range(start, min(start + _BLOCK, len(numbers)))
            self._open(work, numbers, epoch, rows)
            if work.clean is not None:
                work.clean[rows.start : rows.stop] = work.pixels[rows.start : rows.stop]
            if self.config.occlude is not None:
                self._occlude(work, numbers, epoch, rows)
        work.identities[:] = self.mixture.identities[np.asarray(numbers, np.int64)]
        self._label(work)
        work.fill_skipped()
        return work.batch()

    def epoch_order(self, epoch: int) -> NDArray[np.int64]:
        """Return numbers of the pictures of an epoch, in the order they are trained on.

        Notes
        -----
        With `balance_patterns` the epoch's occluded pictures are drawn again, with replacement, so
        that rare patterns come more often; clean ones keep their share. That takes the placements
        of the whole epoch, 12 us a picture.
        """
        seed = self.config.seed
        order = self.mixture.epoch_order(seed, epoch)
        if self.config.balance_patterns == 0:
            return order
        patterns = self._epoch_patterns(order, epoch)
        hidden = np.flatnonzero(patterns > 0)
        if len(hidden):
            power = self.config.balance_patterns
            weights = balanced_pattern_weights(patterns[hidden], self.grid.num_patterns, power)
            rng = Stream(seed, f"epoch {epoch}", "balance").generator()
            order[hidden] = order[rng.choice(hidden, len(hidden), p=weights / weights.sum())]
        return order

    def _epoch_patterns(self, order: NDArray[np.int64], epoch: int) -> NDArray[np.int64]:
        """Return labels by box, as far as they can be told without pixels and landmarks."""
        boxes = np.zeros((len(order), 4), np.int64)
        for place, number in enumerate(order.tolist()):
            faces, index = self.mixture.locate(number)
            if faces.boxes is not None:
                boxes[place] = faces.boxes[index]
            elif self.config.occlude is not None:
                build, library = self.occlusion
                key = _key(faces, index, epoch)
                placed = draw_placements(library, build, key, self.height, self.width)
                for placement in placed[:1]:
                    boxes[place] = clip_box(placement.box, self.height, self.width)
        return self.grid.label_boxes(boxes)

    def _open(self, work: "_Work", numbers: Sequence[int], epoch: int, rows: range) -> None:
        """Decode and augment the pictures of some rows, and say what hides them already."""
        for row in rows:
            faces, index = self.mixture.locate(int(numbers[row]))
            try:
                image = decode_image(faces.read(index))
            except OccgenError as error:
                key = faces.key(index)
                work.skipped[row] = (key, str(error))
                _LOG.debug("%s: %s", key, error)
                continue
            try:
                columns = cut_to_size(image.shape, self.height, self.width)
            except InputError as error:
                raise InputError(f"{faces.name}: {faces.key(index)}: {error}") from error
            cut = columns.start or 0
            image = image[:, columns]
            draw = self._draw(faces, index, epoch)
            if draw is None:
                work.pixels[row] = image
            else:
                augment_image(image, draw, work.pixels[row])
            if faces.boxes is not None:
                self._take_labels(work, row, faces, index, cut, draw)
            elif self.wants_landmarks:
                points = faces.landmarks(index, self.height, self.width + 2 * cut)
                if points is not None:
                    points = points - np.array([cut, 0], np.float32)
                    work.landmarks[row] = points if draw is None else draw.move_points(points)

    def _draw(self, faces: Faces, index: int, epoch: int) -> Draw | None:
        if not self.augment:
            return None
        stream = Stream(self.config.seed, _key(faces, index, epoch), "augment")
        return draw_augmentation(stream, self.height, self.width)

    def _take_labels(
        self, work: "_Work", row: int, faces: Faces, index: int, cut: int, draw: Draw | None
    ) -> None:
        """Take box and mask of a picture that was occluded in a build."""
        work.found[row] = True
        assert faces.boxes is not None
        x0, y0, x1, y1 = faces.boxes[index].tolist()
        x0, x1 = (min(max(x - cut, 0), self.width) for x in (x0, x1))
        box = (x0, y0, x1, y1) if x1 > x0 else (0, 0, 0, 0)
        work.boxes[row] = box if draw is None else draw.move_box(box)
        if work.masks is not None:
            mask = faces.mask(index)[:, cut : cut + self.width]
            work.masks[row] = mask if draw is None else draw.move_mask(mask)

    def _occlude(self, work: "_Work", numbers: Sequence[int], epoch: int, rows: range) -> None:
        """Paste on those pictures of some rows that come from clean sets."""
        build, library = self.occlusion
        blend = build.blend
        free = [row for row in rows if not work.found[row] and row not in work.skipped]
        placed = []
        for row in free:
            faces, index = self.mixture.locate(int(numbers[row]))
            key = _key(faces, index, epoch)
            points = work.landmarks.get(row)
            placed.append(draw_placements(library, build, key, self.height, self.width, points))
        for row, placements in zip(free, placed, strict=True):
            face: OccludedFace = occlude_with(work.pixels[row], placements, blend, in_place=True)
            work.boxes[row] = face.box
            if work.masks is not None:
                work.masks[row] = face.mask

    def _label(self, work: "_Work") -> None:
        if work.masks is not None:
            work.patterns[:] = self.grid.label_masks(work.masks)
        else:
            work.patterns[:] = self.grid.label_boxes(work.boxes)
        if work.ious is not None:
            work.ious[:] = self.grid.iou_boxes(work.boxes)


class _Work:
    """The arrays of one batch while it is made."""

    def __init__(self, count: int, maker: BatchMaker) -> None:
        shape = (count, maker.height, maker.width)
        self.pixels = np.empty((*shape, 3), np.uint8)
        self.clean = np.empty_like(self.pixels) if maker.wants_clean else None
        self.identities = np.zeros(count, np.int64)
        self.patterns = np.zeros(count, np.int64)
        self.boxes = np.zeros((count, 4), np.int64)
        self.masks = np.zeros(shape, np.bool_) if maker.config.label_by == "mask" else None
        patterns = maker.grid.num_patterns
        self.ious = np.zeros((count, patterns), np.float32) if maker.wants_ious else None
        self.found = np.zeros(count, np.bool_)
        self.landmarks: dict[int, NDArray[np.float32]] = {}
        self.skipped: dict[int, tuple[str, str]] = {}

    def fill_skipped(self) -> None:
        """Let good pictures stand where others could not be used."""
        good = [row for row in range(len(self.pixels)) if row not in self.skipped]
        if not good:
            key, reason = next(iter(self.skipped.values()))
            raise DataError(f"no picture of a batch can be used; the first, {key}: {reason}")
        arrays = (self.pixels, self.clean, self.identities, self.patterns, self.boxes, self.ious)
        for place, row in enumerate(self.skipped):
            for array in arrays:
                if array is not None:
                    array[row] = array[good[place % len(good)]]

    def batch(self) -> Batch:
        """Return the arrays as tensors that share their memory."""
        return Batch(
            torch.from_numpy(self.pixels),
            None if self.clean is None else torch.from_numpy(self.clean),
            torch.from_numpy(self.identities),
            torch.from_numpy(self.patterns),
            torch.from_numpy(self.boxes),
            None if self.ious is None else torch.from_numpy(self.ious),
            tuple(self.skipped.values()),
        )


def _key(faces: Faces, index: int, epoch: int) -> str:
    return f"{faces.key(index)}@{epoch}"


class _PlannedBatches(Dataset[Batch]):
    """Plans in, batches out: the dataset behind `batch_loader`."""

    def __init__(self, maker: BatchMaker) -> None:
        self.maker = maker

    def __getitem__(self, plan: tuple[int, list[int]]) -> Batch:
        epoch, numbers = plan
        return self.maker.make(numbers, epoch)


def batch_loader(
    maker: BatchMaker,
    plans: Iterator[tuple[int, list[int]]],
    workers: int = 0,
    pin_memory: bool = False,
) -> Iterator[Batch]:
    """Yield the batches of plans, made ahead of time.

    Parameters
    ----------
    maker : BatchMaker
    plans : iterator of (int, list of int)
        Epoch and numbers of each batch; read as workers need them.
    workers : int, optional
        Processes; 0, or where none can be started, makes batches here, when they are asked for.
    pin_memory : bool, optional
        For a CUDA device.

    Yields
    ------
    Batch
        In the order of the plans.

    Raises
    ------
    DataError, InputError
        As `BatchMaker.make`, in one line whichever process it came from.
    """
    workers = workers if workers and can_start_workers() else 0
    loader = DataLoader(
        _PlannedBatches(maker),
        sampler=plans,
        batch_size=None,
        num_workers=workers,
        pin_memory=pin_memory,
        prefetch_factor=4 if workers else None,
    )
    try:
        yield from loader
    except (OccgenError, OccluderError) as error:
        if len(lines := str(error).splitlines()) < 2:
            raise
        # a worker's error comes with its traceback in the text; the last line says what is wrong
        raise type(error)(lines[-1].partition(": ")[2]) from None


@lru_cache(maxsize=1)
def _let_opencv_fork() -> None:
    """Have OpenCV drop its threads for the moment of every fork; children keep to one.

    A pool of threads does not outlive a fork, and in the child OpenCV would wait for it for ever.
    """
    threads: list[int] = []

    def before() -> None:
        threads.append(cv2.getNumThreads())
        cv2.setNumThreads(1)

    os.register_at_fork(before=before, after_in_parent=lambda: cv2.setNumThreads(threads.pop()))
