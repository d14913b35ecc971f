"""Serve one HTTP request of a provider: parse, receive, respond."""

import base64
import json
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from adapters.telemetry import ACCEPTED
from adapters.webhook_wiring import WebhookHub
from hub.deliveries import Delivery
from hub.errors import Rejected, Temporary
from hub.handshakes import Answer
from hub.receive import Accepted, receive


def serve(request: dict[str, Any], _context: Any, hub: WebhookHub) -> dict[str, Any]:
    """Answer an HTTP API request (payload format 2.0): 2xx once its events are queued, 4xx for a refusal, 503 for our
    own trouble, so that the provider sends again."""
    try:
        accepted = receive(delivery_from_api_gateway(request), hub.receiver, hub.outside, hub.now())
    except Rejected as refusal:
        hub.telemetry.report("refused", {"reason": refusal.code, "detail": str(refusal)}, {"Refused": 1})
        return response(refused(refusal, hub))
    except Temporary as trouble:
        hub.telemetry.warn("not accepted", {"reason": trouble.code, "detail": str(trouble)}, {"NotAccepted": 1})
        body = json.dumps({"unavailable": trouble.code})
        return response(Answer(HTTPStatus.SERVICE_UNAVAILABLE, body, "application/json"))
    tell(accepted, hub)
    return response(accepted.answer)


def refused(refusal: Rejected, hub: WebhookHub) -> Answer:
    """The answer to a refused delivery, which names the reason and nothing else."""
    reply = hub.receiver.spec.reply
    body = "" if reply.silent else json.dumps({"refused": refusal.code})
    return Answer(reply.refused_status or refusal.status, body, "application/json")


def tell(accepted: Accepted, hub: WebhookHub) -> None:
    """One line for each event that was accepted, by which `hub audit` knows what came in; the first bears the counts."""
    if not accepted.events:
        hub.telemetry.report("handshake", {}, {"Handshakes": 1})
        return
    counts = {
        "Accepted": len(accepted.events),
        "PreviousSecret": int(accepted.by_previous_secret),
        "UnreadableVersions": accepted.unreadable_versions,
    }
    told = {name: count for name, count in counts.items() if count}
    for event in accepted.events:
        about = {"event": event.id, "type": event.type, "entity": event.subject}
        hub.telemetry.report(ACCEPTED, about, told)
        told = {}


def delivery_from_api_gateway(request: dict[str, Any]) -> Delivery:
    """The delivery in an HTTP API request; raises Rejected for a body that is not the base64 it claims to be.

    API Gateway's HTTP APIs lower-case header names and join repeated headers with commas; a REST API in front (payload
    format 1.0) keeps spellings and repetitions, and hands the query over decoded. Whether the body comes as text or as
    base64 depends on its content type.
    """
    body = request.get("body") or ""
    try:
        raw = base64.b64decode(body, validate=True) if request.get("isBase64Encoded") else body.encode("utf-8")
    except ValueError as error:
        raise Rejected("the body is not the base64 that the request says it is") from error
    headers: dict[str, list[str]] = {}
    once = {name: [value] for name, value in (request.get("headers") or {}).items()}
    for name, values in (request.get("multiValueHeaders") or once).items():
        headers.setdefault(name.lower(), []).extend(values)
    context = request.get("requestContext", {})
    http = context.get("http") or {"method": request.get("httpMethod", ""), **context.get("identity", {})}
    return Delivery(http.get("method", ""), headers, raw, _query(request), http.get("sourceIp", ""))


def _query(request: dict[str, Any]) -> str:
    raw = request.get("rawQueryString")
    if raw is not None:
        return str(raw)
    once = {name: [value] for name, value in (request.get("queryStringParameters") or {}).items()}
    return urlencode(request.get("multiValueQueryStringParameters") or once, doseq=True)


def response(answer: Answer) -> dict[str, Any]:
    """An HTTP API answer (payload format 2.0)."""
    headers = {"content-type": answer.content_type, **answer.headers} if answer.body else dict(answer.headers)
    return {"statusCode": int(answer.status), "headers": headers, "body": answer.body}
