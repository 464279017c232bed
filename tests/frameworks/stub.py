"""A server that speaks the protocols of Anthropic, Gemini and Bedrock.

A prompt with the word "fail" gets an error, one with "busy" or "throttled" at its first attempt.
"""

import json
import struct
import threading
from binascii import crc32
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TEXT = "amber birch"
ANTHROPIC = {
    "input_tokens": 40,
    "cache_read_input_tokens": 64,
    "cache_creation_input_tokens": 16,
    "output_tokens": 48,
}
GEMINI = {
    "promptTokenCount": 120,
    "candidatesTokenCount": 24,
    "thoughtsTokenCount": 24,
    "cachedContentTokenCount": 64,
    "totalTokenCount": 168,
}
AWS = {429: "ThrottlingException", 503: "ServiceUnavailableException"}
BEDROCK = {
    "inputTokens": 40,  # without those read from and written to the cache
    "cacheReadInputTokens": 24,
    "cacheWriteInputTokens": 8,
    "outputTokens": 48,
    "totalTokens": 120,
}


class Stub:
    """The server in a daemon thread of this process; `url` is its address, `seen` what was asked."""

    def __init__(self):
        self.seen = []
        stub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                asked = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
                first = (self.path, asked) not in stub.seen
                stub.seen.append((self.path, asked))
                status, kind, body = (first and refusal(asked)) or answer(self.path, asked)
                body = body if isinstance(body, bytes) else body.encode()
                self.send_response(status)
                self.send_header("Content-Type", kind)
                if status != 200:
                    self.send_header("x-amzn-errortype", AWS.get(status, "InternalServerException"))
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def refusal(asked):
    """How the first attempt of a prompt with the word "busy" or "throttled" is answered, None for others."""
    for word, status in (("busy", 503), ("throttled", 429)):
        if word in json.dumps(asked):
            return status, "application/json", '{"message": "later"}'
    return None


def answer(path, asked):
    """Status, media type and body."""
    if "fail" in json.dumps(asked):
        told = {"error": {"type": "api_error", "code": 500, "message": "a secret"}, "message": "a secret"}
        return 500, "application/json", json.dumps(told)
    if path.endswith("/messages"):
        return events(asked) if asked.get("stream") else whole(message(asked))
    if ":streamGenerateContent" in path:
        return 200, "text/event-stream", "".join(f"data: {json.dumps(gemini(part))}\r\n\r\n" for part in TEXT.split())
    if ":generateContent" in path:
        return whole(gemini(TEXT))
    if path.endswith("/converse"):
        return whole(converse(asked))
    if path.endswith("/converse-stream"):
        return 200, "application/vnd.amazon.eventstream", b"".join(framed(*event) for event in conversed(asked))
    if path.endswith("/invoke") and "mistral" in path:
        return whole({"outputs": [{"text": TEXT, "stop_reason": "stop"}]})
    if path.endswith("/invoke"):
        return whole(message({"model": "claude-sonnet-4-5-20250929"}))
    return 404, "application/json", "{}"


def whole(body):
    return 200, "application/json", json.dumps(body)


def gemini(text):
    said = {"role": "model", "parts": [{"text": text}]}
    return {
        "candidates": [{"content": said, "finishReason": "STOP", "index": 0}],
        "usageMetadata": GEMINI,
        "modelVersion": "gemini-2.5-flash",
        "responseId": "gemini-1",
    }


def message(asked):
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": asked["model"],
        "content": [{"type": "text", "text": TEXT}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": ANTHROPIC,
    }


def events(asked):
    begun = {**message(asked), "content": [], "stop_reason": None, "usage": {**ANTHROPIC, "output_tokens": 1}}
    ended = {"stop_reason": "end_turn", "stop_sequence": None}
    told = [
        ("message_start", {"message": begun}),
        ("content_block_start", {"index": 0, "content_block": {"type": "text", "text": ""}}),
        ("content_block_delta", {"index": 0, "delta": {"type": "text_delta", "text": TEXT}}),
        ("content_block_stop", {"index": 0}),
        ("message_delta", {"delta": ended, "usage": {"output_tokens": 48}}),
        ("message_stop", {}),
    ]
    lines = [f"event: {kind}\ndata: {json.dumps({'type': kind, **body})}\n\n" for kind, body in told]
    return 200, "text/event-stream", "".join(lines)


def converse(asked):
    said = {"text": TEXT}
    if "toolConfig" in asked:
        said = {"toolUse": {"toolUseId": "tool_1", "name": "weather", "input": {"city": "Oslo"}}}
    return {
        "output": {"message": {"role": "assistant", "content": [said]}},
        "stopReason": "tool_use" if "toolConfig" in asked else "end_turn",
        "usage": BEDROCK,
        "metrics": {"latencyMs": 1},
    }


def conversed(asked):
    whole_answer = converse(asked)
    yield "messageStart", {"role": "assistant"}
    for word in TEXT.split():
        yield "contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": word}}
    yield "contentBlockStop", {"contentBlockIndex": 0}
    yield "messageStop", {"stopReason": whole_answer["stopReason"]}
    yield "metadata", {"usage": BEDROCK, "metrics": {"latencyMs": 1}}


def framed(kind, body):
    """An event as AWS frames it: lengths, their checksum, headers, payload, and the checksum of all of it."""
    named = {":event-type": kind, ":content-type": "application/json", ":message-type": "event"}
    headers = b"".join(
        struct.pack(">B", len(name)) + name.encode() + struct.pack(">BH", 7, len(value)) + value.encode()
        for name, value in named.items()
    )
    payload = json.dumps(body).encode()
    lengths = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    data = lengths + struct.pack(">I", crc32(lengths)) + headers + payload
    return data + struct.pack(">I", crc32(data))
