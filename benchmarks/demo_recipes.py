"""The four compact recipes on drawn faces: train, evaluate on other people, print the table.

    python benchmarks/demo_recipes.py run --seed 1 --out RUNS
    python benchmarks/demo_recipes.py run --seed 2 --out RUNS
    python benchmarks/demo_recipes.py run --seed 3 --out RUNS
    python benchmarks/demo_recipes.py table --out RUNS

`run` calls the programs as a user would and prints each command; what it has done already it does
not do again, and a training that was killed goes on. People of three seeds are used: 0 to train,
1 to choose the best epoch, 2 to evaluate once.
"""

import argparse
import json
import shlex
import statistics
import subprocess
import time
from pathlib import Path

RECIPES = ("baseline", "baseline-aug", "baseline-md", "from")
TRAIN = "--data demo --root 300x10@0 --validate demo --validate-root 60x5@1"
EVALUATE = "--dataset demo --root 100x6@2 --occlude 2.0,3.0 --num-pairs 3000 --resamples 0 --json"


def call(command: str) -> str:
    """Run a command, its errors shown, and return what it printed."""
    print(f"$ {command}", flush=True)
    return subprocess.run(
        shlex.split(command), check=True, stdout=subprocess.PIPE, text=True
    ).stdout


def run(seed: int, out: Path, extra: str) -> None:
    """Train and evaluate the recipes of one seed."""
    baseline = out / f"baseline-{seed}"
    for recipe in RECIPES:
        folder = out / f"{recipe}-{seed}"
        began = time.monotonic()
        init = "" if recipe == "baseline" else f" --init {baseline}"
        if not (folder / "done").exists():
            resume = " --resume" if folder.exists() else ""
            call(
                f"from-train {TRAIN} --recipe {recipe}-compact{init} --seed {seed} "
                f"--validate-every 4 {extra} --out {folder}{resume}"
            )
            (folder / "done").write_text(f"{time.monotonic() - began:.0f}\n")
        scores = folder / "scores.json"
        if not scores.exists():
            text = call(f"from-eval --model {folder}/last.safetensors {EVALUATE}")
            scores.write_text(text)


def table(out: Path) -> None:
    """Print accuracy of each recipe and condition: mean and range over seeds."""
    scored = out.glob("from-*/scores.json")
    seeds = sorted(int(path.parent.name.rsplit("-", 1)[1]) for path in scored)
    if not seeds:
        raise SystemExit(f"no seed in {out} has all four recipes evaluated yet")
    found: dict[str, dict[str, list[float]]] = {}
    for recipe in RECIPES:
        for seed in seeds:
            results = json.loads((out / f"{recipe}-{seed}" / "scores.json").read_text())
            for name, value in accuracies(results).items():
                found.setdefault(recipe, {}).setdefault(name, []).append(100 * value)
    names = list(found["from"])
    print(f"Seeds {', '.join(map(str, seeds))}; mean (least .. most) over them, %.\n")
    print("| recipe | " + " | ".join(names) + " |")
    print("| --- |" + " --- |" * len(names))
    for recipe, columns in found.items():
        cells = [
            f"{statistics.mean(v):.2f} ({min(v):.2f} .. {max(v):.2f})" for v in columns.values()
        ]
        print(f"| {recipe} | " + " | ".join(cells) + " |")


def accuracies(results: dict) -> dict[str, float]:
    """Return accuracy by condition of from-eval's JSON."""
    return {
        result["name"].replace("clean-occluded, scale", "Occ"): result["accuracy"]
        for result in results["results"]
        if result["kind"] == "verification"
    }


def main() -> None:
    """Run what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("action", choices=["run", "table"])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--extra", default="", help="further options of from-train")
    options = parser.parse_args()
    if options.action == "run":
        run(options.seed, options.out, options.extra)
    else:
        table(options.out)


if __name__ == "__main__":
    main()
