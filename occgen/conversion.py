"""convert(): a data set or a finished set in another format; pictures keep their bytes."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np

from .atomic import SCRATCH_PREFIX, install_bytes, locked_output, sync_folder, tidy_output
from .card import with_card
from .columns import Columns, content_digest
from .config import FORMATS, BuildConfig
from .engine import BuildReport, Progress, build
from .errors import DataError, InputError, ShardError
from .formats import ShardFormat, StoredShard, open_format
from .manifest import (
    CARD,
    MANIFEST,
    SKIPPED,
    build_digest,
    canonical,
    file_sha256,
    manifest_bytes,
    read_manifest,
)
from .pool import run_tasks, until_kept_alive
from .sources import guess_dataset
from .storage import check_reachable, set_path, storage_errors

__all__ = ["convert", "plain_config"]

_ORDER = (  # of columns in a shard, and of its attributes, as a build writes them
    *("image/data", "image/offset", "image/crc32", "box", "paste/offset", "paste/box"),
    *("paste/category", "paste/occluder", "paste/scale", "mask/data", "mask/offset", "mask/crc32"),
    *("pattern/", "identity", "identity_name", "key", "category", "occluder", "scale"),
    *("coverage", "mask_coverage", "landmarks", "skipped/key", "skipped/reason"),
)
_ATTRIBUTES = ("schema", "height", "width", "k", "codec", "by", "blend", "categories", "config")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Order:
    """What all shards of one conversion have in common."""

    path: str
    source_format: str
    out: str
    scratch: str
    format: str
    config: str
    """What the set's shards say of how it was made, as canonical JSON."""


class _Task(NamedTuple):
    """A shard, and what its content must be."""

    number: int
    content_sha256: str
    images: int


class _Done(NamedTuple):
    """A shard that stands in the new format."""

    task: _Task
    stored: StoredShard
    reused: bool


def convert(
    path: Path,
    config: BuildConfig,
    on_progress: Callable[[Progress], None] | None = None,
) -> BuildReport:
    """Write what a path holds in another format; no picture is encoded again.

    Parameters
    ----------
    path : Path
        A finished set, which keeps its labels, boxes, masks and names; or a data set (identity
        folders, a list, ``.rec``, ``.bin``, tars, Parquet), which becomes a set of clean faces.
    config : BuildConfig
        As `plain_config` makes it; of a finished set it gives only `out`, `format`, `jobs` and
        `overwrite`.
    on_progress : callable, optional
        Called in this process after each shard.

    Returns
    -------
    BuildReport
        Its digest is that of the same set built in this format.

    Raises
    ------
    InputError
        When a path is not what it should be, or the output holds another set.
    DataError
        When too many pictures of a data set cannot be read.
    ShardError
        When a shard is damaged, or the output cannot be written; what was complete is kept.
    """
    if config.out_path.resolve() == path.resolve():
        raise InputError(f"{path} cannot be converted into itself; name another folder")
    if not (path / MANIFEST).is_file():
        return build(config, on_progress)
    if config.limit is not None:
        raise InputError(f"{path} is a finished set, which is converted whole; leave out the limit")
    with storage_errors(config.out_path):
        return _SetConversion(path, config).run(on_progress)


def plain_config(path: Path, out: str | Path, form: str, **options: Any) -> BuildConfig:
    """Return the configuration of a conversion: clean faces, copied.

    Parameters
    ----------
    path : Path
    out : str or Path
        A folder, or a URL of object storage.
    form : str
        One of `occgen.config.FORMATS`.
    **options
        Of `BuildConfig`: `dataset` (else told by the path), `shard_size`, `jobs`, `overwrite`, ...
    """
    dataset = options.pop("dataset", None) or guess_dataset(path)
    return BuildConfig(
        dataset=dataset,
        root=str(path),
        out=str(out),
        format=form,
        clean_fraction=1.0,
        blend="opaque",
        codec="copy",
        **options,
    )


