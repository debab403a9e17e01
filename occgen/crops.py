"""align_folder(): a folder of photographs to aligned crops, in parallel and resumable."""

import csv
import hashlib
import io
import itertools
import json
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from .align import align_face, cut_crop
from .align_config import AlignConfig
from .atomic import (
    cannot_be_written,
    install_bytes,
    locked_output,
    make_folder,
)
from .codec import decode_image, encoder
from .crop_folder import (
    PARTS,
    REPORT,
    add_crop,
    claim_folder,
    find_finished,
    part_stands,
    read_parts,
    tidy_folder,
)
from .detectors import Detector, open_detector
from .errors import DataError, InputError
from .formats.folder import safe_path
from .landmark_files import KnownLandmarks, read_landmark_file
from .manifest import canonical, installed_versions
from .pool import run_tasks, until_kept_alive
from .sources import FolderSource

__all__ = ["AlignReport", "align_folder"]

_TABLE = "landmarks.csv"
_SKIPPED = "skipped.csv"
_RUN_ONLY = ("src", "out", "jobs", "backend", "address", "overwrite", "landmarks", "weights")
_A_PART = 128  # pictures


@dataclass(frozen=True, kw_only=True, slots=True)
class AlignReport:
    """What an alignment made."""

    out: Path
    pictures: int
    crops: int
    several: int
    """Pictures with more than one face, of which one was taken."""
    skipped: tuple[tuple[str, str], ...]
    """Key and reason of each picture left out."""
    digest: str
    """SHA-256 over names and bytes of all crops, and the configuration."""
    already_complete: bool = False
    reused: int = 0
    """Pictures an interrupted run had done."""
    elapsed_s: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class _Order:
    config: AlignConfig
    identity: str
    scratch: str


@dataclass(frozen=True, kw_only=True, slots=True)
class _Task:
    index: int
    keys: tuple[str, ...]


def align_folder(
    config: AlignConfig, on_progress: Callable[[int, int], None] | None = None
) -> AlignReport:
    """Align every photograph of a folder, or what is missing of it.

    Parameters
    ----------
    config : AlignConfig
    on_progress : callable, optional
        Called with how many pictures are done and how many there are.

    Returns
    -------
    AlignReport
        ``landmarks.csv`` in the output says of each crop where its face was, ``skipped.csv`` why a
        picture has none; both lists are in the order of the source.

    Raises
    ------
    InputError
        When a path is not what it should be, or the output holds crops of another configuration.
    DataError
        When the landmark file cannot be read.
    ShardError
        When the output cannot be written or is being written; what was complete is kept.
    """
    began = time.monotonic()
    src, out = Path(config.src), Path(config.out)
    if not src.is_dir():
        raise InputError(f"{src} is no folder; name a folder of photographs")
    if out.resolve() == src.resolve() or out.resolve().is_relative_to(src.resolve()):
        raise InputError(f"{out} lies inside the source {src}; name an output outside it")
    identity = _identity(config)
    _open_points(config)  # a wrong file or model fails here, before any work
    keys = [ref.key for ref in itertools.islice(FolderSource(src).refs(), config.limit)]
    if not keys:
        raise InputError(f"{src} holds no pictures")
    fingerprint = hashlib.sha256("\n".join(keys).encode("utf-8", "surrogateescape")).hexdigest()
    finished = find_finished(out, identity, fingerprint, overwrite=config.overwrite)
    if finished is not None:
        tidy_folder(out)
        return _report(out, finished, already_complete=True)
    with locked_output(out) as scratch:
        claim_folder(out, identity, scratch, overwrite=config.overwrite)
        order = _Order(config=config, identity=identity, scratch=str(scratch))
        tasks = [
            _Task(index=index, keys=tuple(keys[start : start + _A_PART]))
            for index, start in enumerate(range(0, len(keys), _A_PART))
        ]

        def attempt() -> int:
            done = reused = 0
            for count, stood in run_tasks(_align_part, config, order, tasks):
                done, reused = done + count, reused + count * stood
                if on_progress is not None:
                    on_progress(done, len(keys))
            return reused

        reused = until_kept_alive(attempt, lambda: len(list((out / PARTS).glob("part-*"))))
        record = _finish(config, identity, fingerprint, len(keys), scratch)
    return _report(out, record, reused=reused, elapsed_s=time.monotonic() - began)


def _identity(config: AlignConfig) -> str:
    """Return what decides the crops, as one line of JSON."""
    values = {name: value for name, value in asdict(config).items() if name not in _RUN_ONLY}
    for name in ("landmarks", "weights"):
        named = getattr(config, name)
        values[name] = None if named is None else _content_sha256(Path(named))
    return canonical(values).decode()


def _content_sha256(path: Path) -> str:
    """Return the SHA-256 of a file, or of the files directly in a folder."""
    total = hashlib.sha256()
    try:
        files = sorted(path.iterdir()) if path.is_dir() else [path]
        for file in files:
            if file.is_file():
                total.update(file.read_bytes())
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    return total.hexdigest()


@lru_cache(maxsize=2)
def _open_points(config: AlignConfig) -> KnownLandmarks | Detector | None:
    if config.landmarks is not None:
        return read_landmark_file(Path(config.landmarks))
    if config.detector is not None:
        return open_detector(config.detector, str(config.weights))
    return None


