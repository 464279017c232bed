"""What is done around a fork, by objects that may be gone until then; nothing where processes do not fork (Windows)."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading  # noqa: F401 (its own handler has to come before ours)
import weakref
from collections.abc import Callable
from types import MethodType
from typing import Any, cast

# What is called here may log and begin threads: logging and threading, imported above, have mended themselves by then.
_log = logging.getLogger("spanwatch")
Method = Callable[[], object]


class HeldMethod(weakref.ref[Any]):
    """A bound method of an object that somebody else holds. `WeakMethod` fails in its callback when a process ends."""

    __slots__ = ("function",)
    function: Callable[[Any], object]


class Methods:
    """Bound methods in the order they were added, each until its object is gone. Takes no lock: a child could not."""

    def __init__(self) -> None:
        self._held: dict[int, HeldMethod] = {}  # each step on it is atomic, also in a finalizer
        self._told: set[str] = set()

    def __len__(self) -> int:
        return len(self._held)

    def add(self, method: Method) -> None:
        """Hold a method, weakly."""
        bound = cast("MethodType", method)
        reference = HeldMethod(bound.__self__, self._forget)
        reference.function = bound.__func__
        self._held[id(reference)] = reference

    def call(self, *, backwards: bool = False) -> None:
        """Call each. One that fails is told once and holds up no other; an interrupt passes after the last."""
        found = list(self._held.values())
        passing: BaseException | None = None
        for each in reversed(found) if backwards else found:
            owner = each()
            if owner is None:
                continue
            try:
                each.function(owner)
            except Exception as error:  # noqa: BLE001 (the host forks: a failing handler must not reach it)
                self._tell(getattr(each.function, "__qualname__", "a method"), error)
            except BaseException as interrupt:  # noqa: BLE001 (raised below)
                passing = interrupt
        if passing is not None:
            raise passing

    def _tell(self, name: str, error: Exception) -> None:
        if name not in self._told:
            self._told.add(name)
            with contextlib.suppress(Exception):  # a throwing log handler leaves nowhere to say it
                _log.warning("spanwatch: %s failed around a fork with %s; it goes on", name, type(error).__qualname__)

    def _forget(self, reference: weakref.ref[Any]) -> None:
        self._held.pop(id(reference), None)


class Handlers:
    """What is called around a fork, in the order of `os.register_at_fork`: before it the latest first."""

    def __init__(self) -> None:
        self._before, self._parent, self._child = Methods(), Methods(), Methods()
        if sys.platform != "win32":
            os.register_at_fork(before=self.before, after_in_parent=self.parent, after_in_child=self.child)

    def __len__(self) -> int:
        return len(self._before) + len(self._parent) + len(self._child)

    def add(self, before: Method | None, parent: Method | None, child: Method | None) -> None:
        """Hold what is given."""
        for methods, method in ((self._before, before), (self._parent, parent), (self._child, child)):
            if method is not None:
                methods.add(method)

    def before(self) -> None:
        """The process is about to fork."""
        self._before.call(backwards=True)

    def parent(self) -> None:
        """It has forked, and this is still it."""
        self._parent.call()

    def child(self) -> None:
        """It has forked, and this is the new one."""
        self._child.call()


class Forks:
    """The handlers of this process. `latest` take what is added; those before them keep their place."""

    def __init__(self) -> None:
        self.latest = Handlers()

    def after_others(self) -> None:
        """Have what is added from now on come after the handlers that others have registered until now.

        Handlers are never unregistered: call it where that order matters, and not for each of many objects.
        """
        self.latest = Handlers()


FORKS = Forks()


def around(*, before: Method | None = None, parent: Method | None = None, child: Method | None = None) -> None:
    """Have bound methods called before a fork, and after it in the parent and in the child. Keeps no object alive."""
    FORKS.latest.add(before, parent, child)


class Process:
    """Which process this is, for those who ask for every span: asking the system each time is not free."""

    __slots__ = ("__weakref__", "pid")

    def __init__(self) -> None:
        self.pid = os.getpid()
        around(child=self._forked)

    def _forked(self) -> None:
        self.pid = os.getpid()


PROCESS = Process()
