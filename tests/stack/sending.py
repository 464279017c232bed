"""A program that ends numbered spans at a rate, by spanwatch or by the SDK's own processor and exporter.

Says the ids of the spans as JSON, and whether all was delivered when it was asked to flush.
"""

import json
import sys
import time

from opentelemetry import trace


def main() -> None:
    sender, endpoint, service, home, count, rate = sys.argv[1:]
    flush = {"spanwatch": ours, "sdk": stock}[sender](endpoint, service, home)
    tracer, ids, began = trace.get_tracer("sending"), [], time.monotonic()
    for number in range(int(count)):
        time.sleep(max(0.0, began + number / float(rate) - time.monotonic()))
        with tracer.start_as_current_span("step", attributes={"number": number, "text": "x" * 400}) as span:
            ids.append(f"{span.get_span_context().span_id:016x}")
    sys.stdout.write(json.dumps({"ids": ids, "flushed": flush()}) + "\n")


def ours(endpoint, service, home):
    import spanwatch  # noqa: PLC0415 (the other sender runs without it)

    spanwatch.configure(service=service, home=home, endpoint=endpoint, banner="off", openai="none")
    return lambda: bool(spanwatch.flush(60))


def stock(endpoint, service, _home):
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 (see above)
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 (see above)
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 (see above)
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 (see above)

    provider = TracerProvider(resource=Resource.create({"service.name": service}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{endpoint}/v1/traces")))
    trace.set_tracer_provider(provider)
    return lambda: provider.force_flush(60_000)


if __name__ == "__main__":
    main()
