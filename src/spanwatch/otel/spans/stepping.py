"""Generators under a scope: its context is current only while their own code runs, never while the consumer's does.

So a generator that is left, closed elsewhere or collected has nothing to take off any more, and spans that the consumer
starts between two steps have the consumer's parent.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator
from typing import Any

from spanwatch.otel.context import attach, detach
from spanwatch.otel.spans.run import Run

Begin = Callable[[], Run | None]


def steps(begin: Begin, generator: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
    """The same generator, with a run around its steps that begins with the first."""
    run = begin()
    if run is None:
        return (yield from generator)
    run.admit()
    items, resume, given = 0, generator.send, None
    while True:
        token = attach(run.context)
        try:
            item = resume(given)
        except StopIteration as stop:
            run.succeeded(stop.value, items)
            return stop.value
        except BaseException as error:
            run.failed(error)
            raise
        finally:
            detach(token)
            given = None  # an exception that holds this frame would be held by it
        items += 1
        try:
            given = yield item
            resume = generator.send
        except GeneratorExit:
            _close(run, generator, items)
            raise
        except BaseException as error:  # noqa: BLE001 (it is thrown on into the generator)
            resume, given = generator.throw, error


async def asteps(begin: Begin, generator: AsyncGenerator[Any, Any]) -> AsyncGenerator[Any, Any]:
    """The same asynchronous generator, with a run around its steps that begins with the first."""
    run = begin()
    if run is not None:
        await run.aadmit()
    items, resume, given = 0, generator.asend, None
    while True:
        token = None if run is None else attach(run.context)
        try:
            item = await resume(given)
        except StopAsyncIteration:
            if run is not None:
                run.succeeded(items=items)
            return
        except BaseException as error:
            if run is not None:
                run.failed(error)
            raise
        finally:
            if token is not None:
                detach(token)
            given = None  # an exception that holds this frame would be held by it
        items += 1
        try:
            given = yield item
            resume = generator.asend
        except GeneratorExit:
            await _aclose(run, generator, items)
            raise
        except BaseException as error:  # noqa: BLE001 (it is thrown on into the generator)
            resume, given = generator.athrow, error


def _close(run: Run, generator: Generator[Any, Any, Any], items: int) -> None:
    token = attach(run.context)
    try:
        generator.close()
    except BaseException as error:
        run.failed(error)
        raise
    finally:
        detach(token)
    run.left(items)


async def _aclose(run: Run | None, generator: AsyncGenerator[Any, Any], items: int) -> None:
    if run is None:
        await generator.aclose()
        return
    token = attach(run.context)
    try:
        await generator.aclose()
    except BaseException as error:
        run.failed(error)
        raise
    finally:
        detach(token)
    run.left(items)
