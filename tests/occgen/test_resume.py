"""A build stopped at any moment goes on where it stopped and ends with the same digest."""

import dataclasses
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from occgen import BuildConfig, DataError, InputError, ShardError, build
from occgen.verify import verify

IDENTITIES, PICTURES, SHARD_SIZE = 24, 5, 5
SHARDS = IDENTITIES * PICTURES // SHARD_SIZE
# SIGINT is ignored in what a shell starts in the background, and so in its children.
MAIN = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "from occgen_cli.main import main; main()"
)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, face_bytes: dict[str, bytes]) -> Path:
    """Folder of 120 pictures, enough for a build to be caught in the middle."""
    root = tmp_path_factory.mktemp("many")
    pictures = list(face_bytes.values())
    for identity in range(IDENTITIES):
        folder = root / f"person{identity:02d}"
        folder.mkdir()
        for picture in range(PICTURES):
            data = pictures[(identity * PICTURES + picture) % len(pictures)]
            (folder / f"{picture}.jpg").write_bytes(data)
    return root


def config_of(root: Path, out: Path, **changes: object) -> BuildConfig:
    """Return the build of all tests here."""
    base = BuildConfig(
        dataset="folder",
        root=str(root),
        out=str(out),
        scale=2.0,
        categories=("cup",),  # few pictures of occluders to decode
        shard_size=SHARD_SIZE,
        jobs=1,
    )
    return dataclasses.replace(base, **changes)


