"""One of nine regions of the second image hidden (Fig. 1), or of MF1's probes (Table 6)."""

from occgen.regions import REGIONS

from ..eval_config import EvalConfig
from .base import ProtocolSpec, Task
from .megaface import megaface_tasks
from .verification import occluded_tasks, open_pairs, verification_tasks

__all__ = ["PROTOCOL"]

_JITTER, _MEGAFACE_JITTER = 5, 10  # pixels, as the published loaders move a region


def _plan(config: EvalConfig) -> list[Task]:
    wanted = (config.region.replace("_", "-"),) if config.region else tuple(REGIONS)
    if config.dataset == "mf1":
        jitter = _MEGAFACE_JITTER if config.region_jitter is None else config.region_jitter
        each = [
            {"placement": "regions", "region": region, "region_jitter": jitter} for region in wanted
        ]
        return megaface_tasks(config, each)
    jitter = _JITTER if config.region_jitter is None else config.region_jitter
    source, pairs = open_pairs(config)
    clean = verification_tasks(config, source, source, pairs)[:1] if not config.conditions else []
    tasks = list(clean)
    for region in wanted:
        changes = {"placement": "regions", "region": region, "region_jitter": jitter}
        name = f"region {region}"
        tasks += occluded_tasks(config, source, source, pairs, changes, name=name)
    return tasks


PROTOCOL = ProtocolSpec(
    name="regions",
    title="A random occluder filling one of nine regions, each in turn",
    reference="Fig. 1, Table 6",
    datasets=("lfw", "demo", "folder", "bin", "shards", "mf1"),
    layout="as lfw, folder or mf1",
    plan=_plan,
)
