"""How much processor time a command takes to say what it does, of which the interpreter alone.

python benchmarks/startup.py
"""

import configparser
import resource
import statistics
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import click

ROUNDS = 5


def seconds(module: str, attribute: str, *arguments: str) -> float:
    """Return seconds of processor time of a fresh interpreter that runs a program."""
    code = f"import sys; from {module} import {attribute} as main; main(sys.argv[1:])"
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-c", code if module else "", *arguments]
    subprocess.run(command, check=True, stdout=subprocess.PIPE)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def names(command: click.Command) -> list[list[str]]:
    """Return the words behind a program's name of each command in it."""
    if not isinstance(command, click.Group):
        return [[]]
    inner = command.commands.items()
    return [[], *([name, *words] for name, made in inner for words in names(made))]


def main() -> None:
    """Print the table."""
    setup = configparser.ConfigParser()
    setup.read(Path(__file__).parents[1] / "setup.cfg", encoding="utf-8")
    print("| --help of | commands | min s | median s | max s | goal |\n| - | - | - | - | - | - |")
    show("the interpreter alone", [seconds("", "") for _ in range(ROUNDS)], 0)
    for line in setup["options.entry_points"]["console_scripts"].split("\n")[1:]:
        program, _, place = line.partition(" = ")
        module, _, attribute = place.partition(":")
        calls = names(getattr(import_module(module), attribute)) * ROUNDS
        found = [seconds(module, attribute, *words, "--help") for words in calls]
        show(program, found, len(calls) // ROUNDS)


def show(name: str, found: list[float], commands: int) -> None:
    """Print a row."""
    goal = "<= 0.5" if commands else ""
    figures = " | ".join(f"{f(found):.2f}" for f in (min, statistics.median, max))
    print(f"| {name} | {commands or ''} | {figures} | {goal} |", flush=True)


if __name__ == "__main__":
    main()
