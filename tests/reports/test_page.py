"""The page that is sent: opened and clicked in a real Chromium; hostile names stay names; nothing is loaded."""

import base64
import re
import sys
from html import unescape
from html.parser import HTMLParser

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt  # textual brings it

from spanwatch.core.rules.alert import ALERTNAME, SEVERITY, Alert, State
from spanwatch.reports.html.markup import joined, tag, verbatim
from spanwatch.reports.html.page import page
from spanwatch.reports.markdown import escaped, markdown
from spanwatch.reports.parts import Part, table_of
from spanwatch.reports.table import Cell, Column
from spanwatch.reports.telling import TELLING, parts_of, window_text
from spanwatch.store.alerts import AlertBook
from tests.reports.chromium import opened
from tests.reports.rig import CODES, EVIL, NOW_NS, found, hostile

PARSER = MarkdownIt("gfm-like")
PARSER.linkify.set({"fuzzy_link": False})  # which no forge does
PARTS = ["health", "summary", "spend", "latency", "errors", "tools", "traces", "feedback", "coverage"]


@pytest.fixture
def parts(tmp_path):
    hostile(tmp_path / "home")
    return parts_of(found(tmp_path / "home"))


def written(parts):
    return page(parts, "spanwatch report", "all of it", generator="spanwatch test")


class Elements(HTMLParser):
    """Every element of a page, with its attributes, and its text."""

    def __init__(self, text):
        super().__init__()
        self.found, self.texts = [], []
        self.feed(text)

    def handle_starttag(self, name, attributes):
        self.found.append((name, dict(attributes)))

    def handle_data(self, data):
        self.texts.append(data)


@pytest.mark.slow
def test_a_real_browser_shows_sorts_opens_and_darkens_it_and_asks_for_nothing(parts, tmp_path):
    (tmp_path / "report.html").write_text(written(parts), encoding="utf-8")
    with opened(tmp_path / "profile") as tab:
        tab.open(tmp_path / "report.html")
        assert tab.evaluate("document.title") == "spanwatch report"
        assert tab.evaluate("[...document.querySelectorAll('section')].map(each => each.id)") == PARTS
        assert tab.evaluate("document.querySelectorAll('figure svg .bar rect').length") > 5

        light = tab.evaluate("getComputedStyle(document.body).backgroundColor")
        tab.click("#theme")
        assert tab.evaluate("getComputedStyle(document.body).backgroundColor") != light

        first = "document.querySelector('#spend tbody td').textContent"
        costs = "[...document.querySelector('#spend tbody').rows].map(row => row.cells[6].textContent)"
        tab.click("#spend th:last-child button")
        assert tab.evaluate(first) == "gpt-4o-2024-08-06"
        assert tab.evaluate(costs)[-2:] == ["unknown", "-"] or tab.evaluate(costs)[-2:] == ["-", "unknown"]
        tab.click("#spend th:last-child button")
        assert tab.evaluate(first) == "o4-mini"

        trace = "details[id='trace-4bf92f3577b34da6a3ce929d0e0e4736']"
        assert not tab.evaluate(f'document.querySelector("{trace}").open')
        tab.click(f"{trace} summary")
        assert tab.evaluate(f'document.querySelector("{trace}").open')
        assert tab.evaluate(f'document.querySelector("{trace} rect.call").getBoundingClientRect().width') > 10

        closed = "document.querySelectorAll('details:not([open])').length"
        assert tab.evaluate(closed) > 0
        paper = base64.b64decode(tab.ask("Page.printToPDF")["data"])
        assert paper.startswith(b"%PDF")
        assert tab.evaluate(closed) == 0  # on paper nobody can click

        assert tab.evaluate("document.title") == "spanwatch report"
        assert tab.evaluate("document.querySelectorAll('img').length") == 0
        assert tab.evaluate("document.body.scrollWidth <= document.documentElement.clientWidth")
        assert tab.complaints() == []
        assert [url for url in tab.loaded() if not url.startswith(("file:", "about:"))] == []
        assert tab.picture().startswith(b"\x89PNG")


@pytest.mark.slow
def test_the_policy_stops_a_script_that_is_not_the_pages_own(parts, tmp_path):
    text = written(parts).replace("</main>", "<script>document.title = 'owned'</script></main>")
    (tmp_path / "report.html").write_text(text, encoding="utf-8")
    with opened(tmp_path / "profile") as tab:
        tab.open(tmp_path / "report.html")
        assert tab.evaluate("document.title") == "spanwatch report"
        assert "Content Security Policy" in str(tab.complaints())


def test_hostile_names_make_no_element_attribute_or_control_character(parts):
    text = written(parts)
    elements = Elements(text)
    assert [name for name, _ in elements.found if name in {"img", "link", "iframe", "object", "base", "image"}] == []
    assert [name for name, _ in elements.found].count("script") == 1
    assert [key for _, given in elements.found for key in given if key.startswith("on") or key == "style"] == []
    assert {given[key] for _, given in elements.found for key in given if key in {"href", "src"}} == {
        f"#{part}" for part in PARTS
    }
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202e]", text)
    assert text.count("&lt;script&gt;document.title=") > 10
    assert "\\x1b]0;owned\\x07\\u202e@all" in "".join(elements.texts)


def test_every_address_in_the_page_is_a_name_space(parts):
    assert set(re.findall(r"https?://[^\s\"'<&]+", written(parts))) <= {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }


