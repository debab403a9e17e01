"""What a manifest says of a finished build, from the reports of its shards."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from occluders import OccluderLibrary

from .columns import CLEAN
from .config import BuildConfig
from .manifest import build_digest, installed_versions
from .tasks import Plan
from .worker import ShardReport

__all__ = ["manifest_record"]


def manifest_record(
    config: BuildConfig,
    identity: Mapping[str, Any],
    reports: Sequence[ShardReport],
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
    reports : sequence of ShardReport
        In shard order.
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
    occluded = sum(report.occluded for report in reports)
    return {
        "name": config.name,
        "config": identity,
        "seed": config.seed,
        "height": size[0],
        "width": size[1],
        "images": sum(report.images for report in reports),
        "occluded": occluded,
        "identities": len(plan.identities),
        "skipped": sum(len(report.skipped) for report in reports),
        "bytes": sum(report.bytes for report in reports),
        "box_coverage": sum(r.coverage_sum for r in reports) / max(occluded, 1),
        "mask_coverage": sum(r.mask_coverage_sum for r in reports) / max(occluded, 1),
        "coverage_histogram": np.sum([r.coverage_histogram for r in reports], axis=0).tolist(),
        "patterns": _histograms(report.patterns for report in reports),
        "labels_differ": sum(report.labels_differ for report in reports),
        "categories": _category_counts(reports, library.categories),
        "shards": [
            {
                "name": report.name,
                "images": report.images,
                "bytes": report.bytes,
                "sha256": report.sha256,
                "content_sha256": report.content_sha256,
            }
            for report in reports
        ],
        "files": dict(files),
        "labels": {},
        "digest": build_digest([report.content_sha256 for report in reports], identity),
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


def _category_counts(reports: Iterable[ShardReport], categories: Sequence[str]) -> dict[str, int]:
    names = [CLEAN, *categories]
    totals: dict[str, int] = {}
    for report in reports:
        for number, count in report.categories.items():
            name = names[int(number)]
            totals[name] = totals.get(name, 0) + count
    return totals


def _histograms(parts: Iterable[Mapping[str, Mapping[int, int]]]) -> dict[str, dict[str, int]]:
    """Return how many faces have each label, by name of the labels, over all shards."""
    totals: dict[str, dict[str, int]] = {}
    for part in parts:
        for name, histogram in part.items():
            sums = totals.setdefault(name.removeprefix("pattern/"), {})
            for label, count in histogram.items():
                sums[str(label)] = sums.get(str(label), 0) + count
    return totals


def _printable(path: str) -> str:
    """Return a path as text: bytes that are no UTF-8 are spelled out."""
    return path.encode("utf-8", "backslashreplace").decode()
