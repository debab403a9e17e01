"""repair(): make anew what is broken in a set, and only that."""

import contextlib
import dataclasses
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .atomic import locked_output
from .config import FORMATS, BuildConfig
from .engine import BuildReport, build, open_library
from .errors import InputError, OccgenError, SchemaError, ShardError
from .formats import open_format
from .formats.hdf5 import dataset_names, open_hdf5
from .labelling import label_build
from .linked_copy import LinkedCopy
from .manifest import MANIFEST, file_sha256, read_manifest
from .sources import Source, configured_source
from .tasks import Plan
from .verify import verify
from .worker import check_standing

__all__ = ["repair"]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Known:
    """What a set still tells of how it was made."""

    config: BuildConfig
    occluders_digest: str
    labels: dict[str, Any]
    """Files of added labels, as the manifest lists them."""
    digest: str | None
    """None where the manifest is damaged."""
    text: bytes
    """The manifest's bytes, damaged or not."""


def repair(
    path: Path,
    root: str | None = None,
    jobs: int | None = None,
    *,
    occluders: str | None = None,
    recipe: Path | None = None,
) -> BuildReport:
    """Make anew only what `verify` finds broken in a set.

    Parameters
    ----------
    path : Path
        The folder ``occgen build`` wrote.
    root : str, optional
        Where the source lies now; by default where it lay.
    jobs : int, optional
    occluders : str, optional
        Directory of the occluders; by default the one it was.
    recipe : Path, optional
        The recipe the set was made from, where it was.

    Returns
    -------
    BuildReport

    Raises
    ------
    InputError
        When source or occluders are not to be found, or not those the set was made from; nothing
        is touched then.
    ShardError
        When the set made differs from the one there was: a picture or a codec changed. Nothing
        is touched then either.

    Notes
    -----
    All is made in a copy of links inside the set, and takes its place when it is right.
    Where the manifest is damaged, a shard is taken over if its checksum stands in what is left.
    """
    broken = {finding.file for finding in verify(path, jobs)}
    known = _recover(path, root, occluders)
    _check_occluders(known)
    _check_source(path, known, configured_source(known.config, recipe or ""))
    if known.digest is None:
        broken.update(_doubtful(path, known))
    if not broken:
        config = dataclasses.replace(known.config, jobs=jobs, max_skipped=1.0)
        return build(config, recipe=recipe)
    with locked_output(path) as scratch:
        copy = LinkedCopy(path, scratch / "set", (".lock", scratch.name))
        report = _make_anew(copy.copy, broken, known, jobs, recipe)
        if known.digest is not None and report.digest != known.digest:
            raise ShardError(
                f"{path} was made anew but differs (digest {report.digest[:12]}, was "
                f"{known.digest[:12]}): a picture or a codec's version changed since; "
                "nothing was changed: give the source as it was with --root DIR"
            )
        copy.install(MANIFEST)
    return dataclasses.replace(report, out=path)


def _make_anew(
    out: Path, broken: set[str], known: _Known, jobs: int | None, recipe: Path | None
) -> BuildReport:
    """Remove what is broken in a set, build what is missing, and add its labels again."""
    config = known.config
    shards, formats = open_format(config.format), [open_format(name) for name in FORMATS]
    (out / MANIFEST).unlink(missing_ok=True)
    for name in broken - {MANIFEST}:
        if name in known.labels or any(form.owns(name.split("/")[0]) for form in formats):
            shards.discard(out, name)
    config = dataclasses.replace(config, out=str(out), jobs=jobs, max_skipped=1.0)
    report = build(config, recipe=recipe)
    for name, added in known.labels.items():
        for by in added["by"]:
            label_build(out, int(name.removeprefix("pattern-k").removesuffix(".h5")), by)
    return report


