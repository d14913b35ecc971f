"""Serve one HTTP request of a provider: parse, receive, respond."""

import base64
import json
from http import HTTPStatus
from typing import Any

from adapters.wiring import WebhookHub
from hub.errors import Rejected, Temporary
from hub.receive import receive
from hub.schemes import Delivery


def serve(request: dict[str, Any], _context: Any, hub: WebhookHub) -> dict[str, Any]:
    """Answer an HTTP API request (payload format 2.0): 2xx once the event is queued, 4xx for a refusal, 503 for our
    own trouble, so that the provider sends again."""
    try:
        delivery = delivery_from_api_gateway(request)
        accepted = receive(delivery, hub.receiver, hub.secrets, hub.queues, hub.now())
    except Rejected as refusal:
        hub.telemetry.report("refused", {"reason": refusal.code}, {"Refused": 1})
        return reply(refusal.status, {"refused": refusal.code})
    except Temporary as trouble:
        hub.telemetry.warn("not accepted", {"reason": trouble.code, "detail": str(trouble)}, {"NotAccepted": 1})
        return reply(HTTPStatus.SERVICE_UNAVAILABLE, {"unavailable": trouble.code})
    event = accepted.event
    about = {"event": event.id, "type": event.type, "entity": event.subject}
    hub.telemetry.report("accepted", about, {"Accepted": 1})
    return reply(accepted.status, {"event": event.id})


def delivery_from_api_gateway(request: dict[str, Any]) -> Delivery:
    """The delivery in an HTTP API request; raises Rejected for a body that is not the base64 it claims to be.

    API Gateway lower-cases header names and joins repeated headers with commas. Whether the body comes as text or as
    base64 depends on its content type.
    """
    body = request.get("body") or ""
    try:
        raw = base64.b64decode(body, validate=True) if request.get("isBase64Encoded") else body.encode("utf-8")
    except ValueError as error:
        raise Rejected("the body is not the base64 that the request says it is") from error
    headers: dict[str, list[str]] = {}
    for name, value in (request.get("headers") or {}).items():
        headers.setdefault(name.lower(), []).append(value)
    method = request.get("requestContext", {}).get("http", {}).get("method", "")
    return Delivery(method, headers, raw)


def reply(status: int, body: dict[str, str]) -> dict[str, Any]:
    """An HTTP API answer (payload format 2.0)."""
    return {"statusCode": int(status), "headers": {"content-type": "application/json"}, "body": json.dumps(body)}
