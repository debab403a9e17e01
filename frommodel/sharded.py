"""The margin loss with its centres dealt over ranks, for very many identities."""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from occgen.errors import InputError

from .losses import apply_margin, check_batch, check_margins, cosine_logits

__all__ = ["ShardedMarginLoss", "shard_bounds"]


def shard_bounds(num_identities: int, rank: int, world_size: int) -> tuple[int, int]:
    """Return first and one past the last identity of a rank; shards differ by one at most."""
    return num_identities * rank // world_size, num_identities * (rank + 1) // world_size


class _GatherRows(torch.autograd.Function):
    """Rows of all ranks in order; its gradient sums over ranks what each has of a row.

    The sum is multiplied by the number of ranks, since DistributedDataParallel, through which the
    embedding came, divides by it.
    """

    @staticmethod
    def forward(ctx: Any, rows: Tensor, group: dist.ProcessGroup | None) -> Tensor:
        ctx.group, ctx.count = group, len(rows)
        parts = [torch.empty_like(rows) for _ in range(dist.get_world_size(group))]
        dist.all_gather(parts, rows.contiguous(), group=group)
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        total = gradients[0].contiguous().clone()
        dist.all_reduce(total, group=ctx.group)
        start = dist.get_rank(ctx.group) * ctx.count
        own = total[start : start + ctx.count]
        return own * dist.get_world_size(ctx.group), None


class _ShardedCrossEntropy(torch.autograd.Function):
    """Mean cross entropy of logits whose columns are dealt over ranks."""

    @staticmethod
    def forward(
        ctx: Any, logits: Tensor, column: Tensor, group: dist.ProcessGroup | None
    ) -> Tensor:
        """Take logits (N, own columns) and each row's true column, -1 where another rank has it."""
        top = logits.amax(dim=1)
        dist.all_reduce(top, dist.ReduceOp.MAX, group=group)
        exponents = torch.exp(logits - top[:, None])
        rows = torch.nonzero(column >= 0).squeeze(1)
        sums = torch.zeros(2, len(logits), dtype=logits.dtype, device=logits.device)
        sums[0] = exponents.sum(dim=1)
        sums[1, rows] = logits[rows, column[rows]] - top[rows]
        dist.all_reduce(sums, group=group)
        ctx.save_for_backward(exponents / sums[0][:, None], rows, column)
        return (sums[0].log() - sums[1]).mean()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        probabilities, rows, column = ctx.saved_tensors
        slope = probabilities.clone()
        slope[rows, column[rows]] -= 1.0
        return slope * (gradients[0] / len(slope)), None, None


