"""A set made again from its recipe, out of a user's own copy of the pictures."""

import contextlib
import csv
import io
import json
import logging
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from .atomic import replacing_bytes
from .config import BuildConfig
from .engine import BuildReport, Progress, build, open_library
from .errors import DataError, InputError, ShardError
from .manifest import installed_versions
from .manifest_check import check_recipe_header
from .pool import run_tasks
from .recipe import kept_workers, recipe_path
from .recipe_file import Recipe, checksum
from .sources import ListedSource, configured_source
from .workshop import WorkOrder, work_order

__all__ = ["build_from_recipe"]

_log = logging.getLogger(__name__)
_SHOWN = 3
_DIFFERS = "differs"


def build_from_recipe(
    path: Path,
    root: str | None = None,
    out: str | None = None,
    jobs: int | None = None,
    *,
    occluders: str = "bundled",
    backend: str = "loky",
    address: str | None = None,
    overwrite: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
) -> BuildReport:
    """Make the set of a recipe from a user's own copy of the pictures.

    Parameters
    ----------
    path : Path
        The recipe.
    root : str, optional
        Where the data set lies; pictures the recipe does not name are passed over.
    out : str, optional
        Folder of the set; by default its name.
    jobs : int, optional
        Worker processes; by default all cores.
    occluders : str, optional
        'bundled', or the directory of occluders the recipe was written with.
    backend : str, optional
        What runs the workers: 'loky', 'ray' or 'dask'.
    address : str, optional
        Of a running cluster.
    overwrite : bool, optional
        Whether a set of another configuration in `out` may be replaced.
    on_progress : callable, optional
        Called in this process after each shard.

    Returns
    -------
    BuildReport

    Raises
    ------
    InputError
        When a path is missing or is not what it should be.
    DataError
        When the recipe is damaged, the occluders are others, or pictures are missing or differ:
        before anything is made. All such pictures are named in ``OUT.differing.csv``.
    ShardError
        When the output cannot be written, or what was made is not what the recipe names.

    Notes
    -----
    Boxes and occluders of each shard are compared with the recipe before it is written; the digest
    of the whole at the end. Bytes of pictures hang on the versions of codec and image library:
    where these differ from the recipe's, a warning says so in place of an error.
    """
    recipe = Recipe(path)
    run = {"root": root, "out": out, "jobs": jobs, "occluders": occluders}
    run |= {"backend": backend, "address": address, "overwrite": overwrite}
    check_recipe_header(recipe.header, path)
    config = _config_of(recipe, run)
    library = open_library(occluders)
    wanted = recipe.header["occluders"]
    if library.digest != wanted["digest"]:
        version = recipe.header["versions"].get("occgen")
        raise DataError(
            f"{path} needs the occluders with digest {wanted['digest'][:16]} ({wanted['members']} "
            f"members, occgen {version}), and {occluders} has {library.digest[:16]} "
            f"({len(library)} members, occgen {installed_versions()['occgen']}); install that "
            "version or name their folder with --occluders DIR"
        )
    size = recipe.height, recipe.width
    if min(size) < config.k:
        raise DataError(f"{path} is damaged: {size[0]}x{size[1]} is no size for k {config.k}")
    _check_sources(config, recipe, work_order(config, library, size, recipe=recipe))
    report = build(config, on_progress, recipe=path)
    if report.digest != recipe.header["digest"]:
        _explain_digest(report, recipe)
    return report


def _config_of(recipe: Recipe, run: dict[str, Any]) -> BuildConfig:
    """Return the recipe's configuration with what this run brings: paths, jobs, backend."""
    settings = dict(recipe.header["config"])
    settings.pop("occluders_digest", None)
    settings |= {**run, "max_skipped": 1.0}
    try:
        return BuildConfig.from_json(json.dumps(settings))
    except InputError as error:
        version = recipe.header.get("versions", {}).get("occgen")
        raise DataError(f"{recipe.path} is a recipe of occgen {version}: {error}") from error


def _check_sources(config: BuildConfig, recipe: Recipe, order: WorkOrder) -> None:
    """Raise DataError, and list them in a file, where pictures are not those of the recipe."""
    found: dict[int, list[tuple[str, str]]] = {}
    with kept_workers():
        found.update(run_tasks(_compare, config, order, range(len(recipe))))
    wrong = [pair for index in sorted(found) for pair in found[index]]
    if not wrong:
        return
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([("key", "reason"), *wrong])
    listing = recipe_path(config).with_suffix(".differing.csv")
    place = ""
    with contextlib.suppress(InputError):
        replacing_bytes(listing, text.getvalue().encode("utf-8", "backslashreplace"))
        place = f"; all are named in {listing}"
    differ = sum(reason == _DIFFERS for _, reason in wrong)
    first = ", ".join(f"{key}: {reason}" for key, reason in wrong[:_SHOWN])
    more = ", ..." if len(wrong) > _SHOWN else ""
    where = config.root or f"$OCCGEN_DATA/{config.dataset}"
    raise DataError(
        f"{len(wrong)} of the {recipe.pictures} pictures of {recipe.path} are not in {where} as "
        f"they were: {differ} differ, {len(wrong) - differ} are missing ({first}{more}){place}; "
        "nothing was made"
    )


def _compare(order: WorkOrder, index: int) -> tuple[int, list[tuple[str, str]]]:
    """Return key and reason of each picture of one block that is not what it was."""
    source = _listed_source(order)
    block = source.turn_to(index)
    wrong = []
    for key, known in zip(block.keys, block.checksums, strict=True):
        if key in block.skipped:
            continue
        try:
            if checksum(source.inner.read(key)) != known.tobytes():
                wrong.append((key, _DIFFERS))
        except DataError as error:
            is_gone = isinstance(error.__cause__, FileNotFoundError)
            wrong.append((key, "missing" if is_gone else f"missing ({error})"))
    return index, wrong


@lru_cache(maxsize=1)
def _listed_source(order: WorkOrder) -> ListedSource:
    config = BuildConfig.from_json(order.config)
    return ListedSource(configured_source(config), Path(order.recipe))


def _explain_digest(report: BuildReport, recipe: Recipe) -> None:
    before, now = recipe.header["versions"], report.manifest["versions"]
    names = sorted(name for name in before | now if before.get(name) != now.get(name))
    changed = ", ".join(f"{n} {before.get(n, 'absent')} -> {now.get(n, 'absent')}" for n in names)
    found, wanted = report.digest[:12], recipe.header["digest"][:12]
    message = (
        f"{report.out} has the recipe's placements and labels but digest {found} in place of "
        f"{wanted}: bytes of pictures differ"
    )
    if not changed:
        raise ShardError(f"{message}")
    _log.warning("%s by other versions (%s)", message, changed)
