"""The group of commands: help, examples, the README, and nothing heavy loaded early."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from occgen_cli.main import main

import occgen

ROOT = Path(__file__).parents[2]
COMMANDS = sorted(
    f"{name} {inner}" if inner else name
    for name, made in main.commands.items()
    for inner in (sorted(made.commands) if isinstance(made, click.Group) else [""])
)
HEAVY = ("torch", "cv2", "numpy", "h5py", "PIL", "joblib", "rich", "simplejpeg")


def run(*arguments: str) -> Any:
    """Run the program here."""
    return CliRunner().invoke(main, list(arguments), prog_name="occgen")


def made_as(name: str) -> Any:
    """Return the command of a name, which may be one of a group's."""
    made: Any = main
    for word in name.split():
        made = made.commands[word]
    return made


def called(words: list[str]) -> str:
    """Return the name of the command that a line calls."""
    found = main.commands.get(words[0])
    return " ".join(words[:2]) if isinstance(found, click.Group) else words[0]


def test_the_group_says_what_it_is_for() -> None:
    for option in ("--help", "-h"):
        result = run(option)
        assert result.exit_code == 0
        assert result.stdout.splitlines()[-1].strip() == "occgen build --dataset demo --scale 2.0"
        assert "\\" not in result.stdout
        for name in main.commands:
            assert re.search(rf"^  {name} ", result.stdout, re.M), name
    assert run("--version").stdout.strip() == f"occgen, version {occgen.__version__}"


def test_no_command_is_wrong_usage_and_shows_the_help() -> None:
    result = run()
    assert result.exit_code == 2
    assert "Commands:" in result.stderr


def test_an_unknown_command_is_wrong_usage() -> None:
    result = run("biuld")
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: No such command 'biuld'")
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_and_an_example(name: str) -> None:
    pages = [run(*name.split(), option) for option in ("--help", "-h")]
    assert [page.exit_code for page in pages] == [0, 0]
    assert pages[0].stdout == pages[1].stdout
    lines = pages[0].stdout.splitlines()
    assert lines[0].startswith(f"Usage: occgen {name} ")
    assert lines[-2].strip() == "Example:"
    made = made_as(name)
    assert made.help
    assert len(made.help.strip().splitlines()) == 1  # one sentence
    assert made.help.strip().endswith(".")
    known = {option for parameter in made.params for option in parameter.opts}
    program, *words = lines[-1].split()
    assert (program, called(words)) == ("occgen", name)
    for word in words:
        assert not word.startswith("-") or word in known, word


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_explained(name: str) -> None:
    for parameter in made_as(name).params:
        if isinstance(parameter, click.Option):
            explained: Any = parameter.help or isinstance(parameter.type, click.Choice)
            explained = explained or (parameter.show_default and parameter.default is not None)
            assert explained, parameter.opts


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_place_in_the_readme(name: str) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert re.search(rf"^\| `occgen {name}` \| \S", text, re.M), f"{name} is not in the table"


def test_every_command_in_the_readme_is_one() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    calls = re.findall(r"occgen ([a-z][a-z-]+(?: [a-z][a-z-]+)?)", "\n".join(code_of(text)))
    named = {called(words.split()) for words in calls}
    assert named
    assert named <= set(COMMANDS)


def code_of(text: str) -> list[str]:
    """Return the lines of a Markdown text that are code of a shell."""
    blocks = re.findall(r"```(?:sh|console)\n(.*?)```", text, re.S)
    return [line for block in blocks for line in block.splitlines()] + re.findall(
        r"^\| `(occgen [^`]*)`", text, re.M
    )


PROGRAMS = ("main", "from_train", "from_eval", "from_embed", "from_explain", "from_export")
HELP = """
import sys
from importlib import import_module
import click

main = import_module(f"occgen_cli.{sys.argv[1]}").main
waiting, shown = [(main, [])], 0
while waiting:
    made, words = waiting.pop()
    for name, inner in getattr(made, "commands", {}).items():
        waiting.append((inner, [*words, name]))
    try:
        main([*words, "--help"])
    except SystemExit as end:
        shown += end.code == 0
print(shown, *[name for name in sys.argv[2:] if name in sys.modules])
"""


@pytest.mark.parametrize("module", [*PROGRAMS, "from_paper"])
def test_help_loads_nothing_heavy(module: str) -> None:
    command = [sys.executable, "-c", HELP, module, *HEAVY]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    *pages, last = done.stdout.splitlines()
    assert sum(line.startswith("Usage:") for line in pages) == int(last)  # and nothing behind it
    if module == "main":
        groups = {name.partition(" ")[0] for name in COMMANDS if " " in name}
        assert int(last) == 1 + len(COMMANDS) + len(groups)


def test_a_build_never_loads_torch(tmp_path: Path) -> None:
    code = (
        "import sys; from occgen_cli.main import main\n"
        "try: main(['build', '--dataset', 'demo', '--limit', '2', '--jobs', '1', '--out', 'x'])\n"
        "except SystemExit as end: assert end.code == 0\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path, timeout=60)
