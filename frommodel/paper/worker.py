"""One job in a process of its own: ``python -m frommodel.paper.worker JOB.json``.

What it says goes to standard output, a line at a time; when nobody reads that any more it ends.
"""

import json
import sys
from pathlib import Path

from occgen.errors import OccgenError

from .config import PaperConfig
from .data import open_data
from .jobs import score_model, train_run
from .plan import Plan

__all__ = ["main"]


def main(job: str) -> int:
    """Do the job of a file; return the exit code."""
    record = json.loads(Path(job).read_text(encoding="utf-8"))
    config = PaperConfig.from_dict(record["config"])

    def tell(text: str) -> None:
        print(text, flush=True)

    try:
        plan = Plan(config=config, data=open_data(config))
        if record["kind"] == "train":
            run = plan.run(record["run"], record["seed"])
            train_run(plan, run, tell, alone=record["alone"])
        else:
            chosen = [s for s in plan.subjects() if str(s.folder) == record["folder"]]
            score_model(plan, chosen[0], tell, alone=record["alone"])
    except OccgenError as error:
        tell(f"Error: {' '.join(str(error).split())}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
