"""MF1: FaceScrub probes among MegaFace's distractors, clean, occluded or masked."""

import dataclasses
from pathlib import Path
from typing import Any

from occgen.errors import DataError, InputError
from occgen.sources import FolderSource, find_root

from ..eval_config import EvalConfig
from ..megaface import is_clean, read_features, read_noises, read_picture_list
from ..pictures import Occlusion
from .base import Faces, IdentificationTask, ProtocolSpec, Task

__all__ = ["MASK_MF1", "MF1", "OCC_MF1", "megaface_tasks"]

_LAYOUT = (
    "ROOT/facescrub_images/Name/IMAGE and ROOT/megaface_images/ALBUM/USER/IMAGE (each also as "
    "features: a .npy or .h5 of from-embed, or a folder of IMAGE_ALGORITHM.bin); lists used where "
    "present: facescrub_lst, megaface_lst, facescrub_noises.txt, megaface_noises.txt"
)


def _plan(config: EvalConfig) -> list[Task]:
    return [_task(config, "clean probes", *_sets(config))]


def _plan_occluded(config: EvalConfig) -> list[Task]:
    scales = config.scales or ("1.0", "1.5", "2.0")
    return megaface_tasks(config, [{"scale": scale} for scale in scales])


def _plan_masked(config: EvalConfig) -> list[Task]:
    root = _root(config)
    where = Path(config.probes) if config.probes else _below(root, "facescrub_masked_images")
    masked = _faces(where, config, "probes", _list(root, "facescrub_lst"))
    clean, distractors = _sets(dataclasses.replace(config, probes=None))
    place = {_stem(key): row for row, key in enumerate(clean.keys)}
    rows = [row for row, key in enumerate(masked.keys) if _stem(key) in place]
    if not rows:
        raise DataError(
            f"{where}: none of {len(masked.keys)} masked pictures has the name of a clean one"
        )
    probes = _select(masked, rows)
    mates = _select(clean, [place[_stem(key)] for key in probes.keys])
    return [_task(config, "masked probes, clean mates", probes, distractors, mates)]


def megaface_tasks(config: EvalConfig, each: list[dict[str, Any]]) -> list[Task]:
    """Return the clean task, and one an occlusion and seed.

    Parameters
    ----------
    config : EvalConfig
        Condition ``occluded-occluded`` (the default, as the published features are made: every
        FaceScrub picture is occluded, so probe and mate are) or ``clean-occluded`` (probes alone).
    each : list of dict
        Fields of each occlusion.
    """
    probes, distractors = _sets(config)
    if probes.features is not None:
        raise InputError("features cannot be occluded: give --probes as a folder of pictures")
    conditions = config.conditions or ("clean-clean", "occluded-occluded")
    tasks: list[Task] = []
    if "clean-clean" in conditions:
        tasks.append(_task(config, "clean probes", probes, distractors))
    for condition in conditions:
        if condition == "clean-clean":
            continue
        for changes in each:
            whole = Occlusion(config.occlusion(**changes))
            for seed in range(config.seed, config.seed + config.occlusion_seeds):
                occluded = dataclasses.replace(probes, occlusion=whole.with_changes(seed=seed))
                mates = None if condition == "occluded-occluded" else probes
                shown = changes.get("region") or f"scale {changes.get('scale')}"
                who = "probes and mates" if mates is None else "probes"
                settings = {**changes, "seed": seed, "condition": condition}
                task = _task(config, f"occluded {who}, {shown}", occluded, distractors, mates)
                tasks.append(dataclasses.replace(task, settings=settings))
    return tasks


def _sets(config: EvalConfig) -> tuple[Faces, Faces]:
    """Return probes and distractors, without those on the lists of noises."""
    root = _root(config)
    probes = _faces(
        Path(config.probes) if config.probes else _below(root, "facescrub_images"),
        config,
        "probes",
        _list(root, "facescrub_lst", "facescrub_features_list.json"),
    )
    chosen = config.distractors or config.gallery
    distractors = _faces(
        Path(chosen) if chosen else _below(root, "megaface_images"),
        config,
        "distractors",
        _list(root, "megaface_lst", "megaface_features_list.json_1000000_1"),
    )
    return (
        _without(probes, config.probe_noises, root, "facescrub_noises.txt"),
        _without(distractors, config.distractor_noises, root, "megaface_noises.txt"),
    )


