"""Prices: what a call costs, exactly, at its time, or why that is not known."""

from spanwatch.core.prices.book import PriceBook
from spanwatch.core.prices.catalog import Catalog, shipped
from spanwatch.core.prices.context import Terms, terms_of
from spanwatch.core.prices.data_file import catalog_from, objections
from spanwatch.core.prices.overlay import Overlay
from spanwatch.core.prices.overlay_file import overlay_from, overlay_of
from spanwatch.core.prices.units import usage_of

__all__ = [
    "Catalog",
    "Overlay",
    "PriceBook",
    "Terms",
    "catalog_from",
    "objections",
    "overlay_from",
    "overlay_of",
    "shipped",
    "terms_of",
    "usage_of",
]
