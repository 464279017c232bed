"""Frameworks with their maintained instrumentations, as people set them up, against servers of their protocol.

Every set-up runs as a program of its own. What it gave goes into the table of docs/reference/frameworks.md, and its
tree is what its page shows.
"""

import importlib.metadata
import os
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from demo.server import Config, DemoServer
from tests.frameworks.setups import BAD, PAGES, SETUPS, environment, run, tree
from tests.frameworks.stub import Stub
from tests.programs import Place

PICTURES = PAGES.parent / "pictures" / "frameworks"
SVG = "{http://www.w3.org/2000/svg}"
CHANGING = (
    (r"\b[0-9a-f]{32}\b", "<id>"),
    (r"\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", "<time>"),
    (r"\b\d[\d.,]* (us|ms|s|min)\b", "<duration>"),
    (r"[^\S\n]+", " "),
)
HEAD = """# Frameworks that were run

Written by the test run: `FRAMEWORKS_TABLE=docs/reference/frameworks.md pytest tests/frameworks`. Every set-up is a
program of its own against a server that speaks the provider's protocol: plain, streamed, with tools, and failing where
the framework lets it. A priced call is priced at what the server's stated usage costs, to the nano-dollar; where a
package cuts the model's name (Bedrock, OpenLLMetry), approximately.

"""


def is_missing(package):
    try:
        return not importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return True


def row(name, setup):
    versions = ", ".join(f"{package} {importlib.metadata.version(package)}" for package in setup.packages)
    priced = sum(nano is not None for _, nano in setup.calls)
    failed = sum(status == BAD for status, _ in setup.calls)
    return f"| {name} | {versions} | {len(setup.calls)} | {priced} | {failed} |"


@pytest.fixture(scope="module")
def table():
    """The rows that passed; written to the file that FRAMEWORKS_TABLE names."""
    rows = ["| Set-up | Versions | Calls, each once | Priced | Failed |", "| --- | --- | --- | --- | --- |"]
    yield rows
    if "FRAMEWORKS_TABLE" in os.environ:
        Path(os.environ["FRAMEWORKS_TABLE"]).write_text(HEAD + "\n".join(rows) + "\n", encoding="utf-8")


@pytest.fixture
def servers():
    with DemoServer(Config()) as server, Stub() as stub:
        yield server, stub


def masked(lines):
    """The lines without what no two runs have in common."""
    text = "\n".join(lines)
    for pattern, stands_for in CHANGING:
        text = re.sub(pattern, stands_for, text)
    return [line.strip() for line in text.split("\n")]


def drawn(page):
    svg = ET.fromstring((PICTURES / f"{page}.svg").read_text(encoding="utf-8"))
    return ["".join(text.itertext()) for text in svg.iter(f"{SVG}text")]


@pytest.mark.parametrize("name", SETUPS)
def test_every_call_is_counted_once_and_priced_and_the_page_shows_the_tree(tmp_path, servers, table, name):
    setup = SETUPS[name]
    missing = [package for package in setup.packages if is_missing(package)]
    if missing:
        pytest.skip(f"needs {missing[0]}: pip install --group frameworks")
    place = Place(tmp_path, servers[0])
    run(place, setup, environment(*servers))
    assert place.rows("SELECT status, nano_usd FROM calls WHERE counted ORDER BY started_ns") == setup.calls
    assert place.rows("SELECT count(*) FROM spans")[0][0] >= len(setup.calls)
    if setup.picture:
        told = masked(tree(place).rstrip("\n").split("\n"))
        assert told == masked(drawn(setup.page)), "python -m docs.pictures.draw_frameworks draws it anew"
    for sql, told in setup.more:
        assert place.rows(sql) == told
    if setup.attempts is not None:
        assert len(servers[1].seen) == setup.attempts
    table.append(row(name, setup))


@pytest.mark.parametrize("name", ["LangGraph, OpenInference", "LlamaIndex, OpenInference"])
def test_the_variables_that_a_page_names_keep_prompts_and_answers_out(tmp_path, servers, name):
    setup = SETUPS[name]
    if any(is_missing(package) for package in setup.packages):
        pytest.skip("needs it: pip install --group frameworks")
    page = (PAGES / f"{setup.page}.md").read_text(encoding="utf-8")
    hidden = dict.fromkeys(re.findall(r"`(OPENINFERENCE_HIDE_\w+)=true`", page), "true")
    place = Place(tmp_path, servers[0])
    run(place, setup, {**environment(*servers), **hidden})
    assert place.rows("SELECT count(*) FROM spans WHERE body LIKE '%__REDACTED__%'")[0][0] > 0
    told = "body LIKE '%amber birch%' OR body LIKE '%a word%' OR body LIKE '%\"hi%'"
    assert place.rows(f"SELECT count(*) FROM spans WHERE {told}") == [(0,)]


def test_every_page_has_its_lines_its_picture_and_what_is_missing():
    shown = {setup.page for setup in SETUPS.values() if setup.picture}
    assert {page.stem for page in PAGES.glob("*.md")} == shown
    for page in shown:
        text = (PAGES / f"{page}.md").read_text(encoding="utf-8")
        assert f"(../pictures/frameworks/{page}.svg)" in text
        assert "\nMissing: " in text
