"""What is done around a fork, by objects that may be gone until then; nothing where processes do not fork (Windows)."""

from __future__ import annotations

import os
import sys
import weakref
from collections.abc import Callable


def around(
    *,
    before: Callable[[], object] | None = None,
    parent: Callable[[], object] | None = None,
    child: Callable[[], object] | None = None,
) -> None:
    """Have bound methods called before a fork, and after it in the parent and in the child. Keeps no object alive."""
    if sys.platform != "win32":
        os.register_at_fork(
            before=_while_there(before), after_in_parent=_while_there(parent), after_in_child=_while_there(child)
        )


def _while_there(method: Callable[[], object] | None) -> Callable[[], object]:
    if method is None:
        return lambda: None
    again = weakref.WeakMethod(method)
    return lambda: (found := again()) and found()


class Process:
    """Which process this is, for those who ask for every span: asking the system each time is not free."""

    __slots__ = ("__weakref__", "pid")

    def __init__(self) -> None:
        self.pid = os.getpid()
        around(child=self._forked)

    def _forked(self) -> None:
        self.pid = os.getpid()


PROCESS = Process()
