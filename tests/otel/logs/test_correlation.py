"""Every standard log record says where and for whom it was written; nobody's logging changes."""

import asyncio
import copy
import io
import logging
import logging.config
import logging.handlers
import pickle
import queue
import threading

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

import spanwatch
from spanwatch.core import names
from spanwatch.otel.correlation import FIELDS, Correlation, Place, here

ALL = (
    "%(otelTraceID)s|%(otelSpanID)s|%(otelTraceSampled)s|%(otelServiceName)s"
    "|%(spanwatchAgent)s|%(spanwatchUserID)s|%(spanwatchConversationID)s|%(message)s"
)


@pytest.fixture
def text(logger):
    """What a handler of the application's writes, in its own format."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    logger.addHandler(handler)

    def written(fmt=None, style="%"):
        handler.setFormatter(logging.Formatter(fmt, style=style))
        return stream

    return written


def test_inside_a_span_a_record_carries_trace_span_agent_user_and_conversation(configured, logger, text):
    begun, stream = configured(), text(ALL)
    with (
        spanwatch.request(user_id="alice", conversation_id="c1"),
        spanwatch.agent("planner"),
        begun.tracer.start_as_current_span("w") as span,
    ):
        logger.info("hello %s", "you")
    context = span.get_span_context()
    assert stream.getvalue() == (
        f"{context.trace_id:032x}|{context.span_id:016x}|True|bot|planner|alice|c1|hello you\n"
    )


def test_attributes_of_a_span_made_by_hand_count_too(configured, logger, text):
    begun, stream = configured(), text("%(spanwatchAgent)s %(spanwatchUserID)s %(spanwatchConversationID)s")
    given = {names.AGENT_NAME: "planner", names.USER_ID: "alice", names.CONVERSATION_ID: 5}
    with begun.tracer.start_as_current_span("w", attributes=given):
        logger.info("hello")
    assert stream.getvalue() == "planner alice \n"


@pytest.mark.parametrize(
    ("style", "fmt"), [("%", ALL), ("{", "{otelTraceID} {spanwatchUserID}"), ("$", "${otelSpanID}")]
)
def test_outside_of_any_span_every_format_finds_its_fields(configured, logger, text, style, fmt):
    configured()
    stream = text(fmt, style)
    logger.info("hello")
    assert stream.getvalue() == {"%": "0|0|False|bot||||hello\n", "{": "0 \n", "$": "0\n"}[style]


def test_what_an_application_prints_is_the_same_with_and_without_us(configured, logger, text):
    stream = text("%(asctime)s %(name)s %(levelname)s %(message)s %(lineno)d")

    def say():
        logger.warning("hello %s", 1)
        found = stream.getvalue().split(" ", 2)[2]
        stream.seek(0)
        stream.truncate()
        return found

    without = say()
    begun = configured()
    with begun.tracer.start_as_current_span("w"):
        assert say() == without
    begun.close()
    assert say() == without


@pytest.mark.parametrize("field", sorted(FIELDS))
def test_an_application_may_use_our_names_in_extra(configured, logger, text, field):
    configured()
    stream = text(f"%({field})s")
    logger.info("hello", extra={field: "mine"})
    assert stream.getvalue() == "mine\n"


def test_names_that_logging_itself_refuses_are_refused_as_ever(configured, logger):
    configured()
    for name in ("message", "lineno"):
        with pytest.raises(KeyError, match="Attempt to overwrite"):
            logger.info("hello", extra={name: "x"})


def test_the_factory_is_put_back_exactly_as_it_was(configured):
    class Own(logging.LogRecord):
        pass

    before = logging.getLogRecordFactory()
    logging.setLogRecordFactory(Own)
    begun = configured()
    record = logging.getLogRecordFactory()("n", 20, "f", 1, "m", (), None)
    assert type(record) is Own
    assert record.otelServiceName == "bot"
    begun.close()
    assert logging.getLogRecordFactory() is Own
    logging.setLogRecordFactory(before)


def test_a_factory_that_was_wrapped_around_ours_stays_and_ours_is_silent_in_it(configured):
    before = logging.getLogRecordFactory()
    begun = configured()
    ours = logging.getLogRecordFactory()

    def theirs(*args, **kwargs):
        record = ours(*args, **kwargs)
        record.theirs = 1
        return record

    logging.setLogRecordFactory(theirs)
    begun.close()
    assert logging.getLogRecordFactory() is theirs
    record = logging.makeLogRecord({"msg": "x"})
    assert record.theirs == 1
    assert not hasattr(record, "otelTraceID")
    assert type(record.__dict__) is dict
    logging.setLogRecordFactory(before)


def test_records_survive_copying_and_pickling_as_plain_ones(configured):
    configured()
    record = logging.getLogRecordFactory()("n", 20, "f", 1, "hello %s", ("you",), None)
    assert b"spanwatch.otel" not in pickle.dumps(record)
    for one in (copy.copy(record), pickle.loads(pickle.dumps(record))):
        assert type(one.__dict__) is dict
        assert one.getMessage() == "hello you"
        assert one.otelServiceName == "bot"


def test_a_queue_handler_carries_the_fields_to_the_listeners_thread(configured, logger):
    begun, stream = configured(), io.StringIO()
    target = logging.StreamHandler(stream)
    target.setFormatter(logging.Formatter("%(spanwatchUserID)s %(otelSpanID)s %(message)s"))
    waiting = queue.SimpleQueue()
    logger.addHandler(logging.handlers.QueueHandler(waiting))
    listener = logging.handlers.QueueListener(waiting, target)
    listener.start()
    with spanwatch.request(user_id="alice"), begun.tracer.start_as_current_span("w") as span:
        logger.info("hello")
    listener.stop()
    assert stream.getvalue() == f"alice {span.get_span_context().span_id:016x} hello\n"


def test_dict_config_child_loggers_and_a_config_made_after_ours(configured, logger, tmp_path):
    begun = configured()
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    path = tmp_path / "app.log"
    logging.config.dictConfig({
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"ids": {"format": "%(name)s %(otelTraceID)s %(message)s"}},
        "handlers": {"file": {"class": "logging.FileHandler", "filename": str(path), "formatter": "ids"}},
        "root": {"handlers": ["file"], "level": "INFO"},
    })  # fmt: skip
    try:
        with begun.tracer.start_as_current_span("w") as span:
            logger.getChild("child").info("hello")
    finally:
        for handler in root.handlers[:]:
            root.removeHandler(handler)
            handler.close()
        for handler in handlers:
            root.addHandler(handler)
        root.setLevel(level)
    assert path.read_text() == f"shop.orders.child {span.get_span_context().trace_id:032x} hello\n"


def test_a_span_that_fails_when_asked_leaves_the_record_as_it_is(configured, logger, text):
    class Broken(trace.NonRecordingSpan):
        def get_span_context(self):
            raise RuntimeError

    configured()
    stream = text("%(message)s")
    with trace.use_span(Broken(trace.INVALID_SPAN_CONTEXT)):
        logger.info("hello")
    assert stream.getvalue() == "hello\n"


def test_threads_and_tasks_see_their_own_spans(configured, logger, text):
    begun, stream = configured(), text("%(message)s %(otelSpanID)s %(spanwatchUserID)s")

    def say(number):
        with spanwatch.request(user_id=f"u{number}"), begun.tracer.start_as_current_span("w") as span:
            logger.info("%016x %s", span.get_span_context().span_id, number)

    async def tasks():
        async def one(number):
            await asyncio.sleep(0)
            say(number)

        await asyncio.gather(*map(one, range(200)))

    threads = [threading.Thread(target=say, args=(number,)) for number in range(200, 232)]
    for thread in threads:
        thread.start()
    asyncio.run(tasks())
    for thread in threads:
        thread.join()
    found = [line.split(" ") for line in stream.getvalue().splitlines()]
    assert len(found) == 232
    assert all(said == span and user == f"u{number}" for said, number, span, user in found)


def test_here_is_nowhere_outside_of_spans_and_scopes():
    assert here() == Place()


def test_an_unsampled_span_is_a_place_too():
    correlation = Correlation(None)
    provider = TracerProvider(sampler=ALWAYS_OFF)
    with provider.get_tracer("t").start_as_current_span("w") as span:
        record = logging.makeLogRecord({})
    correlation.off()
    assert record.otelTraceSampled is False
    assert record.otelTraceID == f"{span.get_span_context().trace_id:032x}"
