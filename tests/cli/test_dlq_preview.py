"""`hub dlq redrive --preview` says, field by field, what sending a dead letter again would change in ERPNext now."""

import json
from dataclasses import replace
from typing import Any

import pytest

from adapters.dead_letters import DynamoLetters
from hub import names
from hub.dead_letter import DeadLetter, record_dead_letters
from hub.events import Event
from hub.ledger import Failure
from tests.cli.test_reconcile import DAY, FLOW, Shop, shop, site, told

__all__ = ["shop", "site"]

pytestmark = pytest.mark.slow  # the test starts a site of its own

REFUSED = Failure("Refused", "DATA_VALIDATION_FAILED", "medium", "made up")


def test_what_would_change_is_told_field_by_field_and_nothing_is_written(shop: Shop) -> None:
    new, changed, same, bad = (shop.sell(number) for number in (1, 2, 3, 4))
    shop.bring(changed)
    shop.bring(same)
    raised = shop.sell(2, "12.50", hours=1)
    table = names.ledger_table(shop.stage.name)
    book = DynamoLetters(shop.stage.client("dynamodb"), table, 90)
    unwanted = replace(told(new), id="e-fax", type="shopify.orders/fax", subject="shop-eu/order/6")
    unreadable = replace(told(bad), data=b"no order")
    events: list[Event] = [told(new), told(raised), told(same), unreadable, unwanted]
    record_dead_letters([DeadLetter(FLOW, each, 3, REFUSED) for each in events], book, DAY)
    shop.site.clear_requests()

    shown = shop.stage.hub("dlq", "redrive", "--preview", "--json")
    text = shop.stage.hub("dlq", "redrive", "--preview").output

    found: dict[str, Any] = {each["entity"].rsplit("/", 1)[-1]: each for each in json.loads(shown.stdout)}
    effects = {number: each["effect"] for number, each in found.items()}
    assert effects == {"1": "creates", "2": "changes", "3": "nothing", "4": "dies", "6": "nothing"}
    (total,) = [each for each in found["2"]["differences"] if each["field"] == "total"]
    assert (float(total["now"]), float(total["then"])) == (10.0, 12.5)
    assert found["3"]["why"].startswith("unchanged: Sales Order ")
    assert "has no action in flow" in found["6"]["why"]
    assert f"changes {found['2']['document']} in erp" in text
    assert "Nothing was changed. 5 dead letters would be sent again." in text
    assert {method for method, _, _ in shop.site.requests} == {"GET"}
    assert shop.sent() == []
