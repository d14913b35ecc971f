"""What the ledger keeps of an event is the event, byte for byte, and stays readable whatever dictionaries come."""

import zlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.dynamodb import DynamoLedger
from adapters.payloads import CURRENT, DICTIONARIES, pack, unpack
from benchmarks.orders import new_orders
from hub.events import Event, to_json
from hub.ledger import Entry, Outcome
from tests.fakes import NOW, an_event

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - made aware


def item_of(event: Event) -> Mapping[str, Any]:
    ledger = DynamoLedger(None, "table", 90)  # type: ignore[arg-type]  # it is asked for an item alone
    (item,) = ledger.entry_items(Entry("flow", event, Outcome.APPLIED, 1, NOW))
    return item


@given(
    body=st.binary(max_size=300),
    name=TEXTS,
    integration=st.sampled_from(["shop-eu", "another"]),
    version=st.sampled_from(["", "0007"]),
    replay=st.sampled_from([None, "event-1"]),
    trace=st.none() | TEXTS,
    moment=MOMENTS,
    reference=st.sampled_from(["", "bodies/abc"]),
)
def test_any_event_comes_back_as_it_was(
    body: bytes,
    name: str,
    integration: str,
    version: str,
    replay: str | None,
    trace: str | None,
    moment: datetime,
    reference: str,
) -> None:
    event = replace(
        an_event(name, version=version, received_at=moment, replay_of=replay, data=b"" if reference else body),
        source=f"/integrations/{integration}",
        traceparent=trace,
        time=moment - timedelta(seconds=1),
        data_ref=reference,
    )

    assert unpack(pack(event), item_of(event)) == event


def test_what_was_kept_without_a_dictionary_is_read_too() -> None:
    event = an_event(data=b'{"id": 1}')

    assert unpack(zlib.compress(to_json(event).encode(), 6), item_of(event)) == event


def test_a_payload_that_breaks_off_is_no_event() -> None:
    event = an_event(data=b"x" * 1_000)

    with pytest.raises(ValueError, match="breaks off"):
        unpack(pack(event)[:-6], item_of(event))


def test_no_dictionary_has_changed_since_it_got_its_name() -> None:
    found = {path.stem: f"{zlib.adler32(path.read_bytes()):08x}" for path in DICTIONARIES.glob("*.txt")}

    assert found == {name: name for name in found}
    assert CURRENT in found


def test_an_order_of_10_kb_is_kept_in_less_than_half_of_what_deflate_alone_takes() -> None:
    (order,) = new_orders(1)

    assert len(order.body) > 10_000
    assert len(pack(an_event(data=order.body))) < 0.5 * len(zlib.compress(order.body, 9))