class _SetConversion:
    """A finished set on its way into another format."""

    def __init__(self, path: Path, config: BuildConfig) -> None:
        self.path, self.out, self.config = path, config.out_path, config
        self.manifest = read_manifest(path)
        self.source_format = str(self.manifest["config"]["format"])
        if self.source_format == config.format:
            raise InputError(f"{path} is of the format {config.format} already; copy the folder")
        self.identity = self.manifest["config"] | {"format": config.format}
        self.digest = build_digest(
            [shard["content_sha256"] for shard in self.manifest["shards"]], self.identity
        )
        self.format = open_format(config.format)

    def run(self, on_progress: Callable[[Progress], None] | None) -> BuildReport:
        """Convert what is missing; return what stands then."""
        began = time.monotonic()
        check_reachable(self.out)
        finished = self._finished_before()
        if finished is not None:
            tidy_output(self.out)
            return BuildReport(out=self.out, manifest=finished, already_complete=True)
        with locked_output(self.out) as scratch:
            self._claim()
            done = until_kept_alive(
                lambda: self._shards(scratch, on_progress),
                lambda: len(self.format.indices(self.out)),
            )
            manifest = self._manifest(done, self._files(scratch, len(done)))
            manifest = with_card(self.out, manifest, scratch)
            install_bytes(self.out / MANIFEST, manifest_bytes(manifest), scratch)
            sync_folder(self.out)
        return BuildReport(
            out=self.out,
            manifest=read_manifest(self.out),
            reused_shards=sum(shard.reused for shard in done),
            elapsed_s=time.monotonic() - began,
        )

    def _finished_before(self) -> dict[str, Any] | None:
        if self.config.overwrite or not (self.out / MANIFEST).is_file():
            return None
        manifest = read_manifest(self.out)
        if manifest["digest"] != self.digest:
            raise InputError(f"{self.out} holds another set; use --overwrite or another folder")
        for shard in manifest["shards"]:
            if not (self.out / shard["name"]).is_file():
                raise ShardError(f"{self.out / shard['name']} is missing; use --overwrite")
        return manifest

    def _claim(self) -> None:
        """Take over what an interrupted conversion left, clear, or refuse what stands there."""
        ours = {MANIFEST, SKIPPED, CARD, ".lock", *self.manifest["files"], *self.manifest["labels"]}
        for entry in sorted(self.out.iterdir()):
            known = entry.name in ours or entry.name.startswith(SCRATCH_PREFIX)
            if not known and not any(open_format(f).owns(entry.name) for f in FORMATS):
                raise InputError(
                    f"{self.out} holds {entry.name}, which is no part of a set; name another folder"
                )
        if self.config.overwrite:
            (self.out / MANIFEST).unlink(missing_ok=True)
            for name in FORMATS:
                open_format(name).clear(self.out)
            return
        for name in FORMATS:
            form = open_format(name)
            said, indices = _said_by(form, self.out), form.indices(self.out)
            if said is None:  # none, or all damaged: they are made again
                continue
            beyond = indices[-1] >= len(self.manifest["shards"])
            if name != self.config.format or said != self.identity or beyond:
                raise InputError(f"{self.out} holds another set; use --overwrite")

    def _shards(self, scratch: Path, on_progress: Callable[[Progress], None] | None) -> list[_Done]:
        order = _Order(
            path=str(self.path),
            source_format=self.source_format,
            out=str(self.out),
            scratch=str(scratch),
            format=self.config.format,
            config=canonical(self.identity).decode(),
        )
        tasks = [
            _Task(index, shard["content_sha256"], shard["images"])
            for index, shard in enumerate(self.manifest["shards"])
        ]
        began, images, reused = time.monotonic(), 0, 0
        done: list[_Done] = []
        for shard in run_tasks(_convert_shard, self.config, order, tasks):
            done.append(shard)
            images += shard.task.images
            reused += shard.task.images * shard.reused
            if on_progress is not None:
                on_progress(
                    Progress(
                        images=images,
                        total=int(self.manifest["images"]),
                        shards=len(done),
                        reused=reused,
                        elapsed_s=time.monotonic() - began,
                    )
                )
        return sorted(done, key=lambda shard: shard.task.number)

    def _files(self, scratch: Path, count: int) -> list[str]:
        """Take further files along; return the names of those to check-sum."""
        theirs = open_format(self.source_format)
        names = [
            name
            for name in self.manifest["files"]
            if name != CARD and not theirs.owns(name.partition("/")[0])
        ]
        for name in [*names, *self.manifest["labels"]]:
            try:
                data = (self.path / name).read_bytes()
            except OSError as error:
                raise ShardError(f"{self.path / name} cannot be read ({error.strerror})") from error
            install_bytes(self.out / name, data, scratch)
        return names + self.format.finish(self.out, scratch, count)

    def _manifest(self, done: list[_Done], files: list[str]) -> dict[str, Any]:
        shards = [
            {
                "name": shard.stored.name,
                "images": shard.task.images,
                "bytes": shard.stored.bytes,
                "sha256": shard.stored.sha256,
                "content_sha256": shard.task.content_sha256,
            }
            for shard in done
        ]
        origin = {"format": self.source_format, "digest": self.manifest["digest"]}
        return self.manifest | {
            "config": self.identity,
            "shards": shards,
            "bytes": sum(shard.stored.bytes for shard in done),
            "files": {name: file_sha256(self.out / name) for name in files},
            "digest": self.digest,
            "converted_from": origin,
        }


