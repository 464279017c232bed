"""The arithmetic and the writing of docs/faults.md."""

from pathlib import Path

import pytest

from tests.faults import table
from tests.faults.hostile import INPUTS
from tests.faults.kinds import KINDS
from tests.faults.table import Fault, Hostile, Measured

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "faults.md"


def measured(title="spanwatch", **more):
    faults = {
        "outage": Fault(emitted=20_000, lost=0, unaccounted=0, repeated=3, exit_s=0.25, survived=True),
        "answers 302": Fault(emitted=1_000, lost=1_000, unaccounted=900, repeated=0, exit_s=2.04, survived=False),
        "rejects half": Fault(emitted=500, lost=250, unaccounted=0, repeated=0, exit_s=None, survived=True),
        "hangs": None,
    }
    hostile = {"NaN": Hostile(False, 0, True), "deep": Hostile(True, 99, False)}
    return Measured(**{"title": title, "faults": faults, "hostile": hostile, "held": 4_000, **more})


def written(**more):
    return table.page(measured(), measured("stock", **more), head="Measured once:", load_s=15)


@pytest.mark.parametrize(
    ("lost", "waiting", "dropped", "left"),
    [(0, 0, {}, 0), (10, 4, {"rejected": 5}, 1), (10, 0, {}, 10), (10, 20, {}, 0), (3, 0, {"a": 1, "b": 2}, 0)],
)
def test_what_is_neither_waiting_nor_dropped_is_unaccounted(lost, waiting, dropped, left):
    assert table.unaccounted(lost, waiting, dropped) == left


def test_a_run_that_did_not_end_is_not_survived_and_its_spans_are_not_counted():
    assert table.survived(measured()) == 2
    assert table.spans(measured()) == (1_250, 21_500, 900)


def test_the_slowest_exit_is_of_those_that_were_timed():
    assert table.slowest(measured()) == 2.04
    assert table.slowest(measured(faults={"hangs": None})) is None


def test_the_summary_has_both_systems_beside_each_other():
    assert table.summary(measured(), measured("stock", held=None), head="Measured once:", load_s=15) == [
        "Measured once:",
        "",
        "| | spanwatch | stock |",
        "| --- | ---: | ---: |",
        "| load held for 15 s with nothing lost, spans/s | 4,000 | ? |",
        "| faults survived | 2 of 4 | 2 of 4 |",
        "| spans that did not arrive | 1,250 of 21,500 | 1,250 of 21,500 |",
        "| of these without any account | 900 | 900 |",
        "| bad inputs: tried, raised into the application, cost other spans | 2, 1, 1 | 2, 1, 1 |",
        "| longest exit, s | 2.0 s | 2.0 s |",
    ]


def test_a_row_says_what_was_lost_and_marks_what_was_not_survived():
    rows = written().splitlines()
    assert "| outage | 0 of 20,000 | 0.2 s | 0 of 20,000 | 0.2 s |" in rows
    assert "| answers 302 | **1,000 of 1,000** | 2.0 s | **1,000 of 1,000** | 2.0 s |" in rows
    assert "| rejects half | 250 of 500, told |  | 250 of 500, told |  |" in rows
    assert "| hangs | **did not end** |  | **did not end** |  |" in rows


def test_a_bad_input_is_kept_or_says_what_it_did():
    rows = written(hostile={"NaN": Hostile(False, 0, False), "deep": Hostile(False, 7, True)}).splitlines()
    assert "| NaN | kept | itself lost |" in rows
    assert "| deep | **raised**, **cost 99 others**, itself lost | **cost 7 others** |" in rows


def test_the_first_line_says_that_the_page_is_generated():
    assert written().startswith(table.FIRST + "\n\n# Faults\n\nMeasured once:\n\n| | spanwatch | stock |")


def test_the_readme_quotes_the_summary_in_place_of_the_last_one():
    readme = f"before\n{table.BEGIN}\nold\n{table.END}\nafter"
    again = table.quoted(readme, written())
    summary = "\n".join(table.summary(measured(), measured("stock"), head="Measured once:", load_s=15))
    assert again == f"before\n{table.BEGIN}\n\n{summary}\n\n{table.END}\nafter"
    assert table.quoted(again, written()) == again


def test_every_fault_and_bad_input_has_a_name_of_its_own():
    assert len({kind.name for kind in KINDS}) == len(KINDS)
    assert sum(kind.fault for kind in KINDS) >= 45
    assert len(INPUTS) >= 24


def test_the_readme_quotes_the_page_that_is_kept_and_the_page_has_every_fault():
    page, readme = PAGE.read_text(encoding="utf-8"), (ROOT / "README.md").read_text(encoding="utf-8")
    assert page.startswith(table.FIRST)
    assert table.quoted(readme, page) == readme
    rows = [line.split("|")[1].strip() for line in page.splitlines() if line.startswith("|")]
    assert {kind.name for kind in KINDS if kind.fault} | set(INPUTS) <= set(rows)
