"""What the worst collectors and the longest texts cost in memory: the peak of a process of its own."""

import subprocess
import sys

import pytest

from tests.faults.rig import bare_environment

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc"),
]
MIB = 1 << 20

PROGRAM = """
import gc, sys
from pathlib import Path
import spanwatch
from opentelemetry import trace

def memory(what):
    found = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(what)]
    return int(found[0].split()[1]) * 1024

spanwatch.configure(
    endpoint={url!r}, home={home!r}, openai="none", banner="off", exit_timeout=0, live_interval=0, **{more!r}
)
tracer = trace.get_tracer("app")
tracer.start_span("first").end()
spanwatch.flush({wait})
print(flush=True)
sys.stdin.readline()
gc.collect()
before = memory("VmRSS")
Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
{work}
print(memory("VmHWM") - before)
"""

HUGE = """
for number in range(400):
    text = chr(97 + number % 26) * 1_000_000
    tracer.start_span("s", attributes={"text": text}).end()
spanwatch.flush(2)
"""

ANSWERED = """
for number in range(5):
    tracer.start_span("s").end()
    spanwatch.flush(20)
"""


def grown(sink, tmp_path, work, wait=0, then=None, **more):
    """Bytes that the peak was above what there was before, and what was said.

    What the first delivery loads is there before if there is time to `wait` for it; the collector changes its mode
    `then`.
    """
    code = PROGRAM.format(url=sink.url, home=str(tmp_path / "home"), more=more, work=work, wait=wait)
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=bare_environment(),
    )
    process.stdout.readline()
    if then is not None:
        sink.mode(then)
    found, said = process.communicate("\n", timeout=120)
    assert process.returncode == 0, said
    return int(found), said


def test_the_peak_that_is_measured_sees_what_was_there_and_is_gone(sink, tmp_path):
    found, _ = grown(sink, tmp_path, "x = bytearray(b'1') * (100 << 20); del x")
    assert 90 * MIB <= found <= 130 * MIB


@pytest.mark.parametrize("store", [True, False])
def test_400_texts_of_a_megabyte_cost_64_mb_at_most_while_the_collector_hangs(sink, tmp_path, store):
    sink.mode("hang")
    found, _ = grown(sink, tmp_path, HUGE, store=store)
    assert found <= 64 * MIB


@pytest.mark.parametrize("kind", ["big", "bomb", "endless"])
def test_an_answer_of_64_mb_a_bomb_of_512_or_one_without_end_costs_16_mb_at_most_and_is_told(sink, tmp_path, kind):
    found, said = grown(sink, tmp_path, ANSWERED, wait=20, then=kind)
    assert found <= 16 * MIB
    assert "spans to " in said
    assert "its answer is longer than 4 MiB and was not read" in said
