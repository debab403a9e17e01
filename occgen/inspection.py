"""What is wrong with the members of an occluder library: size, matte, halo, border, twins, balance.

Findings are of two kinds. One that is `wrong` spoils pictures or labels made with the library; the
others are worth knowing. Thresholds stand at the top, in pixels and levels of 255.
"""

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from occluders import Occluder, OccluderLibrary

from .perceptual import close_pairs, hash_picture

__all__ = ["CHECKS", "Finding", "check_library"]

CHECKS = ("unusable", "size", "matte", "halo", "border", "duplicate", "balance", "split")

_SMALLEST, _LARGEST = 24, 4096  # longer side
_CLEAR = 2  # alpha up to which a pixel counts as transparent
_BORDER = 0.02  # share of a side that may be transparent at its edge, and always one pixel
_LEAST_SEEN = 0.02  # share of a picture that is to be opaque
_EDGE_LOW, _EDGE_HIGH, _SOLID = 26, 230, 250  # alpha of an edge pixel, and of one that is opaque
_LEAST_EDGE = 40  # edge pixels needed to judge a halo
_RIM = 3  # pixels they may lie from what is opaque and from what is transparent
_VISIBLE, _OTHER_COLOUR = 12.0, 48.0  # levels: of the shift in them, of the background from within
_NEAR_BITS, _NEAR_LEVELS = 6, 4.0  # of hashes, and mean difference, up to which two are twins
_SIDE = 32  # pixels a side two members are compared at
_UNBALANCED = 10  # times fewer members than the largest category has

Float32 = NDArray[np.float32]
UInt8 = NDArray[np.uint8]


class Finding(NamedTuple):
    """One thing found in a library."""

    name: str
    """Of the member, file, category or split."""
    check: str
    """One of `CHECKS`."""
    detail: str
    is_wrong: bool = True


def check_library(library: OccluderLibrary) -> list[Finding]:
    """Return what is wrong with a library, or worth knowing of it.

    Parameters
    ----------
    library : OccluderLibrary
        Every picture of it is read.

    Returns
    -------
    list of Finding
        In order of the members, then of the whole library.

    Notes
    -----
    A halo is told from the colours of edge pixels, 10 to 90 % opaque and between what is opaque
    and what is transparent. In a clean cut-out each has the colour F of the opaque pixel nearest to
    it. Where a background B bled in, its colour is ``F + (1 - a) (B - F)``. B is found by least
    squares; a halo is reported where that leaves less than half of what the clean model leaves,
    and of what a rim of one colour leaves, and B is another colour than the thing has there.
    """
    found = [Finding(name, "unusable", reason) for name, reason in library.skipped]
    for member in library:
        found += _of_member(member)
    found += _duplicates(library)
    found += _balance(library)
    found += _splits(library)
    return found


def _of_member(member: Occluder) -> Iterator[Finding]:
    rgba = member.rgba
    height, width = rgba.shape[:2]
    alpha = rgba[:, :, 3]
    longest = max(height, width)
    if longest < _SMALLEST:
        yield Finding(member.name, "size", f"{width}x{height} pixels; at least {_SMALLEST} long")
    elif longest > _LARGEST:
        detail = f"{width}x{height} pixels; {_LARGEST} are plenty"
        yield Finding(member.name, "size", detail, False)
    elif width < member.natural_size[0] / 2:
        detail = f"{width}x{height} pixels, enlarged over twice on a face of 96x112"
        yield Finding(member.name, "size", detail, False)
    if not member.has_matte:
        yield _rectangle(member)
        return
    seen = float((alpha >= 128).mean())
    if seen < _LEAST_SEEN:
        detail = f"{seen:.1%} of it is opaque: its mask is next to nothing"
        yield Finding(member.name, "matte", detail)
    sides = _empty_sides(alpha)
    allowed = [max(1, _BORDER * side) for side in (width, height, width, height)]
    if any(side > limit for side, limit in zip(sides, allowed, strict=True)):
        detail = "{} left, {} above, {} right, {} below are transparent; cut them off"
        yield Finding(member.name, "border", detail.format(*sides))
    colour = _halo(rgba)
    if colour is not None:
        yield Finding(member.name, "halo", f"a background of #{colour} bled into its edge pixels")


def _rectangle(member: Occluder) -> Finding:
    """Tell a picture without matte from one that lost it: a plain colour all around."""
    rgb = member.rgba[:, :, :3].astype(np.int16)
    edge = np.concatenate([rgb[0], rgb[-1], rgb[:, 0], rgb[:, -1]])
    colour = np.median(edge, axis=0)
    is_plain = (np.abs(edge - colour).max(axis=1) <= 8).mean() > 0.9
    is_filled = (np.abs(rgb - colour).max(axis=2) <= 8).mean() > 0.98
    if is_plain and not is_filled:
        text = "".join(f"{round(level):02x}" for level in colour)
        detail = f"has none and lies on plain #{text}: the rectangle is pasted with it"
        return Finding(member.name, "matte", detail)
    return Finding(member.name, "matte", "has none; it is pasted as a rectangle", False)


