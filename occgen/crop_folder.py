"""The folder that crops are written to: whose it is, which parts of it stand, when it is whole."""

import contextlib
import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .atomic import install_bytes, locked_output, make_folder, tidy_output
from .errors import InputError, ShardError
from .manifest import canonical

__all__ = [
    "PARTS",
    "REPORT",
    "add_crop",
    "claim_folder",
    "find_finished",
    "part_stands",
    "read_parts",
    "tidy_folder",
]

REPORT = "align.json"
PARTS = ".align"


def find_finished(
    out: Path, identity: str, fingerprint: str, *, overwrite: bool
) -> dict[str, Any] | None:
    """Return the record of a whole output of the same configuration, or None."""
    path = out / REPORT
    if not path.is_file():
        return None
    try:
        record = json.loads(path.read_bytes())
        if canonical(record["config"]).decode() == identity:
            if record["fingerprint"] == fingerprint:
                return dict(record)
            problem = "was made from other pictures than the source lists now"
        else:
            problem = "holds crops of another configuration"
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        problem = f"holds a damaged {REPORT}"
    if overwrite:
        return None
    raise InputError(f"{out} {problem}; use --overwrite or another output")


def tidy_folder(out: Path) -> None:
    """Remove what a run that died after its last file left."""
    if (out / PARTS).exists():
        with contextlib.suppress(InputError, ShardError), locked_output(out):
            shutil.rmtree(out / PARTS, ignore_errors=True)
    tidy_output(out)


def claim_folder(out: Path, identity: str, scratch: Path, *, overwrite: bool) -> None:
    """Make the output this alignment's: take over, clear, or refuse what stands there.

    The folder of parts is there before anything is cleared, and its mark comes last: killed in
    between, the next run sees whose the rest is.
    """
    parts = out / PARTS
    mark = parts / "config.json"
    if mark.is_file() and mark.read_text(encoding="utf-8") == identity and not overwrite:
        return
    kept = (".lock", scratch.name)
    others = [entry for entry in sorted(out.iterdir()) if entry.name not in kept]
    for entry in others:
        if entry == parts and not mark.exists() and len(others) == 1:
            continue  # it was killed before its mark was made
        if not overwrite:
            raise InputError(
                f"{out} holds {entry.name}, which this alignment did not make; "
                "use --overwrite or another output"
            )
        if not parts.is_dir() and not (out / REPORT).is_file():
            raise InputError(f"{out} holds {entry.name}, which no alignment made; name another")
    make_folder(parts)
    (out / REPORT).unlink(missing_ok=True)
    for entry in [*parts.iterdir(), *(entry for entry in others if entry != parts)]:
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink(missing_ok=True)
    install_bytes(mark, identity.encode("utf-8"), scratch)


def part_stands(out: Path, path: Path, keys_sha256: str) -> bool:
    """Whether a part and every crop of it stand as they were written."""
    try:
        part = json.loads(path.read_bytes())
        total = hashlib.sha256()
        for row in part["rows"]:
            add_crop(total, row["crop"], (out / row["crop"]).read_bytes())
        return bool(part["keys_sha256"] == keys_sha256 and part["sha256"] == total.hexdigest())
    except (OSError, ValueError, KeyError, TypeError):
        return False


def add_crop(total: Any, name: str, data: bytes) -> None:
    """Take a crop into the digest of its part."""
    total.update(f"{name}|{len(data)}|".encode() + data)


def read_parts(out: Path, count: int) -> Iterator[dict[str, Any]]:
    """Yield what each part says of its crops.

    Raises
    ------
    ShardError
        When one is gone or damaged.
    """
    for index in range(count):
        path = out / PARTS / f"part-{index:06d}.json"
        try:
            part = json.loads(path.read_bytes())
        except (OSError, ValueError) as error:
            raise ShardError(f"{path} is gone or damaged; run the same command again") from error
        yield part
