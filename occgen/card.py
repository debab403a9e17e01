"""A set's data card: what it holds, how it was made, what may be done with it; plain Markdown."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .atomic import install_bytes
from .card_settings import (
    blending_text,
    is_bundled,
    making_command,
    narrowing_text,
    placement_text,
    placements_of,
)
from .catalog import CATALOG
from .columns import CLEAN
from .config import BuildConfig
from .manifest import CARD
from .markdown import code, prose
from .patterns import PatternGrid

__all__ = ["data_card", "with_card"]

_BAR = 40
_SHOWN_PATTERNS = 5


def with_card(out: Path, manifest: Mapping[str, Any], scratch: Path) -> dict[str, Any]:
    """Write the card of a set beside its shards; return the manifest that names it.

    Parameters
    ----------
    out : Path
        The set's folder.
    manifest : mapping
        Of the set, all but what the card adds to it.
    scratch : Path
        Folder for files that are not whole yet.

    Returns
    -------
    dict
        The manifest with the card's SHA-256 among its files.
    """
    data = data_card(manifest).encode("utf-8", "backslashreplace")
    install_bytes(out / CARD, data, scratch)
    files = {**manifest["files"], CARD: hashlib.sha256(data).hexdigest()}
    return {**manifest, "files": dict(sorted(files.items()))}


def data_card(manifest: Mapping[str, Any]) -> str:
    """Return the data card of a set.

    Parameters
    ----------
    manifest : mapping
        Of a finished set.

    Returns
    -------
    str
        Without a date or a path: sets of equal contents, made by equal versions, have equal cards,
        built or converted.
    """
    parts = (
        _head,
        _making,
        _composition,
        _labels,
        _limits,
        _rights,
        _checking,
        _citation,
    )
    defaults = asdict(BuildConfig(dataset="demo"))
    manifest = {**manifest, "config": {**defaults, **manifest["config"]}}
    lines = [line for part in parts for line in (*part(manifest), "")]
    return "\n".join(lines)


def _head(manifest: Mapping[str, Any]) -> Iterator[str]:
    config, images, occluded = manifest["config"], manifest["images"], manifest["occluded"]
    yield f"# Data card: {prose(manifest['name'])}"
    yield ""
    what = "drawn faces" if _is_drawn(manifest) else "face crops"
    people = f" of {_count(manifest['identities'], 'identity', 'identities')}"
    yield (
        f"{_count(images, 'image', 'images')} ({what}, {manifest['height']}x{manifest['width']}, "
        f"height x width){people if manifest['identities'] else ''}, made from the data set "
        f"`{config['dataset']}` by occgen {_version(manifest)}."
    )
    if not occluded:
        yield "No face was occluded: these are the source's pictures with their names."
        return
    rest = "all" if occluded == images else f"{occluded:,} of them ({_share(occluded, images)})"
    kept = "box" if config["blend"] == "opaque" else "box, mask"
    yield (
        f"On {rest} an occluder was pasted; of each face its {kept}, "
        "the pasted things and the label of the occluded region are known exactly."
    )


def _making(manifest: Mapping[str, Any]) -> Iterator[str]:
    config, occluders = manifest["config"], manifest["occluders"]
    yield "## How it was made"
    yield ""
    yield f"    {making_command(manifest)}"
    yield ""
    yield f"- Source: `{config['dataset']}`, {_count(_pictures(manifest), 'picture', 'pictures')};"
    yield f"  fingerprint of their names `{manifest['source']['fingerprint']}`."
    if config["codec"] == "copy":
        yield "- Pictures: their own bytes, not encoded again."
    else:
        yield f"- Placement: {placement_text(config)}."
        yield f"- Blending: {blending_text(config)}."
        if config["clean_fraction"]:
            yield f"- Left clean: each face with chance {config['clean_fraction']:.4g}."
        owner = "rendered by occgen, CC0" if is_bundled(manifest) else "a folder of the maker's"
        yield f"- Occluders: {_count(occluders['members'], 'member', 'members')}, {owner};"
        yield f"  digest `{occluders['digest']}`{narrowing_text(config)}."
        coding = "PNG" if config["codec"] == "png" else f"JPEG, quality {config['quality']}"
        if config["compat"] == "published":
            coding = "JPEG as the published generator writes it"
        yield f"- Pictures: {coding}."
    yield f"- Seed: {manifest['seed']}; a face's draws hang on it and on the face's key alone."
    yield f"- Versions: {', '.join(f'{k} {v}' for k, v in sorted(manifest['versions'].items()))}."


def _composition(manifest: Mapping[str, Any]) -> Iterator[str]:
    images, occluded, config = manifest["images"], manifest["occluded"], manifest["config"]
    people = manifest["identities"]
    yield "## Composition"
    yield ""
    yield "| | |"
    yield "| --- | --- |"
    yield f"| images | {images:,} |"
    mean = f" ({images / people:.1f} images each on average)" if people else ""
    yield f"| identities | {people:,}{mean} |"
    yield f"| source pictures | {_pictures(manifest):,} |"
    yield f"| versions of each picture | {config['variants']} |"
    yield f"| occluded | {occluded:,} ({_share(occluded, images)}) |"
    yield f"| left out | {manifest['skipped']:,} |"
    yield f"| size | {manifest['height']}x{manifest['width']} (height x width) |"
    yield (
        f"| files | {_count(len(manifest['shards']), 'shard', 'shards')}, {config['format']}, "
        f"{manifest['bytes'] / 1e6:,.1f} MB |"
    )
    if manifest["skipped"]:
        yield ""
        yield "Pictures left out are named in `skipped.csv`, with the reason."
    if not occluded:
        return
    yield ""
    yield (
        f"Mean coverage of the occluded images: box {manifest['box_coverage']:.2%}, mask "
        f"{manifest['mask_coverage']:.2%}. Share of the picture inside the box:"
    )
    yield ""
    most = max([1, *manifest["coverage_histogram"]])
    for step, count in enumerate(manifest["coverage_histogram"]):
        if count:
            bar = "#" * round(_BAR * count / most)
            yield f"    {step * 5:3d}-{step * 5 + 5:3d} % {count:9,d} {bar}".rstrip()
    yield ""
    yield "| first pasted | images | share |"
    yield "| --- | ---: | ---: |"
    for name, count in sorted(manifest["categories"].items(), key=lambda item: (-item[1], item[0])):
        shown = "nothing (clean)" if name == CLEAN else code(name)
        yield f"| {shown} | {count:,} | {_share(count, images)} |"


def _labels(manifest: Mapping[str, Any]) -> Iterator[str]:
    config, images = manifest["config"], manifest["images"]
    yield "## Labels"
    yield ""
    added = [entry["patterns"] for _, entry in sorted(manifest["labels"].items())]
    main = f"k{config['k']}" + ("_mask" if config["by"] == "mask" else "")
    grid = PatternGrid(config["k"], manifest["height"], manifest["width"])
    yield (
        "The label of a face is the rectangle of grid cells of highest IoU with what is occluded, "
        "0 where it is clean."
    )
    yield ""
    for patterns in (manifest["patterns"], *added):
        for name, counts in sorted(patterns.items()):
            size = int(name.removeprefix("k").removesuffix("_mask"))
            total = (size * (size + 1) // 2) ** 2 + 1
            by = "mask" if name.endswith("_mask") else "box"
            chosen = ", which `pattern` means" if name == main else ""
            clean = counts.get("0", 0)
            yield (
                f"- K = {size} by {by}{chosen}: {len(counts)} of {total} patterns occur, "
                f"{_share(clean, images)} are 0."
            )
    yield f"- By box and by mask differ on {_share(manifest['labels_differ'], images)}."
    counts = {int(label): count for label, count in manifest["patterns"].get(main, {}).items()}
    common = sorted(((-count, label) for label, count in counts.items() if label))
    if not common:
        return
    yield ""
    yield "| most frequent label | box (x0, y0, x1, y1) | images | share |"
    yield "| ---: | --- | ---: | ---: |"
    for count, label in common[:_SHOWN_PATTERNS]:
        box = ", ".join(map(str, grid.boxes[label].tolist()))
        yield f"| {label} | {box} | {-count:,} | {_share(-count, images)} |"


def _limits(manifest: Mapping[str, Any]) -> Iterator[str]:
    config = manifest["config"]
    yield "## Known limits"
    yield ""
    yield "- Identities are the source's, with its errors."
    if not _is_drawn(manifest):
        yield "- Age, sex and skin are not recorded, so balance between groups was not measured."
    else:
        yield "- The faces are drawn: figures measured on them do not carry over to photographs."
    yield (
        "- Clean means that nothing was pasted: glasses, hair or hands in the source's own "
        "pictures are not labelled."
    )
    if config["limit"] is not None:
        yield f"- Only the first {_count(config['limit'], 'picture', 'pictures')} of the source."
    if not manifest["occluded"]:
        return
    yield (
        "- The occlusion is synthetic. It tells how a model takes to missing regions; a claim "
        "about really occluded people needs photographs of such people."
    )
    if config["blend"] != "natural":
        yield "- Colour, light and sharpness of occluders are not matched to the pictures."
    if "landmarks" in placements_of(config):
        yield (
            "- Things are worn by the five points the source knows of a face, else by those of "
            "the alignment template: on a badly aligned face they sit wrongly."
        )
    if "random" in placements_of(config):
        yield "- Random placement puts things where nobody wears or holds them, as the paper does."
    if config["variants"] > 1:
        yield "- Versions of one picture are not independent: keep them on one side of a split."
    yield "- A label is the nearest of few rectangles; the box and, where kept, the mask are exact."


def _rights(manifest: Mapping[str, Any]) -> Iterator[str]:
    clean = manifest["config"]["codec"] == "copy"
    yield "## Rights, consent and use"
    yield ""
    yield f"- Pictures: {_sentence(prose(manifest['source']['licence']))}"
    if not _is_drawn(manifest):
        yield "  The source's terms go on for this set, which holds its pictures: pass it on only"
        yield "  where they allow it." + ("" if clean else " A recipe (below) holds none.")
    if manifest["occluded"]:
        yield (
            "- Occluders: CC0, rendered from parameters."
            if is_bundled(manifest)
            else "- Occluders: as the owner of their pictures has it."
        )
    if _is_drawn(manifest):
        yield "- Consent: none is needed; no person is shown."
    else:
        yield (
            "- Consent: pictures of faces are personal data, and what is computed from them to "
            "tell people apart is biometric data (GDPR Art. 9, BIPA and others): a legal ground, "
            "as a rule consent, is needed. This card does not say that it was given."
        )
        yield (
            "- Removal: a person is taken out by building again from a source without the "
            "pictures; other faces keep their occlusions."
        )
    yield (
        "- Meant for: training and testing of face recognition, detection and occlusion labels "
        "under occlusion."
    )
    yield (
        "- Not meant for: identifying people who have not agreed to it, or inferring what an "
        "occluder seems to say of a person (health, religion)."
    )


def _checking(manifest: Mapping[str, Any]) -> Iterator[str]:
    yield "## Check it, make it again"
    yield ""
    yield "    occgen verify SET"
    yield ""
    yield "reads every byte, picture and label again. The command at the top makes the set anew,"
    yield "with the versions named there to the last byte; its digest is"
    yield ""
    yield f"    {manifest['digest']}"
    if manifest["config"]["codec"] == "copy":
        return
    yield ""
    yield "With `--recipe-only` that command writes a file without a picture, from which whoever"
    yield "has the source makes the same set: `occgen build --recipe FILE --root ROOT`."


def _citation(manifest: Mapping[str, Any]) -> Iterator[str]:
    yield "## Citation"
    yield ""
    yield "H. Qiu, D. Gong, Z. Li, W. Liu, D. Tao: End2End Occluded Face Recognition by Masking"
    yield "Corrupted Features. IEEE TPAMI 44(10), 6939-6952, 2022."
    own = "" if _is_drawn(manifest) else ", and the papers the source's owners ask for"
    yield f"Software: occgen {_version(manifest)}{own}."


def _is_drawn(manifest: Mapping[str, Any]) -> bool:
    return bool(manifest["source"]["licence"] == CATALOG["demo"].licence)


def _pictures(manifest: Mapping[str, Any]) -> int:
    return int(manifest["source"]["pictures"])


def _version(manifest: Mapping[str, Any]) -> str:
    return str(manifest["versions"]["occgen"])


def _count(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"


def _share(count: int, total: int) -> str:
    return f"{count / max(total, 1):.1%}"


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."
