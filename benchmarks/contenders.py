"""What the benchmark compares: each contender's packages, and its own virtual environment outside the checkout."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "spanwatch-bench"
PIP = "pip>=25.1"  # older ones need many minutes to resolve openlit
SDK = "opentelemetry-sdk"


@dataclass(frozen=True, slots=True)
class Contender:
    """One row of the table: `name` picks its set-up in `worker.py`, `packages` is what a user would install."""

    name: str
    title: str
    packages: tuple[str, ...]
    openai: str = "openai>=1.66,<4"


CONTENDERS = (
    Contender("sdk_span", "one bare SDK span", (SDK,)),
    Contender("spanwatch", "spanwatch", (f"spanwatch @ {ROOT.as_uri()}",)),
    Contender(
        "genai_openai",
        "opentelemetry-instrumentation-genai-openai",
        ("opentelemetry-instrumentation-genai-openai", SDK),
    ),
    Contender("langfuse", "langfuse", ("langfuse",)),
    Contender("openinference", "openinference-instrumentation-openai", ("openinference-instrumentation-openai", SDK)),
    Contender("openllmetry", "opentelemetry-instrumentation-openai", ("opentelemetry-instrumentation-openai", SDK)),
    Contender("logfire", "logfire", ("logfire",)),
    Contender("openlit", "openlit", ("openlit>=1.45",), openai="openai>=2,<3"),
)


def python_of(contender: Contender) -> Path:
    """The interpreter of the contender's environment, made on first use.

    Raises:
        RuntimeError: pip could not install its packages; the text ends with pip's last line.
    """
    wanted = (platform.python_version(), contender.openai, *contender.packages, *_sources(contender))
    home = CACHE / f"{contender.name}-{hashlib.sha256(repr(wanted).encode()).hexdigest()[:12]}"
    python = home / "bin" / "python"
    if not (home / "complete").exists():
        print(f"  installing {contender.title} ...", file=sys.stderr, flush=True)
        venv.create(home, with_pip=True, clear=True)
        for requirements in ((PIP,), (contender.openai, *contender.packages)):
            answer = subprocess.run(
                [python, "-m", "pip", "install", "-q", "--disable-pip-version-check", *requirements],
                capture_output=True,
                text=True,
                check=False,
            )
            if answer.returncode:
                raise RuntimeError((answer.stderr.strip().splitlines() or ["pip failed"])[-1])
        (home / "complete").touch()
    return python


def _sources(contender: Contender) -> tuple[tuple[str, bytes], ...]:
    """Our own code is part of our environment's key: a changed checkout is installed anew."""
    if contender.name != "spanwatch":
        return ()
    files = sorted([ROOT / "pyproject.toml", *(ROOT / "src").rglob("*.py")])
    return tuple((str(file.relative_to(ROOT)), hashlib.sha256(file.read_bytes()).digest()) for file in files)
