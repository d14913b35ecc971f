"""DynamoDB: what is recorded is known afterwards, all of it or none; throttling and refusals are our trouble."""

import base64
import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ReadTimeoutError
from botocore.stub import ANY, Stubber

from adapters.dynamodb import PART_BYTES, TRIES, DynamoLedger
from adapters.ledger_history import Ended, LedgerHistory
from adapters.payloads import base_of, parts_of
from benchmarks.orders import new_orders
from hub.errors import LedgerUnavailable
from hub.events import Event
from hub.ledger import Entry, Failure, Head, Known, Outcome, Parking
from tests.fakes import NOW, an_event

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

FLOW = "shop-eu-to-erp"
MONTH = timedelta(days=30)
REFUSED = Failure("Refused", "DATA_VALIDATION_FAILED", "medium", "Item X does not exist")


def applied(event: Event, **fields: Any) -> Entry:
    stated = {"doctype": "Sales Order", "name": "SO-1", **fields}
    return Entry(FLOW, event, Outcome.APPLIED, attempts=1, recorded_at=NOW, **stated)


class Naps:
    """Instead of sleeping: how long it would have been."""

    def __init__(self) -> None:
        self.taken: list[float] = []

    def __call__(self, seconds: float) -> None:
        self.taken.append(seconds)


@pytest.fixture
def ledger(dynamodb: "DynamoDBClient", table: str) -> DynamoLedger:
    return DynamoLedger(dynamodb, table, days=90)


def stored(dynamodb: "DynamoDBClient", table: str) -> dict[tuple[str, str], Any]:
    items = dynamodb.scan(TableName=table, ConsistentRead=True)["Items"]
    return {(item["entity"]["S"], item["record"]["S"]): item for item in items}


def test_of_a_new_event_nothing_is_known(ledger: DynamoLedger) -> None:
    assert ledger.known(FLOW, [an_event("1"), an_event("2")]) == [Known(Head(), None), Known(Head(), None)]


def test_what_was_recorded_is_known(ledger: DynamoLedger) -> None:
    one, two = an_event("1", "shop-eu/order/A"), an_event("2", "shop-eu/order/B")
    head = Head("0001", "Sales Order", "SO-1", digest="0123abcd")

    ledger.record([applied(one)], [(FLOW, one.subject, head)])

    assert ledger.known(FLOW, [two, one]) == [Known(Head(), None), Known(head, Outcome.APPLIED)]


def test_another_flow_knows_nothing_of_it(ledger: DynamoLedger) -> None:
    ledger.record([applied(an_event())], [(FLOW, an_event().subject, Head("1"))])

    assert ledger.known("shop-eu-to-warehouse", [an_event()]) == [Known(Head(), None)]
    assert ledger.known(FLOW[:-1], [an_event()]) == [Known(Head(), None)]


def test_an_entry_keeps_what_an_operator_asks_for(dynamodb: "DynamoDBClient", table: str, ledger: DynamoLedger) -> None:
    event = an_event("1", version="0007", data=b'{"id": 1}').replayed(NOW + timedelta(seconds=3))

    ledger.record([replace(applied(event), outcome=Outcome.DEAD, failure=REFUSED, rule="because")], [])

    (item,) = stored(dynamodb, table).values()
    assert LedgerHistory(dynamodb, table).event(event.subject, FLOW, "1") == event
    expires = datetime.fromtimestamp(int(item["expires_at"]["N"]), UTC)
    assert expires == NOW + timedelta(days=90)
    assert list(LedgerHistory(dynamodb, table).of(event.subject)) == [
        Ended(
            entity="shop-eu/order/1001",
            flow=FLOW,
            event_id="1",
            type="shop.orders/create",
            outcome="dead",
            attempts=1,
            received_at=NOW + timedelta(seconds=3),
            recorded_at=NOW,
            doctype="Sales Order",
            name="SO-1",
            rule="because",
            replay_of="1",
            failure=REFUSED,
        )
    ]


def test_a_head_does_not_expire_and_is_no_outcome(dynamodb: "DynamoDBClient", table: str, ledger: DynamoLedger) -> None:
    ledger.record([], [(FLOW, "shop-eu/order/A", Head("0001", "Sales Order", "SO-1"))])

    ((key, item),) = stored(dynamodb, table).items()
    assert key == ("shop-eu/order/A", f"{FLOW}#")
    assert "expires_at" not in item
    assert not list(LedgerHistory(dynamodb, table).of("shop-eu/order/A"))


