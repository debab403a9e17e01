"""What a protocol is: a name, the layout it reads, and the tasks it sets; no torch."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from occgen.sources import Source

from ..eval_config import EvalConfig
from ..pairs import Pairs
from ..pictures import Occlusion

__all__ = ["Faces", "IdentificationTask", "ProtocolSpec", "Task", "VerificationTask"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Faces:
    """Pictures of a source, or features made before.

    Parameters
    ----------
    source : Source or None
        None where `features` are given.
    keys : tuple of str
    identities : tuple of str
        Name of the person on each; empty for distractors.
    occlusion : Occlusion or None
    features : ndarray of float32, shape (N, E), or None
        May be mapped from a file.
    flip : bool or None
        Add the mirror image's embedding; None leaves it to the configuration.
    """

    source: Source | None
    keys: tuple[str, ...]
    identities: tuple[str, ...]
    occlusion: Occlusion | None = None
    features: NDArray[np.float32] | None = None
    flip: bool | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class VerificationTask:
    """Pairs to be told apart.

    Parameters
    ----------
    name : str
        For people to read; equal for tasks that differ in the occlusion's seed alone.
    condition : str
        Of `eval_config.CONDITIONS`, or a protocol's own.
    pairs : Pairs
    first, second : Source
        Where the first and the second picture of a pair are read.
    occlude_first, occlude_second : Occlusion or None
    settings : dict
        What sets it apart: scale, region, group.
    """

    name: str
    condition: str
    pairs: Pairs
    first: Source
    second: Source
    occlude_first: Occlusion | None = None
    occlude_second: Occlusion | None = None
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class IdentificationTask:
    """Probes to be found in a gallery.

    Parameters
    ----------
    name : str
    probes : Faces
    gallery : Faces
        People enrolled; for `megaface` the distractors.
    megaface : bool
        Whether each other picture of a probe's person, in turn, is hidden among the gallery.
    mates : Faces or None
        For `megaface`: the pictures hidden, where they are not the probes themselves (clean ones
        for occluded probes).
    settings : dict
    """

    name: str
    probes: Faces
    gallery: Faces
    megaface: bool = False
    mates: Faces | None = None
    settings: dict[str, Any] = field(default_factory=dict)


Task = VerificationTask | IdentificationTask


@dataclass(frozen=True, kw_only=True, slots=True)
class ProtocolSpec:
    """A protocol by name.

    Parameters
    ----------
    name : str
    title : str
        A sentence: what is measured.
    reference : str
        Table or figure of the paper.
    datasets : tuple of str
        Whose `--dataset` it goes with.
    layout : str
        The folder it reads.
    plan : callable
        From the configuration to the tasks; reads lists, not pictures.
    """

    name: str
    title: str
    reference: str
    datasets: tuple[str, ...]
    layout: str
    plan: Callable[[EvalConfig], list[Task]]
