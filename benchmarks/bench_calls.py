"""What one model call costs with spanwatch, beside a bare client and other instrumentations: `make bench`.

Each contender lives in its own virtual environment outside the checkout (made on first use) and in two processes: one
instrumented, one bare twin with the same packages. The driver asks them in turn, A/B then B/A, round after round, so
that what else the machine does hits both; a figure is the median over the rounds of (instrumented - bare). The demo
server has its own process: its CPU time is nobody's.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import textwrap
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.contenders import CONTENDERS, Contender, python_of
from demo.server import DemoProcess

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results.md"
README = HERE.parent / "README.md"
BEGIN, END = "<!-- benchmarks/results.md, kept by make bench -->", "<!-- end of benchmarks/results.md -->"
CHUNKS = 100
CALLS = 30
STREAMS = 4
STARTS = 5


@dataclass
class Worker:
    """A contender's process; it answers one line with one line."""

    process: subprocess.Popen[str]
    set_up_s: float
    openai_version: str

    def ask(self, what: str, times: int) -> float:
        """Microseconds of CPU per repetition."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{what} {times}\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f"it ended with code {self.process.wait()} during `{what}`")
        return float(answer)


@dataclass
class Entrant:
    """A contender that runs, and what was measured of it so far."""

    contender: Contender
    version: str
    bare: Worker
    instrumented: Worker
    set_ups: list[float] = field(default_factory=list)
    pairs: dict[str, list[tuple[float, float]]] = field(default_factory=lambda: {"call": [], "stream": []})

    def measure(self, what: str, times: int, *, bare_first: bool) -> None:
        """One pair, in either order."""
        if bare_first:
            bare = self.bare.ask(what, times)
            self.pairs[what].append((bare, self.instrumented.ask(what, times)))
        else:
            instrumented = self.instrumented.ask(what, times)
            self.pairs[what].append((self.bare.ask(what, times), instrumented))

    def added(self, what: str) -> float:
        """Microseconds that the instrumentation adds: the median of the pairs' differences."""
        return statistics.median(instrumented - bare for bare, instrumented in self.pairs[what])

    def plain(self, what: str) -> float:
        """Microseconds of the bare twin."""
        return statistics.median(bare for bare, _ in self.pairs[what])


