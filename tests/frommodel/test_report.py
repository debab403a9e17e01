import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from frommodel.eval_config import EvalConfig
from frommodel.evaluation import evaluate
from frommodel.figures import scale_figure
from frommodel.report import html_report, write_report
from occgen.codec import decode_image
from occgen.errors import InputError

FAST = {"resamples": 100, "folds": 2, "fars": (0.1, 0.01), "workers": 1}
VOID = {"meta", "img", "br", "path", "use", "rect", "image", "line"}


def colours(images):
    """Return means of a coarse grid."""
    rows = images.reshape(len(images), 4, 28, 4, 28, 3)
    return rows.mean(axis=(2, 4)).reshape(len(images), -1) - 128.0


def greys(images):
    return colours(images).reshape(len(images), 16, 3).mean(axis=2)


@pytest.fixture
def paired_tree(face_tree):
    lines = ["image_a,image_b,same"]
    for person in range(6):
        lines.append(f"person{person}/0.jpg,person{person}/1.jpg,1")
        lines.append(f"person{person}/0.jpg,person{(person + 1) % 6}/2.jpg,0")
    (face_tree / "pairs.csv").write_text("\n".join(lines))
    return face_tree


def run(root, **changes):
    config = EvalConfig(dataset="folder", root=str(root), **{**FAST, **changes})
    return evaluate([colours, greys], config, failures=3)


def test_a_page_of_a_model_that_never_errs(face_tree):
    people = {
        int(decode_image(path.read_bytes()).astype(np.int64).sum()): int(path.parent.name[-1])
        for path in face_tree.glob("*/*.jpg")
    }

    def known(images):
        return np.eye(6)[[people[int(image.astype(np.int64).sum())] for image in images]]

    lines = [
        "image_a,image_b,same",
        "person0/0.jpg,person0/1.jpg,1",
        "person2/0.jpg,person3/0.jpg,0",
    ]
    lines += ["person1/0.jpg,person1/1.jpg,1", "person4/0.jpg,person5/1.jpg,0"]
    (face_tree / "pairs.csv").write_text("\n".join(lines))
    config = EvalConfig(dataset="folder", root=str(face_tree), **FAST)
    page = html_report(evaluate([known], config))
    assert "FAR (%)" in page


class Page(HTMLParser):
    """Collects tags, attributes and text, and sees that what opens is closed."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.open, self.links, self.ids, self.words = [], [], [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attributes:
            if name in ("src", "href", "xlink:href", "action"):
                self.links.append(value)
            if name == "id":
                self.ids.append(value)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def test_the_page_holds_everything_and_links_to_nothing(paired_tree):
    found = run(paired_tree, scales=("1.0", "3.0"))
    text = html_report(found)
    page = Page(text)
    assert page.open == []
    assert all(link.startswith(("#", "data:image/jpeg;base64,")) for link in page.links)
    assert "@import" not in text
    assert not re.search(r"url\((?!#)", text)
    assert len(page.ids) == len(set(page.ids))
    assert page.tags.count("figure") == 5  # ROC, DET, scores, scales, coverage
    pictures = sum(link.startswith("data:") for link in page.links)
    assert pictures == 2 * sum(len(cases) for cases in found.failures.values())
    words = " ".join(page.words)
    for wanted in ("colours", "greys", "clean-occluded, scale 3.0", "SHA-256", "McNemar", "numpy"):
        assert wanted in words


def test_the_same_data_give_the_same_page(paired_tree):
    found = run(paired_tree, resamples=0)
    assert html_report(found) == html_report(found)


def test_failures_are_the_worst_and_no_picture_comes_twice(paired_tree):
    found = run(paired_tree, scales=("3.0",))
    for (model, task), cases in found.failures.items():
        result = next(r for r in found.results if (r.model, r.name) == (model, task))
        wrong = ~result.correct[0]
        for kind, same in (("rejected", True), ("accepted", False)):
            chosen = [case for case in cases if case.kind == kind]
            scores = result.scores[0][wrong & (result.pairs.same == same)]
            assert len(chosen) <= 3
            assert bool(chosen) == bool(len(scores))
            if chosen:
                worst = scores.min() if same else scores.max()
                assert chosen[0].score == worst
            keys = [key for case in chosen for key in (case.key_a, case.key_b)]
            assert len(keys) == len(set(keys))
            assert all(case.image_b.shape == (112, 112, 3) for case in chosen)


def test_regions_and_identification_have_their_figures(paired_tree):
    regions = html_report(run(paired_tree, protocol="regions", region="left-eye"))
    assert "By region" in regions
    assert "left-eye (15 %)" in regions
    found = run(paired_tree, protocol="identification", scales=("2.0",))
    page = html_report(found)
    assert "Cumulative match characteristic" in page
    assert "found within rank" in page
    assert any(case.kind == "mistaken" for cases in found.failures.values() for case in cases)


def test_missing_pictures_stand_on_the_page(paired_tree):
    (paired_tree / "person0/1.jpg").unlink()
    text = html_report(run(paired_tree, allow_missing=True))
    assert "1 pictures are missing or cannot be used" in text
    assert "person0/1.jpg: no such file" in text


def test_names_cannot_break_the_page(paired_tree):
    colours.__name__ = "<script>alert(1)</script>"
    try:
        text = html_report(run(paired_tree))
    finally:
        colours.__name__ = "colours"
    assert "<script" not in text
    assert "&lt;script&gt;" in text


def test_one_scale_is_no_curve(paired_tree):
    assert scale_figure(run(paired_tree, scales=("2.0",))) is None


def test_every_form_is_written(paired_tree, tmp_path):
    found = run(paired_tree)
    for ending in ("html", "md", "csv", "json"):
        write_report(found, tmp_path / f"report.{ending}")
    record = json.loads((tmp_path / "report.json").read_text())
    assert len(record["results"]) == 2
    assert (tmp_path / "report.md").read_text().startswith("# Verification of pairs")
    assert np.char.count((tmp_path / "report.csv").read_text(), "tar@0.1") == 2
    for path, message in (
        (tmp_path / "report.pdf", "should end in"),
        (tmp_path / "none" / "a.html", "no such folder"),
        (tmp_path / "faces.html", "is a folder"),
    ):
        if message == "is a folder":
            path.mkdir()
        with pytest.raises(InputError, match=message):
            write_report(found, path)
