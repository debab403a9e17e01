"""Candidates for the improved recipe, trained in the small network, judged on validation people.

    python benchmarks/choose_recipe.py --root FACES --out CHOICE

Nobody of the test fold is looked at: pairs are drawn from fold 6 and the CelebA identities set
aside for validation. Every candidate starts from one small baseline and sees the same faces; what
is there already is kept. Prints a Markdown table, accuracy of 6,000 pairs in %.
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
MASKS = ("book", "cup", "eye_mask", "eyeglasses", "face_mask=4", "hand", "phone", "scarf")
TEACHER: dict[str, Any] = {"teacher": True, "soft_patterns": 0.1}
WORN: dict[str, Any] = {**TEACHER, "placement": "mixed"}  # one anywhere to two worn or held
EVEN: dict[str, Any] = {**WORN, "placement_mix": "random=1,landmarks=1"}
NATURAL = {"blend": "natural"}

CANDIDATES: dict[str, dict[str, Any]] = {
    "from": {},
    "teacher": {"teacher": True},
    "teacher, soft, mixed, natural": {**WORN, **NATURAL},
    "teacher, soft, even mix": EVEN,
    "the same, natural": {**EVEN, **NATURAL},
    "the same, more masks": {**EVEN, "categories": (*MASKS, "sunglasses")},
    "the same, two things a face": {**EVEN, "occluders_per_face": "1:2"},
    "the same, teacher x 2": {**EVEN, "teacher_weight": 40.0},
    "teacher, soft": TEACHER,
    "the same, half clean": {**EVEN, "clean_fraction": 0.5},
    "the same, lambda 0.3": {**EVEN, "pattern_weight": 0.3},
}


def judge(data: PaperData, model: Path, out: Path) -> dict[str, float]:
    """Return the accuracy of validation pairs under each condition, in percent."""
    path = out / "judged.json"
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
    path.write_text(json.dumps(found))
    return found


def make(data: PaperData, name: str, experiment: Experiment, out: Path, **changes: Any) -> Path:
    """Train a candidate unless it is there; return its folder."""
    folder = out / name.replace(", ", "-").replace(" ", "_")
    config = training_config(experiment, data.config.sizes, SEED)
    uses_teacher = changes.pop("teacher", False)
    baseline = str(out / "baseline")
    config = dataclasses.replace(
        config,
        **changes,
        init=baseline if experiment.init else None,
        teacher=baseline if uses_teacher else None,
        occluders="bundled",
    )
    train_tree, validate_tree = (str(data.tree(part)) for part in ("train", "validate"))
    faces = TrainingData(data=(train_tree,), validate=validate_tree, cache=True)
    mixture, validation = faces.open(SEED)
    options = RunOptions(workers=0, threads=1)
    resume = (folder / RECORD).is_file()
    if not (folder / "judged.json").is_file():
        train(config, mixture, folder, validation=validation, options=options, resume=resume)
    return folder


def main() -> None:
    """Train, judge and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", required=True, help="of preset real: lfw/ and celeba/")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", help="candidates by number from 0, such as 0,3")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    config = PaperConfig(preset="real", root=options.root, out=str(options.out))
    data = open_data(config)
    data.make()
    base = make(data, "baseline", EXPERIMENTS["small-baseline"], options.out)
    found = {"baseline": judge(data, base, base)}
    names = list(CANDIDATES)
    chosen = [int(n) for n in options.only.split(",")] if options.only else range(len(names))
    for number in chosen:
        name = names[number]
        folder = make(data, name, EXPERIMENTS["small-from"], options.out, **CANDIDATES[name])
        found[name] = judge(data, folder, folder)
        print(name, found[name], file=sys.stderr, flush=True)
    print(f"| recipe | {' | '.join(JUDGED)} | mean of the occluded |")
    print("| --- |" + " ---: |" * (len(JUDGED) + 1))
    for name, scores in found.items():
        mean = sum(scores[c] for c in JUDGED[1:]) / len(JUDGED[1:])
        print(f"| {name} | {' | '.join(f'{scores[c]:.2f}' for c in JUDGED)} | {mean:.2f} |")


if __name__ == "__main__":
    main()
