"""Work in a pool belongs to the span that submitted it, and pools are as before afterwards."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from opentelemetry import context as otel_context

from spanwatch.otel.context import Carried, attach, carried, carrying, detach
from spanwatch.otel.executors import Executors

BEFORE = ThreadPoolExecutor.submit


@pytest.fixture
def executors():
    executors = Executors()
    executors.start()
    yield executors
    executors.stop()
    assert ThreadPoolExecutor.submit is BEFORE


@pytest.fixture
def as_user():
    token = attach(carrying(otel_context.get_current(), Carried(user_id="u-1")))
    yield
    detach(token)


def user(*_args, **_kwargs):
    return carried().user_id


@pytest.mark.usefixtures("executors", "as_user")
def test_submit_and_map_take_the_context_along():
    with ThreadPoolExecutor(2) as pool:
        assert pool.submit(user).result() == "u-1"
        assert list(pool.map(user, range(3))) == ["u-1"] * 3


@pytest.mark.usefixtures("executors", "as_user")
def test_run_in_executor_and_to_thread_and_a_copied_context_take_it_along():
    async def main():
        loop = asyncio.get_running_loop()
        pooled = await loop.run_in_executor(None, user)
        threaded = await asyncio.to_thread(user)
        tasks = await asyncio.gather(*(asyncio.to_thread(user) for _ in range(3)))
        return pooled, threaded, *tasks, contextvars.copy_context().run(user)

    assert asyncio.run(main()) == ("u-1",) * 6


@pytest.mark.usefixtures("executors")
def test_nothing_stays_on_the_pooled_thread():
    with ThreadPoolExecutor(1) as pool:
        token = attach(carrying(otel_context.get_current(), Carried(user_id="u-1")))
        assert pool.submit(user).result() == "u-1"
        detach(token)
        assert pool.submit(user).result() is None


@pytest.mark.usefixtures("executors", "as_user")
def test_results_exceptions_arguments_and_the_signature_are_the_pools_own():
    def fails(*args, **kwargs):
        raise LookupError(args, kwargs)

    assert inspect.signature(ThreadPoolExecutor.submit) == inspect.signature(BEFORE)
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(fails, 1, fn=2, context=3)
        assert isinstance(future, Future)
        with pytest.raises(LookupError) as caught:
            future.result()
    assert caught.value.args == ((1,), {"fn": 2, "context": 3})


@pytest.mark.usefixtures("as_user")
def test_without_it_a_pool_knows_nothing():
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(user).result() is None


@pytest.mark.usefixtures("as_user")
def test_starting_twice_wraps_once_and_a_wrapper_of_somebody_else_stays():
    executors = Executors()
    executors.start()
    ours = ThreadPoolExecutor.submit
    executors.start()
    assert ThreadPoolExecutor.submit is ours

    def theirs(self, fn, /, *args, **kwargs):
        return ours(self, fn, *args, **kwargs)

    ThreadPoolExecutor.submit = theirs
    try:
        executors.stop()
        assert ThreadPoolExecutor.submit is theirs
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(user).result() is None
    finally:
        ThreadPoolExecutor.submit = BEFORE


@pytest.mark.usefixtures("executors", "as_user")
def test_a_pool_of_other_interpreters_gets_its_work_as_it_was_given():
    class InterpreterPoolExecutor(ThreadPoolExecutor):
        pass

    InterpreterPoolExecutor.__module__ = "concurrent.futures.interpreter"
    with InterpreterPoolExecutor(1) as pool:
        assert pool.submit(user).result() is None
