"""The guard: what our call site does for budgets, around the client of another engine. It makes no span of its own."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from opentelemetry.context import get_current
from opentelemetry.trace import INVALID_SPAN, get_current_span

from spanwatch.core.call import Call
from spanwatch.otel.openai.opened import OpenCall
from spanwatch.otel.openai.request import Request
from spanwatch.otel.openai.site import CallSite
from spanwatch.otel.telemetry import Content, Telemetry


class GuardSite(CallSite):
    """Refuses calls that do not fit a budget, lets all others pass as they are, and watches how they end.

    What they cost is for the hinge to say, which reads the engine's spans; see `otel/budgets/guarded.py`.
    """

    def __init__(self, telemetry: Telemetry, streams: tuple[type, ...], azure: tuple[type, ...]) -> None:
        self._calling = telemetry.calling
        seen = replace(telemetry, finish=self._finish, content=Content(), ask_usage=False)
        super().__init__(seen, streams, azure)

    def _started(self, request: Request, body: Mapping[str, Any]) -> OpenCall:  # noqa: ARG002 (as of the site)
        return OpenCall(
            self._telemetry,
            self._guard,
            self.open,
            request,
            INVALID_SPAN,
            context=get_current(),
            parent=get_current_span().get_span_context(),
            started_ns=time.time_ns(),
        )

    def _admit(self, call: OpenCall) -> None:
        super()._admit(call)
        self._began(call)

    async def _aadmit(self, call: OpenCall) -> None:
        await super()._aadmit(call)
        self._began(call)

    def _began(self, call: OpenCall) -> None:
        if call.hold is not None and self._telemetry.budgets is not None:
            key = self._calling(call.parent)
            self._guard.run("guarding a call", self._telemetry.budgets.guarded.began, call.hold, key)

    def _finish(self, _span: Any, call: Call, **_: Any) -> Call:
        if self._telemetry.budgets is not None:
            self._guard.run("ending a guarded call", self._telemetry.budgets.guarded.ended, call)
        return call
