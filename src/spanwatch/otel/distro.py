"""Zero code: `spanwatch run` lets Python load this at start; it waits until the program loads something to trace.

Nothing but the standard library is imported before that, so other Python programs under the same command start as
fast as ever and monkey-patching servers get their turn first. Whatever fails here costs one line, never the program.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Sequence
from functools import partial
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

_SETUP, _CLIENT, _SDK = "spanwatch.otel.setup", "openai", "opentelemetry.sdk.trace"


def arm() -> None:
    """Set tracing up as soon as the OpenAI client or the OTel SDK has been imported, and instrument the client."""
    starter = _Starter()
    sys.meta_path.insert(0, _AfterImport({_CLIENT: starter.client_loaded, _SDK: starter.sdk_loaded}))


def arm_client() -> None:
    """Instrument the OpenAI client as soon as it has been imported; tracing is set up already."""
    after_import(_CLIENT, _Starter(begun=True).client_loaded)


def after_import(module: str, action: Callable[[], None]) -> None:
    """Call an action once a module has been imported: at once where it has, else when the program does it."""
    spec = getattr(sys.modules.get(module), "__spec__", None)
    if spec is not None and not getattr(spec, "_initializing", False):
        action()
    else:
        sys.meta_path.insert(0, _AfterImport({module: action}))


def attempt(action: Callable[[], object]) -> None:
    """Run an action of ours; a failure is told on stderr in one line and the program goes on."""
    try:
        action()
    except Exception as error:  # noqa: BLE001 (must not reach the program)
        text = " ".join(str(error).split()) or type(error).__qualname__
        if sys.stderr is not None:
            sys.stderr.write(f"spanwatch: this program runs untraced: {text}\n")


class _Starter:
    """Begins once, whichever comes first; our own imports of the SDK do not count."""

    def __init__(self, *, begun: bool = False) -> None:
        self._begun = begun

    def sdk_loaded(self) -> None:
        """The program may be about to make a provider: have ours in place, without a client library yet."""
        self._begin(engine=False)

    def client_loaded(self) -> None:
        """The program is about to make calls."""
        if not self._begin(engine=True):
            importlib.import_module(_SETUP).INSTANCE.start_engine()

    def _begin(self, *, engine: bool) -> bool:
        begins, self._begun = not self._begun, True
        if begins:
            setup = importlib.import_module(_SETUP)
            setup.INSTANCE.start(setup.settings_from({}), setup.run_id(), engine=engine)
        return begins


class _AfterImport(MetaPathFinder):
    """Calls an action once after each of some modules has been executed, whoever imports it."""

    def __init__(self, actions: dict[str, Callable[[], None]]) -> None:
        self._actions = actions

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec that the other finders have, its loader told to call back."""
        if fullname not in self._actions:
            return None
        for finder in sys.meta_path:
            spec = None if finder is self else finder.find_spec(fullname, path, target)
            if spec is not None:
                attempt(partial(self._watch, spec))
                return spec
        return None

    def _watch(self, spec: ModuleSpec) -> None:
        """Shadow the loader's `exec_module` on this one instance, until it is called."""
        loader: Any = spec.loader
        execute = loader.exec_module

        def exec_module(module: ModuleType) -> None:
            del loader.exec_module
            execute(module)
            action = self._actions.pop(spec.name, None)
            if action is not None:
                attempt(action)

        loader.exec_module = exec_module
