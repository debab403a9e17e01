"""Candidates for the improved recipe, trained in the small network, judged on validation people.

    python benchmarks/choose_recipe.py --root FACES --out CHOICE

Nobody of the test fold is looked at: pairs are drawn from fold 6 and the CelebA identities set
aside for validation. Every candidate starts from one baseline and sees the same faces; what is
there already is kept. `--network main` compares in the network of the main tables, whose runs of
`from-paper` `--paper` lends as baseline and teacher. Prints a Markdown table, accuracy of 6,000
pairs in %.
"""

import argparse
import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

from frommodel.embedding_store import EmbeddingStore
from frommodel.models import open_model
from frommodel.pairs import draw_pairs
from frommodel.paper.conditions import CONDITIONS
from frommodel.paper.config import PaperConfig
from frommodel.paper.data import PaperData, open_data
from frommodel.paper.experiments import EXPERIMENTS, Experiment, training_config
from frommodel.paper.jobs import FINISHED
from frommodel.paper.plan import Plan
from frommodel.protocols import VerificationTask
from frommodel.protocols.verification import people_of
from frommodel.runs import RECORD
from frommodel.scoring import verify
from frommodel.train import RunOptions, train
from frommodel.training_data import TrainingData
from occgen.sources import FolderSource

SEED = 100
NUM_PAIRS = 6000
JUDGED = ("clean", "occ-1.0", "occ-2.0", "occ-3.0", "rendered-worn-held")
JUDGEMENT = "judged.json"
PAPER_RUNS = {  # the same training in from-paper
    **{name: name for name in ("baseline", "baseline-aug", "baseline-md", "from")},
    "second round, soft, even mix, more masks": "improved",
}
MASKS = ("book", "cup", "eye_mask", "eyeglasses", "face_mask=4", "hand", "phone", "scarf")
TEACHER: dict[str, Any] = {"teacher": "baseline", "soft_patterns": 0.1}
WORN: dict[str, Any] = {**TEACHER, "placement": "mixed"}  # one anywhere to two worn or held
EVEN: dict[str, Any] = {**WORN, "placement_mix": "random=1,landmarks=1"}
NATURAL = {"blend": "natural"}
MORE_MASKS = {"categories": (*MASKS, "sunglasses")}

CANDIDATES: dict[str, dict[str, Any]] = {
    "baseline-aug": {},
    "baseline-md": {},
    "from": {},
    "teacher": {"teacher": "baseline"},
    "teacher, soft, mixed, natural": {**WORN, **NATURAL},
    "teacher, soft, even mix": EVEN,
    "the same, natural": {**EVEN, **NATURAL},
    "the same, more masks": {**EVEN, **MORE_MASKS},
    "the same, two things a face": {**EVEN, "occluders_per_face": "1:2"},
    "the same, teacher x 2": {**EVEN, "teacher_weight": 40.0},
    "teacher, soft": TEACHER,
    "the same, half clean": {**EVEN, "clean_fraction": 0.5},
    "the same, lambda 0.3": {**EVEN, "pattern_weight": 0.3},
    "taught by from": {"teacher": "from"},
    "taught by from, soft, even mix, more masks": {**EVEN, **MORE_MASKS, "teacher": "from"},
    "soft, even mix, more masks, no teacher": {**EVEN, **MORE_MASKS, "teacher": None},
    "learning rate 0.1": {"learning_rate": 0.1},
    "second round": {"init": "from", "teacher": "from"},
    "second round, soft, even mix, more masks": {
        **{**EVEN, **MORE_MASKS},
        **{"init": "from", "teacher": "from"},
    },
}


def judge(data: PaperData, model: Path, out: Path) -> dict[str, float]:
    """Return the accuracy of validation pairs under each condition, in percent."""
    path = out / JUDGEMENT
    if path.is_file():
        found: dict[str, float] = json.loads(path.read_text())
        return found
    source = FolderSource(data.tree("validate"))
    pairs = draw_pairs(people_of(source), NUM_PAIRS, 10, SEED)
    opened = open_model(model)
    store = EmbeddingStore([opened], workers=1, allow_missing=True)
    tasks = {}
    for name in JUDGED:
        hidden = data.occlusion(CONDITIONS[name])
        tasks[name] = VerificationTask(
            name=name,
            condition=name,
            pairs=pairs,
            first=source,
            second=source,
            occlude_second=hidden,
        )
        store.ask(source, pairs.keys_a, None)
        store.ask(source, pairs.keys_b, hidden)
    store.embed(lambda done, total: None)
    found = {
        name: 100 * verify(store, 0, opened, [task], data.evaluation)[0].reports[0].accuracy
        for name, task in tasks.items()
    }
    out.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found))
    return found


