"""Cells, spreads and comparisons from records of tests, against numbers worked by hand."""

import json
from pathlib import Path

import numpy as np
import pytest

from frommodel.paper.cells import Cell
from frommodel.paper.config import PaperConfig
from frommodel.paper.data import open_data
from frommodel.paper.findings import Findings
from frommodel.paper.jobs import _pack_numbers, pack_bits, unpack_bits, unpack_numbers
from frommodel.paper.plan import Plan
from frommodel.paper.writing import csv_tables, markdown_tables, table_record, text_tables

PAIRS = 200


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    """Return a plan of Table 4 over two seeds, its data drawn."""
    config = PaperConfig(preset="tiny", out=str(tmp_path / "out"), tables="4", seeds=2)
    data = open_data(config)
    data.make()
    return Plan(config=config, data=data)


def write_test(plan: Plan, run: str, seed: int, condition: str, right: int) -> None:
    """Write what a test would: the first `right` of all pairs decided rightly."""
    subject = plan.subjects_of(plan.run(run, seed))[0]
    correct = np.arange(PAIRS) < right
    people = np.arange(PAIRS)
    tests = {
        "pairs": {
            "kind": "verification",
            "pairs": PAIRS,
            "accuracy": right / PAIRS,
            "correct": pack_bits(correct),
            "people": [_pack_numbers(people), _pack_numbers(people)],
            "same": pack_bits(np.ones(PAIRS, np.bool_)),
        }
    }
    path = plan.test_file(subject, condition)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"condition": condition, "tests": tests}))


def test_bits_and_numbers_come_back() -> None:
    values = np.random.default_rng(0).random(77) < 0.5
    assert (unpack_bits(pack_bits(values)) == values).all()
    numbers = np.array([0, 5, 70_000])
    assert (unpack_numbers(_pack_numbers(numbers)) == numbers).all()


def test_means_and_spreads_are_over_seeds(plan: Plan) -> None:
    for seed, right in ((100, 150), (101, 160)):
        write_test(plan, "from", seed, "occ-2.0", right)
        write_test(plan, "baseline-md", seed, "occ-2.0", right - 40)
    (table,) = Findings(plan=plan).tables
    column = table.headings.index("Occ-LFW-2.0")
    ours = table.cells[table.labels.index("lambda 1")][column]
    assert ours.values == (75.0, 80.0)
    assert ours.mean == 77.5
    assert ours.spread == pytest.approx(12.5**0.5)
    (found,) = table.differences
    assert (found.row, found.column, found.seeds) == ("lambda 0", "Occ-LFW-2.0", 2)
    assert found.mean == -20
    assert found.spread == 0
    assert found.high < 0
    assert found.statement == "lambda 1 is better"
    missing = table.cells[table.labels.index("lambda 0.5")][column]
    assert missing.values == ()
    assert missing.reason == "not yet"


def test_a_mean_needs_all_of_its_conditions(plan: Plan) -> None:
    write_test(plan, "from", 100, "occ-1.0", 100)
    (table,) = Findings(plan=plan).tables
    cell = table.cells[table.labels.index("lambda 1")][table.headings.index("mean")]
    assert cell.values == ()
    assert cell.published == 44.83


def test_equal_models_are_not_told_apart(plan: Plan) -> None:
    for run in ("from", "baseline-md"):
        write_test(plan, run, 100, "occ-2.0", 150)
    (table,) = Findings(plan=plan).tables
    assert table.differences[0].statement == "no difference shown"
    assert table.differences[0].p_value == 1


def test_tables_in_every_form_hold_ours_and_the_papers(plan: Plan) -> None:
    for seed in (100, 101):
        write_test(plan, "from", seed, "clean", 50 + seed)
    tables = Findings(plan=plan).tables
    text, markdown, lines = text_tables(tables), markdown_tables(tables), csv_tables(tables)
    assert "Table 4: Weight of the pattern loss" in text
    for page in (text, markdown):
        assert "75.25 ±0.35" in page
        assert "not yet (44.83)" in page
    assert "4,lambda 1,LFW,75.2500,0.3536,2,75.0000 75.5000,," in lines
    record = table_record(tables[0])
    assert json.loads(json.dumps(record))["rows"][2]["cells"]["MF1"]["published"] == 75.27


def test_one_seed_has_no_spread() -> None:
    assert Cell(values=(50.0,)).spread is None
    assert Cell().mean is None
