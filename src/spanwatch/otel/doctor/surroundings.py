"""What this Python and its environment say: versions, providers of others, double instrumentation, content switches."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Iterator, Mapping, Sequence

from opentelemetry.instrumentation.dependencies import get_dependency_conflicts

from spanwatch.core.diagnosis import Finding, Outcome
from spanwatch.core.settings import Settings
from spanwatch.otel.coverage import ENGINES

_SHOWN = ("spanwatch", "opentelemetry-sdk", "opentelemetry-exporter-otlp", "openai")
_FAMILY = ("opentelemetry-sdk", "opentelemetry-exporter-otlp-proto-http", "opentelemetry-exporter-otlp-proto-grpc")
_OPTIONAL = ("openai", "redis")
# Instrumentations of the OpenAI client: distribution → its name for OTEL_PYTHON_DISABLED_INSTRUMENTATIONS.
_INSTRUMENTATIONS = {
    "opentelemetry-instrumentation-openai": "openai",
    "opentelemetry-instrumentation-openai-v2": "openai",
    "opentelemetry-instrumentation-genai-openai": "openai",
    "openinference-instrumentation-openai": "openai",
}
_PAIRS = {  # a library and the instrumentations of it
    "langchain": ("opentelemetry-instrumentation-langchain", "openinference-instrumentation-langchain"),
    "llama-index": ("opentelemetry-instrumentation-llamaindex", "openinference-instrumentation-llama-index"),
    "anthropic": ("opentelemetry-instrumentation-anthropic", "openinference-instrumentation-anthropic"),
    "google-genai": (
        "opentelemetry-instrumentation-google-generativeai",
        "openinference-instrumentation-google-genai",
    ),
    "openai-agents": (
        "opentelemetry-instrumentation-openai-agents",
        "opentelemetry-instrumentation-genai-openai-agents",
        "openinference-instrumentation-openai-agents",
    ),
}
_SET_PROVIDERS = ("ddtrace", "traceloop-sdk", "logfire", "openlit", "arize-phoenix-otel", "newrelic")
_CAPTURE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
_TRACELOOP = "TRACELOOP_TRACE_CONTENT"


def versions() -> Finding:
    """Whether the packages that are installed are ones that spanwatch works with."""
    shown = [f"Python {platform.python_version()}", *(f"{n} {v}" for n in _SHOWN if (v := _version(n)))]
    wrong = [text for name in ("spanwatch", *_FAMILY) for text in _conflicts(name)]
    if wrong:
        fix = "install them together: pip install --upgrade spanwatch"
        return Finding("versions", Outcome.FAIL, "; ".join(wrong), fix)
    return Finding("versions", Outcome.OK, ", ".join(shown))


def providers(settings: Settings, environ: Mapping[str, str], present: Mapping[str, str]) -> list[Finding]:
    """Whether another provider is in force, or will be. `present` has those set at Python's start, by signal."""
    if settings.disabled:
        fix = "unset OTEL_SDK_DISABLED"
        return [Finding("providers", Outcome.FAIL, "nothing is recorded, because OTEL_SDK_DISABLED=true", fix)]
    found = [
        Finding("providers", Outcome.WARN, note, "correct or unset that variable: it is not followed")
        for note in settings.notes
    ]
    if present:
        which = ", ".join(f"{signal}: {kind}" for signal, kind in present.items())
        text = f"set before the program starts ({which}), joined: their sampler and exporters stay"
        fix = "start the program by spanwatch run alone; or give --endpoint to send what spanwatch makes"
        found.append(Finding("providers", Outcome.WARN, text, fix))
    sampler = environ.get("OTEL_TRACES_SAMPLER", "").strip()
    if settings.sample is None and sampler and sampler != "parentbased_always_on":
        text = f"OTEL_TRACES_SAMPLER={sampler}: not every trace is kept; calls and money are counted all the same"
        found.append(Finding("providers", Outcome.OK, text))
    elif settings.sample is not None:
        text = f"the setting sample keeps {settings.sample:g} of all traces; calls and money are counted all the same"
        found.append(Finding("providers", Outcome.OK, text))
    for name in _installed(_SET_PROVIDERS):
        text = f"{name} is installed: where the program starts it, its provider is joined"
        found.append(Finding("providers", Outcome.OK, text))
    return found or [Finding("providers", Outcome.OK, "none is set before ours")]