def _root(config: EvalConfig) -> Path | None:
    """Return the root, which may be spared where probes and distractors are both given."""
    if config.root is None and config.probes and (config.distractors or config.gallery):
        return None
    return find_root(config.dataset, config.root)


def _below(root: Path | None, name: str) -> Path:
    if root is None:
        raise InputError(f"mf1 needs --root DIR with {name}, or --probes and --distractors")
    for ending in ("", ".npy", ".h5"):
        path = root / f"{name}{ending}"
        if path.exists():
            return path
    raise InputError(f"{root / name} does not exist; mf1 is looked for as {_LAYOUT}")


def _list(root: Path | None, *names: str) -> list[str] | None:
    if root is not None:
        for name in names:
            if (root / name).is_file():
                return read_picture_list(root / name)
    return None


def _faces(path: Path, config: EvalConfig, what: str, listed: list[str] | None) -> Faces:
    """Return the faces of a folder of pictures or of features; features are told by their files."""
    if not path.exists():
        raise InputError(f"{path} ({what}) does not exist")
    if path.is_file() or _holds_features(path):
        features, keys = read_features(path, listed)
        return Faces(source=None, keys=tuple(keys), identities=_people(keys), features=features)
    source = FolderSource(path)
    keys = listed if listed is not None else [ref.key for ref in source.refs()]
    if not keys:
        raise InputError(f"{path} ({what}) holds no pictures")
    return Faces(source=source, keys=tuple(keys), identities=_people(keys), flip=True)


def _holds_features(path: Path) -> bool:
    for file in path.rglob("*"):
        if file.is_file() and not file.name.startswith("."):
            return file.suffix in (".bin", ".npy")
    return False


def _people(keys: list[str]) -> tuple[str, ...]:
    return tuple(key.partition("/")[0] for key in keys)


def _without(faces: Faces, given: str | None, root: Path | None, name: str) -> Faces:
    path = Path(given) if given else (root / name if root is not None else None)
    if path is None or (not given and not path.is_file()):
        return faces
    noises = read_noises(path)
    clean = is_clean(faces.keys, noises)
    if noises and all(clean):
        raise DataError(f"{path}: none of its {len(noises)} pictures is among those evaluated")
    return _select(faces, [row for row, keep in enumerate(clean) if keep])


def _select(faces: Faces, rows: list[int]) -> Faces:
    return dataclasses.replace(
        faces,
        keys=tuple(faces.keys[row] for row in rows),
        identities=tuple(faces.identities[row] for row in rows),
        features=None if faces.features is None else faces.features[rows],
    )


def _stem(key: str) -> str:
    return key.rpartition(".")[0] or key


def _task(
    config: EvalConfig, name: str, probes: Faces, distractors: Faces, mates: Faces | None = None
) -> IdentificationTask:
    return IdentificationTask(
        name=name, probes=probes, gallery=distractors, megaface=True, mates=mates
    )


MF1 = ProtocolSpec(
    name="mf1",
    title="MegaFace challenge 1: each probe against each other image of the person hidden among "
    "the distractors; image and mirror summed",
    reference="Tables 3-7, 10",
    datasets=("mf1",),
    layout=_LAYOUT,
    plan=_plan,
)

OCC_MF1 = ProtocolSpec(
    name="occ-mf1",
    title="Occ-MF1-S: FaceScrub occluded at scales 1, 1.5 and 2 unless told, distractors clean",
    reference="Tables 3, 4, 7, 10",
    datasets=("mf1",),
    layout=_LAYOUT,
    plan=_plan_occluded,
)

MASK_MF1 = ProtocolSpec(
    name="mask-mf1",
    title="Mask-MF1: masked FaceScrub probes, clean mates and distractors",
    reference="Fig. 14",
    datasets=("mf1",),
    layout=_LAYOUT + "; ROOT/facescrub_masked_images/Name/IMAGE with the clean pictures' names",
    plan=_plan_masked,
)