def _said_by(form: ShardFormat, out: Path) -> Any:
    """Return what the first shard that can be read says of how it was made, or None."""
    for index in form.indices(out):
        try:
            return json.loads(form.read(out, index)[1]["config"])
        except (ShardError, KeyError, ValueError, TypeError):
            continue
    return None


def _convert_shard(order: _Order, task: _Task) -> _Done:
    """Write one shard in the new format, or take the one that stands."""
    with storage_errors(set_path(order.out)), storage_errors(set_path(order.path)):
        return _convert(order, task)


def _convert(order: _Order, task: _Task) -> _Done:
    out, form = set_path(order.out), open_format(order.format)
    standing = _standing(form, out, task)
    if standing is not None:
        return _Done(task, standing, True)
    source = open_format(order.source_format)
    columns, attributes = source.read(set_path(order.path), task.number)
    if content_digest(columns) != task.content_sha256:
        raise ShardError(
            f"{order.path}: shard {task.number} is not what the manifest says; "
            "run occgen verify --repair"
        )
    attributes["config"] = order.config
    columns, attributes = _as_built(columns, attributes)
    try:
        stored = form.write(out, set_path(order.scratch), task.number, columns, attributes)
    except DataError as error:  # a mask that cannot be unpacked
        raise ShardError(f"{order.path}: shard {task.number}: {error}") from error
    return _Done(task, stored, False)


def _standing(form: ShardFormat, out: Path, task: _Task) -> StoredShard | None:
    try:
        stored = form.find(out, task.number)
        if stored is None or content_digest(form.read(out, task.number)[0]) != task.content_sha256:
            return None
    except ShardError:
        return None
    return stored


def _as_built(columns: Columns, attributes: dict[str, Any]) -> tuple[Columns, dict[str, Any]]:
    """Return columns and attributes in the order and of the types that a build writes."""
    numbers = {name: n for n, name in enumerate(json.loads(attributes["categories"]))}
    enum = h5py.enum_dtype(numbers, basetype="u1")
    made: Columns = {}
    for name in sorted(columns, key=_place):
        column = columns[name]
        if name in ("category", "paste/category"):
            made[name] = column.astype(np.uint8).view(enum)
        elif column.dtype.kind == "S":
            made[name] = column.astype(h5py.string_dtype("utf-8", column.dtype.itemsize))
        else:
            made[name] = column
    known = [name for name in _ATTRIBUTES if name in attributes]
    others = [name for name in attributes if name not in _ATTRIBUTES]
    return made, {name: attributes[name] for name in (*known, *others)}


def _place(name: str) -> tuple[int, str]:
    general = "pattern/" if name.startswith("pattern/") else name
    return (_ORDER.index(general) if general in _ORDER else len(_ORDER)), name
