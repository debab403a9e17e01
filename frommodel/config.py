"""What a model is and how it is trained: frozen, checked when made, kept in every checkpoint."""

from dataclasses import dataclass, field
from typing import ClassVar

from occgen.config import BuildConfig
from occgen.errors import InputError
from occgen.notation import take_categories
from occgen.patterns import PatternGrid

from .architectures import BACKBONES
from .checks import check_choice, check_flag, check_number, check_whole
from .json_config import JsonConfig

__all__ = ["ModelConfig", "TrainConfig"]

_MASKS = ("3d", "2d", "fc", "none")
_PREDICTORS = ("classification", "regression", "none")
_BOX_UNITS = ("fraction", "pixel")
_SCHEDULES = ("steps", "cosine")
_PRECISIONS = ("float32", "bfloat16", "float16")
_MINIMUM_SIDE = 32


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelConfig(JsonConfig):
    """Which network: its parts, sizes and options.

    Parameters
    ----------
    backbone : str
        One of `architectures.BACKBONES`.
    k : int
        Cells on each side of the pattern grid.
    height, width : int
        Size of the aligned crop in pixels, at least 32 each.
    embedding_size : int
        Elements of the embedding.
    mask : str
        ``3d`` (the paper's), ``2d``, ``fc`` (on the embedding) or ``none`` (Table 7).
    predictor : str
        ``classification`` of the pattern, ``regression`` of the box, or ``none``.
    dropout : float
        Probability in embedding head and predictor, in [0, 1).
    pyramid_channels : int or None
        Width of the feature pyramid; None is the backbone's own (256 for the paper's).
    mask_threshold : float or None
        Binarise masks here at inference, in (0, 1) (Table 2); None leaves them soft.
    published_layout : bool
        Carry the pyramid levels of the published network that never reach its output.
    box_unit : str or None
        Of a regressed box: ``fraction`` of the sides or ``pixel``; None where it is not known.
    """

    _later: ClassVar[tuple[str, ...]] = ("box_unit",)

    backbone: str = "lresnet50e_ir"
    k: int = 5
    height: int = 112
    width: int = 96
    embedding_size: int = 512
    mask: str = "3d"
    predictor: str = "classification"
    dropout: float = 0.5
    pyramid_channels: int | None = None
    mask_threshold: float | None = None
    published_layout: bool = False
    box_unit: str | None = None

    def __post_init__(self) -> None:
        check_choice("backbone", self.backbone, tuple(BACKBONES))
        check_choice("mask", self.mask, _MASKS)
        check_choice("predictor", self.predictor, _PREDICTORS)
        check_whole("height", self.height, _MINIMUM_SIDE)
        check_whole("width", self.width, _MINIMUM_SIDE)
        check_whole("embedding_size", self.embedding_size, 1)
        check_whole("k", self.k, 1)
        PatternGrid(self.k, self.height, self.width)
        check_number("dropout", self.dropout, 0.0, below=1.0)
        if self.pyramid_channels is not None:
            check_whole("pyramid_channels", self.pyramid_channels, 1)
        if self.mask_threshold is not None:
            check_number("mask_threshold", self.mask_threshold, above=0.0, below=1.0)
        check_flag("published_layout", self.published_layout)
        if self.box_unit is not None:
            check_choice("box_unit", self.box_unit, _BOX_UNITS)
            if self.predictor != "regression":
                raise InputError("box_unit of a model goes with predictor 'regression'")
        if self.mask == "none":
            if self.predictor != "none":
                raise InputError(
                    "a pattern predictor reads the mask: with mask 'none' predictor must be "
                    f"'none', got {self.predictor!r}"
                )
            if self.mask_threshold is not None:
                raise InputError("mask_threshold needs a mask, got mask 'none'")

    @property
    def num_outputs(self) -> int:
        """Outputs of the predictor: patterns of the grid, 4 for regression, 0 without one."""
        if self.predictor == "classification":
            return PatternGrid(self.k, self.height, self.width).num_patterns
        return 4 if self.predictor == "regression" else 0

    @property
    def feature_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of C5, the last stage's output."""
        architecture = BACKBONES[self.backbone]
        return architecture.channels[-1], *architecture.feature_size(self.height, self.width)


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainConfig(JsonConfig):
    """How a model is trained: data mixture, losses, schedule and arithmetic.

    Parameters
    ----------
    model : ModelConfig
        The network.
    recipe : str
        Name of the recipe this was made from, for the record.
    epochs : int
        Passes over the training images.
    batch_size : int
        Images a step, over all ranks and accumulated parts together.
    learning_rate : float
        Of SGD at the start.
    schedule : str
        ``steps`` (x `gamma` at each of `milestones`) or ``cosine`` (to zero at the end).
    milestones : tuple of int
        Epochs after which the rate drops, rising.
    gamma : float
        Factor of a drop, in (0, 1].
    warmup_epochs : float
        Epochs over which the rate rises linearly from zero.
    momentum : float
        Of SGD, in [0, 1).
    weight_decay : float
        Of SGD, on every parameter.
    s, m1, m2, m3 : float
        Scale and the three margins of Eq. 1.
    pattern_weight : float
        Lambda of Eq. 6.
    soft_patterns : float or None
        Temperature of soft pattern targets by IoU; None trains on the label alone (the paper's).
    balance_patterns : float
        Draw images by (count of their pattern) ** -balance; 0 draws evenly (the paper's).
    occlude : str or None
        Scale or range of Algorithm 1 for occlusion drawn anew each epoch; None leaves images alone.
    clean_fraction : float
        Share of images left clean where `occlude` is given, in [0, 1].
    placement : str
        Where occluders go: ``random`` (Algorithm 1), ``regions``, ``landmarks`` or ``mixed``.
    placement_mix : str or None
        Weights of ``mixed`` placement: ``random=1,landmarks=2``; None is the engine's.
    occluders_per_face : int or str
        A number, or ``fewest:most``.
    blend : str
        How they are pasted: ``opaque`` (the rectangle, as published), ``alpha`` (the matte) or
        ``natural`` (the matte, matched to the picture).
    occluders : str
        ``bundled``, or a directory of occluders.
    categories : tuple of str or None
        Only these, ``hand=4`` drawn by its weight; None is all.
    group : int or None
        Only occluder group 1, 2 or 3 (Sec. 4.8).
    split : str or None
        Only one of the library's splits, such as ``train``.
    include_occluders, exclude_occluders : tuple of str
        Names, categories or patterns (``book/*``): kept alone where there are any, or left out.
    label_by : str
        Patterns by ``box`` (the paper's) or by ``mask``.
    box_unit : str
        Of a regression's targets: ``fraction`` of the sides, or ``pixel`` (Sec. 3.4.3).
    augment : bool
        The paper's clean augmentation: random resize, colour jitter 0.125, random crop, flip.
    init : str or None
        Weights to start from; ``None`` starts from random ones.
    teacher : str or None
        A frozen network whose embedding of the clean view the network learns to give for the
        occluded one; not in the paper.
    teacher_weight : float
        Of that loss, 1 - cosine.
    seed : int
        Of weights, order, augmentation and occlusion.
    precision : str
        ``float32``, ``bfloat16`` or ``float16`` (with loss scaling).
    channels_last : bool
        Memory layout of images and weights.
    compile : bool
        Compile the step.
    accumulate : int
        Parts a batch is split into.
    clip_norm : float or None
        Largest gradient norm; None does not clip.
    classifier : str
        ``full``: every rank holds all centres; ``sharded``: they are dealt over the ranks.
    negative_fraction : float
        Share of identities sampled as negatives, in (0, 1]; 1 uses all. Below 1 the classifier
        must be sharded.
    validate_every : int
        Epochs between validations; 0 is never.
    """

    _later: ClassVar[tuple[str, ...]] = ("include_occluders", "exclude_occluders")

    model: ModelConfig = field(default_factory=ModelConfig)
    recipe: str = "from"
    epochs: int = 40
    batch_size: int = 512
    learning_rate: float = 0.01
    schedule: str = "steps"
    milestones: tuple[int, ...] = (10, 25)
    gamma: float = 0.1
    warmup_epochs: float = 0.0
    momentum: float = 0.9
    weight_decay: float = 5e-4
    s: float = 30.0
    m1: float = 1.0
    m2: float = 0.0
    m3: float = 0.35
    pattern_weight: float = 1.0
    soft_patterns: float | None = None
    balance_patterns: float = 0.0
    occlude: str | None = "1.0:0.5:5.0"
    clean_fraction: float = 1 / 3
    placement: str = "random"
    placement_mix: str | None = None
    occluders_per_face: int | str = 1
    blend: str = "alpha"
    occluders: str = "bundled"
    categories: tuple[str, ...] | None = None
    group: int | None = None
    split: str | None = None
    include_occluders: tuple[str, ...] = ()
    exclude_occluders: tuple[str, ...] = ()
    label_by: str = "box"
    box_unit: str = "fraction"
    augment: bool = True
    init: str | None = None
    teacher: str | None = None
    teacher_weight: float = 20.0
    seed: int = 100
    precision: str = "float32"
    channels_last: bool = True
    compile: bool = False
    accumulate: int = 1
    clip_norm: float | None = None
    classifier: str = "full"
    negative_fraction: float = 1.0
    validate_every: int = 1

    def __post_init__(self) -> None:
        model: object = self.model
        if isinstance(model, dict):  # as read from JSON
            object.__setattr__(self, "model", ModelConfig.from_dict(model))
        elif not isinstance(model, ModelConfig):
            raise InputError(f"model must be a ModelConfig, got {type(model).__name__}")
        self._check_schedule()
        self._check_losses()
        self._check_data()
        check_choice("precision", self.precision, _PRECISIONS)
        check_whole("accumulate", self.accumulate, 1)
        if self.batch_size % self.accumulate:
            raise InputError(
                f"batch_size must be a multiple of accumulate, got {self.batch_size} "
                f"and {self.accumulate}"
            )
        if self.clip_norm is not None:
            check_number("clip_norm", self.clip_norm, above=0.0)
        for name in ("augment", "channels_last", "compile"):
            check_flag(name, getattr(self, name))

    def _check_schedule(self) -> None:
        check_whole("epochs", self.epochs, 1)
        check_whole("batch_size", self.batch_size, 2)
        check_whole("validate_every", self.validate_every, 0)
        check_number("learning_rate", self.learning_rate, above=0.0)
        check_choice("schedule", self.schedule, _SCHEDULES)
        if not isinstance(self.milestones, list | tuple):
            raise InputError(f"milestones must be a list of epochs, got {self.milestones!r}")
        object.__setattr__(self, "milestones", tuple(self.milestones))
        for milestone in self.milestones:
            check_whole("milestones", milestone, 1)
        if any(a >= b for a, b in zip(self.milestones, self.milestones[1:], strict=False)):
            raise InputError(f"milestones must rise, got {self.milestones}")
        check_number("gamma", self.gamma, above=0.0, high=1.0)
        check_number("warmup_epochs", self.warmup_epochs, 0.0)
        check_number("momentum", self.momentum, 0.0, below=1.0)
        check_number("weight_decay", self.weight_decay, 0.0)
        check_whole("seed", self.seed, 0)

    def _check_losses(self) -> None:
        check_number("s", self.s, above=0.0)
        check_number("m1", self.m1, above=0.0)
        check_number("m2", self.m2, 0.0)
        check_number("m3", self.m3, 0.0)
        check_number("pattern_weight", self.pattern_weight, 0.0)
        if self.soft_patterns is not None:
            check_number("soft_patterns", self.soft_patterns, above=0.0)
            if self.label_by == "mask":
                raise InputError("soft_patterns go with label_by 'box'")
        check_number("teacher_weight", self.teacher_weight, 0.0)
        check_choice("classifier", self.classifier, ("full", "sharded"))
        check_number("negative_fraction", self.negative_fraction, above=0.0, high=1.0)
        if self.negative_fraction < 1 and self.classifier != "sharded":
            raise InputError("negative_fraction below 1 needs classifier 'sharded'")

    def _check_data(self) -> None:
        check_number("balance_patterns", self.balance_patterns, 0.0, high=1.0)
        check_number("clean_fraction", self.clean_fraction, 0.0, high=1.0)
        check_choice("label_by", self.label_by, ("box", "mask"))
        check_choice("box_unit", self.box_unit, _BOX_UNITS)
        object.__setattr__(self, "categories", take_categories(self.categories))
        for name in ("include_occluders", "exclude_occluders"):
            value = getattr(self, name)
            values = (value,) if isinstance(value, str) else tuple(value)
            object.__setattr__(self, name, values)
        for name in ("occlude", "init", "teacher"):
            value = getattr(self, name)
            if value is not None and not isinstance(value, str):
                raise InputError(f"{name} must be text or None, got {value!r}")
        if not isinstance(self.recipe, str):
            raise InputError(f"recipe must be text, got {self.recipe!r}")
        if self.occlude is not None:
            self.occlusion()

    def occlusion(self) -> BuildConfig:
        """Return the engine's configuration of the occlusion drawn while training."""
        return BuildConfig(
            dataset="demo",  # not read: pictures come from the training sets
            scale=self.occlude or 1.0,
            clean_fraction=self.clean_fraction,
            placement=self.placement,
            mix=self.placement_mix,
            occluders_per_face=self.occluders_per_face,
            blend=self.blend,
            occluders=self.occluders,
            categories=self.categories,
            group=self.group,
            split=self.split,
            include_occluders=self.include_occluders,
            exclude_occluders=self.exclude_occluders,
            by=self.label_by,
            k=self.model.k,
            seed=self.seed,
        )