class Folders:
    """Where candidates are: beside each other, or among the runs of `from-paper`.

    Parameters
    ----------
    out : Path
    paper : Plan or None
        Of `from-paper`, whose finished runs are taken.
    """

    def __init__(self, out: Path, paper: Plan | None) -> None:
        self.out, self.paper = out, paper

    def own(self, name: str) -> Path:
        """Return a candidate's folder in `out`."""
        return self.out / name.replace(", ", "-").replace(" ", "_")

    def lent(self, name: str) -> Path | None:
        """Return the finished run of `from-paper` that is the candidate, where there is one."""
        if self.paper is None or name not in PAPER_RUNS:
            return None
        folder = self.paper.run(PAPER_RUNS[name], SEED).folder
        return folder if (folder / FINISHED).is_file() else None

    def weights(self, name: str) -> Path:
        """Return the folder with the candidate's weights."""
        return self.lent(name) or self.own(name)


def plan_of(root: str, out: Path) -> Plan:
    """Return the plan of the preset for real crops, with the data it needs made."""
    config = PaperConfig(preset="real", root=root, out=str(out))
    data = open_data(config)
    data.make()
    return Plan(config=config, data=data)


def experiment_of(name: str, network: str) -> Experiment:
    """Return the experiment of `from-paper` that a candidate is, or changes."""
    kept = name if name in ("baseline", "baseline-aug", "baseline-md") else "from"
    return EXPERIMENTS[kept if network == "main" else f"small-{kept.removeprefix('baseline-')}"]


def make(data: PaperData, name: str, experiment: Experiment, folders: Folders) -> dict[str, float]:
    """Train a candidate unless it is there; return how it is judged."""
    own = folders.own(name)
    if not (own / JUDGEMENT).is_file() and folders.lent(name) is None:
        changes = dict(CANDIDATES.get(name, {}))
        teacher, start = changes.pop("teacher", None), changes.pop("init", "baseline")
        config = dataclasses.replace(
            training_config(experiment, data.config.sizes, SEED),
            **changes,
            init=str(folders.weights(start)) if experiment.init else None,
            teacher=str(folders.weights(teacher)) if teacher else None,
            occluders="bundled",
        )
        train_tree, validate_tree = (str(data.tree(part)) for part in ("train", "validate"))
        faces = TrainingData(data=(train_tree,), validate=validate_tree, cache=True)
        mixture, validation = faces.open(SEED)
        limits = RunOptions(workers=0, threads=1)
        resume = (own / RECORD).is_file()
        train(config, mixture, own, validation=validation, options=limits, resume=resume)
    return judge(data, folders.weights(name), own)


def main() -> None:
    """Train, judge and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", required=True, help="of preset real: lfw/ and celeba/")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", help="candidates by number from 0, such as 0,3")
    parser.add_argument("--network", choices=("small", "main"), default="small")
    parser.add_argument("--paper", type=Path, help="output of from-paper, to take runs from")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    data = plan_of(options.root, options.out).data
    lender = plan_of(options.root, options.paper) if options.paper else None
    folders, network = Folders(options.out, lender), options.network
    if lender is not None and network != "main":
        parser.error("--paper lends runs of the main network: add --network main")
    found = {"baseline": make(data, "baseline", experiment_of("baseline", network), folders)}
    names = list(CANDIDATES)
    chosen = [int(n) for n in options.only.split(",")] if options.only else range(len(names))
    for number in chosen:
        name = names[number]
        found[name] = make(data, name, experiment_of(name, network), folders)
        print(name, found[name], file=sys.stderr, flush=True)
    print(f"| recipe | {' | '.join(JUDGED)} | mean of the occluded |")
    print("| --- |" + " ---: |" * (len(JUDGED) + 1))
    for name, scores in found.items():
        mean = sum(scores[c] for c in JUDGED[1:]) / len(JUDGED[1:])
        print(f"| {name} | {' | '.join(f'{scores[c]:.2f}' for c in JUDGED)} | {mean:.2f} |")


if __name__ == "__main__":
    main()
