"""A linked copy leaves the folder alone until it is installed."""

import os
from pathlib import Path
from typing import Any

import pytest

from occgen.linked_copy import LinkedCopy


@pytest.mark.parametrize("has_links", [True, False])
def test_only_what_changed_takes_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_links: bool
) -> None:
    def refuse(*_: Any) -> None:
        raise PermissionError(1, "Operation not permitted")

    out = tmp_path / "set"
    (out / "scratch").mkdir(parents=True)
    (out / "parts").mkdir()
    for name in ("a", "b", "parts/c", "last"):
        (out / name).write_text(name)
    (out / "link").symlink_to("a")
    if not has_links:
        monkeypatch.setattr(os, "link", refuse)
    copy = LinkedCopy(out, out / "scratch" / "set", ("scratch",))
    stamps = {name: (out / name).stat().st_ino for name in ("a", "link")}
    (copy.copy / "b").unlink()
    for name in ("parts/c", "last", "new"):
        (copy.copy / "fresh").write_text("changed")
        os.replace(copy.copy / "fresh", copy.copy / name)
    assert [(out / name).read_text() for name in ("a", "b", "last")] == ["a", "b", "last"]
    copy.install("last")
    assert not (out / "b").exists()
    assert [(out / name).read_text() for name in ("a", "parts/c", "last", "new")] == [
        *("a", "changed", "changed", "changed"),
    ]
    assert {name: (out / name).stat().st_ino for name in stamps} == stamps
    assert (out / "link").is_symlink()
