"""The edge end to end: bodies too large for a queue, one-time tokens, secrets that are being rotated."""

import hashlib
import hmac
import json
import secrets
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from adapters.ledger_history import LedgerHistory
from cli.rotation import rotated
from hub import names
from hub.events import Event, to_json
from hub.receive import MAX_BODY_BYTES
from infra.local.ministack import ACCOUNT
from infra.local.running import LOCAL_REGION
from infra.local.secrets import signing_secret
from infra.local.shopify import as_sent
from infra.local.stand_in import stock
from tests.local_aws.hub import (
    FLOW,
    FORGE,
    INTEGRATION,
    OTHER_INTEGRATION,
    STAGE,
    WITH_TOKEN,
    LocalHub,
    a_line,
    an_order,
    fresh_number,
    wait_for,
)

BODIES = names.bodies_bucket(STAGE, ACCOUNT, LOCAL_REGION)
SUBMITTED = 1
AS_TEXT, AS_BASE64 = "application/json", "application/octet-stream"  # how API Gateway hands the body to the function


def a_large_order(size: int, sku: str | None = None) -> tuple[int, bytes]:
    """The number and the body of an order of `size` bytes that no compression makes fit into a queue's message."""
    order = an_order(a_line(sku) if sku else a_line())
    room = size - len(as_sent({**order, "note": ""}))
    body = as_sent({**order, "note": secrets.token_urlsafe(room)[:room]})
    assert len(body) == size
    return order["id"], body


def kept(hub: LocalHub, body: bytes) -> bytes | None:
    """The body as it lies in the bucket."""
    s3 = hub.aws.client("s3")
    try:
        content: bytes = s3.get_object(Bucket=BODIES, Key=f"bodies/{hashlib.sha256(body).hexdigest()}")["Body"].read()
    except s3.exceptions.NoSuchKey:
        return None
    return content


def event_in_ledger(hub: LocalHub, number: int, event_id: str) -> Event:
    """An ended event as a replay reads it."""
    history = LedgerHistory(hub.aws.client("dynamodb"), names.ledger_table(STAGE))
    return history.event(f"{INTEGRATION}/order/{number}", FLOW, event_id)


def send(hub: LocalHub, event: Event) -> None:
    """Put an event on the flow's queue again."""
    hub.aws.client("sqs").send_message(
        QueueUrl=hub.queue_url(names.queue(STAGE, FLOW)),
        MessageBody=to_json(event),
        MessageGroupId=event.subject,
        MessageDeduplicationId=f"replay-{time.time_ns()}",
    )


@pytest.mark.parametrize("content_type", [AS_TEXT, AS_BASE64])
def test_an_order_of_3_mb_becomes_a_sales_order(hub: LocalHub, content_type: str) -> None:
    number, body = a_large_order(3_000_000)

    answer = hub.deliver("orders/create", body, headers={"Content-Type": content_type})
    end = hub.end_of(f"order/{number}", answer)

    assert end.outcome == "applied"
    assert [order["docstatus"] for order in hub.orders(number)] == [SUBMITTED]
    assert kept(hub, body) == body
    assert event_in_ledger(hub, number, answer.event).data_ref.startswith(f"s3://{BODIES}/bodies/")


def test_a_large_body_that_compression_makes_fit_needs_no_bucket(hub: LocalHub) -> None:
    order = an_order()
    body = as_sent({**order, "note": "please leave it at the door. " * 100_000})

    end = hub.end_of(f"order/{order['id']}", hub.deliver("orders/create", body))

    assert end.outcome == "applied"
    assert len(body) > 2_500_000
    assert kept(hub, body) is None


@pytest.mark.parametrize("content_type", [AS_TEXT, AS_BASE64])
def test_the_largest_body_that_is_taken_and_the_smallest_that_is_not(hub: LocalHub, content_type: str) -> None:
    number, largest = a_large_order(MAX_BODY_BYTES)
    _, too_large = a_large_order(MAX_BODY_BYTES + 1)

    taken = hub.deliver("orders/create", largest, headers={"Content-Type": content_type})
    refused = hub.deliver("orders/create", too_large, headers={"Content-Type": content_type})

    assert hub.end_of(f"order/{number}", taken).outcome == "applied"
    assert (refused.status, json.loads(refused.text)) == (413, {"refused": "BodyTooLarge"})
    assert kept(hub, too_large) is None


def test_a_forged_large_body_is_not_kept(hub: LocalHub) -> None:
    _, body = a_large_order(2_000_000)

    answer = hub.shop(secret="not the secret").deliver("orders/create", body)

    assert answer.status == 401
    assert kept(hub, body) is None


