"""A child that is forked while another thread is inside a lock of ours: what it needs is not locked for ever."""

import subprocess
import sys

import pytest

PROGRAM = """
import os, signal, sys, threading
from opentelemetry.metrics import NoOpMeterProvider
from spanwatch.core.attributes import Totals
from spanwatch.core.budgets import Budget
from spanwatch.core.call import Call
from spanwatch.otel.budgets.gauges import Gauges
from spanwatch.otel.counted import Counted
from spanwatch.otel.desk import Desk
from spanwatch.otel.feedback.gate import Gate, rules_from
from spanwatch.otel.frames import Frame, Frames
from spanwatch.otel.instance import Instance
from spanwatch.otel.monitor import AgentMonitor
from spanwatch.otel.twins import Twins

CALL = Call("c", "chat", 0, 1)
made, use = {
    "gauges": lambda: (Gauges(NoOpMeterProvider().get_meter("m"), (), lambda _name, _most: []), lambda it: it._now()),
    "instance": lambda: (Instance(), lambda it: it.stop(0)),
    "counted": lambda: (Counted(), lambda it: it.first("c")),
    "frames": lambda: (Frames(), lambda it: it._roll_up([Frame(lambda: None, None)], Totals.add_tool)),
    "twins": lambda: (Twins(lambda: 0), lambda it: it.counted(CALL, None)),
    "gate": lambda: (Gate(rules_from(["*"], "10/1m", 1024)), lambda it: it.refused("POST", {}, "client")),
    "desk": lambda: (Desk(alone=True), lambda it: it.recent("response")),
    "monitor": lambda: (AgentMonitor("bot"), lambda it: it.monitor_response(it.monitor_request("hello"))),
}[sys.argv[1]]()
held, over = threading.Event(), threading.Event()

def hold():
    with made._lock:
        held.set()
        over.wait(20)

threading.Thread(target=hold, daemon=True).start()
held.wait(20)
child = os.fork()
if child == 0:
    signal.alarm(10)  # ends the child that waits
    use(made)
    os._exit(0)
status = os.waitpid(child, 0)[1]
over.set()
sys.exit(os.waitstatus_to_exitcode(status))
"""


@pytest.mark.parametrize("held", ["gauges", "instance", "counted", "frames", "twins", "gate", "desk", "monitor"])
def test_a_child_is_not_stopped_by_a_lock_that_a_thread_of_its_parent_held(held):
    subprocess.run([sys.executable, "-W", "ignore", "-c", PROGRAM, held], check=True, timeout=60)


SCOPE = """
import os, signal, sys, threading
import spanwatch
from spanwatch.otel.spans import scope as room

shared, real = spanwatch.agent("bot"), room.get_current
inside, over = threading.Event(), threading.Event()

def slowly():
    if threading.current_thread().name == "slow":
        inside.set()
        over.wait(20)
    return real()

def work():
    with shared:
        room.get_current = slowly

threading.Thread(target=work, name="slow", daemon=True).start()
inside.wait(20)
child = os.fork()
if child == 0:
    signal.alarm(10)  # ends the child that waits
    with shared:
        pass
    os._exit(0)
status = os.waitpid(child, 0)[1]
over.set()
sys.exit(os.waitstatus_to_exitcode(status))
"""


def test_a_child_is_not_stopped_by_a_thread_of_its_parent_that_was_leaving_the_same_scope():
    subprocess.run([sys.executable, "-W", "ignore", "-c", SCOPE], check=True, timeout=60)
