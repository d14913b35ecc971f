"""A verified delivery that cannot become a document ends dead with its reason, is told, and leaves nothing half-written."""

from decimal import Decimal
from typing import Any

import pytest

from infra.local.shopify import Body
from tests.local_aws.hub import MUG, LocalHub, a_customer, a_line, an_order, wait_for


def _without_customer() -> Body:
    body = an_order()
    del body["customer"]
    return body


def _that_does_not_add_up() -> Body:
    return {**an_order(a_line(MUG, 2, "10.00"), tax=Decimal("1.00")), "total_price": "20.00"}


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        (_without_customer(), "NotConfigured", "has no customer; name one for such orders"),
        (an_order(a_line(None)), "NotConfigured", "a line has no SKU"),
        (an_order(a_line(MUG), a_line("NO-SUCH-THING")), "NotConfigured", "SKU 'NO-SUCH-THING', which is no Item"),
        (_that_does_not_add_up(), "TotalMismatch", "but the source charged 20.00 USD"),
        ({**an_order(), "line_items": []}, "Unreadable", "line_items: the order has none"),
        ({**an_order(), "total_price": "many"}, "Unreadable", "total_price: must be an amount"),
    ],
    ids=["no customer", "no SKU", "unknown SKU", "total", "no lines", "no amount"],
)
def test_an_order_that_cannot_be_written(hub: LocalHub, body: Body, code: str, words: str) -> None:
    answer = hub.deliver("orders/create", body)

    end = hub.end_of(f"order/{body['id']}", answer)
    notice = hub.told_of(f"order/{body['id']}")

    assert end.failure is not None
    assert (end.outcome, end.failure.code) == ("dead", code)
    assert words in end.failure.message
    assert f"shop-eu-to-erp: {code}" in notice
    assert hub.orders(body["id"]) == []


@pytest.mark.parametrize(
    "body",
    [b"not JSON at all", b'["a", "list"]', b'{"id": ', b"\xff\xfe not UTF-8", b"null", b'{"id": NaN}'],
    ids=["words", "list", "cut off", "bytes", "null", "NaN"],
)
def test_a_signed_body_that_is_no_order_is_kept_for_a_person(hub: LocalHub, body: bytes) -> None:
    # API Gateway hands a text body on as text: bytes that are no UTF-8 survive only as application/octet-stream
    answer = hub.deliver("orders/create", body, headers={"Content-Type": "application/octet-stream"})

    end = _end_of_unreadable(hub, answer)

    assert end["outcome"]["S"] == "dead"
    assert end["error"]["M"]["code"]["S"] == "Unreadable"
    assert "Unreadable" in hub.told_of(end["entity"]["S"])


def _end_of_unreadable(hub: LocalHub, answer: Any) -> dict[str, Any]:
    assert answer.status == 200, answer.text
    table = hub.aws.client("dynamodb")

    def look() -> dict[str, Any] | None:
        items = table.scan(TableName="hub-local-ledger")["Items"]
        return next((one for one in items if one["record"]["S"] == f"shop-eu-to-erp#{answer.event}"), None)

    return wait_for(look, f"event {answer.event} has not ended")


def test_an_unknown_topic_is_ignored_with_the_rule(hub: LocalHub) -> None:
    body = an_order()

    end = hub.end_of(f"other/{body['id']}", hub.deliver("orders/edited", body))

    assert (end.outcome, end.rule) == ("ignored", "shopify.orders/edited has no action in flow shop-eu-to-erp")
    assert hub.orders(body["id"]) == []


def test_a_cancelled_order_that_erpnext_never_had_is_ignored(hub: LocalHub) -> None:
    body = an_order()
    gone = {**body, "cancelled_at": body["updated_at"]}

    end = hub.end_of(f"order/{body['id']}", hub.deliver("orders/cancelled", gone))

    assert (end.outcome, hub.orders(body["id"])) == ("ignored", [])


def test_a_dead_order_does_not_hold_up_the_customers_next_one(hub: LocalHub) -> None:
    buyer = a_customer()
    poison, good = an_order(a_line("NO-SUCH-THING"), buyer=buyer), an_order(buyer=buyer)

    answers = [hub.deliver("orders/create", body) for body in (poison, good)]
    ends = [hub.end_of(f"order/{body['id']}", answer) for body, answer in zip((poison, good), answers, strict=True)]

    assert [end.outcome for end in ends] == ["dead", "applied"]
    assert len(hub.orders(good["id"])) == 1
