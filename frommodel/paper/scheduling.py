"""Jobs in order: one after the other here, or several at a time, each in a process."""

import json
import os
import selectors
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from occgen.errors import CheckpointError

from .jobs import FAILED, FINISHED, score_model, train_run
from .plan import Plan, Run, Subject

__all__ = ["Job", "list_jobs", "work"]

Tell = Callable[[str], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """A training, or a model's tests.

    Parameters
    ----------
    run : Run or None
        None for the test of a given model.
    subject : Subject or None
        None for a training.
    """

    run: Run | None
    subject: Subject | None = None

    @property
    def title(self) -> str:
        """For people to read."""
        if self.subject is not None:
            return f"test {self.subject.title}"
        return f"train {self.run.title}" if self.run is not None else ""


def list_jobs(plan: Plan) -> list[Job]:
    """Return what is left to do: each run's training and then its tests; given models first."""
    jobs = [Job(run=None, subject=s) for s in plan.given_subjects if plan.missing_conditions(s)]
    for run in plan.runs:
        if not _is_settled(run):
            jobs.append(Job(run=run))
        if (run.folder / FAILED).is_file():
            continue
        jobs += [
            Job(run=run, subject=s) for s in plan.subjects_of(run) if plan.missing_conditions(s)
        ]
    return jobs


def _is_settled(run: Run) -> bool:
    return (run.folder / FINISHED).is_file() or (run.folder / FAILED).is_file()


def _is_ready(plan: Plan, job: Job) -> bool:
    if job.run is None:
        return True
    if job.subject is not None:
        return _is_settled(job.run)
    parents = job.run.experiment.parents
    return all(_is_settled(plan.run(name, job.run.seed)) for name in parents)


def _is_lost(plan: Plan, job: Job) -> bool:
    """Return whether what a training starts from has failed."""
    if job.run is None or job.subject is not None:
        return False
    return any(
        (plan.run(name, job.run.seed).folder / FAILED).is_file()
        for name in job.run.experiment.parents
    )


def work(plan: Plan, tell: Tell) -> None:
    """Do all that is left to do.

    Parameters
    ----------
    plan : Plan
    tell : callable
        Given a line for people to read.

    Raises
    ------
    OccgenError
        When a job fails; what was complete is kept.
    """
    jobs = list_jobs(plan)
    if plan.config.parallel > 1:
        _work_in_processes(plan, jobs, tell)
        return
    for number, job in enumerate(jobs, 1):
        if _is_lost(plan, job) or not _is_ready(plan, job):
            continue
        tell(f"{number} of {len(jobs)}: {job.title}")
        if job.subject is not None:
            score_model(plan, job.subject, tell)
        elif job.run is not None:
            train_run(plan, job.run, tell)


def _work_in_processes(plan: Plan, jobs: list[Job], tell: Tell) -> None:
    waiting = list(jobs)
    running: dict[int, tuple[Any, Job]] = {}
    selector = selectors.DefaultSelector()
    last_lines: dict[int, str] = {}
    try:
        with tempfile.TemporaryDirectory(prefix="from-paper-") as scratch:
            while waiting or running:
                waiting = [job for job in waiting if not _is_lost(plan, job)]
                while len(running) < plan.config.parallel:
                    job = next((job for job in waiting if _is_ready(plan, job)), None)
                    if job is None:
                        break
                    waiting.remove(job)
                    is_only = not running and not any(_is_ready(plan, other) for other in waiting)
                    threads = plan.config.parallel if is_only else 1
                    process = _start(plan, job, Path(scratch), threads)
                    running[process.pid] = (process, job)
                    selector.register(process.stdout, selectors.EVENT_READ, process.pid)
                    tell(f"{len(jobs) - len(waiting)} of {len(jobs)}: {job.title}")
                if not running:
                    break
                for key, _ in selector.select(timeout=60):
                    process, job = running[key.data]
                    line = process.stdout.readline()
                    if line:
                        last_lines[process.pid] = line.strip()
                        if not line.startswith("Error: "):
                            tell(line.strip())
                        continue
                    selector.unregister(process.stdout)
                    process.stdout.close()
                    del running[process.pid]
                    if process.wait():
                        said = last_lines.get(process.pid, "").removeprefix("Error: ")
                        raise CheckpointError(
                            f"{job.title} failed ({said or f'exit {process.returncode}'}); what "
                            "was complete is kept: the same command goes on"
                        )
    finally:
        for process, _ in running.values():
            process.terminate()
        for process, _ in running.values():
            process.stdout.close()
            process.wait()
        selector.close()


def _start(plan: Plan, job: Job, scratch: Path, threads: int) -> Any:
    """Start a job's process; one that all others wait for has the machine to itself."""
    record: dict[str, Any] = {"config": json.loads(plan.config.to_json()), "alone": threads > 1}
    if job.subject is not None:
        record |= {"kind": "test", "folder": str(job.subject.folder)}
    elif job.run is not None:
        record |= {"kind": "train", "run": job.run.experiment.name, "seed": job.run.seed}
    path = scratch / f"{time.monotonic_ns()}.json"
    path.write_text(json.dumps(record), encoding="utf-8")
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    limits = dict.fromkeys(names, str(threads))
    policy = {"OMP_WAIT_POLICY": "PASSIVE"}  # threads that spin starve beside other work
    return subprocess.Popen(
        [sys.executable, "-m", "frommodel.paper.worker", str(path)],
        stdout=subprocess.PIPE,
        text=True,
        env={**policy, **os.environ, **limits},
    )
