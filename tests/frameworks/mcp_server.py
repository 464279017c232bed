"""An MCP server with one tool, on its standard input and output; with the word `http` by streamable HTTP, traced.

Over HTTP it says its port, and ends when its input does.
"""

import socket
import sys
import threading

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError

app = MCPServer("almanac", log_level="CRITICAL")


@app.tool()
def weather(city: str = "Oslo") -> str:
    """The weather of a city."""
    if city == "nowhere":
        raise ToolError("there is no such city")
    return "mild"


def serve():
    """By streamable HTTP, on a free port."""
    import uvicorn

    import spanwatch

    spanwatch.configure(service="almanac", banner="off")
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app.streamable_http_app(), log_level="critical"))

    def end():
        sys.stdin.read()
        server.should_exit = True

    threading.Thread(target=end, daemon=True).start()
    sys.stdout.write(f"{listening.getsockname()[1]}\n")
    sys.stdout.flush()
    server.run(sockets=[listening])
    assert spanwatch.flush()


if __name__ == "__main__":
    if sys.argv[1:] == ["http"]:
        serve()
    else:
        app.run()
