"""What is tested: how the pictures of the test people are hidden, each condition by name."""

from dataclasses import dataclass
from typing import Any

from occgen.regions import REGIONS

__all__ = ["CONDITIONS", "Condition"]

_JITTER = 5  # pixels, as the published LFW loader moves a region


@dataclass(frozen=True, kw_only=True, slots=True)
class Condition:
    """One way to hide faces, or a data set of its own.

    Parameters
    ----------
    name : str
    title : str
        For people to read.
    changes : dict or None
        Fields of the occlusion; None leaves faces clean.
    library : str
        ``bundled``, or a library of the tests' data.
    zones : tuple of str
        Only categories worn or held there; empty is all.
    protocol : str or None
        A protocol whose data lie in ``$OCCGEN_DATA``, in place of the tests' own people.
    """

    name: str
    title: str
    changes: dict[str, Any] | None = None
    library: str = "bundled"
    zones: tuple[str, ...] = ()
    protocol: str | None = None


def _all() -> list[Condition]:
    """Return the conditions."""
    found = [Condition(name="clean", title="clean")]
    changes: dict[str, Any]
    for scale in ("1.0", "1.5", "2.0", "3.0", "4.0", "5.0"):
        title = f"an occluder anywhere, scale {scale}"
        found.append(Condition(name=f"occ-{scale}", title=title, changes={"scale": scale}))
    for blend in ("opaque", "natural"):
        changes = {"scale": "2.0", "blend": blend}
        title = f"scale 2.0, {blend}"
        found.append(Condition(name=f"occ-2.0-{blend}", title=title, changes=changes))
    for region in REGIONS:
        changes = {
            "placement": "regions",
            "region": region,
            "region_jitter": _JITTER,
        }
        found.append(Condition(name=f"region-{region}", title=f"{region} hidden", changes=changes))
    for group in (1, 2, 3):
        changes = {"scale": "1.0", "group": group}
        title = f"group {group} alone, scale 1.0"
        found.append(Condition(name=f"group-{group}", title=title, changes=changes))
    natural = {"placement": "landmarks", "blend": "natural"}
    title = "rendered occluders worn and held, natural blending"
    found.append(Condition(name="rendered-worn-held", title=title, changes=natural))
    placed = {"placement": "landmarks"}
    for name, zones in (("worn", ("eyes", "mouth", "neck")), ("held", ("held",))):
        found.append(
            Condition(
                name=f"cut-outs-{name}",
                title=f"real cut-outs {name}",
                changes=placed,
                library="cut-outs-test",
                zones=zones,
            )
        )
    for protocol in ("mfr2", "lfw-sm", "olfw", "ar-1", "ar-2"):
        found.append(Condition(name=protocol, title=protocol, protocol=protocol))
    return found


CONDITIONS: dict[str, Condition] = {condition.name: condition for condition in _all()}
