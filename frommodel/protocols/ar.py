"""AR: sunglasses and scarves against six enrolled images a person, or one (Table 11)."""

import re
from collections.abc import Sequence

from occgen.errors import InputError
from occgen.sources import FolderSource, find_root

from ..eval_config import EvalConfig
from .base import IdentificationTask, ProtocolSpec, Task
from .identification import listed_faces

__all__ = ["DEFAULT_GALLERY", "PROTOCOL_1", "PROTOCOL_2", "SCARF", "SUNGLASSES"]

SUNGLASSES = (8, 9, 10, 21, 22, 23)  # shots 01-13 are of the first session, 14-26 of the second
SCARF = (11, 12, 13, 24, 25, 26)
DEFAULT_GALLERY = (1, 2, 3, 14, 15, 16)  # neutral, smile, anger, of both sessions
_NAME = re.compile(r"(?:^|/)([mw]-\d{3})-(\d{1,2})\.[^./]+$", re.IGNORECASE)
_LAYOUT = "pictures named m-001-01 ... w-060-26 (any ending), at any depth below ROOT"


def _shots(source: FolderSource) -> dict[str, dict[int, str]]:
    """Return each person's key by shot; of a name that occurs twice the first."""
    people: dict[str, dict[int, str]] = {}
    for ref in source.refs():
        found = _NAME.search(ref.key)
        if found:
            people.setdefault(found[1].lower(), {}).setdefault(int(found[2]), ref.key)
    if not people:
        raise InputError(
            f"{source.root} holds no picture named as AR's: m-001-01 ... w-060-26; {_LAYOUT}"
        )
    return people


def _chosen(people: dict[str, dict[int, str]], shots: Sequence[int]) -> list[tuple[str, str]]:
    return [
        (people[name][shot], name)
        for name in sorted(people)
        for shot in shots
        if shot in people[name]
    ]


def _plan(config: EvalConfig, enrolled: Sequence[int]) -> list[Task]:
    source = FolderSource(find_root(config.dataset, config.root))
    people = _shots(source)
    gallery = _chosen(people, enrolled)
    if not gallery:
        raise InputError(
            f"{source.root} holds none of the shots to be enrolled: "
            f"{', '.join(f'{shot:02d}' for shot in enrolled)} (--ar-gallery names others)"
        )
    tasks: list[Task] = []
    for name, shots in (("sunglasses", SUNGLASSES), ("scarf", SCARF)):
        probes = _chosen(people, shots)
        if probes:
            tasks.append(
                IdentificationTask(
                    name=name,
                    probes=listed_faces(source, probes),
                    gallery=listed_faces(source, gallery),
                    settings={"shots": list(shots), "gallery": list(enrolled)},
                )
            )
    if not tasks:
        raise InputError(f"{source.root} holds no shot with sunglasses (08-10, 21-23) or scarf")
    return tasks


def _plan_six(config: EvalConfig) -> list[Task]:
    return _plan(config, config.ar_gallery or DEFAULT_GALLERY)


def _plan_one(config: EvalConfig) -> list[Task]:
    return _plan(config, sorted(config.ar_gallery or DEFAULT_GALLERY)[:1])


PROTOCOL_1 = ProtocolSpec(
    name="ar-1",
    title="AR protocol 1: six images a person enrolled (shots 1-3 and 14-16 unless told; which six "
    "the paper took is not published)",
    reference="Table 11",
    datasets=("ar",),
    layout=_LAYOUT,
    plan=_plan_six,
)

PROTOCOL_2 = ProtocolSpec(
    name="ar-2",
    title="AR protocol 2: the first of protocol 1's images of each person enrolled",
    reference="Table 11",
    datasets=("ar",),
    layout=_LAYOUT,
    plan=_plan_one,
)
