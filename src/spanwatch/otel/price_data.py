"""Price data that a user installed over the shipped one: kept beside the store, the last good one kept too."""

from __future__ import annotations

import json
import os
import re
import tempfile
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

from spanwatch.core.errors import PriceDataError
from spanwatch.core.prices import Catalog, catalog_from, shipped
from spanwatch.otel.guard import say

_DIGEST = re.compile(r"[0-9a-f]{64}")
_RECORD = "current.json"


@dataclass(frozen=True, slots=True)
class Installed:
    """What is installed: digests of the file in force and the one before, where it came from, when (ISO 8601)."""

    sha256: str
    previous: str | None
    url: str
    installed_at: str


def directory(home: str | os.PathLike[str]) -> Path:
    """Where installed price data lies; without this directory the shipped data is in force."""
    return Path(home) / "prices"


def installed(home: str | os.PathLike[str]) -> Installed | None:
    """The record of what is installed, or None."""
    try:
        raw = json.loads((directory(home) / _RECORD).read_bytes())
        record = Installed(**raw)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError):
        say("the price data in %s cannot be read: the shipped data is in force", directory(home))
        return None
    known = (record.sha256, record.previous or record.sha256)
    return record if all(isinstance(digest, str) and _DIGEST.fullmatch(digest) for digest in known) else None


def price_data(home: str | os.PathLike[str]) -> Catalog:
    """The newest good price data: installed, else the one installed before, else shipped. Never older than shipped."""
    ours, record = shipped(), installed(home)
    if record is None:
        return ours
    for digest in (record.sha256, record.previous):
        if digest is None:
            continue
        try:
            found = _load(directory(home), digest)
        except (OSError, PriceDataError) as error:
            say("price data %s is set aside: %s", digest[:12], error)
            continue
        return found if found.as_of >= ours.as_of else ours
    return ours


def _load(place: Path, digest: str) -> Catalog:
    path = place / f"{digest}.json"
    content = path.read_bytes()
    if sha256(content).hexdigest() != digest:
        raise PriceDataError(f"{path} is not what was installed")
    return catalog_from(content, source=str(path))


def install(home: str | os.PathLike[str], content: bytes, *, url: str, now: str) -> Installed:
    """Put checked data in force from the next start on. The one in force now is kept as the last good one.

    Raises:
        OSError: the directory cannot be written; what was in force stays so.
    """
    place, before = directory(home), installed(home)
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    digest = sha256(content).hexdigest()
    previous = before.sha256 if before and before.sha256 != digest else (before.previous if before else None)
    record = Installed(digest, previous, url, now)
    _replace(place / f"{digest}.json", content)
    _replace(place / _RECORD, json.dumps(asdict(record), indent=2).encode())
    for path in place.glob("*.json"):
        if _DIGEST.fullmatch(path.stem) and path.stem not in {digest, previous}:
            path.unlink(missing_ok=True)
    return record


def _replace(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)  # noqa: PTH105 (the temporary file is named by the system)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
