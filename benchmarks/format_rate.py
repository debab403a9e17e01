"""Rates of the readers and writers of each format against the floor of plain files.

Reading: bytes of every picture through a source, over ``read()`` of the same pictures in a folder,
and over one plain read of the container's own bytes. Writing: ``occgen convert`` of a finished set,
over writing and syncing its bytes into one file. Processor time, all in turn, in one process,
several rounds:

    python benchmarks/format_rate.py --root ../shared/data/faces/lfw

Memory: a ``.rec`` of many small records is listed, and a thousandth of it read, each in a process
of its own:

    python benchmarks/format_rate.py --records 1000000
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from occgen.codec import decode_image
from occgen.conversion import convert, plain_config
from occgen.recordio import frame_record, pack_record
from occgen.sources import open_source
from occgen.verification_bin import write_verification_bin

FORMS = ("hdf5", "folder", "webdataset", "rec", "parquet")


def seconds(work: Callable[[], object]) -> float:
    """Return the processor's time a call takes: the machine may be shared."""
    began = time.process_time()
    work()
    return time.process_time() - began


def repeated(root: Path, target: Path, repeat: int) -> None:
    """Fill a folder with the pictures of another, each under several names, as hard links."""
    for path in root.rglob("*.jpg"):
        for number in range(repeat):
            copy = target / f"{path.parent.name}" / f"{path.stem}-{number}.jpg"
            copy.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(path, copy)
            except OSError:
                shutil.copyfile(path, copy)


def read_source(dataset: str, root: Path) -> int:
    """Return the bytes of all pictures, listed and read through a source."""
    source = open_source(dataset, str(root))
    source.check()
    return sum(len(source.read(ref.key)) for ref in source.refs())


def read_files(paths: list[Path]) -> int:
    """Return the bytes of files, each read whole."""
    total = 0
    for path in paths:
        with open(path, "rb", buffering=0) as file:
            total += len(file.read())
    return total


def decode_files(paths: list[Path]) -> int:
    """Return the pixels of files, each read and decoded."""
    return sum(decode_image(path.read_bytes()).size for path in paths)


def write_plain(sources: list[Path], target: Path) -> None:
    """Write the bytes of files one after the other into one, and sync it."""
    with open(target, "wb") as file:
        for path in sources:
            file.write(path.read_bytes())
        file.flush()
        os.fsync(file.fileno())


_READ_ONE = """
import sys, time
from occgen.sources import open_source
began, count = time.perf_counter(), 0
source = open_source("rec", sys.argv[1])
for count, ref in enumerate(source.refs(), 1):
    if count % 1000 == 0:
        source.read(ref.key)
rate = count / (time.perf_counter() - began)
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(count, round(rate), *(int(status[name].split()[0]) // 1024 for name in ("VmHWM", "RssAnon")))
"""


