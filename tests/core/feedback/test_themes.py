import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.agreement import mutual_information, purity
from benchmarks.themes_quality import quality
from spanwatch.core.feedback.themes import themes
from spanwatch.core.feedback.words import MAX_WORDS, words

LABELLED = json.loads((Path(__file__).parent / "labelled_comments.json").read_text(encoding="utf-8"))
ITEMS = [(text, label) for label, texts in LABELLED.items() for text in texts]


def test_the_labelled_set_is_large_and_each_comment_is_there_once():
    assert len(ITEMS) >= 300
    assert len({text for text, _ in ITEMS}) == len(ITEMS)
    assert min(map(len, LABELLED.values())) >= 20


def test_themes_match_the_labels():
    pure, shared, count, others = quality(ITEMS, hints=True)
    assert pure >= 0.9
    assert shared >= 0.85
    assert len(LABELLED) <= count <= 2 * len(LABELLED)
    assert others <= len(ITEMS) // 20


def test_without_hints_themes_are_weaker_and_still_far_from_chance():
    pure, shared, _, _ = quality(ITEMS, hints=False)
    assert pure >= 0.45
    assert shared >= 0.4


def test_the_measures_are_what_they_are_called():
    assert purity("aabb", "xxyy") == mutual_information("aabb", "xxyy") == 1
    assert purity("aabb", "xxxx") == 0.5
    assert mutual_information("aabb", "xxxx") == 0
    assert mutual_information("abab", "xxyy") == pytest.approx(0)
    assert purity("aaab", "xxyy") == 0.75


def test_the_same_comments_have_the_same_themes_and_each_comment_one_at_most():
    comments = [(str(number), text) for number, (text, _) in enumerate(ITEMS)]
    found = themes(comments)
    assert found == themes(comments)
    ids = [id_ for theme in found.themes for id_ in theme.ids]
    assert sorted([*ids, *found.others], key=int) == [id_ for id_, _ in comments]
    assert sum(theme.share for theme in found.themes) == pytest.approx(len(ids) / len(comments))


def test_a_theme_is_named_by_what_sets_it_apart():
    texts = ["the blue zebra ate my homework"] * 4 + ["green tractor does not start"] * 4 + ["the tea is cold"] * 3
    found = themes([(str(n), text) for n, text in enumerate(texts)]).themes
    assert [theme.count for theme in found] == [4, 4, 3]
    assert "zebra" in found[0].terms
    assert "tractor" in found[1].terms
    assert set(found[2].terms) == {"cold", "tea"}
    assert found[2].title == "cold / tea"


@pytest.mark.parametrize("texts", [[], [""], ["", ""], ["👍"], ["."] * 10, ["same"] * 50, ["\u202e\u200b"] * 3])
def test_few_empty_and_equal_comments_are_no_trouble(texts):
    found = themes([(str(number), text) for number, text in enumerate(texts)])
    assert sum(theme.count for theme in found.themes) + len(found.others) == len(texts)


@given(st.lists(st.text(max_size=40), max_size=30))
def test_any_text_can_be_clustered(texts):
    found = themes([(str(number), text) for number, text in enumerate(texts)])
    assert sum(theme.count for theme in found.themes) + len(found.others) == len(texts)


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("Réponses LENTES", ["repons", "lent"]),
        ("Antwort über Straße", ["antwor", "uber", "strass"]),
        ("回答太慢", ["回答", "答太", "太慢"]),
        ("遅いです", ["遅い", "いで", "です"]),
        ("มันช้า", ["มั", "ัน", "นช", "ช้", "้า"]),
        ("धीमा है", ["धीमा", "है"]),
        ("بطيءٌ جدًّا", ["بطيء", "جدا"]),
        ("לְאַט מאוד", ["לאט", "מאוד"]),
        ("Медленно!!!", ["медлен"]),
        ("slow🐌slow 👍🏽", ["slow", "🐌", "slow", "👍"]),
        ("see https://x.example/a?b=c or me@x.example 12345", []),
        ("\uff33\uff2c\uff2f\uff37 \ufb01le", ["slow", "file"]),
    ],
)
def test_words_of_any_script(text, terms):
    assert [term for term, _ in words(text)] == terms


def test_a_comment_of_a_megabyte_costs_no_more_than_its_head():
    began = time.process_time()
    assert len(words("wörter und зnoch mehr " * 50_000)) == MAX_WORDS
    assert len(words("x" * 1_000_000)) == 0
    assert time.process_time() - began < 0.2
