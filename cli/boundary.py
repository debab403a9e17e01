"""Where errors become one line and an exit code; every program's commands are made here."""

import errno
import logging
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from occgen.errors import InputError, OccgenError
from occluders.errors import OccluderError, OccluderInputError

from .error_stream import ErrorStream, fill_descriptors, let_go
from .termination import EXIT_CODE, Terminated, ending_on_sigterm

__all__ = ["BoundaryCommand", "BoundaryGroup", "command", "one_line"]

_Function = TypeVar("_Function", bound=Callable[..., Any])
_INTERRUPTED = "interrupted; what was complete is kept"
_LONGEST = 1000  # characters of a message
_HEADLESS = (
    "opencv-python cannot load a system library ({0}); on a machine without a display use "
    "its headless build: pip uninstall -y opencv-python && pip install opencv-python-headless"
)

_MEND = {  # what the system refuses wherever the file is from, and what helps
    errno.EACCES: "mend its permissions or name another place",
    errno.EPERM: "mend its permissions or name another place",
    errno.EROFS: "name a place that can be written",
    errno.ENOTDIR: "a part of that path is a file; name another place",
    errno.ENAMETOOLONG: "give a shorter name",
    errno.ELOOP: "mend the links or name another place",
    errno.ENOSPC: "make room and run the same command again",
    errno.EDQUOT: "make room and run the same command again",
    errno.EMFILE: "allow more open files (ulimit -n) and run the same command again",
    errno.ENFILE: "close what holds files open and run the same command again",
    errno.EIO: "look at the disk, or at what it is mounted from",
    errno.ESTALE: "mount it again and run the same command again",
}


class _Boundary(click.Command):
    """A command whose failures are one line on stderr: exit 2 wrong usage, 1 failed work.

    SIGTERM ends it as Ctrl-C does, with exit 143.
    """

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run the command and leave with its exit code."""
        arguments = list(sys.argv[1:] if args is None else args)
        debug = "--debug" in arguments
        if standalone_mode:
            fill_descriptors()
        _set_up_logging(debug)
        if not standalone_mode:
            return super().main(arguments, prog_name, complete_var, False, **extra)
        with ending_on_sigterm() as termination:
            try:
                result = super().main(arguments, prog_name, complete_var, False, **extra)
                sys.exit(result if isinstance(result, int) else 0)
            except click.exceptions.NoArgsIsHelpError as error:
                ErrorStream().say(error.ctx.get_help() if error.ctx else "")
                sys.exit(2)
            except (Exception, KeyboardInterrupt, Terminated) as error:
                if debug:
                    traceback.print_exc()
                message, code = _explain(error)
                if termination.was_told:  # whatever came of it
                    message, code = _INTERRUPTED, EXIT_CODE
                ErrorStream().say(f"Error: {message}")
                sys.exit(code)
            finally:
                let_go()


class BoundaryCommand(_Boundary):
    """One command; `--debug` shows the traceback of a failure."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("context_settings", {"help_option_names": ["-h", "--help"]})
        super().__init__(*args, **kwargs)
        self.params.append(
            click.Option(
                ["--debug"],
                is_flag=True,
                expose_value=False,
                help="Show the traceback of an error.",
            )
        )


class BoundaryGroup(_Boundary, click.Group):
    """A group of such commands, listed in the order they were added."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order the commands were added."""
        return list(self.commands)


def command(name: str, example: str) -> Callable[[_Function], BoundaryCommand]:
    """Return a decorator that makes a command of a function.

    Parameters
    ----------
    name : str
    example : str
        A command line that runs, shown at the end of the help.
    """

    def decorate(function: _Function) -> BoundaryCommand:
        epilog = f"\b\nExample:\n  {example}"
        made = click.command(name, cls=BoundaryCommand, epilog=epilog)(function)
        return made

    return decorate


def _explain(error: BaseException) -> tuple[str, int]:
    if isinstance(error, (InputError, OccluderInputError)):
        return one_line(str(error)), 2
    if isinstance(error, (OccgenError, OccluderError)):
        return one_line(str(error)), 1
    if isinstance(error, (click.Abort, KeyboardInterrupt)):
        return _INTERRUPTED, 1
    if isinstance(error, click.ClickException):
        return one_line(error.format_message()), error.exit_code
    if isinstance(error, ModuleNotFoundError) and error.name in ("torch", "safetensors"):
        return f"{error.name} is not installed; pip install 'occgen[model]' brings it", 1
    if isinstance(error, ImportError) and ".so" in str(error):
        return _HEADLESS.format(str(error).split(":")[0]), 1
    if isinstance(error, OSError) and (told := _refused(error)):
        return told, 1
    text = one_line(str(error)) or "no message"
    return f"{type(error).__name__}: {text} (a bug of occgen's: --debug shows where)", 1


def _refused(error: OSError) -> str:
    """Return what the system refused, for which file and what to do; '' where it may be a bug."""
    advice = _MEND.get(error.errno or 0)
    if error.strerror and isinstance(error.filename, (str, bytes, os.PathLike)):
        named = one_line(os.fsdecode(error.filename)) or "''"
        return f"{named}: {error.strerror} ({advice or '--debug shows where'})"
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE):
        return f"{error.strerror} ({advice})"  # a write names no file
    return ""


def one_line(text: str) -> str:
    """Return a text as one line that a terminal only shows, cut in its middle where it is long.

    Names come from files of others: control characters are spelled out.
    """
    text = " ".join(text.split())
    if len(text) > _LONGEST:
        text = f"{text[: _LONGEST - 100]} ... {text[-80:]}"
    return "".join(
        mark if mark.isprintable() else mark.encode("unicode_escape").decode() for mark in text
    )


def _set_up_logging(debug: bool) -> None:
    level = logging.DEBUG if debug else logging.WARNING
    logging.basicConfig(level=level, format="%(levelname)s %(name)s: %(message)s")
