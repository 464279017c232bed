"""An application whose disk stalls and works again: `python stalling.py PLAN`, a plan in JSON; prints its accounts.

A pipe stands in the place of the journal's segment, full and read by nobody: a write that really blocks. `resume` has a
thread read it on, into the segment.
"""

from __future__ import annotations

import dataclasses
import json
import os
import sys
import threading
import time

from opentelemetry import trace

import spanwatch
from spanwatch.otel.setup import INSTANCE


class Disk:
    """What is under a journal that has a segment: takes nothing until `resume`."""

    def __init__(self, journal):
        self.segment = os.dup(journal._fd)
        self.reader, writer = os.pipe()
        self.filled = 0
        os.set_blocking(writer, False)
        try:
            while True:
                self.filled += os.write(writer, b"." * 4096)
        except BlockingIOError:
            os.set_blocking(writer, True)
        os.dup2(writer, journal._fd)
        os.close(writer)

    def resume(self):
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        skip = self.filled
        while data := os.read(self.reader, 65_536):
            kept, skip = data[skip:], max(0, skip - len(data))
            os.write(self.segment, kept)


def main():
    plan = json.loads(sys.argv[1])
    spanwatch.configure(
        service="faults", home=plan["home"], endpoint=plan["endpoint"], openai="none", banner="off", live_interval=0
    )
    tracer = trace.get_tracer("faults")

    def work(numbers):
        for number in numbers:
            tracer.start_span("work", attributes={"faults.id": number}).end()

    work(range(10))
    spanwatch.flush(10)
    journal = INSTANCE.runtime.journal
    disk = Disk(journal)
    held_up = threading.Thread(target=work, args=([10],), daemon=True)
    held_up.start()
    while journal._lock.acquire(blocking=False):
        journal._lock.release()
        time.sleep(0.001)
    work(range(11, 500))
    told = {"stalled": said(spanwatch.flush(0.3)), "held_up": held_up.is_alive()}
    if plan["resumes"]:
        disk.resume()
        told["resumed"] = said(spanwatch.flush(20))
    sys.stdout.write(json.dumps(told) + "\n")


def said(flushed):
    (account,) = (each for each in flushed.accounts if each.signal == "traces")
    return {"all": bool(flushed), **dataclasses.asdict(account)}


if __name__ == "__main__":
    main()