def test_a_later_outcome_of_an_event_replaces_the_earlier(ledger: DynamoLedger) -> None:
    event = an_event("1")
    ledger.record([replace(applied(event), outcome=Outcome.DEAD, failure=REFUSED)], [])

    ledger.record([applied(event.replayed(NOW))], [])

    assert ledger.known(FLOW, [event])[0].outcome == Outcome.APPLIED


def test_events_of_one_entity_lie_beside_the_first_that_is_recorded_with_them(
    dynamodb: "DynamoDBClient", table: str, ledger: DynamoLedger
) -> None:
    """A shop tells one change by several topics: what the others say has been said."""
    (order,) = new_orders(1)
    one, two, three = (an_event(name, data=order.body) for name in ("1", "2", "3"))
    parked = replace(
        applied(three), outcome=Outcome.PARKED, parking=Parking("erp", "shop-eu/order/9", NOW, NOW + MONTH)
    )

    ledger.record([applied(one), replace(applied(two), recorded_at=NOW + timedelta(seconds=9)), parked], [])

    items = stored(dynamodb, table)
    sizes = [len(items[one.subject, f"{FLOW}#{each.id}"]["payload"]["B"]) for each in (one, two, three)]
    assert sizes[1] < 200 < 800 < sizes[0] == sizes[2]  # what waits ends later, perhaps as another one does
    history = LedgerHistory(dynamodb, table)
    assert [history.event(one.subject, FLOW, each.id) for each in (one, two, three)] == [one, two, three]
    first, second = (items[one.subject, f"{FLOW}#{each.id}"]["expires_at"] for each in (one, two))
    assert first == second


def test_an_event_is_whole_after_the_one_it_lies_beside_was_replayed(
    dynamodb: "DynamoDBClient", table: str, ledger: DynamoLedger
) -> None:
    one, two = an_event("1", data=b"a body " * 200), an_event("2", data=b"a body " * 201)
    ledger.record([applied(one), applied(two)], [])
    history = LedgerHistory(dynamodb, table)

    ledger.record([applied(history.event(one.subject, FLOW, "1").replayed(NOW))], [])

    assert history.event(two.subject, FLOW, "2") == two
    three = an_event("3", data=b"a body " * 202)
    ledger.record([applied(three), applied(history.event(one.subject, FLOW, "1").replayed(NOW))], [])
    items = stored(dynamodb, table)
    assert [base_of(items[one.subject, f"{FLOW}#{each}"]) for each in "123"] == ["3", "1", ""]
    assert history.event(two.subject, FLOW, "2") == two


def test_of_another_entity_or_without_a_body_nothing_lies_beside(
    dynamodb: "DynamoDBClient", table: str, ledger: DynamoLedger
) -> None:
    kept_elsewhere = replace(an_event("0", data=b""), data_ref="bodies/0")
    events = [kept_elsewhere, an_event("1"), an_event("2", "shop-eu/order/2")]

    ledger.record([applied(event) for event in events], [])

    assert not [item for item in stored(dynamodb, table).values() if base_of(item)]
    history = LedgerHistory(dynamodb, table)
    assert [history.event(each.subject, FLOW, each.id) for each in events] == events


def test_what_was_recorded_with_texts_for_moments_is_read_and_discarded_too(
    dynamodb: "DynamoDBClient", table: str, ledger: DynamoLedger
) -> None:
    event = an_event("1")
    (item,) = ledger.entry_items(replace(applied(event), outcome=Outcome.DEAD, failure=REFUSED))
    formerly = {"received_at": {"S": event.received_at.isoformat()}, "recorded_at": {"S": NOW.isoformat()}}
    dynamodb.put_item(TableName=table, Item=item | formerly | {"attempts": {"N": "1"}})
    history = LedgerHistory(dynamodb, table)
    (ended,) = history.of(event.subject)

    assert (ended.received_at, ended.recorded_at, ended.attempts) == (event.received_at, NOW, 1)
    assert history.event(event.subject, FLOW, "1") == event
    assert history.discard(ended, "erp", "by me", NOW + timedelta(seconds=1))
    assert not history.discard(ended, "erp", "by me", NOW)


def test_an_event_that_came_twice_in_a_batch_is_one_item(
    dynamodb: "DynamoDBClient", table: str, ledger: DynamoLedger
) -> None:
    """DynamoDB refuses a write call with two items of one key."""
    event = an_event("1")

    ledger.record([applied(event), replace(applied(event), outcome=Outcome.UNCHANGED)], [])

    assert len(stored(dynamodb, table)) == 1
    assert ledger.known(FLOW, [event])[0].outcome == Outcome.UNCHANGED