def start(python: Path, contender: Contender, mode: str, url: str, errors: Path) -> Worker:
    """Start a worker and wait until it is set up.

    Raises:
        RuntimeError: it ended before; the text is the last line of its errors.
    """
    clean = {
        name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "SPANWATCH_", "PYTHON"))
    }
    with errors.open("w") as stderr:
        process = subprocess.Popen(
            [python, HERE / "worker.py", contender.name, mode, url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            env=clean,
            cwd=errors.parent,
        )
    assert process.stdout is not None
    if words := process.stdout.readline().split():
        return Worker(process, float(words[0]), words[1])
    process.wait()
    raise RuntimeError((errors.read_text().strip().splitlines() or ["it said nothing"])[-1])


def version_of(python: Path, contender: Contender) -> str:
    """The installed version of what the row is named after."""
    package = "opentelemetry-sdk" if contender.name == "sdk_span" else contender.title
    code = f"import importlib.metadata as m; print(m.version({package!r}))"
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def enter(url: str, scratch: Path, wanted: list[str]) -> tuple[list[Entrant], dict[str, str]]:
    """Every contender that installs and starts, and why the others did not."""
    entrants, missing = [], {}
    for contender in CONTENDERS:
        if wanted and contender.name not in wanted:
            continue
        try:
            python = python_of(contender)
            bare = start(python, contender, "bare", url, scratch / f"{contender.name}.bare.log")
            ours = start(python, contender, "instrumented", url, scratch / f"{contender.name}.log")
            entrant = Entrant(contender, version_of(python, contender), bare, ours)
            for worker in (bare, ours):
                worker.ask("call", 20)  # connections, caches and lazy imports are not what is measured
                worker.ask("stream", 2)
            if ours.ask("seen", 1):
                entrants.append(entrant)
            else:
                missing[contender.title] = "it traced none of its calls"
        except (RuntimeError, OSError, subprocess.SubprocessError) as error:
            missing[contender.title] = str(error)
            print(f"  {contender.title}: left out, {error}", file=sys.stderr)
    return entrants, missing


def measure(entrants: list[Entrant], rounds: int, url: str, scratch: Path) -> None:
    """All rounds, contenders in turn."""
    for number in range(rounds):
        print(f"\r  round {number + 1} of {rounds} ", end="", file=sys.stderr, flush=True)
        for entrant in entrants:
            entrant.measure("call", CALLS, bare_first=number % 2 == 0)
            entrant.measure("stream", STREAMS, bare_first=number % 2 == 1)
    for number in range(STARTS):
        print(f"\r  start {number + 1} of {STARTS}    ", end="", file=sys.stderr, flush=True)
        for entrant in entrants:
            python = python_of(entrant.contender)
            worker = start(python, entrant.contender, "instrumented", url, scratch / "start.log")
            worker.process.kill()
            worker.process.wait()
            entrant.set_ups.append(worker.set_up_s)
    print(file=sys.stderr)


def table(entrants: list[Entrant], missing: dict[str, str], rounds: int) -> str:
    """The results as Markdown."""
    lines = [
        "<!-- Generated by `make bench` (benchmarks/bench_calls.py): run it again instead of editing. -->",
        "",
        "# What one call costs",
        "",
        _paragraph(
            f"""
            Measured {dt.datetime.now(dt.UTC):%Y-%m-%d} with `make bench` on {os.cpu_count()} cores of {_cpu()},
            {platform.system()}, Python {platform.python_version()}: {rounds} rounds, medians of interleaved pairs,
            CPU time of the whole process (background threads and a flush included), streams of {CHUNKS} chunks,
            content capture off where it can be.
            """
        ),
        "",
        "| | version | openai | added per call | of a bare call | added per stream chunk | import + configure |",
        "| --- | --- | --- | ---: | ---: | ---: | ---: |",
    ]
    bare = {entrant.bare.openai_version: entrant for entrant in reversed(entrants)}
    for version, entrant in sorted(bare.items(), reverse=True):
        chunk = entrant.plain("stream") / CHUNKS
        lines.append(f"| bare client | {version} | | ({entrant.plain('call'):.0f} µs) | | ({chunk:.1f} µs) | |")
    lines += [_row(entrant) for entrant in entrants]
    if missing:
        lines += ["", "Left out:", "", *(f"- {title}: {reason}" for title, reason in missing.items())]
    about = """
        Contenders export spans to an exporter that does nothing; spanwatch runs as configured by default, with
        prices, metrics, roll-ups, journal and embedded store. langfuse and logfire have no switch for content.
        import + configure is CPU time on top of importing openai and the OTel SDK.
    """
    lines += ["", _paragraph(about), ""]
    return "\n".join(lines)


def quoted(readme: str, results: str) -> str:
    """The README with these results in place of its last ones, headline and first line left away."""
    before, rest = readme.split(f"{BEGIN}\n")
    _, after = rest.split(END)
    body = results.partition("# What one call costs\n\n")[2]
    return f"{before}{BEGIN}\n\n{body}\n{END}{after}"


def _row(entrant: Entrant) -> str:
    call, chunk = entrant.added("call"), entrant.added("stream") / CHUNKS
    set_up = statistics.median(entrant.set_ups) * 1000
    return (
        f"| {entrant.contender.title} | {entrant.version} | {entrant.bare.openai_version} | {call:.0f} µs "
        f"| {call / entrant.plain('call'):.2f} | {chunk:.1f} µs | {set_up:.0f} ms |"
    )


def _paragraph(text: str) -> str:
    return textwrap.fill(" ".join(text.split()), 120)


def _cpu() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--only", nargs="*", default=[], help="names of contenders; nothing is written then")
    args = parser.parse_args()
    options = {"n_chunks": CHUNKS, "response_model": "gpt-4o-mini-2024-07-18"}
    with tempfile.TemporaryDirectory() as logs, DemoProcess(**options) as server:
        scratch, url = Path(logs), server.base_url
        entrants, missing = enter(url, scratch, args.only)
        try:
            measure(entrants, args.rounds, url, scratch)
        finally:
            for worker in (w for entrant in entrants for w in (entrant.bare, entrant.instrumented)):
                worker.process.kill()
                worker.process.wait()
    text = table(entrants, missing, args.rounds)
    print(text)
    if not args.only:
        RESULTS.write_text(text, encoding="utf-8")
        README.write_text(quoted(README.read_text(encoding="utf-8"), text), encoding="utf-8")


if __name__ == "__main__":
    main()
