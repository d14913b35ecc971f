"""What is parked goes on once its parent has been written, and is dead when that never happens."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from adapters.dynamodb import DynamoLedger
from adapters.parking import count_parked
from hub import names
from hub.events import Event, from_json
from hub.ledger import Entry, Outcome, Parking
from tests.local_aws.hub import FLOW, INTEGRATION, STAGE, LocalHub, an_order, fresh_number, wait_for

TABLE = names.ledger_table(STAGE)
BREAKER = names.breaker_function(STAGE, "erp")


def park(hub: LocalHub, body: dict[str, Any], waits_for: str, since: datetime) -> Event:
    """An order's event, parked as the delivery function parks one; it was handed in by the edge."""
    with hub.paused(names.delivery_function(STAGE, FLOW)):
        answer = hub.deliver("orders/create", body)
        assert answer.status == 200
        sqs, url = hub.aws.client("sqs"), hub.queue_url(names.queue(STAGE, FLOW))
        (message,) = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=5)["Messages"]
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    event = from_json(message["Body"])
    parking = Parking("erp", waits_for, since, since + timedelta(hours=1))
    entry = Entry(FLOW, event, Outcome.PARKED, 1, since, rule="its order is missing", parking=parking)
    DynamoLedger(hub.aws.client("dynamodb"), TABLE, 90).record([entry], [])
    return event


def tend(hub: LocalHub) -> None:
    """What the schedule does every minute."""
    answer = hub.aws.client("lambda").invoke(FunctionName=BREAKER, Payload=b"{}")
    assert "FunctionError" not in answer, json.loads(answer["Payload"].read())


def outcome(hub: LocalHub, body: dict[str, Any]) -> str:
    return hub.ends(f"order/{body['id']}")[-1].outcome


def listed(hub: LocalHub) -> int:
    return count_parked(hub.aws.client("dynamodb"), TABLE, "erp", FLOW)


def test_a_child_goes_on_once_its_parent_has_been_written(hub: LocalHub) -> None:
    child, parent = an_order(), an_order()
    park(hub, child, f"{INTEGRATION}/order/{parent['id']}", datetime.now(UTC))
    tend(hub)
    before = (outcome(hub, child), hub.orders(child["id"]), listed(hub))

    hub.end_of(f"order/{parent['id']}", hub.deliver("orders/create", parent))
    tend(hub)

    wait_for(lambda: outcome(hub, child) == "applied" or None, "the child did not go on")
    assert before == ("parked", [], 1)
    assert len(hub.orders(child["id"])) == 1
    assert listed(hub) == 0


def test_a_child_whose_parent_never_comes_is_dead_with_a_sentence_that_says_so(hub: LocalHub) -> None:
    child, missing = an_order(), f"{INTEGRATION}/order/{fresh_number()}"
    since = datetime.now(UTC) - timedelta(hours=2)
    event = park(hub, child, missing, since)
    DynamoLedger(hub.aws.client("dynamodb"), TABLE, 90).record(  # as after its last try, in vain
        [
            Entry(
                FLOW,
                event,
                Outcome.PARKED,
                1,
                datetime.now(UTC),
                rule="its order is missing",
                parking=Parking("erp", missing, since, since + timedelta(hours=1)),
            )
        ],
        [],
    )

    tend(hub)

    wait_for(lambda: outcome(hub, child) == "dead" or None, "the child did not die")
    failure = hub.ends(f"order/{child['id']}")[-1].failure
    assert failure
    assert failure.code == "ParentMissing"
    assert f"waited for {missing}" in failure.message
    assert "no event of it has been recorded" in failure.message
    assert listed(hub) == 0
    assert "ParentMissing" in hub.told_of(f"order/{child['id']}")
