"""An MCP server with one tool, on its standard input and output."""

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError

app = MCPServer("almanac", log_level="CRITICAL")


@app.tool()
def weather(city: str = "Oslo") -> str:
    """The weather of a city."""
    if city == "nowhere":
        raise ToolError("there is no such city")
    return "mild"


if __name__ == "__main__":
    app.run()
