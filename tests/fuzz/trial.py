"""What a reader under attack is, and the program that attacks one: a process of bounded means.

    python tests/fuzz/trial.py GROUP READER SEED FIRST COUNT FOLDER SECONDS

Each trial writes a reader's valid files into a folder, damages some, and reads them. It has to end
with a result or with an error of ours that names the file; in bounded time and memory; without a
file written, moved or removed elsewhere, a program or a connection started, a pickle's names looked
up. The number of the trial under way stands in ``at``: a process that dies says by it which it was.
"""

import importlib
import json
import os
import random
import resource
import shutil
import signal
import struct
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mutations import mutate_bytes
from occgen_cli.boundary import _explain

from occgen.errors import OccgenError
from occluders.errors import OccluderError

__all__ = ["TIME_BOUND_S", "Files", "Reader", "call_all", "main"]

TIME_BOUND_S = 15  # of the processor: SIGPROF ends the process
_BEYOND = 2_000_000  # where trials of a short run that are seeded begin
_WAIT_BOUND_S = 120  # by the clock, for what waits without working, such as on a pipe
MEMORY_BOUND = 3 << 29  # 1.5 GiB beside what the process has when it begins

Files = dict[str, bytes]


class Reader(NamedTuple):
    """One way into the programs for files of others."""

    name: str
    make: Callable[[Path], None]
    """Writes valid files into an empty folder; called once a process."""
    read: Callable[[Path, bool], None]
    """Reads all there is; told whether a byte differs, where that has to be found."""
    targets: tuple[str, ...] = ("**/*",)
    """Files that are damaged."""
    damage: Callable[[str, bytes, random.Random], bytes] | None = None
    """Damages a file of a name; by default bytes are changed."""
    seal: Callable[[Files, random.Random], Files] | None = None
    """Makes checksums fit again, as somebody would who means harm."""
    crafted: Callable[[Files], Iterator[Files]] | None = None
    """Files made by hand to do harm; None takes a file away."""
    is_named: bool = True
    """Whether an error names the file or its folder; parts that know no file give a reason."""


_BAD_EVENTS = (
    *("os.system", "os.exec", "os.posix_spawn", "os.fork", "os.forkpty", "subprocess.Popen"),
    *("socket.connect", "socket.bind", "pickle.find_class", "ctypes.dlopen", "webbrowser.open"),
)
_PATH_EVENTS = {
    **dict.fromkeys(("os.remove", "os.rmdir", "os.mkdir", "os.truncate", "os.chmod"), 1),
    **dict.fromkeys(("os.rename", "os.link", "os.symlink", "shutil.move"), 2),
    "shutil.rmtree": 1,
}
_OF_SETTINGS = (  # what a forged configuration names, where a set is made again from it
    *("is no occluder", "is looked for there", "category must be", "must be one of"),
)
_RELATIVE = ("os.remove", "os.rmdir")
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


def call_all(*calls: Callable[[], object]) -> None:
    """Call each, whatever the others raise; then raise the first error of ours."""
    errors = []
    for call in calls:
        try:
            call()
        except OccgenError as error:
            errors.append(error)
    if errors:
        raise errors[0]


class Guard:
    """Notes what a trial does beside reading; hooked in for good, told when to look."""

    def __init__(self, allowed: Path) -> None:
        self.allowed = f"{allowed.resolve()}{os.sep}"
        self.is_on = False
        self.seen: list[str] = []
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.is_on:
            return
        if event in _BAD_EVENTS:
            self.seen.append(f"{event} {arguments[:2]!r:.120}")
        elif event in _PATH_EVENTS:
            count = _PATH_EVENTS[event]
            handles = [each for each in arguments[count:] if isinstance(each, int) and each >= 0]
            if event in _RELATIVE and handles:  # a name in an open folder
                base = os.readlink(f"/proc/self/fd/{handles[0]}")
                self._check(event, os.path.join(base, os.fsdecode(arguments[0])))
            else:
                for path in arguments[:count]:
                    self._check(event, path)
        elif event == "open" and isinstance(arguments[2], int) and arguments[2] & _WRITING:
            self._check(event, arguments[0])

    def _check(self, event: str, path: Any) -> None:
        if isinstance(path, (str, bytes, os.PathLike)) and path != "/dev/null":
            full = os.path.realpath(os.fsdecode(path))
            if not f"{full}{os.sep}".startswith(self.allowed):
                self.seen.append(f"{event} {full!r:.120}")