def test_a_large_order_that_died_is_replayed_whole_after_the_cause_is_mended(hub: LocalHub) -> None:
    sku = f"LARGE-{fresh_number()}"
    number, body = a_large_order(2_000_000, sku)
    answer = hub.deliver("orders/create", body)
    dead = hub.end_of(f"order/{number}", answer)
    notice = hub.told_of(f"order/{number}")
    stock(hub.erp.url, [sku])

    send(hub, event_in_ledger(hub, number, answer.event).replayed(datetime.now(UTC)))
    hub.settle()

    (end,) = hub.ends(f"order/{number}")
    assert (dead.outcome, dead.failure.code if dead.failure else "") == ("dead", "NotConfigured")
    assert f"{FLOW}: NotConfigured" in notice
    assert (end.outcome, end.replay_of) == ("applied", answer.event)
    assert [order["docstatus"] for order in hub.orders(number)] == [SUBMITTED]


def test_an_event_whose_body_was_changed_in_the_bucket_dies_instead_of_being_applied(hub: LocalHub) -> None:
    number, body = a_large_order(2_000_000)
    with hub.paused(names.delivery_function(STAGE, FLOW)):
        answer = hub.deliver("orders/create", body)
        key = f"bodies/{hashlib.sha256(body).hexdigest()}"
        hub.aws.client("s3").put_object(Bucket=BODIES, Key=key, Body=body.replace(b"12.50", b"00.50"))
    end = hub.end_of(f"order/{number}", answer)

    assert end.failure is not None
    assert (end.outcome, end.failure.code) == ("dead", "BodyLost")
    assert hub.orders(number) == []


def test_a_token_that_comes_again_is_taken_with_its_own_event_only(hub: LocalHub) -> None:
    shop, body, other = hub.shop(WITH_TOKEN), an_order(), an_order()
    token = {"X-Token": f"token-{fresh_number()}"}

    first = shop.deliver("orders/create", body, headers=token)
    again = shop.deliver("orders/create", body, headers=token, webhook_id=first.webhook_id)
    replayed = shop.deliver("orders/create", other, headers=token)
    without = shop.deliver("orders/create", other)

    assert hub.end_of(f"{WITH_TOKEN}/order/{body['id']}", first).outcome == "applied"
    assert (again.status, again.event) == (200, first.event)
    assert (replayed.status, json.loads(replayed.text)) == (401, {"refused": "UsedToken"})
    assert (without.status, json.loads(without.text)) == (401, {"refused": "MissingHeader"})
    assert hub.ends(f"{WITH_TOKEN}/order/{other['id']}") == []


def test_during_a_rotation_both_secrets_are_accepted_and_the_one_before_is_told(hub: LocalHub) -> None:
    client, secret_id = hub.aws.client("secretsmanager"), names.secret(STAGE, OTHER_INTEGRATION)
    before = json.loads(client.get_secret_value(SecretId=secret_id)["SecretString"])
    until = datetime.now(UTC) + timedelta(hours=1)
    client.put_secret_value(SecretId=secret_id, SecretString=json.dumps(rotated(before, "webhook", "new", until)))
    try:
        by_new = wait_for(lambda: accepted(hub, "new"), "the new secret is not accepted")  # read anew within 10 s
        by_previous = accepted(hub, before["webhook"])
    finally:
        client.put_secret_value(SecretId=secret_id, SecretString=json.dumps(before))

    assert by_new
    assert by_previous
    log = f"/aws/lambda/{names.webhook_function(STAGE, OTHER_INTEGRATION)}"
    lines = [each["message"] for each in hub.aws.client("logs").filter_log_events(logGroupName=log)["events"]]
    assert [
        json.loads(line)["PreviousSecret"] for line in lines if "PreviousSecret" in line and by_previous in line
    ] == [1]


def accepted(hub: LocalHub, secret: str) -> str | None:
    """The event of a new order of the other shop, signed by a secret; None where it was refused."""
    return hub.shop(OTHER_INTEGRATION, secret).deliver("orders/create", an_order()).event or None


def test_an_event_that_no_connector_reads_yet_is_verified_named_and_recorded(hub: LocalHub) -> None:
    number = fresh_number()
    body = json.dumps({"action": "opened", "issue": {"id": number}, "repository": {"id": number}}).encode()
    signature = hmac.new(signing_secret(FORGE).encode(), body, hashlib.sha256).hexdigest()
    headers = {
        "Content-Type": "application/json",
        "X-GitHub-Event": "issues",
        "X-GitHub-Delivery": f"delivery-{number}",
        "X-Hub-Signature-256": f"sha256={signature}",
    }
    url = hub.api_url + names.webhook_path(FORGE)

    taken = hub.http.post(url, content=body, headers=headers)
    forged = hub.http.post(url, content=body + b" ", headers=headers)
    items = wait_for(lambda: recorded(hub, f"delivery-{number}"), "it was not recorded")

    assert (taken.status_code, forged.status_code) == (200, 401)
    assert [(each["outcome"]["S"], each["type"]["S"]) for each in items] == [("ignored", "github.issues/opened")]


def recorded(hub: LocalHub, event_id: str) -> list[dict[str, Any]] | None:
    """The ledger's entries of a forge's event, whatever it is about."""
    pages = hub.aws.client("dynamodb").get_paginator("scan").paginate(TableName=names.ledger_table(STAGE))
    record = f"{FORGE}-to-erp#{event_id}"
    return [item for page in pages for item in page["Items"] if item["record"]["S"] == record] or None
