"""Names out of data sets in pages and tables: shown as text, never taken for markup or cells."""

import csv
import io
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from occgen_cli.main import main

from occgen.preview import Tile, html_page, tiles_of_set
from occgen.reader import open_shards

EVIL = "<script>alert(1)</script>"
NAMES = (EVIL, '"><img src=x onerror=alert(1)>', "';alert(1)//", "&lt;b&gt;", "=cmd|'/c calc'!A1")
TAGS = {  # what the pages are made of
    *(
        "html",
        "head",
        "meta",
        "title",
        "style",
        "body",
        "main",
        "h1",
        "h2",
        "h3",
        "h4",
        "p",
        "span",
    ),
    *("img", "figure", "figcaption", "table", "thead", "tbody", "tr", "th", "td", "caption", "div"),
    *("section", "header", "footer", "article", "ul", "ol", "li", "code", "pre", "b", "i", "em"),
    *("strong", "small", "a", "svg", "path", "line", "rect", "circle", "text", "g", "polyline"),
    *("input", "label", "details", "summary", "br", "hr", "nav", "sup", "sub", "abbr", "polygon"),
    *("defs", "use", "tspan", "clippath", "ellipse", "dl", "dt", "dd", "fieldset", "legend"),
    *("metadata", "rdf:rdf", "cc:work", "dc:type", "dc:date", "dc:format", "dc:creator"),
    *("cc:agent", "dc:title", "lineargradient", "stop", "desc", "colgroup", "col"),
}


class _Tags(HTMLParser):
    """Gathers tags, attributes and text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.handlers: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.handlers += [name for name, _ in attrs if name.startswith("on")]
        for name, value in attrs:
            if name in ("src", "href", "xlink:href") and value and not value.startswith("#"):
                assert value.startswith(("data:image/", "https://", "http://")), value[:80]
            if name in ("alt", "title"):
                self.text += value or ""

    def handle_data(self, data: str) -> None:
        self.text += data


def check_page(page: str, *shown: str) -> None:
    """Check that a page holds no tag but its own, and names as text."""
    found = _Tags(page)
    assert found.tags <= TAGS, found.tags - TAGS
    assert found.handlers == []
    for name in shown:
        assert name in found.text


@pytest.fixture
def evil_tree(tmp_path: Path, face_bytes: dict[str, bytes]) -> Path:
    """Folder of people named as markup and as formulas; a slash cannot be in a folder's name."""
    root = tmp_path / "faces"
    for number, name in enumerate(NAMES):
        folder = root / name.replace("/", "_")
        folder.mkdir(parents=True)
        for picture, data in enumerate(list(face_bytes.values())[2 * number : 2 * number + 2]):
            (folder / f"{picture}<b>.jpg").write_bytes(data)
    return root


def test_a_contact_sheet_escapes_what_it_shows() -> None:
    picture = np.zeros((8, 8, 3), np.uint8)
    tiles = [Tile(picture, (name, name, name), (1, 1, 4, 4)) for name in NAMES]
    check_page(html_page(tiles, EVIL, [EVIL]), *NAMES)


def test_the_preview_of_a_set_escapes_its_names(evil_tree: Path, tmp_path: Path) -> None:
    out, page = tmp_path / "set", tmp_path / "page.html"
    options = ["--dataset", "folder", "--root", str(evil_tree), "--out", str(out), "--jobs", "1"]
    made = CliRunner().invoke(main, ["build", *options, "--scale", "2.0"])
    assert made.exit_code == 0, made.output
    assert len(open_shards(out)) == 2 * len(NAMES)
    assert tiles_of_set(open_shards(out), 3)
    for path in (out, evil_tree):
        done = CliRunner().invoke(main, ["preview", str(path), "--out", str(page)])
        assert done.exit_code == 0, done.output
        check_page(page.read_text(encoding="utf-8"), "<script>")
    shown = CliRunner().invoke(main, ["info", str(out)])
    assert shown.exit_code == 0
    converted = CliRunner().invoke(
        main, ["convert", str(out), str(tmp_path / "plain"), "--format", "folder", "--jobs", "1"]
    )
    assert converted.exit_code == 0, converted.output
    rows = list(csv.DictReader(io.StringIO((tmp_path / "plain/labels.csv").read_text("utf-8"))))
    assert {row["identity_name"] for row in rows} == {name.replace("/", "_") for name in NAMES}


@pytest.mark.slow
def test_reports_of_an_evaluation_escape_names(evil_tree: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from occgen_cli.from_eval import main as from_eval

    folders = sorted(folder.name for folder in evil_tree.iterdir())
    lines = ["image_a,image_b,same,fold"]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for number, name in enumerate(folders):
        other = folders[(number + 1) % len(folders)]
        writer.writerow([f"{name}/0<b>.jpg", f"{name}/1<b>.jpg", 1, number % 2])
        writer.writerow([f"{name}/0<b>.jpg", f"{other}/1<b>.jpg", 0, number % 2])
    (evil_tree / "pairs.csv").write_text(lines[0] + "\n" + text.getvalue(), encoding="utf-8")
    page, table = tmp_path / "report.html", tmp_path / "report.csv"
    arguments = ["--model", "demo", "--dataset", "folder", "--root", str(evil_tree)]
    done = CliRunner().invoke(
        from_eval, [*arguments, "--report", str(page), "--report", str(table)]
    )
    assert done.exit_code == 0, done.output
    check_page(page.read_text(encoding="utf-8"))
    assert EVIL.replace("/", "_") not in page.read_text(encoding="utf-8")
    assert list(csv.reader(io.StringIO(table.read_text("utf-8"))))
