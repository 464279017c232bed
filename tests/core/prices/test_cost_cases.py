"""Cases in which others go wrong, exact to the nano-USD and with the expected status."""

import json
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest

import spanwatch

CASES = json.loads((Path(__file__).parent / "cost_cases.json").read_text(encoding="utf-8"))


def test_there_are_twenty_cases():
    assert len({case["name"] for case in CASES}) == 20


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_a_hard_case_is_exact_and_has_the_expected_status(case):
    found = spanwatch.price(
        case["usage"], provider=case["provider"], model=case["model"], at=case["timestamp"], context=case["context"]
    )
    assert found.status == case["expect"]
    assert found.usd == (None if case["expected_usd"] is None else Decimal(case["expected_usd"]))


@pytest.mark.parametrize("case", [case for case in CASES if case["terms"]], ids=lambda case: case["name"])
def test_the_expectation_of_a_case_is_the_sum_of_its_terms(case):
    terms = sum(Fraction(term["usd"]) * term["count"] / term["per"] for term in case["terms"])
    assert terms == Fraction(case["expected_usd"])