class Attack:
    """The trials of one reader."""

    def __init__(self, reader: Reader, seed: int, folder: Path, guard: Guard) -> None:
        self.reader, self.seed, self.folder = reader, seed, folder
        self.inside = folder / "trial" / "in"
        self.guard = guard
        self.valid = self._made()
        self._crafted: list[Files] | None = None
        self.targets = sorted(
            {
                path.relative_to(self.inside).as_posix()
                for pattern in reader.targets
                for path in self.inside.glob(pattern)
                if path.is_file()
            }
        )
        self.findings: list[dict[str, Any]] = []
        self.refused = 0
        self._write(self.valid)
        reader.read(self.inside, False)  # what is whole has to be read; and all is imported
        for name in ("canary", "escape"):
            (folder / name).write_text("untouched")
            (folder / "trial" / name).write_text("untouched")

    @property
    def crafted(self) -> list[Files]:
        """Files made by hand."""
        if self._crafted is None:
            make = self.reader.crafted
            self._crafted = [] if make is None else list(make(dict(self.valid)))
        return self._crafted

    def mixed(self, count: int) -> Iterator[int]:
        """Yield trials for a short run: those made by hand evenly, and seeded ones, in turn."""
        by_hand = len(self.crafted)
        some = min(by_hand, (count + 1) // 2)
        yield from (place * by_hand // some for place in range(some))
        yield from range(_BEYOND, _BEYOND + count - some)

    def _made(self) -> Files:
        self._empty()
        self.reader.make(self.inside)
        paths = [path for path in self.inside.rglob("*") if path.is_file()]
        return {path.relative_to(self.inside).as_posix(): path.read_bytes() for path in paths}

    def _empty(self) -> None:
        shutil.rmtree(self.folder / "trial", ignore_errors=True)
        self.inside.mkdir(parents=True)

    def _write(self, files: Files) -> None:
        self._empty()
        for name, data in files.items():
            path = self.inside / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        for name in ("canary", "escape"):
            (self.folder / "trial" / name).write_text("untouched")

    def files(self, number: int) -> Files:
        """Return the files of a trial: those made by hand first, then seeded damage."""
        if number < _BEYOND and number < len(self.crafted):
            return self.crafted[number]
        rng = random.Random(f"{self.reader.name}|{self.seed}|{number}")
        files = dict(self.valid)
        for _ in range(rng.choice((1, 1, 1, 2))):
            name = rng.choice(self.targets)
            try:
                damage = self.reader.damage or (lambda _, data, rng: mutate_bytes(data, rng))
                files[name] = damage(name, files[name], rng)
            except (ValueError, LookupError, TypeError, RuntimeError, OSError, struct.error):
                files[name] = mutate_bytes(files[name], rng)  # damaged beyond such a change
        if self.reader.seal is not None and rng.random() < 0.7:
            files = self.reader.seal(files, rng)
        return files

    def run(self, number: int) -> None:
        """Run one trial and note what is wrong."""
        files = self.files(number)
        self._write(files)
        self.guard.seen.clear()
        self.guard.is_on = True
        problem = ""
        signal.setitimer(signal.ITIMER_PROF, TIME_BOUND_S)
        signal.alarm(_WAIT_BOUND_S)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self.reader.read(self.inside, files != self.valid)
        except (OccgenError, OccluderError) as error:
            self.refused += 1
            problem = self._check_message(error)
        except BaseException as error:
            place = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{Path(place.filename).name}:{place.lineno}"
            ours = [
                frame
                for frame in traceback.extract_tb(error.__traceback__)
                if any(
                    f"/{name}/" in frame.filename for name in ("occgen", "frommodel", "occluders")
                )
            ]
            if ours:
                where += f" from {Path(ours[-1].filename).name}:{ours[-1].lineno}"
            problem = f"{type(error).__name__}: {str(error)[:200]} at {where}"
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.alarm(0)
            self.guard.is_on = False
        problem = "; ".join(
            part for part in (problem, *self.guard.seen, self._check_outside()) if part
        )
        if problem:
            self.findings.append({"trial": number, "problem": problem})

    def _check_message(self, error: Exception) -> str:
        shown, code = _explain(error)
        if code not in (1, 2) or not shown or not shown.isprintable() or len(shown) > 4000:
            return f"message of {len(shown)} characters is no clean line: {shown!r:.300}"
        if self.reader.is_named and not any(
            part in shown for part in (str(self.folder / "trial"), *_OF_SETTINGS)
        ):
            return f"message names no file: {shown:.300}"
        return ""

    def _check_outside(self) -> str:
        known = ("trial", "canary", "escape", "at", "log")
        names = [entry.name for entry in self.folder.iterdir()]
        if found := [name for name in names if name not in known and not name.endswith(".json")]:
            for name in found:
                (self.folder / name).unlink()
            return f"made {sorted(found)}"
        for parent in (self.folder, self.folder / "trial"):
            for name in ("canary", "escape"):
                if not (parent / name).is_file() or (parent / name).read_text() != "untouched":
                    return f"{name} was changed"
        return ""


def _peak_mb() -> int:
    text = Path("/proc/self/status").read_text()
    return int(text.partition("VmHWM:")[2].split()[0]) >> 10


def _memory_used() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * resource.getpagesize()


def main(arguments: list[str]) -> None:
    """Run trials FIRST to FIRST + COUNT - 1 of a reader, or of all; write ``<reader>.json``."""
    group, name, folder, ends = *arguments[:2], arguments[5], time.monotonic() + float(arguments[6])
    seed, first, count = map(int, arguments[2:5])
    readers = {reader.name: reader for reader in importlib.import_module(group).READERS}
    guard = Guard(Path(folder) / "trial")
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 28, 1 << 28))
    for reader in readers.values() if name == "all" else (readers[name],):
        no_bound = resource.getrlimit(resource.RLIMIT_AS)[1]
        resource.setrlimit(resource.RLIMIT_AS, (no_bound, no_bound))
        attack = Attack(reader, seed, Path(folder), guard)
        _ = attack.crafted  # made before there is a bound
        trials = range(first, first + count) if name != "all" else tuple(attack.mixed(count))
        resource.setrlimit(resource.RLIMIT_AS, (_memory_used() + MEMORY_BOUND, no_bound))
        _run(attack, trials, ends)


def _run(attack: Attack, trials: Sequence[int], ends: float) -> None:
    folder = attack.folder
    result = folder / f"{attack.reader.name.replace('/', ' ')}.json"
    with open(folder / "at", "w") as at:
        for done, number in enumerate(trials, 1):
            at.seek(0)
            at.write(f"{number:9d}")
            at.flush()
            attack.run(number)
            is_over = done == len(trials) or time.monotonic() > ends
            if attack.findings or done % 16 == 0 or is_over:
                result.write_text(
                    json.dumps(
                        {
                            "done": done,
                            "refused": attack.refused,
                            "findings": attack.findings,
                            "crafted": len(attack.crafted),
                            "peak_mb": _peak_mb(),
                        }
                    )
                )
            if is_over:
                return


if __name__ == "__main__":
    main(sys.argv[1:])
