"""BuildConfig: everything a build is made from, checked when constructed."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from operator import index
from pathlib import Path
from typing import Any

from .errors import InputError
from .notation import (
    DEFAULT_MIX,
    check_scales,
    parse_counts,
    parse_mix,
    parse_scales,
    take_categories,
)
from .regions import REGIONS
from .storage import REMOTE_FORMATS, is_remote, set_path

__all__ = [
    "DATASETS",
    "FORMATS",
    "NATURAL_STEPS",
    "BuildConfig",
]

NATURAL_STEPS = ("colour", "light", "shadow", "blur", "noise", "jpeg")

DATASETS = {  # what --dataset understands, and how the paper writes it
    "demo": "Demo",
    "lfw": "LFW",
    "webface": "WebFace",
    "mf1": "MF1",
    "facescrub": "FaceScrub",
    "ar": "AR",
    "mfr2": "MFR2",
    "lfw-sm": "LFW-SM",
    "olfw": "OLFW",
    "folder": "Folder",
    "rec": "Rec",
    "bin": "Bin",
    "shards": "Shards",
}
FORMATS = ("hdf5", "folder", "webdataset", "rec", "parquet")
_CHOICES = {
    "placement": ("random", "regions", "landmarks", "mixed"),
    "blend": ("opaque", "alpha", "natural"),
    "by": ("box", "mask"),
    "image_size": ("source", "112x96", "112x112"),
    "codec": ("jpeg", "png", "copy"),
    "format": FORMATS,
    "compat": (None, "published"),
    "backend": ("loky", "ray", "dask"),
    "on_error": ("stop", "skip"),
}
# What changes no picture and no label of a finished build: not part of its identity.
_RUN_ONLY = (
    *("root", "probes", "gallery", "out", "occluders", "jobs", "backend", "address", "strict"),
    *("max_skipped", "overwrite", "on_error"),
)
_NUMBERS: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("k", "variants", "quality", "shard_size", "seed", "region_jitter"), index),
    **dict.fromkeys(("limit", "jobs", "group"), index),
    **dict.fromkeys(("scale", "clean_fraction", "max_skipped", "area", "max_coverage"), float),
}
_QUALITY = 95
_PUBLISHED_QUALITY = 75  # Pillow's default
_OPTIONAL = ("limit", "jobs", "group", "area", "max_coverage")


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildConfig:
    """A build: what is read, what is pasted how, and how it is written.

    Raises
    ------
    InputError
        When a value is out of range, unknown, or does not go with another.

    Examples
    --------
    >>> BuildConfig(dataset="lfw", scale="1.0:0.5:2.0").scales
    (1.0, 1.5, 2.0)
    """

    dataset: str
    """Name of the data set, a key of `DATASETS`."""
    root: str | None = None
    """Where the data set lies; None for $OCCGEN_DATA/NAME. Of demo: IDENTITIESxIMAGES[@SEED]."""
    probes: str | None = None
    """Of 'mf1': the pictures that are occluded."""
    gallery: str | None = None
    """Of 'mf1': the distractors, a folder or a ``.rec`` file; they stay as they are."""
    out: str | None = None
    """Folder of the finished set, or a URL such as s3://bucket/prefix; None for ./Occ-NAME-S."""
    scale: float | str = 1.0
    """Scale of Algorithm 1, > 0, or a range 'start:step:stop' with both ends in."""
    placement: str = "random"
    """'random' (Algorithm 1), 'regions' (the nine of Fig. 1), 'landmarks' (worn or held where such
    things are, at true size whatever the scale) or 'mixed' (one of these drawn for each face)."""
    mix: str | None = None
    """Weights of mixed placement, 'random=1,landmarks=2'; None for `DEFAULT_MIX`."""
    occluders_per_face: int | str = 1
    """How many occluders a face gets, 1 to 8, or 'fewest:most' to draw a number for each face."""
    region: str | None = None
    """One of the nine regions; None draws one for each face."""
    region_jitter: int = 0
    """A region is moved by one offset, the same on both axes, of up to this many pixels."""
    blend: str = "alpha"
    """'opaque' (the occluder's rectangle, as published), 'alpha' (its matte) or 'natural' (the
    matte, matched to the picture by `natural_steps`)."""
    natural_steps: tuple[str, ...] = NATURAL_STEPS
    """What natural blending does, any of `NATURAL_STEPS`."""
    by: str = "box"
    """Whether `pattern` means the label of the box or of the mask."""
    k: int = 5
    """Cells on each side of the pattern grid."""
    categories: tuple[str, ...] | None = None
    """Occluder categories used, 'hand', or 'hand=4' to draw one by a weight other than 1; None for
    all alike."""
    group: int | None = None
    """Occluder group of Sec. 4.8: 1, 2 or 3; None for all."""
    exclude_occluders: tuple[str, ...] = ()
    """Occluders or categories left out, by name or pattern (`book/*`)."""
    include_occluders: tuple[str, ...] = ()
    """Occluders or categories kept alone, by name or pattern; empty keeps all."""
    split: str | None = None
    """One of the splits that the library's `splits.json` names; None for all."""
    occluders: str = "bundled"
    """'bundled', or a directory of occluders."""
    clean_fraction: float = 0.0
    """Chance of a face to stay clean, 0 to 1."""
    variants: int = 1
    """Occluded versions of each face."""
    area: float | None = None
    """Share of the image the box shall cover, in place of a scale."""
    max_coverage: float | None = None
    """Largest share of the image a box of random placement may cover; its occluder is made
    smaller."""
    image_size: str = "source"
    """'source', '112x96' or '112x112'."""
    codec: str = "jpeg"
    """'jpeg', 'png', or 'copy': every picture keeps its bytes, which goes with clean faces only."""
    quality: int = _QUALITY
    """Of a JPEG, 1 to 100."""
    shard_size: int = 4096
    """Faces (with variants) a shard."""
    limit: int | None = None
    """Only this many pictures of the source, from the first."""
    format: str = "hdf5"
    """'hdf5', 'folder', 'webdataset', 'rec' or 'parquet'."""
    compat: str | None = None
    """'published' repeats the published generator's rounding, opaque pasting, codec and quality."""
    seed: int = 100
    """Of every random stream."""
    jobs: int | None = None
    """Worker processes; None for all cores this process may use."""
    backend: str = "loky"
    """What runs the workers: 'loky' (processes here), or a cluster by 'ray' or 'dask'."""
    address: str | None = None
    """Of a running Ray or Dask cluster; None starts one of this machine's cores."""
    strict: bool = False
    """Whether the first bad picture stops the build."""
    on_error: str = "stop"
    """'stop' or 'skip': what is done about damage met while a source is listed."""
    max_skipped: float = 0.01
    """Share of bad pictures above which the build fails at its end."""
    overwrite: bool = False
    """Whether an output of another configuration may be replaced."""

    def __post_init__(self) -> None:
        if self.dataset not in DATASETS:
            raise InputError(f"dataset must be one of {', '.join(DATASETS)}, got {self.dataset!r}")
        for name, allowed in _CHOICES.items():
            if getattr(self, name) not in allowed:
                choices = ", ".join(str(value) for value in allowed if value is not None)
                raise InputError(f"{name} must be one of {choices}, got {getattr(self, name)!r}")
        for name in ("root", "probes", "gallery", "out", "occluders"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, str(value))
        object.__setattr__(self, "categories", take_categories(self.categories))
        for name in ("exclude_occluders", "include_occluders", "natural_steps"):
            value = getattr(self, name)
            if value is not None:
                values = (value,) if isinstance(value, str) else tuple(value)
                object.__setattr__(self, name, values)
        self._take_numbers()
        self._check_numbers()
        self._check_mixture()
        self._check_steps()
        if isinstance(self.scale, str) and len(self.scales) == 1:
            object.__setattr__(self, "scale", self.scales[0])
        if self.region is not None:
            if self.placement != "regions":
                raise InputError("region goes with placement 'regions'")
            object.__setattr__(self, "region", self.region.replace("_", "-").replace(" ", "-"))
            if self.region not in REGIONS:
                raise InputError(f"region must be one of {', '.join(REGIONS)}, got {self.region!r}")
        if self.out is not None and is_remote(self.out) and self.format not in REMOTE_FORMATS:
            raise InputError(
                f"format {self.format} needs a folder of this machine, and {self.out} is none; "
                f"{', '.join(REMOTE_FORMATS)} are written to object storage"
            )
        if self.address is not None and self.backend == "loky":
            raise InputError("address goes with backend 'ray' or 'dask'")
        self._check_coverage()
        self._check_unused()
        if self.codec == "copy" and (
            self.clean_fraction < 1 or self.variants > 1 or self.image_size != "source"
        ):
            raise InputError(
                "codec copy goes with clean_fraction 1, one variant, image_size source"
            )
        if self.compat == "published":
            self._take_published()

    def _check_coverage(self) -> None:
        """Refuse a share aimed at, or a limit, that the placement would not keep to."""
        for name in ("area", "max_coverage"):
            if getattr(self, name) is None:
                continue
            if self.placement != "random":
                raise InputError(f"{name} goes with placement 'random'")
            if self.occluders_per_face != 1:
                raise InputError(f"{name} is of one occluder; leave occluders_per_face at 1")

    def _check_unused(self) -> None:
        """Refuse settings that would change nothing: what was meant is another."""
        if self.region_jitter and self.placement not in ("regions", "mixed"):
            raise InputError("region_jitter goes with placement 'regions' or 'mixed'")
        if self.codec != "jpeg" and self.quality != _QUALITY:
            raise InputError("quality goes with codec jpeg")
        for name in ("probes", "gallery"):
            if getattr(self, name) is not None and self.dataset != "mf1":
                raise InputError(f"{name} goes with dataset mf1")

    def _take_published(self) -> None:
        """Set what the published generator knows no other of: opaque JPEGs of quality 75."""
        if self.codec != "jpeg":
            raise InputError("compat 'published' writes JPEG; leave codec at jpeg")
        if self.blend == "natural" or self.quality not in (_QUALITY, _PUBLISHED_QUALITY):
            raise InputError(
                f"compat 'published' pastes opaque and writes quality {_PUBLISHED_QUALITY}; "
                "leave blend and quality"
            )
        object.__setattr__(self, "blend", "opaque")
        object.__setattr__(self, "quality", _PUBLISHED_QUALITY)

    def _take_numbers(self) -> None:
        """Make every number a plain int or float, so that 1, 1.0 and numpy's are one identity."""
        for name, take in _NUMBERS.items():
            value = getattr(self, name)
            if (value is None and name in _OPTIONAL) or (
                name == "scale" and isinstance(value, str)
            ):
                continue
            kind = "number" if take is float else "whole number"
            if isinstance(value, (bool, str)):
                raise InputError(f"{name} must be a {kind}, got {value!r}")
            try:
                object.__setattr__(self, name, take(value))
            except (TypeError, ValueError) as error:
                raise InputError(f"{name} must be a {kind}, got {value!r}") from error

    def _check_numbers(self) -> None:
        check_scales(self.scales)
        for name, take in _NUMBERS.items():
            low, value = name not in ("seed", "region_jitter"), getattr(self, name)
            if take is index and value is not None and value < low:
                raise InputError(f"{name} must be a whole number >= {low:d}, got {value}")
        highest = {"quality": 100, "group": 3, "k": 16, "variants": 10_000, "seed": 2**64 - 1}
        for name, high in highest.items():
            if (getattr(self, name) or 0) > high:
                raise InputError(f"{name} must be <= {high}, got {getattr(self, name)}")
        for name in ("clean_fraction", "max_skipped"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"{name} must be in 0 .. 1, got {getattr(self, name)!r}")
        for name in ("area", "max_coverage"):
            value = getattr(self, name)
            if value is not None and not 0 < value <= 1:
                raise InputError(f"{name} must be above 0 and at most 1, got {value!r}")

    def _check_mixture(self) -> None:
        """Bring mixture and number of occluders into the one form they have in a manifest."""
        if self.placement == "mixed":
            weights = parse_mix(DEFAULT_MIX if self.mix is None else self.mix)
            text = ",".join(f"{name}={weight:g}" for name, weight in weights.items())
            object.__setattr__(self, "mix", text)
        elif self.mix is not None:
            raise InputError("mix goes with placement 'mixed'")
        fewest, most = parse_counts(self.occluders_per_face)
        object.__setattr__(
            self, "occluders_per_face", fewest if fewest == most else f"{fewest}:{most}"
        )

    def _check_steps(self) -> None:
        """Bring the steps of natural blending into one order."""
        unknown = sorted(set(self.natural_steps) - set(NATURAL_STEPS))
        if unknown:
            steps = ", ".join(NATURAL_STEPS)
            raise InputError(f"natural_steps must be some of {steps}, got {unknown[0]!r}")
        if self.blend != "natural" and set(self.natural_steps) != set(NATURAL_STEPS):
            raise InputError("natural_steps goes with blend 'natural'")
        ordered = tuple(step for step in NATURAL_STEPS if step in self.natural_steps)
        object.__setattr__(self, "natural_steps", ordered)

    @property
    def weights(self) -> dict[str, float]:
        """Weight of each placement one of which is drawn for a face."""
        return {self.placement: 1.0} if self.mix is None else parse_mix(self.mix)

    @property
    def occluder_counts(self) -> tuple[int, int]:
        """Fewest and most occluders of a face that does not stay clean."""
        if isinstance(self.occluders_per_face, int):
            return self.occluders_per_face, self.occluders_per_face
        return parse_counts(self.occluders_per_face)

    @property
    def scales(self) -> tuple[float, ...]:
        """The scales one of which is drawn for a face."""
        return parse_scales(self.scale) if isinstance(self.scale, str) else (float(self.scale),)

    @property
    def name(self) -> str:
        """Name of the set as in the paper: Occ-LFW-2.0, Occ-WebFace, Mix-WebFace."""
        dataset = DATASETS[self.dataset]
        if self.codec == "copy":
            return dataset
        if self.clean_fraction > 0:
            return f"Mix-{dataset}"
        if self.placement == "regions":
            return f"Occ-{dataset}-{self.region or 'regions'}"
        if self.placement in ("landmarks", "mixed"):
            return f"Occ-{dataset}-{self.placement}"
        if self.area is not None:
            return f"Occ-{dataset}-area{self.area:g}"
        return f"Occ-{dataset}-{self.scale}" if len(self.scales) == 1 else f"Occ-{dataset}"

    @property
    def out_path(self) -> Path:
        """Folder of the finished set, in object storage where `out` is a URL."""
        return set_path(self.out if self.out is not None else self.name)

    def for_workers(self) -> "BuildConfig":
        """Return the configuration with absolute paths where workers run in other folders."""
        if self.backend == "loky":
            return self
        paths: dict[str, Any] = {"out": str(self.out_path.absolute())}
        for name in ("root", "probes", "gallery", "occluders"):
            value = getattr(self, name)
            if value is not None and Path(value).exists():
                paths[name] = str(Path(value).absolute())
        return replace(self, **paths)

    def content(self) -> dict[str, Any]:
        """Return what decides the bytes of the set: no paths, jobs, backend, tolerance."""
        record = {key: value for key, value in asdict(self).items() if key not in _RUN_ONLY}
        return record

    def to_json(self) -> str:
        """Return the whole configuration as one line of JSON."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "BuildConfig":
        """Return the configuration that `to_json` wrote.

        Raises
        ------
        InputError
            When the text is not one, or holds unknown fields.
        """
        try:
            record = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise InputError(f"not a configuration: {error}") from error
        known = {field.name for field in fields(cls)}
        if not isinstance(record, dict) or not set(record) <= known:
            unknown = sorted(set(record) - known) if isinstance(record, dict) else "no fields"
            raise InputError(f"not a configuration of this version: {unknown}")
        try:
            return cls(**record)
        except (TypeError, AttributeError, OverflowError) as error:
            raise InputError(f"not a configuration: {error}") from error
