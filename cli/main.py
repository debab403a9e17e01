"""The occgen program: one group, one file a command."""

import click

from occgen import __version__

from .align import align_command
from .boundary import BoundaryGroup
from .build import build_command
from .check_leaks import check_leaks_command
from .convert import convert_command
from .datasets import datasets_command
from .fetch import fetch_command
from .info import info_command
from .label_patterns import label_patterns_command
from .occlude import occlude_command
from .occluders import occluders_group
from .preview import preview_command
from .verify import verify_command

__all__ = ["main"]


@click.group(
    "occgen",
    cls=BoundaryGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="\b\nExample:\n  occgen build --dataset demo --scale 2.0",
)
@click.version_option(__version__, prog_name="occgen")
def main() -> None:
    """Make occluded-face data sets with exact labels, look at them, check them."""


for _command in (
    align_command,
    build_command,
    label_patterns_command,
    preview_command,
    info_command,
    verify_command,
    convert_command,
    datasets_command,
    fetch_command,
    check_leaks_command,
    occlude_command,
    occluders_group,
):
    main.add_command(_command)
