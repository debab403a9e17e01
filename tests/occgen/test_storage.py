"""Sets in object storage, against a real S3-compatible server on the loopback."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from occgen_cli.main import main

from occgen import BuildConfig, InputError, ShardError, build, open_shards, storage
from occgen.conversion import convert, plain_config
from occgen.manifest import read_manifest
from occgen.storage import is_remote, leased_output, put_object, set_path
from occgen.verify import verify

pytest.importorskip("s3fs", reason="the extra 'cloud' brings it")
pytest.importorskip("upath", reason="the extra 'cloud' brings it")
moto_server = pytest.importorskip("moto.server", reason="the extra 'test' brings it")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

_BUCKET = "faces-out"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """URL of a server that speaks S3, with one bucket."""
    running = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    yield f"http://{host}:{port}"
    running.stop()


@pytest.fixture(autouse=True)
def credentials(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": server,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": str(tmp_path / "none"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
        "OCCGEN_CACHE": str(tmp_path / "cache"),
    }.items():
        monkeypatch.setenv(name, value)
    files: Any = set_path(f"s3://{_BUCKET}/any")
    if not files.fs.exists(_BUCKET):
        files.fs.mkdir(_BUCKET)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"s3://{_BUCKET}/{tmp_path.name}/set"


def settings(root: Path, out: str | Path, **more: Any) -> BuildConfig:
    values = {"scale": 2.0, "shard_size": 4, "jobs": 1, "categories": ("cup",)} | more
    return BuildConfig(dataset="folder", root=str(root), out=str(out), **values)


def names(url: str) -> set[str]:
    path: Any = set_path(url)
    return {name.partition("/set/")[2] for name in path.fs.find(path.path)}


@pytest.mark.parametrize("form", ["hdf5", "webdataset"])
def test_a_set_in_a_bucket_is_the_set_on_disk(
    face_tree: Path, tmp_path: Path, url: str, form: str
) -> None:
    here = build(settings(face_tree, tmp_path / "here", format=form))
    there = build(settings(face_tree, url, format=form))
    assert there.digest == here.digest
    on_disk = {
        str(path.relative_to(tmp_path / "here"))
        for path in (tmp_path / "here").rglob("*")
        if path.is_file()
    }
    assert names(url) == on_disk  # no lease, no scratch left
    assert verify(there.out, jobs=1) == []
    assert build(settings(face_tree, url, format=form)).already_complete
    with pytest.raises(InputError, match="another configuration"):
        build(settings(face_tree, url, format=form, seed=1))
    again = build(settings(face_tree, url, format=form, seed=1, overwrite=True))
    assert again.digest != here.digest
    assert names(url) == on_disk


def test_reading_it(face_tree: Path, tmp_path: Path, url: str) -> None:
    here = build(settings(face_tree, tmp_path / "here", blend="alpha"))
    build(settings(face_tree, url, blend="alpha"))
    near, far = open_shards(here.out), open_shards(url)
    assert len(far) == len(near) == 18
    for a, b in zip(near, far, strict=True):
        assert a.data == b.data
        assert a.key == b.key
        assert a.pattern(4) == b.pattern(4)
        assert np.array_equal(a.mask, b.mask)
    assert np.array_equal(near.column("box"), far.column("box"))
    kept = sorted((tmp_path / "cache").iterdir())
    assert len(kept) == 5
    assert {path.stem for path in kept} == {s["sha256"] for s in far.manifest["shards"]}
    shard: Any = far.path / "shard-00001.h5"
    shard.fs.pipe_file(shard.path, shard.read_bytes()[:-1] + b"!")
    assert open_shards(url)[5].key == near[5].key  # the copy stands
    kept[[path.stem for path in kept].index(far.manifest["shards"][1]["sha256"])].unlink()
    with pytest.raises(ShardError, match=r"shard-00001.h5 is damaged: its checksum"):
        open_shards(url)[5]
    assert [finding.file for finding in verify(set_path(url), jobs=1)] == ["shard-00001.h5"]


def test_converting_into_a_bucket_and_back(face_tree: Path, tmp_path: Path, url: str) -> None:
    made = build(settings(face_tree, tmp_path / "here"))
    away = convert(made.out, plain_config(made.out, url, "parquet", jobs=1))
    assert verify(away.out, jobs=1) == []
    back = convert(set_path(url), plain_config(made.out, tmp_path / "back", "hdf5", jobs=1))
    assert back.digest == made.digest
    for path in made.out.glob("shard-*.h5"):
        assert (tmp_path / "back" / path.name).read_bytes() == path.read_bytes()


_BUILD = """
import sys
from occgen import BuildConfig, build
root, out, jobs = sys.argv[1:]
config = BuildConfig(dataset="folder", root=root, out=out, scale=2.0, shard_size=4, variants=2,
                     jobs=int(jobs), categories=("cup",))
if __name__ == "__main__":
    report = build(config, lambda progress: print("SHARD", progress.shards, flush=True))
    print("DIGEST", report.digest, report.reused_shards, flush=True)
