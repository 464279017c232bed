"""The price data in force, and its update.

`update` is the only time that spanwatch fetches anything. It first shows what the new data would change, and its hash;
with that hash it installs exactly this data, checked, for programs that start from then on. The data before is kept.

Examples:
  spanwatch prices                       # what is in force
  spanwatch prices check my-prices.toml  # is this price file right?
  spanwatch prices update                # fetch, check and compare; nothing is changed
  spanwatch prices update --sha256 3f5a...
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from hashlib import sha256

from spanwatch.cli import reading
from spanwatch.cli.price_fetch import DEFAULT_URL, fetched
from spanwatch.cli.screen import screen_of, write
from spanwatch.core.errors import PriceDataError, UsageError
from spanwatch.core.harmless import clean
from spanwatch.core.prices import Catalog, catalog_from, objections, overlay_file
from spanwatch.core.prices.catalog import sheets
from spanwatch.core.settings import Settings
from spanwatch.otel.price_data import Installed, directory, install, installed, price_data
from spanwatch.otel.price_file import price_book, user_prices
from spanwatch.reports.figures import counted

_DIGEST = re.compile(r"[0-9a-f]{64}")


def prepare(parser: argparse.ArgumentParser) -> None:
    """Add the actions of `spanwatch prices`."""
    parser.add_argument("--json", action="store_true", help="one JSON object")
    reading.add_home(parser)
    actions = parser.add_subparsers(dest="action", metavar="ACTION")
    of_update = actions.add_parser("update", help="fetch newer data: compare, and with --sha256 install")
    of_update.add_argument("--url", default=DEFAULT_URL, help="where the data is (default: genai-prices' repository)")
    of_update.add_argument("--sha256", metavar="HASH", help="install exactly the data with this hash")
    of_check = actions.add_parser(
        "check",
        help="check a price file of your own",
        description=overlay_file.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    of_check.add_argument("file", metavar="FILE")
    for action in (of_update, of_check):
        action.add_argument("--home", metavar="DIR", default=argparse.SUPPRESS, help=argparse.SUPPRESS)


def run(args: argparse.Namespace) -> int:
    """Do one action; without one, show what is in force."""
    if args.action == "check":
        return _check(args.file)
    settings = reading.settings_of(args)
    return _update(args, settings) if args.action == "update" else _show(args, settings)


def _check(file: str) -> int:
    found = user_prices(file, file)
    write(f"{clean(file)} is right: {counted(len(found.entries), 'price')}")
    return 0


@dataclass(frozen=True, slots=True)
class _Shown:
    as_of: str
    version: str
    providers: int
    models: int
    corrections: int
    price_file: str | None
    price_file_entries: int
    installed: Installed | None


def _shown(settings: Settings) -> _Shown:
    book = price_book(settings)
    sources, record = book.sources, installed(settings.home)
    return _Shown(
        as_of=book.as_of,
        version=book.version,
        providers=len(sources.catalog.sellers),
        models=len(sources.catalog.models()),
        corrections=len(sources.corrections.entries),
        price_file=settings.prices,
        price_file_entries=len(sources.user.entries),
        installed=record,
    )


def _show(args: argparse.Namespace, settings: Settings) -> int:
    found = _shown(settings)
    if args.json:
        write(json.dumps(asdict(found), indent=2))
        return 0
    screen = screen_of()
    for name, text in _show_text(found, settings):
        write(f"{screen.style(f'{name:<13}', 'dim')}{text}")
    return 0


def _show_text(found: _Shown, settings: Settings) -> Iterator[tuple[str, str]]:
    yield "data", f"as of {found.as_of} ({clean(found.version)})"
    yield "contents", f"{counted(found.models, 'model')} of {counted(found.providers, 'provider')}"
    yield "corrections", f"{found.corrections} that spanwatch ships, in front of the data"
    if found.price_file is None:
        yield "your prices", "none (setting prices)"
    else:
        yield "your prices", f"{found.price_file_entries} in {clean(found.price_file)}, in front of everything"
    if found.installed is not None:
        yield "installed", f"{found.installed.installed_at} from {clean(found.installed.url)}"
        yield "", f"remove {clean(directory(settings.home))} to return to the shipped data"


def _update(args: argparse.Namespace, settings: Settings) -> int:
    pinned = None if args.sha256 is None else args.sha256.strip().lower()
    if pinned is not None and not _DIGEST.fullmatch(pinned):
        raise UsageError(f"--sha256 takes 64 hexadecimal digits, not {args.sha256[:80]!r}")
    content = fetched(args.url)
    digest = sha256(content).hexdigest()
    if pinned not in {None, digest}:
        raise PriceDataError(f"{args.url} has the hash {digest}, not {pinned}: nothing was changed")
    before, new = price_data(settings.home), catalog_from(content, source=args.url)
    against = objections(new, before)
    if against:
        raise PriceDataError(f"{args.url} is refused, nothing was changed: {'; '.join(against)}")
    changes = _changes(new, before)
    if pinned is None:
        write(f"{changes}\nsha256 {digest}\nNothing was changed. To install exactly this data:")
        write(f"  spanwatch prices update --sha256 {digest}{'' if args.url == DEFAULT_URL else f' --url {args.url}'}")
        return 0
    try:
        install(settings.home, content, url=args.url, now=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}")
    except OSError as error:
        raise PriceDataError(f"{directory(settings.home)} cannot be written: {error.strerror}") from None
    write(f"{changes}\nInstalled in {clean(directory(settings.home))}; programs that start from now on use it.")
    return 0


def _changes(new: Catalog, before: Catalog) -> str:
    ours = {(seller, model.id): sheets(model) for seller, model in before.models()}
    theirs = {(seller, model.id): sheets(model) for seller, model in new.models()}
    changed = sum(theirs[key] != ours[key] for key in ours.keys() & theirs.keys())
    return (
        f"as of {new.as_of} (in force: {before.as_of}): {counted(len(theirs.keys() - ours.keys()), 'new model')}, "
        f"{changed} with other prices, {len(ours.keys() - theirs.keys())} gone"
    )
