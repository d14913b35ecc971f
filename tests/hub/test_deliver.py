"""Delivering one event: whether it still matters, how it ends, and how long it waits where it does not end yet."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.connector import Effect, NotWanted, Read, Written
from hub.deliver import SAID_ALREADY, TRIES_BEFORE_GIVING_UP, Delivered, Route, deliver, wait_seconds
from hub.errors import (
    BodyLost,
    BodyUnavailable,
    Category,
    HubError,
    LedgerUnavailable,
    Parked,
    Refused,
    RetriesExhausted,
    Temporary,
    TotalMismatch,
    Unavailable,
    Unreadable,
)
from hub.events import Event
from hub.ledger import Entry, Head, Known, Outcome
from hub.records import Customer, Fulfilment, FulfilmentLine, Order, OrderLine, Record, TableRow
from hub.settings import RetrySettings
from tests.fakes import NOW, FakeDestination, an_event, read_anything

RETRY = RetrySettings(base_seconds=2, cap_seconds=900, give_up_after_seconds=3600)
NEW = Known(Head(), None)

KEPT = {"s3://bodies/1": b'{"id": 1}'}  # bodies outside the queue


def a_route(
    destination: FakeDestination,
    actions: Mapping[str, str] | None = None,
    read: Read = read_anything,
) -> Route:
    return Route(
        flow="shop-eu-to-erp",
        read=read,
        destination=destination,
        actions={"shop.orders/create": "upsert_sales_order"} if actions is None else actions,
        records={"shop.orders/create": "order"},
        retry=RETRY,
        body_of=lambda event: KEPT[event.data_ref],
    )


def delivered(event: Event, destination: FakeDestination, known: Known = NEW, attempts: int = 1) -> Delivered:
    return deliver(event, a_route(destination), known, attempts, now=NOW)


def ended(result: Delivered) -> Entry:
    assert result.entry
    return result.entry


def test_a_new_event_is_applied_and_moves_the_head() -> None:
    destination = FakeDestination()

    result = delivered(an_event("e-1", version="0002"), destination)

    assert destination.applied == [("e-1", "upsert_sales_order", "")]
    assert ended(result) == Entry(
        "shop-eu-to-erp",
        an_event("e-1", version="0002"),
        Outcome.APPLIED,
        attempts=1,
        recorded_at=NOW,
        doctype="Sales Order",
        name="SO-1",
    )
    assert replace(result.head, digest="") == Head("0002", "Sales Order", "SO-1")


def test_the_record_is_of_the_kind_that_the_topic_states() -> None:
    kinds = []

    def read(event: Event, kind: str) -> Record:
        kinds.append(kind)
        return read_anything(event, kind)

    deliver(an_event(), a_route(FakeDestination(), read=read), NEW, 1, NOW)

    assert kinds == ["order"]


@pytest.mark.parametrize("outcome", [outcome for outcome in Outcome if outcome.final])
def test_an_event_that_ended_has_no_second_effect(outcome: Outcome) -> None:
    destination = FakeDestination()
    head = Head("0001", "Sales Order", "SO-1")

    result = delivered(an_event(), destination, Known(head, outcome))

    assert result == Delivered(None, head)
    assert not destination.applied


def test_an_operators_replay_of_a_dead_event_is_applied() -> None:
    destination = FakeDestination()

    result = delivered(an_event().replayed(NOW), destination, Known(Head(), Outcome.DEAD))

    assert ended(result).outcome == Outcome.APPLIED


def test_a_replay_undoes_no_later_fact() -> None:
    destination = FakeDestination()
    event = an_event(version="0001").replayed(NOW)

    result = delivered(event, destination, Known(Head("0002", "Sales Order", "SO-1"), Outcome.DEAD))

    assert ended(result).outcome == Outcome.STALE
    assert not destination.applied


def test_an_older_version_is_stale_and_changes_nothing() -> None:
    destination = FakeDestination()
    head = Head("0002", "Sales Order", "SO-1")

    result = delivered(an_event(version="0001"), destination, Known(head, None))

    assert ended(result).outcome == Outcome.STALE
    assert ended(result).rule == "version 0002 is already known"
    assert result.head == head
    assert not destination.applied


@pytest.mark.parametrize("version", ["0002", "0003", ""])
def test_an_equal_a_newer_and_an_unknown_version_are_applied(version: str) -> None:
    """Shopify was seen to send two different updates with the same updated_at."""
    destination = FakeDestination()

    result = delivered(an_event(version=version), destination, Known(Head("0002", "Sales Order", "SO-7"), None))

    assert destination.applied == [("event-1", "upsert_sales_order", "SO-7")]
    assert result.head.version == max("0002", version)


@pytest.mark.parametrize("actions", [{}, {"shop.orders/create": "ignore"}])
def test_a_topic_without_action_is_ignored_with_its_rule(actions: dict[str, str]) -> None:
    destination = FakeDestination()

    result = deliver(an_event(), a_route(destination, actions), NEW, 1, NOW)

    assert ended(result).outcome == Outcome.IGNORED
    assert ended(result).rule == "shop.orders/create has no action in flow shop-eu-to-erp"
    assert not destination.applied


@pytest.mark.parametrize(
    ("effect", "outcome"),
    [
        (Effect.APPLIED, Outcome.APPLIED),
        (Effect.UNCHANGED, Outcome.UNCHANGED),
        (Effect.STALE, Outcome.STALE),
        (Effect.IGNORED, Outcome.IGNORED),
    ],
)
def test_what_the_destination_says_is_the_outcome(effect: Effect, outcome: Outcome) -> None:
    destination = FakeDestination({"event-1": Written(effect, "Sales Order", "SO-1", rule="because")})

    entry = ended(delivered(an_event(version="0001"), destination))

    assert (entry.outcome, entry.doctype, entry.name, entry.rule) == (outcome, "Sales Order", "SO-1", "because")


def test_a_destination_that_knows_better_keeps_the_head() -> None:
    destination = FakeDestination({"event-1": Written(Effect.STALE, "Sales Order", "SO-1")})

    assert delivered(an_event(version="0009"), destination).head == Head()


def test_a_document_once_known_is_not_forgotten() -> None:
    destination = FakeDestination({"event-1": Written(Effect.UNCHANGED)})

    head = delivered(an_event(version="0002"), destination, Known(Head("0001", "Sales Order", "SO-1"), None)).head

    assert replace(head, digest="") == Head("0002", "Sales Order", "SO-1")


@pytest.mark.parametrize("error", [Refused("no such item"), TotalMismatch("one cent"), Unreadable("id: is missing")])
def test_a_permanent_error_is_dead_at_once_with_its_reason(error: Exception) -> None:
    destination = FakeDestination({"event-1": error})

    result = delivered(an_event(version="0001"), destination)

    failure = ended(result).failure
    assert ended(result).outcome == Outcome.DEAD
    assert failure
    assert (failure.code, failure.category, failure.message) == (
        type(error).__name__,
        "DATA_VALIDATION_FAILED",
        str(error),
    )
    assert result.head == Head()


def test_an_unreadable_body_is_dead_before_the_destination_hears_of_it() -> None:
    def read(event: Event, kind: str) -> Record:
        raise Unreadable("id: is missing")

    destination = FakeDestination()

    result = deliver(an_event(), a_route(destination, read=read), NEW, 1, NOW)

    assert ended(result).outcome == Outcome.DEAD
    assert not destination.applied


def test_a_body_of_which_nothing_is_wanted_is_ignored_by_the_readers_rule() -> None:
    def read(event: Event, kind: str) -> NotWanted:
        return NotWanted("no money came in")

    destination = FakeDestination()

    result = deliver(an_event(version="0002"), a_route(destination, read=read), NEW, 1, NOW)

    assert (ended(result).outcome, ended(result).rule) == (Outcome.IGNORED, "no money came in")
    assert result.head == Head()
    assert not destination.applied


def test_a_topic_that_a_person_must_see_to_is_ignored_with_what_to_do() -> None:
    route = replace(a_route(FakeDestination()), by_hand={"shop.shop/redact": "erase it within 30 days"})

    entry = ended(deliver(an_event(event_type="shop.shop/redact"), route, NEW, 1, NOW))

    assert (entry.outcome, entry.rule) == (Outcome.IGNORED, "erase it within 30 days")


@pytest.mark.parametrize("error", [Temporary("deadlock"), Unavailable("down"), LedgerUnavailable("throttled")])
def test_a_temporary_error_is_no_end(error: Temporary) -> None:
    with pytest.raises(type(error)):
        delivered(an_event(), FakeDestination({"event-1": error}))


def test_a_bug_is_no_end() -> None:
    with pytest.raises(ZeroDivisionError):
        delivered(an_event(), FakeDestination({"event-1": ZeroDivisionError()}))


@pytest.mark.parametrize("seconds", [3600, 3601, 100_000])
def test_a_trouble_that_outlasts_the_flows_patience_is_dead(seconds: int) -> None:
    event = an_event(received_at=NOW - timedelta(seconds=seconds))
    destination = FakeDestination({"event-1": Temporary("locked", category=Category.TIMEOUT)})

    failure = ended(delivered(event, destination, attempts=TRIES_BEFORE_GIVING_UP)).failure

    assert failure
    assert failure.code == RetriesExhausted.__name__
    assert failure.category == "TIMEOUT"
    assert failure.message == "still failing after 1 h: locked"


def test_an_unavailable_destination_is_no_events_fault_however_long() -> None:
    event = an_event(received_at=NOW - timedelta(days=13))

    with pytest.raises(Unavailable):
        delivered(event, FakeDestination({"event-1": Unavailable("down")}), attempts=200)


def test_an_event_that_waited_out_an_outage_is_still_tried_often_enough() -> None:
    event = an_event(received_at=NOW - timedelta(days=1))

    with pytest.raises(Temporary):
        delivered(event, FakeDestination({"event-1": Temporary("locked")}), attempts=TRIES_BEFORE_GIVING_UP - 1)


def test_a_busy_hour_before_an_outage_of_twelve_gives_nobody_up() -> None:
    """Twenty receives of an event that mostly waited behind others of its entity are not twelve hours of tries."""
    event = an_event(received_at=NOW - timedelta(hours=14))
    patient = replace(a_route(FakeDestination({"event-1": Temporary("locked")})), retry=RetrySettings())

    with pytest.raises(Temporary):
        deliver(event, patient, NEW, 20, now=NOW)


def test_until_then_it_is_tried_again() -> None:
    event = an_event(received_at=NOW - timedelta(seconds=3599))

    with pytest.raises(Unavailable):
        delivered(event, FakeDestination({"event-1": Unavailable("down")}))


def test_a_replay_has_its_own_time() -> None:
    event = an_event(received_at=NOW - timedelta(days=30)).replayed(NOW)

    with pytest.raises(Unavailable):
        delivered(event, FakeDestination({"event-1": Unavailable("down")}), Known(Head(), Outcome.DEAD))


# --- waiting ----------------------------------------------------------------------------------------------------------


@given(st.integers(0, 100_000), st.floats(0, 1, exclude_max=True))
def test_a_wait_is_within_its_bounds(attempts: int, share: float) -> None:
    wait = wait_seconds(Temporary("x"), attempts, RETRY, share)

    assert 0 <= wait <= RETRY.cap_seconds
    assert wait <= RETRY.base_seconds * 2 ** min(max(attempts - 1, 0), 60)


@pytest.mark.parametrize(("attempts", "longest"), [(1, 2), (2, 4), (3, 8), (9, 512), (10, 900), (50, 900)])
def test_the_bound_doubles_up_to_the_cap_and_jitter_uses_all_of_it(attempts: int, longest: float) -> None:
    assert wait_seconds(Temporary("x"), attempts, RETRY, 0.0) == 0
    assert wait_seconds(Temporary("x"), attempts, RETRY, 0.5) == longest / 2
    assert wait_seconds(Temporary("x"), attempts, RETRY, 0.999999) == pytest.approx(longest, rel=1e-5)


@pytest.mark.parametrize(("stated", "waited"), [(0, 0), (17, 17), (17.5, 17.5), (-3, 0), (5_000, 900)])
def test_no_try_comes_sooner_than_the_other_side_wishes(stated: float, waited: float) -> None:
    error = Temporary("slow down", retry_after_seconds=stated)

    assert wait_seconds(error, 7, RETRY, 0.0) == waited


def test_a_short_wish_does_not_shorten_the_backoff() -> None:
    assert wait_seconds(Temporary("slow down", retry_after_seconds=10), 7, RETRY, 0.9) == pytest.approx(0.9 * 128)


# --- bodies outside the queue -----------------------------------------------------------------------------------------


def body_seen(event: Event) -> list[bytes]:
    seen: list[bytes] = []

    def remember(event: Event, kind: str) -> Record:
        seen.append(event.data)
        return read_anything(event, kind)

    deliver(event, a_route(FakeDestination(), read=remember), NEW, attempts=1, now=NOW)
    return seen


def test_a_body_that_is_kept_elsewhere_is_read_from_there() -> None:
    event = replace(an_event(data=b""), data_ref="s3://bodies/1")

    assert body_seen(event) == [b'{"id": 1}']


def test_a_body_is_not_fetched_for_an_event_that_has_no_action() -> None:
    event = replace(an_event(data=b"", event_type="shop.themes/publish"), data_ref="s3://bodies/gone")

    assert body_seen(event) == []


@pytest.mark.parametrize("lost", [BodyLost("gone"), BodyUnavailable("no answer")])
def test_a_body_that_is_gone_is_dead_and_one_that_is_out_of_reach_comes_again(lost: HubError) -> None:
    def body_of(event: Event) -> bytes:
        raise lost

    event = replace(an_event(data=b""), data_ref="s3://bodies/1")
    route = replace(a_route(FakeDestination()), body_of=body_of)

    if isinstance(lost, BodyUnavailable):
        with pytest.raises(BodyUnavailable):
            deliver(event, route, NEW, attempts=1, now=NOW)
        return
    entry = deliver(event, route, NEW, attempts=1, now=NOW).entry
    assert entry
    assert entry.outcome == Outcome.DEAD
    assert entry.failure
    assert entry.failure.code == "BodyLost"


# --- what people call it ----------------------------------------------------------------------------------------------


def read_order(event: Event, kind: str) -> Record:
    line = OrderLine(id="1", quantity=Decimal(1), unit_price=Decimal(5))
    return Order(id="7", number="#1042", placed_at=NOW, currency="EUR", total=Decimal(5), lines=(line,))


def test_the_head_of_an_order_bears_its_number() -> None:
    result = deliver(an_event(), a_route(FakeDestination(), read=read_order), NEW, 1, now=NOW)

    assert result.head.label == "1042"
    assert ended(result).label == ""  # the head tells it already


def test_an_order_that_is_refused_bears_its_number_itself_since_it_moves_no_head() -> None:
    refuses = FakeDestination({"event-1": Refused("no such item")})

    result = deliver(an_event(), a_route(refuses, read=read_order), NEW, 1, now=NOW)

    assert (ended(result).outcome, ended(result).label, result.head) == (Outcome.DEAD, "1042", Head())


def test_what_has_no_label_keeps_the_one_that_is_known() -> None:
    known = Known(Head("", "Sales Order", "SO-1", "1042"), None)

    assert deliver(an_event(), a_route(FakeDestination()), known, 1, now=NOW).head.label == "1042"


def test_an_echo_writes_nothing_and_is_recorded_as_unchanged() -> None:
    shipment = Fulfilment(
        id="DN-1",
        order_id="7",
        shipped_at=NOW,
        lines=(FulfilmentLine(line_id="1", quantity=Decimal(1)),),
        came_from="shop-eu",
    )
    destination = FakeDestination()
    route = replace(a_route(destination, read=lambda *_, **__: shipment), destination_name="shop-eu")

    end = ended(deliver(an_event("e-1"), route, NEW, 1, NOW))

    assert (end.outcome, end.rule) == (
        Outcome.UNCHANGED,
        "shop-eu itself stated this shipment: it is an echo",
    )
    assert destination.applied == []


def test_what_is_anothers_is_ignored_and_says_whose_it_is() -> None:
    rule = "price is owned by erp: see ownership in the configuration"
    route = replace(a_route(FakeDestination(), actions={}), left={an_event("e-1").type: rule})

    end = ended(deliver(an_event("e-1"), route, NEW, 1, NOW))

    assert (end.outcome, end.rule) == (Outcome.IGNORED, rule)


def read_name(event: Event, kind: str) -> Record:
    """Reads a customer of that name."""
    return Customer(id="1", name=event.data.decode())


def told(
    *events: Event,
    destination: FakeDestination | None = None,
    actions: Mapping[str, str] | None = None,
    once: Sequence[str] = (),
) -> tuple[list[str], list[str]]:
    """How events of one entity ended, one after another, and those for which the destination was asked."""
    destination = destination or FakeDestination()
    way = replace(
        a_route(destination, actions, read_name), records=dict.fromkeys(PUSHED_AND_PULLED, "customer"), once=once
    )
    head, outcomes = Head(), []
    for event in events:
        result = deliver(event, way, Known(head, None), 1, NOW)
        head = result.head
        outcomes.append(ended(result).outcome.value)
    return outcomes, [event_id for event_id, *_ in destination.applied]


PUSHED_AND_PULLED = dict.fromkeys(("shop.orders/create", "shop.orders/updated", "shop.orders"), "upsert_sales_order")


def said(event_id: str, name: str = "Ada", version: str = "0001", kind: str = "shop.orders/create") -> Event:
    return replace(an_event(event_id, version=version, data=name.encode()), type=kind)


def test_a_change_that_is_told_by_several_topics_and_pulled_is_written_once() -> None:
    events = [said(kind, kind=kind) for kind in PUSHED_AND_PULLED]

    assert told(*events, actions=PUSHED_AND_PULLED) == (["applied", "unchanged", "unchanged"], ["shop.orders/create"])


def test_what_was_said_already_names_the_document_and_moves_nothing() -> None:
    first = deliver(said("1"), a_route(FakeDestination(), read=read_name), NEW, 1, NOW)

    again = deliver(said("2"), a_route(FakeDestination(), read=read_name), Known(first.head, None), 1, NOW)

    entry = ended(again)
    assert (entry.outcome, entry.rule, entry.doctype, entry.name) == (
        Outcome.UNCHANGED,
        SAID_ALREADY,
        "Sales Order",
        "SO-1",
    )
    assert again.head == first.head


@pytest.mark.parametrize(
    "second",
    [
        said("2", name="Ada Lovelace"),  # another state of the same second
        said("2", version="0002"),  # a newer one: the document's version has to follow
        said("2", kind="shop.orders/updated"),  # another action
        said("2").replayed(NOW),  # an operator wants it written
    ],
    ids=["record", "version", "action", "replay"],
)
def test_whatever_differs_is_written(second: Event) -> None:
    actions = {"shop.orders/create": "upsert_sales_order", "shop.orders/updated": "upsert_customer"}

    assert told(said("1"), second, actions=actions)[1] == ["1", "2"]


def test_a_state_that_comes_back_within_the_same_version_is_written() -> None:
    assert told(said("1"), said("2", name="Bob"), said("3"))[1] == ["1", "2", "3"]


def test_without_versions_nobody_knows_what_came_in_between() -> None:
    assert told(said("1", version=""), said("2", version=""))[1] == ["1", "2"]


def test_what_each_event_does_once_is_done_for_each() -> None:
    assert told(said("1"), said("2"), once=("upsert_sales_order",))[1] == ["1", "2"]


@pytest.mark.parametrize(
    "first",
    [
        Refused("no such item"),
        Parked("waits for its customer", waits_for="shop-eu/customer/1"),
        Written(Effect.STALE, "Sales Order", "SO-1"),
        Written(Effect.IGNORED, rule="cancelled before ERPNext knew of it"),
        Written(Effect.APPLIED, "Item", "I-1", "without the barcode, which another item has"),
    ],
    ids=["dead", "parked", "stale", "ignored", "in part"],
)
def test_what_was_not_done_in_full_is_tried_again_by_the_next_event(first: Written | Exception) -> None:
    assert told(said("1"), said("2"), destination=FakeDestination({"1": first}))[1] == ["1", "2"]


def test_rows_with_any_text_and_number_have_a_digest() -> None:
    def read(event: Event, kind: str) -> Record:
        return TableRow(
            stream="contacts", key="1", fields={"half a pair": "\ud800", "sum": Decimal("1.10"), "none": None}
        )

    first = deliver(said("1"), a_route(FakeDestination(), read=read), NEW, 1, NOW)

    assert ended(deliver(said("2"), a_route(FakeDestination(), read=read), Known(first.head, None), 1, NOW)).rule == (
        SAID_ALREADY
    )
