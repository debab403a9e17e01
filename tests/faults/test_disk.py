"""A full disk, lost permissions and failing writes: one clear error, nothing half-written, no loss.

`tests/occgen/test_resume.py` and `test_atomic.py` have single cases; here the moments are random.
"""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from .trials import Case, pages_in, starve

ERRORS = ("ENOSPC", "EDQUOT", "EACCES", "EROFS", "EIO")
CASES = ("build", "build folder", "convert rec", "labels", "csv", "align", "train")
SHORT, LONG = 1, 40
trials = pytest.mark.parametrize(
    "wanted",
    [
        pytest.param(SHORT, marks=pytest.mark.slow, id="short"),
        pytest.param(LONG, marks=(pytest.mark.long, pytest.mark.slow), id="long"),
    ],
)


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    """Each command."""
    kind, _, form = request.param.partition(" ")
    fixtures = {"labels": "label_case", "build": "build_case", "convert": "convert_case"}
    made: Any = request.getfixturevalue(fixtures.get(kind, f"{kind}_case"))
    if kind in ("build", "convert"):
        return made(form or "hdf5")
    return made() if kind == "align" else made


def check(what: str, case: Case, starved: Any, count: Callable[..., None]) -> None:
    """Count, and fail where something was lost."""
    losses = starved.losses
    name = f"{what} under {case.name}"
    count(name, trials=starved.trials, failed=starved.failed, losses=len(losses))
    assert not losses, "\n".join(losses)


@trials
def test_writes_that_fail_from_a_random_act_on(case, wanted, tmp_path, count):
    def fault(rng: np.random.Generator, out: Path) -> Any:
        error = ERRORS[int(rng.integers(len(ERRORS)))]
        at = int(rng.integers(1, case.acts + 1))
        return {"fail_at_act": at, "error": error}, lambda: None

    check("failing writes", case, starve(case, tmp_path, wanted, fault), count)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[[int], None]]:
    """Function that gives `starved/` below the test's folder another size, in pages."""
    place = tmp_path / "starved"
    place.mkdir()
    tool = shutil.which("mount")
    if os.getuid() != 0 or tool is None:
        pytest.skip("only root can mount a small disk")
    done = subprocess.run(
        [tool, "-t", "tmpfs", "-o", "size=64m", "tmpfs", place], capture_output=True
    )
    if done.returncode:
        pytest.skip(f"a small disk cannot be mounted here ({done.stderr.decode().strip()})")

    def resize(pages: int) -> None:
        how = f"remount,size={4 * pages}k"
        subprocess.run([tool, "-o", how, place], check=True, capture_output=True)

    yield resize
    subprocess.run(["umount", place], check=True)


@trials
def test_a_disk_of_a_random_size(case, wanted, tmp_path, count, disk):
    def fault(rng: np.random.Generator, out: Path) -> Any:
        taken = pages_in(out)
        room = int(rng.integers(0, max(2, (case.pages - taken) * 5 // 4)))
        disk(taken + 1 + room)
        return {}, lambda: disk(1 << 14)

    check("a full disk", case, starve(case, tmp_path, wanted, fault), count)