def test_many_entries_take_several_calls(dynamodb: "DynamoDBClient", table: str, ledger: DynamoLedger) -> None:
    events = [an_event(str(n), f"shop-eu/order/{n}") for n in range(60)]

    ledger.record([applied(event) for event in events], [(FLOW, e.subject, Head("1")) for e in events])

    assert len(stored(dynamodb, table)) == 120
    known = ledger.known(FLOW, events)  # 120 keys: more than one read call takes
    assert [each.outcome for each in known] == [Outcome.APPLIED] * 60


@pytest.mark.parametrize(("size", "parts"), [(1_000, 1), (600_000, 2), (1_000_000, 3)])
def test_a_payload_beyond_an_items_size_is_kept_in_parts(
    dynamodb: "DynamoDBClient", table: str, ledger: DynamoLedger, size: int, parts: int
) -> None:
    noise = base64.b85encode(hashlib.shake_256(b"not to be compressed").digest(size * 4 // 5))
    event = an_event("1", data=noise)

    ledger.record([applied(event)], [])

    items = stored(dynamodb, table)
    assert len(items) == parts
    records = [f"{FLOW}#1", *(f"{FLOW}#1#part{number}" for number in range(1, parts))]
    pieces = [items[event.subject, record]["payload"]["B"] for record in records]
    assert all(len(piece) <= PART_BYTES for piece in pieces)
    assert LedgerHistory(dynamodb, table).event(event.subject, FLOW, "1") == event
    assert parts_of(items[event.subject, records[0]]) == parts
    assert len({item["expires_at"]["N"] for item in items.values()}) == 1
    assert ledger.known(FLOW, [event])[0].outcome == Outcome.APPLIED
    assert len(list(LedgerHistory(dynamodb, table).of(event.subject))) == 1


# --- what people call an entity ---------------------------------------------------------------------------------------


def test_an_entity_is_found_by_its_label(dynamodb: "DynamoDBClient", table: str, ledger: DynamoLedger) -> None:
    head = Head("0001", "Sales Order", "SO-1", "1042")

    ledger.record([], [(FLOW, "shop-eu/order/A", head), ("shop-eu-to-crm", "shop-eu/order/A", head)])
    ledger.record([replace(applied(an_event("2", "shop-us/order/B")), outcome=Outcome.DEAD, label="1042")], [])
    ledger.record([applied(an_event("3", "shop-us/order/C"))], [(FLOW, "shop-us/order/C", Head("1"))])

    assert LedgerHistory(dynamodb, table).labelled("1042") == ["shop-eu/order/A", "shop-us/order/B"]
    assert ledger.known(FLOW, [an_event("1", "shop-eu/order/A")])[0].head == head


def test_an_event_that_is_applied_at_last_leaves_the_index_to_its_head(
    dynamodb: "DynamoDBClient", table: str, ledger: DynamoLedger
) -> None:
    ledger.record([replace(applied(an_event("1")), outcome=Outcome.DEAD, label="1042")], [])

    ledger.record([applied(an_event("1").replayed(NOW))], [])

    assert LedgerHistory(dynamodb, table).labelled("1042") == []


def test_the_whole_ledger_is_read_page_by_page_and_each_end_once(
    dynamodb: "DynamoDBClient", table: str, ledger: DynamoLedger
) -> None:
    noise = [hashlib.shake_256(str(n).encode()).digest(300_000) for n in range(12)]  # 3.6 MB: several pages of 1 MB
    events = [an_event(str(n), f"shop-eu/order/{n}", data=each) for n, each in enumerate(noise)]
    ledger.record([applied(event) for event in events], [(FLOW, event.subject, Head("1")) for event in events])
    seen: list[int] = []

    ends = list(LedgerHistory(dynamodb, table).everything(seen.append))

    assert sorted(each.event_id for each in ends) == sorted(event.id for event in events)
    assert len(seen) > 4
    assert sum(seen) == 2 * len(events)


def test_what_a_read_of_outcomes_left_is_asked_for_again_and_in_the_end_told(dynamodb: "DynamoDBClient") -> None:
    naps = Naps()

    class Throttled:
        def batch_get_item(self, RequestItems: Any) -> Any:  # noqa: N803 - AWS's name
            return {"Responses": {}, "UnprocessedKeys": RequestItems}

    client: Any = Throttled()
    with pytest.raises(LedgerUnavailable, match="throttled; try again"):
        LedgerHistory(client, "t", naps).outcomes(FLOW, [("shop-eu/order/1", "1")])
    assert len(naps.taken) > 3


def test_outcomes_are_those_of_the_events_that_have_ended(
    dynamodb: "DynamoDBClient", table: str, ledger: DynamoLedger
) -> None:
    events = [an_event(f"{n}#x", f"shop-eu/order/{n}") for n in range(150)]  # more than one read call takes
    ledger.record([applied(event) for event in events[:140]], [])

    found = LedgerHistory(dynamodb, table).outcomes(FLOW, [(event.subject, event.id) for event in events] * 2)

    assert found == {(event.subject, event.id): "applied" for event in events[:140]}


# --- what DynamoDB leaves undone --------------------------------------------------------------------------------------

KEY = {"entity": {"S": "shop-eu/order/1001"}, "record": {"S": f"{FLOW}#event-1"}}


def test_what_a_read_left_is_asked_for_again(dynamodb: "DynamoDBClient") -> None:
    naps = Naps()
    with Stubber(dynamodb) as stubbed:
        left = {"Responses": {}, "UnprocessedKeys": {"t": {"Keys": [KEY]}}}
        found = {"Responses": {"t": [KEY | {"outcome": {"S": "applied"}}]}, "UnprocessedKeys": {}}
        stubbed.add_response("batch_get_item", left, {"RequestItems": ANY})
        stubbed.add_response("batch_get_item", found, {"RequestItems": {"t": ANY}})

        (known,) = DynamoLedger(dynamodb, "t", 90, naps).known(FLOW, [an_event()])

        stubbed.assert_no_pending_responses()
    assert known.outcome == Outcome.APPLIED
    assert naps.taken == [0.1]


def test_what_a_write_left_is_written_again_and_only_that(dynamodb: "DynamoDBClient") -> None:
    naps = Naps()
    asked: list[Any] = []
    head: Any = {"PutRequest": {"Item": {"entity": {"S": "A"}, "record": {"S": f"{FLOW}#"}}}}

    class Throttled:
        def batch_write_item(self, RequestItems: Any) -> Any:  # noqa: N803 - AWS's name
            asked.append(RequestItems["t"])
            return {"UnprocessedItems": {"t": [head]} if len(asked) < 3 else {}}

    client: Any = Throttled()
    DynamoLedger(client, "t", 90, naps).record([applied(an_event())], [(FLOW, "A", Head("1"))])

    assert [len(requests) for requests in asked] == [2, 1, 1]
    assert asked[1] == [head]
    assert naps.taken == [0.1, 0.2]


def test_a_table_that_stays_throttled_is_our_trouble(dynamodb: "DynamoDBClient") -> None:
    naps = Naps()

    class Throttled:
        def batch_write_item(self, RequestItems: Any) -> Any:  # noqa: N803 - AWS's name
            return {"UnprocessedItems": RequestItems}

        def batch_get_item(self, RequestItems: Any) -> Any:  # noqa: N803 - AWS's name
            return {"Responses": {}, "UnprocessedKeys": RequestItems}

    client: Any = Throttled()
    ledger = DynamoLedger(client, "t", 90, naps)

    with pytest.raises(LedgerUnavailable, match="writes unprocessed"):
        ledger.record([applied(an_event())], [])
    with pytest.raises(LedgerUnavailable, match="reads unprocessed"):
        ledger.known(FLOW, [an_event()])
    assert len(naps.taken) == 2 * TRIES
    assert max(naps.taken) <= 1.6


@pytest.mark.parametrize("code", ["ProvisionedThroughputExceededException", "AccessDeniedException"])
def test_a_refusal_is_our_trouble_and_bears_its_code(dynamodb: "DynamoDBClient", code: str) -> None:
    ledger = DynamoLedger(dynamodb, "t", 90)
    with Stubber(dynamodb) as stubbed:
        stubbed.add_client_error("batch_get_item", code)
        stubbed.add_client_error("batch_write_item", code)

        with pytest.raises(LedgerUnavailable, match=code):
            ledger.known(FLOW, [an_event()])
        with pytest.raises(LedgerUnavailable, match=code):
            ledger.record([applied(an_event())], [])


def test_no_answer_is_our_trouble() -> None:
    class Silent:
        def batch_get_item(self, **_: Any) -> None:
            raise ReadTimeoutError(endpoint_url="https://dynamodb")

    client: Any = Silent()
    with pytest.raises(LedgerUnavailable, match="ReadTimeoutError"):
        DynamoLedger(client, "t", 90).known(FLOW, [an_event()])


def test_reads_are_consistent(dynamodb: "DynamoDBClient") -> None:
    asked: list[Any] = []

    class Watched:
        def batch_get_item(self, RequestItems: Any) -> Any:  # noqa: N803 - AWS's name
            asked.append(RequestItems["t"]["ConsistentRead"])
            return {"Responses": {}}

    client: Any = Watched()
    DynamoLedger(client, "t", 90).known(FLOW, [an_event()])

    assert asked == [True]
