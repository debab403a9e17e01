"""Data of a preset: trees of the three parts, libraries, and the tests' people and pairs."""

import dataclasses
import hashlib
import json
import os
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from occgen.atomic import make_folder, replacing_bytes
from occgen.engine import open_library
from occgen.errors import InputError
from occgen.pool import usable_jobs
from occgen.seeding import Stream
from occgen.sources import FolderSource, Source, find_root
from occluders import OccluderLibrary
from occluders.anchors import role_of

from ..eval_config import EvalConfig
from ..pairs import Pairs, draw_pairs
from ..pictures import Occlusion
from ..protocols import Faces, IdentificationTask, Task, VerificationTask, find_protocol
from ..protocols.verification import open_pairs, people_of
from .conditions import CONDITIONS, Condition
from .config import PaperConfig
from .libraries import cutout_files, make_rectangles, split_cutouts
from .splits import PARTS, Split, split_crops
from .trees import draw_tree, link_tree, tree_fingerprint

__all__ = ["PaperData", "open_data"]

_SEED = 100
_FOLDS = 10
_LEAST_PROBES = 2  # pictures of a person who is searched for
_PROTOCOL_SETS = {"mfr2": "mfr2", "lfw-sm": "lfw-sm", "olfw": "olfw", "ar-1": "ar", "ar-2": "ar"}
_FOLDER = "folder:"


