"""`occgen preview`: a contact sheet to look at."""

from pathlib import Path

import click

from occgen.errors import InputError

from .boundary import command
from .occluders import write_library_sheet

__all__ = ["preview_command"]


@command("preview", "occgen preview Occ-Demo-2.0 --out demo.png")
@click.argument("path", type=click.Path(path_type=Path))
@click.option(
    "--out", type=click.Path(path_type=Path), help="PNG or HTML.  [default: PATH-preview.png]"
)
@click.option("--count", type=click.IntRange(1, 2000), default=40, show_default=True, help="Tiles.")
@click.option("--columns", type=click.IntRange(1, 50), default=8, show_default=True)
@click.option("--plain", is_flag=True, help="Draw no box, mask or label.")
def preview_command(path: Path, out: Path | None, count: int, columns: int, plain: bool) -> None:
    """Draw a contact sheet of a finished set, a data set, occluders' folder, or of 'demo'."""
    import numpy as np

    from occgen import preview
    from occgen.atomic import replacing_bytes
    from occgen.codec import encoder
    from occgen.manifest import MANIFEST, read_manifest
    from occgen.reader import open_shards
    from occgen.sources import guess_dataset, open_source
    from occluders.directory import is_library, open_library

    target = out or Path(f"{path.name or 'set'}-preview.png")
    if target.suffix.lower() not in (".png", ".html"):
        raise InputError(f"--out must end in .png or .html, got {target}")
    if not (path / MANIFEST).is_file() and is_library(path):
        title, library = path.resolve().name, open_library(path)
        write_library_sheet(target, library, title, columns=max(columns, 16), most=count)
        return
    notes: list[str] = []
    manifest = read_manifest(path) if (path / MANIFEST).is_file() else {}
    if manifest:
        if manifest["config"]["format"] == "hdf5":
            tiles = preview.tiles_of_set(open_shards(path), count)
        else:
            tiles = preview.tiles_of_faces(open_source("shards", str(path)), count)
        title = str(manifest["name"])
        notes.append(
            f"{manifest['images']} images of {manifest['identities']} identities; mean coverage of "
            f"occluded ones: box {manifest['box_coverage']:.1%}, "
            f"mask {manifest['mask_coverage']:.1%}"
        )
    elif path.exists() or str(path) == "demo":
        dataset, root = (guess_dataset(path), str(path)) if path.exists() else ("demo", None)
        tiles, plain = preview.tiles_of_source(open_source(dataset, root), count), True
        title = path.name
    else:
        raise InputError(f"{path} is no finished set, no data set, and not 'demo'")
    if target.suffix.lower() == ".html":
        data = preview.html_page(tiles, title, notes, draw=not plain).encode("utf-8")
    else:
        sheet = preview.contact_sheet(tiles, title, notes, columns=columns, draw=not plain)
        data = encoder("png", 100)(np.ascontiguousarray(sheet))
    replacing_bytes(target, data)
    click.echo(f"{len(tiles)} of them drawn in {target}")
