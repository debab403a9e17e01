"""Closed- and open-set identification within any data set of people."""

from collections.abc import Sequence

from occgen.errors import InputError
from occgen.sources import Source, open_source

from ..eval_config import EvalConfig
from ..pictures import Occlusion
from .base import Faces, IdentificationTask, ProtocolSpec, Task
from .verification import people_of

__all__ = ["PROTOCOL", "listed_faces", "probe_tasks"]

_DEMO = "100x10@1"


def listed_faces(source: Source, pictures: Sequence[tuple[str, str]]) -> Faces:
    """Return clean faces of a source from their keys and names."""
    return Faces(
        source=source,
        keys=tuple(key for key, _ in pictures),
        identities=tuple(name for _, name in pictures),
    )


def probe_tasks(config: EvalConfig, name: str, probes: Faces, gallery: Faces) -> list[Task]:
    """Return the task of clean probes, and one a scale and occlusion seed.

    Parameters
    ----------
    config : EvalConfig
    name : str
        Put before the condition where not empty.
    probes, gallery : Faces
        Clean.
    """
    before = f"{name}, " if name else ""
    conditions = config.conditions or (
        ("clean-clean",) + (("clean-occluded",) if config.scales else ())
    )
    tasks: list[Task] = []
    if "clean-clean" in conditions:
        tasks.append(
            IdentificationTask(name=f"{before}clean probes", probes=probes, gallery=gallery)
        )
    for scale in config.scales if len(conditions) > ("clean-clean" in conditions) else ():
        whole = Occlusion(config.occlusion(scale=scale))
        for seed in range(config.seed, config.seed + config.occlusion_seeds):
            occluded = Faces(
                source=probes.source,
                keys=probes.keys,
                identities=probes.identities,
                occlusion=whole.with_changes(seed=seed),
                flip=probes.flip,
            )
            tasks.append(
                IdentificationTask(
                    name=f"{before}occluded probes, scale {scale}",
                    probes=occluded,
                    gallery=gallery,
                    settings={"scale": scale, "seed": seed},
                )
            )
    return tasks


def _plan(config: EvalConfig) -> list[Task]:
    root = _DEMO if config.dataset == "demo" and config.root is None else config.root
    source = open_source(config.dataset, root)
    people = [person for person in people_of(source) if person[0]]
    number = config.gallery_images or 1
    probes: list[tuple[str, str]] = []
    gallery: list[tuple[str, str]] = []
    for name, keys in people:
        enrolled = number if len(keys) > number else 0
        gallery += [(key, name) for key in keys[:enrolled]]
        probes += [(key, name) for key in keys[enrolled:]]
    if not gallery:
        raise InputError(
            f"{root or config.dataset}: nobody has more than {number} pictures, so no gallery can "
            "be formed"
        )
    return probe_tasks(config, "", listed_faces(source, probes), listed_faces(source, gallery))


PROTOCOL = ProtocolSpec(
    name="identification",
    title="Identification: the first pictures of each person enrolled, the others probes",
    reference="",
    datasets=("demo", "folder", "lfw", "facescrub", "webface"),
    layout="ROOT/IDENTITY/IMAGE",
    plan=_plan,
)
