"""What is evaluated and how: frozen, checked when made, kept in every report."""

import math
from dataclasses import dataclass
from typing import Any

from occgen.config import BuildConfig
from occgen.errors import InputError
from occgen.notation import parse_scales, take_categories

from .json_config import JsonConfig

__all__ = ["CONDITIONS", "EvalConfig"]

_OCCLUSION = (
    *("placement", "region", "region_jitter", "blend", "categories", "group", "split"),
    *("include_occluders", "exclude_occluders", "occluders", "area", "max_coverage", "compat"),
    "seed",
)
CONDITIONS = ("clean-clean", "clean-occluded", "occluded-occluded")
_LEAST = {
    **dict.fromkeys(("occlusion_seeds", "batch_size", "workers", "num_pairs", "max_rank"), 1),
    **dict.fromkeys(("seed", "gallery_images"), 0),
    "folds": 2,
    "resamples": 0,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class EvalConfig(JsonConfig):
    """An evaluation: data, protocol, occlusion, figures wanted.

    Parameters
    ----------
    dataset : str
        A name of `occgen.config.DATASETS`.
    root : str or None
        Where it lies; None is $OCCGEN_DATA/NAME. Of ``demo`` the people, ``100x10@1``.
    protocol : str or None
        A key of `protocols.PROTOCOLS`; None is the data set's usual one.
    pairs : str or None
        List of pairs; None looks for ``pairs.csv`` or ``pairs.txt`` in the root.
    num_pairs : int
        Pairs drawn where a data set has no list (``demo``).
    scales : tuple of str
        Scales of Algorithm 1, each '2.0' or a range; none leaves the protocol's own.
    conditions : tuple of str
        Of `CONDITIONS`; none is the protocol's own: clean-clean, and with a scale clean-occluded
        (the second image of a pair).
    placement, region, region_jitter, blend, categories, group, split, include_occluders,
    exclude_occluders, occluders, area, max_coverage, compat
        Of the occlusion, as in `BuildConfig`; a `region_jitter` of None is the protocol's own.
    seed : int
        Of occlusion, drawn pairs and resampling.
    occlusion_seeds : int
        Evaluations with other occlusions, of seeds `seed`, `seed` + 1 and so on.
    image_size : str
        ``model`` (what the models take; where they differ the source's), ``source``, ``112x96`` or
        ``112x112``: the size at which pictures are occluded.
    fars : tuple of float
        False accept rates wanted, each in [0, 1).
    folds : int
        Where the list of pairs names none.
    resamples : int
        Of the bootstrap over people; 0 gives no intervals.
    flip : bool
        Add the mirror image's embedding.
    max_rank : int
        Largest rank of the CMC.
    gallery, probes, distractors : str or None
        Folders, or ``.npy`` features, of identification protocols; None is below the root.
    probe_noises, distractor_noises : str or None
        Lists of wrongly labelled pictures to leave out.
    gallery_images : int
        Pictures of a person that are enrolled, in name order; 0 is the protocol's own number.
    ar_gallery : tuple of int
        Shots of AR's protocol 1 that are enrolled; none takes the default.
    batch_size, workers : int
        Images a forward pass; threads that decode.
    allow_missing : bool
        Leave out pairs and probes whose picture is missing, in place of failing.
    """

    dataset: str = "demo"
    root: str | None = None
    protocol: str | None = None
    pairs: str | None = None
    num_pairs: int = 6000
    scales: tuple[str, ...] = ()
    conditions: tuple[str, ...] = ()
    placement: str = "random"
    region: str | None = None
    region_jitter: int | None = None
    blend: str = "alpha"
    categories: tuple[str, ...] | None = None
    group: int | None = None
    split: str | None = None
    include_occluders: tuple[str, ...] = ()
    exclude_occluders: tuple[str, ...] = ()
    occluders: str = "bundled"
    area: float | None = None
    max_coverage: float | None = None
    compat: str | None = None
    seed: int = 100
    occlusion_seeds: int = 1
    image_size: str = "model"
    fars: tuple[float, ...] = (1e-1, 1e-2, 1e-3, 1e-4)
    folds: int = 10
    resamples: int = 1000
    flip: bool = False
    max_rank: int = 20
    gallery: str | None = None
    probes: str | None = None
    distractors: str | None = None
    probe_noises: str | None = None
    distractor_noises: str | None = None
    gallery_images: int = 0
    ar_gallery: tuple[int, ...] = ()
    batch_size: int = 64
    workers: int = 2
    allow_missing: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "categories", take_categories(self.categories))
        listed = ("scales", "conditions", "fars", "include_occluders", "exclude_occluders")
        for name in listed:
            value: Any = getattr(self, name)
            if value is not None:
                values = (value,) if isinstance(value, str | int | float) else tuple(value)
                object.__setattr__(self, name, values)
        object.__setattr__(self, "ar_gallery", tuple(self.ar_gallery))
        object.__setattr__(self, "scales", tuple(str(scale) for scale in self.scales))
        for name, least in _LEAST.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise InputError(f"{name} must be a whole number >= {least}, got {value!r}")
        if 0 < self.resamples < 100:
            raise InputError(f"resamples must be 0 or at least 100, got {self.resamples}")
        for condition in self.conditions:
            if condition not in CONDITIONS:
                raise InputError(
                    f"condition must be one of {', '.join(CONDITIONS)}, got {condition!r}"
                )
        for far in self.fars:
            if not (isinstance(far, int | float) and math.isfinite(far) and 0 <= far < 1):
                raise InputError(f"fars must be in [0, 1), got {far!r}")
        if self.image_size not in ("model", "source", "112x96", "112x112"):
            raise InputError(
                f"image_size must be model, source, 112x96 or 112x112, got {self.image_size!r}"
            )
        for scale in self.scales:
            parse_scales(scale)
        self.occlusion()

    def occlusion(self, **changes: Any) -> BuildConfig:
        """Return the occlusion as a build's configuration, with other values where given.

        Raises
        ------
        InputError
            As `BuildConfig`.
        """
        values = {name: getattr(self, name) for name in _OCCLUSION}
        values["region_jitter"] = self.region_jitter or 0
        if self.protocol == "regions":
            values["placement"] = "regions"
        if self.scales:
            values["scale"] = self.scales[0]
        return BuildConfig(dataset=self.dataset, **{**values, **changes})
