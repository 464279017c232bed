"""Every kind of fault, on spanwatch and on the stock SDK: `python -m tests.faults [--only TEXT] [--write]`."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.faults import table
from tests.faults.hostile import INPUTS
from tests.faults.kinds import KINDS, Kind, reported
from tests.faults.rig import Rig, SinkProcess

ROOT = Path(__file__).resolve().parents[2]
PAGE, README = ROOT / "docs" / "faults.md", ROOT / "README.md"
RATES = (1_000, 2_000, 4_000, 8_000, 16_000)
TITLES = {"ours": "spanwatch", "stock": f"opentelemetry-sdk {version('opentelemetry-sdk')}"}


def with_rig(system: str, use: Callable[[Rig], Any]) -> Any:
    with tempfile.TemporaryDirectory(prefix="faults-") as folder, contextlib.ExitStack() as stack:
        sink = SinkProcess()
        stack.callback(sink.close)
        rig = Rig(folder, sink, system)
        stack.callback(rig.close)
        return use(rig)


def fault(system: str, kind: Kind) -> table.Fault | None:
    """One kind on one system; None where its application did not come to its end."""

    def use(rig):
        found = kind.run(rig)
        waiting, dropped = rig.stated(found)
        return table.Fault(
            emitted=found.emitted,
            lost=found.lost,
            unaccounted=table.unaccounted(found.lost, waiting, dropped),
            repeated=found.repeated,
            exit_s=found.exit_s,
            survived=found.emitted > 0 and (found.lost == 0 or (kind.rejected and reported(found))),
        )

    began = time.monotonic()
    try:
        found = with_rig(system, use)
    except (subprocess.SubprocessError, OSError) as error:
        found, said = None, str(error)[:200]
    else:
        said = f"{found.lost} of {found.emitted} lost, {found.unaccounted} unaccounted"
    sys.stdout.write(f"{system:6} {kind.name}: {said} ({time.monotonic() - began:.0f} s)\n")
    sys.stdout.flush()
    return found


def hostile(system: str) -> dict[str, table.Hostile]:
    def use(rig):
        process = rig.start(hostile=5)
        rig.finish(process, 300)
        raised = json.loads(Path(f"{process.log}.hostile").read_text())
        copies = rig.sink.copies()
        found = {}
        for number, name in enumerate(INPUTS):
            bad, *good = (number * 100 + index for index in (50, *range(50), *range(51, 100)))
            found[name] = table.Hostile(name in raised, sum(each not in copies for each in good), bad in copies)
        return found

    return with_rig(system, use)


def held(system: str, seconds: float) -> int | None:
    """The highest rate at which the application keeps its pace and no span is lost; None if the lowest is too much."""
    best = None
    for rate in RATES:
        count = int(rate * seconds)

        def use(rig, rate=rate, count=count):
            began = time.monotonic()
            process = rig.start(count=count, rate=rate, flush=30)
            rig.wait_until(1, process)
            began = time.monotonic()
            rig.wait_until(count, process, seconds * 3)
            took = time.monotonic() - began
            rig.finish(process)
            return rig.outcome(), took

        found, took = with_rig(system, use)
        sys.stdout.write(f"{system:6} {rate}/s: {found.lost} of {found.emitted} lost in {took:.1f} s\n")
        sys.stdout.flush()
        if found.lost or found.emitted < count or took > seconds * 1.05 + 0.2:
            break
        best = rate
    return best


def all_faults(kinds: list[Kind], together: int) -> dict[str, dict[str, table.Fault | None]]:
    """By system and kind, in the order of the kinds: what mostly waits side by side, what needs the machine alone."""
    each = [(system, kind) for kind in kinds for system in table.SYSTEMS]
    beside = sorted((one for one in each if not one[1].alone), key=lambda one: -one[1].takes_s)
    with ThreadPoolExecutor(together) as pool:
        found = dict(zip(beside, pool.map(lambda one: fault(*one), beside), strict=True))
    found |= {one: fault(*one) for one in each if one[1].alone}
    return {system: {kind.name: found[system, kind] for kind in kinds} for system in table.SYSTEMS}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--only", default="", help="kinds whose name has this text")
    parser.add_argument("--faults-only", action="store_true", help="neither bad inputs nor load")
    parser.add_argument("--together", type=int, default=7, help="how many kinds side by side")
    parser.add_argument("--load-s", type=float, default=6, help="seconds for each rate")
    parser.add_argument("--write", action="store_true", help="write docs/faults.md and its summary in the README")
    asked = parser.parse_args()
    kinds = [kind for kind in KINDS if kind.fault and asked.only in kind.name]
    faults = all_faults(kinds, asked.together)
    if asked.faults_only:
        return
    measured = [
        table.Measured(TITLES[system], faults[system], hostile(system), held(system, asked.load_s))
        for system in table.SYSTEMS
    ]
    head = (
        f"Measured {datetime.now(UTC):%Y-%m-%d} with `make faults` on {os.cpu_count()} cores that other work shared, "
        f"{platform.system()}, Python {platform.python_version()}:"
    )
    page = table.page(*measured, head=head, load_s=asked.load_s)
    if asked.write:
        PAGE.write_text(page, encoding="utf-8")
        README.write_text(table.quoted(README.read_text(encoding="utf-8"), page), encoding="utf-8")
    else:
        sys.stdout.write(page)


if __name__ == "__main__":
    main()
