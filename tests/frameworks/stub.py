"""A server that speaks the protocols of Anthropic and Gemini. A prompt with the word "fail" gets an error."""

import json
import threading
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


class Stub:
    """The server in a daemon thread of this process; `url` is its address, `seen` what was asked."""

    def __init__(self):
        self.seen = []
        stub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                asked = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
                stub.seen.append((self.path, asked))
                status, kind, text = answer(self.path, asked)
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(text.encode())))
                self.end_headers()
                self.wfile.write(text.encode())

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


def answer(path, asked):
    """Status, media type and body."""
    if "fail" in json.dumps(asked):
        return 500, "application/json", json.dumps({"error": {"type": "api_error", "code": 500, "message": "a secret"}})
    if path.endswith("/messages"):
        return events(asked) if asked.get("stream") else whole(message(asked))
    if ":streamGenerateContent" in path:
        return 200, "text/event-stream", "".join(f"data: {json.dumps(gemini(part))}\r\n\r\n" for part in TEXT.split())
    if ":generateContent" in path:
        return whole(gemini(TEXT))
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
