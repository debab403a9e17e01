"""What a data card says of the settings of a set, and the command that makes it."""

import math
import shlex
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from .config import NATURAL_STEPS, BuildConfig
from .markdown import code, one_line

__all__ = [
    "blending_text",
    "is_bundled",
    "making_command",
    "narrowing_text",
    "placement_text",
    "placements_of",
]

_PLACES = ("dataset", "root", "probes", "gallery", "out", "occluders")
_STEPS = {
    "colour": "colour",
    "light": "light",
    "shadow": "contact shadow",
    "blur": "blur",
    "noise": "noise",
    "jpeg": "compression",
}


def making_command(manifest: Mapping[str, Any]) -> str:
    """Return the command that makes the set, with names in place of paths."""
    config, source = manifest["config"], manifest["source"]
    words = ["occgen", "build", "--dataset", config["dataset"]]
    if config["codec"] == "copy":
        words = ["occgen", "convert", "SOURCE", "OUT", "--dataset", config["dataset"]]
        names: tuple[str, ...] = ("format", "shard_size", "limit")
    else:
        if config["dataset"] == "demo":
            words += ["--root", source["root"]] if source["root"] else []
        elif "probes" in source:
            words += ["--probes", "PROBES", "--gallery", "GALLERY"]
        else:
            words += ["--root", "ROOT"]
        words += [] if is_bundled(manifest) else ["--occluders", "OCCLUDERS"]
        names = tuple(f.name for f in fields(BuildConfig) if f.name not in _PLACES)
    shown = {"seed", "scale"} if config["codec"] != "copy" else {"format"}
    if config["area"] is not None or not {"random"} & set(placements_of(config)):
        shown.discard("scale")
    defaults = asdict(BuildConfig(dataset="demo"))
    for name in names:
        value, default = config.get(name, defaults[name]), defaults[name]
        value = tuple(value) if isinstance(value, list) else value
        if value == default and name not in shown:
            continue
        text = ",".join(value) if isinstance(value, tuple) else str(value)
        words += [f"--{name.replace('_', '-')}", text or "none"]
    share = manifest["skipped"] / max(source["pictures"], 1)
    if share > defaults["max_skipped"]:
        words += ["--max-skipped", f"{math.ceil(share * 100) / 100:g}"]
    return one_line(shlex.join(words))


def is_bundled(manifest: Mapping[str, Any]) -> bool:
    """Return whether the occluders are those that come with the package."""
    return bool(manifest["occluders"]["spec"].get("library") == "bundled")


def placement_text(config: Mapping[str, Any]) -> str:
    """Return where occluders go."""
    scale = f"scale {config['scale']}"
    if config["area"] is not None:
        scale = f"each made to cover {config['area']:.1%} of the picture"
    if config["max_coverage"] is not None:
        scale += f", at most {config['max_coverage']:.1%} of the picture"
    region = f"the region {config['region']}" if config["region"] else "one of nine regions"
    texts = {
        "random": f"centred on any pixel, {scale} (Algorithm 1)",
        "regions": f"filling {region} (Fig. 1), moved by up to {config['region_jitter']} pixels",
        "landmarks": "worn or held where people wear and hold such things, at true size",
    }
    names = placements_of(config)
    text = texts[names[0]]
    if len(names) > 1 or config["placement"] == "mixed":
        drawn = "; ".join(f"{name}: {texts[name]}" for name in names)
        text = f"drawn for each face by the weights {config['mix']} ({drawn})"
    if config["occluders_per_face"] != 1:
        text += f"; {str(config['occluders_per_face']).replace(':', ' to ')} occluders a face"
    return text


def placements_of(config: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the placements one of which is drawn for a face."""
    if config["placement"] != "mixed":
        return (config["placement"],)
    return tuple(part.partition("=")[0] for part in config["mix"].split(","))


def blending_text(config: Mapping[str, Any]) -> str:
    """Return how occluders are pasted."""
    if config["blend"] == "opaque":
        return "opaque, the occluder's whole rectangle"
    if config["blend"] == "alpha":
        return "alpha, the occluder's matte"
    steps = [_STEPS[step] for step in NATURAL_STEPS if step in config["natural_steps"]]
    return "natural, the occluder's matte" + (
        f" matched to the picture in {', '.join(steps)}" if steps else " alone"
    )


def narrowing_text(config: Mapping[str, Any]) -> str:
    """Return which part of the library was drawn from."""
    parts = []
    for name, text in (
        ("categories", "categories"),
        ("include_occluders", "alone"),
        ("exclude_occluders", "without"),
    ):
        if config.get(name):
            parts.append(f"{text} {', '.join(map(code, config[name]))}")
    for name in ("group", "split"):
        if config.get(name) is not None:
            parts.append(f"{name} {code(str(config[name]))}")
    return f"; of these {', '.join(parts)}" if parts else ""
