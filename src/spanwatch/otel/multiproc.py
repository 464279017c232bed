"""A last word in `multiprocessing` children, which end by `os._exit` and so run no atexit hook."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any


class AtChildExit:
    """Runs `action` when a child of `multiprocessing` ends; keep it as long as that shall happen.

    Nothing is imported for it: a process that has not loaded `multiprocessing` is no child of it.
    """

    def __init__(self, action: Callable[[], object]) -> None:
        self._action = action
        self._in_spawned_child()

    def after_fork(self) -> None:
        """To be called in a forked child, before `multiprocessing` runs its own after-fork hooks."""
        util = sys.modules.get("multiprocessing.util")
        if util is not None:
            util.register_after_fork(self, AtChildExit._finalize)

    def _in_spawned_child(self) -> None:
        process: Any = sys.modules.get("multiprocessing.process")
        if process is not None and process.parent_process() is not None:
            self._finalize()

    def _finalize(self) -> None:
        sys.modules["multiprocessing.util"].Finalize(None, self._action, exitpriority=0)
