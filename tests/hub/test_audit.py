"""The accounting: n in is n accounted for, whatever became of them; and nothing lost hides behind what waits."""

import hashlib
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.audit import Accepted, account, once, packed, told
from tests.fakes import NOW, an_event

OUTCOMES = ["applied", "unchanged", "stale", "ignored", "dead", "discarded", "parked"]


def an_accepted(number: int, minutes_ago: float = 60) -> Accepted:
    return Accepted(f"shop-eu/order/{number}", "e", "shop.orders/create", NOW - timedelta(minutes=minutes_ago))


@given(
    st.lists(st.tuples(st.sampled_from([*OUTCOMES, ""]), st.integers(2, 60_000)), max_size=30),
    st.lists(st.tuples(st.sampled_from(["applied", ""]), st.integers(0, 1)), max_size=5),
    st.integers(0, 40),
)
def test_what_arrived_is_what_ended_waits_or_is_named(
    period: list[tuple[str, int]], after: list[tuple[str, int]], messages: int
) -> None:
    accepted = [an_accepted(n, minutes) for n, (_, minutes) in enumerate(period)]
    later = [an_accepted(1000 + n, minutes) for n, (_, minutes) in enumerate(after)]
    ends = [outcome for outcome, _ in [*period, *after]]
    ended = {each.key: outcome for each, outcome in zip([*accepted, *later], ends, strict=True) if outcome}

    taken = account(accepted, later, ended, messages, NOW)

    assert taken.arrived == len(accepted)
    assert taken.arrived == sum(taken.outcomes.values()) + taken.waiting + len(taken.unaccounted)
    assert all(each.key not in ended for each in taken.unaccounted)
    assert taken.waiting <= messages
    open_ones = len(accepted) + len(later) - len(ended)
    assert len(taken.unaccounted) >= min(len(accepted) - sum(taken.outcomes.values()), open_ones - messages)


def test_with_empty_queues_all_that_has_not_ended_is_named_the_oldest_first() -> None:
    new, old, well = an_accepted(1, 5), an_accepted(2, 50), an_accepted(3)

    taken = account([new, old, well], [], {well.key: "applied"}, 0, NOW)

    assert (taken.unaccounted, taken.waiting) == ((old, new), 0)


def test_a_message_of_a_later_event_does_not_stand_for_a_lost_one() -> None:
    lost, later = an_accepted(1, 60), an_accepted(2, 0.5)

    taken = account([lost], [later], {}, 1, NOW)

    assert taken.unaccounted == (lost,)


def test_what_is_older_than_a_queue_remembers_cannot_wait() -> None:
    lost = an_accepted(1, 15 * 24 * 60)

    assert account([lost], [], {}, 100, NOW).unaccounted == (lost,)


def test_an_event_that_came_several_times_counts_once_from_its_first_time() -> None:
    first, again, other = an_accepted(1, 60), an_accepted(1, 10), an_accepted(2, 5)

    assert once([other, again, first]) == [first, other]


@given(
    st.lists(st.tuples(st.text(), st.text(), st.sampled_from(["crm.contacts", "crm.contacts/deleted"])), max_size=20)
)
def test_what_is_packed_of_events_is_told_again_whatever_their_keys_are(pairs: list[tuple[str, str, str]]) -> None:
    events = [an_event(event_id, f"crm/contact/{key}", event_type=kind) for key, event_id, kind in pairs]

    found = list(told(packed(events), NOW))

    assert sorted((each.key, each.type) for each in found) == sorted(
        ((each.subject, each.id), each.type) for each in events
    )
    assert all(each.received_at == NOW for each in found)


@pytest.mark.parametrize(("events", "most"), [(250, 40), (50, 45), (10, 60)])
def test_a_page_of_events_takes_few_bytes_of_log(events: int, most: int) -> None:
    """An event's id holds 16 bytes of a hash, which nothing makes shorter: 22 characters."""
    made = [
        an_event(
            f"orders-{hashlib.blake2b(str(number).encode(), digest_size=16).hexdigest()}",
            f"shop-eu/order/{820982911946154508 + 7919 * number}",
            event_type="shopify.orders",
        )
        for number in range(events)
    ]

    assert len(packed(made)) / events < most


@pytest.mark.parametrize("text", ["", "x", "eJw=", "AAAA", packed([])[:-4]])
def test_what_is_no_packed_page_is_refused(text: str) -> None:
    with pytest.raises((ValueError, TypeError, AttributeError)):
        list(told(text, NOW))
