"""A sender that keeps to a rate, and keeps what was not acknowledged, as a durable one does."""

from __future__ import annotations

import http.client
import itertools
import threading
import time
from dataclasses import dataclass, field

from benchmarks.pipeline.recording import Body

SENDERS = 4
PATIENCE_S = 5.0


@dataclass(slots=True)
class Sent:
    """What became of it: what was acknowledged, how often the collector put it off, and what was given up."""

    seconds: float = 0.0
    bodies: int = 0
    spans: int = 0
    calls: int = 0
    megabytes: float = 0.0
    put_off: int = 0
    given_up: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


def offer(port: int, bodies: list[Body], calls_per_s: float, seconds: float, *, compressed: bool = False) -> Sent:
    """Send for some seconds at a rate of model calls; a body that is put off is tried again for a while."""
    sent, began = Sent(), time.monotonic()
    mean = sum(body.calls for body in bodies) / len(bodies)
    turns = itertools.count()
    threads = [
        threading.Thread(
            target=_send, args=(port, bodies, _Pace(mean / calls_per_s, began, seconds, turns, compressed), sent)
        )
        for _ in range(SENDERS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sent.seconds = time.monotonic() - began
    return sent


@dataclass(frozen=True, slots=True)
class _Pace:
    every_s: float
    began: float
    seconds: float
    turns: itertools.count[int]
    compressed: bool


def _send(port: int, bodies: list[Body], pace: _Pace, sent: Sent) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    while True:
        turn = next(pace.turns)
        due = pace.began + turn * pace.every_s
        if due > pace.began + pace.seconds or time.monotonic() > pace.began + 2 * pace.seconds:
            connection.close()
            return
        time.sleep(max(0.0, due - time.monotonic()))
        body = bodies[turn % len(bodies)]
        data, tries = body.anew(compressed=pace.compressed), 0
        deadline = time.monotonic() + PATIENCE_S
        while not _taken(connection, data, compressed=pace.compressed):
            tries += 1
            if time.monotonic() > deadline:
                break
            time.sleep(min(0.05 * 2**tries, 1.0))
        else:
            _acknowledged(sent, body, tries)
            continue
        with sent.lock:
            sent.given_up += body.spans
            sent.put_off += tries


def _acknowledged(sent: Sent, body: Body, tries: int) -> None:
    with sent.lock:
        sent.bodies += 1
        sent.spans += body.spans
        sent.calls += body.calls
        sent.megabytes += len(body.data) / 1e6
        sent.put_off += tries


def _taken(connection: http.client.HTTPConnection, data: bytes, *, compressed: bool) -> bool:
    headers = {"Content-Type": "application/x-protobuf", **({"Content-Encoding": "gzip"} if compressed else {})}
    try:
        connection.request("POST", "/v1/traces", data, headers)
        response = connection.getresponse()
        response.read()
    except (OSError, http.client.HTTPException):
        connection.close()
        return False
    return response.status == 200
