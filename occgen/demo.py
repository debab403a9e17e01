"""Procedural faces with identities: drawn from parameters, show nobody, need no files.

A face is a relief (skull, brow, sockets, nose, cheeks, lips, chin) under layers of albedo (skin,
brows, eyes, lips, hair, beard, marks). An identity fixes the shape and the colour of every part; a
picture adds pose with parallax, expression, light, clothes, background, blur, noise and
compression. It is aligned as a photograph would be: a similarity brings its five points closest
to the template of Sec. 4.2.
"""

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .demo_head import Head
from .demo_person import Person, Picture
from .demo_scene import Scene
from .errors import InputError
from .seeding import Stream

__all__ = ["DemoFace", "DemoFaces"]

_HEADS = 16  # kept painted; about 0.8 MB each

Float32 = NDArray[np.float32]
UInt8 = NDArray[np.uint8]


class DemoFace(NamedTuple):
    """A drawn face with its exact points."""

    image: UInt8
    """(H, W, 3), RGB."""
    landmarks: Float32
    """(5, 2), x and y in pixels: pupils, nose, mouth corners."""


@dataclass(frozen=True)
class DemoFaces:
    """People that do not exist, each in any number of pictures.

    Parameters
    ----------
    identities, images : int, optional
        How many a data set lists; any number above can be drawn as well.
    seed : int, optional
        Another seed gives other people.
    height, width : int, optional
        Of a picture, in pixels.

    Notes
    -----
    Painting a head takes several times as long as picturing it, and the last ones painted are
    kept: ask for the pictures of one person in a row.

    Examples
    --------
    >>> face = DemoFaces().draw(identity=12, image=3)
    >>> face.image.shape, face.landmarks.shape
    ((112, 96, 3), (5, 2))
    """

    identities: int = 1000
    images: int = 4
    seed: int = 0
    height: int = 112
    width: int = 96
    _head: Any = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Set up the store of heads."""
        object.__setattr__(self, "_head", lru_cache(maxsize=_HEADS)(self._paint))

    def __reduce__(self) -> Any:
        """Travel without the heads."""
        return DemoFaces, (self.identities, self.images, self.seed, self.height, self.width)

    def draw(self, identity: int, image: int) -> DemoFace:
        """Return one picture of one person; the same numbers always give the same one.

        Parameters
        ----------
        identity, image : int
            Each at least 0.

        Raises
        ------
        InputError
            When a number is negative.
        """
        scene = self._scene(identity, image)
        return DemoFace(scene.render(), scene.points)

    def landmarks(self, identity: int, image: int) -> Float32:
        """Return the five points of a picture without drawing it, float32 of shape (5, 2)."""
        return self._scene(identity, image).points

    def _scene(self, identity: int, image: int) -> Scene:
        if identity < 0 or image < 0:
            raise InputError(f"identity and image must be >= 0, got {identity}, {image}")
        picture = Picture(Stream(self.seed, f"{identity}/{image}", "demo picture").generator())
        return Scene(self._head(identity), picture, self.height, self.width)

    def _paint(self, identity: int) -> Head:
        return Head(Person(Stream(self.seed, f"{identity}", "demo person").generator()))
