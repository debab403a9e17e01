"""`occgen occlude`: one picture, to try a setting."""

import json
from pathlib import Path
from typing import Any

import click

from occgen.config import BuildConfig
from occgen.errors import InputError

from .boundary import command
from .build import build_command
from .options import json_option

__all__ = ["occlude_command"]

_AS_IN_BUILD = (  # options that mean what they mean there
    *("scale", "placement", "mix", "occluders_per_face", "region", "region_jitter", "blend"),
    *("natural_steps", "by", "k", "categories", "group", "split", "include_occluders"),
    *("exclude_occluders", "occluders", "clean_fraction", "variants", "area", "max_coverage"),
    *("quality", "compat", "seed"),
)
_CODECS = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg"}


@command("occlude", "occgen occlude demo occluded.png --scale 2.0 --variants 4 --draw")
@click.argument("image")
@click.argument("out", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--draw", is_flag=True, help="Draw box, mask and label in, as preview does.")
@json_option
def occlude_command(image: str, out: Path, draw: bool, as_json: bool, **options: Any) -> None:
    """Occlude one picture as a build would, several variants side by side."""
    if out.suffix.lower() not in _CODECS:
        raise InputError(f"{out} must end in .png or .jpg")
    config = BuildConfig(dataset="folder", **options)
    import numpy as np

    from occgen.atomic import replacing_bytes
    from occgen.codec import encoder
    from occgen.preview import contact_sheet
    from occgen.trial import side_by_side, try_setting

    trials = try_setting(image, config)
    if draw:
        sheet = contact_sheet([trial.tile() for trial in trials], Path(image).name)
    else:
        sheet = side_by_side([trial.face.image for trial in trials])
    encode = encoder(_CODECS[out.suffix.lower()], config.quality)
    replacing_bytes(out, encode(np.ascontiguousarray(sheet)))
    records: list[dict[str, Any]] = [
        {
            "occluders": list(trial.occluders),
            "box": list(trial.face.box),
            "coverage": round(trial.face.coverage, 6),
            "mask_coverage": round(trial.face.mask_coverage, 6),
            "pattern": trial.labels[config.by],
            "pattern_box": trial.labels["box"],
            "pattern_mask": trial.labels["mask"],
        }
        for trial in trials
    ]
    if as_json:
        click.echo(json.dumps({"out": str(out), "variants": records}))
        return
    for record in records:
        click.echo(
            f"{', '.join(record['occluders']) or 'clean'}: box {record['box']}, "
            f"{record['coverage']:.1%} of the picture, mask {record['mask_coverage']:.1%}, label "
            f"{record['pattern_box']} by box, {record['pattern_mask']} by mask"
        )
    click.echo(f"{len(records)} drawn in {out}")


occlude_command.params[2:2] = [
    option for option in build_command.params if option.name in _AS_IN_BUILD
]
