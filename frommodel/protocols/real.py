"""Sets of faces that wear masks or hide otherwise: MFR2, LFW-SM, O_LFW (Table 9)."""

from pathlib import Path

from occgen.errors import InputError
from occgen.sources import FolderSource, find_root

from ..eval_config import EvalConfig
from ..pairs import Pairs, find_pairs, folder_pairs
from .base import ProtocolSpec, Task, VerificationTask

__all__ = ["LFW_SM", "MFR2", "OLFW"]


def _plan_mfr2(config: EvalConfig) -> list[Task]:
    root = find_root(config.dataset, config.root)
    source = FolderSource(root)
    path = Path(config.pairs) if config.pairs else find_pairs(root)
    pairs = folder_pairs(path, root)
    return [
        VerificationTask(
            name="as given", condition="as given", pairs=pairs, first=source, second=source
        )
    ]


def _plan_lfw_sm(config: EvalConfig) -> list[Task]:
    root = find_root(config.dataset, config.root)
    if not (root / "masked").is_dir():
        return _plan_mfr2(config)
    clean, masked = _folder(root, "clean"), _folder(root, "masked")
    return [_split_task(config, root, "clean-masked", clean, masked)]


def _plan_olfw(config: EvalConfig) -> list[Task]:
    root = find_root(config.dataset, config.root)
    clean, occluded = _folder(root, "clean"), _folder(root, "occluded")
    return [
        _split_task(config, root, "N-O", clean, occluded),
        _split_task(config, root, "O-O", occluded, occluded),
    ]


def _folder(root: Path, name: str) -> FolderSource:
    path = root / name
    if not path.is_dir():
        raise InputError(
            f"{path} does not exist; {root} should hold the folders of people {name}/ and its "
            "like, and pairs.txt"
        )
    return FolderSource(path)


def _split_task(
    config: EvalConfig, root: Path, name: str, first: FolderSource, second: FolderSource
) -> VerificationTask:
    """Return the pairs of one list, first and second picture from different folders."""
    path = Path(config.pairs) if config.pairs else find_pairs(root)
    one = folder_pairs(path, first.root)
    two = folder_pairs(path, second.root)
    pairs = Pairs(
        keys_a=one.keys_a,
        keys_b=two.keys_b,
        same=one.same,
        folds=one.folds,
        origin=one.origin,
    )
    return VerificationTask(name=name, condition=name, pairs=pairs, first=first, second=second)


MFR2 = ProtocolSpec(
    name="mfr2",
    title="MFR2: 848 pairs of real masked and unmasked faces",
    reference="Table 9",
    datasets=("mfr2",),
    layout="ROOT/Name/Name_0001.png and ROOT/pairs.txt (no header: 'name n1 n2' or "
    "'name1 n1 name2 n2'), aligned",
    plan=_plan_mfr2,
)

LFW_SM = ProtocolSpec(
    name="lfw-sm",
    title="LFW with simulated masks on the second image of each pair",
    reference="Table 9",
    datasets=("lfw-sm",),
    layout="ROOT/clean/Name/Name_0001.jpg, ROOT/masked/Name/Name_0001*.jpg and ROOT/pairs.txt "
    "(LFW's); or ROOT/Name/... with pairs that name both kinds",
    plan=_plan_lfw_sm,
)

OLFW = ProtocolSpec(
    name="olfw",
    title="O_LFW: occluded LFW, N-O (first image clean) and O-O (both occluded), 112x112",
    reference="Table 9",
    datasets=("olfw",),
    layout="ROOT/clean/Name/Name_0001.jpg, ROOT/occluded/Name/Name_0001*.jpg and ROOT/pairs.txt "
    "(LFW's)",
    plan=_plan_olfw,
)
