"""With `logs` on, standard log records go out as OTel log records; nobody's logging changes by that."""

import io
import logging
import logging.config
import logging.handlers
import queue
import subprocess
import sys
import threading

import pytest
from opentelemetry._logs import SeverityNumber
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.sdk._logs import LogRecordProcessor

import spanwatch
from spanwatch.core.records import lines as journal_lines

KEY = "sk-proj-" + "a1B2c3D4e5F6g7H8i9J0"


def bodies(begun):
    return [record.body for record in begun.records()]


def test_it_is_off_by_default(configured, logger):
    before = logging.Logger.callHandlers
    begun = configured()
    assert logging.Logger.callHandlers is before
    logger.error("hello")
    assert begun.records() == []


def test_a_record_has_body_severity_place_extra_fields_and_its_span(configured, logger, tmp_path):
    begun = configured(logs=True)
    with spanwatch.request(user_id="alice"), begun.tracer.start_as_current_span("w") as span:
        logger.warning("order %d, %s", 12, KEY, extra={"tries": 2, "ratio": 0.5, "password": "x", "tags": ["a"]})
        line = sys._getframe().f_lineno - 1
    (record,) = begun.records()
    assert record.body == "order 12, [redacted]"
    assert (record.severity_number, record.severity_text) == (SeverityNumber.WARN, "WARNING")
    assert (record.trace_id, record.span_id) == (span.get_span_context().trace_id, span.get_span_context().span_id)
    assert record.timestamp > 1_700_000_000 * 10**9
    found = dict(record.attributes)
    assert found.pop("code.file.path").endswith("test_capture.py")
    assert found == {
        "spanwatch.log.logger": "shop.orders",
        "code.function.name": "test_a_record_has_body_severity_place_extra_fields_and_its_span",
        "code.line.number": line,
        "tries": 2,
        "ratio": 0.5,
        "password": "[redacted]",
        "tags": ("a",),
        "user.id": "alice",
    }


def test_captured_records_are_in_the_journal(configured, logger, tmp_path):
    configured(logs=True)
    logger.error("hello")
    (segment,) = (tmp_path / "home" / "journal").glob("*.log")
    payloads = [line.payload for line in journal_lines(segment.read_bytes())]
    assert [payload["body"] for payload in payloads if payload["k"] == "log"] == ["hello"]


def test_levels_disabled_loggers_and_filters_are_respected(configured, logger):
    begun = configured(logs=True)
    logger.setLevel(logging.WARNING)
    logger.info("too low")
    logger.addFilter(lambda record: "refused" not in record.msg)
    logger.error("refused")
    logger.error("kept")
    logger.disabled = True
    logger.error("disabled")
    logger.disabled = False
    assert bodies(begun) == ["kept"]


@pytest.mark.parametrize(
    ("level", "severity"),
    [
        (5, "TRACE"),
        (10, "DEBUG"),
        (20, "INFO"),
        (25, "INFO"),
        (30, "WARN"),
        (40, "ERROR"),
        (50, "FATAL"),
        (99, "FATAL"),
    ],
)
def test_each_level_has_its_severity(configured, logger, level, severity):
    logger.setLevel(1)
    begun = configured(logs=True)
    logger.log(level, "x")
    assert begun.records()[0].severity_number is SeverityNumber[severity]


def raised(error):
    try:
        raise error
    except type(error) as caught:
        return caught


def test_an_exception_goes_along_by_the_content_rule(configured, logger):
    quoting = type("APIError", (Exception,), {"__module__": "openai"})
    begun = configured(logs=True)
    for error in (ValueError(f"order 12 {KEY}"), quoting("prompt: " + "SECRET WORD")):
        logger.error("failed", exc_info=raised(error))
    own, foreign = (dict(record.attributes) for record in begun.records())
    assert own["exception.type"] == "ValueError"
    assert own["exception.message"] == "order 12 [redacted]"
    assert own["exception.stacktrace"].endswith("ValueError: order 12 [redacted]\n")
    assert foreign["exception.type"] == "openai.APIError"
    assert "exception.message" not in foreign
    assert "SECRET WORD" not in str(foreign)


def test_extra_fields_and_texts_are_bounded(configured, logger):
    begun = configured(logs=True, content_max_bytes=1_000)
    logger.error("x" * 5_000, extra={f"field{number}": "y" * 5_000 for number in range(200)})
    (record,) = begun.records()
    assert record.body.endswith(" [cut from 5000 characters]")
    assert len(record.body) == 1_000
    assert sum(name.startswith("field") for name in record.attributes) == 64
    assert len(record.attributes["field0"]) == 1_000
    assert record.attributes["spanwatch.content.cut_bytes"] > 4_000


class Bad:
    def __str__(self):
        raise RuntimeError

    __repr__ = __str__


