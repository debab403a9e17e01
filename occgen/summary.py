"""What a manifest says of a finished build, from the reports of its shards."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from occluders import OccluderLibrary

from .columns import CLEAN
from .config import BuildConfig
from .manifest import build_digest, installed_versions
from .tasks import Plan
from .worker import ShardReport

__all__ = ["Totals", "manifest_record"]


class _Shard(NamedTuple):
    """What is kept of one shard's report."""

    name: str
    sha256: str
    content_sha256: str
    images: int
    bytes: int
    coverage_sum: float
    mask_coverage_sum: float
    skipped: tuple[tuple[str, str], ...]
    reused: bool


class Totals:
    """Sums over the reports of shards, which come in any order.

    Histograms are added up as they come: of a shard only its line in the manifest is kept, so that
    a build of thousands of shards holds less than a megabyte (`benchmarks/plan_scale.py`).
    """

    def __init__(self) -> None:
        self._shards: dict[int, _Shard] = {}
        self._patterns: dict[str, dict[int, int]] = {}
        self._categories: dict[int, int] = {}
        self._coverage = np.zeros(20, np.int64)
        self.images = self.occluded = self.labels_differ = self.reused_images = 0

    def __len__(self) -> int:
        return len(self._shards)

    def add(self, report: ShardReport) -> None:
        """Count a shard."""
        self._shards[report.index] = _Shard(
            report.name,
            report.sha256,
            report.content_sha256,
            report.images,
            report.bytes,
            report.coverage_sum,
            report.mask_coverage_sum,
            report.skipped,
            report.reused,
        )
        self.images += report.images
        self.occluded += report.occluded
        self.labels_differ += report.labels_differ
        self.reused_images += report.images * report.reused
        self._coverage += np.array(report.coverage_histogram, np.int64)
        for name, histogram in report.patterns.items():
            _add_counts(self._patterns.setdefault(name.removeprefix("pattern/"), {}), histogram)
        _add_counts(self._categories, {int(n): c for n, c in report.categories.items()})

    @property
    def shards(self) -> list[_Shard]:
        """Shards in order."""
        return [self._shards[index] for index in sorted(self._shards)]

    @property
    def reused_shards(self) -> int:
        """How many stood there already."""
        return sum(shard.reused for shard in self._shards.values())

    def skipped(self) -> list[tuple[str, str]]:
        """Return key and reason of each picture left out, in order."""
        return [pair for shard in self.shards for pair in shard.skipped]

    def record(self, categories: Sequence[str]) -> dict[str, Any]:
        """Return the part of a manifest that follows from the shards.

        Parameters
        ----------
        categories : sequence of str
            Of the library.
        """
        shards, names, occluded = self.shards, [CLEAN, *categories], max(self.occluded, 1)
        return {
            "images": self.images,
            "occluded": self.occluded,
            "skipped": sum(len(shard.skipped) for shard in shards),
            "bytes": sum(shard.bytes for shard in shards),
            "box_coverage": sum(shard.coverage_sum for shard in shards) / occluded,
            "mask_coverage": sum(shard.mask_coverage_sum for shard in shards) / occluded,
            "coverage_histogram": self._coverage.tolist(),
            "patterns": {
                name: {str(label): count for label, count in histogram.items()}
                for name, histogram in self._patterns.items()
            },
            "labels_differ": self.labels_differ,
            "categories": {names[number]: count for number, count in self._categories.items()},
            "shards": [
                {
                    "name": shard.name,
                    "images": shard.images,
                    "bytes": shard.bytes,
                    "sha256": shard.sha256,
                    "content_sha256": shard.content_sha256,
                }
                for shard in shards
            ],
        }


def _add_counts(totals: dict[int, int], more: Mapping[int, int]) -> None:
    for number, count in more.items():
        totals[number] = totals.get(number, 0) + count


def manifest_record(
    config: BuildConfig,
    identity: Mapping[str, Any],
    totals: Totals,
    plan: Plan,
    *,
    library: OccluderLibrary,
    licence: str,
    size: tuple[int, int],
    files: Mapping[str, str],
) -> dict[str, Any]:
    """Return the manifest of a build, all but its own schema and checksum.

    Parameters
    ----------
    config : BuildConfig
    identity : mapping
        What tells the configuration from others.
    totals : Totals
        Of all shards.
    plan : Plan
        Walked to its end.
    library : OccluderLibrary
        The whole library, not narrowed.
    licence : str
        Of the source.
    size : tuple of int
        Height and width of the pictures.
    files : mapping of str to str
        Name and SHA-256 of what lies beside the shards.
    """
    return {
        "name": config.name,
        "config": identity,
        "seed": config.seed,
        "height": size[0],
        "width": size[1],
        "identities": len(plan.identities),
        **totals.record(library.categories),
        "files": dict(files),
        "labels": {},
        "digest": build_digest([shard.content_sha256 for shard in totals.shards], identity),
        "occluders": {
            "spec": library.spec,
            "digest": library.digest,
            "members": len(library),
        },
        "source": {
            "dataset": config.dataset,
            "root": config.root and _printable(config.root),
            "pictures": plan.pictures,
            "fingerprint": plan.fingerprint,
            "licence": licence,
            **{
                name: _printable(path)
                for name, path in (("probes", config.probes), ("gallery", config.gallery))
                if path is not None
            },
        },
        "versions": installed_versions(),
    }


def _printable(path: str) -> str:
    """Return a path as text: bytes that are no UTF-8 are spelled out."""
    return path.encode("utf-8", "backslashreplace").decode()
