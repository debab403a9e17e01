"""Evaluation protocols by name, one file each."""

from occgen.errors import InputError

from .ar import PROTOCOL_1, PROTOCOL_2
from .base import Faces, IdentificationTask, ProtocolSpec, Task, VerificationTask
from .identification import PROTOCOL as _IDENTIFICATION
from .lfw import LFW, OCC_LFW
from .megaface import MASK_MF1, MF1, OCC_MF1
from .real import LFW_SM, MFR2, OLFW
from .regions import PROTOCOL as _REGIONS
from .unseen import PROTOCOL as _UNSEEN
from .verification import PROTOCOL as _VERIFICATION

__all__ = [
    "PROTOCOLS",
    "Faces",
    "IdentificationTask",
    "ProtocolSpec",
    "Task",
    "VerificationTask",
    "find_protocol",
]

PROTOCOLS: dict[str, ProtocolSpec] = {
    spec.name: spec  # the first that goes with a data set is its usual one
    for spec in (
        *(_VERIFICATION, _IDENTIFICATION, LFW, OCC_LFW, MF1, OCC_MF1, MASK_MF1, _REGIONS, _UNSEEN),
        *(PROTOCOL_1, PROTOCOL_2, MFR2, LFW_SM, OLFW),
    )
}


def find_protocol(name: str | None, dataset: str) -> ProtocolSpec:
    """Return a protocol by its name, or the usual one of a data set.

    Raises
    ------
    InputError
        For a name that is none, a data set it does not go with, or one without a usual protocol.
    """
    if name is None:
        for spec in PROTOCOLS.values():
            if dataset in spec.datasets:
                return spec
        raise InputError(
            f"dataset {dataset!r} has no usual protocol; name one with --protocol: "
            f"{', '.join(PROTOCOLS)}"
        )
    if name not in PROTOCOLS:
        raise InputError(f"protocol must be one of {', '.join(PROTOCOLS)}, got {name!r}")
    spec = PROTOCOLS[name]
    if dataset not in spec.datasets:
        raise InputError(
            f"protocol {name!r} goes with --dataset {' or '.join(spec.datasets)}, got {dataset!r}"
        )
    return spec
