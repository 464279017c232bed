"""Programs of a user's, run as processes of their own in one directory."""

import os
import subprocess
import sys

START = """
import spanwatch
from opentelemetry.trace import format_span_id, format_trace_id, get_current_span
spanwatch.configure(service="svc", banner="off", live_interval=0)
"""


def run(home, code, *arguments, **environment):
    """What the program printed."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("OPENAI_", "OTEL_", "SPANWATCH_"))}
    answer = subprocess.run(
        [sys.executable, "-W", "error", "-c", START + code, *arguments],
        cwd=home,
        env={**clean, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    assert "failed with" not in answer.stderr, answer.stderr
    return answer.stdout.strip()
