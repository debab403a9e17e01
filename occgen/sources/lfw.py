"""Labeled Faces in the Wild: aligned crops in identity folders, with the official pairs."""

import itertools
from pathlib import Path

from ..catalog import CATALOG
from ..codec import read_size
from ..errors import DataError, InputError
from .folder import FolderSource

__all__ = ["LfwSource"]


class LfwSource(FolderSource):
    """Aligned crops of LFW, ``Name/Name_0001.jpg``.

    Parameters
    ----------
    root : Path
        Holds a folder for each person, and ``pairs.txt`` or ``pairs.csv`` where pairs are wanted.
    """

    dataset = "lfw"
    licence = CATALOG["lfw"].licence

    def __init__(self, root: Path) -> None:
        super().__init__(root)

    def check(self) -> None:
        """Raise InputError when the pictures are the 250x250 originals, not aligned crops."""
        super().check()
        for ref in itertools.islice(self.refs(), 20):
            try:
                size = read_size(self.read(ref.key))
            except DataError:
                continue
            if size == (250, 250):
                raise InputError(
                    f"{self.root} holds LFW's 250x250 originals ({ref.key}); "
                    "align them first: occgen align SRC OUT, then --root OUT"
                )
            return