def test_bad_arguments_and_raising_formatters_change_nothing(configured, logger, monkeypatch):
    class Raising(logging.Formatter):
        def format(self, record):
            raise RuntimeError

    begun = configured(logs=True)
    handler = logging.StreamHandler(io.StringIO())
    handler.setFormatter(Raising())
    errors = []
    monkeypatch.setattr(handler, "handleError", errors.append)
    logger.addHandler(handler)
    logger.propagate = False
    logger.error("%d items", "three")
    logger.error("%s", Bad())
    logger.error(Bad())
    logger.error("fine", extra={"bad": Bad()})
    assert len(errors) == 4
    assert bodies(begun) == ["%d items", "%s", "<Bad>", "fine"]
    assert begun.records()[3].attributes["bad"] == "<Bad>"


def test_a_handler_that_raises_raises_as_ever_and_the_record_is_there(configured, logger):
    class Raising(logging.Handler):
        def emit(self, record):
            raise LookupError("mine")

    begun = configured(logs=True)
    logger.addHandler(Raising())
    with pytest.raises(LookupError, match="mine"):
        logger.error("hello")
    assert bodies(begun) == ["hello"]


def test_each_record_goes_out_once_whatever_handlers_and_configurations_there_are(configured, logger):
    begun = configured(logs=True)
    target, waiting = io.StringIO(), queue.SimpleQueue()
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    logging.config.dictConfig({
        "version": 1,
        "disable_existing_loggers": False,
        "handlers": {"out": {"class": "logging.StreamHandler", "stream": target}},
        "root": {"handlers": ["out"], "level": "INFO"},
    })  # fmt: skip
    try:
        logger.addHandler(logging.handlers.QueueHandler(waiting))
        logger.addHandler(logging.StreamHandler(target))
        listener = logging.handlers.QueueListener(waiting, logging.StreamHandler(target))
        listener.start()
        logger.getChild("child").error("hello")
        logger.propagate = False
        logger.error("alone")
        listener.stop()
    finally:
        for handler in root.handlers[:]:
            root.removeHandler(handler)
        for handler in handlers:
            root.addHandler(handler)
        root.setLevel(level)
    assert target.getvalue().count("hello\n") == 3
    assert bodies(begun) == ["hello", "alone"]


def test_basic_config_and_the_handler_of_last_resort_work_as_ever(configured, tmp_path):
    """In a process of its own: pytest has handlers on the root logger."""
    code = (
        "import logging, sys, spanwatch\n"
        f"spanwatch.configure(home={str(tmp_path / 'h')!r}, logs=True, openai='none', banner='off')\n"
        "logging.getLogger('a').warning('last resort')\n"
        "logging.basicConfig(format='mine %(message)s')\n"
        "logging.getLogger('a').warning('configured')\n"
        "spanwatch.shutdown()\n"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert answer.stderr == "last resort\nmine configured\n"


def test_what_feeds_itself_is_left_out(configured, logger):
    begun = configured(logs=True)
    for name in ("spanwatch", "spanwatch.x", "opentelemetry", "opentelemetry.exporter.otlp"):
        logging.getLogger(name).error("own")
    with suppress_instrumentation():
        logger.error("an exporter's request")
    logging.getLogger("spanwatchdog").error("somebody else")
    assert bodies(begun) == ["somebody else"]


def test_a_processor_that_logs_does_not_go_round_in_circles(configured, logger):
    begun = configured(logs=True)

    class Logging(LogRecordProcessor):
        seen = 0

        def on_emit(self, log_record):
            self.seen += 1
            logger.error("got one")

        def shutdown(self):
            pass

        def force_flush(self, timeout_millis=0):
            return True

    processor = Logging()
    begun.runtime.logs._own.add_log_record_processor(processor)
    logger.error("hello")
    assert processor.seen == 1
    assert bodies(begun) == ["hello"]


def test_after_shutdown_nothing_is_captured_and_the_method_is_as_it_was(configured, logger):
    before = logging.Logger.callHandlers
    begun = configured(logs=True)
    assert logging.Logger.callHandlers is not before
    begun.close()
    assert logging.Logger.callHandlers is before
    logger.error("late")
    assert begun.records() == []


def test_a_method_that_was_wrapped_around_ours_stays_and_ours_is_silent_in_it(configured, logger, monkeypatch):
    before = logging.Logger.callHandlers
    begun = configured(logs=True)
    ours = logging.Logger.callHandlers

    def theirs(self, record):
        ours(self, record)

    logging.Logger.callHandlers = theirs
    begun.close()
    assert logging.Logger.callHandlers is theirs
    logger.error("late")
    assert begun.records() == []
    logging.Logger.callHandlers = before


def test_threads_log_at_once_and_none_is_lost(configured, logger):
    begun = configured(logs=True)
    threads = [
        threading.Thread(target=lambda n=n: [logger.error("%d %d", n, step) for step in range(25)]) for n in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(bodies(begun)) == sorted(f"{n} {step}" for n in range(16) for step in range(25))
