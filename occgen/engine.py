"""build(): plan shards, run workers, write the manifest last."""

import csv
import io
import json
import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from occluders import OccluderLibrary, open_library

from .atomic import SCRATCH_PREFIX, install_bytes, locked_output, sync_folder, tidy_output
from .card import with_card
from .config import FORMATS, BuildConfig
from .errors import DataError, InputError, ShardError
from .formats import ShardFormat, open_format
from .listing import list_in_workers
from .manifest import (
    CARD,
    MANIFEST,
    SKIPPED,
    canonical,
    file_sha256,
    identity_of,
    manifest_bytes,
    read_manifest,
)
from .pool import run_tasks, until_kept_alive
from .sources import ListedSource, Source, configured_source
from .storage import check_reachable, is_remote, storage_errors
from .summary import Totals, manifest_record
from .tasks import Plan, picture_size
from .worker import check_standing, is_outdated, make_shard
from .workshop import OTHER_SIZE, WorkOrder, narrow_library, work_order

__all__ = [
    "BuildReport",
    "Progress",
    "build",
    "is_built",
    "open_library",
]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """How far a build is; handed to `on_progress` after each shard."""

    images: int
    """Faces done, with those that stood there already."""
    total: int
    """Faces in all."""
    shards: int
    """Shards done."""
    reused: int
    """Faces among `images` that stood there already."""
    elapsed_s: float
    """Since the first shard was begun."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildReport:
    """What a build made."""

    out: Path
    manifest: dict[str, Any] = field(repr=False)
    """The manifest as written."""
    already_complete: bool = False
    """Whether the same set stood there whole, and was left as it is."""
    reused_shards: int = 0
    """Shards of an interrupted run that were taken over."""
    elapsed_s: float = 0.0
    """Wall time of this run."""

    @property
    def images(self) -> int:
        """Faces in the set."""
        return int(self.manifest["images"])

    @property
    def skipped(self) -> int:
        """Pictures left out, as ``skipped.csv`` names them."""
        return int(self.manifest["skipped"])

    @property
    def digest(self) -> str:
        """SHA-256 of the set's contents and settings."""
        return str(self.manifest["digest"])


def build(
    config: BuildConfig,
    on_progress: Callable[[Progress], None] | None = None,
    *,
    recipe: Path | None = None,
) -> BuildReport:
    """Make an occluded set, or what is missing of it (Algorithm 1, Sec. 4.1).

    Parameters
    ----------
    config : BuildConfig
    on_progress : callable, optional
        Called in this process after each shard.
    recipe : Path, optional
        Makes the set of a recipe from exactly its pictures; `occgen.recipe_build.build_from_recipe`
        checks them first.

    Returns
    -------
    BuildReport

    Raises
    ------
    InputError
        When a path is not what it should be, or the output holds another configuration.
    DataError
        When more pictures than `max_skipped` cannot be read, or with `strict` the first.
    ShardError
        When the output cannot be written or is being written; what was complete is kept.
    """
    began = time.monotonic()
    config = config.for_workers()
    source = configured_source(config, recipe or "")
    source.check()
    library = open_library(config.occluders)
    narrow_library(library, config)  # an empty choice fails here, before any work
    job = _Build(config, source, library)
    job.check_apart()
    check_reachable(config.out_path)
    with storage_errors(config.out_path):
        finished = job.finished_before()
        if finished is not None:
            tidy_output(config.out_path)
            return BuildReport(out=config.out_path, manifest=finished, already_complete=True)
        with locked_output(config.out_path) as scratch:
            job.claim()
            manifest, reused = job.run(scratch, on_progress)
    elapsed = time.monotonic() - began
    return BuildReport(
        out=config.out_path, manifest=manifest, reused_shards=reused, elapsed_s=elapsed
    )


def is_built(config: BuildConfig, source: Source, library: OccluderLibrary) -> bool:
    """Whether a whole set of a configuration stands in its output; nothing is written.

    Parameters
    ----------
    config : BuildConfig
    source : Source
    library : OccluderLibrary
        Not narrowed.

    Raises
    ------
    InputError, DataError, ShardError
        Where `build` would refuse the output for what stands there.
    """
    job, out = _Build(config, source, library), config.out_path
    job.check_apart()
    if job.finished_before() is not None:
        return True
    if is_remote(out):
        return False
    folder = out.absolute()
    while not folder.exists():
        folder = folder.parent
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        raise InputError(f"{folder} is no folder that can be written; name another --out")
    if folder == out.absolute():
        job.check_claim()
    return False


