import os
import socket
import subprocess
import sys

import pytest
import torch
import torch.distributed as dist

import frommodel
from frommodel.losses import MarginLoss
from frommodel.sharded import ShardedMarginLoss, shard_bounds
from occgen.errors import InputError

IDENTITIES, SIZE, BATCH, WORLD = 11, 6, 4, 2
MARGINS = [(1.0, 0.0, 0.35), (1.0, 0.5, 0.0)]


def _batch():
    generator = torch.Generator().manual_seed(3)
    embedding = torch.randn(WORLD * BATCH, SIZE, generator=generator)
    return embedding, torch.randint(IDENTITIES, (WORLD * BATCH,), generator=generator)


def _generator():
    return torch.Generator().manual_seed(5)


def _work(rank, port, folder):
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), GLOO_SOCKET_IFNAME="lo")
    torch.set_num_threads(1)
    dist.init_process_group("gloo", rank=rank, world_size=WORLD)
    embedding, labels = _batch()
    own = slice(rank * BATCH, (rank + 1) * BATCH)
    results = {}
    for index, margins in enumerate(MARGINS):
        loss = ShardedMarginLoss(IDENTITIES, SIZE, 8.0, *margins, generator=_generator())
        rows = embedding[own].clone().requires_grad_(True)
        value = loss(rows, labels[own])
        value.backward()
        results[f"value{index}"] = value.detach()
        results[f"rows{index}"] = rows.grad
        results[f"weight{index}"] = loss.weight.grad
        results[f"centres{index}"] = loss.gather_rows(loss.weight)
    few = ShardedMarginLoss(
        IDENTITIES, SIZE, 8.0, negative_fraction=0.2, seed=1, generator=_generator()
    )
    values = []
    for _ in range(2):
        few.weight.grad = None
        value = few(embedding[own], labels[own])
        value.backward()
        values.append(value.detach())
    results["few"] = torch.stack(values)
    results["few_rows"] = few.weight.grad.abs().sum(dim=1) > 0
    torch.save(results, f"{folder}/{rank}.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ranks")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    commands = [[sys.executable, __file__, str(r), str(port), str(folder)] for r in range(WORLD)]
    running = [subprocess.Popen(command) for command in commands]
    assert [process.wait(60) for process in running] == [0] * WORLD
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(WORLD)]


@pytest.mark.slow
@pytest.mark.parametrize("index", range(len(MARGINS)))
def test_two_ranks_give_the_plain_loss_and_gradients(ranks, index):
    embedding, labels = _batch()
    plain = MarginLoss(IDENTITIES, SIZE, 8.0, *MARGINS[index], generator=_generator())
    embedding.requires_grad_(True)
    value = plain(embedding, labels)
    value.backward()
    for rank, result in enumerate(ranks):
        torch.testing.assert_close(result[f"value{index}"], value.detach())
        start, stop = shard_bounds(IDENTITIES, rank, WORLD)
        torch.testing.assert_close(result[f"weight{index}"], plain.weight.grad[start:stop])
        torch.testing.assert_close(result[f"centres{index}"], plain.weight.detach())
        # DistributedDataParallel divides by the number of ranks
        own = embedding.grad[rank * BATCH : (rank + 1) * BATCH]
        torch.testing.assert_close(result[f"rows{index}"] / WORLD, own)


@pytest.mark.slow
def test_sampled_negatives_keep_the_batch_and_lower_the_sum(ranks):
    embedding, labels = _batch()
    plain = MarginLoss(IDENTITIES, SIZE, 8.0, generator=_generator())(embedding, labels)
    assert torch.equal(ranks[0]["few"], ranks[1]["few"])
    assert (ranks[0]["few"] < plain).all()
    for rank, result in enumerate(ranks):
        start, stop = shard_bounds(IDENTITIES, rank, WORLD)
        present = sorted({int(i) - start for i in labels if start <= i < stop})
        assert result["few_rows"][present].all()
        assert int(result["few_rows"].sum()) == max(len(present), 1)


def test_shards_cover_every_identity_once():
    for world in (1, 2, 3, 7):
        bounds = [shard_bounds(23, rank, world) for rank in range(world)]
        assert [i for start, stop in bounds for i in range(start, stop)] == [*range(23)]


def test_a_process_group_is_needed():
    with pytest.raises(InputError, match="torchrun"):
        frommodel.ShardedMarginLoss(10, 4)


if __name__ == "__main__":
    _work(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
