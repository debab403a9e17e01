"""The pages: no link is dead, none is left out, and every command line on them would be taken."""

import configparser
import importlib
import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import click
import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "frommodel").rglob("*.md")]
)
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.M | re.S)
SHELLS = ("sh", "console", "text")


def name_of(path: Path) -> str:
    """Return a page as its path from the root."""
    return path.relative_to(ROOT).as_posix()


def links(path: Path) -> Iterator[tuple[Path, str]]:
    """Yield files and headings of this repository that a page links to."""
    prose = re.sub(r"`[^`]*`", "", FENCE.sub("", path.read_text(encoding="utf-8")))
    for target in re.findall(r"\]\(([^)\s]+)\)", prose):
        if "://" not in target:
            file, _, heading = target.partition("#")
            yield (path.parent / file if file else path).resolve(), heading


def headings(path: Path) -> set[str]:
    """Return the headings of a page as links name them."""
    text = FENCE.sub("", path.read_text(encoding="utf-8"))
    found = [re.sub(r"[`*]", "", line).lower() for line in re.findall(r"^#+ (.+)$", text, re.M)]
    return {re.sub(r"[^\w\- ]", "", line).strip().replace(" ", "-") for line in found}


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_links_lead_somewhere(path: Path) -> None:
    for file, heading in links(path):
        assert file.exists(), f"{name_of(path)} links to {file}"
        assert not heading or heading in headings(file), f"{name_of(path)}: no heading {heading}"


def test_every_page_is_reached_from_the_readme() -> None:
    seen: set[Path] = set()
    waiting = [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        seen.add(page)
        waiting += [file for file, _ in links(page) if file.suffix == ".md" and file not in seen]
    assert {name_of(page) for page in PAGES} - {name_of(page) for page in seen} <= {"CHANGELOG.md"}
    listed = {file for file, _ in links(ROOT / "docs" / "README.md")}
    missing = [name_of(page) for page in (ROOT / "docs").rglob("*.md") if page not in listed]
    assert missing == ["docs/README.md"]


@cache
def programs() -> dict[str, click.Command]:
    """Return the commands that are installed, by name."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    found = {}
    for line in setup["options.entry_points"]["console_scripts"].split("\n"):
        if line:
            name, _, place = line.partition(" = ")
            module, _, attribute = place.partition(":")
            found[name] = getattr(importlib.import_module(module), attribute)
    return found


def lines_of(text: str) -> Iterator[str]:
    """Yield what a shell would be given by the code blocks of a page, continued lines as one."""
    for language, block in FENCE.findall(text):
        if language in SHELLS:
            asked = "$ " in block and language != "sh"  # the rest is what was printed
            for line in block.replace("\\\n", " ").splitlines():
                if not asked or line.startswith("$ "):
                    yield line.removeprefix("$ ")
    outside = FENCE.sub("", text).replace("\\\n", " ")
    yield from (line for line in outside.splitlines() if line.startswith("    "))


def calls(text: str) -> Iterator[list[str]]:
    """Yield the words of each call of ours, from the program's name on."""
    for line in lines_of(text):
        if not re.search(r"\b(occgen|from-[a-z]+) ", line):
            continue
        for part in re.split(r"&&|\||;", line.partition(" # ")[0].partition("  #")[0]):
            words = shlex.split(part) if part.count('"') % 2 == part.count("'") % 2 == 0 else []
            places = [i for i, word in enumerate(words) if word in programs()]
            before = words[: places[0]] if places else []
            if places and all("=" in w or w == "time" or before[0] == "torchrun" for w in before):
                yield words[places[0] :]


def spans(text: str) -> Iterator[list[str]]:
    """Yield the words of each call in running text, which may leave out what it needs."""
    for span in re.findall(r"`([^`\n]+)`", FENCE.sub("", text)):
        words = span.replace("\\|", " ").split()
        if words[:1] and words[0] in programs():
            yield [word.partition("|")[0] for word in words if word not in ("...", "…")]


def check_call(words: list[str], whole: bool) -> None:
    """Raise a `click.UsageError` where a command would refuse its options, no file looked at."""
    command, words = programs()[words[0]], words[1:]
    context = click.Context(command)
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        name, command, words = command.resolve_command(context, words)
        assert command is not None
        context = click.Context(command, parent=context, info_name=name)
    if isinstance(command, click.Group):
        return
    values: dict[str, Any]
    try:
        values, rest, _ = command.make_parser(context).parse_args(list(words))
    except click.BadOptionUsage:  # running text may name an option without its value
        if whole:
            raise
        return
    assert not rest, f"{rest} is too much"
    if values.get("help"):
        return
    for parameter in command.params:
        value = values.get(str(parameter.name))
        value = None if repr(value).startswith("Sentinel") else value
        needed = whole and parameter.required
        assert not needed or value not in (None, ()), f"{parameter.name} is missing"
        stands_for_one = not whole and str(value).isupper()  # as in `--format F`
        path = isinstance(parameter.type, (click.Path, click.File))
        if value is not None and not path and not stands_for_one:
            parameter.type_cast_value(context, value)


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_commands_would_be_taken(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for whole, found in ((True, calls(text)), (False, spans(text))):
        for words in found:
            try:
                check_call(words, whole)
            except (click.UsageError, AssertionError) as error:
                pytest.fail(f"{name_of(path)}: {' '.join(words)}: {error}")


def test_commands_are_found_and_wrong_ones_are_refused() -> None:
    found = [words for path in PAGES for words in calls(path.read_text(encoding="utf-8"))]
    assert len(found) > 50
    assert {words[0] for words in found} >= {"occgen", "from-train", "from-eval", "from-explain"}
    for wrong in ("occgen build --scael 2", "occgen build --blend glue", "from-export --model m"):
        with pytest.raises((click.UsageError, AssertionError)):
            check_call(wrong.split(), whole=True)
    check_call(["from-export", "--model", "m"], whole=False)


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_programs_of_ours_are_there(path: Path) -> None:
    for name in re.findall(r"\b(?:benchmarks|docs|tests)/\w+\.py", path.read_text("utf-8")):
        assert (ROOT / name).is_file(), f"{name_of(path)} names {name}"