class ShardedMarginLoss(nn.Module):
    """`MarginLoss` whose centres are dealt over the ranks of a process group.

    Each rank holds its share of the centres, sees the embeddings of all ranks, and computes its
    own columns of the logits; only the softmax's sums and the embeddings travel.

    Parameters
    ----------
    num_identities : int
        Over all ranks, at least one a rank.
    embedding_size : int
    s, m1, m2, m3 : float, optional
        As for `MarginLoss`.
    negative_fraction : float, optional
        Share of each rank's centres that takes part in a step, in (0, 1]: those of the batch and
        others drawn at random. Below 1 the loss is an estimate.
    seed : int, optional
        Of the draws; each rank has its own stream.
    generator : torch.Generator, optional
        Source of the initial centres: the same on every rank gives `MarginLoss`'s.
    group : ProcessGroup, optional
        None is the default group.

    Raises
    ------
    InputError
        For values as `MarginLoss`, a fraction outside (0, 1], or no process group.

    Notes
    -----
    Each rank must bring the same number of images. The loss is the mean over all ranks' images
    and is the same on each. Do not wrap this module in DistributedDataParallel, its centres differ
    by rank; the gradients of embeddings are scaled for a network that is wrapped. Centres which
    take no part in a step have zero gradient, yet momentum and weight decay move them.

    References
    ----------
    An et al., "Partial FC", 2021: the idea of sharding and of sampling negatives.
    """

    def __init__(
        self,
        num_identities: int,
        embedding_size: int,
        s: float = 30.0,
        m1: float = 1.0,
        m2: float = 0.0,
        m3: float = 0.35,
        negative_fraction: float = 1.0,
        seed: int = 100,
        generator: torch.Generator | None = None,
        group: dist.ProcessGroup | None = None,
    ) -> None:
        super().__init__()
        if not dist.is_available() or not dist.is_initialized():
            raise InputError("a sharded loss needs a process group: start with torchrun")
        self.rank, self.world_size = dist.get_rank(group), dist.get_world_size(group)
        if num_identities < max(2, self.world_size):
            raise InputError(
                f"num_identities must be at least {max(2, self.world_size)}, got {num_identities}"
            )
        if not 0 < negative_fraction <= 1:
            raise InputError(f"negative_fraction must be in (0, 1], got {negative_fraction}")
        check_margins(s, m1, m2, m3)
        self.num_identities, self.group = num_identities, group
        self.s, self.m1, self.m2, self.m3 = float(s), float(m1), float(m2), float(m3)
        self.start, self.stop = shard_bounds(num_identities, self.rank, self.world_size)
        self.sampled = max(1, int(negative_fraction * (self.stop - self.start)))
        self._seed = seed
        self._draws = torch.Generator()
        self.reseed(0)
        self.weight = nn.Parameter(self._initial_centres(embedding_size, generator))

    def _initial_centres(self, size: int, generator: torch.Generator | None) -> Tensor:
        """Return this rank's rows of centres drawn over all identities."""
        if generator is None:
            return torch.empty(self.stop - self.start, size).normal_(0, 0.01)
        whole = torch.empty(self.num_identities, size).normal_(0, 0.01, generator=generator)
        return whole[self.start : self.stop].clone()

    def forward(self, embedding: Tensor, labels: Tensor) -> Tensor:
        """Return the mean loss over the images of all ranks.

        Parameters
        ----------
        embedding : Tensor of float, shape (N, E)
            Of this rank's images.
        labels : Tensor of int64, shape (N,)
            In 0 .. num_identities - 1.

        Returns
        -------
        Tensor
            float32, no axes, the same on every rank.

        Raises
        ------
        InputError
            For shapes or dtypes that do not fit.
        """
        check_batch(embedding, self.weight, labels)
        with torch.autocast(embedding.device.type, enabled=False):
            gathered = _GatherRows.apply(embedding.float(), self.group)  # (world * N, E)
            parts = [torch.empty_like(labels) for _ in range(self.world_size)]
            dist.all_gather(parts, labels.contiguous(), group=self.group)
            weight, column = self._sample(torch.cat(parts))
            cosine = cosine_logits(gathered, weight)  # (world * N, own centres)
            rows = torch.nonzero(column >= 0).squeeze(1)
            margin = apply_margin(cosine[rows, column[rows]], self.m1, self.m2, self.m3)
            logits = self.s * cosine.index_put((rows, column[rows]), margin)
            return _ShardedCrossEntropy.apply(logits, column, self.group)

    def _sample(self, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return the centres of this step and each image's column in them, -1 for none here."""
        own = (labels >= self.start) & (labels < self.stop)
        column = torch.where(own, labels - self.start, -1)
        count = len(self.weight)
        if self.sampled >= count:
            return self.weight, column
        chance = torch.rand(count, generator=self._draws).to(labels.device)
        chance[column[own]] = 2.0  # above every draw: the batch's own are always in
        keep = max(self.sampled, int((chance == 2.0).sum()))
        chosen = torch.topk(chance, keep).indices.sort().values
        place = torch.full((count,), -1, device=labels.device)
        place[chosen] = torch.arange(keep, device=labels.device)
        return self.weight[chosen], torch.where(own, place[column.clamp(min=0)], -1)

    def reseed(self, number: int) -> None:
        """Let the next draw of negatives hang on the seed, the rank and a number alone."""
        self._draws.manual_seed(((self._seed * 1_000_003 + self.rank) * 1_000_003 + number) % 2**63)

    def gather_rows(self, own: Tensor) -> Tensor:
        """Return rows that are dealt as the centres are, of all ranks in order, on every rank."""
        world = self.world_size
        bounds = [shard_bounds(self.num_identities, rank, world) for rank in range(world)]
        sizes = [stop - start for start, stop in bounds]
        padded = own.detach().new_zeros(max(sizes), own.shape[1])
        padded[: len(own)] = own.detach()
        parts = [torch.empty_like(padded) for _ in sizes]
        dist.all_gather(parts, padded, group=self.group)
        return torch.cat([part[:size] for part, size in zip(parts, sizes, strict=True)])