def _align_part(order: _Order, task: _Task) -> tuple[int, bool]:
    """Align some pictures; return how many, and whether an earlier run had done them."""
    config, out = order.config, Path(order.config.out)
    path = out / PARTS / f"part-{task.index:06d}.json"
    keys_sha256 = hashlib.sha256("\n".join(task.keys).encode("utf-8", "surrogateescape"))
    if part_stands(out, path, keys_sha256.hexdigest()):
        return len(task.keys), True
    scratch = Path(order.scratch) / f"part-{task.index:06d}"
    make_folder(scratch)
    points = _open_points(config)
    source, encode = FolderSource(Path(config.src)), encoder(config.codec, config.quality)
    ending = ".png" if config.codec == "png" else ".jpg"
    rows: list[dict[str, Any]] = []
    skipped: list[tuple[str, str]] = []
    total = hashlib.sha256()
    for key in task.keys:
        name = safe_path(key, ending)
        try:
            key.encode("utf-8")
            image, record = _aligned(config, source, points, key)
        except UnicodeEncodeError:
            skipped.append((_shown(key), "its name is not valid UTF-8; rename it"))
        except DataError as error:
            skipped.append((key, str(error)))
        else:
            data = encode(image)
            _place(out / name, data, scratch)
            add_crop(total, name, data)
            rows.append({"crop": name, "image": key, **record})
    part = {
        "keys_sha256": keys_sha256.hexdigest(),
        "rows": rows,
        "skipped": skipped,
        "sha256": total.hexdigest(),
    }
    install_bytes(path, json.dumps(part, ensure_ascii=False).encode("utf-8"), scratch)
    return len(task.keys), False


def _aligned(
    config: AlignConfig, source: FolderSource, points: KnownLandmarks | Detector | None, key: str
) -> tuple[Any, dict[str, Any]]:
    if points is None:
        return cut_crop(decode_image(source.read(key))), {}
    if not isinstance(points, KnownLandmarks):
        image = decode_image(source.read(key))
        return align_face(image, points.detect(image), config)
    faces = points.find(key)
    if not faces:
        raise DataError("the landmark file has no points of it")
    return align_face(decode_image(source.read(key)), faces, config)


def _place(path: Path, data: bytes, scratch: Path) -> None:
    try:
        temporary = scratch / "crop"
        temporary.write_bytes(data)
        path.parent.mkdir(parents=True, exist_ok=True)
        os.replace(temporary, path)
    except OSError as error:
        raise cannot_be_written(path, error) from error


def _finish(
    config: AlignConfig, identity: str, fingerprint: str, pictures: int, scratch: Path
) -> dict[str, Any]:
    out = Path(config.out)
    count = -(-pictures // _A_PART)
    total, crops, several = hashlib.sha256(identity.encode()), 0, 0
    skipped: list[tuple[str, str]] = []
    names: dict[str, str] = {}
    table = io.StringIO()
    writer: csv.DictWriter[str] | None = None
    for part in read_parts(out, count):
        total.update(part["sha256"].encode())
        skipped += [(key, reason) for key, reason in part["skipped"]]
        for row in part["rows"]:
            crops += 1
            several += row.get("faces", 1) > 1
            names[row["image"]] = row["crop"]
            if writer is None:
                writer = csv.DictWriter(table, list(row), lineterminator="\n")
                writer.writeheader()
            writer.writerow(row)
    if not crops:
        key, reason = skipped[0]
        raise DataError(f"none of {pictures} pictures could be aligned (first: {key}: {reason})")
    if not config.cut:
        install_bytes(out / _TABLE, table.getvalue().encode("utf-8"), scratch)
    if skipped:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([("key", "reason"), *skipped])
        install_bytes(out / _SKIPPED, text.getvalue().encode("utf-8"), scratch)
    _carry(config, names, scratch)
    record = {
        "config": json.loads(identity),
        "fingerprint": fingerprint,
        "pictures": pictures,
        "crops": crops,
        "several": several,
        "skipped": skipped,
        "digest": total.hexdigest(),
        "versions": installed_versions(),
    }
    install_bytes(
        out / REPORT, json.dumps(record, ensure_ascii=False, indent=1).encode("utf-8"), scratch
    )
    shutil.rmtree(out / PARTS, ignore_errors=True)
    return record


def _carry(config: AlignConfig, names: dict[str, str], scratch: Path) -> None:
    """Take lists of pairs along; a CSV's pictures get their crops' names."""
    source = FolderSource(Path(config.src))
    carried = source.carried()
    if config.cut and (source.root / _TABLE).is_file():
        try:  # it measures the originals, which stay the same
            carried[_TABLE] = (source.root / _TABLE).read_bytes()
        except OSError as error:
            raise DataError(f"{source.root / _TABLE}: cannot be read ({error.strerror})") from error
    for name, data in carried.items():
        if name.endswith(".csv"):
            rows = list(csv.reader(io.StringIO(data.decode("utf-8-sig", "replace"))))
            text = io.StringIO()
            writer = csv.writer(text, lineterminator="\n")
            writer.writerows([[names.get(cell, cell) for cell in row] for row in rows])
            data = text.getvalue().encode("utf-8")
        install_bytes(Path(config.out) / name, data, scratch)


def _shown(key: str) -> str:
    return key.encode("utf-8", "backslashreplace").decode()


def _report(
    out: Path,
    record: dict[str, Any],
    *,
    already_complete: bool = False,
    reused: int = 0,
    elapsed_s: float = 0.0,
) -> AlignReport:
    return AlignReport(
        out=out,
        pictures=record["pictures"],
        crops=record["crops"],
        several=record["several"],
        skipped=tuple((key, reason) for key, reason in record["skipped"]),
        digest=record["digest"],
        already_complete=already_complete,
        reused=reused,
        elapsed_s=elapsed_s,
    )
