"""Can pasted occluders be told from real borders? Compares opaque, alpha and natural blending.

The same occluders are pasted on the same faces with each blending and encoded as a set's pictures
are. Then, for each blending:

- a classifier learns to tell patches on the occluder's border from patches on borders that were in
  the picture before, of the same contrast, in faces of other identities (cross-validated by
  identity). The area under its ROC curve is 0.5 where it cannot;
- edges: rise across the border in one pixel over the whole step, against those in the picture;
- noise: roughness of smooth parts of the occluder against smooth parts of the face;
- light: correlation, over faces, of the occluder's brightness with that of the face around it, and
  of the occluder's colour cast with that of the face.

    python benchmarks/realism.py --root ../shared/data/faces/lfw --faces 1500
"""

import argparse
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from occgen.codec import decode_image, encoder, jpeg_quality
from occgen.config import BuildConfig
from occgen.sources import open_source
from occgen.synthesis import OccludedFace, draw_placements, occlude_with
from occluders import OccluderLibrary, bundled, from_directory

BLENDS = ("opaque", "alpha", "natural")
SIDE = 15  # of a patch
_HALF = SIDE // 2
_CHOSEN = 6  # patches a face
_FAINTEST = 3.0  # levels a pixel, of an edge that is looked at

UInt8 = NDArray[np.uint8]
Float32 = NDArray[np.float32]


class Face(NamedTuple):
    """A face as it was and with the same occluder pasted in three ways."""

    identity: str
    clean: UInt8
    pasted: dict[str, OccludedFace]


