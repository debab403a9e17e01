"""Pairs under occlusion, on any data set: the protocol the verification sets share."""

from pathlib import Path
from typing import Any

from occgen.errors import InputError
from occgen.sources import DemoSource, FolderSource, Source, open_source

from ..eval_config import EvalConfig
from ..pairs import Pairs, draw_pairs, find_pairs, folder_pairs, parse_pairs, read_pairs
from ..pictures import Occlusion
from ..shard_pictures import ShardPictures
from .base import ProtocolSpec, Task, VerificationTask

__all__ = ["PROTOCOL", "occluded_tasks", "open_pairs", "people_of", "verification_tasks"]

_DEMO = "100x10@1"  # people of another seed than those trained on


def open_pairs(config: EvalConfig) -> tuple[Source, Pairs]:
    """Return a data set and its pairs.

    Raises
    ------
    InputError, DataError
        When either cannot be read.
    """
    root = config.root
    if config.dataset == "demo" and root is None:
        root = _DEMO
    is_set = config.dataset == "shards"
    source: Source = ShardPictures(root) if is_set else open_source(config.dataset, root)
    source.check()
    if isinstance(source, ShardPictures):
        _check_occluded_once(source, config)
    if isinstance(source, FolderSource):
        path = Path(config.pairs) if config.pairs is not None else find_pairs(source.root)
        return source, folder_pairs(path, source.root)
    if config.pairs is not None:
        return source, read_pairs(Path(config.pairs))
    if isinstance(source, DemoSource):
        return source, draw_pairs(people_of(source), config.num_pairs, config.folds, config.seed)
    carried = source.carried()
    for name in ("pairs.csv", "pairs.txt"):
        if name in carried:
            place = Path(getattr(source, "root", ""))
            return source, parse_pairs(carried[name].decode("utf-8-sig"), str(place / name))
    raise InputError(
        f"dataset {config.dataset!r} comes without pairs; name a list with --pairs FILE"
    )


def _check_occluded_once(source: ShardPictures, config: EvalConfig) -> None:
    """Raise InputError where what is occluded already would be occluded again."""
    again = bool(config.scales) or config.protocol not in (None, "verification")
    if again and source.manifest["occluded"]:
        raise InputError(
            f"{source.root} is occluded already; evaluate it as it is: protocol verification, "
            "without --occlude"
        )


def people_of(source: Source) -> list[tuple[str, list[str]]]:
    """Return each person's name and keys, in the order of the source."""
    people: dict[str, list[str]] = {}
    for ref in source.refs():
        people.setdefault(ref.identity, []).append(ref.key)
    return list(people.items())


def verification_tasks(
    config: EvalConfig, first: Source, second: Source, pairs: Pairs, *, clean: bool = True
) -> list[Task]:
    """Return the tasks of a list of pairs under a configuration's occlusion.

    Parameters
    ----------
    config : EvalConfig
    first, second : Source
    pairs : Pairs
    clean : bool, optional
        Whether clean-clean is among them where no conditions are given.
    """
    conditions = config.conditions or (
        (("clean-clean",) if clean else ()) + (("clean-occluded",) if config.scales else ())
    )
    if not config.scales and any(condition != "clean-clean" for condition in conditions):
        raise InputError(f"condition {conditions[-1]!r} needs a scale: --occlude 2.0")
    tasks: list[Task] = []
    for condition in conditions:
        if condition == "clean-clean":
            tasks.append(
                VerificationTask(
                    name=condition, condition=condition, pairs=pairs, first=first, second=second
                )
            )
            continue
        for scale in config.scales:
            changes = {"scale": scale}
            both = condition == "occluded-occluded"
            tasks += occluded_tasks(config, first, second, pairs, changes, both=both)
    return tasks


def occluded_tasks(
    config: EvalConfig,
    first: Source,
    second: Source,
    pairs: Pairs,
    changes: dict[str, Any],
    *,
    both: bool = False,
    name: str = "",
) -> list[Task]:
    """Return one task an occlusion seed, the second image occluded, or both.

    Parameters
    ----------
    config : EvalConfig
    first, second : Source
    pairs : Pairs
    changes : dict
        Fields of the occlusion: a scale, a region, a group.
    both : bool, optional
    name : str, optional
        By default the condition and the changes.
    """
    condition = "occluded-occluded" if both else "clean-occluded"
    wanted = ", ".join(f"{key} {value}" for key, value in changes.items() if key != "placement")
    whole = Occlusion(config.occlusion(**changes))
    tasks: list[Task] = []
    for seed in range(config.seed, config.seed + config.occlusion_seeds):
        occlusion = whole.with_changes(seed=seed)
        tasks.append(
            VerificationTask(
                name=name or f"{condition}, {wanted}",
                condition=condition,
                pairs=pairs,
                first=first,
                second=second,
                occlude_first=occlusion if both else None,
                occlude_second=occlusion,
                settings={**changes, "seed": seed},
            )
        )
    return tasks


def _plan(config: EvalConfig) -> list[Task]:
    source, pairs = open_pairs(config)
    if isinstance(source, ShardPictures) and source.manifest["occluded"]:
        given = "as given"  # some are occluded: neither clean nor by this evaluation
        return [
            VerificationTask(name=given, condition=given, pairs=pairs, first=source, second=source)
        ]
    return verification_tasks(config, source, source, pairs)


PROTOCOL = ProtocolSpec(
    name="verification",
    title="Verification of pairs, clean and occluded",
    reference="Sec. 4.1",
    datasets=("demo", "folder", "lfw", "bin", "shards"),
    layout="ROOT/IDENTITY/IMAGE and ROOT/pairs.csv or ROOT/pairs.txt; or a finished set with these",
    plan=_plan,
)
