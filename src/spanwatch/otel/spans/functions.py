"""Functions, coroutines and generators with a scope around each of their runs."""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Callable, Sequence
from typing import Any

from opentelemetry.context import get_current

from spanwatch.otel.context import attach, detach
from spanwatch.otel.spans.kinds import Plan
from spanwatch.otel.spans.run import Reading, Run, begun
from spanwatch.otel.spans.stepping import asteps, steps
from spanwatch.otel.spans.values import given

_OWNERS = frozenset({"self", "cls"})


def scoped(plan: Plan, function: Any) -> Any:
    """The function with a run of `plan` around each call; of the same kind and with the same signature.

    Raises:
        TypeError: it is a class, or nothing that can be called.
    """
    if isinstance(function, (classmethod, staticmethod)):
        return type(function)(scoped(plan, function.__func__))
    if isinstance(function, type) or not callable(function):
        word = plan.kind.word
        raise TypeError(f"@{word}(...) goes on a function or method, not on {function!r}: decorate what does the work")
    code = function if inspect.isroutine(function) or isinstance(function, functools.partial) else function.__call__
    if inspect.isasyncgenfunction(code):
        return _GeneratorFunction(plan, function, asteps)
    if inspect.isgeneratorfunction(code):
        return _GeneratorFunction(plan, function, steps)
    return _coroutine(plan, function) if inspect.iscoroutinefunction(code) else _plain(plan, function)


def _plain(plan: Plan, function: Callable[..., Any]) -> Callable[..., Any]:
    start = _Start(plan, function)

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        run = start(args, kwargs)
        if run is None:
            return function(*args, **kwargs)
        run.admit()
        token = attach(run.context)
        try:
            result = function(*args, **kwargs)
        except BaseException as error:
            run.failed(error)
            raise
        finally:
            detach(token)
        run.succeeded(result)
        return result

    return wrapper


def _coroutine(plan: Plan, function: Callable[..., Any]) -> Callable[..., Any]:
    start = _Start(plan, function)

    @functools.wraps(function)
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        run = start(args, kwargs)
        if run is None:
            return await function(*args, **kwargs)
        await run.aadmit()
        token = attach(run.context)
        try:
            result = await function(*args, **kwargs)
        except BaseException as error:
            run.failed(error)
            raise
        finally:
            detach(token)
        run.succeeded(result)
        return result

    return wrapper


class _Start:
    """Begins a run for one call of a function."""

    __slots__ = ("_parameters", "_plan", "_skip")

    def __init__(self, plan: Plan, function: Callable[..., Any]) -> None:
        parameters = _positional(function)
        self._plan, self._skip = plan, bool(parameters) and parameters[0] in _OWNERS
        self._parameters = parameters[1:] if self._skip else parameters

    def __call__(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Run | None:
        return begun(self._plan, self.reading(args, kwargs))

    def reading(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Reading | None:
        """What reads the arguments, once it is known whether content is on; None when there are none."""
        if self._skip:
            args = args[1:]
        if not (args or kwargs):
            return None
        return functools.partial(given, self._plan.kind, self._parameters, args, kwargs)


class _GeneratorFunction:
    """A generator function with a run around each of its generators, in the context of the call.

    Not a function itself: a generator function's code runs at the first step, when the scope around the call may be
    over, as with a web framework's streamed response. To `inspect` it is a generator function all the same.
    """

    def __init__(self, plan: Plan, function: Any, around: Callable[..., Any]) -> None:
        functools.update_wrapper(self, function)
        self._plan, self._function, self._around = plan, function, around
        self._start = _Start(plan, function)
        for name in ("__code__", "__defaults__", "__kwdefaults__"):
            setattr(self, name, getattr(function, name, None))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        context, reading = get_current(), self._start.reading(args, kwargs)
        inner = self._function(*args, **kwargs)
        outer = self._around(lambda: begun(self._plan, reading, context), inner)
        outer.__name__, outer.__qualname__ = inner.__name__, inner.__qualname__
        return outer

    def __get__(self, owner: Any, kind: type | None = None) -> Any:
        return self if owner is None else types.MethodType(self, owner)


def _positional(function: Any) -> Sequence[str]:
    """The names of a function's positional parameters, as far as they can be known."""
    if isinstance(function, types.MethodType):
        return _positional(function.__func__)[1:]
    code = getattr(inspect.unwrap(function), "__code__", None)
    return () if code is None else code.co_varnames[: code.co_argcount]
