"""The application's own `Stream` object, watched: its iterator counts, its response's close is heard.

The object stays what it is, so type, `isinstance` and every helper built on it hold. Only attributes of the instance
are replaced, and the response's are put back when the call has ended.
"""

from __future__ import annotations

import weakref
from collections.abc import AsyncIterator, Iterator
from typing import Any, Self

from spanwatch.otel.openai.opened import OpenCall


class Chunks:
    """The chunks of a stream, handed on as they are while the call takes note of them."""

    __slots__ = ("_call", "_chunks")

    def __init__(self, chunks: Iterator[Any], call: OpenCall) -> None:
        self._chunks, self._call = chunks, call

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        call = self._call
        call.reading = True
        try:
            for chunk in self._chunks:
                if call.seen(chunk):
                    return chunk
        except BaseException as error:
            call.failed(error)
            raise
        finally:
            call.reading = False
        call.succeeded()
        raise StopIteration


class AsyncChunks:
    """`Chunks` for an asynchronous stream."""

    __slots__ = ("_call", "_chunks")

    def __init__(self, chunks: AsyncIterator[Any], call: OpenCall) -> None:
        self._chunks, self._call = chunks, call

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        call = self._call
        call.reading = True
        try:
            while True:
                chunk = await self._chunks.__anext__()
                if call.seen(chunk):
                    return chunk
        except StopAsyncIteration:
            call.succeeded()
            raise
        except BaseException as error:
            call.failed(error)
            raise
        finally:
            call.reading = False


def watch(stream: Any, call: OpenCall) -> None:
    """Watch a stream until it ends, is closed or is dropped. A stream that is watched already stays as it is."""
    chunks = stream._iterator  # noqa: SLF001 (the one place between a stream and what it reads)
    if isinstance(chunks, (Chunks, AsyncChunks)):
        return
    watched = AsyncChunks(chunks, call) if hasattr(chunks, "__anext__") else Chunks(chunks, call)
    stream._iterator = watched  # noqa: SLF001 (as above)
    hear_close(stream.response, call)
    hear_drop(stream, call)


def hear_drop(holder: Any, call: OpenCall) -> None:
    """Learn when nobody holds `holder` any more."""
    finalizer = weakref.finalize(holder, call.dropped)
    finalizer.atexit = False
    call.undo(finalizer.detach)


def hear_close(response: Any, call: OpenCall) -> None:
    """Learn when an HTTP response is closed."""
    close, aclose = response.close, response.aclose

    def closing() -> None:
        try:
            close()
        finally:
            call.closed()

    async def aclosing() -> None:
        try:
            await aclose()
        finally:
            call.closed()

    replace(response, call, close=closing, aclose=aclosing)


def replace(target: Any, call: OpenCall, **methods: Any) -> None:
    """Put methods in front of an instance's own, until the call has ended; the call does not keep it alive."""
    own = vars(target)
    former = {name: own[name] for name in methods if name in own}
    marks = {name: id(method) for name, method in methods.items()}
    own.update(methods)
    held = weakref.ref(target)

    def put_back() -> None:
        attributes = vars(held()) if held() is not None else {}
        for name, mark in marks.items():
            if id(attributes.get(name)) != mark:
                continue  # somebody else put his own in front
            if name in former:
                attributes[name] = former[name]
            else:
                del attributes[name]

    call.undo(put_back)
