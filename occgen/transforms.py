"""RandomOcclusion: what a build pastes, as one step of somebody's own training loop.

It knows numpy arrays, PIL images and torch tensors by their type and imports neither torch nor
anything of an augmentation library.
"""

import itertools
import multiprocessing
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from occluders import OccluderLibrary, open_library

from .config import BuildConfig
from .errors import InputError
from .patterns import PatternGrid
from .synthesis import OccludedFace, check_image, occlude_face
from .tasks import variant_key
from .workshop import label_box, narrow_library

__all__ = ["RETURNS", "SETTINGS", "RandomOcclusion"]

UInt8 = NDArray[np.uint8]

RETURNS = ("box", "mask", "label", "coverage")
_OF_A_BUILD = (  # what of a configuration is about files and processes
    *("dataset", "root", "out", "variants", "image_size", "codec", "quality", "shard_size"),
    *("limit", "format", "jobs", "backend", "strict", "max_skipped", "overwrite", "on_error"),
    *("probes", "gallery"),
)
SETTINGS = tuple(field.name for field in fields(BuildConfig) if field.name not in _OF_A_BUILD)
_TRAINING: dict[str, Any] = {"scale": "1.0:0.5:5.0", "clean_fraction": 1 / 3}  # the paper's mixture


class RandomOcclusion:
    """Occlude pictures as a build does; a callable for a training loop.

    Parameters
    ----------
    returns : sequence of str, optional
        What comes back beside the picture, any of 'box', 'mask', 'label' and 'coverage', as the
        keys ``occlusion_box`` and so on of a dict.
    library : OccluderLibrary, optional
        Used in place of the one that `occluders` names.
    **settings
        Fields of `BuildConfig`, those in `SETTINGS`: scale, placement, blend, categories,
        occluders, clean_fraction, k, by, seed and so on. Unless given, scale is drawn from
        1.0:0.5:5.0 and a third of the pictures stays clean, as in the paper's training.

    Attributes
    ----------
    config : BuildConfig
        The settings, checked.

    Raises
    ------
    InputError
        When a setting or a name in `returns` is unknown or out of range.

    Notes
    -----
    With a `key`, a picture gets what a build of these settings pastes on the picture of that key,
    whatever the process; `epoch` n gives its variant n. Without one, the stream is keyed by the
    seed, the worker and a count of its calls. In a worker of a torch DataLoader the worker is known
    by its torch seed, which differs between workers, epochs and, with a ``RANK`` in the
    environment, ranks, and is repeated when the loader's generator or ``torch.manual_seed`` is;
    elsewhere by the name of its process.

    Examples
    --------
    >>> import numpy as np
    >>> face = np.full((112, 96, 3), 128, np.uint8)
    >>> occlude = RandomOcclusion(scale=2.0, clean_fraction=0.0, returns=("label",), seed=7)
    >>> image, labels = occlude(face)
    >>> image.shape, labels["occlusion_label"] > 0
    ((112, 96, 3), True)
    """

    def __init__(
        self,
        *,
        returns: Sequence[str] = (),
        library: OccluderLibrary | None = None,
        **settings: Any,
    ) -> None:
        self.returns = (returns,) if isinstance(returns, str) else tuple(returns)
        for name in self.returns:
            if name not in RETURNS:
                raise InputError(f"returns must be some of {', '.join(RETURNS)}, got {name!r}")
        for name in settings:
            if name not in SETTINGS:
                raise InputError(f"{name} is no setting; known are {', '.join(SETTINGS)}")
        self.settings = settings
        self.config = BuildConfig(dataset="folder", **(_TRAINING | settings))
        whole = open_library(self.config.occluders) if library is None else library
        self.library = narrow_library(whole, self.config)
        self._grids: dict[tuple[int, int], PatternGrid] = {}
        self._calls, self._pid = itertools.count(), os.getpid()

    def __repr__(self) -> str:
        words = [f"{name}={value!r}" for name, value in self.settings.items()]
        if self.returns:
            words.append(f"returns={self.returns!r}")
        return f"RandomOcclusion({', '.join(words)})"

    def __getstate__(self) -> dict[str, Any]:
        """Return what another process needs; it counts its own calls."""
        own = ("_calls", "_pid", "_grids")
        return {name: value for name, value in vars(self).items() if name not in own}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._grids = {}
        self._calls, self._pid = itertools.count(), os.getpid()

    def __call__(
        self,
        image: Any,
        *targets: Any,
        key: str | None = None,
        epoch: int = 0,
        landmarks: NDArray[np.float32] | None = None,
    ) -> Any:
        """Return the picture occluded, in the type and layout it came in.

        Parameters
        ----------
        image : ndarray (H, W, 3), torch.Tensor (3, H, W), PIL.Image, or mapping
            uint8, RGB; not changed. Of a mapping, its 'image' is taken, and its 'key' and
            'landmarks' where it has them.
        *targets
            Handed through, as pipelines do that pass ``(image, target)``.
        key : str, optional
            The picture's own; decides what is drawn, with the seed.
        epoch : int, optional
            Another gives another occlusion for the same key.
        landmarks : ndarray of float32, shape (5, 2), optional
            x, y in pixels, for placement by landmarks.

        Returns
        -------
        image, mapping or tuple
            A mapping for a mapping, with the labels added. Else the picture; with targets or
            `returns`, a tuple of it, the targets, and a dict of the labels. A last target that is a
            dict takes up the labels itself.

        Raises
        ------
        InputError
            When the picture is of another type, shape or dtype.
        """
        if isinstance(image, Mapping):
            if "image" not in image:
                raise InputError(f"a sample needs an 'image', has {', '.join(map(str, image))}")
            key = image.get("key", key) if key is None else key
            landmarks = image.get("landmarks") if landmarks is None else landmarks
            picture, labels = self._occluded(image["image"], key, epoch, landmarks)
            return {**image, "image": picture, **labels}
        picture, labels = self._occluded(image, key, epoch, landmarks)
        if not self.returns:
            return (picture, *targets) if targets else picture
        if targets and isinstance(targets[-1], Mapping):
            return (picture, *targets[:-1], {**targets[-1], **labels})
        return (picture, *targets, labels)

    def occlude(
        self, image: UInt8, key: str, landmarks: NDArray[np.float32] | None = None
    ) -> OccludedFace:
        """Return an array occluded from the stream of a key, with box, mask and coverage.

        Parameters
        ----------
        image : ndarray of uint8, shape (H, W, 3)
        key : str
        landmarks : ndarray of float32, shape (5, 2), optional
        """
        return occlude_face(check_image(image), self.library, self.config, key, landmarks)

    def labels(self, face: OccludedFace) -> dict[str, Any]:
        """Return what `returns` asks for of an occluded face, by name.

        Parameters
        ----------
        face : OccludedFace

        Returns
        -------
        dict
            ``occlusion_box`` int64 (4,), half-open, zeros where clean; ``occlusion_mask`` bool
            (H, W); ``occlusion_label`` int, 0 where clean; ``occlusion_coverage`` float.
        """
        found: dict[str, Any] = {}
        for name in self.returns:
            if name == "box":
                value: Any = np.array(face.box, np.int64)
            elif name == "mask":
                value = face.mask
            elif name == "label":
                value = self._label(face)
            else:
                value = face.coverage
            found[f"occlusion_{name}"] = value
        return found

    def next_key(self) -> str:
        """Return the key of the next call of this process that names none."""
        if os.getpid() != self._pid:  # a forked worker starts its own count
            self._calls, self._pid = itertools.count(), os.getpid()
        return f"{_worker()}/{next(self._calls)}"

    def _occluded(
        self, image: Any, key: str | None, epoch: int, landmarks: Any
    ) -> tuple[Any, dict[str, Any]]:
        array, restore, is_torch = _as_array(image)
        name = self.next_key() if key is None else variant_key(str(key), epoch)
        points = None if landmarks is None else np.asarray(landmarks, np.float32)
        face = self.occlude(array, name, points)
        labels = self.labels(face) if self.returns else {}
        if is_torch:
            from_numpy = sys.modules["torch"].from_numpy
            labels = {
                name: from_numpy(value) if isinstance(value, np.ndarray) else value
                for name, value in labels.items()
            }
        return restore(face.image), labels

    def _label(self, face: OccludedFace) -> int:
        height, width = face.image.shape[:2]
        grid = self._grids.get((height, width))
        if grid is None:
            grid = self._grids[height, width] = PatternGrid(self.config.k, height, width)
        if self.config.by == "mask":
            return int(grid.label_masks(face.mask[None])[0])
        box = label_box(face.box, self.config.compat, height, width)
        return grid.label_box(box)


