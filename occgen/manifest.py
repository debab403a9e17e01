"""The manifest: what a build is, what it is made of, and whether it is whole."""

import hashlib
import json
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from .config import BuildConfig
from .errors import InputError, SchemaError, ShardError
from .manifest_check import check_manifest
from .storage import check_reachable, is_remote, read_object

__all__ = [
    "CARD",
    "MANIFEST",
    "SCHEMA",
    "SKIPPED",
    "build_digest",
    "file_sha256",
    "installed_versions",
    "manifest_bytes",
    "other_schema",
    "read_manifest",
]

MANIFEST = "manifest.json"
SKIPPED = "skipped.csv"
CARD = "card.md"
SCHEMA = 2  # of manifests and shards; 1 had masks compressed by zlib
_PACKAGES = ("numpy", "opencv-python", "opencv-python-headless", "simplejpeg", "pillow", "h5py")


def canonical(record: Mapping[str, Any]) -> bytes:
    """Return the one JSON text of a record: sorted keys, no spaces, UTF-8."""
    return json.dumps(
        record, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode("utf-8", "surrogateescape")


def build_digest(shard_digests: Sequence[str], content: Mapping[str, Any]) -> str:
    """Return the digest of a set: SHA-256 over its shards' contents in order, and its settings.

    Parameters
    ----------
    shard_digests : sequence of str
        `content_digest` of each shard.
    content : mapping
        `BuildConfig.content` with the occluders' digest: no paths, jobs, backend, versions.
    """
    total = hashlib.sha256()
    for digest in shard_digests:
        total.update(bytes.fromhex(digest))
    total.update(canonical(content))
    return total.hexdigest()


def identity_of(config: BuildConfig, library_digest: str) -> dict[str, Any]:
    """Return what tells one configuration from another: settings and the occluders' digest."""
    return config.content() | {"occluders_digest": library_digest}


def installed_versions() -> dict[str, str]:
    """Return the versions picture bytes hang on."""
    from . import __version__

    versions = {"occgen": __version__, "python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions


def manifest_bytes(record: Mapping[str, Any]) -> bytes:
    """Return the manifest file: the record, its schema, and the SHA-256 of its canonical JSON."""
    body = {key: value for key, value in record.items() if key != "sha256"} | {"schema": SCHEMA}
    body["sha256"] = hashlib.sha256(canonical(body)).hexdigest()
    return (json.dumps(body, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode("utf-8")


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return the checked manifest of a finished build.

    Raises
    ------
    InputError
        When the folder holds no finished build.
    ShardError
        When the manifest is damaged: a single changed byte is found. `SchemaError` where it is of
        another version.
    """
    path = folder / MANIFEST
    check_reachable(folder)
    if not folder.exists():
        raise InputError(f"{folder} does not exist")
    if not path.is_file():
        unfinished = any(folder.glob("shard-*.h5"))
        hint = "unfinished: run the same build again" if unfinished else "no build of occgen"
        raise InputError(f"{folder} has no {MANIFEST}; it is {hint}")
    try:
        data = read_object(path) if is_remote(path) else path.read_bytes()
        record = json.loads(data)
        again = manifest_bytes(record) if isinstance(record, dict) else b""
    except (OSError, ValueError, RecursionError) as error:
        raise ShardError(f"{path} is damaged ({error}); run occgen verify --repair") from error
    found = record.get("schema") if isinstance(record, dict) else None
    if found != SCHEMA and not _has_other_checksum(record):
        raise other_schema(path, found)
    if again != data:
        raise ShardError(f"{path} is damaged: its checksum does not match; run verify --repair")
    check_manifest(record, path)
    return record


def _has_other_checksum(record: object) -> bool:
    """Whether a record names a checksum that is not its own: damage, also of its schema."""
    if not isinstance(record, dict) or not isinstance(record.get("sha256"), str):
        return False
    body = {key: value for key, value in record.items() if key != "sha256"}
    return bool(hashlib.sha256(canonical(body)).hexdigest() != record["sha256"])


def other_schema(path: Path | str, found: object) -> SchemaError:
    """Return the error that says that a file is of another version of occgen."""
    return SchemaError(
        f"{path} has schema {found!r}, this version of occgen reads {SCHEMA}; "
        "make the set again (--overwrite), or read it with the version that made it"
    )


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file, read in pieces.

    Raises
    ------
    ShardError
        When it is missing or cannot be read.
    """
    if is_remote(path):
        return hashlib.sha256(read_object(path)).hexdigest()
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ShardError(f"{path} cannot be read ({error.strerror})") from error
