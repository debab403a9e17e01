"""Embeddings of the pictures that several tasks of an evaluation share, each made once."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from occgen.errors import DataError
from occgen.sources import Source
from occgen.synthesis import OccludedFace
from occgen.workshop import fit_image

from .models import Embedder
from .pictures import Occlusion, find_missing, read_pictures

__all__ = ["EmbeddingStore"]

Float32 = NDArray[np.float32]
UInt8 = NDArray[np.uint8]

_NAMED = 5


@dataclass(slots=True)
class _Group:
    """Pictures of one source under one occlusion."""

    source: Source
    occlusion: Occlusion | None
    flip: bool
    rows: dict[str, int] = field(default_factory=dict)
    keys: list[str] = field(default_factory=list)
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
        for key in keys:
            if key not in group.rows:
                group.rows[key] = -1
                group.keys.append(key)

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
        total = done = 0
        total = self.count * len(self.models)
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
            self.failed.update(find_missing(group.source, group.keys))
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
        wanted = [key for key in group.keys if key not in self.failed]

        def note(key: str, face: OccludedFace) -> None:
            group.coverage[key] = face.coverage

        for number, model in enumerate(self.models):
            start = done
            kept: list[str] = []

            def pictures(kept: list[str] = kept, model: Embedder = model) -> Iterator[UInt8]:
                for key, image in read_pictures(
                    group.source,
                    wanted,
                    size=self.size,
                    occlusion=group.occlusion,
                    workers=self._workers,
                    failed=self.failed,
                    on_face=note if number == 0 else None,  # noqa: B023
                ):
                    try:
                        image = image if model.size is None else fit_image(image, *model.size)[0]
                    except DataError as error:
                        self.failed[key] = str(error)
                        continue
                    kept.append(key)
                    yield image

            def tick(count: int, start: int = start) -> None:
                if on_progress is not None:
                    on_progress(start + count, total)

            rows = model.embed(
                pictures(), flip=group.flip, batch_size=self._batch_size, on_progress=tick
            )
            bad = np.flatnonzero(~np.isfinite(rows).all(axis=1))
            if len(bad):
                raise DataError(
                    f"model {model.name} returns numbers that are not finite for {len(bad)} of "
                    f"{len(rows)} pictures, the first {kept[bad[0]]}"
                )
            group.embeddings.append(rows)
            group.rows.update((key, row) for row, key in enumerate(kept))
            done = start + len(group.keys)
        return done


def _group_name(source: Source, occlusion: Occlusion | None, flip: bool) -> Any:
    return id(source), occlusion.label if occlusion is not None else "", flip