def _empty_sides(alpha: UInt8) -> tuple[int, int, int, int]:
    """Return transparent columns and rows at the left, above, at the right, below."""
    columns = np.flatnonzero((alpha > _CLEAR).any(axis=0))
    rows = np.flatnonzero((alpha > _CLEAR).any(axis=1))
    if not len(columns):
        return alpha.shape[1], alpha.shape[0], 0, 0
    right, below = alpha.shape[1] - 1 - columns[-1], alpha.shape[0] - 1 - rows[-1]
    return int(columns[0]), int(rows[0]), int(right), int(below)


def _halo(rgba: UInt8) -> str | None:
    """Return what colour bled into the edge; None where none did."""
    alpha = rgba[:, :, 3]
    solid, outside = alpha >= _SOLID, alpha <= _CLEAR
    if not solid.any() or not outside.any():
        return None
    distance, labels = cv2.distanceTransformWithLabels(
        (~solid).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    beyond = cv2.distanceTransform((~outside).astype(np.uint8), cv2.DIST_L2, 5)
    edge = (alpha >= _EDGE_LOW) & (alpha <= _EDGE_HIGH) & (distance <= _RIM) & (beyond <= _RIM)
    if int(edge.sum()) < _LEAST_EDGE:
        return None
    by_label = np.zeros((int(labels.max()) + 1, 3), np.float32)
    by_label[labels[solid]] = rgba[:, :, :3][solid]
    inner = by_label[labels[edge]]  # (n, 3), F
    moved = rgba[:, :, :3][edge].astype(np.float32) - inner
    clear = 1 - alpha[edge].astype(np.float32)[:, None] / 255  # (n, 1), 1 - a
    background = (clear * (moved + clear * inner)).sum(0) / (clear**2).sum()
    background = np.clip(background, 0, 255)
    left = float(((moved - clear * (background - inner)) ** 2).mean())
    clean = float((moved**2).mean())
    rim = float((rgba[:, :, :3][edge].astype(np.float32).var(axis=0)).mean())
    distance_in_colour = float(np.abs(background - inner.mean(axis=0)).max())
    is_better = left < min(clean, rim) / 2
    if clean >= _VISIBLE**2 and is_better and distance_in_colour >= _OTHER_COLOUR:
        return "".join(f"{round(float(level)):02x}" for level in background)
    return None


def _duplicates(library: OccluderLibrary) -> Iterator[Finding]:
    members = list(library)
    pictures = [_on_grey(member) for member in members]
    hashes = np.array([hash_picture(picture)[0][0] for picture in pictures], np.uint64)
    small = np.stack([_small(member) for member in members])
    twins: dict[int, int] = {}
    for i, j in close_pairs(hashes, hashes, _NEAR_BITS).tolist():
        if (
            i < j
            and j not in twins
            and (
                members[i].sha256 == members[j].sha256
                or _difference(*small[[i, j]]) <= _NEAR_LEVELS
            )
        ):
            twins[j] = i
    for j, i in sorted(twins.items()):
        kind = "the same file as" if members[j].sha256 == members[i].sha256 else "looks like"
        yield Finding(members[j].name, "duplicate", f"{kind} {members[i].name}")


def _difference(left: Float32, right: Float32) -> float:
    """Return the mean difference of two members where either is seen, in levels."""
    seen = np.maximum(left[:, :, 3], right[:, :, 3]) > 0
    return float(np.abs(left - right)[seen].max(axis=1).mean()) if seen.any() else 0.0


def _on_grey(member: Occluder) -> UInt8:
    rgba = cv2.resize(member.rgba, (64, 64), interpolation=cv2.INTER_AREA).astype(np.float32)
    share = rgba[:, :, 3:] / 255
    return np.rint(rgba[:, :, :3] * share + 128 * (1 - share)).astype(np.uint8)


def _small(member: Occluder) -> Float32:
    """Return a member at 32 x 32, colour times alpha and alpha."""
    rgba = member.rgba.astype(np.float32)
    rgba[:, :, :3] *= rgba[:, :, 3:] / 255
    small = cv2.resize(rgba, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float32)


def _balance(library: OccluderLibrary) -> Iterator[Finding]:
    counts = {name: len(library.members(name)) for name in library.categories}
    most = max(counts.values())
    for name, count in counts.items():
        if count * _UNBALANCED <= most:
            detail = f"{count} of {most} members the largest has; each is drawn as often as a whole"
            yield Finding(name, "balance", f"{detail} category's share", False)


def _splits(library: OccluderLibrary) -> Iterator[Finding]:
    uses: Counter[str] = Counter()
    for name in sorted(library.splits):
        uses.update(library.subset(split=name).names)
    shared = sorted(name for name, count in uses.items() if count > 1)
    if shared:
        detail = f"{len(shared)} members are in more than one, first {shared[0]}"
        yield Finding("splits", "split", detail)
