"""estimate(): what a build would make, how large and how long, with nothing written."""

import dataclasses
import hashlib
import itertools
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from occluders import OccluderLibrary

from .columns import Columns
from .config import BuildConfig
from .engine import is_built, open_library
from .formats import open_format
from .formats.hdf5 import shard_bytes
from .keys import pack_runs
from .pool import usable_jobs
from .sources import Source, configured_source
from .storage import check_reachable, is_remote
from .tasks import Plan, ShardTask, picture_size
from .workshop import WorkOrder, narrow_library, open_workshop, work_order

__all__ = ["Estimate", "estimate"]

_SAMPLE = 64
_DECODED = 16
_START_S = 0.8  # of a pool of worker processes, which import the package anew


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """What a build would make."""

    name: str
    out: str
    """Folder it would be made in."""
    images: int
    """Faces, if every picture can be used."""
    identities: int
    shards: int
    height: int
    """Of every picture, in pixels."""
    width: int
    """Of every picture, in pixels."""
    bytes: int
    """Size of the set, as far as the sample shows."""
    seconds: float
    """Wall time on `jobs` idle cores, as far as the sample shows."""
    jobs: int
    sampled: int
    """Pictures that were made in memory."""
    unusable: tuple[tuple[str, str], ...]
    """Key and reason of those among them that would be left out."""
    free_bytes: int | None
    """Room where the set would be made; None in object storage, where nobody tells."""
    standing_shards: int
    """Shards that stand in the folder already."""
    is_complete: bool
    """Whether a finished set stands in the folder."""


def estimate(config: BuildConfig, sample: int = _SAMPLE) -> Estimate:
    """Return what a build would make; a sample is made in memory and nothing is written.

    Parameters
    ----------
    config : BuildConfig
    sample : int, optional
        Pictures made, spread evenly over the source.

    Returns
    -------
    Estimate

    Raises
    ------
    InputError
        When a path is not what it should be, or the output holds something else.
    DataError
        When no picture can be read.
    ShardError
        When a finished set in the output is damaged.

    Notes
    -----
    The sample is made twice. The second time tells what a picture takes; what the first took beyond
    that is paid once in each worker: it decodes each occluder, and resizes it to each scale. A
    shard is one worker's, so a set of one shard takes as long whatever the jobs.
    """
    source = configured_source(config)
    source.check()
    library = open_library(config.occluders)
    chosen = narrow_library(library, config)
    check_reachable(config.out_path)
    is_complete = is_built(config, source, library)
    config = dataclasses.replace(config, strict=False)
    height, width = size = picture_size(config, source)
    plan = Plan(source, config)
    for _ in plan.tasks():
        pass
    order = work_order(config, library, size)
    task = _sample(source, config, plan.pictures, max(1, sample // config.variants))
    first_s, _, _ = _make(order, task)
    again_s, columns, data_bytes = _make(order, task)

    images, made = plan.pictures * config.variants, max(len(columns["key"]), 1)
    jobs = usable_jobs(config.jobs)
    decode_s, pasted = _decoding(chosen), np.unique(columns["paste/occluder"])
    resize_s = max(first_s - again_s - len(pasted) * decode_s, 0) / made
    most = images * -(-plan.shards // jobs) / max(plan.shards, 1)  # faces the busiest worker makes
    seconds = most * again_s / made + min(len(chosen), most) * decode_s
    seconds += min(len(chosen) * len(config.scales), most) * resize_s
    content = sum(column.nbytes for column in columns.values())
    frame = data_bytes - content if config.format == "hdf5" else 0  # beside a shard's columns
    skipped = (columns.get(name) for name in ("skipped/key", "skipped/reason"))
    keys, reasons = ([] if found is None else found.tolist() for found in skipped)
    shards = open_format(config.format)
    out = config.out_path
    return Estimate(
        name=config.name,
        out=str(out),
        images=images,
        identities=len(plan.identities),
        shards=plan.shards,
        height=height,
        width=width,
        bytes=round(images * content / made) + plan.shards * frame,
        seconds=seconds + (_START_S if jobs > 1 else 0),
        jobs=jobs,
        sampled=len(task.keys),
        unusable=tuple((k.decode(), r.decode()) for k, r in zip(keys, reasons, strict=True)),
        free_bytes=_free_bytes(out),
        standing_shards=len(shards.indices(out)) if out.is_dir() else 0,
        is_complete=is_complete,
    )


def _sample(source: Source, config: BuildConfig, pictures: int, count: int) -> ShardTask:
    step = max(1, pictures // count)
    refs = list(itertools.islice(source.refs(), 0, min(pictures, step * count), step))
    (block,) = pack_runs(((ref.identity, [ref.key]) for ref in refs), at_once=len(refs))
    runs = tuple((name, 0, count) for name, count in block.runs)
    return ShardTask(index=0, packed=block.keys, runs=runs)


def _make(order: WorkOrder, task: ShardTask) -> tuple[float, Columns, int]:
    """Return seconds taken, columns, and the bytes of a shard of them, which is dropped."""
    began = time.perf_counter()
    shop = open_workshop(order)
    columns = shop.make_columns(task)
    data = shard_bytes(columns, shop.attributes)
    hashlib.sha256(data).digest()
    return time.perf_counter() - began, columns, len(data)


def _decoding(library: OccluderLibrary) -> float:
    """Return seconds it takes to decode an occluder, the mean of some of them."""
    some = library[:: max(1, len(library) // _DECODED)]
    began = time.perf_counter()
    for occluder in some:
        np.any(occluder.rgba)
    return (time.perf_counter() - began) / len(some)


def _free_bytes(out: Path) -> int | None:
    if is_remote(out):
        return None
    folder = out.absolute()
    while not folder.is_dir():
        folder = folder.parent
    return shutil.disk_usage(folder).free
