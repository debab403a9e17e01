"""Verification on pairs of held-out identities while training: clean, and occluded."""

import dataclasses
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from occgen.errors import InputError
from occgen.seeding import Stream

from .config import TrainConfig
from .data import to_nchw
from .loader import BatchMaker, batch_loader
from .metrics import verification_accuracy
from .mixture import Mixture
from .network import FROM

__all__ = ["Validation", "ValidationScores", "draw_pairs"]

Int64 = NDArray[np.int64]

_BATCH = 64
_FOLDS = 10


class ValidationScores(NamedTuple):
    """Accuracy over ten folds, in [0, 1].

    Parameters
    ----------
    clean : float
        Both pictures of a pair as they are.
    occluded : float
        The second one occluded at scale 2.0.
    """

    clean: float
    occluded: float

    @property
    def mean(self) -> float:
        """Of the two: what the best weights are chosen by."""
        return (self.clean + self.occluded) / 2


def draw_pairs(identities: Int64, count: int, seed: int) -> tuple[Int64, NDArray[np.bool_]]:
    """Return pairs of pictures, genuine and impostor in turn.

    Parameters
    ----------
    identities : ndarray of int64, shape (N,)
        Negative ones are not used.
    count : int
        Of pairs; half are genuine. Fewer where the set does not hold so many genuine ones.
    seed : int

    Returns
    -------
    pairs : ndarray of int64, shape (P, 2)
        Numbers of pictures.
    same : ndarray of bool, shape (P,)

    Raises
    ------
    InputError
        When fewer than ten genuine pairs can be drawn, or one identity is all there is.
    """
    rng = Stream(seed, "pairs", "validation").generator()
    usable = np.flatnonzero(identities >= 0)
    usable = usable[np.argsort(identities[usable], kind="stable")]
    _, starts, sizes = np.unique(identities[usable], return_index=True, return_counts=True)
    several = np.flatnonzero(sizes > 1)
    possible = int((sizes * (sizes - 1) // 2).sum())
    half = min(count // 2, possible)
    if half < _FOLDS or len(sizes) < 2:
        raise InputError(
            f"validation needs at least {_FOLDS} genuine pairs and two identities; the set holds "
            f"{possible} genuine pairs of {len(sizes)} identities"
        )
    genuine: dict[tuple[int, int], None] = {}
    weights = (sizes[several] * (sizes[several] - 1)).astype(np.float64)
    while len(genuine) < half:
        for person in rng.choice(several, half, p=weights / weights.sum()).tolist():
            first, second = sorted(rng.choice(int(sizes[person]), 2, replace=False).tolist())
            genuine[int(starts[person]) + first, int(starts[person]) + second] = None
            if len(genuine) == half:
                break
    impostor: dict[tuple[int, int], None] = {}
    owners = identities[usable]
    while len(impostor) < half:
        first, second = sorted(rng.integers(0, len(usable), 2).tolist())
        if owners[first] != owners[second]:
            impostor[first, second] = None
    pairs = np.empty((2 * half, 2), np.int64)
    pairs[0::2], pairs[1::2] = usable[list(genuine)], usable[list(impostor)]
    return pairs, np.arange(2 * half) % 2 == 0


class Validation:
    """Pairs drawn once, scored as often as wanted.

    Parameters
    ----------
    mixture : Mixture
        Identities that are not trained on.
    config : TrainConfig
    pairs : int, optional
        How many.
    scale : float, optional
        Of the occlusion of second pictures.

    Raises
    ------
    InputError
        As `draw_pairs`.
    """

    def __init__(
        self, mixture: Mixture, config: TrainConfig, pairs: int = 2000, scale: float = 2.0
    ) -> None:
        self.pairs, self.same = draw_pairs(mixture.identities, pairs, config.seed)
        plain = dataclasses.replace(
            config, occlude=None, augment=False, soft_patterns=None, teacher=None, label_by="box"
        )
        occluded = dataclasses.replace(plain, occlude=str(scale), clean_fraction=0.0)
        self._clean = BatchMaker(mixture, plain)
        self._occluded = BatchMaker(mixture, occluded)

    def score(self, model: FROM, workers: int = 0) -> ValidationScores:
        """Return the accuracy of a network; it comes back in the mode it had.

        Parameters
        ----------
        model : FROM
        workers : int, optional
            Processes that decode.
        """
        first, second = np.unique(self.pairs[:, 0]), np.unique(self.pairs[:, 1])
        both = np.union1d(first, second)
        training = model.training
        model.eval()
        try:
            clean = self._embed(model, self._clean, both, workers)
            hidden = self._embed(model, self._occluded, second, workers)
        finally:
            model.train(training)
        left = clean[np.searchsorted(both, self.pairs[:, 0])]
        scores = (
            (left * clean[np.searchsorted(both, self.pairs[:, 1])]).sum(1),
            (left * hidden[np.searchsorted(second, self.pairs[:, 1])]).sum(1),
        )
        return ValidationScores(
            *(float(verification_accuracy(values, self.same, folds=_FOLDS)[0]) for values in scores)
        )

    @staticmethod
    def _embed(model: FROM, maker: BatchMaker, numbers: Int64, workers: int) -> NDArray[np.float32]:
        """Return embeddings of length one."""
        device = next(model.parameters()).device
        plans = ((0, numbers[i : i + _BATCH].tolist()) for i in range(0, len(numbers), _BATCH))
        rows = []
        with torch.inference_mode():
            for batch in batch_loader(maker, plans, workers):
                images = to_nchw(batch.pixels.to(device))
                rows.append(F.normalize(model.embed(images).float()).cpu().numpy())
        return np.concatenate(rows)
