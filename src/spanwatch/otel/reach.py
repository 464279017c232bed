"""Whether a collector can be reached: one TCP connection to the endpoint that was configured, and to nothing else."""

from __future__ import annotations

import socket
import threading
from urllib.parse import urlsplit

TIMEOUT_S = 0.2
_PORTS = {"http": 80, "https": 443}


def reach(target: str, timeout: float = TIMEOUT_S) -> str:
    """`reachable`, or why not; takes `timeout` seconds at most, name resolution included."""
    answer: list[str] = []
    thread = threading.Thread(target=lambda: answer.append(_connect(target, timeout)), daemon=True)
    try:
        thread.start()
    except RuntimeError:  # from Python 3.12 on, while the interpreter shuts down
        return "not asked, the program ends"
    thread.join(timeout)
    return answer[0] if answer else f"no answer within {timeout * 1000:.0f} ms"


def _connect(target: str, timeout: float) -> str:
    try:
        parts = urlsplit(target if "://" in target else f"//{target}")
        port = parts.port or _PORTS.get(parts.scheme, 4317)
        with socket.create_connection((parts.hostname or "localhost", port), timeout):
            return "reachable"
    except TimeoutError:
        return f"no answer within {timeout * 1000:.0f} ms"
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return f"not reachable: {reason}"
