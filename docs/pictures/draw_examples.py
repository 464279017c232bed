"""Draw docs/pictures/examples: what each program of examples/ leaves to look at, run for real: `make pictures`."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from demo.server import Config, DemoServer
from docs.pictures.draw import ROOT, clean_environment, recorded, svg

PICTURES = Path(__file__).resolve().parent / "examples"
TRACE = "TRACE"  # in a command: the id of the scene's trace
ANSWER = Config(
    latency=0.03,
    response_suffix="",
    prompt_tokens=1240,
    cached_tokens=1024,
    cache_write_tokens=0,
    completion_tokens=86,
    reasoning_tokens=0,
)


@dataclass(frozen=True, slots=True)
class Scene:
    """A program, the server it talks to and the commands whose output is drawn; `trace` counts from the first."""

    program: str
    commands: Sequence[str]
    server: Config = ANSWER
    trace: int = -1


SCENES = (
    Scene("support_bot", (f"spanwatch trace {TRACE}", "spanwatch feedback --low"), trace=1),
    Scene(
        "research_agent",
        (f"spanwatch trace {TRACE}", "spanwatch budgets"),
        replace(ANSWER, prompt_tokens=900, cached_tokens=0, completion_tokens=300, tool_args='{"query": "heat pumps"}'),
    ),
    Scene("rag", (f"spanwatch trace {TRACE}",)),
    Scene("handoffs", (f"spanwatch trace {TRACE}",), replace(ANSWER, tool_args='{"to": "billing"}')),
    Scene("batch_report", ("spanwatch report",)),
)


def main() -> None:
    """Each scene's picture anew."""
    PICTURES.mkdir(exist_ok=True)
    for scene in SCENES:
        with tempfile.TemporaryDirectory() as scratch:
            text = played(scene, Path(scratch))
        picture = svg(text, f"examples/{scene.program}.py")
        (PICTURES / f"{scene.program}.svg").write_text(picture, encoding="utf-8")


def played(scene: Scene, directory: Path) -> str:
    """The program run in a directory, and what a terminal shows of the commands after it."""
    with DemoServer(scene.server) as server:
        environment = {
            **clean_environment(),
            "OPENAI_BASE_URL": server.base_url,
            "OPENAI_API_KEY": "demo",
            "SPANWATCH_PROVIDERS": "127.0.0.1=openai",  # the server stands in for OpenAI's
        }
        program = [sys.executable, str(ROOT / "examples" / f"{scene.program}.py")]
        subprocess.run(program, cwd=directory, env=environment, check=True, capture_output=True, timeout=120)
    trace_id = _traces(directory, environment)[scene.trace]
    commands = [command.replace(TRACE, trace_id) for command in scene.commands]
    return "\n".join(f"$ {command}\n{_shown(command, directory, environment)}" for command in commands)


def _shown(command: str, directory: Path, environment: Mapping[str, str]) -> str:
    return recorded([sys.executable, "-m", *command.split()], directory, environment)


def _traces(directory: Path, environment: Mapping[str, str]) -> list[str]:
    """The ids of the stored traces, the first one first."""
    command = [sys.executable, "-m", "spanwatch", "traces", "--json"]
    listed = subprocess.run(
        command, cwd=directory, env=environment, check=True, capture_output=True, text=True, timeout=60
    )
    return [json.loads(line)["trace_id"] for line in reversed(listed.stdout.splitlines())]


if __name__ == "__main__":
    main()