@dataclass(frozen=True, kw_only=True)
class PaperData:
    """What is at hand.

    Parameters
    ----------
    config : PaperConfig
    statement : str
        Who is trained on and tested with.
    missing : tuple of str
        What is not at hand, and what would be done with it.
    counts : dict of str to int
        Pictures of each part.
    split : Split or None
        Of real crops.
    named : dict
        The paper's own sets, by what they are for: name and root.
    """

    config: PaperConfig
    statement: str
    missing: tuple[str, ...]
    counts: dict[str, int]
    split: Split | None = None
    named: dict[str, tuple[str, str | None]] = field(default_factory=dict)
    _libraries: dict[str, OccluderLibrary] = field(default_factory=dict, repr=False)

    @property
    def has_training(self) -> bool:
        """Whether there is something to train on."""
        return self.counts.get("train", 0) > 0

    @property
    def has_tests(self) -> bool:
        """Whether there are people to test with."""
        return self.counts.get("test", 0) > 0

    def tree(self, part: str) -> Path:
        """Return the folder of a part."""
        return self.config.folder / "data" / part

    def library(self, name: str) -> str | None:
        """Return what `occluders` is for a library of the tests; None where it is not at hand."""
        if name == "bundled":
            return self.config.occluders
        if name.startswith("cut-outs") and self.config.cutouts is None:
            return None
        return str(self.config.folder / "libraries" / name)

    def has_condition(self, name: str) -> bool:
        """Whether a condition can be tested."""
        if name.startswith(_FOLDER):
            return True
        condition = CONDITIONS[name]
        if condition.protocol is not None:
            return condition.protocol in self.protocols
        if not self.has_tests or self.library(condition.library) is None:
            return False
        if condition.changes and "group" in condition.changes and not self.has_groups:
            return False
        if self.config.cutouts is None or not condition.zones:
            return True
        categories = {path.parent.name for path in Path(self.config.cutouts).glob("*/*")}
        return any(role_of(name).zone in condition.zones for name in categories)

    @cached_property
    def protocols(self) -> dict[str, str]:
        """Protocols whose data set lies in ``$OCCGEN_DATA``, and its name."""
        found = {}
        for protocol, dataset in _PROTOCOL_SETS.items():
            try:
                find_root(dataset, None)
            except InputError:
                continue
            found[protocol] = dataset
        return found

    @property
    def has_groups(self) -> bool:
        """Whether the occluders are those of Sec. 4.8, which fall into three groups."""
        return self.config.occluders == "bundled"

    @property
    def has_official(self) -> bool:
        """Whether some of the test people's pairs are official, beside drawn ones."""
        return self.split is not None and self.split.official is not None

    @property
    def others(self) -> tuple[str, ...]:
        """Names of further folders with pairs."""
        return tuple(self.split.others) if self.split is not None else ()

    def _is_about_these(self) -> bool:
        """Whether what an earlier call wrote there is of the same preset and people."""
        try:
            return bool(json.loads(self._about_file.read_bytes()) == self._about)
        except (OSError, ValueError):
            return False

    @property
    def _about(self) -> dict[str, str]:
        return {"preset": self.config.preset, "data": self.statement}

    @property
    def _about_file(self) -> Path:
        return self.config.folder / "data" / "about.json"

    @cached_property
    def is_made(self) -> bool:
        """Whether trees and libraries of these very data are there: `make` has nothing to do."""
        cut = ["cut-outs", "cut-outs-test"] if self.config.cutouts is not None else []
        folders = [self.config.folder / "libraries" / name for name in ("rectangles", *cut)]
        if not self.named:
            folders += [self.tree(part) for part in PARTS]
        return self._is_about_these() and all(f.is_dir() for f in folders)

    def make(self) -> None:
        """Make trees and libraries that are not there yet.

        Raises
        ------
        InputError
            When the folder holds those of another preset or other crops.
        """
        path = self._about_file
        if path.is_file():
            if not self._is_about_these():
                raise InputError(
                    f"{path} tells of another preset or other faces; use another --out"
                )
        else:
            make_folder(path.parent)
            replacing_bytes(path, json.dumps(self._about, indent=1).encode("utf-8"))
        jobs = usable_jobs()
        for number, part in enumerate(PARTS):
            if self.config.sizes.people is not None:
                draw_tree(self.tree(part), self.config.sizes.people[number], jobs)
            elif self.split is not None:
                link_tree(self.tree(part), self.split.people[part])
        libraries = self.config.folder / "libraries"
        make_rectangles(libraries / "rectangles")
        if self.config.cutouts is not None:
            source = Path(self.config.cutouts)
            split_cutouts(source, libraries / "cut-outs", libraries / "cut-outs-test")

    @cached_property
    def training_fingerprint(self) -> str:
        """Digest of what is trained on."""
        if "train" in self.named:
            return f"{self.named['train']}, {self.counts['train']} pictures"
        return tree_fingerprint(self.tree("train"), self.tree("validate"))

    @cached_property
    def test_fingerprint(self) -> str:
        """Digest of who is tested with, and on which pairs."""
        pairs = [(name, listed.keys_a, listed.keys_b) for name, listed in self.pairs.items()]
        people = "" if self.named else tree_fingerprint(self.tree("test"))
        return hashlib.sha256(f"{people} {pairs}".encode("utf-8", "surrogateescape")).hexdigest()

    def people_of_condition(self, name: str) -> str:
        """Return a digest of who is tested with under a condition."""
        if name.startswith(_FOLDER):
            assert self.split is not None
            return tree_fingerprint(self.split.others[name.removeprefix(_FOLDER)])
        protocol = CONDITIONS[name].protocol
        if protocol is not None:
            return tree_fingerprint(find_root(self.protocols[protocol], None))
        return self.test_fingerprint

    @cached_property
    def evaluation(self) -> EvalConfig:
        """Figures wanted of every test; intervals are drawn later, over the runs of all seeds."""
        sizes = self.config.sizes
        return EvalConfig(dataset="folder", fars=(sizes.far,), folds=_FOLDS, resamples=0, workers=1)

    @cached_property
    def source(self) -> Source:
        """The test people's pictures."""
        if "pairs" in self.named:
            return open_pairs(self._named_config("pairs"))[0]
        return FolderSource(self.tree("test"))

    @cached_property
    def pairs(self) -> dict[str, Pairs]:
        """Lists of pairs of the test people: ``pairs``, and ``official`` where there are some."""
        if "pairs" in self.named:
            return {"pairs": open_pairs(self._named_config("pairs"))[1]}
        people = people_of(self.source)
        people.sort(key=lambda person: Stream(_SEED, person[0], "order of people").random())
        sizes = self.config.sizes
        folds = min(_FOLDS, max(2, len(people) // 4))
        found = {"pairs": draw_pairs(people, sizes.num_pairs, folds, _SEED)}
        if self.has_official:
            assert self.split is not None
            assert self.split.official is not None
            found["official"] = self.split.official
        return found

    @cached_property
    def probes(self) -> tuple[Faces, Faces] | None:
        """Probes and distractors: CelebA among LFW, or one half of the drawn people and the other.

        Each probe is searched for by each other picture of its person, as in MegaFace's protocol.
        """
        if self.named:
            if "mf1" not in self.named:
                return None
            task = find_protocol("mf1", "mf1").plan(self._named_config("mf1"))[0]
            assert isinstance(task, IdentificationTask)
            return task.probes, task.gallery
        people = people_of(self.source)
        chosen = [p for p in people if p[0].startswith("celeba-")] or people[: len(people) // 2]
        names = {name for name, _ in chosen}
        chosen = [person for person in chosen if len(person[1]) >= _LEAST_PROBES]
        rest = [person for person in people if person[0] not in names]
        if len(chosen) < 1 or not rest:
            return None
        return self._faces(chosen), self._faces(rest)

    def _faces(self, people: list[tuple[str, list[str]]]) -> Faces:
        rows = [(key, name) for name, keys in people for key in keys]
        keys, names = zip(*rows, strict=True)
        return Faces(source=self.source, keys=keys, identities=names)

    def _named_config(self, name: str) -> EvalConfig:
        dataset, root = self.named[name]
        return EvalConfig(dataset=dataset, root=root)

    def occlusion(self, condition: Condition) -> Occlusion | None:
        """Return what hides the faces of a condition."""
        if condition.changes is None:
            return None
        place = self.library(condition.library)
        assert place is not None
        library = self.opened(place)
        changes: dict[str, Any] = {**condition.changes, "occluders": place}
        if condition.zones:
            zones = condition.zones
            changes["categories"] = tuple(
                name for name in library.categories if role_of(name).zone in zones
            )
        return Occlusion(self.evaluation.occlusion(**changes), library)

    def opened(self, place: str) -> OccluderLibrary:
        """Return a library, opened once."""
        if place not in self._libraries:
            self._libraries[place] = open_library(place)
        return self._libraries[place]

    def tasks(self, name: str) -> dict[str, Task]:
        """Return the tests of a condition by name.

        Raises
        ------
        InputError, DataError
            When lists cannot be read.
        """
        if name.startswith(_FOLDER):
            return self._folder_tasks(name.removeprefix(_FOLDER))
        condition = CONDITIONS[name]
        if condition.protocol is not None:
            config = EvalConfig(dataset=self.protocols[condition.protocol])
            planned = find_protocol(condition.protocol, config.dataset).plan(config)
            return {task.name: task for task in planned}
        occlusion = self.occlusion(condition)
        tasks: dict[str, Task] = {}
        for title, pairs in self.pairs.items():
            tasks[title] = VerificationTask(
                name=title,
                condition=name,
                pairs=pairs,
                first=self.source,
                second=self.source,
                occlude_second=occlusion,
            )
        if self.probes is not None:
            probes, distractors = self.probes
            hidden = dataclasses.replace(probes, occlusion=occlusion)
            tasks["faces"] = IdentificationTask(
                name="faces", probes=hidden, gallery=distractors, megaface=True
            )
        return tasks

    def _folder_tasks(self, name: str) -> dict[str, Task]:
        assert self.split is not None
        source, pairs = open_pairs(EvalConfig(dataset="folder", root=str(self.split.others[name])))
        task = VerificationTask(
            name=name, condition="as given", pairs=pairs, first=source, second=source
        )
        return {name: task}


def open_data(config: PaperConfig) -> PaperData:
    """Return what is at hand for a preset; nothing is written.

    Raises
    ------
    InputError
        When there is nothing to work with.
    """
    missing: list[str] = []
    values: dict[str, Any] = {}
    if config.sizes.people is not None:
        values = _drawn(config.sizes.people)
    elif config.preset == "real":
        assert config.root is not None
        split = split_crops(Path(config.root))
        counts = {
            part: sum(len(os.listdir(folder)) for _, folder in split.people[part]) for part in PARTS
        }
        missing += split.missing
        values = {"statement": split.statement, "counts": counts, "split": split}
    else:
        values = _published_sets(config, missing)
    if config.cutouts is not None:
        cutout_files(Path(config.cutouts))  # refused before any work
    else:
        missing.append("real cut-outs: --cutouts DIR; their columns and runs are left out")
    data = PaperData(config=config, missing=(), **values)
    if not data.has_groups:
        missing.append("occluder groups of Sec. 4.8: those of --occluders fall into none")
    for protocol, dataset in _PROTOCOL_SETS.items():
        if protocol not in data.protocols:
            missing.append(f"{protocol}: $OCCGEN_DATA/{dataset} is not there")
    return dataclasses.replace(data, missing=tuple(missing))


def _drawn(people: tuple[str, str, str]) -> dict[str, Any]:
    counts = {}
    for part, spec in zip(PARTS, people, strict=True):
        identities, images = (int(n) for n in spec.partition("@")[0].split("x"))
        counts[part] = identities * images
    statement = (
        "Drawn faces: trained on {}, recipes chosen on {}, tested on {} (people x pictures @ seed; "
        "people of other seeds are other people)."
    ).format(*people)
    return {"statement": statement, "counts": counts}


def _published_sets(config: PaperConfig, missing: list[str]) -> dict[str, Any]:
    """Return the paper's own sets, those that are there."""
    named: dict[str, tuple[str, str | None]] = {}
    counts = dict.fromkeys(PARTS, 0)
    sets = {"train": "webface", "pairs": "lfw", "mf1": "mf1"}
    for role, dataset in sets.items():
        root = None if config.root is None else str(Path(config.root) / dataset)
        try:
            found = find_root(dataset, root)
        except InputError as error:
            missing.append(f"{dataset}: {error}")
            continue
        named[role] = (dataset, str(found))
        if role == "train":
            counts["train"] = 490_000
        else:
            counts["test"] += 13_000 if role == "pairs" else 100_000
    if not named:
        raise InputError("preset full finds none of webface, lfw, mf1: " + "; ".join(missing))
    if "pairs" not in named:
        missing.append("lfw is needed for the tests")
        counts["test"] = 0
    statement = "Trained on WebFace, tested on LFW and MF1, as in the paper."
    return {"statement": statement, "counts": counts, "named": named}
