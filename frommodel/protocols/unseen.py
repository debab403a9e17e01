"""Occluders of one group at a time: what was not trained on, told apart (Sec. 4.8, Fig. 12)."""

from ..eval_config import EvalConfig
from .base import ProtocolSpec, Task
from .verification import occluded_tasks, open_pairs

__all__ = ["PROTOCOL"]


def _plan(config: EvalConfig) -> list[Task]:
    source, pairs = open_pairs(config)
    tasks: list[Task] = []
    for scale in config.scales or ("1.0",):
        for group in (config.group,) if config.group else (1, 2, 3):
            changes = {"scale": scale, "group": group}
            name = f"R{group}, scale {scale}"
            tasks += occluded_tasks(config, source, source, pairs, changes, name=name)
        name = f"all groups, scale {scale}"
        changes = {"scale": scale, "group": None}
        tasks += occluded_tasks(config, source, source, pairs, changes, name=name)
    return tasks


PROTOCOL = ProtocolSpec(
    name="unseen",
    title="R1-R3: the second image under occluders of group 1, 2 or 3 alone; "
    "for models trained without them",
    reference="Sec. 4.8, Fig. 12",
    datasets=("lfw", "demo", "folder", "bin", "shards"),
    layout="as lfw or folder",
    plan=_plan,
)
