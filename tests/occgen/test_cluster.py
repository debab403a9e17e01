"""Builds on a real Ray cluster of two nodes and a real Dask scheduler with two workers.

Each runs in an interpreter of its own: both leave threads and open sockets behind. One worker is
killed in the middle; the digest is that of a build on this machine.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from occgen import BuildConfig, InputError, build

pytestmark = pytest.mark.slow

_COMMON = """
import logging, os, signal, sys, threading, time
from pathlib import Path
from occgen import BuildConfig, build

def main(address):
    root, out = sys.argv[1:3]
    config = BuildConfig(dataset="folder", root=root, out=out, scale=2.0, shard_size=4,
                         backend={backend!r}, address=address, variants=8)
    seen = []
    report = build(config, lambda progress: (seen.append(progress.shards), during(progress)))
    print("PROGRESS", seen)
    print("DIGEST", report.digest)

def kill_when(shards, kill):
    def watch():
        while len(list(Path(sys.argv[2]).glob("shard-*.h5"))) < shards:
            time.sleep(0.002)
        kill()
    threading.Thread(target=watch, daemon=True).start()
"""

_DASK = (
    _COMMON.format(backend="dask")
    + """
if __name__ == "__main__":
    from dask.distributed import LocalCluster
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        pid = list(cluster.workers.values())[0].pid
        during = lambda progress: None
        kill_when(3, lambda: (print("KILLED"), os.kill(pid, signal.SIGKILL)))
        main(cluster.scheduler_address)
"""
)

_RAY = (
    _COMMON.format(backend="ray")
    + """
if __name__ == "__main__":
    import ray
    from ray.cluster_utils import Cluster
    small = {"num_cpus": 1, "object_store_memory": 80_000_000, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=small)
    other = cluster.add_node(num_cpus=1, object_store_memory=80_000_000)
    ray.init(address=cluster.address, log_to_driver=False, logging_level="error")
    cluster.wait_for_nodes()
    assert ray.cluster_resources()["CPU"] == 2
    during = lambda progress: None
    kill_when(3, lambda: (print("KILLED"), cluster.remove_node(other, allow_graceful=False)))
    main(cluster.address)
    ray.shutdown()
    cluster.shutdown()
"""
)


@pytest.fixture(scope="module")
def many_faces(tmp_path_factory: pytest.TempPathFactory, face_bytes: dict[str, bytes]) -> Path:
    root = tmp_path_factory.mktemp("many")
    for copy in range(4):
        for key, data in face_bytes.items():
            path = root / f"{copy}-{key}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    return root


@pytest.mark.parametrize("script", [_DASK, _RAY], ids=["dask", "ray"])
def test_a_cluster_that_loses_a_worker_makes_the_same_set(
    many_faces: Path, tmp_path: Path, script: str
) -> None:
    here = BuildConfig(
        dataset="folder",
        root=str(many_faces),
        out=str(tmp_path / "here"),
        scale=2.0,
        shard_size=4,
        variants=8,
        jobs=1,
    )
    wanted = build(here).digest
    file = tmp_path / "cluster.py"
    file.write_text(script, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(file), str(many_faces), str(tmp_path / "there")],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        env={
            **os.environ,
            "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
            "RAY_DISABLE_DOCKER_CPU_WARNING": "1",
        },
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "KILLED" in done.stdout
    assert f"DIGEST {wanted}" in done.stdout
    assert "PROGRESS [1, 2" in done.stdout


def test_an_address_where_nothing_answers_is_named(many_faces: Path, tmp_path: Path) -> None:
    common = {"dataset": "folder", "root": str(many_faces), "out": str(tmp_path / "o")}
    with pytest.raises(InputError, match="address goes with backend"):
        BuildConfig(**common, address="tcp://127.0.0.1:1")
    code = (
        "from occgen import BuildConfig, InputError, build\n"
        f"config = BuildConfig(**{common!r}, backend='dask', address='tcp://127.0.0.1:1')\n"
        "try:\n    build(config)\nexcept InputError as error:\n    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True
    )
    assert "no dask cluster answers at tcp://127.0.0.1:1" in done.stdout
    assert not (tmp_path / "o").exists()
