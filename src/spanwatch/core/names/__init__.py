"""Every attribute, event and metric name that spanwatch emits, once.

GenAI names follow open-telemetry/semantic-conventions-genai as of October 2026 (all "development" there).
"""

from __future__ import annotations

from spanwatch.core.names.attributes import *  # noqa: F403 (one namespace of constants, in two files)
from spanwatch.core.names.metrics import *  # noqa: F403 (see above)
