"""The bundled data set: procedural faces, drawn when read. No files, no licence question."""

import re
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ..catalog import CATALOG
from ..codec import encoder
from ..demo import DemoFaces
from ..errors import DataError, InputError
from .base import FaceRef

__all__ = ["DemoSource"]

_QUALITY = 92
_SPEC = re.compile(r"([1-9]\d{0,6})x([1-9]\d{0,4})(?:@(\d{1,9}))?")


class DemoSource:
    """Drawn faces, 112 x 112.

    Parameters
    ----------
    identities, images : int, optional
        How many people, and pictures of each; any number of both, as nothing is drawn before it
        is read: ``DemoSource(identities=10_000, images=20)`` lists 200,000 pictures.
    seed : int, optional
        Another seed gives other people.

    Notes
    -----
    Each person's head is painted once for pictures read in a row, so the order of `refs` is the
    fastest.
    """

    dataset = "demo"
    licence = CATALOG["demo"].licence

    def __init__(self, identities: int = 250, images: int = 4, seed: int = 0) -> None:
        self._faces = DemoFaces(
            identities=identities, images=images, seed=seed, height=112, width=112
        )
        self._identities, self._images = identities, images
        self._prefix = f"person-{seed}-" if seed else "person-"
        self._encode = encoder("jpeg", _QUALITY)

    @classmethod
    def parse(cls, spec: str | None) -> "DemoSource":
        """Return the drawn faces a text names.

        Parameters
        ----------
        spec : str or None
            ``IDENTITIESxIMAGES`` or ``IDENTITIESxIMAGES@SEED``: ``500x16@1`` is sixteen pictures
            each of 500 people of seed 1; None is 250x4.

        Raises
        ------
        InputError
            When the text is of another form.
        """
        if spec is None:
            return cls()
        found = _SPEC.fullmatch(spec)
        if found is None:
            raise InputError(
                f"demo takes --root IDENTITIESxIMAGES[@SEED], such as 500x16 or 200x10@1, "
                f"got {spec!r}"
            )
        identities, images, seed = (int(part or 0) for part in found.groups())
        return cls(identities, images, seed)

    def refs(self) -> Iterator[FaceRef]:
        """Yield every picture once: person by person."""
        for identity in range(self._identities):
            name = f"{self._prefix}{identity:05d}"
            for image in range(self._images):
                yield FaceRef(f"{name}/{image:04d}.jpg", name)

    def count(self) -> int:
        """Return how many references `refs` yields."""
        return self._identities * self._images

    def read(self, key: str) -> bytes:
        """Return a drawn picture as JPEG bytes."""
        return self._encode(self._faces.draw(*self._numbers(key)).image)

    def landmarks(self, key: str, height: int, width: int) -> NDArray[np.float32]:
        """Return the drawing's own five points, float32 of shape (5, 2)."""
        points = self._faces.landmarks(*self._numbers(key))
        return points.astype(np.float32)

    def carried(self) -> dict[str, bytes]:
        """Return nothing: there are no files."""
        return {}

    def check(self) -> None:
        """Return: drawn faces are always there."""

    def _numbers(self, key: str) -> tuple[int, int]:
        try:
            person, _, image = key.removesuffix(".jpg").partition("/")
            identity, number = int(person.removeprefix(self._prefix)), int(image)
        except ValueError as error:
            raise DataError(f"no such drawn face: {key!r}") from error
        if not (0 <= identity < self._identities and 0 <= number < self._images):
            raise DataError(f"no such drawn face: {key!r}")
        return identity, number