class _Build:
    """One build, from the checks of its output to its manifest."""

    def __init__(self, config: BuildConfig, source: Source, library: OccluderLibrary) -> None:
        self.config, self.source, self.library = config, source, library
        self.recipe = source.recipe if isinstance(source, ListedSource) else None
        self.out = config.out_path
        self.format: ShardFormat = open_format(config.format)
        self.identity = json.loads(canonical(identity_of(config, library.digest)))

    def check_apart(self) -> None:
        """Raise InputError where pictures written would be read as the source's own."""
        root = getattr(self.source, "root", None)
        if root is None or self.config.format == "hdf5" or is_remote(self.out):
            return
        if self.out.resolve().is_relative_to(root.resolve()):
            raise InputError(f"{self.out} lies inside the source {root}; name an --out outside it")

    def finished_before(self) -> dict[str, Any] | None:
        """Return the manifest of a whole output of the same configuration, or None."""
        if not (self.out / MANIFEST).is_file():
            return None
        try:
            manifest = read_manifest(self.out)
        except ShardError:
            if self.config.overwrite:
                return None
            raise
        if manifest["config"] != self.identity:
            if self.config.overwrite:
                return None
            raise InputError(self._refusal(manifest["config"]))
        missing = [s["name"] for s in manifest["shards"] if not (self.out / s["name"]).is_file()]
        if missing:
            raise ShardError(
                f"{self.out / missing[0]} is missing from a finished set; "
                "run occgen verify --repair"
            )
        plan = Plan(self.source, self.config)
        for _ in plan.tasks():
            pass
        if plan.fingerprint == manifest["source"]["fingerprint"]:
            skipped = manifest["skipped"]
            if skipped and self.config.overwrite:
                return None  # what was left out may be mended by now
            self._check_skipped(skipped, plan.pictures)
            return manifest
        if self.config.overwrite:
            return None
        raise InputError(
            f"{self.out} was made from {manifest['source']['pictures']} pictures and the source "
            f"now lists {plan.pictures} (or other names); use --overwrite or another --out"
        )

    def _check_skipped(self, skipped: int, pictures: int) -> None:
        """Raise DataError where a finished set left out more than this build allows."""
        config = self.config
        if config.strict and skipped:
            allowed = "--strict"
        elif skipped > config.max_skipped * pictures:
            allowed = f"--max-skipped {config.max_skipped:g}"
        else:
            return
        raise DataError(
            f"{self.out} is complete but for {skipped} of {pictures} pictures, named in "
            f"{self.out / SKIPPED}, more than {allowed} allows; mend them and use --overwrite"
        )

    def _refusal(self, other: dict[str, Any]) -> str:
        if not other:
            return f"{self.out} holds shards that cannot be read; use --overwrite or another --out"
        names = sorted(k for k in self.identity if self.identity[k] != other.get(k))
        shown = ", ".join(f"{k} {other.get(k)!r} not {self.identity[k]!r}" for k in names[:3])
        more = ", ..." if len(names) > 3 else ""
        return (
            f"{self.out} holds a set of another configuration ({shown}{more}); "
            "use --overwrite or another --out"
        )

    def check_claim(self) -> dict[str, Any] | None:
        """Return the configuration of what stands there unfinished; raise where it is not ours."""
        ours = {MANIFEST, SKIPPED, CARD, ".lock", *self.source.carried()}
        for entry in sorted(self.out.iterdir()):
            known = entry.name in ours or entry.name.startswith(SCRATCH_PREFIX)
            if not known and not any(open_format(f).owns(entry.name) for f in FORMATS):
                raise InputError(
                    f"{self.out} holds {entry.name}, which no build made; name another --out"
                )
        standing = self._standing_identity()
        if standing is not None and standing != self.identity and not self.config.overwrite:
            raise InputError(self._refusal(standing))
        return standing

    def claim(self) -> None:
        """Make the output this build's: take over, clear, or refuse what stands there."""
        standing = self.check_claim()
        if (self.out / MANIFEST).exists() and not self.config.overwrite:
            return
        goes_on = standing == self.identity and not (self.out / MANIFEST).exists()
        if not goes_on or (self.config.overwrite and not self._fits_source()):
            for name in (MANIFEST, SKIPPED, CARD):
                (self.out / name).unlink(missing_ok=True)
            for name in FORMATS:
                open_format(name).clear(self.out)

    def _standing_identity(self) -> dict[str, Any] | None:
        """Return the configuration of an unfinished output, None where no shard stands."""
        found = None
        for name in FORMATS:
            form = open_format(name)
            for index in form.indices(self.out):
                try:
                    found = json.loads(form.read(self.out, index)[1]["config"])
                    return found if isinstance(found, dict) else {}
                except (ShardError, KeyError, ValueError, TypeError):
                    found = {}  # damaged: another may tell
        return found

    def _fits_source(self) -> bool:
        """Whether the shards that stand hold what the source lists now."""
        size = picture_size(self.config, self.source)
        standing = set(self.format.indices(self.out))
        for task in Plan(self.source, self.config).tasks():
            if task.index not in standing:
                continue
            standing.discard(task.index)
            try:
                columns, attributes = self.format.read(self.out, task.index)
            except ShardError:
                continue  # damaged: made again in its turn
            try:
                check_standing(str(task.index), columns, attributes, task, self.config, size)
            except ShardError:
                return False
            found = self.format.find(self.out, task.index)
            if found is not None and is_outdated(self.source, self.out / found.name, task):
                return False
        return not standing

    def run(
        self, scratch: Path, on_progress: Callable[[Progress], None] | None
    ) -> tuple[dict[str, Any], int]:
        """Make the shards and the manifest; return it, and how many shards stood already."""
        height, width = size = picture_size(self.config, self.source)
        order = work_order(self.config, self.library, size, scratch=scratch, recipe=self.recipe)

        def attempt() -> tuple[Plan, Totals]:
            listing = list_in_workers(self.config, self.source)
            plan = Plan(self.source, self.config, listing)
            return plan, self._gather(order, plan, on_progress)

        plan, totals = until_kept_alive(attempt, lambda: len(self.format.indices(self.out)))
        self._check_none_beyond(len(totals))
        skipped = totals.skipped()
        self._write_skipped(skipped, scratch)
        if len(skipped) > self.config.max_skipped * plan.pictures:
            key, reason = skipped[0]
            hint = ""
            if self.config.image_size == "source" and any(OTHER_SIZE in why for _, why in skipped):
                hint = "; the set has the size of its first picture, --image-size sets another"
            raise DataError(
                f"{len(skipped)} of {plan.pictures} pictures cannot be used (first: {key}: "
                f"{reason}), more than --max-skipped {self.config.max_skipped:g} allows; all are "
                f"named in {self.out / SKIPPED} and what was made is kept{hint}"
            )
        extra = self._carry(scratch) + self.format.finish(self.out, scratch, len(totals))
        names = [*extra, *([SKIPPED] if (self.out / SKIPPED).exists() else [])]
        manifest = manifest_record(
            self.config,
            self.identity,
            totals,
            plan,
            library=self.library,
            licence=self.source.licence,
            size=(height, width),
            files={name: file_sha256(self.out / name) for name in names},
        )
        manifest = with_card(self.out, manifest, scratch)
        install_bytes(self.out / MANIFEST, manifest_bytes(manifest), scratch)
        sync_folder(self.out)
        return read_manifest(self.out), totals.reused_shards

    def _gather(
        self,
        order: WorkOrder,
        plan: Plan,
        on_progress: Callable[[Progress], None] | None,
    ) -> Totals:
        total = 0 if on_progress is None else plan.expected()
        began = time.monotonic()
        totals, outdated = Totals(), []
        for report in run_tasks(make_shard, self.config, order, plan.tasks()):
            totals.add(report)
            if report.is_outdated:
                outdated.append(report.name)
            if on_progress is not None:
                elapsed = time.monotonic() - began
                on_progress(
                    Progress(
                        images=totals.images,
                        total=total,
                        shards=len(totals),
                        reused=totals.reused_images,
                        elapsed_s=elapsed,
                    )
                )
        if outdated:
            _log.warning(
                "%s stood already, and pictures of %d such shards were written later; if they are "
                "others now, use --overwrite to make the set anew",
                min(outdated),
                len(outdated),
            )
        return totals

    def _check_none_beyond(self, count: int) -> None:
        beyond = [index for index in self.format.indices(self.out) if index >= count]
        if beyond:
            raise ShardError(
                f"{self.out} holds shard {beyond[0]} where the source now fills {count}: the "
                "source changed since the build began; use --overwrite to make the set anew"
            )

    def _write_skipped(self, skipped: list[tuple[str, str]], scratch: Path) -> None:
        if not skipped:
            (self.out / SKIPPED).unlink(missing_ok=True)
            return
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerows([("key", "reason"), *skipped])
        install_bytes(self.out / SKIPPED, text.getvalue().encode("utf-8"), scratch)

    def _carry(self, scratch: Path) -> list[str]:
        carried = self.source.carried()
        for name, data in carried.items():
            install_bytes(self.out / name, data, scratch)
        return list(carried)