def _recover(path: Path, root: str | None, occluders: str | None) -> _Known:
    """Return what is known of a set, from the manifest or else from a shard."""
    text = (path / MANIFEST).read_bytes()
    labels: dict[str, Any] = {}
    digest = None
    try:
        manifest = read_manifest(path)
        settings = dict(manifest["config"])
        labels, digest = manifest["labels"], manifest["digest"]
        root = root or manifest["source"]["root"]
        settings |= {name: manifest["source"].get(name) for name in ("probes", "gallery")}
        occluders = occluders or manifest["occluders"]["spec"].get("path")
    except SchemaError:
        raise
    except OccgenError as error:
        found = _settings_of_a_shard(path)
        if found is None:
            raise
        settings = found
        labels = {file.name: {"by": _added_by(file)} for file in path.glob("pattern-k*.h5")}
        if root is None and settings.get("dataset") != "demo":
            raise InputError(
                f"{path / MANIFEST} is damaged and with it where the source lies; add --root DIR"
            ) from error
    occluders_digest = str(settings.pop("occluders_digest", ""))
    settings |= {"root": root, "out": str(path), "occluders": occluders or "bundled"}
    try:
        config = BuildConfig.from_json(json.dumps(settings))
    except InputError as error:
        raise ShardError(f"{path}: its configuration cannot be built again: {error}") from error
    return _Known(
        config=config,
        occluders_digest=occluders_digest,
        labels=labels,
        digest=digest,
        text=text,
    )


def _settings_of_a_shard(path: Path) -> dict[str, Any] | None:
    for name in FORMATS:
        shards = open_format(name)
        for index in shards.indices(path):
            with contextlib.suppress(OccgenError, KeyError, ValueError):
                settings = json.loads(shards.read(path, index)[1]["config"])
                if isinstance(settings, dict):
                    return settings
    return None


def _check_occluders(known: _Known) -> None:
    """Raise InputError where the occluders are not those the set was made with."""
    found = open_library(known.config.occluders).digest
    if found != known.occluders_digest:
        raise InputError(
            f"the occluders ({known.config.occluders}, digest {found[:12]}) are not those the set "
            f"was made with (digest {known.occluders_digest[:12]}); nothing was changed: give "
            "those with --occluders DIR, or use the version of occgen that made the set"
        )


def _check_source(path: Path, known: _Known, source: Source) -> None:
    """Raise InputError where the source does not list what the set was made from."""
    source.check()
    plan = Plan(source, known.config)
    for _ in plan.tasks():
        pass
    if plan.fingerprint.encode() in known.text:
        return
    differs = InputError(
        f"{known.config.root} lists other pictures than {path} was made from; nothing was changed: "
        "give the source as it was with --root DIR, and --recipe FILE where the set is of a recipe"
    )
    if known.digest is not None:
        raise differs
    shards = open_format(known.config.format)  # the fingerprint itself may be what is damaged
    for task in Plan(source, known.config).tasks():
        try:
            columns, attributes = shards.read(path, task.index)
        except ShardError:
            continue
        size = attributes["height"], attributes["width"]
        try:
            check_standing(str(task.index), columns, attributes, task, known.config, size)
        except ShardError as error:
            raise differs from error


def _doubtful(path: Path, known: _Known) -> Iterator[str]:
    """Yield files whose checksum does not stand in what is left of a damaged manifest."""
    shards = open_format(known.config.format)
    for index in shards.indices(path):
        with contextlib.suppress(ShardError):  # damaged beyond reading: the build makes it again
            stored = shards.find(path, index)
            if stored is not None and stored.sha256.encode() not in known.text:
                yield stored.name
    for name in shards.finished:
        with contextlib.suppress(ShardError):  # missing: the build makes it again
            if file_sha256(path / name).encode() not in known.text:
                yield name


def _added_by(path: Path) -> list[str]:
    """Return what the labels in a file of added ones are the best pattern of."""
    try:
        with open_hdf5(path) as file:
            found = {name.rpartition("/")[2] for name in dataset_names(file)}
    except ShardError:
        found = set()
    return sorted(found & {"box", "mask"}) or ["box"]
