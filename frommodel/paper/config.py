"""What `from-paper` was asked for: frozen, checked when made, handed to worker processes."""

from dataclasses import dataclass, replace
from pathlib import Path

from occgen.errors import InputError

from ..checks import check_choice
from ..json_config import JsonConfig
from ..processor import trains_in_bfloat16
from .experiments import choose_runs
from .presets import Preset, find_preset
from .tables import TABLES, choose_tables

__all__ = ["PRECISIONS", "PaperConfig"]

PRECISIONS = ("float32", "bfloat16")


@dataclass(frozen=True, kw_only=True, slots=True)
class PaperConfig(JsonConfig):
    """The question: which tables, from which data, over how many seeds.

    Parameters
    ----------
    preset : str
        A key of `presets.PRESETS`.
    out : str
        Folder of everything that is made: data trees, runs, tests, tables, figures, page.
    tables : str or None
        Such as ``3,5,library``; None is all.
    runs : str or None
        Only these experiments, such as ``baseline,from``; None is what the tables need.
    seeds : int
        Trainings of each, of seeds `seed`, `seed` + 1 and so on.
    seed : int
        The first; data splits and pairs hang on 100 whatever it is.
    root : str or None
        Of ``real``: a folder with ``lfw`` and ``celeba``. Of ``full``: one with ``webface``,
        ``lfw``, ``mf1``; None is ``$OCCGEN_DATA``.
    occluders : str
        ``bundled``, or a folder: what is pasted in training and tests.
    cutouts : str or None
        A folder of real occluders with mattes.
    models : str or None
        A folder of models to test beside ours: authors' checkpoints, safetensors, ONNX.
    parallel : int
        Trainings and tests at a time, with one thread each where more than one.
    precision : {'float32', 'bfloat16'} or None
        Of the trainings; None is the preset's, but float32 where the processor is slower in
        bfloat16. Runs of another precision are other runs.
    """

    preset: str = "demo"
    out: str
    tables: str | None = None
    runs: str | None = None
    seeds: int = 1
    seed: int = 100
    root: str | None = None
    occluders: str = "bundled"
    cutouts: str | None = None
    models: str | None = None
    parallel: int = 1
    precision: str | None = None

    def __post_init__(self) -> None:
        find_preset(self.preset)
        chosen = choose_tables(self.tables)
        if find_preset(self.preset).small_model is None and all(TABLES[n].small for n in chosen):
            raise InputError(
                f"preset {self.preset} has no small network for table {', '.join(chosen)}; "
                "the real preset has"
            )
        if self.runs is not None:
            choose_runs(self.runs)
        for name, least in (("seeds", 1), ("seed", 0), ("parallel", 1)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise InputError(f"{name} must be a whole number >= {least}, got {value!r}")
        for name in ("root", "cutouts", "models"):
            value = getattr(self, name)
            if value is not None and not Path(value).is_dir():
                raise InputError(f"{name} {value} is no folder")
        if self.occluders != "bundled" and not Path(self.occluders).is_dir():
            raise InputError(f"occluders must be 'bundled' or a folder, got {self.occluders!r}")
        if self.preset == "real" and self.root is None:
            raise InputError("preset real needs --root DIR with lfw/ (folds.csv) and celeba/")
        if self.precision is not None:
            check_choice("precision", self.precision, PRECISIONS)
        if Path(self.out).exists() and not Path(self.out).is_dir():
            raise InputError(f"{self.out} is a file; name a folder to write into")

    @property
    def sizes(self) -> Preset:
        """The preset, at the precision of the trainings."""
        preset = find_preset(self.preset)
        training = {**preset.training, "precision": self.training_precision}
        return replace(preset, training=training)

    @property
    def training_precision(self) -> str:
        """That of the trainings."""
        if self.precision is not None:
            return self.precision
        return "float32" if self.is_slowed else self._preset_precision

    @property
    def is_slowed(self) -> bool:
        """Whether the processor is slower at the preset's precision, so that another is taken."""
        if self.precision is not None or self._preset_precision == "float32":
            return False
        return not trains_in_bfloat16()

    @property
    def _preset_precision(self) -> str:
        return str(find_preset(self.preset).training.get("precision", "float32"))

    @property
    def table_names(self) -> tuple[str, ...]:
        """Tables wanted, in order."""
        return choose_tables(self.tables)

    @property
    def all_seeds(self) -> tuple[int, ...]:
        """Seeds of the trainings."""
        return tuple(range(self.seed, self.seed + self.seeds))

    @property
    def folder(self) -> Path:
        """Where everything is kept."""
        return Path(self.out)
