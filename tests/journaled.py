"""Calls read back from the journal's records, to be compared: spanwatch itself reads them as rows."""

from dataclasses import fields

from spanwatch.core.call import Call, CallStatus, Cost, CostReason, CostStatus
from spanwatch.core.records import usage_from

CALL_FIELDS = tuple(field.name for field in fields(Call) if field.name not in {"usage", "cost"})
COST_FIELDS = tuple(field.name for field in fields(Cost) if field.name != "lines")


def call_from(body):
    """The call of a `call` record."""
    known = {name: body[name] for name in CALL_FIELDS if name in body}
    known["status"] = CallStatus(known.get("status", CallStatus.OK))
    known["finish_reasons"] = tuple(known.get("finish_reasons", ()))
    known["price_context"] = tuple((key, value) for key, value in known.get("price_context", ()))
    usage, cost = body.get("usage"), body.get("cost")
    return Call(**known, usage=usage and usage_from(usage), cost=cost and cost_from(cost))


def cost_from(body):
    """A cost from the body of a `call` record; its lines are not kept there."""
    known = {name: body[name] for name in COST_FIELDS if name in body}
    status, reasons = CostStatus(known.pop("status")), tuple(CostReason(reason) for reason in known.pop("reasons", ()))
    return Cost(known.pop("nano_usd", None), status, reasons, **known)
