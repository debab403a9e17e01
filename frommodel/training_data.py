"""What a run trains on and is validated with: names and paths, opened together."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

from occgen.errors import InputError

from .faces import Faces, hold, open_faces
from .mixture import Mixture

__all__ = ["TrainingData"]

_VALIDATION_CACHE = 20_000  # drawn pictures are held for validation up to this many


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingData:
    """Sets to train on, their shares, and identities to validate with.

    Parameters
    ----------
    data : tuple of str
        Finished builds, folders, ``.rec`` files, or names of data sets.
    roots : tuple of str or None
        Where named data sets lie, one for each of `data`; shorter is filled with None.
    mix : tuple of float or None
        Share of each set in an epoch: ``(1, 2)`` for clean and occluded faces.
    validate : str or None
        Data of other identities, for pairs.
    validate_root : str or None
    holdout : float
        Share of identities kept back for validation instead, in [0, 1).
    cache : bool
        Hold encoded pictures in memory: for drawn faces, or a slow disk.
    """

    data: tuple[str, ...]
    roots: tuple[str | None, ...] = ()
    mix: tuple[float, ...] | None = None
    validate: str | None = None
    validate_root: str | None = None
    holdout: float = 0.0
    cache: bool = False

    def __post_init__(self) -> None:
        for name in ("data", "roots", "mix"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, tuple(value))
        if not self.data:
            raise InputError("no data to train on: name shards, a folder or a data set")
        if len(self.roots) > len(self.data):
            raise InputError(f"{len(self.roots)} roots for {len(self.data)} sets of data")
        if not 0 <= self.holdout < 1:
            raise InputError(f"holdout must be in [0, 1), got {self.holdout}")
        if self.holdout and self.validate is not None:
            raise InputError("holdout and validate are two ways of one thing: give one of them")

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for the run's record."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: Any) -> Self:
        """Return what `to_dict` gave.

        Raises
        ------
        InputError
            For anything else.
        """
        try:
            return cls(**values)
        except TypeError as error:
            raise InputError(f"the record of the run's data does not hold: {error}") from error

    def open(
        self,
        seed: int,
        processes: int = 1,
        on_progress: Callable[[str, int, int], None] | None = None,
    ) -> tuple[Mixture, Mixture | None]:
        """Return what to train on, and what to validate with.

        Parameters
        ----------
        seed : int
            Of the choice of identities held out.
        processes : int, optional
            That fill the cache.
        on_progress : callable, optional
            Called with the set's name, pictures read and pictures in all while the cache is filled.

        Returns
        -------
        mixture : Mixture
        validation : Mixture or None

        Raises
        ------
        InputError
            When data are missing, or an identity is in both.
        """
        roots = (*self.roots, *[None] * (len(self.data) - len(self.roots)))
        parts = [open_faces(data, root) for data, root in zip(self.data, roots, strict=True)]
        other = None
        if self.validate is not None:
            other = open_faces(self.validate, self.validate_root)
            names = {name for part in parts for name in part.identity_names}
            both = names & set(other.identity_names)
            if both:
                raise InputError(
                    f"{len(both)} identities are in the data and in {other.name} both, such as "
                    f"{min(both)!r}: validate on people who are not trained on"
                )
        Mixture(parts, self.mix)  # what does not fit is told before any picture is read
        if self.cache:
            parts = [self._hold(part, processes, on_progress) for part in parts]
            if other is not None and len(other) <= _VALIDATION_CACHE:
                other = self._hold(other, processes, on_progress)
        mixture = Mixture(parts, self.mix)
        if self.holdout:
            return mixture.hold_out(self.holdout, seed)
        return mixture, None if other is None else Mixture([other])

    @staticmethod
    def _hold(
        faces: Faces, processes: int, on_progress: Callable[[str, int, int], None] | None
    ) -> Faces:
        total = len(faces)
        tell = None if on_progress is None else lambda done: on_progress(faces.name, done, total)
        return hold(faces, processes, tell)
