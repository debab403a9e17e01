"""RandomOcclusion as a transform of albumentations, which must be installed (extra `augment`)."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from .synthesis import occlude_with
from .transforms import RandomOcclusion as _Callable

try:
    from albumentations.core.transforms_interface import ImageOnlyTransform
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "albumentations is not installed; pip install 'occgen[augment]' brings it", name=error.name
    ) from error

__all__ = ["RandomOcclusion"]


class RandomOcclusion(ImageOnlyTransform):
    """Occlude the image of a pipeline; boxes, masks and keypoints of it stay what they are.

    Parameters
    ----------
    returns : sequence of str, optional
        As of `occgen.transforms.RandomOcclusion`: added to the result as ``occlusion_box`` and so
        on, those of a clean image where the transform is not applied.
    p : float, optional
        Chance to be applied; what is applied to still stays clean by `clean_fraction`.
    **settings
        As of `occgen.transforms.RandomOcclusion`.

    Notes
    -----
    Whether it is applied is drawn by albumentations, from the seed of its ``Compose``. What is
    pasted is drawn from the keyed streams of occgen: by the `key` given beside the image, else by
    worker and count. `landmarks` given beside the image are used where the placement asks for them.
    """

    def __init__(self, returns: Sequence[str] = (), p: float = 1.0, **settings: Any) -> None:
        super().__init__(p=p)
        self.occlusion = _Callable(returns=returns, **settings)

    def get_transform_init_args(self) -> dict[str, Any]:
        """Return what `albumentations.to_dict` stores."""
        return {"returns": self.occlusion.returns, **self.occlusion.settings}

    def get_params_dependent_on_data(
        self, params: dict[str, Any], data: dict[str, Any]
    ) -> dict[str, Any]:
        """Return the key of the stream the call draws from, which a replay uses again."""
        key = data.get("key")
        return {"occlusion_key": self.occlusion.next_key() if key is None else str(key)}

    def apply(self, img: Any, occlusion_key: str = "", **params: Any) -> Any:
        """Return an image occluded from the stream of a key."""
        return self.occlusion.occlude(img, occlusion_key).image

    def apply_with_params(
        self, params: dict[str, Any], *args: Any, **kwargs: Any
    ) -> dict[str, Any]:
        """Return the data with its image occluded and the labels added."""
        if kwargs.get("image") is None:
            result: dict[str, Any] = super().apply_with_params(params, *args, **kwargs)
            return result
        points = kwargs.get("landmarks")
        points = None if points is None else np.asarray(points, np.float32)
        face = self.occlusion.occlude(kwargs["image"], params["occlusion_key"], points)
        return {**kwargs, "image": face.image, **self.occlusion.labels(face)}

    def __call__(self, *args: Any, force_apply: bool = False, **kwargs: Any) -> Any:
        """Return the data transformed; every result has all labels asked for."""
        result = super().__call__(*args, force_apply=force_apply, **kwargs)
        missing = [name for name in self.occlusion.returns if f"occlusion_{name}" not in result]
        if missing and result.get("image") is not None:
            clean = self.occlusion.labels(occlude_with(result["image"], (), "alpha"))
            result.update({f"occlusion_{name}": clean[f"occlusion_{name}"] for name in missing})
        return result
