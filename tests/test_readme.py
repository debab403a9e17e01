"""The README's tree of files, held against the files themselves."""

import configparser
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("occluders", "occgen", "frommodel", "cli")
TREE = (ROOT / "README.md").read_text(encoding="utf-8").partition("## Files\n\n")[2]
TREE = TREE.partition("\n\n")[0]


def entries() -> list[str]:
    """Return what the tree names, as patterns of paths; modules without their ending."""
    found, folder = [], ""
    for line in TREE.splitlines():
        indent = len(line) - len(line.lstrip())
        names = re.split(r"\s{2,}", line.strip())
        if indent == 4:
            folder = names[0]
            found += [name for name in names if name.endswith("/")] or [folder]
        elif indent == 6:
            found += [folder + name for name in names[0].split(", ")]
    return found


@pytest.mark.parametrize("entry", entries())
def test_what_the_tree_names_is_there(entry: str) -> None:
    if entry.endswith("/"):
        assert (ROOT / entry).is_dir()
    else:
        assert list(ROOT.glob(f"{entry}.py")) or (ROOT / entry).is_file()


def test_the_tree_names_every_folder_of_the_packages() -> None:
    folders = {f"{path.parent.relative_to(ROOT).as_posix()}/" for path in ROOT.glob("*/**/*.py")}
    ours = {folder for folder in folders if folder.partition("/")[0] in PACKAGES}
    assert ours <= set(entries())
    assert len(ours) >= len(PACKAGES)


def test_the_tree_names_every_module_of_the_layers() -> None:
    named = {path for entry in entries() for path in ROOT.glob(f"{entry}.py")}
    modules = {path for layer in PACKAGES[:3] for path in ROOT.glob(f"{layer}/*.py")}
    assert not {path.name for path in modules - named if path.name != "__init__.py"}


def test_the_tree_names_every_extra() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    assert set(re.findall(r"\[(\w+)\]", TREE)) == set(setup["options.extras_require"])
