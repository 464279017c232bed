"""An OpenAI-compatible server on this machine, with faults on demand, for the demo and the tests.

It answers the real `openai` client: chat completions (plain, streamed, tools, n > 1, JSON schema), text completions,
responses (plain, streamed, retrieve, cancel), embeddings, images and models. Options are in `Config`.

    with DemoServer(Config(latency=0.01)) as server:
        client = openai.OpenAI(base_url=server.base_url, api_key="demo")

Stand-alone: `python -m demo.server --port 0 --print-url`. `GET /__stats` counts, `POST /__config` changes options.
"""

from demo.server.config import Config, cue
from demo.server.running import DemoProcess, DemoServer

__all__ = ["Config", "DemoProcess", "DemoServer", "cue"]
