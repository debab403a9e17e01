"""Train on a set of tars with the webdataset package: shuffled, split over ranks and workers.

    occgen build --dataset demo --scale 2.0 --limit 400 --shard-size 50 --format webdataset
    python docs/examples/webdataset_loader.py Occ-Demo-2.0 --workers 2

With torchrun each rank gets shards of its own. The tars may as well lie in a bucket: give
webdataset their URLs, such as "pipe:aws s3 cp s3://bucket/Occ-Demo-2.0/shard-{00000..00007}.tar -".
"""

import argparse
import io
import json
from pathlib import Path

import numpy as np
import torch
import webdataset as wds
from PIL import Image
from torch.utils.data import DataLoader


def face(sample):
    """Return image (3, H, W), identity, pattern of the box for k = 5, mask (H, W), and key."""
    record = json.loads(sample["json"])
    image = np.array(Image.open(io.BytesIO(sample["jpg"])).convert("RGB"))
    mask = np.zeros(image.shape[:2], bool)
    if sample.get("mask.png"):
        mask = np.array(Image.open(io.BytesIO(sample["mask.png"]))) > 0
    return (
        torch.from_numpy(image).permute(2, 0, 1),
        int(sample["cls"]),
        int(record["patterns"]["k5"]),
        torch.from_numpy(mask),
        record["key"],
    )


def faces(folder, shuffle=1000):
    """Return the pipeline: shards to ranks, then to workers, then samples, shuffled."""
    tars = sorted(str(path) for path in Path(folder).glob("shard-*.tar"))
    return wds.DataPipeline(
        wds.SimpleShardList(tars, seed=0),
        wds.split_by_node,
        wds.split_by_worker,
        wds.tarfile_to_samples(),
        wds.shuffle(shuffle),
        wds.map(face),
    )


def main(arguments=None):
    """Read an epoch and say how many faces came."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--start-method", choices=["fork", "spawn"], default=None)
    options = parser.parse_args(arguments)
    loader = DataLoader(
        faces(options.folder),
        batch_size=32,
        num_workers=options.workers,
        multiprocessing_context=options.start_method,
    )
    seen = []
    for images, identities, patterns, masks, keys in loader:
        assert images.shape[1:] == (3, *masks.shape[1:])
        assert len(identities) == len(patterns) == len(keys)
        seen += keys
    print(f"{len(seen)} faces, {len(set(seen))} different")


if __name__ == "__main__":
    main()
