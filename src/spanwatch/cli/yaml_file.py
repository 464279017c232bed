"""Reading YAML, safely; an extra, as nothing else needs it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from spanwatch.core.errors import UsageError

MAX_BYTES = 4 * 1024 * 1024


def read_yaml(path: Path) -> Any:
    """The content of a YAML file, as plain values.

    Raises:
        UsageError: it cannot be read, is too large or no YAML; or the extra is not installed.
    """
    try:
        import yaml  # type: ignore[import-untyped]  # noqa: PLC0415 (an extra)
    except ImportError:
        raise UsageError("rule files are YAML: pip install 'spanwatch[rules]'") from None
    try:
        if path.stat().st_size > MAX_BYTES:
            raise UsageError(f"{path} has {path.stat().st_size:,} bytes, and {MAX_BYTES:,} is the limit")
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from None
    except (yaml.YAMLError, RecursionError) as error:
        raise UsageError(f"{path} is no YAML: {' '.join(str(error).split())[:500]}") from None
