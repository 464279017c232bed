"""The same samples and expressions for a real Prometheus and for ours, and how their answers differ."""

import contextlib
import json
import math
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request

from spanwatch.core.errors import EvaluationError
from spanwatch.core.points import Distribution
from spanwatch.core.promql import Element, Evaluation, Tracks, load, vector_of
from spanwatch.core.promql.tracks import NAME

STEP_MS, LENGTH = 15_000, 100
CHUNKS_MS = 2 * 3_600_000


@contextlib.contextmanager
def server(program, directory, made):
    """A Prometheus with the samples that `made` gives from a start on: its address, a source of the same, the start."""
    (directory / "prometheus.yml").write_text("storage: {tsdb: {out_of_order_time_window: 3h}}\n")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    words = [program, f"--config.file={directory / 'prometheus.yml'}"]
    words += [f"--storage.tsdb.path={directory / 'data'}", f"--web.listen-address=127.0.0.1:{port}"]
    words += ["--web.enable-otlp-receiver", "--log.level=error"]
    log = (directory / "log").open("w")
    process = subprocess.Popen(words, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_ready(url)
        start = _start(int(time.time()) * 1000)
        tracks = list(made(start))
        for first in range(0, len(tracks), 100):
            _push(url, tracks[first : first + 100])
        yield url, Tracks(tracks), start
    finally:
        process.terminate()
        process.wait(30)
        log.close()


def _start(now):
    """When samples begin that are over now, or just before the server's last change of chunks.

    Beyond that a histogram has other empty buckets, which `changes()` takes for a change of its value.
    """
    change = now // CHUNKS_MS * CHUNKS_MS
    whole = (LENGTH + 8) * STEP_MS
    return (now if now - change > whole else change) - whole


def _wait_ready(url):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{url}/-/ready", timeout=5):
                return
        except OSError:
            time.sleep(0.2)
    raise AssertionError("Prometheus is not ready")


def _push(url, tracks):
    metrics = [{"name": dict(t.labels)[NAME], **_data(t)} for t in tracks]
    body = {"resourceMetrics": [{"resource": {"attributes": []}, "scopeMetrics": [{"metrics": metrics}]}]}
    request = urllib.request.Request(
        f"{url}/api/v1/otlp/v1/metrics", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            assert answer.status == 200
    except urllib.error.HTTPError as error:
        with error:
            raise AssertionError(error.read()[:500]) from None


def _data(track):
    points = list(_points(track))
    if any(isinstance(value, Distribution) for value in track.values):
        return {"exponentialHistogram": {"aggregationTemporality": 2, "dataPoints": points}}
    return {"gauge": {"dataPoints": points}}


def _buckets(indexed):
    """Buckets as OTLP has them: from an offset on, one after the other."""
    first = indexed[0][0] if indexed else 0
    counts = [0] * (indexed[-1][0] - first + 1 if indexed else 0)
    for index, count in indexed:
        counts[index - first] = int(count)
    return {"offset": first, "bucketCounts": list(map(str, counts))}


def _points(track):
    attributes = [{"key": k, "value": {"stringValue": v}} for k, v in track.labels if k != NAME]
    for at, value in zip(track.times, track.values, strict=True):
        point = {"timeUnixNano": str(at * 1_000_000), "attributes": attributes}
        if value is None:
            yield {**point, "flags": 1}
        elif isinstance(value, Distribution):
            found = value.buckets
            sides = {"positive": _buckets(found.positive), "negative": _buckets(found.negative)}
            counts = {"count": str(int(value.count)), "sum": value.sum, "zeroCount": str(int(found.zero))}
            yield {**point, **counts, "scale": found.scale, **sides}
        else:
            yield {**point, "asDouble": "Infinity" if math.isinf(value) else value}


def asked(url, text, at_ms):
    """What the server answers: elements, or the words of its error."""
    query = urllib.parse.urlencode({"query": text, "time": f"{at_ms / 1000:.3f}"})
    try:
        with urllib.request.urlopen(f"{url}/api/v1/query?{query}", timeout=60) as answer:
            found = json.loads(answer.read())["data"]
    except urllib.error.HTTPError as error:
        with error:
            return json.loads(error.read())["error"]
    if found["resultType"] == "scalar":
        return [Element((), float(found["result"][1]))]
    return [Element(tuple(sorted(each["metric"].items())), _value(each)) for each in found["result"]]


def _value(result):
    """A number, or of a histogram its count, its sum, and the end and count of each bucket."""
    if "histogram" not in result:
        return float(result["value"][1])
    found = result["histogram"][1]
    buckets = [number for _, _, high, count in found.get("buckets", ()) for number in (float(high), float(count))]
    return [float(found["count"]), float(found["sum"]), *buckets]


def ours(source, text, at_ms):
    try:
        found = vector_of(Evaluation(source, at_ms).result(load(text)))
        return [Element(each.labels, _numbers(each.value)) for each in found]
    except EvaluationError as error:
        return str(error)


def _numbers(value):
    if not isinstance(value, Distribution):
        return value
    found = value.buckets
    wide = 2.0**-found.scale
    sides = [(-(2.0 ** (index * wide)), count) for index, count in reversed(found.negative)]
    sides += [(0.0, max(0.0, found.zero)), *((2.0 ** ((index + 1) * wide), count) for index, count in found.positive)]
    return [value.count, value.sum, *(number for end, count in sides if count for number in (end, count))]


def differ(one, other):
    """How two answers differ, or None. Which of equal values topk takes is left open: values are compared then."""
    if isinstance(one, str) or isinstance(other, str):
        return None if isinstance(one, str) and isinstance(other, str) else f"{one!r} and {other!r}"
    if {each.labels for each in one} != {each.labels for each in other}:
        return f"{len(one)} and {len(other)} elements with other labels"
    known = {each.labels: each.value for each in other}
    for each in one:
        a, b = each.value, known[each.labels]
        numbers = [found if isinstance(found, list) else [found] for found in (a, b)]
        if len(numbers[0]) != len(numbers[1]) or not all(map(_same, *numbers)):
            return f"{each.labels}: {a!r} and {b!r}"
    return None


def _same(a, b):
    return a == b or (math.isnan(a) and math.isnan(b)) or math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-9)


def tied(text, one, other):
    """Whether only ties of topk or bottomk were broken otherwise."""
    if not text.startswith(("topk", "bottomk")) or isinstance(one, str) or isinstance(other, str):
        return False
    left, right = (sorted(each.value for each in found) for found in (one, other))
    return len(left) == len(right) and all(math.isclose(a, b, rel_tol=1e-9) for a, b in zip(left, right, strict=True))


def compared(prometheus, texts):
    """How many answers have elements, and each difference."""
    (url, source, start), differences, answered = prometheus, [], 0
    for text in texts:
        for at in (start + 7 * STEP_MS + 1, start + 64 * STEP_MS, start + (LENGTH + 4) * STEP_MS + 3_333):
            mine, theirs = ours(source, text, at), asked(url, text, at)
            answered += bool(mine) and not isinstance(mine, str)
            found = differ(mine, theirs)
            if found is not None and not tied(text, mine, theirs):
                differences.append(f"{text} at {at - start}: ours and theirs: {found}")
    return answered, differences
