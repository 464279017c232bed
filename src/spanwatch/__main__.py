"""`python -m spanwatch` is `spanwatch`."""

from __future__ import annotations

import sys

from spanwatch.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