def test_a_page_leaves_no_hook_in_the_imports_of_the_process(parts):
    before = list(sys.meta_path)
    sys.modules.pop("pygal", None)
    written(parts)
    assert sys.meta_path == before


def test_unknown_cost_is_a_word_and_a_lower_bound_is_marked(parts):
    text = "".join(Elements(written(parts)).texts)
    assert "cost of 2 calls is unknown and not drawn" in text
    assert "≥~$1.2624" in text
    assert "failed call" in text


def test_comments_lose_what_is_personal(parts):
    text = "".join(Elements(written(parts)).texts)
    assert "[mail]" in text
    assert "b.example" not in text


def test_a_feature_adds_its_part_where_it_has_something_to_say(tmp_path):
    hostile(tmp_path / "home")
    findings = found(tmp_path / "home")
    more = [*TELLING, lambda _: Part("empty", "Empty"), lambda _: Part("last", "Last", parts_of(findings)[0].remarks)]
    assert [part.key for part in parts_of(findings, more)] == [*PARTS, "last"]


def test_alerts_are_there_when_there_are_any(tmp_path):
    hostile(tmp_path / "home")
    alert = Alert(((ALERTNAME, EVIL), (SEVERITY, "warning")), State.FIRING, NOW_NS - 5, summary=CODES)
    book = AlertBook(tmp_path / "home")
    book.save("rule", [alert], [], NOW_NS)
    book.close()
    parts = parts_of(found(tmp_path / "home"))
    assert [part.key for part in parts] == ["health", "alerts", *PARTS[1:]]
    text = written(parts)
    assert "\\u202e@all" in text
    assert "<img" not in text


def test_an_empty_window_says_so_and_draws_nothing(tmp_path):
    hostile(tmp_path / "home")
    findings = found(tmp_path / "home", since_ns=1, until_ns=2)
    assert [part.key for part in parts_of(findings)] == ["health", "summary"]
    assert "unknown" in written(parts_of(findings))
    assert window_text(findings).startswith("from 1970-01-01 00:00:00 UTC to 1970-")


def test_markdown_is_text_tables_and_bars_and_names_are_no_markdown(parts):
    text = markdown(parts, "spanwatch report", "all of it")
    assert text.startswith("# spanwatch report\n\nall of it\n\n## Health\n")
    assert "| gpt-4o-2024-08-06 | 3 | 0 | 9,100 |" in text
    assert "<img" not in text
    assert "](//e" not in text.replace("\\](//e", "")
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202e]", text)
    tables = [block.split("\n") for block in text.strip().split("\n\n") if block.startswith("|")]
    assert len(tables) > 8
    for rows in tables:
        assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows}) == 1


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("a|b", r"a\|b"),
        ("@all", "@\u200ball"),
        ("http://x.y", r"http\://x.y"),
        ("www.x.y", r"www\.x.y"),
        ("$1 and $2", r"\$1 and \$2"),
        ("snake_case (1)", r"snake\_case (1)"),
        ("<b>&amp;", "&lt;b&gt;&amp;amp;"),
        ("<!channel> <@U1> <http://e.x|here>", "&lt;!channel&gt; &lt;@\u200bU1&gt; &lt;http\\://e.x\\|here&gt;"),
        ("a\n# b", r"a \# b"),
        ("fixes #12, GH-7", "fixes \\#\u200b12, GH-\u200b7"),
        ("- a", r"\- a"),
        ("---", r"\---"),
        ("12. a", r"12\. a"),
        ("-5 and 1.5", "-5 and 1.5"),
    ],
)
def test_text_stays_text_in_markdown(text, kept):
    assert escaped(text) == kept


@given(st.text("ab1 .-+=~_*`\\|[](){}!<>&;:/#@$^\n\t\"'", max_size=60))
@example("![a](//e) <b> `c` **d** ~~e~~ &amp; a@b.example https://e.example www.e.example x|y \\")
def test_a_markdown_parser_finds_nothing_but_the_text(text):
    wanted = " ".join(text.split())
    for line in ("- ", "## x ", "a "):
        html = PARSER.render(f"{line}{escaped(text)}\n")
        assert set(re.findall(r"<(\w+)", html)) <= {"ul", "li", "h2", "p"}, html
        told = " ".join(unescape(re.sub(r"<[^>]*>", "", html)).replace("\u200b", "").split())
        assert told == f"{line.lstrip('-# ')}{wanted}".strip()


@given(st.lists(st.text("ab1 -`\\|<>&*", max_size=20), min_size=2, max_size=2))
def test_a_table_keeps_its_cells(names):
    table = table_of("", [Column("a"), Column("b", right=True)], [[Cell(name) for name in names]])
    html = PARSER.render(markdown([Part("x", "x", tables=(table,))], "t", "u"))
    cells = [unescape(each).strip() for each in re.findall(r"<td[^>]*>(.*?)</td>", html)]
    assert cells == [" ".join(name.split()) for name in names]


def test_what_is_not_markup_is_escaped_where_it_is_built():
    assert tag("b", "<i>", verbatim("<u>"), class_='"x', data_at=3, hidden=None).text == (
        '<b class="&quot;x" data-at="3">&lt;i&gt;<u></b>'
    )
    assert joined(1, None, ["a", tag("br")]).text == "1a<br>"
    assert joined(CODES).text == "\\x1b]0;owned\\x07\\u202e@all"
    assert EVIL not in joined(EVIL).text
