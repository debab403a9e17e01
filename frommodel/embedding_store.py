"""Embeddings of the pictures that several tasks of an evaluation share, each made once."""

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from occgen.errors import DataError
from occgen.sources import Source
from occgen.synthesis import OccludedFace
from occgen.workshop import fit_image

from .models import Embedder
from .pictures import Occlusion, Resizing, find_missing, read_pictures

__all__ = ["EmbeddingStore"]

Float32 = NDArray[np.float32]
UInt8 = NDArray[np.uint8]

_NAMED = 5
_CHUNK_BATCHES = 4  # held decoded at a time


@dataclass(slots=True)
class _Group:
    """Pictures of one source under one occlusion."""

    source: Source
    occlusion: Occlusion | None
    flip: bool
    rows: dict[str, int] = field(default_factory=dict)
    keys: dict[str, None] = field(default_factory=dict)
    embeddings: list[Float32] = field(default_factory=list)
    coverage: dict[str, float] = field(default_factory=dict)


class EmbeddingStore:
    """Ask for pictures first, embed all, then take rows.

    Parameters
    ----------
    models : sequence of Embedder
        Each embeds the very same pictures, which are read once.
    size : tuple of int, optional
        Height and width at which pictures are occluded; None leaves them as they are.
    batch_size, workers : int, optional
    allow_missing : bool, optional
        Note pictures that cannot be used in `failed` in place of an error.

    Attributes
    ----------
    failed : dict of str to str
        Key and reason.
    notes : dict of str to None
        What was resized, as warnings.
    """

    def __init__(
        self,
        models: Sequence[Embedder],
        *,
        size: tuple[int, int] | None = None,
        batch_size: int = 64,
        workers: int = 2,
        allow_missing: bool = False,
    ) -> None:
        self.models, self.size = tuple(models), size
        self.failed: dict[str, str] = {}
        self.notes: dict[str, None] = {}
        self._batch_size, self._workers = batch_size, workers
        self._allow_missing = allow_missing
        self._groups: dict[Any, _Group] = {}

    def ask(
        self,
        source: Source,
        keys: Iterable[str],
        occlusion: Occlusion | None = None,
        flip: bool = False,
    ) -> None:
        """Note pictures that will be wanted."""
        name = _group_name(source, occlusion, flip)
        group = self._groups.setdefault(name, _Group(source, occlusion, flip))
        group.keys.update(dict.fromkeys(keys))

    @property
    def count(self) -> int:
        """Pictures asked for."""
        return sum(len(group.keys) for group in self._groups.values())

    def embed(self, on_progress: Callable[[int, int], None] | None = None) -> None:
        """Embed everything asked for.

        Raises
        ------
        DataError
            For pictures that are missing or cannot be used, unless they may be; and for a model
            that returns numbers which are not finite.
        """
        self._check_missing()
        done, total = 0, self.count
        for group in self._groups.values():
            done = self._embed_group(group, done, total, on_progress)
        if self.failed and not self._allow_missing:
            raise DataError(self._failure("cannot be used"))

    def take(
        self,
        model: int,
        source: Source,
        keys: Sequence[str],
        occlusion: Occlusion | None = None,
        flip: bool = False,
    ) -> Float32:
        """Return the embeddings of a model for keys that did not fail, (N, E)."""
        group = self._groups[_group_name(source, occlusion, flip)]
        return group.embeddings[model][[group.rows[key] for key in keys]]

    def coverage(
        self, source: Source, keys: Sequence[str], occlusion: Occlusion, flip: bool = False
    ) -> NDArray[np.float64]:
        """Return the share of each picture inside the occlusion's box, (N,)."""
        group = self._groups[_group_name(source, occlusion, flip)]
        return np.array([group.coverage[key] for key in keys], np.float64)

    def _check_missing(self) -> None:
        for group in self._groups.values():
            self.failed.update(find_missing(group.source, list(group.keys)))
        if self.failed and not self._allow_missing:
            raise DataError(self._failure("are missing"))

    def _failure(self, what: str) -> str:
        named = [f"{key} ({reason})" for key, reason in list(self.failed.items())[:_NAMED]]
        more = f" and {len(self.failed) - _NAMED} more" if len(self.failed) > _NAMED else ""
        return (
            f"{len(self.failed)} of {self.count} pictures {what}: {', '.join(named)}{more}; "
            "--allow-missing leaves out what needs them, counted and named"
        )

    def _embed_group(
        self,
        group: _Group,
        done: int,
        total: int,
        on_progress: Callable[[int, int], None] | None,
    ) -> int:
        def note(key: str, face: OccludedFace) -> None:
            group.coverage[key] = face.coverage

        keys = [key for key in group.keys if key not in self.failed]
        resizing = Resizing.of_set(group.source, keys)
        pictures = read_pictures(
            group.source,
            keys,
            size=self.size,
            occlusion=group.occlusion,
            workers=self._workers,
            failed=self.failed,
            resizing=resizing,
            on_face=note,
        )
        fitting = ((key, image) for key, image in pictures if self._fits(key, image))
        rows: list[list[Float32]] = [[] for _ in self.models]
        while chunk := list(itertools.islice(fitting, _CHUNK_BATCHES * self._batch_size)):
            keys = [key for key, _ in chunk]
            for number, model in enumerate(self.models):
                rows[number].append(self._embed_chunk(model, chunk, group.flip))
                if on_progress is not None:
                    part = len(keys) * (number + 1) // len(self.models)
                    on_progress(done + part, total)
            group.rows.update(zip(keys, itertools.count(len(group.rows)), strict=False))
            done += len(keys)
        if self.size is not None and (said := resizing.note(*self.size)):
            self.notes[said] = None
        for parts in rows:
            group.embeddings.append(
                np.concatenate(parts) if parts else np.empty((0, 0), np.float32)
            )
        return done

    def _fits(self, key: str, image: UInt8) -> bool:
        """Return whether every model takes a picture of that size, and note one that does not."""
        for model in self.models:
            if model.size is not None:
                try:
                    fit_image(image, *model.size)
                except DataError as error:
                    self.failed[key] = str(error)
                    return False
        return True

    def _embed_chunk(
        self, model: Embedder, chunk: Sequence[tuple[str, UInt8]], flip: bool
    ) -> Float32:
        rows = model.embed((image for _, image in chunk), flip=flip, batch_size=self._batch_size)
        bad = np.flatnonzero(~np.isfinite(rows).all(axis=1))
        if len(bad):
            raise DataError(
                f"model {model.name} returns numbers that are not finite, the first for "
                f"{chunk[bad[0]][0]}"
            )
        return rows


def _group_name(source: Source, occlusion: Occlusion | None, flip: bool) -> Any:
    return id(source), occlusion.label if occlusion is not None else "", flip
