"""An application that goes on and on while its clock is set back and forth: `python steady.py ours PLAN`.

Each numbered span is a model call, every tenth comes with a log record of the same number. The plan has what app.py's
has, and `clock`: pairs of seconds since the beginning and how far `time.time` and `time.time_ns` are off from then on.
"""

from __future__ import annotations

import json
import sys
import time

CALL = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o-mini",
    "gen_ai.usage.input_tokens": 900,
    "gen_ai.usage.output_tokens": 100,
}
LOGS_EVERY = 10


class Clock:
    """Stands in for the system's clock, which other processes need."""

    def __init__(self):
        self.offset_ns, self.real_ns = 0, time.time_ns
        time.time_ns = lambda: self.real_ns() + self.offset_ns
        time.time = lambda: (self.real_ns() + self.offset_ns) / 1e9

    def set(self, offset_s):
        self.offset_ns = int(offset_s * 1e9)


def main():
    clock = Clock()  # before anything takes a reference to the functions of `time`

    from opentelemetry._logs import LogRecord, get_logger

    from tests.faults.app import App

    plan = json.loads(sys.argv[2])
    app, jumps = App(sys.argv[1], plan), [tuple(each) for each in plan["clock"]]
    logger, began = get_logger("faults"), time.monotonic()
    for number in range(plan["count"]):
        app.span(number, **CALL)
        if number % LOGS_EVERY == 0:
            logger.emit(LogRecord(timestamp=time.time_ns(), body="tenth", attributes={"faults.id": number}))
        passed = time.monotonic() - began
        while jumps and passed >= jumps[0][0]:
            clock.set(jumps.pop(0)[1])
        if (behind := (number + 1) / plan["rate"] - passed) > 0:
            time.sleep(behind)
    clock.set(0)
    app.done()
    app.end()


if __name__ == "__main__":
    main()
