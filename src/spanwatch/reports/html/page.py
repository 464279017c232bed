"""The page: parts of a report as one HTML file that loads nothing and runs only its own script."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from importlib.resources import files

from spanwatch.reports.html.charts import drawn
from spanwatch.reports.html.markup import Markup, joined, tag, verbatim
from spanwatch.reports.html.waterfall import waterfall
from spanwatch.reports.parts import Part, Table

_FILES = files("spanwatch.reports.html")


def page(parts: Sequence[Part], title: str, about: str, *, generator: str) -> str:
    """The whole file.

    Its policy lets nothing be loaded, sent or framed, and only the style and the script run that stand in it.

    Raises:
        UsageError: pygal is not installed.
    """
    style, script = (_FILES.joinpath(name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    policy = (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("meta", name="generator", content=generator),
        tag("title", title),
        tag("style", verbatim(style)),
    )
    places = tag("nav", [tag("a", part.title, href=f"#{part.key}") for part in parts], aria_label="Parts")
    theme = tag("button", "Dark or light", type="button", id="theme")
    header = tag("header", tag("h1", title), tag("p", about, class_="dim"), places, theme)
    main = tag("main", [_part(part) for part in parts])
    body = tag("body", header, main, tag("footer", generator), tag("script", verbatim(script)))
    return f"<!doctype html>\n{tag('html', head, body, lang='en').text}\n"


def _part(part: Part) -> Markup:
    remarks = [tag("li", cell.text, class_=cell.style or None) for cell in part.remarks]
    return tag(
        "section",
        tag("h2", part.title),
        tag("ul", remarks, class_="remarks") if remarks else None,
        [drawn(chart) for chart in part.charts],
        [_table(table) for table in part.tables],
        [waterfall(tree) for tree in part.trees],
        id=part.key,
    )


def _table(table: Table) -> Markup:
    headings = [
        tag("th", tag("button", column.heading, type="button"), scope="col", class_="right" if column.right else None)
        for column in table.columns
    ]
    rows = [
        tag("tr", [
            tag("td", cell.text, class_=" ".join(filter(None, ("right" if column.right else "", cell.style))) or None)
            for column, cell in zip(table.columns, row, strict=True)
        ])
        for row in table.rows
    ]  # fmt: skip
    more = tag("p", f"and {table.more:,} more", class_="dim")
    return joined(
        tag("h3", table.title) if table.title else None,
        tag("div", tag("table", tag("thead", tag("tr", headings)), tag("tbody", rows)), class_="wide"),
        more if table.more else None,
    )


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