def make_faces(
    dataset: str, root: str | None, library: OccluderLibrary, placement: str, limit: int
) -> list[Face]:
    """Return faces of a data set, spread over it, each with its occluder."""
    source = open_source(dataset, root)
    refs = list(source.refs())
    refs = refs[:: max(1, len(refs) // limit)][:limit]
    encode = encoder("jpeg", 95)
    config = BuildConfig(dataset=dataset, placement=placement)
    faces = []
    for ref in refs:
        data = source.read(ref.key)
        image = decode_image(data)
        landmarks = source.landmarks(ref.key, *image.shape[:2])
        placed = draw_placements(library, config, ref.key, *image.shape[:2], landmarks)
        pasted = {}
        for blend in BLENDS:
            face = occlude_with(image, placed, blend, jpeg_quality=jpeg_quality(data))
            _ = face.mask
            face.image = decode_image(encode(face.image))
            pasted[blend] = face
        faces.append(Face(ref.identity, decode_image(encode(image)), pasted))
    return faces


def steps_of(image: UInt8) -> tuple[Float32, Float32, Float32]:
    """Return contrast across each pixel, and the direction of it as two shares, (H, W) each."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    soft = cv2.GaussianBlur(grey, (0, 0), 1.5)
    across, down = (cv2.Sobel(soft, cv2.CV_32F, *order, scale=0.25) for order in ((1, 0), (0, 1)))
    size = np.hypot(across, down)
    return size, across / np.maximum(size, 1e-6), down / np.maximum(size, 1e-6)


def ridges(size: Float32) -> NDArray[np.bool_]:
    """Return where contrast is largest across an edge, not too near the frame, (H, W)."""
    ridge = size >= cv2.dilate(size, np.ones((3, 3), np.uint8)) * 0.97
    inner = np.zeros_like(ridge)
    inner[_HALF + 1 : -_HALF - 1, _HALF + 1 : -_HALF - 1] = True
    return ridge & inner & (size >= _FAINTEST)


def choose_borders(face: OccludedFace, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return edges on the border of what was pasted, (N, 2) of row and column."""
    mask = face.mask.astype(np.uint8)
    wide = np.ones((3, 3), np.uint8)
    border = cv2.dilate(mask, wide) > cv2.erode(mask, wide)
    spots = np.argwhere(border & ridges(steps_of(face.image)[0]))
    return spots[rng.permutation(len(spots))[:_CHOSEN]]


def choose_edges(image: UInt8, wanted: Float32, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return edges that are in a picture, one of about each wanted contrast, (N, 2)."""
    size = steps_of(image)[0]
    spots = np.argwhere(ridges(size))
    if not len(spots):
        return spots
    found = size[spots[:, 0], spots[:, 1]]
    chosen = []
    for contrast in wanted:
        near = np.argsort(np.abs(np.log(found / contrast)))[:4]
        chosen.append(spots[near[rng.integers(len(near))]])
    return np.array(chosen)


def features(image: UInt8, spot: NDArray[np.int64]) -> Float32:
    """Return what a classifier sees of a patch: turned so that its edge rises to the right."""
    row, column = (int(value) for value in spot)
    window = slice(row - _HALF, row + _HALF + 1), slice(column - _HALF, column + _HALF + 1)
    patch = image[window].astype(np.float32)
    _, across, down = steps_of(image[window])
    u, v = float(across[_HALF, _HALF]), float(down[_HALF, _HALF])
    turns = 0 if abs(u) >= abs(v) else 1
    patch = np.rot90(patch, turns)
    direction = u if turns == 0 else v
    if direction < 0:
        patch = patch[:, ::-1]
    grey = patch @ np.array([0.299, 0.587, 0.114], np.float32)
    centred = grey - grey.mean()
    contrast = max(float(centred.std()), 2.0)
    profile = centred[_HALF - 2 : _HALF + 3].mean(axis=0) / contrast
    rough = np.abs(cv2.Laplacian(np.ascontiguousarray(grey), cv2.CV_32F))[1:-1, 1:-1]
    bands = [rough[:, :4], rough[:, 4:9], rough[:, 9:]]
    levels = [np.log1p(band.mean()) for band in bands] + [np.log1p(np.median(b)) for b in bands]
    grain = [np.log1p(np.abs(np.diff(band, axis=0)).mean()) for band in (grey[:, :5], grey[:, -5:])]
    hues = patch[:, :, ::2] - grey[:, :, None]  # what the colours are is left to other figures
    swing = np.maximum(np.quantile(hues, 0.95, (0, 1)) - np.quantile(hues, 0.05, (0, 1)), 2.0)
    spread = [np.abs(np.diff(hues / swing, axis=axis)).mean() for axis in (0, 1)]
    steepest = np.abs(np.diff(profile)).max() / max(float(np.ptp(profile)), 0.1)
    return np.concatenate(
        [profile, np.diff(profile, 2), levels, grain, spread, [steepest, np.log(contrast)]]
    ).astype(np.float32)


def tell_apart(
    real: Float32,
    pasted: Float32,
    real_groups: Sequence[str],
    pasted_groups: Sequence[str],
    folds: int = 5,
) -> float:
    """Return the area under the ROC curve of a classifier, cross-validated by identity."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import GroupKFold, cross_val_predict

    values = np.concatenate([real, pasted])
    labels = np.repeat([0, 1], [len(real), len(pasted)])
    groups = np.array([*real_groups, *pasted_groups])
    model = HistGradientBoostingClassifier(max_iter=80, learning_rate=0.1, random_state=0)
    scores = cross_val_predict(
        model, values, labels, groups=groups, cv=GroupKFold(folds), method="predict_proba"
    )
    return float(roc_auc_score(labels, scores[:, 1]))


def measure(faces: Sequence[Face], blend: str, folds: int = 5) -> dict[str, float]:
    """Return every figure of one blending."""
    rows: dict[str, list[Float32]] = {"real": [], "pasted": []}
    groups: dict[str, list[str]] = {"real": [], "pasted": []}
    widths: dict[str, list[float]] = {"real": [], "pasted": []}
    rough, light = [], []
    for number, face in enumerate(faces):
        rng = np.random.default_rng(number)
        done = face.pasted[blend]
        spots = choose_borders(done, rng)
        if len(spots):
            contrasts = steps_of(done.image)[0][spots[:, 0], spots[:, 1]]
            pairs = {"pasted": (done.image, spots)}
            pairs["real"] = face.clean, choose_edges(face.clean, contrasts, rng)
            for name, (image, places) in pairs.items():
                for place in places:
                    row = features(image, place)
                    rows[name].append(row)
                    groups[name].append(face.identity)
                    widths[name].append(float(row[-2]))
        rough.append(_roughness(done, face.clean))
        light.append(_light(done, face.clean))
    own = np.array([pair for pair in light if pair is not None])
    smooth = np.array([pair for pair in rough if pair is not None])
    return {
        "real or pasted, AUC": tell_apart(
            np.array(rows["real"]),
            np.array(rows["pasted"]),
            groups["real"],
            groups["pasted"],
            folds,
        ),
        "steepest rise of an edge, pasted": float(np.median(widths["pasted"])),
        "steepest rise of an edge, in the picture": float(np.median(widths["real"])),
        "roughness where smooth, occluder / face": float(np.median(smooth[:, 0] / smooth[:, 1])),
        "brightness, correlation with the face": float(np.corrcoef(own[:, 0], own[:, 1])[0, 1]),
        "red over blue, correlation with the face": float(np.corrcoef(own[:, 2], own[:, 3])[0, 1]),
    }


def _inside(face: OccludedFace) -> NDArray[np.bool_]:
    return cv2.erode(face.mask.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0


def _roughness(face: OccludedFace, clean: UInt8) -> tuple[float, float] | None:
    """Return the lower quartile of the Laplacian, in blocks, of occluder and of the face."""
    rough = [
        cv2.blur(np.abs(cv2.Laplacian(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.CV_32F)), (5, 5))
        for image in (face.image, clean)
    ]
    inside = _inside(face)
    if inside.sum() < 60:
        return None
    height, width = inside.shape
    centre = rough[1][height // 4 : -height // 8, width // 4 : -width // 4]
    own, around = np.quantile(rough[0][inside], 0.25), np.quantile(centre, 0.25)
    return float(own) + 0.2, float(around) + 0.2


def _light(face: OccludedFace, clean: UInt8) -> tuple[float, float, float, float] | None:
    inside = _inside(face)
    if inside.sum() < 60:
        return None
    height, width = inside.shape
    centre = clean[height // 4 : -height // 8, width // 4 : -width // 4].reshape(-1, 3)
    own, around = face.image[inside].mean(0) + 1, centre.mean(0) + 1
    return (
        float(np.log(own.mean())),
        float(np.log(around.mean())),
        float(np.log(own[0] / own[2])),
        float(np.log(around[0] / around[2])),
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", default="folder")
    parser.add_argument("--root", help="of the data set; --dataset demo needs none")
    parser.add_argument("--occluders", help="folder of them; by default the bundled ones")
    parser.add_argument("--placement", default="landmarks")
    parser.add_argument("--faces", type=int, default=1500)
    options = parser.parse_args()
    library = from_directory(options.occluders) if options.occluders else bundled()
    faces = make_faces(options.dataset, options.root, library, options.placement, options.faces)
    found = {blend: measure(faces, blend) for blend in BLENDS}
    print(f"{len(faces)} faces of {len({face.identity for face in faces})} identities\n")
    print(f"| | {' | '.join(BLENDS)} |")
    print("| --- | --- | --- | --- |")
    for name in found["alpha"]:
        print(f"| {name} | {' | '.join(f'{found[blend][name]:.3f}' for blend in BLENDS)} |")


if __name__ == "__main__":
    main()
