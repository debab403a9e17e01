"""Option decorators used by more than one command."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from occgen.config import DATASETS
from occgen.storage import is_remote, set_path

__all__ = [
    "batch_options",
    "dataset_option",
    "existing_path",
    "flip_option",
    "jobs_option",
    "json_option",
    "library_options",
    "max_skipped_option",
    "model_option",
    "occluders_option",
    "occlusion_library_options",
    "on_error_option",
    "root_option",
    "seed_option",
    "split_commas",
]

_Function = TypeVar("_Function", bound=Callable[..., Any])


def existing_path(*, folder: bool = True, file: bool = True, remote: bool = False) -> click.Path:
    """Return the type of a path that must exist; wrong ones exit with 2.

    With `remote` it may be a URL as well, which is opened and not looked at.
    """
    return _ExistingPath(remote, exists=True, file_okay=file, dir_okay=folder, path_type=Path)


class _ExistingPath(click.Path):
    def __init__(self, remote: bool, **settings: Any) -> None:
        super().__init__(**settings)
        self.remote = remote

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not is_remote(value):
            return super().convert(value, param, ctx)
        if not self.remote:
            self.fail(f"{value} is in object storage; this needs a path of this machine", param)
        return set_path(value)


def seed_option(function: _Function) -> _Function:
    """Add ``--seed``, 100 unless said otherwise."""
    return click.option(
        "--seed",
        type=click.IntRange(0, 2**64 - 1),
        default=100,
        show_default=True,
        help="Of every random stream.",
    )(function)


def jobs_option(function: _Function) -> _Function:
    """Add ``--jobs``, by default all cores this process may use."""
    return click.option(
        "--jobs",
        type=click.IntRange(1),
        default=None,
        help="Worker processes.  [default: all cores this process may use]",
    )(function)


def json_option(function: _Function) -> _Function:
    """Add ``--json``, one object on standard output for programs to read."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")(function)


def dataset_option(*, default: str, text: str | None = None) -> Callable[[_Function], _Function]:
    """Return a decorator that adds ``--dataset`` with one of the names as its default."""
    return click.option(
        "--dataset",
        type=click.Choice(list(DATASETS)),
        default=default,
        show_default=True,
        help=text,
    )


def root_option(function: _Function) -> _Function:
    """Add ``--root``, where the data set of ``--dataset`` lies."""
    return click.option(
        "--root", metavar="DIR", help="Where it lies.  [default: $OCCGEN_DATA/NAME]"
    )(function)


def on_error_option(function: _Function) -> _Function:
    """Add ``--on-error``, what is done about damage met while pictures are listed."""
    return click.option(
        "--on-error",
        type=click.Choice(["stop", "skip"]),
        default="stop",
        show_default=True,
        help="At damage met while pictures are listed (rec): stop, or read the others.",
    )(function)


def flip_option(function: _Function) -> _Function:
    """Add ``--flip``, an embedding of picture and mirror image together."""
    return click.option("--flip", is_flag=True, help="Add the mirror image's embedding.")(function)


def batch_options(function: _Function) -> _Function:
    """Add ``--batch-size`` and ``--workers`` of what embeds pictures."""
    for option in (
        click.option(
            "--workers",
            type=click.IntRange(1),
            default=2,
            show_default=True,
            help="Threads that decode.",
        ),
        click.option(
            "--batch-size", type=click.IntRange(1), default=64, show_default=True, help="Images."
        ),
    ):
        function = option(function)
    return function


def occluders_option(text: str) -> Callable[[_Function], _Function]:
    """Return a decorator that adds ``--occluders``: a folder, or those that come with occgen."""
    return click.option(
        "--occluders", default="bundled", show_default=True, metavar="DIR", help=text
    )


def split_commas(ctx: click.Context, parameter: click.Parameter, value: str | None) -> Any:
    """Return the parts of ``A,B`` as a tuple; None where nothing was given."""
    return tuple(part.strip() for part in value.split(",")) if value else None


def _names(ctx: click.Context, parameter: click.Parameter, value: str | None) -> tuple[str, ...]:
    return split_commas(ctx, parameter, value) or ()


def library_options(function: _Function) -> _Function:
    """Add ``--occluders`` and what narrows a library: five options that `subset` takes."""
    occluders = occluders_option("A folder of occluders, or those that come with occgen.")
    return occluders(_narrowing(function, "", split_commas))


def occlusion_library_options(function: _Function) -> _Function:
    """Add ``--occluders`` and what narrows a library: five options that `BuildConfig` takes."""
    return _narrowing(occluders_option("Own occluders.")(function), "-occluders", _names)


def _narrowing(function: _Function, ending: str, callback: Any) -> _Function:
    """Add categories, group and split, and what is included and excluded by name."""
    for option in (
        click.option(
            f"--exclude{ending}", callback=callback, metavar="A,B", help="Not these: book/*."
        ),
        click.option(
            f"--include{ending}", callback=callback, metavar="A,B", help="Only these: book/*."
        ),
        click.option(
            "--split", metavar="NAME", help="Only this split of the folder's splits.json."
        ),
        click.option("--group", type=click.IntRange(1, 3), help="Only occluder group 1, 2 or 3."),
        click.option(
            "--categories",
            callback=split_commas,
            metavar="A,B=2",
            help="Only these, drawn by weight: face_mask=4,hand.",
        ),
    ):
        function = option(function)
    return function


def max_skipped_option(function: _Function) -> _Function:
    """Add ``--max-skipped``, above which a run fails at its end."""
    return click.option(
        "--max-skipped",
        type=click.FloatRange(0, 1),
        default=0.01,
        show_default=True,
        help="Share of pictures that may be unreadable.",
    )(function)


def model_option(
    *, multiple: bool = False, required: bool = True
) -> Callable[[_Function], _Function]:
    """Return a decorator that adds ``--model``: a run, a file, ``demo``; one, or several."""
    return click.option(
        "--model",
        multiple=multiple,
        required=required,
        metavar="RUN|FILE|demo",
        help="Folder of a run, .safetensors, .pth.tar, .onnx, or demo."
        + (" Given twice, the two are compared." if multiple else ""),
    )
