"""Finished sets as torch Datasets, with real DataLoader workers."""

import itertools
import multiprocessing
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from frommodel.data import to_nchw
from frommodel.datasets import FIELDS, OccludedFaces, OccludedFaceStream, RankSampler
from occgen import BuildConfig, InputError, build, open_shards

METHODS = multiprocessing.get_all_start_methods()
pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, face_bytes: dict[str, bytes]) -> Path:
    root = tmp_path_factory.mktemp("source") / "faces"
    for key, data in face_bytes.items():
        (root / key).parent.mkdir(parents=True, exist_ok=True)
        (root / key).write_bytes(data)
    out = root.parent / "set"
    config = BuildConfig(
        dataset="folder",
        root=str(root),
        out=str(out),
        scale=2.0,
        shard_size=5,
        variants=2,
        jobs=1,
        clean_fraction=0.3,
        categories=("cup",),
    )
    build(config)
    return out


def test_an_item_is_what_the_set_holds(made: Path) -> None:
    faces, shards = OccludedFaces(made, fields=FIELDS, k=4, by="mask"), open_shards(made)
    assert len(faces) == len(shards) == 36
    for item, sample in zip(map(faces.__getitem__, range(36)), shards, strict=True):
        assert tuple(item) == FIELDS
        assert np.array_equal(item["image"], sample.image)
        assert np.array_equal(item["mask"], sample.mask)
        assert tuple(item["box"]) == sample.box
        assert item["pattern"] == sample.pattern(4, "mask")
        assert (item["key"], item["identity"]) == (sample.key, sample.identity)
        assert np.isnan(item["landmarks"]).all()


def test_transform_and_fields() -> None:
    with pytest.raises(InputError, match="fields must be some of image"):
        OccludedFaces("none", fields=("picture",))
    with pytest.raises(InputError, match="transform is for the field 'image'"):
        OccludedFaces("none", fields=("mask",), transform=np.fliplr)
    with pytest.raises(InputError, match=r"rank must be in 0 \.\. 1, got 2"):
        RankSampler(3, rank=2, world_size=2)
    with pytest.raises(InputError, match="go together"):
        RankSampler(3, rank=0)


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_map_style_with_workers(made: Path, method: str) -> None:
    faces = OccludedFaces(made, transform=_flip)
    _ = faces[0]  # the parent has files open that workers must not share
    sampler = RankSampler(len(faces), rank=0, world_size=1)
    loader = DataLoader(
        faces, batch_size=8, sampler=sampler, num_workers=2, multiprocessing_context=method
    )
    order, seen = list(sampler), 0
    for batch in loader:
        assert to_nchw(batch["image"]).shape[1:] == (3, 112, 112)
        for row in range(len(batch["image"])):
            sample = faces.shards[order[seen]]
            assert np.array_equal(batch["image"][row].numpy(), _flip(sample.image))
            assert batch["pattern"][row] == sample.pattern()
            assert tuple(batch["box"][row].tolist()) == sample.box
            seen += 1
    assert seen == 36


def _flip(image: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(image[:, ::-1])


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_a_stream_gives_each_face_once_over_ranks_and_workers(made: Path, method: str) -> None:
    epochs: list[list[str]] = [[], []]
    for rank in range(2):
        stream = OccludedFaceStream(made, fields=("key",), window=7, rank=rank, world_size=2)
        loader = DataLoader(
            stream,
            batch_size=4,
            num_workers=2,
            multiprocessing_context=method,
            persistent_workers=True,
        )
        for epoch in range(2):
            stream.set_epoch(epoch)
            keys = list(itertools.chain.from_iterable(batch["key"] for batch in loader))
            assert len(keys) == len(stream) == 18
            epochs[epoch] += keys
    for keys in epochs:
        assert Counter(keys) == Counter(sample.key for sample in open_shards(made))
    assert epochs[0] != epochs[1]


@pytest.mark.parametrize("window", [1, 3, 1000])
@pytest.mark.parametrize("shuffle", [True, False])
def test_streams_of_any_number_of_ranks(made: Path, window: int, shuffle: bool) -> None:
    whole = sorted(sample.key for sample in open_shards(made))
    for world_size in (1, 5, 40):
        parts = []
        for rank in range(world_size):
            stream = OccludedFaceStream(
                made,
                fields=("key",),
                window=window,
                shuffle=shuffle,
                rank=rank,
                world_size=world_size,
            )
            parts.append([item["key"] for item in stream])
            assert len(parts[-1]) == len(stream)
            assert set(stream.shards._open) == {None}  # none is held after its window
        assert sorted(itertools.chain.from_iterable(parts)) == whole
        assert max(map(len, parts)) - min(map(len, parts)) <= 1
        if not shuffle:
            assert list(itertools.chain.from_iterable(parts)) == [s.key for s in open_shards(made)]
    with pytest.raises(InputError, match="window must be >= 1"):
        OccludedFaceStream(made, window=0)


def test_equal_parts_leave_out_others_in_each_epoch(made: Path) -> None:
    given, left = [], []
    for epoch in range(8):
        keys = []
        for rank in range(5):
            stream = OccludedFaceStream(made, fields=("key",), rank=rank, world_size=5, equal=True)
            stream.set_epoch(epoch)
            keys += [item["key"] for item in stream]
        assert len(keys) == len(set(keys)) == 35
        given += keys
        left += [sample.key for sample in open_shards(made) if sample.key not in keys]
    assert len(left) == 8
    assert len(set(left)) > 1
    lengths = [len(list(RankSampler(36, rank=rank, world_size=5, equal=True))) for rank in range(5)]
    assert lengths == [7] * 5


def test_a_sampler_repeats_nothing() -> None:
    for epoch in range(2):
        samplers = [RankSampler(23, rank=rank, world_size=4) for rank in range(4)]
        for sampler in samplers:
            sampler.set_epoch(epoch)
        parts = [list(sampler) for sampler in samplers]
        assert [len(part) for part in parts] == [len(sampler) for sampler in samplers]
        assert sorted(itertools.chain.from_iterable(parts)) == list(range(23))
    assert list(RankSampler(4, shuffle=False)) == [0, 1, 2, 3]
    first = RankSampler(23)
    assert list(first) == list(RankSampler(23))
    first.set_epoch(1)
    assert list(first) != list(RankSampler(23))


def test_ranks_of_the_process_group_are_used(tmp_path: Path) -> None:
    torch.distributed.init_process_group(
        "gloo", store=torch.distributed.HashStore(), rank=0, world_size=1
    )
    try:
        assert len(RankSampler(9)) == 9
    finally:
        torch.distributed.destroy_process_group()
