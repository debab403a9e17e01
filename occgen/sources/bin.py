"""InsightFace verification files as pictures, for occluding them; their pairs go along."""

from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..catalog import CATALOG
from ..errors import DataError, InputError
from ..verification_bin import VerificationPairs, read_verification_bin
from .base import FaceRef, written_since

__all__ = ["BinSource"]


class BinSource:
    """The pictures of one ``.bin``, in its order; picture 2i and 2i + 1 are pair i.

    Parameters
    ----------
    root : Path
        The file, or a folder with only one.
    """

    dataset = "bin"
    licence = CATALOG["bin"].licence

    def __init__(self, root: Path) -> None:
        if root.is_dir():
            found = sorted(root.glob("*.bin"))
            if len(found) != 1:
                names = ", ".join(file.name for file in found[:5]) or "no .bin file"
                raise InputError(f"{root} holds {names}; name one: --root FILE.bin")
            root = found[0]
        self.root = root

    @cached_property
    def pairs(self) -> VerificationPairs:
        """All of the file, read when first asked for."""
        return read_verification_bin(self.root)

    def refs(self) -> Iterator[FaceRef]:
        """Yield every picture once; the file names no identities."""
        for number in range(len(self.pairs.images)):
            yield FaceRef(_key(number), "")

    def count(self) -> int:
        """Return how many references `refs` yields."""
        return len(self.pairs.images)

    def read(self, key: str) -> bytes:
        """Return a picture's encoded bytes."""
        images = self.pairs.images
        number = key.removesuffix(".jpg")
        if not number.isdigit() or int(number) >= len(images):
            raise DataError(f"no such picture: {key!r}")
        return images[int(number)]

    def landmarks(self, key: str, height: int, width: int) -> NDArray[np.float32] | None:
        """Return None: the file holds no points."""
        return None

    def changed_since(self, keys: Iterable[str], when: float) -> bool:
        """Whether the file was written after a time, in seconds since 1970."""
        return written_since([self.root], when)

    def carried(self) -> dict[str, bytes]:
        """Return ``pairs.csv`` with the pairs by key."""
        lines = ["image_a,image_b,same"]
        for pair, same in enumerate(self.pairs.same.tolist()):
            lines.append(f"{_key(2 * pair)},{_key(2 * pair + 1)},{same:d}")
        return {"pairs.csv": ("\n".join(lines) + "\n").encode()}

    def check(self) -> None:
        """Raise DataError where the file cannot be read as pairs of pictures."""
        _ = self.pairs


def _key(number: int) -> str:
    return f"{number:06d}.jpg"
