"""LFW, clean and with occluders of three scales (Sec. 4.1; Tables 2, 5, 8; Fig. 8, 10)."""

import dataclasses

from ..eval_config import EvalConfig
from .base import ProtocolSpec, Task
from .verification import open_pairs, verification_tasks

__all__ = ["LFW", "OCC_LFW"]

_LAYOUT = "ROOT/Name/Name_0001.jpg and ROOT/pairs.txt (LFW's, ten folds of 300 + 300)"


def _plan(config: EvalConfig) -> list[Task]:
    source, pairs = open_pairs(config)
    return verification_tasks(config, source, source, pairs)


def _plan_occluded(config: EvalConfig) -> list[Task]:
    if not config.scales:
        config = dataclasses.replace(config, scales=("1.0", "2.0", "3.0"))
    return _plan(config)


LFW = ProtocolSpec(
    name="lfw",
    title="LFW pairs, ten folds",
    reference="Table 5",
    datasets=("lfw",),
    layout=_LAYOUT,
    plan=_plan,
)

OCC_LFW = ProtocolSpec(
    name="occ-lfw",
    title="Occ-LFW-S: the second image of each pair occluded, at scales 1, 2 and 3 unless told",
    reference="Tables 2, 5, 8; Fig. 8, 10",
    datasets=("lfw", "demo", "folder", "bin", "shards"),
    layout=_LAYOUT,
    plan=_plan_occluded,
)
