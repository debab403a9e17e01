"""What people would write instead: occlusion, labels and loaders from well-known libraries.

Each follows its library's documentation or the published code of the paper; none is tuned, none is
made slow. Occluders are opened once, as all of them would do.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from occgen import PatternGrid
from occluders import Occluder

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")

SCALE = 2.0


def published_label(mask: np.ndarray, patterns: np.ndarray) -> int:
    """Return the pattern of largest IoU with a mask, pattern by pattern and pixel by pixel."""
    best, label = -1.0, 0
    for number, pattern in enumerate(patterns):
        shared = np.sum(mask & pattern)
        score = shared / (np.sum(mask | pattern) + 1e-10)
        if score > best:
            best, label = score, number
    return label


def pattern_masks(grid: PatternGrid) -> np.ndarray:
    """Return every pattern as a mask, bool of shape (P, H, W)."""
    masks = np.zeros((grid.num_patterns, grid.height, grid.width), np.bool_)
    for mask, (x0, y0, x1, y1) in zip(masks, grid.boxes.tolist(), strict=True):
        mask[y0:y1, x0:x1] = True
    return masks


def sized(occluder: Occluder, height: int, width: int) -> tuple[int, int]:
    """Return width and height of an occluder at the scale used."""
    across, down = occluder.natural_size
    return (
        min(width - 1, int(SCALE * across * width / 96)),
        min(height - 1, int(SCALE * down * height / 112)),
    )


def with_pillow(
    root: Path, keys: list[str], occluders: list[Occluder], out: Path, grid: PatternGrid | None
) -> None:
    """Paste RGBA occluders with ``Image.paste``; one JPEG and one CSV line a face."""
    rng = np.random.default_rng(0)
    pictures = [Image.fromarray(occluder.rgba) for occluder in occluders]
    patterns = pattern_masks(grid) if grid is not None else None
    out.mkdir(exist_ok=True)
    with open(out / "labels.csv", "w", encoding="utf-8") as lines:
        for number, key in enumerate(keys):
            face = Image.open(root / key).convert("RGB")
            at = int(rng.integers(len(pictures)))
            size = sized(occluders[at], face.height, face.width)
            pasted = pictures[at].resize(size)
            x = int(rng.integers(face.width)) - size[0] // 2
            y = int(rng.integers(face.height)) - size[1] // 2
            face.paste(pasted, (x, y), pasted)
            label = ""
            if patterns is not None:
                mask = np.zeros((face.height, face.width), np.bool_)
                mask[max(y, 0) : y + size[1], max(x, 0) : x + size[0]] = True
                label = f",{published_label(mask, patterns)}"
            face.save(out / f"{number:06d}.jpg", quality=95)
            lines.write(f"{key},{x},{y},{x + size[0]},{y + size[1]}{label}\n")


def with_albumentations(root: Path, keys: list[str], occluders: list[Occluder], out: Path) -> None:
    """Paste them with ``OverlayElements``, read and written by OpenCV; one JSON line a face."""
    import albumentations

    rng = np.random.default_rng(0)
    transform = albumentations.Compose([albumentations.OverlayElements(p=1.0)])
    pictures = [
        (o.rgba[:, :, :3].copy(), (o.rgba[:, :, 3] >= 128).view(np.uint8)) for o in occluders
    ]
    out.mkdir(exist_ok=True)
    with open(out / "labels.jsonl", "w", encoding="utf-8") as lines:
        for number, key in enumerate(keys):
            face = cv2.cvtColor(cv2.imread(str(root / key)), cv2.COLOR_BGR2RGB)
            height, width = face.shape[:2]
            at = int(rng.integers(len(pictures)))
            across, down = sized(occluders[at], height, width)
            x, y = int(rng.integers(width - across)), int(rng.integers(height - down))
            box = [x / width, y / height, (x + across) / width, (y + down) / height]
            overlay = {"image": pictures[at][0], "mask": pictures[at][1], "bbox": box}
            made = transform(image=face, overlay_metadata=overlay)["image"]
            path = str(out / f"{number:06d}.jpg")
            cv2.imwrite(path, cv2.cvtColor(made, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 95])
            lines.write(json.dumps({"key": key, "box": [x, y, x + across, y + down]}) + "\n")


def loaders(height: int, width: int) -> dict[str, Callable[[list[np.ndarray]], object]]:
    """Return what hides a part of each picture of a batch; each gives a float32 batch in [0, 1]."""
    import albumentations
    import torch

    from occgen.transforms import RandomOcclusion

    def batched(pictures: list[np.ndarray]) -> torch.Tensor:
        return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float().div_(255)

    ours = RandomOcclusion(scale=SCALE, clean_fraction=0.0)
    labelled = RandomOcclusion(scale=SCALE, clean_fraction=0.0, returns=("box", "label"))
    holes = (height * 3 // 10, height * 7 // 10), (width * 3 // 10, width * 7 // 10)
    dropout = albumentations.Compose([albumentations.CoarseDropout((1, 1), *holes, p=1.0)])
    found = {
        "RandomOcclusion": lambda batch: batched([ours(image) for image in batch]),
        "RandomOcclusion with box and label": lambda batch: batched(
            [labelled(image)[0] for image in batch]
        ),
        "albumentations CoarseDropout": lambda batch: batched(
            [dropout(image=image)["image"] for image in batch]
        ),
    }
    try:
        from kornia.augmentation import RandomErasing
    except ModuleNotFoundError:
        return found
    erasing = RandomErasing(scale=(0.1, 0.5), p=1.0)
    found["kornia RandomErasing"] = lambda batch: erasing(batched(batch))
    return found