"""


def test_killed_in_the_middle_it_goes_on(face_tree: Path, tmp_path: Path, url: str) -> None:
    script = tmp_path / "job.py"
    script.write_text(_BUILD, encoding="utf-8")
    command = [sys.executable, str(script), str(face_tree)]
    with subprocess.Popen([*command, url, "2"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line == "SHARD 3\n":
                os.kill(process.pid, signal.SIGKILL)
                break
    standing = names(url)
    assert "manifest.json" not in standing
    assert ".lock" in standing
    with pytest.raises(InputError, match="is unfinished"):
        read_manifest(set_path(url))
    began = time.monotonic()
    report = build(settings(face_tree, url, variants=2))
    assert time.monotonic() - began < 30  # the lease of a dead process holds nobody up
    assert 3 <= report.reused_shards < 9
    assert report.digest == build(settings(face_tree, tmp_path / "here", variants=2)).digest
    assert names(url) == {"card.md", "manifest.json", *(f"shard-{n:05d}.h5" for n in range(9))}


def test_a_damaged_standing_shard_is_made_again(face_tree: Path, url: str) -> None:
    whole = build(settings(face_tree, url))
    folder: Any = set_path(url)
    folder.fs.rm_file((folder / "manifest.json").path)
    shard = folder / "shard-00002.h5"
    shard.fs.pipe_file(shard.path, shard.read_bytes()[:5000])
    again = build(settings(face_tree, url))
    assert again.reused_shards == 4
    assert again.digest == whole.digest


def test_two_builds_do_not_write_one_output(
    face_tree: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "_RENEW_S", 0.2)
    monkeypatch.setattr(storage, "_LOOK_S", 0.1)
    folder = set_path(url)
    with leased_output(folder):
        with pytest.raises(ShardError, match=f"is being written by process {os.getpid()} of"):
            build(settings(face_tree, url))
        assert names(url) == {".lock"}
    assert names(url) == set()


def test_a_lease_that_is_taken_over_stops_the_one_who_had_it(
    face_tree: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = set_path(url)
    lease: Any = folder / ".lock"
    monkeypatch.setattr(storage, "_RENEW_S", 600)
    with leased_output(folder) as token:
        put_object(folder / "one", b"1", folder, token)
        lease.fs.pipe_file(lease.path, json.dumps({"token": "other"}).encode())
        with pytest.raises(ShardError, match="was taken over by another run"):
            put_object(folder / "two", b"2", folder, token)
    assert names(url) == {".lock", "one"}  # the other's lease is left to it
    lease.parent.joinpath("one").unlink()
    monkeypatch.setattr(storage, "_STALE_S", 0.5)
    monkeypatch.setattr(storage, "_LOOK_S", 0.1)
    assert build(settings(face_tree, url)).images == 18  # nobody renewed it
    assert ".lock" not in names(url)


def test_what_is_in_the_way_is_named(
    face_tree: Path, tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match="there is no bucket nobodys-bucket"):
        build(settings(face_tree, "s3://nobodys-bucket/set"))
    with pytest.raises(InputError, match="is a whole bucket"):
        build(settings(face_tree, f"s3://{_BUCKET}"))
    with pytest.raises(InputError, match="format rec needs a folder of this machine"):
        settings(face_tree, url, format="rec")
    with pytest.raises(InputError, match=r"cannot be opened .*occgen\[cloud\]"):
        build(settings(face_tree, "nosuch://a/b"))
    foreign: Any = set_path(url) / "notes.txt"
    foreign.fs.pipe_file(foreign.path, b"mine")
    with pytest.raises(InputError, match=r"holds notes\.txt, which no build made"):
        build(settings(face_tree, url))
    foreign.fs.clear_instance_cache()
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(InputError, match="there are no credentials; set AWS_ACCESS_KEY_ID"):
        build(settings(face_tree, url))
    foreign.fs.clear_instance_cache()


def test_a_refused_write_is_one_clear_error(
    face_tree: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from botocore.exceptions import NoCredentialsError
    from s3fs import S3FileSystem

    real = S3FileSystem._call_s3

    async def refuse(self: Any, method: str, *rest: Any, **more: Any) -> Any:
        if method == "put_object" and more["Key"].endswith("shard-00003.h5"):
            raise PermissionError("Access Denied")
        return await real(self, method, *rest, **more)

    with monkeypatch.context() as patch:
        patch.setattr(S3FileSystem, "_call_s3", refuse)
        with pytest.raises(ShardError, match=r"shard-00003.h5: access is denied"):
            build(settings(face_tree, url))
        assert names(url) == {"shard-00000.h5", "shard-00001.h5", "shard-00002.h5"}
    with monkeypatch.context() as patch:  # credentials that end in the middle

        async def lose(self: Any, method: str, *rest: Any, **more: Any) -> Any:
            if more.get("Key", "").endswith("shard-00004.h5"):
                raise NoCredentialsError()
            return await real(self, method, *rest, **more)

        patch.setattr(S3FileSystem, "_call_s3", lose)
        with pytest.raises(ShardError, match=r"shard-00004.h5: there are no credentials"):
            build(settings(face_tree, url))
    assert build(settings(face_tree, url)).reused_shards == 4


def test_commands_take_urls(face_tree: Path, url: str, tmp_path: Path) -> None:
    def run(*arguments: str) -> Any:
        return CliRunner().invoke(main, arguments)

    base = ("build", "--dataset", "folder", "--root", str(face_tree), "--jobs", "1", "--out", url)
    estimate = run(*base, "--dry-run")
    assert estimate.exit_code == 0, estimate.stderr
    assert "GB are free" not in estimate.stdout
    made = run(*base, "--json")
    assert made.exit_code == 0, made.stderr
    assert json.loads(made.stdout)["out"] == url
    told = run("info", url, "--json")
    assert json.loads(told.stdout)["digest"] == json.loads(made.stdout)["digest"]
    assert run("verify", url, "--jobs", "1").exit_code == 0
    assert run("verify", url, "--repair").exit_code == 2
    none = run("info", f"{url}-none")
    assert none.exit_code == 2
    assert "does not exist" in none.stderr
    refused = run("label-patterns", url)
    assert refused.exit_code == 2
    assert "needs a path of this machine" in refused.stderr


def test_paths_of_this_machine_are_left_alone() -> None:
    assert not is_remote("a/b")
    assert not is_remote("file:///a")
    assert set_path("file:///a/b") == Path("/a/b")
    assert set_path(Path("a//b")) == Path("a/b")