def instrumentation(settings: Settings, wrapped: str | None) -> Finding:
    """Whether calls of the OpenAI client are seen by more than one. `wrapped` is who wrapped it at Python's start."""
    check, engine = "instrumentation", settings.openai
    if _version("openai") is None:
        return Finding(check, Outcome.SKIP, "openai is not installed: there is nothing to instrument")
    if engine == "none":
        fix = "unset the setting openai, or have another instrumentation running"
        return Finding(
            check, Outcome.WARN, "the setting openai='none': calls are seen only by an instrumentation of yours", fix
        )
    if wrapped is not None:
        text = f"the OpenAI client is wrapped already, by {wrapped}: calls get two spans and are counted once"
        fix = "set OTEL_PYTHON_DISABLED_INSTRUMENTATIONS=openai, or SPANWATCH_OPENAI=none to keep the other"
        return Finding(check, Outcome.WARN, text, fix)
    chosen = ENGINES[engine].distribution if engine in ENGINES else None
    if chosen is not None and _version(chosen) is None:
        text = f"the setting openai={engine!r} needs {chosen}, which is not installed: no call is seen"
        return Finding(check, Outcome.FAIL, text, f"pip install 'spanwatch[{ENGINES[engine].extra}]'")
    others = [name for name in _installed(_INSTRUMENTATIONS) if name != chosen]
    text = f"the OpenAI client is seen by {engine}"
    if others:
        text += f"; installed too, and counted once if the program starts it: {', '.join(others)}"
    return Finding(check, Outcome.OK, text)


def pairs(settings: Settings) -> list[Finding]:
    """Frameworks for which two instrumentations are installed: where both are started, each step has two spans."""
    found = []
    for library, distributions in _PAIRS.items():
        both = list(_installed(distributions))
        if library == "openai-agents" and settings.agents:
            both.insert(0, "spanwatch (agents=True)")
        if len(both) > 1:
            text = f"{library} has {' and '.join(both)}: together they make two spans of each step; calls count once"
            found.append(Finding("frameworks", Outcome.WARN, text, f"keep one of them: pip uninstall {both[-1]}"))
    return found


def content(settings: Settings, environ: Mapping[str, str]) -> list[Finding]:
    """Whether prompts and completions are recorded: by us, and by others whose switches are elsewhere."""
    if settings.content:
        fix = "set SPANWATCH_CONTENT=off; or leave it, and drop content at the gateway as the shipped one does"
        text = "on: prompts and completions are recorded and leave the process"
        found = [Finding("content", Outcome.WARN, text, fix)]
    else:
        found = [Finding("content", Outcome.OK, "off: no prompt and no completion is recorded")]
    said = environ.get(_CAPTURE, "").strip()
    if said and not settings.content and said.lower() not in {"false", "no_content", "0", "off"}:
        fix = f"unset {_CAPTURE}"
        found.append(Finding("content", Outcome.WARN, f"{_CAPTURE}={said} has other instrumentations record it", fix))
    theirs = "opentelemetry-instrumentation-openai"
    silent = environ.get(_TRACELOOP, "").strip().lower() == "false"
    if settings.openai != "openllmetry" and not silent and list(_installed([theirs])):
        text = f"{theirs} is installed, and where the program starts it records content unless told not to"
        found.append(Finding("content", Outcome.WARN, text, f"set {_TRACELOOP}=false"))
    return found


def _conflicts(name: str) -> Iterator[str]:
    """What a distribution asks for that is missing or of another version; what only its extras ask for counts not."""
    if _version(name) is None:
        return
    for line in importlib.metadata.requires(name) or ():
        wanted, _, marker = line.partition(";")
        optional = "extra" in marker
        if optional and not (name == "spanwatch" and wanted.startswith(_OPTIONAL)):
            continue
        if marker and not optional:
            continue
        conflict = get_dependency_conflicts([wanted.strip()])
        if conflict is not None and (conflict.found or not optional):
            yield f"{name} wants {wanted.strip()}, and there is {conflict.found or 'none'}"


def _installed(distributions: Sequence[str] | Mapping[str, str]) -> Iterator[str]:
    return (name for name in distributions if _version(name) is not None)


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None
