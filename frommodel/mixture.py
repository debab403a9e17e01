"""Several sets of faces as one: identities merged by name, shares an epoch, order, held out."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from occgen.errors import InputError
from occgen.seeding import Stream

from .faces import Faces

__all__ = ["Mixture"]

Int64 = NDArray[np.int64]


class Mixture:
    """Pictures of several `Faces` under one numbering.

    Parameters
    ----------
    parts : sequence of Faces
    shares : sequence of float, optional
        Of an epoch, one a part: ``(1, 2)`` with clean and occluded faces is the paper's mixture.
        By default a part's share is its size.
    names : set of str, optional
        Only these identities.

    Attributes
    ----------
    identities : ndarray of int64, shape (N,)
        Number of each picture's person, in the order of first sight; -1 where none is known or the
        person is left out: such pictures are never drawn.
    identity_names : tuple of str

    Raises
    ------
    InputError
        For shares that do not fit, or when no picture is left.
    """

    def __init__(
        self,
        parts: Sequence[Faces],
        shares: Sequence[float] | None = None,
        names: set[str] | None = None,
    ) -> None:
        if shares is not None and (len(shares) != len(parts) or min(shares, default=0) <= 0):
            raise InputError(
                f"shares must be one number above 0 for each of {len(parts)} sets, got {shares}"
            )
        self.parts = tuple(parts)
        self.shares = None if shares is None else tuple(float(share) for share in shares)
        self._starts = np.cumsum([0, *(len(part) for part in parts)])
        numbers: dict[str, int] = {}
        identities = []
        for part in parts:
            taken = np.array([names is None or name in names for name in part.identity_names])
            table = np.full(len(part.identity_names) + 1, -1, np.int64)  # the last for -1
            used = np.bincount(part.identities + 1, minlength=len(table))[1:] > 0
            for own, name in enumerate(part.identity_names):
                if taken[own] and used[own]:
                    table[own] = numbers.setdefault(name, len(numbers))
            identities.append(table[part.identities])
        self.identities: Int64 = np.concatenate(identities) if identities else np.zeros(0, np.int64)
        self.identity_names = tuple(numbers)
        self._usable = [
            np.flatnonzero(self.identities[start:stop] >= 0) + start
            for start, stop in zip(self._starts, self._starts[1:], strict=False)
        ]
        if any(not len(usable) for usable in self._usable):
            raise InputError("a set of the mixture has no picture of an identity that is used")

    def __len__(self) -> int:
        return int(self._starts[-1])

    @property
    def num_identities(self) -> int:
        """How many people have a picture."""
        return len(self.identity_names)

    @property
    def numbers(self) -> Int64:
        """Numbers of all pictures that can be drawn."""
        return np.concatenate(self._usable)

    def locate(self, number: int) -> tuple[Faces, int]:
        """Return the part a picture is in, and its number there."""
        part = int(np.searchsorted(self._starts, number, side="right")) - 1
        return self.parts[part], int(number - self._starts[part])

    def counts(self) -> list[int]:
        """Return how many pictures of each part an epoch draws."""
        sizes = [len(usable) for usable in self._usable]
        if self.shares is None:
            return sizes
        total = sum(self.shares)
        return [max(1, round(max(sizes) * share / total)) for share in self.shares]

    def epoch_order(self, seed: int, epoch: int) -> Int64:
        """Return the pictures of an epoch, shuffled.

        Parameters
        ----------
        seed, epoch : int

        Returns
        -------
        ndarray of int64
            Each picture once where no shares are given. With shares an epoch is as long as the
            largest part, and a part that is too small for its share repeats.
        """
        rng = Stream(seed, f"epoch {epoch}", "order").generator()
        chosen = []
        for usable, count in zip(self._usable, self.counts(), strict=True):
            rounds = -(-count // len(usable))
            chosen += [rng.permutation(usable) for _ in range(rounds - 1)]
            chosen.append(rng.permutation(usable)[: count - (rounds - 1) * len(usable)])
        return rng.permutation(np.concatenate(chosen))

    def hold_out(self, fraction: float, seed: int) -> tuple["Mixture", "Mixture"]:
        """Return two mixtures without a common identity: to train on, and held out.

        Parameters
        ----------
        fraction : float
            Share of identities held out, in (0, 1).
        seed : int
            Which ones hangs on it and on their names alone.
        """
        held = {n for n in self.identity_names if Stream(seed, n, "hold out").random() < fraction}
        rest = set(self.identity_names) - held
        if len(held) < 2 or len(rest) < 2:
            raise InputError(
                f"holding out {fraction:g} of {self.num_identities} identities leaves "
                f"{len(rest)} to train on and {len(held)} held out; both need at least 2"
            )
        return Mixture(self.parts, self.shares, rest), Mixture(self.parts, None, held)
