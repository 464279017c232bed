"""`make up` creates what compose.yaml asks for under .secrets/: random where it can be, refused where it must be said.

What exists is left alone. Alert URLs default to an address where nobody listens, and that is said.
"""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path

RANDOM = ("otlp_token", "redaction_hmac_key", "grafana_admin_password", "grafana_secret_key")
URLS = ("alert_chat_url", "alert_pager_url")
NOBODY = "http://127.0.0.1:9/nobody-listens"


def create(directory: Path) -> list[str]:
    """Create what is missing; the names of what was created.

    Raises:
        ValueError: a file is empty, so that a service would run without its secret.
    """
    directory.mkdir(mode=0o700, exist_ok=True)
    created = []
    for name in (*RANDOM, *URLS):
        path = directory / name
        if not path.exists():
            write(path, secrets.token_hex(32) if name in RANDOM else NOBODY)
            created.append(name)
        elif not path.read_text(encoding="utf-8").strip():
            raise ValueError(f"{path} is empty: put the secret in, or remove it to have one made")
    return created


def write(path: Path, text: str) -> None:
    """A file that containers can read, which run as users of their own; on the host its directory shuts others out."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644), "w", encoding="utf-8") as file:
        file.write(text)


def main() -> None:
    """Create, and say what."""
    directory = Path(sys.argv[1])
    try:
        created = create(directory)
    except ValueError as error:
        sys.exit(f"secrets: {error}")
    if created:
        print(f"created in {directory}: {', '.join(created)}")
    for name in URLS:
        if (directory / name).read_text(encoding="utf-8") == NOBODY:
            print(f"alerts of {directory / name} go nowhere yet: put a webhook's URL in")


if __name__ == "__main__":
    main()