def _worker() -> str:
    """Return a name of this worker that no other one has, alike in every run."""
    rank = os.environ.get("RANK", "0")
    data = sys.modules.get("torch.utils.data")
    info = data.get_worker_info() if data is not None else None
    name = multiprocessing.current_process().name if info is None else f"seed {info.seed}"
    return f"{name}, rank {rank}"


def _as_array(image: Any) -> tuple[UInt8, Callable[[UInt8], Any], bool]:
    """Return a picture as (H, W, 3), what turns such an array back, and whether it is torch's."""
    if isinstance(image, np.ndarray):
        return image, _same, False
    bases = {(base.__module__.partition(".")[0], base.__name__) for base in type(image).__mro__}
    if ("torch", "Tensor") in bases:
        if str(image.dtype) != "torch.uint8" or image.ndim != 3 or image.shape[0] != 3:
            shape = tuple(image.shape)
            raise InputError(f"a tensor must be uint8 (3, H, W), got {image.dtype} {shape}")
        rows_first = image.detach().cpu().permute(1, 2, 0)
        if rows_first.is_contiguous():
            array = rows_first.numpy()
        else:  # three planes; OpenCV joins and parts them five times as fast as a copy
            array = cv2.merge(list(rows_first.permute(2, 0, 1).contiguous().numpy()))

        def to_tensor(occluded: UInt8) -> Any:
            channels_first = np.stack(cv2.split(occluded))
            tensor = sys.modules["torch"].from_numpy(channels_first).to(image.device)
            return tensor.as_subclass(type(image))

        return array, to_tensor, True
    if ("PIL", "Image") in bases:
        if image.mode != "RGB":
            raise InputError(f"a PIL image must be RGB, got {image.mode}; convert('RGB') it")
        return np.asarray(image), _to_pil, False
    raise InputError(
        f"image must be a numpy array, a torch tensor or a PIL image, got {type(image).__name__}"
    )


def _same(image: UInt8) -> UInt8:
    return image


def _to_pil(image: UInt8) -> Any:
    from PIL import Image

    return Image.fromarray(image)