@pytest.fixture(scope="module")
def digests(root: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Digest of the set made without an interruption, in each format."""
    out = tmp_path_factory.mktemp("whole")
    return {
        form: build(config_of(root, out / form, format=form)).digest for form in ("hdf5", "folder")
    }


def command(config: BuildConfig, *options: str) -> list[str]:
    """Return the command line of a build."""
    return [
        *(sys.executable, "-c", MAIN, "build", "--dataset", "folder", "--scale", "2.0"),
        *("--categories", "cup"),
        *("--root", str(config.root), "--out", str(config.out), "--format", config.format),
        *("--shard-size", str(config.shard_size), "--jobs", str(config.jobs), *options),
    ]


def standing(out: Path) -> list[Path]:
    """Return the files of the shards that stand."""
    return sorted([*out.glob("shard-*.h5"), *out.glob("parts/shard-*.json")])


@contextmanager
def running(config: BuildConfig, *options: str) -> Iterator[subprocess.Popen[str]]:
    """Run a build in its own process group until its first shard stands; end it afterwards."""
    process = subprocess.Popen(
        command(config, *options),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        while process.poll() is None and not standing(config.out_path):
            time.sleep(0.001)
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def run(config: BuildConfig, *options: str, **settings: Any) -> subprocess.CompletedProcess[str]:
    """Run a build to its end in a process of its own."""
    return subprocess.run(
        command(config, *options), capture_output=True, text=True, timeout=60, **settings
    )


def stamps(paths: list[Path]) -> dict[Path, tuple[int, int]]:
    """Return inode and time of change of files."""
    return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in paths}


def hidden(out: Path) -> list[str]:
    """Return what a run should not leave behind."""
    return [path.name for path in out.iterdir() if path.name.startswith(".")]


def is_one_line(text: str) -> bool:
    """Whether a program said one thing, and no traceback."""
    lines = text.splitlines()
    errors = [line for line in lines if line.startswith("Error: ")]
    return len(errors) == 1 and "Traceback" not in text and lines[-1] == errors[0]


@pytest.mark.slow
@pytest.mark.parametrize(("jobs", "form"), [(2, "hdf5"), (1, "folder")])
def test_a_killed_build_goes_on(
    root: Path, tmp_path: Path, digests: dict[str, str], jobs: int, form: str
) -> None:
    config = config_of(root, tmp_path / "set", jobs=jobs, format=form)
    with running(config) as process:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert process.returncode == -signal.SIGKILL
    before = stamps(standing(config.out_path))
    assert 0 < len(before) < SHARDS
    assert not (config.out_path / "manifest.json").exists()
    report = build(dataclasses.replace(config, jobs=1))
    assert report.digest == digests[form]
    assert report.reused_shards == len(before)
    assert stamps(list(before)) == before
    assert hidden(config.out_path) == []
    assert verify(config.out_path, 1) == []


@pytest.mark.slow
def test_a_build_whose_parent_alone_died_goes_on_at_once(
    root: Path, tmp_path: Path, digests: dict[str, str]
) -> None:
    config = config_of(root, tmp_path / "set", jobs=2)
    with running(config) as process:
        process.kill()
        process.wait()
        assert build(dataclasses.replace(config, jobs=1)).digest == digests["hdf5"]
        began = time.monotonic()
        process.communicate(timeout=5)  # ends when no worker holds the pipes any more
        assert time.monotonic() - began < 5
    assert verify(config.out_path, 1) == []
    assert hidden(config.out_path) == []


@pytest.mark.slow
def test_an_interrupted_build_says_so_and_goes_on(
    root: Path, tmp_path: Path, digests: dict[str, str]
) -> None:
    config = config_of(root, tmp_path / "set", jobs=2)
    for _ in range(5):  # on a busy machine the build may be done before the signal comes
        with running(config) as process:
            os.killpg(process.pid, signal.SIGINT)
            _, stderr = process.communicate(timeout=30)
        if process.returncode:
            break
        shutil.rmtree(config.out_path)
    assert process.returncode == 1
    assert "Error: interrupted; what was complete is kept" in stderr
    assert "Traceback" not in stderr
    assert hidden(config.out_path) == []
    assert build(dataclasses.replace(config, jobs=1)).digest == digests["hdf5"]


@pytest.mark.slow
def test_a_second_build_is_refused_until_the_first_is_dead(
    root: Path, tmp_path: Path, digests: dict[str, str]
) -> None:
    config = config_of(root, tmp_path / "set", jobs=2)
    with running(config) as process:
        os.killpg(process.pid, signal.SIGSTOP)  # stays in the middle, with the lock
        second = run(config)
        assert second.returncode == 1
        assert is_one_line(second.stderr)
        assert f"is being written by process {process.pid}" in second.stderr
        assert (config.out_path / ".lock").exists()
        with pytest.raises(ShardError, match=f"being written by process {process.pid}"):
            build(dataclasses.replace(config, overwrite=True, jobs=1, seed=7))
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert build(dataclasses.replace(config, jobs=1)).digest == digests["hdf5"]


@pytest.mark.slow
def test_a_killed_worker_is_replaced(root: Path, tmp_path: Path, digests: dict[str, str]) -> None:
    config = config_of(root, tmp_path / "set", jobs=2)
    with running(config) as process:
        victim = next(pid for pid in children(process.pid) if is_worker(pid))
        os.kill(victim, signal.SIGKILL)
        stdout, stderr = process.communicate(timeout=30)
    assert process.returncode == 0, stderr
    assert "a worker was lost" in stderr
    assert "what it had begun is made again" in stderr
    assert digests["hdf5"] in stdout


def children(pid: int) -> list[int]:
    """Return the process ids of a process's children."""
    found = Path(f"/proc/{pid}/task/{pid}/children")
    if not found.exists():
        pytest.skip("this system does not list a process's children")
    listed = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children")]
    return [int(word) for text in listed for word in text.split()]


def is_worker(pid: int) -> bool:
    """Whether a process is a worker of joblib's, not its tracker of resources."""
    with suppress(OSError):
        return b"--process-name" in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False


def interrupted(config: BuildConfig, shards: int = 3) -> None:
    """Leave an output as a run killed after some shards leaves it."""
    build(config)
    (config.out_path / "manifest.json").unlink()
    for path in standing(config.out_path)[shards:]:
        path.unlink()


def test_what_a_dead_run_left_is_cleaned(
    root: Path, tmp_path: Path, digests: dict[str, str]
) -> None:
    config = config_of(root, tmp_path / "set")
    interrupted(config)
    for number in range(2):
        scratch = config.out_path / f".tmp-dead{number}"
        (scratch / "files-00003").mkdir(parents=True)
        (scratch / "shard-00003.h5").write_bytes(b"half")
    (config.out_path / ".lock").write_text("999999")
    report = build(config)
    assert (report.digest, report.reused_shards) == (digests["hdf5"], 3)
    assert hidden(config.out_path) == []


def test_a_shard_that_was_cut_short_is_made_again(
    root: Path, tmp_path: Path, digests: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    config = config_of(root, tmp_path / "set")
    interrupted(config)
    cut = config.out_path / "shard-00001.h5"
    cut.write_bytes(cut.read_bytes()[:-1000])
    report = build(config)
    assert (report.digest, report.reused_shards) == (digests["hdf5"], 2)
    assert "shard-00001.h5 is damaged" in caplog.text
    assert "made again" in caplog.text


def test_a_source_that_changed_meanwhile_is_told(root: Path, tmp_path: Path) -> None:
    own = shutil.copytree(root, tmp_path / "own")
    config = config_of(own, tmp_path / "set")
    interrupted(config)
    (own / "person00" / "2.jpg").unlink()
    with pytest.raises(ShardError, match=r"shard-00000\.h5 holds other pictures .* --overwrite"):
        build(config)
    assert len(standing(config.out_path)) == 3
    report = build(dataclasses.replace(config, overwrite=True))
    assert (report.images, report.reused_shards) == (IDENTITIES * PICTURES - 1, 0)
    assert verify(config.out_path, 1) == []


def test_a_picture_that_changed_meanwhile_is_told(
    root: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    own = shutil.copytree(root, tmp_path / "own")
    config = config_of(own, tmp_path / "set")
    interrupted(config)
    other = own / "person00" / "2.jpg"
    data = (own / "person07" / "1.jpg").read_bytes()
    assert data != other.read_bytes()
    other.write_bytes(data)
    later = (config.out_path / "shard-00000.h5").stat().st_mtime + 1e-3
    os.utime(other, (later, later))
    time.sleep(0.01)
    first = build(config)
    assert first.reused_shards == 3
    assert "shard-00000.h5 stood already, and pictures of 1 such shards were written" in caplog.text
    shutil.rmtree(config.out_path)
    interrupted(config)
    os.utime(other)
    time.sleep(0.01)
    anew = build(dataclasses.replace(config, overwrite=True))
    assert anew.reused_shards == 0
    assert anew.digest != first.digest
    assert anew.digest == build(config_of(own, tmp_path / "fresh")).digest


def test_a_finished_set_that_left_much_out_is_no_success(root: Path, tmp_path: Path) -> None:
    own = shutil.copytree(root, tmp_path / "own")
    whole = (own / "person00" / "2.jpg").read_bytes()
    (own / "person00" / "2.jpg").write_bytes(b"no picture")
    config = config_of(own, tmp_path / "set", max_skipped=0.5)
    report = build(config)
    assert build(config).already_complete
    for changes in ({"strict": True}, {"max_skipped": 0.0}):
        with pytest.raises(DataError, match=r"complete but for 1 of 120 pictures.*--overwrite"):
            build(dataclasses.replace(config, **changes))
    (own / "person00" / "2.jpg").write_bytes(whole)
    assert build(config).already_complete
    mended = build(dataclasses.replace(config, overwrite=True))
    assert (mended.images, report.images) == (120, 119)
    assert build(dataclasses.replace(config, strict=True, overwrite=True)).already_complete


def test_a_source_that_shrank_by_whole_shards_is_told(root: Path, tmp_path: Path) -> None:
    own = shutil.copytree(root, tmp_path / "own")
    config = config_of(own, tmp_path / "set")
    interrupted(config, SHARDS)
    shutil.rmtree(own / f"person{IDENTITIES - 1:02d}")
    with pytest.raises(ShardError, match=rf"shard {SHARDS - 1} where the source now fills"):
        build(config)
    assert (
        build(dataclasses.replace(config, overwrite=True)).images
        == IDENTITIES * PICTURES - PICTURES
    )


def test_an_unfinished_output_of_another_configuration_is_refused(
    root: Path, tmp_path: Path, digests: dict[str, str]
) -> None:
    config = config_of(root, tmp_path / "set")
    interrupted(dataclasses.replace(config, seed=7))
    before = stamps(standing(config.out_path))
    with pytest.raises(InputError, match=r"another configuration \(seed 7 not 100\).*--overwrite"):
        build(config)
    assert stamps(standing(config.out_path)) == before
    report = build(dataclasses.replace(config, overwrite=True))
    assert (report.digest, report.reused_shards) == (digests["hdf5"], 0)


def as_nobody(config: BuildConfig, *options: str) -> subprocess.CompletedProcess[str]:
    """Run a build as a user the modes of files hold for."""
    if os.getuid() != 0:
        return run(config, *options)
    line = command(config, *options)
    line[line.index(MAIN)] = (
        "import os, occgen.engine, occgen_cli.progress, occluders as o; o.bundled()[0].rgba;"
        "from occgen.formats import open_format, _CLASSES; [open_format(f) for f in _CLASSES];"
        "occgen.manifest.installed_versions();"
        f"os.setgroups([]); os.setgid(65534); os.setuid(65534); {MAIN}"
    )
    return subprocess.run(line, capture_output=True, text=True, timeout=60)


@pytest.fixture
def open_folder(root: Path) -> Iterator[Path]:
    """Folder that every user can enter, with the pictures in it."""
    folder = Path(tempfile.mkdtemp(prefix="occgen-test-"))
    folder.chmod(0o755)
    shutil.copytree(root, folder / "root")
    (folder / "root").chmod(0o755)
    folder.chmod(0o777)
    tried = as_nobody(config_of(folder / "root", folder / "try"), "--limit", "5")
    if tried.returncode:
        shutil.rmtree(folder)
        pytest.skip(f"another user cannot run occgen here ({tried.stderr.strip()})")
    folder.chmod(0o755)
    yield folder
    for path in folder.glob("*"):
        path.chmod(0o755)
    shutil.rmtree(folder)


@pytest.mark.slow
def test_a_read_only_output_is_refused(open_folder: Path) -> None:
    config = config_of(open_folder / "root", open_folder / "set")
    open_folder.chmod(0o555)
    refused = as_nobody(config)
    assert refused.returncode == 2
    assert is_one_line(refused.stderr)
    assert f"{config.out} cannot be written (Permission denied)" in refused.stderr
    open_folder.chmod(0o755)
    interrupted(config)
    config.out_path.chmod(0o555)
    before = sorted(path.name for path in config.out_path.iterdir())
    refused = as_nobody(config)
    assert refused.returncode == 2
    assert is_one_line(refused.stderr)
    assert f"{config.out} cannot be written (Permission denied)" in refused.stderr
    assert sorted(path.name for path in config.out_path.iterdir()) == before


@pytest.mark.slow
def test_a_complete_set_that_cannot_be_written_is_complete(open_folder: Path) -> None:
    config = config_of(open_folder / "root", open_folder / "set")
    build(config)
    config.out_path.chmod(0o555)
    done = as_nobody(config)
    assert done.returncode == 0, done.stderr
    assert "is complete already and left as it is" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(("jobs", "form"), [(2, "hdf5"), (1, "folder")])
def test_a_file_that_may_not_grow_leaves_nothing_half_written(
    root: Path, tmp_path: Path, digests: dict[str, str], jobs: int, form: str
) -> None:
    config = config_of(root, tmp_path / "set", jobs=jobs, format=form)

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (3_000, 3_000))

    full = run(config, preexec_fn=limit)
    assert full.returncode == 1, full.stderr
    assert is_one_line(full.stderr)
    assert "cannot be written (File too large)" in full.stderr
    assert standing(config.out_path) == []
    if config.out_path.exists():
        assert hidden(config.out_path) == []
    assert build(dataclasses.replace(config, jobs=1)).digest == digests[form]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Function that gives a file system of its own of a size, and gives it another size later."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = False

    def resize(size: str) -> Path:
        nonlocal mounted
        how = f"remount,size={size}" if mounted else f"size={size}"
        tool = shutil.which("mount")
        if os.getuid() != 0 or tool is None:
            pytest.skip("only root can mount a small disk")
        done = subprocess.run([tool, "-t", "tmpfs", "-o", how, "tmpfs", place], capture_output=True)
        if done.returncode:
            pytest.skip(f"a small disk cannot be mounted here ({done.stderr.decode().strip()})")
        mounted = True
        return place

    yield resize
    if mounted:
        subprocess.run(["umount", place], check=True)


@pytest.mark.slow
def test_a_read_only_mount_is_refused(
    root: Path, digests: dict[str, str], small_disk: Callable[[str], Path]
) -> None:
    config = config_of(root, small_disk("16m") / "set")
    interrupted(config)
    small_disk("16m,ro")
    refused = run(config)
    assert refused.returncode == 2
    assert is_one_line(refused.stderr)
    assert f"{config.out} cannot be written (Read-only file system)" in refused.stderr
    small_disk("16m,rw")
    report = build(config)
    assert (report.digest, report.reused_shards) == (digests["hdf5"], 3)


@pytest.mark.slow
def test_a_full_disk_leaves_nothing_half_written(
    root: Path, digests: dict[str, str], small_disk: Callable[[str], Path]
) -> None:
    config = config_of(root, small_disk("300k") / "set", jobs=2)
    full = run(config)
    assert full.returncode == 1, full.stderr
    assert is_one_line(full.stderr)
    assert "cannot be written (No space left on device); what was complete is kept" in full.stderr
    before = stamps(standing(config.out_path))
    assert 0 < len(before) < SHARDS
    assert not (config.out_path / "manifest.json").exists()
    assert hidden(config.out_path) == []
    small_disk("16m")
    report = build(dataclasses.replace(config, jobs=1))
    assert (report.digest, report.reused_shards) == (digests["hdf5"], len(before))
    assert stamps(list(before)) == before
    assert verify(config.out_path, 1) == []


@pytest.mark.slow
def test_a_full_disk_while_the_manifest_is_written(
    root: Path, digests: dict[str, str], small_disk: Callable[[str], Path]
) -> None:
    """Every shard fits and then nothing more: what stands is taken over, none is made again."""
    place = small_disk("16m")
    config = config_of(root, place / "set")
    interrupted(config, SHARDS)
    filler = place / "filler"
    with suppress(OSError), open(filler, "wb", buffering=0) as file:
        while True:
            file.write(b"\0" * 4096)
    full = run(config)
    assert full.returncode in (1, 2)
    assert is_one_line(full.stderr)
    assert "No space left on device" in full.stderr
    assert not (config.out_path / "manifest.json").exists()
    filler.unlink()
    report = build(config)
    assert (report.digest, report.reused_shards) == (digests["hdf5"], SHARDS)
