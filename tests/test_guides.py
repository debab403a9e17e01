"""The code of the guides runs as it is printed."""

import os
import re
import sys
from pathlib import Path

import pytest

GUIDES = Path(__file__).parents[1] / "docs" / "guides"


def python_of(name: str) -> str:
    """Return the Python blocks of a guide as one program, at the lines they have in it."""
    inside, lines = False, []
    for line in (GUIDES / name).read_text(encoding="utf-8").splitlines():
        if line.startswith("```"):
            inside = line == "```python"
            line = ""
        lines.append(line if inside else "")
    return "\n".join(lines)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="its loader needs fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_the_training_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("albumentations", reason="the extra 'augment' brings it")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(os.environ, "NO_ALBUMENTATIONS_UPDATE", "1")
    text = python_of("training-loop.md")
    assert text.count("RandomOcclusion") > 5
    exec(compile(text, str(GUIDES / "training-loop.md"), "exec"), {"__name__": "guide"})


@pytest.mark.parametrize("path", sorted(GUIDES.glob("*.md")), ids=lambda path: path.name)
def test_links_between_guides_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8")):
        assert (path.parent / target).is_file(), target
