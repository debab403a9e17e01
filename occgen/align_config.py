"""AlignConfig: where an alignment takes its points from and what it writes, checked when made."""

from dataclasses import dataclass

from .errors import InputError

__all__ = ["DETECTORS", "FACE_CHOICES", "AlignConfig"]

DETECTORS = {
    "insightface": "occgen.detectors:InsightFaceDetector",
    "yunet": "occgen.detectors:YuNetDetector",
    "mtcnn": "frommodel.mtcnn:MtcnnDetector",
}
"""Name to module and class; each is made of the path of its model files."""

FACE_CHOICES = ("largest", "centre", "surest", "only")
_SIZES = {"112x96": (112, 96), "112x112": (112, 112)}


@dataclass(frozen=True, kw_only=True, slots=True)
class AlignConfig:
    """An alignment: where points come from, which face is taken, and what is written.

    Raises
    ------
    InputError
        When a value is out of range, or not exactly one of landmarks, detector and cut is given.
    """

    src: str
    """Folder of photographs, in identity folders or not."""
    out: str
    """Folder of the crops."""
    landmarks: str | None = None
    """File of known points."""
    detector: str | None = None
    """'insightface', 'yunet' or 'mtcnn', in place of a file."""
    weights: str | None = None
    """The detector's model file, or folder."""
    cut: bool = False
    """The pictures are 112x112 crops already: only cut eight columns on each side."""
    size: str = "112x112"
    """'112x112' or '112x96', height x width."""
    face: str = "largest"
    """Of several: 'largest', 'centre' (nearest the middle), 'surest'; 'only' leaves such out."""
    min_score: float = 0.9
    """Least certainty of a detector."""
    min_face: int = 20
    """Least shorter side of a face's box in pixels."""
    max_residual: float = 11.0
    """Largest distance of the fitted points from the template, root mean square in pixels of the
    crop: faces in profile and wrong points are beyond it."""
    codec: str = "jpeg"
    """'jpeg' or 'png'."""
    quality: int = 95
    """Of a JPEG, 1 to 100."""
    limit: int | None = None
    """Only this many pictures, from the first."""
    jobs: int | None = None
    """Worker processes; None for all cores this process may use."""
    backend: str = "loky"
    """What runs the workers: 'loky', 'ray' or 'dask'."""
    address: str | None = None
    """Of a running Ray or Dask cluster."""
    overwrite: bool = False
    """Whether crops of another configuration may be replaced."""

    def __post_init__(self) -> None:
        given = [self.landmarks is not None, self.detector is not None, self.cut]
        if sum(given) != 1:
            raise InputError(
                "points come from one of --landmarks FILE, --detector NAME with --weights PATH, "
                "and --cut (112x112 crops to 112x96)"
            )
        if self.detector is not None and self.weights is None:
            raise InputError(f"detector {self.detector} needs --weights PATH: its model file")
        if self.cut and self.size != "112x96":
            raise InputError("cut makes 112x96 of 112x112 crops: add --size 112x96")
        for name, allowed in (
            ("size", tuple(_SIZES)),
            ("face", FACE_CHOICES),
            ("codec", ("jpeg", "png")),
            ("backend", ("loky", "ray", "dask")),
        ):
            if getattr(self, name) not in allowed:
                raise InputError(
                    f"{name} must be one of {', '.join(allowed)}, got {getattr(self, name)!r}"
                )
        if not 1 <= self.quality <= 100:
            raise InputError(f"quality must be in 1 .. 100, got {self.quality}")
        if not 0 <= self.min_score <= 1:
            raise InputError(f"min_score must be in 0 .. 1, got {self.min_score}")
        if not self.max_residual > 0:
            raise InputError(f"max_residual must be > 0, got {self.max_residual}")

    @property
    def height_width(self) -> tuple[int, int]:
        """Size of the crops."""
        return _SIZES[self.size]
