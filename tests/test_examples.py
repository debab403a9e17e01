"""The programs of docs/examples run as their first lines say."""

import subprocess
import sys
from pathlib import Path

import pytest

from occgen import BuildConfig, build

EXAMPLES = Path(__file__).parents[1] / "docs" / "examples"


@pytest.mark.slow
@pytest.mark.parametrize("method", ["fork", "spawn"] if sys.platform == "linux" else ["spawn"])
def test_the_webdataset_loader(face_tree: Path, tmp_path: Path, method: str) -> None:
    pytest.importorskip("webdataset", reason="the extra 'test' brings it")
    out = tmp_path / "set"
    build(
        BuildConfig(
            dataset="folder",
            root=str(face_tree),
            out=str(out),
            format="webdataset",
            shard_size=5,
            variants=2,
            jobs=1,
            categories=("cup",),
        )
    )
    program = str(EXAMPLES / "webdataset_loader.py")
    done = subprocess.run(
        [sys.executable, program, str(out), "--workers", "2", "--start-method", method],
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout == "36 faces, 36 different\n"
