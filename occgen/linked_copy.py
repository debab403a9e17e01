"""A copy of a set by hard links, to change and check before any of it takes the set's place."""

import contextlib
import os
import shutil
from pathlib import Path

from .atomic import cannot_be_written, make_folder, sync_folder
from .errors import ShardError

__all__ = ["LinkedCopy"]


class LinkedCopy:
    """A folder's files under other names; what is written in the copy leaves the folder alone.

    Parameters
    ----------
    original : Path
    copy : Path
        Made; on the same file system. It may lie inside the original, in what `leave` names.
    leave : tuple of str
        Names directly in the original that are not copied.

    Raises
    ------
    ShardError
        When it cannot be made.

    Notes
    -----
    Files of a set are only ever put in their place by renaming, so a link of the old one keeps its
    bytes. Where the file system has no hard links, files are copied.
    """

    def __init__(self, original: Path, copy: Path, leave: tuple[str, ...]) -> None:
        self.original, self.copy = original, copy
        self._stamps: dict[str, tuple[int, int]] = {}
        make_folder(copy)
        for folder, folders, files in os.walk(original, followlinks=True):
            inside = Path(folder).relative_to(original)
            if not inside.parts:
                folders[:] = [name for name in folders if name not in leave]
                files = [name for name in files if name not in leave]
            make_folder(copy / inside)
            for file in files:
                name = inside / file
                _link(original / name, copy / name)
                self._stamps[name.as_posix()] = _stamp(copy / name)

    def install(self, last: str) -> None:
        """Put what changed in the copy into the original, and remove there what is gone here.

        Parameters
        ----------
        last : str
            Name of the file that takes its place after all others.

        Raises
        ------
        ShardError
            When a file cannot be put in its place.
        """
        found = {
            path.relative_to(self.copy).as_posix()
            for path in self.copy.rglob("*")
            if path.is_file()
        }
        changed = {name for name in found if self._stamps.get(name) != _stamp(self.copy / name)}
        for name in sorted(changed, key=lambda name: (name == last, name)):
            path = self.original / name
            make_folder(path.parent)
            try:
                os.replace(self.copy / name, path)
            except OSError as error:
                raise cannot_be_written(path, error) from error
        for name in sorted(self._stamps.keys() - found):
            with contextlib.suppress(FileNotFoundError):
                (self.original / name).unlink()
        sync_folder(self.original)


def _link(path: Path, copy: Path) -> None:
    try:
        try:
            os.link(path.resolve() if path.is_symlink() else path, copy)
        except OSError:
            shutil.copy2(path, copy)
    except OSError as error:
        raise ShardError(
            f"{path} cannot be linked or copied ({error.strerror}); nothing was changed: mend "
            "that and run the same command again"
        ) from error


def _stamp(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_ino, status.st_mtime_ns