def write_large(folder: Path, count: int) -> Path:
    """Write a ``.rec`` of small records, 50 an identity, as InsightFace's packers lay it out."""
    path, at, lines = folder / "large.rec", 0, []
    last = count + (count + 49) // 50
    with open(path, "wb") as file:
        for number in range(last + 1):
            if number == 0:
                payload = pack_record([count + 1, last + 1], 0)
            elif number <= count:
                payload = pack_record((number - 1) // 50, number, b"picture" * 8)
            else:
                first = 50 * (number - count - 1) + 1
                payload = pack_record([first, min(first + 50, count + 1)], number)
            record = frame_record(payload)
            lines.append(f"{number}\t{at}\n")
            file.write(record)
            at += len(record)
    path.with_suffix(".idx").write_text("".join(lines))
    return path


def show_memory(counts: list[int]) -> None:
    """Print rate and memory of listing records, with the index and by scan."""
    print("MiB at the most, and at the end without mapped files\n")
    print("| records | with .idx, records/s | MiB | own | without, records/s | MiB | own |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for count in counts:
        with tempfile.TemporaryDirectory() as name:
            path = write_large(Path(name), count)
            cells = []
            for _ in range(2):
                done = subprocess.run(
                    [sys.executable, "-c", _READ_ONE, str(path)],
                    env={**os.environ, "XDG_CACHE_HOME": name},
                    capture_output=True,
                    text=True,
                    check=True,
                )
                found, *values = done.stdout.split()
                assert int(found) == count
                cells += values
                path.with_suffix(".idx").unlink(missing_ok=True)
            print(f"| {count} | {' | '.join(cells)} |", flush=True)


def show(name: str, values: list[float], unit: str = "") -> None:
    """Print one row of the table."""
    low, middle, high = min(values), statistics.median(values), max(values)
    print(f"| {name} | {low:.2f} | {middle:.2f} | {high:.2f} |{unit}", flush=True)


def show_rates(root: Path, repeat: int, rounds: int) -> None:
    """Print the rates of readers and writers."""
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        faces = work / "faces"
        repeated(root, faces, repeat)
        files = sorted(faces.rglob("*.jpg"))
        sets = {}
        for form in FORMS:
            sets[form] = work / form
            convert(faces, plain_config(faces, sets[form], form, jobs=1))
        foreign = {"rec without its index": work / "bare", "tars of others": work / "tars"}
        foreign["Parquet of others"] = work / "table"
        for path in foreign.values():
            path.mkdir()
        shutil.copyfile(sets["rec"] / "train.rec", foreign["rec without its index"] / "train.rec")
        for path in sets["webdataset"].glob("*.tar"):
            shutil.copyfile(path, foreign["tars of others"] / path.name)
        for path in (sets["parquet"] / "data").iterdir():
            shutil.copyfile(path, foreign["Parquet of others"] / path.name)
        pictures = [path.read_bytes() for path in files[: len(files) // 2 * 2]]
        write_verification_bin(work / "pairs.bin", pictures, [True] * (len(pictures) // 2))
        del pictures
        readers: dict[str, tuple[str, Path]] = {"folder": ("folder", faces)}
        readers |= {f"set, {form}": ("shards", sets[form]) for form in FORMS}
        readers |= {"rec": ("rec", sets["rec"] / "train.rec")}
        readers |= {
            name: ("rec" if "rec" in name else "shards", path) for name, path in foreign.items()
        }
        readers |= {"bin": ("bin", work / "pairs.bin")}
        os.environ["XDG_CACHE_HOME"] = str(work / "cache")
        reading: dict[str, list[float]] = {name: [] for name in readers}
        reading["read and decoded, for comparison"] = []
        writing: dict[str, list[float]] = {form: [] for form in FORMS if form != "hdf5"}
        writing["hdf5"] = []
        rates = []
        for number in range(rounds + 1):
            floor = seconds(lambda: read_files(files))
            for name, (dataset, path) in readers.items():
                shutil.rmtree(work / "cache", ignore_errors=True)
                took = seconds(lambda d=dataset, p=path: read_source(d, p))  # type: ignore[misc]
                if number:  # the first round fills the page cache
                    reading[name].append(floor / took)
            decoded = seconds(lambda: decode_files(files))
            if number:
                rates.append(len(files) / floor)
                reading["read and decoded, for comparison"].append(floor / decoded)
            plain = seconds(lambda: write_plain(files, work / "plain"))
            for form, ratios in writing.items():
                origin = sets["hdf5" if form != "hdf5" else "rec"]
                out = work / "out"
                shutil.rmtree(out, ignore_errors=True)
                config = plain_config(origin, out, form, jobs=1)
                took = seconds(lambda o=origin, c=config: convert(o, c))  # type: ignore[misc]
                if number:
                    ratios.append(plain / took)
        size = sum(path.stat().st_size for path in files)
        print(
            f"{len(files)} pictures, {size / 1e6:.0f} MB, {rounds} rounds; files read one "
            f"by one: {statistics.median(rates):.0f}/s\n"
        )
        print("| listed and read / files read one by one | min | median | max |")
        print("| --- | --- | --- | --- |")
        for name, ratios in reading.items():
            show(name, ratios)
        print("\n| convert to / one plain file written | min | median | max |")
        print("| --- | --- | --- | --- |")
        for form, ratios in writing.items():
            show(form, ratios)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, help="identity folders of JPEG crops")
    parser.add_argument("--records", type=int, help="show memory with up to so many records")
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    if options.records:
        show_memory([options.records // 100, options.records // 10, options.records])
    if options.root:
        show_rates(options.root, options.repeat, options.rounds)


if __name__ == "__main__":
    main()
