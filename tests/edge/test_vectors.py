"""Every recorded signature is judged as the provider's own library judged it: as it was sent, and as API Gateway hands it
to the Lambda, through the code that the Lambda runs."""

import base64
import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from adapters.webhook_wiring import WebhookHub
from cli.vectors import Vector, known_manifests, vector_of
from hub.errors import Rejected, Temporary
from hub.receive import receive
from tests.api_gateway import api_gateway_request
from tests.fakes import FakeTelemetry
from webhooks.handler import delivery_from_api_gateway, serve

RECORDINGS = Path(__file__).parents[1] / "recordings" / "signatures"
FILES = ("vectors.json", "further.json")


def recorded() -> list[Any]:
    return [
        pytest.param(content, id=content["id"])
        for file in FILES
        if (RECORDINGS / file).exists()
        for content in json.loads((RECORDINGS / file).read_text("utf-8"))["vectors"]
    ]


VECTORS = recorded()


def vector(content: Mapping[str, Any]) -> Vector:
    return vector_of(content, content["id"], known_manifests())


def verdict(content: Mapping[str, Any]) -> str:
    """What the hub says to the request as it was sent."""
    held = vector(content)
    try:
        accepted = receive(held.delivery, held.receiver(), held.outside(), datetime.fromtimestamp(held.now, UTC))
    except (Rejected, Temporary) as refusal:
        return f"reject: {refusal.code}: {refusal}"
    return "reject: unproven" if accepted.answer.unproven else "accept"


def requests(content: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """The request as API Gateway hands it over: in base64, as text where it is some, and as it was recorded."""
    body = base64.b64decode(content["body_base64"])
    parts = urlsplit(content["url"])
    joined: dict[str, str] = {}
    for name, value in content["headers_list"]:
        joined[name.lower()] = f"{joined[name.lower()]},{value}" if name.lower() in joined else value
    how: dict[str, Any] = {"method": content["method"], "path": parts.path, "query": parts.query}
    found = [("base64", api_gateway_request(body, joined, as_base64=True, **how))]
    with suppress(UnicodeDecodeError):  # what is no text travels in base64 alone
        found.append(("text", api_gateway_request(body, joined, as_base64=False, **how)))
    if "lambda_event" in content:
        found.append(("recorded", content["lambda_event"]))
    return found


@pytest.mark.parametrize("content", VECTORS)
def test_a_vector_holds_what_it_says(content: Mapping[str, Any]) -> None:
    body = base64.b64decode(content["body_base64"])

    assert hashlib.sha256(body).hexdigest() == content["body_sha256"]
    if "lambda_event" in content:
        assert delivery_from_api_gateway(content["lambda_event"]).body == body


@pytest.mark.parametrize("content", VECTORS)
def test_a_request_is_judged_as_recorded(content: Mapping[str, Any]) -> None:
    assert verdict(content).partition(":")[0] == content["expect"], verdict(content)


@pytest.mark.parametrize("content", VECTORS)
def test_the_lambda_answers_as_recorded(content: Mapping[str, Any]) -> None:
    held = vector(content)
    expected = content.get("expected_response", {})
    wanted = held.receiver().spec.reply
    for how, request in requests(content):
        telemetry = FakeTelemetry()
        hub = WebhookHub(held.receiver(), held.outside(), telemetry, lambda: datetime.fromtimestamp(held.now, UTC))

        answer = serve(request, None, hub)

        status = answer["statusCode"]
        if "status" in expected:
            assert status == expected["status"], how
        elif content["expect"] == "accept":
            assert status == wanted.status, (how, telemetry.lines)
        else:
            assert 400 <= status < 500, (how, telemetry.lines)
        assert not telemetry.bugs()
        compare(answer, expected)
        if content["expect"] == "reject":
            assert not [line for line in telemetry.lines if line[1] == "accepted"]
        assert "set-cookie" not in {name.lower() for name in answer["headers"]}
        assert not answer.get("cookies")


def compare(answer: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    headers = {name.lower(): value for name, value in answer["headers"].items()}
    if "body" in expected:
        assert answer["body"] == expected["body"]
    if "json" in expected:
        assert json.loads(answer["body"]) == expected["json"]
    if "body_contains" in expected:
        assert expected["body_contains"] in answer["body"]
    if "content_type" in expected:
        assert headers["content-type"].partition(";")[0] == expected["content_type"]
    for name, value in expected.get("headers", {}).items():
        assert headers[name.lower()] == value
    assert not set(expected) - {"status", "body", "json", "body_contains", "content_type", "headers"}


def test_the_vectors_are_there() -> None:
    published = json.loads((RECORDINGS / "vectors.json").read_text("utf-8"))

    assert len(published["vectors"]) == published["meta"]["counts"]["total"] == 90
    assert len({content.values[0]["id"] for content in VECTORS}) == len(VECTORS)
